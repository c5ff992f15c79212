"""Hints that are derived from the code of a network: found where they hold, and only there; the results stay the same."""

import subprocess
import sys

import brian2 as b2
import numpy as np
import pytest

from brianprop.models.dense.derive import Derived, only_where_of


def shown(on_pre, *, model="w : 1\nrate : 1 (shared, constant)", on_post=None, more=lambda synapses, group: []):
    """What is derived for the pathway `pre` of a small network."""
    group = b2.NeuronGroup(3, "dy/dt = -y/ms : 1\nI : 1\ns : 1 (shared)", threshold="y > 1", reset="y = 0", name="derived_g*")
    synapses = b2.Synapses(group, group, model, on_pre=on_pre, on_post=on_post, name="derived_s*")
    others = more(synapses, group)
    network = b2.Network(group, synapses, *others)
    return only_where_of(synapses.pre, network.sorted_objects)


@pytest.mark.parametrize(
    ("on_pre", "bounds"),
    [
        ("w += rate * y_post", ()),
        ("w -= 0.5 * y_post * (1 - w)", ()),
        ("w = w + y_post", ()),
        ("w *= 1 + y_post", ()),
        ("w = clip(w + rate * y_post, -254, 254)", (("w", "-254", "254"),)),
        ("w = clip(w + rate * y_post, 0, rate); I_post += y_post", (("w", "0", "rate"),)),
    ],
)
def test_a_pathway_that_changes_nothing_where_a_trace_is_zero(on_pre, bounds):
    assert shown(on_pre) == Derived("y_post", bounds)


@pytest.mark.parametrize(
    "on_pre",
    [
        "w += rate",
        "I_post += w",
        "w += y_post; I_post += w",
        "w += y_post + 1",
        "w = y_post",
        "w += y_pre",  # it is the neuron that spikes
        "w += s_post",  # one for all neurons
        "w += y_post * rand()",  # to leave draws out would change those that follow
        "y_post = 1; w += y_post",
        "w += rate / y_post",
        "w = clip(y_post, 0, 1)",
        "w = clip(w + y_post, 0, w)",
    ],
)
def test_what_may_change_something_is_not_shown(on_pre):
    assert shown(on_pre) is None


@pytest.mark.parametrize(
    "others",
    [
        {"on_post": "w += 1"},
        {"on_post": "w = clip(w + y_pre, 0, 2)"},
        {"model": "dw/dt = -w/ms : 1 (clock-driven)\nrate : 1 (shared, constant)"},
        {"more": lambda synapses, group: [synapses.run_regularly("w = 3")]},
        {"more": lambda synapses, group: [b2.Synapses(group, synapses, on_pre="w_post = 3", name="derived_chief*")]},
    ],
)
def test_bounds_hold_only_where_nothing_else_breaks_them(others):
    rule = "w = clip(w + rate * y_post, 0, 1)"
    assert shown(rule, on_post="w = clip(w - y_pre, 0, 1)") is not None
    assert shown(rule, **others) is None


SCRIPT = """
import sys
import numpy as np
from brian2 import *
import brianprop.dense
set_device(sys.argv[1], directory=sys.argv[2], build_on_run=False)
seed(3)
group = NeuronGroup(
    160,
    'dv/dt = (1 + 0.01*i - v)/(9*ms) : 1\\ndy/dt = -y/dt : 1',
    threshold='v > 0.9', reset='v = 0; y = 1', method='euler',
)
group.v = 'rand()'
rule = dict(model='w : 1', on_pre='w = clip(w + 0.1 * y_post, -1, 1)', delay=0*ms)
within = Synapses(group, group, name='within', **rule)
beyond = Synapses(group, group, name='beyond', **rule)
for synapses in (within, beyond):
    synapses.connect()
    synapses.pre.order = 2
within.w = 'rand()'
beyond.w = '2 * rand()'  # what lies beyond the bounds is clipped by the first spike, whatever y is
network = Network(group, within, beyond)
network.schedule = ['start', 'groups', 'thresholds', 'resets', 'synapses', 'end']
network.run(30*ms)
device.build(directory=sys.argv[2])
np.savez(sys.argv[3], within=within.w[:], beyond=beyond.w[:], y=group.v[:])
"""


@pytest.mark.slow
def test_a_derived_hint_changes_no_result(tmp_path):
    results = {}
    for device in ("cpp_standalone", "dense_standalone"):
        words = [device, tmp_path / device, tmp_path / f"{device}.npz"]
        done = subprocess.run([sys.executable, "-c", SCRIPT, *map(str, words)], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr[-3000:]
        results[device] = np.load(tmp_path / f"{device}.npz")
    code = (tmp_path / "dense_standalone" / "code_objects").glob("*_pre_codeobject.cpp")
    assert all("_n_where" in path.read_text() for path in code)
    for name in results["cpp_standalone"].files:
        np.testing.assert_array_equal(results["dense_standalone"][name], results["cpp_standalone"][name], err_msg=name)
