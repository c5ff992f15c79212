"""Learning rules as Brian2 synapse models and on_pre code, by name.

The rule of nBP (Renner et al. 2024, Eq. 8)::

    dw = 4 r x0 y0 - 2 x0 y0

x0 and y0 are 1 where the presynaptic and the postsynaptic neuron fire in this very time step, r is the reinforcement signal
of the phase. With eta_plus and eta_minus the net steps of potentiation and depression it reads
dw = (eta_plus + eta_minus) r x0 y0 - eta_minus x0 y0; the published steps are both 2. On a presynaptic spike x0 = 1.
"""

from models.neurons import CLOCKWORK

__all__ = ["FIXED_ON_PRE", "FIXED_SYNAPSE", "coincidence_model", "coincidence_on_pre", "coincidence_pathways"]

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
