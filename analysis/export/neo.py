"""Spikes as a block of Neo, in a file that Neo reads."""

from __future__ import annotations

import io
import struct
import zlib
from collections import Counter
from collections.abc import Sequence
from typing import IO, Any

import numpy as np

from brianprop.analysis.export.trains import Trains
from brianprop.analysis.runs.run import Run

__all__ = ["write_neo"]

#: Bytes of the header of a MATLAB file, and the type of a compressed element.
HEADER, COMPRESSED = 128, 15


def write_neo(run: Run, title: str, trains: Trains, classes: Sequence[str], file: IO[bytes], nix: bool, per_turn: bool) -> None:
    """Write a block with one spike train for each neuron that fired, and an epoch (of Neo) for each turn.

    Annotations of the block name all populations, their sizes and the classes; those of a segment give for each turn the epoch
    of the training, the number of the turn in it, and label and answer as class indices, -1 where they are not known.

    Parameters
    ----------
    run : Run
    title : str
        Name of the block.
    trains : Trains
    classes : sequence of str
        Names of the classes.
    file : binary file
        Empty.
    nix : bool
        Whether to write NIX, an HDF5 file in which each train takes 22 kB and 20 ms, and not Neo's form of a MATLAB file.
    per_turn : bool
        Whether each turn is a segment of its own; otherwise one segment holds the training.
    """
    from neo.core import Block
    from neo.io import NeoMatlabIO, NixIO

    sizes = Counter(population for population, _ in trains.units)
    block = Block(
        name=title,
        description="spikes of a simulated network that learns",
        commit=str(run.environment.get("commit")),
        populations=", ".join(sizes),
        sizes=list(sizes.values()),
        classes=", ".join(classes),
    )
    every = np.arange(len(trains.samples))
    for turns in every[:, None] if per_turn else [every]:
        block.segments.append(_segment(trains, classes, turns, per_turn))
    if nix:
        with NixIO(file.name, mode="ow") as opened:
            opened.write_block(block)
    else:
        buffer = io.BytesIO()
        NeoMatlabIO(buffer).write_block(block)
        file.write(_compressed(buffer.getvalue()))


def _compressed(content: bytes) -> bytes:
    """A MATLAB file of one variable with this variable compressed, which Neo has no option for.

    Behind a header of 128 bytes, an element is a type, a number of bytes and as many bytes; one of the type ``miCOMPRESSED``
    holds another element (MAT-File Format, The MathWorks, version 5).
    """
    element = zlib.compress(content[HEADER:])
    return content[:HEADER] + struct.pack("=II", COMPRESSED, len(element)) + element


def _segment(trains: Trains, classes: Sequence[str], turns: np.ndarray, per_turn: bool) -> Any:
    """A segment with the spikes of some turns, in ascending order without a gap."""
    import quantities as pq
    from neo.core import Epoch, Segment, SpikeTrain

    # numbers, since a MATLAB file fills up the texts of an array with blanks
    columns = {
        "training_epoch": trains.training_epoch[turns],
        "turn": trains.turn[turns],
        "label": trains.target[turns],
        "answer": trains.answer[turns],
    }
    labels = [
        f"epoch {epoch}, turn {turn}, label {_named(classes, label)}, answer {_named(classes, answer)}"
        for epoch, turn, label, answer in zip(*columns.values(), strict=True)
    ]
    begins, ends = trains.samples[turns].T
    start, stop = (begins[0], ends[-1]) if per_turn else (0.0, trains.stop)
    segment = Segment(name=labels[0] if per_turn else "training", **columns)
    for (population, neuron), times in zip(trains.units, trains.times, strict=True):
        inside = times[(times >= start) & (times < stop)]
        if len(inside):
            train = SpikeTrain(inside * pq.s, t_start=start * pq.s, t_stop=stop * pq.s, name=f"{population} {neuron}")
            train.annotate(population=population, neuron=neuron)
            segment.spiketrains.append(train)
    segment.epochs.append(Epoch(begins * pq.s, (ends - begins) * pq.s, np.array(labels), name="turns"))
    return segment


def _named(classes: Sequence[str], number: int) -> str:
    return "none" if number < 0 else classes[number]
