"""The synfire gating chain: one neuron per phase. Each opens the layers of its phase and starts the next neuron.

Source: Renner et al. 2024, "The backpropagation algorithm implemented on spiking neuromorphic hardware", Methods.
"""

from brianprop.models.circuit import Population

__all__ = ["LEAD", "chain_arrows", "chain_populations"]

#: Time steps from the kick to phase 0: the kick starts g0, which fires one step before the phase that it opens.
LEAD = 2


def chain_populations(length: int) -> tuple[Population, ...]:
    """Gating neurons g0 ... g(length - 1); they have no negative bias and no refractory period."""
    return tuple(Population(f"g{phase}", 1, "gating") for phase in range(length))


def chain_arrows(length: int) -> str:
    """The ring kick -> g0 -> g1 ... -> g0 as a table for `models.circuit.arrows`."""
    links = [("kick", "g0")] + [(f"g{phase}", f"g{(phase + 1) % length}") for phase in range(length)]
    return "\n".join(f"chain 0 {source} -> {target}" for source, target in links)
