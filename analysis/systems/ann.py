"""The ANN beside SSNN-BP, for everything but its training."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from brianprop.analysis.systems.system import System
from brianprop.models.ann import ANN

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from brianprop.analysis.runs.run import Run

__all__ = ["ANNSystem"]


class ANNSystem(System):
    """A network of rectified linear units with backpropagation. It has no spikes.

    The loss is the mean cross-entropy [nat]. Answers are ``rates``, the softmax of the output.
    """

    name = "ann"
    title = "ANN"
    parameters = ANN
    accuracies = ("accuracy",)
    answers = ("rates",)
    readouts = ("rates",)
    options = "brianprop.experiments.training.ann:TrainANN"
    trainer = "brianprop.experiments.training.ann:ANNTrainer"
    estimator = "brianprop.experiments.estimators.ann:ANNClassifier"

    def multiplications(self, parameters: ANN) -> Mapping[str, int]:
        first, *others = (n_pre * n_post for n_pre, n_post in itertools.pairwise(parameters.sizes))
        forward = first + sum(others)
        # each weight has its update, and each but those from the input passes an error back
        return {"training": 2 * forward + sum(others), "inference": forward}

    def figures(self, run: Run) -> dict[str, Callable[[], Figure]]:
        from brianprop.analysis.figures.classes import class_names
        from brianprop.analysis.figures.images import plot_answers
        from brianprop.analysis.figures.sources import fields, images

        dataset = run.config["dataset"]

        def rates() -> Figure:
            arrays = images(run)
            probabilities, winner = arrays["rates"], arrays["rates"].argmax(axis=1)
            return plot_answers(arrays, probabilities, winner, "probability", dataset["image_shape"], class_names(dataset))

        return {"weights": lambda: fields(run), "images": rates}
