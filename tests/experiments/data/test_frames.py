"""Recordings as networks take them, and training on them."""

import dataclasses

import numpy as np
import pytest
from conftest import assert_same_run, back_to

from brianprop.analysis.runs import Run
from brianprop.experiments.cli.main import main
from brianprop.experiments.data import frames as event_frames
from brianprop.experiments.data import images as datasets
from brianprop.experiments.data import nmnist
from brianprop.experiments.data.emulator import Camera, emulate_all
from brianprop.experiments.data.events import Recordings, bin_events
from brianprop.experiments.data.nmnist import SIDE
from brianprop.experiments.reproduce import run as reproduce
from brianprop.experiments.training.data import dataset_name, load_data
from brianprop.experiments.training.ssnn_bp import TrainSSNN
from brianprop.experiments.training.trainer import SHUFFLE_STREAM
from brianprop.models.errors import RunError
from brianprop.models.ssnn_bp.parameters import SSNNRules, unpack

from .recording_files import encode

#: The steps and sizes of the other tests of training.
SMALL = ["--samples", "60", "--validation", "20", "--test-samples", "20", "--epochs", "2", "--seed", "3"]
EVENTS = ["train", "ssnn-bp", "--dataset", "emulated-digits", "--hidden", "20", "--steps", "11", *SMALL]


#: Input neurons of an emulated recording.
INPUTS = 2 * SIDE * SIDE


def unreadable(n):
    """Recordings none of which may be asked for."""

    def get(number):
        raise AssertionError(f"recording {number} was asked for")

    return Recordings(get, range(n), SIDE, SIDE)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    path = tmp_path_factory.mktemp("events") / "run"
    assert main([*EVENTS, "--out", str(path)]) == 0
    return Run.open(path)


def test_frames_are_the_bins_and_are_made_once(tmp_path, monkeypatch):
    monkeypatch.setenv("BRIANPROP_CACHE", str(tmp_path))
    monkeypatch.setattr(event_frames, "CHUNK", 3)
    dataset = event_frames.load("emulated-digits")
    recordings = dataset.test.images[:7]
    packed = event_frames.frames(recordings, 9, dataset.key)
    assert packed.shape == (7, 2 * INPUTS)
    expected = np.array([bin_events(events, 9) for events in recordings])
    np.testing.assert_array_equal(unpack(packed, 9), expected)
    assert len(list((tmp_path / "events").iterdir())) == 3
    # what is in the cache is not emulated again
    np.testing.assert_array_equal(event_frames.frames(unreadable(7), 9, dataset.key), packed)
    with pytest.raises(AssertionError, match="asked for"):
        event_frames.frames(unreadable(7), 10, dataset.key)
    np.testing.assert_array_equal(event_frames.rates(packed, 9), np.rint(255 * expected.mean(axis=1)))


def damaged(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def truncated(path):
    path.write_bytes(path.read_bytes()[:-100])


def of_others(path):
    np.savez(path, frames=np.zeros((2, 2), np.uint8))


@pytest.mark.parametrize("harm", [damaged, truncated, of_others])
def test_what_is_damaged_in_the_cache_is_made_anew(tmp_path, monkeypatch, harm):
    monkeypatch.setenv("BRIANPROP_CACHE", str(tmp_path))
    dataset = event_frames.load("emulated-digits")
    recordings = dataset.test.images[:3]
    packed = event_frames.frames(recordings, 9, dataset.key)
    (path,) = (tmp_path / "events").iterdir()
    harm(path)
    np.testing.assert_array_equal(event_frames.frames(recordings, 9, dataset.key), packed)
    np.testing.assert_array_equal(event_frames.frames(unreadable(3), 9, dataset.key), packed)


@pytest.mark.parametrize("reason", ["Not a directory", "No space left on device"])
def test_a_cache_that_cannot_be_written_is_said_once(tmp_path, monkeypatch, capsys, reason):
    if reason == "Not a directory":
        (tmp_path / "cache").touch()
    else:

        def fail(_):
            raise OSError(28, reason)

        monkeypatch.setattr("os.fsync", fail)
    monkeypatch.setenv("BRIANPROP_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(event_frames, "CHUNK", 2)
    event_frames._say_not_kept.cache_clear()
    dataset = event_frames.load("emulated-digits")
    packed = event_frames.frames(dataset.test.images[:5], 9, dataset.key)
    assert packed.shape == (5, 2 * INPUTS) and packed.any()
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and f"are not kept in {tmp_path}/cache/events ({reason})" in said
    if reason != "Not a directory":
        assert list((tmp_path / "cache" / "events").iterdir()) == []


def test_the_key_stands_for_images_and_camera(monkeypatch):
    first = event_frames.load("emulated-digits").key
    assert event_frames.load("emulated-digits").key == first
    monkeypatch.setattr(event_frames, "CAMERA_SEED", 1)
    assert event_frames.load("emulated-digits").key != first


@pytest.mark.parametrize("part", ["train", "validation", "test"])
def test_parts_are_those_of_the_images(part):
    events = load_data(
        "emulated-digits", samples=30, validation=10, test_samples=8, binarise=None, steps=5, events="frames"
    ).parts[part]
    images = load_data("digits", samples=30, validation=10, test_samples=8).parts[part]
    np.testing.assert_array_equal(events.labels, images.labels)
    dataset = datasets.load("digits")
    made = emulate_all(dataset, Camera(), event_frames.CAMERA_SEED)
    recordings = {"train": made.train.images[:30], "validation": made.train.images[-10:], "test": made.test.images[:8]}[part]
    np.testing.assert_array_equal(unpack(events.images, 5), [bin_events(recording, 5) for recording in recordings])


def test_a_run_on_events_keeps_what_is_promised(finished):
    assert finished.config["parameters"]["events"] is True
    assert finished.config["parameters"]["n_in"] == INPUTS
    assert finished.config["dataset"]["name"] == "emulated-digits" and finished.config["dataset"]["steps"] == 11
    assert finished.config["dataset"]["image_shape"] == [68, 34]
    # the spikes of the input are the events of the samples presented
    recording = finished.load_spikes("raster")
    mine = recording.population == recording.populations.index("input")
    order = np.random.default_rng([3, SHUFFLE_STREAM, 2]).permutation(60)
    dataset = emulate_all(datasets.load("digits"), Camera(), event_frames.CAMERA_SEED)
    frames = np.array([bin_events(dataset.train.images[place], 11) for place in order])
    found = np.zeros((60 * 11, INPUTS), np.uint8)
    found[recording.step[mine], recording.neuron[mine]] = 1
    np.testing.assert_array_equal(found.reshape(frames.shape), frames)
    kept = finished.load_images()["images"]
    assert kept.shape == (12, INPUTS)
    np.testing.assert_array_equal(kept[0], np.rint(255 * bin_events(dataset.test.images[0], 11).mean(axis=0)))


def test_resume_evaluate_and_figures(finished, tmp_path, capsys):
    path = back_to(finished, tmp_path / "back", 1).path
    assert main(["resume", str(path)]) == 0
    assert_same_run(finished, Run.open(path))
    capsys.readouterr()
    assert main(["evaluate", str(path)]) == 0
    printed = dict(line.split() for line in capsys.readouterr().out.splitlines())
    row = next(row for row in finished.metrics() if row["epoch"] == 2 and row["split"] == "test")
    assert float(printed["accuracy_spikes"]) == pytest.approx(row["accuracy_spikes"])
    assert main(["figures", str(path)]) == 0
    assert (path / "figures" / "weights.png").is_file() and (path / "figures" / "images.png").is_file()


def test_a_finished_run_on_events_is_kept_when_its_experiment_is_run_again(finished):
    sizes = {"samples": 60, "validation": 20, "test_samples": 20, "epochs": 2, "seed": 3}
    rules = SSNNRules(steps=11)
    settings = TrainSSNN(finished.path, dataset="emulated-digits", hidden=(20,), rules=rules, **sizes)
    before = (finished.path / "weights.npz").stat().st_mtime_ns
    assert reproduce._run(settings, lambda line: None).path == finished.path
    with pytest.raises(RunError, match="holds a run with dataset = 'emulated-digits', but the experiment needs 'emulated-neg"):
        reproduce._run(dataclasses.replace(settings, dataset="emulated-negative-digits"), lambda line: None)
    assert (finished.path / "weights.npz").stat().st_mtime_ns == before


def test_the_ann_sees_the_rates(tmp_path):
    path = tmp_path / "ann"
    assert (
        main(["train", "ann", "--dataset", "emulated-digits", "--hidden", "5", "--steps", "11", *SMALL, "--out", str(path)])
        == 0
    )
    kept = Run.open(path).load_images()["images"]
    frames = bin_events(event_frames.load("emulated-digits").test.images[0], 11)
    np.testing.assert_array_equal(kept[0], np.rint(255 * frames.mean(axis=0)))


def test_files_of_n_mnist_are_fed_as_they_are(tmp_path, monkeypatch):
    recordings = emulate_all(datasets.load("digits"), Camera(), 5)
    for part, events in (("Train", recordings.train.images), ("Test", recordings.test.images)):
        for place in range(12):
            folder = tmp_path / "nmnist" / part / str(place % 10)
            folder.mkdir(parents=True, exist_ok=True)
            (folder / f"{place:05}.bin").write_bytes(encode(events[place]))
    expected = [bin_events(events, 7) for events in recordings.train.images[:10]]
    for name in ("n-mnist-subset", "n-mnist"):
        if name == "n-mnist":
            monkeypatch.setattr(nmnist, "WHOLE", {"Train": 12, "Test": 12})
        else:
            (tmp_path / "nmnist").rename(tmp_path / "nmnist-subset")
        data = load_data(name, tmp_path, validation=2, binarise=None, steps=7, events="frames")
        assert data.n_in == 2312 and data.classes == list(range(10))
        np.testing.assert_array_equal(data.parts["test"].labels, np.arange(12) % 10)
        np.testing.assert_array_equal(unpack(data.parts["train"].images, 7), expected)
        if name == "n-mnist-subset":
            (tmp_path / "nmnist-subset").rename(tmp_path / "nmnist")


def test_a_negative_is_what_it_is_called(tmp_path):
    name = f"emulated-negative-{tmp_path}/images"
    assert event_frames.is_events(name) and dataset_name(name) == name
    assert event_frames.shown(name) == ("emulated-negative-", f"{tmp_path}/images")
    assert event_frames.shown("emulated-mnist") == ("emulated-", "mnist") and event_frames.shown("mnist") == ("", "mnist")
    digits, negative = event_frames.load("emulated-digits"), event_frames.load("emulated-negative-digits")
    assert negative.name == "emulated-negative-digits" and negative.key != digits.key
    # a digit on its way down and right, in the first saccade: where it brightens, its negative darkens
    before, after = (net_polarity(dataset.train.images[0]) for dataset in (digits, negative))
    assert np.corrcoef(before.ravel(), after.ravel())[0, 1] < -0.7


def net_polarity(events):
    """ON minus OFF events of every pixel in the first saccade."""
    found = np.zeros((SIDE, SIDE))
    first = events.t < 105_000
    np.add.at(found, (events.y[first], events.x[first]), 2.0 * events.polarity[first] - 1)
    return found


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["nbp"], "emulated-digits holds events, but nBP takes images; choose another --dataset"),
        (["ssnn-bp", "--crop", "2"], "events are neither cropped nor binarised"),
        (["ann", "--binarise", "0.5"], "leave --crop and --binarise away"),
        (["ann", "--steps", "0"], "steps = 0 must be at least 1"),
    ],
)
def test_bad_input_is_one_sentence(arguments, words, tmp_path, capsys):
    assert main(["train", *arguments, "--dataset", "emulated-digits", "--out", str(tmp_path / "run")]) == 2
    error = capsys.readouterr().err
    assert words in error and error.count("\n") == 1
    assert not (tmp_path / "run").exists()
