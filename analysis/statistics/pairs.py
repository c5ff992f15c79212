"""Every pair of kinds of runs, compared over the seeds that both have, and over the test images to which both have answered."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from brianprop.analysis.groups import Group, group_runs, open_runs, seed_of
from brianprop.analysis.runs.run import Run
from brianprop.analysis.statistics.tests import holm, mcnemar, paired, unpaired
from brianprop.analysis.systems import SYSTEMS
from brianprop.models.errors import ParameterError, RunError

if TYPE_CHECKING:
    import pandas

__all__ = ["Comparisons", "compared"]

PERCENT = 100

#: Columns that are corrected by Holm.
P = ("p", "p_wilcoxon")


@dataclass(frozen=True)
class Comparisons:
    """Pairs of kinds of runs, A and B.

    Attributes
    ----------
    seeds : DataFrame
        A row for each pair and each accuracy: ``A`` and ``B``, the labels; ``reading A`` and ``reading B``, the accuracies;
        ``epoch A`` and ``epoch B``; ``n A`` and ``n B``, the seeds that count, all of them shared where ``paired``; and what
        `analysis.statistics.tests.Tested` holds, differences in percentage points, p also corrected by Holm over the table.
    images : DataFrame
        A row for each pair, reading and shared seed, by McNemar: ``images``, ``only A`` and ``only B``, those that one network
        alone answers right, ``p``, and ``p Holm``, corrected over the table.
    lacking : dict
        By pair, why images could not be compared.
    commands : tuple of str
        What would store the answers that are lacking.
    """

    seeds: pandas.DataFrame
    images: pandas.DataFrame
    lacking: Mapping[tuple[str, str], str]
    commands: tuple[str, ...]


def compared(
    run_paths: Sequence[Path], epoch: int | None = None, split: str = "test", baseline: Path | None = None
) -> Comparisons:
    """Compare all kinds of runs, two by two.

    Parameters
    ----------
    run_paths : sequence of path-like
        Run directories. Runs that differ in more than their seed are of different kinds.
    epoch : int, optional
        By default, for each kind, the last epoch that all of its runs have.
    split : {"test", "validation", "train"}
        Of the accuracies. The answers to each image are stored for the test images after the last epoch.
    baseline : path-like, optional
        One of the runs: all other kinds are compared with its kind only.

    Raises
    ------
    RunError
        If a run cannot be read, has no finished epoch, or is given twice; or if the baseline is none of the runs.
    ParameterError
        If a run lacks the epoch.
    """
    import pandas

    runs = open_runs(run_paths, "compare")
    groups = group_runs(runs)
    scores = {group.label: _scores(group, epoch, split) for group in groups}
    answers = {run.path: run.load_predictions() for run in runs} if len(groups) > 1 and split == "test" else {}
    seeds, images, lacking = [], [], {}
    lack: list[Run] = []
    for a, b in _pairs(groups, baseline):
        for readings in _readings(a, b):
            seeds.append(_over_seeds(a, b, readings, scores))
        if split != "test":
            lacking[a.label, b.label] = f"answers to {split} images are not stored"
            continue
        rows, why, without = _over_images(a, b, scores, answers)
        images += rows
        lack += without
        if why:
            lacking[a.label, b.label] = why
    commands = dict.fromkeys(_command(run) for run in lack)
    over_seeds, over_images = (pandas.DataFrame(_corrected(rows)) for rows in (seeds, images))
    return Comparisons(over_seeds, over_images, lacking, tuple(commands))


def _corrected(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Rows of a table with a column after each p that corrects it by Holm."""
    corrected = {name: holm([row[name] for row in rows]) for name in P if rows and name in rows[0]}
    found = []
    for number, row in enumerate(rows):
        found.append({})
        for name, value in row.items():
            found[-1][name] = value
            if name in corrected:
                found[-1][f"{name} Holm"] = corrected[name][number]
    return found


@dataclass(frozen=True)
class _Scores:
    """Accuracies [%] of the runs of a kind after an epoch: by seed, and by column."""

    epoch: int
    of_seed: Mapping[int, Mapping[str, float]]


def _scores(group: Group, epoch: int | None, split: str) -> _Scores:
    rows = {run.path: run.metrics() for run in group.runs}
    for path, found in rows.items():
        if not found:
            raise RunError(f"{path} has no finished epoch; use 'brianprop resume {path}'.")
    last = min(max(row["epoch"] for row in found) for found in rows.values()) if epoch is None else epoch
    of_seed = {}
    for run in group.runs:
        chosen = [row for row in rows[run.path] if row["epoch"] == last and row["split"] == split]
        if not chosen:
            raise ParameterError(
                f"{run.path} has no scores of the split {split} after epoch {last}; give --epochs and --split of all runs."
            )
        of_seed[seed_of(run)] = {name: PERCENT * chosen[0][name] for name in SYSTEMS[run.system].accuracies}
    return _Scores(last, of_seed)


def _pairs(groups: Sequence[Group], baseline: Path | None) -> Iterator[tuple[Group, Group]]:
    if baseline is None:
        yield from itertools.combinations(groups, 2)
        return
    path = Path(baseline).resolve()
    last = next((group for group in groups if any(run.path.resolve() == path for run in group.runs)), None)
    if last is None:
        raise RunError(f"The baseline {baseline} is none of the runs; give --baseline one of them.")
    yield from ((group, last) for group in groups if group is not last)


def _readings(a: Group, b: Group) -> list[tuple[str, str]]:
    """The accuracies that are compared: those of one name, and the last readouts, which figures show too.

    Where a system has one accuracy only, each readout of the other is compared with it.
    """
    ours, theirs = ([_column(group, readout) for readout in SYSTEMS[group.system].readouts] for group in (a, b))
    names = SYSTEMS[b.system].accuracies
    pairs = [(name, name) for name in SYSTEMS[a.system].accuracies if name in names]
    pairs += [(one, other) for one in ours for other in theirs if 1 in (len(ours), len(theirs))]
    return list(dict.fromkeys([*pairs, (ours[-1], theirs[-1])]))


def _column(group: Group, readout: str) -> str:
    """The accuracy of a readout; a system with one accuracy calls it nothing else."""
    accuracies = SYSTEMS[group.system].accuracies
    return accuracies[0] if len(accuracies) == 1 else f"accuracy_{readout}"


def _name(column: str) -> str:
    return column.removeprefix("accuracy_")


def _over_seeds(a: Group, b: Group, readings: tuple[str, str], scores: Mapping[str, _Scores]) -> dict:
    ours, theirs = scores[a.label], scores[b.label]
    shared = sorted(ours.of_seed.keys() & theirs.of_seed.keys())
    # one common seed does not make a paired test, and two kinds without seeds of which one has several make none at all
    by_pairs = len(shared) > 1 or (len(shared) == 1 and min(len(ours.of_seed), len(theirs.of_seed)) == 1)
    one, other = (
        [of.of_seed[seed][column] for seed in (shared if by_pairs else sorted(of.of_seed))]
        for of, column in zip((ours, theirs), readings, strict=True)
    )
    tested = (paired if by_pairs else unpaired)(one, other)
    return {
        "A": a.label,
        "B": b.label,
        "reading A": _name(readings[0]),
        "reading B": _name(readings[1]),
        "epoch A": ours.epoch,
        "epoch B": theirs.epoch,
        "n A": len(one),
        "n B": len(other),
        "paired": by_pairs,
        **dataclasses.asdict(tested),
    }


def _over_images(
    a: Group, b: Group, scores: Mapping[str, _Scores], answers: Mapping[Path, Mapping[str, np.ndarray] | None]
) -> tuple[list[dict], str | None, list[Run]]:
    """Rows of the table; why there are none of some seeds; and the runs without stored answers."""
    ours, theirs = ({seed_of(run): run for run in group.runs} for group in (a, b))
    shared = sorted(ours.keys() & theirs.keys())
    if not shared:
        return [], "no seed in common", []
    rows, reasons, without = [], {}, []
    for seed in shared:
        pair = ours[seed], theirs[seed]
        if lack := [run for run, of in zip(pair, (a, b), strict=True) if run.epochs != scores[of.label].epoch]:
            reasons[seed] = f"answers are stored of the last epoch only, {lack[0].epochs}"
            continue
        one, other = (answers[run.path] for run in pair)
        if one is None or other is None:
            reasons[seed] = "no predictions.npz"
            without += [run for run in pair if answers[run.path] is None]
            continue
        data = [Path(run.config["dataset"]["name"]).name for run in pair]
        if data[0] != data[1] or not np.array_equal(one["target"], other["target"]):
            reasons[seed] = "other test images"
            continue
        for readings in _readings(a, b):
            right = [
                _right(group, found, reading) for group, found, reading in zip((a, b), (one, other), readings, strict=True)
            ]
            if right[0] is None or right[1] is None:
                continue
            only = int(np.sum(right[0] & ~right[1])), int(np.sum(right[1] & ~right[0]))
            rows.append(
                {"A": a.label, "B": b.label, "reading A": _name(readings[0]), "reading B": _name(readings[1]), "seed": seed}
                | {"images": len(right[0]), "only A": only[0], "only B": only[1], "p": mcnemar(*only)}
            )
    by_reason: dict[str, list[int]] = {}
    for seed, reason in reasons.items():
        by_reason.setdefault(reason, []).append(seed)
    why = "; ".join(
        f"{reason} (seed{'s' if len(seeds) > 1 else ''} {', '.join(map(str, seeds))})" for reason, seeds in by_reason.items()
    )
    return rows, why or None, without


def _right(group: Group, answers: Mapping[str, np.ndarray], column: str) -> np.ndarray | None:
    """Which test images a readout answers right; None of the accuracy by all output spikes, which is no class."""
    readout = next((name for name in SYSTEMS[group.system].readouts if _column(group, name) == column), None)
    return None if readout is None else answers[readout] == answers["target"]


def _command(run: Run) -> str:
    """The command after which a run has stored answers."""
    if (run.path / "weights.npz").is_file():
        return f"brianprop evaluate {run.path}"
    if run.checkpoints:
        return f"brianprop resume {run.path}"
    return f"{run.path} holds no weights: train it again"
