"""
Depth
=====

The published circuit has one hidden layer. The same rules, written down for any number of them, give a circuit of any depth:
``hidden`` takes one number for each layer. Each further layer adds phases to a turn.
"""

import tempfile
from pathlib import Path

import matplotlib.style

from brianprop.analysis.figures.accuracy import plot_accuracy
from brianprop.analysis.figures.connectivity import plot_anatomy
from brianprop.analysis.figures.draw import circuit_of
from brianprop.analysis.figures.output import STYLE
from brianprop.experiments.training.commands import train
from brianprop.experiments.training.nbp import TrainNBP

matplotlib.style.use(STYLE)
folder = Path(tempfile.mkdtemp())

shallow = train(TrainNBP(hidden=(60,), epochs=8, binarise=(0.3,), out=folder / "shallow"))
deep = train(TrainNBP(hidden=(400, 400), epochs=8, binarise=(0.3,), out=folder / "deep"))
figure = plot_accuracy({"60": [shallow.metrics_frame()], "400, 400": [deep.metrics_frame()]})

# %%
# The circuit with two hidden layers:

circuit = circuit_of(deep)
print(circuit.period, "phases,", len(circuit.populations), "populations,", len(circuit.projections), "projections")
anatomy = plot_anatomy(circuit)
