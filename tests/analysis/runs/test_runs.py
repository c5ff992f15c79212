"""The run directory: what is written is read again, and a failure leaves what was there."""

import errno
import json
import math
import multiprocessing
import os
import stat
import subprocess
import sys
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
from conftest import ann_run

from brianprop.analysis.runs import Recording, Run, as_json, require_vacant
from brianprop.analysis.runs.directory import FORMAT
from brianprop.analysis.systems import SYSTEMS
from brianprop.analysis.systems.ann import ANNSystem
from brianprop.experiments.cli.main import main
from brianprop.models.errors import RunError
from brianprop.models.files import atomic_write
from brianprop.models.nbp.parameters import NBP

PARAMETERS = NBP(n_in=6, hidden=(4,), n_out=3, w_step=1)
CONFIG = {"system": "nbp", "parameters": as_json(PARAMETERS), "training": {"epochs": 2, "seed": 0}}
METRIC_COLUMNS = SYSTEMS["nbp"].columns


@pytest.fixture
def run(tmp_path):
    return Run.create(tmp_path / "run", CONFIG, {"python": "3"})


def row(epoch, split="test", loss=0.1):
    values = (epoch, split, np.float64(1) / 3, np.float32(0.5), 0.75, loss, np.int64(10), 1.5)
    return dict(zip(METRIC_COLUMNS, values, strict=True))


def weights(seed):
    rng = np.random.default_rng(seed)
    return {"W1": rng.integers(-9, 9, (6, 4), dtype=np.int32), "W2": rng.integers(-9, 9, (4, 3), dtype=np.int32)}


def images():
    return {
        "images": np.ones((3, 6), dtype=np.uint8),
        "target": np.arange(3),
        "spikes": np.eye(3, dtype=np.uint8),
        "drive": np.ones((3, 3)),
    }


def assert_equal_arrays(found, expected):
    assert set(found) == set(expected)
    for name, array in expected.items():
        np.testing.assert_array_equal(found[name], array)
        assert found[name].dtype == array.dtype


def leftovers(folder):
    return [path.name for path in folder.rglob("*.tmp")]


def test_atomic_write_replaces_a_file_whole(tmp_path):
    path = tmp_path / "file"
    atomic_write(path, lambda file: file.write(b"one"))
    atomic_write(path, lambda file: file.write(b"two"))
    assert path.read_bytes() == b"two"
    assert os.listdir(tmp_path) == ["file"]


@pytest.mark.parametrize("failure", [ValueError("x"), KeyboardInterrupt()])
def test_a_failing_writer_leaves_the_old_file(tmp_path, failure):
    path = tmp_path / "file"
    path.write_bytes(b"old")

    def write(file):
        file.write(b"half of the new")
        raise failure

    with pytest.raises(type(failure)):
        atomic_write(path, write)
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["file"]


@pytest.mark.parametrize(
    ("number", "remedy"),
    [(errno.ENOSPC, "free some space"), (errno.EROFS, "can be written"), (errno.EACCES, "you may write")],
)
def test_a_full_or_closed_disk_is_one_sentence(tmp_path, number, remedy):
    path = tmp_path / "file"
    path.write_bytes(b"old")

    def write(file):
        raise OSError(number, os.strerror(number))

    with pytest.raises(RunError, match=remedy) as caught:
        atomic_write(path, write)
    assert str(path) in str(caught.value)
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["file"]


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full here")
def test_a_full_disk_shows_when_the_data_are_flushed(tmp_path, monkeypatch):
    real = open
    monkeypatch.setattr("builtins.open", lambda path, *args, **keys: real("/dev/full", "wb"))
    with pytest.raises(RunError, match="free some space"):
        atomic_write(tmp_path / "file", lambda file: file.write(b"data"))


def test_create_and_open_agree(tmp_path):
    created = Run.create(tmp_path / "deep" / "er" / "run", CONFIG, {"python": "3"})
    opened = Run.open(created.path)
    assert opened.config == created.config == {"format": FORMAT, **CONFIG}
    assert opened.environment == created.environment == {"python": "3"}
    assert opened.path == created.path


def test_create_takes_an_empty_folder_and_what_a_killed_creation_left(tmp_path):
    (tmp_path / "lock").touch()
    (tmp_path / "environment.json").write_text("{}")
    (tmp_path / ".config.json.7.tmp").write_text("{")
    Run.create(tmp_path, CONFIG, {})
    assert Run.open(tmp_path).config["system"] == "nbp"
    assert not leftovers(tmp_path)


def test_create_never_touches_what_exists(run, tmp_path):
    with pytest.raises(RunError, match=r"exists already; choose another --out or use 'brianprop resume .*run'"):
        Run.create(run.path, CONFIG, {})
    other = tmp_path / "other"
    other.mkdir()
    (other / "precious.txt").write_text("mine")
    with pytest.raises(RunError, match="exists already and is no run"):
        Run.create(other, CONFIG, {})
    assert os.listdir(other) == ["precious.txt"]
    with pytest.raises(RunError, match="exists already and is no run"):
        Run.create(other / "precious.txt", CONFIG, {})
    with pytest.raises(RunError, match="choose"):
        Run.create(other / "precious.txt" / "run", CONFIG, {})


def test_open_names_what_is_wrong(run, tmp_path):
    with pytest.raises(RunError, match="no run directory"):
        Run.open(tmp_path / "absent")
    with pytest.raises(RunError, match=r"holds no config\.json"):
        Run.open(tmp_path)
    config = run.path / "config.json"
    text = config.read_text()
    for damaged in (text[:-5], "[1]", "\x00"):
        config.write_text(damaged)
        with pytest.raises(RunError, match=r"config\.json .*restore it"):
            Run.open(run.path)
    config.write_text(json.dumps({**CONFIG, "format": 99}))
    with pytest.raises(RunError, match="format 99"):
        Run.open(run.path)


def test_metrics_round_trip_in_full_precision(run):
    assert run.metrics() == []
    run.append_metrics([row(1, "train"), row(1, "test", loss=0.1 + 0.2)])
    run.append_metrics([row(2)])
    rows = run.metrics()
    assert [(r["epoch"], r["split"]) for r in rows] == [(1, "train"), (1, "test"), (2, "test")]
    assert rows[1]["loss"] == 0.1 + 0.2
    assert rows[0]["accuracy_exact"] == 1 / 3
    assert [type(rows[0][column]) for column in METRIC_COLUMNS] == [int, str, float, float, float, float, int, float]
    assert (run.path / "metrics.csv").read_text().splitlines()[0] == ",".join(METRIC_COLUMNS)
    assert "float64" not in (run.path / "metrics.csv").read_text()


def test_each_system_has_its_columns_and_arrays(tmp_path):
    for system, kind in SYSTEMS.items():
        columns = kind.columns
        run = Run.create(tmp_path / system, {"system": system}, {})
        values = {name: 0.5 for name in columns} | {"epoch": 1, "split": "test", "samples": 3}
        run.append_metrics([values])
        assert run.metrics() == [values] and list(run.metrics_frame().columns) == list(columns)
        arrays = {name: np.ones((2, 3)) for name in ("images", *kind.answers)} | {"target": np.arange(2)}
        run.save_images(arrays)
        assert_equal_arrays(run.load_images(), arrays)
    other = Run.create(tmp_path / "other", {"system": "other"}, {})
    with pytest.raises(RunError, match="names the system 'other'"):
        other.metrics()


@dataclass(frozen=True)
class Parameters:
    bound: float = 1.0
    sizes: tuple[int, ...] = ()
    n_in: ClassVar[int] = 6
    n_out: ClassVar[int] = 3


def test_parameters_go_through_strict_json(tmp_path, monkeypatch):
    monkeypatch.setattr(ANNSystem, "parameters", Parameters)
    for parameters in (Parameters(), Parameters(math.inf, (3, 4))):
        run = Run.create(tmp_path / str(parameters.bound), {"system": "ann", "parameters": as_json(parameters)}, {})
        assert Run.open(run.path).parameters() == parameters
        json.loads((run.path / "config.json").read_text(), parse_constant=lambda name: pytest.fail(name))
    run.config["parameters"]["new"] = 1
    with pytest.raises(RunError, match="does not fit this version"):
        run.parameters()


def test_metrics_frame(run):
    assert list(run.metrics_frame().columns) == list(METRIC_COLUMNS)
    run.append_metrics([row(1), row(2)])
    assert run.metrics_frame()["epoch"].tolist() == [1, 2]


def test_truncate_metrics_drops_later_epochs_only(run):
    run.append_metrics([row(1), row(2), row(3)])
    run.truncate_metrics(2)
    assert [r["epoch"] for r in run.metrics()] == [1, 2]
    before = (run.path / "metrics.csv").read_bytes()
    run.truncate_metrics(2)
    assert (run.path / "metrics.csv").read_bytes() == before


def test_wrong_or_damaged_metrics_are_refused(run):
    with pytest.raises(ValueError, match="columns"):
        run.append_metrics([{"epoch": 1}])
    run.append_metrics([row(1)])
    path = run.path / "metrics.csv"
    text = path.read_text()
    for damaged in (text[:-25], text.replace("epoch", "apoch"), text.replace("1,test", "one,test")):
        path.write_text(damaged)
        with pytest.raises(RunError, match=r"metrics\.csv"):
            run.metrics()


def test_checkpoints_round_trip(run):
    assert run.load_checkpoint() == (0, {})
    for epoch in (0, 1, 2, 12345):
        run.save_checkpoint(epoch, weights(epoch))
    assert run.checkpoints == [0, 1, 2, 12345]
    assert (run.path / "checkpoints" / "epoch_0001.npz").is_file()
    for wanted, found in ((1, 1), (0, 0), (None, 12345)):
        epoch, arrays = run.load_checkpoint(wanted)
        assert epoch == found
        assert_equal_arrays(arrays, weights(found))
    with pytest.raises(RunError, match="no checkpoint of epoch 7"):
        run.load_checkpoint(7)


def test_a_damaged_checkpoint_is_skipped_with_a_warning(run):
    for epoch in (1, 2, 3):
        run.save_checkpoint(epoch, weights(epoch))
    folder = run.path / "checkpoints"
    whole = (folder / "epoch_0002.npz").read_bytes()
    flipped = bytearray(whole)
    flipped[len(whole) // 4] ^= 0xFF
    for damaged in (whole[: len(whole) // 2], b"", b"no zip", bytes(flipped)):
        (folder / "epoch_0003.npz").write_bytes(damaged)
        with pytest.warns(UserWarning, match="epoch_0003"):
            epoch, arrays = run.load_checkpoint()
        assert epoch == 2
        assert_equal_arrays(arrays, weights(2))
        with pytest.raises(RunError, match=r"epoch_0003\.npz is damaged"):
            run.load_checkpoint(3)


def test_equal_arrays_give_equal_bytes(tmp_path):
    runs = [Run.create(tmp_path / name, CONFIG, {}) for name in ("a", "b")]
    for run in runs:
        run.save_weights(weights(1))
    first, second = ((run.path / "weights.npz").read_bytes() for run in runs)
    assert first == second
    # no time of writing in the members, or the bytes would differ from day to day
    import zipfile

    with zipfile.ZipFile(runs[0].path / "weights.npz") as file:
        assert {member.date_time for member in file.infolist()} == {(1980, 1, 1, 0, 0, 0)}


def test_weights_and_finished(run):
    with pytest.raises(RunError, match="not finished; use 'brianprop resume"):
        run.load_weights()
    assert not run.finished
    run.save_checkpoint(1, weights(1))
    run.save_weights(weights(1))
    assert not run.finished
    run.save_checkpoint(2, weights(2))
    run.save_weights(weights(2))
    run.save_images(images())
    assert not run.finished  # without metrics
    run.append_metrics([row(1, "train"), row(2, "train")])
    assert run.finished
    assert_equal_arrays(run.load_weights(), weights(2))
    (run.path / "weights.npz").write_bytes(b"PK")
    with pytest.raises(RunError, match=r"weights\.npz is damaged"):
        run.load_weights()


def test_more_epochs_leave_no_files_of_the_end_of_fewer(run):
    run.save_checkpoint(2, weights(2))
    run.save_weights(weights(2))
    run.save_images(images())
    run.set_epochs(3)
    assert not (run.path / "weights.npz").exists() and not (run.path / "images.npz").exists()
    assert Run.open(run.path).epochs == 3
    with pytest.raises(RunError, match="2 epochs already"):
        run.set_epochs(1)


def recording():
    return Recording(
        populations=("input", "h_lt"),
        sizes=(6, 4),
        population=[0, 1, 1],
        neuron=[2, 0, 1],
        step=[-2, 0, 13],
        epoch=[1, 1, 1],
        period=12,
    )


def test_spikes_round_trip(run):
    assert run.load_spikes() is None
    run.save_spikes(recording(), "raster")
    assert run.load_spikes() is None
    found, expected = run.load_spikes("raster"), recording()
    for name in ("populations", "sizes", "period"):
        assert getattr(found, name) == getattr(expected, name)
    for name, dtype in (("population", np.int16), ("neuron", np.int32), ("step", np.int64), ("epoch", np.int32)):
        np.testing.assert_array_equal(getattr(found, name), getattr(expected, name))
        assert getattr(found, name).dtype == dtype


def test_damaged_spikes_are_refused(run):
    np.savez(run.path / "spikes.npz", step=np.arange(3))
    with pytest.raises(RunError, match="no recording of spikes"):
        run.load_spikes()
    with pytest.raises(ValueError, match="differ"):
        Recording(("a",), (1,), [0], [0, 0], [1], [1], 12)


def test_images_round_trip(run):
    assert run.load_images() is None
    arrays = images()
    run.save_images(arrays)
    assert_equal_arrays(run.load_images(), arrays)
    np.savez(run.path / "images.npz", images=arrays["images"])
    with pytest.raises(RunError, match="lacks drive, spikes, target"):
        run.load_images()


def _try_to_lock(path, answers):
    try:
        with Run.open(path).lock():
            answers.put("locked")
    except RunError as error:
        answers.put(str(error))


def test_the_lock_keeps_other_processes_out(run):
    context = multiprocessing.get_context("spawn")
    answers = context.Queue()

    def ask():
        process = context.Process(target=_try_to_lock, args=(run.path, answers))
        process.start()
        answer = answers.get(timeout=60)
        process.join(timeout=60)
        return answer

    with run.lock():
        assert "being written by another process" in ask()
        with pytest.raises(RunError, match="being written"), Run.open(run.path).lock():
            pass
    assert ask() == "locked"


def test_the_lock_ends_with_an_error_and_clears_leftovers(run):
    run.save_checkpoint(1, weights(1))
    (run.path / "checkpoints" / ".epoch_0002.npz.99.tmp").write_bytes(b"part")
    (run.path / ".metrics.csv.99.tmp").write_bytes(b"part")
    with pytest.raises(ZeroDivisionError), run.lock():
        raise ZeroDivisionError
    with run.lock():
        assert not leftovers(run.path)
    assert run.checkpoints == [1]


def test_programs_that_other_threads_start_do_not_keep_a_lock(tmp_path):
    # a process between fork and exec holds what its parent has open, also a lock that the parent has given back
    stop, failures = threading.Event(), []

    def start_programs():
        while not stop.is_set():
            subprocess.run(["true"], check=True)

    def lock_again_and_again(path):
        try:
            for _ in range(200):
                with Run(path, {}, {}).lock():
                    pass
        except RunError as error:
            failures.append(error)

    starters = [threading.Thread(target=start_programs) for _ in range(3)]
    lockers = [threading.Thread(target=lock_again_and_again, args=(tmp_path / str(number),)) for number in range(4)]
    for number in range(4):
        (tmp_path / str(number)).mkdir()
    for thread in (*starters, *lockers):
        thread.start()
    for thread in lockers:
        thread.join()
    stop.set()
    for thread in starters:
        thread.join()
    assert not failures


def synced(monkeypatch, tmp_path, fails=None):
    """Write a file; gives what was forced to disk and moved, in order."""
    done = []
    fsync, replace = os.fsync, os.replace

    def sync(descriptor):
        is_folder = stat.S_ISDIR(os.fstat(descriptor).st_mode)
        done.append("folder" if is_folder else f"file of {os.fstat(descriptor).st_size} bytes")
        if fails is not None and is_folder:
            raise OSError(fails, os.strerror(fails))
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", sync)
    monkeypatch.setattr(os, "replace", lambda *places: (done.append("move"), replace(*places)))
    atomic_write(tmp_path / "file", lambda file: file.write(b"data"))
    return done


def test_a_file_is_forced_to_disk_then_moved_then_its_folder(monkeypatch, tmp_path):
    assert synced(monkeypatch, tmp_path) == ["file of 4 bytes", "move", "folder"]


@pytest.mark.parametrize("number", [errno.EINVAL, errno.ENOTSUP])
def test_a_folder_that_cannot_be_forced_to_disk_does_not_matter(monkeypatch, tmp_path, number):
    # as on file systems of the network and in user space
    assert synced(monkeypatch, tmp_path, number) == ["file of 4 bytes", "move", "folder"]
    assert (tmp_path / "file").read_bytes() == b"data"


def test_a_folder_that_fails_does_matter(monkeypatch, tmp_path):
    with pytest.raises(RunError, match="Cannot write"):
        synced(monkeypatch, tmp_path, errno.EIO)


def test_places_where_no_run_can_be_are_refused(tmp_path, capsys):
    run = Run.create(tmp_path / "run", {"system": "ann"}, {})
    (tmp_path / "file").write_text("")
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    (tmp_path / "inside").symlink_to(run.path)
    for place, words in (
        ("file", "but a file"),
        ("file/run", "is a file"),
        ("link", "is a link to"),
        ("link/run", None),
        ("run", "exists already"),
        ("run/more", "lies inside the run"),
        ("run/checkpoints/deep/er", "lies inside the run"),
        ("inside/more", "lies inside the run"),
        ("x" * 300, "choose another"),
    ):
        if words is None:
            require_vacant(tmp_path / place)
            continue
        assert main(["train", "ann", "--out", str(tmp_path / place)]) == 2
        error = capsys.readouterr().err
        assert error.startswith("brianprop: ") and error.count("\n") == 1
        assert words in error and "choose" in error, error
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "inside", "link", "run"]


def test_a_place_that_may_not_be_written_is_refused_before_data_are_read(tmp_path):
    if os.geteuid():
        pytest.skip("only root can become another user")
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o755)
    for parent in (tmp_path, *tmp_path.parents[:3]):
        parent.chmod(0o755)
    code = (
        "import os, sys; from brianprop.analysis.runs.vacancy import require_vacant, RunError\n"
        "os.setgid(65534); os.setuid(65534)\n"
        "try: require_vacant(sys.argv[1])\n"
        "except RunError as error: print(error)"
    )
    for place in (closed, closed / "run", closed / "deep" / "run"):
        done = subprocess.run(
            [sys.executable, "-c", code, str(place)], capture_output=True, text=True, cwd=Path(__file__).parents[3]
        )
        assert "choose a path where you may write" in done.stdout and not done.stderr


def test_a_line_of_json_per_epoch_follows_the_metrics(tmp_path):
    run = ann_run(tmp_path / "run", epochs=3)
    for done in (3, 2):
        run.truncate_metrics(done)
        lines = [json.loads(line) for line in (run.path / "metrics.jsonl").read_text().splitlines()]
        assert [line["epoch"] for line in lines] == list(range(1, done + 1))
        rows = [{"epoch": line["epoch"], "split": split, **line[split]} for line in lines for split in line if split != "epoch"]
        assert rows == run.metrics()
