"""Learning rules as Brian2 synapse models and on_pre code, by name.

The rule of nBP (Renner et al. 2024, Eq. 8)::

    dw = 4 r x0 y0 - 2 x0 y0

x0 and y0 are 1 where the presynaptic and the postsynaptic neuron fire in this very time step, r is the reinforcement signal
of the phase. With eta_plus and eta_minus the net steps of potentiation and depression it reads
dw = (eta_plus + eta_minus) r x0 y0 - eta_minus x0 y0; the published steps are both 2. On a presynaptic spike x0 = 1.
"""

from collections.abc import Collection

from brianprop.models.neurons import CLOCKWORK, DECLARATION, individual

__all__ = [
    "CROSSBAR",
    "CROSSBAR_DECAY",
    "FIXED_ON_PRE",
    "FIXED_SYNAPSE",
    "coincidence_model",
    "coincidence_on_pre",
    "coincidence_pathways",
    "crossbar_model",
    "crossbar_pathways",
    "of_targets",
]

FIXED_SYNAPSE = "w : 1 (constant)"
FIXED_ON_PRE = "I_post += w"

PLAIN_SYNAPSE = "w : {kind}"
NOISE = "weight_noise : 1 (shared, constant)"

#: `{reinforcement}` stands for the circuit's expression of the phase.
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
    """The model of a learned synapse; r is 1 in the given phases of the turn and 0 elsewhere.

    With `whole` the weight is stored as an integer, as on the chip.
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
        Whether a spike carries the weight from before or from after the update of its own step.
    noisy : bool
        Whether each transmission draws Gaussian noise of s.d. ``weight_noise``.
    learns : bool
        Whether the synapse learns at all; in an inference circuit it only propagates.
    """
    propagate = PROPAGATE_NOISY if noisy else PROPAGATE
    if not learns:
        return propagate
    return "\n".join((propagate, LEARN) if order == "propagate-first" else (LEARN, propagate))


def coincidence_pathways(learns: bool = True) -> dict[str, str]:
    """The same code as two pathways, ``propagate`` and ``learn``; their order is the caller's."""
    return {"propagate": PROPAGATE, "learn": LEARN} if learns else {"propagate": PROPAGATE}


# ---------------------------------------------------------------------------------------------------------------------
# SSNN-BP (Biswas et al. 2023): one crossbar per layer, read along its rows by forward spikes and along its columns by the
# spikes of the error or gradient, and updated where the two coincide in one time step, as a resistive processing unit does.
# ---------------------------------------------------------------------------------------------------------------------

#: `left_post` is what the annealing leaves of the learning rates (see `models.neurons.ANNEALING`).
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

#: Options of a resistive device (T. Gokmen, Y. Vlasov, Frontiers in Neuroscience 10:333, 2016). One pulse changes w by
#: eta (1 + asymmetry) up and by eta (1 - asymmetry) down, ...
ASYMMETRY = "asymmetry : 1 (shared, constant)"
#: ... less near the bound it moves to: eta (1 - w / w_max) up and eta (1 + w / w_max) down,
#: ... with noise from pulse to pulse: times 1 + update_noise * N(0, 1),
UPDATE_NOISE = "update_noise : 1 (shared, constant)"
#: ... in whole levels: rounded up or down to a multiple of `level` at random, so that the mean is kept.
LEVEL = "level : 1 (shared, constant)"


def crossbar_model(learns: bool, decays: bool, options: frozenset[str]) -> str:
    """The model of a crossbar synapse with some of the options ``asymmetry``, ``soft_bounds``, ``update_noise``, ``levels``."""
    if not learns:
        return CROSSBAR
    lines = {"asymmetry": ASYMMETRY, "update_noise": UPDATE_NOISE, "levels": LEVEL}
    chosen = (line for name, line in lines.items() if name in options)
    return "\n".join([CROSSBAR, CROSSBAR_STEP, *chosen, DECAY if decays else ""])


def crossbar_pulse(sign: str, options: frozenset[str]) -> str:
    """What one coincidence adds to a weight; `sign` is ``+`` for potentiation and ``-`` for depression."""
    pulse = "eta"
    if "asymmetry" in options:
        pulse += f" * (1 {sign} asymmetry)"
    if "soft_bounds" in options:
        pulse += f" * (1 {'-' if sign == '+' else '+'} w / w_max)"
    if "update_noise" in options:
        pulse += " * (1 + update_noise * randn())"
    return f"level * floor({pulse} / level + rand())" if "levels" in options else pulse


def crossbar_pathways(back: bool, learns: bool, options: frozenset[str]) -> dict[str, str]:
    """The code of a crossbar by pathway: ``forward`` on a presynaptic spike, the others on the post group's events.

    Parameters
    ----------
    back : bool
        Whether spikes travel back through it: not to input neurons, which have no backward part.
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


def of_targets(model: str, names: Collection[str], dependent: Collection[str] = ()) -> str:
    """A model of synapses that finds some of its constants in its target neurons, each of which has its own, as ``own_name``.

    Parameters
    ----------
    model : str
        Of this module.
    names : collection of str
        Constants of the model; the neurons must have them.
    dependent : collection of str
        Variables of the target neurons that are no longer shared.
    """

    def found(match):
        if match["name"] not in names or match["expression"]:
            return match[0]
        return f"{match['name']} = own_{match['name']}_post : {match['unit']}"

    return DECLARATION.sub(found, individual(model, {*names, *(f"{name}_post" for name in dependent)}))
