"""Base class of all dataclasses of parameters: checks whose errors name the parameter, its value and the remedy."""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import fields
from typing import Any, cast

import numpy as np

from brianprop.models.errors import ParameterError

__all__ = ["Checked", "fits_single"]

#: Range of numbers in generated code, which has 32 bits for each: whole numbers up to `LARGEST_INT` in magnitude; real numbers
#: that are 0 or between `SMALLEST` and `LARGEST` in magnitude.
LARGEST_INT = 2**31 - 1
SMALLEST, LARGEST = float(np.finfo(np.float32).tiny), float(np.finfo(np.float32).max)


def fits_single(value: float) -> bool:
    """Whether a finite number is in the range that single precision holds with full relative precision."""
    return value == 0 or SMALLEST <= abs(value) <= LARGEST


class Checked:
    """Base of frozen dataclasses of parameters, whose fields are annotated as text (``from __future__ import annotations``)."""

    def _require(self, name: str, holds: bool, remedy: str) -> None:
        """Raise a ParameterError unless a condition on a parameter holds."""
        if not holds:
            raise ParameterError(f"Parameter {name} = {getattr(self, name)!r} must be {remedy}.")

    def _require_numbers(self, infinite: Collection[str] = ()) -> None:
        """Raise a ParameterError where the type of a value is not that of its field, or 32 bits do not hold it.

        Checks fields of type ``int``, ``float``, ``bool``, tuples of these, and all of them with ``| None``. Only the
        parameters in `infinite` may be infinite.
        """
        for item in fields(cast(Any, self)):
            kind, value = item.type.removesuffix(" | None"), getattr(self, item.name)
            if value is None and kind != item.type:
                continue
            members: tuple = (value,)
            if kind.startswith("tuple["):
                kind = kind.removeprefix("tuple[").partition(",")[0]
                self._require(item.name, isinstance(value, tuple), f"a tuple of {kind}")
                members = cast(tuple, value)
            for member in members:
                if kind == "bool":
                    self._require(item.name, isinstance(member, bool), "true or false")
                elif kind in ("int", "float"):
                    self._require_number(item.name, member, kind, item.name in infinite)

    def _require_number(self, name: str, number: Any, kind: str, may_be_infinite: bool) -> None:
        if not isinstance(number, (int, float)) or isinstance(number, bool) or math.isnan(_as_float(number)):
            raise ParameterError(f"Parameter {name} = {getattr(self, name)!r} is not a finite number; give one.")
        if math.isinf(_as_float(number)) and isinstance(number, float):
            if not may_be_infinite:
                raise ParameterError(f"Parameter {name} = {getattr(self, name)!r} is not a finite number; give one.")
        elif kind == "int":
            self._require(name, isinstance(number, int), "a whole number")
            self._require(name, abs(number) <= LARGEST_INT, f"from -{LARGEST_INT} to {LARGEST_INT}, which 32 bits hold")
        else:
            between = f"from {SMALLEST:.3g} to {LARGEST:.3g} in magnitude, which single precision holds"
            self._require(name, fits_single(number), f"0 or {between}")


def _as_float(number: int | float) -> float:
    try:
        return float(number)
    except OverflowError:
        return math.inf
