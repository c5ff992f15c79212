"""Learning curves of a sweep."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from brianprop.analysis.figures.sweeps import objective
from brianprop.analysis.figures.sweeps.axes import COLOURS, FEW, SweepAxis, shade, short, with_unit, words
from brianprop.analysis.sweeps.directory import SweepDirectory

if TYPE_CHECKING:
    import pandas
    from matplotlib.figure import Figure

__all__ = ["plot_learning"]

#: Panels in a row of the figure.
COLUMNS = 4


def plot_learning(directory: SweepDirectory, table: pandas.DataFrame) -> Figure:
    """Draw the metric of the objective over the epochs: a line for each group of seeds.

    With one axis, a legend names its values. With two crossed axes, the second has a panel for each value. With more axes, or
    sampled ones, the colour of a line is its objective.

    Parameters
    ----------
    directory : SweepDirectory
    table : DataFrame
        As `SweepDirectory.table` gives it.

    Returns
    -------
    matplotlib.figure.Figure
    """
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import LogNorm, Normalize
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    names, curves = directory.axes, _curves(directory)
    crossed = sorted(names, key=lambda name: table[name].nunique(), reverse=True)
    simple = not directory.sampled and len(names) <= 2
    panels_of = crossed[1] if simple and len(names) == 2 else None
    line_axis = SweepAxis.of(directory, crossed[0]) if simple and names else None
    parts = [(None, table)] if panels_of is None else list(table.groupby(panels_of, sort=True))
    rows, columns = -(-len(parts) // COLUMNS), min(len(parts), COLUMNS)
    figure = Figure(figsize=(1.6 + 2.4 * columns, 0.6 + 2.2 * rows), layout="constrained")
    panels = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False).ravel()
    for panel in panels[len(parts) :]:
        panel.set_visible(False)
    scores = dict(zip(table.index, objective.scores(directory, table), strict=True))
    colours = ScalarMappable(Normalize(min(scores.values()), max(scores.values())), COLOURS)
    banded = False
    for panel, (panel_value, part) in zip(panels, parts, strict=False):
        groups = [group for _, group in part.groupby(list(names), sort=True, dropna=False)] if names else [part]
        for group in groups:
            of_seeds = [curves[key] for key in group["point"]]
            epochs = list(of_seeds[0])
            values = np.array([[curve.get(epoch, np.nan) for epoch in epochs] for curve in of_seeds])
            mean = values.mean(axis=0)
            if line_axis is not None:
                value = group[line_axis.name].iloc[0]
                colour, label = shade(line_axis, value), short(value)
            else:
                colour, label = (
                    colours.to_rgba(np.mean([scores[row] for row in group.index], keepdims=True))[0] if names else "C0",
                    None,
                )
            panel.plot(epochs, mean, color=colour, label=label)
            if len(of_seeds) > 1 and len(groups) <= FEW:
                spread = values.std(axis=0, ddof=1)
                banded = True
                panel.fill_between(epochs, mean - spread, mean + spread, color=colour, alpha=0.15, linewidth=0)
        panel.set_xlabel("epoch")
        panel.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
        panel.grid(True, axis="y")
        if panels_of is not None:
            panel.set_title(f"{words(panels_of)} = {short(panel_value)}")
    panels[0].set_ylabel(objective.title(directory, of_epoch=False))
    figure.suptitle(objective.seeds(directory, table, spread=banded), fontsize="medium")
    if line_axis is not None and len(set(table[line_axis.name])) <= FEW:
        # a value may have lines in some panels only, as long as a sweep is not finished
        found = {label: line for panel in panels for line, label in zip(*panel.get_legend_handles_labels(), strict=True)}
        labels = [label for label in map(short, line_axis.values) if label in found]
        figure.legend([found[label] for label in labels], labels, title=with_unit(line_axis.name), loc="outside right upper")
    elif line_axis is not None and line_axis.numeric:
        norm = (LogNorm if line_axis.log else Normalize)(line_axis.values[0], line_axis.values[-1])
        figure.colorbar(ScalarMappable(norm, COLOURS), ax=list(panels), label=with_unit(line_axis.name))
    elif names:
        figure.colorbar(colours, ax=list(panels), label=objective.title(directory))
    return figure


def _curves(directory: SweepDirectory) -> dict[str, dict[int, float]]:
    """The metric of the objective by epoch, for each finished run by key."""
    metric, split = directory.plan["objective"]["metric"], directory.plan["objective"]["split"]
    factor = objective.factor(directory)
    return {
        key: {row["epoch"]: factor * row[metric] for row in run.metrics() if row["split"] == split}
        for key, run in directory.runs().items()
    }
