"""The Brian2 device ``dense_standalone`` against ``cpp_standalone``: the same spikes and values, bit for bit."""

import ast
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from brianprop.models.dense.events import independent

#: A network with pathways of every kind and what Brian2 allows between two runs. `argv`: device, folder, file of the
#: results, and with one more word only some of the pathways and one run.
MENAGERIE = """
import sys
import numpy as np
from brian2 import *
from brian2.devices.cpp_standalone.device import CPPStandaloneDevice
import brianprop.dense

device_name, folder, out, *few = sys.argv[1:]
if few:  # Brian2's own code in few units: compiled in half of the time
    class Joined(brianprop.dense.DenseStandaloneDevice):
        network_run, copy_source_files = CPPStandaloneDevice.network_run, CPPStandaloneDevice.copy_source_files
        code_object, code_object_class = CPPStandaloneDevice.code_object, CPPStandaloneDevice.code_object_class
    all_devices['cpp_standalone'] = Joined()
set_device(device_name, directory=folder, build_on_run=False)
prefs.core.default_float_dtype = float64
seed(5)
neurons = NeuronGroup(
    150,
    '''
    dv/dt = (1.2 + 0.7*sin(0.1*i) + g - v)/(10*ms) : 1 (unless refractory)
    dg/dt = -g/(5*ms) : 1
    hits : 1
    last : 1
    total : 1
    ''',
    threshold='v > 1', reset='v = 0', refractory='2*ms + 1*ms*(i % 3)', method='exact', name='neurons',
    events={'high': 'v > 0.9'},
)
neurons.v = 'rand()'
driven = NeuronGroup(70, 'dv/dt = (g - v)/(7*ms) : 1\\ndg/dt = -g/(3*ms) : 1\\nhits : 1\\nshown : 1', threshold='v > 0.03',
                     reset='v -= 0.03', method='euler', name='driven')
plastic = '''
w : 1
dpre/dt = -pre/(20*ms) : 1 (event-driven)
dpost/dt = -post/(30*ms) : 1 (event-driven)
'''
rules = dict(
    on_pre='g_post += w; pre += 0.01; w = clip(w + post, 0, 0.3)',
    on_post='post -= 0.011; w = clip(w + pre, 0, 0.3)',
)
# source, target, what they are, how they connect
kinds = {
    'matrix': (neurons, driven, dict(model=plastic, delay=1.5*ms, **rules), {}),
    'delays': (neurons, driven, dict(model=plastic, **rules), {}),
    'sparse': (neurons, driven, dict(model=plastic, **rules), dict(p=0.2)),
    'subgroup': (neurons[30:90], driven[11:50], dict(model=plastic, **rules), dict(condition='i != j')),
    'recurrent': (neurons, neurons, dict(model='w : 1', on_pre='v_post += w * v_pre; hits_pre += 1'), dict(p=0.3)),
    'lateral': (driven, driven, dict(on_pre='v_post -= 0.01'), dict(condition='i != j')),
    'single': (neurons[:70], driven, dict(on_pre='g_post += 0.1'), dict(j='i')),
    'wins': (neurons, driven, dict(on_pre='shown_post = i'), dict(p=0.5)),
    'random': (neurons, driven, dict(on_pre='hits_post += rand()'), dict(p=0.3)),
    'custom': (neurons, neurons, dict(on_pre='last_post = t/ms + i', on_event={'pre': 'high'}), dict(j='(i + 1) % 150')),
    'two': (
        neurons, driven,
        dict(model='w : 1', on_pre={'a': 'g_post += w', 'b': 'w *= 0.999'}, delay={'a': 0*ms, 'b': 2*ms}),
        dict(p=0.4, n=2),
    ),
    'sum': (neurons, neurons, dict(model='total_post = v_pre : 1 (summed)'), dict(p=0.1)),
}
if few:
    kinds = {name: kinds[name] for name in ('delays', 'recurrent', 'lateral', 'wins')}
for name, (source, target, what, how) in kinds.items():
    kinds[name] = Synapses(source, target, name=name + '_synapses', **what)
    kinds[name].connect(**how)
    if 'w' in kinds[name].equations:
        kinds[name].w = 'rand() * 0.02'
kinds['delays'].pre.delay = 'rand() * 4*ms'
more = []
if not few:
    kinds['sparse'].post.delay = 'rand() * 2*ms'
    # a synapse that a synapse writes to
    more = [Synapses(neurons, kinds['two'], on_pre='w_post += 0.0001', name='chief')]
    more[0].connect(j='i')
monitors = {group.name: SpikeMonitor(group) for group in (neurons, driven)}
trace = StateMonitor(driven, 'g', record=[0, 5], name='trace')
network = Network(neurons, driven, *kinds.values(), *more, *monitors.values(), trace)
network.run(40*ms)
if not few:
    kinds['delays'].pre.delay = '1*ms + rand() * 2*ms'
    kinds['matrix'].pre.delay = 0.3*ms
    kinds['sparse'].connect('(i + j) % 11 == 0')
    kinds['sparse'].w = 'rand() * 0.02'
    network.run(25*ms)
    defaultclock.dt = 0.05*ms
    network.run(15*ms)
device.build(directory=folder)
arrays = {f'spikes {name} {part}': getattr(monitor, part)[:] for name, monitor in monitors.items() for part in 'it'}
for item in (neurons, driven, *kinds.values()):
    for name in ('v', 'g', 'hits', 'last', 'shown', 'total', 'w', 'pre_', 'post_', 'lastupdate'):
        variable = item.variables.get(name.rstrip('_'))
        if variable is not None and variable.owner.name == item.name and hasattr(variable, 'get_value'):
            arrays[f'{item.name} {name}'] = variable.get_value()
arrays['trace'] = trace.g[:]
np.savez(out, **{name: np.asarray(values) for name, values in arrays.items()})
code = {name: type(item).__name__ for name, item in device.code_objects.items()}
import json
open(out + '.json', 'w').write(json.dumps(code))
"""


def run_script(script, *words, cwd=None):
    done = subprocess.run([sys.executable, "-c", script, *map(str, words)], capture_output=True, text=True, cwd=cwd)
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


def both(tmp_path, *few):
    """Results of the menagerie, and classes of its code, on Brian2's device and on ours."""
    results, classes = [], []
    for device in ("cpp_standalone", "dense_standalone"):
        out = tmp_path / f"{device}.npz"
        run_script(MENAGERIE, device, tmp_path / device, out, *few)
        results.append(np.load(out))
        classes.append(set(json.loads((tmp_path / f"{device}.npz.json").read_text()).values()))
    assert classes == [{"CPPStandaloneCodeObject"}, {"DenseDeviceCodeObject"}]
    return results


def assert_bit_equal(stock, ours):
    assert len(stock["spikes neurons i"]) > 200 and len(stock["spikes driven i"]) > 50
    assert set(stock.files) == set(ours.files)
    for name in stock.files:
        np.testing.assert_array_equal(ours[name], stock[name], err_msg=name)


def test_some_pathways_are_bit_equal(tmp_path):
    stock, ours = both(tmp_path, "few")
    assert_bit_equal(stock, ours)
    for name in ("delays_synapses w", "neurons hits", "driven shown"):
        assert np.ptp(stock[name]) > 0, name


@pytest.mark.slow
def test_every_kind_of_pathway_is_bit_equal_over_three_runs(tmp_path):
    """Also with delays, synapses and a time step that change between the runs, while spikes are under way."""
    stock, ours = both(tmp_path)
    assert len(stock.files) > 30
    assert_bit_equal(stock, ours)


@pytest.mark.slow
def test_brian2s_own_tests_of_standalone_devices_pass(tmp_path):
    """With one run and with several, and those of cpp_standalone itself with our device in its place."""
    script = """
import brian2, brianprop.dense
from brian2.devices.device import all_devices
options = dict(test_codegen_independent=False, test_in_parallel=[])
ours = brian2.test([], test_standalone='dense_standalone', **options)
all_devices['cpp_standalone'] = all_devices['dense_standalone']
in_its_place = brian2.test([], test_standalone='cpp_standalone', additional_args=['-k', 'test_cpp_standalone'], **options)
print('passed', ours, in_its_place)
"""
    # some of these tests write their projects into the folder where they run
    assert run_script(script, cwd=tmp_path).splitlines()[-1] == "passed True True"


MACROS = """
import sys
from brian2 import *
import brianprop.dense
set_device('dense_standalone', directory=sys.argv[1], build_on_run=False)

@implementation('cpp', '''
#define GAIN 3
double amplified(double x) { return GAIN * x; }
''')
@check_units(x=1, result=1)
def amplified(x):
    return 3 * x

@implementation('cpp', '''
double GAIN(double x) { return x + 0.5; }
double raised(double x) { return GAIN(x); }
''')
@check_units(x=1, result=1)
def raised(x):
    return x + 0.5

one = NeuronGroup(3, 'v : 1')
one.run_regularly('v = amplified(i + 1)')
other = NeuronGroup(3, 'v : 1')
other.run_regularly('v = raised(i)')
run(defaultclock.dt)
device.build(directory=sys.argv[1], compile='run' in sys.argv, run='run' in sys.argv, debug='debug' in sys.argv)
lines = open(sys.argv[1] + '/makefile').read().splitlines()
print(next(line for line in lines if line.startswith('SRCS')).split()[2:])
if 'run' in sys.argv:
    print(one.v[:].tolist(), other.v[:].tolist())
"""


def sources(text):
    """Names of the files that the printed list of a makefile's sources holds: units, and code that is compiled alone."""
    return {Path(name).name for name in ast.literal_eval(text.splitlines()[0])}


def test_many_files_are_compiled_as_few_but_for_those_with_macros_of_the_user(tmp_path):
    units = sources(run_script(MACROS, tmp_path / "units"))
    assert {"unit_once.cpp", "unit_0.cpp", "runs.cpp"} < units
    assert {name for name in units if "codeobject" in name} == {"neurongroup_run_regularly_codeobject.cpp"}
    with_debugger = sources(run_script(MACROS, tmp_path / "files", "debug"))
    assert "main.cpp" in with_debugger and not any(name.startswith("unit") for name in with_debugger)


@pytest.mark.slow
def test_a_macro_of_the_user_is_not_seen_by_other_code(tmp_path):
    assert run_script(MACROS, tmp_path, "run").splitlines()[1] == "[3.0, 6.0, 9.0] [0.5, 1.5, 2.5]"


OPENMP = """
import sys
from brian2 import *
import brianprop.dense
set_device('dense_standalone', directory=sys.argv[1])
prefs.devices.cpp_standalone.openmp_threads = 2
group = NeuronGroup(10, 'dv/dt = 1/ms : 1', threshold='v > 1', reset='v = 0', method='euler')
synapses = Synapses(group, group, on_pre='v_post += 0.01')
synapses.connect()
run(5*ms)
print({type(item).__name__ for item in device.code_objects.values()}, max(group.v) > 0)
"""


@pytest.mark.slow
def test_with_threads_brian2s_own_code_runs(tmp_path):
    assert run_script(OPENMP, tmp_path).splitlines()[-1] == "{'CPPStandaloneCodeObject'} True"


REINIT = """
import sys
from brian2 import *
import brianprop.dense
import numpy as np
set_device('dense_standalone', directory=sys.argv[1])
counts = []
for repetition in range(2):
    device.reinit()
    device.activate(directory=sys.argv[1] + str(repetition))
    group = NeuronGroup(5 + repetition, 'dv/dt = 1/ms : 1', threshold='v > 1', reset='v = 0', method='euler')
    with device.run_function('extra'):
        group.v = 'i * 0.1'
    spikes = SpikeMonitor(group)
    run(10*ms)
    counts.append(spikes.num_spikes)
print(counts)
"""


@pytest.mark.slow
def test_the_device_starts_anew_like_brian2s(tmp_path):
    ours = run_script(REINIT, tmp_path / "ours")
    assert ours == run_script(REINIT.replace("dense_standalone", "cpp_standalone"), tmp_path / "stock")
    assert ours.splitlines()[-1].startswith("[")


@pytest.mark.parametrize(
    ("code", "own", "free"),
    [
        (["double v = _ptr_v[_idx];", "v += exp(v);", "_ptr_v[_idx] = v;"], ("_idx",), True),
        (["_ptr_v[_postsynaptic_idx] += _ptr_w[_idx];"], ("_idx", "_postsynaptic_idx"), True),
        # the neuron that spikes may be one of the targets
        (["_ptr_v[_postsynaptic_idx] += _ptr_v[_presynaptic_idx];"], ("_idx", "_postsynaptic_idx"), False),
        (["_ptr_v[_presynaptic_idx] += 1;"], ("_idx", "_postsynaptic_idx"), False),
        (["_ptr_v[_idx] = _ptr_v[_linked_idx];"], ("_idx",), False),
        (["_ptr_v[_idx] = _ptr_v[_ptr_i[_idx]];"], ("_idx",), False),
        (["_ptr_v[_idx] = of_a_user(_ptr_w[_idx]);"], ("_idx",), False),
    ],
)
def test_only_independent_loops_are_said_to_be(code, own, free):
    assert independent(code, own) is free
