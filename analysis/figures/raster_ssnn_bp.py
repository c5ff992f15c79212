"""Raster of a few samples of SSNN-BP: the layers, and the signed streams of error and gradient spikes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from brianprop.analysis.activity import Activity, count, layers_of, signed_streams, words
from brianprop.analysis.runs.recording import Recording

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["plot_raster", "select_samples", "targets"]

#: Marker and colour of each sign.
SIGN_MARKS = (("^", "C0"), ("v", "C1"))

#: Colour of the target.
TARGET_COLOUR = "C2"

#: About how many time steps fit in the figure, and the least and the largest number of samples.
STEPS, FEWEST, MOST = 100, 2, 5

#: Height of the strip of each kind [inches].
HEIGHTS = {"output": 0.75, "hidden": 0.95, "input": 1.1, "signed": 0.7}

WIDTH, MARGIN = 7.2, 1.1


def targets(recording: Recording) -> np.ndarray:
    """The target of every sample, derived from its spikes.

    The target has an error spike of positive sign in each step in which another output wins. Without any such spike, it has won
    all steps.

    Parameters
    ----------
    recording : Recording
        Of learning, in one epoch.

    Returns
    -------
    int array of shape (n_samples,)
    """
    target = np.full(recording.n_samples, -1)
    for name in ("output", "output plus"):  # the second one overrules the first
        spikes = recording.of(name)
        target[spikes.sample] = spikes.neuron
    return target


def select_samples(recording: Recording, n_samples: int) -> int:
    """The first of the `n_samples` successive samples of which most have an error spike; among equals, the earliest."""
    if not len(recording.step):
        return 0
    wrong = np.zeros(recording.n_samples, int)
    for name in signed_streams(layers_of(recording)[-1]):
        wrong[recording.of(name).sample] = 1
    return int(np.argmax(np.convolve(wrong, np.ones(min(n_samples, len(wrong)), int), "valid")))


def plot_raster(recording: Recording, classes: Sequence[object], n_samples: int | None = None) -> Figure:
    """Draw all spikes of a few successive samples.

    Parameters
    ----------
    recording : Recording
        Of learning, in one epoch.
    classes : sequence
        Name of the class of each output neuron.
    n_samples : int, optional
        By default as many as fit. `select_samples` chooses which.

    Returns
    -------
    matplotlib.figure.Figure
    """
    from matplotlib.figure import Figure

    period, layers = recording.period, layers_of(recording)
    number = min(n_samples or int(np.clip(STEPS // period, FEWEST, MOST)), recording.n_samples)
    first = select_samples(recording, number)
    samples = range(first, first + number)
    begin, end = first * period, (first + number) * period
    target, activity = targets(recording), count(recording)
    recording = recording.where((recording.step >= begin) & (recording.step < end))

    strips = [("layer", layer) for layer in layers] + [("signed", layer) for layer in reversed(layers[1:])]
    heights = [HEIGHTS["signed" if kind == "signed" else layer.rstrip("0123456789")] for kind, layer in strips]
    figure = Figure(figsize=(WIDTH, sum(heights) + MARGIN), layout="constrained")
    panels = figure.subplots(len(strips), 1, sharex=True, squeeze=False, height_ratios=heights)[:, 0]
    for axes, (kind, layer) in zip(panels, strips, strict=True):
        size = recording.size(layer)
        if kind == "layer":
            _draw_spikes(axes, recording, layer)
        else:
            _draw_signs(axes, recording, layer)
        if layer == "output":
            for sample in samples:
                axes.broken_barh(
                    [(sample * period - 0.5, period)], (target[sample] - 0.5, 1), color=TARGET_COLOUR, alpha=0.25, linewidth=0
                )
        what = "spikes" if kind == "layer" else "error" if layer == "output" else "gradient"
        axes.set(ylim=(size - 0.5, -0.5), yticks=[0, size - 1])
        axes.set_ylabel(f"{words(layer)}\n{what}", rotation=0, ha="right", va="center")
        axes.spines[:].set_visible(True)
        for sample in samples[1:]:
            axes.axvline(sample * period - 0.5, color="0.3", linewidth=0.9)
    panels[-1].set(xlim=(begin - 0.5, end - 0.5), xlabel="time step", xticks=np.arange(begin, end, period))
    for sample in samples:
        panels[0].annotate(
            _caption(sample, recording, int(target[sample]), activity, classes),
            ((sample - first + 0.5) / number, 1),
            xytext=(0, 3),
            xycoords="axes fraction",
            textcoords="offset points",
            ha="center",
            va="bottom",
            fontsize=7,
        )
    figure.legend(handles=_legend(), loc="outside lower center", ncols=4)
    return figure


def _draw_spikes(axes: Axes, recording: Recording, layer: str) -> None:
    from matplotlib.collections import LineCollection

    spikes = recording.of(layer)
    # as thick as the row of a neuron, but thick enough to be seen
    thickness = float(np.clip(0.7 * 72 * HEIGHTS[layer.rstrip("0123456789")] / recording.size(layer), 0.5, 3.0))
    starts, stops = (np.stack([spikes.step + shift, spikes.neuron], -1) for shift in (-0.42, 0.42))
    ends = np.stack([starts, stops], axis=1)
    # thousands of marks become pixels in the PDF; everything else stays drawn
    marks = LineCollection(list(ends), colors="0.2", linewidths=thickness, rasterized=True)
    marks.set_in_layout(False)
    axes.add_collection(marks, autolim=False)


def _draw_signs(axes: Axes, recording: Recording, layer: str) -> None:
    # about as large as the rows of two neurons, but neither too small nor too large to be seen
    size = float(np.clip(2 * 72 * HEIGHTS["signed"] / recording.size(layer), 2.0, 3.5))
    for name, (marker, colour) in zip(signed_streams(layer), SIGN_MARKS, strict=True):
        spikes = recording.of(name)
        (marks,) = axes.plot(
            spikes.step, spikes.neuron, marker, color=colour, markersize=size, markeredgewidth=0, clip_on=False
        )
        marks.set_in_layout(False)  # a stream without spikes that is not clipped has no extent


def _caption(sample: int, recording: Recording, target: int, activity: Activity, classes: Sequence[object]) -> str:
    """Target and answer of a sample, and its error spikes, gradient spikes and updates."""
    output = recording.of("output")
    wins = np.bincount(output.neuron[output.sample == sample], minlength=len(classes))
    layers = layers_of(recording)

    def spikes(layer: str) -> int:
        return sum(int(activity.spikes[name][sample]) for name in signed_streams(layer))

    gradient = sum(spikes(layer) for layer in layers[1:-1])
    return "\n".join(
        [
            f"target {classes[target]}: {wins[target]} of {recording.period}",
            f"{spikes(layers[-1])} error, {gradient} gradient",
            f"{sum(int(updates[sample]) for updates in activity.updates.values()):,} updates",
        ]
    )


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
