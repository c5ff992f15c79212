"""What the weights of a network must be: the one check of all weights that come from a file or out of a training.

A network says by `Array` what it takes, under the names of a run directory. What is found is compared with that in two parts,
so that a file can be refused by its headers before its numbers are read.
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

#: How far from its place a weight may lie, as a share of the distance of two levels: when it is given, and after learning,
#: whose sums in single precision drift.
GIVEN, LEARNED = 1e-3, 0.1


@dataclass(frozen=True)
class Array:
    """One array of weights as a network takes it.

    Attributes
    ----------
    shape : tuple of int
    dtype : type
        `numpy.int32` or `numpy.float32`.
    bound : float
        Largest magnitude.
    bound_name : str
        Parameter that holds it, for messages.
    grid : tuple of (float, float), optional
        A place and the distance of two places.
    grid_name : str
        What the grid is called, for messages.
    needed : bool
        Whether it must be there.
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

    shape: tuple[int, ...]
    dtype: np.dtype


def layout_fault(found: Mapping[str, Shaped], wanted: Mapping[str, Array], stored: bool = True) -> str | None:
    """What is wrong with the names, shapes and types of weights; None where nothing is.

    Parameters
    ----------
    found : mapping of arrays, or of their headers
    wanted : mapping of Array
    stored : bool
        Whether a run wrote them, which keeps the very type; otherwise any whole or real numbers will do.
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
    """What is wrong with the numbers of weights whose layout is right; None where nothing is. See `layout_fault`."""
    for name, array in found.items():
        want = wanted[name]
        if not np.all(np.isfinite(array)):
            return f"{name} holds values that are not finite numbers"
        largest = float(np.abs(array.astype(float)).max(initial=0))
        # in single precision the bound itself may be a little larger
        if largest > min(max(want.bound, float(np.asarray(want.bound, want.dtype))) if want.bound_name else LARGEST, LARGEST):
            bound = f"the bound {want.bound_name} = {want.bound:g}" if want.bound_name else "what single precision holds"
            return f"{name} holds {largest:g}, which exceeds {bound}"
        if want.grid is not None and not _on_grid(array, want, stored):
            return f"{name} holds values off the {want.grid_name}"
    return None


def require(owner: str, found: Mapping[str, np.ndarray], wanted: Mapping[str, Array]) -> None:
    """Make sure that weights which a caller gives are those that a network takes.

    Raises
    ------
    ParameterError
        Names the network, the matrix and what is wrong with it.
    """
    arrays = {name: np.asarray(array) for name, array in found.items()}
    if fault := layout_fault(arrays, wanted, stored=False) or value_fault(arrays, wanted):  # which may have been learned
        raise ParameterError(f"Weights of the {owner}: {fault}; give the weights of this network.")


def taken(found: Mapping[str, np.ndarray], wanted: Mapping[str, Array]) -> dict[str, np.ndarray]:
    """Weights without a fault in the types of the network."""
    return {name: np.ascontiguousarray(array, dtype=wanted[name].dtype) for name, array in found.items()}


def _on_grid(array: np.ndarray, want: Array, stored: bool) -> bool:
    origin, step = want.grid
    places = (array.astype(float) - origin) / step
    off = np.abs(places - np.rint(places)).max(initial=0)
    if want.dtype is np.int32:
        return off == 0
    # the rounding of the largest weight to single precision comes on top
    return off <= (LEARNED if stored else GIVEN) + want.bound / step * np.finfo(np.float32).eps
