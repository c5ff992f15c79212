"""Arrays of images and events that a user gives, as networks take them."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np

from brianprop.experiments.data import frames as event_frames
from brianprop.experiments.data.events import Events, Recordings
from brianprop.models.errors import DataError, ParameterError
from brianprop.models.ssnn_bp.parameters import pack

__all__ = ["GREY", "flat_images", "grey_values", "packed_events", "range_of"]

#: Black and white in images of bytes.
GREY = (0.0, 255.0)


def flat_images(images: Any) -> tuple[Any, tuple[int, int] | None]:
    """Images of shape (n, rows, cols) as (n, rows * cols), with their rows and columns; anything else as it is, with None."""
    if isinstance(images, (list, tuple)) and len(images) and np.ndim(images[0]) == 2:
        images = np.stack(images)
    if not isinstance(images, np.ndarray) or images.ndim != 3:
        return images, None
    if not all(images.shape[1:]):
        raise DataError(f"Images have the shape {images.shape}; give images of at least one pixel.")
    return images.reshape(len(images), -1), images.shape[1:]


def range_of(images: np.ndarray, given: Any) -> tuple[float, float]:
    """Values of a black and a white pixel.

    Parameters
    ----------
    images : array of shape (n, n_pixels)
        Training images.
    given : pair of numbers, or None
        What the user has set.

    Raises
    ------
    ParameterError
        When `given` is no pair of ascending finite numbers.
    """
    if given is None:
        if images.dtype == np.uint8:
            return GREY
        return float(images.min()), float(images.max())
    try:
        low, high = (float(value) for value in given)
    except (TypeError, ValueError):
        low = high = math.nan
    if not (low < high and math.isfinite(high - low)):
        raise ParameterError(
            f"Parameter pixel_range = {given!r} must be two finite numbers in ascending order: the values of a black and of a "
            "white pixel."
        )
    return low, high


def grey_values(images: np.ndarray, pixel_range: tuple[float, float]) -> np.ndarray:
    """Scale pixels to whole numbers from 0 (black) to 255 (white), the nearest; what lies outside of the range is clipped.

    Parameters
    ----------
    images : array of shape (n, n_pixels)
    pixel_range : tuple of float
        Values of black and white.

    Returns
    -------
    uint8 array of the same shape

    Warns
    -----
    UserWarning
        When values lie outside of the range, or when floats up to 1 are given where white is 255.
    """
    low, high = pixel_range
    if pixel_range == GREY and images.dtype == np.uint8:
        return images
    smallest, largest = float(images.min()), float(images.max())
    if smallest < low or largest > high:
        warnings.warn(
            f"Pixels go from {smallest:g} to {largest:g}, but from {low:g} (black) to {high:g} (white) in the training data; "
            "they are clipped. Scale them alike, or set pixel_range.",
            stacklevel=2,
        )
    elif pixel_range == GREY and images.dtype.kind == "f" and 0 < largest <= 1:
        warnings.warn(
            f"Pixels are floats up to {largest:g}, but white is 255 in the training data, so they are nearly black. Scale "
            "them alike, or set pixel_range.",
            stacklevel=2,
        )
    if low == high:
        return np.zeros(images.shape, np.uint8)
    # halves first, since the difference of two floats may be too large for a float
    share = (images.astype(float) / 2 - low / 2) / (high / 2 - low / 2)
    return np.rint(255 * np.clip(share, 0, 1)).astype(np.uint8)


def packed_events(events: Any, steps: int) -> tuple[np.ndarray, tuple[int, int]]:
    """Bin and pack events as `models.ssnn_bp.parameters.pack` does.

    Parameters
    ----------
    events : sequence of Events, or array
        Recordings, which are binned into `steps` equal parts; or spikes, 0 and 1, of shape (n, T, inputs), (n, T, rows, cols)
        or (n, T, polarities, rows, cols), where T is `steps`.
    steps : int
        Number of time steps.

    Returns
    -------
    packed : uint8 array of shape (n, ceil(T / 8) * n_in)
    image_shape : tuple of int
        Rows and columns of the input neurons; polarities stand below one another.

    Raises
    ------
    DataError
        When the events have another form.
    """
    if isinstance(events, Recordings):
        return event_frames.frames(events, steps), events.image_shape
    if _are_recordings(events):
        sizes = {(recording.width, recording.height) for recording in events}
        if len(sizes) > 1:
            raise DataError(f"The recordings are of sensors of {sorted(sizes)} pixels; give recordings of one size.")
        ((width, height),) = sizes
        recordings = Recordings(lambda number: events[number], range(len(events)), width, height)
        return event_frames.frames(recordings, steps), recordings.image_shape
    frames = np.asarray(events)
    if frames.ndim not in (3, 4, 5) or not all(frames.shape) or frames.shape[1] != steps:
        raise DataError(
            f"Events have the shape {frames.shape}, but with steps = {steps} they must be an array of 0 and 1 of shape "
            f"(n, {steps}, inputs), (n, {steps}, rows, cols) or (n, {steps}, polarities, rows, cols), or a list of "
            "brianprop.Events."
        )
    if frames.dtype.kind not in "buif" or not np.isin(frames, (0, 1)).all():
        raise DataError("Events hold other values than 0 and 1, where 1 is a spike in a time step; binarise them first.")
    shape = (1, *frames.shape[2:])[-2:]
    n_in = math.prod(frames.shape[2:])
    return pack(frames.astype(np.uint8).reshape(len(frames), steps, n_in)), (n_in // shape[1], shape[1])


def _are_recordings(events: Any) -> bool:
    if isinstance(events, np.ndarray) and events.dtype != object:
        return False
    return isinstance(events, (Sequence, np.ndarray)) and len(events) > 0 and all(isinstance(item, Events) for item in events)
