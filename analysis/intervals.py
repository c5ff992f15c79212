"""Confidence intervals of accuracies: how sure a number of test samples can make them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from brianprop.analysis.runs.run import Run
from brianprop.analysis.systems import SYSTEMS

if TYPE_CHECKING:
    import pandas

__all__ = ["intervals", "scores_of", "wilson"]

LEVEL = 0.95


def wilson(correct: int, n: int, level: float = LEVEL) -> tuple[float, float]:
    """The interval of an accuracy by E. B. Wilson, J. Am. Stat. Assoc. 22(158), 209 (1927).

    Parameters
    ----------
    correct, n : int
        Right answers, and all answers.
    level : float
        Share of such intervals that hold the accuracy on an unlimited number of samples.

    Returns
    -------
    low, high : float
        From 0 to 1.
    """
    from scipy.stats import binomtest

    low, high = binomtest(correct, n).proportion_ci(level, method="wilson")
    return float(low), float(high)


def intervals(scores: Mapping[str, tuple[float, int]]) -> pandas.DataFrame:
    """A table of accuracies with `wilson` intervals of 95 %.

    Each row is one network. An interval says what other test samples could have brought; seeds share their test samples, so
    that more of them make no interval narrower.

    Parameters
    ----------
    scores : mapping from label to (accuracy from 0 to 1, number of samples)
    """
    import pandas

    rows = {}
    for label, (accuracy, n) in scores.items():
        correct = round(accuracy * n)
        low, high = wilson(correct, n)
        rows[label] = {"correct": correct, "of": n} | {
            f"{name} (%)": round(100 * value, 1) for name, value in (("accuracy", correct / n), ("low", low), ("high", high))
        }
    return pandas.DataFrame.from_dict(rows, orient="index").astype({"correct": int, "of": int})


def scores_of(runs: Sequence[Run], split: str = "test") -> dict[str, tuple[float, int]]:
    """Accuracies after the last epoch of finished runs, as `intervals` takes them."""
    found = {}
    for run in runs:
        last = [row for row in run.metrics() if row["split"] == split][-1]
        title, seed = SYSTEMS[run.system].title, run.config["training"]["seed"]
        for name in SYSTEMS[run.system].accuracies:
            readout = "" if name == "accuracy" else f", {name.removeprefix('accuracy_')}"
            found[f"{title}{readout}, seed {seed}"] = (last[name], last["samples"])
    return found
