"""Training: from options to a run directory.

commands.py   train, resume and evaluate: what the command line does with any system
loop.py       the loop over epochs, which goes on after the last checkpoint
options.py    the options that every system has
values.py     options as plain values, as TOML and JSON hold them
data.py       the data of a run: loaded, divided, cropped and encoded
weights.py    initial weights from a file
trainer.py    what trains a system, as the loop needs it
systems.py    options and trainer of a system, by its name
circuit.py    what the spiking systems share: a circuit that learns and one that answers
gated.py      the same for gated circuits
nbp.py        nBP
ssnn_bp.py    SSNN-BP
ann.py        the ANN that SSNN-BP is compared with
lockstep.py   several trainings whose networks run in one simulation
replicas.py   one training for several seeds, in lockstep
"""
