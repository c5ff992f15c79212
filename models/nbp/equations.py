"""nBP as Brian2 equations: the gated neuron, the sources, the readout, and the synapses with their learning rule.

Gated neuron, a current-based leaky integrate-and-fire neuron (Renner et al. 2024, Methods, "Loihi's neuron model")::

    dv/dt = (I + b - v) / tau_m        membrane: decays to the sum of current and bias
    dI/dt = -I / tau_s                 synaptic current

It fires when v > theta. Under forward Euler with tau_m = tau_s = dt, the membrane of a step is exactly the bias plus the
weights of the spikes that arrived in the step before: Loihi's compartment with full decay.

Learning rule (Renner et al. 2024, Eq. 8)::

    dw = 4 r x0 y0 - 2 x0 y0

x0 and y0 are 1 where the presynaptic and the postsynaptic neuron fire in this very time step; r is the reinforcement signal of
the phase. With eta_plus and eta_minus, the net steps of potentiation and depression, it reads
dw = (eta_plus + eta_minus) r x0 y0 - eta_minus x0 y0; the published steps are both 2. On a presynaptic spike, x0 = 1.
"""

__all__ = [
    "ARRIVALS",
    "ARRIVAL_EVENT",
    "ARRIVAL_NOISE",
    "CLOCKWORK",
    "COINCIDENCE",
    "COUNT",
    "FATE",
    "FATE_DRAW",
    "FIXED_ON_PRE",
    "FIXED_SYNAPSE",
    "GATED_LIF",
    "GATED_LIF_RESET",
    "GATED_LIF_THRESHOLD",
    "GATE_LATE",
    "GATE_ON_TIME",
    "GATE_SYNAPSE",
    "LEARN",
    "PLAIN_SYNAPSE",
    "PROPAGATE",
    "PROPAGATE_FAILING",
    "READOUT",
    "READOUT_EVENT",
    "SOURCE",
    "SOURCE_THRESHOLD",
    "coincidence_model",
    "coincidence_pathways",
]

#: Phase and turn of the gating chain in this time step. `period` and `lead` are the circuit's; the kick comes in turn -1.
CLOCKWORK = """
phase = (t_in_timesteps + period - lead) % period : integer (shared)       # 0 ... period - 1
turn = (t_in_timesteps + period - lead) // period - 1 : integer (shared)   # index of the sample
"""

GATED_LIF = """
dv/dt = (I + b - v) / tau_m : 1         # membrane, in units of weight (theta = 1024)
dI/dt = -I / tau_s : 1                  # synaptic current
dy0/dt = -y0 / dt : 1                   # spike trace of one step: 1 in the step of a spike, else 0 (Loihi's x0 and y0)
drest/dt = -int(rest > 0*second) : second   # remaining refractory time
b : 1 (constant)                        # bias: negative holds a layer closed
theta : 1 (constant)                    # threshold
ref : second (constant)                 # refractory period
tau_m : second (shared, constant)       # membrane time constant
tau_s : second (shared, constant)       # synaptic time constant
"""
#: The refractory period is a variable that counts down. Brian2's own `refractory` compares with the time of the last spike,
#: which costs a division per neuron and step.
GATED_LIF_THRESHOLD = "v > theta and rest <= 0*second"
GATED_LIF_RESET = """
v = 0
y0 = 1
rest = ref
"""

#: Gaussian noise on each transmission by a synapse of a weight matrix. Independent Gaussian numbers add up to one: what all
#: transmissions of a step bring to a neuron is drawn at once, with the variance of one times their number. The schedule adds it
#: before the membrane is updated.
ARRIVALS = """
arrived : 1                             # spikes that came by synapses of weight matrices since the last update
weight_noise : 1 (constant)             # standard deviation of one transmission
"""
ARRIVAL_EVENT = "arrived > 0"
ARRIVAL_NOISE = """
I += weight_noise * sqrt(arrived) * randn()
arrived = 0
"""

#: Each spike of a gating neuron draws what becomes of its gate: late, missing, or on time.
FATE = "fate : 1                                # uniform in 0 ... 1, drawn anew with each spike\n"
FATE_DRAW = "fate = rand()\n"

#: A source sends what the stimuli say: one row of 0 and 1 per sample, in the phase of its population.
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

#: The answer to a sample: drive and spikes of the output layer in the readout phase, read between threshold and reset.
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

FIXED_SYNAPSE = "w : 1 (constant)"
FIXED_ON_PRE = "I_post += w"

#: What a gating neuron does to the layers of its phase, where gates may come late or not at all.
GATE_SYNAPSE = (
    FIXED_SYNAPSE
    + """
gate_late : 1 (shared, constant)        # probability that a gate comes a step late
gate_missing : 1 (shared, constant)     # ... or not at all
"""
)
GATE_ON_TIME = "I_post += w * int(fate_pre >= gate_late + gate_missing)"
GATE_LATE = "I_post += w * int(fate_pre < gate_late)"  # one step later

PLAIN_SYNAPSE = "w : {kind}"
FAILURE = "fail : 1 (shared, constant)             # probability that a transmission fails"

#: `{reinforcement}` stands for an expression that is 1 in the reinforced phases of the circuit and 0 in all others.
COINCIDENCE = """
w_max : 1 (shared, constant)
eta_plus : 1 (shared, constant)
eta_minus : 1 (shared, constant)
r = {reinforcement} : 1 (shared)
rate = (eta_plus + eta_minus) * r - eta_minus : 1 (shared)
"""

PROPAGATE = "I_post += w"
PROPAGATE_FAILING = "I_post += w * int(rand() >= fail)"
COUNT = "arrived_post += 1"
LEARN = "w = clip(w + rate * y0_post, -w_max, w_max)"


def coincidence_model(reinforced: tuple[int, ...], failing: bool, learns: bool = True, whole: bool = False) -> str:
    """The equations of a learned synapse.

    Parameters
    ----------
    reinforced : tuple of int
        Phases in which r is 1; it is 0 in all others.
    failing : bool
        Whether each transmission fails with probability ``fail``.
    learns : bool
        Whether the synapse learns at all; in an inference circuit it only propagates.
    whole : bool
        Whether the weight is stored as an integer, as on the chip.
    """
    lines = [PLAIN_SYNAPSE.format(kind="integer" if whole else "1")]
    if failing:
        lines.append(FAILURE)
    if learns:
        expression = " + ".join(f"int(phase == {phase})" for phase in reinforced)
        lines.append(CLOCKWORK + COINCIDENCE.format(reinforcement=expression))
    return "\n".join(lines)


def coincidence_pathways(order: str, failing: bool, counted: bool, learns: bool = True) -> dict[str, str]:
    """The on_pre code of a learned synapse by the name of the pathway, in the order in which the pathways act.

    Parameters
    ----------
    order : {"propagate-first", "learn-first"}
        Whether a spike carries the weight before or after the update of its own step.
    failing, learns : bool
        See `coincidence_model`.
    counted : bool
        Whether the target counts what arrives, for the noise of it.
    """
    pathways = {"propagate": PROPAGATE_FAILING if failing else PROPAGATE}
    if learns:
        learning = {"learn": LEARN}
        pathways = pathways | learning if order == "propagate-first" else learning | pathways
    return pathways | ({"count": COUNT} if counted else {})
