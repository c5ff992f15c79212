"""One point of a sweep."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from brianprop.analysis.runs.values import short
from brianprop.analysis.sweeps.plan import LOCATIONS, SAMPLE, SEED

__all__ = ["Point"]


@dataclass(frozen=True)
class Point:
    """One point of a sweep.

    Attributes
    ----------
    key : str
        Name of its run in the sweep directory.
    axes : dict
        The value on each axis.
    settings : dict
        All options of its run, in the types of JSON.
    """

    key: str
    axes: Mapping[str, Any]
    settings: Mapping[str, Any]

    @property
    def place(self) -> str:
        """Its values on the axes as text; all seeds of a place share it."""
        return ", ".join(f"{name} = {short(value)}" for name, value in self.axes.items())

    @property
    def words(self) -> str:
        """Its values on the axes and its seed as text, for messages."""
        values = {name: value for name, value in self.axes.items() if name != SAMPLE} | {SEED: self.settings[SEED]}
        return ", ".join(f"{name} = {short(value)}" for name, value in values.items())

    def difference(self, data: str, entries: Sequence[Mapping[str, Any]]) -> str:
        """In what this point differs from the most similar one of a sweep that lacks it, in a few words.

        Parameters
        ----------
        data : str
            SHA-256 of its data.
        entries : sequence of mapping
            The points of the other sweep, as its plan has them; none if it is of another system.
        """
        if not entries:
            return "it is of another system"

        def differing(settings: Mapping[str, Any]) -> list[str]:
            names = sorted((self.settings.keys() | settings.keys()) - set(LOCATIONS))
            return [name for name in names if self.settings.get(name) != settings.get(name)]

        nearest = min(entries, key=lambda entry: len(differing(entry["settings"])))
        there = nearest["settings"]
        words = [f"{name} = {_known(self.settings, name)}, here {_known(there, name)}" for name in differing(there)]
        words += ["other data"] * (data != nearest["data"])
        return f"its point {self.words} has {'; '.join(words) or 'other initial weights'}"


def _known(settings: Mapping[str, Any], name: str) -> str:
    value = settings.get(name)
    return "none" if value is None else short(value)
