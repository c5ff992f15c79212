"""Backpropagation written as spiking circuits in Brian2.

models       what is simulated: circuits, equations, oracles, devices, code generation
analysis     what is shown: run directories in, tables and figures out
experiments  what is run: data sets, training, sweeps, benchmarks, the command line
"""

__version__ = "0.1.0"
