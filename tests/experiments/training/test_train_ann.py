"""Runs of the ANN from the command line: the same run directory, resume and evaluation as SSNN-BP."""

import math

import numpy as np
import pytest
from conftest import assert_predictions_are_those_of_the_metrics, assert_same_run, back_to
from threadpoolctl import threadpool_info

from brianprop.analysis.runs import Run
from brianprop.analysis.systems import SYSTEMS
from brianprop.experiments.cli.main import main
from brianprop.experiments.data import images as datasets
from brianprop.experiments.data.dataset import Part
from brianprop.experiments.training.ann import ANNTrainer, scores
from brianprop.experiments.training.trainer import noise_seed
from brianprop.models import ann
from brianprop.models.ann import ANN
from brianprop.models.ssnn_bp.oracle import softmax

SMALL = ["train", "ann", "--hidden", "20", "--samples", "300", "--epochs", "3", "--seed", "5"]

RATES = ("--rate-hidden", "0.03", "--rate-out", "0.06")


def run_small(out, *options):
    assert main([*SMALL, *options, "--out", str(out)]) == 0
    return Run.open(out)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    return run_small(
        tmp_path_factory.mktemp("ann") / "run", "--dropout", "0.2", "--weight-decay", "0.001", "--clip", "2", *RATES
    )


def test_the_run_is_what_the_network_gives_epoch_by_epoch(finished):
    dataset = datasets.load("digits")
    images, labels = dataset.train.images.reshape(-1, 64), dataset.train.labels
    parameters = ANN(n_in=64, hidden=(20,), n_out=10, rates=(0.03, 0.06), clip=2.0, dropout=0.2, weight_decay=0.001)
    assert finished.parameters() == parameters
    weights = ann.initial_weights(parameters, 5)
    rows = {(row["epoch"], row["split"]): row for row in finished.metrics()}
    for epoch in (1, 2, 3):
        order = np.random.default_rng([5, 1, epoch]).permutation(300)
        rng = np.random.default_rng(noise_seed(5, epoch, "train"))
        weights, _ = ann.train_epoch(parameters, weights, images[:300], labels[:300], order, 300 * (epoch - 1), 900, rng)
        # without dropout, and on as many training images as there are for validation
        for split, part in (("train", slice(0, 125)), ("validation", slice(1375, 1500))):
            expected = scores(ann.infer(parameters, weights, images[part]), labels[part])
            assert {name: rows[epoch, split][name] for name in expected} == expected
            assert rows[epoch, split]["samples"] == 125
    for name, array in finished.load_weights().items():
        np.testing.assert_array_equal(array, weights[name])


def test_all_test_images_have_an_answer(finished):
    assert_predictions_are_those_of_the_metrics(finished)


def test_run_directory_holds_what_is_promised(finished):
    names = {path.name for path in finished.path.iterdir()}
    assert {"config.json", "environment.json", "metrics.csv", "weights.npz", "images.npz"} <= names
    assert finished.checkpoints == [0, 1, 2, 3] and finished.finished
    assert tuple(finished.metrics()[0]) == SYSTEMS["ann"].columns
    images = finished.load_images()
    np.testing.assert_allclose(images["rates"].sum(axis=1), 1)
    last = finished.metrics()[-1]
    assert last["split"] == "test" and last["accuracy"] > 0.7


def test_resume_equals_uninterrupted_and_takes_no_other_number_of_epochs(finished, tmp_path, capsys):
    for epoch in (0, 1, 2):
        back = back_to(finished, tmp_path / str(epoch), epoch)
        assert main(["resume", str(back.path)]) == 0
        assert_same_run(finished, Run.open(back.path))
    capsys.readouterr()
    assert main(["resume", str(finished.path), "--epochs", "5"]) == 2
    assert "fall to 0" in capsys.readouterr().err


def test_evaluate_gives_the_metrics_of_the_run(finished, capsys):
    capsys.readouterr()
    assert main(["evaluate", str(finished.path), "--epoch", "2"]) == 0
    printed = dict(line.split() for line in capsys.readouterr().out.splitlines())
    row = next(row for row in finished.metrics() if row["epoch"] == 2 and row["split"] == "test")
    assert float(printed["accuracy"]) == pytest.approx(row["accuracy"], rel=1e-5)
    assert float(printed["loss"]) == pytest.approx(row["loss"], rel=1e-5)


def test_options_reach_the_network(tmp_path):
    run = run_small(tmp_path / "run", "--hidden", "7", "5", "--biases", "--rate-hidden", "0.01", "--rate-out", "0.02")
    expected = ANN(n_in=64, hidden=(7, 5), n_out=10, rates=(0.01, 0.01, 0.02), bias=True)
    assert run.parameters() == expected and math.isinf(expected.clip)
    assert set(run.load_weights()) == {"W1", "W2", "W3", "b1", "b2", "b3"}


def test_blas_has_one_thread_while_it_learns():
    images, labels = np.zeros((20, 64), np.uint8), np.zeros(20, int)
    system = ANNTrainer(ANN(n_in=64, hidden=(3,)), {"seed": 0, "epochs": 1}, {"train": Part(images, labels, (1, 8, 8))})
    weights = ann.initial_weights(system.parameters, 0)
    seen = []
    system.learn(weights, 1, np.arange(20), 0, lambda done: seen.extend(threadpool_info()))
    threads = [library["num_threads"] for library in seen if library["user_api"] == "blas"]
    assert threads and set(threads) == {1}


def test_softmax_and_scores():
    logits = np.array([[1000.0, 0.0], [0.0, math.log(3)], [0.0, 0.0]])
    np.testing.assert_allclose(softmax(logits), [[1, 0], [0.25, 0.75], [0.5, 0.5]])
    found = scores(logits, np.array([0, 0, 1]))
    assert found["accuracy"] == pytest.approx(1 / 3)
    assert found["loss"] == pytest.approx(-np.mean(np.log([1, 0.25, 0.5])))


@pytest.mark.parametrize(
    ("options", "word"),
    [
        (["--hidden", "0"], "hidden"),
        (["--clip", "0"], "clip"),
        (["--dropout", "1"], "dropout"),
        (["--rate-out", "nan"], "rates"),
        (["--samples", "1400"], "--samples"),
    ],
)
def test_bad_options_are_refused_before_anything_is_computed(options, word, tmp_path, capsys):
    assert main([*SMALL, *options, "--out", str(tmp_path / "out")]) == 2
    error = capsys.readouterr().err
    assert error.startswith("brianprop: ") and error.count("\n") == 1 and word in error
    assert not (tmp_path / "out").exists()
