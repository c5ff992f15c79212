"""``brianprop benchmark brian2``: what it compares and what it writes."""

import csv
import json

import numpy as np
import pytest

from brianprop.experiments.benchmarks import brian2_device
from brianprop.experiments.benchmarks.brian2_device import BenchmarkBrian2, agree, benchmark
from brianprop.experiments.benchmarks.networks import NETWORKS
from brianprop.models.errors import ParameterError, RunError


@pytest.mark.slow
def test_small_networks_have_the_same_spikes(tmp_path):
    """Those without chance bit for bit, or the benchmark raises; the table says what was measured."""
    out = tmp_path / "out"
    benchmark(BenchmarkBrian2(out, size=0.1, repeats=3), lambda line: None)
    rows = json.loads((out / "benchmark.json").read_text())["networks"]
    assert {row["network"]: row["same"] == "statistics" for row in rows} == {name: net.chance for name, net in NETWORKS.items()}
    for row in rows:
        assert min(row["spikes stock"]) > 0, row["network"]
        assert row["same"] == "statistics" or row["spikes stock"] == row["spikes dense"]
        assert len(row["seconds stock"]) == len(row["seconds dense"]) == 3 and min(row["seconds dense"]) > 0
    with open(out / "benchmark.csv") as file:
        assert [line["network"] for line in csv.DictReader(file)] == list(NETWORKS)


@pytest.mark.parametrize("name", ["cuba", "stdp"])
def test_devices_that_disagree_are_found(name, monkeypatch, tmp_path):
    def run(folder, seed):
        n = seed + (100 if folder.name == f"{name}-dense" else 0)
        return np.zeros(n, dtype=np.int32), np.zeros(n), 1.0

    monkeypatch.setattr(brian2_device, "run", run)
    monkeypatch.setattr(brian2_device.subprocess, "run", lambda *_, **__: type("Done", (), {"returncode": 0}))
    words = "number of spikes of stdp" if NETWORKS[name].chance else "spikes of cuba"
    with pytest.raises(RunError, match=words):
        brian2_device.measure(BenchmarkBrian2(tmp_path, networks=(name,), repeats=6), tmp_path, lambda line: None)


def test_counts_agree_within_chance():
    rng = np.random.default_rng(0)
    assert agree(list(rng.poisson(1000, 10)), list(rng.poisson(1000, 10)))
    assert not agree(list(rng.poisson(1000, 10)), list(rng.poisson(1200, 10)))
    assert agree([5, 5], [5, 5]) and not agree([5, 5], [6, 6])


@pytest.mark.parametrize(
    ("settings", "words"), [({"size": 0}, "size"), ({"repeats": 1}, "repeats"), ({"networks": ()}, "network")]
)
def test_settings_of_the_brian2_benchmark_are_checked(settings, words, tmp_path):
    with pytest.raises(ParameterError, match=words):
        BenchmarkBrian2(tmp_path, **settings)
