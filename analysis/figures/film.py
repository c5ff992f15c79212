"""A film of one turn that moves through the map of the circuit, phase by phase."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from brianprop.analysis.figures.connectivity import anatomy_map, arriving, legend
from brianprop.analysis.figures.output import NothingToShowError, make_folder, styled
from brianprop.analysis.figures.places import symbol
from brianprop.analysis.figures.raster_nbp import find_events, select_samples
from brianprop.analysis.figures.selection import Selection
from brianprop.analysis.runs.recording import Recording
from brianprop.models.circuit import Circuit
from brianprop.models.files import atomic_write

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["plot_frame", "write_film"]

#: Frames in a second, and pixels in an inch.
SPEED, RESOLUTION = 0.8, 110

#: Population that holds the target while the output is read.
TARGET = "t"


def plot_frame(
    recording: Recording, circuit: Circuit, turn: int, phase: int, classes: Sequence[object] | None = None
) -> Figure:
    """Draw the map of a circuit in one phase: the populations that fire, with their numbers of spikes, and what arrives there.

    Parameters
    ----------
    recording : Recording
        Of one epoch.
    circuit : Circuit
        The circuit that was recorded.
    turn, phase : int
        Which of its time steps.
    classes : sequence, optional
        Name of the class of each output neuron; by default its number.

    Returns
    -------
    matplotlib.figure.Figure
    """
    from matplotlib.patches import Patch

    step = turn * circuit.period + phase
    now = recording.where(recording.step == step)
    spikes = {name: int(now.is_of(name).sum()) for name in now.populations}
    sent = {
        (projection.source, projection.delay): bool(
            (recording.is_of(projection.source) & (recording.step == step - projection.delay - 1)).any()
        )
        for projection in circuit.projections
    }
    arrives = {
        id(projection): sent[projection.source, projection.delay]
        and (projection.target in circuit.firing.get(phase, ()) or projection.kind == "silence")
        for projection in arriving(circuit, phase)
    }
    events = find_events(now, circuit)
    title = f"turn {turn}, {_samples_words(recording, circuit, turn, classes)}: phase {phase}"
    for coincident, word in ((events.potentiation, "potentiation"), (events.depression, "depression")):
        learning = [symbol(name) for name in now.populations if (now.is_of(name) & coincident).any()]
        if learning:
            title += f", {word} at {', '.join(learning)}"
    handles = [*legend(circuit, counted=False), Patch(facecolor="0.25", label="fires (number of spikes)")]
    return anatomy_map(
        circuit, title, handles, strong=lambda projection: arrives.get(id(projection), False), spikes=spikes
    ).figure


def write_film(
    recording: Recording,
    circuit: Circuit,
    path: Path,
    classes: Sequence[object] | None = None,
    selection: Selection | None = None,
) -> Path:
    """Write a GIF with a frame for each phase of a turn.

    Parameters
    ----------
    recording : Recording
        Of several epochs, the last is shown.
    circuit : Circuit
        The circuit that was recorded.
    path : pathlib.Path
    classes : sequence, optional
        Name of the class of each output neuron; by default its number.
    selection : Selection, optional
        The first of its turns is shown, in its phases; by default a turn with both types of error if there is one.

    Returns
    -------
    pathlib.Path
        The file.

    Raises
    ------
    NothingToShowError
        If the recording holds no whole turn.
    ParameterError
        If the selection names what the recording lacks.
    RunError
        If the file cannot be written.
    """
    selection = selection or Selection()
    epoch, chosen = select_samples(recording, 1)
    recording = recording.where(recording.epoch == epoch)
    if not recording.n_samples:
        raise NothingToShowError("no turn was recorded")
    turns, phases = selection.turns_of(recording.n_samples), selection.phases_of(circuit.period)
    turn = chosen if turns is None else turns.start
    make_folder(path.parent)
    with styled(), tempfile.TemporaryDirectory() as folder:
        from matplotlib.animation import PillowWriter

        film = Path(folder) / "film.gif"
        writer = PillowWriter(fps=SPEED)  # pyright: ignore[reportArgumentType]  a float is right, which makes slow films
        for phase in phases:
            figure = plot_frame(recording, circuit, turn, phase, classes)
            if phase == phases.start:
                writer.setup(figure, film, dpi=RESOLUTION)
            writer.fig = figure
            writer.grab_frame()
        writer.finish()
        data = film.read_bytes()
    atomic_write(path, lambda file: file.write(data))
    return path


def _samples_words(recording: Recording, circuit: Circuit, turn: int, classes: Sequence[object] | None) -> str:
    """Target and output of a turn."""
    read = recording.where(recording.step == turn * circuit.period + circuit.readout_phase)
    words = []
    for title, name in (("target", TARGET), ("output", circuit.readout)):
        if name in recording.populations:
            fired = np.unique(read.of(name).neuron)
            names = [str(neuron if classes is None else classes[neuron]) for neuron in fired]
            words.append(f"{title} {', '.join(names) or 'none'}")
    return ", ".join(words)
