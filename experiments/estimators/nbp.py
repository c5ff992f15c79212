"""nBP as an estimator."""

from __future__ import annotations

from typing import Any

from brianprop.experiments.estimators.classifier import Classifier
from brianprop.experiments.estimators.options import NBPOptions, takes

__all__ = ["NBPClassifier"]


class NBPClassifier(Classifier):
    """Classifier that learns by nBP, the spiking backpropagation of Renner et al. 2024.

    Pixels are binarised, see ``binarise``. A prediction is the class with the largest drive (accuracy by *membrane*).

    PARAMETERS

    Attributes
    ----------
    classes_ : array of shape (n_classes,)
        The labels, sorted.
    n_features_in_ : int
        Number of pixels.
    image_shape_ : tuple of int
        Rows and columns of an image.
    pixel_range_ : tuple of float
        Values of a black and a white pixel.
    history_ : list of dict
        Accuracies and loss after each epoch.
    weights_ : dict of int32 arrays
        W1, W2, ... of shape (n_pre, n_post).

    Examples
    --------
    >>> from brianprop import NBPClassifier
    >>> from sklearn.datasets import load_digits
    >>> X, y = load_digits(return_X_y=True)
    >>> classifier = NBPClassifier(hidden=(60,), epochs=5, binarise=(0.3,)).fit(X[:1500], y[:1500])
    >>> accuracy = classifier.score(X[1500:], y[1500:])
    """

    system = "nbp"
    options = NBPOptions
    answer = "drive"

    @takes(NBPOptions)
    def __init__(self, **parameters: Any): ...
