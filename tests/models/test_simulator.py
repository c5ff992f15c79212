"""What a run is given is checked before it starts, on every device."""

import numpy as np
import pytest
from conftest import DIGITS

from brianprop.models.circuit import Circuit, Population, Projection
from brianprop.models.errors import ParameterError
from brianprop.models.model import Stimuli
from brianprop.models.nbp.circuit import matrices, training_circuit
from brianprop.models.nbp.model import GatedModel
from brianprop.models.nbp.parameters import NBP, initial_weights
from brianprop.models.simulation import simulator
from brianprop.models.simulation.replicas import Replicas, ReplicaStimuli
from brianprop.models.simulation.simulator import Simulator
from brianprop.models.ssnn_bp.model import SSNNModel
from brianprop.models.ssnn_bp.parameters import SSNN
from brianprop.models.ssnn_bp.parameters import initial_weights as initial_ssnn_weights

PARAMETERS = NBP(n_in=4, hidden=(3,), n_out=2)
MODEL = GatedModel(training_circuit(PARAMETERS), PARAMETERS)
WEIGHTS = matrices(MODEL.circuit, initial_weights(PARAMETERS, 0))
IMAGES, TARGETS = np.eye(4, dtype=np.uint8), np.eye(2, dtype=np.uint8)[[0, 1, 0, 1]]
STIMULI = MODEL.stimuli({"input": IMAGES, "target": TARGETS})

NETWORK = SSNNModel(SSNN(n_in=4, hidden=(3,), n_out=2, levels=9, w_max=1.0), learns=True, n_total=4)
NETWORK_WEIGHTS = initial_ssnn_weights(NETWORK.parameters, 0)


class Accepting(Simulator):
    """A device that runs nothing: what comes here was accepted."""

    def _run(self, weights, stimuli, samples, noise_seed, n_recorded, first, progress):
        return samples


def accepted(model, weights, stimuli, samples=(0,), **options):
    return Accepting(model, "stock").run(weights, stimuli, np.asarray(samples), **options)


def changed(weights, name, change):
    return weights | {name: change(np.array(weights[name]))}


def with_value(value):
    def change(array):
        array = array.astype(np.result_type(array.dtype, type(value)))
        array[1, 0] = value
        return array

    return change


def test_what_fits_is_accepted():
    np.testing.assert_array_equal(accepted(MODEL, WEIGHTS, STIMULI, [3, 0, 0]), [3, 0, 0])
    accepted(NETWORK, NETWORK_WEIGHTS, NETWORK.stimuli(IMAGES * 9, TARGETS))
    accepted(NETWORK, NETWORK_WEIGHTS | {"b1": np.ones(3)}, NETWORK.stimuli(IMAGES, TARGETS))  # constant biases
    accepted(Replicas([MODEL] * 2), [WEIGHTS] * 2, ReplicaStimuli([STIMULI] * 2), [[0, 1], [3, 3]])


@pytest.mark.parametrize(
    ("name", "change", "words"),
    [
        (("x", "h"), np.transpose, r"x -> h has shape \(3, 4\), not \(4, 3\)"),
        (("h", "o"), lambda w: w[:, :1], r"h -> o has shape \(3, 1\), not \(3, 2\)"),
        (("x", "h"), with_value(np.nan), "x -> h holds values that are not finite"),
        (("x", "h"), with_value(np.inf), "x -> h holds values that are not finite"),
        (("o", "d1"), with_value(0.5), "o -> d1 holds values off the whole numbers"),
        (("x", "h"), with_value(10**6), "x -> h holds 1e[+]06, which exceeds the bound w_max = 254"),
        (("x", "h"), lambda w: w.astype(complex), "x -> h holds complex128, not real numbers"),
        (("x", "h"), lambda w: w.astype(str), "x -> h holds"),
        (("x", "h"), lambda w: w[0, 0], r"x -> h has shape \(\)"),
    ],
)
def test_weights_that_are_not_those_of_the_circuit(name, change, words):
    with pytest.raises(ParameterError, match=words):
        accepted(MODEL, changed(WEIGHTS, name, change), STIMULI)
    with pytest.raises(ParameterError, match=words):
        accepted(Replicas([MODEL] * 2), [WEIGHTS, changed(WEIGHTS, name, change)], ReplicaStimuli([STIMULI] * 2), [[0], [0]])


@pytest.mark.parametrize(
    ("name", "change", "words"),
    [
        ("W1", np.transpose, r"W1 has shape \(3, 4\), not \(4, 3\)"),
        ("W2", with_value(np.nan), "W2 holds values that are not finite"),
        ("W1", with_value(1e300), "W1 holds 1e[+]300, which exceeds the bound w_max = 1"),
        ("W1", with_value(0.11), "W1 holds values off the 9 levels"),
    ],
)
def test_weights_that_are_not_those_of_the_network(name, change, words):
    with pytest.raises(ParameterError, match=words):
        accepted(NETWORK, changed(NETWORK_WEIGHTS, name, change), NETWORK.stimuli(IMAGES, TARGETS))


def test_matrices_that_are_missing_or_too_many():
    with pytest.raises(ParameterError, match="lacks x -> h"):
        accepted(MODEL, {pair: matrix for pair, matrix in WEIGHTS.items() if pair != ("x", "h")}, STIMULI)
    with pytest.raises(ParameterError, match="holds h -> x, which the network has not"):
        accepted(MODEL, WEIGHTS | {("h", "x"): np.zeros((3, 4))}, STIMULI)
    with pytest.raises(ParameterError, match="holds W3"):
        accepted(NETWORK, NETWORK_WEIGHTS | {"W3": np.zeros((3, 4))}, NETWORK.stimuli(IMAGES, TARGETS))
    with pytest.raises(ParameterError, match="given for 1 networks, not 2"):
        accepted(Replicas([MODEL] * 2), [WEIGHTS], ReplicaStimuli([STIMULI] * 2), [[0], [0]])


@pytest.mark.parametrize(
    ("samples", "words"),
    [
        ([0, 4], r"Samples\[1\] = 4, but the stimuli have the rows 0 to 3"),
        ([-1], r"Samples\[0\] = -1"),
        ([99_999], "99999"),
        ([2**40], str(2**40)),
        ([0.0], "of type float64"),
        ([True], "of type bool"),
        ([], "of type float64|at least one turn"),
        (np.zeros(0, int), "at least one turn"),
        ([[0, 1]], r"shape \(1, 2\)"),
        (0, r"shape \(\)"),
    ],
)
def test_samples_that_are_no_rows(samples, words):
    with pytest.raises(ParameterError, match=words):
        accepted(MODEL, WEIGHTS, STIMULI, samples)


@pytest.mark.parametrize(
    ("samples", "words"),
    [([0, 1], r"shape \(2,\)"), ([[0]], r"shape \(1, 1\)"), ([[0], [4]], r"Samples\[1, 0\] = 4"), ([[], []], "float64")],
)
def test_samples_of_several_networks_that_are_no_rows(samples, words):
    with pytest.raises(ParameterError, match=words):
        accepted(Replicas([MODEL] * 2), [WEIGHTS] * 2, ReplicaStimuli([STIMULI] * 2), samples)


@pytest.mark.parametrize("name", ["noise_seed", "n_recorded", "first"])
@pytest.mark.parametrize("value", [-1, 0.5, 2**31, True, None, "1"])
def test_numbers_out_of_their_range(name, value):
    with pytest.raises(ParameterError, match=f"Argument {name} = {value!r} must be a whole number"):
        accepted(MODEL, WEIGHTS, STIMULI, **{name: value})


def test_stimuli_of_another_circuit():
    with pytest.raises(ParameterError, match=r"rows of 5 bytes, but the circuit .* reads 7"):
        accepted(MODEL, WEIGHTS, Stimuli(np.zeros((4, 5), np.uint8)))


@pytest.mark.parametrize("value", [0.7, 5, -1, np.nan])
def test_a_neuron_spikes_or_not(value):
    with pytest.raises(ParameterError, match=r"Stimuli of input hold .*binarise them first"):
        MODEL.stimuli({"input": np.full((4, 4), value), "target": TARGETS})
    with pytest.raises(ParameterError, match="one-hot"):
        NETWORK.stimuli(IMAGES, np.full((4, 2), value))


def test_images_that_are_no_grey_values():
    with pytest.raises(ParameterError, match="type float64"):
        NETWORK.stimuli(IMAGES.astype(float), TARGETS)


@pytest.mark.parametrize("device", ["numpy", "cpp_standalone"])
def test_every_device_checks(device):
    parameters = NBP(**DIGITS)  # other tests build it too
    model = GatedModel(training_circuit(parameters), parameters)
    with simulator(model, device=device) as ready, pytest.raises(ParameterError, match="the rows 0 to 3"):
        ready.run(WEIGHTS, Stimuli(np.zeros((4, model.width), np.uint8)), np.array([4]))


def circuit(**changes):
    source, neurons = Population("x", 2, "source", send_phase=changes.pop("send_phase", 0)), Population("y", 2)
    arrows = (Projection("x", "y", "copy", 0, "one-to-one", weight=1.0),)
    given = {"period": 4, "lead": 2, "reinforced": (), "readout": "y", "readout_phase": 3, "firing": {1: ("y",)}} | changes
    return Circuit("test", (source, neurons), arrows, **given)


def test_a_sound_circuit_is_one():
    assert circuit().period == 4


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"period": 0}, "period = 0 must be a whole number of time steps of at least 1"),
        ({"period": 4.0}, "period = 4.0"),
        ({"lead": -1}, "lead = -1"),
        ({"send_phase": 4}, "send_phase 4 of x is no phase of its turn; give one from 0 to 3"),
        ({"send_phase": -1}, "send_phase -1 of x"),
        ({"send_phase": 0.5}, "send_phase 0.5 of x"),
        ({"readout_phase": 4}, "readout_phase 4 is no phase"),
        ({"readout_phase": None}, "readout_phase None is no phase"),
        ({"reinforced": (1, 99)}, "the reinforced phase 99 is no phase"),
        ({"firing": {4: ("y",)}}, "the phase 4 of firing is no phase"),
        ({"firing": {1: ("z",)}}, "'z' may fire in phase 1, but is no population; give one of x, y"),
        ({"readout": "z"}, "readout z is no population"),
    ],
)
def test_a_circuit_whose_turn_cannot_be(changes, words):
    with pytest.raises(ParameterError, match=words):
        circuit(**changes)


@pytest.mark.parametrize(
    "options",
    [
        {"bias": float("nan")},
        {"bias": float("inf")},
        {"bias": "1"},
        {"refractory": 0.5},
        {"refractory": -1},
        {"size": True},
        {"size": 2.0},
    ],
)
def test_a_population_that_cannot_be(options):
    with pytest.raises(ParameterError, match=f"Population y: {next(iter(options))}"):
        Population("y", **({"size": 2} | options))


@pytest.mark.parametrize("weight", [float("nan"), float("-inf"), "1", True])
def test_an_arrow_whose_weight_is_no_number(weight):
    with pytest.raises(ParameterError, match=r"x -> y \(copy\): weight"):
        Projection("x", "y", "copy", 0, "one-to-one", weight=weight)
