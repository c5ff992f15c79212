"""
A raster of spikes
==================

Every run keeps the spikes of the first samples of its second epoch. The chain of gating neurons g0 to g11 opens one set of
layers in each of the twelve steps of a turn. Where the output is right, no error spike is sent, and no weight changes.
"""

import tempfile
from pathlib import Path

import matplotlib.style

from brianprop.analysis.figures.draw import circuit_of
from brianprop.analysis.figures.output import STYLE
from brianprop.analysis.figures.raster_nbp import plot_raster
from brianprop.experiments.training.commands import train
from brianprop.experiments.training.nbp import TrainNBP

matplotlib.style.use(STYLE)
folder = Path(tempfile.mkdtemp())

run = train(TrainNBP(hidden=(60,), epochs=2, out=folder / "digits"))
recording = run.load_spikes("raster")
figure = plot_raster(recording, circuit_of(run), n_samples=4)

# %%
# A recording is three arrays of equal length, and can be cut as the figure does it: by population, sample or phase.

errors = recording.of("d2_pos").step.size + recording.of("d2_neg").step.size
print(recording.step.size, "spikes in", recording.sample.max() + 1, "samples, of which", errors, "report an error")
