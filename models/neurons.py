"""Neuron types as Brian2 equations, one block each.

Gated neuron, a current-based leaky integrate-and-fire neuron (Renner et al. 2024, Methods, "Loihi's neuron model")::

    dv/dt = (I + b - v) / tau_m        membrane: drive that decays to the sum of current and bias
    dI/dt = -I / tau_s                 synaptic current

It fires when v > theta. Under forward Euler with tau_m = tau_s = dt the membrane of a step is exactly the bias plus the
weights of the spikes that arrived in the step before: Loihi's compartment with full decay.
"""

__all__ = [
    "CLOCKWORK",
    "GATED_LIF",
    "GATED_LIF_RESET",
    "GATED_LIF_THRESHOLD",
    "READOUT",
    "READOUT_EVENT",
    "SOURCE",
    "SOURCE_THRESHOLD",
]

#: Where in the turn of the chain a time step lies. `period` and `lead` are the circuit's; the kick comes in turn -1.
CLOCKWORK = """
phase = (t_in_timesteps + period - lead) % period : integer (shared)       # 0 ... period - 1
turn = (t_in_timesteps + period - lead) // period - 1 : integer (shared)   # index of the sample
"""

GATED_LIF = """
dv/dt = (I + b - v) / tau_m : 1         # membrane, in units of weight (theta = 1024)
dI/dt = -I / tau_s : 1                  # synaptic current
dy0/dt = -y0 / dt : 1                   # spike trace of one step: 1 in the step of a spike, else 0 (Loihi's x0 and y0)
drest/dt = -int(rest > 0*second) : second   # what is left of the refractory period
b : 1 (constant)                        # bias: negative holds a layer closed
theta : 1 (constant)                    # threshold
ref : second (constant)                 # refractory period
tau_m : second (shared, constant)       # membrane time constant
tau_s : second (shared, constant)       # synaptic time constant
"""
#: The refractory period is a clock of its own rather than Brian2's `refractory`, whose test of the last spike's time costs a
#: division per neuron and step.
GATED_LIF_THRESHOLD = "v > theta and rest <= 0*second"
GATED_LIF_RESET = """
v = 0
y0 = 1
rest = ref
"""

#: A source repeats the rows that it is given: one row of 0 and 1 per sample, sent in the phase of its population.
SOURCE = (
    CLOCKWORK
    + """
send_phase : integer (constant)
n_turns : integer (shared, constant)     # turns to run: one per sample
n_recorded : integer (shared, constant)  # turns whose spikes are recorded
noise_seed : integer (shared, constant)  # seed of the random numbers, where a circuit draws any
"""
)
SOURCE_THRESHOLD = "phase == send_phase and stimulus(turn, i) == 1"

#: The answer of a turn: drive and spikes of the output layer in the phase in which they are valid, read between threshold
#: and reset.
READOUT = (
    CLOCKWORK
    + """
v_read : 1 (linked)
theta_read : 1 (linked)
rest_read : second (linked)
drive = v_read : 1                      # an expression, since monitors do not follow the index of a linked variable
spike = int(v_read > theta_read and rest_read <= 0*second) : 1
"""
)
READOUT_EVENT = "phase == readout_phase and turn >= 0"
