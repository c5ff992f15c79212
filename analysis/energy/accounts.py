"""What a sample costs in each kind of run, from run directories."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from brianprop.analysis.energy.chip import CORES, Measured
from brianprop.analysis.energy.constants import Constants
from brianprop.analysis.energy.cost import Energy, energy
from brianprop.analysis.energy.counts import Counts, pooled
from brianprop.analysis.groups import group_runs, open_runs
from brianprop.analysis.runs.run import Run
from brianprop.analysis.systems import SYSTEMS
from brianprop.models.errors import RunError

__all__ = ["Account", "account"]


@dataclass(frozen=True)
class Account:
    """What runs of one kind cost, in one mode.

    Attributes
    ----------
    label : str
        The system and its settings.
    counts : Counts
    energy : Energy
    measured : Measured or None
        What was published for a circuit of these sizes.
    """

    label: str
    counts: Counts
    energy: Energy
    measured: Measured | None

    @property
    def title(self) -> str:
        """Label and mode."""
        return f"{self.label}, {self.counts.mode}"


def _counts_of(run: Run) -> list[Counts]:
    """The operations of training and inference of one run, as far as its recording tells.

    Raises
    ------
    RunError
        If the network has no spikes, or the run no recording, or one that cannot be counted.
    """
    system, parameters = SYSTEMS[run.system], run.parameters()
    if system.layout(parameters) is None:
        raise RunError(f"{run.path} holds a run of the {system.title}, which has no spikes; leave it out.")
    recording = run.load_spikes() or run.load_spikes("raster")
    if recording is None:
        raise RunError(
            f"{run.path} holds no recorded spikes (spikes.npz or raster.npz); give a run that has them, or train again."
        )
    try:
        return system.counts(parameters, recording)
    except RunError as error:
        raise RunError(f"{run.path}: {error}") from error


def account(run_paths: Sequence[Path], constants: Constants | None = None, cores: int = CORES) -> list[Account]:
    """What a sample costs in each kind of run. Runs that differ only in their seed are pooled.

    Parameters
    ----------
    run_paths : sequence of path-like
        Run directories of spiking systems with recorded spikes. The last epoch of spikes.npz counts, else that of raster.npz.
    constants : Constants, optional
        By default those published for Loihi.
    cores : int
        Neuromorphic cores that share the work evenly.

    Raises
    ------
    RunError
        If a run cannot be read, holds no spikes, or is given twice, also as a copy.
    ParameterError
        If the chip does not have so many cores.
    """
    accounts = []
    for group in group_runs(open_runs(run_paths, "count")):
        parts = [counts for run in group.runs for counts in _counts_of(run)]
        published = SYSTEMS[group.system].measured(group.runs[0].parameters())
        for mode in ("training", "inference"):
            if chosen := [counts for counts in parts if counts.mode == mode]:
                counts = pooled(chosen)
                accounts.append(Account(group.label, counts, energy(counts, constants, cores), published.get(mode)))
    return accounts
