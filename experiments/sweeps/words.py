"""Parts of a sweep in the short form of the command line: ``--set theta=900``, ``--axis theta=900..1150/6``."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from typing import Any, get_args

from brianprop.experiments.sweeps.description import Scale
from brianprop.models.errors import ParameterError

__all__ = ["axes_of", "base_of", "sample_of"]


def base_of(words: Sequence[str]) -> dict[str, Any]:
    """The table ``base`` from words of the command line such as ``theta=900``. Raises ParameterError."""
    return {name: _value(text) for name, text in _split(words, "NAME=VALUE")}


def axes_of(words: Sequence[str]) -> dict[str, Any]:
    """The table ``axes`` from words of the command line: ``NAME=A,B,C`` or ``NAME=LOW..HIGH[/N][/log]``.

    Raises ParameterError.
    """
    axes: dict[str, Any] = {}
    for name, text in _split(words, "NAME=A,B,C or NAME=LOW..HIGH/N"):
        low, dots, rest = text.partition("..")
        if not dots:
            axes[name] = [_value(member) for member in text.split(",")]
            continue
        high, *more = rest.split("/")
        axes[name] = {"from": _value(low), "to": _value(high)}
        if more and more[-1] in get_args(Scale):
            axes[name]["scale"] = more.pop()
        if more:
            axes[name]["n"] = _value(more.pop())
        if more:
            raise ParameterError(f"--axis {name}={text} has too many parts; write {name}=LOW..HIGH/N/log.")
    return axes


def sample_of(word: str | None) -> dict[str, Any] | None:
    """The table ``sample`` from ``METHOD:N``. Raises ParameterError."""
    if word is None:
        return None
    method, _, number = word.partition(":")
    return {"method": method, "n": _value(number)}


def _split(words: Sequence[str], form: str) -> list[tuple[str, str]]:
    for word in words:
        if "=" not in word:
            raise ParameterError(f"{word!r} is not of the form {form}; write one word for each, without blanks.")
    return [(name.replace("-", "_"), text) for name, _, text in (word.partition("=") for word in words)]


def _value(text: str) -> Any:
    """A value as TOML writes it, or else the text itself."""
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except (ValueError, RecursionError):
        return text
