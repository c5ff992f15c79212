"""The objective of a sweep on figures: its values, its title, and the number of seeds behind them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from brianprop.analysis.figures.comparison import seeds_in_words
from brianprop.analysis.sweeps.directory import SweepDirectory

if TYPE_CHECKING:
    import pandas

__all__ = ["digits", "each", "factor", "scores", "seeds", "title"]


def factor(directory: SweepDirectory) -> int:
    """What the objective is multiplied by: accuracies are shown in per cent."""
    return 1 if directory.plan["objective"]["metric"] == "loss" else 100


def digits(directory: SweepDirectory) -> int:
    """Digits after the decimal point with which the objective is written."""
    return 3 if directory.plan["objective"]["metric"] == "loss" else 1


def scores(directory: SweepDirectory, table: pandas.DataFrame) -> np.ndarray:
    """The objective of each row of a table; float array of shape (n_rows,)."""
    return table["objective"].to_numpy(dtype=float) * factor(directory)


def title(directory: SweepDirectory, of_epoch: bool = True) -> str:
    """The objective as text, such as "validation accuracy, membrane (%)"; with `of_epoch`, also whether it is the best one."""
    objective = directory.plan["objective"]
    score, _, readout = objective["metric"].partition("_")
    best = "best " if of_epoch and objective["epoch"] == "best" else ""
    unit = "" if score == "loss" else " (%)"
    return f"{best}{objective['split']} {score}{f', {readout}' if readout else ''}{unit}"


def each(directory: SweepDirectory, table: pandas.DataFrame) -> str:
    """How many seeds a figure shows of each place, where every run is drawn on its own."""
    numbers = directory.places(table)["n"].tolist()
    least, most = min(numbers), max(numbers)
    return (
        "every run, one seed of each"
        if most == 1
        else f"every run, {least if least == most else f'{least} to {most}'} seeds of each"
    )


def seeds(directory: SweepDirectory, table: pandas.DataFrame, spread: bool = True) -> str:
    """The number of seeds of the points of a figure as text, and how many points lack seeds."""
    places = directory.places(table)
    numbers = places["n"].tolist()
    lacking = sum(n < planned for n, planned in zip(numbers, places["planned"], strict=True))
    text = seeds_in_words(numbers, spread)
    return f"{text}, {lacking} of {len(places)} points incomplete" if lacking else text
