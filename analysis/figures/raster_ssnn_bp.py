"""Raster of a few samples of SSNN-BP: the layers, and the signed streams of error and gradient spikes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from brianprop.analysis.activity import Activity, count, layers_of, signed_streams, targets, words
from brianprop.analysis.figures.captions import CAPTION, caption_height, fitted
from brianprop.analysis.figures.selection import Selection
from brianprop.analysis.runs.recording import Recording

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["plot_raster", "select_samples"]

#: Marker and colour of each sign.
SIGN_MARKS = (("^", "C0"), ("v", "C1"))

#: Colour of the target.
TARGET_COLOUR = "C2"

#: About how many time steps fit in the figure, and the least and the largest number of samples.
STEPS, FEWEST, MOST = 100, 2, 5

#: Height of the strip of each kind [inches], and by how much that of many classes is higher.
HEIGHTS, HIGHER = {"output": 0.8, "hidden": 0.95, "input": 1.1, "signed": 0.75}, 1.6

#: Width of the figure, room beside the panels, and height below them [inches].
WIDTH, BESIDE, MARGIN = 7.2, 0.9, 0.7

#: Most time steps with a number at the axis, besides the first of each turn.
TICKS = 12

#: Most classes of which each has its name at the axis.
NAMED = 13

#: Points in an inch.
POINTS = 72

#: All that a recording holds.
EVERYTHING = Selection()


def select_samples(recording: Recording, n_samples: int) -> int:
    """The first of the `n_samples` successive samples of which most have an error spike; among equals, the earliest."""
    if not len(recording.step):
        return 0
    wrong = np.zeros(recording.n_samples, int)
    for name in signed_streams(layers_of(recording)[-1]):
        wrong[recording.of(name).sample] = 1
    return int(np.argmax(np.convolve(wrong, np.ones(min(n_samples, len(wrong)), int), "valid")))


def plot_raster(
    recording: Recording, classes: Sequence[object], n_samples: int | None = None, selection: Selection = EVERYTHING
) -> Figure:
    """Draw the spikes of a few successive samples.

    Parameters
    ----------
    recording : Recording
        Of learning; of several epochs, the last is shown.
    classes : sequence
        Name of the class of each output neuron.
    n_samples : int, optional
        By default as many as fit. `select_samples` chooses which.
    selection : Selection, optional
        Layers, turns, and time steps of a turn (its phases) to show. By default all layers and steps.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    ParameterError
        If the selection names what the recording lacks.
    """
    from matplotlib.figure import Figure

    recording = recording.last_epoch()
    period, layers = recording.period, layers_of(recording)
    steps, chosen = selection.phases_of(period), selection.names(layers) or layers
    number = min(n_samples or int(np.clip(STEPS // len(steps), FEWEST, MOST)), recording.n_samples)
    first = select_samples(recording, number)
    samples = selection.turns_of(recording.n_samples) or range(first, first + number)
    target, activity = targets(recording), count(recording)
    shown = recording.where(
        (recording.sample >= samples.start) & (recording.sample < samples.stop) & np.isin(recording.phase, steps)
    )
    # the steps that are shown, counted from the first
    column = (shown.sample - samples.start) * len(steps) + shown.phase - steps.start
    shown, end = replace(shown, step=column), len(samples) * len(steps)

    strips = [("layer", layer) for layer in chosen]
    strips += [("signed", layer) for layer in reversed(layers[1:]) if layer in chosen]
    heights = [_height(layer, recording.size(layer), kind == "signed") for kind, layer in strips]
    captions = fitted(
        [_caption(sample, recording, int(target[sample]), activity, classes) for sample in samples],
        samples,
        POINTS * (WIDTH - BESIDE) / len(samples),
    )
    figure = Figure(figsize=(WIDTH, sum(heights) + MARGIN + caption_height(captions)), layout="constrained")
    panels = figure.subplots(len(strips), 1, sharex=True, squeeze=False, height_ratios=heights)[:, 0]
    for axes, (kind, layer) in zip(panels, strips, strict=True):
        size = recording.size(layer)
        if kind == "layer":
            _draw_spikes(axes, shown, layer)
        else:
            _draw_signs(axes, shown, layer, end)
        axes.set_ylim(size - 0.5, -0.5)
        if layer == "output":
            for turn, sample in enumerate(samples):
                axes.broken_barh(
                    [(turn * len(steps) - 0.5, len(steps))],
                    (target[sample] - 0.5, 1),
                    color=TARGET_COLOUR,
                    alpha=0.25,
                    linewidth=0,
                )
            # named as in the captions: all classes if they are few
            ticks = range(0, size, -(-size // NAMED))
            axes.set_yticks(ticks, [str(classes[tick]) for tick in ticks], fontsize=5)
        else:
            axes.set_yticks([0, size - 1])
        what = "spikes" if kind == "layer" else "error" if layer == "output" else "gradient"
        unit = "class" if layer == "output" else "neuron"
        axes.set_ylabel(f"{words(layer)}\n{what}\n({unit})", rotation=0, ha="right", va="center")
        axes.spines[:].set_visible(True)
        for turn in range(1, len(samples)):
            axes.axvline(turn * len(steps) - 0.5, color="0.3", linewidth=0.9)
    panels[-1].set(xlim=(-0.5, end - 0.5), xlabel="time step")
    ticks = [
        (turn * len(steps) + k, sample * period + steps[k]) for turn, sample in enumerate(samples) for k in _ticks(steps, end)
    ]
    panels[-1].set_xticks([column for column, _ in ticks], [str(step) for _, step in ticks])
    for turn, text in enumerate(captions):
        panels[0].annotate(
            text,
            ((turn + 0.5) / len(samples), 1),
            xytext=(0, 3),
            xycoords="axes fraction",
            textcoords="offset points",
            ha="center",
            va="bottom",
            fontsize=CAPTION,
        )
    figure.legend(handles=_legend(), loc="outside lower center", ncols=4)
    return figure


def _ticks(steps: range, n_columns: int) -> list[int]:
    """Which of the steps of a turn have their number below: the first, and others as far as there is room."""
    every = next(10**power * factor for power in range(9) for factor in (1, 2, 5) if n_columns <= TICKS * 10**power * factor)
    return [k for k in range(0, len(steps), every) if k == 0 or len(steps) - k >= every]


def _height(layer: str, size: int, signed: bool) -> float:
    """Height of the strip of a layer, or of its signed streams [inches]."""
    height = HEIGHTS["signed" if signed else layer.rstrip("0123456789")]
    return height * (HIGHER if layer == "output" and size > NAMED else 1)


def _draw_spikes(axes: Axes, recording: Recording, layer: str) -> None:
    from matplotlib.collections import LineCollection

    spikes = recording.of(layer)
    # as thick as the row of a neuron, but thick enough to be seen
    size = recording.size(layer)
    thickness = float(np.clip(0.7 * POINTS * _height(layer, size, False) / size, 0.5, 3.0))
    starts, stops = (np.stack([spikes.step + shift, spikes.neuron], -1) for shift in (-0.42, 0.42))
    ends = np.stack([starts, stops], axis=1)
    # thousands of marks become pixels in the PDF; everything else stays drawn
    marks = LineCollection(list(ends), colors="0.2", linewidths=thickness, rasterized=True)
    marks.set_in_layout(False)
    axes.add_collection(marks, autolim=False)


def _draw_signs(axes: Axes, recording: Recording, layer: str, n_steps: int) -> None:
    # about as large as the row of an output neuron and as a time step, but neither too small nor too large to be seen
    row, step = _height(layer, recording.size(layer), True) / recording.size(layer), (WIDTH - BESIDE) / n_steps
    size = float(np.clip(POINTS * min(max(row, 0.03), step), 1.5, 4.0))
    for name, (marker, colour) in zip(signed_streams(layer), SIGN_MARKS, strict=True):
        spikes = recording.of(name)
        (marks,) = axes.plot(
            spikes.step, spikes.neuron, marker, color=colour, markersize=size, markeredgewidth=0, clip_on=False
        )
        marks.set_in_layout(False)  # a stream without spikes that is not clipped has no extent


def _caption(sample: int, recording: Recording, target: int, activity: Activity, classes: Sequence[object]) -> list[str]:
    """Target of a sample, how often it won, and its error spikes, gradient spikes and updates."""
    output = recording.of("output")
    wins = np.bincount(output.neuron[output.sample == sample], minlength=len(classes))
    layers = layers_of(recording)

    def spikes(layer: str) -> int:
        return sum(int(activity.spikes[name][sample]) for name in signed_streams(layer))

    gradient = sum(spikes(layer) for layer in layers[1:-1])
    return [
        f"turn {sample}, target {classes[target]}",
        f"wins {wins[target]} of {recording.period} steps",
        f"{spikes(layers[-1])} error, {gradient} gradient",
        f"{sum(int(updates[sample]) for updates in activity.updates.values()):,} updates",
    ]


def _legend() -> list[Artist]:
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    (up, up_colour), (down, down_colour) = SIGN_MARKS
    return [
        Line2D([], [], color="0.2", linewidth=3, label="spike"),
        Patch(facecolor=TARGET_COLOUR, alpha=0.25, label="target"),
        Line2D([], [], linestyle="", marker=up, color=up_colour, label="stream of positive sign: potentiation"),
        Line2D([], [], linestyle="", marker=down, color=down_colour, label="stream of negative sign: depression"),
    ]
