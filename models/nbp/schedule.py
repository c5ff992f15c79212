"""When each layer of nBP fires and learns: the phases of one sample, for any number of layers.

Layers are numbered 0 (the input x) to L (the output o); W^l leads from layer l - 1 to layer l. One sample takes `period`
phases:

    F_l          layer l fires its activity (forward pass)
    E            the output compares its spikes with the target: d^L, in two signs
    P_l, N_l     W^l is potentiated (reinforcement r = 1) and depressed (r = 0)
    P_l + 1      the hidden gradient d^(l-1) is positive where its neuron fires, since W^l carries d^l back in P_l
    N_l + 1      ... and negative where it fires here, since W^l carries the signs exchanged in N_l

With L = 2 this is the published circuit (Renner et al. 2024, Figure 4). For L > 2 the hidden layers learn one after the other,
each from the gradient that its successor has sent back.
"""

from __future__ import annotations

from dataclasses import dataclass

from brianprop.models.errors import ParameterError

__all__ = ["Schedule", "sequential"]


@dataclass(frozen=True)
class Schedule:
    """The phases of one sample.

    Parameters
    ----------
    forward : tuple of int, of length L + 1
        F_0 to F_L.
    error : int
        E.
    potentiation, depression : tuple of int, of length L
        P_1 to P_L and N_1 to N_L; `p` and `n` give them by the number of the matrix.
    period : int
        Number of phases.
    """

    forward: tuple[int, ...]
    error: int
    potentiation: tuple[int, ...]
    depression: tuple[int, ...]
    period: int

    @property
    def n_layers(self) -> int:
        """L, the number of the output layer and of the weight matrices."""
        return len(self.potentiation)

    def faults(self) -> list[str]:
        """What would make the circuit of this schedule differ from the algorithm, a sentence each; none where it is sound.

        1. Two phases in which neighbouring matrices learn are at least two steps apart. The layer between them fires in all
           four and is refractory after each, and the packets that it sends arrive in the step after.
        2. Matrices with one between them do not learn in the same phase, where the layers between would coincide and the
           matrix between them would learn; nor does the later one learn one phase after the earlier, where its replay would
           meet a learned packet.
        3. The reinforcement is one number for the whole circuit: no matrix is depressed where another is potentiated.
        4. A gradient is known before it is used, and an activity before it is replayed.
        5. No copy of a gradient goes astray: the arrow that delays one of its phases must not bring another phase of the same
           neurons to a layer that is open.
        """
        found: list[str] = []
        last = self.n_layers
        learns = {layer: {f"P_{layer}": self.p(layer), f"N_{layer}": self.n(layer)} for layer in range(1, last + 1)}
        every = {name: phase for phases in learns.values() for name, phase in phases.items()}
        for name, phase in every.items():
            if not self.error < phase < self.period:
                found.append(f"{name} = {phase} is not between the error, E = {self.error}, and the period {self.period}.")
        for layer, phases in learns.items():
            own = list(phases.values())
            if abs(own[0] - own[1]) < 2:
                found.append(f"P_{layer} and N_{layer} are {abs(own[0] - own[1])} apart, but layer {layer} is refractory.")
            for one, first in phases.items():
                for other, second in learns.get(layer + 1, {}).items():
                    if abs(first - second) < 2:
                        found.append(
                            f"{one} = {first} and {other} = {second} are less than two phases apart, but layer {layer} fires "
                            "in both and is refractory."
                        )
                for other, second in learns.get(layer + 2, {}).items():
                    if first == second:
                        found.append(
                            f"{one} = {other} = {first}: layers {layer} and {layer + 1} coincide, so W{layer + 1} learns."
                        )
                    elif second == first + 1:
                        found.append(
                            f"{other} = {second} follows {one} = {first}: what layer {layer} sends meets the replay of layer "
                            f"{layer + 1}."
                        )
        for one in range(1, last + 1):
            for other in range(1, last + 1):
                if self.p(one) == self.n(other):
                    found.append(
                        f"P_{one} = N_{other} = {self.p(one)}: the reinforcement is one number, so W{other} would be "
                        "potentiated."
                    )
        for layer in range(1, last):
            known = self.p(layer + 1) + 1, self.n(layer + 1) + 1
            # the first hidden layer needs one sign at a time, all others both, for their activity and its negative
            needs = (
                ((self.p(layer), known[:1]), (self.n(layer), known[1:]))
                if layer == 1
                else (
                    (self.p(layer), known),
                    (self.n(layer), known),
                )
            )
            for used, signs in needs:
                late = [phase for phase in signs if phase >= used]
                found += [
                    f"Layer {layer} learns in phase {used}, but its gradient is known in phase {phase} only." for phase in late
                ]
            found += self._astray(layer, known)
        return found

    def _astray(self, layer: int, known: tuple[int, int]) -> list[str]:
        """Copies of the gradient of a layer that come from another phase than they are meant to."""
        found = []
        fires = {self.p(layer + 1), self.n(layer + 1), *known}
        opened = {self.p(layer), self.n(layer)}
        # the phases whose copies are meant to arrive: onto the layer itself, and onto its negative source
        meant = {(known[0], self.p(layer)), (known[1], self.n(layer))}
        crossed = {(known[1], self.p(layer)), (known[0], self.n(layer))} if layer > 1 else set()
        for arrows in (meant, crossed):
            for sent, arrives in arrows:
                delay = arrives - sent
                for other in fires - {sent}:
                    place = (other + delay) % self.period
                    if place in opened and (other, place) not in arrows:
                        found.append(
                            f"d{layer} of phase {other} goes astray: the arrow that brings phase {sent} to phase {arrives} "
                            f"brings it to phase {place}, in which layer {layer} is open."
                        )
        return found

    def p(self, layer: int) -> int:
        """P_l: the phase in which W^l is potentiated."""
        return self.potentiation[layer - 1]

    def n(self, layer: int) -> int:
        """N_l: the phase in which W^l is depressed."""
        return self.depression[layer - 1]


def sequential(n_layers: int) -> Schedule:
    """The schedule that takes the layers one after the other, 5 L + 2 phases; the published one for L = 2.

    Its period is the shortest that the populations of the circuit allow (exhaustive search for L up to 6).

    Raises
    ------
    ParameterError
        When there is no layer.
    """
    if n_layers < 1:
        raise ParameterError(f"A schedule of {n_layers} weight matrices has nothing to do; give at least one.")
    last = n_layers
    forward = tuple(layer + 1 for layer in range(last + 1))
    p = {layer: last + 3 + 4 * (last - layer) for layer in range(2, last + 1)}
    n = {layer: phase + 2 for layer, phase in p.items()}
    if last == 1:
        p[1], n[1] = last + 3, last + 5
    else:
        # the first two matrices take turns, since nothing has to go back beyond the first hidden layer
        p[1], n[2], n[1] = p[2] + 2, p[2] + 4, p[2] + 6
    layers = range(1, last + 1)
    return Schedule(forward, last + 2, tuple(p[layer] for layer in layers), tuple(n[layer] for layer in layers), 5 * last + 2)
