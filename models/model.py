"""What a device needs to know of a system in order to build and run it; each system gives one `Model`."""

from __future__ import annotations

import dataclasses
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from brianprop.models.errors import ParameterError

__all__ = ["Model", "Recorded", "Result", "Stimuli", "Weights", "recorded_spikes"]

#: Learned weights, under the names that a model gives them.
Weights = dict

#: Population (index into `Model.populations`), neuron in the population, time step since the first turn began (negative in the
#: lead-in), sorted by step, population and neuron; three int arrays of shape (n_spikes,).
Recorded = tuple[np.ndarray, np.ndarray, np.ndarray]

#: Gives the final value of a variable by its name ``object.variable``.
Read = Callable[[str], np.ndarray]


@dataclass(frozen=True)
class Result:
    """What one run of a model gave; the systems add their answers and weights.

    Attributes
    ----------
    recorded : tuple of three int arrays of shape (n_spikes,)
        Population, neuron and time step of every spike and event of the turns that were recorded (see `Recorded`).
    seconds : float
        Wall time of the simulation loop alone.
    """

    recorded: Recorded
    seconds: float


class Stimuli:
    """What the sources of a model send: one row of bytes per sample.

    Parameters
    ----------
    rows : uint8 array of shape (n_samples, width)
    lead : uint8 array of shape (width,), optional
        What is sent in the lead-in; by default nothing.

    Raises
    ------
    ParameterError
        When there is no row or the rows are not bytes.
    """

    def __init__(self, rows: np.ndarray, lead: np.ndarray | None = None):
        if rows.ndim != 2 or rows.dtype != np.uint8 or not len(rows):
            raise ParameterError(f"Stimuli have shape {rows.shape} and type {rows.dtype}; give at least one row of uint8.")
        self.n_samples = len(rows)
        if lead is not None and (np.shape(lead) != rows.shape[1:] or not np.all((lead >= 0) & (lead <= 255))):
            raise ParameterError(f"The lead-in has shape {np.shape(lead)}; give one byte for each of {rows.shape[1]} columns.")
        last = np.zeros((1, rows.shape[1]), dtype=np.uint8) if lead is None else lead[np.newaxis].astype(np.uint8)
        self.rows = np.concatenate([rows, last])
        self._file: Path | None = None

    @property
    def width(self) -> int:
        """Bytes of a row."""
        return self.rows.shape[1]

    @property
    def counts(self) -> tuple[int, ...]:
        """Number of samples, as that of one network."""
        return (self.n_samples,)

    def order(self, samples: np.ndarray) -> np.ndarray:
        """Rows in the order of the turns, the lead-in first; int32 of shape (n_turns + 1,)."""
        return np.concatenate([[self.n_samples], samples]).astype(np.int32)

    def file(self, folder: Path) -> Path:
        """The rows as a file, written on first use. Raises OSError when it cannot be written."""
        if self._file is None or not self._file.exists():
            with tempfile.NamedTemporaryFile(dir=folder, prefix="stimuli-", delete=False) as file:
                self._file = Path(file.name)
                file.write(np.ascontiguousarray(self.rows).data)
        return self._file

    def discard(self) -> None:
        """Remove the file, where one was written; it comes again on the next use."""
        if self._file is not None:
            self._file.unlink(missing_ok=True)


class Model(ABC):
    """One system with its parameters, as Brian2 objects and as the numbers that they start from.

    Attributes
    ----------
    name : str
        For messages.
    dt : float
        Time step [s].
    lead : int
        Steps before the first turn.
    period : int or str
        Steps of a turn, or the name ``object.variable`` of a variable that holds them, where that is set at run time.
    width : int
        Bytes of a row of the stimuli.
    sources : str
        Name of the group that holds ``n_turns``, ``n_recorded`` and ``noise_seed``.
    monitors : tuple of str
        Names of the monitors that record in the first turns only.
    learned : tuple of str
        Names of the Synapses objects whose weights are learned.
    segments : tuple of int
        Lengths of the parts of a row that go to groups of their own; together `width`.
    groups : dict from str to int
        Neurons of every group of neurons, by its name.
    events : dict from str to int
        Neurons that each monitor of spikes or events watches, by its name.
    homes : dict from str to str
        For each Synapses object that has constants, the group of its targets.
    replicas : int
        Number of networks that the objects hold, see `models.simulation.replicas`.
    answers : tuple of str
        Fields of its results that hold something for each sample.
    """

    name: str
    dt: float
    lead: int
    period: int | str
    width: int
    sources: str
    monitors: tuple[str, ...]
    learned: tuple[str, ...]
    segments: tuple[int, ...]
    groups: dict[str, int]
    events: dict[str, int]
    homes: dict[str, str]
    replicas: int = 1
    answers: tuple[str, ...] = ()

    @abstractmethod
    def structure(self) -> dict:
        """All that decides the generated code, as JSON can hold it; everything else is set when the binary runs."""

    @abstractmethod
    def single_precision(self, codegen: str) -> bool:
        """Whether the circuit is simulated in float32 with this code generation."""

    @abstractmethod
    def create(
        self,
        stimulus,
        codegen: str,
        network_name: str = "network",
        replicas: int = 1,
        own: Collection[str] = (),
        clock=None,
    ) -> dict[str, object]:
        """The Brian2 objects by name, the Network under ``"network"``.

        Parameters
        ----------
        stimulus : brian2.Function
            ``stimulus(turn, i)`` is byte i of the row of that turn; of several replicas, every segment stands there once for
            each of them.
        codegen : {"dense", "stock", "cuda"}
            Which templates make the code.
        network_name : str
        replicas : int
            Number of networks side by side: every object holds one after the other, and nothing connects them.
        own : collection of str
            Constants, as ``object.variable``, that differ between replicas. Those of a Synapses object become constants of its
            target neurons, see `homes`.
        clock : brian2.Clock, optional
            That of all objects (default: a new one).
        """

    @abstractmethod
    def require_weights(self, weights: Weights) -> None:
        """Make sure that weights are those of this model: names, shapes, and numbers that it can hold.

        Raises
        ------
        ParameterError
            Names the matrix, and what is wrong with it.
        """

    @abstractmethod
    def constants(self, *, n_turns: int, first: int) -> dict[str, float]:
        """Every number that is set before a run, as ``object.variable``; `first` samples were learned before."""

    @abstractmethod
    def arrays(self, weights: Weights, codegen: str) -> dict[str, np.ndarray]:
        """Every array that is set before a run, as ``object.variable``."""

    @abstractmethod
    def result(self, read: Read, n_turns: int, seconds: float) -> Result:
        """Collect the results of a run."""

    def joined(self, results: Sequence[Result], n_turns: int) -> Result:
        """The answers of copies of one network that does not learn, as those of one network to the first `n_turns` samples."""
        first = results[0]
        merged = {
            entry.name: np.concatenate([getattr(result, entry.name) for result in results])[:n_turns]
            for entry in dataclasses.fields(first)
            if entry.name in self.answers and getattr(first, entry.name) is not None
        }
        return dataclasses.replace(first, **merged)

    def phases(self) -> dict[str, tuple[int, ...]]:
        """Brian2 objects by name that have something to do in some phases of the turn only, with these phases.

        Negative phases count from the end of the turn. Dense code leaves the objects out in all others, which changes nothing.
        """
        return {}


def recorded_spikes(parts: list[tuple[np.ndarray, np.ndarray, np.ndarray]]) -> Recorded:
    """Merge spikes of several monitors, each as population, neuron and step, in the order of `Recorded`."""
    population, neuron, step = (np.concatenate(columns) for columns in zip(*parts, strict=True))
    order = np.lexsort((neuron, population, step))
    return population[order].astype(np.int16), neuron[order].astype(np.int32), step[order]
