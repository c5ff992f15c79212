"""JSON files that may be damaged or come from somebody else: what is read from them is checked."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from brianprop.models.errors import RunError, reason

__all__ = ["RESTORE", "Section", "load_json", "read_json"]

#: Largest JSON file of a run that is read [bytes]; a configuration has about 2,000.
LARGEST = 2**24

#: Remedy for the loss of a file that cannot be made again.
RESTORE = "restore it from a copy or train again with another --out"


class Section(dict):
    """An object of config.json. A key that it lacks raises a RunError that names the key and the file.

    Parameters
    ----------
    values : mapping
        Objects among the values become sections too.
    file : pathlib.Path
        The file that they come from.
    prefix : str
        Where the section stands in the file, such as ``training.``.
    """

    def __init__(self, values: Mapping[str, Any], file: Path, prefix: str = ""):
        super().__init__(
            {
                name: Section(value, file, f"{prefix}{name}.") if isinstance(value, dict) else value
                for name, value in values.items()
            }
        )
        self.file, self.prefix = file, prefix

    def __or__(self, other: dict) -> Section:  # pyright: ignore[reportIncompatibleMethodOverride]
        return Section({**self, **other}, self.file, self.prefix)

    def __missing__(self, name: str) -> Any:
        raise RunError(f"{self.file} lacks {self.prefix}{name}; {RESTORE}.")


def load_json(path: Path) -> Any:
    """The value in a JSON file. Raises OSError, or ValueError in words of ours where the file holds no JSON."""
    try:
        return json.loads(path.read_text(encoding="utf-8"), parse_constant=_refuse_constant)
    except json.JSONDecodeError as error:
        raise ValueError(f"it is no JSON from line {error.lineno}, column {error.colno} on") from error
    except UnicodeDecodeError as error:
        raise ValueError("it is no text in UTF-8") from error
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error


def read_json(path: Path) -> dict:
    """The object in a JSON file of a run.

    Raises
    ------
    RunError
        If the file cannot be read, is far too large or damaged, or holds no object.
    """
    try:
        if path.stat().st_size > LARGEST:
            raise ValueError(f"it has {path.stat().st_size} bytes")
        value = load_json(path)
    except (OSError, ValueError) as error:
        raise RunError(f"{path} is damaged ({reason(error)}); {RESTORE}.") from error
    if not isinstance(value, dict):
        raise RunError(f"{path} holds no JSON object; {RESTORE}.")
    return value


def _refuse_constant(name: str) -> Any:
    """NaN and Infinity, which Python's reader takes and the standard does not."""
    raise ValueError(f"{name} is no number of JSON")
