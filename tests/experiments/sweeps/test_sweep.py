"""Sweeps from their first run to their table, through kills, full disks, damage and compilers that fail."""

import contextlib
import dataclasses
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas
import pytest
from conftest import DIGITS, assert_same_run
from dask_processes import environment, scheduler, wait_for
from distributed import LocalCluster

from brianprop.analysis.runs import Run
from brianprop.analysis.sweeps import SweepDirectory
from brianprop.experiments.cli.main import main
from brianprop.experiments.sweeps import distribute, worker
from brianprop.experiments.sweeps import tasks as tasks_module
from brianprop.experiments.sweeps.distribute import outcomes_of, sources_of
from brianprop.experiments.sweeps.plan import plan_of
from brianprop.experiments.sweeps.progress import Progress
from brianprop.experiments.sweeps.queues import job_cluster
from brianprop.experiments.sweeps.reading import read_sweep
from brianprop.experiments.sweeps.run import set_damaged_aside
from brianprop.experiments.sweeps.tasks import Batch, batches_of, tasks_of
from brianprop.experiments.sweeps.worker import Outcome, build, run_point
from brianprop.experiments.training.commands import resume, train
from brianprop.experiments.training.systems import options_of
from brianprop.experiments.training.values import settings_of
from brianprop.models.cache import private_folder
from brianprop.models.errors import ParameterError, RunError
from brianprop.models.simulation.compiler import compiler

SMALL = {"dataset": "digits", "hidden": DIGITS["hidden"][0], "epochs": 2, "samples": 60, "test_samples": 60, "validation": 40}
AXES = {"eta_plus": [2, 4], "theta": [900, 1024.0]}


def words(base=SMALL, axes=AXES, seeds=1):
    """Words of the command line."""
    return [
        *("sweep", "nbp", "--set", *(f"{name}={value}" for name, value in base.items())),
        *(word for name, values in axes.items() for word in ("--axis", f"{name}={','.join(map(str, values))}")),
        *("--seeds", str(seeds)),
    ]


def planned(path, base=SMALL, axes=AXES, seeds=1, **changes):
    """A sweep directory of which nothing has run, and its tasks."""
    directory = SweepDirectory.create(path, plan_of(read_sweep("nbp", base=base, axes=axes, seeds=seeds)))
    tasks = tasks_of(directory, None)
    return directory, [dataclasses.replace(task, **changes) for task in tasks]


def finished_here(directory, tasks):
    """Run tasks in this process."""
    for task in tasks:
        assert run_point(task) == Outcome()
    return directory


def comparable(table):
    """A table without what differs from run to run."""
    return table.drop(columns=["seconds"])


def assert_same_table(one, other):
    pandas.testing.assert_frame_equal(comparable(one), comparable(other))


@pytest.fixture(scope="module")
def swept(tmp_path_factory):
    """A finished sweep of four points, run by the command on two workers of this machine."""
    path = tmp_path_factory.mktemp("sweep") / "swept"
    assert main([*words(), "--out", str(path), "--workers", "2"]) == 0
    return SweepDirectory.open(path)


# results


def test_each_point_is_the_run_that_train_gives(swept, tmp_path):
    assert len(swept.runs()) == 4 and not any((swept.path / "unfinished").iterdir())
    for number, entry in enumerate(swept.plan["points"]):
        settings = dataclasses.replace(settings_of(options_of("nbp"), entry["settings"]), out=tmp_path / str(number))
        # by its own binary: single precision where theta allows it
        assert_same_run(train(settings, lambda line: None), swept.runs()[entry["key"]])


def test_the_table_has_every_parameter_and_every_metric(swept):
    table = pandas.read_csv(swept.path / "table.csv", float_precision="round_trip")
    assert list(table.theta) == [900, 1024, 900, 1024] and list(table.eta_plus) == [2, 2, 4, 4]
    settings = tasks_of(swept, None)[0].settings
    expected = {field.name for field in dataclasses.fields(settings)} | {
        field.name for field in dataclasses.fields(settings.rules)
    }
    assert expected - {"out", "rules", "data_dir", "replicas", "processes"} <= set(table.columns)
    for key, run in swept.runs().items():
        row = table[table.point == key].iloc[0]
        metrics = {(found["epoch"], found["split"]): found for found in run.metrics()}
        assert row["test_accuracy_spikes"] == metrics[2, "test"]["accuracy_spikes"]
        assert row["train_loss"] == metrics[2, "train"]["loss"]
        assert row["objective"] == metrics[2, "validation"]["accuracy_membrane"]
        assert metrics[row["best_epoch"], "validation"]["accuracy_membrane"] == max(
            found["accuracy_membrane"] for (_, split), found in metrics.items() if split == "validation"
        )
        assert row["seconds"] == pytest.approx(sum(found["seconds"] for found in run.metrics()))
        assert pandas.isna(row["commit"]) if run.environment["commit"] is None else row["commit"] == run.environment["commit"]
        # what lies between the first and the last state is not kept
        assert run.checkpoints == [0, 2] and run.finished


def test_parquet_and_named_axes(swept):
    pytest.importorskip("pyarrow")
    pytest.importorskip("xarray")
    assert_same_table(pandas.read_parquet(swept.path / "table.parquet"), swept.table())
    dataset = swept.dataset()
    assert dict(dataset.sizes) == {"eta_plus": 2, "theta": 2, "seed": 1}
    row = swept.table().iloc[1]
    assert float(dataset.test_loss.sel(eta_plus=row.eta_plus, theta=row.theta, seed=0)) == row.test_loss
    assert dataset.attrs["metric"] == "accuracy_membrane"


def test_named_axes_of_samples(tmp_path):
    pytest.importorskip("xarray")
    path = tmp_path / "sweep"
    described = read_sweep(
        "ann",
        base=SMALL | {"hidden": 7},
        axes={"rate_hidden": {"from": 0.01, "to": 0.1, "scale": "log"}, "biases": [False, True]},
        sample={"n": 2},
    )
    directory = SweepDirectory.create(path, plan_of(described))
    finished_here(directory, tasks_of(directory, None))
    dataset = directory.dataset()
    assert dict(dataset.sizes) == {"biases": 2, "sample": 2, "seed": 1}
    assert dataset.rate_hidden.dims == ("sample",) and not dataset.test_accuracy.isnull().any()
    drawn = [point.axes["rate_hidden"] for point in directory.points[:2]]
    np.testing.assert_array_equal(dataset.rate_hidden, drawn)


# one binary


def test_a_hundred_points_need_one_binary_of_each_circuit(tmp_path):
    axes = {"eta_plus": [2, 4], "theta": [900, 950, 1000, 1024, 1100], "weight_noise": [0, 4, 8, 16, 32]}
    _, tasks = planned(tmp_path / "sweep", axes=axes, seeds=2)
    assert len(tasks) == 100 and len(set(tasks_module._codes_of(tasks).values())) == 1
    for task in tasks[::9]:
        assert [model.structure() for model in task.models()] == [model.structure() for model in tasks[0].models()]
    # the same holds for a sweep of SSNN-BP over what is set at run time
    axes = {"steps": [2, 4], "theta": [1, 2], "rate_out": [0.1, 0.2], "gain": [1, 2], "w_max": [1, 2]}
    described = read_sweep("ssnn-bp", base=SMALL, axes=axes)
    directory = SweepDirectory.create(tmp_path / "ssnn", plan_of(described))
    tasks = tasks_of(directory, None)
    assert len(tasks) == 32 and len(set(tasks_module._codes_of(tasks).values())) == 1


@pytest.mark.slow
def test_a_hundred_points_compile_once(tmp_path, monkeypatch):
    monkeypatch.setenv("BRIANPROP_CACHE", str(tmp_path / "cache"))
    axes = {"eta_plus": [2, 4], "theta": [900, 950, 1000, 1024, 1100], "weight_noise": [0, 4, 8, 16, 32]}
    out = tmp_path / "sweep"
    assert main([*words(SMALL | {"epochs": 1}, axes, 2), "--out", str(out), "--workers", "2"]) == 0
    assert len(SweepDirectory.open(out).table()) == 100
    built = [path.parent for path in (tmp_path / "cache" / "builds").glob("*/manifest.json")]
    # the circuit that answers, and the one that learns
    assert sorted("learn" in (folder / "main.cpp").read_text() for folder in built) == [False, True]


# idempotent


def times(directory):
    return {path: path.stat().st_mtime_ns for path in (directory.path / "points").rglob("*")}


def test_what_is_finished_is_never_run_again(swept, capsys):
    before = times(swept)
    for command in (["sweep", "resume", str(swept.path)], [*words(), "--out", str(swept.path)]):
        assert main(command) == 0
        assert "4 runs, 4 of them finished" in capsys.readouterr().out
    assert times(swept) == before


def test_a_sweep_can_be_extended_and_not_replaced(swept, tmp_path, capsys):
    path = tmp_path / "swept"
    shutil.copytree(swept.path, path)
    assert main([*words(axes=AXES | {"theta": [900]}), "--out", str(path)]) == 2
    message = capsys.readouterr().err
    assert "holds another sweep: its point eta_plus = 2, theta = 1024, seed = 0 has theta = 1024, here 900; choose" in message
    larger, tasks = planned(path, axes=AXES | {"theta": [900, 1000, 1024]})
    assert len(larger.status().finished) == 4 and len(larger.status().waiting) == 2
    before = {entry: time for entry, time in times(larger).items()}
    finished_here(larger, tasks)
    assert before.items() <= times(larger).items() | {(path / "points", 0)} | before.items()
    assert len(larger.table()) == 6


def test_equal_points_share_a_run(tmp_path):
    directory, tasks = planned(tmp_path / "a", axes={"same": {"values": [1, 2], "set": {"theta": [1000, 1000]}}})
    assert len(directory.points) == 2 and len(tasks) == 1
    finished_here(directory, tasks)
    assert list(directory.table()["same"]) == [1, 2] and directory.table().point.nunique() == 1


def test_an_axis_may_hold_an_infinite_value_and_lists(tmp_path):
    axes = {"w_max": [2.0, "inf"], "sizes": {"values": [[20], [20, 10]], "set": {"hidden": [20, [20, 10]]}}}
    described = read_sweep("ssnn-bp", base=SMALL, axes=axes)
    directory = SweepDirectory.create(tmp_path / "sweep", plan_of(described))
    assert directory.axes == ("w_max", "sizes")
    assert directory.points[0].words == "w_max = 2, sizes = 20, seed = 0"
    assert directory.points[3].words == "w_max = inf, sizes = 20-10, seed = 0"
    # as it is read back, and as the runs take it
    again = SweepDirectory.open(directory.path)
    assert [point.axes["w_max"] for point in again.points] == [2.0, 2.0, "inf", "inf"]
    assert [task.parameters.w_max for task in tasks_of(again, None)] == [2.0, 2.0, np.inf, np.inf]


def test_where_data_lie_does_not_matter_but_what_they_are_does(tmp_path):
    _, (task, *_) = planned(tmp_path / "a")
    _, (moved, *_) = planned(tmp_path / "b", SMALL | {"data_dir": os.path.relpath(tmp_path)})
    assert moved.settings.data_dir == tmp_path  # workers may have been started elsewhere
    _, (other, *_) = planned(tmp_path / "c", SMALL | {"samples": 61})
    assert task.key == moved.key != other.key
    outcome = run_point(dataclasses.replace(task, data="0" * 64))
    assert "differs from that of the sweep" in outcome.failure["reason"]


# kills, damage, full disks, compilers


def test_a_point_that_was_killed_goes_on_from_its_last_epoch(swept, tmp_path):
    directory, tasks = planned(tmp_path / "sweep")
    task, run = tasks[0], Run.open(swept.finished(tasks[0].key))
    # as a kill in the second epoch leaves it
    unfinished = directory.unfinished(task.key)
    shutil.copytree(
        run.path, unfinished, ignore=shutil.ignore_patterns("point.json", "weights.npz", "epoch_0002.npz", "images.npz")
    )
    Run.open(unfinished).truncate_metrics(1)
    directory.started(task.key).touch()
    assert directory.status().interrupted == (task.key,)
    learned = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(worker, "resume", lambda *args, **options: learned.append(args) or resume(*args, **options))
        outcome = run_point(task)
    assert outcome == Outcome(continued=True) and len(learned) == 1
    assert_same_run(Run.open(directory.finished(task.key)), run)
    # what is too damaged to go on with is begun again
    task, run = tasks[1], Run.open(swept.finished(tasks[1].key))
    unfinished = directory.unfinished(task.key)
    shutil.copytree(run.path, unfinished)
    (unfinished / "config.json").write_text("{")
    assert run_point(task).failure is None
    assert_same_run(Run.open(directory.finished(task.key)), run)


DAMAGE = {
    "a weight": lambda run: (run / "weights.npz").write_bytes((run / "weights.npz").read_bytes()[:-7] + b"1234567"),
    "no metrics": lambda run: (run / "metrics.csv").unlink(),
    "no manifest": lambda run: (run / "point.json").unlink(),
    "a broken manifest": lambda run: (run / "point.json").write_text("{"),
}


def test_a_damaged_point_is_named_set_aside_and_run_again(swept, tmp_path, capsys):
    path = tmp_path / "swept"
    shutil.copytree(swept.path, path)
    directory = SweepDirectory.open(path)
    for key, damage in zip(directory.keys, DAMAGE.values(), strict=True):
        damage(directory.finished(key))
    (directory.finished(directory.keys[0]) / "figures").mkdir()
    assert main(["sweep", "status", str(path)]) == 0
    assert capsys.readouterr().out.count("damaged      eta_plus") == 4
    assert main(["sweep", "table", str(path)]) == 2
    assert "is damaged, since weights.npz has changed; 'brianprop sweep resume" in capsys.readouterr().err
    lines = []
    set_damaged_aside(directory, lines.append)
    for key, what in zip(
        directory.keys, ("weights.npz has changed", "metrics.csv cannot be read", "point.json", "point.json"), strict=True
    ):
        assert any(directory.words(key) in line and what in line and str(path / "damaged") in line for line in lines)
    assert len(directory.status().waiting) == 4 and len(list((path / "damaged").iterdir())) == 4
    finished_here(directory, tasks_of(directory, None))
    assert_same_table(directory.table(), swept.table())
    # what was added to a finished run is no damage
    (directory.finished(directory.keys[0]) / "figures").mkdir()
    assert directory.damage(directory.keys[0]) is None


@contextlib.contextmanager
def tiny_disk(path, size):
    """A file system that is soon full."""
    path.mkdir()
    if (
        os.geteuid()
        or subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", path], capture_output=True).returncode
    ):
        pytest.skip("a small file system can only be mounted by root")
    try:
        yield path
    finally:
        subprocess.run(["umount", path], check=True)


def test_a_full_disk_fails_points_and_keeps_what_is_finished(swept, tmp_path, capsys):
    with tiny_disk(tmp_path / "disk", "400k") as disk:
        directory, tasks = planned(disk / "sweep")
        assert run_point(tasks[0]).failure is None
        filler = disk / "filler"
        with contextlib.suppress(OSError), filler.open("wb", buffering=0) as file:
            while file.write(bytes(1024)):
                pass
        report = Progress(directory, 3, 1, print)
        for task in tasks[1:]:
            outcome = run_point(task)
            assert "free some space" in outcome.failure["reason"] and str(disk) in outcome.failure["reason"]
            report.take(task, outcome)
        printed = capsys.readouterr().out
        assert report.failed == 3 and all(f"{task.words}: failed. Cannot write" in printed for task in tasks[1:])
        assert directory.status().finished == (tasks[0].key,) and directory.damage(tasks[0].key) is None
        filler.unlink()
        subprocess.run(["mount", "-o", "remount,size=10m", disk], check=True)
        finished_here(directory, tasks)
        assert_same_table(directory.table(), swept.table())


def test_a_compiler_that_fails_fails_its_points_by_name(tmp_path, monkeypatch, capsys):
    # through the whole program: the workers of the cluster inherit the compiler
    broken = tmp_path / "g++"
    # it says its version and its macros, and compiles nothing
    broken.write_text(
        '#!/bin/sh\ncase "$*" in *--version*) echo broken 1.0;; *-dM*) ;; *) echo "error: it is broken" >&2; exit 1;; esac\n'
    )
    broken.chmod(0o755)
    cache = tmp_path / "cache"
    monkeypatch.setenv("CXX", str(broken))
    compiler.cache_clear()
    try:
        _, tasks = planned(tmp_path / "plan")
        sources_of(
            batches_of(tasks[:1], 1, lambda key: True), False, print
        )  # into the common cache, from which Brian2 need not write them again
        shutil.copytree(private_folder("sources"), cache / "sources")
        monkeypatch.setenv("BRIANPROP_CACHE", str(cache))
        assert main([*words(), "--out", str(tmp_path / "sweep"), "--workers", "1"]) == 2
    finally:
        monkeypatch.undo()
        compiler.cache_clear()
    captured = capsys.readouterr()
    assert captured.out.count("failed. The generated code does not compile") == 4 and "it is broken" in captured.out
    assert "4 of 4 runs are not finished (4 failed, see above)" in captured.err
    directory = SweepDirectory.open(tmp_path / "sweep")
    assert list(directory.status().failed) == list(directory.keys)
    assert main(["sweep", "status", str(directory.path)]) == 0
    assert "failed       eta_plus = 2, theta = 900, seed = 0: The generated code" in capsys.readouterr().out
    assert main(["sweep", "resume", str(directory.path), "--workers", "2"]) == 0
    assert not directory.status().failed and len(directory.table()) == 4


def test_another_sweep_on_the_same_directory_waits_for_a_point_and_takes_it(swept, tmp_path):
    directory, (task, *_) = planned(tmp_path / "sweep")
    with directory.lock(task.key), directory.attempt(task.key):
        assert directory.status().running == (task.key,)
        script = "import pickle, sys; from brianprop.experiments.sweeps.worker import run_point\n"
        script += "print(run_point(pickle.load(sys.stdin.buffer)))"
        import pickle

        other = subprocess.Popen([sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        other.stdin.write(pickle.dumps(task))
        other.stdin.close()
        shutil.copytree(swept.finished(task.key), directory.unfinished(task.key), ignore=shutil.ignore_patterns("point.json"))
        directory.commit(task.key)
        before = times(directory)
    assert b"failure=None" in other.stdout.read() and other.wait() == 0
    assert times(directory) == before


def test_a_worker_of_another_version_is_refused(tmp_path):
    _, (task, *_) = planned(tmp_path / "sweep", program="another")
    assert "another version of brianprop" in run_point(task).failure["reason"]
    assert "another version of brianprop" in build(Batch((task,), 1, (), None))["reason"]


# killing processes


STARTED: list[subprocess.Popen] = []


@pytest.fixture(autouse=True)
def no_process_is_left():
    """Kill what a failed test leaves."""
    yield
    while STARTED:
        process = STARTED.pop()
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def start(out, *more, base=SMALL, axes=AXES, seeds=1):
    """The sweep, or what is left of it, in a process of its own."""
    command = (
        [*words(base, axes, seeds), "--out", str(out)] if not (out / "sweep.json").exists() else ["sweep", "resume", str(out)]
    )
    process = subprocess.Popen(
        [sys.executable, "-m", "brianprop", *command, *more],
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    STARTED.append(process)
    return process


def workers_of(process):
    """Process ids of the workers that a sweep has started on this machine."""
    found = []
    for folder in Path("/proc").iterdir():
        if not folder.name.isdecimal():
            continue
        with contextlib.suppress(OSError, IndexError):
            command = (folder / "cmdline").read_bytes()
            parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            if parent == process.pid and b"spawn_main" in command:
                found.append(int(folder.name))
    return found


def test_a_killed_worker_and_then_a_killed_scheduler_lose_nothing(swept, tmp_path):
    out = tmp_path / "sweep"
    process = start(out, "--workers", "1", base=SMALL | {"epochs": 2})
    started = out / "unfinished"
    # in the middle of a point
    wait_for(lambda: list(started.glob("*.started")), process)
    for pid in workers_of(process):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    # the scheduler lives in the process of the sweep
    wait_for(lambda: (out / "points").is_dir() and len(list((out / "points").iterdir())) >= 1, process)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    directory = SweepDirectory.open(out)
    done = directory.status().finished
    before = {key: (directory.finished(key) / "point.json").stat().st_mtime_ns for key in done}
    process = start(out, "--workers", "2")
    output, _ = process.communicate()
    assert process.returncode == 0, output
    assert all((directory.finished(key) / "point.json").stat().st_mtime_ns == time for key, time in before.items())
    assert_same_table(directory.table(), swept.table())


@pytest.mark.slow
def test_twenty_kills_at_random_moments_change_nothing(tmp_path):
    work = {"base": SMALL | {"epochs": 30, "samples": 1000}, "axes": {"theta": [900, 950, 1000, 1024, 1100]}, "seeds": 4}
    undisturbed, out = tmp_path / "undisturbed", tmp_path / "killed"
    begin = time.monotonic()
    process = start(undisturbed, "--workers", "2", **work)
    output, _ = process.communicate()
    assert process.returncode == 0, output
    length = time.monotonic() - begin
    rng, kills, texts = np.random.default_rng(0), {"worker": 0, "scheduler": 0}, []
    process = start(out, "--workers", "2", **work)
    while sum(kills.values()) < 24:
        # three workers in turn, and then the scheduler, whose process is that of the sweep
        victim = "worker" if sum(kills.values()) % 4 < 3 else "scheduler"
        wait_for(lambda process=process: workers_of(process) or process.poll() is not None)
        time.sleep(length * rng.uniform(0.01, 0.12))
        pids = workers_of(process)
        if process.poll() is not None or not pids:  # it has ended
            texts.append(process.communicate()[0])
            if len(list((out / "points").iterdir())) == 20:
                shutil.rmtree(out / "points")  # too early: another round
            process = start(out, "--workers", "2", **work)
            continue
        with contextlib.suppress(ProcessLookupError):
            if victim == "worker":
                os.kill(int(rng.choice(pids)), signal.SIGKILL)
            else:
                os.killpg(process.pid, signal.SIGKILL)
                texts.append(process.communicate()[0])
                process = start(out, "--workers", "2", **work)
            kills[victim] += 1
    texts.append(process.communicate()[0])
    while process.returncode:  # points whose workers were killed too often are left to the next call
        process = start(out, "--workers", "2")
        texts.append(process.communicate()[0])
    printed = "".join(texts)
    assert kills == {"worker": 18, "scheduler": 6}
    # what was lost is named
    assert "was interrupted; it goes on." in printed and "an earlier attempt was killed" in printed
    directory = SweepDirectory.open(out)
    assert all(directory.damage(key) is None for key in directory.keys)
    assert_same_table(directory.table(), SweepDirectory.open(undisturbed).table())


# schedulers


def test_two_workers_of_a_scheduler_give_the_same_table(swept, tmp_path):
    with scheduler(tmp_path, {}, {}) as (address, _):
        options = ["--scheduler", address, "--shared-files", "False"]
        assert main([*words(), "--out", str(tmp_path / "sent"), *options]) == 0
    directory = SweepDirectory.open(tmp_path / "sent")
    assert_same_table(directory.table(), swept.table())
    assert all(directory.damage(key) is None for key in directory.keys)
    for key in directory.keys:
        assert_same_run(directory.runs()[key], swept.runs()[key])


@pytest.mark.slow
def test_workers_with_nothing_in_common_build_once_each(swept, tmp_path):
    caches = [tmp_path / "one", tmp_path / "two"]
    with scheduler(tmp_path, *({"BRIANPROP_CACHE": str(cache)} for cache in caches)) as (address, _):
        assert main([*words(), "--out", str(tmp_path / "sent"), "--scheduler", address, "--shared-files", "False"]) == 0
    assert_same_table(SweepDirectory.open(tmp_path / "sent").table(), swept.table())
    for cache in caches:
        assert len(list((cache / "sources").iterdir())) == 2
        assert len(list((cache / "builds").glob("*/manifest.json"))) == 2


def test_a_scheduler_that_dies_ends_the_sweep_with_clear_words(tmp_path):
    out = tmp_path / "sweep"
    with scheduler(tmp_path, {}) as (address, processes):
        process = start(out, "--scheduler", address, base=SMALL | {"epochs": 200})
        wait_for(lambda: list((out / "unfinished").glob("*.started")), process)
        processes[0].kill()
        output, _ = process.communicate()
    assert process.returncode == 2
    assert "is gone, with" in output and f"sweep resume {out}" in output and "Traceback" not in output


def test_a_scheduler_that_does_not_answer_is_named(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("brianprop.experiments.sweeps.cluster.TIMEOUT", 0.5)
    assert main([*words(), "--out", str(tmp_path / "sweep"), "--scheduler", "tcp://127.0.0.1:9"]) == 2
    error = capsys.readouterr().err
    assert "The scheduler tcp://127.0.0.1:9 does not answer" in error and "Traceback" not in error


def test_a_machine_without_workers_ends_the_sweep_with_clear_words(tmp_path, monkeypatch, capsys):
    # as after a death that Dask does not mend
    def empty(workers, scratch):
        return LocalCluster(n_workers=0, dashboard_address="127.0.0.1:0")

    monkeypatch.setattr("brianprop.experiments.sweeps.cluster._this_machine", empty)
    monkeypatch.setattr(distribute, "DESERTED_AFTER", 0.5)
    assert main([*words(), "--out", str(tmp_path / "sweep")]) == 2
    error = capsys.readouterr().err
    assert "Every worker of this machine is gone, with 4 points not finished" in error and "sweep resume" in error


# queues


def test_the_jobs_of_a_queue():
    pytest.importorskip("dask_jobqueue")
    for options, word in (
        ({"kind": "slrm", "jobs": 2}, "'slrm' is unknown; use one of htcondor"),
        ({"kind": "slurm"}, "jobs = None must be a whole number"),
    ):
        with pytest.raises(ParameterError, match=word):
            job_cluster(options)
    with pytest.raises(RunError, match=r"The cluster processes cannot be started .*mend \[cluster\]"):
        job_cluster({"kind": "processes", "jobs": 1, "walltimme": "1:00"})


@pytest.mark.slow
def test_jobs_run_a_sweep_and_a_job_that_ends_is_replaced(swept, tmp_path):
    pytest.importorskip("dask_jobqueue")
    file, out = tmp_path / "sweep.toml", tmp_path / "sweep"
    base = "\n".join(f"{name} = {json.dumps(value)}" for name, value in SMALL.items())
    axes = "\n".join(f"{name} = {json.dumps(values)}" for name, values in AXES.items())
    cluster = f'kind = "processes"\njobs = 1\npython = {json.dumps(sys.executable)}\nlocal_directory = "{tmp_path / "dask"}"'
    file.write_text(f'system = "nbp"\n[base]\n{base}\n[axes]\n{axes}\n[cluster]\n{cluster}\n')
    command = [sys.executable, "-m", "brianprop", "sweep", str(file), "--out", str(out)]
    quiet = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True, "start_new_session": True}
    process = subprocess.Popen(command, env=environment(), **quiet)
    STARTED.append(process)
    wait_for(lambda: list((out / "unfinished").glob("*.started")), process)
    for folder in Path("/proc").iterdir():
        if folder.name.isdecimal():
            with contextlib.suppress(OSError):
                arguments = (folder / "cmdline").read_bytes()
                if b"dask_worker" in arguments and str(tmp_path).encode() in arguments:
                    os.kill(int(folder.name), signal.SIGKILL)
    output, _ = process.communicate()
    assert process.returncode == 0, output
    assert_same_table(SweepDirectory.open(out).table(), swept.table())


def test_what_a_worker_that_died_again_and_again_leaves():
    from distributed import KilledWorker

    class Worker:
        address = "tcp://10.0.0.1:1"

    class Future:
        def result(self):
            raise KilledWorker("point", Worker(), 3)

    outcomes = outcomes_of(Future(), Batch(tasks=(None, None), size=2, per_network=(), code=None))
    assert len(outcomes) == 2
    assert all("Its worker died each time, last at tcp://10.0.0.1:1" in outcome.failure["reason"] for outcome in outcomes)


# several points in one simulation


@pytest.mark.slow
def test_points_in_one_simulation_give_the_same_table(swept, tmp_path):
    # of four points three at a time: the last simulation holds one of them three times
    assert main([*words(), "--out", str(tmp_path / "sweep"), "--replicas", "3", "--workers", "1"]) == 0
    assert_same_table(SweepDirectory.open(tmp_path / "sweep").table(), swept.table())


def test_what_differs_in_its_code_or_its_data_is_simulated_apart(tmp_path):
    base = {name: value for name, value in SMALL.items() if name not in ("hidden", "samples")}
    _, tasks = planned(tmp_path, base, {"hidden": [20, 30], "theta": [1000, 1100, 1200], "samples": [50, 60]})
    batches = batches_of(tasks, 2, lambda key: key != tasks[0].key)
    assert sorted(len(batch.tasks) for batch in batches) == [1, 1, 1, 2, 2, 2, 2]
    for batch in batches:
        assert batch.size == 2
        assert len({(task.parameters.hidden, task.data) for task in batch.tasks}) == 1
    assert len({batch.code for batch in batches}) == 2  # a sample more or less is no matter of the code


# bad input


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (["nbp", "--axis", "theta"], "'theta' is not of the form NAME=A,B,C"),
        (["nbp", "--axis", "thetta=1,2"], "no option 'thetta'"),
        (["nbp", "--axis", "theta=1..2/3/4/log"], "too many parts"),
        (["nbp", "--axis", "theta=1..2"], "neither values nor n"),
        (["nbp", "--axis", "theta=1..2", "--sample", "sobol:3"], "'sobol'"),
        (["nbp", "--axis", "w_max=252,253"], "w_max = 253 must be a multiple of w_step = 2. (At the point w_max = 253.)"),
        (["nbp", "--set", "dataset=nosuch"], "nosuch"),
        (["nbp", "--set", "samples=1400", "dataset=digits"], "--samples"),
        (["nbp", "--workers", "0"], "workers = 0 must be at least 1"),
        (["nbp", "--set", "validation=0"], "The objective is of the split validation, which the data set digits has not"),
        (["nbp", "--set", "init_weights=/nonexistent.npz"], "/nonexistent.npz cannot be read"),
        (["/nonexistent.toml"], "There is no sweep /nonexistent.toml"),
        (["status", "/nonexistent"], "/nonexistent is no sweep directory"),
    ],
)
def test_bad_input_is_one_sentence_before_anything_runs(arguments, word, tmp_path, capsys):
    out = [] if arguments[0] == "status" else ["--out", str(tmp_path / "out")]
    assert main(["sweep", *arguments, *out]) == 2
    error = capsys.readouterr().err
    assert error.startswith("brianprop: ") and error.count("\n") == 1 and word in error
    assert not (tmp_path / "out" / "points").exists()


def test_a_folder_of_something_else_is_not_touched(tmp_path, capsys):
    (tmp_path / "thesis.tex").touch()
    assert main([*words(), "--out", str(tmp_path)]) == 2
    assert "is no sweep (it holds thesis.tex)" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


def test_presets_are_listed(capsys):
    assert main(["sweep", "presets"]) == 0
    assert "weight-precision" in capsys.readouterr().out
