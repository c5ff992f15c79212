"""Operations of a recording: spikes, messages, synaptic operations, neuron and weight updates."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

__all__ = ["COUNTED", "FIXED", "LEARNED", "Counts", "Pathway", "pooled"]

LEARNED, FIXED = "learned", "fixed"


@dataclass(frozen=True)
class Pathway:
    """What spikes travel: a projection, or a crossbar in one direction.

    Attributes
    ----------
    source, target : str
        Populations.
    kind : {"learned", "fixed"}
        Of its synapses.
    fan_out : int
        Synapses of one axon.
    """

    source: str
    target: str
    kind: str
    fan_out: int


@dataclass(frozen=True)
class Counts:
    """Operations of all samples of a recording, by population or pathway and by phase.

    Attributes
    ----------
    mode : {"training", "inference"}
    origin : str
        What was counted, in words.
    populations : tuple of str
    phases : tuple of str
        Phases of a sample, or ``forward`` and ``backward``.
    n_samples : int
    steps : int
        Time steps of a sample.
    pathways : tuple of Pathway
    spikes : int array of shape (n_populations, n_phases)
    travels : int array of shape (n_pathways, n_phases)
        Spikes that travel each pathway.
    active, inactive : int arrays of shape (n_populations, n_phases)
        Neuron updates.
    updates, changes : int arrays of shape (n_pathways, n_phases)
        Synapses that the learning rule visits, and coincidences that change a weight (also if a bound then clips the change).
    """

    mode: str
    origin: str
    populations: tuple[str, ...]
    phases: tuple[str, ...]
    n_samples: int
    steps: int
    pathways: tuple[Pathway, ...]
    spikes: np.ndarray
    travels: np.ndarray
    active: np.ndarray
    inactive: np.ndarray
    updates: np.ndarray
    changes: np.ndarray

    @property
    def operations(self) -> np.ndarray:
        """Synaptic operations; int array of shape (n_pathways, n_phases)."""
        return self.travels * np.array([[pathway.fan_out] for pathway in self.pathways])

    def messages(self, cores: int) -> np.ndarray:
        """Messages to `cores` cores; int array of shape (n_pathways, n_phases)."""
        return self.travels * np.array([[min(pathway.fan_out, cores)] for pathway in self.pathways])

    def of_population(self, end: Literal["source", "target"], values: np.ndarray, kind: str | None = None) -> np.ndarray:
        """Sum values of pathways over those that start or end at each population.

        Parameters
        ----------
        end : {"source", "target"}
        values : array of shape (n_pathways, n_phases)
        kind : {"learned", "fixed"}, optional
            Pathways to sum over, by default all.

        Returns
        -------
        array of shape (n_populations, n_phases)
        """
        result = np.zeros((len(self.populations), len(self.phases)), dtype=values.dtype)
        for pathway, row in zip(self.pathways, values, strict=True):
            if kind in (None, pathway.kind):
                result[self.populations.index(getattr(pathway, end))] += row
        return result


#: Fields of `Counts` that are summed over recordings, besides the samples.
COUNTED = ("spikes", "travels", "active", "inactive", "updates", "changes")


def pooled(parts: Sequence[Counts]) -> Counts:
    """Sum the counts of several recordings of one circuit."""
    sums = {name: sum(getattr(part, name) for part in parts) for name in ("n_samples", *COUNTED)}
    return replace(parts[0], **sums)
