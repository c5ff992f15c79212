"""The cores of the chip Loihi. They stand apart from the model of its energy, so that the command line starts without it."""

from __future__ import annotations

__all__ = ["CHIP_CORES", "CORES", "TILE_CORES", "TILE_ROWS"]

#: Cores that share the work: those to which the authors' published configuration of nBP assigns neurons, 0 to 95
#: (github.com/lanl/spikingBackprop, network_parameters_2layer_MNIST.py).
CORES = 96

#: Cores of the chip, cores of a tile, rows of the mesh of tiles.
CHIP_CORES, TILE_CORES, TILE_ROWS = 128, 4, 4
