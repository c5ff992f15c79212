"""Events of an event camera: the binary format of N-MNIST, and events binned into time steps as input spikes.

Source: G. Orchard, A. Jayawant, G. K. Cohen, N. Thakor, "Converting static image datasets to spiking neuromorphic datasets
using saccades", Frontiers in Neuroscience 9:437 (2015).

A file is a sequence of records of 5 bytes:

    byte 0          x [pixels], from the left
    byte 1          y [pixels], from the top; 240 marks an overflow of the time
    byte 2, bit 7   polarity: 1 ON (brighter), 0 OFF (darker)
    other 23 bits   time [us], most significant first

A mark of an overflow adds 2^13 us to the times of all later records, and is no event itself.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from brianprop.models.errors import DataError, ParameterError

__all__ = ["SIDE", "EventDataset", "Events", "Recordings", "bin_events", "encode", "read"]

#: Rows and columns of the sensor of N-MNIST [pixels].
SIDE = 34

RECORD = 5
OVERFLOW_Y = 240
#: What a mark adds to the times behind it [us].
OVERFLOW = 2**13
#: The largest time that a record holds [us].
LAST = 2**23 - 1
#: Times are below this, 19 hours [us]: more would be a time of day, and millions of marks in a file.
TIME_LIMIT = 2**36


@dataclass(frozen=True, eq=False)
class Events:
    """Events of one recording, in the order of their times. The arrays are made read-only.

    Attributes
    ----------
    x, y : ndarray of uint8 or uint16, shape (n,)
        Column from the left and row from the top [pixels].
    t : ndarray of int64, shape (n,)
        Time since the start of the recording [us], from 0 and never falling.
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
    width: int = SIDE
    height: int = SIDE

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


@dataclass(frozen=True)
class EventDataset:
    """Recordings and class indices, for training and for the test.

    Attributes
    ----------
    name : str
        ``n-mnist``, or ``emulated-<name>`` where an emulator made the events from the images of a data set.
    train_events, test_events : Recordings
        Made or read when they are asked for.
    train_labels, test_labels : ndarray of int64, shape (n,)
        Class indices from 0 to len(classes) - 1.
    classes : ndarray of int64, shape (n_classes,)
        The label in the files is ``classes[index]``.
    emulated : bool
        Whether the events come from an emulator instead of a camera.
    origin : str
        The folder that the recordings, or the images behind them, are read from.
    """

    name: str
    train_events: Recordings
    train_labels: np.ndarray
    test_events: Recordings
    test_labels: np.ndarray
    classes: np.ndarray
    emulated: bool
    origin: str


class Recordings(Sequence[Events]):
    """A sequence of recordings, each read or made anew when it is asked for; a slice of it is another.

    Parameters
    ----------
    get : callable
        Gives the `Events` of a number.
    numbers : range
        The numbers that the sequence goes through.
    """

    def __init__(self, get: Callable[[int], Events], numbers: range):
        self._get, self._numbers = get, numbers

    def __len__(self) -> int:
        return len(self._numbers)

    def __getitem__(self, place):
        if isinstance(place, slice):
            return Recordings(self._get, self._numbers[place])
        return self._get(self._numbers[place])


def read(source: str | os.PathLike | bytes, name: str | None = None) -> Events:
    """Read a recording in the format of N-MNIST.

    Parameters
    ----------
    source : path or bytes
        A file, or the content of one.
    name : str, optional
        What errors call the file; its path by default.

    Returns
    -------
    Events
        On a sensor of 34 x 34 pixels, coordinates as uint8, in order of time; marks of overflows are resolved.

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
            raise DataError(f"File {name} cannot be read ({error.strerror}); make it readable or replace it.") from error
    if excess := len(content) % RECORD:
        raise DataError(
            f"File {name} is truncated: its last event, at byte {len(content) - excess}, has {excess} bytes and not {RECORD}; "
            "replace it."
        )
    records = np.frombuffer(content, np.uint8).reshape(-1, RECORD)
    marks = records[:, 1] == OVERFLOW_Y
    places = np.flatnonzero(~marks)
    if not places.size:
        state = f"holds {len(records)} marks of overflows and no event" if len(records) else "is empty"
        raise DataError(f"File {name} {state}; replace it.")
    late = np.cumsum(marks)[places] * OVERFLOW
    x, y, first, second, third = np.ascontiguousarray(records[places].T)
    t = ((first & 0x7F).astype(np.int64) << 16 | second.astype(np.int64) << 8 | third) + late
    # pixels queue for the bus of a camera, so neighbouring events may stand in the wrong order
    order = np.argsort(t, kind="stable")
    x, y, t, first, places = x[order], y[order], t[order], first[order], places[order]
    fault = _fault(x, y, t, first >> 7, SIDE, SIDE)
    if fault is not None:
        raise DataError(f"File {name} is damaged: the event at byte {RECORD * places[fault[0]]} {fault[1]}; replace it.")
    return Events(x, y, t, first >> 7)


def encode(events: Events) -> bytes:
    """Write a recording in the format of N-MNIST; `read` gives the same events.

    Times beyond 23 bits get as few marks of overflows as they need, each directly before the event that needs it.

    Parameters
    ----------
    events : Events
        At least one, of a sensor of at most 34 x 34 pixels.

    Returns
    -------
    bytes

    Raises
    ------
    DataError
        When there is no event, or the sensor is larger: what `read` would refuse.
    """
    if max(events.width, events.height) > SIDE:
        raise DataError(
            f"Events of a sensor of {events.width} x {events.height} pixels are none of N-MNIST, which has {SIDE} x {SIDE}; "
            "crop them."
        )
    if not len(events):
        raise DataError(
            "A recording without events makes an empty file, which cannot be told from a damaged one; leave it out."
        )
    marks = np.maximum(-((LAST - events.t) // OVERFLOW), 0)
    time = events.t - marks * OVERFLOW
    records = np.zeros((len(events) + marks[-1], RECORD), np.uint8)
    records[:, 1] = OVERFLOW_Y
    fields = (events.x, events.y, events.polarity << 7 | time >> 16, time >> 8 & 0xFF, time & 0xFF)
    records[np.arange(len(events)) + marks] = np.stack(fields, axis=1)
    return records.tobytes()


def bin_events(events: Events, steps: int, duration: int | None = None) -> np.ndarray:
    """Bin a recording into time steps: an input neuron spikes where at least one event falls into the bin.

    Parameters
    ----------
    events : Events
    steps : int
        Number of bins, equal parts of the recording.
    duration : int, optional
        Length of the recording [us], from time 0; events later than that are left out. By default it ends with its last
        event, which is in the last bin.

    Returns
    -------
    ndarray of uint8, shape (steps, 2 * height * width)
        0 or 1. Input neurons in the order polarity (OFF, ON), y, x.

    Raises
    ------
    ParameterError
        When ``steps`` or ``duration`` is not at least 1.
    """
    _check_bins(steps, duration)
    frames = np.zeros((steps, 2 * events.height * events.width), np.uint8)
    if len(events):
        # whole numbers, so that an event on the border of two bins falls into the same one everywhere
        step = events.t * steps // (events.t[-1] + 1 if duration is None else duration)
        neuron = (events.polarity.astype(np.int64) * events.height + events.y) * events.width + events.x
        inside = step < steps
        frames[step[inside], neuron[inside]] = 1
    return frames


def _check_bins(steps: int, duration: int | None) -> None:
    for name, value in (("steps", steps), ("duration", duration)):
        if value is not None and not value >= 1:
            raise ParameterError(f"Parameter {name} = {value!r} must be at least 1, so that events can be binned; raise it.")


def _fault(
    x: np.ndarray, y: np.ndarray, t: np.ndarray, polarity: np.ndarray, width: int, height: int
) -> tuple[int, str] | None:
    """Return the place of an impossible event and what is wrong with it."""
    for place in np.flatnonzero((x >= width) | (y >= height))[:1]:
        return place, f"lies at x = {x[place]}, y = {y[place]}, outside of {width} x {height} pixels"
    for place in np.flatnonzero(polarity > 1)[:1]:
        return place, f"has polarity {polarity[place]} and not 0 or 1"
    for place in np.flatnonzero((t < 0) | (t >= TIME_LIMIT))[:1]:
        return place, f"is at {t[place]} us and not from 0 to less than {TIME_LIMIT} us after the start of the recording"
    for place in np.flatnonzero(np.diff(t) < 0)[:1] + 1:
        return place, f"is at {t[place]} us, earlier than the one before it at {t[place - 1]} us"
    return None
