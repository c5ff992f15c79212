"""What a sweep is, as data: a base configuration, axes, seeds and an objective; and the points that they expand to.

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

    [cluster]                                       # see `experiments.sweeps.cluster`
    kind = "slurm"

Axes that are not sampled are crossed with each other, with the samples and with the seeds.
"""

from __future__ import annotations

import dataclasses
import itertools
import math
import os
import re
import reprlib
import tomllib
import types
import typing
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import numpy as np

from brianprop.analysis.runs import as_json
from brianprop.analysis.runs.systems import ACCURACIES
from brianprop.analysis.runs.values import INFINITE
from brianprop.analysis.sweeps import SAMPLE, SEED
from brianprop.analysis.toml_files import read_toml
from brianprop.experiments.training.ann import TrainANN
from brianprop.experiments.training.loop import TrainOptions
from brianprop.experiments.training.nbp import TrainNBP
from brianprop.experiments.training.ssnn_bp import TrainSSNN
from brianprop.models.errors import ParameterError

__all__ = [
    "SETTINGS",
    "Axis",
    "Point",
    "Sample",
    "Sweep",
    "as_values",
    "named_point",
    "preset_names",
    "read_sweep",
    "settings_of",
    "words_of_axes",
    "words_of_sample",
    "words_of_set",
]

#: Options by the name of their system.
SETTINGS: dict[str, type[TrainOptions]] = {kind.system: kind for kind in (TrainNBP, TrainSSNN, TrainANN)}

#: Options that are not a sweep's to set.
OWN = ("out", "rules", "seed", "replicas", "processes")

METHOD = Literal["latin-hypercube", "random"]
SCALE = Literal["linear", "log"]
SPLITS = ("validation", "test", "train")

#: Most points of a sweep: more are a slip of the pen.
MOST_POINTS = 10**6

PRESETS = Path(__file__).with_name("presets")


@dataclass(frozen=True)
class Axis:
    """One axis.

    Attributes
    ----------
    name : str
    values : tuple
        Where it is not sampled, what stands on the axis.
    set : dict of tuple
        By the name of a parameter, its value for each of `values`; of most axes the name and the values themselves.
    low, high : float or None
        Where it is sampled from a range, its ends.
    scale : {"linear", "log"}
    multiple : float or None
        Sampled values are rounded to multiples of it.
    choose : tuple
        Where it is sampled from a list, its members.
    """

    name: str
    values: tuple = ()
    set: Mapping[str, tuple] = field(default_factory=dict)
    low: float | None = None
    high: float | None = None
    scale: SCALE = "linear"
    multiple: float | None = None
    choose: tuple = ()

    @property
    def sampled(self) -> bool:
        return not self.values

    def at(self, share: np.ndarray | float) -> np.ndarray:
        """Values of a range at shares of its length, from 0 to 1."""
        share = np.asarray(share)
        if self.scale == "log":
            found = np.exp(math.log(self.low) + share * (math.log(self.high) - math.log(self.low)))
        else:
            found = self.low + share * (self.high - self.low)
        # the ends are what was asked for, without an error of rounding
        found = np.select([share == 0, share == 1], [self.low, self.high], found)
        return found if self.multiple is None else np.rint(found / self.multiple) * self.multiple


@dataclass(frozen=True)
class Sample:
    """How many points are drawn from the axes that are sampled, and how."""

    method: METHOD = "latin-hypercube"
    n: int = 0
    seed: int = 0


@dataclass(frozen=True)
class Point:
    """One run of a sweep.

    Attributes
    ----------
    axes : dict
        Where it lies: a value for each axis, and its number among the samples if there are any.
    settings : TrainOptions
        With an empty path in the place of the run directory.
    """

    axes: Mapping[str, Any]
    settings: TrainOptions


@dataclass(frozen=True)
class Sweep:
    """A sweep; see the module for what each part is in a file.

    Raises
    ------
    ParameterError
        Where a name is unknown, a value is none, or parts contradict one another; it names the part and the remedy.
    """

    system: str
    base: Mapping[str, Any] = field(default_factory=dict)
    axes: tuple[Axis, ...] = ()
    seeds: tuple[int, ...] = (0,)
    objective: Mapping[str, str] = field(default_factory=dict)
    sample: Sample | None = None
    cluster: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self):
        _one_of("The system", self.system, SETTINGS)
        if not self.seeds or not all(_whole(seed, 0) for seed in self.seeds):
            raise ParameterError(
                f"Seeds {_brief(list(self.seeds))} of the sweep must be whole numbers from 0; give at least one."
            )
        if len(set(self.seeds)) < len(self.seeds):
            raise ParameterError(f"Seeds {_brief(list(self.seeds))} of the sweep hold one twice; give each once.")
        swept = [name for axis in self.axes for name in (axis.set if axis.values else (axis.name,))]
        for name in swept:
            if swept.count(name) > 1:
                raise ParameterError(f"The parameter {name} is on two axes; leave it on one.")
        drawn = [axis.name for axis in self.axes if axis.sampled]
        if drawn and self.sample is None:
            raise ParameterError(
                f"The axis {drawn[0]} has neither values nor n; give n for a grid, or a table [sample] (--sample) to draw "
                "from it."
            )
        if self.sample is not None and not drawn:
            raise ParameterError("There is a table [sample], but no axis without n to draw from; remove one or the other.")
        metrics = (*ACCURACIES[self.system], "loss")
        objective = {"metric": metrics[-2], "split": "validation", "epoch": "last"} | dict(self.objective)
        _known("objective", objective, ("metric", "split", "epoch"))
        _one_of("The metric of the objective", objective["metric"], metrics)
        _one_of("The split of the objective", objective["split"], SPLITS)
        _one_of("The epoch of the objective", objective["epoch"], ("last", "best"))
        object.__setattr__(self, "objective", objective)

    def points(self) -> list[Point]:
        """All points, those of one seed after those of another: the first seed alone shows the whole picture.

        Raises
        ------
        ParameterError
            Where a parameter is unknown, of the wrong type or out of range.
        """
        kind = SETTINGS[self.system]
        names = _option_names(kind)
        number = math.prod((len(self.seeds), *(len(axis.values) for axis in self.axes if axis.values)))
        number *= 1 if self.sample is None else self.sample.n
        if number > MOST_POINTS:
            raise ParameterError(
                f"The sweep has {number} points, more than {MOST_POINTS}; give fewer values, samples or seeds."
            )
        for name in self.base:
            _require_option(kind, name, names)
        crossed = [axis for axis in self.axes if axis.values]
        drawn = self._drawn(names)
        found = []
        for seed in self.seeds:
            for places in itertools.product(*(range(len(axis.values)) for axis in crossed)):
                where = {axis.name: axis.values[place] for axis, place in zip(crossed, places, strict=True)}
                changes = {
                    name: values[place]
                    for axis, place in zip(crossed, places, strict=True)
                    for name, values in axis.set.items()
                }
                for number, sample in enumerate(drawn):
                    at = where | ({SAMPLE: number} | sample if sample else {})
                    values = {**self.base, **changes, **sample, SEED: seed}
                    with named_point(at):
                        found.append(Point(at, settings_of(kind, values)))
        return found

    def _drawn(self, names: Mapping[str, Any]) -> list[dict[str, Any]]:
        """A value of each sampled axis for each sample; a single empty one where nothing is sampled."""
        axes = [axis for axis in self.axes if axis.sampled]
        if not axes:
            return [{}]
        if self.sample.method == "latin-hypercube":
            from scipy.stats import qmc

            shares = qmc.LatinHypercube(len(axes), rng=self.sample.seed).random(self.sample.n)
        else:
            shares = np.random.default_rng(self.sample.seed).random((self.sample.n, len(axes)))
        columns = {}
        for axis, share in zip(axes, shares.T, strict=True):
            if axis.choose:
                columns[axis.name] = [axis.choose[int(place)] for place in share * len(axis.choose)]
            else:
                columns[axis.name] = _numbers(axis, axis.at(share), names)
        return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


@contextmanager
def named_point(axes: Mapping[str, Any]) -> Iterator[None]:
    """Say of a ParameterError of this block at which point of a sweep it is, by the point's place on the axes."""
    try:
        yield
    except ParameterError as error:
        words = ", ".join(f"{name} = {value}" for name, value in axes.items())
        raise ParameterError(f"{error}" + (f" (At the point {words}.)" if words else "")) from error


def read_sweep(
    source: str,
    small: bool = False,
    base: Mapping[str, Any] | None = None,
    axes: Mapping[str, Any] | None = None,
    **changes: Any,
) -> Sweep:
    """A sweep from a file, a preset or the name of a system, with changes.

    Parameters
    ----------
    source : str
        Path of a TOML file, a name of `preset_names`, or a key of `SETTINGS`, which starts from nothing.
    small : bool
        Whether the table ``small`` of the file takes the place of parts of its base.
    base, axes : mapping, optional
        Entries of the tables of these names, in the place of those of the file; an axis of None removes one.
    **changes
        Other entries of the file.

    Raises
    ------
    ParameterError
        When there is no such file, it is no TOML, or its contents are none of a sweep's.
    """
    content = {"system": source} if source in SETTINGS else _read(source)
    known = ("system", "seeds", "objective", "base", "axes", "sample", "small", "cluster")
    _known(source, content, known)
    if small and "small" not in content:
        raise ParameterError(f"{source} has no table [small]; leave --small away.")
    if not isinstance(content.get("small", {}), dict):
        raise ParameterError(f"{source}: small = {_brief(content['small'])} must be a table; write [small] and lines below it.")
    smaller = dict(content.pop("small", {}))
    if not small:
        smaller = {}
    if "seeds" in smaller:
        content["seeds"] = smaller.pop("seeds")
    content |= {name: value for name, value in changes.items() if value is not None}
    for name in ("base", "axes", "cluster"):
        if not isinstance(content.get(name, {}), dict):
            raise ParameterError(
                f"{source}: {name} = {_brief(content[name])} must be a table; write [{name}] and lines below it."
            )
    content["base"] = {**content.get("base", {}), **smaller, **(base or {})}
    described = {**content.get("axes", {}), **(axes or {})}
    if "system" not in content:
        raise ParameterError(f"{source} names no system; write system = one of {', '.join(SETTINGS)}.")
    _one_of("The system", content["system"], SETTINGS)
    kind = SETTINGS[content["system"]]
    options = _option_names(kind)
    content["base"] = {name: _expanded(name, value, options.get(name)) for name, value in content["base"].items()}
    # what is set for the whole sweep has no axis
    described = {name: value for name, value in described.items() if value is not None and name not in (base or {})}
    return Sweep(
        content["system"],
        content["base"],
        tuple(_axis(name, value, kind, options) for name, value in described.items()),
        _seeds(content.get("seeds", 1)),
        _objective(content.get("objective", {})),
        _sample(content.get("sample")),
        content.get("cluster", {}),
    )


def preset_names() -> list[str]:
    """Sweeps of scientific use that come with the package."""
    return sorted(path.stem for path in PRESETS.glob("*.toml"))


def settings_of(kind: type[TrainOptions], values: Mapping[str, Any], out: Path | None = None) -> TrainOptions:
    """Options of a system from names and values, whether of the options themselves or of their rules.

    Parameters
    ----------
    kind : type
        Such as `experiments.training.nbp.TrainNBP`.
    values : mapping
        As TOML or JSON give them: infinite numbers may be "inf", and what is left away "none".
    out : path-like, optional
        The run directory.

    Raises
    ------
    ParameterError
        Where a name is unknown, or a value of the wrong type or out of range.
    """
    names = _option_names(kind)
    own = {item.name for item in dataclasses.fields(kind)}
    taken = {}
    for name, value in values.items():
        if name != SEED:
            _require_option(kind, name, names)
        taken[name] = _taken(name, value, int if name == SEED else names[name])
    rules = _rules(kind)
    below = {name: value for name, value in taken.items() if name not in own}
    nested = {"rules": rules(**below)} if rules else {}
    return kind(Path() if out is None else Path(out), **{name: taken[name] for name in taken if name in own}, **nested)


def as_values(settings: TrainOptions) -> dict[str, Any]:
    """The inverse of `settings_of`, as JSON can hold it: every option but the run directory, and the rules beside them."""
    values = as_json(settings)
    left_out = set(OWN) - {SEED}
    return {name: value for name, value in (values | values.get("rules", {})).items() if name not in left_out}


def words_of_set(words: Sequence[str]) -> dict[str, Any]:
    """The table ``base`` from words of the command line such as ``theta=900``. Raises ParameterError."""
    return {name: _value(text) for name, text in _split(words, "NAME=VALUE")}


def words_of_axes(words: Sequence[str]) -> dict[str, Any]:
    """The table ``axes`` from words of the command line: ``NAME=A,B,C`` or ``NAME=LOW..HIGH[/N][/log]``.

    Raises ParameterError.
    """
    found: dict[str, Any] = {}
    for name, text in _split(words, "NAME=A,B,C or NAME=LOW..HIGH/N"):
        low, dots, rest = text.partition("..")
        if not dots:
            found[name] = [_value(member) for member in text.split(",")]
            continue
        high, *more = rest.split("/")
        found[name] = {"from": _value(low), "to": _value(high)}
        if more and more[-1] in get_args(SCALE):
            found[name]["scale"] = more.pop()
        if more:
            found[name]["n"] = _value(more.pop())
        if more:
            raise ParameterError(f"--axis {name}={text} has too many parts; write {name}=LOW..HIGH/N/log.")
    return found


def words_of_sample(word: str | None) -> dict[str, Any] | None:
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


def _read(source: str) -> dict[str, Any]:
    path = PRESETS / f"{source}.toml" if source in preset_names() else Path(source)
    try:
        return read_toml(path)
    except FileNotFoundError as error:
        raise ParameterError(
            f"There is no sweep {source}; give a TOML file, a preset ({', '.join(preset_names())}) or a system "
            f"({', '.join(SETTINGS)})."
        ) from error
    except (OSError, ValueError) as error:
        raise ParameterError(f"{source} cannot be read as TOML ({error}); mend the file.") from error


def _one_of(what: str, value: Any, choices) -> None:
    if not isinstance(value, str) or value not in choices:
        raise ParameterError(f"{what} is {_brief(value)}; use one of {', '.join(choices)}.")


def _known(where: str, content: Mapping[str, Any], known: Sequence[str]) -> None:
    for name in content:
        if name not in known:
            raise ParameterError(f"{where}: {name!r} is unknown; use some of {', '.join(known)}.")


def _rules(kind: type[TrainOptions]) -> type | None:
    return typing.get_type_hints(kind).get("rules")


def _option_names(kind: type[TrainOptions]) -> dict[str, Any]:
    """Type of every option that a sweep may set, by name."""
    hints = {item.name: typing.get_type_hints(kind)[item.name] for item in dataclasses.fields(kind)}
    if rules := _rules(kind):
        found = typing.get_type_hints(rules)
        hints |= {item.name: found[item.name] for item in dataclasses.fields(rules)}
    return {name: hint for name, hint in hints.items() if name not in OWN}


def _require_option(kind: type[TrainOptions], name: str, names: Mapping[str, Any]) -> None:
    if name in names:
        return
    if name == SEED:
        raise ParameterError("The seed is set by the seeds of the sweep; write seeds = N or a list (--seeds).")
    raise ParameterError(f"{kind.system} has no option {name!r}; use some of {', '.join(names)}.")


def _expanded(name: str, value: Any, hint: Any) -> Any:
    """A value of an option as it was written, and a path with its ``~`` and its environment variables put in.

    Raises ParameterError where there is no such variable or user.
    """
    path = name == "dataset" or hint is Path or Path in get_args(hint)
    if not path or not isinstance(value, str):
        return value
    for found in re.findall(r"\$(\w+|\{[^}]*\})", value):
        if found.strip("{}") not in os.environ:
            raise ParameterError(f"Parameter {name} = {value!r} names ${found}, which the environment has not; set it.")
    text = os.path.expanduser(os.path.expandvars(value))
    if value.startswith("~") and text.startswith("~"):
        raise ParameterError(f"Parameter {name} = {value!r} names the home of an unknown user; write the whole path.")
    return text


def _taken(name: str, value: Any, hint: Any) -> Any:
    """A value as an option of this type; raises ParameterError."""
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
        return tuple(_taken(name, member, get_args(hint)[0]) for member in members)
    elif hint is bool:
        if isinstance(value, bool):
            return value
        wanted = "true or false"
    elif hint is int:
        if _finite(value) and value == int(value):
            return int(value)
        wanted = "a whole number"
    elif hint is float:
        if _finite(value) or value in (INFINITE, math.inf):
            return float(value)
        wanted = "a number"
    else:
        if isinstance(value, (str, Path)) and "\0" not in str(value):
            return Path(value) if hint is Path else str(value)
        wanted = "text"
    raise ParameterError(f"Parameter {name} = {_brief(value)} must be {wanted}.")


def _brief(value: Any) -> str:
    """A value as it may stand in a sentence."""
    short = reprlib.Repr()
    short.maxstring = short.maxother = 100
    return short.repr(value)


def _finite(value: Any) -> bool:
    """Whether a value is a number that a float can hold."""
    try:
        return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
    except OverflowError:
        return False


def _whole(value: Any, least: int) -> bool:
    """Whether a value is a whole number of at least so much."""
    return isinstance(value, int) and not isinstance(value, bool) and value >= least


def _axis(name: str, value: Any, kind: type[TrainOptions], names: Mapping[str, Any]) -> Axis:
    where = f"Axis {name}"
    if not name.isprintable() or not name:
        raise ParameterError(f"The name {name!r} of an axis must be printable text.")
    if name in (SAMPLE, SEED, "point"):
        raise ParameterError(f"{where} has the name of a column of the table; choose another.")
    if not isinstance(value, dict):
        value = {"values": value}
    if "set" in value:
        return _linked(name, value, kind, names)
    _require_option(kind, name, names)
    if "values" in value or "choose" in value:
        _known(where, value, ("values", "choose"))
        member = "values" if "values" in value else "choose"
        listed = value[member]
        if not isinstance(listed, list) or not listed:
            raise ParameterError(f"{where}: {_brief(listed)} must be a list with at least one value.")
        taken = _listed(name, listed, names[name])
        if len(set(taken)) < len(taken):
            raise ParameterError(f"{where} has a value twice: {', '.join(map(str, taken))}; give each once.")
        return Axis(name, taken, {name: taken}) if member == "values" else Axis(name, choose=taken)
    _known(where, value, ("from", "to", "n", "scale", "multiple"))
    scale = value.get("scale", "linear")
    _one_of(f"{where}: the scale", scale, get_args(SCALE))
    for end in ("from", "to"):
        if end not in value:
            raise ParameterError(f"{where} has no {end!r}; give from and to, or a list.")
        if not _finite(value[end]):
            raise ParameterError(f"{where}: {end} = {_brief(value[end])} must be a finite number.")
        if scale == "log" and value[end] <= 0:
            raise ParameterError(f"{where}: {end} = {_brief(value[end])} must be greater than 0 on a log scale.")
    multiple = value.get("multiple")
    if multiple is not None and not (_finite(multiple) and multiple > 0):
        raise ParameterError(f"{where}: multiple = {_brief(multiple)} must be a number greater than 0.")
    drawn = Axis(name, low=value["from"], high=value["to"], scale=scale, multiple=multiple)
    _numbers(drawn, np.array([], float), names)
    if "n" not in value:
        return drawn
    if not _whole(value["n"], 1) or value["n"] > MOST_POINTS:
        raise ParameterError(f"{where}: n = {_brief(value['n'])} must be a whole number from 1 to {MOST_POINTS}.")
    # whole numbers may coincide after rounding
    values = tuple(dict.fromkeys(_numbers(drawn, drawn.at(np.linspace(0, 1, value["n"])), names)))
    return dataclasses.replace(drawn, values=values, set={name: values})


def _listed(name: str, values: Sequence, hint: Any) -> tuple:
    """The values of a parameter on an axis."""
    return tuple(_shown(_taken(name, _expanded(name, one, hint), hint)) for one in values)


def _linked(name: str, value: Mapping[str, Any], kind: type[TrainOptions], names: Mapping[str, Any]) -> Axis:
    """Parameters that change together."""
    _known(f"Axis {name}", value, ("values", "set"))
    together = value["set"]
    if not isinstance(together, dict) or not together or not all(isinstance(listed, list) for listed in together.values()):
        raise ParameterError(f"Axis {name}: set = {_brief(together)} must be a table with a list for each parameter.")
    for parameter in together:
        _require_option(kind, parameter, names)
    shown = value.get("values", next(iter(together.values())))
    if not isinstance(shown, list) or not shown or not all(map(_showable, shown)):
        raise ParameterError(f"Axis {name}: values = {_brief(shown)} must be a list of numbers, texts or lists of these.")
    if len(set(map(_shown, shown))) < len(shown):
        raise ParameterError(f"Axis {name}: values = {_brief(shown)} must be a list of different values.")
    for parameter, listed in together.items():
        if len(listed) != len(shown):
            raise ParameterError(f"Axis {name}: {parameter} has {len(listed)} values, not {len(shown)}; give one for each.")
    taken = {parameter: _listed(parameter, listed, names[parameter]) for parameter, listed in together.items()}
    return Axis(name, tuple(map(_shown, shown)), taken)


def _showable(value: Any, lists: bool = True) -> bool:
    """Whether a value can stand on an axis: it can be compared and written as JSON."""
    if isinstance(value, list):
        return lists and all(_showable(item, lists=False) for item in value)
    return isinstance(value, (str, bool)) or value == math.inf or _finite(value)


def _shown(value: Any) -> Any:
    """A value that can be compared and be on an axis."""
    return tuple(value) if isinstance(value, list) else value


def _numbers(axis: Axis, found: np.ndarray, names: Mapping[str, Any]) -> list:
    """Numbers of an axis as its parameter takes them."""
    hint = names[axis.name]
    if not {int, float} & {hint, *get_args(hint)}:
        raise ParameterError(f"Axis {axis.name} has a range, but its values are no numbers; give a list of them.")
    whole = int in (hint, *get_args(hint)) and float not in (hint, *get_args(hint))
    return [int(np.rint(value)) if whole else float(value) for value in found]


def _seeds(value: Any) -> tuple[int, ...]:
    if isinstance(value, int) and not isinstance(value, bool):
        if not 1 <= value <= MOST_POINTS:
            raise ParameterError(f"seeds = {_brief(value)} must be at least 1 and at most {MOST_POINTS}, or a list of seeds.")
        return tuple(range(value))
    if not isinstance(value, (list, tuple)):
        raise ParameterError(f"seeds = {_brief(value)} must be a number of seeds, or a list of them.")
    return tuple(value)


def _objective(value: Any) -> Mapping[str, str]:
    if isinstance(value, str):
        return {"metric": value}
    if not isinstance(value, dict):
        raise ParameterError(f"objective = {_brief(value)} must be a metric, or a table with metric, split and epoch.")
    return value


def _sample(value: Any) -> Sample | None:
    if value is None:
        return None
    if not isinstance(value, dict):
        raise ParameterError(f"sample = {_brief(value)} must be a table with method, n and seed.")
    _known("[sample]", value, ("method", "n", "seed"))
    sample = Sample(**value)
    _one_of("The method of [sample]", sample.method, get_args(METHOD))
    for name, least in (("n", 1), ("seed", 0)):
        number = getattr(sample, name)
        if not _whole(number, least):
            raise ParameterError(f"[sample]: {name} = {_brief(number)} must be a whole number from {least}.")
    return sample
