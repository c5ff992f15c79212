"""From images and labels to spikes: crop, binarise or keep grey values, one-hot.

A pixel is one source neuron. In nBP it spikes once in a turn of the chain if the pixel is bright, else never; in SSNN-BP it
spikes in each time step with a probability that is its grey value. A label is one spike, of the target neuron of its class.
"""

from __future__ import annotations

import numpy as np

from models.errors import DataError, ParameterError

__all__ = ["binarise", "crop", "default_crop", "grey", "one_hot"]

#: Pixels cut off each side where nothing else is asked. MNIST's border is empty: the paper cuts 28 x 28 to 20 x 20.
DEFAULT_CROP = {"mnist": 4}


def default_crop(dataset_name: str) -> int:
    """Pixels to cut off each side of a data set's images where nothing else is asked: 4 for ``mnist``, else 0."""
    return DEFAULT_CROP.get(dataset_name, 0)


def crop(images: np.ndarray, pixels: int) -> np.ndarray:
    """Cut a border off every image.

    Parameters
    ----------
    images : ndarray, shape (n, rows, cols)
    pixels : int
        Width of the border [pixels], the same on all four sides.

    Returns
    -------
    ndarray, shape (n, rows - 2 * pixels, cols - 2 * pixels)
        A view of ``images``.

    Raises
    ------
    ParameterError
        When ``pixels`` is negative or leaves nothing of an image.
    """
    _, rows, cols = images.shape
    limit = (min(rows, cols) - 1) // 2
    if not 0 <= pixels <= limit:
        raise ParameterError(
            f"Parameter crop = {pixels!r} must be from 0 to {limit}, since images of {rows} x {cols} pixels lose "
            "twice as many rows and columns; set --crop."
        )
    return images[:, pixels : rows - pixels, pixels : cols - pixels]


def binarise(images: np.ndarray, level: float) -> np.ndarray:
    """Let a pixel spike if its value exceeds a level, as a fraction of full scale.

    Parameters
    ----------
    images : ndarray of uint8, shape (n, rows, cols)
    level : float
        A pixel spikes if value / 255 > level, with 0 <= level < 1: 0.5 means a value of at least 128, and 0.6 one of at
        least 154, since 153 / 255 is 0.6 and does not exceed it.

    Returns
    -------
    ndarray of uint8, shape (n, rows * cols)
        1 where a pixel spikes, else 0; pixels row by row.

    Raises
    ------
    ParameterError
        When the level is not a finite number in [0, 1).
    """
    if not 0 <= level < 1:  # also refuses what is not a number
        raise ParameterError(
            f"Parameter binarise = {level!r} must be a number of at least 0 and less than 1, a fraction of full scale; "
            "set --binarise."
        )
    # the definition for each of the 256 values: 153 / 255 and the level 0.6 round to the same number, so ties are exact
    lowest = np.count_nonzero(np.arange(256) / 255 <= level)
    count, rows, cols = images.shape
    return (images >= lowest).reshape(count, rows * cols).view(np.uint8)


def grey(images: np.ndarray, level: float | None = None) -> np.ndarray:
    """Lay out the grey values of images pixel by pixel: the probability of a spike is value / 255.

    Parameters
    ----------
    images : ndarray of uint8, shape (n, rows, cols)
    level : float, optional
        Where it is given, pixels become 255 if they exceed it as in `binarise`, else 0.

    Returns
    -------
    ndarray of uint8, shape (n, rows * cols)
        From 0 to 255, pixels row by row.

    Raises
    ------
    ParameterError
        When the level is not a finite number in [0, 1).
    """
    if level is not None:
        return 255 * binarise(images, level)
    count, rows, cols = images.shape
    return images.reshape(count, rows * cols)


def one_hot(labels: np.ndarray, n_classes: int) -> np.ndarray:
    """Write class indices as one spike among ``n_classes``.

    Parameters
    ----------
    labels : ndarray of int, shape (n,)
        Class indices from 0 to ``n_classes`` - 1.
    n_classes : int
        Number of classes.

    Returns
    -------
    ndarray of uint8, shape (n, n_classes)

    Raises
    ------
    DataError
        When a label is no class index.
    """
    targets = (labels[:, np.newaxis] == np.arange(n_classes)).astype(np.uint8)
    strangers = labels[~targets.any(axis=1)]
    if strangers.size:
        raise DataError(
            f"Label {strangers[0]} is none of the class indices 0 to {n_classes - 1}; map labels to indices of the "
            "sorted classes first."
        )
    return targets
