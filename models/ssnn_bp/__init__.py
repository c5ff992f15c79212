"""SSNN-BP (Biswas et al. 2023): stochastic neurons that carry activations and signed gradients at the same time.

parameters.py   rules, layer sizes, initial weights, packing of input events
equations.py    neurons and crossbars as Brian2 equations
network.py      the Brian2 objects
model.py        `SSNNModel`, for `models.simulation.simulator`
feedforward.py  the part that answers, as layers
oracle.py       the algorithm in plain NumPy, for tests, with the derivation of its constants
"""
