"""
A Brian2 device
===============

The generated code of this project is not only for its own circuits. After ``import brianprop.dense``, any Brian2 script has
it by the name of a device, see :doc:`/brian2-device`. Here are 300 leaky neurons with plastic synapses from 200 Poisson inputs,
all to all.
"""

import brian2 as b2
import numpy as np
from matplotlib.figure import Figure

import brianprop.dense  # makes the device known

b2.set_device("dense_standalone", directory=None)  # a temporary folder
b2.seed(0)

inputs = b2.PoissonGroup(200, rates=7 * b2.Hz)
neurons = b2.NeuronGroup(
    300, "dv/dt = (g - v) / (10*ms) : 1\ndg/dt = -g / (5*ms) : 1", threshold="v > 1", reset="v = 0", method="euler"
)
synapses = b2.Synapses(
    inputs,
    neurons,
    """
    w : 1
    dpre/dt = -pre / (20*ms) : 1 (event-driven)
    dpost/dt = -post / (20*ms) : 1 (event-driven)
    """,
    on_pre="g_post += w; pre += 0.01; w = clip(w + post, 0, 0.3)",
    on_post="post -= 0.0105; w = clip(w + pre, 0, 0.3)",
)
synapses.connect()
synapses.w = "rand() * 0.3"
spikes = b2.SpikeMonitor(neurons)

network = b2.Network(inputs, neurons, synapses, spikes)
network.run(10 * b2.second)

# %%
# Results are read as after any run of Brian2's standalone mode.

print({type(code).__name__ for code in b2.device.code_objects.values()})
print(spikes.num_spikes, "spikes")

figure = Figure(figsize=(7, 2.6), layout="constrained")
early, weights = figure.subplots(1, 2)
shown = np.asarray(spikes.t) < 0.5
early.plot(np.asarray(spikes.t)[shown], np.asarray(spikes.i)[shown], ".", markersize=2)
early.set(xlabel="time [s]", ylabel="neuron")
weights.hist(np.asarray(synapses.w), bins=50)
weights.set(xlabel="weight after 10 s", ylabel="synapses")
