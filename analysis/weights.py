"""Distribution of the learned weights before and after training."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["plot_weights", "share_at_bound"]

#: About how many bins span the range of the weights.
BINS = 64


def share_at_bound(weights: np.ndarray, bound: float) -> float:
    """Share of the weights that lie at either bound, between 0 and 1.

    Parameters
    ----------
    weights : ndarray, any shape
    bound : float
        Largest absolute value that a weight may take, in units of weight.
    """
    return float(np.mean(np.abs(weights) >= bound))


def plot_weights(initial: Mapping[str, np.ndarray], final: Mapping[str, np.ndarray], bound: int, step: int = 1) -> Figure:
    """Draw a histogram of each weight matrix, before and after training.

    Parameters
    ----------
    initial, final : mapping of str to ndarray
        Weight matrices by name, in units of weight; `initial` may be empty.
    bound : int
        Largest absolute value that a weight may take.
    step : int
        Grid of the weights; each bin holds the same number of grid points.

    Returns
    -------
    matplotlib.figure.Figure
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.2, 2.8), layout="constrained")
    panels = figure.subplots(1, len(final), sharey=True, squeeze=False)[0]
    width = step * max(1, round(2 * bound / step / BINS))
    # edges between grid points, and a bin of its own for each bound wherever the others end
    reach = width * np.ceil((bound + step / 2) / width - 0.5) + width / 2
    edges = np.arange(-reach, reach + width / 2, width)
    for axes, (name, weights) in zip(panels, final.items(), strict=True):
        for title, matrices, colour, filled in (("initial", initial, "0.55", True), ("final", final, "C0", False)):
            if name in matrices:
                values = np.asarray(matrices[name]).ravel()
                axes.hist(
                    values,
                    bins=edges,
                    weights=np.full(values.size, 1 / values.size),
                    histtype="stepfilled" if filled else "step",
                    color=colour,
                    alpha=0.5 if filled else 1.0,
                    linewidth=1.2,
                    label=title,
                )
        for side in (-bound, bound):
            axes.axvline(side, color="C1", linestyle="--", linewidth=0.8, label="bound" if side > 0 else None)
        label = name[0] + (f"_{{{name[1:]}}}" if name[1:] else "")
        axes.set_title(f"${label}$: {share_at_bound(weights, bound):.1%} at the bound")
        axes.set(xlabel="weight (weight units)", yscale="log")
    panels[0].set_ylabel("share of the synapses per bin")
    handles, titles = panels[0].get_legend_handles_labels()
    figure.legend(handles, titles, loc="outside lower center", ncols=len(titles))
    return figure
