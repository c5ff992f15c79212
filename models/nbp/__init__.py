"""nBP (Renner et al. 2024): a gated circuit that learns by backpropagation in twelve time steps.

parameters.py   rules, layer sizes, initial weights
circuit.py      the table of arrows: populations and projections of training and inference
equations.py    neurons, synapses and the learning rule as Brian2 equations
layout.py       how a circuit is laid out in arrays
network.py      the Brian2 objects of any gated circuit
model.py        `GatedModel`: any gated circuit, for `models.simulation.simulator`
oracle.py       the algorithm in plain NumPy, for tests
"""
