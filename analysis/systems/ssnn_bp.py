"""The system SSNN-BP, for everything but its training."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from brianprop.analysis.systems.system import Layout, System
from brianprop.models.ssnn_bp.parameters import SSNN

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from brianprop.analysis.energy.counts import Counts
    from brianprop.analysis.figures.selection import Selection
    from brianprop.analysis.runs.recording import Recording
    from brianprop.analysis.runs.run import Run
    from brianprop.models.feedforward import Layer
    from brianprop.models.model import Weights

__all__ = ["SSNNSystem"]


class SSNNSystem(System):
    """The stochastic composite neurons of Biswas et al. 2023.

    Accuracies: the answer is the argmax of the spike counts; it is the argmax of the mean of softmax(V) (rates). The loss is
    the mean cross-entropy [nat]. Answers are output spike ``counts`` over T steps, mean ``membrane`` V and mean ``rates``
    softmax(V).
    """

    name = "ssnn-bp"
    title = "SSNN-BP"
    parameters = SSNN
    accuracies = ("accuracy_spikes", "accuracy_rates")
    answers = ("counts", "membrane", "rates")
    readouts = ("spikes", "rates")
    options = "brianprop.experiments.training.ssnn_bp:TrainSSNN"
    trainer = "brianprop.experiments.training.ssnn_bp:SSNNTrainer"
    estimator = "brianprop.experiments.estimators.ssnn_bp:SSNNClassifier"

    def feedforward(self, parameters: SSNN, weights: Weights, seed: int) -> tuple[Layer, ...]:
        from brianprop.models.ssnn_bp.feedforward import feedforward

        return feedforward(parameters, weights)

    def layout(self, parameters: SSNN) -> Layout:
        from brianprop.models.ssnn_bp.model import SSNNModel

        return Layout(dict(SSNNModel(parameters, learns=True).populations), (parameters.steps,))

    def figures(self, run: Run) -> dict[str, Callable[[], Figure]]:
        from brianprop.analysis.activity import answer
        from brianprop.analysis.figures.classes import class_names
        from brianprop.analysis.figures.images import plot_answers
        from brianprop.analysis.figures.selection import Selection
        from brianprop.analysis.figures.sources import fields, images

        dataset = run.config["dataset"]
        label = f"spikes in {run.config['parameters']['steps']} steps"

        def counts() -> Figure:
            arrays = images(run)
            winner = answer(arrays["counts"], arrays["membrane"])
            return plot_answers(arrays, arrays["counts"], winner, label, dataset["image_shape"], class_names(dataset))

        return {
            "raster": lambda: self.raster(run, Selection()),
            "weights": lambda: fields(run),
            "images": counts,
        }

    def raster(self, run: Run, selection: Selection) -> Figure:
        from brianprop.analysis.figures.classes import class_names
        from brianprop.analysis.figures.raster_ssnn_bp import plot_raster
        from brianprop.analysis.figures.sources import recording

        return plot_raster(recording(run, selection), class_names(run.config["dataset"]), selection=selection)

    def counts(self, parameters: SSNN, recording: Recording) -> list[Counts]:
        from brianprop.analysis.energy.ssnn_bp import count_ssnn_bp

        return [count_ssnn_bp(recording, parameters, learns) for learns in (True, False)]
