"""A sweep as data (`Sweep`): base options, axes, seeds and an objective; and the points that they expand to."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

import numpy as np

from brianprop.analysis.sweeps import SAMPLE, SEED
from brianprop.analysis.systems import SYSTEMS
from brianprop.experiments.training.options import TrainOptions
from brianprop.experiments.training.systems import options_of
from brianprop.experiments.training.values import (
    brief,
    is_whole,
    option_types,
    require_known,
    require_one_of,
    require_option,
    settings_of,
)
from brianprop.models.errors import ParameterError

__all__ = ["MAX_POINTS", "Axis", "Method", "Point", "Sample", "Scale", "Sweep", "named_point", "numbers_of"]

Method = Literal["latin-hypercube", "random"]
Scale = Literal["linear", "log"]
SPLITS = ("validation", "test", "train")

#: Largest number of points of a sweep: more must be a mistake.
MAX_POINTS = 10**6


@dataclass(frozen=True)
class Axis:
    """One axis of a sweep: a list of values, or a range or a list from which values are sampled.

    Attributes
    ----------
    name : str
    values : tuple
        The values of an axis that is not sampled.
    set : dict of tuple
        For each parameter that the axis changes, its value at each of `values`. Most axes change one parameter, which has the
        name of the axis and these values themselves.
    low, high : float or None
        The ends of the range, if values are sampled from a range.
    scale : {"linear", "log"}
        The scale on which the range is divided or sampled.
    multiple : float or None
        Values from the range are rounded to multiples of this number.
    choose : tuple
        The list, if values are sampled from a list.
    """

    name: str
    values: tuple = ()
    set: Mapping[str, tuple] = field(default_factory=dict)
    low: float | None = None
    high: float | None = None
    scale: Scale = "linear"
    multiple: float | None = None
    choose: tuple = ()

    @property
    def sampled(self) -> bool:
        """Whether values are drawn as [sample] says."""
        return not self.values

    def at(self, share: np.ndarray | float) -> np.ndarray:
        """Values of a range at positions from 0, its lower end, to 1, its upper end."""
        share = np.asarray(share)
        if self.low is None or self.high is None:
            raise ValueError(f"The axis {self.name} has no range.")
        if self.scale == "log":
            values = np.exp(math.log(self.low) + share * (math.log(self.high) - math.log(self.low)))
        else:
            values = self.low + share * (self.high - self.low)
        # the ends are exact, without rounding errors
        values = np.select([share == 0, share == 1], [self.low, self.high], values)
        return values if self.multiple is None else np.rint(values / self.multiple) * self.multiple


@dataclass(frozen=True)
class Sample:
    """How values are drawn from the axes that are sampled: `n` samples by `method`, with a seed of their own."""

    method: Method = "latin-hypercube"
    n: int = 0
    seed: int = 0


@dataclass(frozen=True)
class Point:
    """One run of a sweep.

    Attributes
    ----------
    axes : dict
        Its value on each axis, and the number of its sample if axes are sampled.
    settings : TrainOptions
        Its options, with an empty path in the place of the run directory.
    """

    axes: Mapping[str, Any]
    settings: TrainOptions


@dataclass(frozen=True)
class Sweep:
    """A sweep. For its parts see the file format in `experiments.sweeps.reading`.

    Raises
    ------
    ParameterError
        Where a name is unknown, a value is invalid, or parts contradict one another; it names the part and the remedy.
    """

    system: str
    base: Mapping[str, Any] = field(default_factory=dict)
    axes: tuple[Axis, ...] = ()
    seeds: tuple[int, ...] = (0,)
    objective: Mapping[str, str] = field(default_factory=dict)
    sample: Sample | None = None
    cluster: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self):
        require_one_of("The system", self.system, SYSTEMS)
        if not self.seeds or not all(is_whole(seed, 0) for seed in self.seeds):
            raise ParameterError(
                f"Seeds {brief(list(self.seeds))} of the sweep must be whole numbers from 0; give at least one."
            )
        if len(set(self.seeds)) < len(self.seeds):
            raise ParameterError(f"Seeds {brief(list(self.seeds))} of the sweep hold one twice; give each once.")
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
        metrics = (*SYSTEMS[self.system].accuracies, "loss")
        objective = {"metric": metrics[-2], "split": "validation", "epoch": "last"} | dict(self.objective)
        require_known("objective", objective, ("metric", "split", "epoch"))
        require_one_of("The metric of the objective", objective["metric"], metrics)
        require_one_of("The split of the objective", objective["split"], SPLITS)
        require_one_of("The epoch of the objective", objective["epoch"], ("last", "best"))
        object.__setattr__(self, "objective", objective)

    def points(self) -> list[Point]:
        """All points, ordered by seed: the points of the first seed, which run first, already cover all axes.

        Raises
        ------
        ParameterError
            Where a parameter is unknown, of the wrong type or out of range.
        """
        kind = options_of(self.system)
        types = option_types(kind)
        n_points = math.prod((len(self.seeds), *(len(axis.values) for axis in self.axes if axis.values)))
        n_points *= 1 if self.sample is None else self.sample.n
        if n_points > MAX_POINTS:
            raise ParameterError(
                f"The sweep has {n_points} points, more than {MAX_POINTS}; give fewer values, samples or seeds."
            )
        for name in self.base:
            require_option(kind, name, types)
        crossed = [axis for axis in self.axes if axis.values]
        samples = self._samples(types)
        points = []
        for seed in self.seeds:
            for indices in itertools.product(*(range(len(axis.values)) for axis in crossed)):
                on_grid = {axis.name: axis.values[index] for axis, index in zip(crossed, indices, strict=True)}
                changes = {
                    name: values[index]
                    for axis, index in zip(crossed, indices, strict=True)
                    for name, values in axis.set.items()
                }
                for number, sample in enumerate(samples):
                    axes = on_grid | ({SAMPLE: number} | sample if sample else {})
                    values = {**self.base, **changes, **sample, SEED: seed}
                    with named_point(axes):
                        points.append(Point(axes, settings_of(kind, values)))
        return points

    def _samples(self, types: Mapping[str, Any]) -> list[dict[str, Any]]:
        """For each sample, its value on each sampled axis. Without sampled axes, there is one empty sample."""
        axes = [axis for axis in self.axes if axis.sampled]
        if self.sample is None:
            return [{}]
        if self.sample.method == "latin-hypercube":
            from scipy.stats import qmc

            shares = qmc.LatinHypercube(len(axes), rng=self.sample.seed).random(self.sample.n)
        else:
            shares = np.random.default_rng(self.sample.seed).random((self.sample.n, len(axes)))
        columns = {}
        for axis, share in zip(axes, shares.T, strict=True):
            if axis.choose:
                columns[axis.name] = [axis.choose[int(index)] for index in share * len(axis.choose)]
            else:
                columns[axis.name] = numbers_of(axis, axis.at(share), types)
        return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


@contextmanager
def named_point(axes: Mapping[str, Any]) -> Iterator[None]:
    """Add the point of a sweep, by its values on the axes, to the message of a ParameterError that is raised in this block."""
    try:
        yield
    except ParameterError as error:
        words = ", ".join(f"{name} = {value}" for name, value in axes.items())
        raise ParameterError(f"{error}" + (f" (At the point {words}.)" if words else "")) from error


def numbers_of(axis: Axis, values: np.ndarray, types: Mapping[str, Any]) -> list[int] | list[float]:
    """Values from the range of an axis in the type of its parameter, see `experiments.training.values.option_types`.

    Raises
    ------
    ParameterError
        When the parameter is not a number.
    """
    members = {types[axis.name], *get_args(types[axis.name])}
    if not {int, float} & members:
        raise ParameterError(f"Axis {axis.name} has a range, but its values are no numbers; give a list of them.")
    return [float(value) for value in values] if float in members else [int(np.rint(value)) for value in values]
