"""On a machine with a GPU: check that CUDA gives the results of C++, then measure the training of many networks.

Run by ``python -m brianprop.experiments.benchmarks.cuda_check``. Nothing is measured before both systems have passed the
check: nBP must be equal spike for spike and weight for weight, SSNN-BP in the means of its spikes and weight changes.
"""

from __future__ import annotations

import dataclasses
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

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

#: Networks of SSNN-BP on each device, and standard errors by which their means may differ: Student's t with six degrees of
#: freedom exceeds 7.5 once in 3,000 comparisons.
REPLICAS, TOLERANCE = 4, 7.5


def check_nbp(device: str = "cuda", n_samples: int = 300, hidden: tuple[int, ...] = (60,), **rules: Any) -> None:
    """Compare nBP on a device with C++, bit for bit: two networks with different parameters, on the digits.

    Parameters
    ----------
    device : str
    n_samples : int
        Training samples of each network.
    hidden : tuple of int
        Neurons of each hidden layer.
    **rules
        Other parameters of both networks, see `models.nbp.parameters.Rules`.

    Raises
    ------
    RunError
        Where a spike, a membrane or a weight differs.
    """
    digits = datasets.load("digits")
    images, targets = encoding.binarise(digits.train.images, [0.5]), encoding.one_hot(digits.train.labels, 10)
    usual = NBP(n_in=64, hidden=hidden, n_out=10, **rules)
    several = (usual, dataclasses.replace(usual, theta=960.0, eta_plus=4))
    nets = [GatedModel(training_circuit(parameters), parameters) for parameters in several]
    weights = [
        matrices(net.circuit, initial_weights(parameters, seed))
        for seed, (net, parameters) in enumerate(zip(nets, several, strict=True))
    ]
    stimuli = ReplicaStimuli([nets[0].stimuli({"input": images, "target": targets})] * 2)
    samples = np.array([np.random.default_rng(seed).permutation(len(images))[:n_samples] for seed in range(2)])
    results = []
    for name in ("cpp_standalone", device):
        with simulator(Replicas(nets), device=name) as simulated:
            results.append(simulated.run(weights, stimuli, samples, n_recorded=20))
    for number, (expected, actual) in enumerate(zip(*results, strict=True)):
        compared = {f"weights {pair}": (actual.matrices[pair], matrix) for pair, matrix in expected.matrices.items()}
        compared |= {"membrane of the output": (actual.drive, expected.drive), "output": (actual.spikes, expected.spikes)}
        compared |= {
            f"spikes ({name})": columns
            for name, *columns in zip(("population", "neuron", "step"), actual.recorded, expected.recorded, strict=True)
        }
        for name, arrays in compared.items():
            if not np.array_equal(*arrays):
                raise RunError(f"nBP on {device} differs from C++ in the {name} of network {number}; do not use it.")


def check_ssnn_bp(device: str = "cuda", n_samples: int = 1200) -> None:
    """Compare SSNN-BP on a device with C++: spike counts and mean weight changes, within `TOLERANCE` standard errors.

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
    stimuli = ReplicaStimuli([model.stimuli(images, targets)] * REPLICAS)
    samples = np.array([np.random.default_rng(seed).permutation(n_samples) for seed in range(REPLICAS)])
    names = [*(name for name, _ in model.populations), "change of W1", "change of W2"]
    means = []
    for seed, name in enumerate(("cpp_standalone", device)):
        with simulator(Replicas([model] * REPLICAS), device=name) as simulated:
            results = simulated.run([weights] * REPLICAS, stimuli, samples, noise_seed=seed, n_recorded=n_samples)
        counts = [np.bincount(result.recorded[0], minlength=len(model.monitors)) for result in results]
        changes = [[np.abs(result.weights[name] - weights[name]).mean() for name in ("W1", "W2")] for result in results]
        means.append(np.concatenate([np.array(counts, float), np.array(changes)], axis=1))
    error = np.sqrt(sum(values.var(axis=0, ddof=1) for values in means) / REPLICAS)
    differences = np.abs(means[0].mean(axis=0) - means[1].mean(axis=0))
    for name, difference, limit in zip(names, differences, TOLERANCE * error, strict=True):
        if difference > limit:
            raise RunError(
                f"SSNN-BP on {device} differs from C++ in {name} by {difference:.4g}, more than {limit:.4g}; do not use it."
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
    """Run the check; returns the exit status: 0, or 2 if something is missing or results differ."""
    settings = tyro.cli(Check, args=arguments, prog="python -m brianprop.experiments.benchmarks.cuda_check")
    try:
        for require in (cuda.package_version, cuda.nvcc, cuda.curand):
            require()  # before anything is built
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
