"""What a device needs to know about a system in order to build and run it: each system is a `Model`.

A turn presents one sample. A run is a sequence of turns, and each may present any sample.
"""

from __future__ import annotations

import dataclasses
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from brianprop.models.errors import ParameterError

__all__ = ["Model", "Read", "Recorded", "Result", "Stimuli", "Weights", "recorded_spikes"]

#: Learned weights by name. The names are those of the model: strings, or pairs of populations.
Weights = dict

#: Recorded spikes: population (its index in the system), neuron in the population, and time step since the first turn began
#: (negative in the lead-in). Three int arrays of shape (n_spikes,), sorted by step, population and neuron.
Recorded = tuple[np.ndarray, np.ndarray, np.ndarray]

#: Returns the final value of a variable, given its name ``object.variable``.
Read = Callable[[str], np.ndarray]


@dataclass(frozen=True)
class Result:
    """The results of one run of a model; each system adds its answers and weights.

    Attributes
    ----------
    recorded : tuple of three int arrays of shape (n_spikes,)
        Every spike and event in the recorded turns: population, neuron and time step (see `Recorded`).
    seconds : float
        Wall time of the simulation loop [s].
    """

    recorded: Recorded
    seconds: float


class Stimuli:
    """What the sources of a model send: one row of bytes per sample.

    Parameters
    ----------
    rows : uint8 array of shape (n_samples, width)
    lead : uint8 array of shape (width,), optional
        The row that is sent in the lead-in (default: zeros).

    Raises
    ------
    ParameterError
        When there is no row, the rows are not bytes, or the lead-in is not a row.
    """

    def __init__(self, rows: np.ndarray, lead: np.ndarray | None = None):
        if rows.ndim != 2 or rows.dtype != np.uint8 or not len(rows):
            raise ParameterError(f"Stimuli have shape {rows.shape} and type {rows.dtype}; give at least one row of uint8.")
        self.n_samples = len(rows)
        if lead is not None and (np.shape(lead) != rows.shape[1:] or not np.all((lead >= 0) & (lead <= 255))):
            raise ParameterError(f"The lead-in has shape {np.shape(lead)}; give one byte for each of {rows.shape[1]} columns.")
        lead_row = np.zeros((1, rows.shape[1]), dtype=np.uint8) if lead is None else lead[np.newaxis].astype(np.uint8)
        self.rows = np.concatenate([rows, lead_row])
        self._file: Path | None = None

    @property
    def width(self) -> int:
        """Bytes per row."""
        return self.rows.shape[1]

    @property
    def counts(self) -> tuple[int, ...]:
        """Number of samples for each network; here there is one network."""
        return (self.n_samples,)

    def order(self, samples: np.ndarray) -> np.ndarray:
        """Row numbers in the order of the turns, with the lead-in first; int32 of shape (n_turns + 1,)."""
        return np.concatenate([[self.n_samples], samples]).astype(np.int32)

    def file(self, folder: Path) -> Path:
        """Path of a file with the rows, written on first use to `folder`. Raises OSError when it cannot be written."""
        if self._file is None or not self._file.exists():
            with tempfile.NamedTemporaryFile(dir=folder, prefix="stimuli-", delete=False) as file:
                self._file = Path(file.name)
                file.write(np.ascontiguousarray(self.rows).data)
        return self._file

    def discard(self) -> None:
        """Remove the file, if there is one. The next call of `file` writes it again."""
        if self._file is not None:
            self._file.unlink(missing_ok=True)


class Model(ABC):
    """A system with its parameters: the Brian2 objects, and the numbers that they start from.

    What decides the generated code is in `structure`. All other numbers are set when the compiled binary runs: scalars by
    `constants`, arrays by `initial_state`.

    Attributes
    ----------
    name : str
        Name for messages.
    dt : float
        Time step [s].
    lead : int
        Time steps of the lead-in, before the first turn.
    period : int or str
        Time steps per turn. Where this is set at run time, the name ``object.variable`` of the variable that holds it.
    width : int
        Bytes per row of the stimuli.
    sources : str
        Name of the group that holds ``n_turns``, ``n_recorded`` and ``noise_seed``.
    monitors : tuple of str
        Names of the monitors that record in the first turns only.
    learned : tuple of str
        Names of the Synapses objects whose weights are learned.
    segments : tuple of int
        Lengths of the segments of a row that go to different groups; their sum is `width`.
    groups : dict from str to int
        Number of neurons of each group, by its name.
    events : dict from str to int
        Number of neurons that each monitor of spikes or events watches, by the name of the monitor.
    target_groups : dict from str to str
        Name of the postsynaptic group of each Synapses object that has constants.
    replicas : int
        Number of networks that the objects hold, see `models.simulation.replicas`.
    answers : tuple of str
        Fields of the results that hold one entry per turn.
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
    target_groups: dict[str, str]
    replicas: int = 1
    answers: tuple[str, ...] = ()

    @property
    def turn_steps(self) -> int:
        """Time steps per turn, as a number."""
        if isinstance(self.period, str):
            raise NotImplementedError  # a model that names a variable says its value
        return self.period

    @abstractmethod
    def structure(self) -> dict:
        """All that decides the generated code, in types that JSON can hold."""

    @abstractmethod
    def single_precision(self, codegen: str) -> bool:
        """Whether the circuit is simulated in float32 with this code generation."""

    @abstractmethod
    def create(
        self,
        stimulus: Any,
        codegen: str,
        network_name: str = "network",
        replicas: int = 1,
        per_network: Collection[str] = (),
        clock: Any = None,
    ) -> dict[str, Any]:
        """The Brian2 objects by name, the Network under ``"network"``.

        Parameters
        ----------
        stimulus : brian2.Function
            ``stimulus(turn, i)`` is byte i of the row of that turn. With several replicas, a row holds the first segment of
            each of them, then the second of each, and so on.
        codegen : {"dense", "stock", "cuda"}
            Which templates make the code.
        network_name : str
        replicas : int
            Number of networks side by side: every object holds one after the other, without connections between them.
        per_network : collection of str
            Constants, as ``object.variable``, that differ between the replicas. Those of a Synapses object are stored in its
            target neurons, see `target_groups`.
        clock : brian2.Clock, optional
            Clock of all objects (default: a new one).
        """

    @abstractmethod
    def require_weights(self, weights: Any) -> None:
        """Make sure that weights fit this model: their names, their shapes, and numbers that it can hold.

        Raises
        ------
        ParameterError
            With the name of the matrix and what is wrong with it.
        """

    @abstractmethod
    def constants(self, first: int) -> dict[str, float]:
        """Every scalar that is set before a run, by ``object.variable``; `first` samples were learned before this run."""

    @abstractmethod
    def initial_state(self, weights: Weights, codegen: str) -> dict[str, np.ndarray]:
        """Every array that is set before a run, by ``object.variable``: weights, and values of single neurons."""

    @abstractmethod
    def result(self, read: Read, n_turns: int, seconds: float) -> Result:
        """Collect the results of a run; `read` gives the final values, `seconds` is the time of the simulation loop."""

    def joined(self, results: Sequence[Result], n_turns: int) -> Result:
        """Join the answers of replicas of one network, each of which answered a part of the samples.

        Parameters
        ----------
        results : sequence of Result
            In the order of the samples, from networks that do not learn.
        n_turns : int
            Number of answers to keep.
        """
        first = results[0]
        merged = {
            field.name: np.concatenate([getattr(result, field.name) for result in results])[:n_turns]
            for field in dataclasses.fields(first)
            if field.name in self.answers and getattr(first, field.name) is not None
        }
        return dataclasses.replace(first, **merged)

    def phases(self) -> dict[str, tuple[int, ...]]:
        """Brian2 objects that act in some time steps of a turn only, by name, with these steps.

        A step is counted from the start of the turn, or from its end if negative. Dense code skips the objects in all other
        steps, which changes nothing.
        """
        return {}


def recorded_spikes(parts: Sequence[tuple[np.ndarray, np.ndarray, np.ndarray]]) -> Recorded:
    """Merge the spikes of several monitors, each given as population, neuron and step, and sort them as `Recorded` says."""
    population, neuron, step = (np.concatenate(columns) for columns in zip(*parts, strict=True))
    order = np.lexsort((neuron, population, step))
    return population[order].astype(np.int16), neuron[order].astype(np.int32), step[order]
