"""Recordings of an event camera: their events, the binary format of their files, and input spikes made of them.

The format is that of N-MNIST, from G. Orchard, A. Jayawant, G. K. Cohen, N. Thakor, "Converting static image datasets to
spiking neuromorphic datasets using saccades", Frontiers in Neuroscience 9:437 (2015). A file is a sequence of records of 5
bytes:

    byte 0          x [pixels], from the left
    byte 1          y [pixels], from the top; 240 marks an overflow of the time
    byte 2, bit 7   polarity: 1 ON (brighter), 0 OFF (darker)
    other 23 bits   time [us], most significant first

A record that marks an overflow is not an event: it adds 2^13 us to the times of all later records.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import overload

import numpy as np

from brianprop.models.errors import DataError, ParameterError, reason

__all__ = ["Events", "Recordings", "bin_events", "read"]

#: Bytes of a record.
RECORD = 5
#: The y of a record that marks an overflow, and what it adds to the times of later records [us].
OVERFLOW_Y, OVERFLOW = 240, 2**13
#: Bound of all times, 19 hours [us]: a longer recording would have millions of marks, so it is a damaged one.
TIME_LIMIT = 2**36


@dataclass(frozen=True, eq=False)
class Events:
    """Events of one recording, in order of time. The arrays become read-only.

    Attributes
    ----------
    x, y : ndarray of uint8 or uint16, shape (n,)
        Column from the left and row from the top [pixels].
    t : ndarray of int64, shape (n,)
        Time since the start of the recording [us], at least 0, in ascending order.
    polarity : ndarray of uint8, shape (n,)
        1 for ON (brighter), 0 for OFF (darker).
    width, height : int
        Columns and rows of the sensor [pixels].

    Raises
    ------
    DataError
        When an array has another type or shape, or an event is impossible.
    """

    x: np.ndarray
    y: np.ndarray
    t: np.ndarray
    polarity: np.ndarray
    width: int
    height: int

    def __post_init__(self):
        kinds = {"x": ("uint8", "uint16"), "y": ("uint8", "uint16"), "t": ("int64",), "polarity": ("uint8",)}
        for name, dtypes in kinds.items():
            array = getattr(self, name)
            if not isinstance(array, np.ndarray) or array.dtype.name not in dtypes or array.shape != np.shape(self.t)[:1]:
                raise DataError(
                    f"Array {name} of events is {getattr(array, 'dtype', type(array).__name__)} of shape {np.shape(array)}; "
                    f"give an array of {' or '.join(dtypes)} of shape (n,), the same n for x, y, t and polarity."
                )
            view = array.view()
            view.flags.writeable = False
            object.__setattr__(self, name, view)
        fault = _fault(self.x, self.y, self.t, self.polarity, self.width, self.height)
        if fault is not None:
            raise DataError(f"Event {fault[0]} {fault[1]}; correct it or leave it out.")

    def __len__(self) -> int:
        return len(self.t)


class Recordings(Sequence[Events]):
    """A sequence of recordings, each read or computed when it is asked for; a slice is a sequence too.

    Parameters
    ----------
    get : callable
        Takes the number of a recording; returns its `Events`.
    numbers : range
        Numbers of the recordings in the sequence.
    width, height : int
        Columns and rows of the sensor [pixels], the same for all recordings.
    """

    def __init__(self, get: Callable[[int], Events], numbers: range, width: int, height: int):
        self._get, self._numbers = get, numbers
        self.width, self.height = width, height

    @property
    def image_shape(self) -> tuple[int, int]:
        """Rows and columns of the input neurons as an image: OFF events above ON events."""
        return 2 * self.height, self.width

    @property
    def n_in(self) -> int:
        """Number of input neurons: two for each pixel, see `bin_events`."""
        return 2 * self.height * self.width

    def __len__(self) -> int:
        return len(self._numbers)

    @overload
    def __getitem__(self, index: int) -> Events: ...
    @overload
    def __getitem__(self, index: slice) -> Recordings: ...
    def __getitem__(self, index: int | slice) -> Events | Recordings:
        if isinstance(index, slice):
            return Recordings(self._get, self._numbers[index], self.width, self.height)
        return self._get(self._numbers[index])


def read(source: str | os.PathLike | bytes, width: int, height: int, name: str | None = None) -> Events:
    """Read a recording in the format of N-MNIST.

    Parameters
    ----------
    source : path or bytes
        A file, or its content.
    width, height : int
        Columns and rows of the sensor [pixels].
    name : str, optional
        Name of the file in error messages; its path by default.

    Returns
    -------
    Events
        Coordinates as uint8. Overflows of the time are added up, and events are sorted by time.

    Raises
    ------
    DataError
        When the file cannot be read, is empty or truncated, or holds an event outside the sensor.
    """
    if isinstance(source, bytes):
        content, name = source, name or "of events"
    else:
        path = Path(source)
        name = name or str(path)
        try:
            content = path.read_bytes()
        except OSError as error:
            raise DataError(f"File {name} cannot be read ({reason(error)}); make it readable or replace it.") from error
    if excess := len(content) % RECORD:
        raise DataError(
            f"File {name} is truncated: its last event, at byte {len(content) - excess}, has {excess} bytes and not {RECORD}; "
            "replace it."
        )
    records = np.frombuffer(content, np.uint8).reshape(-1, RECORD)
    marks = records[:, 1] == OVERFLOW_Y
    positions = np.flatnonzero(~marks)
    if not positions.size:
        state = f"holds {len(records)} marks of overflows and no event" if len(records) else "is empty"
        raise DataError(f"File {name} {state}; replace it.")
    overflow = np.cumsum(marks)[positions] * OVERFLOW
    x, y, first, second, third = np.ascontiguousarray(records[positions].T)
    t = ((first & 0x7F).astype(np.int64) << 16 | second.astype(np.int64) << 8 | third) + overflow
    # the pixels of a camera queue for its bus, so that neighbouring events may be in the wrong order
    order = np.argsort(t, kind="stable")
    x, y, t, first, positions = x[order], y[order], t[order], first[order], positions[order]
    fault = _fault(x, y, t, first >> 7, width, height)
    if fault is not None:
        raise DataError(f"File {name} is damaged: the event at byte {RECORD * positions[fault[0]]} {fault[1]}; replace it.")
    return Events(x, y, t, first >> 7, width, height)


def bin_events(events: Events, steps: int) -> np.ndarray:
    """Bin a recording into time steps: an input neuron spikes if at least one of its events falls into the bin.

    Parameters
    ----------
    events : Events
    steps : int
        Number of bins: equal parts of the time from 0 to the last event, which is in the last bin.

    Returns
    -------
    ndarray of uint8, shape (steps, 2 * height * width)
        0 or 1. Input neurons in the order polarity (OFF, ON), y, x.

    Raises
    ------
    ParameterError
        When ``steps`` is less than 1.
    """
    if not steps >= 1:
        raise ParameterError(f"Parameter steps = {steps!r} must be at least 1, so that events can be binned; raise it.")
    frames = np.zeros((steps, 2 * events.height * events.width), np.uint8)
    if len(events):
        # in whole numbers, so that rounding moves no event on the border of two bins
        step = events.t * steps // (events.t[-1] + 1)
        neuron = (events.polarity.astype(np.int64) * events.height + events.y) * events.width + events.x
        frames[step, neuron] = 1
    return frames


def _fault(
    x: np.ndarray, y: np.ndarray, t: np.ndarray, polarity: np.ndarray, width: int, height: int
) -> tuple[int, str] | None:
    """Index of the first impossible event and what is wrong with it; None if there is none."""
    for index in np.flatnonzero((x >= width) | (y >= height))[:1]:
        return index, f"lies at x = {x[index]}, y = {y[index]}, outside of {width} x {height} pixels"
    for index in np.flatnonzero(polarity > 1)[:1]:
        return index, f"has polarity {polarity[index]} and not 0 or 1"
    for index in np.flatnonzero((t < 0) | (t >= TIME_LIMIT))[:1]:
        return index, f"is at {t[index]} us and not from 0 to less than {TIME_LIMIT} us after the start of the recording"
    for index in np.flatnonzero(np.diff(t) < 0)[:1] + 1:
        return index, f"is at {t[index]} us, earlier than the one before it at {t[index - 1]} us"
    return None
