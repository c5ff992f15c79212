"""Event data sets as networks see them: recordings binned into time steps, eight steps in a byte."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import json
import sys
import zipfile
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from brianprop.experiments.data import images as datasets
from brianprop.experiments.data import nmnist
from brianprop.experiments.data.emulator import Camera, emulate_all
from brianprop.experiments.data.events import SIDE, EventDataset, Events, bin_events
from brianprop.models.cache import cache_root
from brianprop.models.errors import RunError
from brianprop.models.files import atomic_write
from brianprop.models.ssnn_bp.parameters import pack, unpack

__all__ = ["EMULATED", "INPUTS", "SHAPE", "Source", "frames", "is_events", "load", "rates"]

#: Before the name of an image data set: its images, recorded by an emulated camera.
EMULATED = "emulated-"

#: The camera is the same in all emulated data sets.
CAMERA_SEED = 0

#: What input neurons look like as an image: OFF events above ON events.
SHAPE = (2 * SIDE, SIDE)
INPUTS = SHAPE[0] * SHAPE[1]

#: Recordings that are kept in one file of the cache: emulating them takes some seconds.
CHUNK = 2000


@dataclass(frozen=True)
class Source:
    """A data set of recordings, and what its frames may be kept under in the cache.

    Attributes
    ----------
    dataset : EventDataset
    key : str or None
        Stands for all that decides the recordings; None where they are read from files, which is fast.
    """

    dataset: EventDataset
    key: str | None


def is_events(name: str) -> bool:
    """Whether a data set holds events and not images."""
    return name == nmnist.NAME or name.startswith(EMULATED)


def load(name: str, data_dir: Path | None = None) -> Source:
    """Find the recordings of a data set; none is read or made yet.

    Parameters
    ----------
    name : str
        ``n-mnist``, or ``emulated-`` and what `experiments.data.images.load` knows.
    data_dir : Path, optional

    Raises
    ------
    DataError
        As `experiments.data.nmnist.load_events` and `experiments.data.images.load` do.
    """
    if not name.startswith(EMULATED):
        return Source(nmnist.load_events(data_dir), None)
    images, camera = datasets.load(name.removeprefix(EMULATED), data_dir), Camera()
    digest = hashlib.sha256(json.dumps([dataclasses.asdict(camera), CAMERA_SEED], sort_keys=True).encode())
    for part in (images.train_images, images.test_images):
        digest.update(str(part.shape).encode())
        digest.update(part.tobytes())
    return Source(emulate_all(images, camera, CAMERA_SEED), digest.hexdigest())


def frames(
    recordings: Sequence[Events], steps: int, key: str | None = None, progress: Callable[[int], None] | None = None
) -> np.ndarray:
    """Bin recordings into time steps, as `models.ssnn_bp.parameters.pack` packs them.

    Parameters
    ----------
    recordings : sequence of Events
        Of a sensor of 34 x 34 pixels.
    steps : int
        T: equal parts of each recording, see `experiments.data.events.bin_events`.
    key : str, optional
        Stands for these recordings in the cache, in which chunks are kept as they are made.
    progress : callable, optional
        Called with the number of recordings done.

    Returns
    -------
    uint8 array of shape (n, ceil(T / 8) * 2312)

    Raises
    ------
    DataError
        When a recording cannot be read.
    ParameterError
        When `steps` is not at least 1.
    """
    packed = np.empty((len(recordings), -(-steps // 8) * INPUTS if steps >= 1 else 0), np.uint8)
    for start in range(0, len(recordings), CHUNK):
        chunk = recordings[start : start + CHUNK]
        part = packed[start : start + len(chunk)]
        path = key and cache_root() / "events" / f"{key[:20]}-{steps}-{start}-{len(chunk)}.npz"
        kept = path and _recall(path, part.shape)
        if kept is not None:
            part[:] = kept
        else:
            for row, events in zip(part, chunk, strict=True):
                row[:] = pack(bin_events(events, steps)[np.newaxis])[0]
            if path:
                _keep(path, part)
        if progress:
            progress(start + len(chunk))
    return packed


def _recall(path: Path, shape: tuple[int, ...]) -> np.ndarray | None:
    """Frames from the cache; None where they are not there, or damaged, which the checksum of the file shows."""
    try:
        with np.load(path) as file:
            frames = file["frames"]
    except (OSError, EOFError, ValueError, KeyError, RuntimeError, zipfile.BadZipFile, zlib.error):
        return None
    return frames if frames.shape == shape and frames.dtype == np.uint8 else None


def _keep(path: Path, frames: np.ndarray) -> None:
    """Put frames into the cache; one that cannot be written costs time in the next run, and is said once."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        atomic_write(path, lambda file: np.savez(file, frames=frames))
    except (OSError, RunError) as error:
        _say_not_kept(path.parent, (error.__cause__ or error).strerror)


@functools.cache
def _say_not_kept(folder: Path, reason: str) -> None:
    print(
        f"The emulated events are not kept in {folder} ({reason}), so the next run emulates them again; make room there, or "
        "set BRIANPROP_CACHE to a folder that can be written.",
        file=sys.stderr,
    )


def rates(packed: np.ndarray, steps: int) -> np.ndarray:
    """Share of the time steps in which each input neuron fires, as grey values.

    Parameters
    ----------
    packed : uint8 array of shape (n, ceil(T / 8) * n_in)
    steps : int
        T.

    Returns
    -------
    uint8 array of shape (n, n_in)
        255 stands for an event in every step.
    """
    # in parts, since unpacked frames take eight times the memory
    parts = [
        np.rint(255 * unpack(packed[start : start + CHUNK], steps).mean(axis=1)).astype(np.uint8)
        for start in range(0, len(packed), CHUNK)
    ]
    return np.concatenate(parts) if parts else np.zeros((0, INPUTS), np.uint8)
