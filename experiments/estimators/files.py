"""Answers of a run to the images of a file."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from brianprop.analysis.runs import Run
from brianprop.analysis.runs.npz import DamagedError, read_npz
from brianprop.analysis.systems import SYSTEMS
from brianprop.experiments.data import idx
from brianprop.experiments.training.predictions import require_table, write_predictions
from brianprop.models.errors import DataError, ParameterError

__all__ = ["images_of", "predict"]

#: Names of the arrays of an .npz file that hold images and labels.
IMAGES, LABELS = ("images", "X", "x"), ("labels", "y", "target")


def predict(path: Path, file: Path, out: Path, device: str | None = None) -> tuple[Path, float | None]:
    """Let the network of a finished run answer to the images of a file, and write a table of the answers.

    Parameters
    ----------
    path : path-like
        Run directory.
    file : path-like
        Images, see `images_of`; of the size of those of the training, before cropping.
    out : path-like
        The table, see `experiments.training.predictions.write_predictions`.
    device : str, optional
        Where to simulate (default: where the run was trained).

    Returns
    -------
    path : pathlib.Path
        The table.
    accuracy : float or None
        Share of the images that are answered right by the last readout of the system, where the file holds labels.

    Raises
    ------
    ParameterError, DataError, RunError, BuildError
        One sentence that names the value, the place and the remedy.
    """
    out = Path(out)
    require_table(out)
    run = Run.open(path)
    network = run.classifier()
    if device is not None:
        if "device" not in run.config["training"]:
            raise ParameterError(
                f"The run {path} is of the system {run.system}, which no device simulates; leave --device away."
            )
        network.set_params(device=device)
    if "verbose" in network.get_params():
        network.set_params(verbose=True)  # a build is announced
    images, labels = images_of(file)
    try:
        answers = network.answers(images)
    except (ParameterError, DataError):
        raise
    except ValueError as error:  # of scikit-learn, which checks arrays
        raise DataError(
            f"The images of {file} do not fit the run {path}: {error}; give images like those it was trained on."
        ) from error
    system, classes = SYSTEMS[run.system], run.config["dataset"]["classes"]
    write_predictions(out, system, classes, answers, labels)
    if labels is None:
        return out, None
    *_, chosen = system.chosen(answers).values()
    return out, float(np.mean([str(classes[index]) == str(label) for index, label in zip(chosen, labels, strict=True)]))


def images_of(file: Path) -> tuple[np.ndarray, list[Any] | None]:
    """Images in a file, and their labels where it holds them.

    Parameters
    ----------
    file : path-like
        An .npz file with an array of images and perhaps labels, see `IMAGES` and `LABELS`; an .npy file with images; or an IDX
        file of images, plain or .gz.

    Raises
    ------
    DataError
        When the file is missing, damaged, or holds something else.
    """
    file = Path(file)
    if not file.is_file():
        raise DataError(f"There is no file {file}; give images as .npz, .npy or IDX.")
    with file.open("rb") as opened:
        start = opened.read(6)
    if start == b"\x93NUMPY":
        try:
            return _checked(np.load(file, allow_pickle=False), file), None
        except (ValueError, EOFError) as error:
            raise DataError(f"File {file} holds no array of numbers; save images by numpy.save.") from error
    if not zipfile.is_zipfile(file):
        return idx.read(file, 3, None), None
    try:
        arrays = read_npz(file)
    except DamagedError as error:
        raise DataError(f"File {file} is damaged ({error}); save it again by numpy.savez.") from error
    name = next((name for name in IMAGES if name in arrays), next(iter(arrays)) if len(arrays) == 1 else None)
    if name is None:
        raise DataError(
            f"File {file} holds {', '.join(arrays) or 'no arrays'}; name the array of the images {', '.join(IMAGES[:-1])} or "
            f"{IMAGES[-1]}, and that of their labels {' or '.join(LABELS)}."
        )
    images = _checked(arrays[name], file)
    found = next((arrays[label] for label in LABELS if label in arrays), None)
    if found is not None and found.shape != (len(images),):
        raise DataError(
            f"File {file} holds {len(images)} images, but labels of shape {found.shape}; give a label for each image."
        )
    return images, None if found is None else found.tolist()


def _checked(images: np.ndarray, file: Path) -> np.ndarray:
    if images.ndim < 2 or not len(images) or images.dtype.kind not in "buif":
        raise DataError(
            f"File {file} holds {images.dtype} of shape {images.shape}; give numbers of shape (n, rows, columns) or "
            "(n, pixels)."
        )
    return images
