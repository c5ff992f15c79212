"""Energy and latency of a sample: counted operations times the cost of each."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from brianprop.analysis.energy.chip import CHIP_CORES, CORES, TILE_CORES, mean_hops, n_tiles
from brianprop.analysis.energy.constants import Constants
from brianprop.analysis.energy.counts import Counts

__all__ = ["PARTS", "Energy", "barrier_time", "energy"]

#: Parts of the energy, in the order of `Energy.joules`.
PARTS = ("spikes", "synaptic operations", "neuron updates", "weight updates")


@dataclass(frozen=True)
class Energy:
    """Energy and latency of one sample.

    Attributes
    ----------
    joules : float array of shape (n_parts, n_populations, n_phases)
        Energy [J] by `PARTS`; messages belong to the source population, synapses to the target.
    latency : float
        Time of one sample [s].
    """

    joules: np.ndarray
    latency: float

    @property
    def total(self) -> float:
        """Energy of one sample [J]."""
        return float(self.joules.sum())

    @property
    def parts(self) -> dict[str, float]:
        """Energy of each of `PARTS` [J]."""
        return dict(zip(PARTS, self.joules.sum(axis=(1, 2)).tolist(), strict=True))

    @property
    def energy_delay(self) -> float:
        """Energy-delay product [J s]."""
        return self.total * self.latency


def barrier_time(constants: Constants, cores: int) -> float:
    """Time of a barrier [s], interpolated linearly in the number of tiles between the two published values.

    Raises
    ------
    ParameterError
        If the chip does not have so many cores.
    """
    first, last = constants.barrier_1_tile_time, constants.barrier_32_tiles_time
    return first + (last - first) * (n_tiles(cores) - 1) / (CHIP_CORES // TILE_CORES - 1)


def energy(counts: Counts, constants: Constants | None = None, cores: int = CORES) -> Energy:
    """Energy and latency of a sample.

    Parameters
    ----------
    counts : Counts
    constants : Constants, optional
        By default those published for Loihi.
    cores : int
        Neuromorphic cores that share the work evenly.

    Raises
    ------
    ParameterError
        If the chip does not have so many cores.
    """
    constants = constants or Constants()
    east_west, north_south = mean_hops(cores)
    message = (
        constants.within_tile_energy
        + east_west * constants.hop_east_west_energy
        + north_south * constants.hop_north_south_energy
    )
    operations, updates = (counts.of_population("target", values) for values in (counts.operations, counts.updates))
    joules = np.stack(
        [
            counts.of_population("source", counts.messages(cores)) * message,
            operations * constants.operation_energy,
            counts.active * constants.active_energy + counts.inactive * constants.inactive_energy,
            updates * constants.update_energy,
        ]
    )
    seconds = (
        operations * constants.operation_time
        + updates * constants.update_time
        + counts.active * constants.active_time
        + counts.inactive * constants.inactive_time
    )
    latency = seconds.sum() / counts.n_samples / cores + counts.steps * barrier_time(constants, cores)
    return Energy(joules / counts.n_samples, float(latency))
