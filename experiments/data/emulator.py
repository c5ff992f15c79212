"""An emulated event camera: events of any image, in the manner of N-MNIST.

Where the recordings of N-MNIST cannot be had, this makes events of the images of MNIST, or of any others. They are not the
published recordings: all that is made here is called emulated.

Motion: G. Orchard, A. Jayawant, G. K. Cohen, N. Thakor, Frontiers in Neuroscience 9:437 (2015). The camera makes three
saccades along an isosceles triangle, and the image moves over the sensor with constant velocity: right and down, right and
up, and back to the left. Base and altitude of 7 pixels and 105 ms per saccade are those by which the authors' own code
(gorchard/event-Python, ``stabilize``) takes the motion out of the recordings.

Pixels: P. Lichtsteiner, C. Posch, T. Delbruck, "A 128 x 128 120 dB 15 us latency asynchronous temporal contrast vision
sensor", IEEE Journal of Solid-State Circuits 43(2), 566 (2008). A pixel compares the logarithm of its intensity with a
reference level; where the difference reaches the threshold, up or down, it sends an ON or OFF event and moves the reference by
that threshold.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from pathlib import Path

import numpy as np

from brianprop.experiments.data.events import SIDE, EventDataset, Events, Recordings
from brianprop.experiments.data.images import Dataset
from brianprop.models.errors import DataError, ParameterError
from brianprop.models.parameters import Checked

__all__ = ["Camera", "emulate", "emulate_all"]

#: Streams of random numbers of one seed.
THRESHOLDS, NOISE = 0, 1


@dataclass(frozen=True)
class Camera(Checked):
    """The camera and its motion. With the defaults, an image of MNIST gives about as many events as in N-MNIST.

    Raises
    ------
    ParameterError
        When a value is not finite or out of range.
    """

    threshold: float = 0.3
    """Change of the logarithm of intensity at which a pixel sends an event."""
    dark: float = 85.0
    """Intensity of black [grey values]: light that is everywhere. White is (255 + dark) / dark times as bright."""
    mismatch: float = 0.07
    """S.d. of the thresholds over the pixels, relative to the threshold (lognormal): 2.1 % of intensity, as measured by
    Lichtsteiner et al., at the default threshold."""
    noise: float = 0.1
    """Rate of events without a cause, of each pixel [Hz]; they leave the reference alone, and half of them are ON."""
    base: float = 7.0
    """Base of the triangle, along x [pixels]."""
    altitude: float = 7.0
    """Altitude of the triangle, along y [pixels]."""
    frames: int = 21
    """Intervals of one saccade; between their ends the logarithm of intensity changes linearly."""
    interval: int = 5_000
    """Length of an interval [us]."""

    def __post_init__(self):
        self._require_numbers()
        for name in ("threshold", "dark"):
            self._require(name, getattr(self, name) > 0, "greater than 0")
        for name in ("mismatch", "noise", "base", "altitude"):
            self._require(name, getattr(self, name) >= 0, "at least 0")
        for name in ("frames", "interval"):
            self._require(name, getattr(self, name) >= 1, "at least 1")
        # a larger step would jump over pixels, which then see nothing of an edge
        longest = max(self.base, math.hypot(self.altitude, self.base / 2))
        self._require("frames", longest <= self.frames, "so many that the image moves at most 1 pixel from frame to frame")

    @property
    def duration(self) -> int:
        """Length of a recording [us]; all events are earlier."""
        return 3 * self.frames * self.interval

    @property
    def path(self) -> np.ndarray:
        """Displacement of the image at the ends of all intervals [pixels], shape (3 * frames + 1, 2): y down, x right."""
        corners = np.array([[-1, -1], [1, 0], [-1, 1], [-1, -1]]) * [self.altitude / 2, self.base / 2]
        share = np.arange(self.frames)[:, np.newaxis] / self.frames
        sides = [start + share * (end - start) for start, end in pairwise(corners)]
        return np.concatenate([*sides, corners[-1:]])


def emulate(image: np.ndarray, camera: Camera, seed: int, recording: int = 0) -> Events:
    """Record one image.

    Parameters
    ----------
    image : ndarray, shape (rows, cols)
        Grey values from 0 to 255, at most 34 x 34 pixels; centred on the sensor, with black around.
    camera : Camera
    seed : int
        Decides the thresholds of the pixels, which are the same in all recordings, and the noise.
    recording : int, optional
        Number of the recording, from 0: each has noise of its own.

    Returns
    -------
    Events
        Of a sensor of 34 x 34 pixels. There are none if nothing changes and nothing is noisy.

    Raises
    ------
    DataError
        When the image has another shape or other values.
    ParameterError
        When the seed or the number is negative.
    """
    for name, value in (("seed", seed), ("recording", recording)):
        if value < 0:
            raise ParameterError(f"Parameter {name} = {value!r} must be at least 0, since it seeds random numbers.")
    logarithm = np.log(_film(image, camera) + camera.dark)
    # in thresholds above the first reference
    drive = (logarithm - logarithm[0]) / _thresholds(camera, seed)
    on_off, place, t = _crossings(drive, camera.interval)
    if camera.noise:
        rng = np.random.default_rng([seed, NOISE, recording])
        count = rng.poisson(camera.noise * SIDE**2 * camera.duration * 1e-6)
        on_off = np.concatenate([on_off, rng.integers(0, 2, count)])
        place = np.concatenate([place, rng.integers(0, SIDE**2, count)])
        t = np.concatenate([t, rng.integers(0, camera.duration, count)])
    order = np.argsort(t, kind="stable")
    y, x = np.divmod(place[order], SIDE)
    return Events(x.astype(np.uint8), y.astype(np.uint8), t[order], on_off[order].astype(np.uint8))


def emulate_all(dataset: Dataset, camera: Camera, seed: int) -> EventDataset:
    """Record a data set with one camera; each recording is made when it is asked for, the same each time.

    Parameters
    ----------
    dataset : Dataset
        Training images are the recordings 0, 1, ... of `emulate`, test images those that follow.
    camera, seed
        As for `emulate`.

    Returns
    -------
    EventDataset
        Named ``emulated-<name>``; of a data set that is a folder, the name is the folder's last part.
    """
    n_train, n_test = len(dataset.train_images), len(dataset.test_images)
    return EventDataset(
        name=f"emulated-{Path(dataset.name).absolute().name}",
        train_events=Recordings(lambda place: emulate(dataset.train_images[place], camera, seed, place), range(n_train)),
        train_labels=dataset.train_labels,
        test_events=Recordings(lambda place: emulate(dataset.test_images[place], camera, seed, n_train + place), range(n_test)),
        test_labels=dataset.test_labels,
        classes=dataset.classes,
        emulated=True,
        origin=dataset.origin,
    )


def _film(image: np.ndarray, camera: Camera) -> np.ndarray:
    """Return the image on the sensor [grey values] at the ends of all intervals, shape (3 * frames + 1, 34, 34)."""
    image = np.asarray(image)
    if image.ndim != 2 or not 0 < min(image.shape) <= max(image.shape) <= SIDE:
        raise DataError(
            f"An image of shape {image.shape} does not fit the sensor; give rows x columns of at most {SIDE} x {SIDE}, grey."
        )
    if not (image.min() >= 0 and image.max() <= 255):  # also refuses what is not a number
        raise DataError(f"An image with grey values from {image.min()} to {image.max()} cannot be shown; scale it to 0 to 255.")
    top, left = (SIDE - image.shape[0]) // 2, (SIDE - image.shape[1]) // 2
    sensor = np.zeros((SIDE, SIDE))
    sensor[top : top + image.shape[0], left : left + image.shape[1]] = image
    rows, cols = _shifts(camera)
    return rows @ sensor @ cols


@lru_cache(maxsize=8)
def _shifts(camera: Camera) -> tuple[np.ndarray, np.ndarray]:
    """Return matrices, each of shape (3 * frames + 1, 34, 34), that move an image by bilinear interpolation.

    Interpolation is linear in the image and separable, so ``rows @ image @ cols`` is scipy.ndimage.shift of the image, at a
    seventh of its time.
    """
    from scipy.ndimage import shift

    identity = np.eye(SIDE)
    rows = np.stack([shift(identity, (y, 0), order=1, mode="grid-constant") for y, _ in camera.path])
    cols = np.stack([shift(identity, (0, x), order=1, mode="grid-constant") for _, x in camera.path])
    return rows, cols


@lru_cache(maxsize=8)
def _thresholds(camera: Camera, seed: int) -> np.ndarray:
    """Return the threshold of every pixel, shape (34, 34)."""
    deviation = np.random.default_rng([seed, THRESHOLDS]).standard_normal((SIDE, SIDE))
    return camera.threshold * np.exp(camera.mismatch * deviation)


def _crossings(drive: np.ndarray, interval: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Find the events of a film.

    Parameters
    ----------
    drive : ndarray, shape (frames + 1, 34, 34)
        Logarithm of intensity at the ends of all intervals, in thresholds above the first reference.
    interval : int
        Length of an interval [us].

    Returns
    -------
    on_off, place, t : ndarray of int64, shape (n,)
        1 for ON and 0 for OFF, pixel (row by row), and time [us]; an event at the very end of an interval is in it.
    """
    # the reference stays in whole thresholds: up to the floor of a drive that has risen, down to the ceiling of one that fell
    floor, ceiling = np.floor(drive), np.ceil(drive)
    reference = np.zeros_like(drive)
    for end in range(1, len(drive)):
        np.maximum(reference[end - 1], floor[end], out=reference[end])
        np.minimum(reference[end], ceiling[end], out=reference[end])
    size = drive[0].size
    drive, reference = drive.reshape(-1, size), reference.reshape(-1, size)
    change = np.diff(reference, axis=0)
    start, place = np.nonzero(change)
    change = change[start, place]
    counts = np.abs(change).astype(np.int64)
    start, place, sign = (np.repeat(values, counts) for values in (start, place, np.sign(change)))
    # 1, 2, ... for the events of one pixel in one interval
    number = np.arange(len(start)) - np.repeat(np.cumsum(counts) - counts, counts) + 1
    before = drive[start, place]
    share = (reference[start, place] + sign * number - before) / (drive[start + 1, place] - before)
    late = np.minimum((share * interval).astype(np.int64), interval - 1)
    return (sign > 0).astype(np.int64), place, start * interval + late
