"""The interface of all devices: a model that is ready to run."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from brianprop.models.errors import ParameterError
from brianprop.models.model import Model, Stimuli, Weights

if TYPE_CHECKING:
    from brianprop.models.simulation.replicas import ReplicaStimuli

__all__ = ["Progress", "Simulator"]

#: Called with the number of turns done.
Progress = Callable[[int], None]

#: Largest seed of a binary, whose generator takes 32 bits.
MAX_SEED = 2**31 - 1


class Simulator:
    """A model that is ready to run, made by `models.simulation.simulator`."""

    def __init__(self, model: Model, codegen: str):
        self.model, self.codegen = model, codegen
        self.build_seconds = 0.0

    def run(
        self,
        weights: Weights | Sequence[Weights],
        stimuli: Stimuli | ReplicaStimuli,
        samples: np.ndarray,
        *,
        noise_seed: int = 0,
        n_recorded: int = 0,
        first: int = 0,
        progress: Progress | None = None,
    ) -> Any:
        """Present samples, one per turn. Gives the `Result` of the model.

        For `Replicas`, weights are a list, samples have the shape (n_networks, n_turns), and a list of results is returned.

        Parameters
        ----------
        weights : dict of arrays
            The learned weights at the start, as the model names them.
        stimuli : Stimuli
        samples : int array of shape (n_turns,)
            Row numbers of the stimuli, in the order of the turns.
        noise_seed : int
            Seed of the random numbers, where the model draws any.
        n_recorded : int
            Number of turns, from the first, whose spikes are recorded.
        first : int
            Number of samples that were learned before these; learning rates may depend on it.
        progress : callable, optional
            Called with the number of turns done.

        Raises
        ------
        ParameterError
            Where weights, stimuli or samples do not fit the model, or a number is out of its range.
        RunError
            When the simulation ends early, or its results cannot be written.
        """
        samples = self.checked(stimuli, samples, noise_seed=noise_seed, n_recorded=n_recorded, first=first)
        self.model.require_weights(weights)
        return self._run(weights, stimuli, samples, noise_seed, n_recorded, first, progress)

    def _run(
        self,
        weights: Any,
        stimuli: Stimuli | ReplicaStimuli,
        samples: np.ndarray,
        noise_seed: int,
        n_recorded: int,
        first: int,
        progress: Progress | None,
    ) -> Any:
        """As `run`, with arguments that have been checked."""
        raise NotImplementedError

    def close(self) -> None:
        """Remove temporary files."""

    def __enter__(self) -> Simulator:
        return self

    def __exit__(self, *exception) -> None:
        self.close()

    def checked(self, stimuli: Stimuli | ReplicaStimuli, samples: np.ndarray, **numbers: int) -> np.ndarray:
        """The samples as int64, after checks of all arguments but the weights."""
        for name, value in numbers.items():
            if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or not 0 <= value <= MAX_SEED:
                raise ParameterError(f"Argument {name} = {value!r} must be a whole number from 0 to {MAX_SEED}.")
        name, width = self.model.name, self.model.width
        if stimuli.width != width:
            raise ParameterError(
                f"Stimuli have rows of {stimuli.width} bytes, but the circuit {name} reads {width}; make them with its own "
                "method stimuli."
            )
        samples = np.asarray(samples)
        if samples.dtype.kind not in "iu":
            raise ParameterError(f"Samples are of type {samples.dtype}; give row numbers of the stimuli as integers.")
        counts = stimuli.counts
        shape = (len(counts), "n_turns") if hasattr(self.model, "models") else ("n_turns",)
        if samples.ndim != len(shape) or (samples.ndim == 2 and len(samples) != len(counts)) or not samples.shape[-1]:
            raise ParameterError(
                f"Samples have shape {samples.shape}, but the circuit {name} needs {str(shape).replace(chr(39), '')} with at "
                "least one turn."
            )
        for number, (row, count) in enumerate(zip(np.atleast_2d(samples), counts, strict=True)):
            wrong = np.flatnonzero((row < 0) | (row >= count))
            if len(wrong):
                index = f"[{number}, {wrong[0]}]" if samples.ndim == 2 else f"[{wrong[0]}]"
                raise ParameterError(
                    f"Samples{index} = {row[wrong[0]]}, but the stimuli have the rows 0 to {count - 1}; give one of these."
                )
        return samples.astype(np.int64)

    def values(self, weights: Any, n_turns: int, n_recorded: int, noise_seed: int, first: int) -> dict[str, Any]:
        """The values of all variables that are set before a run, by ``object.variable``."""
        counts = {"n_turns": n_turns, "n_recorded": n_recorded, "noise_seed": noise_seed}
        values = self.model.initial_state(weights, self.codegen) | self.model.constants(first)
        return values | {f"{self.model.sources}.{name}": value for name, value in counts.items()}
