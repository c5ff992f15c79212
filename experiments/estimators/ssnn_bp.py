"""SSNN-BP as an estimator."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

import numpy as np

from brianprop.experiments.estimators.classifier import Classifier
from brianprop.experiments.estimators.options import SSNNOptions, takes
from brianprop.experiments.training.options import TrainOptions
from brianprop.experiments.training.ssnn_bp import TrainSSNN
from brianprop.models.ssnn_bp.parameters import SSNN

__all__ = ["SSNNClassifier"]


@dataclass(frozen=True)
class _TrainOnEvents(TrainSSNN):
    """The options of a training on events that no data set names."""

    def parameters(self, n_in: int, n_out: int) -> SSNN:
        return dataclasses.replace(super().parameters(n_in, n_out), events=True)


class SSNNClassifier(Classifier):
    """Classifier that learns by SSNN-BP, the stochastic spiking backpropagation of Biswas et al. 2023.

    An input neuron spikes with a probability given by the grey value of its pixel, or where ``events`` say so. A prediction is
    the class with the largest mean of softmax(V) (accuracy by *rates*). Answers are drawn: they are the same for the same
    samples in the same order, and differ by chance for others.

    PARAMETERS

    Attributes
    ----------
    classes_ : array of shape (n_classes,)
        The labels, sorted.
    n_features_in_ : int
        Number of input neurons.
    image_shape_ : tuple of int
        Rows and columns of an image; of events, those of the input neurons, polarities below one another.
    pixel_range_ : tuple of float
        Values of a black and a white pixel; not for events.
    history_ : list of dict
        Accuracies and loss after each epoch.
    weights_ : dict of float32 arrays
        W1, W2, ... of shape (n_pre, n_post), and b1, b2, ... where there are biases.
    """

    system = "ssnn-bp"
    options = SSNNOptions
    answer = "rates"
    events: bool

    @takes(SSNNOptions)
    def __init__(self, **parameters: Any): ...

    def predict_proba(self, X: Any) -> np.ndarray:
        """The mean of softmax(V) over the time steps: the expected share of output spikes of each class, (n, n_classes)."""
        rates = self.answers(X)[self.answer].astype(float)
        return rates / rates.sum(axis=1, keepdims=True)  # summed in single precision

    def _option_class(self) -> type[TrainOptions]:
        return _TrainOnEvents if self.events else TrainSSNN
