"""``brianprop benchmark brian2``: networks of Brian2's own examples on ``cpp_standalone`` and on ``dense_standalone``.

Both devices get the same seeds. Where no dense code draws random numbers, every spike must be the same; elsewhere the numbers
of spikes of all rounds must agree within chance.
"""

from __future__ import annotations

import csv
import dataclasses
import io
import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

import numpy as np

from brianprop.analysis.figures.speed import Spread, ratio
from brianprop.analysis.runs import as_json
from brianprop.experiments.benchmarks.networks import NETWORKS, NetworkName
from brianprop.experiments.benchmarks.report import prepare, require_at_least
from brianprop.experiments.environment import describe
from brianprop.models.errors import ParameterError, RunError
from brianprop.models.files import write_text
from brianprop.models.simulation.scratch import Scratch

__all__ = ["DEVICES", "BenchmarkBrian2", "agree", "benchmark"]

DEVICES = {"stock": "cpp_standalone", "dense": "dense_standalone"}

#: How often the comparison of counts is wrong by chance where both devices have the same distribution.
ERROR_RATE = 1e-4


@dataclass(frozen=True)
class BenchmarkBrian2:
    """Time networks of Brian2's own examples on Brian2's C++ device and on ours, and compare their spikes."""

    out: Path
    """New folder for the tables."""
    networks: tuple[NetworkName, ...] = get_args(NetworkName)
    """Which networks."""
    size: float = 1.0
    """Share of the full size, in neurons and in time."""
    repeats: int = 5
    """Rounds: each runs every network once on both devices, with a seed of its own."""
    seed: int = 1
    """Seed of the first round."""

    def __post_init__(self):
        require_at_least(self, repeats=2, seed=0)
        if not 0 < self.size <= 1:
            raise ParameterError(f"Parameter size = {self.size!r} must be above 0 and at most 1; set --size.")
        if not self.networks:
            raise ParameterError(f"No network is chosen; set --networks to some of {', '.join(NETWORKS)}.")


def agree(stock: list[int], dense: list[int]) -> bool:
    """Whether two sets of spike counts may be of one distribution: Welch's t test at `ERROR_RATE`."""
    from scipy import stats

    if np.ptp(stock) == np.ptp(dense) == 0:
        return stock[0] == dense[0]
    result: Any = stats.ttest_ind(stock, dense, equal_var=False)
    return bool(result.pvalue > ERROR_RATE)


def run(folder: Path, seed: int) -> tuple[np.ndarray, np.ndarray, float]:
    """Run a compiled project. Gives the neurons and times [s] of the spikes, and the processor time of the run [s]."""
    done = subprocess.run(["./main"], cwd=folder, env=os.environ | {"SEED": str(seed)}, capture_output=True, text=True)
    if done.returncode:
        raise RunError(f"The program in {folder} failed: {done.stderr.strip()[-300:]}; please report this as a bug.")
    files = json.loads((folder / "spikes.json").read_text())
    neurons, times = (np.fromfile(folder / "results" / files[part], kind) for part, kind in (("i", np.int32), ("t", float)))
    return neurons, times, float((folder / "results" / "cpu_seconds").read_text())


def measure(settings: BenchmarkBrian2, folder: Path, message: Callable[[str], None]) -> list[dict]:
    """Build and run everything; one row for each network. Raises RunError where the devices do not agree."""
    projects = {}
    for name in settings.networks:
        for label, device in DEVICES.items():
            message(f"Building {name} for {device} ...")
            projects[name, label] = folder / f"{name}-{label}"
            command = [sys.executable, "-m", "brianprop.experiments.benchmarks.networks", name, device]
            done = subprocess.run([*command, str(projects[name, label]), repr(settings.size)], capture_output=True, text=True)
            if done.returncode:
                raise RunError(f"{name} cannot be built for {device}: {done.stderr.strip()[-300:]}; see 'brianprop info'.")
    seconds: dict = {key: [] for key in projects}
    counts: dict = {key: [] for key in projects}
    message(f"Running {settings.repeats} rounds ...")
    for repeat in range(settings.repeats):
        for name in settings.networks:
            outcomes = {label: run(projects[name, label], settings.seed + repeat) for label in DEVICES}
            for label, (neurons, _, taken) in outcomes.items():
                seconds[name, label].append(taken)
                counts[name, label].append(len(neurons))
            same = all(np.array_equal(*parts) for parts in zip(outcomes["stock"][:2], outcomes["dense"][:2], strict=True))
            if not same and not NETWORKS[name].chance:
                raise RunError(f"The devices disagree in the spikes of {name}; please report this as a bug.")
    rows = []
    for name in settings.networks:
        if not agree(counts[name, "stock"], counts[name, "dense"]):
            raise RunError(f"The devices disagree in the number of spikes of {name}; please report this as a bug.")
        rows.append(
            {
                "network": name,
                "source": NETWORKS[name].source,
                "same": "statistics" if NETWORKS[name].chance else "spikes",
                **{f"spikes {label}": counts[name, label] for label in DEVICES},
                **{f"seconds {label}": seconds[name, label] for label in DEVICES},
                "ratio": dataclasses.asdict(ratio(seconds[name, "stock"], seconds[name, "dense"])),
            }
        )
    return rows


def benchmark(settings: BenchmarkBrian2, message: Callable[[str], None] = print) -> Path:
    """Measure, print a table, and write benchmark.csv and benchmark.json into a new folder.

    Parameters
    ----------
    settings : BenchmarkBrian2
    message : callable
        Called with each line of text.

    Returns
    -------
    pathlib.Path
        The folder.

    Raises
    ------
    RunError
        If the folder holds files, a network cannot be built or run, or the devices do not agree.
    """
    prepare(settings.out)
    with Scratch() as folder:
        rows = measure(settings, folder, message)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["network", "same", "spikes", "seconds stock", "seconds dense", "stock / dense", "low", "high", "runs"])
    message(f"{'network':22} {'same':10} {'spikes':>9} {'stock [s]':>10} {'dense [s]':>10} {'stock / dense':>14}")
    for row in rows:
        spikes = float(np.mean(row["spikes stock"]))
        medians = [Spread.of(row[f"seconds {label}"]).median for label in DEVICES]
        times = row["ratio"]
        writer.writerow([row["network"], row["same"], spikes, *medians, *(times[k] for k in ("median", "low", "high", "runs"))])
        message(
            f"{row['network']:22} {row['same']:10} {spikes:9.0f} {medians[0]:10.3f} {medians[1]:10.3f} {times['median']:14.2f}"
            f"  ({times['low']:.2f} to {times['high']:.2f})"
        )
    write_text(settings.out / "benchmark.csv", text.getvalue())
    results = {"settings": as_json(settings), "environment": describe(), "networks": rows}
    write_text(settings.out / "benchmark.json", json.dumps(results, indent=1, ensure_ascii=False))
    return settings.out
