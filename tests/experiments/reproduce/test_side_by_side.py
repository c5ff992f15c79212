"""The systems side by side, from runs with made-up scores and spikes."""

import json

import numpy as np
import pytest
from conftest import ann_run, composite_run

from brianprop.analysis.figures.output import styled
from brianprop.analysis.figures.side_by_side import plot_side_by_side
from brianprop.analysis.runs import Run
from brianprop.analysis.systems import SYSTEMS
from brianprop.experiments.reproduce.side_by_side import measured, side_by_side


def with_data(run):
    """The run with the numbers of samples in its configuration."""
    numbers = {"samples": 40, "validation": 5, "test_samples": 10}
    training = {"device": "cpp_standalone", "codegen": "dense"}
    config = dict(run.config) | {"dataset": run.config["dataset"] | numbers, "training": run.config["training"] | training}
    (run.path / "config.json").write_text(json.dumps(config))
    return Run.open(run.path)


@pytest.fixture
def runs(tmp_path):
    """Two seeds of SSNN-BP and of the ANN."""
    found = []
    for seed in (0, 1):
        found.append(with_data(composite_run(tmp_path / f"ssnn{seed}", seed=seed, accuracy=0.5 + seed / 10)))
        found.append(with_data(ann_run(tmp_path / f"ann{seed}", seed=seed, accuracy=0.8)))
    return found


def of(table, kind, quantity, mode):
    (row,) = table[(table.kind == kind) & (table.quantity == quantity) & (table["mode"] == mode)].to_dict("records")
    return row


def test_numbers_are_those_of_the_runs(runs):
    table = measured(runs)
    accuracy = of(table, "SSNN-BP", "accuracy, spikes", "inference")
    # two seeds, one degree of freedom: t = 12.7062
    assert (accuracy["n"], accuracy["mean"], accuracy["sd"]) == pytest.approx((2, 55, 50**0.5))
    assert accuracy["high"] == pytest.approx(55 + 12.7062 * 5, rel=1e-5)
    # each of 6 recorded turns of 4 steps has a spike of the input, of the hidden layer and of the output in each step
    spikes = [
        sum(len(recording.of(name).step) for name in recording.populations) / 6
        for recording in (run.load_spikes("raster") for run in runs if run.system == "ssnn-bp")
    ]
    assert min(spikes) > 12
    assert of(table, "SSNN-BP", "spikes", "training")["mean"] == pytest.approx(np.mean(spikes))
    assert of(table, "SSNN-BP", "spikes", "inference")["mean"] == 12
    # 1 s for an epoch of 40 samples, and for the answers to 10
    for kind in ("SSNN-BP", "ANN"):
        assert of(table, kind, "time here", "training")["mean"] == pytest.approx(1e6 / 40)
        assert of(table, kind, "time here", "inference")["mean"] == pytest.approx(1e6 / 10)
        # 16-5-3, four bytes for each weight
        assert of(table, kind, "weights", "inference")["mean"] == pytest.approx(4 * (16 * 5 + 5 * 3) / 1000)
        assert of(table, kind, "memory here", "training")["mean"] > 0
    # 80 + 15 weights forward, as many updates, and 15 that pass errors back
    assert of(table, "ANN", "multiply-accumulates", "inference")["mean"] == 95
    assert of(table, "ANN", "multiply-accumulates", "training")["mean"] == 205
    assert set(table[table.kind == "ANN"].quantity).isdisjoint({"spikes", "synaptic operations", "energy on the chip"})
    assert all(not SYSTEMS[name].multiplications(None) for name in ("nbp", "ssnn-bp"))


def test_files(runs, tmp_path):
    written = side_by_side(runs, tmp_path / "out", None, print)["figures"]
    assert {path.name for path in written} == {f"side_by_side.{kind}" for kind in ("csv", "md", "png", "pdf")}
    lines = (tmp_path / "out" / "side_by_side.md").read_text().splitlines()
    assert lines[0] == "|  | SSNN-BP | ANN |" and "| seeds | 2 | 2 |" in lines
    assert "| accuracy, spikes (%) | 55.00 ± 7.07 [-8.53, 118.53] | – |" in lines
    assert "| multiply-accumulates, training | – | 205 |" in lines and "| weights (kB) | 0.38 | 0.38 |" in lines
    assert "40 samples for training, 5 for validation, 10 for the test" in (tmp_path / "out" / "side_by_side.md").read_text()


@pytest.mark.parametrize(("count", "words"), [(4, "mean over 2 seeds; accuracy with its 95 %"), (2, "one seed")])
def test_the_figure_says_how_many_seeds_there_are(count, words, runs):
    with styled():
        figure = plot_side_by_side(measured(runs[:count]))
    assert figure.get_suptitle().startswith(words)
    assert [text.get_text() for text in figure.axes[0].get_yticklabels()] == ["SSNN-BP", "ANN"]
    spikes, operations = figure.axes[1:3]
    assert "–" in [text.get_text() for text in spikes.texts]  # the ANN has none
    assert {bar.get_hatch() for bar in operations.patches} == {None, "////"}
