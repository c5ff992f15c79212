"""Figures of a sweep: what its parameters do.

draw.py        all of them, written to files
response.py    the objective against one axis
heatmap.py     the objective over two crossed axes: mean and spread over seeds
parallel.py    every point as a line across all axes
importance.py  how much each axis matters
learning.py    learning curves by group
axes.py        the axes on the figures: values, titles, ticks and colours
objective.py   the objective in units of the figures, and its title
"""
