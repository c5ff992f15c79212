"""nBP of any depth: the generated circuit against the published one, the static checks, and the algorithm."""

import dataclasses
import itertools

import numpy as np
import pytest

from brianprop.models import checks
from brianprop.models.errors import ParameterError
from brianprop.models.nbp import circuit as published
from brianprop.models.nbp import deep_oracle as oracle
from brianprop.models.nbp.deep import inference_circuit, training_circuit
from brianprop.models.nbp.generator import Layers
from brianprop.models.nbp.model import GatedModel
from brianprop.models.nbp.parameters import NBP
from brianprop.models.nbp.schedule import sequential
from brianprop.models.simulation import simulator

MARGINS = {"error": "margin", "h_lower": -0.5, "h_upper": 1.5, "o_lower": -1.0, "o_upper": 2.0}

#: Layer sizes with one to four weight matrices.
SIZES = {1: (20, 6), 2: (20, 12, 6), 3: (20, 12, 10, 6), 4: (20, 12, 10, 8, 6)}


def rows(circuit):
    return {(one.source, one.target, one.kind, one.delay, one.weight, one.matrix) for one in circuit.projections}


@pytest.mark.parametrize("rules", [{}, MARGINS, {"theta": 4096.0}], ids=["published", "margins", "theta"])
def test_one_hidden_layer_is_the_published_circuit(rules):
    parameters = NBP(n_in=7, n_hid=5, n_out=3, **rules)
    for found, expected in (
        (training_circuit(parameters, (7, 5, 3), "published"), published.training_circuit(parameters)),
        (inference_circuit(parameters, (7, 5, 3)), published.inference_circuit(parameters)),
    ):
        assert rows(found) == rows(expected) and len(found.projections) == len(expected.projections)
        assert found.populations == expected.populations
        assert {phase: set(names) for phase, names in found.firing.items()} == {
            phase: set(names) for phase, names in expected.firing.items()
        }
        fields = ("name", "period", "lead", "reinforced", "readout", "readout_phase")
        assert all(getattr(found, name) == getattr(expected, name) for name in fields)


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
    circuit = training_circuit(NBP(), (4,) * (n_layers + 1))
    assert (circuit.period, len(circuit.projections)) == (phases, arrows)
    assert sum(one.plastic for one in circuit.projections) == matrices
    assert max(one.delay for one in circuit.projections) == longest
    assert inference_circuit(NBP(), (4,) * (n_layers + 1)).period == n_layers + 2


@pytest.mark.parametrize("rules", [{}, MARGINS], ids=["published", "margins"])
@pytest.mark.parametrize("n_layers", range(1, 13))
def test_generated_circuits_are_sound(n_layers, rules):
    parameters = NBP(**rules)
    assert not sequential(n_layers).faults()
    for circuit in (training_circuit(parameters, (4,) * (n_layers + 1)), inference_circuit(parameters, (4,) * (n_layers + 1))):
        checks.require_sound(circuit, parameters.theta)


def test_the_published_circuit_leaves_two_packets_unsilenced():
    found = checks.faults(published.training_circuit(NBP()), 1024)
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
        training_circuit(NBP(), SIZES[3], schedule=schedule)
    if of_circuit is not None:
        # the circuit says it by itself, from its arrows and its firing table
        monkeypatch.setattr(type(schedule), "faults", lambda self: [])
        assert any(of_circuit in one for one in checks.faults(training_circuit(NBP(), SIZES[3], schedule=schedule), 1024))


def expected_spikes(schedule, found, target):
    """Every spike of one sample outside the chain, by (phase, population), from what the algorithm computed."""
    layers, last, forward = Layers(schedule.n_layers), schedule.n_layers, schedule.forward
    h, spikes = found["h"], {}
    spikes |= {(0, "input"): h[0], (forward[last] - 1, "target"): target, (forward[last], "t"): target}
    spikes |= {(phase, "x"): h[0] for phase in (forward[0], schedule.p(1), schedule.n(1))}
    spikes[schedule.p(1) - 1, "m_x"] = h[0]
    for layer in range(1, last + 1):
        copies = layers.edges(layer)
        spikes |= {(forward[layer], name): found[key][layer] for name, key in zip(copies, ("h", "lower", "upper"), strict=True)}
        spikes |= {(schedule.p(layer), name): found["pos"][layer] for name in copies}
        spikes |= {(schedule.n(layer), name): found["neg"][layer] for name in copies}
        if layer < last:
            spikes[forward[layer] + 1, layers.memory(layer)] = h[layer]
            spikes[schedule.p(layer) - 1, layers.box(layer)] = found["box"][layer]
        if layer > 1:
            spikes[schedule.p(layer), layers.negative(layer)] = found["neg"][layer]
            spikes[schedule.n(layer), layers.negative(layer)] = found["pos"][layer]
            for phase in (schedule.p(layer), schedule.n(layer)):
                spikes |= {(phase, name): h[layer - 1] for name in (layers.activity(layer - 1), layers.gradient(layer - 1))}
            spikes[schedule.p(layer) + 1, layers.gradient(layer - 1)] = found["s_pos"][layer - 1]
            spikes[schedule.n(layer) + 1, layers.gradient(layer - 1)] = found["s_neg"][layer - 1]
    positive, negative = layers.errors
    return spikes | {(schedule.error, positive): found["pos"][last], (schedule.error, negative): found["neg"][last]}


def copy_of(name, weights, negatives):
    """The matrix of a learned arrow: ``W2``, ``W2.T`` or ``-W2.T``."""
    number = int(name.lstrip("-")[1:].removesuffix(".T")) - 1
    matrix = negatives[number] if name.startswith("-") else weights[number]
    return matrix.T if name.endswith(".T") else matrix


def assert_spike_for_spike(sizes, n_samples, device, codegen="dense", silence="complete", **rules):
    parameters = NBP(**rules)
    circuit, schedule = training_circuit(parameters, sizes, silence), sequential(len(sizes) - 1)
    rng = np.random.default_rng(0)
    # positive on average, so that all layers are active; some at the bound
    pairs = list(itertools.pairwise(sizes))
    weights = [np.clip(2 * rng.integers(-127, 128, pair) + 80, -254, 254) // 2 * 2 for pair in pairs]
    weights[-1] = weights[-1] // 8 * 2 + 100  # outputs within their box, so that they err and learn
    negatives = [-matrix for matrix in weights]
    images = rng.random((n_samples, sizes[0])) < 0.4
    targets = np.eye(sizes[-1], dtype=bool)[rng.integers(0, sizes[-1], n_samples)]
    matrices = Layers(len(sizes) - 1).matrices()
    start = {pair: copy_of(name, weights, negatives).copy() for pair, name in matrices.items()}
    model = GatedModel(circuit, parameters)
    with simulator(model, device=device, codegen=codegen) as ready:
        stimuli = model.stimuli({"input": images.astype(np.uint8), "target": targets.astype(np.uint8)})
        result = ready.run(start, stimuli, np.arange(n_samples), n_recorded=n_samples)
    places = {population.name: place for place, population in enumerate(circuit.populations)}
    boxes = {"h_box": (parameters.h_lower, parameters.h_upper), "o_box": (parameters.o_lower, parameters.o_upper)}
    steps = {"eta_plus": parameters.eta_plus, "eta_minus": parameters.eta_minus}
    expected, learned = set(), np.zeros(len(sizes) - 1, int)
    for number, (image, target) in enumerate(zip(images, targets, strict=True)):
        found = oracle.train_sample(
            weights, negatives, image, target, order=parameters.order, error=parameters.error, **boxes, **steps
        )
        np.testing.assert_array_equal(result.drive[number] - parameters.theta / 2, found["drive"][0])
        for (phase, name), spikes in expected_spikes(schedule, found, target).items():
            step = number * schedule.period + phase
            expected |= {(places[name], neuron, step) for neuron in np.flatnonzero(spikes).tolist()}
        learned += [int(up.sum() + down.sum()) for up, down in zip(found["pos"][1:], found["neg"][1:], strict=True)]
    chain = {places[population.name] for population in circuit.populations if population.role == "gating"} | {places["kick"]}
    recorded = {
        (population, neuron, step)
        for population, neuron, step in zip(*(column.tolist() for column in result.recorded), strict=True)
        if population not in chain and step >= 0
    }
    assert recorded == expected and learned.all()
    for pair, name in matrices.items():
        np.testing.assert_array_equal(result.matrices[pair], copy_of(name, weights, negatives))
    assert any(np.any(result.matrices[pair] != matrix) for pair, matrix in start.items())


@pytest.mark.parametrize(("order", "rules"), [("propagate-first", {}), ("learn-first", MARGINS)], ids=["published", "margins"])
@pytest.mark.parametrize("n_layers", SIZES)
def test_spike_for_spike_and_matrix_for_matrix(n_layers, order, rules):
    assert_spike_for_spike(SIZES[n_layers], 4, "numpy", order=order, **rules)


def test_spike_for_spike_with_unequal_steps_and_the_published_silences():
    assert_spike_for_spike(SIZES[3], 4, "numpy", eta_plus=4)
    assert_spike_for_spike(SIZES[2], 4, "numpy", silence="published")


def test_spike_for_spike_in_dense_code():
    assert_spike_for_spike(SIZES[3], 60, "cpp_standalone", **MARGINS)


@pytest.mark.slow
@pytest.mark.parametrize("codegen", ["dense", "stock"])
@pytest.mark.parametrize("order", ["propagate-first", "learn-first"])
@pytest.mark.parametrize("n_layers", SIZES)
def test_spike_for_spike_in_cpp(n_layers, order, codegen):
    for rules in ({}, MARGINS):
        assert_spike_for_spike(SIZES[n_layers], 60, "cpp_standalone", codegen, order=order, **rules)
