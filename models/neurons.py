"""Neuron types as Brian2 equations, one block each.

Gated neuron, a current-based leaky integrate-and-fire neuron (Renner et al. 2024, Methods, "Loihi's neuron model")::

    dv/dt = (I + b - v) / tau_m        membrane: drive that decays to the sum of current and bias
    dI/dt = -I / tau_s                 synaptic current

It fires when v > theta. Under forward Euler with tau_m = tau_s = dt the membrane of a step is exactly the bias plus the
weights of the spikes that arrived in the step before: Loihi's compartment with full decay.
"""

import re
from collections.abc import Collection

__all__ = [
    "ANNEALING",
    "BERNOULLI",
    "BERNOULLI_SAMPLE",
    "BERNOULLI_THRESHOLD",
    "BIAS_UPDATE",
    "CLOCKWORK",
    "COMPETITOR",
    "COMPETITOR_ERROR",
    "COMPETITOR_RACE",
    "COMPETITOR_READ",
    "COMPETITOR_RESET",
    "COMPETITOR_RUNS",
    "COMPETITOR_THRESHOLD",
    "COMPOSITE",
    "COMPOSITE_GRADIENT",
    "COMPOSITE_THRESHOLD",
    "DROPOUT",
    "DROPOUT_DRAW",
    "DROPOUT_GRADIENT",
    "DROPOUT_THRESHOLD",
    "EVENTS",
    "EVENTS_STEP",
    "EVENTS_THRESHOLD",
    "GATED_LIF",
    "GATED_LIF_RESET",
    "GATED_LIF_THRESHOLD",
    "LATERAL",
    "LEARNED_BIAS",
    "PRESENTATION",
    "READOUT",
    "READOUT_EVENT",
    "SOURCE",
    "SOURCE_THRESHOLD",
    "WINNING",
    "WINNING_LATERAL",
    "WINNING_SUM",
    "individual",
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

# ---------------------------------------------------------------------------------------------------------------------
# SSNN-BP (Biswas et al. 2023). What synapses bring is summed: over one step (memoryless), or since the sample began, and then
# divided by the number of steps k, which makes a running mean. Euler steps of dz/dt = -z / dt set z to 0.
# ---------------------------------------------------------------------------------------------------------------------

#: Where in the presentation of a sample a time step lies.
PRESENTATION = """
T : integer (shared, constant)                    # steps of a presentation
step = t_in_timesteps % T : integer (shared)      # 0 ... T - 1
turn = t_in_timesteps // T : integer (shared)     # index of the sample
"""

#: Learning rates fall linearly to 0 over the whole training, sample by sample.
ANNEALING = """
n_before : integer (shared, constant)             # samples learned before this run
n_total : integer (shared, constant)              # samples of the whole training
annealed : 1 (shared, constant)                   # 1: learning rates fall, 0: they stay
left = 1 - annealed * (n_before + turn) / n_total : 1 (shared)
"""

#: An input neuron fires in each step with probability p, the grey value of its pixel in the present sample.
INPUT = (
    PRESENTATION
    + """
ds/dt = -s / dt : 1                      # spike trace of one step
n_turns : integer (shared, constant)     # samples to present
n_recorded : integer (shared, constant)  # samples whose spikes are recorded
noise_seed : integer (shared, constant)  # seed of the random numbers
"""
)
BERNOULLI = INPUT + "p : 1                # grey value\n"
BERNOULLI_THRESHOLD = "rand() < p"
BERNOULLI_SAMPLE = "p = stimulus(turn, i) / 255"  # in the first step of every presentation

#: An input neuron of an event camera fires in the steps in which its pixel had an event: one bit for a step, eight to a byte.
EVENTS = INPUT + "bits : integer          # of this step and those after it, up to the next byte\n"
EVENTS_THRESHOLD = "bits % 2 == 1"
EVENTS_STEP = "bits = int(step % 8 == 0) * stimulus(turn, step // 8 * n_in + i) + int(step % 8 > 0) * (bits // 2)"

#: A composite neuron: a forward part that fires with probability u / theta, and a backward part with one stream of spikes for
#: each sign of the gradient. Both run in the same time step.
COMPOSITE = (
    PRESENTATION
    + """
dz/dt = -int(step * mean_u == 0) * z / dt : 1 # sum of forward input
dq/dt = -int(step * mean_B == 0) * q / dt : 1 # sum of backward input, signed
ds/dt = -s / dt : 1                           # forward spike trace of one step
u = b + scale * z / (1 + mean_u * step) : 1   # forward drive
B = q / (1 + mean_B * step) : 1               # backward drive
gate = int(u > 0) * int(u < theta) : 1        # derivative of the clipped ReLU
b : 1                                         # bias
scale : 1 (shared, constant)                  # 1 / (1 - dropout) of the layer before
theta : 1 (shared, constant)                  # drive at which the neuron fires in every step
c : 1 (shared, constant)                      # gradient spikes per step and unit of backward drive
mean_u : integer (shared, constant)           # 0: u lasts one step; 1: running mean
mean_B : integer (shared, constant)           # the same for B
"""
)
COMPOSITE_THRESHOLD = "rand() < u / theta"
COMPOSITE_GRADIENT = {"plus": "rand() < c * gate * B", "minus": "rand() < -c * gate * B"}

#: A bias learns like a weight from a neuron that fires in every step.
LEARNED_BIAS = "eta_b : 1 (shared, constant)  # step of an update at the start of the training\n"
BIAS_UPDATE = {"plus": "b = b + eta_b * left", "minus": "b = b - eta_b * left"}

#: Dropout: one mask for a whole presentation. What is left out neither fires nor sends a gradient.
DROPOUT = """
kept : 1
dropout : 1 (shared, constant)
"""
DROPOUT_DRAW = "kept = int(step > 0) * kept + int(step == 0) * int(rand() >= dropout)"
DROPOUT_THRESHOLD = "rand() < kept * u / theta"
DROPOUT_GRADIENT = {"plus": "rand() < c * kept * gate * B", "minus": "rand() < -c * kept * gate * B"}

#: An output neuron races with the others: its latency is exponential with rate exp(V), here as a logarithm, which cannot
#: overflow. The first to fire inhibits the rest, so neuron k wins with probability softmax(V)_k (a race of exponential
#: clocks); were two latencies equal, the lower index would win.
COMPETITOR = (
    PRESENTATION
    + """
dz/dt = -int(step * mean_V == 0) * z / dt : 1 # sum of input
V = b + scale * z / (1 + mean_V * step) : 1   # membrane
dbeaten/dt = -beaten / dt : 1                 # inhibition by those that were faster in this step
dwon/dt = -won / dt : 1                       # spike trace of one step
dwins/dt = -int(step == 0) * wins / dt : 1  # spikes since the sample began
dV_sum/dt = -int(step == 0) * V_sum / dt : 1  # membrane summed since the sample began
latency : 1                                   # logarithm of the latency
b : 1                                         # bias
scale : 1 (shared, constant)                  # 1 / (1 - dropout) of the layer before
mean_V : integer (shared, constant)           # 0: V lasts one step; 1: running mean
"""
)
COMPETITOR_RACE = """
latency = log(-log(rand())) - V
V_sum = V_sum + V
"""
COMPETITOR_RUNS = "latency == latency"  # all take part, in every step
COMPETITOR_READ = "step == T - 1"
COMPETITOR_THRESHOLD = "beaten < 0.5"
COMPETITOR_RESET = """
won = 1
wins = wins + 1
"""
#: Error spikes: the target is missing, or a wrong neuron has won. The target stands behind the `n_bytes` of the input.
COMPETITOR_ERROR = {
    "plus": "stimulus(turn, n_bytes + i) == 1 and won < 0.5",
    "minus": "stimulus(turn, n_bytes + i) == 0 and won > 0.5",
}
LATERAL = "beaten_post += int(latency_pre < latency_post) + int(latency_pre == latency_post) * int(i < j)"

#: What is read of a sample beside the spike counts: the probabilities of winning, softmax(V), summed over its steps.
WINNING = """
dodds/dt = -odds / dt : 1                     # sum of exp(V_j - V) over all outputs j
drate/dt = -int(step == 0) * rate / dt : 1    # softmax(V) summed since the sample began
"""
WINNING_LATERAL = "odds_post += exp(V_pre - V_post)"
WINNING_SUM = "rate = rate + 1 / odds"


# ---------------------------------------------------------------------------------------------------------------------
# Several networks in one group of neurons
# ---------------------------------------------------------------------------------------------------------------------

#: A parameter or subexpression with flags: ``name : unit (flags)`` or ``name = expression : unit (flags)``.
DECLARATION = re.compile(r"^(?P<name>\w+)(?: = (?P<expression>.*))? : (?P<unit>\w+) \((?P<flags>[^)]*)\)", flags=re.MULTILINE)


def dependent(model: str, names: Collection[str]) -> set[str]:
    """Some names of a model and the shared subexpressions that depend on them."""
    found = set(names)
    while True:
        more = {
            match["name"]
            for match in DECLARATION.finditer(model)
            if "shared" in match["flags"] and match["expression"] and found & set(re.findall(r"\w+", match["expression"]))
        }
        if more <= found:
            return found
        found |= more


def individual(model: str, names: Collection[str]) -> str:
    """A model of neurons in which some constants, which all neurons share, are each neuron's own.

    Parameters
    ----------
    model : str
        Equations of this module.
    names : collection of str
        Constants of the model. The subexpressions that depend on them are no longer shared either.
    """
    found = dependent(model, names)

    def own(match):
        if match["name"] not in found:
            return match[0]
        flags = ", ".join(flag for flag in match["flags"].split(", ") if flag != "shared")
        return match[0][: match.start("flags") - match.start() - 2] + (f" ({flags})" if flags else "")

    return DECLARATION.sub(own, model)
