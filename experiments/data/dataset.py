"""What a data set is once it is found: samples and class indices, for training and for the test."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from brianprop.models.errors import ParameterError

__all__ = ["Dataset", "ImageSet", "Part", "divide"]


@dataclass(frozen=True)
class Part:
    """Samples of a data set, and their class indices.

    Attributes
    ----------
    images : ndarray of uint8, or Recordings
        As read: grey values from 0 to 255 of shape (n, rows, cols), or the recordings of an event camera, see
        `experiments.data.events.Recordings`. Encoded for a network: shape (n, n_in).
    labels : ndarray of int64, shape (n,)
        Class indices.
    shape : tuple of int
        Of encoded images: levels, rows and columns of the input neurons; empty before.
    """

    images: Any
    labels: np.ndarray
    shape: tuple[int, ...] = ()

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, rows: slice) -> Part:
        """The samples of a slice."""
        return Part(self.images[rows], self.labels[rows], self.shape)


@dataclass(frozen=True)
class Dataset:
    """Images, or recordings of an event camera, with their classes.

    Attributes
    ----------
    name : str
        As it was asked for: a known name, or a folder.
    train, test : Part
        Class indices go from 0 to len(classes) - 1. Arrays of images are read-only.
    classes : ndarray of int64, shape (n_classes,)
        The sorted distinct labels of the training set: the label in the file is ``classes[index]``.
    origin : str
        The folder that the files were read from, or "scikit-learn".
    key : str or None
        Of recordings that are computed and not read from files: stands for all that decides them, in the cache.
    """

    name: str
    train: Part
    test: Part
    classes: np.ndarray
    origin: str
    key: str | None = None


class ImageSet(ABC):
    """An image data set that is known by name.

    Attributes
    ----------
    name : str
    crop : int
        Pixels to cut off each side where nothing else is asked.
    checked : bool
        Whether the files are checked against published SHA-256 wherever they are found.
    """

    name: str
    crop: int = 0
    checked: bool = False

    @abstractmethod
    def find(self, data_dir: Path | None) -> str | None:
        """Where `load` would find the data set without a download; None where it would not. No file is read."""

    @abstractmethod
    def load(self, data_dir: Path | None) -> Dataset:
        """Read the data set, see `experiments.data.images.load`."""


def divide(
    dataset: Dataset, samples: int | None = None, validation: int | None = None, test_samples: int | None = None
) -> dict[str, Part]:
    """Divide a data set. Choices are made on the validation part, never on the test part.

    Parameters
    ----------
    dataset : Dataset
    samples : int, optional
        Number of samples to train on, the first of those that validation leaves; all of these by default.
    validation : int, optional
        Number of samples of the training set, its last, to validate on; a twelfth of it by default, and none with 0.
    test_samples : int, optional
        Number of samples to test on, the first of the test set; all by default.

    Returns
    -------
    dict of Part
        ``train``, ``validation`` and ``test``: views of the data set. The validation part may be empty.

    Raises
    ------
    ParameterError
        When a number is out of range or the numbers exceed what there is.
    """
    n_train, n_test = len(dataset.train), len(dataset.test)
    if validation is None:
        validation = n_train // 12
    if not 0 <= validation < n_train:
        raise ParameterError(
            f"Parameter validation = {validation!r} must be from 0 to {n_train - 1}, so that some of the {n_train} "
            f"training images of {dataset.name} remain to train on; set --validation."
        )
    left = n_train - validation
    if samples is None:
        samples = left
    if not 1 <= samples <= left:
        raise ParameterError(
            f"Parameter samples = {samples!r} must be from 1 to {left}, since {dataset.name} has {n_train} training "
            f"images and {validation} of them are for validation; set --samples or --validation."
        )
    if test_samples is None:
        test_samples = n_test
    if not min(1, n_test) <= test_samples <= n_test:
        raise ParameterError(
            f"Parameter test_samples = {test_samples!r} must be from 1 to {n_test}, the number of test images of "
            f"{dataset.name}; set --test-samples."
        )
    return {"train": dataset.train[:samples], "validation": dataset.train[left:], "test": dataset.test[:test_samples]}
