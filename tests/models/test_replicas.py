"""Several networks in one simulation: each gives what it gives alone."""

import contextlib

import numpy as np
import pytest

from brianprop.models.equations import per_neuron, read_from_targets, shared_dependents
from brianprop.models.errors import ParameterError
from brianprop.models.model import Stimuli
from brianprop.models.nbp.circuit import inference_circuit, matrices, training_circuit
from brianprop.models.nbp.equations import GATED_LIF, coincidence_model
from brianprop.models.nbp.model import GatedModel
from brianprop.models.nbp.parameters import NBP, initial_weights
from brianprop.models.simulation import simulator
from brianprop.models.simulation.replicas import Replicas, ReplicaStimuli
from brianprop.models.ssnn_bp.equations import ANNEALING
from brianprop.models.ssnn_bp.model import SSNNModel
from brianprop.models.ssnn_bp.parameters import SSNN
from brianprop.models.ssnn_bp.parameters import initial_weights as initial_ssnn_weights
from tests.conftest import DIGITS

#: Of one simulation: what differs between them is set when it runs.
DIFFERENT = (
    NBP(**DIGITS),
    NBP(**DIGITS, theta=960.0, eta_plus=4),
    NBP(**DIGITS, w_max=126, w_init_max=126, eta_minus=4),
)


def alone(model, weights, stimuli, samples, **options):
    with simulator(model, **options) as ready:
        return ready.run(weights, stimuli, samples, n_recorded=3)


def nbp_runs(digits, several, circuit_of, n_turns):
    """Models, weights, stimuli and samples of networks with seeds of their own; two share their stimuli."""
    images, targets, _ = digits
    models = [GatedModel(circuit_of(parameters), parameters) for parameters in several]
    weights = [
        matrices(model.circuit, initial_weights(p, seed)) for seed, (model, p) in enumerate(zip(models, several, strict=True))
    ]
    learns = "target" in {population.name for population in models[0].circuit.sources}

    def stimuli(model, first):
        values = {"input": images[first:], "target": targets[first:]}
        return model.stimuli(values if learns else {"input": values["input"]})

    shared = stimuli(models[0], 0)
    given = [shared, *(stimuli(model, 700) for model in models[1:-1]), shared]
    samples = np.array([np.random.default_rng(seed).permutation(700)[:n_turns] for seed in range(len(models))])
    return models, weights, given, samples


@pytest.mark.parametrize("codegen", ["dense", pytest.param("stock", marks=pytest.mark.slow)])
@pytest.mark.parametrize("several", [DIFFERENT, (NBP(**DIGITS),) * 3], ids=["points", "seeds"])
def test_replicas_of_nbp_are_bit_identical_to_their_runs_alone(digits, several, codegen):
    models, weights, given, samples = nbp_runs(digits, several, training_circuit, 300)
    with simulator(Replicas(models), codegen=codegen) as ready:
        together = ready.run(weights, ReplicaStimuli(given), samples, n_recorded=3)
    for model, own, stimuli, order, result in zip(models, weights, given, samples, together, strict=True):
        expected = alone(model, own, stimuli, order, codegen="dense")
        for pair, matrix in expected.matrices.items():
            np.testing.assert_array_equal(result.matrices[pair], matrix)
        np.testing.assert_array_equal(result.drive, expected.drive)
        np.testing.assert_array_equal(result.spikes, expected.spikes)
        for column, expected_column in zip(result.recorded, expected.recorded, strict=True):
            np.testing.assert_array_equal(column, expected_column)
    assert len({result.matrices["x", "h"].tobytes() for result in together}) == 3
    assert len(together[0].recorded[0])


def test_samples_as_replicas_give_the_answers_of_one_network(digits):
    parameters = NBP(**DIGITS)
    images, _, _ = digits
    model = GatedModel(inference_circuit(parameters), parameters)
    weights = matrices(model.circuit, initial_weights(parameters, 0))
    stimuli = model.stimuli({"input": images})
    samples = np.arange(600).reshape(3, 200)
    with simulator(Replicas([model] * 3)) as ready:
        together = ready.run([weights] * 3, ReplicaStimuli([stimuli] * 3), samples)
    expected = alone(model, weights, stimuli, samples.ravel())
    np.testing.assert_array_equal(np.concatenate([result.drive for result in together]), expected.drive)


def ssnn_replicas(several, learns, n_total=1):
    return [SSNNModel(parameters, learns, n_total) for parameters in several]


@pytest.mark.parametrize("events", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_replicas_of_ssnn_bp_send_what_they_are_given(events):
    # weights so large that chance has no say: every input neuron that is bright fires its own hidden neuron in every step
    parameters = SSNN(n_in=4, hidden=(4,), n_out=2, steps=9, theta=1.0, events=events)
    model = SSNNModel(parameters, learns=False)
    rng = np.random.default_rng(0)
    if events:
        rows = rng.integers(0, 256, (6, parameters.n_bytes), dtype=np.uint8)
    else:
        rows = 255 * rng.integers(0, 2, (6, 4), dtype=np.uint8)
    weights = {"W1": np.eye(4, dtype=np.float32) * 50, "W2": np.zeros((4, 2), dtype=np.float32)}
    stimuli = model.stimuli(rows)
    samples = np.array([[0, 1], [2, 3], [5, 4]])
    with simulator(Replicas([model] * 3)) as ready:
        together = ready.run([weights] * 3, ReplicaStimuli([stimuli] * 3), samples, n_recorded=2)
    with simulator(model) as ready:
        for result, order in zip(together, samples, strict=True):
            expected = ready.run(weights, stimuli, order, n_recorded=2)
            for layer in (0, 1):  # the output is drawn
                of_layer, expected_of_layer = (
                    np.array(recorded)[:, recorded[0] == layer] for recorded in (result.recorded, expected.recorded)
                )
                np.testing.assert_array_equal(of_layer, expected_of_layer)
                assert of_layer.shape[1]


@pytest.mark.slow
def test_replicas_of_ssnn_bp_learn_as_they_do_alone():
    # numbers of their own: a network that cannot learn, one that learns, one with more steps of update upwards only
    several = [
        SSNN(
            n_in=8,
            hidden=(6, 5),
            n_out=3,
            steps=5,
            rate_hidden=rate,
            rate_out=rate,
            annealed=annealed,
            w_max=w_max,
            biases=True,
        )
        for rate, annealed, w_max in ((0.0, True, 2.0), (0.1, True, 2.0), (0.1, False, 0.5))
    ]
    rng = np.random.default_rng(1)
    images, targets = rng.integers(0, 256, (200, 8), dtype=np.uint8), np.eye(3, dtype=np.uint8)[rng.integers(0, 3, 200)]
    n_turns = 200
    models = ssnn_replicas(several, learns=True, n_total=n_turns)
    weights = [initial_ssnn_weights(parameters, 3) for parameters in several]
    stimuli = models[0].stimuli(images, targets)
    samples = np.tile(np.arange(n_turns), (3, 1))

    def changes(results):
        return np.array(
            [
                [np.abs(r.weights[name] - w[name]).mean() for name in ("W1", "W2", "W3")]
                for r, w in zip(results, weights, strict=True)
            ]
        )

    with simulator(Replicas(models)) as ready:
        together = [
            ready.run(weights, ReplicaStimuli([stimuli] * 3), samples, noise_seed=seed, n_recorded=n_turns) for seed in range(8)
        ]
    with contextlib.ExitStack() as stack:
        ready = [stack.enter_context(simulator(model)) for model in models]
        apart = [
            [
                one.run(w, stimuli, samples[0], noise_seed=100 * seed + place, n_recorded=n_turns)
                for place, (one, w) in enumerate(zip(ready, weights, strict=True))
            ]
            for seed in range(8)
        ]
    a, b = np.array([changes(results) for results in together]), np.array([changes(results) for results in apart])
    assert np.all(a[:, 0] == 0) and np.all(a[:, 1:] > 0)
    # means of eight runs differ by less than five standard errors: wrong once in 10,000 for each of six numbers (t, 14 d.f.)
    error = np.sqrt((a.var(axis=0, ddof=1) + b.var(axis=0, ddof=1)) / 8)
    assert np.all(np.abs(a.mean(axis=0) - b.mean(axis=0))[1:] < 5 * error[1:])
    assert all(np.abs(results[2].weights["W1"]).max() <= np.float32(0.5) for results in together)
    # the same seed gives the same, another seed another
    assert not np.array_equal(together[0][1].weights["W1"], together[1][1].weights["W1"])


def test_replicas_must_share_their_code():
    a, b = (GatedModel(training_circuit(p), p) for p in (NBP(**DIGITS), NBP(**DIGITS | {"hidden": (30,)})))
    with pytest.raises(ParameterError, match="0 and 1 of one simulation differ in what is compiled"):
        Replicas([a, b])
    with pytest.raises(ParameterError, match="at least one"):
        Replicas([])
    c, d = (SSNNModel(SSNN(n_in=4, hidden=(3,), n_out=2, steps=steps), learns=False) for steps in (5, 6))
    with pytest.raises(ParameterError, match=r"T = 5, 6; give them the same --steps"):
        Replicas([c, d])
    with pytest.raises(ParameterError, match="cpp_standalone or cuda"):
        simulator(Replicas([a, a]), device="numpy")
    with pytest.raises(ParameterError, match="rows of"):
        ReplicaStimuli([Stimuli(np.zeros((1, 3), np.uint8)), Stimuli(np.zeros((1, 4), np.uint8))])


def test_constants_become_each_neurons_own():
    own = per_neuron(ANNEALING, {"annealed"})
    assert "annealed : 1 (constant)" in own and "n_total : integer (shared, constant)" in own
    assert "left = 1 - annealed * (n_before + turn) / n_total : 1\n" in own
    assert shared_dependents(ANNEALING, {"annealed"}) == {"annealed", "left"}
    assert per_neuron(GATED_LIF, ()) == GATED_LIF
    model = read_from_targets(coincidence_model((5, 7), failing=False), {"eta_plus"})
    assert "eta_plus = own_eta_plus_post : 1\n" in model
    assert "w_max : 1 (shared, constant)" in model
    assert "rate = (eta_plus + eta_minus) * r - eta_minus : 1\n" in model
    assert "r = int(phase == 5) + int(phase == 7) : 1 (shared)" in model


def test_only_what_differs_is_each_neurons_own():
    models = [GatedModel(training_circuit(p), p) for p in DIFFERENT]
    names = {name.partition(".")[2] for name in Replicas(models).per_network}
    assert names == {"eta_plus", "eta_minus", "w_max"}  # thresholds always are
    assert not Replicas(models[:1]).per_network
