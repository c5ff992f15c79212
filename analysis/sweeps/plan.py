"""The plan of a sweep (sweep.json), checked as a file that anybody may have written; and whether a run fits its point."""

from __future__ import annotations

import json
import math
import os
import re
import reprlib
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from brianprop.analysis.runs.json_files import load_json
from brianprop.analysis.systems import SYSTEMS

__all__ = ["SAMPLE", "SEED", "check_plan", "misfit", "read_json"]

#: Axes that every sweep may have besides those of its parameters.
SAMPLE, SEED = "sample", "seed"

#: The key of a run and the id of a sweep.
KEY = re.compile(r"[0-9a-f]{16}", re.ASCII)

#: Options that name a location: a run may name the same data by another path.
LOCATIONS = ("data_dir", "init_weights", "dataset")

#: Largest JSON file that is read [bytes], and largest number of input or output neurons in a plan.
LARGEST_FILE, LARGEST_LAYER = 2**30, 10**7


def check_plan(plan: Mapping[str, Any]) -> None:
    """Raise ValueError, with a few words, if the content of sweep.json cannot be a plan."""
    _require(isinstance(plan.get("id"), str) and KEY.fullmatch(plan["id"]), "id", plan.get("id"), "16 hexadecimal digits")
    system: Any = plan.get("system")
    _require(isinstance(system, str) and system in SYSTEMS, "system", system, f"one of {', '.join(SYSTEMS)}")
    metrics = (*SYSTEMS[system].accuracies, "loss")
    objective = _table(plan, "objective")
    for name, allowed in (("metric", metrics), ("split", ("validation", "test", "train")), ("epoch", ("last", "best"))):
        value = objective.get(name)
        _require(isinstance(value, str) and value in allowed, f"objective.{name}", value, f"one of {', '.join(allowed)}")
    described = _table(plan, "sweep")
    for name in ("axes", "cluster"):
        _table(described, name, "sweep.")
    for name, axis in described["axes"].items():
        _require(name.isprintable(), "the name of an axis", name, "printable text")
        _require(isinstance(axis, dict), f"sweep.axes.{name}", axis, "an object")
        _require(isinstance(axis.get("sampled"), bool), f"sweep.axes.{name}.sampled", axis.get("sampled"), "true or false")
        _require(axis.get("scale") in ("linear", "log"), f"sweep.axes.{name}.scale", axis.get("scale"), "linear or log")
    _check_data(_table(plan, "data"))
    _check_points(plan)


def _check_data(data: Mapping[str, Any]) -> None:
    for name, sizes in data.items():
        _require(isinstance(sizes, dict), f"data.{name}", sizes, "an object")
        for size in ("n_in", "n_out"):
            value = sizes.get(size)
            good = isinstance(value, int) and not isinstance(value, bool) and 0 < value <= LARGEST_LAYER
            _require(good, f"data.{name}.{size}", value, f"a whole number from 1 to {LARGEST_LAYER}")


def _check_points(plan: Mapping[str, Any]) -> None:
    points: Any = plan.get("points")
    axes = plan["sweep"]["axes"]
    _require(isinstance(points, list) and points, "points", points, "a list of at least one point")
    settings: dict[str, dict] = {}
    places: set[str] = set()
    for number, point in enumerate(points):
        where = f"points[{number}]"
        _require(isinstance(point, dict), where, point, "an object")
        key = point.get("key")
        _require(isinstance(key, str) and KEY.fullmatch(key), f"{where}.key", key, "16 hexadecimal digits")
        _require(
            isinstance(point.get("data"), str) and point["data"] in plan["data"], f"{where}.data", point.get("data"), "in data"
        )
        for part in ("axes", "settings"):
            for name, value in _table(point, part, f"{where}.").items():
                _require(
                    name.isprintable() and _plain(value), f"{where}.{part}.{name}", value, "a finite number, text or a list"
                )
        named = set(point["axes"]) - {SAMPLE}
        _require(named == set(axes), f"{where}.axes", sorted(named), f"those of the sweep, {', '.join(axes) or 'none'}")
        _require(
            (SAMPLE in point["axes"]) == (SAMPLE in points[0]["axes"]), f"{where}.axes", sorted(named), "like those before"
        )
        for name, value in ((SEED, point["settings"].get(SEED)), (SAMPLE, point["axes"].get(SAMPLE, 0))):
            good = isinstance(value, int) and not isinstance(value, bool) and value >= 0
            _require(good, f"{where}: {name}", value, "a whole number from 0")
        same = settings.setdefault(key, point["settings"])
        _require(
            all(same.get(name) == value for name, value in point["settings"].items() if name not in LOCATIONS)
            and same.keys() == point["settings"].keys(),
            f"{where}.key",
            key,
            "that of no point with other settings",
        )
        place = json.dumps([point["axes"], point["settings"][SEED]], sort_keys=True)
        _require(place not in places, where, point["axes"], "in the plan once for each seed")
        places.add(place)


def _require(good: Any, where: str, value: Any, wanted: str) -> None:
    if not good:
        raise ValueError(f"{where} is {reprlib.repr(value)}, but must be {wanted}")


def _table(parent: Mapping[str, Any], name: str, above: str = "") -> dict:
    value: Any = parent.get(name)
    _require(isinstance(value, dict), f"{above}{name}", value, "an object")
    return value


def _plain(value: Any, lists: bool = True) -> bool:
    """Whether a value can be that of an option: a finite number, text without control characters, or a list of these."""
    if isinstance(value, list):
        return lists and all(_plain(item, lists=False) for item in value)
    if isinstance(value, str):
        return value.isprintable()
    return value is None or isinstance(value, (bool, int)) or (isinstance(value, float) and math.isfinite(value))


def misfit(config: Mapping[str, Any], system: str, settings: Mapping[str, Any], data: str) -> str | None:
    """In what the config.json of a run differs from its point, in a few words; None if it fits.

    Parameters
    ----------
    config : mapping
        What config.json holds.
    system : str
        The system of the sweep.
    settings : mapping
        All options of the point, in the types of JSON.
    data : str
        SHA-256 of its data.
    """
    if config.get("system") != system:
        return f"its config.json is of the system {reprlib.repr(config.get('system'))}"
    wanted = dict(settings)
    if isinstance(settings.get("hidden"), list):  # the parameters name every layer
        wanted["hidden"] = settings["hidden"] * settings.get("layers", 1)
    for part in ("training", "parameters"):
        stored = config.get(part)
        if not isinstance(stored, dict):
            return f"its config.json has no table {part}"
        for name in sorted(wanted.keys() & stored.keys() - set(LOCATIONS)):
            # config.json names the code that ran, which is stock where dense code does not work
            ran_stock = name == "codegen" and stored[name] == "stock"
            if stored[name] != wanted[name] and not ran_stock:
                return f"its config.json has {name} = {reprlib.repr(stored[name])}, not {reprlib.repr(wanted[name])}"
    stored = config.get("dataset")
    if not isinstance(stored, dict) or stored.get("sha256", data) != data:
        return "its config.json is of other data"
    return None


def read_json(path: Path) -> dict:
    """The object in a JSON file that anybody may have written. Raises OSError, or ValueError with a few words."""
    state = os.lstat(path)
    if not stat.S_ISREG(state.st_mode):
        raise ValueError("it is no regular file")
    if state.st_size > LARGEST_FILE:
        raise ValueError(f"it has {state.st_size} bytes, more than {LARGEST_FILE}")
    value = load_json(path)
    if not isinstance(value, dict):
        raise ValueError(f"it holds {reprlib.repr(value)}, not an object")
    return value
