"""Accuracy and loss over epochs, for one run or several with their mean, also of several systems.

In the manner of Renner et al. 2024 (doi 10.1038/s41467-024-53827-9), Figure 3.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["plot_accuracy"]

#: Line style, marker and line width of each split.
SPLITS: dict[str, tuple[Any, str, float]] = {"test": ("-", "o", 1.3), "validation": ("--", "s", 1.3), "train": (":", "^", 0.7)}

#: Up to how many epochs get a marker each: a single epoch would not show as a line.
FEW = 12

#: Titles of the readouts by column. The exact accuracy of nBP is left to tables.
READOUTS = {"accuracy_membrane": "membrane", "accuracy_rates": "rates", "accuracy_spikes": "spikes", "accuracy": "accuracy"}

PERCENT = 100

#: Lines that can be distinguished; if there are more, each group shows one readout and one split.
MANY = 6
#: Width of the figure in characters of the legend, and width of a handle with its margins.
LEGEND_WIDTH, HANDLE_WIDTH = 104, 8
#: Height of each line of the legend beyond the second [inch].
LEGEND_LINE = 0.16


def plot_accuracy(groups: Mapping[str, Sequence[pandas.DataFrame]]) -> Figure:
    """Draw the accuracy of each readout, and the loss, over epochs.

    Parameters
    ----------
    groups : mapping of str to sequence of pandas.DataFrame
        By label, the metrics of runs that differ only in their seed (`Run.metrics_frame`), with accuracies from 0 to 1.
        Of several runs, each is a thin line, and their mean, over the epochs that all of them have, is a thick line. Of many
        groups, only the test split is shown, and only the accuracy by spikes for SSNN-BP and nBP.

    Returns
    -------
    matplotlib.figure.Figure
    """
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D
    from matplotlib.ticker import MaxNLocator

    figure = Figure(figsize=(7.2, 3.0), layout="constrained")
    left, right = figure.subplots(1, 2)
    everything = [frame for frames in groups.values() for frame in frames]
    present = [split for split in SPLITS if any((frame["split"] == split).any() for frame in everything)]
    readouts_of = {label: [column for column in READOUTS if column in frames[0].columns] for label, frames in groups.items()}
    if sum(map(len, readouts_of.values())) > MANY:
        present = present[:1]
        readouts_of = {label: columns[-1:] for label, columns in readouts_of.items()}
    lines, number = [], 0
    for label, frames in groups.items():
        readouts = readouts_of[label]
        # the loss belongs to no readout; of several groups it has the colour of the first readout of its group
        colour_of_loss = f"C{number}" if len(groups) > 1 else "0.2"
        for column in readouts:
            colour = f"C{number}"
            number += 1
            for split in present:
                _draw_lines(left, frames, split, column, colour, PERCENT)
            words = READOUTS[column] if len(groups) == 1 else label if len(readouts) == 1 else f"{label}: {READOUTS[column]}"
            lines.append(Line2D([], [], color=colour, label=words))
        for split in present:
            _draw_lines(right, frames, split, "loss", colour_of_loss, 1)
    squared = {"accuracy_exact" in frame.columns for frame in everything}
    ylabel = "mean squared error" if squared == {True} else "cross-entropy (nat)" if squared == {False} else "loss"
    left.set(xlabel="epoch", ylabel="accuracy (%)", title="accuracy")
    right.set(xlabel="epoch", ylabel=ylabel, title="loss")
    for axes in (left, right):
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
        axes.grid(True, axis="y")
    # the legend shows what the lines show: markers only where there are few epochs
    few = max(len(set(frame["epoch"])) for frame in everything) <= FEW
    handles = [
        *lines,
        *(
            Line2D([], [], color="0.2", linestyle=style, marker=marker if few else "", label=split)
            for split, (style, marker, _) in SPLITS.items()
            if split in present
        ),
    ]
    most = max(map(len, groups.values()))
    if most > 1:
        label = f"mean of {most} runs" if len(groups) == 1 else "mean of runs"
        handles.append(Line2D([], [], color="0.2", linewidth=2.2, label=label))
        handles.append(Line2D([], [], color="0.2", linewidth=0.6, alpha=0.5, label="one run"))
    longest = max(len(handle.get_label()) for handle in handles) + HANDLE_WIDTH
    columns = len(handles) if len(groups) == 1 else max(1, min(4, LEGEND_WIDTH // longest))
    figure.set_figheight(figure.get_figheight() + LEGEND_LINE * max(0, math.ceil(len(handles) / columns) - 2))
    figure.legend(handles=handles, loc="outside lower center", ncols=columns)
    return figure


def _draw_lines(axes: Axes, frames: Sequence[pandas.DataFrame], split: str, column: str, colour: str, scale: float) -> None:
    import pandas

    style, marker, width = SPLITS[split]
    series = [frame[frame["split"] == split].set_index("epoch")[column] * scale for frame in frames]
    series = [line for line in series if len(line)]
    if not series:
        return
    if max(map(len, series)) > FEW:
        marker = ""
    if len(series) > 1:
        mean = pandas.concat(series, axis=1, join="inner").mean(axis=1, skipna=False)
        for line in series:
            axes.plot(line.index, line, style, color=colour, linewidth=0.6, alpha=0.4, marker=marker if len(line) == 1 else "")
        axes.plot(mean.index, mean, style, color=colour, linewidth=1.5 * width, marker=marker)
    else:
        axes.plot(series[0].index, series[0], style, color=colour, linewidth=width, marker=marker)
