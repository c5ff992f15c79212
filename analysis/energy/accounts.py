"""What a sample costs in each kind of run, from run directories."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from brianprop.analysis.energy.chip import CORES, PUBLISHED, PUBLISHED_SIZES, Measured
from brianprop.analysis.energy.constants import Constants
from brianprop.analysis.energy.cost import Energy, energy
from brianprop.analysis.energy.counts import Counts, pooled
from brianprop.analysis.energy.nbp import as_inference, count_nbp
from brianprop.analysis.energy.ssnn_bp import count_ssnn_bp
from brianprop.analysis.groups import group_runs, open_runs
from brianprop.analysis.runs.run import Run
from brianprop.models.errors import RunError
from brianprop.models.nbp.circuit import inference_circuit, training_circuit

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
        If the run has no recording or is of a system whose operations are not counted, or the recording is of another circuit.
    """
    if run.system == "ann":
        raise RunError(f"{run.path} holds a run of the ANN, which has no spikes; leave it out.")
    if run.system not in ("nbp", "ssnn-bp"):
        raise RunError(f"{run.path} holds a run of {run.system}, whose operations cannot be counted; leave it out.")
    recording = run.load_spikes() or run.load_spikes("raster")
    if recording is None:
        raise RunError(
            f"{run.path} holds no recorded spikes (spikes.npz or raster.npz); give a run that has them, or train again."
        )
    try:
        if run.system == "ssnn-bp":
            parameters = run.parameters()
            return [count_ssnn_bp(recording, parameters, learns) for learns in (True, False)]
        training, inference = (make(run.parameters()) for make in (training_circuit, inference_circuit))
        if recording.populations == tuple(population.name for population in inference.populations):
            return [count_nbp(recording, inference)]
        forward = f"phases 0 to {inference.period - 1} of recorded training turns"
        return [count_nbp(recording, training), count_nbp(as_inference(recording, inference), inference, forward)]
    except RunError as error:
        raise RunError(f"{run.path}: {error}") from error


def account(run_paths: Sequence[Path], constants: Constants | None = None, cores: int = CORES) -> list[Account]:
    """What a sample costs in each kind of run. Runs that differ only in their seed are pooled.

    Parameters
    ----------
    run_paths : sequence of path-like
        Run directories of nBP and SSNN-BP with recorded spikes. The last epoch of spikes.npz counts, else that of raster.npz.
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
        published = group.system == "nbp" and group.runs[0].parameters().sizes == PUBLISHED_SIZES
        for mode in ("training", "inference"):
            if chosen := [counts for counts in parts if counts.mode == mode]:
                counts = pooled(chosen)
                measured = PUBLISHED[mode] if published else None
                accounts.append(Account(group.label, counts, energy(counts, constants, cores), measured))
    return accounts
