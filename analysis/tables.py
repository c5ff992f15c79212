"""Tables over several runs: mean and spread over seeds, at given epochs and at the epoch that is best on validation."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from brianprop.analysis.groups import group_runs, open_runs
from brianprop.analysis.statistics.tests import described
from brianprop.models.circuit import Circuit
from brianprop.models.errors import ParameterError, RunError
from brianprop.models.files import write_text

if TYPE_CHECKING:
    import pandas

__all__ = ["grid", "markdown", "network_size", "summary", "table", "three_digits", "with_published", "with_spread", "write"]


def table(run_paths: Sequence[Path], epochs: Sequence[int] = (), split: str = "test") -> pandas.DataFrame:
    """The `summary` of runs of any systems and settings, one group below the other.

    Parameters
    ----------
    run_paths : sequence of path-like
        Run directories. Runs that differ in more than their seed have separate rows, with a label before the epoch.
    epochs : sequence of int
        By default, for each group, the last epoch that all of its runs have.
    split : {"test", "validation", "train"}

    Raises
    ------
    RunError
        If a run cannot be read, has no finished epoch, or is given twice, also as a copy.
    ParameterError
        If a run lacks an epoch.
    """
    import pandas

    groups = group_runs(open_runs(run_paths, "show"))
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
        Metrics of runs that differ only in their seed, as `Run.metrics_frame` gives them.
    epochs : sequence of int
        Epochs to report. A last row reports, for each column, the epoch of each run that is best on the validation split (the
        first among equals); the test split plays no part in that choice.
    split : {"test", "validation", "train"}

    Returns
    -------
    DataFrame
        Rows by epoch; columns ``n``, the number of runs, and of each accuracy ``NAME_mean``, ``NAME_sd`` (sample standard
        deviation), and ``NAME_low`` and ``NAME_high``, the 95 % confidence interval of the mean by Student's t. A single run
        has neither spread nor interval: NaN.

    Raises
    ------
    ParameterError
        If a run lacks an epoch.
    """
    import pandas

    accuracies = [name for name in frames[0].columns if name.startswith("accuracy")]
    rows: dict[str, dict[str, list[float]]] = {}
    for epoch in epochs:
        scores = [frame.loc[(frame["epoch"] == epoch) & (frame["split"] == split)].to_dict("records") for frame in frames]
        if not all(scores):
            raise ParameterError(f"Epoch {epoch} is not in every run; give --epochs that all runs have.")
        rows[f"epoch {epoch}"] = {name: [100 * row[name] for row, *_ in scores] for name in accuracies}
    chosen: dict[str, list[float]] = {name: [] for name in accuracies}
    for frame in frames:
        validation = frame.loc[frame["split"] == "validation"].set_index("epoch")
        reported = frame.loc[frame["split"] == split].set_index("epoch")
        for name in accuracies:
            if len(validation):
                chosen[name].append(100 * reported.loc[validation[name].idxmax(), name])
    if all(chosen.values()):
        rows["chosen on validation"] = chosen
    series = {
        label: {"n": max(map(len, columns.values()))}
        | {f"{name}_{what}": value for name, values in columns.items() for what, value in described(values).items()}
        for label, columns in rows.items()
    }
    return pandas.DataFrame.from_dict(series, orient="index")


def with_spread(mean: float, sd: float) -> str:
    """``mean ± sd``, or the mean alone of a single value, which has no spread."""
    return f"{mean:.2f}" if math.isnan(sd) else f"{mean:.2f} ± {sd:.2f}"


def grid(lines: Iterable[Iterable[str]]) -> str:
    """Lines of cells as a table in Markdown; the first is the head, the second its ``---``."""
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def three_digits(value: float) -> str:
    """A number with three digits, and all of those before the point."""
    return f"{value:,.0f}" if value >= 99.95 else f"{value:.3g}"


def with_published(table: pandas.DataFrame, published: Mapping[str, float]) -> pandas.DataFrame:
    """Append a row of published accuracies to a table, and for each of its rows one with the difference.

    Parameters
    ----------
    table : DataFrame
        As `summary` gives it.
    published : mapping
        Accuracies in per cent by column, such as ``accuracy_spikes``; their spread is not known.
    """
    import pandas

    means = {f"{name}_mean": value for name, value in published.items()}
    rows = {"published": means}
    for label, row in zip(table.index, table.to_dict("records"), strict=True):
        rows[f"{label}, minus published"] = {name: row[name] - value for name, value in means.items()}
    return pandas.concat([table, pandas.DataFrame.from_dict(rows, orient="index")])


def network_size(circuit: Circuit) -> pandas.DataFrame:
    """Count neurons by role and synapses by kind of projection, with sums over all, plastic and fixed ones.

    Parameters
    ----------
    circuit : Circuit

    Returns
    -------
    DataFrame
        Index ``what``; columns ``populations or projections`` and ``neurons or synapses``.
    """
    import pandas

    rows: dict[str, list[int]] = {}

    def count(what: str, size: int) -> None:
        row = rows.setdefault(what, [0, 0])
        row[0] += 1
        row[1] += size

    for population in circuit.populations:
        count(f"neurons, {population.role}", population.size)
    for population in circuit.populations:
        count("neurons", population.size)
    for projection in circuit.projections:
        count(f"synapses, {projection.kind}", circuit.synapse_count(projection))
    for projection in circuit.projections:
        count("synapses, all that learn" if projection.plastic else "synapses, all fixed", circuit.synapse_count(projection))
    for projection in circuit.projections:
        count("synapses", circuit.synapse_count(projection))
    frame = pandas.DataFrame.from_dict(rows, orient="index", columns=["populations or projections", "neurons or synapses"])
    return frame.rename_axis("what")


#: What the cells of `markdown` are.
CELLS = (
    "n runs: mean ± standard deviation over seeds [95 % confidence interval of the mean, by Student's t]. One run has neither."
)


def markdown(table: pandas.DataFrame) -> str:
    """A table as Markdown: the number of runs and, for each accuracy, ``mean ± sd``, or a dash where a system lacks it.

    Where the table has confidence intervals, they follow the spread, and a line below says so. A table without accuracies is
    written as it is.
    """
    accuracies = [name.removesuffix("_mean") for name in table.columns if name.endswith("_mean")]
    if not accuracies:
        lines = ["| | " + " | ".join(table.columns) + " |", "|---|" + "---|" * len(table.columns)]
        # row by row as tuples, since a row as a Series would write whole numbers beside others as 87.0
        rows = ("| " + " | ".join(map(str, row)) + " |" for row in table.itertuples(name=None))
        return "\n".join([*lines, *rows])
    counted = ["n"] if "n" in table.columns else []
    titles = [*counted, *(name.removeprefix("accuracy_") for name in accuracies)]
    lines = ["| | " + " | ".join(titles) + " |", "|---|" + "---|" * len(titles)]
    for label, row in zip(table.index, table.to_dict("records"), strict=True):
        # the row of published accuracies has no number of runs
        cells = ["–" if math.isnan(row[name]) else f"{row[name]:.0f}" for name in counted]
        cells += ["–" if math.isnan(row[f"{name}_mean"]) else _cell(row, name) for name in accuracies]
        lines.append(f"| {label} | " + " | ".join(cells) + " |")
    return "\n".join([*lines, "", CELLS] if any(name.endswith("_low") for name in table.columns) else lines)


def _cell(row: Mapping[str, float], name: str) -> str:
    low, high = (row.get(f"{name}_{end}", math.nan) for end in ("low", "high"))
    return with_spread(row[f"{name}_mean"], row[f"{name}_sd"]) + ("" if math.isnan(low) else f" [{low:.2f}, {high:.2f}]")


def write(table: pandas.DataFrame, stem: Path) -> list[Path]:
    """Write a table as CSV and as Markdown, to the paths that begin with `stem`. Raises RunError where that fails."""
    text = {".csv": table.to_csv(lineterminator="\n"), ".md": markdown(table) + "\n"}
    return [write_text(stem.with_suffix(suffix), content) for suffix, content in text.items()]
