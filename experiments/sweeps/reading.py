"""A sweep from a TOML file or a preset.

A sweep is read from a TOML file::

    system = "nbp"                                  # or "ssnn-bp", "ann"
    seeds = 3                                       # 0, 1, 2; or a list
    objective = "accuracy_membrane"                 # after the last epoch, on the validation images; or a table with
                                                    # metric, split and epoch = "last" or "best"
    [base]                                          # options of 'brianprop train SYSTEM', without their dashes
    dataset = "digits"
    hidden = 60

    [axes]
    order = ["propagate-first", "learn-first"]      # a list
    theta = {from = 900, to = 1100, n = 5}          # a range; integers are rounded, to a multiple where one is given
    tau_m = {from = 1e-3, to = 1e-2, n = 4, scale = "log"}
    eta_plus = {from = 2, to = 20, multiple = 2}    # without n: sampled, as [sample] says
    eta_minus = {choose = [2, 4]}                   # sampled from a list
    bits = {values = [8, 9], set = {w_step = [2, 1], w_max = [254, 255]}}    # parameters that change together

    [sample]
    method = "latin-hypercube"                      # or "random"
    n = 50
    seed = 0

    [small]                                         # what --small puts in the place of [base]; seeds too
    epochs = 3

    [cluster]                                       # see `experiments.sweeps.queues`
    kind = "slurm"

Axes that are not sampled are crossed with each other, with the samples and with the seeds.
"""

from __future__ import annotations

import dataclasses
import math
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, get_args

import numpy as np

from brianprop.analysis.sweeps.plan import SAMPLE, SEED
from brianprop.analysis.systems import SYSTEMS
from brianprop.analysis.toml_files import read_toml
from brianprop.experiments.sweeps import COMMANDS
from brianprop.experiments.sweeps.description import MAX_POINTS, SPLITS, Axis, Method, Sample, Scale, Sweep, numbers_of
from brianprop.experiments.training.options import TrainOptions
from brianprop.experiments.training.systems import options_of
from brianprop.experiments.training.values import (
    brief,
    is_finite,
    is_whole,
    option_types,
    option_value,
    require_known,
    require_one_of,
    require_option,
)
from brianprop.models.errors import ParameterError, did_you_mean

__all__ = ["preset_names", "read_sweep"]

#: Folder of the sweeps that come with the package.
PRESETS = Path(__file__).with_name("presets")

#: Columns of the table of a sweep beside its axes, the options and the metrics of each split.
COLUMNS = ("point", "system", "best_epoch", "objective", "seconds", "commit")


def read_sweep(
    source: str,
    small: bool = False,
    base: Mapping[str, Any] | None = None,
    axes: Mapping[str, Any] | None = None,
    **changes: Any,
) -> Sweep:
    """Read a sweep from a file or a preset, or start from the defaults of a system, and apply changes.

    Parameters
    ----------
    source : str
        Path of a TOML file, one of `preset_names`, or the name of a system.
    small : bool
        Whether entries of the table ``small`` replace those of the base.
    base, axes : mapping, optional
        Entries that replace those of the tables of these names. An axis of None is removed.
    **changes
        Values that replace other entries of the file, unless they are None.

    Raises
    ------
    ParameterError
        When the file does not exist, is not TOML, or does not describe a sweep.
    """
    content = _content(source, small)
    content |= {name: value for name, value in changes.items() if value is not None}
    for name in ("base", "axes", "cluster"):
        if not isinstance(content.setdefault(name, {}), dict):
            raise ParameterError(
                f"{source}: {name} = {brief(content[name])} must be a table; write [{name}] and lines below it."
            )
    if "system" not in content:
        raise ParameterError(f"{source} names no system; write system = one of {', '.join(SYSTEMS)}.")
    require_one_of("The system", content["system"], SYSTEMS)
    kind, given = options_of(content["system"]), base or {}
    types = option_types(kind)
    values = {**content["base"], **content["small"], **given}
    # an option that is given a value for the whole sweep loses its axis
    described = {
        name: value for name, value in {**content["axes"], **(axes or {})}.items() if value is not None and name not in given
    }
    return Sweep(
        system=content["system"],
        base={name: _expanded(name, value, types.get(name)) for name, value in values.items()},
        axes=tuple(_axis(name, value, kind, types) for name, value in described.items()),
        seeds=_seeds(content.get("seeds", 1)),
        objective=_objective(content.get("objective", {})),
        sample=_sample(content.get("sample")),
        cluster=content["cluster"],
    )


def _content(source: str, small: bool) -> dict[str, Any]:
    """The contents of a file or preset. Its table ``small`` is empty unless `small`; seeds in it replace those of the file."""
    content: dict[str, Any] = {"system": source} if source in SYSTEMS else _read(source)
    require_known(source, content, ("system", "seeds", "objective", "base", "axes", "sample", "small", "cluster"))
    if small and "small" not in content:
        raise ParameterError(f"{source} has no table [small]; leave --small away.")
    if not isinstance(content.get("small", {}), dict):
        raise ParameterError(f"{source}: small = {brief(content['small'])} must be a table; write [small] and lines below it.")
    content["small"] = dict(content["small"]) if small else {}
    if "seeds" in content["small"]:
        content["seeds"] = content["small"].pop("seeds")
    return content


def preset_names() -> list[str]:
    """Names of the sweeps that come with the package."""
    return sorted(path.stem for path in PRESETS.glob("*.toml"))


def _read(source: str) -> dict[str, Any]:
    path = PRESETS / f"{source}.toml" if source in preset_names() else Path(source)
    try:
        return read_toml(path)
    except FileNotFoundError as error:
        raise ParameterError(
            f"There is no sweep {source}; give a TOML file, a preset ({', '.join(preset_names())}) or a system "
            f"({', '.join(SYSTEMS)}).{did_you_mean(source, (*preset_names(), *SYSTEMS, *COMMANDS))}"
        ) from error
    except (OSError, ValueError) as error:
        raise ParameterError(f"{source} cannot be read as TOML ({error}); mend the file.") from error


def _expanded(name: str, value: Any, hint: Any) -> Any:
    """The value of an option; in a path, ``~`` and environment variables are replaced.

    Raises ParameterError where there is no such variable or user.
    """
    path = name == "dataset" or hint is Path or Path in get_args(hint)
    if not path or not isinstance(value, str):
        return value
    for variable in re.findall(r"\$(\w+|\{[^}]*\})", value):
        if variable.strip("{}") not in os.environ:
            raise ParameterError(f"Parameter {name} = {value!r} names ${variable}, which the environment lacks; set it.")
    text = os.path.expanduser(os.path.expandvars(value))
    if value.startswith("~") and text.startswith("~"):
        raise ParameterError(f"Parameter {name} = {value!r} names the home of an unknown user; write the whole path.")
    return text


def _axis(name: str, value: Any, kind: type[TrainOptions], names: Mapping[str, Any]) -> Axis:
    where = f"Axis {name}"
    if not name.isprintable() or not name:
        raise ParameterError(f"The name {name!r} of an axis must be printable text.")
    metric = name not in names and name.startswith(tuple(f"{split}_" for split in SPLITS))
    if name in (SAMPLE, SEED, *COLUMNS) or metric:
        raise ParameterError(f"{where} has the name of a column of the table; choose another.")
    if not isinstance(value, dict):
        value = {"values": value}
    if "set" in value:
        return _linked(name, value, kind, names)
    require_option(kind, name, names)
    if "values" in value or "choose" in value:
        require_known(where, value, ("values", "choose"))
        member = "values" if "values" in value else "choose"
        listed = value[member]
        if not isinstance(listed, list) or not listed:
            raise ParameterError(f"{where}: {brief(listed)} must be a list with at least one value.")
        taken = _listed(name, listed, names[name])
        if len(set(taken)) < len(taken):
            raise ParameterError(f"{where} has a value twice: {', '.join(map(str, taken))}; give each once.")
        return Axis(name, taken, {name: taken}) if member == "values" else Axis(name, choose=taken)
    require_known(where, value, ("from", "to", "n", "scale", "multiple"))
    scale = value.get("scale", "linear")
    require_one_of(f"{where}: the scale", scale, get_args(Scale))
    for end in ("from", "to"):
        if end not in value:
            raise ParameterError(f"{where} has no {end!r}; give from and to, or a list.")
        if not is_finite(value[end]):
            raise ParameterError(f"{where}: {end} = {brief(value[end])} must be a finite number.")
        if scale == "log" and value[end] <= 0:
            raise ParameterError(f"{where}: {end} = {brief(value[end])} must be greater than 0 on a log scale.")
    multiple = value.get("multiple")
    if multiple is not None and not (is_finite(multiple) and multiple > 0):
        raise ParameterError(f"{where}: multiple = {brief(multiple)} must be a number greater than 0.")
    drawn = Axis(name, low=value["from"], high=value["to"], scale=scale, multiple=multiple)
    numbers_of(drawn, np.array([], float), names)
    if "n" not in value:
        return drawn
    if not is_whole(value["n"], 1) or value["n"] > MAX_POINTS:
        raise ParameterError(f"{where}: n = {brief(value['n'])} must be a whole number from 1 to {MAX_POINTS}.")
    # whole numbers may be equal after rounding
    values = tuple(dict.fromkeys(numbers_of(drawn, drawn.at(np.linspace(0, 1, value["n"])), names)))
    return dataclasses.replace(drawn, values=values, set={name: values})


def _listed(name: str, values: Sequence, hint: Any) -> tuple:
    """Convert the values of a parameter on an axis."""
    return tuple(_shown(option_value(name, _expanded(name, one, hint), hint)) for one in values)


def _linked(name: str, value: Mapping[str, Any], kind: type[TrainOptions], names: Mapping[str, Any]) -> Axis:
    """An axis on which several parameters change together."""
    require_known(f"Axis {name}", value, ("values", "set"))
    together = value["set"]
    if not isinstance(together, dict) or not together or not all(isinstance(listed, list) for listed in together.values()):
        raise ParameterError(f"Axis {name}: set = {brief(together)} must be a table with a list for each parameter.")
    for parameter in together:
        require_option(kind, parameter, names)
    shown = value.get("values", next(iter(together.values())))
    if not isinstance(shown, list) or not shown or not all(map(_showable, shown)):
        raise ParameterError(f"Axis {name}: values = {brief(shown)} must be a list of numbers, texts or lists of these.")
    if len(set(map(_shown, shown))) < len(shown):
        raise ParameterError(f"Axis {name}: values = {brief(shown)} must be a list of different values.")
    for parameter, listed in together.items():
        if len(listed) != len(shown):
            raise ParameterError(f"Axis {name}: {parameter} has {len(listed)} values, not {len(shown)}; give one for each.")
    taken = {parameter: _listed(parameter, listed, names[parameter]) for parameter, listed in together.items()}
    if name in names and taken.get(name) != tuple(map(_shown, shown)):
        raise ParameterError(
            f"Axis {name} has the name of a parameter but not its values, so that one column of the table would be for both; "
            "choose another name."
        )
    return Axis(name, tuple(map(_shown, shown)), taken)


def _showable(value: Any, lists: bool = True) -> bool:
    """Whether a value can label a place on an axis: it can be compared and written as JSON."""
    if isinstance(value, list):
        return lists and all(_showable(item, lists=False) for item in value)
    return isinstance(value, (str, bool)) or value == math.inf or is_finite(value)


def _shown(value: Any) -> Any:
    """A value in a form that can be compared: lists become tuples."""
    return tuple(value) if isinstance(value, list) else value


def _seeds(value: Any) -> tuple[int, ...]:
    if isinstance(value, int) and not isinstance(value, bool):
        if not 1 <= value <= MAX_POINTS:
            raise ParameterError(f"seeds = {brief(value)} must be at least 1 and at most {MAX_POINTS}, or a list of seeds.")
        return tuple(range(value))
    if not isinstance(value, (list, tuple)):
        raise ParameterError(f"seeds = {brief(value)} must be a number of seeds, or a list of them.")
    return tuple(value)


def _objective(value: Any) -> Mapping[str, str]:
    if isinstance(value, str):
        return {"metric": value}
    if not isinstance(value, dict):
        raise ParameterError(f"objective = {brief(value)} must be a metric, or a table with metric, split and epoch.")
    return value


def _sample(value: Any) -> Sample | None:
    if value is None:
        return None
    if not isinstance(value, dict):
        raise ParameterError(f"sample = {brief(value)} must be a table with method, n and seed.")
    require_known("[sample]", value, ("method", "n", "seed"))
    sample = Sample(**value)
    require_one_of("The method of [sample]", sample.method, get_args(Method))
    for name, least in (("n", 1), ("seed", 0)):
        number = getattr(sample, name)
        if not is_whole(number, least):
            raise ParameterError(f"[sample]: {name} = {brief(number)} must be a whole number from {least}.")
    return sample
