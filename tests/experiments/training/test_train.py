"""Runs from the command line: what they leave on disk, how they resume, and what is refused before it starts."""

import csv
import gzip
import json
import os
import shutil
import struct
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from conftest import DIGITS, assert_predictions_are_those_of_the_metrics, assert_same_run, back_to, restless_weights

from brianprop.analysis.runs import Run
from brianprop.analysis.systems import SYSTEMS
from brianprop.experiments.cli.main import main
from brianprop.experiments.training.commands import evaluate
from brianprop.experiments.training.data import load_data, told_origin
from brianprop.models.nbp import oracle
from brianprop.models.nbp.parameters import NBP

SMALL = ["train", "nbp", "--hidden", str(*DIGITS["hidden"]), "--samples", "300", "--epochs", "3"]


def run_small(out, *options):
    assert main([*SMALL, *options, "--out", str(out)]) == 0
    return Run.open(out)


def run_ann(out, *options):
    assert main(["train", "ann", "--hidden", "5", "--samples", "50", "--epochs", "1", *options, "--out", str(out)]) == 0
    return Run.open(out)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A finished small run with all spikes."""
    return run_small(tmp_path_factory.mktemp("train") / "run", "--seed", "5", "--record-spikes")


def test_all_test_images_have_an_answer(finished):
    assert_predictions_are_those_of_the_metrics(finished)


def test_run_directory_holds_what_is_promised(finished):
    names = {path.name for path in finished.path.iterdir()}
    assert {"config.json", "environment.json", "metrics.csv", "weights.npz", "spikes.npz", "images.npz"} <= names
    assert finished.checkpoints == [0, 1, 2, 3] and finished.finished
    with (finished.path / "metrics.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert tuple(rows[0]) == SYSTEMS["nbp"].columns
    assert [(row["epoch"], row["split"]) for row in rows] == [
        (str(epoch), split) for epoch in (1, 2, 3) for split in ("train", "validation", "test")
    ]
    assert [int(row["samples"]) for row in rows[:3]] == [300, 125, 297]
    weights = np.load(finished.path / "weights.npz")
    assert weights["W1"].shape == (64, 60) and weights["W2"].shape == (60, 10)
    assert weights["W1"].dtype == weights["W2"].dtype == np.int32
    environment = json.loads((finished.path / "environment.json").read_text())
    assert environment["versions"]["brian2"] and environment["compiler"]["version"] and environment["processor"]


def test_config_is_enough_to_repeat_the_run(finished):
    config = json.loads((finished.path / "config.json").read_text())
    assert NBP(**config["parameters"]) == NBP(**DIGITS)
    assert config["training"]["seed"] == 5 and config["dataset"]["samples"] == 300


def test_run_equals_the_oracle_with_shuffling_and_all(finished, digits):
    # what the whole program computes, from data to metrics, written once more with the oracle
    images, targets, labels = digits
    weights = {name: array.astype(np.int64) for name, array in finished.load_checkpoint(0)[1].items()}
    metrics = {(row["epoch"], row["split"]): row for row in finished.metrics()}
    for epoch in (1, 2, 3):
        order = np.random.default_rng([5, 1, epoch]).permutation(300)
        turns = [oracle.train_turn(weights, images[k], targets[k]) for k in order]
        spikes = np.array([turn.spikes[3, "o"] for turn in turns])
        drive = np.array([turn.drive for turn in turns])
        row = metrics[epoch, "train"]
        assert row["accuracy_exact"] == np.mean(np.all(spikes == targets[order], axis=1))
        assert row["accuracy_spikes"] == np.mean(spikes.argmax(axis=1) == labels[order])
        assert row["accuracy_membrane"] == np.mean(drive.argmax(axis=1) == labels[order])
        assert row["loss"] == np.mean((spikes.astype(float) - targets[order]) ** 2)
        spikes, drive = oracle.infer(weights, images[-125:])
        row = metrics[epoch, "validation"]
        assert row["accuracy_spikes"] == np.mean(spikes.argmax(axis=1) == labels[-125:])
        assert row["accuracy_membrane"] == np.mean(drive.argmax(axis=1) == labels[-125:])
    for name in ("W1", "W2"):
        np.testing.assert_array_equal(finished.load_weights()[name], weights[name])


def test_recorded_spikes_are_those_of_the_oracle(finished, digits):
    images, targets, _ = digits
    recording = finished.load_spikes()
    weights = {name: array.astype(np.int64) for name, array in finished.load_checkpoint(2)[1].items()}
    order = np.random.default_rng([5, 1, 3]).permutation(300)
    place = {name: k for k, name in enumerate(recording.populations)}
    found = set(
        zip(
            *(getattr(recording, name)[recording.epoch == 3].tolist() for name in ("population", "neuron", "step")),
            strict=True,
        )
    )
    for k, sample in enumerate(order):
        turn = oracle.train_turn(weights, images[sample], targets[sample])
        for (phase, name), spikes in turn.spikes.items():
            expected = {(place[name], int(neuron), 12 * k + phase) for neuron in np.flatnonzero(spikes)}
            assert expected <= found
            found -= expected
    assert {recording.populations[population][0] for population, _, _ in found} == {"g", "k"}


def test_same_seed_same_run_other_seed_another(finished, tmp_path):
    assert_same_run(finished, run_small(tmp_path / "same", "--seed", "5"))
    other = run_small(tmp_path / "other", "--seed", "6")
    assert not np.array_equal(other.load_weights()["W1"], finished.load_weights()["W1"])


@pytest.mark.parametrize(("flip", "elastic", "dropout"), [(False, 0, 0), (True, 0, 0), (False, 0.8, 0), (True, 0.8, 0.25)])
def test_what_is_done_to_training_images_is_that_of_the_seed_and_resumes(flip, elastic, dropout, tmp_path, digits):
    images, targets, _ = digits
    options = [*["--flip"] * flip, "--elastic", str(elastic), "--input-dropout", str(dropout)]
    run = run_small(tmp_path / "run", "--jitter", "1", "--seed", "3", *options)
    weights = {name: array.astype(np.int64) for name, array in run.load_checkpoint(0)[1].items()}
    offsets = np.arange(-16, 17)
    gaussian = np.exp(-(offsets**2) / 32)
    smooth = np.zeros((8, 8))  # a Gaussian of 4 pixels, around the edges
    for row in range(8):
        np.add.at(smooth[row], (row + offsets) % 8, gaussian / gaussian.sum())
    for epoch in (1, 2, 3):
        rng = np.random.default_rng([3, 4, epoch])
        by, mirrored = rng.integers(-1, 2, (300, 2)), rng.integers(0, 2, 300) if flip else np.zeros(300)
        noise = rng.standard_normal((300, 2, 8, 8), np.float32) if elastic else np.zeros((300, 2, 8, 8))
        displaced = np.rint(elastic * (smooth @ noise @ smooth.T) / np.sum(smooth[0] ** 2)).astype(int)
        kept = rng.random((300, 64), np.float32) >= dropout
        for k in np.random.default_rng([3, 1, epoch]).permutation(300):
            padded = np.pad(images[k].reshape(8, 8), 1)
            down, right = by[k]
            moved = padded[1 - down : 9 - down, 1 - right : 9 - right]
            if mirrored[k]:
                moved = moved[:, ::-1]
            padded = np.pad(moved, 16)
            deformed = [
                [padded[16 + i - displaced[k, 0, i, j], 16 + j - displaced[k, 1, i, j]] for j in range(8)] for i in range(8)
            ]
            oracle.train_turn(weights, np.ravel(deformed) * kept[k], targets[k])
    for name in ("W1", "W2"):
        np.testing.assert_array_equal(run.load_weights()[name], weights[name])
    path = back_to(run, tmp_path / "again", 1).path
    assert main(["resume", str(path)]) == 0
    assert_same_run(run, Run.open(path))


def test_thermometer_code_has_input_neurons_of_its_own_for_each_level(tmp_path):
    levels = (0.25, 0.75)
    data = load_data("digits", samples=20, binarise=levels)
    alone = [load_data("digits", samples=20, binarise=[level]) for level in levels]
    for name, part in data.parts.items():
        np.testing.assert_array_equal(part.images, np.concatenate([one.parts[name].images for one in alone], axis=1))
        assert part.shape == (2, 8, 8)
    assert data.n_in == 128 and data.image_shape == (8, 8) and len({data.digest, *(one.digest for one in alone)}) == 3
    # the configuration holds what resume and evaluate read it back from
    for given, stored in ((["0.25", "0.75"], [0.25, 0.75]), (["0.5"], 0.5)):
        run = run_ann(tmp_path / str(len(given)), "--binarise", *given)
        assert run.config["dataset"]["binarise"] == stored
        assert evaluate(run.path)["samples"] == 297
        assert main(["figures", str(run.path)]) == 0


def test_no_shuffle_and_given_weights(tmp_path, digits):
    images, targets, _ = digits
    weights = restless_weights(NBP(**DIGITS))
    np.savez(tmp_path / "initial.npz", **weights)
    run = run_small(tmp_path / "run", "--no-shuffle", "--init-weights", str(tmp_path / "initial.npz"), "--test-samples", "50")
    weights = {name: array.astype(np.int64) for name, array in weights.items()}
    for _ in range(3):
        for image, target in zip(images[:300], targets[:300], strict=True):
            oracle.train_turn(weights, image, target)
    np.testing.assert_array_equal(run.load_weights()["W1"], weights["W1"])
    np.testing.assert_array_equal(run.load_weights()["W2"], weights["W2"])
    assert [row["samples"] for row in run.metrics() if row["split"] == "test"] == [50, 50, 50]


def test_resume_after_each_epoch_equals_uninterrupted(finished, tmp_path, capsys):
    for epoch in (0, 1, 2):
        path = back_to(finished, tmp_path / str(epoch), epoch).path
        assert main(["resume", str(path)]) == 0
        assert_same_run(finished, Run.open(path))
        recordings = finished.load_spikes(), Run.open(path).load_spikes()
        for name in ("population", "neuron", "step", "epoch"):
            np.testing.assert_array_equal(*(getattr(recording, name) for recording in recordings))
    assert main(["resume", str(finished.path)]) == 0
    assert "finished" in capsys.readouterr().out


def test_killed_at_any_moment_a_run_can_be_resumed(finished, tmp_path):
    path = tmp_path / "killed"
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[3] / ".package")}

    def attempt(length):
        """Train or resume for at most `length` seconds; the seconds it took where it came to its end, else None."""
        begun = ["resume", str(path)] if (path / "config.json").exists() else None
        arguments = begun or [*SMALL, "--seed", "5", "--record-spikes", "--out", str(path)]
        command = [sys.executable, "-m", "brianprop", *arguments]
        start = time.perf_counter()
        with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
            try:
                output, _ = process.communicate(timeout=length)
            except subprocess.TimeoutExpired:
                process.kill()
                return None
        assert process.returncode == 0, output
        return time.perf_counter() - start

    def finish():
        """Finish the run, check it and make room for the next; the seconds it took."""
        length = attempt(None)
        assert_same_run(finished, Run.open(path))
        np.testing.assert_array_equal(finished.load_spikes().step, Run.open(path).load_spikes().step)
        shutil.rmtree(path)
        return length

    # the length of a whole run on this machine, so that the kills fall all over it; corrected where a run took less
    length = finish()
    for moment in np.random.default_rng(0).permutation(np.linspace(0.25, 0.95, 8)):
        for _ in range(20):
            whole = not (path / "config.json").exists()
            ended = attempt(moment * length)
            if ended is None:
                break
            if whole:
                length = min(length, ended)
            finish()
        else:
            raise AssertionError(f"no run was still going after {moment * length:.2f} s")
    finish()


def test_resume_with_more_epochs_goes_on(finished, tmp_path):
    path = tmp_path / "longer"
    shutil.copytree(finished.path, path)
    assert main(["resume", str(path), "--epochs", "4"]) == 0
    whole = tmp_path / "whole"
    assert main([*SMALL[:-1], "4", "--seed", "5", "--out", str(whole)]) == 0
    assert_same_run(Run.open(path), Run.open(whole))


def test_evaluate_gives_the_metrics_of_the_last_epoch(finished, capsys):
    for split in ("test", "validation"):
        assert main(["evaluate", str(finished.path), "--split", split]) == 0
        printed = dict(line.split() for line in capsys.readouterr().out.splitlines())
        row = next(row for row in finished.metrics() if row["epoch"] == 3 and row["split"] == split)
        for name in ("accuracy_exact", "accuracy_spikes", "accuracy_membrane", "loss"):
            assert float(printed[name]) == pytest.approx(row[name], rel=1e-5)
    assert main(["evaluate", str(finished.path), "--epoch", "1"]) == 0
    row = next(row for row in finished.metrics() if row["epoch"] == 1 and row["split"] == "test")
    assert f"{row['loss']:.6g}" in capsys.readouterr().out


def write_idx(folder, images, labels, prefix):
    folder.mkdir(exist_ok=True)
    header = struct.pack(">IIII", 2051, *images.shape)
    (folder / f"{prefix}-images-idx3-ubyte").write_bytes(header + images.tobytes())
    with gzip.open(folder / f"{prefix}-labels-idx1-ubyte.gz", "wb") as file:
        file.write(struct.pack(">II", 2049, len(labels)) + labels.tobytes())


def test_any_folder_of_idx_files_with_labels_from_five(tmp_path, digits):
    images, _, labels = digits
    pixels = (255 * images.reshape(-1, 8, 8)).astype(np.uint8)
    write_idx(tmp_path / "mine", pixels[:400], (labels[:400] * 2 + 5).astype(np.uint8), "train")
    write_idx(tmp_path / "mine", pixels[400:500], (labels[400:500] * 2 + 5).astype(np.uint8), "t10k")
    run = run_small(tmp_path / "run", "--dataset", str(tmp_path / "mine"), "--seed", "5", "--validation", "40")
    assert run.config["dataset"]["classes"] == list(range(5, 24, 2))
    finished_there = run_small(tmp_path / "there", "--seed", "5", "--validation", "1000")
    # the same images in the same order: the same weights, whatever the labels are called
    np.testing.assert_array_equal(run.load_weights()["W1"], finished_there.load_weights()["W1"])


def a_broken_folder(tmp_path, digits, breakage):
    images, _, labels = digits
    pixels = (255 * images[:60].reshape(-1, 8, 8)).astype(np.uint8)
    folder = tmp_path / "data"
    for prefix in ("train", "t10k"):
        write_idx(folder, pixels, labels[:60].astype(np.uint8), prefix)
    breakage(folder)
    return str(folder)


BROKEN = {
    "missing": (lambda folder: (folder / "t10k-images-idx3-ubyte").unlink(), "t10k-images-idx3-ubyte"),
    "truncated": (
        lambda folder: (folder / "train-images-idx3-ubyte").write_bytes((folder / "train-images-idx3-ubyte").read_bytes()[:99]),
        "train-images-idx3-ubyte",
    ),
    "truncated gzip": (
        lambda folder: (folder / "train-labels-idx1-ubyte.gz").write_bytes(
            (folder / "train-labels-idx1-ubyte.gz").read_bytes()[:30]
        ),
        "train-labels-idx1-ubyte.gz",
    ),
    "lengths": (
        lambda folder: write_idx(folder, np.zeros((50, 8, 8), np.uint8), np.zeros(60, np.uint8), "train"),
        "50",
    ),
}


@pytest.mark.parametrize("breakage", BROKEN)
def test_broken_data_is_refused_in_one_sentence(breakage, tmp_path, digits, capsys):
    breaks, word = BROKEN[breakage]
    folder = a_broken_folder(tmp_path, digits, breaks)
    assert_refused(["--dataset", folder], word, tmp_path, capsys)


def assert_refused(options, word, tmp_path, capsys):
    capsys.readouterr()
    assert main([*SMALL, *options, "--out", str(tmp_path / "out")]) == 2
    error = capsys.readouterr().err
    assert error.startswith("brianprop: ") and error.count("\n") == 1 and word in error and "Traceback" not in error
    assert not (tmp_path / "out" / "metrics.csv").exists()


@pytest.mark.parametrize(
    ("options", "word"),
    [
        (["--theta", "nan"], "theta"),
        (["--weight-noise", "-1"], "weight_noise"),
        (["--w-max", "255"], "w_max"),
        (["--hidden", "0"], "hidden"),
        (["--epochs", "0"], "epochs"),
        (["--binarise", "1.5"], "1.5"),
        (["--binarise", "0.75", "0.25"], "0.75 0.25"),
        (["--jitter", "-1"], "jitter"),
        (["--elastic", "-0.5"], "elastic = -0.5 must be from 0 to 100"),
        (["--elastic", "nan"], "elastic = nan must"),
        (["--elastic", "1000"], "elastic = 1000.0 must"),
        (["--input-dropout", "1"], "input_dropout = 1.0 must be at least 0 and less than 1"),
        (["--input-dropout", "nan"], "input_dropout = nan must"),
        (["--o-lower", "1"], "o_upper"),
        (["--crop", "4"], "crop"),
        (["--samples", "1400"], "--samples"),
        (["--validation", "-1"], "--validation"),
        (["--test-samples", "298"], "--test-samples"),
        (["--dataset", "nosuch"], "nosuch"),
        (["--dataset", "mnist", "--data-dir", "/nonexistent"], "/nonexistent"),
        (["--init-weights", "/nonexistent.npz"], "/nonexistent.npz"),
    ],
)
def test_bad_options_are_refused_before_anything_is_computed(options, word, tmp_path, capsys):
    assert_refused(options, word, tmp_path, capsys)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("arrays", "word"),
    [
        ({"W1": np.zeros((64, 60))}, "W2"),
        ({"W1": np.zeros((64, 59)), "W2": np.zeros((60, 10))}, "(64, 59)"),
        ({"W1": np.full((64, 60), np.nan), "W2": np.zeros((60, 10))}, "finite"),
        ({"W1": np.full((64, 60), 3), "W2": np.zeros((60, 10))}, "w_step"),
        ({"W1": np.full((64, 60), 256), "W2": np.zeros((60, 10))}, "w_max"),
    ],
)
def test_bad_initial_weights_are_refused(arrays, word, tmp_path, capsys):
    np.savez(tmp_path / "bad.npz", **arrays)
    assert_refused(["--init-weights", str(tmp_path / "bad.npz")], word, tmp_path, capsys)


def test_unknown_options_end_with_status_two(capsys):
    with pytest.raises(SystemExit) as stop:
        main(["train", "nbp", "--nosuch", "1", "--out", "x"])
    assert stop.value.code == 2


def test_existing_run_is_not_touched(finished, capsys):
    before = {path: path.stat().st_mtime_ns for path in finished.path.rglob("*")}
    assert main([*SMALL, "--out", str(finished.path)]) == 2
    error = capsys.readouterr().err
    assert "exists" in error and "resume" in error
    assert before == {path: path.stat().st_mtime_ns for path in finished.path.rglob("*")}


def test_what_a_killed_creation_left_is_no_run(tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "lock").touch()
    assert main([*SMALL, "--epochs", "1", "--out", str(tmp_path / "out")]) == 0


def test_debug_shows_the_traceback(tmp_path):
    from brianprop.models.errors import ParameterError

    with pytest.raises(ParameterError):
        main([*SMALL, "--theta", "nan", "--out", str(tmp_path / "out"), "--debug"])


def test_no_compiler_is_one_sentence(tmp_path):
    environment = os.environ | {"PATH": str(tmp_path), "PYTHONPATH": str(Path(__file__).parents[3] / ".package")}
    done = subprocess.run(
        [sys.executable, "-m", "brianprop", *SMALL, "--out", str(tmp_path / "out")],
        env=environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2
    assert "compiler" in done.stderr and "install g++" in done.stderr and done.stderr.count("\n") == 1
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("variable", ["BRIANPROP_CACHE", "TMPDIR", None])
def test_a_full_disk_is_one_sentence(variable, tmp_path):
    # a tiny file system that is full stands in for a full disk: for the build cache, temporary files, the run directory
    small = tmp_path / "small"
    small.mkdir()
    if (
        os.geteuid()
        or subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16k", "tmpfs", small], capture_output=True).returncode
    ):
        pytest.skip("a small file system can only be mounted by root")
    try:
        environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[3] / ".package")}
        if variable:
            environment[variable] = str(small)
        out = tmp_path / "out" if variable else small / "out"
        done = subprocess.run(
            [sys.executable, "-m", "brianprop", *SMALL, "--out", str(out)],
            env=environment,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 2, done.stderr
        assert done.stderr.startswith("brianprop: ") and "Traceback" not in done.stderr
        assert str(small) in done.stderr
    finally:
        subprocess.run(["umount", small], check=True)


def test_the_demo_reaches_ninety_per_cent(tmp_path):
    # the command of `make demo`; the time limit is the and generous
    makefile = (Path(__file__).parents[3] / "Makefile").read_text()
    line = next(line for line in makefile.splitlines() if "brianprop train" in line)
    options = line.partition("brianprop ")[2].partition(" --out")[0].split()
    assert main([*options, "--out", str(tmp_path / "demo")]) == 0
    last = [row for row in Run.open(tmp_path / "demo").metrics() if row["split"] == "validation"][-1]
    assert last["accuracy_membrane"] >= 0.9
    assert sum(row["seconds"] for row in Run.open(tmp_path / "demo").metrics()) < 120


@pytest.mark.parametrize(
    ("origin", "name", "told"),
    [
        ("scikit-learn", "digits", "scikit-learn"),
        ("/data/mnist", "mnist", "mnist (SHA-256 of the payloads checked)"),
        ("/data/mnist", "emulated-mnist", "mnist (SHA-256 of the payloads checked), recorded by an emulated camera"),
        ("/data/letters", "letters", "a folder letters"),
        ("/data/N-MNIST", "n-mnist", "a folder n-mnist"),
        ("/data/nmnist-subset", "n-mnist-subset", "a folder n-mnist-subset"),
        ("/data/mnist", "emulated-negative-mnist", "mnist (SHA-256 of the payloads checked), recorded by an emulated camera"),
        ("/data/letters", "/data/letters", "/data/letters"),  # named so by the user
    ],
)
def test_a_configuration_tells_no_path_that_was_not_named(origin, name, told):
    assert told_origin(origin, name) == told
