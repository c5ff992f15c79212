"""Options of a training as plain values, as TOML and JSON hold them: `settings_of` reads them, `as_values` gives them back.

Options of the rules of a system, such as theta, stand beside the others, under their own names.
"""

from __future__ import annotations

import dataclasses
import math
import reprlib
import types
import typing
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, Literal, TypeVar, get_args, get_origin

from brianprop.analysis.runs.values import INFINITE, as_json
from brianprop.experiments.training.options import TrainOptions
from brianprop.models.errors import ParameterError, did_you_mean

__all__ = [
    "as_values",
    "brief",
    "is_finite",
    "is_whole",
    "option_types",
    "option_value",
    "require_known",
    "require_one_of",
    "require_option",
    "settings_of",
]

#: The option that has a value for each run of a sweep, which `option_types` therefore leaves out.
SEED = "seed"

Options = TypeVar("Options", bound=TrainOptions)

#: Options that are not values of the network or its training, or that a sweep sets itself.
EXCLUDED = ("out", "rules", SEED, "replicas", "processes")


def settings_of(kind: type[Options], values: Mapping[str, Any], out: Path | None = None) -> Options:
    """Make the options of a system from plain values.

    Parameters
    ----------
    kind : type
        The options of a system, such as `experiments.training.nbp.TrainNBP`.
    values : mapping
        Values by the names of options, ``seed`` among them. An infinite number may be "inf", and None may be "none".
    out : path-like, optional
        The run directory (default: an empty path, to be replaced later).

    Raises
    ------
    ParameterError
        Where a name is unknown, or a value has the wrong type or is out of range.
    """
    hints = option_types(kind)
    fields = {item.name for item in dataclasses.fields(kind)}
    options = {}
    for name, value in values.items():
        if name != SEED:
            require_option(kind, name, hints)
        options[name] = option_value(name, value, int if name == SEED else hints[name])
    rules = _rules_of(kind)
    nested = {"rules": rules(**{name: value for name, value in options.items() if name not in fields})} if rules else {}
    return kind(Path() if out is None else Path(out), **{name: options[name] for name in options if name in fields}, **nested)


def as_values(settings: TrainOptions) -> dict[str, Any]:
    """The inverse of `settings_of`, as JSON can hold it: all options but the run directory."""
    values = as_json(settings)
    excluded = set(EXCLUDED) - {SEED}
    return {name: value for name, value in (values | values.get("rules", {})).items() if name not in excluded}


def option_types(kind: type[TrainOptions]) -> dict[str, Any]:
    """The types of all options of a system that a sweep may set, by name."""
    hints = typing.get_type_hints(kind)
    options = {item.name: hints[item.name] for item in dataclasses.fields(kind)}
    if rules := _rules_of(kind):
        hints = typing.get_type_hints(rules)
        options |= {item.name: hints[item.name] for item in dataclasses.fields(rules)}
    return {name: hint for name, hint in options.items() if name not in EXCLUDED}


def _rules_of(kind: type[TrainOptions]) -> type | None:
    """The class of the rules of a system, if it has any."""
    return typing.get_type_hints(kind).get("rules")


def require_option(kind: type[TrainOptions], name: str, names: Mapping[str, Any]) -> None:
    """Raise ParameterError unless `name` is one of the names in `option_types`."""
    if name in names:
        return
    if name == SEED:
        raise ParameterError("The seed is set by the seeds of the sweep; write seeds = N or a list (--seeds).")
    raise ParameterError(f"{kind.system} has no option {name!r}; use some of {', '.join(names)}.{did_you_mean(name, names)}")


def option_value(name: str, value: Any, hint: Any) -> Any:
    """Convert a plain value to the type of an option. Raises ParameterError where it cannot be converted."""
    if get_origin(hint) in (typing.Union, types.UnionType):
        members = get_args(hint)
        if type(None) in members and (value is None or value == "none"):
            return None
        hint = next(member for member in members if member is not type(None))
    if get_origin(hint) is Literal:
        if value in get_args(hint):
            return value
        wanted = f"one of {', '.join(map(str, get_args(hint)))}"
    elif get_origin(hint) is tuple:
        members = value if isinstance(value, (list, tuple)) else [value]
        return tuple(option_value(name, member, get_args(hint)[0]) for member in members)
    elif hint is bool:
        if isinstance(value, bool):
            return value
        wanted = "true or false"
    elif hint is int:
        if is_finite(value) and value == int(value):
            return int(value)
        wanted = "a whole number"
    elif hint is float:
        if is_finite(value) or value in (INFINITE, math.inf):
            return float(value)
        wanted = "a number"
    else:
        if isinstance(value, (str, Path)) and "\0" not in str(value):
            return Path(value) if hint is Path else str(value)
        wanted = "text"
    raise ParameterError(f"Parameter {name} = {brief(value)} must be {wanted}.")


def brief(value: Any) -> str:
    """A value as text, short enough for a sentence."""
    short = reprlib.Repr()
    short.maxstring = short.maxother = 100
    return short.repr(value)


def is_finite(value: Any) -> bool:
    """Whether a value is a number that a float can hold."""
    try:
        return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
    except OverflowError:
        return False


def is_whole(value: Any, least: int) -> bool:
    """Whether a value is a whole number of at least `least`."""
    return isinstance(value, int) and not isinstance(value, bool) and value >= least


def require_one_of(what: str, value: Any, choices: Collection[str]) -> None:
    """Raise ParameterError unless `value` is one of `choices`; `what` begins the message."""
    if not isinstance(value, str) or value not in choices:
        raise ParameterError(f"{what} is {brief(value)}; use one of {', '.join(choices)}.{did_you_mean(value, choices)}")


def require_known(where: str, content: Mapping[str, Any], known: Collection[str]) -> None:
    """Raise ParameterError where a table has a key that is not one of `known`; `where` begins the message."""
    for name in content:
        if name not in known:
            raise ParameterError(f"{where}: {name!r} is unknown; use some of {', '.join(known)}.{did_you_mean(name, known)}")
