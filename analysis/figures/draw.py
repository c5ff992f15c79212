"""All figures of a run, written as PNG and PDF."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from brianprop.analysis.figures import accuracy
from brianprop.analysis.figures.output import NothingToShowError, write_figures
from brianprop.analysis.figures.selection import Selection
from brianprop.analysis.groups import group_runs, open_runs
from brianprop.analysis.runs.run import Run
from brianprop.analysis.systems import SYSTEMS
from brianprop.models.circuit import Circuit
from brianprop.models.errors import RunError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["circuit_of", "draw"]


def circuit_of(run: Run) -> Circuit:
    """The gated circuit that a run trained.

    Raises
    ------
    RunError
        If the run is of a system without such a circuit, or the configuration names an unknown system or parameter.
    """
    circuit = SYSTEMS[run.system].circuit(run.parameters())
    if circuit is None:
        raise RunError(f"{run.path} holds a run of the system {run.system!r}, whose network is no gated circuit.")
    return circuit


def draw(
    run_paths: Sequence[Path], out: Path | None = None, selection: Selection | None = None, raster_only: bool = False
) -> list[Path]:
    """Write every figure for which the runs hold the data. A line on standard output names each figure that is left out.

    Parameters
    ----------
    run_paths : sequence of path-like
        Run directories. The accuracy shows all of them, the other figures only the first. Runs that differ in more than their
        seed have separate lines; they may be of several systems.
    out : path-like, optional
        Folder for the figures, by default ``figures`` in the first run directory.
    selection : Selection, optional
        Populations, turns and phases that the raster shows; by default all populations, and turns with errors.
    raster_only : bool
        Whether to draw nothing but the raster.

    Returns
    -------
    list of pathlib.Path
        The files written.

    Raises
    ------
    RunError
        If a run cannot be read, a raster is asked for of a network without spikes, or a file cannot be written.
    ParameterError
        If the selection names what was not recorded.
    """
    runs = open_runs(run_paths, "draw")
    system = SYSTEMS[runs[0].system]
    figures = {} if raster_only else {"accuracy": lambda: _accuracy(runs), **system.figures(runs[0])}
    if raster_only or selection is not None:
        figures["raster"] = lambda: system.raster(runs[0], selection or Selection())
    return write_figures(figures, runs[0].path / "figures" if out is None else Path(out))


def _accuracy(runs: Sequence[Run]) -> Figure:
    begun = [run for run in runs if run.metrics()]
    if not begun:
        raise NothingToShowError(f"{runs[0].path} has no finished epoch (metrics.csv)")
    groups = group_runs(begun)
    return accuracy.plot_accuracy({group.label: [run.metrics_frame() for run in group.runs] for group in groups})
