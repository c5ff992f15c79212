"""All figures of a sweep, written as PNG and PDF."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from brianprop.analysis.figures.output import write_figures
from brianprop.analysis.figures.sweeps.heatmap import plot_heatmap
from brianprop.analysis.figures.sweeps.importance import plot_importance
from brianprop.analysis.figures.sweeps.learning import plot_learning
from brianprop.analysis.figures.sweeps.parallel import plot_parallel
from brianprop.analysis.figures.sweeps.response import plot_response
from brianprop.analysis.sweeps.directory import SweepDirectory
from brianprop.models.errors import RunError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["draw"]


def draw(path: str | os.PathLike, out: Path | None = None) -> list[Path]:
    """Write every figure for which the sweep has the points. A line on standard output names each figure that is left out.

    Parameters
    ----------
    path : path-like
        Sweep directory. Of an unfinished sweep, the finished points are drawn.
    out : path-like, optional
        Folder for the figures, by default ``figures`` in the sweep directory.

    Returns
    -------
    list of pathlib.Path
        The files written.

    Raises
    ------
    RunError
        If the sweep cannot be read, has no finished point, or a file cannot be written.
    """
    directory = SweepDirectory.open(path)
    table = directory.table()
    if table.empty:
        raise RunError(f"No point of {directory.path} is finished; use 'brianprop sweep resume {directory.path}'.")
    figures: dict[str, Callable[[], Figure]] = {
        "response": lambda: plot_response(directory, table),
        "heatmap": lambda: plot_heatmap(directory, table),
        "parallel": lambda: plot_parallel(directory, table),
        "importance": lambda: plot_importance(directory, table),
        "learning": lambda: plot_learning(directory, table),
    }
    return write_figures(figures, directory.inside("figures") if out is None else Path(out))
