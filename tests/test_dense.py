"""Dense code generation against Brian2's own: the same spikes and weights, bit for bit, and clear words where it cannot be."""

import json
import warnings

import numpy as np
import pytest
from conftest import DIGITS

from models import reference
from models.builder import plastic_blocks
from models.codegen import dense
from models.device import HEADERS, _brian2, simulator
from models.errors import BuildError
from models.nbp import NBP, initial_weights, matrices, training_circuit
from models.nbp_model import NBPModel


@pytest.mark.data
@pytest.mark.parametrize("order", ["propagate-first", "learn-first"])
def test_dense_stock_and_oracle_are_bit_equal_on_mnist(order, mnist):
    n, recorded = 2100, 2000
    images, targets, _ = mnist
    parameters = NBP(order=order)
    weights = initial_weights(parameters, 2)
    circuit = training_circuit(parameters)
    stimuli = NBPModel(circuit, parameters).stimuli({"input": images[:n], "target": targets[:n]})
    results = {}
    for codegen in ("dense", "stock"):
        with simulator(NBPModel(circuit, parameters), codegen=codegen) as ready:
            results[codegen] = ready.run(matrices(circuit, weights), stimuli, np.arange(n), n_recorded=recorded)
    ours, theirs = results["dense"], results["stock"]
    assert len(ours.recorded[0]) > recorded * 500
    for one, other in zip(ours.recorded, theirs.recorded, strict=True):
        np.testing.assert_array_equal(one, other)
    np.testing.assert_array_equal(ours.drive, theirs.drive)
    final = {name: weight.astype(np.int64) for name, weight in weights.items()}
    for image, target in zip(images[:n], targets[:n], strict=True):
        reference.train_turn(final, image, target, order=order)
    for pair, matrix in matrices(circuit, final).items():
        np.testing.assert_array_equal(ours.matrices[pair], matrix)
        np.testing.assert_array_equal(theirs.matrices[pair], matrix)


def run_menagerie(folder, codegen):
    """A network that has nothing to do with backpropagation and uses every kind of pathway; its state after 60 steps."""
    import brian2 as b2

    with _brian2("cpp_standalone"):
        device = b2.device
        cls = dense.dense_codeobj_class() if codegen == "dense" else None
        assert (cls is not None) == (codegen == "dense")
        rng = np.random.default_rng(3)
        b2.defaultclock.dt = 2.0**-10 * b2.second
        step = b2.defaultclock.dt
        model = """
        dv/dt = (I + b - v) / tau : 1
        dI/dt = -I / tau : 1
        dtrace/dt = -trace / tau : 1
        hits : 1
        b : 1 (constant)
        tau : second (shared, constant)
        """
        groups = {
            name: b2.NeuronGroup(
                size,
                model,
                threshold="v > 10",
                reset="v = 0\ntrace = trace + 1",
                refractory=2 * step,
                events={"low": "v < -10"},
                method="euler",
                codeobj_class=cls,
                name=name,
            )
            for name, size in (("first", 150), ("second", 90))
        }
        for group in groups.values():
            group.b = rng.integers(-14, 15, len(group))
            group.tau = step
        first, second = groups["first"], groups["second"]
        options = {"codeobj_class": cls}
        whole = b2.Synapses(
            first[20:110],
            second[10:70],
            "w : 1",
            on_pre="I_post += w\nw = clip(w + trace_post, -30, 30)",
            on_post="w = clip(w - trace_pre, -30, 30)\nhits_pre += 1",
            name="whole",
            **options,
        )
        whole.connect()
        whole.w = rng.integers(-4, 5, 90 * 60)
        sparse = b2.Synapses(second, first, "w : 1", on_pre="I_post += w\nhits_pre += w", name="sparse", **options)
        i, j = np.nonzero(rng.random((90, 150)) < 0.08)
        shuffled = rng.permutation(len(i))
        sparse.connect(i=i[shuffled], j=j[shuffled])
        sparse.w = rng.integers(-6, 7, len(i))
        sparse.delay = rng.integers(0, 5, len(i)) * step
        one = b2.Synapses(first[:90], second, "w : 1", on_pre="I_post += w", delay=3 * step, name="one", **options)
        one.connect(j="i")
        one.w = 5
        low = b2.Synapses(first, first, "w : 1", on_pre={"low": "I_post += w"}, on_event={"low": "low"}, name="lows", **options)
        low.connect(condition="j < 40")
        low.w = 1
        monitors = [b2.SpikeMonitor(group, name=f"{name}_spikes") for name, group in groups.items()]
        network = b2.Network(*groups.values(), whole, sparse, one, low, *monitors)
        network.run(60 * step, namespace={})
        for header in HEADERS:
            (folder / header.name).write_bytes(header.read_bytes())
        device.build(directory=str(folder), compile=True, run=True, with_output=False)
        state = {f"{g.name}.{v}": np.array(getattr(g, v)) for g in groups.values() for v in ("v", "I", "trace", "hits")}
        state |= {"whole.w": np.array(whole.w)}
        for monitor in monitors:
            order = np.lexsort((monitor.i, monitor.t_))
            state |= {f"{monitor.name}.i": np.array(monitor.i)[order], f"{monitor.name}.t": np.array(monitor.t_)[order]}
        return state


def test_any_network_can_use_it(tmp_path):
    # subgroups, on_post, writes to both ends, events of one's own, random connections in random order, delays of all sorts;
    # all numbers are whole, so the order of a sum does not show
    states = {}
    for codegen in ("dense", "stock"):
        (tmp_path / codegen).mkdir()
        states[codegen] = run_menagerie(tmp_path / codegen, codegen)
    ours, theirs = states["dense"], states["stock"]
    assert len(ours["first_spikes.i"]) > 300 and len(ours["second_spikes.i"]) > 300
    assert np.ptp(ours["first.hits"]) > 0 and np.ptp(ours["second.hits"]) > 0
    assert set(ours) == set(theirs)
    for name, values in theirs.items():
        np.testing.assert_array_equal(ours[name], values, name)


def test_memory_of_a_plastic_synapse():
    parameters = NBP(**DIGITS)
    circuit = training_circuit(parameters)
    with simulator(NBPModel(circuit, parameters)) as ready:
        manifest = json.loads((ready.folder / "manifest.json").read_text())
    assert set(manifest["bytes_per_synapse"]) == {block.name for block in plastic_blocks(circuit)}
    # two ends of four bytes each and a weight
    assert all(9 <= held <= 16 for held in manifest["bytes_per_synapse"].values())


def a_group(b2, **options):
    model = options.pop("model", "dv/dt = -v / (10*ms) : 1\ny : 1")
    return b2.NeuronGroup(
        5, model, threshold="v > 1", reset="v = 0", method="euler", codeobj_class=dense.dense_codeobj_class(), **options
    )


def test_random_numbers_in_a_pathway_are_refused():
    with _brian2("cpp_standalone") as b2:
        group = a_group(b2)
        synapses = b2.Synapses(group, group, on_pre="v_post += randn()", codeobj_class=dense.dense_codeobj_class())
        synapses.connect()
        with pytest.raises(Exception) as caught:
            b2.Network(group, synapses).run(0 * b2.second, namespace={})
    chain, error = [], caught.value
    while error:
        chain.append(error)
        error = error.__cause__
    assert any(isinstance(link, BuildError) and "randn" in str(link) for link in chain)


@pytest.mark.parametrize(
    ("model", "word"),
    [
        ("dv/dt = (sin(2*pi*t*Hz) - v) / (10*ms) : 1", "t"),
        ("dv/dt = (rand() - v) / (10*ms) : 1", "rand"),
        ("dv/dt = -v / (10*ms) + xi * ms**-0.5 : 1", "xi"),
    ],
)
def test_a_group_that_depends_on_time_or_chance_may_not_rest(model, word):
    with _brian2("cpp_standalone") as b2:
        group = a_group(b2, model=model)
        with pytest.raises(BuildError, match=f"cannot rest, since it depends on .*{word}"):
            dense.may_rest(group)


def test_only_where_names_a_variable_of_the_other_end():
    with _brian2("cpp_standalone") as b2:
        group = a_group(b2)
        synapses = b2.Synapses(group, group, "w : 1", on_pre="w += y_post", codeobj_class=dense.dense_codeobj_class())
        with pytest.raises(BuildError, match="y_pre"):
            dense.only_where(synapses.pre, "y_pre")
        with pytest.raises(BuildError, match="no variable 'z'"):
            dense.only_where(synapses.pre, "z_post")


def test_runtime_mode_uses_brian2s_own_code():
    with _brian2("numpy"):
        assert dense.dense_codeobj_class() is None


def test_an_unknown_version_falls_back_with_a_warning(monkeypatch, digits):
    monkeypatch.setattr(dense.metadata, "version", lambda name: "3.1.4")
    dense.dense_supported.cache_clear()
    try:
        with pytest.warns(UserWarning, match=r"not with 3\.1\.4; Brian2's own code is used"):
            assert not dense.dense_supported()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with _brian2("cpp_standalone"):
                assert dense.dense_codeobj_class() is None
    finally:
        monkeypatch.undo()
        dense.dense_supported.cache_clear()
