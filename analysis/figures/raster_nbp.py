"""Raster of a few samples of nBP; coincidences and errors are marked as the spikes themselves tell them.

In the manner of Renner et al. 2024 (doi 10.1038/s41467-024-53827-9), Figure 5.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from brianprop.analysis.figures.places import error_populations, symbol
from brianprop.analysis.runs.recording import Recording
from brianprop.models.circuit import Circuit

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.figure import Figure

__all__ = ["Events", "find_events", "plot_raster", "select_samples"]

#: Population that holds the target while the output is read.
TARGET = "t"

#: Titles of the two types of error, in the legend and above a sample: as published, and with margins in the error layer.
PUBLISHED_ERRORS = (("false negative", "false neg."), ("false positive", "false pos."))
MARGIN_ERRORS = (("right, below margin", "below"), ("wrong, above margin", "above"))

#: Marker and colour of the two types of error.
ERROR_MARKS = (("^", "C2"), ("v", "C4"))

ROLES = ("source", "gated", "gating")

#: Width of the figure, height beside the strips, and height of the strip of a single neuron and of a layer [inches].
WIDTH, MARGIN, SINGLE_HEIGHT, LAYER_HEIGHT = 7.2, 1.05, 0.125, 0.2

#: Number of time steps and of samples that are legible side by side.
STEPS, MOST_SAMPLES = 72, 6

#: Points in an inch.
POINTS = 72


@dataclass(frozen=True)
class Events:
    """What each spike of a recording means; arrays of shape (n_spikes,).

    Parameters
    ----------
    potentiation, depression : ndarray of bool
        The spike is the postsynaptic side of at least one coincidence at a learned projection, in a reinforced phase or
        in any other phase.
    too_low, too_high : ndarray of bool
        The spike reports an output whose drive must rise, or fall. As published: a target output that did not fire, or a
        wrong output that fired. With margins in the error layer: a right output below its margin, or a wrong one above.
    """

    potentiation: np.ndarray
    depression: np.ndarray
    too_low: np.ndarray
    too_high: np.ndarray


def find_events(recording: Recording, circuit: Circuit) -> Events:
    """Find coincidences and errors in recorded spikes.

    A coincidence is what the learning rule sees: a presynaptic and a postsynaptic neuron of a learned projection fire
    in the same time step (Renner et al. 2024, Methods: x0 y0 = 1).

    Parameters
    ----------
    recording : Recording
    circuit : Circuit
        Tells the learned projections and the reinforced phases.

    Returns
    -------
    Events
    """
    # one number for each time step of each epoch, so that steps of different epochs never coincide
    step = recording.step - recording.step.min(initial=0)
    moments = recording.epoch * (step.max(initial=0) + 1) + step
    coincident = np.zeros(len(moments), bool)
    for projection in circuit.projections:
        if projection.plastic:
            presynaptic = np.unique(moments[recording.is_of(projection.source)])
            coincident |= recording.is_of(projection.target) & np.isin(moments, presynaptic)
    reinforced = np.isin(recording.phase, circuit.reinforced)
    too_low, too_high = map(recording.is_of, error_populations(recording.populations))
    return Events(coincident & reinforced, coincident & ~reinforced, too_low, too_high)


def select_samples(recording: Recording, n_samples: int = 6) -> tuple[int, int]:
    """Choose successive samples to show: of the last recorded epoch, those with both types of error, then with most errors.

    Parameters
    ----------
    recording : Recording
    n_samples : int

    Returns
    -------
    epoch, first : int
        The epoch, and the number of its first sample to show.
    """
    if not len(recording.step):
        return 0, 0
    epoch = int(recording.epoch.max())
    recording = recording.where((recording.epoch == epoch) & (recording.step >= 0))  # the lead-in belongs to no sample
    if not len(recording.step):
        return epoch, 0
    start, stop = int(recording.sample.min()), recording.n_samples
    candidates = np.arange(start, max(stop - n_samples, start) + 1)
    score = np.zeros(len(candidates), int)
    for name in error_populations(recording.populations):
        errs = np.zeros(max(stop - start, n_samples), int)
        errs[recording.of(name).sample - start] = 1
        n_errors = np.convolve(errs, np.ones(n_samples, int), "valid")
        # a second type of error counts more than any number of samples with the first one
        score += n_errors + (n_samples + 1) * (n_errors > 0)
    return epoch, int(candidates[np.argmax(score)])


def plot_raster(recording: Recording, circuit: Circuit, n_samples: int | None = None) -> Figure:
    """Draw the spikes of all populations over a few samples, each a turn of the gating chain.

    Parameters
    ----------
    recording : Recording
    circuit : Circuit
        The circuit that was recorded.
    n_samples : int, optional
        Number of samples, or all that were recorded if fewer; `select_samples` chooses which. By default as many as are
        legible.

    Returns
    -------
    matplotlib.figure.Figure
    """
    from matplotlib.collections import LineCollection
    from matplotlib.figure import Figure

    period = recording.period
    if n_samples is None:
        n_samples = int(np.clip(STEPS // period, 1, MOST_SAMPLES))
    epoch, first = select_samples(recording, n_samples)
    recorded = max(recording.where(recording.epoch == epoch).n_samples, 1)
    boundaries = np.arange(first, first + min(n_samples, recorded - first) + 1) * period
    # before the very first sample, the kick starts the chain
    begin, end = int(boundaries[0]) - (circuit.lead if first == 0 else 0), int(boundaries[-1])
    recording = recording.where((recording.epoch == epoch) & (recording.step >= begin) & (recording.step < end))
    events = find_events(recording, circuit)

    # sources on top, then the layers, then the gating chain; y grows downwards, in inches
    order = sorted(circuit.populations, key=lambda population: ROLES.index(population.role))
    heights = np.array([_strip_height(population.size) for population in order])
    edges = np.concatenate([[0.0], np.cumsum(heights)])
    strips = {population.name: number for number, population in enumerate(order)}

    figure = Figure(figsize=(WIDTH, edges[-1] + MARGIN), layout="constrained")
    axes = figure.add_subplot()
    axes.spines[:].set_visible(False)
    for step in range(begin, end):
        if step % period in circuit.reinforced:
            axes.axvspan(step - 0.5, step + 0.5, color="C5", alpha=0.3, linewidth=0, zorder=0)
        elif step % 2:
            axes.axvspan(step - 0.5, step + 0.5, color="0.94", linewidth=0, zorder=0)
    axes.hlines(edges, begin - 0.5, end - 0.5, color="0.75", linewidth=0.4, zorder=0.5)
    axes.vlines(boundaries - 0.5, 0, edges[-1], color="0.3", linewidth=0.9, zorder=1)

    error = events.too_low | events.too_high
    plain = ~(events.potentiation | events.depression | error)
    for name in recording.populations:
        members = recording.is_of(name)
        strip = strips[name]
        row = heights[strip] / order[strip].size
        thickness = float(np.clip(0.8 * POINTS * row, 0.35, 4.0))
        for chosen, colour in ((plain, "0.2"), (events.potentiation, "C0"), (events.depression, "C1")):
            spikes = recording.where(chosen & members)
            x, y = spikes.step, edges[strip] + (spikes.neuron + 0.5) * row
            ends = np.stack([np.stack([x - 0.42, y], -1), np.stack([x + 0.42, y], -1)], axis=1)
            # thousands of marks become pixels in the PDF; everything else stays drawn
            marks = LineCollection(list(ends), colors=colour, linewidths=thickness, rasterized=True)
            marks.set_in_layout(False)
            axes.add_collection(marks, autolim=False)
        for chosen, (marker, colour) in zip((events.too_low, events.too_high), ERROR_MARKS, strict=True):
            spikes = recording.where(chosen & members)
            axes.plot(
                spikes.step,
                edges[strip] + (spikes.neuron + 0.5) * row,
                marker,
                color=colour,
                markersize=5,
                markeredgewidth=0,
                zorder=3,
            )

    axes.set_yticks((edges[:-1] + edges[1:]) / 2, [symbol(population.name) for population in order])
    axes.tick_params(axis="y", length=0, pad=2)
    axes.set_xticks(boundaries)
    axes.set_xticks(np.arange(begin, end), minor=True)
    axes.tick_params(axis="x", which="minor", length=1.2, width=0.4)
    axes.set(xlim=(begin - 0.5, end - 0.5), ylim=(edges[-1], 0.0), xlabel="time step")
    for boundary in boundaries[:-1]:
        axes.annotate(
            _caption(boundary // period, recording, events, circuit),
            (boundary - 0.5 + period / 2, 0),
            xytext=(0, 3),
            textcoords="offset points",
            ha="center",
            va="bottom",
            fontsize=7,
        )
    # kept out of the strips: the legend has a line of its own below them
    figure.legend(handles=_legend(circuit), loc="outside lower center", ncols=6, columnspacing=1.2, handletextpad=0.4)
    return figure


def _error_titles(circuit: Circuit) -> tuple[tuple[str, str], tuple[str, str]]:
    """Titles of the two types of error. With margins, an output can err whether it fires or not."""
    errors = error_populations(population.name for population in circuit.populations)
    sources = {projection.source for projection in circuit.projections if projection.target in errors}
    return MARGIN_ERRORS if sources and circuit.readout not in sources else PUBLISHED_ERRORS


def _strip_height(size: int) -> float:
    """Height of a population's strip [inches]: room for its label, and somewhat more for many neurons."""
    return SINGLE_HEIGHT if size == 1 else LAYER_HEIGHT * (1.0 + 0.35 * math.log10(size))


def _caption(number: int, recording: Recording, events: Events, circuit: Circuit) -> str:
    """Number of the sample (a turn of the chain), its target and output, and its error spikes."""
    of_sample = recording.sample == number
    read = recording.where(of_sample & (recording.phase == circuit.readout_phase))
    answers = [
        f"{title} {', '.join(map(str, read.of(name).neuron)) or 'none'}"
        for title, name in (("target", TARGET), ("output", circuit.readout))
        if name in recording.populations
    ]
    lines = [f"turn {number}", "; ".join(answers)]
    counts = [
        (int((of_sample & chosen).sum()), title)
        for chosen, (_, title) in zip((events.too_low, events.too_high), _error_titles(circuit), strict=True)
    ]
    lines.append(", ".join(f"{count} {title}" for count, title in counts if count) or "no error spike")
    return "\n".join(lines)


def _legend(circuit: Circuit) -> list[Artist]:
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    errors = zip(ERROR_MARKS, _error_titles(circuit), strict=True)
    handles: list[Artist] = [
        Line2D([], [], color="0.2", linewidth=3, label="spike"),
        Line2D([], [], color="C0", linewidth=3, label="potentiation"),
        Line2D([], [], color="C1", linewidth=3, label="depression"),
        *(Line2D([], [], linestyle="", marker=marker, color=colour, label=title) for (marker, colour), (title, _) in errors),
    ]
    if circuit.reinforced:
        *others, last = map(str, circuit.reinforced)
        phases = f"phases {', '.join(others)} and {last}" if others else f"phase {last}"
        handles.append(Patch(facecolor="C5", alpha=0.3, label=f"reinforced ($r$ = 1, {phases})"))
    return handles
