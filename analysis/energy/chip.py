"""The chip Loihi: its cores and mesh, and what was measured on it."""

from __future__ import annotations

import math
from dataclasses import dataclass

from brianprop.models.errors import ParameterError

__all__ = ["CHIP_CORES", "CORES", "PUBLISHED", "PUBLISHED_SIZES", "TILE_CORES", "Measured", "mean_hops", "n_tiles"]

#: Cores that share the work: those to which the authors' published configuration of nBP assigns neurons, 0 to 95
#: (github.com/lanl/spikingBackprop, network_parameters_2layer_MNIST.py).
CORES = 96

#: Cores of the chip, cores of a tile, rows of the mesh of tiles.
CHIP_CORES, TILE_CORES, TILE_ROWS = 128, 4, 4


@dataclass(frozen=True)
class Measured:
    """What was measured on the chip for one sample.

    Attributes
    ----------
    energy, latency : float
        [J] and [s].
    """

    energy: float
    latency: float

    @property
    def energy_delay(self) -> float:
        """Energy-delay product [J s]."""
        return self.energy * self.latency


#: Sizes of the circuit that was measured, and what was published of it: Renner et al. 2024, Table 1
#: (doi 10.1038/s41467-024-53827-9). Energy divided by latency is 0.39 W in training and 15 mW in inference.
PUBLISHED_SIZES = (400, 400, 10)
PUBLISHED = {"training": Measured(0.59e-3, 1.5e-3), "inference": Measured(0.0025e-3, 0.17e-3)}


def n_tiles(cores: int) -> int:
    """Tiles that hold a number of cores. Raises ParameterError if the chip does not have so many cores."""
    if not isinstance(cores, int) or not 1 <= cores <= CHIP_CORES:
        raise ParameterError(f"Parameter cores = {cores!r} must be a whole number from 1 to {CHIP_CORES}; set --cores.")
    return math.ceil(cores / TILE_CORES)


def mean_hops(cores: int) -> tuple[float, float]:
    """Mean hops E-W and N-S between two tiles drawn at random from those that hold the cores.

    The mesh is 8 x 4 tiles of 4 cores, filled column by column; on a line of n tiles the mean distance is (n^2 - 1) / (3 n).

    Raises
    ------
    ParameterError
        If the chip does not have so many cores.
    """
    tiles = n_tiles(cores)
    rows = min(tiles, TILE_ROWS)
    columns = math.ceil(tiles / rows)
    return (columns**2 - 1) / (3 * columns), (rows**2 - 1) / (3 * rows)
