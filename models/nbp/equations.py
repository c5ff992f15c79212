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
    "CLOCKWORK",
    "COINCIDENCE",
    "FIXED_ON_PRE",
    "FIXED_SYNAPSE",
    "GATED_LIF",
    "GATED_LIF_RESET",
    "GATED_LIF_THRESHOLD",
    "LEARN",
    "NOISE",
    "PLAIN_SYNAPSE",
    "PROPAGATE",
    "PROPAGATE_NOISY",
    "READOUT",
    "READOUT_EVENT",
    "SOURCE",
    "SOURCE_THRESHOLD",
    "coincidence_model",
    "coincidence_on_pre",
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

PLAIN_SYNAPSE = "w : {kind}"
NOISE = "weight_noise : 1 (shared, constant)"

#: `{reinforcement}` stands for an expression that is 1 in the reinforced phases of the circuit and 0 in all others.
COINCIDENCE = """
w_max : 1 (shared, constant)
eta_plus : 1 (shared, constant)
eta_minus : 1 (shared, constant)
r = {reinforcement} : 1 (shared)
rate = (eta_plus + eta_minus) * r - eta_minus : 1 (shared)
"""

PROPAGATE = "I_post += w"
PROPAGATE_NOISY = "I_post += w + weight_noise * randn()"
LEARN = "w = clip(w + rate * y0_post, -w_max, w_max)"


def coincidence_model(reinforced: tuple[int, ...], noisy: bool, learns: bool = True, whole: bool = False) -> str:
    """The equations of a learned synapse.

    Parameters
    ----------
    reinforced : tuple of int
        Phases in which r is 1; it is 0 in all others.
    noisy : bool
        Whether each transmission draws Gaussian noise of s.d. ``weight_noise``.
    learns : bool
        Whether the synapse learns at all; in an inference circuit it only propagates.
    whole : bool
        Whether the weight is stored as an integer, as on the chip.
    """
    lines = [PLAIN_SYNAPSE.format(kind="integer" if whole else "1")]
    if noisy:
        lines.append(NOISE)
    if learns:
        expression = " + ".join(f"int(phase == {phase})" for phase in reinforced)
        lines.append(CLOCKWORK + COINCIDENCE.format(reinforcement=expression))
    return "\n".join(lines)


def coincidence_on_pre(order: str, noisy: bool, learns: bool = True) -> str:
    """The on_pre code of a learned synapse.

    Parameters
    ----------
    order : {"propagate-first", "learn-first"}
        Whether a spike carries the weight before or after the update of its own step.
    noisy, learns : bool
        See `coincidence_model`.
    """
    propagate = PROPAGATE_NOISY if noisy else PROPAGATE
    if not learns:
        return propagate
    return "\n".join((propagate, LEARN) if order == "propagate-first" else (LEARN, propagate))


def coincidence_pathways(learns: bool = True) -> dict[str, str]:
    """The code of `coincidence_on_pre` as two pathways, ``propagate`` and ``learn``; the caller sets their order."""
    return {"propagate": PROPAGATE, "learn": LEARN} if learns else {"propagate": PROPAGATE}
