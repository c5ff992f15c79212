"""Training: from options to a run directory.

commands.py   train, resume and evaluate: what the command line does with any system
loop.py       the loop over epochs, which goes on after the last checkpoint
options.py    the options that every system has
values.py     options as plain values, as TOML and JSON hold them
data.py       the data of a run: loaded, divided, cropped and encoded
weights.py    initial weights from a file
system.py     what a system must offer to be trained
systems.py    the list of systems
circuit.py    what the spiking systems share: a circuit that learns and one that answers
nbp.py        the system nBP
ssnn_bp.py    the system SSNN-BP
ann.py        the ANN that SSNN-BP is compared with
lockstep.py   several trainings whose networks run in one simulation
replicas.py   one training for several seeds, in lockstep
"""
