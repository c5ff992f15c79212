"""What lets sweeps go on for long: keys that hold every option, a flat use of resources, two at once, and Ctrl-C."""

import dataclasses
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Literal, get_args, get_origin, get_type_hints

import numpy as np
import psutil
import pytest
from dask_processes import environment, wait_for

from brianprop.analysis.sweeps import SweepDirectory
from brianprop.analysis.systems import SYSTEMS
from brianprop.experiments.sweeps.plan import plan_of
from brianprop.experiments.sweeps.progress import Progress
from brianprop.experiments.sweeps.reading import read_sweep
from brianprop.experiments.sweeps.tasks import Batch, tasks_of
from brianprop.experiments.sweeps.worker import run_batch
from brianprop.experiments.training.ann import ANNTrainer
from brianprop.experiments.training.systems import options_of
from brianprop.models.errors import ParameterError

SMALL = {"dataset": "digits", "hidden": 3, "epochs": 1, "samples": 20, "test_samples": 10, "validation": 10}

# keys

#: Options that a key need not hold, with the reason.
NOT_IN_THE_KEY = {
    "out": "the place of a run, which follows from its key",
    "rules": "holds options, each of which is looked at by itself",
    "data_dir": "where data lie; the key holds their digest",
    "replicas": "a sweep has points of its own instead, and refuses it",
    "processes": "a sweep has workers instead, and refuses it",
}

#: Values beside the default of options that no rule below finds, and what they need besides.
CHOSEN = {
    "dataset": [{"dataset": "FOLDER"}],
    "init_weights": [{"init_weights": "FILE"}],
    "validation": [{"validation": 30}],
    "crop": [{"crop": 1}],
    "levels": [{"levels": 9, "w_max": 2.0}],
    "soft_bounds": [{"soft_bounds": True, "w_max": 2.0}],
    "error": [{"error": "margin"}],
}


def option_types_of(kind):
    """The type of every option of a system by its name."""
    hints = get_type_hints(kind)
    found = {item.name: hints[item.name] for item in dataclasses.fields(kind)}
    if "rules" in found:
        found |= {item.name: get_type_hints(hints["rules"])[item.name] for item in dataclasses.fields(hints["rules"])}
    return found


def other_values(hint, value):
    """Values of an option that may be allowed beside its default, the likely ones first."""
    members = [hint, *get_args(hint)]
    literal = next((member for member in members if get_origin(member) is Literal), None)
    if literal is not None:
        return [other for other in get_args(literal) if other != value]
    if isinstance(value, bool):
        return [not value]
    if isinstance(value, (int, float)):
        return [
            other for other in (value * 2, value + 2, value / 2, value - 2, value + 1, 0.5, 0.1, 1e-4, 2, 4) if other != value
        ]
    return [[0.25], [4], 7, 0.5, 2, 20]


def key_of(system, **base):
    return plan_of(read_sweep(system, base=SMALL | base))["points"][0]["key"]


@pytest.fixture
def files(tmp_path):
    """A folder with another data set, and a file of weights."""
    rng = np.random.default_rng(0)
    folder = tmp_path / "folder"
    folder.mkdir()
    for name, number in (("train", 60), ("t10k", 20)):
        images, labels = rng.integers(0, 256, (number, 8, 8)), np.arange(number) % 10
        header = b"\0\0\x08\x03" + b"".join(int(size).to_bytes(4, "big") for size in images.shape)
        (folder / f"{name}-images-idx3-ubyte").write_bytes(header + images.astype(np.uint8).tobytes())
        (folder / f"{name}-labels-idx1-ubyte").write_bytes(
            b"\0\0\x08\x01" + number.to_bytes(4, "big") + labels.astype(np.uint8).tobytes()
        )
    (tmp_path / "weights.npz").write_bytes(b"some weights")
    return {"FOLDER": str(folder), "FILE": str(tmp_path / "weights.npz")}


@pytest.mark.parametrize(
    ("system", "name"), [(system, name) for system in SYSTEMS for name in option_types_of(options_of(system))]
)
def test_every_option_is_in_the_key_of_a_point(system, name, files):
    hint = option_types_of(options_of(system))[name]
    if name in NOT_IN_THE_KEY:
        if name not in ("out", "rules", "data_dir"):
            with pytest.raises(ParameterError, match=f"has no option '{name}'"):
                key_of(system, **{name: 2})
        return
    plain = read_sweep(system, base=SMALL).points()[0].settings
    if name == "seed":
        first, second = plan_of(read_sweep(system, base=SMALL, seeds=2))["points"]
        assert first["key"] != second["key"]
        return
    value = getattr(plain, name, None) if hasattr(plain, name) else getattr(plain.rules, name)
    tried = [{n: files.get(v, v) for n, v in one.items()} for one in CHOSEN.get(name, [])]
    for changes in tried or [{name: other} for other in other_values(hint, value)]:
        besides = {other: there for other, there in changes.items() if other != name}
        try:
            changed = key_of(system, **changes)
        except ParameterError:
            continue
        assert changed != key_of(system, **besides)
        return
    pytest.fail(f"no other value of {name} is known; write one into CHOSEN")


def test_what_is_in_the_files_matters_and_not_where_they_lie(files, tmp_path):
    moved = tmp_path / "moved.npz"
    moved.write_bytes(Path(files["FILE"]).read_bytes())
    first = key_of("ann", init_weights=files["FILE"])
    assert key_of("ann", init_weights=str(moved)) == first
    moved.write_bytes(b"other weights")
    assert key_of("ann", init_weights=str(moved)) != first


# resources


def used(folder):
    """What a process holds: descriptors, threads, memory [MiB], and bytes in its folder of temporary files."""
    process = psutil.Process()
    files = sum(path.stat().st_size for path in Path(folder).rglob("*") if path.is_file())
    return process.num_fds(), threading.active_count(), process.memory_info().rss / 2**20, files


def many_points(path, number, monkeypatch, scratch):
    """Train so many tiny points of the ANN in this process, as a worker does; gives what it held early and at the end."""
    scratch.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(scratch))
    described = read_sweep("ann", base=SMALL, seeds=number)
    directory = SweepDirectory.create(path, plan_of(described))
    # data and initial weights are real, the epochs are not: they are not what is asked
    monkeypatch.setattr(ANNTrainer, "learn", lambda self, weights, *_: sweeps_learned(weights))
    report = Progress(directory, number, 0, lambda line: None)
    early = None
    for count, task in enumerate(tasks_of(directory, None), 1):
        (outcome,) = run_batch(Batch((task,), 1, (), None))
        report.take(task, outcome)
        if count == number // 10:
            early = used(scratch)
    assert report.failed == 0 and len(directory.status().finished) == number
    return early, used(scratch)


def sweeps_learned(weights):
    from brianprop.experiments.training.trainer import Learned

    return Learned(weights, 0.0)


def assert_flat(early, late, memory):
    assert late[0] <= early[0] + 2, "descriptors"
    assert late[1] <= early[1], "threads"
    assert late[2] < early[2] + memory, "memory"
    assert late[3] <= early[3], "temporary files"


def test_a_hundred_points_hold_no_more_than_ten(tmp_path, monkeypatch):
    assert_flat(*many_points(tmp_path / "sweep", 100, monkeypatch, tmp_path / "scratch"), memory=30)


@pytest.mark.slow
def test_five_thousand_points_hold_no_more_than_five_hundred(tmp_path, monkeypatch):
    assert_flat(*many_points(tmp_path / "sweep", 5000, monkeypatch, tmp_path / "scratch"), memory=60)


# two at once, and Ctrl-C


def words(out, workers=1):
    # each of the four points takes most of a second, so that there is something to interrupt
    base = [f"{name}={value}" for name, value in (SMALL | {"epochs": 60}).items()]
    points = ["--axis", "rate_out=0.1,0.2", "--seeds", "2"]
    return ["sweep", "ann", "--set", *base, *points, "--workers", str(workers), "--out", str(out)]


def start(arguments, **more):
    command = [sys.executable, "-m", "brianprop", *arguments]
    quiet = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True, "start_new_session": True}
    return subprocess.Popen(command, env=environment(**more), **quiet)


def test_two_sweeps_that_start_in_one_directory_at_once_run_each_point_once(tmp_path):
    out = tmp_path / "sweep"
    processes = [start(words(out)) for _ in range(2)]
    outputs = [process.communicate(timeout=300)[0] for process in processes]
    assert [process.returncode for process in processes] == [0, 0], outputs
    assert not any("Traceback" in output for output in outputs)
    directory = SweepDirectory.open(out)
    assert len(directory.table()) == 4 and all(directory.damage(key) is None for key in directory.keys)
    assert not list((out / "unfinished").iterdir()) and not (out / "damaged").exists()


def test_a_sweep_that_another_has_just_made_is_no_strange_folder(tmp_path, monkeypatch):
    plan = plan_of(read_sweep("ann", base=SMALL))
    listed, made = os.listdir, []

    def late(path):
        # the other one comes between the first look and the second
        if not made:
            made.append(True)
            SweepDirectory.create(path, plan)
        return listed(path)

    (tmp_path / "sweep").mkdir()
    monkeypatch.setattr("os.listdir", late)
    assert SweepDirectory.create(tmp_path / "sweep", plan).points


MOMENTS = {
    "when the plan is there": lambda out: (out / "sweep.json").exists(),
    "in a point": lambda out: list(out.glob("unfinished/*.started")),
    "after the first point": lambda out: list(out.glob("points/*")),
}


@pytest.mark.parametrize("moment", MOMENTS)
def test_ctrl_c_is_one_sentence_and_resume_goes_on(moment, tmp_path):
    out = tmp_path / "sweep"
    process = start(words(out, workers=2 if moment == "in a point" else 1))
    wait_for(lambda: MOMENTS[moment](out), process)
    # as a terminal does: to all processes at once
    os.killpg(process.pid, signal.SIGINT)
    output, _ = process.communicate(timeout=120)
    assert process.returncode == 130, output
    assert "Traceback" not in output and "interrupted; go on with" in output, output
    process = start(["sweep", "resume", str(out), "--workers", "1"])
    output, _ = process.communicate(timeout=300)
    assert process.returncode == 0 and len(SweepDirectory.open(out).table()) == 4, output
