"""
Weights as images
=================

The incoming weights of a hidden neuron have the shape of an image. Here they are before and after training, for the neurons
whose weights changed most, below histograms of all weights. Learned weights lie on a grid of even numbers between -254 and 254.
"""

import tempfile
from pathlib import Path

import matplotlib.style

from brianprop.analysis.figures.output import STYLE
from brianprop.analysis.figures.weights import plot_weights, share_at_bound
from brianprop.experiments.training.commands import train
from brianprop.experiments.training.nbp import TrainNBP

matplotlib.style.use(STYLE)
folder = Path(tempfile.mkdtemp())

run = train(TrainNBP(hidden=(60,), epochs=8, binarise=(0.3,), out=folder / "digits"))
initial, final = run.load_checkpoint(0)[1], run.load_weights()
parameters = run.parameters()
figure = plot_weights(initial, final, run.config["dataset"]["image_shape"], parameters.w_max, parameters.w_step)

# %%
# How many weights have come as far as they can:

print({name: f"{share_at_bound(weight, parameters.w_max):.1%}" for name, weight in final.items()})
