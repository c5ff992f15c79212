"""Tables over several runs: mean and spread over seeds, at given epochs and at a checkpoint chosen on validation."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from analysis.groups import group_runs
from analysis.runs import Run
from models.errors import ParameterError, RunError

if TYPE_CHECKING:
    import pandas

__all__ = ["markdown", "summary", "table"]


def table(run_paths: Sequence[Path], epochs: Sequence[int] = (), split: str = "test") -> pandas.DataFrame:
    """`summary` of runs of any systems and settings, one below the other.

    Parameters
    ----------
    run_paths : sequence of path-like
        Run directories. Those that differ in more than their seed get rows of their own, with a label before the epoch.
    epochs : sequence of int
        By default, for each kind of run, the last epoch that all of them have.
    split : {"test", "validation", "train"}

    Raises
    ------
    RunError
        If a run cannot be read or has no finished epoch.
    ParameterError
        If a run lacks an epoch.
    """
    import pandas

    if not run_paths:
        raise RunError("There is nothing to show, since no run directory was given; give at least one.")
    groups = group_runs([Run.open(path) for path in run_paths])
    parts = []
    for group in groups:
        frames = [run.metrics_frame() for run in group.runs]
        for run, frame in zip(group.runs, frames, strict=True):
            if frame.empty:
                raise RunError(f"{run.path} has no finished epoch; use 'brianprop resume {run.path}'.")
        part = summary(frames, epochs or (min(int(frame.epoch.max()) for frame in frames),), split)
        parts.append(part.rename(index=lambda row, label=group.label: f"{label}: {row}") if len(groups) > 1 else part)
    return pandas.concat(parts)


def summary(frames: Sequence[pandas.DataFrame], epochs: Sequence[int], split: str = "test") -> pandas.DataFrame:
    """Accuracy over runs of one system, in per cent.

    Parameters
    ----------
    frames : sequence of DataFrame
        Metrics of runs that differ in their seed only, as `Run.metrics_frame` gives them.
    epochs : sequence of int
        Epochs to report as they are. A last row gives, for each column, the epoch that was best on the validation split of
        each run, the first of several; the test split plays no part in that choice.
    split : {"test", "validation", "train"}

    Returns
    -------
    DataFrame
        Rows by epoch, columns ``NAME_mean`` and ``NAME_sd`` (sample standard deviation; 0 for a single run) of each accuracy.

    Raises
    ------
    ParameterError
        If a run lacks an epoch.
    """
    import pandas

    accuracies = [name for name in frames[0].columns if name.startswith("accuracy")]
    rows = {}
    for epoch in epochs:
        values = [frame[(frame.epoch == epoch) & (frame.split == split)] for frame in frames]
        if any(part.empty for part in values):
            raise ParameterError(f"Epoch {epoch} is not in every run; give --epochs that all runs have.")
        rows[f"epoch {epoch}"] = {name: [100 * part[name].iloc[0] for part in values] for name in accuracies}
    chosen: dict[str, list[float]] = {name: [] for name in accuracies}
    for frame in frames:
        validation = frame[frame.split == "validation"].set_index("epoch")
        reported = frame[frame.split == split].set_index("epoch")
        for name in accuracies:
            if len(validation):
                chosen[name].append(100 * reported.loc[validation[name].idxmax(), name])
    if all(chosen.values()):
        rows["chosen on validation"] = chosen
    series = {
        label: {
            f"{name}_{what}": value
            for name, values in columns.items()
            for what, value in (("mean", pandas.Series(values).mean()), ("sd", pandas.Series(values).std(ddof=1)))
        }
        for label, columns in rows.items()
    }
    return pandas.DataFrame.from_dict(series, orient="index").fillna(0.0)


def markdown(table: pandas.DataFrame) -> str:
    """The table as Markdown, one cell ``mean ± sd`` per accuracy, and a dash where a system has none of that name."""
    accuracies = [name.removesuffix("_mean") for name in table.columns if name.endswith("_mean")]
    titles = [name.removeprefix("accuracy_") for name in accuracies]
    lines = ["| | " + " | ".join(titles) + " |", "|---|" + "---|" * len(titles)]
    for label, row in table.iterrows():
        cells = (
            "–" if row.isna()[f"{name}_mean"] else f"{row[f'{name}_mean']:.2f} ± {row[f'{name}_sd']:.2f}" for name in accuracies
        )
        lines.append(f"| {label} | " + " | ".join(cells) + " |")
    return "\n".join(lines)
