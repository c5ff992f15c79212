"""Spikes in the formats of the field: what is written is opened again by the tools that others use."""

import contextlib
import subprocess
import sys

import numpy as np
import pytest
from conftest import composite_recording, composite_run

from brianprop.analysis.export import export
from brianprop.analysis.export.neo import write_neo
from brianprop.analysis.export.trains import spike_trains
from brianprop.analysis.runs import Run
from brianprop.experiments.cli.main import main
from brianprop.models.errors import RunError

SIZES = {"input": 16, "hidden1": 5, "output": 3}


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run of two epochs of 3 turns of 4 steps, of which all spikes are kept."""
    found = composite_run(tmp_path_factory.mktemp("export") / "run", steps=4)
    spikes = [("input", 2, 0), ("input", 2, 5), ("output", 1, 11), ("hidden1", 0, 3)]
    first = composite_recording(spikes, SIZES, 4, epoch=1)
    second = composite_recording([("input", 2, 1), ("hidden1 minus", 4, 8)], SIZES, 4, epoch=2)
    found.save_spikes(first.followed_by(second))
    return found


#: Spike times in steps, by unit: the second epoch follows the first one's 12 steps.
EXPECTED = {("input", 2): [0, 5, 13], ("output", 1): [11], ("hidden1", 0): [3], ("hidden1 minus", 4): [20]}
DT = 2.0**-10


def test_trains_have_every_neuron_and_run_through_the_epochs(run):
    found = spike_trains(run.load_spikes(), DT)
    assert len(found.units) == len(found.times) == 16 + 5 + 3 + 2 * (5 + 3)
    for unit, times in zip(found.units, found.times, strict=True):
        np.testing.assert_array_equal(times / DT, EXPECTED.get(unit, []))
    np.testing.assert_array_equal(found.samples / DT, [[4 * k, 4 * k + 4] for k in range(6)])
    assert list(found.training_epoch) == [1, 1, 1, 2, 2, 2] and found.stop == 24 * DT


def test_the_lead_in_comes_first():
    recording = composite_recording([("input", 0, -2), ("input", 0, 7), ("input", 1, 0)], SIZES, 4)
    found = spike_trains(recording, 1.0)
    np.testing.assert_array_equal(found.times[0], [0, 9])
    np.testing.assert_array_equal(found.times[1], [2])
    np.testing.assert_array_equal(found.samples, [[2, 6], [6, 10]])


#: What the spikes above tell: the target of the third turn is output 1, which fired in it.
LABELS = ["none", "none", "B", "none", "none", "none"]


def opened(path):
    """The block in a file of Neo."""
    neo = pytest.importorskip("neo.io")
    if path.suffix == ".mat":
        return neo.NeoMatlabIO(str(path)).read_block()
    pytest.importorskip("nixio")
    with neo.NixIO(str(path), mode="ro") as file:
        return file.read_block()


@pytest.mark.parametrize("suffix", [".mat", ".nix"])
def test_neo_opens_what_was_written(run, tmp_path, suffix):
    pytest.importorskip("neo")
    path = tmp_path / f"run{suffix}"
    assert main(["export", str(run.path), "--to", "neo", "--out", str(path)]) == 0
    block = opened(path)
    (segment,) = block.segments
    found = {}
    for train in segment.spiketrains:
        unit = train.annotations["population"], int(train.annotations["neuron"])
        assert train.name == f"{unit[0]} {unit[1]}" and train.t_stop.rescale("s") == 24 * DT
        found[unit] = list(np.atleast_1d(train.rescale("s").magnitude) / DT)
    assert found == EXPECTED  # those that fired
    names = block.annotations["populations"].split(", ")
    assert dict(zip(names, block.annotations["sizes"], strict=True)) == SIZES | {
        f"{layer} {sign}": SIZES[layer] for layer in ("hidden1", "output") for sign in ("plus", "minus")
    }
    assert block.annotations["classes"] == "A, B, C"
    (turns,) = segment.epochs
    np.testing.assert_allclose(turns.rescale("s").magnitude / DT, np.arange(0, 24, 4))
    assert list(segment.annotations["label"]) == list(segment.annotations["answer"]) == [-1, -1, 1, -1, -1, -1]
    assert list(segment.annotations["turn"]) == [0, 1, 2, 0, 1, 2]
    assert list(segment.annotations["training_epoch"]) == [1, 1, 1, 2, 2, 2]
    assert turns.labels[0].strip() == "epoch 1, turn 0, label none, answer none"  # a MATLAB file has blanks behind the shorter
    assert turns.labels[2].strip() == "epoch 1, turn 2, label B, answer B"


def test_each_turn_is_a_segment_on_request(run, tmp_path, capsys):
    pytest.importorskip("neo")
    path = export(run.path, "neo", tmp_path / "turns.mat", per_turn=True)
    segments = opened(path).segments
    spikes = [
        [(str(train.annotations["population"]), float(time) / DT) for train in segment.spiketrains for time in train]
        for segment in segments
    ]
    assert spikes == [
        [("input", 0), ("hidden1", 3)],
        [("input", 5)],
        [("output", 11)],
        [("input", 13)],
        [],
        [("hidden1 minus", 20)],
    ]
    assert segments[2].name == "epoch 1, turn 2, label B, answer B"
    assert main(["export", str(run.path), "--to", "nwb", "--per-turn"]) == 2
    assert "no segments" in capsys.readouterr().err


def test_a_neo_file_of_many_neurons_is_small(tmp_path):
    """700 neurons that fire 12 times each: a NIX file of them takes 15 MB and more than 10 s."""
    pytest.importorskip("neo")
    sizes = {"input": 690, "hidden1": 5, "output": 3}
    recording = composite_recording([("input", n, t) for n in range(690) for t in range(0, 48, 4)], sizes, 4)
    with open(tmp_path / "spikes.mat", "wb") as file:
        write_neo(composite_run(tmp_path / "run"), "many", spike_trains(recording, DT), "ABC", file, False, False)
    assert (tmp_path / "spikes.mat").stat().st_size < 1e6
    assert len(opened(tmp_path / "spikes.mat").segments[0].spiketrains) == 690


def test_nwb_opens_what_was_written(run, tmp_path):
    pynwb = pytest.importorskip("pynwb")
    assert main(["export", str(run.path), "--to", "nwb"]) == 0
    path = run.path / "spikes.nwb"
    assert not list(run.path.glob(".*"))
    with pynwb.NWBHDF5IO(str(path), "r") as file:
        content = file.read()
        units, trials = content.units.to_dataframe(), content.trials.to_dataframe()
    assert len(units) == 40 and len(trials) == 6
    for unit in units.itertuples():
        np.testing.assert_allclose(np.array(unit.spike_times) / DT, EXPECTED.get((unit.population, unit.neuron), []))
    np.testing.assert_allclose(trials.start_time / DT, np.arange(0, 24, 4))
    assert list(trials.training_epoch) == [1, 1, 1, 2, 2, 2] and list(trials.turn) == [0, 1, 2, 0, 1, 2]
    assert list(trials.label) == list(trials.answer) == LABELS
    assert pynwb.validate(path=str(path)) in ([], ([], False), ([], 0))


def test_nwb_has_what_its_inspector_asks_for(run, tmp_path):
    inspector = pytest.importorskip("nwbinspector", reason="nwbinspector is not installed: it is an extra of the tests")
    path = export(run.path, "nwb", tmp_path / "spikes.nwb")
    for config in (None, inspector.load_config("dandi")):
        found = list(inspector.inspect_nwbfile(nwbfile_path=str(path), config=config))
        grave = [one for one in found if one.importance.name in ("ERROR", "CRITICAL", "BEST_PRACTICE_VIOLATION")]
        assert not grave, grave


@pytest.fixture
def small_disk(tmp_path):
    """A disk of 64 kB with no free space."""
    place = tmp_path / "disk"
    place.mkdir()
    made = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", place], capture_output=True)
    if made.returncode:
        pytest.skip("needs Linux and root, to mount a small disk")
    with contextlib.suppress(OSError), open(place / "filler", "wb", buffering=0) as file:
        while file.write(bytes(4096)):
            pass
    yield place
    subprocess.run(["umount", place], check=True)


@pytest.mark.parametrize(("name", "package"), [("spikes.mat", "neo"), ("spikes.nix", "nixio"), ("spikes.nwb", "pynwb")])
def test_a_full_disk_is_one_sentence_and_leaves_nothing(run, small_disk, name, package):
    pytest.importorskip(package)
    to = "nwb" if package == "pynwb" else "neo"
    command = [sys.executable, "-m", "brianprop", "export", run.path, "--to", to, "--out", small_disk / name]
    done = subprocess.run(command, cwd=small_disk, capture_output=True, text=True)
    assert done.returncode == 2
    sentence = f"brianprop: Cannot write {small_disk}/{name}: No space left on device; free some space or choose a path"
    assert done.stderr == f"{sentence} on another disk.\n"
    assert [path.name for path in small_disk.iterdir()] == ["filler"]


def test_what_cannot_be_exported_is_named(run, tmp_path, capsys, monkeypatch):
    empty = Run.create(tmp_path / "empty", run.config, {})
    assert main(["export", str(empty.path), "--to", "nwb"]) == 2
    assert "holds no spikes" in capsys.readouterr().err
    with pytest.raises(RunError, match=r"Cannot write .*nowhere"):
        export(run.path, "nwb", tmp_path / "nowhere" / "spikes.nwb")
    monkeypatch.setitem(sys.modules, "pynwb", None)
    assert main(["export", str(run.path), "--to", "nwb", "--out", str(tmp_path / "spikes.nwb")]) == 2
    assert "pynwb is not installed; use pip install 'brianprop[export]'" in capsys.readouterr().err
