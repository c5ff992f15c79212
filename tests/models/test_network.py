"""The Brian2 objects of a circuit in the hands of a user: with more monitors, on any device."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from brianprop.models.errors import ParameterError
from brianprop.models.nbp import oracle
from brianprop.models.nbp.circuit import inference_circuit, training_circuit
from brianprop.models.nbp.model import GatedModel
from brianprop.models.nbp.parameters import NBP
from tests.conftest import restless_weights

PARAMETERS = NBP(n_in=6, hidden=(5,), n_out=3)
WEIGHTS = restless_weights(PARAMETERS)


def learn_and_compare():
    """Train on the device that is set, with a monitor of the membranes of h, and compare with the oracle."""
    circuit, rng = training_circuit(PARAMETERS), np.random.default_rng(0)
    images, targets = rng.integers(0, 2, (7, 6)), np.eye(3, dtype=int)[rng.integers(0, 3, 7)]
    import brian2 as b2

    network = circuit.create(PARAMETERS, WEIGHTS, {"input": images, "target": targets})
    h = circuit.neurons_of("h")
    membrane = b2.StateMonitor(network["neurons"], "v", record=range(h.start, h.stop), when="after_thresholds")
    network.add(membrane)
    network.run(circuit.duration(PARAMETERS, len(images)))

    def read(name):
        owner, _, variable = name.partition(".")
        return np.array(network[owner].variables[variable].get_value())

    result = GatedModel(circuit, PARAMETERS).result(read, len(images), 0.0)
    populations = {population.name: number for number, population in enumerate(circuit.populations)}
    learned = {name: w.astype(np.int64) for name, w in WEIGHTS.items()}
    for turn, (image, target) in enumerate(zip(images, targets, strict=True)):
        done = oracle.train_turn(learned, image, target)
        for (phase, name), fired in done.spikes.items():
            population, neuron, step = result.recorded
            here = (population == populations[name]) & (step == turn * circuit.period + phase)
            np.testing.assert_array_equal(np.sort(neuron[here]), np.flatnonzero(fired))
    assert np.any(learned["W1"] != WEIGHTS["W1"])
    np.testing.assert_array_equal(result.matrices["x", "h"], learned["W1"])
    np.testing.assert_array_equal(result.matrices["h", "o"], learned["W2"])
    # the first turn, in phase 2: the drive by the initial weights, and the half threshold that the gate leaves of the bias
    drive = images[0] @ WEIGHTS["W1"] + PARAMETERS.theta / 2
    np.testing.assert_array_equal(membrane.v[:, circuit.lead + 2], drive)
    assert membrane.v.shape == (5, circuit.lead + 7 * circuit.period)


def test_a_network_runs_with_more_monitors():
    import brian2 as b2

    target = b2.prefs.codegen.target
    b2.prefs.codegen.target = "numpy"
    try:
        learn_and_compare()
    finally:
        b2.prefs.codegen.target = target


@pytest.mark.slow
@pytest.mark.parametrize("lines", ["set_device('cpp_standalone', directory=None)", "prefs.codegen.target = 'cython'"])
def test_a_network_runs_on_any_device(lines):
    code = f"import brian2; brian2.{lines}; from tests.models.test_network import learn_and_compare; learn_and_compare()"
    root = Path(__file__).parents[2]
    path = os.pathsep.join([str(root), str(root / ".package")])
    done = subprocess.run([sys.executable, "-c", code], env=os.environ | {"PYTHONPATH": path}, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]


@pytest.mark.parametrize(
    ("weights", "stimuli", "samples", "words"),
    [
        ({"W1": WEIGHTS["W1"], "W2": WEIGHTS["W2"].T}, {"input": np.zeros((2, 6))}, None, "shape"),
        (WEIGHTS, {"input": np.zeros((2, 5))}, None, r"\(2, 5\)"),
        (WEIGHTS, {}, None, "input"),
        (WEIGHTS, {"input": np.zeros((2, 6))}, np.array([2]), r"Samples\[0\] = 2"),
    ],
)
def test_what_does_not_fit_is_refused(weights, stimuli, samples, words):
    with pytest.raises(ParameterError, match=words):
        inference_circuit(PARAMETERS).create(PARAMETERS, weights, stimuli, samples)
