"""The circuit as data: the published table, the counts, and what is refused."""

import csv
from collections import Counter

import pytest

from brianprop.models.circuit import Circuit, Population, Projection, arrows
from brianprop.models.errors import ParameterError
from brianprop.models.nbp.circuit import inference_circuit, training_circuit
from brianprop.models.nbp.parameters import NBP

from . import published_nbp

SMALL = NBP(n_in=4, hidden=(3,), n_out=2)


def test_projections_are_those_of_the_published_table(data_dir):
    table = data_dir.parent / "papers" / "nbp_projections.csv"
    if not table.exists():
        pytest.skip("no table of projections beside the data")
    with table.open(newline="") as file:
        published = Counter((r["source"], r["target"], r["kind"], int(r["delay_steps"])) for r in csv.DictReader(file))
    ours = Counter((p.source, p.target, p.kind, p.delay) for p in training_circuit(SMALL).projections)
    assert ours == published


@pytest.mark.parametrize("sizes", [{}, {"n_in": 4, "hidden": (3,), "n_out": 2}])
def test_one_hidden_layer_is_the_published_circuit(sizes):
    table = {(kind, int(delay), source, target) for kind, delay, source, target in published_arrows()}
    circuit = training_circuit(NBP(**sizes))
    found = [(p.kind, p.delay, p.source, p.target) for p in circuit.projections if p.kind != "chain"]
    assert set(found) == table and len(found) == len(table) == 102 - 13
    assert [(p.source, p.target) for p in circuit.projections if p.kind == "chain"] == [
        ("kick", "g0"),
        *((f"g{phase}", f"g{(phase + 1) % 12}") for phase in range(12)),
    ]
    for phase, names in published_nbp.FIRING.items():
        assert set(circuit.firing[phase]) == {*names, f"g{(phase + 1) % 12}"}
    assert (circuit.period, circuit.reinforced, circuit.readout_phase) == (12, (5, 7), 3)


def published_arrows():
    for line in published_nbp.ARROWS.splitlines():
        words = line.partition("#")[0].split()
        for target in words[4:]:
            yield (*words[:3], target)


def test_number_of_projections_of_each_kind():
    kinds = Counter(p.kind for p in training_circuit(SMALL).projections)
    assert kinds == {
        "plastic": 8,
        "copy": 24,
        "inhibit": 4,
        "gate": 25,
        "gate_high": 2,
        "lower": 4,
        "gate_one": 8,
        "silence": 14,
        "chain": 13,
    }
    assert kinds.total() == 102


def test_weights_of_the_kinds_are_the_published_numbers():
    weights = {p.kind: p.weight for p in training_circuit(SMALL).projections if not p.plastic}
    assert weights == {
        "copy": 520,
        "inhibit": -520,
        "gate": 8704,
        "gate_high": 8192,
        "lower": 512,
        "gate_one": 8704,
        "silence": -8128,
        "chain": 9224,
    }


def test_margins_and_edges_change_the_arrows_that_they_are_about():
    def arrows_of(**rules):
        parameters = NBP(n_in=4, hidden=(3,), n_out=2, **rules)
        return {(p.source, p.target, p.kind, p.delay, p.weight) for p in training_circuit(parameters).projections}

    published = arrows_of()
    margin = arrows_of(error="margin")
    assert published - margin == {
        ("o", "d2_neg", "copy", 0, 520),
        ("o", "d2_pos", "inhibit", 0, -520),
        ("o_gt", "d2_neg", "inhibit", 0, -520),
        ("o_lt", "d2_pos", "gate_one", 0, 8704),
        ("o_lt", "d2_neg", "gate_one", 0, 8704),
    }
    assert margin - published == {
        ("o_lt", "d2_neg", "copy", 0, 520),
        ("o_gt", "d2_pos", "inhibit", 0, -520),
        ("g4", "d2_pos", "gate", 0, 8704),
        ("g4", "d2_neg", "gate", 0, 8704),
    }
    moved = arrows_of(h_lower=-0.5, h_upper=1.5, o_lower=-1, o_upper=2)
    assert not published - moved
    assert moved - published == {
        ("g2", "h_lt", "h_lower", 0, 512),
        ("g2", "h_gt", "h_upper", 0, -512),
        ("g3", "o_lt", "o_lower", 0, 1024),
        ("g3", "o_gt", "o_upper", 0, -1024),
    }


@pytest.mark.parametrize(
    ("rules", "word"),
    [
        ({"error": "none"}, "box, margin"),
        ({"h_lower": 1}, "h_upper"),
        ({"o_upper": -1}, "o_lower"),
        ({"o_lower": float("inf")}, "o_lower"),
    ],
)
def test_rules_of_the_error_are_checked(rules, word):
    with pytest.raises(ParameterError, match=word):
        NBP(**rules)


def test_populations_have_the_published_sizes_biases_and_refractory_periods():
    circuit = training_circuit(NBP())
    sizes = {p.name: p.size for p in circuit.populations}
    assert {name for name, size in sizes.items() if size == 400 and name not in ("input", "x", "m_x")} == {
        "h", "h_lt", "h_gt", "m_h", "b_h", "d1",
    }  # fmt: skip
    assert sizes["x"] == sizes["m_x"] == 400 and sizes["oT_neg"] == sizes["d2_neg"] == 10
    assert sum(name.startswith("g") for name in sizes) == 12
    for population in circuit.neurons:
        gating = population.role == "gating"
        assert population.bias == (0 if gating else -8192)
        assert population.refractory == (0 if gating or population.name == "d1" else 2)


def test_synapse_counts():
    circuit = training_circuit(SMALL)
    count = {(p.source, p.target, p.kind): circuit.synapse_count(p) for p in circuit.projections}
    assert count["x", "h", "plastic"] == 12
    assert count["o", "d1", "plastic"] == 6
    assert count["g5", "h", "gate"] == 3
    assert count["t", "d2_pos", "copy"] == 2
    assert count["g0", "g1", "chain"] == 1


def test_inference_circuit_is_the_ring_of_four_gates():
    circuit = inference_circuit(SMALL)
    assert [p.name for p in circuit.neurons] == ["x", "h", "o", "g0", "g1", "g2", "g3"]
    chain = {(p.source, p.target) for p in circuit.projections if p.kind == "chain"}
    assert chain == {("kick", "g0"), ("g0", "g1"), ("g1", "g2"), ("g2", "g3"), ("g3", "g0")}


def a_circuit(populations, projections=(), readout="a"):
    return Circuit("test", tuple(populations), tuple(projections), 4, 2, (), readout, 3)


A, B = Population("a", 2), Population("b", 3)
KINDS, MATRICES = {"copy": "one-to-one", "plastic": "all-to-all"}, {("a", "c"): "W1"}


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Population("a", 0), "a: size 0"),
        (lambda: Population("a", 2, "strange"), "role 'strange'"),
        (lambda: Population("a", 2, "source"), "send_phase"),
        (lambda: Population("a", 2, refractory=-1), "refractory -1"),
        (lambda: Projection("a", "b", "copy", -1, "one-to-one", 1.0), "delay -1"),
        (lambda: Projection("a", "b", "copy", 0, "some-to-some", 1.0), "some-to-some"),
        (lambda: Projection("a", "b", "copy", 0, "one-to-one"), "weight"),
        (lambda: Projection("a", "b", "plastic", 1, "all-to-all", matrix="W1"), "without extra delay"),
        (lambda: a_circuit([A, A]), "population a is defined twice"),
        (lambda: a_circuit([A], [Projection("a", "c", "copy", 0, "one-to-one", 1.0)]), "names c"),
        (lambda: a_circuit([A, B], [Projection("a", "b", "copy", 0, "one-to-one", 1.0)]), "between 2 and 3"),
        (lambda: a_circuit([A, B], [Projection("a", "b", "gate", 0, "one-to-all", 1.0)]), "a has 2 neurons"),
        (lambda: a_circuit([A], readout="o"), "readout o"),
        (lambda: list(arrows("copy 0 a b", {}, {}, {})), "copy 0 a b"),
        (lambda: list(arrows("copy 0 a", {}, {}, {})), "'copy 0 a': write it as"),
        (lambda: list(arrows("copy -1 a -> b", KINDS, {}, {})), "'copy -1 a -> b': .* whole steps"),
        (lambda: list(arrows("copied 0 a -> b", KINDS, {}, {})), r"'copied 0 a -> b': the kind copied .*known: copy, plastic"),
        (lambda: list(arrows("copy 0 a -> b", KINDS, {}, MATRICES)), r"a -> b \(copy\): .*give the kind copy a weight"),
        (lambda: list(arrows("plastic 0 b -> a", KINDS, {}, MATRICES)), r"b -> a \(plastic\): .*pair \(b, a\) a matrix"),
    ],
)
def test_what_is_refused_names_value_and_place(make, words):
    with pytest.raises(ParameterError, match=words):
        make()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"theta": float("nan")}, "theta = nan"),
        ({"theta": 0}, "theta = 0 must be greater than 0"),
        ({"bias": float("inf")}, "bias = inf"),
        ({"bias": 1.0}, "bias = 1.0 must be negative"),
        ({"hidden": (0,)}, r"hidden = \(0,\) must be sizes of at least 1"),
        ({"n_in": 2.5}, "n_in = 2.5 must be a whole number"),
        ({"w_max": 255}, "w_max = 255 must be a multiple of w_step = 2"),
        ({"w_init_max": 256}, "w_init_max = 256 must be at most w_max = 254"),
        ({"eta_plus": 3}, "eta_plus = 3 must be a multiple"),
        ({"eta_minus": -2}, "eta_minus = -2 must be at least 0"),
        ({"tau_m": 2.0**-11}, "tau_m = .* must be at least the time step"),
        ({"weight_noise": -1.0}, "weight_noise = -1.0"),
        ({"theta_spread": "much"}, "theta_spread = 'much' is not a finite number"),
        ({"order": "both"}, "order = 'both' must be one of propagate-first, learn-first"),
        ({"margin": 600.0}, "margin = 600.0 must be less than theta / 2 = 512"),
    ],
)
def test_parameters_are_checked_when_made(change, words):
    with pytest.raises(ParameterError, match=words):
        NBP(**change)
