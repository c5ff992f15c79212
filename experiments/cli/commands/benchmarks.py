"""The command ``benchmark``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import tyro

from brianprop.experiments.benchmarks.brian2_device import BenchmarkBrian2
from brianprop.experiments.benchmarks.nbp import BenchmarkNBP
from brianprop.experiments.benchmarks.replicas import BenchmarkReplicas
from brianprop.experiments.benchmarks.ssnn_bp import BenchmarkSSNN

__all__ = ["Benchmark"]


@dataclass(frozen=True)
class Benchmark:
    """Measure the speed of a system against Brian2's own code and a hand-written kernel, or that of many networks at once."""

    settings: (
        Annotated[BenchmarkNBP, tyro.conf.subcommand("nbp")]
        | Annotated[BenchmarkSSNN, tyro.conf.subcommand("ssnn-bp")]
        | Annotated[BenchmarkReplicas, tyro.conf.subcommand("replicas")]
        | Annotated[BenchmarkBrian2, tyro.conf.subcommand("brian2")]
    )

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
