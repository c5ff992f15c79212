"""
Data of one's own
=================

Arrays of images are data, and each system is an estimator after scikit-learn, see :doc:`/python`. Here the images are bars in
one of ten places, with noise. (A folder with four files in the format of MNIST does the same for the command line.)
"""

import tempfile
from pathlib import Path

import matplotlib.style
import numpy as np

from brianprop import NBPClassifier
from brianprop.analysis.figures.images import plot_images
from brianprop.analysis.figures.output import STYLE

matplotlib.style.use(STYLE)
rng = np.random.default_rng(0)
NAMES = np.array([f"{kind} {place}" for kind in ("row", "column") for place in range(5)])


def bars(n):
    """`n` images of 8 x 8 pixels, and the names of what they show."""
    labels = rng.integers(10, size=n)
    images = rng.random((n, 8, 8)) < 0.08
    for image, label in zip(images, labels, strict=True):
        if label < 5:
            image[label] = True
        else:
            image[:, label - 5] = True
    return images, NAMES[labels]


classifier = NBPClassifier(hidden=(60,), epochs=2, validation=200)
classifier.fit(*bars(1700))

images, names = bars(200)
print(f"{classifier.score(images, names):.1%} right; the first is a {classifier.predict(images[:1])[0]}")

# %%
# ``save`` makes a run directory, which figures and commands take. Some validation images with the drive of each output neuron:

run = classifier.save(Path(tempfile.mkdtemp()) / "bars")
figure = plot_images(run.load_images(), run.config["dataset"]["image_shape"], run.config["dataset"]["classes"])
