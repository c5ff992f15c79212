"""nBP with several hidden layers, and with none, through the whole program: every command and every rule."""

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from conftest import assert_same_run, back_to, comparable_metrics

from brianprop.analysis.runs import Run
from brianprop.analysis.sweeps import SweepDirectory
from brianprop.experiments.cli.main import main
from brianprop.experiments.training.ann import TrainANN
from brianprop.experiments.training.commands import evaluate, resume, train
from brianprop.experiments.training.nbp import TrainNBP
from brianprop.experiments.training.replicas import train_replicas
from brianprop.experiments.training.ssnn_bp import TrainSSNN
from brianprop.models.errors import ParameterError
from brianprop.models.nbp import oracle
from brianprop.models.nbp.circuit import training_circuit
from brianprop.models.nbp.parameters import NBP, Rules

SMALL = {"dataset": "digits", "samples": 16, "validation": 4, "test_samples": 4, "epochs": 2, "device": "numpy", "seed": 3}

#: Layers and rules that are tried.
NETWORKS = {
    "two hidden layers": ((14, 12), {}),
    "random feedback": ((14, 12), {"feedback": "random"}),
    "three hidden layers": ((14, 12, 10), {"order": "learn-first", "error": "margin", "o_lower": -1.0, "o_upper": 2.0}),
    "no hidden layer": ((), {"theta": 512.0}),
}


def silent(line):
    pass


#: Brian2's runtime takes seconds for each circuit, so what does not depend on the rules is tried with two networks.
SOME = pytest.mark.parametrize(
    "deep", ["random feedback", pytest.param("no hidden layer", marks=pytest.mark.slow)], indirect=True
)


@pytest.fixture(scope="module", params=NETWORKS)
def deep(request, tmp_path_factory):
    """A finished run of each of the networks, with all spikes."""
    hidden, rules = NETWORKS[request.param]
    folder = tmp_path_factory.mktemp("deep") / "run"
    return train(TrainNBP(folder, hidden=hidden, rules=Rules(**rules), record_spikes=True, **SMALL), silent)


def test_a_training_equals_the_oracle(deep, digits):
    images, targets, _ = digits
    parameters = deep.parameters()
    rules = {name: getattr(parameters, name) for name in ("order", "error", "eta_plus", "eta_minus", "w_max")}
    rules |= {"theta": int(parameters.theta), "o_box": (parameters.o_lower, parameters.o_upper)}
    start = deep.load_checkpoint(0)[1]
    weights = {name: array.astype(np.int64) for name, array in start.items()}
    recording, circuit = deep.load_spikes(), training_circuit(parameters)
    metrics = {(row["epoch"], row["split"]): row for row in deep.metrics()}
    for epoch in (1, 2):
        order = np.random.default_rng([3, 1, epoch]).permutation(16)
        turns = [oracle.train_turn(weights, images[k], targets[k], **rules) for k in order]
        drive = np.array([turn.drive for turn in turns])
        membrane = np.mean(drive.argmax(axis=1) == targets[order].argmax(axis=1))
        assert metrics[epoch, "train"]["accuracy_membrane"] == membrane
        expected = {
            (recording.populations.index(name), int(neuron), number * circuit.period + phase)
            for number, turn in enumerate(turns)
            for (phase, name), spikes in turn.spikes.items()
            for neuron in np.flatnonzero(spikes)
        }
        chain = [recording.populations.index(p.name) for p in circuit.populations if p.role == "gating" or p.name == "kick"]
        chosen = recording.where((recording.epoch == epoch) & ~np.isin(recording.population, chain))
        assert set(zip(chosen.population.tolist(), chosen.neuron.tolist(), chosen.step.tolist(), strict=True)) == expected
    final = deep.load_weights()
    assert set(final) == set(start)
    for name, matrix in final.items():
        np.testing.assert_array_equal(matrix, weights[name])
        assert np.array_equal(matrix, start[name]) == name.startswith("B")


@SOME
def test_resumed_and_evaluated_it_is_the_same(deep, tmp_path):
    begun = back_to(deep, tmp_path / "begun", 1)
    resume(begun.path, message=silent)
    assert_same_run(Run.open(begun.path), deep)
    row = evaluate(deep.path, message=silent)
    last = [other for other in comparable_metrics(deep) if other["epoch"] == 2 and other["split"] == "test"]
    assert {name: value for name, value in row.items() if name != "seconds"} == last[0]


@SOME
def test_figures_energy_tables_and_export(deep, tmp_path, capsys):
    pytest.importorskip("neo")
    names = ("raster", "accuracy", "confusion", "functional", "anatomy", "weights", "images")
    assert main(["figures", str(deep.path), "--out", str(tmp_path / "figures")]) == 0
    assert {f"{name}.{kind}" for name in names for kind in ("png", "pdf")} == {
        path.name for path in (tmp_path / "figures").iterdir()
    }
    assert main(["energy", str(deep.path), "--out", str(tmp_path / "energy")]) == 0
    said = capsys.readouterr().out
    forward = len(deep.parameters().hidden) + 2
    assert f"phases 0 to {forward} of recorded training turns" in said
    assert main(["export", str(deep.path), "--to", "neo", "--out", str(tmp_path / "spikes.nix")]) == 0
    assert main(["table", str(deep.path)]) == 0


@SOME
def test_initial_weights_from_a_file(deep, tmp_path, capsys):
    hidden, rules = deep.parameters().hidden, deep.config["parameters"]
    options = ["train", "nbp", *(f"--{name.replace('_', '-')}={value}" for name, value in SMALL.items() if name != "epochs")]
    options += ["--epochs", "1", "--theta", str(rules["theta"]), "--feedback", rules["feedback"]]
    started = [*options, "--hidden", *map(str, hidden), "--init-weights", str(deep.path / "weights.npz")]
    assert main([*started, "--out", str(tmp_path / "run")]) == 0
    run = Run.open(tmp_path / "run")
    for name, matrix in deep.load_weights().items():
        np.testing.assert_array_equal(run.load_checkpoint(0)[1][name], matrix)
    # of another depth they are refused, by name
    other = [*options, "--hidden", *map(str, (*hidden, 9)), "--init-weights", str(deep.path / "weights.npz")]
    assert main([*other, "--out", str(tmp_path / "other")]) == 2
    assert f"it lacks W{len(hidden) + 2}" in capsys.readouterr().err


@pytest.mark.parametrize(
    "rules",
    [
        pytest.param({"weight_noise": 60.0, "feedback": "random"}, marks=pytest.mark.slow),
        pytest.param({"theta_spread": 0.1}, marks=pytest.mark.slow),
        pytest.param({"eta_plus": 4, "error": "margin", "h_lower": -0.5, "h_upper": 1.5}, marks=pytest.mark.slow),
    ],
    ids=["noise", "heterogeneity", "unequal steps"],
)
def test_copies_that_drift_apart_are_kept(rules, tmp_path):
    settings = TrainNBP(tmp_path / "run", hidden=(14, 12), rules=Rules(**rules), jitter=1, binarise=(0.25, 0.75), **SMALL)
    run = train(settings, silent)
    weights = run.load_weights()
    drifted = {name for name in weights if ">" in name}
    assert drifted <= set(run.parameters().arrays)
    # noise alone moves no copy, since all copies of a matrix learn from the same packets
    assert drifted or "weight_noise" in rules
    begun = back_to(run, tmp_path / "begun", 1)
    resume(begun.path, message=silent)
    assert_same_run(Run.open(begun.path), run)


def test_seeds_draw_other_feedback():
    parameters = NBP(n_in=6, hidden=(5, 4), n_out=3, feedback="random")
    from brianprop.models.nbp.parameters import initial_weights

    one, again, other = (initial_weights(parameters, seed) for seed in (0, 0, 1))
    assert list(one) == ["W1", "W2", "W3", "B2", "B3"]
    plain = initial_weights(NBP(n_in=6, hidden=(5, 4), n_out=3), 0)
    for name in one:
        np.testing.assert_array_equal(one[name], again[name])
        assert not np.array_equal(one[name], other[name])
        if name.startswith("W"):
            np.testing.assert_array_equal(one[name], plain[name])
    assert not np.array_equal(one["B2"], one["W2"])


def test_layers_are_an_axis_of_a_sweep(tmp_path):
    description = tmp_path / "layers.toml"
    description.write_text(
        'system = "nbp"\nseeds = 1\n[base]\ndataset = "digits"\nepochs = 1\nsamples = 4\nvalidation = 2\ntest_samples = 2\n'
        'device = "numpy"\n[axes]\nfeedback = ["transpose", "random"]\n'
        'shape = { values = ["8", "8-6", "8-8"], set = { hidden = [8, [8, 6], 8], layers = [1, 1, 2] } }\n'
    )
    assert main(["sweep", str(description), "--workers", "1", "--out", str(tmp_path / "sweep")]) == 0
    runs = [Run.open(path) for path in (tmp_path / "sweep" / "points").iterdir()]
    assert sorted((run.parameters().hidden, run.parameters().feedback) for run in runs) == [
        (shape, feedback) for shape in ((8,), (8, 6), (8, 8)) for feedback in ("random", "transpose")
    ]
    directory = SweepDirectory.open(tmp_path / "sweep")
    assert [directory.damage(key) for key in directory.keys] == [None] * 6
    # a plan from when nBP had one hidden layer, whose size was a number
    file = tmp_path / "sweep" / "sweep.json"
    file.write_text(re.sub(r'"hidden": \[\s*8\s*\]', '"hidden": 8', file.read_text()))
    assert '"hidden": 8' in file.read_text()
    directory = SweepDirectory.open(tmp_path / "sweep")
    assert [directory.damage(key) for key in directory.keys] == [None] * 6


@pytest.mark.slow
def test_replicas_end_as_they_would_alone(tmp_path):
    options = {"hidden": (14, 12), "rules": Rules(feedback="random"), **SMALL}
    together = TrainNBP(tmp_path / "together", replicas=2, **options | {"device": "cpp_standalone"})
    train_replicas(together, silent)
    for seed in (3, 4):
        alone = train(TrainNBP(tmp_path / f"alone{seed}", **options | {"seed": seed}), silent)
        assert_same_run(Run.open(tmp_path / "together" / f"seed{seed}"), alone)


def test_runs_of_one_hidden_layer_from_before_are_read(tmp_path):
    run = train(TrainNBP(tmp_path / "run", hidden=(5,), **SMALL | {"samples": 4, "epochs": 1}), silent)
    config = json.loads((run.path / "config.json").read_text())
    assert config["parameters"].pop("hidden") == [5]
    for name in ("n_hid", "hidden"):
        path = shutil.copytree(run.path, tmp_path / name)
        (path / "config.json").write_text(json.dumps(config | {"parameters": {**config["parameters"], name: 5}}))
        read = Run.open(path)
        assert read.parameters() == run.parameters() and read.config["parameters"]["hidden"] == [5]
        assert set(read.load_weights()) == {"W1", "W2"}
        resume(path, 2, silent)
        assert Run.open(path).finished


@pytest.mark.parametrize("hidden", [(0,), (4, 0), (4, -1)])
def test_empty_layers_are_refused(hidden, tmp_path):
    with pytest.raises(ParameterError, match="hidden"):
        TrainNBP(tmp_path / "run", hidden=hidden)


def test_layers_repeat_the_hidden_layers():
    for options in (TrainNBP, TrainSSNN, TrainANN):
        assert options(Path("run"), hidden=(6, 4), layers=2).parameters(9, 3).hidden == (6, 4, 6, 4)
        with pytest.raises(ParameterError, match=r"layers = 0 must be at least 1; set --layers"):
            options(Path("run"), layers=0)
        with pytest.raises(ParameterError, match=r"layers = 1000 makes 2000 hidden layers"):
            options(Path("run"), hidden=(6, 4), layers=1000).parameters(9, 3)
