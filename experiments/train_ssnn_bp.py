"""Training of SSNN-BP: T time steps for every sample, and answers from a circuit that does not learn."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import ClassVar, Literal

import numpy as np

from analysis.activity import answer
from experiments import encoding, event_frames
from experiments.training import Learned, System, TrainOptions, cross_entropy, recording_of
from models.device import Simulator, simulator
from models.errors import DataError
from models.model import Model, Stimuli, Weights
from models.ssnn_bp import SSNN, SSNNModel, SSNNResult, SSNNRules, initial_weights

__all__ = ["SSNNSystem", "TrainSSNN", "scores"]


@dataclass(frozen=True)
class TrainSSNN(TrainOptions):
    """Train SSNN-BP, the stochastic composite neurons of Biswas et al. 2023."""

    system: ClassVar[str] = "ssnn-bp"

    hidden: tuple[int, ...] = (200,)
    """Number of hidden neurons, one for each hidden layer."""
    device: Literal["cpp_standalone", "cython", "numpy"] = "cpp_standalone"
    """C++ standalone, or Brian2's runtime, which is slow and serves debugging."""
    codegen: Literal["dense", "stock"] = "dense"
    """Templates for the C++ code: dense ones, which are faster, or Brian2's own. They draw different random numbers."""
    rules: SSNNRules = dataclasses.field(default_factory=SSNNRules)
    """Parameters of neurons, learning, regularisation and weights."""

    def parameters(self, n_in: int, n_out: int) -> SSNN:
        return SSNN(**dataclasses.asdict(self.rules), n_in=n_in, hidden=self.hidden, n_out=n_out)

    @property
    def bins(self) -> int:
        return self.rules.steps

    def training(self) -> dict:
        return {"device": self.device, "codegen": self.codegen}


def scores(result: SSNNResult, labels: np.ndarray) -> dict[str, float]:
    """Accuracies and loss of one pass of the network without learning.

    Parameters
    ----------
    result : SSNNResult
        Answers to n samples.
    labels : int array of shape (n,)

    Returns
    -------
    dict with
        ``accuracy_spikes``, of `analysis.activity.answer`; ``accuracy_rates``, argmax of the mean of softmax(V); and ``loss``,
        the `experiments.training.cross_entropy` of these means.
    """
    return {
        "accuracy_spikes": float(np.mean(answer(result.counts, result.membrane) == labels)),
        "accuracy_rates": float(np.mean(np.argmax(result.rates, axis=1) == labels)),
        "loss": cross_entropy(result.rates, labels),
    }


class SSNNSystem(System):
    """The network that learns and the one that answers, each ready to run on its splits; built when first used."""

    name = "ssnn-bp"
    grey = True
    kind = SSNN
    headline = ("accuracy_spikes", "accuracy_rates")
    #: Enough for the mean counts of spikes and updates: see `analysis.activity`.
    raster_turns = 100
    events = "frames"

    parameters: SSNN

    @staticmethod
    def initial_weights(parameters: SSNN, seed: int) -> Weights:
        return initial_weights(parameters, seed)

    @staticmethod
    def given_weights(parameters: SSNN, weights: Weights, path: Path) -> Weights:
        taken = {name: array.astype(np.float32) for name, array in weights.items()}
        for name, array in taken.items():
            if not name.startswith("W"):
                continue
            if np.any(np.abs(array) > parameters.w_max):
                raise DataError(f"{name} in {path} exceeds the bound w_max = {parameters.w_max}; clip it or set --w-max.")
            places = (array + parameters.w_max) / parameters.level if parameters.levels else np.zeros(1)
            if np.any(np.abs(places - np.rint(places)) > 1e-3):
                raise DataError(
                    f"{name} in {path} holds values off the {parameters.levels} levels from -{parameters.w_max} to "
                    f"{parameters.w_max}; round them to these."
                )
        return taken

    @staticmethod
    def fixed_epochs(parameters: SSNN) -> bool:
        return parameters.annealed

    def models(self) -> tuple[Model, ...]:
        return self._model(learns=True), self._model(learns=False)

    def prepare(self) -> None:
        _ = self._learner, self._answerer

    def learn(self, weights, epoch, order, n_recorded, progress) -> Learned:
        model = self._learner.model
        result = self._learner.run(
            weights,
            self._training_stimuli,
            order,
            noise_seed=self.noise_seed(epoch, "train"),
            n_recorded=n_recorded,
            first=(epoch - 1) * len(order),
            progress=progress,
        )
        # no scores: while a sample is presented, the weights adapt to its label
        return Learned(
            result.weights,
            result.seconds,
            recording=recording_of(result.recorded, model.populations, self.parameters.steps, epoch),
        )

    def score(self, weights, split, epoch, first=None):
        result = self._answers(weights, split, epoch, first)
        return scores(result, self.parts[split].labels[:first]), result.seconds

    def images(self, weights, epoch, first):
        result, test = self._answers(weights, "test", epoch, first), self.parts["test"]
        images = test.images[:first]
        return {
            "images": event_frames.rates(images, self.parameters.steps) if self.parameters.events else images,
            "target": test.labels[:first],
            "counts": result.counts,
            "membrane": result.membrane,
            "rates": result.rates,
        }

    def _answers(self, weights: Weights, split: str, epoch: int, first: int | None) -> SSNNResult:
        return self._answerer.run(
            weights,
            self._stimuli[split],
            np.arange(len(self.parts[split].labels[:first])),
            # another stream than that of learning, which is "train" too
            noise_seed=self.noise_seed(epoch, f"answers to {split}"),
        )

    def _model(self, learns: bool) -> SSNNModel:
        n_train = len(self.parts["train"].labels) if learns else 1
        return SSNNModel(self.parameters, learns, self.settings["epochs"] * n_train)

    def _simulator(self, learns: bool) -> Simulator:
        model = self._model(learns)
        return simulator(model, device=self.settings["device"], codegen=self.settings["codegen"], message=self.message)

    @cached_property
    def _learner(self) -> Simulator:
        return self._simulator(learns=True)

    @cached_property
    def _answerer(self) -> Simulator:
        return self._simulator(learns=False)

    @cached_property
    def _training_stimuli(self) -> Stimuli:
        train = self.parts["train"]
        return self._learner.model.stimuli(train.images, encoding.one_hot(train.labels, self.parameters.n_out))

    @cached_property
    def _stimuli(self) -> dict[str, Stimuli]:
        return {name: self._answerer.model.stimuli(part.images) for name, part in self.parts.items()}
