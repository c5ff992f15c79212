"""What trains a system (`Trainer`), and the small functions that the trainers of all systems share."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from brianprop.analysis.runs.recording import Recording
from brianprop.experiments.data.dataset import Part
from brianprop.experiments.training.data import EventInput
from brianprop.experiments.training.options import Message
from brianprop.models.model import Model, Recorded, Weights
from brianprop.models.simulation.simulator import Progress

if TYPE_CHECKING:
    from brianprop.experiments.training.lockstep import Member

__all__ = [
    "JITTER_STREAM",
    "NOISE_STREAM",
    "SHUFFLE_STREAM",
    "Learned",
    "Trainer",
    "cross_entropy",
    "metrics_row",
    "noise_seed",
    "recording_of",
]

#: Names of the independent random streams of one seed. The models draw from 0 (initial weights), 2
#: (thresholds) and 5 (random feedback).
SHUFFLE_STREAM, NOISE_STREAM, JITTER_STREAM = 1, 3, 4

#: Lower bound of the label's probability in the cross-entropy: a mean of softmax may round to 0, whose logarithm is infinite.
PROBABILITY_FLOOR = 1e-12


@dataclass(frozen=True)
class Learned:
    """The result of one epoch of learning.

    Attributes
    ----------
    weights : dict of arrays
        Weights after the epoch.
    seconds : float
        Wall time of learning alone.
    scores : dict of float, or None
        Accuracies and loss of the answers given while learning; None if such answers say nothing about the network.
    recording : Recording, or None
        Spikes of the samples that were to be recorded.
    """

    weights: Weights
    seconds: float
    scores: dict[str, float] | None = None
    recording: Recording | None = None


class Trainer(ABC):
    """One network together with the data of its splits, as the loop over epochs needs it.

    Attributes
    ----------
    grey : bool
        Whether pixels are grey values from 0 to 255; otherwise they are 0 or 1.
    headline : tuple of str
        Metrics that are printed after each epoch, beside the loss.
    raster_samples : int
        Number of samples whose spikes every run keeps; 0 for networks without spikes.
    events : {"frames", "rates"} or None
        The form in which the network takes an event data set; None if it takes none.
    counts_samples : bool
        Whether the network itself counts the samples of the whole training. It does so in 32 bits.

    Parameters
    ----------
    parameters : dataclass
        Parameters of the network, of the dataclass that the system names.
    settings : dict
        The table ``training`` of config.json.
    parts : dict of Part
        Splits by name; empty ones are left out.
    message : callable
        Called with a line of text before a long build.
    code : parameters of the system, optional
        Other parameters whose generated code also runs this network, see `shared_code`.
    member : brianprop.experiments.training.lockstep.Member, optional
        The membership in a lockstep, if several networks run in one simulation.
    """

    grey: ClassVar[bool]
    headline: ClassVar[tuple[str, ...]]
    raster_samples: ClassVar[int] = 0
    events: ClassVar[EventInput | None] = None
    counts_samples: ClassVar[bool] = False

    def __init__(
        self,
        parameters: Any,
        settings: dict,
        parts: dict[str, Part],
        message: Message = print,
        code: Any = None,
        member: Member | None = None,
    ):
        self.parameters, self.settings, self.message, self.code, self.member = parameters, settings, message, code, member
        self.parts = {name: part for name, part in parts.items() if len(part.labels)}

    @staticmethod
    @abstractmethod
    def initial_weights(parameters: Any, seed: int) -> Weights:
        """Weights at the start of a training."""

    @staticmethod
    @abstractmethod
    def memory(parameters: Any, settings: dict, n_samples: int, learns: bool) -> int:
        """Estimate of the memory [bytes] that one network needs to learn from `n_samples` samples, or to answer to them."""

    @staticmethod
    def fixed_epochs(parameters: Any) -> bool:
        """Whether what an epoch learns depends on the total number of epochs, so that none can be added later."""
        return False

    @staticmethod
    def shared_code(parameters: Sequence[Any]) -> list[Any]:
        """For each network, the one of `parameters` whose generated code runs it, chosen so that few binaries serve all."""
        return list(parameters)

    def models(self) -> tuple[Model, ...]:
        """The models that are simulated; none if there is nothing to build."""
        return ()

    @abstractmethod
    def prepare(self) -> None:
        """Build all that a training needs, so that a build that fails does so before the first epoch."""

    @abstractmethod
    def learn(self, weights: Weights, epoch: int, order: np.ndarray, n_recorded: int, progress: Progress) -> Learned:
        """Learn for one epoch.

        Parameters
        ----------
        weights : dict of arrays
            Weights before the epoch.
        epoch : int
            Number of the epoch, from 1.
        order : int array of shape (n_train,)
            Indices of the training samples in the order in which they are presented.
        n_recorded : int
            Number of samples, from the first, whose spikes are recorded.
        progress : callable
            Called with the number of samples done.
        """

    @abstractmethod
    def score(self, weights: Weights, split: str, epoch: int, first: int | None = None) -> tuple[dict[str, float], float]:
        """Answer to a split, or to its first samples.

        Returns
        -------
        dict of float
            Accuracies and loss of the answers.
        float
            Wall time of answering [s].
        """

    @abstractmethod
    def images(self, weights: Weights, epoch: int, first: int) -> dict[str, np.ndarray]:
        """The first images of the split `shown` with the answers to them, as `analysis.runs.run.Run.save_images` takes them."""

    @property
    def shown(self) -> str:
        """The split whose first images a run keeps: the test images, or others where there are none."""
        return next(split for split in ("test", "validation", "train") if split in self.parts)

    def close(self) -> None:  # noqa: B027 - networks that are not simulated have none
        """Remove temporary files."""

    @abstractmethod
    def predict(self, weights: Weights, split: str, epoch: int) -> dict[str, np.ndarray]:
        """The classes answered to a split, by readout of the system, class indices (n,): the answers that `score` counts."""

    def noise_seed(self, epoch: int, purpose: str) -> int:
        """Seed of the noise of one pass of this run, see the function `noise_seed`."""
        return noise_seed(self.settings["seed"], epoch, purpose)


def noise_seed(seed: int, epoch: int, purpose: str) -> int:
    """Seed of the noise of one pass over samples.

    It depends on the seed of the run, the epoch and the purpose only, so that a resumed run draws the same noise.
    """
    return int(np.random.default_rng([seed, NOISE_STREAM, epoch, *purpose.encode()]).integers(2**31))


def cross_entropy(probabilities: np.ndarray, labels: np.ndarray) -> float:
    """Mean cross-entropy [nat]: -log of the probability of the label, which is at least `PROBABILITY_FLOOR`.

    Parameters
    ----------
    probabilities : float array of shape (n, n_out)
    labels : int array of shape (n,)
    """
    chosen = probabilities[np.arange(len(labels)), labels].astype(float)
    return float(-np.mean(np.log(np.maximum(chosen, PROBABILITY_FLOOR))))


def recording_of(recorded: Recorded, populations: Sequence[tuple[str, int]], period: int, epoch: int) -> Recording:
    """The spikes of one epoch as a `Recording`.

    Parameters
    ----------
    recorded : tuple of three int arrays
        See `models.model.Recorded`.
    populations : sequence of (str, int)
        Names and sizes of the populations.
    period : int
        Time steps of one sample.
    epoch : int
    """
    names, sizes = zip(*populations, strict=True)
    return Recording(names, sizes, *recorded, np.full(len(recorded[2]), epoch), period)


def metrics_row(epoch: int, split: str, scores: dict[str, float], samples: int, seconds: float) -> dict[str, Any]:
    """One row of metrics.csv."""
    return {"epoch": epoch, "split": split, **scores, "samples": samples, "seconds": seconds}
