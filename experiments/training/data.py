"""The data of a run: loaded, divided, cropped and encoded."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from brianprop.experiments.data import encoding
from brianprop.experiments.data import frames as event_frames
from brianprop.experiments.data import images as datasets
from brianprop.experiments.data.dataset import Part, divide
from brianprop.experiments.training.options import Message, TrainOptions
from brianprop.models.errors import ParameterError
from brianprop.models.memory import require_memory

__all__ = [
    "ARRAYS",
    "Data",
    "EventInput",
    "data_of_events",
    "data_of_images",
    "data_options",
    "dataset_name",
    "levels_of",
    "load_data",
    "stored_levels",
    "told_origin",
]

#: The name of data that were given as arrays. That of a folder is its absolute path.
ARRAYS = "arrays"

#: Copies of the encoded images that are in memory at once: the images, the rows that the sources send, and a temporary copy.
ENCODED = 3

#: The form in which a network takes an event data set: frames, or for each pixel the share of time steps with an event, as a
#: grey value.
EventInput = Literal["frames", "rates"]


@dataclass(frozen=True)
class Data:
    """A data set as a network sees it.

    Attributes
    ----------
    name : str
        As config.json names it, see `dataset_name`.
    parts : dict of Part
        By the name of the split.
    classes : list of int or str
        Labels in the files, by class index.
    image_shape : tuple of int
        Rows and columns of what the input neurons see.
    n_in : int
        Number of input neurons.
    crop : int
        Pixels that were cut off each side.
    origin : str
        Where the data came from.
    digest : str
        SHA-256 of all images and labels.
    steps : int or None
        Number of time steps into which events were binned; None for images.
    pixel_range : tuple of float, or None
        Values of a black and a white pixel in arrays that were scaled; None for images of bytes.
    """

    name: str
    parts: dict[str, Part]
    classes: list[int] | list[str]
    image_shape: tuple[int, int]
    n_in: int
    crop: int
    origin: str
    digest: str
    steps: int | None = None
    pixel_range: tuple[float, float] | None = None


def load_data(
    name: str,
    data_dir: Path | None = None,
    *,
    samples: int | None = None,
    validation: int | None = None,
    test_samples: int | None = None,
    crop: int | None = None,
    binarise: Sequence[float] | None = (0.5,),
    grey: bool = False,
    steps: int | None = None,
    events: EventInput | None = None,
    message: Message = print,
) -> Data:
    """Load, divide, crop and encode a data set.

    Parameters
    ----------
    name, data_dir
        See `experiments.data.images.load`.
    samples, validation, test_samples : int, optional
        See `experiments.data.dataset.divide`.
    crop : int, optional
        Pixels to cut off each side (default: `experiments.data.images.default_crop`).
    binarise : sequence of float, optional
        Thresholds between dark and bright pixels; if None, grey values stay.
    grey : bool
        Whether pixels are grey values from 0 to 255; otherwise they are 0 or 1.
    steps : int, optional
        Number of time steps into which the events of a recording are binned.
    events : {"frames", "rates"}, optional
        The form in which the network takes an event data set, see `EventInput`; None if it takes none.
    message : callable
        Called with a line of text before a long emulation of recordings.

    Raises
    ------
    DataError
        As `experiments.data.images` and `experiments.data.frames` do.
    ParameterError
        As `experiments.data.images` and `experiments.data.encoding` do, and when the network takes no events.
    """
    if event_frames.is_events(name):
        if crop or binarise is not None or events is None:
            wrong = "nBP takes images" if events is None else "events are neither cropped nor binarised"
            raise ParameterError(
                f"Data set {name} holds events, but {wrong}; choose another --dataset"
                + ("." if events is None else ", or leave --crop and --binarise away.")
            )
        return _load_events(name, data_dir, samples, validation, test_samples, steps, events, message)
    dataset = datasets.load(name, data_dir)
    splits = divide(dataset, samples, validation, test_samples)
    crop = datasets.default_crop(name) if crop is None else crop
    n_bytes = sum(map(len, splits.values())) * dataset.train.images[0].size * max(1, len(binarise or ()))
    require_memory(ENCODED * n_bytes, f"The data set {name}", "set a smaller --samples or fewer levels by --binarise")
    classes = [int(label) for label in dataset.classes]
    return data_of_images(dataset_name(name), splits, classes, crop, binarise, grey, dataset.origin)


def data_of_images(
    name: str,
    splits: dict[str, Part],
    classes: list[int] | list[str],
    crop: int,
    binarise: Sequence[float] | None,
    grey: bool,
    origin: str,
) -> Data:
    """Crop and encode images of grey values.

    Parameters
    ----------
    name, classes, origin
        See `Data`.
    splits : dict of Part
        Grey values, uint8 of shape (n, rows, cols), by the name of the split.
    crop, binarise, grey
        See `load_data`.

    Raises
    ------
    ParameterError
        As `experiments.data.encoding` does.
    """
    parts = {}
    for of, part in splits.items():
        images = encoding.crop(part.images, crop)
        shape = images.shape[1:]
        pixels = encoding.grey(images, binarise) if grey else encoding.binarise(images, binarise or ())
        n_in = pixels.shape[1]
        parts[of] = Part(pixels, part.labels, (n_in // (shape[0] * shape[1]), *shape))
    return Data(name, parts, classes, shape, n_in, crop, origin, _digest(parts))


def _load_events(name, data_dir, samples, validation, test_samples, steps, events, message) -> Data:
    dataset = event_frames.load(name, data_dir)
    splits = divide(dataset, samples, validation, test_samples)
    shape, n_in = dataset.train.images.image_shape, dataset.train.images.n_in
    n_bytes = sum(map(len, splits.values())) * n_in * -(-steps // 8)
    require_memory(ENCODED * n_bytes, f"The data set {name} in {steps} time steps", "set a smaller --steps or --samples")
    binned = {}
    for of, part in splits.items():
        if dataset.key and len(part) > event_frames.CHUNK:
            message(f"Emulating {len(part)} recordings of {name} ({of}; kept in the cache) ...")
        key = dataset.key and hashlib.sha256(f"{dataset.key} {of} {validation}".encode()).hexdigest()
        binned[of] = Part(event_frames.frames(part.images, steps, key), part.labels)
    classes = [int(label) for label in dataset.classes]
    return data_of_events(dataset_name(name), binned, classes, shape, steps, events, dataset.origin)


def data_of_events(
    name: str,
    splits: dict[str, Part],
    classes: list[int] | list[str],
    shape: tuple[int, int],
    steps: int,
    events: EventInput,
    origin: str,
) -> Data:
    """Encode binned events.

    Parameters
    ----------
    name, classes, origin
        See `Data`.
    splits : dict of Part
        Events of n recordings as `models.ssnn_bp.parameters.pack` packs them, by the name of the split.
    shape : tuple of int
        Rows and columns of the input neurons.
    steps, events
        See `load_data`.
    """
    parts = {}
    for of, part in splits.items():
        images = part.images if events == "frames" else event_frames.rates(part.images, steps)
        parts[of] = Part(images, part.labels, (1, *shape))
    return Data(name, parts, classes, shape, shape[0] * shape[1], 0, origin, _digest(parts), steps)


def _digest(parts: dict[str, Part]) -> str:
    """SHA-256 of the encoded images and labels of all splits."""
    digest = hashlib.sha256()
    for part in parts.values():
        digest.update(part.images.tobytes() + part.labels.tobytes())
    return digest.hexdigest()


def data_options(settings: TrainOptions) -> dict[str, Any]:
    """Arguments of `load_data` that the options of a training give; ``grey`` and ``events`` are those of its system."""
    return {
        "name": settings.dataset,
        "data_dir": settings.data_dir,
        "samples": settings.samples,
        "validation": settings.validation,
        "test_samples": settings.test_samples,
        "crop": settings.crop,
        "binarise": settings.binarise,
        "steps": settings.bins if event_frames.is_events(settings.dataset) else None,
    }


def dataset_name(name: str) -> str:
    """The name of a data set in config.json: a folder has its absolute path, so that a run can be resumed from anywhere."""
    prefix, images = event_frames.shown(name)
    return name if datasets.known(images) or event_frames.is_events(images) else prefix + os.path.abspath(images)


def told_origin(origin: str, name: str) -> str:
    """Where data came from, for config.json, which may be published: no path, unless the user named the data by one."""
    prefix, images = event_frames.shown(name)
    if images not in datasets.CHECKED:
        return f"a folder {images}" if Path(origin).is_absolute() and Path(images).name == images else origin
    emulated = ", recorded by an emulated camera" if prefix else ""
    return f"{images} (SHA-256 of the payloads checked){emulated}"


def stored_levels(levels: Sequence[float] | None) -> float | list[float] | None:
    """Grey levels in the form that config.json holds: a single level is a number, since older versions knew only one."""
    return None if levels is None else levels[0] if len(levels) == 1 else list(levels)


def levels_of(stored: float | list[float] | None) -> Sequence[float] | None:
    """The inverse of `stored_levels`."""
    return stored if stored is None or isinstance(stored, list) else (stored,)
