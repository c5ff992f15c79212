"""The figure of energy: where the energy of a sample goes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from brianprop.analysis import activity
from brianprop.analysis.energy.accounts import Account
from brianprop.analysis.energy.cost import PARTS
from brianprop.analysis.figures.places import symbol

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["plot_energy"]

#: Colour of each of `PARTS`.
COLOURS = ("C5", "C0", "C3", "C1")

#: Number of bars in a panel up to which their labels stand upright; the labels of more bars would touch.
MOST_UPRIGHT = 12


def plot_energy(accounts: Sequence[Account]) -> Figure:
    """Draw where the energy of a sample goes: a row for each account, with its total, its phases and its populations.

    A line marks the measured total if there is one. The gating neurons share a bar.

    Parameters
    ----------
    accounts : sequence of Account

    Returns
    -------
    matplotlib.figure.Figure
    """
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    figure = Figure(figsize=(7.2, 0.5 + 1.75 * len(accounts)), layout="constrained")
    rows = figure.subfigures(len(accounts), 1, squeeze=False)[:, 0]
    for row, entry in zip(rows, accounts, strict=True):
        counts, joules = entry.counts, 1e6 * entry.energy.joules
        row.suptitle(f"{entry.title}: {entry.energy.total * 1e6:.3g} µJ per sample", fontsize="medium")
        total, phases, populations = row.subplots(1, 3, width_ratios=(0.5, 2, 3))
        _stack(total, joules.sum(axis=(1, 2))[:, np.newaxis], ["all"])
        total.set_ylabel("energy (µJ)")
        if entry.measured:
            total.axhline(1e6 * entry.measured.energy, color="C7", linestyle="--", linewidth=1)
            total.set_ylim(top=1.08e6 * max(entry.measured.energy, entry.energy.total))
        _stack(phases, joules.sum(axis=1), list(counts.phases))
        phases.set_xlabel("phase")
        _stack(populations, *_bars(joules.sum(axis=2), counts.populations))
        populations.set_xlabel("population")
    handles: list = [Patch(color=colour, label=part) for part, colour in zip(PARTS, COLOURS, strict=True)]
    if any(entry.measured for entry in accounts):
        handles.append(Line2D([], [], color="C7", linestyle="--", linewidth=1, label="measured on Loihi"))
    figure.legend(handles=handles, loc="outside lower center", ncols=len(handles))
    return figure


def _bars(joules: np.ndarray, populations: Sequence[str]) -> tuple[np.ndarray, list[str]]:
    """Energy of each bar by part, shape (n_parts, n_bars), and the labels of the bars. The gating neurons share a bar."""
    labels, columns = [], []
    for number, name in enumerate(populations):
        gating = name[:1] == "g" and name[1:].isdigit()
        label = "$g$" if gating else _label(name)
        if label in labels:
            columns[labels.index(label)] += joules[:, number]
        else:
            labels.append(label)
            columns.append(joules[:, number].copy())
    return np.array(columns).T, labels


def _label(name: str) -> str:
    layer, _, sign = name.partition(" ")
    if sign:
        return f"{activity.words(layer)}\n{'+' if sign == 'plus' else '−'}"
    return symbol(name) if symbol(name) != name else activity.words(name)


def _stack(axes: Axes, joules: np.ndarray, labels: Sequence[str]) -> None:
    """Draw stacked bars of `joules`, shape (n_parts, n_bars)."""
    positions, foot = np.arange(len(labels)), np.zeros(len(labels))
    for part, colour in zip(joules, COLOURS, strict=True):
        axes.bar(positions, part, bottom=foot, color=colour, width=0.8)
        foot = foot + part
    axes.set_ylim(top=1.08 * max(foot.max(), np.finfo(float).tiny))
    axes.set_xticks(positions, labels, rotation=90 if len(labels) > MOST_UPRIGHT else 0)
    axes.tick_params(axis="x", length=0, labelsize=6)
    axes.grid(True, axis="y")
