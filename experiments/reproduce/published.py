"""Numbers of the documentation, from the published runs: `make results` writes them into the pages, and a test compares.

The pages hold blocks of `cog <https://cog.readthedocs.io>`_, comments that say which numbers follow::

    <!-- [[[cog
    from brianprop.experiments.reproduce.published import show
    cog.out(show(["nBP", "spikes", "membrane"], {"MNIST, epoch 60": ["nbp-mnist/seed* spikes membrane @60"]}))
    ]]] -->
    <!-- [[[end]]] -->

A cell is text, or one of::

    RUNS COLUMN ... [@EPOCH] [on SPLIT]   accuracies [%] over the runs that a pattern finds, mean ± standard deviation, a cell
                                          for each. By default after the last epoch, on the test images; @chosen is the epoch
                                          that is best on validation
    FILE.md | ROW | COLUMN                a cell of a table in Markdown
    FILE.csv | WORDS | COLUMN             the median of a benchmark and its range, of the line that begins with these words,
                                          which commas separate

Paths are those in ``results/published``. `of_sweep` gives the table of a published sweep in the same way, `of_pairs` the
tests of an experiment that compares kinds of runs.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from brianprop.analysis import tables
from brianprop.analysis.runs import Run
from brianprop.models.errors import ParameterError

if TYPE_CHECKING:
    import pandas

__all__ = ["PUBLISHED", "best_of_test", "cells", "of_pairs", "of_sweep", "show"]

#: Where the published runs lie in a checkout, and in a source archive, whose copy of this file lies deeper.
PUBLISHED = next(
    (found for folder in Path(__file__).resolve().parents if (found := folder / "results" / "published").is_dir()),
    Path("results", "published"),
)

ACCURACIES = re.compile(r"(?P<runs>\S+)(?P<columns>(?: (?!on )\w+)+)(?: @(?P<epoch>\d+|chosen))?(?: on (?P<split>\w+))?")


def show(head: Sequence[str], rows: Mapping[str, Sequence[str]]) -> str:
    """A table in Markdown.

    Parameters
    ----------
    head : sequence of str
        Titles of all columns, that of the labels first.
    rows : mapping from label to sequence of str
        What `cells` takes.

    Raises
    ------
    ParameterError
        Where a row has another number of cells than the head, or a cell is not found.
    """
    lines = [head, ["---"] * len(head)]
    for label, wanted in rows.items():
        line = [label, *(text for one in wanted for text in cells(one))]
        if len(line) != len(head):
            raise ParameterError(f"The row {label!r} has {len(line) - 1} cells, but the table has {len(head) - 1} columns.")
        lines.append(line)
    return tables.grid(lines) + "\n"


def of_sweep(name: str, axis: str, metrics: Mapping[str, str], across: str | None = None) -> str:
    """A table of a sweep in ``results/published/sweeps`` in Markdown: accuracies [%], mean ± standard deviation over the seeds.

    Parameters
    ----------
    name : str
        Folder of the sweep.
    axis : str
        Column of its table.csv, a row for each of whose values.
    metrics : mapping from title to column
        Columns with accuracies, such as ``test_accuracy_spikes``; with `across` a single one, whose title is not used.
    across : str, optional
        Column, a column for each of whose values.

    Raises
    ------
    ParameterError
        Where there is no such sweep, or it lacks a column.
    """
    import pandas

    path = PUBLISHED / "sweeps" / name / "table.csv"
    if not path.exists():
        raise ParameterError(f"No published sweep is called {name}; see results/published/sweeps.")
    table = pandas.read_csv(path)
    for column in (axis, *metrics.values(), *([across] if across else [])):
        if column not in table:
            raise ParameterError(f"The sweep {name} has no column {column!r}; its table.csv has {', '.join(table)}.")
    if across is None:
        columns = {title: table.groupby(axis, sort=False)[column] for title, column in metrics.items()}
    else:
        columns = {
            f"{across} {value}": table[table[across] == value].groupby(axis, sort=False)[next(iter(metrics.values()))]
            for value in table[across].unique()
        }
    spread = {
        title: [tables.with_spread(100 * mean, 100 * sd) for mean, sd in of.agg(["mean", "std"]).to_numpy()]
        for title, of in columns.items()
    }
    rows = {str(value): [texts[place] for texts in spread.values()] for place, value in enumerate(table[axis].unique())}
    return show([axis, *spread], rows)


def of_pairs(name: str) -> str:
    """A table in Markdown of the tests in ``pairs.csv`` of a published experiment: differences of accuracies in points.

    Raises
    ------
    ParameterError
        Where the experiment is not published or compares nothing.
    """
    path = PUBLISHED / name / "pairs.csv"
    if not path.exists():
        raise ParameterError(f"There is no published file {name}/pairs.csv; see results/published.")
    lines = ["| A | B | accuracy | n | A − B, 95 % interval | p, Holm | d |", "|" + " --- |" * 7]
    for row in csv.DictReader(path.read_text(encoding="utf-8").splitlines()):
        readings = ", ".join(dict.fromkeys((row["reading A"], row["reading B"])))
        difference, low, high, p, d = (float(row[column]) for column in ("difference", "low", "high", "p Holm", "d"))
        interval = f"{difference:.2f} [{low:.2f}, {high:.2f}]"
        lines.append(f"| {row['A']} | {row['B']} | {readings} | {row['n A']} | {interval} | {p:.2g} | {d:.1f} |")
    return "\n".join(lines) + "\n"


def cells(wanted: str) -> list[str]:
    """The text of one or several cells, see above.

    Raises
    ------
    ParameterError
        Where there are no such runs, rows or columns.
    """
    if " | " in wanted:
        return [_of_table(*wanted.split(" | "))]
    found = ACCURACIES.fullmatch(wanted)
    if found is None or "/" not in found["runs"]:
        return [wanted]
    return [_accuracy(found["runs"], column, found["epoch"], found["split"]) for column in found["columns"].split()]


def _accuracy(runs: str, column: str, epoch: str | None, split: str | None) -> str:
    table = _summary(runs, epoch, split or "test")
    name = "accuracy" if column == "accuracy" else f"accuracy_{column}"
    if f"{name}_mean" not in table:
        raise ParameterError(f"The runs {runs} have no {name}; they have {', '.join(table)}.")
    row = table.loc["chosen on validation"] if epoch == "chosen" else table.iloc[0]
    return tables.with_spread(row[f"{name}_mean"], row[f"{name}_sd"])


def best_of_test(runs: str, column: str) -> str:
    """Mean over runs of the best accuracy on test images of all epochs [%]: no result, since it was picked on these images."""
    tests = [frame[frame.split == "test"] for frame in _frames(runs)]
    return f"{100 * sum(frame[f'accuracy_{column}'].max() for frame in tests) / len(tests):.2f}"


def _frames(runs: str) -> list[pandas.DataFrame]:
    frames = [Run.open(path).metrics_frame() for path in sorted(PUBLISHED.glob(runs))]
    if not frames:
        raise ParameterError(f"No published run is called {runs}; see results/published.")
    return frames


@cache
def _summary(runs: str, epoch: str | None, split: str):
    frames = _frames(runs)
    last = min(int(frame.epoch.max()) for frame in frames)
    return tables.summary(frames, [int(epoch) if epoch and epoch.isdigit() else last], split)


def _of_table(file: str, row: str, column: str) -> str:
    path = PUBLISHED / file
    if not path.exists():
        raise ParameterError(f"There is no published file {file}.")
    return (_of_benchmark if path.suffix == ".csv" else _of_markdown)(path, row, column)


def _of_markdown(path: Path, row: str, column: str) -> str:
    head: list[str] = []
    for line in path.read_text(encoding="utf-8").splitlines():
        cells = [text.strip() for text in line.strip("|").split("|")]
        if not line.startswith("|"):
            head = []
        elif not head:
            head = cells
        elif cells[0] == row and column in head:
            return cells[head.index(column)]
    raise ParameterError(f"{path.name} has no row {row!r} with a column {column!r}.")


def _of_benchmark(path: Path, row: str, column: str) -> str:
    with path.open(encoding="utf-8", newline="") as file:
        for line in csv.DictReader(file):
            if (", ".join(line.values()) + ", ").startswith(row + ", "):
                numbers = [float(line[name]) for name in (column, "low", "high")]
                value, low, high = map(tables.three_digits, numbers)  # as many as a benchmark may say
                return value if numbers[1] == numbers[2] else f"{value} ({low} to {high})"
    raise ParameterError(f"{path.name} has no line {row!r}.")
