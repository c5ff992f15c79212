"""What the benchmarks of nBP and SSNN-BP write and print: rows of times, ratios, tables, and the folder for them."""

from __future__ import annotations

import csv
import dataclasses
import io
import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from brianprop.analysis.figures.speed import CHIP, Spread, draw, ratio
from brianprop.experiments.data import images as datasets
from brianprop.models.errors import ParameterError, RunError, reason
from brianprop.models.files import write_text

__all__ = [
    "VARIANTS",
    "default_dataset",
    "finish",
    "lines",
    "prepare",
    "ratios",
    "require_at_least",
    "speed_rows",
    "table",
]

#: Ways of computing: Brian2's own templates, those of `models.dense`, and a hand-written kernel.
VARIANTS = ("stock", "dense", "kernel")


def require_at_least(settings: Any, **least: int) -> None:
    """Raise a ParameterError where a setting, or one of several numbers of it, is less than the value given for it."""
    for name, smallest in least.items():
        value = getattr(settings, name)
        if any(number < smallest for number in (value if isinstance(value, tuple) else (value,))):
            raise ParameterError(f"Parameter {name} = {value!r} must be at least {smallest}; set --{name}.")


def prepare(out: Path) -> None:
    """Make the folder of a benchmark. Raises RunError if it holds files or cannot be made."""
    try:
        if out.exists() and (not out.is_dir() or any(out.iterdir())):
            raise RunError(f"{out} exists already; choose another --out.")
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RunError(f"Cannot make the folder {out}: {reason(error)}; choose another --out.") from error


def default_dataset(data_dir: Path | None, message: Callable[[str], None]) -> str:
    """MNIST where it is results, else the digits."""
    if datasets.find("mnist", data_dir):
        return "mnist"
    message("MNIST is not found: timing on the digits; set --data-dir or --dataset mnist for the paper's size.")
    return "digits"


def speed_rows(rounds: Mapping[tuple[str, str, str], list[float]], wrong: Mapping[tuple[str, str], float]) -> list[dict]:
    """Rows of times, with circuit, weights, variant, rounds, median, low, high [us per sample], runs and wrong.

    Parameters
    ----------
    rounds : dict of list of float
        Times by circuit, state of the weights and variant, as `experiments.benchmarks.timing.interleaved` returns them.
    wrong : dict of float
        Share of wrong answers by circuit and state of the weights.
    """
    return [
        {
            **dict(zip(("circuit", "weights", "variant"), key, strict=True)),
            "rounds": times,
            **dataclasses.asdict(Spread.of(times)),
            "wrong": wrong[key[:2]],
        }
        for key, times in rounds.items()
    ]


def ratios(speed: list[dict], chip: bool = True) -> list[dict]:
    """Ratios of the variants within each round: stock / dense, dense / kernel, and chip / dense.

    Parameters
    ----------
    speed : list of dict
        As `speed_rows` returns.
    chip : bool
        Whether to compare with the chip, which was measured at one size only.
    """
    rounds = {(row["circuit"], row["weights"], row["variant"]): row["rounds"] for row in speed}
    for circuit, weights, variant in list(rounds):
        rounds[circuit, weights, "chip"] = [CHIP[circuit]] * len(rounds[circuit, weights, variant])
    return [
        {
            "circuit": circuit,
            "weights": weights,
            "ratio": f"{above} / {below}",
            **dataclasses.asdict(ratio(rounds[circuit, weights, above], rounds[circuit, weights, below])),
        }
        for circuit, weights in dict.fromkeys((row["circuit"], row["weights"]) for row in speed)
        for above, below in (("stock", "dense"), ("dense", "kernel"), *([("chip", "dense")] if chip else []))
    ]


def finish(out: Path, results: dict, size: str, wrong: str, message: Callable[[str], None]) -> None:
    """Write benchmark.csv, benchmark.json and the figures, and print the table.

    Parameters
    ----------
    out : Path
        The folder.
    results : dict
        All measurements, as JSON can hold them.
    size : str
        Layer sizes, such as 400-400-10.
    wrong : str
        What a share of wrong answers is a share of; printed after the percentage.
    message : callable
        Called with each line of text.
    """
    rows = table(results, size)
    text = io.StringIO()
    writer = csv.DictWriter(text, fieldnames=list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_text(out / "benchmark.csv", text.getvalue())
    write_text(out / "benchmark.json", json.dumps(results, indent=1, ensure_ascii=False))
    for line in lines(results, rows, wrong):
        message(line)
    draw(out)


def table(results: dict, size: str) -> list[dict]:
    """The rows of benchmark.csv: quantity, circuit, weights, size, unit, median, low, high, runs."""
    rows = []

    def add(quantity: str, circuit: str, weights: str, unit: str, spread: Mapping[str, float], size: str = size) -> None:
        numbers = {name: spread[name] for name in ("median", "low", "high", "runs")}
        rows.append({"quantity": quantity, "circuit": circuit, "weights": weights, "size": size, "unit": unit, **numbers})

    def once(value: float) -> dict:
        return dataclasses.asdict(Spread(value, value, value, 1))

    for circuit, value in results.get("chip", {}).items():
        add("chip (published)", circuit, "", "us per sample", once(value), "400-400-10")
    for row in results["speed"]:
        add(row["variant"], row["circuit"], row["weights"], "us per sample", row)
    for row in results["ratios"]:
        add(row["ratio"], row["circuit"], row["weights"], "times", row)
    for part, value in results["profile"].items():
        add(f"profile: {part}", "training", "trained", "us per sample", once(value))
    for entry in results["resources"]:
        add(entry["quantity"], entry["circuit"], "", entry["unit"], once(entry["value"]))
    for row in results.get("scaling", ()):
        grown = f"{row['n_in']}-{row['n_hid']}-{results['sizes'][-1]}"
        add(f"dense over {row['varied']}", "training", "one pass", "us per sample", row, grown)
        add(f"dense over {row['varied']}", "training", "one pass", "synapses touched per sample", once(row["touched"]), grown)
        add(f"dense over {row['varied']}", "training", "one pass", "ns per synapse", once(row["ns_per_synapse"]), grown)
    for entry in results.get("fits", ()):
        add(entry["quantity"], "training", "one pass", entry["unit"], once(entry["value"]), "")
    return rows


def lines(results: dict, rows: list[dict], wrong: str) -> Iterator[str]:
    """Lines of the table that is printed."""
    environment = results["environment"]
    shares = {row["weights"]: row["wrong"] for row in results["speed"] if row["circuit"] == "training"}
    yield f"{environment['processor']}, {environment['cores']} cores; {environment['compiler']['version']}"
    yield "; ".join(f"{state} weights: {share:.1%} {wrong}" for state, share in shares.items())
    yield f"{'quantity':36} {'circuit':9} {'weights':8} {'size':12} {'median':>9} {'low':>9} {'high':>9}  unit"
    for row in rows:
        numbers = " ".join(
            f"{row[name]:9.4g}" if row[name] < 1e4 else f"{row[name]:9.0f}" for name in ("median", "low", "high")
        )
        yield f"{row['quantity']:36} {row['circuit']:9} {row['weights']:8} {row['size']:12} {numbers}  {row['unit']}"
