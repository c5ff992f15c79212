"""
First steps
===========

Train nBP on scikit-learn's digits and look at its accuracy. One call does what ``brianprop train nbp`` does: it builds the
circuit, or finds it in the cache, trains it, and keeps everything in a run directory.
"""

import tempfile
from pathlib import Path

import matplotlib.style

from brianprop.analysis.figures.accuracy import plot_accuracy
from brianprop.analysis.figures.output import STYLE
from brianprop.experiments.training.commands import evaluate, train
from brianprop.experiments.training.nbp import TrainNBP

matplotlib.style.use(STYLE)
folder = Path(tempfile.mkdtemp())

run = train(TrainNBP(dataset="digits", hidden=(60,), epochs=8, binarise=(0.3,), seed=0, out=folder / "digits"))

# %%
# The run directory holds the settings, the accuracies and the weights after each epoch, and the spikes of some samples.

print(sorted(path.name for path in run.path.iterdir()))
figure = plot_accuracy({"nBP, 64-60-10": [run.metrics_frame()]})

# %%
# ``evaluate`` lets the trained network answer without learning, here to the test images. *Exact* counts the answers whose
# spikes all equal the target; *spikes* takes the first output that fired, and *membrane* the one with the largest drive.

scores = evaluate(run.path, split="test")
print({name: round(value, 3) for name, value in scores.items() if name.startswith("accuracy")})
