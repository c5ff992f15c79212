"""Encode images and labels as the input of a network: crop, binarise or keep grey values, move and deform, one-hot labels.

Each pixel has an input neuron. In nBP it spikes once per sample if the pixel is bright, else never; in SSNN-BP it spikes in
each time step with a probability given by the grey value. A label is a spike of the target neuron of its class.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from brianprop.models.errors import DataError, ParameterError

__all__ = ["binarise", "crop", "distort", "grey", "mirror", "one_hot", "shift", "thin"]

#: S.d. [pixels] of the Gaussian that smooths the displacements of an elastic deformation, as in Simard et al. 2003.
SMOOTHNESS = 4


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
    """Compare each pixel with a level, a fraction of full scale; several levels make a thermometer code.

    Parameters
    ----------
    images : ndarray of uint8, shape (n, rows, cols)
    levels : sequence of float
        In ascending order, each at least 0 and less than 1. A pixel spikes if value / 255 > level: for a level of 0.5 a value
        of at least 128, for 0.6 one of at least 154, since 153 / 255 equals 0.6. Each level has its own input neurons.

    Returns
    -------
    ndarray of uint8, shape (n, levels * rows * cols)
        1 where a pixel spikes, else 0; level by level, and within a level pixels row by row.

    Raises
    ------
    ParameterError
        When there is no level, one is not a finite number in [0, 1), or they do not ascend.
    """
    # not (0 <= level < 1) is also true for NaN
    if not levels or not all(0 <= level < 1 for level in levels) or list(levels) != sorted(set(levels)):
        given = " ".join(map(repr, levels))
        raise ParameterError(
            f"Parameter binarise = {given or None} must be one number of at least 0 and less than 1, a fraction of full scale, "
            "or several in ascending order; set --binarise."
        )
    # the lowest value that exceeds each level, counted over all 256 values, so that a tie such as 153 / 255 = 0.6 is exact
    lowest = [np.count_nonzero(np.arange(256) / 255 <= level) for level in levels]
    count, rows, cols = images.shape
    return np.concatenate([(images >= value).reshape(count, rows * cols) for value in lowest], axis=1).view(np.uint8)


def grey(images: np.ndarray, levels: Sequence[float] | None = None) -> np.ndarray:
    """Lay out the grey values of images pixel by pixel: the probability of a spike is value / 255.

    Parameters
    ----------
    images : ndarray of uint8, shape (n, rows, cols)
    levels : sequence of float, optional
        If given, pixels become 255 where they exceed a level as in `binarise`, else 0.

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
    """Move each image by whole pixels; pixels that come in at the edge are 0.

    Parameters
    ----------
    images : ndarray of shape (n, levels * rows * cols)
        In the layout of `binarise` and `grey`.
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


def mirror(images: np.ndarray, shape: Sequence[int], chosen: np.ndarray) -> np.ndarray:
    """Mirror some images left to right.

    Parameters
    ----------
    images : ndarray of shape (n, levels * rows * cols)
        In the layout of `binarise` and `grey`.
    shape : sequence of int
        Levels, rows and columns.
    chosen : bool array of shape (n,)
        Which images.

    Returns
    -------
    ndarray of the same shape and type
    """
    grid = images.reshape(len(images), *shape).copy()
    grid[chosen] = grid[chosen, ..., ::-1]
    return grid.reshape(images.shape)


def distort(images: np.ndarray, shape: Sequence[int], by: float, rng: np.random.Generator) -> np.ndarray:
    """Deform each image elastically, as handwriting varies (Simard et al. 2003); pixels that come in at the edge are 0.

    Parameters
    ----------
    images : ndarray of shape (n, levels * rows * cols)
        In the layout of `binarise` and `grey`.
    shape : sequence of int
        Levels, which are deformed alike, rows and columns.
    by : float
        Standard deviation [pixels] of the displacement of a pixel in each direction. Displacements are smooth over
        `SMOOTHNESS` pixels, and rounded.
    rng : numpy Generator
        Draws two normal numbers for each pixel, image by image: rows downwards and columns to the right.

    Returns
    -------
    ndarray of the same shape and type
    """
    # loaded here, since commands that do not train start faster without
    from scipy.ndimage import gaussian_filter
    from scipy.signal import unit_impulse
    from sklearn.utils import gen_batches

    levels, rows, cols = shape
    here = np.indices((rows, cols))

    def smooth(noise: np.ndarray) -> np.ndarray:
        return gaussian_filter(noise, SMOOTHNESS, axes=(-2, -1), mode="wrap")

    scale = by / np.linalg.norm(smooth(unit_impulse((rows, cols))))  # the norm is the s.d. of white noise after smoothing
    distorted = np.empty_like(images)
    for part in gen_batches(len(images), 1000):  # displacements of all images at once would take gigabytes
        noise = rng.standard_normal((part.stop - part.start, 2, rows, cols), np.float32)
        row, col = np.moveaxis(here - np.rint(scale * smooth(noise)).astype(int), 1, 0)
        inside = (row >= 0) & (row < rows) & (col >= 0) & (col < cols)
        source = np.where(inside, row * cols + col, 0).reshape(-1, 1, rows * cols)
        pixels = np.take_along_axis(images[part].reshape(-1, levels, rows * cols), source, axis=2)
        distorted[part] = (pixels * inside.reshape(source.shape)).reshape(len(pixels), -1)
    return distorted


def thin(images: np.ndarray, probability: float, rng: np.random.Generator) -> np.ndarray:
    """Silence each pixel of each image with a probability.

    Parameters
    ----------
    images : ndarray of shape (n, pixels)
        Numbers of any type.
    probability : float
    rng : numpy Generator
        Draws one uniform number for each pixel, image by image.

    Returns
    -------
    ndarray of the same shape and type
    """
    thinned = np.empty_like(images)
    for image, kept in zip(images, thinned, strict=True):  # all random numbers at once would take gigabytes
        np.multiply(image, rng.random(image.shape, np.float32) >= probability, out=kept)
    return thinned


def one_hot(labels: np.ndarray, n_classes: int) -> np.ndarray:
    """Encode class indices as one spike among ``n_classes``.

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
        When a label is not a class index.
    """
    targets = (labels[:, np.newaxis] == np.arange(n_classes)).astype(np.uint8)
    unknown = labels[~targets.any(axis=1)]
    if unknown.size:
        raise DataError(
            f"Label {unknown[0]} is none of the class indices 0 to {n_classes - 1}; map labels to indices of the "
            "sorted classes first."
        )
    return targets
