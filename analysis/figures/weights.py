"""The learned weights before and after training: their distribution, and receptive fields of hidden neurons."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["most_changed", "plot_fields", "plot_weights", "share_at_bound"]

#: Approximate number of bins over the range of the weights, and its least value for small matrices.
BINS, FEWEST_BINS = 64, 16

#: Most matrices that share a row of histograms.
MOST_COLUMNS = 4

#: Number of receptive fields that are drawn.
FIELDS = 9


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

    columns = min(len(final), MOST_COLUMNS)
    rows = -(-len(final) // columns)
    figure = Figure(figsize=(7.2, 0.4 + 2.4 * rows), layout="constrained")
    grid = figure.subplots(rows, columns, sharey=True, squeeze=False)
    panels = grid.flat[: len(final)]
    for axes in grid.flat[len(final) :]:
        axes.set_axis_off()
    width = step * max(1, round(2 * bound / step / BINS))
    # the edges lie between grid points; the outermost bins hold the bounds wherever the others end
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
    for axes in grid[:, 0]:
        axes.set_ylabel("share of the synapses per bin")
    handles, titles = panels[0].get_legend_handles_labels()
    figure.legend(handles, titles, loc="outside lower center", ncols=len(titles))
    return figure


def most_changed(initial: np.ndarray, final: np.ndarray, number: int = FIELDS) -> np.ndarray:
    """Hidden neurons whose incoming weights changed most (Euclidean norm), in descending order.

    Parameters
    ----------
    initial, final : ndarray, shape (n_in, n_hid)
    number : int
        Largest number of neurons.

    Returns
    -------
    int array
    """
    change = np.linalg.norm(final.astype(float) - initial, axis=0)
    return np.argsort(-change, kind="stable")[:number]


def plot_fields(
    initial: Mapping[str, np.ndarray], final: Mapping[str, np.ndarray], shape: Sequence[int], bound: float | None = None
) -> Figure:
    """Draw histograms of real-valued weights, and the receptive fields of the hidden neurons that changed most.

    Parameters
    ----------
    initial, final : mapping of str to ndarray
        Weight matrices W1, W2, ... of shape (n_pre, n_post), and biases, which are left out.
    shape : sequence of int
        Rows and columns of an image.
    bound : float, optional
        Largest absolute value that a weight may take.

    Returns
    -------
    matplotlib.figure.Figure
    """
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    names = [name for name in final if name.startswith("W")]
    figure = Figure(figsize=(7.2, 4.6), layout="constrained")
    above, below = figure.subfigures(2, 1, squeeze=False, height_ratios=[1.15, 1.0])[:, 0]
    for axes, name in zip(above.subplots(1, len(names), squeeze=False)[0], names, strict=True):
        both = [np.asarray(weights[name], float).ravel() for weights in (initial, final)]
        reach = max(np.abs(values).max() for values in both)
        edges = np.linspace(-reach, reach, int(np.clip(both[1].size ** 0.5, FEWEST_BINS, BINS)) + 1)
        for values, colour, filled in zip(both, ("0.55", "C0"), (True, False), strict=True):
            share = np.full(values.size, 1 / values.size)
            style = {"histtype": "stepfilled", "alpha": 0.5} if filled else {"histtype": "step", "linewidth": 1.2}
            axes.hist(values, bins=edges, weights=share, color=colour, **style)
        title = f"${name[0]}_{{{name[1:]}}}$"
        if bound is not None:
            title += f": {share_at_bound(final[name], bound):.1%} at the bound"
            for side in (-bound, bound):
                axes.axvline(side, color="C1", linestyle="--", linewidth=0.8)
        axes.set(title=title, xlabel="weight", yscale="log")
        if name == names[0]:
            axes.set_ylabel("share of the synapses per bin")
    handles = [Patch(color="0.55", alpha=0.5, label="initial"), Line2D([], [], color="C0", label="final")]
    if bound is not None:
        handles.append(Line2D([], [], color="C1", linestyle="--", label="bound"))
    above.legend(handles=handles, loc="outside lower center", ncols=len(handles))

    chosen = most_changed(initial["W1"], final["W1"])
    panels = below.subplots(2, len(chosen), squeeze=False)
    limit = np.quantile(np.abs(final["W1"][:, chosen]), 0.995) or 1.0
    image = None
    for row, (weights, title) in enumerate(((initial, "initial"), (final, "final"))):
        for axes, neuron in zip(panels[row], chosen, strict=True):
            # summed over the levels of a thermometer code: what a pixel of full brightness adds to the drive
            field = np.reshape(weights["W1"][:, neuron], (-1, *shape)).sum(axis=0)
            image = axes.imshow(field, cmap="RdBu", vmin=-limit, vmax=limit)
            axes.set(xticks=[], yticks=[])
            axes.spines[:].set_visible(True)
            if row == 0:
                axes.set_title(f"{neuron}")
        panels[row, 0].set_ylabel(title)
    below.suptitle("$W_1$ of the hidden neurons that changed most")
    if image is not None:
        below.colorbar(image, ax=panels, shrink=0.8, label="weight")
    return figure
