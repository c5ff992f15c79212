"""Accuracy and loss over epochs, for one run or several with their mean, also of several systems.

In the manner of Renner et al. 2024 (doi 10.1038/s41467-024-53827-9), Figure 3.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import pandas
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["plot_accuracy", "smooth"]

#: Line style, marker and colour of each split.
SPLITS: dict[str, tuple[Any, str, str]] = {
    "test": ("-", "o", "C0"),
    "validation": ("--", "s", "C1"),
    "train": (":", "^", "0.4"),
}

#: Up to how many epochs get a marker each: a single epoch would not show as a line. More are smoothed.
FEW = 12

#: Titles of the readouts by column.
READOUTS = {
    "accuracy_exact": "exact",
    "accuracy_membrane": "membrane",
    "accuracy_rates": "rates",
    "accuracy_spikes": "spikes",
    "accuracy": "accuracy",
}

PERCENT = 100

#: Lines that can be distinguished; if there are more, each group shows one readout.
MANY = 6
#: Width of the figure in characters of the legend, and width of a handle with its margins.
LEGEND_WIDTH, HANDLE_WIDTH = 104, 8
#: Height of each line of the legend beyond the second [inch].
LEGEND_LINE = 0.16


def window_of(n_epochs: int) -> int:
    """Number of epochs that a line is smoothed over; 1 for a few."""
    return 1 if n_epochs <= FEW else max(3, 2 * (n_epochs // 24) + 1)


def smooth(values: np.ndarray, window: int) -> np.ndarray:
    """Mean over the epochs around each one. Towards both ends, fewer are averaged, so that no end is shifted.

    Parameters
    ----------
    values : ndarray, shape (n,)
    window : int
        Largest number of epochs, odd.
    """
    sums = np.concatenate([[0.0], np.cumsum(values)])
    index = np.arange(len(values))
    half = np.minimum(np.minimum(index, len(values) - 1 - index), window // 2)
    return (sums[index + half + 1] - sums[index - half]) / (2 * half + 1)


def plot_accuracy(groups: Mapping[str, Sequence[pandas.DataFrame]]) -> Figure:
    """Draw the accuracy of each readout, and the loss, over epochs.

    Parameters
    ----------
    groups : mapping of str to sequence of pandas.DataFrame
        By label, the metrics of runs that differ only in their seed (`Run.metrics_frame`), accuracies from 0 to 1. Each run
        is a thin line; a thick one is the mean of several runs over the epochs that all of them have. If there are many epochs,
        the thick line is smoothed. One group has a panel for each readout, with all splits. Of several groups, the test split
        is shown in one panel, without the exact readout; of many, only the accuracy by spikes for SSNN-BP and nBP.

    Returns
    -------
    matplotlib.figure.Figure
    """
    from matplotlib.ticker import MaxNLocator

    everything = [frame for frames in groups.values() for frame in frames]
    present = [split for split in SPLITS if any((frame["split"] == split).any() for frame in everything)]
    window = window_of(max(len(set(frame["epoch"])) for frame in everything))
    squared = {"accuracy_exact" in frame.columns for frame in everything}
    loss = "mean squared error" if squared == {True} else "cross-entropy (nat)" if squared == {False} else "loss"
    if len(groups) == 1:
        figure, handles = _plot_one(next(iter(groups.values())), present, window)
    else:
        figure, handles = _plot_several(groups, present[0], window)
    *_, right = figure.axes
    right.set(ylabel=loss)
    for axes in figure.axes:
        axes.set_xlabel("epoch")
        axes.xaxis.set_major_locator(MaxNLocator(nbins=5, integer=True, min_n_ticks=1))
        axes.grid(True, axis="y")
    handles += _handles_of_lines(max(map(len, groups.values())), len(groups) == 1, window)
    longest = max(len(handle.get_label()) for handle in handles) + HANDLE_WIDTH
    columns = len(handles) if len(groups) == 1 else max(1, min(4, LEGEND_WIDTH // longest))
    figure.set_figheight(figure.get_figheight() + LEGEND_LINE * max(0, math.ceil(len(handles) / columns) - 2))
    figure.legend(handles=handles, loc="outside lower center", ncols=columns)
    return figure


def _plot_one(frames: Sequence[pandas.DataFrame], splits: Sequence[str], window: int) -> tuple[Figure, list]:
    """A panel for each readout, and one for the loss; a colour for each split."""
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

    readouts = [column for column in READOUTS if column in frames[0].columns]
    figure = Figure(figsize=(7.2, 2.6), layout="constrained")
    *panels, right = figure.subplots(1, len(readouts) + 1, squeeze=False)[0]
    for axes, column in zip(panels, readouts, strict=True):
        axes.sharey(panels[0])
        if len(readouts) > 1:
            axes.set_title(READOUTS[column])
        axes.tick_params(labelleft=axes is panels[0])
        for split in splits:
            _draw_lines(axes, frames, split, column, SPLITS[split][2], PERCENT, window)
    panels[0].set_ylabel("accuracy (%)")
    for split in splits:
        _draw_lines(right, frames, split, "loss", SPLITS[split][2], 1, window)
    handles = [
        Line2D([], [], color=SPLITS[split][2], linestyle=SPLITS[split][0], marker=_marker(split, window), label=split)
        for split in splits
    ]
    return figure, handles


def _plot_several(groups: Mapping[str, Sequence[pandas.DataFrame]], split: str, window: int) -> tuple[Figure, list]:
    """One panel for the accuracy of a split, one for its loss; a colour for each readout of each group."""
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

    figure = Figure(figsize=(7.2, 3.0), layout="constrained")
    left, right = figure.subplots(1, 2)
    inexact = [column for column in READOUTS if column != "accuracy_exact"]
    readouts_of = {label: [column for column in inexact if column in frames[0].columns] for label, frames in groups.items()}
    if sum(map(len, readouts_of.values())) > MANY:
        readouts_of = {label: columns[-1:] for label, columns in readouts_of.items()}
    handles, number = [], 0
    for label, frames in groups.items():
        # the loss belongs to no readout; it has the colour of the first one of its group
        _draw_lines(right, frames, split, "loss", f"C{number}", 1, window)
        for column in readouts_of[label]:
            _draw_lines(left, frames, split, column, f"C{number}", PERCENT, window)
            words = label if len(readouts_of[label]) == 1 else f"{label}: {READOUTS[column]}"
            handles.append(Line2D([], [], color=f"C{number}", label=words))
            number += 1
    # where the legend names no readout, the axis does
    shown = {READOUTS[column] for columns in readouts_of.values() for column in columns}
    one = all(len(columns) == 1 for columns in readouts_of.values()) and len(shown) == 1 and "accuracy" not in shown
    left.set_ylabel(f"{split} accuracy, {shown.pop()} (%)" if one else f"{split} accuracy (%)")
    return figure, handles


def _handles_of_lines(n_runs: int, same: bool, window: int) -> list:
    """Entries of the legend that say what a thick and a thin line are, where there are both."""
    from matplotlib.lines import Line2D

    if n_runs == 1 and window == 1:
        return []
    what = [f"mean of {n_runs} runs" if same else "mean of runs"] if n_runs > 1 else []
    what += [f"mean over {window} epochs"] if window > 1 else []
    return [
        Line2D([], [], color="0.2", linewidth=1.8, label=", ".join(what).replace(", mean", ",")),
        Line2D([], [], color="0.2", linewidth=0.6, alpha=0.5, label="one run" if n_runs > 1 else "each epoch"),
    ]


def _marker(split: str, window: int) -> str:
    return SPLITS[split][1] if window == 1 else ""


def _draw_lines(
    axes: Axes, frames: Sequence[pandas.DataFrame], split: str, column: str, colour: str, scale: float, window: int
) -> None:
    import pandas

    style, marker = SPLITS[split][0], _marker(split, window)
    series = [frame[frame["split"] == split].set_index("epoch")[column] * scale for frame in frames]
    series = [line for line in series if len(line)]
    if not series:
        return
    if len(series) > 1 or window > 1:
        for line in series:
            axes.plot(line.index, line, "-", color=colour, linewidth=0.6, alpha=0.4, marker=marker if len(line) == 1 else "")
    mean = pandas.concat(series, axis=1, join="inner").mean(axis=1, skipna=False)
    axes.plot(mean.index, smooth(mean.to_numpy(), window), style, color=colour, linewidth=1.6, marker=marker)
