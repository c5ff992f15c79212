"""The learned weights before and after training: their distribution, and receptive fields of hidden neurons."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure, SubFigure

__all__ = ["histogram_edges", "most_changed", "plot_weights", "receptive_fields", "share_at_bound"]

#: Approximate number of bins over the range of the weights, and its least value for small matrices.
BINS, FEWEST_BINS = 64, 16

#: Most matrices that share a row of histograms.
MOST_COLUMNS = 4

#: Number of receptive fields that are drawn.
FIELDS = 9

#: Title and look of the weights before and after training.
LOOKS = {
    "initial": {"color": "0.55", "histtype": "stepfilled", "alpha": 0.5},
    "final": {"color": "C0", "histtype": "step", "linewidth": 1.2},
}


def share_at_bound(weights: np.ndarray, bound: float) -> float:
    """Share of the weights that lie at either bound, between 0 and 1.

    Parameters
    ----------
    weights : ndarray, any shape
    bound : float
        Largest absolute value that a weight may take, in units of weight.
    """
    return float(np.mean(np.abs(weights) >= bound))


def histogram_edges(bound: float, step: int) -> np.ndarray:
    """Edges of bins between the values of a grid, none beyond the bounds.

    Parameters
    ----------
    bound : float
        Largest absolute value on the grid.
    step : int
        Distance of two values. All bins hold the same odd number of values, except the outermost, which may hold fewer.
    """
    most = bound // step * step
    per_bin = 2 * (max(1, round(2 * most / step / BINS)) // 2) + 1
    number = int(np.ceil((most / step + 0.5) / per_bin - 0.5))  # of bins on each side of the one around 0
    edges = (np.arange(-number, number + 2) - 0.5) * per_bin * step
    return np.clip(edges, -most - step / 2, most + step / 2)


def plot_weights(
    initial: Mapping[str, np.ndarray],
    final: Mapping[str, np.ndarray],
    shape: Sequence[int] | None = None,
    bound: float | None = None,
    step: int | None = None,
) -> Figure:
    """Draw a histogram of each weight matrix, and receptive fields of hidden neurons, before and after training.

    Parameters
    ----------
    initial, final : mapping of str to ndarray
        Weight matrices W1, W2, ... of shape (n_pre, n_post), and biases, which are left out; `initial` may be empty.
    shape : sequence of int, optional
        Rows and columns of an image, for the receptive fields; without it there are none.
    bound : float, optional
        Largest absolute value that a weight may take.
    step : int, optional
        Distance of the values of a grid on which the weights lie; None if they are real numbers. Bins lie between these values.

    Returns
    -------
    matplotlib.figure.Figure
    """
    from matplotlib.figure import Figure

    names = [name for name in final if name.startswith("W")]
    columns = min(len(names), MOST_COLUMNS)
    rows = -(-len(names) // columns)
    heights = [0.4 + 2.1 * rows] + ([2.2] if shape is not None else [])
    figure = Figure(figsize=(7.2, sum(heights)), layout="constrained")
    above, *below = figure.subfigures(len(heights), 1, squeeze=False, height_ratios=heights)[:, 0]
    grid = above.subplots(rows, columns, squeeze=False, sharey=step is not None)
    for axes in grid.flat[len(names) :]:
        axes.set_axis_off()
    for axes, name in zip(grid.flat, names, strict=False):
        _draw_histogram(axes, {"initial": initial.get(name), "final": final[name]}, bound, step)
        title = f"${name[0]}_{{{name[1:]}}}$"
        if bound is not None:
            title += f": {share_at_bound(final[name], bound):.1%} at the bound"
        axes.set_title(title)
    for axes in grid[:, 0]:
        axes.set_ylabel("share of the synapses\nper " + ("bin" if step is None else "value"))
    _draw_legend(above, bool(initial), bound is not None)
    if shape is not None:
        _draw_fields(below[0], initial.get("W1"), final["W1"], shape)
    return figure


def _draw_histogram(axes: Axes, matrices: Mapping[str, np.ndarray | None], bound: float | None, step: int | None) -> None:
    values = {name: np.asarray(matrix, float).ravel() for name, matrix in matrices.items() if matrix is not None}
    if step is not None and bound is not None:
        edges = histogram_edges(bound, step)
        per_bin = np.round(np.diff(edges) / step)  # values of the grid in each bin
    else:
        reach = max(np.abs(one).max(initial=0.0) for one in values.values()) or 1.0
        edges = np.linspace(-reach, reach, int(np.clip(values["final"].size ** 0.5, FEWEST_BINS, BINS)) + 1)
        per_bin = np.ones(len(edges) - 1)
    for name, one in values.items():
        shares = np.histogram(one, edges)[0] / one.size / per_bin
        axes.hist(edges[:-1], edges.tolist(), weights=shares, **LOOKS[name])
    if bound is not None:
        for side in (-bound, bound):
            axes.axvline(side, color="C1", linestyle="--", linewidth=0.8)
    axes.set(xlabel="weight", yscale="log")


def _draw_legend(figure: SubFigure, has_initial: bool, has_bound: bool) -> None:
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    handles: list = [Patch(color="0.55", alpha=0.5, label="initial")] if has_initial else []
    handles.append(Line2D([], [], color="C0", label="final"))
    if has_bound:
        handles.append(Line2D([], [], color="C1", linestyle="--", linewidth=0.8, label="bound"))
    figure.legend(handles=handles, loc="outside lower center", ncols=len(handles))


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


def receptive_fields(weights: np.ndarray, shape: Sequence[int]) -> np.ndarray:
    """The incoming weights of neurons as images.

    Parameters
    ----------
    weights : ndarray, shape (n_in, n)
        With a thermometer code, n_in is the number of grey levels times that of the pixels.
    shape : sequence of int
        Rows and columns of an image.

    Returns
    -------
    ndarray, shape (n, rows, columns)
        Summed over the levels of a thermometer code: what a pixel of full brightness adds to the drive.
    """
    return np.asarray(weights, float).T.reshape(weights.shape[1], -1, *shape).sum(axis=1)


def _draw_fields(figure: SubFigure, initial: np.ndarray | None, final: np.ndarray, shape: Sequence[int]) -> None:
    """Draw the receptive fields of the neurons that changed most; without initial weights, of those with the largest."""
    chosen = most_changed(np.zeros_like(final) if initial is None else initial, final)
    rows = {"initial": initial, "final": final} if initial is not None else {"final": final}
    fields = {name: receptive_fields(weights[:, chosen], shape) for name, weights in rows.items()}
    limit = float(np.quantile(np.abs(fields["final"]), 0.995)) or 1.0
    panels = figure.subplots(len(rows), len(chosen), squeeze=False)
    image = None
    for row, (name, of_row) in enumerate(fields.items()):
        for axes, neuron, field in zip(panels[row], chosen, of_row, strict=True):
            image = axes.imshow(field, cmap="RdBu", vmin=-limit, vmax=limit)
            axes.set(xticks=[], yticks=[])
            axes.spines[:].set_visible(True)
            if row == 0:
                axes.set_title(f"{neuron}")
        panels[row, 0].set_ylabel(name)
    levels = final.shape[0] // int(np.prod(shape))
    summed = f", summed over {levels} grey levels" if levels > 1 else ""
    which = "with the largest weights" if initial is None else "that changed most"
    figure.suptitle(f"$W_1$ of neurons {which}{summed}", fontsize=8)
    if image is not None:
        figure.colorbar(image, ax=panels, shrink=0.8, label="weight")
