"""The objective of a sweep against one axis."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from brianprop.analysis.figures.comparison import Estimate, errorbar
from brianprop.analysis.figures.output import NothingToShowError
from brianprop.analysis.figures.sweeps import objective
from brianprop.analysis.figures.sweeps.axes import SweepAxis, draw_axis, shade, short, words
from brianprop.analysis.sweeps.directory import SweepDirectory

if TYPE_CHECKING:
    import pandas
    from matplotlib.figure import Figure

__all__ = ["plot_response"]

#: Distance of the points of two groups with the same value, as a share of the axis, unless values are closer.
DODGE = 0.012


def plot_response(directory: SweepDirectory, table: pandas.DataFrame) -> Figure:
    """Draw the objective against one axis: mean and standard deviation over seeds, and every seed as a dot.

    With two crossed axes, the one with more values is the abscissa, and the other has a line for each value. For sampled axes,
    a panel for each axis shows the objective as a cloud of points.

    Parameters
    ----------
    directory : SweepDirectory
    table : DataFrame
        As `SweepDirectory.table` gives it.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    NothingToShowError
        If the points differ only in their seed, or more than two axes are crossed.
    """
    if not directory.axes:
        raise NothingToShowError("the points differ in their seed only")
    if directory.sampled:
        return _plot_samples(directory, table)
    if len(directory.axes) > 2:
        raise NothingToShowError(f"{len(directory.axes)} axes are crossed: see the figures parallel and importance")
    from matplotlib.figure import Figure

    axes = [SweepAxis.of(directory, name) for name in directory.axes]
    along = max(axes, key=lambda axis: (axis.numeric, table[axis.name].nunique()))
    across = next((axis for axis in axes if axis is not along), None)
    lines, size = [(None, table)], (4.6, 3.2)
    if across is not None:
        parts = dict(list(table.groupby(across.name)))
        lines = [(value, parts[value]) for value in across.values if value in parts]
        size = 6.4, max(3.2, 0.6 + 0.2 * len(lines))  # room for the legend beside the panel, where it hides no line
    figure = Figure(figsize=size, layout="constrained")
    panel = figure.subplots()
    gaps = np.diff([along.share(value) for value in along.values])
    step = min(DODGE, 0.6 * float(np.median(gaps)) / len(lines)) if len(gaps) else DODGE
    for number, (value, part) in enumerate(lines):
        of_value: dict[Any, list[float]] = {}
        for one, score in zip(part[along.name], objective.scores(directory, part), strict=True):
            of_value.setdefault(along.position[one], []).append(score)
        x = sorted(of_value)
        means, spreads, _ = np.array([Estimate.of(of_value[position]) for position in x]).T
        if across is not None:  # beside one another, so that no error bar hides another
            x = along.moved(x, by=step * (number - (len(lines) - 1) / 2))
        colour, label = ("C0", None) if across is None else (shade(across, value), f"{words(across.name)} = {short(value)}")
        errorbar(panel, x, means, spreads, color=colour, marker="o", label=label)
        if across is None:
            dots = [along.position[one] for one in part[along.name]]
            panel.plot(dots, objective.scores(directory, part), "o", color="0.3", markersize=2, alpha=0.6)
    draw_axis(panel, along, 3.8)
    panel.set_ylabel(objective.title(directory))
    if across is None:
        panel.set_title(objective.seeds(directory, table), loc="right")
    else:
        figure.legend(loc="outside right upper", title=objective.seeds(directory, table))
    return figure


def _plot_samples(directory: SweepDirectory, table: pandas.DataFrame) -> Figure:
    """A panel for each sampled axis, with a dot for each point."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(1.2 + 2.2 * len(directory.axes), 2.8), layout="constrained")
    panels = figure.subplots(1, len(directory.axes), sharey=True, squeeze=False)[0]
    for panel, name in zip(panels, directory.axes, strict=True):
        axis = SweepAxis.of(directory, name)
        panel.plot([axis.position[value] for value in table[name]], objective.scores(directory, table), "o", alpha=0.6)
        draw_axis(panel, axis, 1.9)
    panels[0].set_ylabel(objective.title(directory))
    figure.suptitle(objective.each(directory, table), fontsize="medium")
    return figure
