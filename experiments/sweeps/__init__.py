"""Sweeps over parameters and seeds: description, cluster, run, and presets."""
