"""Dense code generation against Brian2's own: the same spikes and weights, bit for bit, and clear words where it cannot be."""

import ast
import json
import subprocess
from pathlib import Path

import numpy as np
import pytest
from conftest import DIGITS
from scipy import stats

from brianprop.models import dense
from brianprop.models.dense import selftest
from brianprop.models.nbp import oracle
from brianprop.models.nbp.circuit import matrices, training_circuit
from brianprop.models.nbp.layout import matrix_blocks
from brianprop.models.nbp.model import GatedModel
from brianprop.models.nbp.parameters import NBP, initial_weights
from brianprop.models.simulation import codegen_used, simulator
from brianprop.models.simulation.compiler import compile_cpp, compiler
from brianprop.models.simulation.generate import add_cpp_sources, brian2_device, generate


def build_and_run(device, folder, change=lambda folder: None):
    folder.mkdir(exist_ok=True)
    sources = add_cpp_sources(folder)
    device.build(directory=str(folder), compile=False, run=False, with_output=False, additional_source_files=sources)
    change(folder)
    compile_cpp(folder, [path.stem for path in folder.glob("code_objects/*.cpp")])
    device.run(with_output=False)


@pytest.mark.data
@pytest.mark.parametrize("order", ["propagate-first", pytest.param("learn-first", marks=pytest.mark.slow)])
def test_dense_stock_and_oracle_are_bit_equal_on_mnist(order, mnist):
    n, recorded = 2100, 2000
    images, targets, _ = mnist
    parameters = NBP(order=order)
    weights = initial_weights(parameters, 2)
    circuit = training_circuit(parameters)
    stimuli = GatedModel(circuit, parameters).stimuli({"input": images[:n], "target": targets[:n]})
    results = {}
    for codegen in ("dense", "stock"):
        with simulator(GatedModel(circuit, parameters), codegen=codegen) as ready:
            results[codegen] = ready.run(matrices(circuit, weights), stimuli, np.arange(n), n_recorded=recorded)
    ours, theirs = results["dense"], results["stock"]
    assert len(ours.recorded[0]) > recorded * 500
    for one, other in zip(ours.recorded, theirs.recorded, strict=True):
        np.testing.assert_array_equal(one, other)
    np.testing.assert_array_equal(ours.drive, theirs.drive)
    final = {name: weight.astype(np.int64) for name, weight in weights.items()}
    for image, target in zip(images[:n], targets[:n], strict=True):
        oracle.train_turn(final, image, target, order=order)
    for pair, matrix in matrices(circuit, final).items():
        np.testing.assert_array_equal(ours.matrices[pair], matrix)
        np.testing.assert_array_equal(theirs.matrices[pair], matrix)


def run_menagerie(device, folder):
    """A network that has nothing to do with backpropagation and uses every kind of pathway; its state after 60 steps."""
    import brian2 as b2

    with brian2_device(device):
        cls = dense.dense_codeobj_class()
        assert (cls is not None) == (device == "cpp_standalone")
        rng = np.random.default_rng(3)
        b2.defaultclock.dt = 2.0**-10 * b2.second
        step = b2.defaultclock.dt
        model = """
        dv/dt = (I + b - v) / tau : 1
        dI/dt = -I / tau : 1
        dtrace/dt = -trace / tau : 1
        hits : 1
        met : 1
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
        # each synapse reads what others of its own row write
        chain = b2.Synapses(first, first, on_pre="met_post = clip(met_pre - met_post + 1, -9, 9)", name="chain", **options)
        chain.connect()
        monitors = [b2.SpikeMonitor(group, name=f"{name}_spikes") for name, group in groups.items()]
        network = b2.Network(*groups.values(), whole, sparse, one, low, chain, *monitors)
        network.run(60 * step, namespace={})
        if cls:
            build_and_run(b2.device, folder)
        state = {f"{g.name}.{v}": np.array(getattr(g, v)) for g in groups.values() for v in ("v", "I", "trace", "hits", "met")}
        state |= {"whole.w": np.array(whole.w)}
        for monitor in monitors:
            order = np.lexsort((monitor.i, monitor.t_))
            state |= {f"{monitor.name}.i": np.array(monitor.i)[order], f"{monitor.name}.t": np.array(monitor.t_)[order]}
        return state


def test_any_network_can_use_it(tmp_path):
    # subgroups, on_post, writes to both ends, events of one's own, random connections in random order, delays of all sorts;
    # all numbers are whole, so the order of a sum does not show, and Brian2's runtime, which needs no compiler, gives the same
    ours, theirs = run_menagerie("cpp_standalone", tmp_path), run_menagerie("numpy", None)
    assert len(ours["first_spikes.i"]) > 300 and len(ours["second_spikes.i"]) > 300
    assert np.ptp(ours["first.hits"]) > 0 and np.ptp(ours["second.hits"]) > 0
    assert set(ours) == set(theirs)
    for name, values in theirs.items():
        np.testing.assert_array_equal(ours[name], values, name)


def run_shortcuts(device, folder):
    """A network that uses every hint, in two runs with changes in between; its state at the end.

    The packets of `sender` come again and again, also while weights change; the three parts of `receiver` get the same weights
    until one of its neurons is pushed; most of `crowd`, which fills more than one word of blocks, rests most of the time.
    """
    import brian2 as b2

    with brian2_device(device):
        cls = dense.dense_codeobj_class()
        rng = np.random.default_rng(5)
        b2.defaultclock.dt = 2.0**-10 * b2.second
        step = b2.defaultclock.dt
        options = {"codeobj_class": cls}
        sender = b2.NeuronGroup(
            100,
            "beat : integer (constant)",
            threshold="t_in_timesteps % 7 == beat or (t_in_timesteps + i) % 31 == 0",
            name="sender",
            reset="",
            **options,
        )
        sender.beat = rng.integers(0, 14, 100)
        model = """
        dv/dt = (I + b - v) / tau : 1
        dI/dt = -I / tau : 1
        dtrace/dt = -trace / tau : 1
        drest/dt = -int(rest > 0*second) : second
        level = theta + 2 * shift : 1
        shift : 1
        hits : 1
        b : 1 (constant)
        theta : 1 (constant)
        tau : second (shared, constant)
        """
        groups = {
            name: b2.NeuronGroup(
                size,
                model,
                threshold="v > level and rest <= 0*second",
                reset="v = 0\ntrace = 1\nrest = 2*second/1024",
                events={"low": "v < -theta - shift"},
                method="euler",
                name=name,
                **options,
            )
            for name, size in (("receiver", 210), ("crowd", 4300))
        }
        for group in groups.values():
            group.theta = 40
            group.tau = step
        receiver, crowd = groups["receiver"], groups["crowd"]
        receiver.b = np.tile(rng.integers(-30, 31, 70), 3)
        crowd.b = np.repeat(rng.integers(-30, 31, 43), 100)
        crowd.theta[1000:1010] = 35
        dense_weights = b2.Synapses(
            sender,
            receiver,
            "w : integer",
            on_pre={"add": "I_post += w", "learn": "w = clip(w + 3 * trace_post, -99, 99)"},
            dtype={"w": np.int16} if cls else None,  # which Brian2's runtime does not know
            delay={"add": 0 * step, "learn": 0 * step},
            name="matrix",
            **options,
        )
        dense_weights.connect()
        dense_weights.w = np.tile(rng.integers(-20, 21, (100, 70)), (1, 3)).ravel()
        few = b2.Synapses(
            receiver[:60], crowd[4200:], "w : 1", on_pre="I_post += w", on_post="hits_pre += 1", name="few", **options
        )
        few.connect()
        few.w = rng.integers(-9, 10, 60 * 100)
        copy = b2.Synapses(receiver, crowd, "w : 1 (constant)", on_pre="I_post += w", name="copy", **options)
        i, j = np.concatenate([np.arange(210)] * 3), np.concatenate([np.arange(210) + first for first in (0, 1000, 3990)])
        copy.connect(i=i, j=j)
        copy.w = np.repeat([50, 60, 1], 210)
        copy.w["i == 90"] = 70
        copy.delay = np.repeat([0, 2, 0], 210) * step
        shifts = b2.Synapses(
            receiver, crowd, on_pre="shift_post = shift_post + 1 - 2 * int(shift_post > 3)", name="shifts", **options
        )
        shifts.connect(i=np.arange(210), j=20 * np.arange(210))
        push = b2.Synapses(sender, receiver, on_pre="I_post += 90 * int(t_in_timesteps > 120)", name="push", **options)
        push.connect(i=5, j=100)
        lows = b2.Synapses(crowd, crowd, on_pre={"low": "shift_post = 0"}, on_event={"low": "low"}, name="lows", **options)
        lows.connect(i=np.arange(4300), j=np.arange(4300))
        if cls:
            dense.any_order(dense_weights.add, parts=3)
            dense.any_order(few.pre)
            dense.only_where(dense_weights.learn, "trace_post")
            dense.may_rest(receiver)
            dense.may_rest(crowd)
        monitors = [b2.SpikeMonitor(group, name=f"{name}_spikes") for name, group in groups.items()]
        events = b2.EventMonitor(crowd, "low", name="crowd_lows")
        network = b2.Network(sender, *groups.values(), dense_weights, few, copy, shifts, push, lows, *monitors, events)
        network.schedule = ["start", "groups", "thresholds", "resets", "synapses", "end"]
        network.run(200 * step, namespace={})
        dense_weights.w["i == 0 and j >= 70 and j < 140"] = 9
        copy.w["j < 210"] = 45
        crowd.b[100:164] = 12
        crowd.theta[200:264] = 3
        receiver.v[3] = 100
        network.run(60 * step, namespace={})
        if cls:
            build_and_run(b2.device, folder)
        names = ("v", "I", "trace", "rest", "shift", "hits")
        state = {f"{g.name}.{v}": np.array(getattr(g, v)) for g in groups.values() for v in names}
        state |= {"matrix.w": np.array(dense_weights.w)}
        for monitor in (*monitors, events):
            order = np.lexsort((monitor.i, monitor.t_))
            state |= {f"{monitor.name}.i": np.array(monitor.i)[order], f"{monitor.name}.t": np.array(monitor.t_)[order]}
        return state


def test_short_cuts_change_nothing(tmp_path):
    # all numbers are whole, so Brian2's runtime, which needs no compiler, gives the same bits
    ours, theirs = run_shortcuts("cpp_standalone", tmp_path), run_shortcuts("numpy", None)
    # the comparison means something only where there is learning, divergence of the parts, rest and its end, and both events
    weights = theirs["matrix.w"].reshape(100, 3, 70)
    assert len(np.unique(weights)) > 50 and not np.array_equal(weights[:, 0], weights[:, 1])
    assert np.array_equal(weights[1:, 0], weights[1:, 2])
    for name in ("receiver_spikes", "crowd_spikes", "crowd_lows"):
        assert len(theirs[f"{name}.i"]) > 200, name
    blocks = np.unique(theirs["crowd_spikes.i"] // 64)
    assert 10 < len(blocks) < 40 and blocks[-1] >= 64 and np.ptp(theirs["crowd.shift"]) > 0
    assert set(ours) == set(theirs)
    for name, values in theirs.items():
        np.testing.assert_array_equal(ours[name], values, name)
    code = (tmp_path / "code_objects" / "matrix_add_codeobject.cpp").read_text()
    assert "brianprop::Sums<int16_t>" in code


def say_how_many_steps_follow(folder):
    """Make Brian2's loop over time steps say so, as that over turns does."""
    path, loop = folder / "network.cpp", "while(clock && clock->running() && !Network::_globally_stopped)\n    {"
    before, found, after = path.read_text().partition(loop)
    assert found
    steps = "int64_t ahead = duration / ((Clock *)clock)->dt[0] + 0.5;"
    path.write_text(f'#include "steps.h"\n{before}{steps}\n{loop}\nbrianprop::steps_ahead = --ahead;{after}')


def run_forgetful(device, folder):
    """Three groups that forget their drive at each update, or do not; the state at the end of two runs, and v on the way.

    Neurons of `forgetful` are open, closed, or fire by themselves, and get packets that matter and others. `reader` is the same
    with a pathway that reads v, `slow` with another time constant: there, nothing may be left out.
    """
    import brian2 as b2

    with brian2_device(device):
        cls = dense.dense_codeobj_class()
        rng = np.random.default_rng(8)
        b2.defaultclock.dt = 2.0**-10 * b2.second
        step = b2.defaultclock.dt
        options = {"codeobj_class": cls}
        sender = b2.NeuronGroup(
            90, "", threshold="(t_in_timesteps * 7 + i * i) % 23 == 0", reset="", name="forget_sender", **options
        )
        model = """
        dv/dt = (I + b - v) / tau : 1
        dI/dt = -I / dt : 1
        dtrace/dt = -trace / dt : 1
        drest/dt = -int(rest > 0*second) : second
        hits : 1
        b : 1 (constant)
        theta : 1 (constant)
        tau : second (shared, constant)
        """
        closed = rng.integers(-200, -90, 40).repeat(10)
        state, everything, monitors = {}, [sender], []
        for name in ("forgetful", "reader", "slow"):
            group = b2.NeuronGroup(
                400,
                model,
                threshold="v > theta and rest <= 0*second",
                reset="v = 0\ntrace = 1\nrest = 3*second/1024",
                method="euler",
                name=name,
                **options,
            )
            group.theta, group.b, group.tau = 50, closed, (2 if name == "slow" else 1) * step
            group.b[300:310] = group.b[364:374] = 51  # these fire whenever they may
            group.b[100:200] = 0
            matrix = b2.Synapses(
                sender,
                group[50:260],
                "w : integer",
                on_pre={"add": "I_post += w", "learn": "w = clip(w + 3 * trace_post, -60, 60)"},
                dtype={"w": np.int16} if cls else None,
                delay={"add": 0 * step, "learn": 0 * step},
                name=f"{name}_matrix",
                **options,
            )
            matrix.connect()
            matrix.w = np.tile(rng.integers(-40, 41, (90, 70)), (1, 3)).ravel()
            fixed = b2.Synapses(group, group, "w : 1 (constant)", on_pre="I_post += w", name=f"{name}_fixed", **options)
            # sources, targets, weight, delay; the last two inhibit neurons that fire by themselves and neurons that are read
            arrows = [
                (np.arange(60, 160), np.arange(260, 360), 160, 0),
                (np.arange(100, 200), np.arange(0, 100), 230, 2),
                (np.arange(300, 400), np.arange(0, 100), -40, 1),
                (np.full(60, 120), np.arange(100, 160), -30, 0),
                (np.arange(60, 90), np.arange(30), 300, 3),
                (np.full(10, 130), np.arange(364, 374), -60, 0),
                (np.full(10, 131), np.arange(384, 394), -20, 0),
            ]
            i, j, w, delay = (np.concatenate([np.resize(arrow[k], len(arrow[0])) for arrow in arrows]) for k in range(4))
            fixed.connect(i=i, j=j)
            fixed.w, fixed.delay = w, delay * step
            if name == "reader":
                reads = b2.Synapses(sender, group, on_pre="hits_post += int(v_post < -90)", name="reads", **options)
                reads.connect(j="i")
                everything.append(reads)
            if cls:
                dense.any_order(matrix.add, parts=3)
                dense.only_where(matrix.learn, "trace_post")
                dense.may_rest(group)
                dense.one_step_memory(group, "v = I + b", "v > theta", read=slice(380, 400))
            monitors += [
                b2.SpikeMonitor(group, name=f"{name}_spikes"),
                b2.StateMonitor(group, "v", record=True, when="after_thresholds", name=f"{name}_v"),
            ]
            everything += [group, matrix, fixed]
        network = b2.Network(*everything, *monitors)
        network.schedule = ["start", "groups", "thresholds", "resets", "synapses", "end"]
        network.run(150 * step, namespace={})
        everything[1].b[210:240] = 40
        network.run(61 * step, namespace={})
        if cls:
            build_and_run(b2.device, folder, say_how_many_steps_follow)
        for item in everything:
            if isinstance(item, b2.NeuronGroup) and item is not sender:
                state |= {f"{item.name}.{v}": np.array(getattr(item, v)) for v in ("v", "I", "trace", "rest", "hits")}
            elif item.name.endswith("matrix"):
                state |= {f"{item.name}.w": np.array(item.w)}
        for spikes, v in zip(monitors[::2], monitors[1::2], strict=True):
            order = np.lexsort((spikes.i, spikes.t_))
            state |= {f"{spikes.name}.i": np.array(spikes.i)[order], f"{spikes.name}.t": np.array(spikes.t_)[order]}
            state |= {v.name: np.array(v.v)}
        return state


def test_packets_that_make_no_difference_may_be_left_out(tmp_path):
    ours, theirs = run_forgetful("cpp_standalone", tmp_path), run_forgetful("numpy", None)
    assert set(ours) == set(theirs)
    for name, values in theirs.items():
        if name != "forgetful_v":
            np.testing.assert_array_equal(ours[name], values, name)
    # neurons of all kinds fire, closed ones among them; and something has been left out, but not where others read v
    assert len(np.unique(theirs["forgetful_spikes.i"])) > 150 and np.isin(np.arange(0, 60), theirs["forgetful_spikes.i"]).any()
    different = np.flatnonzero(np.any(ours["forgetful_v"] != theirs["forgetful_v"], axis=1))
    assert len(different) > 50 and different.max() < 380


@pytest.mark.parametrize(
    ("update", "threshold", "options", "words"),
    [
        ("v = I - b", "v > b", {}, "write them like"),
        ("v = I + b", "v > c", {}, "c is no constant"),
        ("v = I + b", "v > b", {"rests": False}, "call may_rest"),
        ("v = I + b", "v > b", {"threshold": "v > b or I > 3"}, "write it like 'v > theta and ...'"),
        ("v = I + b", "v > b", {"events": {"low": "v < 0"}}, "no other event may depend on v or I"),
        ("v = I + b", "v > b", {"reset": "I = 0"}, "no reset on I"),
        ("v = y + b", "v > b", {}, "v must depend on y"),
    ],
)
def test_one_step_memory_asks_for_a_group_of_a_certain_form(update, threshold, options, words):
    options = {"threshold": "v > b", "reset": "v = 0"} | options
    rests = options.pop("rests", True)
    with brian2_device("cpp_standalone") as b2:
        model = "dv/dt = (I + b - v) / ms : 1\ndI/dt = -I / ms : 1\ndy/dt = -y / ms : 1\nb : 1 (constant)"
        group = b2.NeuronGroup(5, model, method="euler", codeobj_class=dense.dense_codeobj_class(), **options)
        if rests:
            dense.may_rest(group)
        with pytest.raises(dense.DenseError, match=words):
            dense.one_step_memory(group, update, threshold)


@pytest.mark.parametrize(
    ("change", "exact"),
    [
        ({}, True),
        ({"theta": 1025.0}, True),
        ({"theta": 1000.1}, False),
        ({"margin": 8.3}, False),
        ({"theta_spread": 0.1}, True),  # thresholds are rounded to it
    ],
)
def test_single_precision_only_where_it_is_exact(change, exact):
    parameters = NBP(**DIGITS, **change)
    assert GatedModel(training_circuit(parameters), parameters).single_precision("dense") == exact


def test_memory_of_a_plastic_synapse():
    parameters = NBP(**DIGITS)
    circuit = training_circuit(parameters)
    with simulator(GatedModel(circuit, parameters)) as ready:
        manifest = json.loads((ready.folder / "manifest.json").read_text())
    assert set(manifest["bytes_per_synapse"]) == {block.name for block in matrix_blocks(circuit)}
    # two ends of four bytes each and a weight
    assert all(9 <= held <= 16 for held in manifest["bytes_per_synapse"].values())


def a_group(b2, **options):
    model = options.pop("model", "dv/dt = -v / (10*ms) : 1\ny : 1")
    return b2.NeuronGroup(
        5, model, threshold="v > 1", reset="v = 0", method="euler", codeobj_class=dense.dense_codeobj_class(), **options
    )


def test_threefry_gives_the_known_answers(tmp_path):
    """Those of the authors' library (Random123, kat_vectors: threefry2x32 with 13 rounds)."""
    (tmp_path / "main.cpp").write_text(
        f'''
        #include "{Path(dense.__file__).with_name("random.h")}"
        #include <cstdio>
        int main() {{
            const uint32_t ones = 0xffffffffu;
            for (const brianprop::Pair &pair : {{
                     brianprop::threefry(0, 0, 0, 0),
                     brianprop::threefry(ones, ones, ones, ones),
                     brianprop::threefry(0x13198a2e, 0x03707344, 0x243f6a88, 0x85a308d3)}})
                std::printf("%08x %08x\\n", pair.first, pair.second);
        }}
        '''
    )
    subprocess.run([*compiler()[0], "-O1", "-o", tmp_path / "main", tmp_path / "main.cpp"], check=True)
    found = subprocess.run([tmp_path / "main"], check=True, capture_output=True, text=True).stdout.splitlines()
    assert found == ["9d1c5ec6 8bd50731", "fd36d048 2d17272c", "ba3e4725 f27d669e"]


def test_random_numbers_of_dense_code(tmp_path):
    """Uniform and normal numbers in a threshold, an update and a pathway: their distribution, and that of their differences
    between neurons and between steps. Each of the eight tests fails for good numbers with probability 1e-4."""
    import brian2 as b2

    n, steps = 4001, 20
    with brian2_device("cpp_standalone"):
        device, options = b2.device, {"codeobj_class": dense.dense_codeobj_class()}
        b2.seed(11)
        b2.defaultclock.dt = 2.0**-10 * b2.second
        group = b2.NeuronGroup(n, "x : 1", threshold="rand() < 0.3", reset="", name="drawing", **options)
        group.run_regularly("x = randn()", when="start", **options)
        synapses = b2.Synapses(group, group, "w : 1", on_pre="w = rand()", name="drawn", **options)
        synapses.connect(j="i")
        synapses.w = -1
        spikes = b2.SpikeMonitor(group, name="drawn_spikes")
        values = b2.StateMonitor(group, "x", record=True, when="end", name="values")
        b2.Network(group, synapses, spikes, values).run(steps * b2.defaultclock.dt, namespace={})
        build_and_run(device, tmp_path)
        fired = np.zeros((steps, n), bool)
        fired[np.rint(np.array(spikes.t_) * 1024).astype(int), np.array(spikes.i)] = True
        normal, w = np.array(values.x).T, np.array(synapses.w)
    assert stats.binomtest(int(fired.sum()), fired.size, 0.3).pvalue > 1e-4
    pairs = np.histogram2d(fired[:-1].ravel(), fired[1:].ravel(), bins=2)[0]
    assert stats.chi2_contingency(pairs).pvalue > 1e-4
    neighbours = np.histogram2d(fired[:, :-1].ravel(), fired[:, 1:].ravel(), bins=2)[0]
    assert stats.chi2_contingency(neighbours).pvalue > 1e-4
    assert stats.kstest(normal.ravel(), "norm").pvalue > 1e-4
    assert stats.pearsonr(normal[:-1].ravel(), normal[1:].ravel()).pvalue > 1e-4
    half = n // 2 + 1  # a block of Threefry makes two numbers that lie so far apart
    for power in (normal, normal**2):
        assert stats.pearsonr(power[:, :-half].ravel(), power[:, half:].ravel()).pvalue > 1e-4
    assert np.array_equal(w == -1, ~fired.any(axis=0))
    assert stats.kstest(w[w >= 0], "uniform").pvalue > 1e-4


def test_random_numbers_of_a_matrix_of_synapses(tmp_path):
    """Rows are delivered by fours, of which two share what is drawn: every number has its distribution, and no row or neuron
    knows of another. Each of the 2 + 2 * 7 tests fails for good numbers with probability 1e-5."""
    import brian2 as b2

    rows, columns = 402, 301  # 402 = 4 * 100 + 2: the last two rows are delivered alone
    with brian2_device("cpp_standalone"):
        device, options = b2.device, {"codeobj_class": dense.dense_codeobj_class()}
        b2.seed(5)
        b2.defaultclock.dt = 2.0**-10 * b2.second
        source = b2.NeuronGroup(rows, "", threshold="t_in_timesteps == 0", reset="", name="all_rows", **options)
        target = b2.NeuronGroup(columns, "x : 1", name="all_columns", **options)
        synapses = b2.Synapses(source, target, "u : 1\nz : 1", on_pre="u = rand()\nz = randn()", name="matrix", **options)
        synapses.connect()
        b2.Network(source, target, synapses).run(3 * b2.defaultclock.dt, namespace={})
        build_and_run(device, tmp_path)
        u, z = (np.array(values).reshape(rows, columns) for values in (synapses.u, synapses.z))
    assert stats.kstest(u.ravel(), "uniform").pvalue > 1e-5
    assert stats.kstest(z.ravel(), "norm").pvalue > 1e-5
    for values in (u, z):
        for power in (values - values.mean(), np.square(values - values.mean())):
            for lag in (1, 2, 3):
                assert stats.pearsonr(power[:-lag].ravel(), power[lag:].ravel()).pvalue > 1e-5
        assert stats.pearsonr(values[:, :-1].ravel(), values[:, 1:].ravel()).pvalue > 1e-5


def test_pathways_that_leave_the_weights_alone_do_not_part_copies(tmp_path):
    """Counting what arrives, as noise asks for it, has no copies of a matrix compared anew: that took a third of a step."""
    parameters = NBP(**DIGITS, weight_noise=20.0)
    generate(tmp_path, GatedModel(training_circuit(parameters), parameters), "dense")
    for name in ("count", "learn"):
        code = (tmp_path / f"code_objects/plastic_x_h_{name}_codeobject.cpp").read_text()
        assert (".equal" in code) == (name == "learn")


def test_random_numbers_without_a_counter_are_refused_in_a_pathway():
    with brian2_device("cpp_standalone") as b2:
        group = a_group(b2)
        synapses = b2.Synapses(group, group, on_pre="v_post += poisson(2)", codeobj_class=dense.dense_codeobj_class())
        synapses.connect()
        with pytest.raises(Exception) as caught:
            b2.Network(group, synapses).run(0 * b2.second, namespace={})
    assert any(isinstance(link, dense.DenseError) and "poisson" in str(link) for link in causes(caught.value))


@pytest.mark.parametrize(
    ("code", "parts", "words"),
    [
        ("v_post += 2 * w", 1, "must add a variable of the synapses"),
        ("v_post += y_pre", 1, "must add a variable of the synapses"),
        ("v_pre += w", 1, "must add a variable of the synapses"),
        ("v_post += w", 2, "5 targets are no 2 equal parts"),
    ],
)
def test_any_order_takes_sums_of_synaptic_variables_alone(code, parts, words):
    with brian2_device("cpp_standalone") as b2:
        group = a_group(b2)
        synapses = b2.Synapses(group, group, "w : 1", on_pre=code, codeobj_class=dense.dense_codeobj_class())
        with pytest.raises(dense.DenseError, match=words):
            dense.any_order(synapses.pre, parts=parts)


@pytest.mark.parametrize("reader", [None, "monitor", "regular"])
def test_copies_of_weights_are_kept_as_one_only_where_nothing_else_reads_them(reader, tmp_path):
    with brian2_device("cpp_standalone") as b2:
        group = a_group(b2)
        pathways = {"add": "v_post += w", "learn": "w = clip(w + y_post, -9, 9)"}
        synapses = b2.Synapses(group, group[:4], "w : 1\nx : 1", on_pre=pathways, codeobj_class=dense.dense_codeobj_class())
        synapses.connect()
        dense.any_order(synapses.add, parts=2)
        objects = [group, synapses]
        if reader == "monitor":
            objects.append(b2.StateMonitor(synapses, "w", record=[0]))
        if reader == "regular":
            synapses.run_regularly("x = w", dt=1 * b2.ms)
        b2.Network(objects).run(0 * b2.second, namespace={})
        b2.device.build(directory=str(tmp_path), compile=False, run=False, with_output=False)
        code = (tmp_path / "code_objects" / "synapses_learn_codeobject.cpp").read_text()
    assert ("catch_up" in code) == (reader is None)


def test_any_order_is_refused_where_others_write_to_the_weights():
    with brian2_device("cpp_standalone") as b2:
        group = a_group(b2)
        synapses = b2.Synapses(group, group, "w : 1", on_pre="v_post += w", codeobj_class=dense.dense_codeobj_class())
        synapses.connect()
        synapses.run_regularly("w = w * 0.5", dt=1 * b2.ms, name="decay")
        dense.any_order(synapses.pre)
        with pytest.raises(Exception) as caught:
            b2.Network(group, synapses).run(0 * b2.second, namespace={})
    assert any(isinstance(link, dense.DenseError) and "decay changes 'w' too" in str(link) for link in causes(caught.value))


def causes(error):
    """An exception and those that it was raised from."""
    while error:
        yield error
        error = error.__cause__


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"refractory": "5*ms"}, "the refractory period depends on time"),
        ({"model": "v : 1\ny : 1"}, "it has no differential equations"),
    ],
)
def test_groups_that_cannot_rest_are_refused(options, words):
    with brian2_device("cpp_standalone") as b2:
        group = a_group(b2, **options)
        with pytest.raises(dense.DenseError, match=words):
            dense.may_rest(group)


@pytest.mark.parametrize(
    ("model", "parts"),
    [
        ("dv/dt = (x - v) / (10*ms) : 1\ndx/dt = -x / ms : 1\ndy/dt = -y / ms : 1\nz : 1", [{"v", "x"}, {"y"}]),
        ("dv/dt = (s - v) / (10*ms) : 1\ns = y + z : 1\ndx/dt = -x / ms : 1\ny : 1\nz : 1 (constant)", [{"v", "y"}, {"x"}]),
    ],
)
def test_variables_rest_apart_where_no_equation_connects_them(model, parts):
    with brian2_device("cpp_standalone") as b2:
        group = a_group(b2, model=model)
        dense.may_rest(group)
        assert sorted(map(sorted, group.rests)) == sorted(map(sorted, parts))


@pytest.mark.parametrize(
    ("model", "word"),
    [
        ("dv/dt = (sin(2*pi*t*Hz) - v) / (10*ms) : 1", "t"),
        ("dv/dt = (rand() - v) / (10*ms) : 1", "rand"),
        ("dv/dt = -v / (10*ms) + xi * ms**-0.5 : 1", "xi"),
    ],
)
def test_a_group_that_depends_on_time_or_chance_may_not_rest(model, word):
    with brian2_device("cpp_standalone") as b2:
        group = a_group(b2, model=model)
        with pytest.raises(dense.DenseError, match=f"cannot rest, since it depends on .*{word}"):
            dense.may_rest(group)


def test_only_where_names_a_variable_of_the_other_end():
    with brian2_device("cpp_standalone") as b2:
        group = a_group(b2)
        synapses = b2.Synapses(group, group, "w : 1", on_pre="w += y_post", codeobj_class=dense.dense_codeobj_class())
        with pytest.raises(dense.DenseError, match="y_pre"):
            dense.only_where(synapses.pre, "y_pre")
        with pytest.raises(dense.DenseError, match="no variable 'z'"):
            dense.only_where(synapses.pre, "z_post")


def test_runtime_mode_uses_brian2s_own_code():
    with brian2_device("numpy"):
        assert dense.dense_codeobj_class() is None


def test_the_self_test_passes_and_finds_what_differs(tmp_path):
    def build(device, folder):
        build_and_run(device, Path(folder))

    with brian2_device("cpp_standalone"):
        selftest.compare(str(tmp_path), build)
        state = selftest.simulate()
    assert len(state["spikes"]) > 500 and len(np.unique(state["w"])) > 10 and np.ptp(state["hits"]) > 0
    assert len(state["ticks"]) == 10 * selftest.STEPS
    for name, values in (("w", state["w"] + (np.arange(len(state["w"])) == 7)), ("draw", state["draw"] / 2)):
        with pytest.raises(AssertionError, match="w differs from" if name == "w" else "not uniform"):
            selftest.require_equal({**state, name: values}, dict(state))


@pytest.fixture
def pretend(monkeypatch):
    """Pretend that a version of Brian2 is installed, with which the self-test ends in a certain way; counts the tests."""
    tests = []

    def version(number, fault=None):
        monkeypatch.setattr(dense.versions.metadata, "version", lambda name: number)
        monkeypatch.setattr(dense.versions, "_faults", {})  # as in a new process
        monkeypatch.setattr(selftest, "fault", lambda: tests.append(number) or fault)

    version.tests = tests
    return version


def test_an_unknown_minor_version_is_tested_once_and_used_if_it_passes(pretend, tmp_path):
    for _ in range(2):
        pretend("2.99.1")
        assert dense.dense_supported(lambda: tmp_path) and dense.dense_supported(lambda: tmp_path)
    assert pretend.tests == ["2.99.1"]
    with brian2_device("cpp_standalone"):
        assert dense.dense_codeobj_class() is not None


def test_a_version_that_fails_gives_stock_code_and_one_sentence(pretend, monkeypatch, tmp_path):
    monkeypatch.setenv("BRIANPROP_CACHE", str(tmp_path))
    for _ in range(2):
        pretend("2.98.0", "w differs from Brian2's own code")
        with pytest.warns(UserWarning, match=r"Brian2 2\.98\.0 \(w differs.*\); Brian2's own code is used") as warned:
            assert [codegen_used("cpp_standalone", "dense") for _ in range(3)] == ["stock"] * 3
            with brian2_device("cpp_standalone"):
                assert dense.dense_codeobj_class() is None
        assert len(warned) == 1
    assert pretend.tests == ["2.98.0"]
    assert codegen_used("cpp_standalone", "stock") == codegen_used("numpy", "dense") == "stock"


def test_another_major_version_is_not_tried(pretend):
    pretend("3.1.4")
    with pytest.warns(UserWarning, match=r"3\.1\.4 \(whose interfaces are unknown\)"):
        assert not dense.dense_supported()
    assert not pretend.tests


@pytest.mark.slow
def test_the_self_test_runs_in_a_process_of_its_own_as_any_script_would():
    assert selftest.fault() is None


def test_a_failing_self_test_says_why(monkeypatch):
    monkeypatch.setattr(selftest, "__name__", "brianprop.models.no_such_module")
    assert "no_such_module" in selftest.fault()


def test_the_folder_imports_nothing_of_the_rest_of_the_project():
    for path in Path(dense.__file__).parent.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) and not node.level else []
            names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            assert not any(name.split(".")[0] == "brianprop" for name in names), path
            assert not (isinstance(node, ast.ImportFrom) and node.level > 1), path
