"""
A sweep
=======

The threshold theta decides how many hidden neurons fire. A sweep trains a network for each of its values and each seed, on all
cores, with one binary for all of them. Here the command line runs it, and the script reads the directory that it leaves.
"""

import subprocess
import sys
import tempfile
from pathlib import Path

import matplotlib.style

from brianprop.analysis.figures.output import STYLE
from brianprop.analysis.figures.sweeps.response import plot_response
from brianprop.analysis.sweeps import SweepDirectory

matplotlib.style.use(STYLE)
folder = Path(tempfile.mkdtemp())

words = "nbp --set dataset=digits hidden=60 epochs=2 --axis theta=512..1536/5 --seeds 2"
program = [sys.executable, "-m", "brianprop", "sweep", *words.split(), "--out", str(folder / "theta")]
subprocess.run(program, check=True, capture_output=True)

directory = SweepDirectory.open(folder / "theta")
table = directory.table()
figure = plot_response(directory, table)

# %%
# The table has a row for each run, with all its metrics.

print(table.groupby("theta")[["validation_accuracy_spikes", "validation_accuracy_membrane"]].mean().round(3))
