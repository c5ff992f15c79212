"""nBP of any depth: the generated circuit against the published one, the static checks, and the algorithm."""

import dataclasses

import numpy as np
import pytest

from brianprop.models import checks
from brianprop.models.errors import ParameterError
from brianprop.models.nbp import oracle
from brianprop.models.nbp.circuit import inference_circuit, matrices, training_circuit
from brianprop.models.nbp.model import GatedModel
from brianprop.models.nbp.parameters import NBP
from brianprop.models.nbp.schedule import sequential
from brianprop.models.simulation import simulator

MARGINS = {"error": "margin", "h_lower": -0.5, "h_upper": 1.5, "o_lower": -1.0, "o_upper": 2.0}

#: Random feedback in place of the learned transposes.
RANDOM = {"feedback": "random"}

#: Layer sizes with one to four weight matrices.
SIZES = {1: (20, 6), 2: (20, 12, 6), 3: (20, 12, 10, 6), 4: (20, 12, 10, 8, 6)}


def network(sizes, **rules):
    return NBP(n_in=sizes[0], hidden=sizes[1:-1], n_out=sizes[-1], **rules)


@pytest.mark.parametrize(
    ("n_layers", "phases", "matrices", "longest", "arrows"),
    [
        (1, 7, 3, 2, 50),
        (2, 12, 8, 5, 107),
        (3, 17, 13, 10, 169),
        (4, 22, 18, 15, 228),
        (5, 27, 23, 20, 287),
        (6, 32, 28, 25, 346),
    ],
)
def test_counts(n_layers, phases, matrices, longest, arrows):
    parameters = network((4,) * (n_layers + 1))
    circuit = training_circuit(parameters, "complete")
    assert (circuit.period, len(circuit.projections)) == (phases, arrows)
    assert sum(one.plastic for one in circuit.projections) == matrices
    assert max(one.delay for one in circuit.projections) == longest
    assert inference_circuit(parameters).period == n_layers + 2


@pytest.mark.parametrize("rules", [{}, MARGINS, RANDOM], ids=["published", "margins", "random feedback"])
@pytest.mark.parametrize("n_layers", range(1, 13))
def test_generated_circuits_are_sound(n_layers, rules):
    parameters = network((4,) * (n_layers + 1), **rules)
    assert not sequential(n_layers).faults()
    for circuit in (training_circuit(parameters, "complete"), inference_circuit(parameters)):
        checks.require_sound(circuit, parameters.theta)


def test_the_published_circuit_leaves_two_packets_unsilenced():
    found = checks.faults(training_circuit(NBP()), 1024)
    assert len(found) == 6 and all("not silenced" in one for one in found)
    assert {one.partition(" is closed in phase ")[0] for one in found} == {"h", "h_lt", "h_gt", "o", "o_lt", "o_gt"}
    assert sum("phase 0" in one for one in found) == sum("phase 8" in one for one in found) == 3


#: Schedules of three matrices that look right and are not, with what the schedule and the circuit say of them.
FAULTY = {
    "reinforcement of one meets depression of another": (
        {"potentiation": (12, 10, 6), "depression": (16, 12, 8)},
        "P_1 = N_2 = 12: the reinforcement is one number, so W2 would be potentiated",
        "h1 -> h2 is potentiated in phases [10, 12] and depressed in phases []",
    ),
    "a copy of the replay goes astray": (
        {"potentiation": (12, 10, 6), "depression": (17, 14, 8), "period": 18},
        "d1 of phase 10 goes astray: the arrow that brings phase 15 to phase 17 brings it to phase 12",
        "h1 hears phases 10, 11 of d1 at once in phase 12",
    ),
    "a copy of the other sign goes astray": (
        {"potentiation": (13, 10, 6), "depression": (17, 15, 8), "period": 18},
        "d1 of phase 15 goes astray: the arrow that brings phase 11 to phase 13 brings it to phase 17",
        "h1 hears phases 15, 16 of d1 at once in phase 17",
    ),
    "neighbours too close": (
        {"potentiation": (13, 10, 6), "depression": (16, 14, 8)},
        "P_1 = 13 and N_2 = 14 are less than two phases apart",
        "h1 fires in phases 13 and 14, but is refractory for 2 steps",
    ),
    "a gradient that is not known yet": (
        {"potentiation": (9, 11, 6)},
        "Layer 1 learns in phase 9, but its gradient is known in phase 12 only",
        None,
    ),
}


@pytest.mark.parametrize("name", FAULTY)
def test_faulty_schedules_are_found(name, monkeypatch):
    change, of_schedule, of_circuit = FAULTY[name]
    schedule = dataclasses.replace(sequential(3), **change)
    assert any(of_schedule in one for one in schedule.faults())
    with pytest.raises(ParameterError, match="is not sound"):
        training_circuit(network(SIZES[3]), schedule=schedule)
    if of_circuit is not None:
        # the circuit says it by itself, from its arrows and its firing table
        monkeypatch.setattr(type(schedule), "faults", lambda self: [])
        assert any(of_circuit in one for one in checks.faults(training_circuit(network(SIZES[3]), schedule=schedule), 1024))


def assert_spike_for_spike(sizes, n_samples, device, codegen="dense", silence=None, **rules):
    parameters = network(sizes, **rules)
    circuit = training_circuit(parameters, silence)
    rng = np.random.default_rng(0)
    # positive on average, so that all layers are active; some at the bound
    weights = {name: 2 * rng.integers(-127, 128, array.shape) + 80 for name, array in parameters.arrays.items() if array.needed}
    weights = {name: np.clip(matrix, -254, 254) // 2 * 2 for name, matrix in weights.items()}
    last = f"W{len(sizes) - 1}"
    weights[last] = weights[last] // 8 * 2 + 100  # outputs within their box, so that they err and learn
    images = rng.random((n_samples, sizes[0])) < 0.4
    targets = np.eye(sizes[-1], dtype=bool)[rng.integers(0, sizes[-1], n_samples)]
    start = matrices(circuit, {name: matrix.copy() for name, matrix in weights.items()})
    model = GatedModel(circuit, parameters)
    with simulator(model, device=device, codegen=codegen) as ready:
        stimuli = model.stimuli({"input": images.astype(np.uint8), "target": targets.astype(np.uint8)})
        result = ready.run(start, stimuli, np.arange(n_samples), n_recorded=n_samples)
    places = {population.name: place for place, population in enumerate(circuit.populations)}
    boxes = {"h_box": (parameters.h_lower, parameters.h_upper), "o_box": (parameters.o_lower, parameters.o_upper)}
    steps = {"eta_plus": parameters.eta_plus, "eta_minus": parameters.eta_minus, "h_dead": parameters.h_dead}
    expected, before = set(), {name: matrix.copy() for name, matrix in weights.items()}
    for number, (image, target) in enumerate(zip(images, targets, strict=True)):
        turn = oracle.train_turn(weights, image, target, order=parameters.order, error=parameters.error, **boxes, **steps)
        np.testing.assert_array_equal(result.drive[number] - parameters.theta / 2, turn.drive)
        for (phase, name), spikes in turn.spikes.items():
            step = number * circuit.period + phase
            expected |= {(places[name], neuron, step) for neuron in np.flatnonzero(spikes).tolist()}
    chain = {places[population.name] for population in circuit.populations if population.role == "gating"} | {places["kick"]}
    recorded = {
        (population, neuron, step)
        for population, neuron, step in zip(*(column.tolist() for column in result.recorded), strict=True)
        if population not in chain and step >= 0
    }
    assert recorded == expected
    # no population is silent, and every matrix learns but those of random feedback
    assert {population for population, _, _ in recorded} | chain == set(places.values())
    assert all(np.any(weights[name] != matrix) == name.startswith("W") for name, matrix in before.items())
    for projection in circuit.projections:
        if projection.matrix is not None:
            name = projection.matrix.removeprefix("-").removesuffix(".T")
            negated = projection.matrix.startswith("-")
            copied = weights.get(f"{name}_neg", -weights[name]) if negated else weights[name]
            wanted = copied.T if projection.matrix.endswith(".T") else copied
            np.testing.assert_array_equal(result.matrices[projection.source, projection.target], wanted)


@pytest.mark.parametrize(("order", "rules"), [("propagate-first", {}), ("learn-first", MARGINS)], ids=["published", "margins"])
@pytest.mark.parametrize("feedback", ["transpose", "random"])
@pytest.mark.parametrize("n_layers", SIZES)
def test_spike_for_spike_and_matrix_for_matrix(n_layers, feedback, order, rules):
    assert_spike_for_spike(SIZES[n_layers], 12, "numpy", order=order, feedback=feedback, **rules)


def test_spike_for_spike_with_unequal_steps_and_with_every_packet_silenced():
    assert_spike_for_spike(SIZES[3], 12, "numpy", eta_plus=4)
    assert_spike_for_spike(SIZES[2], 12, "numpy", silence="complete")


@pytest.mark.parametrize("n_layers", [2, 3])
def test_spike_for_spike_with_a_dead_zone(n_layers):
    assert_spike_for_spike(SIZES[n_layers], 24, "numpy", h_dead=0.05, **MARGINS)


def test_spike_for_spike_in_dense_code():
    assert_spike_for_spike(SIZES[3], 60, "cpp_standalone", **MARGINS, **RANDOM)


@pytest.mark.slow
@pytest.mark.parametrize("codegen", ["dense", "stock"])
@pytest.mark.parametrize("order", ["propagate-first", "learn-first"])
@pytest.mark.parametrize("n_layers", SIZES)
def test_spike_for_spike_in_cpp(n_layers, order, codegen):
    for rules in ({}, MARGINS, RANDOM):
        assert_spike_for_spike(SIZES[n_layers], 60, "cpp_standalone", codegen, order=order, **rules)
