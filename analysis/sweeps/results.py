"""What the table of a sweep holds of one run."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from brianprop.analysis.runs.run import Run
from brianprop.analysis.runs.values import cell
from brianprop.models.errors import RunError

__all__ = ["option_cell", "results_of"]


def results_of(run: Run, objective: Mapping[str, str], sweep: Path) -> dict[str, Any]:
    """The scores of a finished run by column, see `SweepDirectory.table`.

    Parameters
    ----------
    run : Run
    objective : mapping
        Its ``metric``, ``split`` and ``epoch`` (last or best).
    sweep : pathlib.Path
        The sweep directory, for messages.

    Raises
    ------
    RunError
        If the run has no scores, or none of the objective.
    """
    rows = run.metrics()
    if not rows:
        raise RunError(f"{run.path} has no finished epoch; 'brianprop sweep resume {sweep}' runs what is damaged again.")
    last = max(row["epoch"] for row in rows)
    scores = {
        f"{row['split']}_{name}": value
        for row in rows
        if row["epoch"] == last
        for name, value in row.items()
        if name not in ("epoch", "split", "samples", "seconds")
    }
    course = {row["epoch"]: row[objective["metric"]] for row in rows if row["split"] == objective["split"]}
    if not course:
        raise RunError(
            f"{run.path} has no scores of the split {objective['split']}, which the objective is of; sweep with another "
            "objective."
        )
    # the first of equal ones
    best = (min if objective["metric"] == "loss" else max)(course, key=course.__getitem__)
    if last not in course:
        raise RunError(f"{run.path} has no scores of the split {objective['split']} after its epoch {last}; run it again.")
    return scores | {
        "best_epoch": best,
        "objective": course[last if objective["epoch"] == "last" else best],
        "seconds": math.fsum(row["seconds"] for row in rows),
        "commit": run.environment.get("commit"),
    }


def option_cell(option: str, value: Any) -> Any:
    """An option of a run as a cell. Paths are reduced to their last part, since a table may be published."""
    return cell(Path(value).name if option in ("dataset", "init_weights") and value else value)
