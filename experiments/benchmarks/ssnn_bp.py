"""``brianprop benchmark ssnn-bp``: stock and dense code and a hand-written kernel, side by side in one run."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from brianprop.analysis.runs.values import as_json
from brianprop.experiments.benchmarks.inspection import observe, peak_memory, profile
from brianprop.experiments.benchmarks.kernels.ssnn_bp import SSNNConstants, SSNNKernel
from brianprop.experiments.benchmarks.report import (
    VARIANTS,
    default_dataset,
    finish,
    prepare,
    ratios,
    require_at_least,
    speed_rows,
)
from brianprop.experiments.benchmarks.timing import Timed, interleaved
from brianprop.experiments.data import encoding
from brianprop.experiments.data import images as datasets
from brianprop.experiments.environment import describe
from brianprop.models.errors import ParameterError, RunError
from brianprop.models.model import Weights
from brianprop.models.simulation import simulator
from brianprop.models.simulation.scratch import Scratch
from brianprop.models.ssnn_bp.model import SSNNModel, SSNNResult
from brianprop.models.ssnn_bp.parameters import SSNN, SSNNRules, initial_weights

__all__ = ["BenchmarkSSNN", "benchmark"]

#: Parts of the profile by regular expressions for names of code objects; the first that matches counts.
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

#: Two variants may differ in the mean output spikes of a class by this many standard errors, which equal means exceed with
#: probability 2e-9.
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
        require_at_least(self, samples=1, repeats=1, seed=0)
        if self.rules.options:
            raise ParameterError(
                f"Parameter {sorted(self.rules.options)[0]} is unknown to the hand-written kernel; leave it at its default."
            )


class Bench:
    """Both circuits and the kernel in every variant, with one data set.

    Parameters
    ----------
    parameters : SSNN
    images : uint8 array of shape (n, n_in)
        Grey values.
    labels : int array of shape (n,)
    n_total : int
        Samples of the whole training, over which learning rates fall to 0 if they are annealed.
    seed : int
    message : callable
        Called with a line of text before a long build.
    """

    def __init__(
        self, parameters: SSNN, images: np.ndarray, labels: np.ndarray, n_total: int, seed: int, message: Callable[[str], None]
    ):
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
            constants=_constants(parameters),
            hidden=parameters.hidden_drive,
            output=parameters.output_drive,
            backward=parameters.backward_drive,
            w_max=parameters.w_max,
            dropout=parameters.dropout,
            decay=[rate * parameters.weight_decay for rate in rates] if parameters.weight_decay else (),
        )
        self.annealed = parameters.annealed

    def run(self, kind: str, variant: str, weights: Weights, order: np.ndarray) -> tuple[Weights, np.ndarray, float]:
        """One pass: weights afterwards, output spikes of each sample (none if the kernel trains), seconds of the loop."""
        if variant != "kernel":
            result = self.simulators[kind, variant].run(weights, self.stimuli[kind], order, noise_seed=self.seed)
            assert isinstance(result, SSNNResult)
            return result.weights, result.counts, result.seconds
        if kind == "inference":
            answers = self.kernel.infer(weights, self.images, order, seed=self.seed)
            return answers.weights, answers.output, answers.seconds
        total = self.n_total if self.annealed else 0
        answers = self.kernel.train(weights, self.images, self.labels, order, seed=self.seed, total=total)
        return answers.weights, answers.output, answers.seconds

    def timed(self, kind: str, variant: str, weights: Weights, order: np.ndarray) -> Timed:
        """The same pass as a case to time."""
        return Timed(lambda passes: sum(self.run(kind, variant, weights, order)[2] for _ in range(passes)), len(order))


def _constants(parameters: SSNN) -> SSNNConstants:
    """Gradient and step sizes as the kernel takes them: without the share of the neurons that dropout leaves."""
    kept = 1 - parameters.dropout
    return SSNNConstants(
        c=tuple(gain * kept for gain in parameters.gradient_gains), eta=parameters.weight_steps, eta_bias=parameters.bias_steps
    )


def _require_agreement(bench: Bench, state: str, weights: Weights, order: np.ndarray) -> float:
    """Compare the variants' mean output spikes over the samples; returns the share of wrong answers of dense code.

    Raises
    ------
    RunError
        If a variant differs from the kernel by more than `TOLERANCE` standard errors.
    """
    counts = {variant: bench.run("inference", variant, weights, order)[1] for variant in VARIANTS}
    expected = counts["kernel"].astype(float)
    for variant, spikes in counts.items():
        error = np.sqrt((spikes.var(axis=0) + expected.var(axis=0)) / len(order)) + 1e-9
        if np.any(np.abs(spikes.mean(axis=0) - expected.mean(axis=0)) > TOLERANCE * error):
            raise RunError(f"The {variant} variant and the kernel disagree from {state} weights; please report this as a bug.")
    return float(np.mean(counts["dense"].argmax(axis=1) != bench.labels[order]))


def benchmark(settings: BenchmarkSSNN, message: Callable[[str], None] = print) -> Path:
    """Measure, print a table, and write benchmark.csv, benchmark.json and figures into a new folder; returns the folder.

    `message` is called with each line of text. Errors are those of `experiments.benchmarks.nbp.benchmark`.
    """
    prepare(settings.out)
    dataset = settings.dataset or default_dataset(settings.data_dir, message)
    loaded = datasets.load(dataset, settings.data_dir)
    images, labels = loaded.train.images.reshape(len(loaded.train), -1), loaded.train.labels
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
    results = {
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
            lambda profiled: profiled.run(weights, stimuli, order, noise_seed=settings.seed),
            PARTS,
            message,
        )
        results["profile"] = {name: 1e6 * seconds / len(order) for name, seconds in parts.items()}
    finish(settings.out, results, "-".join(map(str, parameters.sizes)), "of the training samples answered wrongly", message)
    return settings.out


def _resources(bench: Bench, weights: Weights, n_epoch: int) -> list[dict]:
    """Memory of the running binary with the whole training set, and build times; rows with quantity, circuit, value, unit."""
    dense, stimuli = bench.simulators["training", "dense"], bench.stimuli["training"]
    rows = [
        {"quantity": "build", "circuit": kind, "value": bench.simulators[kind, "dense"].build_seconds, "unit": "s"}
        for kind in bench.models
    ]
    peak = peak_memory(dense, lambda: dense.run(weights, stimuli, np.arange(n_epoch)))
    if peak:
        rows.append({"quantity": "peak memory", "circuit": "training", "value": peak / 2**20, "unit": "MiB"})
    with Scratch() as folder:
        _, sizes = observe(dense, lambda observed: observed.run(weights, stimuli, np.arange(1)), folder)
    learned = bench.models["training"].learned
    names = tuple(f"_dynamic_array_{name}_" for name in learned)
    state = sum(size for name, size in sizes.items() if name.startswith(names))
    synapses = sum(weights[name].size for name in learned)
    return [*rows, {"quantity": "state per synapse", "circuit": "training", "value": state / synapses, "unit": "bytes"}]
