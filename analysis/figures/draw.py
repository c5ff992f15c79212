"""All figures of a run, written as PNG and PDF."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from brianprop.analysis.figures import accuracy
from brianprop.analysis.figures.classes import class_names
from brianprop.analysis.figures.confusion import plot_confusion
from brianprop.analysis.figures.output import NothingToShowError, write_figures
from brianprop.analysis.figures.selection import Selection
from brianprop.analysis.figures.sources import predictions, recording
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
    run_paths: Sequence[Path], out: Path | None = None, selection: Selection | None = None, only: Collection[str] = ()
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
    only : collection of {"raster", "film"}
        Draw nothing but these. The film is of one turn of a gated circuit, film.gif, and is drawn only where it is asked for.

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
    folder = runs[0].path / "figures" if out is None else Path(out)
    figures = (
        {}
        if only
        else {"accuracy": lambda: _accuracy(runs), "confusion": lambda: _confusion(runs[0]), **system.figures(runs[0])}
    )
    if "raster" in only or (selection is not None and not only):
        figures["raster"] = lambda: system.raster(runs[0], selection or Selection())
    written = write_figures(figures, folder)
    if "film" in only:
        written.append(_film(runs[0], folder / "film.gif", selection or Selection()))
    return written


def _film(run: Run, path: Path, selection: Selection) -> Path:
    from brianprop.analysis.figures.film import write_film

    circuit = circuit_of(run)
    try:
        return write_film(recording(run, selection), circuit, path, class_names(run.config["dataset"]), selection)
    except NothingToShowError as error:
        raise RunError(f"{error}, so that there is no film; train with this version, or with --record-spikes.") from error


def _confusion(run: Run) -> Figure:
    answers = predictions(run)
    return plot_confusion(answers.pop("target"), answers, class_names(run.config["dataset"]), run.epochs)


def _accuracy(runs: Sequence[Run]) -> Figure:
    begun = [run for run in runs if run.metrics()]
    if not begun:
        raise NothingToShowError(f"{runs[0].path} has no finished epoch (metrics.csv)")
    groups = group_runs(begun)
    return accuracy.plot_accuracy({group.label: [run.metrics_frame() for run in group.runs] for group in groups})
