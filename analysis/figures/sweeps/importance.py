"""How much each axis of a sweep matters."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from brianprop.analysis.figures.output import NothingToShowError
from brianprop.analysis.figures.sweeps import objective
from brianprop.analysis.figures.sweeps.axes import SweepAxis, require_axes, words
from brianprop.analysis.sweeps.directory import SweepDirectory

if TYPE_CHECKING:
    import pandas
    from matplotlib.figure import Figure

__all__ = ["plot_importance"]

#: Trees of the random forest, and shuffles of each axis.
TREES, SHUFFLES = 200, 40

#: R2 out of bag below which nothing was found.
LEAST_R2 = 0.1

#: Least number of points that the forest is fitted to.
LEAST = 10


def plot_importance(directory: SweepDirectory, table: pandas.DataFrame) -> Figure:
    """Draw the permutation importance of each axis: the fall in R² of a random forest if the axis is shuffled.

    The forest predicts the objective from all axes, without the seed. Its own R² is out of bag, that is, of points that a tree
    was not fitted to: if it is below `LEAST_R2`, the figure says that nothing was found.

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
        If there are too few points, fewer than three axes, or fewer than two if they were sampled.
    """
    require_axes(directory, 2 if directory.sampled else 3)
    if len(table) < LEAST:
        raise NothingToShowError(f"{len(table)} points are too few for a forest, which needs {LEAST}")
    from matplotlib.figure import Figure
    from sklearn.ensemble import RandomForestRegressor
    from sklearn.inspection import permutation_importance

    axes = [SweepAxis.of(directory, name) for name in directory.axes]
    x = np.array([[axis.position[value] for value in table[axis.name]] for axis in axes], float).T
    y = objective.scores(directory, table)
    forest = RandomForestRegressor(TREES, oob_score=True, random_state=0).fit(x, y)
    figure = Figure(figsize=(4.6, 1.4 + 0.3 * len(axes)), layout="constrained")
    panel = figure.subplots()
    score = float(forest.oob_score_)
    aim = objective.title(directory).removesuffix(" (%)")
    panel.set_title(
        f"random forest for the {aim}, {objective.each(directory, table)}: {len(table)}\n$R^2$ = {score:.2f} out of bag",
        loc="right",
    )
    if not score >= LEAST_R2:  # also where the objective never changes and R2 is no number
        panel.set_axis_off()
        text = f"Nothing was found: $R^2$ is below {LEAST_R2},\nso that importances would mean nothing."
        panel.text(0.5, 0.5, text, ha="center", va="center", transform=panel.transAxes)
        return figure
    falls = np.asarray(permutation_importance(forest, x, y, n_repeats=SHUFFLES, random_state=0)["importances"])
    means, (low, high) = falls.mean(axis=1), np.quantile(falls, (0.025, 0.975), axis=1)
    order = np.argsort(means)
    errors = np.maximum([(means - low)[order], (high - means)[order]], 0)
    panel.barh(range(len(axes)), means[order], xerr=errors, color="C0", height=0.6)
    panel.set_yticks(range(len(axes)), [words(axes[number].name) for number in order])
    panel.set_xlabel(f"fall in $R^2$ where the axis is shuffled\n(mean, and 95 % of {SHUFFLES} shuffles)")
    panel.grid(True, axis="x")
    return figure
