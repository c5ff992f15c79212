"""The command ``export``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import tyro

__all__ = ["Export"]


@dataclass(frozen=True)
class Export:
    """Write the spikes, the trained network or the metrics of a run for the tools of the field."""

    run: tyro.conf.Positional[Path]
    """Run directory; of spikes, all of spikes.npz are written (--record-spikes), or else those of raster.npz."""
    to: Literal["neo", "nwb", "nir", "tensorboard"]
    """Spikes as Neo or Neurodata Without Borders (NWB); the trained network, without what makes it learn, as a graph of the
    Neuromorphic Intermediate Representation (NIR); or accuracies and losses for TensorBoard."""
    out: Path | None = None
    """The file (default: spikes.mat, spikes.nwb or network.nir in the run directory), of tensorboard the folder (default:
    tensorboard in the run directory). Of neo, .mat is read by NeoMatlabIO;
    .nix by NixIO, whose files are large and slow."""
    per_turn: bool = False
    """Of neo: make a segment of each turn; otherwise one holds all, and epochs of Neo are the turns."""
    dt: float | None = None
    """Of nir: the time step of the simulator [s] (default: 1e-4)."""
    drive: bool = False
    """Of nir: the output is the membrane of the output neurons in place of their spikes."""

    def __call__(self) -> None:
        from brianprop.analysis.export import export

        print(export(self.run, self.to, self.out, per_turn=self.per_turn, dt=self.dt, drive=self.drive))
