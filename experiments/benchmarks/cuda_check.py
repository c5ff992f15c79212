"""On a machine with a GPU: check that CUDA gives the results of C++, then measure the training of many networks.

Run by ``python -m brianprop.experiments.benchmarks.cuda_check``. Nothing is measured before both systems have passed the
check: nBP must be equal spike for spike and weight for weight; what draws random numbers, SSNN-BP and nBP whose synapses and
gates are unreliable, in the means of its spikes and weight changes.
"""

from __future__ import annotations

import dataclasses
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tyro

from brianprop.experiments.benchmarks.replicas import BenchmarkReplicas, SystemName, benchmark
from brianprop.experiments.data import encoding
from brianprop.experiments.data import images as datasets
from brianprop.models.errors import BrianpropError, RunError
from brianprop.models.model import Model, Stimuli, Weights
from brianprop.models.nbp.circuit import matrices, training_circuit
from brianprop.models.nbp.model import GatedModel
from brianprop.models.nbp.parameters import NBP, initial_weights
from brianprop.models.simulation import cuda, simulator
from brianprop.models.simulation.replicas import Replicas, ReplicaStimuli
from brianprop.models.ssnn_bp.model import SSNNModel
from brianprop.models.ssnn_bp.parameters import SSNN

__all__ = ["Check", "check_nbp", "check_ssnn_bp", "check_unreliable_nbp", "main"]

#: Networks on each device whose means are compared, and standard errors by which these may differ: Student's t with 14 degrees
#: of freedom exceeds 6.5 once in 70,000 comparisons, and a check makes some two hundred.
REPLICAS, TOLERANCE = 8, 6.5

#: What makes nBP draw random numbers, one after the other, since a gate that is missing hides what single synapses do: noise of
#: transmissions and synapses that fail, and gates that come late or not at all.
UNRELIABLE = (
    {"weight_noise": 40.0, "fail_forward": 0.1, "fail_backward": 0.2},
    {"gate_late": 0.05, "gate_missing": 0.05},
)


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


def check_unreliable_nbp(device: str = "cuda", n_samples: int = 1000, **rules: Any) -> None:
    """Compare nBP that draws random numbers on a device with C++: spikes, weight changes, and membranes of the output.

    Ten images are shown many times. First nothing is learned, so that turns of one image differ by what is drawn alone: the
    standard deviation of the output's membranes shows how much, their correlation if each synapse draws for itself, and that
    of the spikes of a population's neurons how reliably each of them fires. Then a few samples are learned.

    Parameters
    ----------
    device : str
    n_samples : int
        Training samples of each network.
    **rules
        What draws numbers, such as one of `UNRELIABLE`.

    Raises
    ------
    RunError
        Where a mean differs by more than `TOLERANCE` standard errors.
    """
    digits = datasets.load("digits")
    which = np.arange(n_samples) % 10
    images = encoding.binarise(digits.train.images, [0.5])[which]
    targets = encoding.one_hot(digits.train.labels, 10)[which]
    learning = NBP(n_in=64, hidden=(60,), n_out=10, **rules)
    circuit = training_circuit(learning)
    weights = matrices(circuit, initial_weights(learning, 0))
    populations = [population.name for population in circuit.populations]

    def statistics(result: Any, samples: np.ndarray) -> dict[str, float]:
        found: dict[str, float] = {}
        population, neuron, _ = result.recorded
        for number, name in enumerate(populations):
            counts = np.bincount(neuron[population == number], minlength=circuit[name].size)
            found |= {f"spikes of {name}": float(counts.sum()), f"s.d. of the spikes of {name}": float(counts.std())}
        for pair, matrix in result.matrices.items():
            found[f"change of the weights {pair}"] = float(np.abs(matrix - weights[pair]).mean())
        drive = np.asarray(result.drive, float)
        found["mean of the output's membrane"] = float(drive.mean())
        for image in range(10):
            drive[which[samples] == image] -= drive[which[samples] == image].mean(axis=0)
        found["s.d. of the output's membrane"] = float(drive.std(axis=0).mean())
        found["correlation of the output's membranes"] = float(np.corrcoef(drive.T)[np.triu_indices(drive.shape[1], 1)].mean())
        return found

    still = dataclasses.replace(learning, eta_plus=0, eta_minus=0)
    for parameters, n in ((still, n_samples), (learning, n_samples // 10)):
        model = GatedModel(circuit, parameters)
        stimuli = model.stimuli({"input": images[:n], "target": targets[:n]})
        _require_equal_means("nBP", device, model, weights, stimuli, n, statistics)


def check_ssnn_bp(device: str = "cuda", n_samples: int = 1200) -> None:
    """Compare SSNN-BP on a device with C++: spike counts and mean weight changes.

    Raises
    ------
    RunError
        Where a mean differs by more than `TOLERANCE` standard errors.
    """
    parameters = SSNN(n_in=16, hidden=(8,), n_out=3, steps=10)
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (n_samples, 16), dtype=np.uint8)
    targets = np.eye(3, dtype=np.uint8)[rng.integers(0, 3, n_samples)]
    model = SSNNModel(parameters, learns=True, n_total=n_samples)
    weights = {"W1": rng.normal(0, 0.4, (16, 8)).astype(np.float32), "W2": rng.normal(0, 0.6, (8, 3)).astype(np.float32)}

    def statistics(result: Any, _: np.ndarray) -> dict[str, float]:
        counts = np.bincount(result.recorded[0], minlength=len(model.monitors))
        found = {f"spikes of {name}": float(count) for (name, _), count in zip(model.populations, counts, strict=True)}
        for name in ("W1", "W2"):
            found[f"change of {name}"] = float(np.abs(result.weights[name] - weights[name]).mean())
        return found

    _require_equal_means("SSNN-BP", device, model, weights, model.stimuli(images, targets), n_samples, statistics)


def _require_equal_means(
    system: str,
    device: str,
    model: Model,
    weights: Weights,
    stimuli: Stimuli,
    n_samples: int,
    statistics: Callable[[Any, np.ndarray], dict[str, float]],
) -> None:
    """Train networks with orders and noise of their own on C++ and on a device; refuse statistics whose means differ."""
    samples = np.array([np.random.default_rng(seed).permutation(n_samples) for seed in range(REPLICAS)])
    found = []
    for seed, name in enumerate(("cpp_standalone", device)):
        with simulator(Replicas([model] * REPLICAS), device=name) as simulated:
            results = simulated.run(
                [weights] * REPLICAS, ReplicaStimuli([stimuli] * REPLICAS), samples, noise_seed=seed, n_recorded=n_samples
            )
        found.append([statistics(result, order) for result, order in zip(results, samples, strict=True)])
    for name in found[0][0]:
        on_cpp, on_device = (np.array([one[name] for one in of_device]) for of_device in found)
        difference = abs(on_cpp.mean() - on_device.mean())
        limit = TOLERANCE * np.sqrt((on_cpp.var(ddof=1) + on_device.var(ddof=1)) / REPLICAS)
        if not difference <= limit:  # NaN is not
            raise RunError(
                f"{system} on {device} differs from C++ in {name} by {difference:.4g}, more than {limit:.4g}; do not use it."
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
        exact, in_means = "spike for spike and weight for weight", "in its means"
        checks = [("nbp", check_nbp, {}, exact), ("ssnn_bp", check_ssnn_bp, {}, in_means)]
        checks += [(f"nbp with {', '.join(rules)}", check_unreliable_nbp, rules, in_means) for rules in UNRELIABLE]
        for what, check, rules, words in checks:
            check(**rules)
            print(f"{what}: equal to C++, {words}", flush=True)
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
