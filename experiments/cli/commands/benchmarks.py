"""The command ``benchmark``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Union

import tyro

from brianprop.experiments.benchmarks.brian2_device import BenchmarkBrian2
from brianprop.experiments.benchmarks.nbp import BenchmarkNBP
from brianprop.experiments.benchmarks.replicas import BenchmarkReplicas
from brianprop.experiments.benchmarks.ssnn_bp import BenchmarkSSNN

__all__ = ["BENCHMARKS", "Benchmark"]

#: The benchmarks by name.
BENCHMARKS = {"nbp": BenchmarkNBP, "ssnn-bp": BenchmarkSSNN, "replicas": BenchmarkReplicas, "brian2": BenchmarkBrian2}

if TYPE_CHECKING:
    AnyBenchmark = object
else:
    AnyBenchmark = Union[tuple(Annotated[kind, tyro.conf.subcommand(name)] for name, kind in BENCHMARKS.items())]  # noqa: UP007


@dataclass(frozen=True)
class Benchmark:
    """Measure the speed of a system against Brian2's own code and a hand-written kernel, or that of many networks at once."""

    settings: AnyBenchmark

    def __call__(self) -> None:
        from brianprop.experiments.benchmarks import brian2_device as benchmark_brian2
        from brianprop.experiments.benchmarks import nbp as benchmark
        from brianprop.experiments.benchmarks import replicas as benchmark_replicas
        from brianprop.experiments.benchmarks import ssnn_bp as benchmark_ssnn_bp

        modules = {
            BenchmarkNBP: benchmark,
            BenchmarkSSNN: benchmark_ssnn_bp,
            BenchmarkReplicas: benchmark_replicas,
            BenchmarkBrian2: benchmark_brian2,
        }
        print(f"Finished: {modules[type(self.settings)].benchmark(self.settings)}")
