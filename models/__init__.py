"""What is simulated: equations, rules, circuits as data, Brian2 objects, devices, code generation, and oracles.

nbp/            nBP (Renner et al. 2024): parameters, circuit, equations, network, model, oracle
ssnn_bp/        SSNN-BP (Biswas et al. 2023): parameters, equations, network, model, oracle
ann.py          the ANN that SSNN-BP is compared with
dense/          faster generated code, for any Brian2 script
simulation/     the devices that run a model, and the cache of compiled circuits

model.py        the interface of a system: what a device needs to know about it
circuit.py      a gated circuit as data
feedforward.py  the part of a network that answers, as layers for other simulators
gating.py       the chain of gating neurons
equations.py    equations as text: constants that differ between networks side by side
weights.py      checks of weights that come from a file or from training
parameters.py   checks of parameters
errors.py       errors that the user can correct
memory.py       free memory, and a check that refuses what does not fit
files.py        atomic writes
cache.py        the cache folder

Imports point one way: a system imports the files of this folder and dense/; simulation/ knows systems only by `Model`.
"""
