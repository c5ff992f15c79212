"""The populations of nBP by layer, and the weight matrices between them.

Layers are numbered 0 (the input x) to L (the output o). Each hidden layer plays two roles: that of the published h towards the
layer above, and that of the published o towards the layer below. Its populations are, for layer l,

    h<l>, h<l>_lt, h<l>_gt   activity, and the lower and upper edge of its box
    m_h<l>                   memory of the activity, for the learning of W^(l+1)
    b_h<l>                   box gate, h_lt AND NOT h_gt: the derivative
    d<l>                     local gradient, and the far end of the transposed W^(l+1)
    h<l>T_neg                for l > 1, the source of the negated transpose of W^l

With one hidden layer the number is left out, as in Renner et al. 2024.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Layers"]


@dataclass(frozen=True)
class Layers:
    """The names of the populations of a network with `n_layers` weight matrices, by layer."""

    n_layers: int

    @property
    def hidden(self) -> range:
        """Numbers of the hidden layers."""
        return range(1, self.n_layers)

    def activity(self, layer: int) -> str:
        """x, h<l> or o."""
        if layer == 0:
            return "x"
        if layer == self.n_layers:
            return "o"
        return "h" if self.n_layers == 2 else f"h{layer}"

    def edges(self, layer: int) -> tuple[str, str, str]:
        """The three copies of a layer: its activity, and the lower and upper edge of its box."""
        name = self.activity(layer)
        return name, f"{name}_lt", f"{name}_gt"

    def negative(self, layer: int) -> str:
        """Source of the negated transpose of W^l."""
        return f"{self.activity(layer)}T_neg"

    def memory(self, layer: int) -> str:
        """Memory of a layer's activity."""
        return f"m_{self.activity(layer)}"

    def box(self, layer: int) -> str:
        """Box gate of a hidden layer."""
        return f"b_{self.activity(layer)}"

    def gradient(self, layer: int) -> str:
        """Local gradient of a hidden layer."""
        return f"d{layer}"

    @property
    def errors(self) -> tuple[str, str]:
        """Local gradient of the output, positive and negative part."""
        return f"d{self.n_layers}_pos", f"d{self.n_layers}_neg"

    def layer_of(self) -> dict[str, int]:
        """The layer whose size each gated population has, in the order in which the neurons lie.

        The copies of a layer lie side by side and the negative source before the activity, so that copies of a matrix can share
        one pathway.
        """
        found = {"x": 0, "m_x": 0}
        for layer in self.hidden:
            if layer > 1:
                found[self.negative(layer)] = layer
            found |= dict.fromkeys([*self.edges(layer), self.memory(layer), self.box(layer), self.gradient(layer)], layer)
        last = self.n_layers
        if last > 1:
            found[self.negative(last)] = last
        return found | dict.fromkeys([*self.edges(last), "t", *self.errors], last)

    @property
    def originals(self) -> dict[tuple[str, str], str]:
        """The arrows that hold W1, W2, ... themselves; all others that start from them hold copies."""
        return {(self.activity(layer - 1), self.activity(layer)): f"W{layer}" for layer in range(1, self.n_layers + 1)}

    def matrices(self, feedback: str = "transpose") -> dict[tuple[str, str], str]:
        """The matrix that each arrow of a whole matrix starts from, by source and target.

        ``W1``, ``W2``, ... learn, and so do their transposed copies ``W2.T`` and ``-W2.T`` that carry the gradient back. With
        random feedback, ``B2.T`` and ``-B2.T`` take the place of these copies and stay as they are.
        """
        found = {}
        back = "B" if feedback == "random" else "W"
        for layer in range(1, self.n_layers + 1):
            found |= {(self.activity(layer - 1), target): f"W{layer}" for target in self.edges(layer)}
            if layer > 1:
                found[self.activity(layer), self.gradient(layer - 1)] = f"{back}{layer}.T"
                found[self.negative(layer), self.gradient(layer - 1)] = f"-{back}{layer}.T"
        return found
