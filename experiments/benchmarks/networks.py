"""Networks of Brian2's own examples, at full size or smaller, and a program that builds one for a device.

``python -m brianprop.experiments.benchmarks.networks NAME DEVICE FOLDER SIZE`` generates and compiles a project.
The program takes the seed from the environment variable ``SEED`` and writes the processor time of its run [s] into
``results/cpu_seconds``.
"""

# pyright: reportArgumentType=false
# Brian2 takes more than its annotations say, such as quantities for times

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from brianprop.experiments.benchmarks.scaling import resized
from brianprop.experiments.data import images as datasets

__all__ = ["NETWORKS", "Example", "NetworkName", "build"]

NetworkName = Literal["cuba", "cobahh", "stdp", "brunel", "diehl-cook", "diehl-cook-one-delay"]


@dataclass(frozen=True)
class Example:
    """A network, and whether random numbers are drawn while it runs by code that is dense.

    Attributes
    ----------
    create : callable
        Takes the share of the full size, in neurons and in time; makes the objects and gives (objects, seconds), with a
        SpikeMonitor called ``spikes``.
    chance : bool
        Whether spikes can only be compared in their statistics.
    source : str
        Where Brian2 has it.
    """

    create: Callable[[float], tuple[list, float]]
    chance: bool
    source: str


def cuba(size: float):
    """Integrate-and-fire neurons with exponential currents, sparse connections."""
    import brian2 as b2

    n = round(4000 * size)
    neurons = b2.NeuronGroup(
        n,
        """
        dv/dt = (ge + gi - (v + 49*mV)) / (20*ms) : volt (unless refractory)
        dge/dt = -ge / (5*ms) : volt
        dgi/dt = -gi / (10*ms) : volt
        """,
        threshold="v > -50*mV",
        reset="v = -60*mV",
        refractory=5 * b2.ms,
        method="exact",
        name="neurons",
    )
    neurons.v = "(-60 + rand() * 10)*mV"
    excitatory = b2.Synapses(neurons, neurons, on_pre="ge += 1.62*mV", name="excitatory")
    inhibitory = b2.Synapses(neurons, neurons, on_pre="gi += -9*mV", name="inhibitory")
    excitatory.connect(f"i < {n * 4 // 5}", p=0.02)
    inhibitory.connect(f"i >= {n * 4 // 5}", p=0.02)
    return [neurons, excitatory, inhibitory, b2.SpikeMonitor(neurons, name="spikes")], size


def cobahh(size: float):
    """Hodgkin-Huxley neurons with exponential conductances, sparse connections."""
    import brian2 as b2

    area = 20000 * b2.umetre**2
    constants = {
        "Cm": 1 * b2.ufarad * b2.cm**-2 * area,
        "gl": 5e-5 * b2.siemens * b2.cm**-2 * area,
        "g_na": 100 * b2.msiemens * b2.cm**-2 * area,
        "g_kd": 30 * b2.msiemens * b2.cm**-2 * area,
        "VT": -63 * b2.mV,
    }
    n = round(4000 * size)
    neurons = b2.NeuronGroup(
        n,
        """
        dv/dt = (gl*(-60*mV - v) - ge*v + gi*(-80*mV - v)
                 - g_na*(m*m*m)*h*(v - 50*mV) - g_kd*(n*n*n*n)*(v + 90*mV)) / Cm : volt
        dm/dt = alpha_m*(1 - m) - beta_m*m : 1
        dn/dt = alpha_n*(1 - n) - beta_n*n : 1
        dh/dt = alpha_h*(1 - h) - beta_h*h : 1
        dge/dt = -ge / (5*ms) : siemens
        dgi/dt = -gi / (10*ms) : siemens
        alpha_m = 0.32*(mV**-1)*4*mV/exprel((13*mV - v + VT)/(4*mV))/ms : Hz
        beta_m = 0.28*(mV**-1)*5*mV/exprel((v - VT - 40*mV)/(5*mV))/ms : Hz
        alpha_h = 0.128*exp((17*mV - v + VT)/(18*mV))/ms : Hz
        beta_h = 4./(1 + exp((40*mV - v + VT)/(5*mV)))/ms : Hz
        alpha_n = 0.032*(mV**-1)*5*mV/exprel((15*mV - v + VT)/(5*mV))/ms : Hz
        beta_n = .5*exp((10*mV - v + VT)/(40*mV))/ms : Hz
        """,
        threshold="v > -20*mV",
        refractory=3 * b2.ms,
        method="exponential_euler",
        namespace=constants,
        name="neurons",
    )
    neurons.v = "(-60 + randn() * 5 - 5)*mV"
    neurons.ge = "(randn() * 1.5 + 4) * 10.*nS"
    neurons.gi = "(randn() * 12 + 20) * 10.*nS"
    excitatory = b2.Synapses(neurons[: n * 4 // 5], neurons, on_pre="ge += 6*nS", name="excitatory")
    inhibitory = b2.Synapses(neurons[n * 4 // 5 :], neurons, on_pre="gi += 67*nS", name="inhibitory")
    excitatory.connect(p=0.02)
    inhibitory.connect(p=0.02)
    return [neurons, excitatory, inhibitory, b2.SpikeMonitor(neurons, name="spikes")], size


def stdp(size: float):
    """Spike-timing dependent plasticity: Poisson inputs to one neuron (Song, Miller, Abbott 2000)."""
    import brian2 as b2

    inputs = b2.PoissonGroup(round(1000 * size), rates=15 * b2.Hz, name="inputs")
    neuron = b2.NeuronGroup(
        1,
        """
        dv/dt = (ge * -v - 74*mV - v) / (10*ms) : volt
        dge/dt = -ge / (5*ms) : 1
        """,
        threshold="v > -54*mV",
        reset="v = -60*mV",
        method="euler",
        name="neuron",
    )
    synapses = b2.Synapses(
        inputs,
        neuron,
        """
        w : 1
        dApre/dt = -Apre / (20*ms) : 1 (event-driven)
        dApost/dt = -Apost / (20*ms) : 1 (event-driven)
        """,
        on_pre="ge += w\nApre += 0.0001\nw = clip(w + Apost, 0, 0.01)",
        on_post="Apost += -0.000105\nw = clip(w + Apre, 0, 0.01)",
        name="synapses",
    )
    synapses.connect()
    synapses.w = "rand() * 0.01"
    weights = b2.StateMonitor(synapses, "w", record=[0, 1], name="weights")
    recorded = b2.SpikeMonitor(inputs, name="recorded")
    return [inputs, neuron, synapses, weights, recorded, b2.SpikeMonitor(neuron, name="spikes")], 100 * size


def brunel(size: float):
    """Sparsely connected excitatory and inhibitory neurons with Poisson input (Brunel 2000, Fig. 8C)."""
    import brian2 as b2

    n = round(12500 * size)
    neurons = b2.NeuronGroup(
        n,
        "dv/dt = -v / (20*ms) : volt (unless refractory)",
        threshold="v > 20*mV",
        reset="v = 10*mV",
        refractory=2 * b2.ms,
        method="exact",
        name="neurons",
    )
    excitatory = b2.Synapses(neurons[: n * 4 // 5], neurons, on_pre="v += 0.1*mV", delay=1.5 * b2.ms, name="excitatory")
    inhibitory = b2.Synapses(neurons[n * 4 // 5 :], neurons, on_pre="v += -0.5*mV", delay=1.5 * b2.ms, name="inhibitory")
    excitatory.connect(p=0.1)
    inhibitory.connect(p=0.1)
    external = b2.PoissonInput(neurons, "v", N=1000, rate=20 * b2.Hz, weight=0.1 * b2.mV)
    rate = b2.PopulationRateMonitor(neurons, name="rate")
    return [neurons, excitatory, inhibitory, external, rate, b2.SpikeMonitor(neurons, name="spikes")], 1.2 * size


def diehl_cook(size: float, one_delay: bool = False):
    """784 Poisson inputs that show digits, 400 + 400 neurons, STDP from all to all (Diehl, Cook 2015).

    As in training: each image for 350 ms, then 150 ms of rest. Brian2's example has a delay for each synapse; with
    `one_delay`, all have their mean.
    """
    import brian2 as b2

    n = round(400 * size)
    equations = """
    dv/dt = (v_rest - v - ge*v + gi*(v_inh_base - v)) / tau_mem : volt (unless refractory)
    dge/dt = -ge / (1*ms) : 1
    dgi/dt = -gi / (2*ms) : 1
    dtimer/dt = 1 : second
    """
    excitatory = b2.NeuronGroup(
        n,
        equations + "dtheta/dt = -theta / (1e7*ms) : volt",
        threshold="v > (theta - 72*mV) and (timer > 50*ms)",
        refractory=5 * b2.ms,
        reset="v = -65*mV; timer = 0*ms; theta += 0.05*mV",
        method="euler",
        namespace={"tau_mem": 100 * b2.ms, "v_rest": -65 * b2.mV, "v_inh_base": -100 * b2.mV},
        name="excitatory",
    )
    excitatory.v = -65 * b2.mV
    excitatory.theta = 20 * b2.mV
    inhibitory = b2.NeuronGroup(
        n,
        equations,
        threshold="v > -40*mV",
        refractory=2 * b2.ms,
        reset="v = -45*mV",
        method="euler",
        namespace={"tau_mem": 10 * b2.ms, "v_rest": -60 * b2.mV, "v_inh_base": -85 * b2.mV},
        name="inhibitory",
    )
    inhibitory.v = -60 * b2.mV
    onward = b2.Synapses(excitatory, inhibitory, on_pre="ge_post += 10.4", name="onward")
    onward.connect(j="i")
    back = b2.Synapses(inhibitory, excitatory, on_pre="gi_post += 17.0", name="back")
    back.connect("i != j")
    images = resized(datasets.load("digits").train.images[:4], (8, 8), 784)
    shown = np.repeat([1, 0], [7, 3])[:, None] * images[:, None, :] / images.max() * 255 / 8 * 2
    stimulus = b2.TimedArray(shown.reshape(-1, 784) * b2.Hz, dt=50 * b2.ms, name="stimulus")
    inputs = b2.PoissonGroup(784, rates="stimulus(t, i)", namespace={"stimulus": stimulus}, name="inputs")
    synapses = b2.Synapses(
        inputs,
        excitatory,
        """
        w : 1
        post2bef : 1
        dpre/dt = -pre / (20*ms) : 1 (event-driven)
        dpost1/dt = -post1 / (20*ms) : 1 (event-driven)
        dpost2/dt = -post2 / (40*ms) : 1 (event-driven)
        """,
        on_pre="ge_post += w; pre = 1.; w = clip(w - 0.0001 * post1, 0, 1.0)",
        on_post="post2bef = post2; w = clip(w + 0.01 * pre * post2bef, 0, 1.0); post1 = 1.; post2 = 1.",
        name="synapses",
        **({"delay": 5 * b2.ms} if one_delay else {}),
    )
    synapses.connect(True)
    if not one_delay:
        synapses.delay = "rand() * 10*ms"
    weights = np.random.default_rng(0).random((784, n)) + 0.01
    synapses.w = (weights * 78 / weights.sum(axis=0)).ravel()
    objects = [inputs, excitatory, inhibitory, synapses, onward, back, b2.SpikeMonitor(excitatory, name="spikes")]
    return objects, 2 * size


NETWORKS: dict[str, Example] = {
    "cuba": Example(cuba, False, "examples/CUBA.py"),
    "cobahh": Example(cobahh, False, "examples/COBAHH.py"),
    "stdp": Example(stdp, True, "examples/synapses/STDP.py"),
    "brunel": Example(brunel, False, "examples/frompapers/Brunel_2000.py"),
    "diehl-cook": Example(diehl_cook, True, "examples/frompapers/Diehl_Cook_2015.py"),
    "diehl-cook-one-delay": Example(
        lambda size: diehl_cook(size, one_delay=True), True, "the same with one delay for all synapses"
    ),
}

SEED = 'if (const char *seed = std::getenv("SEED")) brian::_random_generators[0].seed(std::strtoul(seed, nullptr, 10));'
BEGIN = "const std::clock_t began = std::clock();"
END = 'std::ofstream(brian::results_dir + "cpu_seconds") << double(std::clock() - began) / CLOCKS_PER_SEC;'


def build(name: str, device: str, folder: Path, size: float) -> None:
    """Generate and compile the project of a network; ``spikes.json`` in it says which files the spikes are in."""
    import brian2 as b2

    import brianprop.models.dense.device  # noqa: F401 - makes the device known

    b2.set_device(device, build_on_run=False)
    b2.prefs.codegen.cpp.headers += ["<cstdlib>", "<ctime>", "<fstream>"]
    b2.device.insert_code("main", SEED)
    b2.device.insert_code("before_network_run", BEGIN)
    b2.device.insert_code("after_network_run", END)
    objects, seconds = NETWORKS[name].create(size)
    network = b2.Network(objects)
    network.run(seconds * b2.second)
    b2.device.build(directory=str(folder), run=False)
    (folder / "results").mkdir(exist_ok=True)
    monitor = network["spikes"]
    files = {part: b2.device.get_array_filename(monitor.variables[part]) for part in ("i", "t")}
    (folder / "spikes.json").write_text(json.dumps(files))


if __name__ == "__main__":
    build(sys.argv[1], sys.argv[2], Path(sys.argv[3]), float(sys.argv[4]))
