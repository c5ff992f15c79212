"""What a run is made of: every option is kept, and every pass has noise of its own."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest

from brianprop.analysis.systems import SYSTEMS
from brianprop.experiments.data import images as datasets
from brianprop.experiments.data.dataset import Part
from brianprop.experiments.training import commands as training_commands
from brianprop.experiments.training.ann import ANNTrainer, TrainANN
from brianprop.experiments.training.commands import train
from brianprop.experiments.training.data import load_data
from brianprop.experiments.training.nbp import NBPTrainer, TrainNBP
from brianprop.experiments.training.ssnn_bp import SSNNTrainer, TrainSSNN
from brianprop.experiments.training.systems import options_of
from brianprop.experiments.training.trainer import Learned, noise_seed
from brianprop.experiments.training.values import settings_of
from brianprop.models import ann
from brianprop.models.ann import ANN
from brianprop.models.errors import BuildError, ParameterError
from brianprop.models.nbp import parameters as nbp
from brianprop.models.nbp.parameters import NBP
from brianprop.models.ssnn_bp import parameters as ssnn_bp
from brianprop.models.ssnn_bp.parameters import SSNN

NETWORKS = {"nbp": NBP(n_in=6, hidden=(4,), n_out=3), "ssnn-bp": SSNN(n_in=6, hidden=(4,), n_out=3), "ann": ANN(6, (4,), 3)}
DRAW = {"nbp": nbp.initial_weights, "ssnn-bp": ssnn_bp.initial_weights, "ann": ann.initial_weights}


#: Options that decide nothing of a result: where it is written, where data are found, and how many networks run side by side.
DECIDE_NOTHING = {"out", "data_dir", "replicas", "processes"}
#: Values besides the default for options that take only some, or that need another with them.
OTHERS = {
    "dataset": "emulated-digits", "crop": 1, "binarise": (0.25,), "order": "learn-first", "error": "margin", "device": "numpy",
    "codegen": "stock", "hidden_drive": "mean", "output_drive": "mean", "backward_drive": "mean", "answer_drive": "mean",
    "w_max": 300, "silence": -8000.0, "bias": -8000.0, "dropout": 0.5, "asymmetry": 0.5, "clip": 2.0, "h_lower": 0.5,
    "o_lower": 0.5, "eta_plus": 4, "eta_minus": 4, "tau_m": 2.0**-9, "tau_s": 2.0**-9, "dt": 2.0**-11, "w_init_max": 100,
    "feedback": "random", "input_dropout": 0.2, "levels": 33, "soft_bounds": True, "w_step": 1, "validation": 100,
    "samples": 50, "test_samples": 60,
}  # fmt: skip


def stored(settings, tmp_path):
    """What config.json would hold, of a training that ends before it begins; and the digest of the data."""
    kept = {}

    def keep(path, config, environment):
        kept.update(json.loads(json.dumps(config)))
        raise BuildError("enough")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(training_commands.Run, "create", keep)
        with pytest.raises(BuildError, match="enough"):
            train(settings, lambda line: None)
    return kept


@pytest.mark.parametrize("system", SYSTEMS)
def test_options_of_other_types_are_refused(system, tmp_path):
    kind = options_of(system)
    for item in dataclasses.fields(kind):
        for value in (1j, 5 if item.type == "str" else "yes", [getattr(kind(tmp_path), item.name)]):
            with pytest.raises(ParameterError, match=rf"{item.name} = .* must be of type"):
                kind(**{"out": tmp_path, item.name: value})


@pytest.mark.parametrize("system", SYSTEMS)
def test_every_option_changes_what_resume_compares(system, tmp_path):
    kind = options_of(system)
    names = {item.name for item in dataclasses.fields(kind)} - {"rules"}
    rules = {item.name for item in dataclasses.fields(kind(tmp_path).rules)} if system != "ann" else set()
    base = {"w_max": 4.0, "samples": 40, "test_samples": 40} if system == "ssnn-bp" else {"samples": 40, "test_samples": 40}
    np.savez(tmp_path / "given.npz", **DRAW[system](kind(tmp_path / "x").parameters(64, 10), 7))
    first = stored(settings_of(kind, base, tmp_path / "out"), tmp_path)
    for name in sorted((names | rules) - DECIDE_NOTHING):
        old = base.get(name, getattr(kind(tmp_path), name, None) if name in names else getattr(kind(tmp_path).rules, name))
        if name == "init_weights":
            value = str(tmp_path / "given.npz")
        elif name == "dataset" and system == "nbp":
            continue  # the name and its digest are compared; nBP takes no events, and no other images come with the package
        elif name in OTHERS:
            value = OTHERS[name]
        elif isinstance(old, bool):
            value = not old
        elif isinstance(old, tuple):
            value = [size + 1 for size in old]
        else:
            value = old + 1
        if name == "binarise":
            value = list(value)
        if isinstance(old, float) and not isinstance(value, (list, str)):
            value = float(value)
        extra = {"tau_m": 2.0**-9, "tau_s": 2.0**-9} if name == "dt" and system == "nbp" else {}
        if system == "ann" and name == "steps":
            extra = {"dataset": "emulated-digits"}
        before = stored(settings_of(kind, base | extra, tmp_path / "out"), tmp_path) if extra else first
        changed = stored(settings_of(kind, base | extra | {name: value}, tmp_path / "out"), tmp_path)
        assert changed != before, name
        if name in ("samples", "validation", "test_samples", "crop", "binarise", "dataset"):
            place = "name" if name == "dataset" else name
            assert changed["dataset"][place] != before["dataset"][place], name
            assert changed["dataset"]["sha256"] != before["dataset"]["sha256"], name


def test_the_digest_of_data_sees_every_pixel_and_label(monkeypatch):
    original = datasets.load("digits")
    digests = {load_data("digits").digest}
    for part in ("train", "test"):
        for kind, change in (("images", 255), ("labels", None)):
            samples = getattr(original, part)
            array = getattr(samples, kind).copy()
            array[-1 if part == "test" else 3] = (array[-1 if part == "test" else 3] + 1) % 10 if change is None else change
            other = dataclasses.replace(original, **{part: dataclasses.replace(samples, **{kind: array})})
            monkeypatch.setattr(datasets, "load", lambda *_, other=other: other)
            digests.add(load_data("digits").digest)
    assert len(digests) == 5


def test_noise_is_another_for_every_epoch_purpose_and_seed():
    # as it was when the results were published
    assert noise_seed(0, 1, "train") == int(np.random.default_rng([0, 3, 1, *b"train"]).integers(2**31))
    purposes = [
        (seed, epoch, name) for seed in (0, 1) for epoch in range(1, 20) for name in ("train", "answers to train", "test")
    ]
    assert len({noise_seed(*purpose) for purpose in purposes}) == len(purposes)


@pytest.mark.parametrize("kind", [TrainNBP, TrainSSNN])
def test_a_circuit_gets_other_noise_in_every_pass(kind, tmp_path, monkeypatch):
    seen = []

    class Stub:
        def __init__(self, model, **_):
            self.model = model

        def run(self, weights, stimuli, samples, *, noise_seed=0, **_):
            seen.append((self.model.name, noise_seed))
            raise BuildError("enough") if len(seen) > 100 else Skipped

    class Skipped(Exception):
        pass

    monkeypatch.setattr("brianprop.experiments.training.circuit.simulator", Stub)
    settings = kind(tmp_path / "run", epochs=3, samples=4)
    data, parameters, weights = training_commands.prepared(settings, lambda line: None)
    training = settings.training() | {"epochs": 3, "seed": 0}
    system = {"nbp": NBPTrainer, "ssnn-bp": SSNNTrainer}[kind.system](parameters, training, data.parts, lambda line: None)
    for epoch in (1, 2, 3):
        with pytest.raises(Skipped):
            system.learn(weights, epoch, np.arange(4), 0, lambda done: None)
        for split in ("train", "validation", "test"):
            with pytest.raises(Skipped):
                system.score(weights, split, epoch)
    assert len(seen) == 12
    assert len({seed for _, seed in seen}) == len(seen) - (3 if kind is TrainNBP else 0)  # nBP answers to no training images


def test_dropout_is_another_in_every_epoch(tmp_path):
    # with learning rates of 0 nothing but the masks could differ; the answers while learning show them
    images, labels = np.full((1, 64), 200, np.uint8), np.zeros(1, int)
    parameters = ANN(n_in=64, hidden=(40,), n_out=3, rates=(0.01, 0.01), dropout=0.5)
    weights = ann.initial_weights(parameters, 0)
    masks = set()
    system = ANNTrainer(parameters, {"seed": 0, "epochs": 9}, {"train": Part(images, labels, (1, 8, 8))})
    for epoch in range(1, 6):
        learned = system.learn(weights, epoch, np.arange(1), 0, lambda done: None)
        assert isinstance(learned, Learned)
        masks.add((learned.weights["W2"] != weights["W2"]).any(axis=1).tobytes())
    assert len(masks) == 5


@pytest.mark.parametrize("kind", [TrainNBP, TrainSSNN, TrainANN])
def test_whole_numbers_among_the_options_are_whole(kind):
    for item in dataclasses.fields(kind):
        if item.type.removesuffix(" | None") == "int" and item.name != "hidden":
            for value in (2.5, "3", True, -1, *([] if item.name == "seed" else [2**31])):
                with pytest.raises(ParameterError, match=f"Parameter {item.name} = "):
                    kind(Path("out"), **{item.name: value})
