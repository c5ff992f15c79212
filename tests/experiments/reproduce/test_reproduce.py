"""Every experiment by its name, from its runs to its figures and tables."""

import dataclasses

import numpy as np
import pandas
import pytest
from conftest import comparable_metrics

from brianprop.analysis import tables
from brianprop.analysis.runs import Run
from brianprop.experiments.cli.main import main
from brianprop.experiments.data import frames as event_frames
from brianprop.experiments.reproduce import run as reproduce
from brianprop.experiments.reproduce.experiments import EXPERIMENTS, listing
from brianprop.experiments.reproduce.run import SIZES
from brianprop.models.errors import RunError
from brianprop.models.nbp.circuit import training_circuit
from brianprop.models.nbp.parameters import NBP

#: All but those whose data cannot be had everywhere.
RUNNABLE = [name for name in EXPERIMENTS if name not in ("ssnn-emnist", "ssnn-n-mnist")]


def run_smallest(name, out, data_dir):
    return reproduce.reproduce([name], out, "smallest", data_dir=data_dir, message=lambda line: None)


def assert_drawn(name, written):
    """The figures of an experiment are there, and show something."""
    from matplotlib.image import imread

    assert all(path.is_file() for path in written)
    figures = [path for path in written if path.suffix == ".png"]
    for path in figures:
        picture = imread(path)[..., :3]
        assert np.mean(picture.min(axis=2) < 0.9) > 0.01, path
    expected = {"accuracy", "raster"}
    if name.startswith("nbp"):
        expected |= {"functional", "anatomy"}
    expected |= {"ssnn-mnist": {"length", "activity"}, "ssnn-step": {"step"}}.get(name, {"energy"})
    assert expected <= {path.stem for path in figures}


@pytest.mark.data
@pytest.mark.slow
@pytest.mark.parametrize("name", RUNNABLE)
def test_each_experiment_makes_its_figures_and_tables(name, tmp_path, data_dir):
    experiment = EXPERIMENTS[name]
    recordings = [settings.dataset for settings in experiment.runs(0).values() if "n-mnist" in settings.dataset]
    if recordings and not (data_dir / "nmnist-subset").is_dir():
        pytest.skip("no recordings: put nmnist-subset into the data folder")
    written = run_smallest(name, tmp_path, data_dir)
    assert_drawn(name, written)
    table = pandas.read_csv(tmp_path / f"{name}-smallest" / "accuracy.csv", index_col=0)
    assert len(table) and table.filter(like="_mean").notna().any(axis=1).all()
    runs = [Run.open(tmp_path / f"{name}-smallest" / run) for run in experiment.runs(0)]
    assert all(run.finished for run in runs)
    # the same data for all; of events the ANN, which has no time, sees the share of steps, whose digest is another
    digests = {(run.system, run.config["dataset"]["sha256"]) for run in runs}
    sets = {run.config["dataset"]["name"] for run in runs}
    assert len(digests) == len({run.system for run in runs}) * len(sets)
    # and nBP beside others bright and dark pixels, where they see grey levels
    encodings = {str(run.config["dataset"]["binarise"]) for run in runs}
    n_digests = len(digests) if event_frames.is_events(next(iter(sets))) else len(encodings)
    assert len({digest for _, digest in digests}) == n_digests
    assert len({(*run.config["dataset"]["image_shape"], run.config["dataset"]["crop"]) for run in runs}) == 1
    origins = {(run.config["dataset"]["origin"], run.config["dataset"]["samples"]) for run in runs}
    assert len(origins) == (2 if name == "emulator-against-n-mnist" else 1)  # recordings, and images to emulate them from
    # what an experiment alone shows
    own = {"ssnn-n-mnist-subset": ["intervals"], "emulator-against-n-mnist": ["events", "tuning", "transfer", "intervals"]}
    own["side-by-side"] = ["side_by_side"]
    for shown in own.get(name, []):
        assert len(pandas.read_csv(tmp_path / f"{name}-smallest" / f"{shown}.csv", index_col=0)) >= 3
    if len(experiment.runs(0)) > 1 and len(sets) == 1 and not experiment.compares:
        # every kind of runs against every other
        kinds = len(experiment.runs(0))
        pairs = pandas.read_csv(tmp_path / f"{name}-smallest" / "pairs.csv")
        assert len(pairs.groupby(["A", "B"])) == kinds * (kinds - 1) / 2
        assert pairs.p.isna().all()  # of one seed


@pytest.mark.data
def test_what_is_finished_is_kept_and_what_was_interrupted_goes_on(tmp_path, data_dir, monkeypatch):
    assert_drawn("nbp-mnist", run_smallest("nbp-mnist", tmp_path, data_dir))
    run = Run.open(tmp_path / "nbp-mnist-smallest" / "seed0")
    whole, weights, made = comparable_metrics(run), run.load_weights(), (run.path / "weights.npz").stat().st_mtime_ns
    monkeypatch.setattr(reproduce, "_outputs", lambda *_: [])  # the figures have been drawn
    run_smallest("nbp-mnist", tmp_path, data_dir)
    assert (run.path / "weights.npz").stat().st_mtime_ns == made
    # as a kill in the second epoch leaves it
    (run.path / "weights.npz").unlink()
    (run.path / "checkpoints" / "epoch_0002.npz").unlink()
    run_smallest("nbp-mnist", tmp_path, data_dir)
    assert comparable_metrics(run) == whole
    np.testing.assert_array_equal(run.load_weights()["W1"], weights["W1"])
    # the folder of another experiment
    config = (run.path / "config.json").read_text()
    for name, value, other in (
        ("seed", "0", "1"),
        ("jitter", "0", "1"),
        ("flip", "false", "true"),
        ("elastic", "0.0", "0.5"),
        ("input_dropout", "0.0", "0.5"),
        ("binarise", "0.5", "0.25"),
    ):
        assert f'"{name}": {value}' in config
        (run.path / "config.json").write_text(config.replace(f'"{name}": {value}', f'"{name}": {other}'))
        with pytest.raises(RunError, match=f"(?i)seed0 holds a run with {name} = {other}, but .* needs {value}; remove"):
            run_smallest("nbp-mnist", tmp_path, data_dir)


def test_every_experiment_is_listed_and_every_number_of_settings_makes_sense():
    lines = listing().splitlines()[2:]
    assert [line.split(" | ")[0].removeprefix("| ") for line in lines] == list(EXPERIMENTS)
    for experiment in EXPERIMENTS.values():
        first, second = experiment.runs(0), experiment.runs(1)
        assert not set(first) & set(second)
        for one, other in zip(first.values(), second.values(), strict=True):
            assert dataclasses.replace(one, seed=1) == other
        # networks of this size can be made, and no two runs are the same
        kinds = [
            (settings.system, settings.parameters(784, 10), settings.epochs, settings.dataset) for settings in first.values()
        ]
        assert all(kinds.count(kind) == 1 for kind in kinds)
    assert SIZES["quick"]["samples"] == 5500


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "No experiment was named"),
        (["nbp-mnits"], "'nbp-mnits' is unknown; use some of nbp-mnist"),
        (["nbp-mnist", "--seeds", "0"], "seeds = 0 must be at least 1"),
    ],
)
def test_bad_input_is_one_sentence(arguments, words, capsys, tmp_path):
    assert main(["reproduce", *arguments, "--out", str(tmp_path / "out")]) == 2
    error = capsys.readouterr().err
    assert words in error and error.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_the_list_is_printed(capsys):
    assert main(["reproduce", "--list"]) == 0
    assert capsys.readouterr().out == listing() + "\n"


def test_published_numbers_stand_beside_ours():
    frame = pandas.DataFrame(
        {"accuracy_spikes_mean": [95.0, 96.0], "accuracy_spikes_sd": [0.1, 0.2]}, index=["epoch 60", "best"]
    )
    found = tables.with_published(frame, {"accuracy_spikes": 96.3})
    assert found.loc["published", "accuracy_spikes_mean"] == 96.3
    assert found.loc["epoch 60, minus published", "accuracy_spikes_mean"] == pytest.approx(-1.3)
    lines = tables.markdown(found).splitlines()
    assert lines[2:] == [
        "| epoch 60 | 95.00 ± 0.10 |",
        "| best | 96.00 ± 0.20 |",
        "| published | 96.30 |",
        "| epoch 60, minus published | -1.30 |",
        "| best, minus published | -0.30 |",
    ]


def test_network_size_counts_what_the_circuit_holds():
    circuit = training_circuit(NBP(n_in=6, hidden=(5,), n_out=3))
    found = tables.network_size(circuit)["neurons or synapses"]
    assert found["neurons"] == sum(population.size for population in circuit.populations)
    assert found["neurons"] == found.filter(like="neurons, ").sum()
    assert found["synapses, all that learn"] == found["synapses, plastic"] == 3 * 6 * 5 + 5 * 3 * 5
    assert found["synapses"] == found["synapses, all that learn"] + found["synapses, all fixed"]
