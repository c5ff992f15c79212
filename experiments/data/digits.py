"""Scikit-learn's digits, 8 x 8 pixels: 1500 to train on, 297 for the test.

Source: E. Alpaydin, C. Kaynak, "Optical Recognition of Handwritten Digits", UCI Machine Learning Repository (1998), the test
part, which scikit-learn contains.
"""

from __future__ import annotations

import hashlib
import importlib.util
from pathlib import Path
from typing import Any

import numpy as np

from brianprop.experiments.data import payloads
from brianprop.experiments.data.dataset import Dataset, ImageSet, Part
from brianprop.models.errors import DataError

__all__ = ["DIGITS"]

COUNT, SIDE, TRAIN = 1797, 8, 1500

#: Of the payload that the cache keeps: COUNT images of SIDE x SIDE bytes, then COUNT labels.
SHA256 = "c522b914135f440538a7cda9e25efdcc6702c387017afeaf4c3c25162511355a"


class Digits(ImageSet):
    """The digits; they need no download."""

    name = "digits"

    def find(self, data_dir: Path | None) -> str | None:
        return "scikit-learn" if importlib.util.find_spec("sklearn") else None

    def load(self, data_dir: Path | None) -> Dataset:
        payload = payloads.recall(SHA256)
        if payload is None:
            payload = _from_scikit_learn()
            # to import scikit-learn takes seconds, to read the payload a millisecond
            payloads.keep(SHA256, payload)
        values = np.frombuffer(payload, np.uint8)
        digits = Part(values[:-COUNT].reshape(COUNT, SIDE, SIDE), values[-COUNT:].astype(np.int64))
        return Dataset(self.name, digits[:TRAIN], digits[TRAIN:], np.arange(10, dtype=np.int64), "scikit-learn")


def _from_scikit_learn() -> bytes:
    """The payload, with brightness 0..16 scaled to 0..255."""
    try:
        from sklearn.datasets import load_digits
    except ImportError as error:
        raise DataError(
            f"Data set digits comes with scikit-learn, which cannot be imported ({error}); run 'pip install scikit-learn'."
        ) from error
    bunch: Any = load_digits()
    images = bunch.images.astype(int) * 255 // 16
    payload = b"".join(array.astype(np.uint8).tobytes() for array in (images, bunch.target))
    if hashlib.sha256(payload).hexdigest() != SHA256:
        raise DataError("The digits of this scikit-learn are not the published 1797; install scikit-learn from PyPI.")
    return payload


DIGITS = Digits()
