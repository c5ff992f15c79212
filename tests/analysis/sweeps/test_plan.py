"""A sweep directory from somebody else, or a damaged one: nothing outside is touched, and one sentence says what is wrong."""

import copy
import json
import os
import shutil

import pytest

from brianprop.analysis.sweeps import SweepDirectory
from brianprop.experiments.cli.main import main
from brianprop.experiments.sweeps import run as sweeps
from brianprop.experiments.sweeps.plan import plan_of
from brianprop.experiments.sweeps.reading import read_sweep
from brianprop.experiments.sweeps.tasks import tasks_of
from brianprop.experiments.sweeps.worker import Outcome, run_point
from brianprop.models.errors import RunError

SMALL = {"dataset": "digits", "hidden": 5, "epochs": 1, "samples": 60, "test_samples": 20, "validation": 20}
COMMANDS = ("status", "table", "figures", "resume")


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A finished sweep of two points and two seeds."""
    described = read_sweep("ann", base=SMALL, axes={"rate_out": [0.1, 0.2]}, seeds=2)
    directory = SweepDirectory.create(tmp_path_factory.mktemp("sweep") / "sweep", plan_of(described))
    for task in tasks_of(directory, None):
        assert run_point(task) == Outcome()
    return directory


@pytest.fixture
def copied(finished, tmp_path):
    shutil.copytree(finished.path, tmp_path / "sweep")
    return SweepDirectory.open(tmp_path / "sweep")


@pytest.fixture(autouse=True)
def nothing_runs(monkeypatch):
    """A sweep that gets as far as its workers has not been refused."""

    def connected(*_):
        raise AssertionError("a worker was asked for")

    monkeypatch.setattr(sweeps, "connected", connected)


def assert_refused(path, words, capsys, commands=COMMANDS):
    for command in commands:
        assert main(["sweep", command, str(path)]) == 2, command
        error = capsys.readouterr().err
        assert error.startswith("brianprop: ") and error.count("\n") == 1 and len(error) < 700, error
        assert words in error, error


# plans


def first(plan):
    return plan["points"][0]


def deep(depth=400):
    value = 1
    for _ in range(depth):
        value = [value]
    return value


DAMAGE = {
    "a key that leads out": (lambda plan: first(plan).update(key="../../victim"), "points[0].key is '../../victim'"),
    "a key that is a path": (lambda plan: first(plan).update(key="/tmp/victim"), "points[0].key is '/tmp/victim'"),
    "a key in capitals": (lambda plan: first(plan).update(key="A" * 16), "must be 16 hexadecimal digits"),
    "a key with a line end": (lambda plan: first(plan).update(key="0" * 16 + "\n"), "must be 16 hexadecimal digits"),
    "no key": (lambda plan: first(plan).pop("key"), "points[0].key is None"),
    "a number that leads out": (lambda plan: plan.update(id="../../victim"), "id is '../../victim'"),
    "another system": (lambda plan: plan.update(system="gpt"), "system is 'gpt', but must be one of nbp, ssnn-bp, ann"),
    "a system of a strange type": (lambda plan: plan.update(system=["ann"]), "system is ['ann']"),
    "no points": (lambda plan: plan.update(points=[]), "points is []"),
    "points of a strange type": (lambda plan: plan.update(points=3), "points is 3"),
    "a point of a strange type": (lambda plan: plan["points"].append(None), "points[4] is None"),
    "a point twice": (lambda plan: plan["points"].append(first(plan)), "in the plan once for each seed"),
    "a seed twice": (lambda plan: plan["points"].append(first(plan) | {"key": "0" * 16}), "in the plan once for each seed"),
    "a key twice": (lambda plan: plan["points"][1].update(key=first(plan)["key"]), "that of no point with other settings"),
    "an axis that is missing": (lambda plan: first(plan)["axes"].clear(), "points[0].axes is []"),
    "a value that is an object": (lambda plan: first(plan)["axes"].update(rate_out={}), "points[0].axes.rate_out is {}"),
    "a value that is deep": (lambda plan: first(plan)["settings"].update(hidden=deep()), "points[0].settings.hidden is [["),
    "a command to the terminal": (lambda plan: first(plan)["axes"].update(rate_out="\x1b[2J"), "points[0].axes.rate_out is"),
    "a seed of a strange type": (lambda plan: first(plan)["settings"].update(seed="0"), "points[0]: seed is '0'"),
    "no objective": (lambda plan: plan.pop("objective"), "objective is None"),
    "another metric": (lambda plan: plan["objective"].update(metric="luck"), "objective.metric is 'luck'"),
    "no sweep": (lambda plan: plan.update(sweep=[]), "sweep is []"),
    "a queue of a strange type": (lambda plan: plan["sweep"].update(cluster=[1]), "sweep.cluster is [1]"),
    "no data": (lambda plan: plan.update(data={}), "points[0].data is"),
    "too much data": (lambda plan: next(iter(plan["data"].values())).update(n_in=10**15), "n_in is 1000000000000000"),
    "another format": (lambda plan: plan.update(format=99), "has format 99, but this version reads format 1"),
    "a format of a strange type": (lambda plan: plan.update(format=deep()), "has format [["),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_plan_is_one_sentence(damage, copied, tmp_path, capsys):
    change, words = DAMAGE[damage]
    plan = copy.deepcopy(copied.plan)
    change(plan)
    (copied.path / "sweep.json").write_text(json.dumps(plan))
    victim = tmp_path / "victim"
    victim.mkdir()
    (victim / "thesis").write_text("all of it")
    before = sorted(str(path) for path in tmp_path.rglob("*"))
    assert_refused(copied.path, words, capsys)
    assert sorted(str(path) for path in tmp_path.rglob("*")) == before and (victim / "thesis").read_text() == "all of it"
    with pytest.raises(RunError):  # neither is it a sweep to be extended
        SweepDirectory.create(copied.path, finished_plan(copied))


def finished_plan(directory):
    return {name: value for name, value in directory.plan.items() if name not in ("format", "id")}


TEXTS = {
    "null": ("null", "it holds None, not an object"),
    "a list": ("[]", "it holds [], not an object"),
    "nothing": ("", "is damaged"),
    "a part": ('{"format": 1, ', "is damaged"),
    "deep nesting": ("[" * 200000, "nested too deeply"),
    "a number too long": ('{"format": ' + "1" * 5000 + "}", "is damaged"),
    "no UTF-8": (b"\xff\xfe", "is damaged"),
    "infinite": ('{"format": 1e999}', "has format inf"),
}


@pytest.mark.parametrize("name", TEXTS)
def test_a_plan_that_is_no_json_is_one_sentence(name, copied, capsys):
    text, words = TEXTS[name]
    (copied.path / "sweep.json").write_bytes(text if isinstance(text, bytes) else text.encode())
    assert_refused(copied.path, words, capsys)


def test_a_point_that_no_system_takes_is_one_sentence(copied, capsys):
    first(copied.plan)["settings"]["epochs"] = "many"
    (copied.path / "sweep.json").write_text(json.dumps(copied.plan))
    assert_refused(copied.path, "holds a point that cannot be run", capsys, ["resume"])


# links


@pytest.mark.parametrize("name", ["sweep.json", "points", "points/KEY", "failures", "failures/KEY.json", "unfinished"])
def test_links_out_of_the_directory_are_refused(name, copied, tmp_path, capsys):
    key = copied.keys[0]
    if not name.startswith(("points", "sweep")):
        shutil.rmtree(copied.finished(key))
    victim, link = tmp_path / "victim", copied.path / name.replace("KEY", key)
    link.parent.mkdir(exist_ok=True)
    if link.exists():
        shutil.move(link, victim)
    else:
        victim.mkdir()
    link.symlink_to(victim)
    if name == "unfinished":
        (victim / f"{key}.started").touch()
    before = sorted(path.name for path in tmp_path.rglob("*"))
    assert_refused(copied.path, "is a symbolic link, which may lead out of the sweep directory", capsys, ["status", "resume"])
    assert sorted(path.name for path in tmp_path.rglob("*")) == before


def test_a_lock_that_is_a_link_empties_no_file(copied, tmp_path):
    victim = tmp_path / "thesis"
    victim.write_text("all of it")
    (copied.path / "locks" / f"{copied.keys[0]}.lock").unlink()
    (copied.path / "locks" / f"{copied.keys[0]}.lock").symlink_to(victim)
    with pytest.raises(RunError, match="is a symbolic link"), copied.lock(copied.keys[0]):
        pass
    assert victim.read_text() == "all of it"


def test_figures_are_not_drawn_through_a_link(copied, tmp_path, capsys):
    (tmp_path / "victim").mkdir()
    (copied.path / "figures").symlink_to(tmp_path / "victim")
    assert_refused(copied.path, "is a symbolic link", capsys, ["figures"])
    assert not list((tmp_path / "victim").iterdir())


@pytest.mark.parametrize("name", ["metrics.csv", "checkpoints", "lock", "."])
def test_a_run_with_links_is_begun_anew_and_leaves_their_ends_alone(name, copied, tmp_path):
    task = tasks_of(copied, True)[0]
    run = copied.unfinished(task.key)
    run.parent.mkdir(exist_ok=True)
    shutil.move(copied.finished(task.key), run)
    victim = tmp_path / "victim"
    if name == ".":
        shutil.move(run, victim)
        run.symlink_to(victim)
        assert "is a symbolic link" in run_point(task).failure["reason"]
        assert (victim / "metrics.csv").is_file()
        return
    shutil.move(run / name, victim)
    (run / name).symlink_to(victim)
    before = sorted(victim.iterdir()) if victim.is_dir() else victim.read_bytes()
    assert run_point(task) == Outcome()
    assert (sorted(victim.iterdir()) if victim.is_dir() else victim.read_bytes()) == before
    assert copied.damage(task.key) is None


def test_a_run_of_other_settings_is_not_gone_on_with(copied):
    task, other = tasks_of(copied, True)[:2]
    copied.unfinished("x").parent.mkdir(exist_ok=True)
    shutil.rmtree(copied.finished(task.key))
    shutil.copytree(copied.finished(other.key), copied.unfinished(task.key), ignore=shutil.ignore_patterns("weights.npz"))
    assert run_point(task) == Outcome()
    assert copied.damage(task.key) is None


# manifests of points

MANIFESTS = {
    "null": (lambda manifest: None, "it holds None, not an object"),
    "no digests": (lambda manifest: manifest | {"sha256": []}, "sha256 must be an object of digests"),
    "digests of a strange type": (lambda manifest: manifest | {"sha256": {"config.json": 1}}, "sha256 must be an object"),
    "few files": (lambda manifest: manifest | {"sha256": {}}, "it does not name config.json"),
    "a name that leads out": (lambda manifest: named(manifest, "../../../victim"), "leads out of the run"),
    "a name that is a path": (lambda manifest: named(manifest, "/dev/zero"), "leads out of the run"),
    "another key": (lambda manifest: manifest | {"key": [1]}, "is that of [1]"),
    "a file that is missing": (lambda manifest: named(manifest, "nothing"), "nothing cannot be read"),
    "a folder": (lambda manifest: named(manifest, "checkpoints"), "checkpoints is no regular file"),
}


def named(manifest, name):
    return manifest | {"sha256": manifest["sha256"] | {name: "0" * 64}}


@pytest.mark.parametrize("name", MANIFESTS)
def test_a_strange_manifest_is_damage(name, copied, capsys):
    change, words = MANIFESTS[name]
    place = copied.finished(copied.keys[0]) / "point.json"
    place.write_text(json.dumps(change(json.loads(place.read_text()))))
    assert words in copied.damage(copied.keys[0])
    assert_refused(copied.path, words, capsys, ["table", "figures"])
    assert main(["sweep", "status", str(copied.path)]) == 0
    assert words in capsys.readouterr().out


@pytest.mark.parametrize("kind", ["link", "pipe"])
def test_only_regular_files_are_read(kind, copied, tmp_path):
    place = copied.finished(copied.keys[0]) / "weights.npz"
    shutil.move(place, tmp_path / "weights.npz")
    place.symlink_to(tmp_path / "weights.npz") if kind == "link" else os.mkfifo(place)
    assert "weights.npz is " in copied.damage(copied.keys[0])


def test_a_run_of_another_point_is_damage_and_a_copy_counts_once(copied, capsys):
    one, other = copied.keys[:2]
    shutil.rmtree(copied.finished(one))
    shutil.copytree(copied.finished(other), copied.finished(one))
    place = copied.finished(one) / "point.json"
    place.write_text(json.dumps(json.loads(place.read_text()) | {"key": one}))
    assert_refused(copied.path, "are copies of one run", capsys, ["table", "figures"])
    # another seed is seen by itself
    one, other = copied.keys[1], copied.keys[3]
    shutil.rmtree(copied.finished(one))
    shutil.copytree(copied.finished(other), copied.finished(one))
    place = copied.finished(one) / "point.json"
    place.write_text(json.dumps(json.loads(place.read_text()) | {"key": one}))
    assert copied.damage(one) == "its config.json has seed = 1, not 0"


def test_what_a_failure_says_is_no_command_to_the_terminal(copied, capsys):
    key = copied.keys[0]
    shutil.rmtree(copied.finished(key))
    copied.record_failure(key, {"reason": "first\nsecond \x1b[2J"})
    assert copied.failure(key) == "first\nsecond ?[2J"
    for text in ("null", "[" * 100000, "{}"):
        (copied.path / "failures" / f"{key}.json").write_text(text)
        assert main(["sweep", "status", str(copied.path)]) == 0
        assert "failed       rate_out = 0.1, seed = 0: " in capsys.readouterr().out
