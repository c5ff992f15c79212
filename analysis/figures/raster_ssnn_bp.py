"""Raster of a few presentations of SSNN-BP: layers, and the signed streams of error and gradient spikes."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from brianprop.analysis.activity import count, layers_of, n_presentations, signed_streams, words
from brianprop.analysis.runs.recording import Recording

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["plot_presentations", "select_presentations", "targets"]

#: Marker and colour of each sign.
SIGN_MARKS = (("^", "C0"), ("v", "C1"))

#: Colour of the target.
TARGET_COLOUR = "C2"

#: About how many time steps fit in the figure, and how many presentations at least and at most.
STEPS, FEWEST, MOST = 100, 2, 5

#: Heights of a strip of spikes for a layer that is read out, a hidden layer, the input, and of signed streams [inches].
HEIGHTS = {"output": 0.75, "hidden": 0.95, "input": 1.1, "signed": 0.7}

WIDTH, MARGIN = 7.2, 1.1


def targets(recording: Recording) -> np.ndarray:
    """The target of every presentation, read off its spikes.

    The target has an error spike of positive sign in each step in which another output wins; without any it has won them all.

    Parameters
    ----------
    recording : Recording
        Of learning, in one epoch.

    Returns
    -------
    int array of shape (n_presentations,)
    """
    found = np.full(n_presentations(recording), -1)
    names = recording.populations
    for name in ("output", "output plus"):  # the second one overrules the first
        chosen = recording.population == names.index(name)
        found[recording.step[chosen] // recording.period] = recording.neuron[chosen]
    return found


def select_presentations(recording: Recording, number: int) -> int:
    """The first of `number` presentations in a row of which most have an error spike; of several, the earliest."""
    if not len(recording.step):
        return 0
    activity = count(recording)
    wrong = sum(activity.spikes[name] for name in signed_streams(layers_of(recording)[-1])) > 0
    number = min(number, len(wrong))
    return int(np.argmax(np.convolve(wrong, np.ones(number, int), "valid")))


def plot_presentations(recording: Recording, classes: list, number: int | None = None) -> Figure:
    """Draw all spikes of a few presentations in a row.

    Parameters
    ----------
    recording : Recording
        Of learning, in one epoch.
    classes : list
        Name of the class of each output neuron.
    number : int, optional
        How many presentations; by default as many as fit. `select_presentations` chooses which.

    Returns
    -------
    matplotlib.figure.Figure
    """
    from matplotlib.figure import Figure

    period, layers = recording.period, layers_of(recording)
    number = min(number or int(np.clip(STEPS // period, FEWEST, MOST)), n_presentations(recording))
    first = select_presentations(recording, number)
    begin, end = first * period, (first + number) * period
    wanted, activity = targets(recording), count(recording)
    shown = (recording.step >= begin) & (recording.step < end)
    columns = ("population", "neuron", "step", "epoch")
    recording = replace(recording, **{name: getattr(recording, name)[shown] for name in columns})

    strips = [("layer", layer) for layer in layers] + [("signed", layer) for layer in reversed(layers[1:])]
    heights = [HEIGHTS["signed" if kind == "signed" else layer.rstrip("0123456789")] for kind, layer in strips]
    figure = Figure(figsize=(WIDTH, sum(heights) + MARGIN), layout="constrained")
    panels = figure.subplots(len(strips), 1, sharex=True, squeeze=False, height_ratios=heights)[:, 0]
    for axes, (kind, layer) in zip(panels, strips, strict=True):
        size = recording.sizes[recording.populations.index(layer)]
        if kind == "layer":
            _draw_spikes(axes, recording, layer)
        else:
            _draw_signs(axes, recording, layer)
        if layer == "output":
            for place in range(first, first + number):
                axes.broken_barh(
                    [(place * period - 0.5, period)], (wanted[place] - 0.5, 1), color=TARGET_COLOUR, alpha=0.25, linewidth=0
                )
        what = "spikes" if kind == "layer" else "error" if layer == "output" else "gradient"
        axes.set(ylim=(size - 0.5, -0.5), yticks=[0, size - 1])
        axes.set_ylabel(f"{words(layer)}\n{what}", rotation=0, ha="right", va="center")
        axes.spines[:].set_visible(True)
        for boundary in range(first + 1, first + number):
            axes.axvline(boundary * period - 0.5, color="0.3", linewidth=0.9)
    panels[-1].set(xlim=(begin - 0.5, end - 0.5), xlabel="time step", xticks=np.arange(begin, end, period))
    for place in range(first, first + number):
        panels[0].annotate(
            _caption(place, recording, int(wanted[place]), activity, classes),
            ((place - first + 0.5) / number, 1),
            xytext=(0, 3),
            xycoords="axes fraction",
            textcoords="offset points",
            ha="center",
            va="bottom",
            fontsize=7,
        )
    figure.legend(handles=_legend(), loc="outside lower center", ncols=4)
    return figure


def _of(recording: Recording, name: str) -> tuple[np.ndarray, np.ndarray]:
    """Steps and neurons of the spikes of a population."""
    chosen = recording.population == recording.populations.index(name)
    return recording.step[chosen], recording.neuron[chosen]


def _draw_spikes(axes: Axes, recording: Recording, layer: str) -> None:
    from matplotlib.collections import LineCollection

    step, neuron = _of(recording, layer)
    size = recording.sizes[recording.populations.index(layer)]
    # as thick as the strip of a neuron, but thick enough to be seen
    thickness = float(np.clip(0.7 * 72 * HEIGHTS[layer.rstrip("0123456789")] / size, 0.5, 3.0))
    ends = np.stack([np.stack([step - 0.42, neuron], -1), np.stack([step + 0.42, neuron], -1)], axis=1)
    # thousands of marks become pixels in the PDF; everything else stays drawn
    marks = LineCollection(ends, colors="0.2", linewidths=thickness, rasterized=True)
    marks.set_in_layout(False)
    axes.add_collection(marks, autolim=False)


def _draw_signs(axes: Axes, recording: Recording, layer: str) -> None:
    # about as large as two neurons, as far as that can be seen
    size = float(np.clip(2 * 72 * HEIGHTS["signed"] / recording.sizes[recording.populations.index(layer)], 2.0, 3.5))
    for name, (marker, colour) in zip(signed_streams(layer), SIGN_MARKS, strict=True):
        step, neuron = _of(recording, name)
        (marks,) = axes.plot(step, neuron, marker, color=colour, markersize=size, markeredgewidth=0, clip_on=False)
        marks.set_in_layout(False)  # a stream without spikes that is not clipped has no extent


def _caption(place: int, recording: Recording, target: int, activity, classes: list) -> str:
    """Target and answer of a presentation, and its error spikes, gradient spikes and updates."""
    step, neuron = _of(recording, "output")
    wins = np.bincount(neuron[step // recording.period == place], minlength=len(classes))
    layers = layers_of(recording)

    def spikes(layer: str) -> int:
        return sum(int(activity.spikes[name][place]) for name in signed_streams(layer))

    gradient = sum(spikes(layer) for layer in layers[1:-1])
    return "\n".join(
        [
            f"target {classes[target]}: {wins[target]} of {recording.period}",
            f"{spikes(layers[-1])} error, {gradient} gradient",
            f"{sum(int(updates[place]) for updates in activity.updates.values()):,} updates",
        ]
    )


def _legend() -> list:
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    (up, up_colour), (down, down_colour) = SIGN_MARKS
    return [
        Line2D([], [], color="0.2", linewidth=3, label="spike"),
        Patch(facecolor=TARGET_COLOUR, alpha=0.25, label="target"),
        Line2D([], [], linestyle="", marker=up, color=up_colour, label="stream of positive sign: potentiation"),
        Line2D([], [], linestyle="", marker=down, color=down_colour, label="stream of negative sign: depression"),
    ]
