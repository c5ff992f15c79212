"""Event data sets by name, and their recordings as networks take them: binned into time steps, eight steps in a byte."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import json
import sys
import zipfile
import zlib
from pathlib import Path

import numpy as np

from brianprop.experiments.data import images as datasets
from brianprop.experiments.data import nmnist
from brianprop.experiments.data.dataset import Dataset
from brianprop.experiments.data.emulator import CAMERAS, EMULATED, emulate_all, shown
from brianprop.experiments.data.events import Recordings, bin_events
from brianprop.models.cache import cache_root
from brianprop.models.errors import RunError
from brianprop.models.files import atomic_write
from brianprop.models.ssnn_bp.parameters import pack, unpack

__all__ = ["CHUNK", "frames", "is_events", "load", "rates", "shown"]

#: Seed of the emulated camera, the same for all data sets.
CAMERA_SEED = 0

#: Recordings in one file of the cache; to emulate them takes some seconds.
CHUNK = 2000


def is_events(name: str) -> bool:
    """Whether a data set holds events and not images."""
    return name in nmnist.NAMES or name.startswith(EMULATED)


def load(name: str, data_dir: Path | None = None) -> Dataset:
    """Find an event data set; its recordings are not yet read or emulated.

    Parameters
    ----------
    name : str
        ``n-mnist`` or ``n-mnist-subset``; or ``emulated-`` or ``emulated-negative-`` in front of a name that
        `experiments.data.images.load` takes, or of ``n-mnist-subset``: the images of MNIST that its recordings show.
    data_dir : Path, optional
        Where to look for the recordings or the images.

    Raises
    ------
    DataError
        As `experiments.data.nmnist.load` and `experiments.data.images.load` do.
    """
    if not name.startswith(EMULATED):
        return nmnist.load(data_dir, name)
    prefix, pictures = shown(name)
    camera = CAMERAS[prefix]
    of_subset = pictures == nmnist.SUBSET
    images = nmnist.pictured(datasets.load("mnist", data_dir), data_dir) if of_subset else datasets.load(pictures, data_dir)
    digest = hashlib.sha256(json.dumps([dataclasses.asdict(camera), CAMERA_SEED], sort_keys=True).encode())
    for part in (images.train, images.test):
        digest.update(str(part.images.shape).encode())
        digest.update(part.images.tobytes())
    return dataclasses.replace(emulate_all(images, camera, CAMERA_SEED), key=digest.hexdigest())


def frames(recordings: Recordings, steps: int, key: str | None = None) -> np.ndarray:
    """Bin recordings into time steps, and pack them as `models.ssnn_bp.parameters.pack` does.

    Parameters
    ----------
    recordings : Recordings
    steps : int
        T: equal parts of each recording, see `experiments.data.events.bin_events`.
    key : str, optional
        Stands for these recordings in the cache; without it they are not cached.

    Returns
    -------
    uint8 array of shape (n, ceil(T / 8) * n_in)

    Raises
    ------
    DataError
        When a recording cannot be read.
    ParameterError
        When `steps` is not at least 1.
    """
    packed = np.empty((len(recordings), -(-steps // 8) * recordings.n_in if steps >= 1 else 0), np.uint8)
    for start in range(0, len(recordings), CHUNK):
        chunk = recordings[start : start + CHUNK]
        part = packed[start : start + len(chunk)]
        path = key and cache_root() / "events" / f"{key[:20]}-{steps}-{start}-{len(chunk)}.npz"
        cached = _recall(path, part.shape) if path else None
        if cached is not None:
            part[:] = cached
        else:
            for row, events in zip(part, chunk, strict=True):
                row[:] = pack(bin_events(events, steps)[np.newaxis])[0]
            if path:
                _keep(path, part)
    return packed


def _recall(path: Path, shape: tuple[int, ...]) -> np.ndarray | None:
    """Frames from the cache; None where the file is missing or damaged, which its checksum shows."""
    try:
        with np.load(path) as file:
            frames = file["frames"]
    except (OSError, EOFError, ValueError, KeyError, RuntimeError, zipfile.BadZipFile, zlib.error):
        return None
    return frames if frames.shape == shape and frames.dtype == np.uint8 else None


def _keep(path: Path, frames: np.ndarray) -> None:
    """Put frames into the cache; where it cannot be written, the user is told once."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        atomic_write(path, lambda file: np.savez(file, frames=frames))
    except (OSError, RunError) as error:
        cause = error.__cause__ or error
        _say_not_kept(path.parent, cause.strerror if isinstance(cause, OSError) else str(cause))


@functools.cache
def _say_not_kept(folder: Path, reason: str | None) -> None:
    print(
        f"The emulated events are not kept in {folder} ({reason}), so the next run emulates them again; make room there, or "
        "set BRIANPROP_CACHE to a folder that can be written.",
        file=sys.stderr,
    )


def rates(packed: np.ndarray, steps: int) -> np.ndarray:
    """Share of the time steps with a spike of each input neuron, as a grey value.

    Parameters
    ----------
    packed : uint8 array of shape (n, ceil(T / 8) * n_in)
    steps : int
        T.

    Returns
    -------
    uint8 array of shape (n, n_in)
        255 stands for a spike in every step.
    """
    # in chunks, since unpacked frames take eight times the memory
    chunks = [
        np.rint(255 * unpack(packed[start : start + CHUNK], steps).mean(axis=1)).astype(np.uint8)
        for start in range(0, len(packed), CHUNK)
    ]
    return np.concatenate(chunks) if chunks else np.zeros((0, packed.shape[1] // -(-steps // 8)), np.uint8)
