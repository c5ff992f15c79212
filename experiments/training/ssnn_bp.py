"""The training of SSNN-BP: its options, its scores, and its networks for training and inference."""

from __future__ import annotations

import dataclasses
import itertools
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from brianprop.analysis.activity import answer
from brianprop.experiments.data import frames as event_frames
from brianprop.experiments.training.circuit import CircuitOptions, CircuitTrainer, circuit_memory
from brianprop.experiments.training.options import repeated
from brianprop.experiments.training.trainer import Learned, cross_entropy, recording_of
from brianprop.models.model import Stimuli, Weights
from brianprop.models.simulation.simulator import Progress
from brianprop.models.ssnn_bp.model import SSNNModel, SSNNResult
from brianprop.models.ssnn_bp.parameters import SSNN, SSNNRules, initial_weights

__all__ = ["SSNNTrainer", "TrainSSNN", "scores"]


@dataclass(frozen=True)
class TrainSSNN(CircuitOptions):
    """Train SSNN-BP, the stochastic composite neurons of Biswas et al. 2023."""

    system: ClassVar[str] = "ssnn-bp"

    hidden: tuple[int, ...] = (200,)
    """Number of hidden neurons, one for each hidden layer."""
    layers: int = 1
    """How often the layers of --hidden follow each other: --hidden 400 --layers 3 are three layers of 400."""
    rules: SSNNRules = dataclasses.field(default_factory=SSNNRules)
    """Parameters of neurons, learning, regularisation and weights."""

    def __post_init__(self):
        super().__post_init__()
        self._require_whole(layers=1)

    def parameters(self, n_in: int, n_out: int) -> SSNN:
        events = event_frames.is_events(self.dataset)
        return SSNN(
            **dataclasses.asdict(self.rules), n_in=n_in, hidden=repeated(self.hidden, self.layers), n_out=n_out, events=events
        )

    @property
    def bins(self) -> int:
        return self.rules.steps


def scores(result: SSNNResult, labels: np.ndarray) -> dict[str, float]:
    """Accuracies and loss of the answers of a network that does not learn.

    Parameters
    ----------
    result : SSNNResult
        Answers to n samples.
    labels : int array of shape (n,)
        Class indices.

    Returns
    -------
    dict with
        ``accuracy_spikes``, where the answer is that of `analysis.activity.answer`;
        ``accuracy_rates``, where it is the argmax of the mean of softmax(V) over the time steps; and
        ``loss``, the `experiments.training.trainer.cross_entropy` of these means.
    """
    accuracies = {f"accuracy_{name}": float(np.mean(answer == labels)) for name, answer in chosen(result).items()}
    # None only for a network that learns
    return accuracies | {"loss": cross_entropy(np.asarray(result.rates), labels)}


def chosen(result: SSNNResult) -> dict[str, np.ndarray]:
    """The classes answered: by the ``spikes``, see `analysis.activity.answer`, and by the ``rates``, the mean of softmax(V)."""
    return {"spikes": answer(result.counts, result.membrane), "rates": np.argmax(np.asarray(result.rates), axis=1)}


class SSNNTrainer(CircuitTrainer[SSNNModel, SSNNResult]):
    """Trains SSNN-BP."""

    grey = True
    headline = ("accuracy_spikes", "accuracy_rates")
    #: Enough samples for the mean numbers of spikes and updates, see `analysis.activity`.
    raster_samples = 100
    events = "frames"
    counts_samples = True
    #: Answers to the training samples draw from another stream than learning, whose purpose is "train".
    answering = "answers to "

    parameters: SSNN
    scores = staticmethod(scores)
    chosen = staticmethod(chosen)

    @staticmethod
    def initial_weights(parameters: SSNN, seed: int) -> Weights:
        return initial_weights(parameters, seed)

    @staticmethod
    def memory(parameters: SSNN, settings: dict, n_samples: int, learns: bool) -> int:
        synapses = sum(n_pre * n_post for n_pre, n_post in itertools.pairwise(parameters.sizes))
        # in a time step, about a tenth of all neurons fires, and at least one output neuron
        spikes = learns * SSNNTrainer.raster_samples * parameters.steps * max(1, sum(parameters.sizes) // 10)
        return circuit_memory(settings, synapses, spikes, n_samples * parameters.n_out)

    @staticmethod
    def fixed_epochs(parameters: SSNN) -> bool:
        return parameters.annealed

    @staticmethod
    def stimuli(model: SSNNModel, images: np.ndarray, targets: np.ndarray) -> Stimuli:
        return model.stimuli(images, targets)

    def model(self, learns: bool) -> SSNNModel:
        n_train = len(self.parts["train"].labels) if learns else 1
        return SSNNModel(self.parameters, learns, self.settings["epochs"] * n_train)

    def learn(self, weights: Weights, epoch: int, order: np.ndarray, n_recorded: int, progress: Progress) -> Learned:
        result = self.run_learner(weights, epoch, order, n_recorded, progress)
        populations = self.model(learns=True).populations
        # without scores: while a sample is presented, the weights already adapt to its label
        return Learned(
            result.weights,
            result.seconds,
            recording=recording_of(result.recorded, populations, self.parameters.steps, epoch),
        )

    def images(self, weights: Weights, epoch: int, first: int) -> dict[str, np.ndarray]:
        result, test = self.answers(weights, self.shown, epoch, first), self.parts[self.shown]
        images = test.images[:first]
        return {
            "images": event_frames.rates(images, self.parameters.steps) if self.parameters.events else images,
            "target": test.labels[:first],
            "counts": result.counts[:first],
            "membrane": result.membrane[:first],
            "rates": np.asarray(result.rates)[:first],
        }
