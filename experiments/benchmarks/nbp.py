"""``brianprop benchmark nbp``: Brian2's own templates, dense ones and a hand-written kernel, and what a run costs.

All ways of computing start from the same weights, see the same samples and must give the same answers.
"""

from __future__ import annotations

import dataclasses
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

import brianprop
from brianprop.analysis.figures.speed import CHIP
from brianprop.analysis.runs import as_json
from brianprop.experiments.benchmarks.inspection import environment_variables, observe, peak_memory, profile
from brianprop.experiments.benchmarks.kernels.nbp import NBPKernel
from brianprop.experiments.benchmarks.report import (
    VARIANTS,
    default_dataset,
    finish,
    prepare,
    ratios,
    require_at_least,
    speed_rows,
)
from brianprop.experiments.benchmarks.scaling import HIDDEN_SIZES, fits, measure_scaling, plastic_synapses
from brianprop.experiments.benchmarks.timing import Timed, interleaved, sample_order
from brianprop.experiments.data import encoding
from brianprop.experiments.data.dataset import Part
from brianprop.experiments.environment import describe
from brianprop.experiments.training.data import load_data
from brianprop.experiments.training.nbp import NBPTrainer
from brianprop.models.errors import RunError
from brianprop.models.model import Weights
from brianprop.models.nbp.circuit import inference_circuit, matrices, training_circuit, weights_of
from brianprop.models.nbp.layers import Layers
from brianprop.models.nbp.model import GatedModel, GatedResult
from brianprop.models.nbp.parameters import NBP, initial_weights
from brianprop.models.simulation import Simulator, simulator
from brianprop.models.simulation.scratch import Scratch

__all__ = ["Bench", "BenchmarkNBP", "benchmark", "parts_of"]

#: Layer sizes of the circuit whose times on the chip are published.
CHIP_SIZES = NBP().sizes


def parts_of(n_layers: int) -> dict[str, str]:
    """Parts of the profile of a circuit of `n_layers` matrices, by regular expressions for names of code objects.

    The first expression that matches counts.
    """
    layers, forth, back = Layers(n_layers), {}, {}
    for layer in range(1, n_layers + 1):
        forth[rf"^plastic_{layers.activity(layer - 1)}_.*propagate"] = f"propagation W{layer}"
        if layer > 1:
            back[rf"^plastic_{layers.negative(layer)}_.*propagate"] = f"propagation W{layer}ᵀ"
    return {
        r"push_spikes": "spike queue",
        **forth,
        **back,
        r"^plastic_.*learn": "learning",
        r"^plastic_.*pre": "propagation and learning",
        r"^(fixed|stimulus)": "fixed arrows",
        r"^(answers|readout)": "readout",
        r"stateupdater": "neurons",
        r"thresholder": "thresholds",
        r"resetter": "resets",
    }


@dataclass(frozen=True)
class BenchmarkNBP:
    """Time the nBP circuit: stock and dense code, a hand-written kernel, growth with size, memory, start-up."""

    out: Path
    """New folder for the tables and figures."""
    dataset: str | None = None
    """digits, mnist, fashion-mnist, or a folder with the four IDX files (default: mnist if it is results, else digits)."""
    data_dir: Path | None = None
    """Where to look for mnist and fashion-mnist (else $BRIANPROP_DATA, system packages, download)."""
    hidden: tuple[int, ...] = (400,)
    """Number of hidden neurons, one number for each hidden layer."""
    samples: int = 2000
    """Samples of one timed pass; fast variants make several passes until 0.2 s are over."""
    repeats: int = 5
    """Rounds: each times every variant once."""
    seed: int = 0
    """Seed of the initial weights and the order of the samples."""
    scaling: bool = True
    """Time dense code over layer sizes from 100 to 3200; each size needs a build."""
    profile: bool = True
    """Divide the time of a sample among the parts of the circuit."""
    resources: bool = True
    """Measure memory, build time and start-up; needs a build."""

    def __post_init__(self):
        require_at_least(self, hidden=1, samples=1, repeats=1, seed=0)


@dataclass(frozen=True)
class Outcome:
    """Result of one pass.

    Attributes
    ----------
    weights : dict of arrays
        W1, W2, ... after the pass.
    spikes : bool array of shape (n_samples, n_out)
        Output spikes.
    seconds : float
        Time of the simulation loop.
    result : GatedResult, or None
        Everything that a circuit gave; None for the kernel.
    """

    weights: Weights
    spikes: np.ndarray
    seconds: float
    result: GatedResult | None = None


class Bench:
    """Both circuits and the kernel at one size, with one data set.

    Parameters
    ----------
    parameters : NBP
    train : Part
        Binary images (n, n_in) and their labels.
    seed : int
    variants : sequence of str
        Those of `VARIANTS` that are made ready.
    message : callable
        Called with a line of text before a long build.
    """

    def __init__(
        self, parameters: NBP, train: Part, seed: int, variants: Sequence[str], message: Callable[[str], None] = print
    ):
        self.parameters, self.train = parameters, train
        self.targets = encoding.one_hot(train.labels, parameters.n_out)
        self.circuits = {"training": training_circuit(parameters), "inference": inference_circuit(parameters)}
        self.simulators: dict[tuple[str, str], Simulator] = {
            (kind, codegen): simulator(GatedModel(circuit, parameters, seed), codegen=codegen, message=message)
            for kind, circuit in self.circuits.items()
            for codegen in variants
            if codegen != "kernel"
        }
        self.kernel = NBPKernel(parameters) if "kernel" in variants else None
        self.stimuli = {
            kind: NBPTrainer.stimuli(GatedModel(circuit, parameters), train.images, self.targets)
            for kind, circuit in self.circuits.items()
        }

    def run(self, kind: str, variant: str, weights: Weights, order: np.ndarray) -> Outcome:
        """One pass of training or inference over the samples in `order`, from the given weights."""
        if variant == "kernel":
            assert self.kernel is not None
            if kind == "training":
                answers = self.kernel.train(weights, self.train.images, self.targets, order)
            else:
                answers = self.kernel.infer(weights, self.train.images, order)
            return Outcome(answers.weights, answers.spikes, answers.seconds)
        circuit = self.circuits[kind]
        result = self.simulators[kind, variant].run(matrices(circuit, weights), self.stimuli[kind], order)
        assert isinstance(result, GatedResult)
        return Outcome(weights_of(circuit, result.matrices), result.spikes, result.seconds, result)

    def timed(self, kind: str, variant: str, weights: Weights, order: np.ndarray) -> Timed:
        """The same pass as a case to time."""

        def run(passes: int) -> float:
            if kind == "inference":
                # the weights stay, so that several passes are one long run
                return self.run(kind, variant, weights, np.tile(order, passes)).seconds
            return sum(self.run(kind, variant, weights, order).seconds for _ in range(passes))

        return Timed(run, len(order))


def measure_speed(
    bench: Bench, states: dict[str, Weights], order: np.ndarray, repeats: int, message: Callable[[str], None]
) -> list[dict]:
    """Time every variant of both circuits from every state of the weights.

    Returns
    -------
    list of dict
        Rows of `experiments.benchmarks.report.speed_rows`; ``wrong`` is the share of samples whose output spikes are not the
        target.

    Raises
    ------
    RunError
        If the variants do not agree on a weight or a spike.
    """
    cases, wrong = {}, {}
    for kind in bench.circuits:
        for state, weights in states.items():
            outcomes = {variant: bench.run(kind, variant, weights, order) for variant in VARIANTS}
            kernel = outcomes["kernel"]
            for variant, outcome in outcomes.items():
                same = all(np.array_equal(kernel.weights[name], outcome.weights[name]) for name in kernel.weights)
                if not same or not np.array_equal(kernel.spikes, outcome.spikes):
                    raise RunError(
                        f"The {variant} variant and the kernel disagree in {kind} from {state} weights; please report this "
                        "as a bug."
                    )
            wrong[kind, state] = float(np.mean(np.any(kernel.spikes != bench.targets[order], axis=1)))
            cases |= {(kind, state, variant): bench.timed(kind, variant, weights, order) for variant in VARIANTS}
    message(f"Timing {repeats} rounds of {len(cases)} cases; all variants agree on every weight and spike ...")
    return speed_rows(interleaved(cases, repeats), wrong)


def measure_resources(
    bench: Bench, weights: Weights, settings: BenchmarkNBP, dataset: str, message: Callable[[str], None]
) -> list[dict]:
    """Memory of the running binary, build time and start-up; rows with quantity, circuit, value and unit."""
    circuit, dense, stimuli = bench.circuits["training"], bench.simulators["training", "dense"], bench.stimuli["training"]
    start = matrices(circuit, weights)
    rows = []

    def add(quantity: str, value: float, unit: str, circuit: str = "training") -> None:
        rows.append({"quantity": quantity, "circuit": circuit, "value": value, "unit": unit})

    all_samples = np.arange(len(bench.train.labels))
    message("Measuring memory with the whole training set ...")
    peak = peak_memory(dense, lambda: dense.run(start, stimuli, all_samples))
    if peak:
        add("peak memory", peak / 2**20, "MiB")
    with Scratch() as folder:
        _, sizes = observe(dense, lambda observed: observed.run(start, stimuli, all_samples[:1]), folder)
    state = sum(size for name, size in sizes.items() if re.match(r"_(dynamic_)?array_plastic_", name))
    add("state per plastic synapse", state / plastic_synapses(circuit), "bytes")
    if settings.scaling and peak:
        # with the same stimuli, so that only the synapses differ
        large = dataclasses.replace(bench.parameters, hidden=(max(HIDDEN_SIZES),))
        large_circuit = training_circuit(large)
        with simulator(GatedModel(large_circuit, large, settings.seed), message=message) as large_simulator:
            large_start = matrices(large_circuit, initial_weights(large, settings.seed))
            few = all_samples[: settings.samples]
            growth = peak_memory(large_simulator, lambda: large_simulator.run(large_start, stimuli, few))
            growth -= peak_memory(dense, lambda: dense.run(start, stimuli, few))
        synapses = plastic_synapses(large_circuit) - plastic_synapses(circuit)
        add("growth of memory per plastic synapse", growth / synapses, "bytes")
    message("Measuring the build and the start-up ...")
    with Scratch() as folder, environment_variables(BRIANPROP_CACHE=str(folder)):
        for kind, built in bench.circuits.items():
            with simulator(GatedModel(built, bench.parameters, settings.seed)) as ready:
                add("build", ready.build_seconds, "s", kind)
    add("cached start", _startup(settings, dataset), "s")
    return rows


def _startup(settings: BenchmarkNBP, dataset: str) -> float:
    """Wall time of a new process that trains on one sample, with data and build in the caches [s]; the best of three."""
    command = [sys.executable, "-m", "brianprop", "train", "nbp", "--dataset", dataset, "--hidden", *map(str, settings.hidden)]
    command += ["--samples", "1", "--test-samples", "1", "--validation", "1", "--epochs", "1"]
    if settings.data_dir is not None:
        command += ["--data-dir", str(settings.data_dir.absolute())]
    root = str(Path(brianprop.__file__).parent.parent)
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([root, *os.environ.get("PYTHONPATH", "").split(os.pathsep)])}
    times = []
    with Scratch() as folder:
        for trial in range(4):
            start = time.perf_counter()
            done = subprocess.run(
                [*command, "--out", str(folder / str(trial))], env=environment, capture_output=True, text=True
            )
            times.append(time.perf_counter() - start)
            if done.returncode:
                raise RunError(f"The start-up trial failed: {done.stderr.strip()[-300:]}; run 'brianprop train nbp' by itself.")
    # the first one fills the caches of data and builds
    return min(times[1:])


def benchmark(settings: BenchmarkNBP, message: Callable[[str], None] = print) -> Path:
    """Measure, print a table, and write benchmark.csv, benchmark.json and figures into a new folder.

    Parameters
    ----------
    settings : BenchmarkNBP
    message : callable
        Called with each line of text.

    Returns
    -------
    pathlib.Path
        The folder.

    Raises
    ------
    RunError
        If the folder holds files, cannot be written, or the variants disagree.
    DataError, ParameterError, BuildError
        As `experiments.training.data.load_data` and `models.simulation.simulator` do.
    """
    out = settings.out
    prepare(out)
    dataset = settings.dataset or default_dataset(settings.data_dir, message)
    data = load_data(dataset, settings.data_dir, validation=0, test_samples=1)
    train = data.parts["train"]
    parameters = NBP(n_in=train.images.shape[1], hidden=settings.hidden, n_out=len(data.classes))
    bench = Bench(parameters, train, settings.seed, VARIANTS, message)

    message(f"Training one epoch of {len(train.labels)} samples ...")
    initial = initial_weights(parameters, settings.seed)
    epoch = sample_order(len(train.labels), len(train.labels), settings.seed)
    states = {"initial": initial, "trained": bench.run("training", "dense", initial, epoch).weights}
    order = sample_order(len(train.labels), settings.samples, settings.seed + 1)
    speed = measure_speed(bench, states, order, settings.repeats, message)
    results = {
        "settings": as_json(settings),
        "environment": describe(),
        "dataset": {"name": dataset, "origin": data.origin, "training samples": len(train.labels)},
        "sizes": list(parameters.sizes),
        "chip": CHIP,
        "speed": speed,
        "ratios": ratios(speed, parameters.sizes == CHIP_SIZES),
        "profile": {},
        "resources": [],
        "scaling": [],
        "fits": [],
    }
    if settings.profile:
        message("Measuring the parts of the circuit ...")
        circuit = bench.circuits["training"]
        values, stimuli = matrices(circuit, states["trained"]), bench.stimuli["training"]
        model = GatedModel(circuit, parameters, settings.seed)
        parts = profile(
            model, lambda profiled: profiled.run(values, stimuli, order), parts_of(len(parameters.sizes) - 1), message
        )
        results["profile"] = {name: 1e6 * seconds / len(order) for name, seconds in parts.items()}
    if settings.scaling:
        results["scaling"] = measure_scaling(
            train, data.image_shape, settings.samples, settings.repeats, settings.seed, message
        )
        results["fits"] = fits(results["scaling"])
    if settings.resources:
        results["resources"] = measure_resources(bench, states["trained"], settings, dataset, message)
    finish(out, results, "-".join(map(str, parameters.sizes)), "of the samples with an error", message)
    return out
