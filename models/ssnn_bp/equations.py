"""SSNN-BP as Brian2 equations: input, composite and output neurons, and the crossbars between them.

Synaptic input is summed over one time step (memoryless), or since the sample began; divided by the number of steps k, that sum
is a running mean. A forward Euler step of dz/dt = -z / dt sets z to 0.

Between two layers lies one crossbar. Forward spikes read it along its rows, error or gradient spikes along its columns. A
weight is updated where two spikes coincide in one time step, as in a resistive processing unit.
"""

__all__ = [
    "ANNEALING",
    "ASYMMETRY",
    "BERNOULLI",
    "BERNOULLI_SAMPLE",
    "BERNOULLI_THRESHOLD",
    "BIAS_UPDATE",
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
    "CROSSBAR",
    "CROSSBAR_DECAY",
    "CROSSBAR_STEP",
    "DECAY",
    "DROPOUT",
    "DROPOUT_DRAW",
    "DROPOUT_GRADIENT",
    "DROPOUT_THRESHOLD",
    "EVENTS",
    "EVENTS_STEP",
    "EVENTS_THRESHOLD",
    "INPUT",
    "LATERAL",
    "LEARNED_BIAS",
    "LEVEL",
    "TURN",
    "UPDATE_NOISE",
    "WINNING",
    "WINNING_LATERAL",
    "WINNING_SUM",
    "crossbar_model",
    "crossbar_pathways",
    "crossbar_pulse",
]

#: Number of this time step within its sample, and index of the sample.
TURN = """
T : integer (shared, constant)                    # steps of a turn
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
    TURN
    + """
ds/dt = -s / dt : 1                      # spike trace of one step
n_turns : integer (shared, constant)     # samples to present
n_recorded : integer (shared, constant)  # samples whose spikes are recorded
noise_seed : integer (shared, constant)  # seed of the random numbers
"""
)
BERNOULLI = INPUT + "p : 1                # grey value\n"
BERNOULLI_THRESHOLD = "rand() < p"
BERNOULLI_SAMPLE = "p = stimulus(turn, i) / 255"  # in the first step of every sample

#: An input neuron of an event camera fires in the steps in which its pixel had an event. A byte holds the bits of eight steps.
EVENTS = INPUT + "bits : integer          # remaining bits of the current byte; the lowest is that of this step\n"
EVENTS_THRESHOLD = "bits % 2 == 1"
EVENTS_STEP = "bits = int(step % 8 == 0) * stimulus(turn, step // 8 * n_in + i) + int(step % 8 > 0) * (bits // 2)"

#: A composite neuron: a forward part that fires with probability u / theta, and a backward part with one stream of spikes for
#: each sign of the gradient. Both run in the same time step.
COMPOSITE = (
    TURN
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

#: Dropout: one mask per sample. A dropped neuron neither fires nor sends a gradient.
DROPOUT = """
kept : 1
dropout : 1 (shared, constant)
"""
DROPOUT_DRAW = "kept = int(step > 0) * kept + int(step == 0) * int(rand() >= dropout)"
DROPOUT_THRESHOLD = "rand() < kept * u / theta"
DROPOUT_GRADIENT = {"plus": "rand() < c * kept * gate * B", "minus": "rand() < -c * kept * gate * B"}

#: An output neuron races with the others: its latency is exponential with rate exp(V), here as a logarithm, which cannot
#: overflow. The first to fire inhibits the rest, so neuron k wins with probability softmax(V)_k (a race of exponential
#: clocks). If two latencies were equal, the lower index would win.
COMPETITOR = (
    TURN
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
COMPETITOR_RUNS = "latency == latency"  # always true: all neurons race in every step
COMPETITOR_READ = "step == T - 1"
COMPETITOR_THRESHOLD = "beaten < 0.5"
COMPETITOR_RESET = """
won = 1
wins = wins + 1
"""
#: Error spikes: the target neuron did not win, or another did. In a row of the stimuli, the target follows the `n_bytes` of the
#: input.
COMPETITOR_ERROR = {
    "plus": "stimulus(turn, n_bytes + i) == 1 and won < 0.5",
    "minus": "stimulus(turn, n_bytes + i) == 0 and won > 0.5",
}
LATERAL = "beaten_post += int(latency_pre < latency_post) + int(latency_pre == latency_post) * int(i < j)"

#: Read at the end of a sample in addition to the spike counts: the probabilities of winning, softmax(V), summed over its steps.
WINNING = """
dodds/dt = -odds / dt : 1                     # sum of exp(V_j - V) over all outputs j
drate/dt = -int(step == 0) * rate / dt : 1    # softmax(V) summed since the sample began
"""
WINNING_LATERAL = "odds_post += exp(V_pre - V_post)"
WINNING_SUM = "rate = rate + 1 / odds"

#: A plastic weight. `left_post` is the remaining fraction of the learning rates (see `ANNEALING`).
CROSSBAR = """
w : 1
w_max : 1 (shared, constant)                   # bound of the weights; may be infinite
"""
CROSSBAR_STEP = """
eta_0 : 1 (shared, constant)                   # step of an update at the start of the training
eta = eta_0 * left_post : 1 (shared)
"""

#: Weight decay, once per sample; `rate_0` is the learning rate of the equivalent network.
DECAY = """
weight_decay : 1 (shared, constant)
rate_0 : 1 (shared, constant)
"""
CROSSBAR_DECAY = "w = w * (1 - int(step_post == T_post - 1) * rate_0 * left_post * weight_decay)"

# Options of a resistive device (T. Gokmen, Y. Vlasov, Frontiers in Neuroscience 10:333, 2016). A fourth option, soft bounds,
# needs no constant: one pulse changes w by eta (1 - w / w_max) up or eta (1 + w / w_max) down.
#: One pulse changes w by eta (1 + asymmetry) up or eta (1 - asymmetry) down.
ASYMMETRY = "asymmetry : 1 (shared, constant)"
#: Each pulse is multiplied by 1 + update_noise * N(0, 1).
UPDATE_NOISE = "update_noise : 1 (shared, constant)"
#: Each pulse is rounded up or down to a multiple of `level` at random, so that its mean is kept.
LEVEL = "level : 1 (shared, constant)"


def crossbar_model(learns: bool, decays: bool, options: frozenset[str]) -> str:
    """The equations of a crossbar synapse.

    Parameters
    ----------
    learns, decays : bool
        Whether its weight is updated, and whether it decays.
    options : frozenset of str
        Options of a resistive device: some of ``asymmetry``, ``soft_bounds``, ``update_noise``, ``levels``.
    """
    if not learns:
        return CROSSBAR
    lines = {"asymmetry": ASYMMETRY, "update_noise": UPDATE_NOISE, "levels": LEVEL}
    chosen = (line for name, line in lines.items() if name in options)
    return "\n".join([CROSSBAR, CROSSBAR_STEP, *chosen, DECAY if decays else ""])


def crossbar_pulse(sign: str, options: frozenset[str]) -> str:
    """Expression of the size of one weight change; `sign` is ``+`` for potentiation and ``-`` for depression."""
    pulse = "eta"
    if "asymmetry" in options:
        pulse += f" * (1 {sign} asymmetry)"
    if "soft_bounds" in options:
        pulse += f" * (1 {'-' if sign == '+' else '+'} w / w_max)"
    if "update_noise" in options:
        pulse += " * (1 + update_noise * randn())"
    return f"level * floor({pulse} / level + rand())" if "levels" in options else pulse


def crossbar_pathways(back: bool, learns: bool, options: frozenset[str]) -> dict[str, str]:
    """The code of each pathway of a crossbar.

    The pathway ``forward`` acts on a presynaptic spike, all others on events of the postsynaptic group.

    Parameters
    ----------
    back : bool
        Whether gradients travel back through it. They do not to input neurons, which have no backward part.
    learns : bool
    options : frozenset of str
        See `crossbar_model`.
    """
    pathways = {"forward": "z_post += w"}
    if learns:
        for event, sign in (("plus", "+"), ("minus", "-")):
            if back:
                pathways[f"back_{event}"] = f"q_pre {sign}= w"
            pathways[f"learn_{event}"] = f"w = clip(w {sign} {crossbar_pulse(sign, options)} * s_pre, -w_max, w_max)"
    return pathways
