"""What must be known of a system to read, draw, count and export its runs, and where its training is found."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from brianprop.models.errors import RunError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from brianprop.analysis.energy.chip import Measured
    from brianprop.analysis.energy.counts import Counts
    from brianprop.analysis.figures.selection import Selection
    from brianprop.analysis.runs.recording import Recording
    from brianprop.analysis.runs.run import Run
    from brianprop.models.circuit import Circuit
    from brianprop.models.feedforward import Layer
    from brianprop.models.model import Weights

__all__ = ["Layout", "System"]


@dataclass(frozen=True)
class Layout:
    """What a recording of a network may hold.

    Attributes
    ----------
    populations : mapping of str to int
        Number of neurons of each population, by its name.
    periods : sequence of int
        Time steps of a sample: of the network that learns, and of the one that answers if it takes fewer.
    """

    populations: Mapping[str, int]
    periods: Sequence[int]


class System(ABC):
    """A kind of network. A system holds no state; `analysis.systems.SYSTEMS` has it by its name.

    Attributes
    ----------
    name : str
        Name on the command line and in config.json.
    title : str
        Name in text and figures.
    parameters : type
        The dataclass of the parameters of a network.
    accuracies : tuple of str
        Columns of the accuracies in metrics.csv.
    answers : tuple of str
        Arrays of images.npz besides ``images`` (k, n_in) uint8 and ``target`` (k,), the index of the class; all (k, n_out).
    readouts : tuple of str
        Ways to read the answer of the network, arrays of predictions.npz; figures show the last one in detail.
    options, trainer : str
        Where to find the options of a training, a subclass of `experiments.training.options.TrainOptions`, and what trains, a
        subclass of `experiments.training.trainer.Trainer`: as ``module:name``, since analysis imports no experiments.
    estimator : str or None
        Where to find the estimator, a subclass of `experiments.estimators.classifier.Classifier`, if there is one.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    parameters: ClassVar[type]
    accuracies: ClassVar[tuple[str, ...]]
    answers: ClassVar[tuple[str, ...]]
    readouts: ClassVar[tuple[str, ...]]
    options: ClassVar[str]
    trainer: ClassVar[str]
    estimator: ClassVar[str | None] = None

    def epochs_matter(self, settings: dict) -> bool:
        """Whether the number of epochs of a training with these parameters changes the epochs themselves.

        Then runs of different numbers are of different kinds.
        """
        return True

    @property
    def columns(self) -> tuple[str, ...]:
        """Columns of metrics.csv.

        ``samples`` is the number of samples that were scored; ``seconds`` is the wall time of learning in a row of the split
        ``train``, else that of the answers.
        """
        return ("epoch", "split", *self.accuracies, "loss", "samples", "seconds")

    @abstractmethod
    def figures(self, run: Run) -> dict[str, Callable[[], Figure]]:
        """Functions that draw the figures of a run, by the name of the file.

        The accuracy and the confusion matrix are drawn for every system.
        """

    def raster(self, run: Run, selection: Selection) -> Figure:
        """Draw a chosen part of the recorded spikes.

        Raises
        ------
        RunError
            If the network has no spikes.
        ParameterError
            If the selection names what was not recorded.
        """
        raise RunError(f"{run.path} holds a run of the {self.title}, which has no spikes; leave --raster away.")

    def circuit(self, parameters: Any) -> Circuit | None:
        """The gated circuit that learns, or None if the network is none."""
        return None

    def feedforward(self, parameters: Any, weights: Weights, seed: int) -> tuple[Layer, ...]:
        """The part of a trained network that answers, as layers without memory.

        Parameters
        ----------
        parameters : object
            Of the type `parameters`.
        weights : dict of arrays
            As a run keeps them.
        seed : int
            Seed of the training.

        Raises
        ------
        RunError
            If this system has no such part.
        ParameterError
            If that of this network has a memory, or draws random numbers that layers do not hold.
        """
        raise RunError(f"The {self.title} has no layers of spiking neurons to export; use a run of another system.")

    def layout(self, parameters: Any) -> Layout | None:
        """What a recording of a network may hold, or None if the network has no spikes."""
        return None

    def chosen(self, answers: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """The classes answered, class indices (n,) by readout, from the arrays that `answers` names, of shape (n, n_out).

        Here the largest value of the last array decides the last readout.
        """
        return {self.readouts[-1]: np.argmax(answers[self.answers[-1]], axis=1)}

    def turns(self, parameters: Any, recording: Recording) -> tuple[np.ndarray, np.ndarray]:
        """The target and the answer of each recorded sample, as its spikes tell them.

        Parameters
        ----------
        parameters
            Of the network.
        recording : Recording
            Of one epoch of learning.

        Returns
        -------
        target, answer : int array of shape (n_samples,)
            Class indices; -1 where the spikes do not tell.
        """
        unknown = np.full(recording.n_samples, -1)
        return unknown, unknown

    def counts(self, parameters: Any, recording: Recording) -> list[Counts]:
        """The operations of training and inference, as far as a recording of the network tells.

        Raises
        ------
        RunError
            If the operations of this system are not counted, or the recording holds no sample.
        """
        raise RunError(f"The operations of the {self.title} are not counted; leave it out.")

    def multiplications(self, parameters: Any) -> Mapping[str, int]:
        """Multiply-accumulate operations of a sample by mode (``training``, ``inference``), of a network without spikes."""
        return {}

    def measured(self, parameters: Any) -> Mapping[str, Measured]:
        """What was published of a network of these sizes on the chip, by mode (``training``, ``inference``)."""
        return {}
