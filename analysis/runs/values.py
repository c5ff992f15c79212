"""Values of settings: as JSON holds them, as cells of a table, and as text."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

__all__ = ["INFINITE", "as_json", "cell", "from_json", "joined", "short"]

#: Infinity in JSON, which has no such number.
INFINITE = "inf"


def as_json(value: Any) -> Any:
    """A value in the types of JSON; `from_json` is the way back for single values.

    A dataclass becomes an object of its fields, a tuple a list, a path text, and infinity "inf".
    """
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        value = dataclasses.asdict(value)
    if isinstance(value, Mapping):
        return {name: as_json(item) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [as_json(item) for item in value]
    if isinstance(value, Path):
        return str(value)
    return INFINITE if isinstance(value, float) and value == math.inf else value


def from_json(value: Any) -> Any:
    """The value of a parameter that `as_json` converted: "inf" becomes infinity and a list a tuple."""
    if value == INFINITE:
        return math.inf
    return tuple(value) if isinstance(value, list) else value


def joined(values: Sequence) -> str:
    """Several values of one parameter as text: layer sizes as ``200-100``, learning rates as ``0.05 / 0.1``."""
    return ("-" if all(isinstance(item, int) for item in values) else " / ").join(map(str, values))


def cell(value: Any) -> Any:
    """A value in the types of JSON as a cell of a table: a list as text (see `joined`), "inf" as a number."""
    if isinstance(value, list):
        return joined(value)
    return math.inf if value == INFINITE else value


def short(value: Any) -> str:
    """A value as text, numbers with four significant digits."""
    return f"{value:.4g}" if isinstance(value, float) else str(cell(value))
