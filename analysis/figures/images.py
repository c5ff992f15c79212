"""A few test images with the answers to them: a value of each output neuron, and the target."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["plot_answers", "plot_images"]

#: Number of images in a row of the figure, and largest number in the figure.
COLUMNS, MOST = 5, 10

#: Most classes that are shown beside an image.
NAMED = 10


@dataclass(frozen=True)
class Look:
    """What the bars show: their label, titles of the coloured and of the grey ones, value of a white pixel, and threshold."""

    label: str
    legend: tuple[str, str]
    white: int
    threshold: float | None = None


def plot_images(
    arrays: Mapping[str, np.ndarray],
    shape: Sequence[int],
    classes: Sequence[object],
    most: int = MOST,
    threshold: float | None = None,
) -> Figure:
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
    threshold : float, optional
        The drive above which an output neuron fires, for a line; theta / 2 in nBP, since gate and bias give the other half.

    Returns
    -------
    matplotlib.figure.Figure
    """
    fires = np.asarray(arrays["spikes"], bool)
    words = [", ".join(str(classes[int(index)]) for index in np.flatnonzero(row)) or "none" for row in fires]
    drive = np.asarray(arrays["drive"], float)
    look = Look("drive", ("output neuron fires", "silent"), 1, threshold)
    return _plot(arrays, drive, fires, words, shape, classes, most, look)


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
    return _plot(arrays, np.asarray(values, float), chosen, words, shape, classes, most, Look(label, ("output", "other"), 255))


def _plot(
    arrays: Mapping[str, np.ndarray],
    values: np.ndarray,
    chosen: np.ndarray,
    words: Sequence[str],
    shape: Sequence[int],
    classes: Sequence[object],
    most: int,
    look: Look,
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
    bars_of = [_shown(values[number], int(arrays["target"][number])) for number in range(shown)]
    seen = [0.0, *([] if look.threshold is None else [look.threshold])]
    seen += [float(value) for row, of_image in zip(values, bars_of, strict=False) for value in row[of_image]]
    limits = min(seen), max(seen)
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
        picture.imshow(pixels, cmap="gray_r", vmin=0, vmax=look.white)
        picture.set(xticks=[], yticks=[])
        picture.spines[:].set_visible(True)
        # a line each, since names of classes may be long
        picture.set_title(f"target {classes[target]}\noutput {words[number]}", fontsize=7)
        _draw_bars(bars, values[number], bars_of[number], chosen[number], target, classes, limits, look.threshold)
        if column == 0 and len(classes) > NAMED:
            bars.set_ylabel(f"class ({NAMED} of {len(classes)})")
        elif column == 0:
            bars.set_ylabel("class")
        if row == rows - 1 or number + columns >= shown:
            bars.set_xlabel(look.label)
    handles: list = [
        Patch(color="C0", label=look.legend[0]),
        Patch(color="0.7", label=look.legend[1]),
        Line2D([], [], linestyle="", marker=">", color="C1", label="target"),
    ]
    if look.threshold is not None:
        handles.append(Line2D([], [], color="C2", linestyle="--", linewidth=0.9, label="threshold"))
    figure.legend(handles=handles, loc="outside lower center", ncols=len(handles))
    return figure


def _shown(values: np.ndarray, target: int) -> np.ndarray:
    """The classes that have a bar: of many, the target and those with the largest values, in the order of the classes."""
    order = np.argsort(-values, kind="stable")
    return np.sort(np.concatenate([[target], order[order != target][: NAMED - 1]]))


def _draw_bars(
    axes: Axes,
    values: np.ndarray,
    shown: np.ndarray,
    chosen: np.ndarray,
    target: int,
    classes: Sequence[object],
    limits: tuple[float, float],
    threshold: float | None,
) -> None:
    index = np.arange(len(shown))
    axes.barh(index, values[shown], color=np.where(chosen[shown], "C0", "0.7"), height=0.8)
    axes.axvline(0, color="0.3", linewidth=0.6)
    if threshold is not None:
        axes.axvline(threshold, color="C2", linestyle="--", linewidth=0.9)
    room = 0.12 * (limits[1] - limits[0] or 1.0)
    axes.set(xlim=(limits[0] - room, limits[1] + room / 2), ylim=(len(shown) - 0.4, -0.6))
    axes.plot(limits[0] - room / 2, int(np.flatnonzero(shown == target)[0]), ">", color="C1", clip_on=False)
    axes.set_yticks(index, [str(classes[number]) for number in shown], fontsize=6)
    axes.locator_params(axis="x", nbins=3)
