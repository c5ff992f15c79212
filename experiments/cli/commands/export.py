"""The command ``export``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import tyro

__all__ = ["Export"]


@dataclass(frozen=True)
class Export:
    """Write the spikes of a run for the tools of the field."""

    run: tyro.conf.Positional[Path]
    """Run directory; all spikes of spikes.npz are written (--record-spikes), or else those of raster.npz."""
    to: Literal["neo", "nwb"]
    """A block of Neo, or a file of Neurodata Without Borders."""
    out: Path | None = None
    """The file (default: spikes.mat or spikes.nwb in the run directory). For Neo, .mat is read by NeoMatlabIO;
    .nix by NixIO, whose files are large and slow."""
    per_turn: bool = False
    """In Neo, make a segment of each turn; otherwise one holds all, and epochs of Neo are the turns."""

    def __call__(self) -> None:
        from brianprop.analysis.export import export

        print(export(self.run, self.to, self.out, self.per_turn))
