"""Networks as graphs of NIR: an interpreter of its equations answers as the oracles do, and so do the simulators at hand."""

import json
import operator
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from conftest import ann_run, composite_run

import brianprop
from brianprop.analysis.export.nir import graph_of, to_nir
from brianprop.analysis.runs import Run, as_json
from brianprop.analysis.systems import SYSTEMS
from brianprop.experiments.cli.main import main
from brianprop.experiments.estimators.trained import Trained
from brianprop.models.errors import BrianpropError, ParameterError, RunError
from brianprop.models.nbp import oracle as nbp_oracle
from brianprop.models.nbp.circuit import inference_circuit, matrices
from brianprop.models.nbp.model import GatedModel
from brianprop.models.nbp.parameters import NBP
from brianprop.models.simulation import simulator
from brianprop.models.ssnn_bp import oracle as ssnn_oracle
from brianprop.models.ssnn_bp.parameters import SSNN
from brianprop.models.ssnn_bp.parameters import initial_weights as ssnn_weights

nir = pytest.importorskip("nir", reason="nir is not installed: it is an extra of the tests")
from tests.analysis.export.nir_reference import simulate  # noqa: E402

ROOT = Path(__file__).resolve().parents[3]
DT = 1e-4

#: A grid on which half of theta does not lie, and a bias that is no whole number.
OTHER = {"theta": 700.0, "w_step": 3, "w_max": 255, "eta_plus": 3, "eta_minus": 3, "bias": -9000.25}

#: Hidden layers by the number of layers.
HIDDEN = {1: (), 2: (9,), 4: (9, 8, 7)}


def nbp(hidden=(9,), **rules):
    """Parameters, weights on the grid that make about every second neuron fire, and 60 images of 0 and 1."""
    parameters, rng = NBP(n_in=20, hidden=hidden, n_out=5, **rules), np.random.default_rng(1)
    step, bound, weights = parameters.w_step, parameters.w_max, {}
    for name, array in parameters.arrays.items():
        if array.needed:
            active = array.shape[0] * (0.3 if name == "W1" else 0.5)
            drawn = rng.normal(1.1 * parameters.theta / 2 / active, 100, array.shape).clip(-bound, bound)
            weights[name] = (np.trunc(drawn / step) * step).astype(np.int32)
    return parameters, weights, (rng.random((60, 20)) < 0.3).astype(np.uint8)


def ssnn(hidden=(9,), steps=40, **settings):
    """Parameters, weights on levels, and random draws between two levels, so that no rounding decides."""
    parameters, rng = (
        SSNN(n_in=20, hidden=hidden, n_out=5, steps=steps, w_max=4.0, levels=513, **settings),
        np.random.default_rng(2),
    )
    weights = {
        name: (rng.integers(-30, 60, array.shape) / 64).astype(np.float32) if name.startswith("b") else array
        for name, array in ssnn_weights(parameters, 0).items()
    }
    draws = {f"hidden{layer}": (rng.integers(0, 512, (steps, 1, size)) + 0.5) / 512 for layer, size in enumerate(hidden, 1)}
    frames = rng.random((1, steps, 20)) < 0.4
    draws |= {"input": np.full((steps, 1, 20), 0.5), "winner": rng.random((steps, 1, 5))}
    turns = ssnn_oracle.present(weights, frames, steps=steps, theta=parameters.theta, draws=draws, record=True)
    inputs = np.concatenate([frames[0], *(draws[f"hidden{layer}"][:, 0] for layer in range(1, len(hidden) + 1))], axis=1)
    return parameters, weights, inputs.astype(np.float32), draws, turns


def graph(parameters, weights, seed=0, **options):
    """The graph of a network."""
    system = next(one for one in SYSTEMS.values() if type(parameters) is one.parameters)
    return graph_of(system.feedforward(parameters, weights, seed), **options)


@pytest.mark.parametrize("rules", [{}, OTHER], ids=["published", "other"])
@pytest.mark.parametrize("n_layers", HIDDEN)
def test_nbp_equals_its_oracle_at_any_depth(n_layers, rules):
    parameters, weights, images = nbp(HIDDEN[n_layers], **rules)
    spikes, drive = nbp_oracle.infer(weights, images, int(parameters.theta))
    found = graph(parameters, weights)
    assert 0.1 < spikes.mean() < 0.9 and sum(isinstance(node, nir.CubaLIF) for node in found.nodes.values()) == n_layers
    for fires in (operator.gt, operator.ge):
        np.testing.assert_array_equal(simulate(found, images, DT, fires)["output"], spikes)
    np.testing.assert_array_equal(simulate(graph(parameters, weights, drive=True), images, DT)["output"], drive)


def test_the_published_threshold_lies_half_a_step_above_half_of_theta():
    parameters, weights, _ = nbp()
    found = graph(parameters, weights)
    for name in ("h", "o"):
        node = found.nodes[name]
        assert set(node.v_threshold) == {513.0} and set(node.r) == {1.0} and set(node.v_leak) == set(node.v_reset) == {0.0}
        np.testing.assert_allclose([node.tau_syn, node.tau_mem], DT)
    assert set(graph(parameters, weights, dt=0.5).nodes["h"].tau_mem) == {0.5}


def test_scattered_thresholds_and_lesions_are_those_of_the_circuit():
    """With such a spread, some neurons never fire, and others fire without input."""
    seed, (parameters, weights, images) = 0, nbp(theta_spread=0.4, lesioned=0.1)
    circuit = inference_circuit(parameters)
    model = GatedModel(circuit, parameters, seed)
    with simulator(model, device="numpy") as ready:
        result = ready.run(matrices(circuit, weights), model.stimuli({"input": images}), np.arange(len(images)))
    outputs = simulate(graph(parameters, weights, seed), images, DT)["output"]
    assert 0.05 < result.spikes.mean() < 0.95
    np.testing.assert_array_equal(outputs, result.spikes)
    # they matter, and so does the seed
    assert (outputs != nbp_oracle.infer(weights, images)[0]).any()
    assert (outputs != simulate(graph(parameters, weights, seed + 1), images, DT)["output"]).any()


@pytest.mark.parametrize(("hidden", "biases"), [((9,), False), ((9,), True), ((9, 8, 7), True)])
def test_ssnn_bp_equals_its_oracle_at_any_depth(hidden, biases):
    parameters, weights, inputs, draws, turns = ssnn(hidden, biases=biases)
    found = graph(parameters, weights)
    outputs = simulate(found, inputs, DT)
    assert found.nodes["input"].input_type["input"][0] == 20 + sum(hidden)
    for layer in range(1, len(hidden) + 1):
        spikes = turns.spikes[f"hidden{layer}"][:, 0]
        assert 0.1 < spikes.mean() < 0.9
        np.testing.assert_array_equal(outputs[f"hidden{layer}"], spikes)
    membrane = outputs["output"]
    np.testing.assert_allclose(membrane.mean(axis=0), turns.membrane[0], atol=1e-6)
    # the race of the output neurons, which the reader holds
    winner = np.argmin(-np.log(draws["winner"][:, 0]) / np.exp(membrane), axis=1)
    np.testing.assert_array_equal(winner, np.argmax(turns.spikes["output"][:, 0], axis=1))


def test_dropout_and_averaged_outputs_leave_the_graph_as_it_is():
    """A network that answers drops nothing; what the reader does with the membrane is not in the graph."""
    plain, weights, *_ = ssnn()
    for settings in ({"dropout": 0.5}, {"output_drive": "mean"}, {"hidden_drive": "mean", "answer_drive": "memoryless"}):
        other, *_ = ssnn(**settings)
        one, two = (graph(parameters, weights).to_dict()["nodes"] for parameters in (plain, other))
        assert all(np.array_equal(one[name][key], two[name][key]) for name in one for key in one[name])


REFUSED = [
    (nbp, {"weight_noise": 3.0}, "weight_noise = 3 draws random numbers in each step"),
    (nbp, {"fail_forward": 0.1}, "fail_forward = 0.1 draws random numbers"),
    (nbp, {"gate_late": 0.1}, "gate_late = 0.1 draws random numbers"),
    (nbp, {"gate_missing": 0.1}, "gate_missing = 0.1 draws random numbers"),
    (nbp, {"tau_m": 2.0**-9}, "tau_m = 0.00195312 s lets packets outlast their step"),
    (nbp, {"tau_s": 2.0**-9}, "tau_s = 0.00195312 s lets packets outlast their step"),
    (nbp, {"refractory": 5}, "refractory = 5 time steps of h outlasts the 4 steps of a turn"),
    (nbp, {"bias": -1e-3, "theta_spread": 2.0}, "fire while they are closed"),
    (nbp, {"theta": 2.0**25}, "too large for single precision"),
    (ssnn, {"hidden_drive": "mean"}, "hidden_drive = 'mean' lets hidden neurons average"),
    (ssnn, {"answer_drive": "mean"}, "answer_drive = 'mean' lets hidden neurons average"),
]


@pytest.mark.parametrize(("made", "settings", "sentence"), REFUSED)
def test_what_no_graph_holds_is_refused(made, settings, sentence):
    parameters, weights, *_ = made(**settings)
    with pytest.raises(ParameterError, match=re.escape(sentence)):
        graph(parameters, weights)


def test_a_refractory_period_within_a_turn_is_none():
    parameters, weights, images = nbp(refractory=4)
    np.testing.assert_array_equal(
        simulate(graph(parameters, weights), images, DT)["output"], nbp_oracle.infer(weights, images)[0]
    )


@pytest.mark.parametrize("dt", [0.0, -1e-4, float("nan"), float("inf")])
def test_a_time_step_is_a_time(dt):
    with pytest.raises(ParameterError, match=r"dt = .* must be a number of seconds greater than 0"):
        graph(*nbp()[:2], dt=dt)


def nbp_run(path: Path, hidden=(9,), **rules) -> Run:
    """A finished run of nBP that has learned nothing."""
    parameters, weights, _ = nbp(hidden, **rules)
    config = {
        "system": "nbp",
        "dataset": {"name": "digits", "classes": list("ABCDE"), "image_shape": [4, 5], "crop": 0, "binarise": [0.5]},
        "parameters": as_json(parameters),
        "training": {"epochs": 1, "seed": 5},
    }
    run = Run.create(path, config, {})
    run.save_checkpoint(1, weights)
    run.save_weights(weights)
    return run


def test_the_command_writes_a_file_that_nir_reads(tmp_path, capsys):
    run = nbp_run(tmp_path / "run", theta_spread=0.1)
    assert main(["export", str(run.path), "--to", "nir"]) == 0
    assert capsys.readouterr().out.strip() == str(run.path / "network.nir")
    found, (parameters, weights, images) = nir.read(run.path / "network.nir"), nbp(theta_spread=0.1)
    expected = simulate(graph(parameters, weights, 5), images, DT)["output"]
    np.testing.assert_array_equal(simulate(found, images, DT)["output"], expected)
    assert found.metadata["dt"] == DT and found.metadata["system"] == "nbp"
    dataset = json.loads(found.metadata["dataset"])
    assert dataset == {"image_shape": [4, 5], "crop": 0, "binarise": [0.5], "classes": list("ABCDE")}
    assert json.loads(found.metadata["parameters"])["theta_spread"] == 0.1 and json.loads(found.metadata["noise"]) == {}
    out = tmp_path / "other.nir"
    assert main(["export", str(run.path), "--to", "nir", "--out", str(out), "--drive", "--dt", "0.001"]) == 0
    found = nir.read(out)
    assert "o" not in found.nodes and found.metadata["dt"] == 0.001
    np.testing.assert_allclose(found.nodes["h"].tau_mem, 0.001)


def test_runs_paths_and_estimators_are_exported_alike(tmp_path):
    run = composite_run(tmp_path / "run", biases=True)
    estimator = brianprop.SSNNClassifier()
    with pytest.raises(RunError, match="This SSNNClassifier has learned nothing yet; call fit first"):
        to_nir(estimator)
    estimator.trained_ = Trained.of(run)
    one, two, three = (brianprop.to_nir(network) for network in (run, str(run.path), estimator))
    assert list(one.nodes) == ["input", "W1", "hidden1", "W2", "output"]
    assert json.loads(one.metadata["noise"]) == {"hidden1": 5}
    inputs = np.random.default_rng(0).random((6, 21))
    for other in (two, three):
        np.testing.assert_array_equal(simulate(one, inputs, DT)["output"], simulate(other, inputs, DT)["output"])
        assert other.metadata == one.metadata


def test_what_cannot_be_exported_is_one_sentence(tmp_path, capsys, monkeypatch):
    ann, run = ann_run(tmp_path / "ann"), nbp_run(tmp_path / "run")
    unfinished = Run.create(tmp_path / "unfinished", run.config, {})
    assert main(["export", str(ann.path), "--to", "nir"]) == 2
    assert "The ANN has no layers of spiking neurons" in capsys.readouterr().err
    for words in (["--drive"], ["--dt", "0.1"]):
        assert main(["export", str(run.path), "--to", "nwb", *words]) == 2
        assert f"{words[0].strip('-')} belongs to the format nir, not to nwb" in capsys.readouterr().err
    with pytest.raises(RunError, match="has no weights"):
        to_nir(unfinished)
    with pytest.raises(RunError, match=r"Cannot write .*nowhere"):
        main_export(run, tmp_path / "nowhere" / "network.nir")
    monkeypatch.setitem(sys.modules, "nir", None)
    assert main(["export", str(run.path), "--to", "nir"]) == 2
    assert "nir is not installed; use pip install 'brianprop[nir]'" in capsys.readouterr().err
    with pytest.raises(BrianpropError, match=r"brianprop\[nir\]"):
        to_nir(run)


def main_export(run: Run, out: Path) -> None:
    from brianprop.analysis.export import export

    export(run.path, "nir", out)


# -- other simulators: the scripts of docs/nir.md -----------------------------------------------------------------------------

SCRIPTS = dict(re.findall(r"^```python (\w+)\n(.*?)^```$", (ROOT / "docs/nir.md").read_text(), re.MULTILINE | re.DOTALL))

NETWORKS = {
    "nbp, one hidden layer": (nbp, (9,)),
    "nbp, three": (nbp, (9, 8, 7)),
    "ssnn-bp, one hidden layer": (ssnn, (9,)),
    "ssnn-bp, three": (ssnn, (9, 8, 7)),
}

#: The package of each simulator, and the number of NETWORKS, from the first, that its script runs.
SIMULATORS = {
    "snntorch": ("snntorch", 4),
    "norse": ("norse", 3),
    "spyx": ("spyx", 3),
    "lava": ("lava", 3),
    "lava_fixed": ("lava", 2),
}


def python_with(package: str) -> str | None:
    """An interpreter that has a package: this one, or one of those that BRIANPROP_NIR_PYTHONS lists."""
    others = filter(None, os.environ.get("BRIANPROP_NIR_PYTHONS", "").split(os.pathsep))
    for python in (sys.executable, *others):
        code = f"import importlib.util; raise SystemExit(importlib.util.find_spec({package!r}) is None)"
        if subprocess.run([python, "-c", code], capture_output=True).returncode == 0:
            return python
    return None


@pytest.mark.parametrize(
    ("name", "network"), [(name, network) for name, (_, n) in SIMULATORS.items() for network in list(NETWORKS)[:n]]
)
def test_other_simulators_give_the_same_spikes(name, network, tmp_path):
    python, script = python_with(SIMULATORS[name][0]), SCRIPTS[name.removesuffix("_fixed")]
    if python is None:
        pytest.skip(f"{SIMULATORS[name][0]} is not installed: it needs other versions than Brianprop, or hundreds of megabytes")
    if name.endswith("_fixed"):
        assert "FIXED = False\n" in script
        script = script.replace("FIXED = False\n", "FIXED = True\n")
    made, hidden = NETWORKS[network]
    parameters, weights, inputs, *rest = made(hidden)
    nir.write(tmp_path / "network.nir", graph(parameters, weights))
    np.save(tmp_path / "inputs.npy", inputs.astype(np.float32))
    (tmp_path / "script.py").write_text(script)
    done = subprocess.run([python, "script.py"], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    outputs = np.load(tmp_path / "outputs.npy")
    if made is nbp:
        np.testing.assert_array_equal(outputs, nbp_oracle.infer(weights, inputs)[0])
    else:
        # the membrane is a sum over the spikes of the hidden neurons, of which one more or less would move it by far more
        np.testing.assert_allclose(outputs, simulate(graph(parameters, weights), inputs, DT)["output"], atol=1e-5)
        np.testing.assert_allclose(outputs.mean(axis=0), rest[1].membrane[0], atol=1e-5)
