"""TOML files as users write them, with or without a byte order mark. Errors name the line."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Callable
from typing import Any

__all__ = ["read_toml"]

#: Largest file that is read [bytes], and how deep its tables and lists may be nested.
LARGEST, DEEPEST = 2**24, 16


def read_toml(path: str | os.PathLike) -> dict[str, Any]:
    """Read a TOML file.

    Raises
    ------
    OSError
        If it cannot be read.
    ValueError
        If it is not UTF-8 or no TOML, far too large or too deeply nested. The message is a few words that name the line.
    """
    with open(path, "rb") as file:
        content = file.read(LARGEST + 1)
    if len(content) > LARGEST:
        raise ValueError(f"it has more than {LARGEST} bytes")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise ValueError(f"the byte 0x{content[error.start]:02x} is no UTF-8, at line {line}; save it as UTF-8") from error
    lines = text.splitlines(keepends=True)
    try:
        value = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ValueError(str(error).replace("at end of document", f"at line {len(lines)}, the end of the document")) from error
    except (ValueError, RecursionError) as error:
        kind = type(error)
        line = _first(lines, lambda part: _fails(part, kind))
        what = "it is nested too deeply" if isinstance(error, RecursionError) else str(error)
        raise ValueError(f"{what}, at line {line}") from error
    if _too_deep(value):
        raise ValueError(f"it is nested too deeply, at line {_first(lines, _is_deep)}")
    return value


def _first(lines: list[str], wrong: Callable[[str], bool]) -> int:
    """Number of the line up to which a file must be read to fail, by bisection."""
    low, high = 1, max(len(lines), 1)
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if wrong("".join(lines[:middle])) else (middle + 1, high)
    return low


def _fails(text: str, kind: type[Exception]) -> bool:
    try:
        tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        return type(error) is kind
    return False


def _is_deep(text: str) -> bool:
    try:
        return _too_deep(tomllib.loads(text))
    except (ValueError, RecursionError):
        return False


def _too_deep(value: Any) -> bool:
    level = [value]
    for _ in range(DEEPEST):
        level = [
            item
            for parent in level
            if isinstance(parent, (dict, list))
            for item in (parent.values() if isinstance(parent, dict) else parent)
        ]
    return any(isinstance(item, (dict, list)) for item in level)
