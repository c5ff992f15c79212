"""The systems side by side on the same data: accuracy, spikes, operations, energy, time and memory, from finished runs."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

import numpy as np

from brianprop.analysis.energy.accounts import account
from brianprop.analysis.energy.chip import CORES
from brianprop.analysis.energy.report import CAVEAT
from brianprop.analysis.figures.output import write_figures
from brianprop.analysis.figures.side_by_side import plot_side_by_side
from brianprop.analysis.groups import group_runs
from brianprop.analysis.runs.run import Run
from brianprop.analysis.statistics.tests import described
from brianprop.analysis.systems import SYSTEMS
from brianprop.analysis.tables import grid, three_digits
from brianprop.experiments.training.ann import TrainANN
from brianprop.experiments.training.nbp import TrainNBP
from brianprop.experiments.training.options import Message, TrainOptions
from brianprop.experiments.training.ssnn_bp import TrainSSNN
from brianprop.experiments.training.systems import trainer_of
from brianprop.models.files import write_text

if TYPE_CHECKING:
    import pandas

__all__ = ["measured", "side_by_side", "systems"]

MODES = ("training", "inference")

#: What is read of a run besides its accuracies: title and unit. A network without spikes has other operations.
SPIKES, OPERATIONS, ENERGY = ("spikes", ""), ("synaptic operations", ""), ("energy on the chip", "µJ")
LATENCY, TIME = ("latency on the chip", "µs"), ("time here", "µs")
WEIGHTS, MEMORY = ("weights", "kB"), ("memory here", "MB")
MULTIPLICATIONS = ("multiply-accumulates", "")

ORDER = (SPIKES, OPERATIONS, MULTIPLICATIONS, ENERGY, LATENCY, TIME, WEIGHTS, MEMORY)

NOTES = (
    "Per sample, mean ± standard deviation over seeds; accuracies of the test images after the last epoch, with the 95 % "
    "confidence interval of the mean by Student's t. Spikes and synaptic operations: counted in the recorded turns of "
    "learning, those of inference in the part of them that answers (figures/energy.md). Time here: median over the epochs, of "
    "learning, and of the answers to the test images. Weights: all arrays that are needed, as they are stored here. Memory "
    "here: what the program reckons before it starts that the network needs besides code and images. Multiply-accumulates: of "
    "a network without spikes, every weight once forward, once in its update, and once more where an error passes back."
)


def systems(seed: int) -> Mapping[str, TrainOptions]:
    """All systems on images of 20 x 20 pixels, as in the paper of nBP, with as many hidden neurons; rules as published."""
    nowhere = Path()
    return {
        f"nbp-seed{seed}": TrainNBP(nowhere, dataset="mnist", crop=4, epochs=60, seed=seed, hidden=(400,)),
        f"nbp-deep-seed{seed}": TrainNBP(nowhere, dataset="mnist", crop=4, epochs=60, seed=seed, hidden=(400, 400)),
        f"ssnn-seed{seed}": TrainSSNN(nowhere, dataset="mnist", crop=4, epochs=5, seed=seed, hidden=(400,)),
        f"ann-seed{seed}": TrainANN(
            nowhere, dataset="mnist", crop=4, epochs=5, seed=seed, hidden=(400,), rate_hidden=0.02, rate_out=0.02
        ),
    }


def side_by_side(
    runs: Sequence[Run], folder: Path, data_dir: Path | None, message: Message
) -> Mapping[str, pandas.DataFrame | list[Path]]:
    """Write side_by_side.csv, .md, .png and .pdf into the folder of an experiment.

    Parameters
    ----------
    runs : sequence of Run
        Finished runs of several systems on the same data, with several seeds.
    folder : Path
    data_dir, message
        Not used.

    Returns
    -------
    dict
        ``figures``, the files.

    Raises
    ------
    RunError
        If a file of a run cannot be read, or one of these cannot be written.
    """
    table = measured(runs)
    processors = sorted({str(run.environment.get("processor", "unknown")) for run in runs})
    dataset = runs[0].config["dataset"]
    data = (
        f"{dataset['name']}, {' x '.join(map(str, dataset['image_shape']))} pixels: {dataset['samples']:,} samples for "
        f"training, {dataset['validation']:,} for validation, {dataset['test_samples']:,} for the test."
    )
    below = f"{data} {NOTES} Processor: {', '.join(processors)}.\n\nEnergy and latency: {CORES} cores. {CAVEAT}"
    written = write_figures({"side_by_side": lambda: plot_side_by_side(table)}, folder)
    written += [
        write_text(folder / "side_by_side.csv", table.to_csv(index=False, lineterminator="\n")),
        write_text(folder / "side_by_side.md", f"{_markdown(table)}\n\n{below}\n"),
    ]
    return {"figures": written}


def measured(runs: Sequence[Run]) -> pandas.DataFrame:
    """What is known of each kind of runs.

    Returns
    -------
    DataFrame
        A row for each kind, mode and quantity: ``kind``, the label; ``quantity``; ``mode`` (training, inference); ``unit``;
        ``n`` seeds, ``mean``, ``sd``, and ``low`` and ``high``, the 95 % confidence interval of the mean by Student's t.
    """
    import pandas

    rows = []
    for group in group_runs(runs):
        of_run = [_quantities(run) for run in group.runs]
        for quantity, mode in of_run[0]:
            values = [found[quantity, mode] for found in of_run]
            place = {"kind": group.label, "quantity": quantity[0], "mode": mode, "unit": quantity[1]}
            rows.append(place | {"n": len(values)} | described(values))
    return pandas.DataFrame(rows)


def _quantities(run: Run) -> dict[tuple[tuple[str, str], str], float]:
    """By quantity and mode, those that a run tells."""
    system, parameters, data = SYSTEMS[run.system], run.parameters(), run.config["dataset"]
    metrics = run.metrics()
    last = next(row for row in metrics if row["epoch"] == run.epochs and row["split"] == "test")
    found: dict[tuple[tuple[str, str], str], float] = {}
    for name in system.accuracies:
        readout = "" if name == "accuracy" else f", {name.removeprefix('accuracy_')}"
        found[(f"accuracy{readout}", "%"), "inference"] = 100 * last[name]
    if run.load_spikes("raster") is not None:
        for entry in account([run.path]):
            counts, mode = entry.counts, entry.counts.mode
            found[SPIKES, mode] = float(counts.spikes.sum()) / counts.n_samples
            found[OPERATIONS, mode] = float(counts.operations.sum()) / counts.n_samples
            found[ENERGY, mode], found[LATENCY, mode] = 1e6 * entry.energy.total, 1e6 * entry.energy.latency
    for mode, number in system.multiplications(parameters).items():
        found[MULTIPLICATIONS, mode] = number
    for mode, split, samples in (("training", "train", data["samples"]), ("inference", "test", data["test_samples"])):
        found[TIME, mode] = 1e6 * median(row["seconds"] for row in metrics if row["split"] == split) / samples
        settings = run.config["training"]
        learns = mode == "training"
        found[MEMORY, mode] = trainer_of(run.system).memory(parameters, settings, samples, learns) / 1e6
    stored = sum(
        math.prod(array.shape) * np.dtype(array.dtype).itemsize for array in parameters.arrays.values() if array.needed
    )
    found[WEIGHTS, "inference"] = stored / 1e3
    return found


def _markdown(table: pandas.DataFrame) -> str:
    """A column for each kind, a row for each quantity and mode."""
    kinds = list(dict.fromkeys(table["kind"]))
    cells = {(row["kind"], row["quantity"], row["mode"]): _cell(row) for row in table.to_dict("records")}
    numbers = {row["kind"]: row["n"] for row in table.to_dict("records")}
    lines = [["", *kinds], ["---"] * (len(kinds) + 1), ["seeds", *(str(numbers[kind]) for kind in kinds)]]
    for title, unit, mode in _order(table):
        label = title if unit == "%" or title == WEIGHTS[0] else f"{title}, {mode}"
        lines.append([f"{label} ({unit})" if unit else label, *(cells.get((kind, title, mode), "–") for kind in kinds)])
    return grid(lines)


def _order(table: pandas.DataFrame) -> Iterator[tuple[str, str, str]]:
    """The rows of the Markdown table: accuracies first."""
    found = list(dict.fromkeys(zip(table["quantity"], table["unit"], table["mode"], strict=True)))
    yield from (row for row in found if row[1] == "%")
    yield from ((title, unit, mode) for title, unit in ORDER for mode in MODES if (title, unit, mode) in found)


def _cell(row: Mapping[Any, Any]) -> str:
    """Accuracies with two digits after the point and their interval, all else with three digits."""
    if row["unit"] == "%":
        text = f"{row['mean']:.2f}"
        return text if math.isnan(row["sd"]) else f"{text} ± {row['sd']:.2f} [{row['low']:.2f}, {row['high']:.2f}]"
    return three_digits(row["mean"]) + (f" ± {three_digits(row['sd'])}" if row["sd"] > 0 else "")
