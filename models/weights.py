"""Checks of weights that come from a file or from training, against the arrays that a network takes.

A network describes its arrays by `Array`, under the names that they have in a run directory. Layout and values are checked
separately, so that a file can be refused by its headers before its numbers are read.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from brianprop.models.errors import ParameterError
from brianprop.models.parameters import LARGEST

__all__ = ["Array", "layout_fault", "require", "taken", "value_fault"]

#: Largest distance of a weight from the nearest level, as a fraction of the distance between two levels: for weights that are
#: given, and for learned ones, since sums in single precision drift.
GIVEN, LEARNED = 1e-3, 0.1


@dataclass(frozen=True)
class Array:
    """One array of weights that a network takes.

    Attributes
    ----------
    shape : tuple of int
    dtype : type
        `numpy.int32` or `numpy.float32`.
    bound : float
        Largest magnitude of a weight.
    bound_name : str
        Name of the parameter that sets the bound, for messages.
    grid : tuple of (float, float), optional
        One level of the weights and the distance between two levels.
    grid_name : str
        Name of the grid, for messages.
    needed : bool
        Whether the array must be present.
    """

    shape: tuple[int, ...]
    dtype: type
    bound: float = math.inf
    bound_name: str = ""
    grid: tuple[float, float] | None = None
    grid_name: str = ""
    needed: bool = True


class Shaped(Protocol):
    """An array, or the header of one."""

    @property
    def shape(self) -> tuple[int, ...]: ...

    @property
    def dtype(self) -> np.dtype: ...


def layout_fault(found: Mapping[str, Shaped], wanted: Mapping[str, Array], stored: bool = True) -> str | None:
    """What is wrong with the names, shapes and types of weights, or None.

    Parameters
    ----------
    found : mapping of arrays, or of their headers
    wanted : mapping of Array
    stored : bool
        Whether a run wrote them, so that their types must be exactly those wanted. Otherwise any integers or real numbers will
        do.
    """
    if missing := [name for name, array in wanted.items() if array.needed and name not in found]:
        return f"it lacks {', '.join(missing)}"
    if extra := sorted(set(found) - set(wanted)):
        return f"it holds {', '.join(extra)}, which the network has not"
    for name, array in found.items():
        want = wanted[name]
        if tuple(array.shape) != want.shape:
            return f"{name} has shape {tuple(array.shape)}, not {want.shape}"
        if array.dtype != np.dtype(want.dtype) if stored else array.dtype.kind not in "iuf":
            return f"{name} holds {array.dtype}, not {np.dtype(want.dtype) if stored else 'real numbers'}"
    return None


def value_fault(found: Mapping[str, np.ndarray], wanted: Mapping[str, Array], stored: bool = True) -> str | None:
    """What is wrong with the values of weights whose layout is right, or None. Parameters as for `layout_fault`."""
    for name, array in found.items():
        want = wanted[name]
        if not np.all(np.isfinite(array)):
            return f"{name} holds values that are not finite numbers"
        largest = float(np.abs(array.astype(float)).max(initial=0))
        # rounding to single precision may make the bound itself a little larger
        if largest > min(max(want.bound, float(np.asarray(want.bound, want.dtype))) if want.bound_name else LARGEST, LARGEST):
            bound = f"the bound {want.bound_name} = {want.bound:g}" if want.bound_name else "what single precision holds"
            return f"{name} holds {largest:g}, which exceeds {bound}"
        if want.grid is not None and not _on_grid(array, want, want.grid, stored):
            return f"{name} holds values off the {want.grid_name}"
    return None


def require(owner: str, found: Mapping[str, np.ndarray], wanted: Mapping[str, Array]) -> None:
    """Make sure that the weights given by a caller fit a network.

    Parameters
    ----------
    owner : str
        Name of the network, for the message.
    found : mapping of arrays
    wanted : mapping of Array

    Raises
    ------
    ParameterError
        With the network, the matrix and what is wrong with it.
    """
    arrays = {name: np.asarray(array) for name, array in found.items()}
    # any type will do, but values may have drifted as learned ones do
    if fault := layout_fault(arrays, wanted, stored=False) or value_fault(arrays, wanted):
        raise ParameterError(f"Weights of the {owner}: {fault}; give the weights of this network.")


def taken(found: Mapping[str, np.ndarray], wanted: Mapping[str, Array]) -> dict[str, np.ndarray]:
    """Weights that have been checked, converted to the types of the network."""
    return {name: np.ascontiguousarray(array, dtype=wanted[name].dtype) for name, array in found.items()}


def _on_grid(array: np.ndarray, want: Array, grid: tuple[float, float], stored: bool) -> bool:
    origin, step = grid
    levels = (array.astype(float) - origin) / step
    off = np.abs(levels - np.rint(levels)).max(initial=0)
    if want.dtype is np.int32:
        return off == 0
    # plus the rounding of the largest weight to single precision
    return off <= (LEARNED if stored else GIVEN) + want.bound / step * np.finfo(np.float32).eps
