"""The files metrics.csv of a run, one row per epoch and split, and metrics.jsonl, one line per epoch."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from brianprop.analysis.runs.checks import shown
from brianprop.models.errors import RunError
from brianprop.models.files import write_text

__all__ = ["SPLITS", "read_metrics", "write_json_lines", "write_metrics"]

#: Splits of a data set.
SPLITS = ("train", "validation", "test")

#: Types of the columns that are no `float`.
TYPES: dict[str, Callable[[Any], Any]] = {"epoch": int, "split": str, "samples": int}


def read_metrics(path: Path, columns: Sequence[str], remedy: str) -> list[dict]:
    """Rows with typed values.

    Parameters
    ----------
    path : pathlib.Path
    columns : sequence of str
        Those that the file must have, in this order.
    remedy : str
        What to do where the file is damaged.

    Raises
    ------
    RunError
        If the file is damaged.
    """
    try:
        with open(path, newline="", encoding="utf-8") as file:
            reader = csv.reader(file, strict=True)
            header = list(next(reader, ()))
            if header != list(columns):
                raise RunError(f"{path} has the columns {shown(header)}, not {list(columns)}; {remedy}.")
            rows = [_row(cells, columns) for cells in reader]
    except (OSError, ValueError, csv.Error) as error:
        raise RunError(f"{path} is damaged ({error}); {remedy}.") from error
    if len({(row["epoch"], row["split"]) for row in rows}) < len(rows):
        raise RunError(f"{path} is damaged (an epoch has two rows of one split); {remedy}.")
    return rows


def write_metrics(path: Path, columns: Sequence[str], rows: Iterable[dict]) -> None:
    """Write rows in full precision, so that equal runs give equal files but for the column ``seconds``."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    for row in rows:
        # the conversion makes Python's scalars of NumPy's, whose repr names their type
        values = [TYPES.get(column, float)(row[column]) for column in columns]
        writer.writerow([repr(value) if isinstance(value, float) else value for value in values])
    write_text(path, text.getvalue())


def write_json_lines(path: Path, rows: Iterable[dict]) -> None:
    """Write rows for tools that follow a training: a line of JSON per epoch, with an object for each split.

    Nothing here reads this file; it is written anew with metrics.csv.
    """
    epochs: dict[int, dict[str, Any]] = {}
    for row in rows:
        values = {name: TYPES.get(name, float)(value) for name, value in row.items() if name not in ("epoch", "split")}
        epochs.setdefault(int(row["epoch"]), {})[row["split"]] = values
    write_text(path, "".join(json.dumps({"epoch": epoch, **splits}) + "\n" for epoch, splits in epochs.items()))


def _row(cells: list[str], columns: Sequence[str]) -> dict:
    """One row; ValueError where a value is impossible."""
    row = {name: TYPES.get(name, float)(cell) for name, cell in zip(columns, cells, strict=True)}
    if row["split"] not in SPLITS or row["epoch"] < 1 or row["samples"] < 1:
        raise ValueError(f"epoch {row['epoch']}, split {shown(row['split'])}, samples {row['samples']}")
    for name, value in row.items():
        most = 1 if name.startswith("accuracy") else math.inf
        if isinstance(value, float) and not (0 <= value <= most and math.isfinite(value)):
            raise ValueError(f"{name} is {value} in epoch {row['epoch']}")
    return row
