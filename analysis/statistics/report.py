"""Comparisons of kinds of runs as Markdown and as files."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from brianprop.analysis.statistics.pairs import Comparisons
from brianprop.analysis.tables import grid
from brianprop.models.files import write_text

__all__ = ["advice", "markdown", "write"]

#: Below this, p is not written as a number.
SMALL = 1e-4

OVER_SEEDS = (
    "A − B: accuracy of A minus that of B in percentage points, mean over seeds, with the 95 % confidence interval. Seeds that "
    "both have are compared in pairs (Student's paired t, and Wilcoxon's signed-rank test, whose p cannot be below 2 / 2^n and "
    "so not below 0.05 with fewer than 6 seeds); kinds that share no two seeds, unpaired (Welch's t). d: difference over "
    "standard deviation (of the paired differences; unpaired: of both kinds, pooled), with its 95 % interval; g: d with "
    "Hedges' correction for few seeds. Holm: p corrected for all comparisons of this table."
)
OVER_IMAGES = (
    "Two networks of one seed on the same test images, by McNemar's exact test: how many images A alone, and B alone, answers "
    "right. It is about these two networks, not about other seeds. Holm: p corrected for all comparisons of this table."
)


def markdown(found: Comparisons) -> str:
    """Both tables with what they mean; text for two kinds of runs and more, else nothing."""
    if found.seeds.empty:
        return ""
    rows = [
        [
            *_names(row),
            f"{row['test']}{'' if row['paired'] or math.isnan(row['p']) else ', unpaired'}",
            str(row["n A"]) if row["paired"] else f"{row['n A']} and {row['n B']}",
            _with_interval(row["difference"], row["low"], row["high"]),
            *(_p(row[name]) for name in ("p", "p Holm", "p_wilcoxon Holm")),
            _with_interval(row["d"], row["d_low"], row["d_high"]),
            _number(row["g"]),
        ]
        for row in found.seeds.to_dict("records")
    ]
    head = ["A", "B", "accuracy", "test", "n", "A − B", "p", "p, Holm", "p, Wilcoxon and Holm", "d", "g"]
    parts = [_table(head, rows), OVER_SEEDS]
    if not found.images.empty:
        rows = [
            [
                *_names(row),
                *(str(row[name]) for name in ("seed", "images", "only A", "only B")),
                *(_p(row[name]) for name in ("p", "p Holm")),
            ]
            for row in found.images.to_dict("records")
        ]
        head = ["A", "B", "accuracy", "seed", "images", "only A right", "only B right", "p", "p, Holm"]
        parts += [_table(head, rows), OVER_IMAGES]
    if found.lacking:
        lines = [f"- {a} and {b}: {why}" for (a, b), why in found.lacking.items()]
        parts.append("\n".join(["Not compared over images:", "", *lines]))
    return "\n\n".join(parts) + "\n"


def advice(found: Comparisons) -> str:
    """What would store the answers that are lacking; nothing where none are."""
    return "\n".join(["To compare over images, store the answers:", *found.commands, ""]) if found.commands else ""


def write(found: Comparisons, folder: Path) -> list[Path]:
    """Write pairs.md, pairs.csv and, where images were compared, mcnemar.csv; nothing where there is one kind of runs.

    Raises
    ------
    RunError
        If a file cannot be written.
    """
    if found.seeds.empty:
        return []
    texts = {"pairs.md": markdown(found), "pairs.csv": found.seeds.to_csv(index=False, lineterminator="\n")}
    if not found.images.empty:
        texts["mcnemar.csv"] = found.images.to_csv(index=False, lineterminator="\n")
    return [write_text(folder / name, text) for name, text in texts.items()]


def _names(row: dict[str, Any]) -> list[str]:
    one, other = row["reading A"], row["reading B"]
    return [row["A"], row["B"], one if one == other else f"{one}, {other}"]


def _number(value: float) -> str:
    return "–" if math.isnan(value) else f"{value:z.2f}"


def _with_interval(value: float, low: float, high: float) -> str:
    return _number(value) if math.isnan(low) else f"{value:z.2f} [{low:z.2f}, {high:z.2f}]"


def _p(value: float) -> str:
    return "–" if math.isnan(value) else "< 0.0001" if value < SMALL else f"{value:.2g}"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    return grid([head, ["---"] * len(head), *rows])
