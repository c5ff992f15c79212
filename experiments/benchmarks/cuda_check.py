"""On a machine with a GPU: build, check that results equal those of C++, and measure.

Run by ``python -m brianprop.experiments.benchmarks.cuda_check``.

One table comes out. Nothing is measured before both systems have given equal results: nBP spike for spike and weight for
weight, SSNN-BP in the means of its spikes and of its changes of weights.
"""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tyro

from brianprop.experiments.benchmarks.replicas import BenchmarkReplicas, SystemName, benchmark
from brianprop.experiments.data import encoding
from brianprop.experiments.data import images as datasets
from brianprop.models.errors import BrianpropError, RunError
from brianprop.models.nbp.circuit import matrices, training_circuit
from brianprop.models.nbp.model import GatedModel
from brianprop.models.nbp.parameters import NBP, initial_weights
from brianprop.models.simulation import cuda, simulator
from brianprop.models.simulation.replicas import Replicas, ReplicaStimuli
from brianprop.models.ssnn_bp.model import SSNNModel
from brianprop.models.ssnn_bp.parameters import SSNN

__all__ = ["Check", "check_nbp", "check_ssnn_bp", "main"]

#: Standard errors by which the means of SSNN-BP may differ: with four networks on either side, t with six degrees of freedom
#: exceeds 7.5 once in 3,000 comparisons.
TOLERANCE, COPIES = 7.5, 4


def check_nbp(device: str = "cuda", n_samples: int = 300) -> None:
    """Compare nBP on a device with C++: two networks with numbers of their own, on the digits, bit for bit.

    Raises
    ------
    RunError
        Where a spike, a membrane or a weight differs.
    """
    digits = datasets.load("digits")
    images, targets = encoding.binarise(digits.train_images, [0.5]), encoding.one_hot(digits.train_labels, 10)
    sizes = {"n_in": 64, "n_hid": 60, "n_out": 10}
    several = (NBP(**sizes), NBP(**sizes, theta=960.0, eta_plus=4))
    nets = [GatedModel(training_circuit(parameters), parameters) for parameters in several]
    weights = [matrices(net.circuit, initial_weights(net.parameters, seed)) for seed, net in enumerate(nets)]
    stimuli = ReplicaStimuli([nets[0].stimuli({"input": images, "target": targets})] * 2)
    samples = np.array([np.random.default_rng(seed).permutation(len(images))[:n_samples] for seed in range(2)])
    results = []
    for name in ("cpp_standalone", device):
        with simulator(Replicas(nets), device=name) as ready:
            results.append(ready.run(weights, stimuli, samples, n_recorded=20))
    for number, (expected, found) in enumerate(zip(*results, strict=True)):
        compared = {f"weights {pair}": (found.matrices[pair], matrix) for pair, matrix in expected.matrices.items()}
        compared |= {"membrane of the output": (found.drive, expected.drive), "output": (found.spikes, expected.spikes)}
        compared |= {
            f"spikes ({name})": columns
            for name, *columns in zip(("population", "neuron", "step"), found.recorded, expected.recorded, strict=True)
        }
        for name, (one, other) in compared.items():
            if not np.array_equal(one, other):
                raise RunError(f"nBP on {device} differs from C++ in the {name} of network {number}; do not use it.")


def check_ssnn_bp(device: str = "cuda", n_samples: int = 1200) -> None:
    """Compare SSNN-BP on a device with C++: counts of spikes and mean changes of weights, within `TOLERANCE` standard errors.

    Raises
    ------
    RunError
        Where they differ by more.
    """
    parameters = SSNN(n_in=16, hidden=(8,), n_out=3, steps=10)
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (n_samples, 16), dtype=np.uint8)
    targets = np.eye(3, dtype=np.uint8)[rng.integers(0, 3, n_samples)]
    model = SSNNModel(parameters, learns=True, n_total=n_samples)
    weights = {"W1": rng.normal(0, 0.4, (16, 8)).astype(np.float32), "W2": rng.normal(0, 0.6, (8, 3)).astype(np.float32)}
    stimuli = ReplicaStimuli([model.stimuli(images, targets)] * COPIES)
    samples = np.array([np.random.default_rng(seed).permutation(n_samples) for seed in range(COPIES)])
    names = [*(name for name, _ in model.populations), "change of W1", "change of W2"]
    means = []
    for seed, name in enumerate(("cpp_standalone", device)):
        with simulator(Replicas([model] * COPIES), device=name) as ready:
            results = ready.run([weights] * COPIES, stimuli, samples, noise_seed=seed, n_recorded=n_samples)
        counts = [np.bincount(result.recorded[0], minlength=len(model.monitors)) for result in results]
        changes = [[np.abs(result.weights[one] - weights[one]).mean() for one in ("W1", "W2")] for result in results]
        means.append(np.concatenate([np.array(counts, float), np.array(changes)], axis=1))
    error = np.sqrt(sum(values.var(axis=0, ddof=1) for values in means) / COPIES)
    apart = np.abs(means[0].mean(axis=0) - means[1].mean(axis=0))
    for name, one, limit in zip(names, apart, TOLERANCE * error, strict=True):
        if one > limit:
            raise RunError(
                f"SSNN-BP on {device} differs from C++ in {name} by {one:.4g}, more than {limit:.4g}; do not use it."
            )


@dataclass(frozen=True)
class Check:
    """Check a GPU against C++ and measure the training of many networks on both."""

    out: Path
    """New folder for the tables."""
    dataset: str | None = None
    """A data set by name (default: mnist if it is found, else digits)."""
    systems: tuple[SystemName, ...] = ("nbp", "ssnn-bp")
    """What to measure."""
    hidden: tuple[int, ...] = (400, 3200)
    """Numbers of hidden neurons."""
    replicas: tuple[int, ...] = (1, 16, 64, 256, 1024)
    """Numbers of networks."""
    samples: int = 2000
    """Samples of a timed run, of all networks together; at least 20 of each."""
    repeats: int = 3
    """Rounds."""
    equality_only: bool = False
    """Only check that the results are equal."""


def main(arguments: list[str] | None = None) -> int:
    """Run the check; returns the exit status: 0, or 2 where something is missing or differs."""
    settings = tyro.cli(Check, args=arguments, prog="python -m brianprop.experiments.benchmarks.cuda_check")
    try:
        cuda.package_version(), cuda.nvcc(), cuda.curand()
        name, capability = cuda.gpu()
        print(f"{name}, compute capability {capability[:-1]}.{capability[-1]}, {cuda.nvcc()[1]}, {time.strftime('%Y-%m-%d')}")
        for check, words in ((check_nbp, "spike for spike and weight for weight"), (check_ssnn_bp, "in its means")):
            check()
            print(f"{check.__name__.removeprefix('check_')}: equal to C++, {words}")
        if settings.equality_only:
            return 0
        print(
            benchmark(
                BenchmarkReplicas(
                    out=settings.out,
                    dataset=settings.dataset,
                    systems=settings.systems,
                    hidden=settings.hidden,
                    replicas=settings.replicas,
                    samples=settings.samples,
                    repeats=settings.repeats,
                    cuda=True,
                )
            )
        )
    except BrianpropError as error:
        print(f"cuda_check: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
