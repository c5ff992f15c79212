"""What all dataclasses of parameters share: checks whose errors name the parameter, its value and the remedy."""

from __future__ import annotations

import math
from dataclasses import fields

from models.errors import ParameterError

__all__ = ["Checked"]


class Checked:
    """Base of frozen dataclasses of parameters."""

    def _require(self, name: str, holds: bool, remedy: str) -> None:
        """Raise a ParameterError unless a condition on a parameter holds."""
        if not holds:
            raise ParameterError(f"Parameter {name} = {getattr(self, name)!r} must be {remedy}.")

    def _require_numbers(self, infinite: tuple[str, ...] = ()) -> None:
        """Raise a ParameterError where a float or int is none; only the parameters named may be infinite."""
        for item in fields(self):
            if item.type not in ("float", "int"):
                continue
            value = getattr(self, item.name)
            number = isinstance(value, (int, float)) and not isinstance(value, bool) and not math.isnan(value)
            if not number or (math.isinf(value) and item.name not in infinite):
                raise ParameterError(f"Parameter {item.name} = {value!r} is not a finite number; give one.")
            if item.type == "int" and value != int(value):
                raise ParameterError(f"Parameter {item.name} = {value!r} must be a whole number.")
