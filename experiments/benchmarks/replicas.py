"""``brianprop benchmark replicas``: many networks at once, in one simulation, on all cores, and on a GPU."""

from __future__ import annotations

import itertools
import json
import os
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from brianprop.analysis.figures.speed import Spread, affine
from brianprop.analysis.runs.run import as_json, require_vacant
from brianprop.experiments.benchmarks.nbp import default_dataset
from brianprop.experiments.data import encoding
from brianprop.experiments.environment import describe
from brianprop.experiments.training.loop import Part, load_data
from brianprop.models.errors import ParameterError
from brianprop.models.files import write_text
from brianprop.models.model import Model, Stimuli, Weights
from brianprop.models.nbp.circuit import matrices, training_circuit
from brianprop.models.nbp.model import GatedModel
from brianprop.models.nbp.parameters import NBP, initial_weights
from brianprop.models.simulation import Simulator, simulator
from brianprop.models.simulation.replicas import Replicas, ReplicaStimuli
from brianprop.models.ssnn_bp.model import SSNNModel
from brianprop.models.ssnn_bp.parameters import SSNN
from brianprop.models.ssnn_bp.parameters import initial_weights as initial_ssnn_weights

__all__ = ["BenchmarkReplicas", "Workload", "benchmark", "crossover", "markdown", "measure", "workload"]

SystemName = Literal["nbp", "ssnn-bp"]

#: Turns of a timed run are at least these; long ones by far are not worth their time.
LEAST_TURNS = 20


@dataclass(frozen=True)
class BenchmarkReplicas:
    """Time the training of many networks at once: in one simulation, as processes of their own on all cores, and on a GPU."""

    out: Path
    """New folder for the tables."""
    dataset: str | None = None
    """A data set by name, or a folder with the four IDX files (default: mnist if it is found, else digits)."""
    data_dir: Path | None = None
    """Where to look for data sets (else $BRIANPROP_DATA, system packages, download)."""
    systems: tuple[SystemName, ...] = ("nbp", "ssnn-bp")
    """What to time."""
    hidden: tuple[int, ...] = (400,)
    """Numbers of hidden neurons, each timed."""
    replicas: tuple[int, ...] = (1, 4, 16)
    """Numbers of networks, each timed."""
    samples: int = 2000
    """Samples of a timed run, of all networks together; at least 20 of each."""
    repeats: int = 3
    """Rounds: each times every case once."""
    cuda: bool = False
    """Time a GPU too."""
    seed: int = 0
    """Seed of the initial weights and the order of the samples."""

    def __post_init__(self):
        for name, least in (("samples", 1), ("repeats", 1), ("seed", 0)):
            if getattr(self, name) < least:
                raise ParameterError(f"Parameter {name} = {getattr(self, name)!r} must be at least {least}; set --{name}.")
        for name in ("hidden", "replicas", "systems"):
            values = getattr(self, name)
            if not values or (name != "systems" and min(values) < 1):
                raise ParameterError(f"Parameter {name} = {values!r} must hold values of at least 1; set --{name}.")


@dataclass(frozen=True)
class Workload:
    """A network that learns, with weights and data.

    Attributes
    ----------
    model : Model
    weights : callable
        Initial weights of a seed, as the model takes them.
    stimuli : Stimuli
    n_samples : int
    """

    model: Model
    weights: Callable[[int], Weights]
    stimuli: Stimuli
    n_samples: int


def workload(system: SystemName, part: Part, n_hidden: int, n_out: int) -> Workload:
    """A network for images (n, n_in): binary ones for nBP, grey values for SSNN-BP with T = 20."""
    targets, n_in = encoding.one_hot(part.labels, n_out), part.images.shape[1]
    if system == "nbp":
        parameters = NBP(n_in=n_in, n_hid=n_hidden, n_out=n_out)
        model = GatedModel(training_circuit(parameters), parameters)
        stimuli = model.stimuli({"input": part.images, "target": targets})
        return Workload(
            model, lambda seed: matrices(model.circuit, initial_weights(parameters, seed)), stimuli, len(part.labels)
        )
    network = SSNN(n_in=n_in, hidden=(n_hidden,), n_out=n_out)
    spiking = SSNNModel(network, learns=True, n_total=len(part.labels))
    return Workload(
        spiking, lambda seed: initial_ssnn_weights(network, seed), spiking.stimuli(part.images, targets), len(part.labels)
    )


def measure(work: Workload, ready: Simulator, replicas: int, samples: int, seed: int, cores: int = 1) -> float:
    """Samples per second of the simulation loops, of all networks together.

    Parameters
    ----------
    work : Workload
    ready : Simulator
        Of `Replicas`, for all networks in one simulation; or of the model itself, for a process of each.
    replicas : int
    samples : int
        Of all networks together.
    seed : int
    cores : int
        Processes at a time.
    """
    n_turns = max(LEAST_TURNS, samples // replicas)
    seeds = [seed + number for number in range(replicas)]
    orders = np.array([np.resize(np.random.default_rng(one).permutation(work.n_samples), n_turns) for one in seeds])
    weights = [work.weights(one) for one in seeds]
    if isinstance(ready.model, Replicas):
        result = ready.run(weights, ReplicaStimuli([work.stimuli] * replicas), orders, noise_seed=seed)
        return replicas * n_turns / result[0].seconds
    with ThreadPoolExecutor(min(cores, replicas)) as pool:
        results = pool.map(lambda own, order, one: ready.run(own, work.stimuli, order, noise_seed=one), weights, orders, seeds)
        seconds = sum(result.seconds for result in results)
    return replicas * n_turns * min(cores, replicas) / seconds


def benchmark(settings: BenchmarkReplicas, message: Callable[[str], None] = print) -> Path:
    """Time all cases in interleaved rounds; write replicas.json, replicas.csv and replicas.md.

    Raises
    ------
    ParameterError, DataError, BuildError, RunError
        Before the first measurement.
    """
    import pandas

    out = Path(settings.out)
    require_vacant(out)
    name = settings.dataset or default_dataset(settings.data_dir, message)
    cores = os.cpu_count() or 1
    cases: dict[tuple, tuple[Workload, Simulator, int]] = {}
    for system, n_hidden in itertools.product(settings.systems, settings.hidden):
        data = load_data(name, settings.data_dir, grey=system != "nbp", binarise=(0.5,) if system == "nbp" else None)
        work = workload(system, data.parts["train"], n_hidden, len(data.classes))
        size = "-".join(map(str, (data.n_in, n_hidden, len(data.classes))))
        alone = simulator(work.model, message=message)
        for replicas in settings.replicas:
            several = Replicas([work.model] * replicas)
            cases[system, size, replicas, "one core each, all cores"] = work, alone, cores
            cases[system, size, replicas, "one simulation, one core"] = work, simulator(several, message=message), 1
            if settings.cuda:
                cases[system, size, replicas, "one simulation, GPU"] = (
                    work,
                    simulator(several, device="cuda", message=message),
                    1,
                )
    message(f"Timing {settings.repeats} rounds of {len(cases)} cases ...")
    rates: dict[tuple, list[float]] = {case: [] for case in cases}
    for number in range(settings.repeats):
        for case, (work, ready, at_once) in cases.items():
            rates[case].append(measure(work, ready, case[2], settings.samples, settings.seed + 1000 * number, at_once))
    rows = []
    for (system, size, replicas, where), values in rates.items():
        spread = Spread.of(values)
        rows.append(
            {
                "system": system,
                "size": size,
                "replicas": replicas,
                "where": where,
                "samples_per_s": spread.median,
                "low": spread.low,
                "high": spread.high,
                "runs": spread.runs,
            }
        )
    found = {
        "settings": as_json(settings),
        "environment": describe(),
        "date": time.strftime("%Y-%m-%d"),
        "cores": cores,
        "launch_share": launch_share(rows),
        "crossover": crossover(rows),
        "rows": rows,
    }
    out.mkdir(parents=True, exist_ok=True)
    write_text(out / "replicas.csv", pandas.DataFrame(rows).to_csv(index=False, lineterminator="\n"))
    write_text(out / "replicas.md", markdown(rows) + "\n")
    write_text(out / "replicas.json", json.dumps(found, indent=1, ensure_ascii=False) + "\n")
    message(markdown(rows))
    for place, shares in found["launch_share"].items():
        words = ", ".join(f"{share:.0%} with R = {count}" for count, share in shares.items())
        message(f"{place}: share of the GPU's time that does not grow with the networks: {words}")
    for place, count in found["crossover"].items():
        message(f"{place}: fewest networks with which the GPU overtakes all cores: {count or 'none of those measured'}")
    for _, ready, _ in cases.values():
        ready.close()
    return out


def launch_share(rows: list[dict]) -> dict[str, dict[int, float]]:
    """By system and size, the share of a step's time on a GPU that does not grow with the number of networks.

    That is the constant of an affine fit of the time of a turn against the number of networks: the launches of its kernels.
    """
    found = {}
    for place, points in _by_place(rows, "GPU").items():
        if len(points) > 1:
            replicas, seconds = zip(*((r, r / rate) for r, rate in sorted(points.items())), strict=True)
            constant, _ = affine(replicas, seconds)
            found[place] = {r: round(min(1.0, max(0.0, constant / t)), 3) for r, t in zip(replicas, seconds, strict=True)}
    return found


def crossover(rows: list[dict]) -> dict[str, int | None]:
    """By system and size, the fewest networks with which a GPU trains more samples a second than all cores; None for never."""
    on_cores = _by_place(rows, "all cores")
    return {
        place: next((r for r, rate in sorted(points.items()) if rate > on_cores[place].get(r, np.inf)), None)
        for place, points in _by_place(rows, "GPU").items()
    }


def _by_place(rows: list[dict], word: str) -> dict[str, dict[int, float]]:
    found: dict[str, dict[int, float]] = {}
    for row in rows:
        if word in row["where"]:
            found.setdefault(f"{row['system']} {row['size']}", {})[row["replicas"]] = row["samples_per_s"]
    return found


def markdown(rows: list[dict]) -> str:
    """The measurements as a table: samples per second, median and range, by place and number of networks."""
    replicas = sorted({row["replicas"] for row in rows})
    lines = ["| samples per second | " + " | ".join(f"R = {r}" for r in replicas) + " |", "|---" * (len(replicas) + 1) + "|"]
    places = dict.fromkeys((row["system"], row["size"], row["where"]) for row in rows)
    for place in places:
        cells = {row["replicas"]: row for row in rows if (row["system"], row["size"], row["where"]) == place}
        words = (
            f"{row['samples_per_s']:,.0f} ({row['low']:,.0f} to {row['high']:,.0f})" if (row := cells.get(r)) else "-"
            for r in replicas
        )
        lines.append(f"| {place[0]}, {place[1]}, {place[2]} | " + " | ".join(words) + " |")
    return "\n".join(lines)
