"""nBP (Renner et al. 2024): a gated circuit that learns by backpropagation , twelve time steps a sample.

parameters.py   rules, layer sizes, initial weights
layers.py       names of the populations by layer, and the matrices between them
schedule.py     the phases of a sample for any number of layers
generator.py    every arrow from layers and schedule
circuit.py      the circuits of training and inference: populations, projections, weights of fixed arrows
equations.py    neurons, synapses and the learning rule as Brian2 equations
layout.py       how a circuit is laid out in arrays
network.py      the Brian2 objects of any gated circuit
model.py        `GatedModel`: any gated circuit, for `models.simulation.simulator`
feedforward.py  the part of a gated circuit that answers, as layers
oracle.py       the algorithm in plain NumPy, for tests
"""
