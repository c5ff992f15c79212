"""The systems side by side in one figure."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from brianprop.analysis.figures.comparison import seeds_in_words

if TYPE_CHECKING:
    import pandas
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    Row = Mapping[Any, Any]

__all__ = ["plot_side_by_side"]

#: Operations of a network without spikes, and how their bars differ.
OTHER_OPERATIONS, HATCH = "multiply-accumulates", "////"

#: Panels: title, and the quantities that it shows, of which a network has one.
PANELS = (
    ("spikes of a sample", ("spikes",)),
    ("operations of a sample", ("synaptic operations", OTHER_OPERATIONS)),
    ("energy of a sample\non the chip, modelled (µJ)", ("energy on the chip",)),
    ("latency of a sample\non the chip, modelled (µs)", ("latency on the chip",)),
    ("time of a sample\nhere (µs)", ("time here",)),
    ("weights (kB)", ("weights",)),
    ("memory here, reckoned (MB)", ("memory here",)),
)

#: Colour of each mode; markers of the readouts, and what fills them.
COLOURS = {"training": "C0", "inference": "C1"}
MARKERS = (("o", "0.2"), ("s", "w"), ("^", "w"), ("D", "0.6"))

#: Height of a bar, and share of the width that numbers at the ends of bars take.
BAR, ROOM = 0.38, 0.42


def plot_side_by_side(table: pandas.DataFrame) -> Figure:
    """Draw a panel for the accuracy and for each of `PANELS`, with a row for each kind of runs.

    Bars are means over seeds on a logarithmic scale with their number at the end; accuracies are means with the 95 % confidence
    interval, or points alone where there is one seed.

    Parameters
    ----------
    table : DataFrame
        A row for each kind, quantity and mode, as `experiments.reproduce.side_by_side.measured` gives them.

    Returns
    -------
    matplotlib.figure.Figure
    """
    from matplotlib.figure import Figure
    from matplotlib.patches import Patch

    rows: Sequence[Row] = table.to_dict("records")
    kinds = list(dict.fromkeys(row["kind"] for row in rows))
    figure = Figure(figsize=(10.0, 1.5 + 1.1 * len(kinds)), layout="constrained")
    panels = figure.subplots(2, 4, sharey=True).ravel()
    _draw_accuracy(panels[0], rows, kinds)
    for panel, (title, quantities) in zip(panels[1:], PANELS, strict=True):
        _draw_bars(panel, [row for row in rows if row["quantity"] in quantities], kinds)
        panel.set_title(title, loc="left")
    for panel in panels:
        panel.set_yticks(range(len(kinds)), [kind.replace(", ", "\n") for kind in kinds])
        panel.set_ylim(len(kinds) - 0.5, -0.5)
        panel.tick_params(axis="y", length=0)
    handles = [Patch(color=colour, label=mode) for mode, colour in COLOURS.items()]
    if any(row["quantity"] == OTHER_OPERATIONS for row in rows):
        handles.append(
            Patch(facecolor="w", edgecolor="0.3", hatch=HATCH, label=f"{OTHER_OPERATIONS} of a network without spikes")
        )
    figure.legend(handles=handles, loc="outside lower center", ncols=len(handles))
    seeds = seeds_in_words([row["n"] for row in rows], spread=False)
    interval = "; accuracy with its 95 % confidence interval" if any(row["n"] > 1 for row in rows) else ""
    figure.suptitle(seeds + interval, fontsize=8)
    return figure


def _draw_accuracy(panel: Axes, rows: Sequence[Row], kinds: Sequence[str]) -> None:
    """Means with their intervals; the readouts of a system lie below one another and have markers of their own."""
    # all output spikes right is no answer to compare
    shown = [row for row in rows if row["unit"] == "%" and row["quantity"] != "accuracy, exact"]
    names = list(dict.fromkeys(row["quantity"] for row in shown))
    of_kind = {kind: [row["quantity"] for row in shown if row["kind"] == kind] for kind in kinds}
    for name, (marker, fill) in zip(names, MARKERS, strict=False):
        chosen = [row for row in shown if row["quantity"] == name]
        means, lows, highs = (np.array([row[what] for row in chosen], float) for what in ("mean", "low", "high"))
        places = []
        for row in chosen:
            present = of_kind[row["kind"]]
            places.append(kinds.index(row["kind"]) + BAR * (present.index(name) - (len(present) - 1) / 2))
        errors = None if np.isnan(lows).all() else np.nan_to_num([means - lows, highs - means])
        panel.errorbar(
            means,
            places,
            xerr=errors,
            color="0.2",
            marker=marker,
            markersize=4,
            markerfacecolor=fill,
            linestyle="none",
            capsize=2,
            label=name.removeprefix("accuracy, "),
        )
        for mean, place in zip(means, places, strict=True):
            panel.annotate(f"{mean:.2f}", (mean, place), (0, 3), textcoords="offset points", ha="center", fontsize=6)
    panel.set_title("test accuracy (%)", loc="left")
    panel.grid(True, axis="x")
    panel.legend(fontsize=6, loc="best")


def _draw_bars(panel: Axes, rows: Sequence[Row], kinds: Sequence[str]) -> None:
    """Bars of training and inference on a logarithmic scale; hatched where they are other operations than those of spikes."""
    modes = [mode for mode in COLOURS if any(row["mode"] == mode for row in rows)]
    panel.set_xscale("log")
    panel.grid(True, axis="x")
    positive = [row["mean"] for row in rows if row["mean"] > 0]
    if not positive:
        return
    low, high = 10 ** math.floor(math.log10(min(positive)) - 0.3), max(positive)
    panel.set_xlim(low, low * (high / low) ** (1 / (1 - ROOM)))
    for place, kind in enumerate(kinds):
        if all(row["kind"] != kind for row in rows):
            panel.annotate("–", (low, place), (3, 0), textcoords="offset points", va="center", fontsize=6)
    for row in rows:
        place = kinds.index(row["kind"]) + BAR * (modes.index(row["mode"]) - (len(modes) - 1) / 2)
        # weights are those of both modes
        colour = "0.5" if len(modes) == 1 else COLOURS[row["mode"]]
        (bar,) = panel.barh(place, row["mean"] - low, left=low, height=BAR, color=colour)
        if row["quantity"] == OTHER_OPERATIONS:
            bar.set(facecolor="w", edgecolor=colour, hatch=HATCH)
        text = f"{row['mean']:,.0f}" if row["mean"] >= 99.95 else f"{row['mean']:.3g}"
        panel.annotate(text, (row["mean"], place), (3, 0), textcoords="offset points", va="center", fontsize=6)
