"""A few test images with the answers of the circuit: drive and spikes of each output neuron, and the target."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["plot_images"]

#: Images in a row of the figure, and at most in the figure.
COLUMNS, MOST = 5, 10


def plot_images(arrays: Mapping[str, np.ndarray], shape: Sequence[int], classes: Sequence[object], most: int = MOST) -> Figure:
    """Draw test images above the drive of the output neurons.

    Parameters
    ----------
    arrays : mapping of str to ndarray
        ``images`` (k, n_in), ``target`` (k,), ``spikes`` (k, n_out) and ``drive`` (k, n_out) as in
        `analysis.runs.Run.load_images`.
    shape : sequence of int
        Rows and columns of an image.
    classes : sequence
        Name of the class of each output neuron, length n_out.
    most : int
        How many images to draw, the first ones.

    Returns
    -------
    matplotlib.figure.Figure
    """
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    shown = min(len(arrays["images"]), most)
    columns = min(shown, COLUMNS)
    rows = -(-shown // columns)
    figure = Figure(figsize=(7.2, 2.7 * rows + 0.4), layout="constrained")
    panels = figure.subplots(2 * rows, columns, squeeze=False, height_ratios=[1.0, 1.1] * rows)
    drive = np.asarray(arrays["drive"], float)[:shown]
    limits = drive.min(initial=0.0), drive.max(initial=0.0)
    for number in range(rows * columns):
        row, column = divmod(number, columns)
        picture, bars = panels[2 * row, column], panels[2 * row + 1, column]
        if number >= shown:
            picture.set_axis_off()
            bars.set_axis_off()
            continue
        target, spikes = int(arrays["target"][number]), np.asarray(arrays["spikes"][number], bool)
        picture.imshow(np.reshape(arrays["images"][number], shape), cmap="gray_r", vmin=0, vmax=1)
        picture.set(xticks=[], yticks=[])
        picture.spines[:].set_visible(True)
        answer = ", ".join(str(classes[index]) for index in np.flatnonzero(spikes)) or "none"
        picture.set_title(f"target {classes[target]}, output {answer}")
        _draw_bars(bars, drive[number], spikes, target, classes, limits)
        if column == 0:
            bars.set_ylabel("class")
        if row == rows - 1 or number + columns >= shown:
            bars.set_xlabel("drive (weight units)")
    handles = [
        Patch(color="C0", label="output neuron fires"),
        Patch(color="0.7", label="silent"),
        Line2D([], [], linestyle="", marker=">", color="C1", label="target"),
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=3)
    return figure


def _draw_bars(
    axes: Axes,
    drive: np.ndarray,
    spikes: np.ndarray,
    target: int,
    classes: Sequence[object],
    limits: tuple[float, float],
) -> None:
    index = np.arange(len(drive))
    axes.barh(index, drive, color=np.where(spikes, "C0", "0.7"), height=0.8)
    axes.axvline(0, color="0.3", linewidth=0.6)
    room = 0.12 * (limits[1] - limits[0] or 1.0)
    axes.set(xlim=(limits[0] - room, limits[1] + room / 2), ylim=(len(drive) - 0.5, -0.5))
    axes.plot(limits[0] - room / 2, target, ">", color="C1")
    every = -(-len(drive) // 10)  # labels for about ten classes at most, or they would overlap
    axes.set_yticks(index[::every], [str(name) for name in classes[::every]])
    axes.locator_params(axis="x", nbins=3)
