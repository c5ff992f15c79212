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
TREES, SHUFFLES = 200, 10

#: Least number of points that the forest is fitted to.
LEAST = 10


def plot_importance(directory: SweepDirectory, table: pandas.DataFrame) -> Figure:
    """Draw the permutation importance of each axis: the fall in R² of a random forest if the axis is shuffled.

    The forest predicts the objective from all axes, without the seed. Its own R² is out of bag, that is, of points that a tree
    was not fitted to: if it is near 0, the importances mean nothing.

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
    importance = permutation_importance(forest, x, y, n_repeats=SHUFFLES, random_state=0)
    means, spreads = (np.asarray(importance[name]) for name in ("importances_mean", "importances_std"))
    order = np.argsort(means)
    figure = Figure(figsize=(4.6, 1.2 + 0.3 * len(axes)), layout="constrained")
    panel = figure.subplots()
    panel.barh(range(len(axes)), means[order], xerr=spreads[order], color="C0", height=0.6)
    panel.set_yticks(range(len(axes)), [words(axes[number].name) for number in order])
    panel.set_xlabel(f"fall in $R^2$ of {objective.title(directory)} where the axis is shuffled")
    panel.set_title(f"random forest, $R^2$ = {forest.oob_score_:.2f} out of bag, {len(table)} points", loc="right")
    panel.grid(True, axis="x")
    return figure
