"""Every point of a sweep as a line across all axes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from brianprop.analysis.figures.sweeps import objective
from brianprop.analysis.figures.sweeps.axes import CLOSEST, COLOURS, SweepAxis, apart, require_axes, short, with_unit
from brianprop.analysis.sweeps.directory import SweepDirectory

if TYPE_CHECKING:
    import pandas
    from matplotlib.figure import Figure

__all__ = ["plot_parallel"]


def plot_parallel(directory: SweepDirectory, table: pandas.DataFrame) -> Figure:
    """Draw every point as a line across all axes, coloured by its objective, the best on top.

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
        If there are fewer than three axes, or fewer than two if they were sampled.
    """
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize
    from matplotlib.figure import Figure

    require_axes(directory, 2 if directory.sampled else 3)
    axes = [SweepAxis.of(directory, name) for name in directory.axes]
    figure = Figure(figsize=(1.6 + 1.3 * (len(axes) + 1), 3.2), layout="constrained")
    panel = figure.subplots()
    scores = objective.scores(directory, table)
    low, high = scores.min(), scores.max()
    norm = Normalize(low, high if high > low else low + 1)
    colours = ScalarMappable(norm, COLOURS)
    lines = np.array([[axis.share(value) for value in table[axis.name]] for axis in axes] + [norm(scores)], float).T
    best_last = np.argsort(scores)
    if directory.plan["objective"]["metric"] == "loss":
        best_last = best_last[::-1]
    for row in best_last:
        panel.plot(range(len(axes) + 1), lines[row], color=colours.to_rgba(scores[row]), linewidth=0.8, alpha=0.7)
    # the objective has ticks too; it is always linear
    of_scores = SweepAxis("", sorted(set(scores.tolist())), log=False)
    ends = [(score, float(norm(score))) for score in of_scores.round_values] if low < high else [(low, 0.0)]
    all_ticks = [*(axis.ticks for axis in axes), apart(ends, CLOSEST)]
    for number, ticks in enumerate(all_ticks):
        panel.axvline(number, color="0.3", linewidth=0.6)
        panel.scatter(
            [number] * len(ticks), [share for _, share in ticks], s=16, color="0.3", marker="_", linewidths=0.6, zorder=3
        )
        for value, share in ticks:
            # on white, since lines cross behind
            panel.annotate(
                short(value),
                (number, share),
                (-4, 0),
                textcoords="offset points",
                ha="right",
                va="center",
                fontsize=6,
                bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.75, "pad": 0.6},
            )
    title = objective.title(directory)
    names = [with_unit(axis.name) + ("\n(log)" if axis.log else "") for axis in axes]
    panel.set_xticks(range(len(axes) + 1), [*names, title.replace(" accuracy", "\naccuracy")])
    panel.set_yticks([])
    panel.spines[:].set_visible(False)
    panel.tick_params(length=0)
    panel.set_title(objective.each(directory, table), loc="right")
    figure.colorbar(colours, ax=panel, label=title)
    return figure
