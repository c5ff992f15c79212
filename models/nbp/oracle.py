"""nBP in plain NumPy: the oracle of the tests, independent of circuits, network builders and Brian2.

Written in whole numbers from the equations of Renner et al. 2024 (Results, "The spiking backpropagation algorithm"), for any
number of layers, and not from the arrows of a circuit::

    a^l = W^l^T h^(l-1),  h^0 = x       h^l = [a^l > theta / 2]       b^l = [lower < a^l <= upper]
    d^L                                 from the spikes of the output and the target, in two signs
    s^l = W^(l+1) (d^(l+1)_pos - d^(l+1)_neg)                          for l = L - 1 .. 1
    d^l_pos = b^l [s^l > D],  d^l_neg = b^l [s^l < -D]                 D = 0 as published, or a dead zone
    W^l <- clip(W^l + eta h^(l-1) (d^l_pos - d^l_neg)^T)

With ``propagate-first`` every s^l is computed with the weights from before the sample, with ``learn-first`` with those that
have just learned. With random feedback, fixed matrices B^(l+1) stand in place of W^(l+1) in s^l (Lillicrap et al. 2016).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from brianprop.models.model import Weights
from brianprop.models.nbp.layers import Layers
from brianprop.models.nbp.schedule import sequential

__all__ = ["Turn", "infer", "train_turn"]

#: One array for each layer 0 .. L; None where a layer has none.
PerLayer = list[Any]


@dataclass(frozen=True)
class Turn:
    """What one training turn does.

    Attributes
    ----------
    spikes : dict of (phase, population) to bool array
        Every spike of every neuron outside the chain; a pair that is missing is silent.
    drive : int array of shape (n_out,)
        Drive of o in its phase of the forward pass, net of gate and bias: fires where it exceeds theta / 2.
    """

    spikes: dict[tuple[int, str], np.ndarray]
    drive: np.ndarray


def n_matrices(weights: Weights) -> int:
    """L: the number of the matrices W1, W2, ..."""
    return sum(f"W{layer}" in weights for layer in range(1, len(weights) + 1))


def infer(weights: Weights, images: np.ndarray, theta: int = 1024) -> tuple[np.ndarray, np.ndarray]:
    """Forward pass. Images of shape (n, n_in); returns spikes (n, n_out), bool, and drives (n, n_out), int."""
    activity = images.astype(np.int64)
    drive = activity
    for layer in range(1, n_matrices(weights) + 1):
        drive = activity @ weights[f"W{layer}"].astype(np.int64)
        activity = (drive > theta // 2).astype(np.int64)
    return activity > 0, drive


def train_turn(
    weights: Weights,
    image: np.ndarray,
    target: np.ndarray,
    *,
    theta: int = 1024,
    eta_plus: int = 2,
    eta_minus: int = 2,
    w_max: int = 254,
    order: str = "propagate-first",
    h_box: tuple[float, float] = (0, 1),
    o_box: tuple[float, float] = (0, 1),
    error: str = "box",
    h_dead: float = 0,
) -> Turn:
    """One sample: forward, error, backward, update. Changes the integer arrays W1, W2, ... of shape (n_(l-1), n_l).

    Parameters
    ----------
    weights : dict
        ``W1``, ``W2``, ..., int64, updated in place; the negated copies ``W2_neg``, ... are added if missing. Where ``B2``,
        ``B3``, ... are given, the gradient travels back through these, which stay as they are.
    image, target : bool arrays of shape (n_in,) and (n_out,)
    order : {"propagate-first", "learn-first"}
        Whether the error travels back through a matrix from before or from after its update.
    h_box, o_box : tuple of two floats
        Edges of the boxes [theta].
    error : {"box", "margin"}
        Whether an output that is wrong errs within its box, or every output until its drive has passed its edge: the right
        one the upper, all others the lower.
    h_dead : float
        D, what the gradient of a hidden neuron must exceed [theta].
    """
    last = n_matrices(weights)
    h: PerLayer = [image.astype(bool)]
    lower: PerLayer = [None]
    upper: PerLayer = [None]
    drive = np.empty(0, np.int64)
    for layer in range(1, last + 1):
        edges = o_box if layer == last else h_box
        drive = h[layer - 1].astype(np.int64) @ weights[f"W{layer}"]
        h.append(drive > theta // 2)
        lower.append(drive > edges[0] * theta)
        upper.append(drive > edges[1] * theta)
    box: PerLayer = [None] + [lower[layer] & ~upper[layer] for layer in range(1, last + 1)]
    t = target.astype(bool)
    # the local gradient of each layer, and the sign of what comes back to a hidden layer, each in two parts
    pos: PerLayer
    neg: PerLayer
    back_pos: PerLayer
    back_neg: PerLayer
    pos, neg, back_pos, back_neg = ([None] * (last + 1) for _ in range(4))
    if error == "box":
        pos[last], neg[last] = t & ~h[last] & lower[last], h[last] & ~t & box[last]
    else:
        pos[last], neg[last] = t & ~upper[last], lower[last] & ~t

    def bounded(w):
        return np.clip(w, -w_max, w_max)

    for layer in range(last, 0, -1):
        below, up, down = h[layer - 1], pos[layer], neg[layer]
        w = weights[f"W{layer}"]
        half, full = _learned(w, below, up, down, eta_plus, eta_minus, bounded)
        if layer > 1:
            # The transposed copies are matrices of their own: `w` equals W, `negative` its negative as long as the two steps
            # are equal. In the first half of the backward pass each has seen only its own potentiation.
            negative = weights.setdefault(f"W{layer}_neg", -w)
            half_negative, full_negative = _learned(negative, below, down, up, eta_plus, eta_minus, bounded)
            fixed = weights.get(f"B{layer}")
            if fixed is not None:
                first = second = (fixed, -fixed)
            elif order == "learn-first":
                first, second = (half, half_negative), (full, full_negative)
            else:
                first, second = (w, negative), (half, half_negative)
            ups, downs = up.astype(np.int64), down.astype(np.int64)
            back_pos[layer - 1] = first[0] @ ups + first[1] @ downs > h_dead * theta
            back_neg[layer - 1] = second[0] @ downs + second[1] @ ups > h_dead * theta
            pos[layer - 1], neg[layer - 1] = back_pos[layer - 1] & box[layer - 1], back_neg[layer - 1] & box[layer - 1]
            negative[...] = full_negative
        w[...] = full
    transposed = "B2" not in weights
    return Turn(_spikes(h, lower, upper, box, pos, neg, back_pos, back_neg, t, transposed), drive)


def _learned(w, below, up, down, eta_plus, eta_minus, bounded) -> tuple[np.ndarray, np.ndarray]:
    """A matrix after its potentiation, and after its depression."""
    half = bounded(w + eta_plus * np.outer(below, up))
    return half, bounded(half - eta_minus * np.outer(below, down))


def _spikes(h, lower, upper, box, pos, neg, back_pos, back_neg, t, transposed: bool) -> dict[tuple[int, str], np.ndarray]:
    """In which phase which population fires what the algorithm has computed; arguments as in `train_turn`."""
    last = len(h) - 1
    names, phases = Layers(last), sequential(last)
    forward, p, n = phases.forward, phases.p, phases.n
    spikes = {(0, "input"): h[0], (forward[last] - 1, "target"): t, (forward[last], "t"): t, (p(1) - 1, "m_x"): h[0]}
    spikes |= {(phase, "x"): h[0] for phase in (forward[0], p(1), n(1))}
    spikes |= {(phases.error, name): sign[last] for name, sign in zip(names.errors, (pos, neg), strict=True)}
    for layer in range(1, last + 1):
        for name, active in zip(names.edges(layer), (h, lower, upper), strict=True):
            spikes[forward[layer], name] = active[layer]
            spikes[p(layer), name], spikes[n(layer), name] = pos[layer], neg[layer]
        if layer == last:
            continue
        spikes[forward[layer] + 1, names.memory(layer)] = h[layer]
        spikes[p(layer) - 1, names.box(layer)] = box[layer]
        # ... replayed while the layer above learns, onto the far end of the transposes, too
        far_end = (names.gradient(layer),) if transposed else ()
        spikes |= {(when(layer + 1), name): h[layer] for when in (p, n) for name in (names.activity(layer), *far_end)}
        spikes[p(layer + 1) + 1, names.gradient(layer)] = back_pos[layer]
        spikes[n(layer + 1) + 1, names.gradient(layer)] = back_neg[layer]
    for layer in range(2, last + 1):
        spikes[p(layer), names.negative(layer)], spikes[n(layer), names.negative(layer)] = neg[layer], pos[layer]
    return spikes
