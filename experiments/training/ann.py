"""The ANN that SSNN-BP is compared with: the same data, sizes, initial weights and regularisation."""

from __future__ import annotations

import itertools
import math
import time
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from brianprop.experiments.training.options import TrainOptions, repeated
from brianprop.experiments.training.trainer import Learned, Trainer, cross_entropy
from brianprop.models import ann
from brianprop.models.ann import ANN
from brianprop.models.model import Weights
from brianprop.models.simulation.simulator import Progress
from brianprop.models.ssnn_bp.oracle import softmax

__all__ = ["ANNTrainer", "TrainANN", "scores"]

#: Memory [bytes] of a weight, which is drawn in double precision and kept before and after an epoch; and of the answer of one
#: output neuron.
WEIGHT_BYTES, ANSWER_BYTES = 24, 24


@dataclass(frozen=True)
class TrainANN(TrainOptions):
    """Train the ANN beside SSNN-BP: rectified linear units, backpropagation, one sample a step."""

    system: ClassVar[str] = "ann"

    hidden: tuple[int, ...] = (200,)
    """Number of hidden neurons, one for each hidden layer."""
    layers: int = 1
    """How often the layers of --hidden follow each other: --hidden 400 --layers 3 are three layers of 400."""
    # the learning rates of SSNN-BP are too large here: after 5 epochs of MNIST, seed 0, accuracy on validation images is 97.5 %
    # with them and 98.5 % with these
    rate_hidden: float = 0.025
    """Learning rate of the hidden layers."""
    rate_out: float = 0.025
    """The same for the output layer."""
    annealed: bool = True
    """Whether learning rates fall linearly to 0 over the whole training."""
    clip: float = math.inf
    """Upper bound of a hidden activation: theta of the SSNN-BP that it is compared with, or inf for plain rectified units."""
    dropout: float = 0.0
    """Share of the hidden neurons that are left out while a sample is presented."""
    weight_decay: float = 0.0
    """Weight decay, once per sample: w falls by the learning rate times this times w."""
    biases: bool = False
    """Whether neurons have biases."""
    steps: int = 20
    """Number of time steps into which events are binned. The input is the share of steps with an event."""

    def __post_init__(self):
        super().__post_init__()
        self._require_whole(steps=1, layers=1)

    @property
    def bins(self) -> int:
        return self.steps

    def parameters(self, n_in: int, n_out: int) -> ANN:
        return ANN(
            n_in=n_in,
            hidden=repeated(self.hidden, self.layers),
            n_out=n_out,
            rates=(self.rate_hidden,) * len(repeated(self.hidden, self.layers)) + (self.rate_out,),
            clip=self.clip,
            dropout=self.dropout,
            weight_decay=self.weight_decay,
            bias=self.biases,
            annealed=self.annealed,
        )


def _one_thread() -> AbstractContextManager:
    """Limit BLAS to one thread. Products with a single vector are too small for more: threads would only wait for each other.

    On a busy machine this made training up to 20 times slower. With one thread, sums are also the same whatever the number of
    cores, and so are the weights.
    """
    import scipy.linalg.blas  # noqa: F401  has a BLAS of its own, which must be loaded to be limited
    from threadpoolctl import threadpool_limits

    return threadpool_limits(1, user_api="blas")


def scores(logits: np.ndarray, labels: np.ndarray) -> dict[str, float]:
    """Accuracy and cross-entropy of the answers to samples.

    Parameters
    ----------
    logits : float array of shape (n, n_out)
    labels : int array of shape (n,)
        Class indices.

    Returns
    -------
    dict with
        ``accuracy``, where the answer is the argmax; and
        ``loss``, the `experiments.training.trainer.cross_entropy` of the softmax.
    """
    return {
        "accuracy": float(np.mean(np.argmax(logits, axis=1) == labels)),
        "loss": cross_entropy(softmax(logits.astype(float)), labels),
    }


class ANNTrainer(Trainer):
    """Trains the ANN."""

    grey = True
    headline = ("accuracy",)
    events = "rates"

    parameters: ANN

    @staticmethod
    def initial_weights(parameters: ANN, seed: int) -> Weights:
        return ann.initial_weights(parameters, seed)

    @staticmethod
    def memory(parameters: ANN, settings: dict, n_samples: int, learns: bool) -> int:
        synapses = sum(n_pre * n_post for n_pre, n_post in itertools.pairwise(parameters.sizes))
        return WEIGHT_BYTES * synapses + ANSWER_BYTES * n_samples * parameters.n_out

    @staticmethod
    def fixed_epochs(parameters: ANN) -> bool:
        return parameters.annealed

    def prepare(self) -> None:
        """There is nothing to build."""

    def learn(self, weights: Weights, epoch: int, order: np.ndarray, n_recorded: int, progress: Progress) -> Learned:
        train = self.parts["train"]
        start = time.perf_counter()
        with _one_thread():
            learned, _ = ann.train_epoch(
                self.parameters,
                weights,
                train.images,
                train.labels,
                order,
                (epoch - 1) * len(order),
                self.settings["epochs"] * len(order),
                np.random.default_rng(self.noise_seed(epoch, "train")),
                progress,
            )
        # without scores: like SSNN-BP, it is scored afterwards, on some training images and without dropout
        return Learned(learned, time.perf_counter() - start)

    def score(self, weights: Weights, split: str, epoch: int, first: int | None = None) -> tuple[dict[str, float], float]:
        start = time.perf_counter()
        with _one_thread():
            logits = ann.infer(self.parameters, weights, self.parts[split].images[:first])
        seconds = time.perf_counter() - start
        return scores(logits, self.parts[split].labels[:first]), seconds

    def predict(self, weights: Weights, split: str, epoch: int) -> dict[str, np.ndarray]:
        with _one_thread():
            return {"rates": np.argmax(ann.infer(self.parameters, weights, self.parts[split].images), axis=1)}

    def images(self, weights: Weights, epoch: int, first: int) -> dict[str, np.ndarray]:
        test = self.parts[self.shown]
        rates = softmax(ann.infer(self.parameters, weights, test.images[:first]).astype(float))
        return {"images": test.images[:first], "target": test.labels[:first], "rates": rates}
