"""The axes of a sweep on figures: their values, titles, ticks and colours."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from brianprop.analysis.figures.output import NothingToShowError
from brianprop.analysis.groups import SYMBOLS
from brianprop.analysis.runs import values
from brianprop.analysis.sweeps.directory import SweepDirectory

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = [
    "COLOURS",
    "FEW",
    "SweepAxis",
    "draw_axis",
    "require_axes",
    "shade",
    "short",
    "turned_height",
    "with_unit",
    "words",
]

#: Colour map of values in order: dark to light, distinguishable with any kind of colour vision.
COLOURS = "viridis"

#: Up to how many lines get an entry of a legend each, and values a tick.
FEW = 8

#: Least distance of ticks beside an axis, as a share of it; width of a letter and least gap between labels below one [inches].
CLOSEST, LETTER, GAP = 0.09, 0.062, 0.06


class SweepAxis:
    """An axis of a sweep, and the positions of its values on a figure.

    Parameters
    ----------
    name : str
    values : sequence
        All different values, in the order of the sweep.
    log : bool
        Whether the axis is logarithmic, as far as its values allow it.

    Attributes
    ----------
    numeric : bool
        Whether all values are finite numbers.
    given, values : list
        In the order of the sweep; and in ascending order if they are numeric.
    position : dict
        By value: the value itself if all are numeric, else its index.
    """

    def __init__(self, name: str, values: list, log: bool):
        self.name = name
        numbers = all(isinstance(value, (int, float)) and not isinstance(value, bool) for value in values)
        self.numeric = numbers and bool(np.all(np.isfinite(np.array(values, float))))
        self.log = log and self.numeric and min(values) > 0
        self.given = list(values)
        self.values = sorted(values) if self.numeric else self.given
        self.position = {value: value if self.numeric else index for index, value in enumerate(self.values)}

    @classmethod
    def of(cls, directory: SweepDirectory, name: str) -> SweepAxis:
        """The axis of this name."""
        different = list(dict.fromkeys(values.cell(point.axes[name]) for point in directory.points))
        described = directory.plan["sweep"]["axes"][name]
        if described.get("low") is not None:  # a range has the scale that it was given
            return cls(name, different, described["scale"] == "log")
        # more than two listed values that span more than a decade are read best on a logarithmic scale
        positive = [value for value in different if isinstance(value, (int, float)) and value > 0]
        wide = len(positive) == len(different) > 2 and max(positive) / min(positive) > 10
        return cls(name, different, wide)

    def share(self, value: Any) -> float:
        """Where a value lies between the first and the last one, from 0 to 1."""
        return self.share_at(self.position[value])

    def share_at(self, position: float) -> float:
        """Where a position lies between those of the first and the last value, from 0 to 1."""
        ends = [self.position[self.values[0]], self.position[self.values[-1]], position]
        low, high, here = np.log(ends) if self.log else ends
        return float((here - low) / (high - low)) if high > low else 0.5

    def moved(self, positions: Sequence[float], by: float) -> np.ndarray:
        """Positions moved along the axis by a share of its length."""
        low, high = self.position[self.values[0]], self.position[self.values[-1]]
        places = np.asarray(positions, float)
        return places * (high / low) ** by if self.log else places + by * (high - low)

    @property
    def ticks(self) -> list[tuple[Any, float]]:
        """Values to write beside the axis, with their shares: all if they are few, else the ends and round values between."""
        if len(self.values) <= FEW or not self.numeric:
            shown = self.values if len(self.values) <= FEW else [self.values[0], self.values[-1]]
            return [(value, self.share(value)) for value in shown]
        return apart([(value, self.share_at(value)) for value in self.round_values], CLOSEST)

    @property
    def round_values(self) -> list[float]:
        """The ends of a numeric axis, and round values between them."""
        from matplotlib.ticker import LogLocator, MaxNLocator

        low, high = self.values[0], self.values[-1]
        locator = LogLocator(subs=(1.0, 2.0, 5.0), numticks=20) if self.log else MaxNLocator(5)
        return [low, *(float(value) for value in locator.tick_values(low, high) if low < value < high), high]


def apart(ticks: Sequence[tuple[Any, float]], least: float) -> list[tuple[Any, float]]:
    """Leave out ticks that lie closer than a share of the axis; the first and the last of the ascending ones stay."""
    kept = [ticks[0]]
    for value, share in ticks[1:-1]:
        if share - kept[-1][1] >= least and ticks[-1][1] - share >= least:
            kept.append((value, share))
    return kept + list(ticks[-1:] if len(ticks) > 1 else [])


#: Units of parameters that are no bare numbers, as their docstrings give them.
UNITS = {
    **dict.fromkeys(("h_lower", "h_upper", "o_lower", "o_upper", "h_dead", "theta_spread"), "θ"),
    **dict.fromkeys(("dt", "tau_m", "tau_s"), "s"),
    **dict.fromkeys(("fail_forward", "fail_backward", "gate_late", "gate_missing"), "probability"),
    "lesioned": "share of neurons",
    "hidden": "neurons",
    "refractory": "time steps",
    "weight_noise": "weight units",
}


def words(name: str) -> str:
    """The name of a parameter in words, or its symbol."""
    return _literal(name if " " in name else SYMBOLS.get(name, name.replace("_", " ")))


def with_unit(name: str) -> str:
    """The title of an axis: the parameter and its unit."""
    return f"{words(name)} ({UNITS[name]})" if name in UNITS else words(name)


def short(value: Any) -> str:
    """A value as text for Matplotlib."""
    return _literal(values.short(value))


def _literal(text: str) -> str:
    """Text that Matplotlib does not take for a formula."""
    return text.replace("$", r"\$")


def draw_axis(panel: Axes, axis: SweepAxis, width: float) -> None:
    """Make an axis of the sweep the abscissa of a panel of a width [inches], with a tick at each value if they are few."""
    from matplotlib.ticker import NullFormatter, NullLocator

    panel.set_xlabel(with_unit(axis.name))
    if axis.log:
        panel.set_xscale("log")
    few = len(axis.values) <= FEW
    if few or axis.log:
        # a tick at each value, unless the labels would overlap; of many values, round ones
        ticks = (
            [(one, axis.share(one)) for one in axis.values] if few else [(one, axis.share_at(one)) for one in axis.round_values]
        )
        if axis.numeric:
            widest = max(len(short(value)) for value, _ in ticks)
            ticks = apart(ticks, (LETTER * widest + GAP) / width)
        panel.xaxis.set_minor_locator(NullLocator())
        panel.xaxis.set_minor_formatter(NullFormatter())
        labels = [short(value) for value, _ in ticks]
        panel.set_xticks([axis.position.get(value, value) for value, _ in ticks], labels)
        if not axis.numeric and turned_height(labels, width / len(labels)):
            panel.tick_params(axis="x", labelrotation=90)
    panel.grid(True, axis="y")


def turned_height(labels: Sequence[str], width: float) -> float:
    """The height of the labels of an abscissa when they are turned, 0 where each fits into its width as it is [inches]."""
    length = LETTER * max(map(len, labels))
    return length if length + GAP > width else 0.0


def shade(axis: SweepAxis, value: Any) -> tuple[float, float, float, float]:
    """The colour of a value: by its rank if there are few values, so that none are too close, else by its size."""
    from matplotlib import colormaps

    number = len(axis.values)
    share = axis.values.index(value) / max(number - 1, 1) if number <= FEW else axis.share(value)
    # the lightest yellow is too faint for a line
    return colormaps[COLOURS](share * (0.9 if number <= FEW else 1.0))


def require_axes(directory: SweepDirectory, least: int) -> None:
    """Raise NothingToShowError if a sweep has fewer axes than `least`."""
    if len(directory.axes) < least:
        raise NothingToShowError(f"it is for {least} axes and more")
