"""A training that is killed at any write, or loses files, ends as the uninterrupted one; nothing old counts as new."""

import itertools
import os
import shutil
import warnings
from pathlib import Path

import numpy as np
import pytest

from brianprop.analysis.runs import Recording, Run
from brianprop.experiments.cli.main import main
from brianprop.experiments.training.commands import resume, train
from brianprop.experiments.training.nbp import NBPTrainer, TrainNBP
from brianprop.experiments.training.trainer import Learned
from brianprop.models.errors import RunError
from brianprop.models.nbp.circuit import training_circuit


class Arithmetic(NBPTrainer):
    """nBP whose learning is a little arithmetic, so that a training takes no time; everything around it is real."""

    def prepare(self):
        pass

    def learn(self, weights, epoch, order, n_recorded, progress):
        rng = np.random.default_rng(self.noise_seed(epoch, "train"))
        learned = {name: np.clip(array + 2 * rng.integers(-3, 4, array.shape), -254, 254) for name, array in weights.items()}
        learned = {name: array.astype(np.int32) for name, array in learned.items()}
        populations = training_circuit(self.parameters).populations
        step = np.arange(12 * n_recorded)
        recording = Recording(
            tuple(p.name for p in populations),
            tuple(p.size for p in populations),
            0 * step,
            0 * step,
            step,
            0 * step + epoch,
            12,
        )
        return Learned(learned, 1.0, self._scores(learned), recording)

    def score(self, weights, split, epoch, first=None):
        return self._scores(weights), 1.0

    def images(self, weights, epoch, first):
        test = self.parts["test"]
        n = len(test.labels[:first])
        drive = np.tile(weights["W2"][0].astype(float), (n, 1))
        return {
            "images": test.images[:first],
            "target": test.labels[:first],
            "spikes": (drive > 0).astype(np.uint8),
            "drive": drive,
        }

    @staticmethod
    def _scores(weights):
        share = float(np.mean(weights["W1"] > 0))
        return {name: share for name in ("accuracy_exact", "accuracy_spikes", "accuracy_membrane", "loss")}


class Killed(BaseException):
    """Like a kill: nothing of the program runs on."""


@pytest.fixture(autouse=True)
def arithmetic(monkeypatch):
    monkeypatch.setattr("brianprop.experiments.training.nbp.NBPTrainer", Arithmetic)


def silent(line):
    pass


def begin(path, epochs, **options):
    sizes = {"samples": 5, "validation": 3, "test_samples": 4, "hidden": (3,)}
    return train(TrainNBP(path, epochs=epochs, **sizes, record_spikes=True, **options), silent)


def files(path):
    """Contents of all files that a run is made of."""
    return {
        str(file.relative_to(path)): file.read_bytes()
        for file in Path(path).rglob("*")
        if file.is_file() and file.name not in ("lock", "environment.json")
    }


def kill_at(monkeypatch, number, after):
    """Kill at one of the changes of files that follow: before it is made, or after."""
    counter = itertools.count(1)

    def changed(make):
        def change(place, *rest, **options):
            if str(place).endswith(".tmp") and make is not replace:
                return make(place, *rest, **options)
            mine = next(counter) == number
            if mine and not after:
                raise Killed
            make(place, *rest, **options)
            if mine:
                raise Killed

        return change

    replace = os.replace
    monkeypatch.setattr(os, "replace", changed(os.replace))
    monkeypatch.setattr(Path, "unlink", changed(Path.unlink))


@pytest.mark.parametrize("after", [False, True])
def test_a_longer_training_killed_at_any_write_ends_as_if_it_had_not_been(tmp_path, after):
    short, whole = begin(tmp_path / "short", 1), begin(tmp_path / "whole", 4)
    expected = files(whole.path)
    for number in itertools.count(1):
        path = tmp_path / f"killed{number}"
        shutil.copytree(short.path, path)
        with pytest.MonkeyPatch.context() as patch:
            kill_at(patch, number, after)
            try:
                resume(path, 4, silent)
                break  # there was no such write any more
            except Killed:
                pass
        run = Run.open(path)
        begun = run.epochs == 4
        try:  # whatever is read in between is of the epoch that it is said to be of
            weights, images = run.load_weights(), run.load_images()
        except RunError as error:
            assert "resume" in str(error) and begun
        else:
            ended = (whole if begun else short).path
            np.testing.assert_array_equal(weights["W1"], Run.open(ended).load_weights()["W1"])
            np.testing.assert_array_equal(images["drive"], Run.open(ended).load_images()["drive"])
        assert run.finished is (files(path) == (expected if begun else files(short.path)))
        resume(path, None if begun else 4, silent)
        assert files(path) == expected, number
        assert Run.open(path).finished
    assert number > 12  # configuration, two removals, four writes in each of three epochs, images and weights
    assert files(path) == expected


@pytest.mark.parametrize(
    "lost",
    ["metrics.csv", "weights.npz", "images.npz", "spikes.npz", "checkpoints/epoch_0003.npz", "checkpoints/epoch_0002.npz"],
)
def test_what_a_run_has_lost_is_made_again(tmp_path, lost):
    expected = files(begin(tmp_path / "run", 3).path)
    (tmp_path / "run" / lost).unlink()
    resume(tmp_path / "run", message=silent)
    found = files(tmp_path / "run")
    assert found == expected or (lost.endswith("2.npz") and found == {k: v for k, v in expected.items() if k != lost})


@pytest.mark.parametrize("name", ["weights.npz", "checkpoints/epoch_0003.npz"])
def test_weights_of_another_epoch_are_not_taken_for_the_last(tmp_path, name):
    # what versions before left of a longer training that was killed near its end
    expected = files(begin(tmp_path / "run", 3).path)
    path = tmp_path / "run"
    shutil.copy(path / "checkpoints/epoch_0001.npz", path / name)
    with pytest.raises(RunError, match=r"weights\.npz differs from the checkpoint of the last epoch, 3; use 'brianprop resume"):
        Run.open(path).load_weights()
    if name == "weights.npz":
        resume(path, message=silent)
        assert files(path) == expected


def test_rows_that_metrics_lack_are_made_again(tmp_path):
    expected = files(begin(tmp_path / "run", 3).path)
    path = tmp_path / "run" / "metrics.csv"
    lines = path.read_text().splitlines(keepends=True)
    for kept in ([*lines[:5], *lines[6:]], lines[:-1], lines[:1], [lines[0], *lines[4:]]):
        path.write_text("".join(kept))
        assert not Run.open(path.parent).finished
        resume(path.parent, message=silent)
        assert files(path.parent) == expected


def test_table_and_resume_agree_on_a_run_without_metrics(tmp_path, capsys):
    run = begin(tmp_path / "run", 2)
    (run.path / "metrics.csv").unlink()
    assert main(["table", str(run.path)]) == 2
    assert f"brianprop resume {run.path}" in capsys.readouterr().err
    assert main(["resume", str(run.path)]) == 0
    assert "finished" not in capsys.readouterr().out
    assert main(["table", str(run.path)]) == 0


@pytest.mark.parametrize("epochs", [[], ["--epochs", "6"]])
def test_a_run_without_checkpoints_is_not_begun_anew(tmp_path, capsys, epochs):
    run = begin(tmp_path / "run", 2)
    shutil.rmtree(run.path / "checkpoints")
    before = files(run.path)
    assert main(["resume", str(run.path), *epochs]) == 2
    error = capsys.readouterr().err
    assert "no checkpoints" in error and "restore the folder checkpoints" in error and error.count("\n") == 1
    assert files(run.path) == before
    (run.path / "weights.npz").unlink()
    assert main(["evaluate", str(run.path)]) == 2
    assert "neither weights.npz nor checkpoints; restore" in capsys.readouterr().err


def test_a_checkpoint_beyond_the_last_epoch_is_not_taken(tmp_path):
    expected = files(begin(tmp_path / "run", 2).path)
    path = tmp_path / "run"
    shutil.copy(path / "checkpoints/epoch_0000.npz", path / "checkpoints/epoch_0007.npz")
    (path / "weights.npz").unlink()
    resume(path, message=silent)
    assert files(path)["weights.npz"] == expected["weights.npz"]


def test_a_damaged_last_checkpoint_is_made_again(tmp_path):
    expected = files(begin(tmp_path / "run", 3).path)
    path = tmp_path / "run"
    (path / "checkpoints/epoch_0003.npz").write_bytes(b"PK")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        resume(path, message=silent)
    assert files(path) == expected


@pytest.mark.parametrize("wrong", [np.float32(3), 300, 3])
def test_learning_that_leaves_what_the_network_can_hold_ends(tmp_path, monkeypatch, wrong):
    def learn(self, weights, epoch, *rest):
        learned = original(self, weights, epoch, *rest)
        if epoch == 2:
            learned.weights["W1"] = np.full_like(learned.weights["W1"], wrong, dtype=np.asarray(wrong).astype(np.int32).dtype)
            if isinstance(wrong, np.floating):
                learned.weights["W1"] = learned.weights["W1"].astype(np.float32)
        return learned

    original = Arithmetic.learn
    monkeypatch.setattr(Arithmetic, "learn", learn)
    with pytest.raises(RunError, match="after epoch 2 of the training, W1 holds"):
        begin(tmp_path / "run", 3)
    assert Run.open(tmp_path / "run").checkpoints == [0, 1]
