"""Figures: one file for each family, and one style."""
