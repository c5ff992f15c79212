"""
Elsewhere: NIR
==============

The part of a trained network that answers can go to other simulators and to chips, as a graph of the Neuromorphic
Intermediate Representation (``pip install 'brianprop[nir]'``). ``brianprop export RUN --to nir`` writes it to a file.
"""

import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import matplotlib.style
import nir
import numpy as np

from brianprop.analysis.export import export
from brianprop.analysis.figures.output import STYLE
from brianprop.experiments.training.commands import train
from brianprop.experiments.training.nbp import TrainNBP

matplotlib.style.use(STYLE)
folder = Path(tempfile.mkdtemp())
run = train(TrainNBP(dataset="digits", hidden=(60,), epochs=8, binarise=(0.3,), seed=0, out=folder / "digits"))

graph = nir.read(export(run.path, "nir"))
for name, node in graph.nodes.items():
    print(name, type(node).__name__)

# %%
# Weights are in ``Affine`` nodes, neurons in ``CubaLIF`` nodes. The time constants are one time step, so that a membrane is
# what arrives in this step. NumPy is simulator enough; docs/nir.md has scripts for snnTorch, Norse, Spyx and Lava.


def simulate(spikes):
    """Spikes and membranes of the output neurons, for images of 0 and 1 of shape (n, n_in)."""
    membrane = spikes
    for synapses, neurons in (("W1", "h"), ("W2", "o")):
        affine = graph.nodes[synapses]
        membrane = spikes @ affine.weight.T + affine.bias
        spikes = membrane > graph.nodes[neurons].v_threshold
    return spikes, membrane


stored = run.load_images()
spikes, drive = simulate(stored["images"])
print("the spikes of the Brian2 circuit:", np.array_equal(spikes, stored["spikes"]))

# %%
# The membrane of the graph is the drive of the circuit. The threshold (dashed) is half a step of the weights above theta / 2:

print("the drive, too:", np.array_equal(drive, stored["drive"]))
figure, axes = plt.subplots(figsize=(4, 3), layout="constrained")
axes.plot(stored["drive"].ravel(), drive.ravel(), ".")
axes.axhline(graph.nodes["o"].v_threshold[0], color="0.5", linestyle="--")
axes.set(xlabel="drive in Brian2 (weight units)", ylabel="membrane in the graph")
