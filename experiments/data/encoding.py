"""From images and labels to spikes: crop, shift, binarise or keep grey values, one-hot.

A pixel is one source neuron. In nBP it spikes once in a turn of the chain if the pixel is bright, else never; in SSNN-BP it
spikes in each time step with a probability that is its grey value. A label is one spike, of the target neuron of its class.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from brianprop.models.errors import DataError, ParameterError

__all__ = ["binarise", "crop", "default_crop", "grey", "one_hot", "shift"]

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


def binarise(images: np.ndarray, levels: Sequence[float]) -> np.ndarray:
    """Let a pixel spike if its value exceeds a level, as a fraction of full scale; several levels make a thermometer code.

    Parameters
    ----------
    images : ndarray of uint8, shape (n, rows, cols)
    levels : sequence of float
        A pixel spikes if value / 255 > level, with 0 <= level < 1: 0.5 means a value of at least 128, and 0.6 one of at
        least 154, since 153 / 255 is 0.6 and does not exceed it. In ascending order; each has input neurons of its own.

    Returns
    -------
    ndarray of uint8, shape (n, levels * rows * cols)
        1 where a pixel spikes, else 0; level after level, and within these pixels row by row.

    Raises
    ------
    ParameterError
        When there is no level, one is not a finite number in [0, 1), or they do not ascend.
    """
    # also refuses what is not a number
    if not levels or not all(0 <= level < 1 for level in levels) or list(levels) != sorted(set(levels)):
        given = " ".join(map(repr, levels))
        raise ParameterError(
            f"Parameter binarise = {given or None} must be one number of at least 0 and less than 1, a fraction of full scale, "
            "or several in ascending order; set --binarise."
        )
    # the definition for each of the 256 values: 153 / 255 and the level 0.6 round to the same number, so ties are exact
    lowest = [np.count_nonzero(np.arange(256) / 255 <= level) for level in levels]
    count, rows, cols = images.shape
    return np.concatenate([(images >= value).reshape(count, rows * cols) for value in lowest], axis=1).view(np.uint8)


def grey(images: np.ndarray, levels: Sequence[float] | None = None) -> np.ndarray:
    """Lay out the grey values of images pixel by pixel: the probability of a spike is value / 255.

    Parameters
    ----------
    images : ndarray of uint8, shape (n, rows, cols)
    levels : sequence of float, optional
        Where it is given, pixels become 255 if they exceed a level as in `binarise`, else 0.

    Returns
    -------
    ndarray of uint8, shape (n, rows * cols), or (n, levels * rows * cols)
        From 0 to 255, pixels row by row.

    Raises
    ------
    ParameterError
        As `binarise`.
    """
    if levels is not None:
        return 255 * binarise(images, levels)
    count, rows, cols = images.shape
    return images.reshape(count, rows * cols)


def shift(images: np.ndarray, shape: Sequence[int], by: np.ndarray) -> np.ndarray:
    """Move each image by whole pixels; what comes in at the edge is dark.

    Parameters
    ----------
    images : ndarray of shape (n, levels * rows * cols)
        As `binarise` and `grey` lay them out.
    shape : sequence of int
        Levels, rows and columns.
    by : int array of shape (n, 2)
        Rows downwards and columns to the right.

    Returns
    -------
    ndarray of the same shape and type
    """
    grid = images.reshape(len(images), *shape)
    moved = np.zeros_like(grid)

    def overlap(step: int, size: int) -> tuple[slice, slice]:
        return slice(max(step, 0), max(size + min(step, 0), 0)), slice(max(-step, 0), max(size - max(step, 0), 0))

    for down, right in np.unique(by, axis=0):
        chosen = np.flatnonzero(np.all(by == (down, right), axis=1))
        (rows_to, rows_from), (cols_to, cols_from) = overlap(down, shape[1]), overlap(right, shape[2])
        moved[chosen, :, rows_to, cols_to] = grid[chosen, :, rows_from, cols_from]
    return moved.reshape(images.shape)


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
