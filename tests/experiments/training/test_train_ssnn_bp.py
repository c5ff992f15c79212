"""Runs of SSNN-BP from the command line: what they leave on disk, how they resume, and what is refused."""

import dataclasses
import json
import math
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from conftest import assert_predictions_are_those_of_the_metrics, assert_same_run, back_to

from brianprop.analysis.figures.raster_ssnn_bp import targets
from brianprop.analysis.runs import Run
from brianprop.analysis.systems import SYSTEMS
from brianprop.experiments.cli.main import main
from brianprop.experiments.data import encoding
from brianprop.experiments.data import images as datasets
from brianprop.experiments.training.ssnn_bp import scores
from brianprop.experiments.training.trainer import PROBABILITY_FLOOR, noise_seed
from brianprop.models.simulation import simulator
from brianprop.models.ssnn_bp.model import SSNNModel, SSNNResult
from brianprop.models.ssnn_bp.parameters import SSNN, SSNNRules, initial_weights

#: One network for all tests, so that they share builds; its T, sizes of data and rates need none of their own.
SMALL = ["train", "ssnn-bp", "--hidden", "20", "--steps", "6", "--samples", "300", "--epochs", "3"]
PARAMETERS = SSNN(n_in=64, hidden=(20,), n_out=10, steps=6)


def run_small(out, *options):
    assert main([*SMALL, *options, "--out", str(out)]) == 0
    return Run.open(out)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    return run_small(tmp_path_factory.mktemp("ssnn") / "run", "--seed", "5")


@pytest.fixture(scope="module")
def grey_digits():
    """All training images (1500, 64), uint8 from 0 to 255, their labels, and the test images."""
    dataset = datasets.load("digits")
    return dataset.train.images.reshape(-1, 64), dataset.train.labels, dataset.test.images.reshape(-1, 64)


def test_all_test_images_have_an_answer(finished):
    assert_predictions_are_those_of_the_metrics(finished)


def test_run_directory_holds_what_is_promised(finished, grey_digits):
    names = {path.name for path in finished.path.iterdir()}
    assert {"config.json", "environment.json", "metrics.csv", "weights.npz", "raster.npz", "images.npz"} <= names
    assert finished.checkpoints == [0, 1, 2, 3] and finished.finished
    rows = finished.metrics()
    assert tuple(rows[0]) == SYSTEMS["ssnn-bp"].columns
    assert [(row["epoch"], row["split"]) for row in rows] == [
        (epoch, split) for epoch in (1, 2, 3) for split in ("train", "validation", "test")
    ]
    # of the training images as many are scored as there are for validation
    assert [row["samples"] for row in rows[:3]] == [125, 125, 297]
    weights = finished.load_weights()
    assert {name: array.shape for name, array in weights.items()} == {"W1": (64, 20), "W2": (20, 10)}
    for name, array in finished.load_checkpoint(0)[1].items():
        np.testing.assert_array_equal(array, initial_weights(PARAMETERS, 5)[name])
    images = finished.load_images()
    np.testing.assert_array_equal(images["images"], grey_digits[2][:12])
    assert (images["counts"].sum(axis=1) == 6).all()
    np.testing.assert_allclose(images["rates"].sum(axis=1), 1, rtol=1e-5)


def test_it_learns(finished):
    # one class of ten is right by chance
    last = {row["split"]: row for row in finished.metrics() if row["epoch"] == 3}
    assert last["test"]["accuracy_spikes"] > 0.5 and last["test"]["accuracy_rates"] > 0.5
    assert last["test"]["loss"] < math.log(10)


def test_config_is_valid_json_and_enough_to_repeat_the_run(finished):
    def refuse(name):
        raise AssertionError(f"{name} is no JSON")

    config = json.loads((finished.path / "config.json").read_text(), parse_constant=refuse)
    assert config["parameters"]["w_max"] == "inf"
    assert finished.parameters() == PARAMETERS
    assert config["dataset"]["crop"] == 0 and config["dataset"]["binarise"] is None


def test_an_epoch_is_one_run_of_the_circuit_with_the_samples_before_it_and_a_seed_of_its_own(finished, grey_digits):
    images, labels, _ = grey_digits
    order = np.random.default_rng([5, 1, 2]).permutation(300)
    with simulator(SSNNModel(PARAMETERS, learns=True, n_total=900)) as learner:
        stimuli = learner.model.stimuli(images[:300], encoding.one_hot(labels[:300], 10))
        before, after = (finished.load_checkpoint(epoch)[1] for epoch in (1, 2))
        result = learner.run(before, stimuli, order, noise_seed=noise_seed(5, 2, "train"), first=300)
        other = learner.run(before, stimuli, order, noise_seed=noise_seed(5, 2, "train"), first=0)
    for name in after:
        np.testing.assert_array_equal(result.weights[name], after[name])
    # without what was learned before, the learning rates would begin anew
    assert not np.array_equal(other.weights["W1"], after["W1"])


def test_scores_are_those_of_the_circuit_that_answers(finished, grey_digits):
    images, labels, _ = grey_digits
    rows = {(row["epoch"], row["split"]): row for row in finished.metrics()}
    with simulator(SSNNModel(PARAMETERS, learns=False)) as answerer:
        for split, part in (("train", slice(0, 125)), ("validation", slice(1375, 1500))):
            stimuli = answerer.model.stimuli(images[part])
            seed = noise_seed(5, 2, f"answers to {split}")
            result = answerer.run(finished.load_checkpoint(2)[1], stimuli, np.arange(125), noise_seed=seed)
            for name, value in scores(result, labels[part]).items():
                assert rows[2, split][name] == value


def test_scores_break_ties_by_the_membrane_and_bound_the_loss():
    nothing = (np.zeros(0, int),) * 3
    result = SSNNResult(
        nothing,
        0.0,
        {},
        counts=np.array([[3, 3, 0], [1, 2, 3], [3, 3, 0], [6, 0, 0]]),
        membrane=np.array([[0.1, 0.2, 9.0], [9.0, 0.0, 0.0], [0.2, 0.1, 0.0], [0.0, 9.0, 0.0]]),
        rates=np.array([[0.5, 0.4, 0.1], [0.1, 0.8, 0.1], [0.25, 0.5, 0.25], [0.0, 0.0, 1.0]]),
    )
    # by spikes 1 (the larger membrane of two), 2, 0 (the same), 0; by rates 0, 1, 1, 2
    found = scores(result, np.array([1, 2, 1, 0]))
    assert found["accuracy_spikes"] == 0.75
    assert found["accuracy_rates"] == 0.25
    assert found["loss"] == pytest.approx(-np.mean(np.log([0.4, 0.1, 0.5, PROBABILITY_FLOOR])))


def test_the_raster_holds_the_first_turns_of_the_second_epoch(finished, grey_digits):
    recording = finished.load_spikes("raster")
    assert recording.populations[:3] == ("input", "hidden1", "output") and recording.sizes[:3] == (64, 20, 10)
    assert set(recording.epoch) == {2} and recording.period == 6 and recording.n_samples == 100
    order = np.random.default_rng([5, 1, 2]).permutation(300)[:100]
    # targets are read off error and output spikes, in the order of the samples
    np.testing.assert_array_equal(targets(recording), grey_digits[1][order])
    # only pixels that are not black fire
    images = grey_digits[0][order]
    fires = recording.population == 0
    assert (images[recording.step[fires] // 6, recording.neuron[fires]] > 0).all()
    # and white ones in every step
    white = np.argwhere(images == 255)
    assert len(white)
    spikes = set(zip(recording.step[fires].tolist(), recording.neuron[fires].tolist(), strict=True))
    assert all((6 * turn + step, pixel) in spikes for turn, pixel in white.tolist() for step in range(6))


def test_same_seed_same_run_other_seed_another(finished, tmp_path):
    assert_same_run(finished, run_small(tmp_path / "same", "--seed", "5"))
    other = run_small(tmp_path / "other", "--seed", "6")
    assert not np.array_equal(other.load_weights()["W1"], finished.load_weights()["W1"])


def test_resume_after_each_epoch_equals_uninterrupted(finished, tmp_path, capsys):
    for epoch in (0, 1, 2):
        back = back_to(finished, tmp_path / str(epoch), epoch)
        assert max(row["epoch"] for row in back.metrics()) == epoch + 1
        path = back.path
        assert main(["resume", str(path)]) == 0
        resumed = Run.open(path)
        assert_same_run(finished, resumed)
        for name in ("raster.npz", "images.npz"):
            assert (path / name).read_bytes() == (finished.path / name).read_bytes()
    assert main(["resume", str(finished.path)]) == 0
    assert "finished" in capsys.readouterr().out


@pytest.mark.parametrize("file", ["config.json", "metrics.csv", "raster.npz", "checkpoints/epoch_0002.npz"])
def test_killed_as_soon_as_a_file_is_there_a_run_can_be_resumed(file, finished, tmp_path):
    path = tmp_path / "killed"
    command = [sys.executable, "-m", "brianprop", *SMALL, "--seed", "5", "--out", str(path)]
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[3] / ".package")}
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL)
    while not (path / file).exists():
        assert process.poll() is None
        time.sleep(0.001)
    process.kill()
    process.wait()
    # whatever the moment, nothing that was finished is lost and nothing stands twice
    if not Run.open(path).checkpoints:
        assert file == "config.json"
    assert main(["resume", str(path)]) == 0
    assert_same_run(finished, Run.open(path))


def test_more_epochs_only_where_learning_rates_stay(finished, tmp_path, capsys):
    assert main(["resume", str(finished.path), "--epochs", "4"]) == 2
    error = capsys.readouterr().err
    assert "epochs = 4" in error and "fall to 0" in error and error.count("\n") == 1
    assert Run.open(finished.path).config["training"]["epochs"] == 3
    assert main(["resume", str(finished.path), "--epochs", "3"]) == 0
    constant = run_small(tmp_path / "constant", "--no-annealed", "--epochs", "1")
    assert main(["resume", str(constant.path), "--epochs", "2"]) == 0
    whole = run_small(tmp_path / "whole", "--no-annealed", "--epochs", "2")
    np.testing.assert_array_equal(Run.open(constant.path).load_weights()["W1"], whole.load_weights()["W1"])


def test_evaluate_gives_the_metrics_of_the_run(finished, capsys):
    capsys.readouterr()
    for options, epoch, split in (([], 3, "test"), (["--split", "validation", "--epoch", "1"], 1, "validation")):
        assert main(["evaluate", str(finished.path), *options]) == 0
        printed = dict(line.split() for line in capsys.readouterr().out.splitlines())
        row = next(row for row in finished.metrics() if row["epoch"] == epoch and row["split"] == split)
        for name in ("accuracy_spikes", "accuracy_rates", "loss"):
            assert float(printed[name]) == pytest.approx(row[name], rel=1e-5)
    # all training images, of which the run scored some
    assert main(["evaluate", str(finished.path), "--split", "train"]) == 0
    assert "300" in capsys.readouterr().out


def test_two_hidden_layers_biases_and_other_rules_in_the_runtime(tmp_path):
    options = [
        "--hidden",
        "7",
        "5",
        "--steps",
        "3",
        "--samples",
        "8",
        "--validation",
        "0",
        "--test-samples",
        "4",
        "--epochs",
        "1",
    ]
    rules = ["--biases", "--dropout", "0.2", "--weight-decay", "0.01", "--w-max", "1", "--levels", "65"]
    out = tmp_path / "deep"
    assert main(["train", "ssnn-bp", *options, *rules, "--device", "numpy", "--out", str(out)]) == 0
    run = Run.open(out)
    shapes = {name: array.shape for name, array in run.load_weights().items()}
    assert shapes == {"W1": (64, 7), "W2": (7, 5), "W3": (5, 10), "b1": (7,), "b2": (5,), "b3": (10,)}
    assert run.config["parameters"]["hidden"] == [7, 5]
    assert run.config["training"]["codegen"] == "stock"  # the code that ran: the runtime has no dense code
    assert {"hidden1 plus", "hidden2 minus", "output plus"} <= set(run.load_spikes("raster").populations)
    # without images for validation, as many training images are scored as there are for the test
    assert [(row["split"], row["samples"]) for row in run.metrics()] == [("train", 4), ("test", 4)]


def test_every_rule_is_an_option(tmp_path, monkeypatch):
    other = SSNNRules(
        steps=7,
        theta=1.5,
        rate_hidden=0.25,
        rate_out=0.75,
        gain=3.0,
        hidden_drive="mean",
        output_drive="mean",
        backward_drive="mean",
        answer_drive="mean",
        biases=True,
        annealed=False,
        dropout=0.3,
        weight_decay=0.001,
        w_max=2.5,
        levels=33,
        update_noise=0.1,
        asymmetry=-0.2,
        soft_bounds=True,
        dt=0.25,
    )
    options = []
    for field in dataclasses.fields(SSNNRules):
        value, option = getattr(other, field.name), field.name.replace("_", "-")
        assert value != getattr(SSNNRules(), field.name), f"{field.name} is not tested"
        options += (
            ([f"--{option}"] if value else [f"--no-{option}"]) if isinstance(value, bool) else [f"--{option}", str(value)]
        )
    seen = []
    monkeypatch.setattr(
        "brianprop.experiments.training.commands.train", lambda settings: seen.append(settings) or Run(tmp_path, {}, {})
    )
    assert main(["train", "ssnn-bp", "--hidden", "30", "20", *options, "--out", str(tmp_path / "out")]) == 0
    assert seen[0].rules == other
    assert seen[0].parameters(64, 10) == SSNN(**dataclasses.asdict(other), n_in=64, hidden=(30, 20), n_out=10)


@pytest.mark.parametrize(
    ("options", "word"),
    [
        (["--steps", "0"], "steps"),
        (["--theta", "nan"], "theta"),
        (["--hidden", "0"], "hidden"),
        (["--hidden"], "hidden"),
        (["--epochs", "0"], "epochs"),
        (["--dropout", "1"], "dropout"),
        (["--levels", "5"], "w-max"),
        (["--binarise", "1.5"], "1.5"),
        (["--crop", "4"], "crop"),
        (["--dataset", "nosuch"], "nosuch"),
        (["--init-weights", "/nonexistent.npz"], "/nonexistent.npz"),
    ],
)
def test_bad_options_are_refused_before_anything_is_computed(options, word, tmp_path, capsys):
    capsys.readouterr()
    assert main([*SMALL, *options, "--out", str(tmp_path / "out")]) == 2
    error = capsys.readouterr().err
    assert error.startswith("brianprop: ") and error.count("\n") == 1 and word in error
    assert not (tmp_path / "out").exists()


def test_given_weights_are_where_learning_starts(finished, tmp_path, capsys):
    given = finished.path / "weights.npz"
    run = run_small(tmp_path / "run", "--init-weights", str(given), "--epochs", "1")
    for name, array in run.load_checkpoint(0)[1].items():
        np.testing.assert_array_equal(array, finished.load_weights()[name])
    for options, word in (
        (["--w-max", "0.01"], "w_max"),
        (["--w-max", "9", "--levels", "3"], "3 levels"),
        (["--biases"], "b1"),
    ):
        assert main([*SMALL, "--init-weights", str(given), *options, "--out", str(tmp_path / "bad")]) == 2
        assert word in capsys.readouterr().err


def test_binarised_images_are_black_and_white(tmp_path, grey_digits):
    images = run_small(tmp_path / "run", "--binarise", "0.5", "--epochs", "1").load_images()["images"]
    np.testing.assert_array_equal(images, np.where(grey_digits[2][:12] > 127.5, 255, 0))
