"""Run directories that are damaged or made to do harm: every command that reads one says so in one sentence, or works."""

import contextlib
import json
import shutil
import zipfile

import numpy as np
import pytest

from brianprop.analysis.export import write
from brianprop.analysis.figures.output import NothingToShowError
from brianprop.experiments.cli.main import main
from brianprop.models.errors import BuildError
from brianprop.models.nbp.model import GatedModel, GatedResult
from brianprop.models.ssnn_bp.model import SSNNResult

SIZES = ["--samples", "4", "--validation", "2", "--test-samples", "2", "--epochs", "2"]
SYSTEMS = {
    "ann": ["--hidden", "3"],
    "nbp": ["--hidden", "3", "--record-spikes"],
    "ssnn-bp": ["--hidden", "3", "--steps", "2"],
}
COMMANDS = {
    "evaluate": ["evaluate", "RUN"],
    "evaluate-epoch": ["evaluate", "RUN", "--epoch", "1"],
    "resume": ["resume", "RUN"],
    "longer": ["resume", "RUN", "--epochs", "3"],
    "table": ["table", "RUN"],
    "figures": ["figures", "RUN"],
    "compare": ["compare", "RUN", "--out", "RUN/../compared"],
    "energy": ["energy", "RUN"],
    "export": ["export", "RUN", "--to", "nwb"],
}


class Pretended:
    """In place of a simulator: answers and spikes that a circuit could give, in no time."""

    def __init__(self, model, **_):
        self.model = model

    def close(self):
        """It has no files."""

    def run(self, weights, stimuli, samples, *, n_recorded=0, **_):
        n = len(samples)
        if isinstance(self.model, GatedModel):
            n_out = self.model.circuit[self.model.circuit.readout].size
            step = np.arange(12 * n_recorded)
            learned = {pair: np.clip(matrix + 2, -254, 254) for pair, matrix in weights.items()}
            return GatedResult((0 * step, 0 * step, step), 1.0, learned, np.ones((n, n_out)), np.ones((n, n_out), bool))
        n_out, steps = self.model.parameters.n_out, self.model.parameters.steps
        step = np.arange(steps * n_recorded)
        output = [name for name, _ in self.model.populations].index("output")
        learned = {name: array + np.float32(0.5) for name, array in weights.items()}
        counts = np.eye(n_out, dtype=np.int32)[np.zeros(n, int)] * steps
        return SSNNResult((0 * step + output, 0 * step, step), 1.0, learned, counts, np.ones((n, n_out)), counts / steps)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A finished run of each system."""
    folder = tmp_path_factory.mktemp("whole")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("brianprop.experiments.training.circuit.simulator", Pretended)
        for system, options in SYSTEMS.items():
            assert main(["train", system, *SIZES, *options, "--out", str(folder / system)]) == 0
    return folder


def config(*places, to):
    """A damage: set an entry of config.json; `to` may be a function of the old value."""

    def damage(run):
        path = run / "config.json"
        found = json.loads(path.read_text())
        at = found
        for place in places[:-1]:
            at = at[place]
        at[places[-1]] = to(at[places[-1]]) if callable(to) else to
        path.write_text(json.dumps(found))

    return damage


def without(*places):
    def damage(run):
        path = run / "config.json"
        found = json.loads(path.read_text())
        at = found
        for place in places[:-1]:
            at = at[place]
        del at[places[-1]]
        path.write_text(json.dumps(found))

    return damage


def content(name, data):
    """A damage: other bytes in a file, where it is there."""

    def damage(run):
        path = run / name
        if path.exists():
            path.write_bytes(data(path.read_bytes()) if callable(data) else data)

    return damage


def arrays(name, change):
    """A damage: other arrays in an archive, where it is there."""

    def damage(run):
        path = run / name
        if path.exists():
            with np.load(path) as file:
                found = dict(file)
            np.savez(path, allow_pickle=True, **change(found))

    return damage


def first(change):
    """A change of the first weight matrix."""
    return lambda found: found | {"W1": change(found["W1"])}


def set_first(value):
    def change(array):
        array = array.astype(np.result_type(array.dtype, np.min_scalar_type(value)))
        array[0, 0] = value
        return array

    return first(change)


def claims(name, shape, member="W1", descr="<f4"):
    """A damage: an archive whose header claims far more than is there."""

    def damage(run):
        with zipfile.ZipFile(run / name, "w") as archive, archive.open(f"{member}.npy", "w") as file:
            np.lib.format.write_array_header_1_0(file, {"descr": descr, "fortran_order": False, "shape": shape})

    return damage


def every_weights(change):
    def damage(run):
        for name in ("weights.npz", "checkpoints/epoch_0002.npz", "checkpoints/epoch_0001.npz"):
            change(name)(run)

    return damage


DEEP = b"[" * 100_000
FILES = (
    "config.json",
    "environment.json",
    "metrics.csv",
    "weights.npz",
    "images.npz",
    "predictions.npz",
    "raster.npz",
    "checkpoints/epoch_0002.npz",
)

DAMAGES = {
    **{
        f"{name} {what}": content(name, data)
        for name in FILES
        for what, data in {
            "empty": b"",
            "not UTF-8": b"\xff\xfe\x00\x80",
            "zeros": bytes(1000),
            "deep": DEEP,
            "object": b"{}",
            "zip": b"PK\x03\x04",
            "half": lambda old: old[: len(old) // 2],
            "flipped": lambda old: old[:60] + bytes(255 - b for b in old[60:90]) + old[90:],
            "pickle": b"\x80\x04N.",
            "twice": lambda old: old + old,
        }.items()
    },
    **{f"{name} missing": lambda run, name=name: (run / name).unlink(missing_ok=True) for name in FILES},
    **{
        f"{name} a folder": lambda run, name=name: ((run / name).unlink(missing_ok=True), (run / name).mkdir())
        for name in FILES
    },
    "no checkpoints": lambda run: shutil.rmtree(run / "checkpoints"),
    "checkpoints a file": lambda run: (shutil.rmtree(run / "checkpoints"), (run / "checkpoints").write_text("")),
    "checkpoint of a later epoch": lambda run: shutil.copy(
        run / "checkpoints/epoch_0000.npz", run / "checkpoints/epoch_99999.npz"
    ),
    "lock a folder": lambda run: ((run / "lock").unlink(), (run / "lock").mkdir()),
    "figures a file": lambda run: (run / "figures").write_text(""),
    **{
        f"training.epochs {value!r}": config("training", "epochs", to=value)
        for value in (float("nan"), float("inf"), "2", None, -1, 0, 1.5, 10**12, 10**30, True, [2], {"a": 1})
    },
    **{f"training.seed {value!r}": config("training", "seed", to=value) for value in (-1, "0", None, 0.5)},
    **{
        f"training.{name} {value!r}": config("training", name, to=value)
        for name, value in {
            "shuffle": "yes",
            "device": 5,
            "codegen": [],
            "init_weights": 7,
            "jitter": -2,
            "flip": 1,
            "elastic": -0.5,
            "input_dropout": 1,
            "record_spikes": 1,
        }.items()
    },
    **{
        f"{name} {value!r}": config(name, to=value)
        for name in ("dataset", "training", "parameters", "system", "format")
        for value in (None, [], "text", 3, {}, {"a": {}})
    },
    **{f"no {name}": without(name) for name in ("dataset", "training", "parameters", "system", "format")},
    **{
        f"no dataset.{name}": without("dataset", name)
        for name in ("name", "data_dir", "samples", "validation", "crop", "binarise", "classes", "image_shape", "sha256")
    },
    **{f"no training.{name}": without("training", name) for name in ("epochs", "seed", "shuffle", "init_weights")},
    **{
        f"dataset.{name} {value!r}": config("dataset", name, to=value)
        for name, values in {
            "name": (None, 3, "", "\0", "nosuch"),
            "data_dir": (3, "/nonexistent"),
            "samples": (0, 10**12, "4", 2.5),
            "validation": (-1, 10**9),
            "crop": (-1, 100, None),
            "binarise": ("x", [], [2.0], [0.75, 0.25], float("nan")),
            "classes": ([], None, [[]], ["a"], 5),
            "image_shape": ([], [0, 8], [8], [10**9, 10**9], "8", [-8, -8]),
            "sha256": (None, "0"),
            "steps": (0, 10**12, "x"),
            "test_samples": (10**12, -1),
        }.items()
        for value in values
    },
    **{
        f"parameters.{name} {value!r}": config("parameters", name, to=value)
        for name in ("n_in", "n_out", "n_hid", "hidden", "theta", "w_max", "steps", "rates", "levels", "dt", "unknown")
        for value in (None, 0, -1, 2.5, 10**12, [10**12], float("nan"), "inf", "text", [], {}, [[1]], True)
    },
    "environment.versions a list": lambda run: (run / "environment.json").write_text('{"versions": []}'),
    **{
        f"weights {what}": every_weights(lambda name, change=change: arrays(name, change))
        for what, change in {
            "transposed": first(lambda array: array.T),
            "one column more": lambda found: found | {"W2": np.pad(found["W2"], ((0, 0), (0, 1)))},
            "NaN": set_first(np.nan),
            "infinite": set_first(np.inf),
            "a million": set_first(10**6),
            "1e300": set_first(1e300),
            "a half": first(lambda array: array.astype(float) + 0.5),
            "odd": first(lambda array: array + array.dtype.type(1)),
            "complex": first(lambda array: array.astype(complex)),
            "double": first(lambda array: array.astype(float)),
            "int64": first(lambda array: array.astype(np.int64)),
            "text": first(lambda array: array.astype(str)),
            "bool": first(lambda array: array.astype(bool)),
            "objects": first(lambda array: array.astype(object)),
            "a number": first(lambda array: array[0, 0]),
            "empty": first(lambda array: array[:0]),
            "lacking": lambda found: {"W1": found["W1"]},
            "none": lambda found: {},
            "more": lambda found: found | {"W9": found["W1"]},
        }.items()
    },
    "weights of another epoch": lambda run: shutil.copy(run / "checkpoints/epoch_0000.npz", run / "weights.npz"),
    **{
        f"{name} claims {shape}": claims(name, shape)
        for name in ("weights.npz", "images.npz", "predictions.npz", "raster.npz", "checkpoints/epoch_0002.npz")
        for shape in ((10**9, 10), (64, 3), (10**12,), (-1, 3), (2**62, 4))
    },
    **{
        f"raster {name} {number}": arrays(
            "raster.npz", lambda found, name=name, value=value: found | {name: value(found[name])}
        )
        for name, values in {
            "step": (
                lambda a: a + 10**15,
                lambda a: a - 10**6,
                lambda a: a[:-1],
                lambda a: a.astype(float),
                lambda a: a.astype(object),
            ),
            "neuron": (lambda a: a + 1000, lambda a: -1 - a),
            "population": (lambda a: a + 1000, lambda a: -1 - a),
            "period": (lambda a: 0 * a, lambda a: -a, lambda a: a + 10**9, lambda a: np.array([a, a])),
            "sizes": (lambda a: a * 10**12, lambda a: -a, lambda a: a[:-1]),
            "populations": (lambda a: a[::-1], lambda a: a[:0]),
            "epoch": (lambda a: -1 - a, lambda a: a[:, np.newaxis]),
        }.items()
        for number, value in enumerate(values)
    },
    "raster without spikes": arrays(
        "raster.npz", lambda found: found | {name: found[name][:0] for name in ("population", "neuron", "step", "epoch")}
    ),
    **{
        f"images {name} {what}": arrays(
            "images.npz", lambda found, name=name, change=change: found | {name: change(found[name])}
        )
        for name in ("images", "target", "rates", "drive", "membrane")
        for what, change in {
            "cut": lambda a: a[:-1],
            "flat": lambda a: a.ravel()[:1],
            "text": lambda a: a.astype(str),
            "large": lambda a: a + 1e6,
            "NaN": lambda a: a * np.nan,
            "none": lambda a: a[:0],
        }.items()
    },
    **{
        f"predictions {name} {what}": arrays(
            "predictions.npz", lambda found, name=name, change=change: found | {name: change(found[name])}
        )
        for name in ("target", "spikes", "rates", "membrane", "more")
        for what, change in {
            "cut": lambda a: a[:-1],
            "flat": lambda a: a[:, np.newaxis],
            "text": lambda a: a.astype(str),
            "large": lambda a: a + 100,
            "negative": lambda a: a - 100,
            "none": lambda a: a[:0],
        }.items()
    },
    **{
        f"metrics {what}": content("metrics.csv", change)
        for what, change in {
            "without header": lambda old: old.partition(b"\n")[2],
            "header alone": lambda old: old.partition(b"\n")[0] + b"\n",
            "a row twice": lambda old: old + old.splitlines(True)[-1],
            "last row cut": lambda old: old[:-20],
            "without last row": lambda old: b"".join(old.splitlines(True)[:-1]),
            "NaN": lambda old: old.replace(b"0.", b"nan", 1),
            "negative epoch": lambda old: old.replace(b"\n1,", b"\n-1,"),
            "huge epoch": lambda old: old.replace(b"\n2,", b"\n" + b"9" * 30 + b","),
            "other split": lambda old: old.replace(b"test", b"rest"),
            "null": lambda old: old.replace(b"test", b"te\0st"),
            "long field": lambda old: old + b"1," + b"x" * 200_000,
            "more cells": lambda old: old.replace(b"\n", b",1\n"),
            "without epoch 1": lambda old: b"\n".join(line for line in old.split(b"\n") if not line.startswith(b"1,")),
            "accuracy 2": lambda old: old.replace(b",0.", b",2.", 3),
        }.items()
    },
}


def damaged(whole, tmp_path, system, damage):
    run = tmp_path / "run"
    shutil.copytree(whole / system, run)
    try:
        DAMAGES[damage](run)
    except KeyError:
        return None  # nothing of the kind in this system
    return run


def assert_one_sentence_or_done(whole, tmp_path, capsys, system, damage, commands):
    for command, words in commands.items():
        shutil.rmtree(tmp_path / "run", ignore_errors=True)
        run = damaged(whole, tmp_path, system, damage)
        if run is None:
            return
        capsys.readouterr()
        status = main([word.replace("RUN", str(run)) for word in words])  # an exception that is no BrianpropError ends the test
        error = capsys.readouterr().err
        assert status in (0, 2), (command, status)
        if status == 2:
            lines = [line for line in error.splitlines() if line.startswith("brianprop: ")]
            assert len(lines) == 1 and len(error.splitlines()) == 1, (command, error)
            assert len(error) < 1000


@pytest.fixture
def reading_alone(monkeypatch):
    """Figures are made but not written, exports are written in this process, and nothing is simulated.

    What is checked is that a run is read with care.
    """

    def draw(figures, folder):
        for make in figures.values():
            with contextlib.suppress(NothingToShowError):
                make()
        return []

    def write_here(run, kind, path, per_turn):
        try:
            write.write(run, kind, path, per_turn)
        except Exception as error:  # as what ends the process that writes
            raise OSError(f"the process that writes failed: {error}") from error

    def refuse(*_, **__):
        raise BuildError("A simulation would begin now.")

    for module in ("figures.draw", "figures.comparison", "energy.report"):
        monkeypatch.setattr(f"brianprop.analysis.{module}.write_figures", draw)
    monkeypatch.setattr(write, "_write_apart", write_here)
    monkeypatch.setattr("brianprop.experiments.training.circuit.simulator", refuse)


@pytest.mark.filterwarnings("ignore:.*is skipped for an earlier one", "ignore:.*does not end in '.nwb'")
@pytest.mark.parametrize("damage", DAMAGES)
def test_damage_is_one_sentence(whole, tmp_path, capsys, reading_alone, damage):
    """One command and system for each damage, others for the next one; see `test_every_damage_of_every_system`."""
    place = list(DAMAGES).index(damage)
    command = list(COMMANDS)[place % len(COMMANDS)]
    system = list(SYSTEMS)[place // len(COMMANDS) % len(SYSTEMS)]
    assert_one_sentence_or_done(whole, tmp_path, capsys, system, damage, {command: COMMANDS[command]})


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.*is skipped for an earlier one", "ignore:.*does not end in '.nwb'")
@pytest.mark.parametrize("system", SYSTEMS)
@pytest.mark.parametrize("damage", DAMAGES)
def test_every_damage_of_every_system(whole, tmp_path, capsys, reading_alone, system, damage):
    assert_one_sentence_or_done(whole, tmp_path, capsys, system, damage, COMMANDS)
