"""Trainings whose networks run in one simulation: each ends as it would alone, whatever happens to the others."""

import shutil
import threading
import time
from types import SimpleNamespace

import numpy as np
import pytest
from conftest import DIGITS, assert_same_run, back_to

from brianprop.analysis.runs import Run
from brianprop.experiments.cli.main import main
from brianprop.experiments.training import lockstep
from brianprop.experiments.training.commands import evaluate, train
from brianprop.experiments.training.lockstep import train_in_lockstep
from brianprop.experiments.training.nbp import TrainNBP
from brianprop.experiments.training.replicas import train_replicas
from brianprop.models.errors import ParameterError, RunError
from brianprop.models.model import Result

OPTIONS = {"hidden": DIGITS["hidden"], "samples": 200, "epochs": 2}
SEEDS = (4, 5, 6)
COMMAND = ["train", "nbp", "--hidden", str(*DIGITS["hidden"]), "--samples", "200", "--epochs", "2"]


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    """Runs of one network each, by seed."""
    folder = tmp_path_factory.mktemp("alone")
    return {seed: train(TrainNBP(folder / f"seed{seed}", seed=seed, **OPTIONS), lambda line: None) for seed in SEEDS}


def replicas(out, *options):
    return main([*COMMAND, "--seed", str(SEEDS[0]), "--replicas", "3", *options, "--out", str(out)])


def test_replicas_end_as_they_would_alone(tmp_path, alone, capsys):
    assert replicas(tmp_path / "runs") == 0
    said = capsys.readouterr().out
    assert "seed 5: epoch 2/2" in said and f"brianprop figures {tmp_path / 'runs'}/seed*" in said
    for seed, expected in alone.items():
        assert_same_run(Run.open(tmp_path / "runs" / f"seed{seed}"), expected)
    # interrupted: one finished, one after its first epoch, one not begun
    moved = (tmp_path / "runs" / "seed5").rename(tmp_path / "moved")
    back_to(Run.open(moved), tmp_path / "runs" / "seed5", 1)
    shutil.rmtree(tmp_path / "runs" / "seed6")
    assert main(["resume", str(tmp_path / "runs")]) == 0
    for seed, expected in alone.items():
        assert_same_run(Run.open(tmp_path / "runs" / f"seed{seed}"), expected)
    # nothing is written over
    assert replicas(tmp_path / "runs") == 2
    assert "brianprop resume" in capsys.readouterr().err
    assert main(["resume", str(tmp_path / "runs"), "--epochs", "3"]) == 2


def test_one_that_fails_does_not_keep_the_others(tmp_path, alone):
    settings = TrainNBP(tmp_path / "runs", seed=SEEDS[0], replicas=3, **OPTIONS)

    def broken(path, *options, **more):
        if path.name == "seed5":
            raise RunError("this one fails")
        return original(path, *options, **more)

    original = Run.create
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Run, "create", staticmethod(broken))
        with pytest.raises(RunError, match="this one fails"):
            train_replicas(settings, lambda line: None)
    for seed in (4, 6):
        assert_same_run(Run.open(tmp_path / "runs" / f"seed{seed}"), alone[seed])


def test_a_simulation_that_fails_fails_all_that_wait_for_it(monkeypatch):
    class Broken:
        def __init__(self, *arguments, **options):
            raise ParameterError("cannot be built")

    monkeypatch.setattr(lockstep, "Replicas", Broken)
    outcomes = train_in_lockstep(
        [lambda member: member.simulator(None), lambda member: member.simulator(None), lambda member: "done"]
    )
    assert [type(outcome) for outcome in outcomes] == [ParameterError, ParameterError, str]
    assert threading.active_count() < 20


def test_order_is_that_of_the_trainings_not_of_their_coming(monkeypatch):
    # it decides which random numbers are whose: a command with a seed would give something else every time
    built = []

    class Recorded:
        def __init__(self, models, *per_network):
            built.append(list(models))

    class Ready:
        def run(self, weights, *arguments, noise_seed, **options):
            built.append([weights, noise_seed])
            return [Result(recorded=one, seconds=1.0) for one in weights]

        def close(self):
            pass

    monkeypatch.setattr(lockstep, "Replicas", Recorded)
    monkeypatch.setattr(lockstep, "simulator", lambda model, **options: Ready())
    monkeypatch.setattr(lockstep, "ReplicaStimuli", lambda stimuli: SimpleNamespace(close=lambda: None))

    def job(number):
        def work(member):
            time.sleep(0.05 * ((3 - number) % 3))
            ready = member.simulator(number)
            time.sleep(0.05 * ((4 - number) % 3))
            return ready.run(number, number, np.zeros(3), noise_seed=number).recorded

        return work

    for _ in range(2):
        assert train_in_lockstep([job(number) for number in range(3)]) == [0, 1, 2]
    assert built[:2] == built[2:] and built[0] == built[1][0] == [0, 1, 2]


def test_evaluation_by_copies_of_the_network_is_that_by_one(alone):
    run = alone[4].path
    expected, found = evaluate(run), evaluate(run, replicas=3)
    assert {name: value for name, value in found.items() if name != "seconds"} == {
        name: value for name, value in expected.items() if name != "seconds"
    }


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--replicas", "0"], "replicas = 0 must be at least 1"),
        (["--replicas", "2", "--processes", "3"], "processes = 3 exceeds replicas = 2"),
        (["--replicas", "2", "--device", "numpy"], "needs --device cpp_standalone or cuda"),
    ],
)
def test_bad_options_are_refused(tmp_path, options, words, capsys):
    assert main([*COMMAND, *options, "--out", str(tmp_path / "run")]) == 2
    assert words in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_what_is_shared_is_made_once():
    made = []

    def job(member):
        return member.shared(("data",), lambda: made.append(1) or np.zeros(3))

    first, second = train_in_lockstep([job, job])
    assert first is second and len(made) == 1
