"""What nBP may be asked to withstand: failing synapses, lesions, late and missing gates; and steps of learning that fall."""

import dataclasses

import numpy as np
import pytest
from conftest import DIGITS, restless_weights

from brianprop.models.circuit import Circuit, Population, Projection
from brianprop.models.errors import ParameterError
from brianprop.models.gating import LEAD
from brianprop.models.nbp import oracle
from brianprop.models.nbp.circuit import CONNECTIVITY, fixed_weights, inference_circuit, matrices, training_circuit
from brianprop.models.nbp.layout import neuron_arrays
from brianprop.models.nbp.model import GatedModel
from brianprop.models.nbp.parameters import NBP, Rules, initial_weights
from brianprop.models.simulation import simulator

#: A statistical test may be wrong once in a million times: 4.9 standard deviations of a normal distribution.
SIGMAS = 4.9


def run(parameters, weights, images, targets=None, seed=0, device="cpp_standalone", codegen="dense", **options):
    circuit = inference_circuit(parameters) if targets is None else training_circuit(parameters)
    model = GatedModel(circuit, parameters, seed, n_total=options.pop("n_total", None))
    values = {"input": images} if targets is None else {"input": images, "target": targets}
    with simulator(model, device=device, codegen=codegen) as ready:
        result = ready.run(
            matrices(circuit, weights), model.stimuli(values), np.arange(len(images)), n_recorded=len(images), **options
        )
    return circuit, result


def fired(circuit, result, name):
    """Turn, phase and neuron of every spike of a population in a turn."""
    population, neuron, step = result.recorded
    place = [one.name for one in circuit.populations].index(name)
    chosen = (population == place) & (step >= 0)
    return np.stack([step[chosen] // circuit.period, step[chosen] % circuit.period, neuron[chosen]])


@pytest.mark.parametrize("codegen", ["dense", pytest.param("stock", marks=pytest.mark.slow)])
def test_transmissions_fail_as_often_as_said(digits, codegen):
    # drive of o = sum over spikes of h of w, where each comes with probability 1 - p
    images, _, _ = digits
    p, n = 0.3, 400
    parameters = NBP(**DIGITS, fail_forward=p)
    # h fires whatever fails
    weights = {"W1": np.full((64, 60), 254, dtype=np.int32), "W2": restless_weights(parameters)["W2"]}
    _, result = run(parameters, weights, np.repeat(images[:1], n, axis=0), noise_seed=4, codegen=codegen)
    drive = result.drive - parameters.theta / 2
    w = weights["W2"].astype(float)
    mean, sd = (1 - p) * w.sum(0), np.sqrt(p * (1 - p) * (w**2).sum(0))
    assert np.all(np.abs(drive.mean(0) - mean) < SIGMAS * sd / np.sqrt(n))
    # the s.d. of n nearly normal numbers is known to sd / sqrt(2 n)
    assert np.all(np.abs(drive.std(0) / sd - 1) < SIGMAS / np.sqrt(2 * n))
    # every synapse draws for itself
    correlation = np.corrcoef(drive.T)[np.triu_indices(10, 1)]
    assert np.all(np.abs(correlation) < SIGMAS / np.sqrt(n))


def test_forward_and_backward_paths_fail_apart(digits):
    images, targets, _ = digits
    weights = restless_weights(NBP(**DIGITS))
    none = NBP(**DIGITS)
    circuit, plain = run(none, weights, images[:40], targets[:40])
    _, forward = run(dataclasses.replace(none, fail_forward=1.0), weights, images[:40], targets[:40])
    # nothing reaches h and o in the forward pass, so that nothing errs within its box
    assert not fired(circuit, forward, "h").size and fired(circuit, plain, "h").size
    assert np.all(forward.drive == none.theta / 2)
    _, backward = run(dataclasses.replace(none, fail_backward=1.0), weights, images[:40], targets[:40])
    # the first answer is the same; the gradient never comes back, so that W1 stays
    np.testing.assert_array_equal(backward.drive[0], plain.drive[0])
    np.testing.assert_array_equal(backward.matrices["x", "h"], weights["W1"])
    assert not np.array_equal(backward.matrices["h", "o"], weights["W2"])
    assert not np.array_equal(plain.matrices["x", "h"], weights["W1"])


def test_lesioned_neurons_never_fire_and_others_do(digits):
    images, targets, _ = digits
    parameters = NBP(**DIGITS, lesioned=0.3)
    circuit, result = run(parameters, restless_weights(parameters), images[:100], targets[:100], seed=3)
    theta, start, silent = neuron_arrays(circuit, parameters, 3)["neurons.theta"], 0, {}
    for population in circuit.neurons:
        silent[population.name] = np.flatnonzero(theta[start : start + population.size] > 1e9)
        start += population.size
    assert not any(silent[population.name].size for population in circuit.neurons if population.role == "gating")
    n = sum(population.size for population in circuit.neurons if population.role == "gated")
    share = sum(map(len, silent.values())) / n
    assert abs(share - 0.3) < SIGMAS * np.sqrt(0.3 * 0.7 / n)
    for name, neurons in silent.items():
        assert not np.isin(fired(circuit, result, name)[2], neurons).any()
    assert fired(circuit, result, "h").size and fired(circuit, result, "d1").size
    # the same ones answer as learn
    inference = neuron_arrays(inference_circuit(parameters), parameters, 3)["neurons.theta"]
    np.testing.assert_array_equal(np.flatnonzero(inference[64 : 64 + 60] > 1e9), silent["h"])


def test_gates_are_missing_as_often_as_said_and_whole(digits):
    images, targets, _ = digits
    late, missing, n = 0.2, 0.3, 500
    parameters = NBP(**DIGITS, gate_late=late, gate_missing=missing)
    chosen = np.repeat(images[:1], n, axis=0), np.repeat(targets[:1], n, axis=0)
    circuit, result = run(parameters, restless_weights(parameters), *chosen, noise_seed=2)
    turn, phase, _ = fired(circuit, result, "x")
    first = turn[phase == 1]
    turns, spikes = np.unique(first, return_counts=True)
    # the input fires as a whole or not at all
    assert set(spikes.tolist()) == {int(images[0].sum())}
    on_time = 1 - late - missing
    assert abs(len(turns) / n - on_time) < SIGMAS * np.sqrt(on_time * (1 - on_time) / n)
    # the chain itself goes on
    assert fired(circuit, result, "g1").shape[1] == n


def late_circuit(rules):
    """A source whose packet arrives in phase 2, and a population that the gating neuron of phase 1 opens."""
    weights = fixed_weights(rules)
    return Circuit(
        name="late",
        populations=(
            Population("input", 3, "source", send_phase=0),
            Population("kick", 1, "source", send_phase=4 - LEAD),
            Population("x", 3, bias=rules.bias),
            *(Population(f"g{phase}", 1, "gating") for phase in range(4)),
        ),
        projections=(
            Projection("input", "x", "copy", 1, CONNECTIVITY["copy"], weights["copy"]),
            Projection("g1", "x", "gate", 0, CONNECTIVITY["gate"], weights["gate"]),
            Projection("kick", "g0", "chain", 0, "one-to-one", weights["chain"]),
            *(Projection(f"g{k}", f"g{(k + 1) % 4}", "chain", 0, "one-to-one", weights["chain"]) for k in range(4)),
        ),
        period=4,
        lead=LEAD,
        reinforced=(),
        readout="x",
        readout_phase=2,
    )


@pytest.mark.parametrize(("late", "missing", "fires"), [(0.0, 0.0, False), (1.0, 0.0, True), (0.0, 1.0, False)])
def test_a_late_gate_opens_in_the_next_phase(late, missing, fires):
    rules = Rules(gate_late=late, gate_missing=missing)
    circuit = late_circuit(rules)
    model = GatedModel(circuit, rules)
    with simulator(model, device="numpy") as ready:
        stimuli = model.stimuli({"input": np.ones((5, 3), np.uint8)})
        result = ready.run({}, stimuli, np.arange(5), n_recorded=5)
    assert np.array_equal(result.spikes, np.full((5, 3), fires))


def test_gates_that_may_come_late_have_no_delay():
    rules = Rules(gate_late=0.1)
    circuit = late_circuit(rules)
    projections = tuple(dataclasses.replace(one, delay=1) if one.kind == "gate" else one for one in circuit.projections)
    model = GatedModel(dataclasses.replace(circuit, projections=projections), rules)
    with pytest.raises(ParameterError, match=r"g1 -> x \(gate\) has a delay of 1"), simulator(model, device="numpy") as ready:
        ready.run({}, model.stimuli({"input": np.ones((1, 3), np.uint8)}), np.arange(1))


def test_noise_and_thresholds_of_single_populations():
    rules = Rules(theta_spread=0.1)
    circuit = late_circuit(rules)
    own = tuple(
        dataclasses.replace(one, noise=7.0, theta_spread=0.0) if one.name == "x" else one for one in circuit.populations
    )
    plain, changed = (
        neuron_arrays(one, rules, with_noise=True) for one in (circuit, dataclasses.replace(circuit, populations=own))
    )
    assert plain["neurons.theta"][:3].std() > 0 and np.all(changed["neurons.theta"] == rules.theta)
    assert not plain["neurons.weight_noise"].any()
    np.testing.assert_array_equal(changed["neurons.weight_noise"], [7, 7, 7, 0, 0, 0, 0])
    with pytest.raises(ParameterError, match=r"Population x: noise -1\.0"):
        Population("x", 3, noise=-1.0)


def test_scattered_thresholds_in_single_precision_give_what_double_precision_gives(digits):
    images, targets, _ = digits
    parameters = NBP(**DIGITS, theta_spread=0.1, lesioned=0.02)
    weights = restless_weights(parameters)
    _, double = run(parameters, weights, images[:25], targets[:25], device="numpy")
    _, single = run(parameters, weights, images[:25], targets[:25])
    np.testing.assert_array_equal(single.drive, double.drive)
    for pair, matrix in double.matrices.items():
        np.testing.assert_array_equal(single.matrices[pair], matrix)
    for one, other in zip(single.recorded, double.recorded, strict=True):
        np.testing.assert_array_equal(one, other)


def test_steps_fall_over_the_training(digits):
    images, targets, _ = digits
    parameters = NBP(**DIGITS, eta_plus=8, eta_minus=4, annealed=True)
    assert [parameters.steps(n, 100)["eta_plus"] for n in (0, 24, 25, 49, 50, 75, 99)] == [8, 8, 6, 6, 4, 2, 2]
    assert [parameters.steps(n, 100)["eta_minus"] for n in (0, 49, 50, 99)] == [4, 4, 2, 2]
    weights = restless_weights(parameters)
    for first, (up, down) in {0: (8, 4), 60: (4, 2)}.items():
        _, result = run(parameters, weights, images[:20], targets[:20], first=first, n_total=100)
        expected = {name: matrix.astype(np.int64) for name, matrix in weights.items()}
        for image, target in zip(images[:20], targets[:20], strict=True):
            oracle.train_turn(expected, image, target, eta_plus=up, eta_minus=down)
        np.testing.assert_array_equal(result.matrices["x", "h"], expected["W1"])
    with pytest.raises(ParameterError, match="annealed = True needs the length of the training"):
        GatedModel(training_circuit(parameters), parameters)


def test_a_gain_of_initial_weights_is_that_of_later_layers():
    plain, louder = (
        initial_weights(NBP(n_in=100, hidden=(100, 100), w_init_max=254, w_init_gain=gain), 1) for gain in (1.0, 1.5)
    )
    np.testing.assert_array_equal(plain["W1"], louder["W1"])
    for name in ("W2", "W3"):
        free = (np.abs(louder[name]) < 240) & (np.abs(plain[name]) > 50)
        assert np.median(louder[name][free] / plain[name][free]) == pytest.approx(1.5, rel=0.02)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"fail_forward": 1.5}, "fail_forward = 1.5 must be from 0 to 1"),
        ({"lesioned": -0.1}, "lesioned = -0.1 must be from 0 to 1"),
        ({"gate_late": 0.6, "gate_missing": 0.6}, "gate_missing = 0.6 must be at most 1 - gate_late = 0.4"),
        ({"h_dead": -1.0}, "h_dead = -1.0 must be at least 0"),
    ],
)
def test_impossible_faults_are_refused(change, message):
    with pytest.raises(ParameterError, match=message):
        Rules(**change)
