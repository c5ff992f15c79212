"""
Data of one's own
=================

A folder with four files in the format of MNIST is a data set: images and labels for training, and for the test. Here the
images are bars in one of ten places, with noise.
"""

import tempfile
from pathlib import Path

import matplotlib.style
import numpy as np

from brianprop.analysis.figures.images import plot_images
from brianprop.analysis.figures.output import STYLE
from brianprop.experiments.training.commands import train
from brianprop.experiments.training.nbp import TrainNBP

matplotlib.style.use(STYLE)
folder = Path(tempfile.mkdtemp())
rng = np.random.default_rng(0)


def bars(n):
    """`n` images of 8 x 8 pixels from 0 to 255, and their labels: five rows, then five columns."""
    labels = rng.integers(10, size=n).astype(np.uint8)
    images = rng.random((n, 8, 8)) < 0.08
    for image, label in zip(images, labels, strict=True):
        if label < 5:
            image[label] = True
        else:
            image[:, label - 5] = True
    return 255 * images.astype(np.uint8), labels


def write_idx(path, array):
    """Write bytes as an IDX file: two zeros, the type 8, the number of dimensions, each length in four bytes, the data."""
    path.write_bytes(bytes([0, 0, 8, array.ndim]) + np.array(array.shape, ">u4").tobytes() + array.tobytes())


(folder / "bars").mkdir()
for name, n in (("train", 1500), ("t10k", 200)):
    images, labels = bars(n)
    write_idx(folder / "bars" / f"{name}-images-idx3-ubyte", images)
    write_idx(folder / "bars" / f"{name}-labels-idx1-ubyte", labels)

run = train(TrainNBP(dataset=str(folder / "bars"), hidden=(60,), epochs=2, out=folder / "run"))

# %%
# Some test images with the drive of each output neuron:

figure = plot_images(run.load_images(), run.config["dataset"]["image_shape"], run.config["dataset"]["classes"])
