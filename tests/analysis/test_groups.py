"""Runs that differ in their seed only belong together; labels say in what the others differ."""

import pytest
from conftest import ann_run, composite_run

from brianprop.analysis.groups import group_runs
from brianprop.analysis.runs import Run


def labels(groups):
    return [(group.label, [run.config["training"]["seed"] for run in group.runs]) for group in groups]


def test_seeds_belong_together_and_settings_apart(tmp_path):
    runs = [
        composite_run(tmp_path / "a", seed=1),
        composite_run(tmp_path / "b", seed=0),
        composite_run(tmp_path / "c", seed=0, steps=8, w_max=2.0),
        ann_run(tmp_path / "d"),
    ]
    assert labels(group_runs(runs)) == [
        ("SSNN-BP, T = 4, no bound", [0, 1]),
        ("SSNN-BP, T = 8, bound = 2", [0]),
        ("ANN", [0]),
    ]
    assert labels(group_runs(runs, ignored=("steps", "w_max"))) == [("SSNN-BP", [0, 0, 1]), ("ANN", [0])]
    assert labels(group_runs(runs[:2])) == [("SSNN-BP", [0, 1])]


@pytest.mark.parametrize(
    ("setting", "other", "first", "second"),
    [
        ("biases", True, "no biases", "biases"),
        ("hidden", (7, 5), "hidden = 5", "hidden = 7-5"),
        ("gain", 2.0, "gain = 1", "gain = 2"),
        ("hidden_drive", "mean", "hidden drive = memoryless", "hidden drive = mean"),
    ],
)
def test_labels_name_the_difference(setting, other, first, second, tmp_path):
    runs = [composite_run(tmp_path / "a"), composite_run(tmp_path / "b", **{setting: other})]
    assert [group.label for group in group_runs(runs)] == [f"SSNN-BP, {first}", f"SSNN-BP, {second}"]


def test_a_run_older_than_a_parameter_has_its_default(tmp_path):
    runs = [composite_run(tmp_path / name, seed=seed) for seed, name in enumerate("abc")]
    del runs[1].config["parameters"]["answer_drive"], runs[1].config["parameters"]["w_max"]
    runs[2].config["parameters"]["answer_drive"] = "mean"
    assert [group.label for group in group_runs(runs)] == ["SSNN-BP, no answer drive", "SSNN-BP, answer drive = mean"]


def test_labels_of_learning_rates(tmp_path):
    runs = [ann_run(tmp_path / "a", rates=(0.05, 0.1)), ann_run(tmp_path / "b", rates=(0.01, 0.02))]
    assert [group.label for group in group_runs(runs)] == ["ANN, rates = 0.05 / 0.1", "ANN, rates = 0.01 / 0.02"]


def test_epochs_make_a_difference_where_learning_rates_fall_over_them(tmp_path):
    runs = [ann_run(tmp_path / "a", epochs=1), ann_run(tmp_path / "b", epochs=2)]
    assert [group.label for group in group_runs(runs)] == ["ANN, epochs = 1", "ANN, epochs = 2"]
    nbp = [
        Run(tmp_path, {"system": "nbp", "parameters": {"theta": 1}, "training": {"epochs": epochs, "seed": epochs}}, {})
        for epochs in (2, 1)
    ]
    assert labels(group_runs(nbp)) == [("nBP", [1, 2])]


def test_no_path_gets_into_a_label(tmp_path):
    runs = [ann_run(tmp_path / name) for name in ("a", "b")]
    runs[1].config["dataset"]["name"] = "/home/somebody/letters"
    assert group_runs(runs)[1].label == "ANN, data = letters"
