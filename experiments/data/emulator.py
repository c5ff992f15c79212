"""An emulated event camera: recordings of any image, in the manner of N-MNIST.

This is for those who cannot get the recordings of N-MNIST, and for other images. The results are not the published
recordings: they are always called emulated. `Camera.negative` says in what they differ most, unless it is asked for.

Motion: G. Orchard, A. Jayawant, G. K. Cohen, N. Thakor, Frontiers in Neuroscience 9:437 (2015). The camera makes three
saccades along an isosceles triangle, and the image moves over the sensor with constant velocity: right and down, right and
up, and back to the left. Base and altitude are 7 pixels, and a saccade lasts 105 ms, as in the authors' code that removes
the motion from the recordings (gorchard/event-Python, ``stabilize``).

Pixels: P. Lichtsteiner, C. Posch, T. Delbruck, "A 128 x 128 120 dB 15 us latency asynchronous temporal contrast vision
sensor", IEEE Journal of Solid-State Circuits 43(2), 566 (2008). A pixel compares the logarithm of its intensity with a
reference level. When the difference reaches the threshold, up or down, the pixel sends an ON or OFF event and moves the
reference by the threshold.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from types import MappingProxyType

import numpy as np

from brianprop.experiments.data.dataset import Dataset, Part
from brianprop.experiments.data.events import Events, Recordings
from brianprop.experiments.data.nmnist import SIDE
from brianprop.models.errors import DataError, ParameterError
from brianprop.models.parameters import Checked

__all__ = ["CAMERAS", "EMULATED", "NEGATIVE", "Camera", "emulate", "emulate_all", "shown"]

#: Prefixes of the name of an image data set: its images, recorded by an emulated camera, which may see their negatives.
EMULATED = "emulated-"
NEGATIVE = f"{EMULATED}negative-"

#: Independent random streams of one seed.
THRESHOLDS, NOISE = 0, 1


@dataclass(frozen=True)
class Camera(Checked):
    """The camera and its motion. With the defaults, an image of MNIST gives about as many events as a recording of N-MNIST.

    Raises
    ------
    ParameterError
        When a value is not finite or out of range.
    """

    threshold: float = 0.3
    """Change of the natural logarithm of intensity at which a pixel sends an event."""
    dark: float = 85.0
    """Intensity of black [grey values], from ambient light. White is (255 + dark) / dark times as bright."""
    mismatch: float = 0.07
    """S.d. of the thresholds over the pixels, relative to the threshold (lognormal): 2.1 % of intensity, as measured by
    Lichtsteiner et al., at the default threshold."""
    noise: float = 0.1
    """Rate of noise events of each pixel [Hz]; they do not change the reference level, and half of them are ON."""
    base: float = 7.0
    """Base of the triangle, along x [pixels]."""
    altitude: float = 7.0
    """Altitude of the triangle, along y [pixels]."""
    frames: int = 21
    """Intervals of one saccade; between their ends the logarithm of intensity changes linearly."""
    interval: int = 5_000
    """Length of an interval [us]."""
    negative: bool = False
    """Whether the camera sees the negative of an image, on a white background. In the recordings of N-MNIST, OFF events run
    ahead of a moving digit and ON events follow it: digits there are darker than their ground, or ON and OFF are exchanged."""

    def __post_init__(self):
        self._require_numbers()
        for name in ("threshold", "dark"):
            self._require(name, getattr(self, name) > 0, "greater than 0")
        for name in ("mismatch", "noise", "base", "altitude"):
            self._require(name, getattr(self, name) >= 0, "at least 0")
        for name in ("frames", "interval"):
            self._require(name, getattr(self, name) >= 1, "at least 1")
        # in a larger step, an edge would jump over pixels
        longest = max(self.base, math.hypot(self.altitude, self.base / 2))
        self._require("frames", longest <= self.frames, "so many that the image moves at most 1 pixel from frame to frame")

    @property
    def duration(self) -> int:
        """Length of a recording [us]."""
        return 3 * self.frames * self.interval

    @property
    def path(self) -> np.ndarray:
        """Displacement of the image at the ends of all intervals [pixels], shape (3 * frames + 1, 2): y down, x right."""
        corners = np.array([[-1, -1], [1, 0], [-1, 1], [-1, -1]]) * [self.altitude / 2, self.base / 2]
        share = np.arange(self.frames)[:, np.newaxis] / self.frames
        sides = [start + share * (end - start) for start, end in pairwise(corners)]
        return np.concatenate([*sides, corners[-1:]])


#: The cameras by prefix. The threshold of negatives is chosen on the training recordings of a subset of N-MNIST: of all
#: hundredths, it gives the number of events that is nearest to theirs; see `experiments.reproduce.emulation`.
CAMERAS = MappingProxyType({EMULATED: Camera(), NEGATIVE: Camera(threshold=0.28, negative=True)})


def shown(name: str) -> tuple[str, str]:
    """The prefix of a data set, empty where it is not emulated, and the name of the images that the camera sees."""
    prefix = next((prefix for prefix in (NEGATIVE, EMULATED) if name.startswith(prefix)), "")
    return prefix, name.removeprefix(prefix)


def emulate(image: np.ndarray, camera: Camera, seed: int, recording: int = 0) -> Events:
    """Record one image.

    Parameters
    ----------
    image : ndarray, shape (rows, cols)
        Grey values from 0 to 255, at most 34 x 34 pixels; centred on the sensor, on a black background; the negative of
        both is seen if the camera asks for it.
    camera : Camera
    seed : int
        Of the thresholds of the pixels, which are the same in all recordings, and of the noise.
    recording : int, optional
        Number of the recording, from 0, which has independent noise.

    Returns
    -------
    Events
        On a sensor of 34 x 34 pixels. There are none if nothing moves and there is no noise.

    Raises
    ------
    DataError
        When the image does not fit the sensor or has values outside 0 to 255.
    ParameterError
        When the seed or the number of the recording is negative.
    """
    for name, value in (("seed", seed), ("recording", recording)):
        if value < 0:
            raise ParameterError(f"Parameter {name} = {value!r} must be at least 0, since it seeds random numbers.")
    logarithm = np.log(_film(image, camera) + camera.dark)
    # difference from the first reference level, in thresholds
    drive = (logarithm - logarithm[0]) / _thresholds(camera, seed)
    on_off, pixel, t = _crossings(drive, camera.interval)
    if camera.noise:
        rng = np.random.default_rng([seed, NOISE, recording])
        count = rng.poisson(camera.noise * SIDE**2 * camera.duration * 1e-6)
        on_off = np.concatenate([on_off, rng.integers(0, 2, count)])
        pixel = np.concatenate([pixel, rng.integers(0, SIDE**2, count)])
        t = np.concatenate([t, rng.integers(0, camera.duration, count)])
    order = np.argsort(t, kind="stable")
    y, x = np.divmod(pixel[order], SIDE)
    return Events(x.astype(np.uint8), y.astype(np.uint8), t[order], on_off[order].astype(np.uint8), SIDE, SIDE)


def emulate_all(dataset: Dataset, camera: Camera, seed: int) -> Dataset:
    """Record a data set with one camera; each recording is computed when it is asked for, the same each time.

    Parameters
    ----------
    dataset : Dataset
        Of images. Those of the training set are the recordings 0, 1, ... of `emulate`, those of the test set follow.
    camera, seed
        As for `emulate`.

    Returns
    -------
    Dataset
        Its name has the prefix `EMULATED`, or `NEGATIVE`.
    """

    def recorded(part: Part, first: int) -> Part:
        def get(number: int) -> Events:
            return emulate(part.images[number], camera, seed, first + number)

        return Part(Recordings(get, range(len(part)), SIDE, SIDE), part.labels)

    train, test = recorded(dataset.train, 0), recorded(dataset.test, len(dataset.train))
    prefix = NEGATIVE if camera.negative else EMULATED
    return Dataset(prefix + dataset.name, train, test, dataset.classes, dataset.origin)


def _film(image: np.ndarray, camera: Camera) -> np.ndarray:
    """The image on the sensor [grey values] at the ends of all intervals, shape (3 * frames + 1, 34, 34)."""
    image = np.asarray(image)
    if image.ndim != 2 or not 0 < min(image.shape) <= max(image.shape) <= SIDE:
        raise DataError(
            f"An image of shape {image.shape} does not fit the sensor; give rows x columns of at most {SIDE} x {SIDE}, grey."
        )
    if not (image.min() >= 0 and image.max() <= 255):  # also true for NaN
        raise DataError(f"An image with grey values from {image.min()} to {image.max()} cannot be shown; scale it to 0 to 255.")
    top, left = (SIDE - image.shape[0]) // 2, (SIDE - image.shape[1]) // 2
    sensor = np.zeros((SIDE, SIDE))
    sensor[top : top + image.shape[0], left : left + image.shape[1]] = image
    rows, cols = _shifts(camera)
    film = rows @ sensor @ cols
    return 255 - film if camera.negative else film


@lru_cache(maxsize=8)
def _shifts(camera: Camera) -> tuple[np.ndarray, np.ndarray]:
    """Matrices, two of shape (3 * frames + 1, 34, 34), that move an image by bilinear interpolation.

    Interpolation is linear in the image and separable, so that ``rows @ image @ cols`` equals scipy.ndimage.shift of the image;
    it takes a seventh of the time.
    """
    from scipy.ndimage import shift

    identity = np.eye(SIDE)
    rows = np.stack([shift(identity, (y, 0), order=1, mode="grid-constant") for y, _ in camera.path])
    cols = np.stack([shift(identity, (0, x), order=1, mode="grid-constant") for _, x in camera.path])
    return rows, cols


@lru_cache(maxsize=8)
def _thresholds(camera: Camera, seed: int) -> np.ndarray:
    """Threshold of every pixel, shape (34, 34)."""
    deviation = np.random.default_rng([seed, THRESHOLDS]).standard_normal((SIDE, SIDE))
    return camera.threshold * np.exp(camera.mismatch * deviation)


def _crossings(drive: np.ndarray, interval: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Events of a film.

    Parameters
    ----------
    drive : ndarray, shape (frames + 1, 34, 34)
        Logarithm of intensity at the ends of all intervals, in thresholds above the first reference level.
    interval : int
        Length of an interval [us].

    Returns
    -------
    on_off, pixel, t : ndarray of int64, shape (n,)
        1 for ON and 0 for OFF; number of the pixel, row by row; time [us], where the end of an interval belongs to it.
    """
    # the reference is a whole number of thresholds: it follows a rising drive to its floor, a falling one to its ceiling
    floor, ceiling = np.floor(drive), np.ceil(drive)
    reference = np.zeros_like(drive)
    for end in range(1, len(drive)):
        np.maximum(reference[end - 1], floor[end], out=reference[end])
        np.minimum(reference[end], ceiling[end], out=reference[end])
    size = drive[0].size
    drive, reference = drive.reshape(-1, size), reference.reshape(-1, size)
    change = np.diff(reference, axis=0)
    start, pixel = np.nonzero(change)
    change = change[start, pixel]
    counts = np.abs(change).astype(np.int64)
    start, pixel, sign = (np.repeat(values, counts) for values in (start, pixel, np.sign(change)))
    # 1, 2, ... for the events of a pixel in one interval
    number = np.arange(len(start)) - np.repeat(np.cumsum(counts) - counts, counts) + 1
    before = drive[start, pixel]
    share = (reference[start, pixel] + sign * number - before) / (drive[start + 1, pixel] - before)
    offset = np.minimum((share * interval).astype(np.int64), interval - 1)
    return (sign > 0).astype(np.int64), pixel, start * interval + offset
