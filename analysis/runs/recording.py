"""Recorded spikes, and the selections and counts that figures, energy and training take from them."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

__all__ = ["Recording"]

#: Columns of a recording, one entry per spike, with their types.
COLUMNS = {"population": np.int16, "neuron": np.int32, "step": np.int64, "epoch": np.int32}


@dataclass(frozen=True)
class Recording:
    """Spikes of some turns: rounds of the gating chain in nBP, T time steps each in SSNN-BP.

    Parameters
    ----------
    populations : tuple of str
        Names of all populations of the circuit in the order of its layout. In SSNN-BP: the layers, and the streams of their
        error or gradient spikes, such as ``hidden1 plus``.
    sizes : tuple of int
        Number of neurons of each population.
    population : int16 array of shape (n_spikes,)
        Index into `populations`.
    neuron : int32 array of shape (n_spikes,)
        Index of the neuron in its population.
    step : int64 array of shape (n_spikes,)
        Time step since the first sample of the epoch began; steps of the lead-in are negative.
    epoch : int32 array of shape (n_spikes,)
        Epoch of the training.
    period : int
        Time steps of one sample.

    Raises
    ------
    ValueError
        If the arrays differ in length, or `populations` and `sizes` do.
    """

    populations: tuple[str, ...]
    sizes: tuple[int, ...]
    population: np.ndarray
    neuron: np.ndarray
    step: np.ndarray
    epoch: np.ndarray
    period: int

    def __post_init__(self):
        if len(self.populations) != len(self.sizes):
            raise ValueError(f"{len(self.populations)} populations, but {len(self.sizes)} sizes")
        for name, dtype in COLUMNS.items():
            object.__setattr__(self, name, np.asarray(getattr(self, name), dtype))
        shapes = {getattr(self, name).shape for name in COLUMNS}
        if shapes != {(len(self.step),)}:
            raise ValueError(f"the spike arrays differ in shape: {sorted(shapes)}")

    @property
    def sample(self) -> np.ndarray:
        """Number of the sample in its epoch, for each spike; negative in the lead-in."""
        return self.step // self.period

    @property
    def phase(self) -> np.ndarray:
        """Time step within the sample, for each spike: in nBP the position of the gating chain."""
        return self.step % self.period

    @property
    def n_samples(self) -> int:
        """Number of samples up to the last spike; of several epochs, of the longest one."""
        return int(self.step.max(initial=-1)) // self.period + 1

    def size(self, population: str) -> int:
        """Number of neurons of a population. Raises ValueError if the circuit has no such population."""
        return self.sizes[self.populations.index(population)]

    def is_of(self, population: str) -> np.ndarray:
        """Whether each spike belongs to a population; bool array of shape (n_spikes,), false where there is none such."""
        if population not in self.populations:
            return np.zeros(len(self.step), dtype=bool)
        return self.population == self.populations.index(population)

    def where(self, chosen: np.ndarray) -> Recording:
        """The recording with the chosen spikes alone; `chosen` is a bool array of shape (n_spikes,)."""
        return replace(self, **{name: getattr(self, name)[chosen] for name in COLUMNS})

    def of(self, population: str) -> Recording:
        """The recording with the spikes of one population alone."""
        return self.where(self.is_of(population))

    def last_epoch(self) -> Recording:
        """The recording with the spikes of its last epoch alone: the one nearest to the trained network."""
        return self.where(self.epoch == self.epoch.max(initial=0))

    def followed_by(self, later: Recording) -> Recording:
        """The spikes of this recording, then those of another one of the same circuit."""
        return replace(self, **{name: np.concatenate([getattr(self, name), getattr(later, name)]) for name in COLUMNS})

    def spikes_per_step(self, population: str) -> np.ndarray:
        """Spikes of a population in each time step; int array of shape (n_samples, period), without the lead-in."""
        step = self.step[self.is_of(population) & (self.step >= 0)]
        return np.bincount(step, minlength=self.n_samples * self.period).reshape(-1, self.period)
