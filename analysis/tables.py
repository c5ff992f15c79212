"""Tables over several runs: mean and spread over seeds, at given epochs and at a checkpoint chosen on validation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from models.errors import ParameterError

if TYPE_CHECKING:
    import pandas

__all__ = ["ACCURACIES", "markdown", "summary"]

ACCURACIES = ("accuracy_exact", "accuracy_spikes", "accuracy_membrane")


def summary(frames: Sequence[pandas.DataFrame], epochs: Sequence[int], split: str = "test") -> pandas.DataFrame:
    """Accuracy over runs, in per cent.

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

    rows = {}
    for epoch in epochs:
        values = [frame[(frame.epoch == epoch) & (frame.split == split)] for frame in frames]
        if any(part.empty for part in values):
            raise ParameterError(f"Epoch {epoch} is not in every run; give --epochs that all runs have.")
        rows[f"epoch {epoch}"] = {name: [100 * part[name].iloc[0] for part in values] for name in ACCURACIES}
    chosen: dict[str, list[float]] = {name: [] for name in ACCURACIES}
    for frame in frames:
        validation = frame[frame.split == "validation"].set_index("epoch")
        reported = frame[frame.split == split].set_index("epoch")
        for name in ACCURACIES:
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
    """The table as Markdown, one cell ``mean ± sd`` per accuracy."""
    names = [name.removeprefix("accuracy_") for name in ACCURACIES]
    lines = ["| | " + " | ".join(names) + " |", "|---|" + "---|" * len(names)]
    for label, row in table.iterrows():
        cells = (f"{row[f'{name}_mean']:.2f} ± {row[f'{name}_sd']:.2f}" for name in ACCURACIES)
        lines.append(f"| {label} | " + " | ".join(cells) + " |")
    return "\n".join(lines)
