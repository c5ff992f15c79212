"""Raster of a few samples of nBP; coincidences and errors are marked as the spikes themselves tell them.

In the manner of Renner et al. 2024 (doi 10.1038/s41467-024-53827-9), Figure 5.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from brianprop.analysis.figures.captions import CAPTION, caption_height, fitted
from brianprop.analysis.figures.diagram import text_size
from brianprop.analysis.figures.places import error_populations, symbol
from brianprop.analysis.figures.selection import Selection
from brianprop.analysis.runs.recording import Recording
from brianprop.models.circuit import Circuit, Population

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
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

#: Width of the figure, height below the strips, and height of the strip of a single neuron and of a layer [inches].
WIDTH, BELOW, SINGLE_HEIGHT, LAYER_HEIGHT = 7.2, 0.76, 0.125, 0.2
#: Largest height that a strip has to show its errors apart; the height to which a few strips are drawn; that which many may
#: take on a page; and the least of one [inches].
ERROR_HEIGHT, FEW_STRIPS, PAGE, LEAST_HEIGHT = 0.9, 3.0, 8.4, 0.092
#: Size of the marks of errors [points].
SMALLEST_MARK, LARGEST_MARK = 1.2, 5.0

#: Number of time steps and of samples that are legible side by side, and of time steps that have a number each.
STEPS, MOST_SAMPLES, LABELLED_PHASES = 72, 6, 48

#: Number of classes that a caption names.
MOST_NAMED = 3

#: All that a recording holds.
EVERYTHING = Selection()

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


def plot_raster(
    recording: Recording,
    circuit: Circuit,
    n_samples: int | None = None,
    classes: Sequence[object] | None = None,
    selection: Selection = EVERYTHING,
) -> Figure:
    """Draw spikes over a few samples, each a turn of the gating chain.

    Parameters
    ----------
    recording : Recording
    circuit : Circuit
        The circuit that was recorded.
    n_samples : int, optional
        Number of samples, or all that were recorded if fewer; `select_samples` chooses which. By default as many as are
        legible.
    classes : sequence, optional
        Name of the class of each output neuron; by default its number.
    selection : Selection, optional
        Populations, turns and phases to show. By default all populations in all phases.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    ParameterError
        If the selection names what the recording lacks.
    """
    from matplotlib.figure import Figure

    period, phases = recording.period, selection.phases_of(recording.period)
    names = selection.names(population.name for population in circuit.populations)
    if n_samples is None:
        n_samples = int(np.clip(STEPS // len(phases), 1, MOST_SAMPLES))
    epoch, first = select_samples(recording, n_samples)
    of_epoch = recording.where(recording.epoch == epoch)
    recorded = max(of_epoch.n_samples, 1)
    turns = selection.turns_of(recorded) or range(first, first + min(n_samples, recorded - first))
    # before the very first sample, the kick starts the chain
    lead = circuit.lead if turns.start == 0 and selection.phases is None else 0
    begin, end = turns.start * period - lead, turns.stop * period
    shown = of_epoch.where((of_epoch.step >= begin) & (of_epoch.step < end))
    events = find_events(shown, circuit)

    strips = _Strips.of(circuit, names)
    left, right, n_columns = 0.14 + strips.label_width, 0.08, len(turns) * len(phases)
    step_points = POINTS * (WIDTH - left - right) / (n_columns + lead)
    captions = fitted([_caption(turn, shown, events, circuit, classes) for turn in turns], turns, step_points * len(phases))
    figure = Figure(figsize=(WIDTH, strips.height + caption_height(captions) + BELOW))
    width, height = figure.get_size_inches()
    axes = figure.add_axes((left / width, BELOW / height, (width - left - right) / width, strips.height / height))
    axes.spines[:].set_visible(False)
    x_of = _Columns(turns.start, period, phases)
    for column in range(-lead, n_columns):
        phase = phases[column % len(phases)] if column >= 0 else column % period
        if phase in circuit.reinforced:
            axes.axvspan(column - 0.5, column + 0.5, color="C5", alpha=0.3, linewidth=0, zorder=0)
        elif phase % 2:
            axes.axvspan(column - 0.5, column + 0.5, color="0.94", linewidth=0, zorder=0)
    axes.hlines(strips.edges, -lead - 0.5, n_columns - 0.5, color="0.75", linewidth=0.4, zorder=0.5)
    boundaries = np.arange(len(turns) + 1) * len(phases)
    axes.vlines(boundaries - 0.5, 0, strips.height, color="0.3", linewidth=0.9, zorder=1)

    in_phases = (shown.step < 0) | np.isin(shown.phase, phases)
    _draw_spikes(axes, shown, events, strips, x_of, in_phases)

    axes.set_yticks(strips.middles, [symbol(population.name) for population in strips.populations], fontsize=strips.letters)
    axes.tick_params(axis="y", length=0, pad=2)
    if n_columns <= LABELLED_PHASES:
        axes.set_xticks(range(n_columns), [str(phase) for phase in phases] * len(turns))
        axes.set_xlabel("phase of the turn", labelpad=1)
    else:
        axes.set_xticks(boundaries[:-1], [str(turn * period + phases[0]) for turn in turns])
        axes.set_xticks(np.arange(-lead, n_columns), minor=True)
        axes.tick_params(axis="x", which="minor", length=1.2, width=0.4)
        axes.set_xlabel("time step", labelpad=1)
    axes.set(xlim=(-lead - 0.5, n_columns - 0.5), ylim=(strips.height, 0.0))
    for boundary, text in zip(boundaries[:-1], captions, strict=True):
        axes.annotate(
            text,
            (boundary - 0.5 + len(phases) / 2, 0),
            xytext=(0, 3),
            textcoords="offset points",
            ha="center",
            va="bottom",
            fontsize=CAPTION,
        )
    figure.legend(handles=_legend(circuit), loc="lower center", ncols=3, columnspacing=1.2, handletextpad=0.4)
    return figure


@dataclass(frozen=True)
class _Columns:
    """The abscissa of a spike: its time step, counted from the first turn, without the phases that are left out."""

    first: int
    period: int
    phases: range

    def __call__(self, step: np.ndarray) -> np.ndarray:
        turn, phase = step // self.period - self.first, step % self.period
        return np.where(step < 0, step, turn * len(self.phases) + phase - self.phases.start)


@dataclass(frozen=True)
class _Strips:
    """The strips of the populations, from top to bottom [inches]."""

    populations: Sequence[Population]
    edges: np.ndarray

    @classmethod
    def of(cls, circuit: Circuit, names: Sequence[str] | None) -> _Strips:
        # sources on top, then the layers, then the gating chain
        ordered = sorted(circuit.populations, key=lambda population: ROLES.index(population.role))
        populations = ordered if names is None else [circuit[name] for name in names]
        errors = error_populations(population.name for population in circuit.populations)
        heights = np.array([_strip_height(population.size, population.name in errors) for population in populations])
        single = np.array([population.size == 1 for population in populations])
        if heights.sum() < FEW_STRIPS:  # a few strips are drawn larger
            heights *= min(FEW_STRIPS / heights.sum(), 3.0)
        elif heights.sum() > PAGE:  # many fit on a page
            heights[single] = LEAST_HEIGHT
            factor = (PAGE - heights[single].sum()) / heights[~single].sum()
            heights[~single] = np.maximum(heights[~single] * factor, LEAST_HEIGHT)
        return cls(populations, np.concatenate([[0.0], np.cumsum(heights)]))

    @property
    def letters(self) -> float:
        """Size of the labels [points]."""
        return min(7.0, POINTS * float(np.diff(self.edges).min()) / 1.2)

    @property
    def height(self) -> float:
        return float(self.edges[-1])

    @property
    def middles(self) -> np.ndarray:
        return (self.edges[:-1] + self.edges[1:]) / 2

    @property
    def label_width(self) -> float:
        return max(text_size(symbol(population.name), 7)[0] for population in self.populations)


def _draw_spikes(axes: Axes, shown: Recording, events: Events, strips: _Strips, x_of: _Columns, chosen: np.ndarray) -> None:
    """Draw a mark for each `chosen` spike."""
    from matplotlib.collections import LineCollection

    error = events.too_low | events.too_high
    plain = ~(events.potentiation | events.depression | error)
    kinds = [(plain, "0.2"), (events.potentiation, "C0"), (events.depression, "C1")]
    marks: dict[str, list] = {colour: [] for _, colour in kinds}
    thickness: dict[str, list] = {colour: [] for _, colour in kinds}
    for number, population in enumerate(strips.populations):
        members = shown.is_of(population.name) & chosen
        row = float(strips.edges[number + 1] - strips.edges[number]) / population.size
        x, y = x_of(shown.step), strips.edges[number] + (shown.neuron + 0.5) * row
        for of_kind, colour in kinds:
            here = of_kind & members
            ends = np.stack([np.stack([x[here] - 0.42, y[here]], -1), np.stack([x[here] + 0.42, y[here]], -1)], axis=1)
            marks[colour] += list(ends)
            thickness[colour] += [float(np.clip(0.8 * POINTS * row, 0.35, 4.0))] * len(ends)
        # no larger than a neuron, so that two errors of one turn do not overlap
        size = float(np.clip(POINTS * row, SMALLEST_MARK, LARGEST_MARK))
        for of_kind, (marker, colour) in zip((events.too_low, events.too_high), ERROR_MARKS, strict=True):
            here = of_kind & members
            if here.any():
                axes.plot(x[here], y[here], marker, color=colour, markersize=size, markeredgewidth=0, zorder=3)
    for colour, ends in marks.items():
        if ends:
            # thousands of marks become pixels in the PDF; everything else stays drawn
            collection = LineCollection(ends, colors=colour, linewidths=thickness[colour], rasterized=True)
            axes.add_collection(collection, autolim=False)


def _error_titles(circuit: Circuit) -> tuple[tuple[str, str], tuple[str, str]]:
    """Titles of the two types of error. With margins, an output can err whether it fires or not."""
    errors = error_populations(population.name for population in circuit.populations)
    sources = {projection.source for projection in circuit.projections if projection.target in errors}
    return MARGIN_ERRORS if sources and circuit.readout not in sources else PUBLISHED_ERRORS


def _strip_height(size: int, has_errors: bool) -> float:
    """Height of a population's strip [inches]: room for its label, somewhat more for many neurons, and for each error."""
    if size == 1:
        return SINGLE_HEIGHT
    height = LAYER_HEIGHT * (1.0 + 0.35 * math.log10(size))
    return max(height, min(ERROR_HEIGHT, 3.2 * size / POINTS)) if has_errors else height


def _caption(
    number: int, recording: Recording, events: Events, circuit: Circuit, classes: Sequence[object] | None
) -> list[str]:
    """Number of the sample (a turn of the chain), its target and output, and its error spikes."""
    of_sample = recording.sample == number
    read = recording.where(of_sample & (recording.phase == circuit.readout_phase))
    lines = [f"turn {number}"]
    for title, name in (("target", TARGET), ("output", circuit.readout)):
        if name in recording.populations:
            fired = read.of(name).neuron
            words = [str(neuron if classes is None else classes[neuron]) for neuron in fired[:MOST_NAMED]]
            more = f" + {len(fired) - MOST_NAMED}" if len(fired) > MOST_NAMED else ""
            lines.append(f"{title} {', '.join(words) + more or 'none'}")
    counts = [
        (int((of_sample & chosen).sum()), title)
        for chosen, (_, title) in zip((events.too_low, events.too_high), _error_titles(circuit), strict=True)
    ]
    lines.append(", ".join(f"{count} {title}" for count, title in counts if count) or "no error")
    return lines


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
