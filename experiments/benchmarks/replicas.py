"""``brianprop benchmark replicas``: many networks at once, in one simulation, on all cores, and on a GPU."""

from __future__ import annotations

import itertools
import json
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from brianprop.analysis.figures.speed import Spread, affine
from brianprop.analysis.runs import as_json, require_vacant
from brianprop.experiments.benchmarks.report import default_dataset, require_at_least
from brianprop.experiments.benchmarks.timing import sample_order
from brianprop.experiments.data import encoding
from brianprop.experiments.environment import describe
from brianprop.experiments.training.data import Data, load_data
from brianprop.experiments.training.systems import options_of, trainer_of
from brianprop.models.errors import ParameterError
from brianprop.models.files import write_text
from brianprop.models.model import Model, Stimuli, Weights
from brianprop.models.simulation import Simulator, simulator
from brianprop.models.simulation.replicas import Replicas, ReplicaStimuli

__all__ = ["BenchmarkReplicas", "Workload", "benchmark", "crossover", "markdown", "measure", "workload"]

SystemName = Literal["nbp", "ssnn-bp"]

#: Samples that each network sees in a timed run, at least.
LEAST_SAMPLES = 20


@dataclass(frozen=True)
class BenchmarkReplicas:
    """Time the training of many networks at once: in one simulation, as processes of their own on all cores, and on a GPU."""

    out: Path
    """New folder for the tables."""
    dataset: str | None = None
    """A data set by name, or a folder with the four IDX files (default: mnist if it is results, else digits)."""
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
        require_at_least(self, samples=1, repeats=1, seed=0)
        for name in ("hidden", "replicas", "systems"):
            values = getattr(self, name)
            if not values or (name != "systems" and min(values) < 1):
                raise ParameterError(f"Parameter {name} = {values!r} must hold values of at least 1; set --{name}.")


@dataclass(frozen=True)
class Workload:
    """A network to train, with initial weights and data.

    Attributes
    ----------
    model : Model
    weights : callable
        Takes a seed; returns initial weights as the model takes them.
    stimuli : Stimuli
    n_samples : int
        Samples in the stimuli.
    """

    model: Model
    weights: Callable[[int], Weights]
    stimuli: Stimuli
    n_samples: int


def workload(system: SystemName, data: Data, n_hidden: int) -> Workload:
    """A network of a system with one hidden layer, ready to learn the training samples of some data.

    Parameters
    ----------
    system : {"nbp", "ssnn-bp"}
    data : Data
        Encoded for the system.
    n_hidden : int
    """
    settings: Any = options_of(system)
    settings = settings(Path(), hidden=(n_hidden,), epochs=1, seed=0)
    parameters, part = settings.parameters(data.n_in, len(data.classes)), data.parts["train"]
    training = settings.training() | {"epochs": settings.epochs, "seed": settings.seed}
    trainer: Any = trainer_of(system)
    trainer = trainer(parameters, training, data.parts)
    model = trainer.model(learns=True)
    stimuli = trainer.stimuli(model, part.images, encoding.one_hot(part.labels, len(data.classes)))

    def weights(seed: int) -> Weights:
        return trainer.as_loaded(model, trainer.initial_weights(parameters, seed))

    return Workload(model, weights, stimuli, len(part.labels))


def measure(work: Workload, simulated: Simulator, replicas: int, samples: int, seed: int, cores: int = 1) -> float:
    """Samples per second of the simulation loops, of all networks together.

    Parameters
    ----------
    work : Workload
    simulated : Simulator
        Of `Replicas`: all networks in one simulation. Of the model itself: a process for each network.
    replicas : int
        Number of networks.
    samples : int
        Of all networks together.
    seed : int
        Of the first network; the others count on from it.
    cores : int
        Processes at a time.
    """
    n_samples = max(LEAST_SAMPLES, samples // replicas)
    seeds = range(seed, seed + replicas)
    orders = np.array([sample_order(work.n_samples, n_samples, number) for number in seeds])
    weights = [work.weights(number) for number in seeds]
    if isinstance(simulated.model, Replicas):
        result = simulated.run(weights, ReplicaStimuli([work.stimuli] * replicas), orders, noise_seed=seed)
        return replicas * n_samples / result[0].seconds

    def run(start: Weights, order: np.ndarray, number: int) -> float:
        return simulated.run(start, work.stimuli, order, noise_seed=number).seconds

    at_once = min(cores, replicas)
    with ThreadPoolExecutor(at_once) as pool:
        return replicas * n_samples * at_once / sum(pool.map(run, weights, orders, seeds))


def benchmark(settings: BenchmarkReplicas, message: Callable[[str], None] = print) -> Path:
    """Time all cases in interleaved rounds; write replicas.json, replicas.csv and replicas.md into a new folder.

    Returns
    -------
    pathlib.Path
        The folder.

    Raises
    ------
    RunError
        If the folder holds files or cannot be written, or a simulation fails.
    DataError, ParameterError, BuildError
        As `load_data` and `models.simulation.simulator` do.
    """
    import joblib
    import pandas

    out = Path(settings.out)
    require_vacant(out)
    name = settings.dataset or default_dataset(settings.data_dir, message)
    cores = joblib.cpu_count()  # those that this process may use
    cases: dict[tuple, tuple[Workload, Simulator, int]] = {}
    for system, n_hidden in itertools.product(settings.systems, settings.hidden):
        encoded = options_of(system)(Path()).binarise
        data = load_data(name, settings.data_dir, grey=trainer_of(system).grey, binarise=encoded)
        work = workload(system, data, n_hidden)
        size = "-".join(map(str, (data.n_in, n_hidden, len(data.classes))))
        alone = simulator(work.model, message=message)
        for replicas in settings.replicas:
            together = Replicas([work.model] * replicas)
            cases[system, size, replicas, "one core each, all cores"] = work, alone, cores
            cases[system, size, replicas, "one simulation, one core"] = work, simulator(together, message=message), 1
            if settings.cuda:
                on_gpu = simulator(together, device="cuda", message=message)
                cases[system, size, replicas, "one simulation, GPU"] = work, on_gpu, 1
    message(f"Timing {settings.repeats} rounds of {len(cases)} cases ...")
    rates: dict[tuple, list[float]] = {case: [] for case in cases}
    for number in range(settings.repeats):
        for case, (work, simulated, at_once) in cases.items():
            rates[case].append(measure(work, simulated, case[2], settings.samples, settings.seed + 1000 * number, at_once))
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
    results = {
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
    write_text(out / "replicas.json", json.dumps(results, indent=1, ensure_ascii=False) + "\n")
    message(markdown(rows))
    for network, shares in results["launch_share"].items():
        words = ", ".join(f"{share:.0%} with R = {count}" for count, share in shares.items())
        message(f"{network}: share of the GPU's time that does not grow with the networks: {words}")
    for network, count in results["crossover"].items():
        message(f"{network}: fewest networks with which the GPU overtakes all cores: {count or 'none of those measured'}")
    for _, simulated, _ in cases.values():
        simulated.close()
    return out


def launch_share(rows: list[dict]) -> dict[str, dict[int, float]]:
    """Share of the time on a GPU that does not grow with the number of networks, by network and number of replicas.

    It is the constant of an affine fit of the time of a sample against the number of networks: the launches of kernels.
    """
    shares = {}
    for network, rates in _rates(rows, "GPU").items():
        if len(rates) > 1:
            replicas, seconds = zip(*((count, count / rate) for count, rate in sorted(rates.items())), strict=True)
            constant, _ = affine(replicas, seconds)
            shares[network] = {
                count: round(min(1.0, max(0.0, constant / time)), 3) for count, time in zip(replicas, seconds, strict=True)
            }
    return shares


def crossover(rows: list[dict]) -> dict[str, int | None]:
    """Fewest replicas with which a GPU trains more samples per second than all cores, by network; None for never."""
    on_cores = _rates(rows, "all cores")
    return {
        network: next((count for count, rate in sorted(rates.items()) if rate > on_cores[network].get(count, np.inf)), None)
        for network, rates in _rates(rows, "GPU").items()
    }


def _rates(rows: list[dict], where: str) -> dict[str, dict[int, float]]:
    """Samples per second by network (system and size) and number of replicas, of rows whose place contains `where`."""
    rates: dict[str, dict[int, float]] = {}
    for row in rows:
        if where in row["where"]:
            rates.setdefault(f"{row['system']} {row['size']}", {})[row["replicas"]] = row["samples_per_s"]
    return rates


def markdown(rows: list[dict]) -> str:
    """The rows as a table in Markdown: samples per second, median and range, by case and number of replicas."""
    replicas = sorted({row["replicas"] for row in rows})
    lines = [
        "| samples per second | " + " | ".join(f"R = {count}" for count in replicas) + " |",
        "|---" * (len(replicas) + 1) + "|",
    ]
    cells = {}
    for row in rows:
        words = f"{row['samples_per_s']:,.0f} ({row['low']:,.0f} to {row['high']:,.0f})"
        cells.setdefault(f"{row['system']}, {row['size']}, {row['where']}", {})[row["replicas"]] = words
    lines += [
        f"| {case} | " + " | ".join(of_case.get(count, "-") for count in replicas) + " |" for case, of_case in cells.items()
    ]
    return "\n".join(lines)
