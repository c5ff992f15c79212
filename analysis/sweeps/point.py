"""One point of a sweep."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from brianprop.analysis.runs.values import short
from brianprop.analysis.sweeps.plan import SAMPLE, SEED

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
