"""Real recordings of an event camera beside emulated ones of the same images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from brianprop.analysis.figures.comparison import seeds_in_words

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["plot_events"]


def plot_events(
    counts: Mapping[str, np.ndarray],
    rates: Mapping[str, np.ndarray],
    interval: float,
    thresholds: Sequence[float],
    tuning: Mapping[str, Sequence[float]],
    accuracies: Mapping[str, Sequence[float]],
) -> Figure:
    """Draw events per recording, polarity, saccade and time; how the threshold was tuned; and what networks answer.

    Parameters
    ----------
    counts : mapping from name to int array of shape (recordings, 3, 2)
        Events by saccade and polarity (OFF, ON). The first name is that of the real recordings; the others are of cameras,
        whose recordings show the same images in the same order.
    rates : mapping from name to float array of shape (n,)
        Mean events per millisecond of a recording in each interval.
    interval : float
        Length of an interval [ms].
    thresholds : sequence of float
        Thresholds of the emulated cameras.
    tuning : mapping from camera to sequence of float
        For each threshold the mean number of events, as a multiple of that of the real recordings.
    accuracies : mapping from name to sequence of float
        What networks that learned from these recordings answer to real ones: a test accuracy [%] for each seed.

    Returns
    -------
    matplotlib.figure.Figure
    """
    from matplotlib.figure import Figure

    real, *cameras = counts
    colours = {name: f"C{number}" for number, name in enumerate(counts)} | {real: "0.4"}
    figure = Figure(figsize=(7.2, 4.4), layout="constrained")
    scatter, polarity, saccade, time, threshold, answers = figure.subplots(2, 3).flat

    totals = {name: count.sum(axis=(1, 2)) for name, count in counts.items()}
    for name in cameras:
        scatter.plot(totals[real], totals[name], ".", markersize=2, alpha=0.5, color=colours[name])
    most = max(total.max() for total in totals.values())
    scatter.plot([0, most], [0, most], color="0.4", linewidth=0.8)
    scatter.set(xlabel="events of a real recording", ylabel="events, emulated")

    _bars(polarity, {name: count.sum(axis=1) for name, count in counts.items()}, ["OFF", "ON"], colours)
    polarity.set(ylabel="events per recording")
    _bars(saccade, {name: count.sum(axis=2) for name, count in counts.items()}, ["first", "second", "third"], colours)
    saccade.set(xlabel="saccade", ylabel="events per recording")
    figure.legend(*polarity.get_legend_handles_labels(), loc="outside upper center", ncols=len(counts))

    for name, rate in rates.items():
        time.stairs(rate, np.arange(len(rate) + 1) * interval, color=colours[name], linewidth=1.2)
    time.set(xlabel="time (ms)", ylabel="events per ms", ylim=(0, None))

    for name, ratio in tuning.items():
        threshold.plot(thresholds, ratio, "o-", color=colours[name])
    threshold.axhline(1, color=colours[real], linewidth=0.8)
    threshold.set(xlabel="threshold (log intensity)", ylabel="events, emulated / real")

    for place, (name, values) in enumerate(accuracies.items()):
        answers.bar(place, np.mean(values), width=0.6, color=colours[name], alpha=0.6)
        answers.plot(np.full(len(values), place), values, "k.", markersize=3)
    answers.set_xticks(range(len(accuracies)), [name.replace(", ", ",\n") for name in accuracies])
    answers.set(xlabel="learned from", ylabel="accuracy on real recordings (%)", ylim=(0, 100))
    answers.set_title(seeds_in_words([len(values) for values in accuracies.values()], spread=False))
    return figure


def _bars(axes: Axes, values: Mapping[str, np.ndarray], groups: Sequence[str], colours: Mapping[str, str]) -> None:
    """Mean and s.d. over recordings of arrays of shape (recordings, groups), side by side."""
    width = 0.8 / len(values)
    for number, (name, value) in enumerate(values.items()):
        places = np.arange(len(groups)) + (number - (len(values) - 1) / 2) * width
        spread = value.std(axis=0, ddof=1) if len(value) > 1 else None
        axes.bar(places, value.mean(axis=0), width, yerr=spread, color=colours[name], label=name, error_kw={"linewidth": 0.6})
    axes.set_xticks(range(len(groups)), groups)
