"""The ANN beside SSNN-BP as an estimator."""

from __future__ import annotations

from typing import Any

import numpy as np

from brianprop.experiments.estimators.classifier import Classifier
from brianprop.experiments.estimators.options import ANNOptions, takes
from brianprop.experiments.estimators.trained import Trained

__all__ = ["ANNClassifier"]


class ANNClassifier(Classifier):
    """Classifier that learns by backpropagation without spikes, to be compared with the others: one sample a step.

    PARAMETERS

    Attributes
    ----------
    classes_ : array of shape (n_classes,)
        The labels, sorted.
    n_features_in_ : int
        Number of inputs.
    image_shape_ : tuple of int
        Rows and columns of an image; of events, those of the inputs, polarities below one another.
    pixel_range_ : tuple of float
        Values of a black and a white pixel; not for events.
    history_ : list of dict
        Accuracy and loss after each epoch.
    weights_ : dict of float32 arrays
        W1, W2, ... of shape (n_pre, n_post), and b1, b2, ... where there are biases.
    """

    system = "ann"
    options = ANNOptions
    answer = "rates"

    @takes(ANNOptions)
    def __init__(self, **parameters: Any): ...

    def predict_proba(self, X: Any) -> np.ndarray:
        """The softmax of the output, (n, n_classes)."""
        return self.answers(X)[self.answer]

    @classmethod
    def _parameters_of(cls, trained: Trained) -> dict[str, Any]:
        network, steps = trained.parameters(), trained.config["dataset"].get("steps")
        rates = {"rate_hidden": network.rates[0], "rate_out": network.rates[-1], "biases": network.bias}
        of_events = {} if steps is None else {"events": True, "steps": steps}
        return super()._parameters_of(trained) | rates | of_events
