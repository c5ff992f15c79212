"""A few test images with the answers to them: a value of each output neuron, and the target."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["plot_answers", "plot_images"]

#: Number of images in a row of the figure, and largest number in the figure.
COLUMNS, MOST = 5, 10


def plot_images(arrays: Mapping[str, np.ndarray], shape: Sequence[int], classes: Sequence[object], most: int = MOST) -> Figure:
    """Draw test images above the drive of nBP's output neurons.

    Parameters
    ----------
    arrays : mapping of str to ndarray
        ``images`` (k, n_in) of 0 and 1, ``target`` (k,), ``spikes`` (k, n_out) and ``drive`` (k, n_out) as in
        `analysis.runs.run.Run.load_images`.
    shape : sequence of int
        Rows and columns of an image.
    classes : sequence
        Name of the class of each output neuron, length n_out.
    most : int
        Largest number of images; the first ones are drawn.

    Returns
    -------
    matplotlib.figure.Figure
    """
    fires = np.asarray(arrays["spikes"], bool)
    words = [", ".join(str(classes[int(index)]) for index in np.flatnonzero(row)) or "none" for row in fires]
    drive = np.asarray(arrays["drive"], float)
    return _plot(
        arrays, drive, fires, words, shape, classes, most, "drive (weight units)", ("output neuron fires", "silent"), 1
    )


def plot_answers(
    arrays: Mapping[str, np.ndarray],
    values: np.ndarray,
    answer: np.ndarray,
    label: str,
    shape: Sequence[int],
    classes: Sequence[object],
    most: int = MOST,
) -> Figure:
    """Draw grey test images above a value of each output neuron, such as its spike count.

    Parameters
    ----------
    arrays : mapping of str to ndarray
        ``images`` (k, n_in) from 0 to 255 and ``target`` (k,).
    values : ndarray, shape (k, n_out)
        At least 0.
    answer : int array of shape (k,)
        Index of the class that the network answers.
    label : str
        What the values are, for the axis.
    shape, classes, most
        As for `plot_images`.

    Returns
    -------
    matplotlib.figure.Figure
    """
    chosen = np.asarray(answer)[:, np.newaxis] == np.arange(len(classes))
    words = [str(classes[index]) for index in answer]
    return _plot(arrays, np.asarray(values, float), chosen, words, shape, classes, most, label, ("output", "other"), 255)


def _plot(
    arrays: Mapping[str, np.ndarray],
    values: np.ndarray,
    chosen: np.ndarray,
    words: Sequence[str],
    shape: Sequence[int],
    classes: Sequence[object],
    most: int,
    label: str,
    legend: tuple[str, str],
    white: int,
) -> Figure:
    """Draw images above bars of `values`; bars that are `chosen` are coloured, and `words` name the output in the title."""
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    shown = min(len(arrays["images"]), most)
    columns = min(shown, COLUMNS)
    rows = -(-shown // columns)
    figure = Figure(figsize=(7.2, 2.7 * rows + 0.4), layout="constrained")
    panels = figure.subplots(2 * rows, columns, squeeze=False, height_ratios=[1.0, 1.1] * rows)
    values = values[:shown]
    limits = values.min(initial=0.0), values.max(initial=0.0)
    for number in range(rows * columns):
        row, column = divmod(number, columns)
        picture, bars = panels[2 * row, column], panels[2 * row + 1, column]
        if number >= shown:
            picture.set_axis_off()
            bars.set_axis_off()
            continue
        target = int(arrays["target"][number])
        # the mean over the levels of a thermometer code is a grey value
        pixels = np.reshape(arrays["images"][number], (-1, *shape)).mean(axis=0)
        picture.imshow(pixels, cmap="gray_r", vmin=0, vmax=white)
        picture.set(xticks=[], yticks=[])
        picture.spines[:].set_visible(True)
        picture.set_title(f"target {classes[target]}, output {words[number]}")
        _draw_bars(bars, values[number], chosen[number], target, classes, limits)
        if column == 0:
            bars.set_ylabel("class")
        if row == rows - 1 or number + columns >= shown:
            bars.set_xlabel(label)
    handles = [
        Patch(color="C0", label=legend[0]),
        Patch(color="0.7", label=legend[1]),
        Line2D([], [], linestyle="", marker=">", color="C1", label="target"),
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=3)
    return figure


def _draw_bars(
    axes: Axes,
    values: np.ndarray,
    chosen: np.ndarray,
    target: int,
    classes: Sequence[object],
    limits: tuple[float, float],
) -> None:
    index = np.arange(len(values))
    axes.barh(index, values, color=np.where(chosen, "C0", "0.7"), height=0.8)
    axes.axvline(0, color="0.3", linewidth=0.6)
    room = 0.12 * (limits[1] - limits[0] or 1.0)
    axes.set(xlim=(limits[0] - room, limits[1] + room / 2), ylim=(len(values) - 0.5, -0.5))
    axes.plot(limits[0] - room / 2, target, ">", color="C1")
    every = -(-len(values) // 10)  # labels for ten classes at most, or they would overlap
    axes.set_yticks(index[::every], [str(name) for name in classes[::every]])
    axes.locator_params(axis="x", nbins=3)
