"""Answers to images as a table: one row for each image, with what the network answers and what its output neurons tell."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from brianprop.analysis.systems.system import System
from brianprop.models.errors import ParameterError
from brianprop.models.files import write_text

__all__ = ["require_table", "write_predictions"]


def require_table(path: Path) -> None:
    """Raise ParameterError, before long computation, where a table could not be written to a path."""
    if path.is_dir() or not path.parent.is_dir():
        what = "is a folder" if path.is_dir() else f"lies in {path.parent}, which is no folder"
        raise ParameterError(f"{path} {what}; give the path of a CSV file in a folder that exists.")


def write_predictions(
    path: Path, system: System, classes: Sequence[Any], answers: Mapping[str, np.ndarray], labels: Sequence[Any] | None
) -> Path:
    """Write a CSV file with one row for each image.

    Columns: ``image``, its number from 0; ``label``, where labels are known; ``answer_READOUT``, the label of the class that is
    answered, for each readout of the system; and ``ARRAY_CLASS``, such as ``drive_7``, for each array of the answers and each
    class.

    Parameters
    ----------
    path : path-like
    system : System
    classes : sequence
        Labels by class index.
    answers : mapping of str to array of shape (n, n_classes)
        By the names in the system's ``answers``.
    labels : sequence of length n, or None
        The labels of the images.

    Raises
    ------
    RunError
        When the file cannot be written.
    """
    chosen = system.chosen(answers)
    names = [f"{array}_{label}" for array in system.answers for label in classes]
    values = np.concatenate([np.asarray(answers[array]) for array in system.answers], axis=1).tolist()
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    told = [] if labels is None else ["label"]
    writer.writerow(["image", *told, *(f"answer_{readout}" for readout in chosen), *names])
    whole = [np.asarray(answers[array]).dtype.kind in "biu" for array in system.answers for _ in classes]
    for number, row in enumerate(values):
        label = [] if labels is None else [labels[number]]
        answered = [classes[int(of_readout[number])] for of_readout in chosen.values()]
        cells = [int(value) if exact else value for value, exact in zip(row, whole, strict=True)]
        writer.writerow([number, *label, *answered, *cells])
    return write_text(path, text.getvalue())
