"""``brianprop benchmark ssnn-bp``: stock and dense code and a hand-written kernel, side by side in one run."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from brianprop.analysis.runs.run import as_json
from brianprop.experiments.benchmarks.kernels import SSNNKernel
from brianprop.experiments.benchmarks.nbp import (
    VARIANTS,
    Timed,
    default_dataset,
    finish,
    interleaved,
    observe,
    peak_memory,
    prepare,
    profile,
    ratios,
    speed_rows,
)
from brianprop.experiments.data import encoding
from brianprop.experiments.data import images as datasets
from brianprop.experiments.environment import describe
from brianprop.models.errors import ParameterError, RunError
from brianprop.models.simulation import simulator
from brianprop.models.simulation.scratch import Scratch
from brianprop.models.ssnn_bp.model import SSNNModel
from brianprop.models.ssnn_bp.oracle import scaling
from brianprop.models.ssnn_bp.parameters import SSNN, SSNNRules, initial_weights

__all__ = ["BenchmarkSSNN", "benchmark"]

#: Part of the profile by the name of a code object; the first pattern that is found counts.
PARTS = {
    r"^W1_forward": "forward W1",
    r"^W\d+_forward": "forward, other layers",
    r"_back_": "backward",
    r"_learn_|_decay": "updates",
    r"^lateral|^output_run_regularly|^output_race": "winner-take-all",
    r"^input_(spike_thresholder|sample)": "input spikes",
    r"_(plus|minus)_thresholder": "error and gradient spikes",
    r"thresholder": "forward spikes",
    r"stateupdater": "neurons",
    r"resetter": "resets",
    r"^answers": "readout",
}

#: Two variants may differ in the mean output spikes of a class by so many standard errors (2e-9 for one comparison).
TOLERANCE = 6


@dataclass(frozen=True)
class BenchmarkSSNN:
    """Time SSNN-BP: stock and dense code, a hand-written kernel, a profile by part, memory and build."""

    out: Path
    """New folder for the tables and figures."""
    dataset: str | None = None
    """A data set by name, or a folder with the four IDX files (default: mnist if it is found, else digits)."""
    data_dir: Path | None = None
    """Where to look for data sets (else $BRIANPROP_DATA, system packages, download)."""
    hidden: tuple[int, ...] = (200,)
    """Number of neurons of each hidden layer."""
    samples: int = 2000
    """Samples of one timed pass; fast variants make several passes until 0.2 s are over."""
    repeats: int = 5
    """Rounds: each times every variant once."""
    seed: int = 0
    """Seed of the initial weights, the order of the samples and the random numbers."""
    profile: bool = True
    """Divide the time of a sample among the parts of the circuit; needs a build."""
    rules: SSNNRules = dataclasses.field(default_factory=SSNNRules)
    """Parameters of neurons and learning."""

    def __post_init__(self):
        for name, least in (("samples", 1), ("repeats", 1), ("seed", 0)):
            if getattr(self, name) < least:
                raise ParameterError(f"Parameter {name} = {getattr(self, name)!r} must be at least {least}; set --{name}.")
        if self.rules.options:
            raise ParameterError(
                f"Parameter {sorted(self.rules.options)[0]} is unknown to the hand-written kernel; leave it at its default."
            )


class Bench:
    """Both circuits and the kernel in every variant, with one data set."""

    def __init__(self, parameters: SSNN, images: np.ndarray, labels: np.ndarray, n_total: int, seed: int, message):
        self.images, self.labels, self.seed, self.n_total = images, labels, seed, n_total
        self.models = {"training": SSNNModel(parameters, True, n_total), "inference": SSNNModel(parameters, False)}
        self.simulators = {
            (kind, codegen): simulator(model, codegen=codegen, message=message)
            for kind, model in self.models.items()
            for codegen in VARIANTS
            if codegen != "kernel"
        }
        self.stimuli = {
            kind: model.stimuli(images, encoding.one_hot(labels, parameters.n_out)) for kind, model in self.models.items()
        }
        rates = parameters.learning_rates
        self.kernel = SSNNKernel(
            steps=parameters.steps,
            theta=parameters.theta,
            constants=scaling(rates, parameters.steps, parameters.theta, parameters.gain, parameters.dropout),
            hidden=parameters.hidden_drive,
            output=parameters.output_drive,
            backward=parameters.backward_drive,
            w_max=parameters.w_max,
            dropout=parameters.dropout,
            decay=[rate * parameters.weight_decay for rate in rates] if parameters.weight_decay else (),
        )
        self.annealed = parameters.annealed

    def run(self, kind: str, variant: str, weights: dict, order: np.ndarray) -> tuple[dict, np.ndarray | None, float]:
        """One pass: weights afterwards, output spikes of each sample (unless the kernel learns), seconds of the loop."""
        if variant != "kernel":
            result = self.simulators[kind, variant].run(weights, self.stimuli[kind], order, noise_seed=self.seed)
            return result.weights, result.counts, result.seconds
        if kind == "inference":
            answers = self.kernel.infer(weights, self.images, order, seed=self.seed)
            return answers.weights, answers.output, answers.seconds
        total = self.n_total if self.annealed else 0
        answers = self.kernel.train(weights, self.images, self.labels, order, seed=self.seed, total=total)
        return answers.weights, None, answers.seconds

    def timed(self, kind: str, variant: str, weights: dict, order: np.ndarray) -> Timed:
        """The pass as something to time."""
        return Timed(lambda passes: sum(self.run(kind, variant, weights, order)[2] for _ in range(passes)), len(order))


def _require_agreement(bench: Bench, state: str, weights: dict, order: np.ndarray) -> float:
    """Compare the variants' mean output spikes over the samples; gives the share of wrong answers of dense code."""
    counts = {variant: bench.run("inference", variant, weights, order)[1] for variant in VARIANTS}
    expected = counts["kernel"].astype(float)
    for variant, found in counts.items():
        error = np.sqrt((found.var(axis=0) + expected.var(axis=0)) / len(order)) + 1e-9
        if np.any(np.abs(found.mean(axis=0) - expected.mean(axis=0)) > TOLERANCE * error):
            raise RunError(f"The {variant} variant and the kernel disagree from {state} weights; please report this as a bug.")
    return float(np.mean(counts["dense"].argmax(axis=1) != bench.labels[order]))


def benchmark(settings: BenchmarkSSNN, message: Callable[[str], None] = print) -> Path:
    """Measure, print a table, and write benchmark.csv, benchmark.json and figures into a new folder.

    Parameters
    ----------
    settings : BenchmarkSSNN
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
        As `experiments.data.images` and `models.simulation.simulator` do.
    """
    prepare(settings.out)
    dataset = settings.dataset or default_dataset(settings.data_dir, message)
    loaded = datasets.load(dataset, settings.data_dir)
    images, labels = loaded.train_images.reshape(len(loaded.train_images), -1), loaded.train_labels
    parameters = SSNN(
        **dataclasses.asdict(settings.rules), n_in=images.shape[1], hidden=settings.hidden, n_out=len(loaded.classes)
    )
    n_epoch = len(labels)
    bench = Bench(parameters, images, labels, 2 * n_epoch, settings.seed, message)
    rng = np.random.default_rng(settings.seed)
    message(f"Training one epoch of {n_epoch} samples ...")
    initial = initial_weights(parameters, settings.seed)
    states = {"initial": initial, "trained": bench.run("training", "dense", initial, rng.permutation(n_epoch))[0]}
    order = np.resize(rng.permutation(n_epoch), settings.samples)
    shares = {state: _require_agreement(bench, state, weights, order) for state, weights in states.items()}
    cases = {
        (kind, state, variant): bench.timed(kind, variant, weights, order)
        for kind in bench.models
        for state, weights in states.items()
        for variant in VARIANTS
    }
    message(
        f"Timing {settings.repeats} rounds of {len(cases)} cases; the variants agree within {TOLERANCE} standard errors ..."
    )
    wrong = {(kind, state): share for kind in bench.models for state, share in shares.items()}
    speed = speed_rows(interleaved(cases, settings.repeats), wrong)
    found = {
        "settings": as_json(settings),
        "environment": describe(),
        "dataset": {"name": dataset, "origin": loaded.origin, "training samples": n_epoch},
        "sizes": list(parameters.sizes),
        "speed": speed,
        "ratios": ratios(speed, chip=False),
        "profile": {},
        "resources": _resources(bench, states["trained"], n_epoch),
    }
    if settings.profile:
        message("Measuring the parts of the circuit ...")
        weights, stimuli = states["trained"], bench.stimuli["training"]
        parts = profile(
            bench.models["training"],
            lambda one: one.run(weights, stimuli, order, noise_seed=settings.seed),
            PARTS,
            message=message,
        )
        found["profile"] = {name: 1e6 * seconds / len(order) for name, seconds in parts.items()}
    finish(settings.out, found, "-".join(map(str, parameters.sizes)), "of the training samples answered wrongly", message)
    return settings.out


def _resources(bench: Bench, weights: dict, n_epoch: int) -> list[dict]:
    """Memory of the running binary with the whole training set, and build times."""
    dense = bench.simulators["training", "dense"]
    found = [
        {"quantity": "build", "circuit": kind, "value": bench.simulators[kind, "dense"].build_seconds, "unit": "s"}
        for kind in bench.models
    ]
    peak = peak_memory(dense, lambda: dense.run(weights, bench.stimuli["training"], np.arange(n_epoch)))
    if peak:
        found.append({"quantity": "peak memory", "circuit": "training", "value": peak / 2**20, "unit": "MiB"})
    with Scratch() as folder:
        _, sizes = observe(dense, lambda one: one.run(weights, bench.stimuli["training"], np.arange(1)), folder)
    names = tuple(f"_dynamic_array_{name}_" for name in bench.models["training"].learned)
    held = sum(size for name, size in sizes.items() if name.startswith(names))
    synapses = sum(weights[name].size for name in bench.models["training"].learned)
    return [*found, {"quantity": "state per synapse", "circuit": "training", "value": held / synapses, "unit": "bytes"}]
