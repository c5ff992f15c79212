"""The command ``export``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import tyro

__all__ = ["Export"]


@dataclass(frozen=True)
class Export:
    """Write the spikes or the trained network of a run for the tools of the field."""

    run: tyro.conf.Positional[Path]
    """Run directory; of spikes, all of spikes.npz are written (--record-spikes), or else those of raster.npz."""
    to: Literal["neo", "nwb", "nir"]
    """Spikes as Neo (in a file of NIX) or Neurodata Without Borders (NWB); or the trained network, without what makes it learn,
    as a graph of the Neuromorphic Intermediate Representation (NIR)."""
    out: Path | None = None
    """The file (default: spikes.nix, spikes.nwb or network.nir in the run directory)."""
    dt: float | None = None
    """Of nir: the time step of the simulator [s] (default: 1e-4)."""
    drive: bool = False
    """Of nir: the output is the membrane of the output neurons in place of their spikes."""

    def __call__(self) -> None:
        from brianprop.analysis.export import export

        print(export(self.run, self.to, self.out, dt=self.dt, drive=self.drive))
