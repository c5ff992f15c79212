"""nBP in plain NumPy: the oracle of the tests, independent of circuits, network builders and Brian2.

The binary algorithm that the circuit of Renner et al. 2024 carries out, in whole numbers. It is written from the equations of
the paper (Results, "The spiking backpropagation algorithm") and not from the arrows of the circuit.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from brianprop.models.model import Weights

__all__ = ["Turn", "infer", "train_turn"]


@dataclass(frozen=True)
class Turn:
    """What one training turn does.

    Attributes
    ----------
    spikes : dict of (phase, population) to bool array
        Every spike of every neuron outside the chain; a pair that is missing is silent.
    drive : int array of shape (n_out,)
        Drive of o in phase 3, net of gate and bias: fires where it exceeds theta / 2.
    """

    spikes: dict[tuple[int, str], np.ndarray]
    drive: np.ndarray


def infer(weights: Weights, images: np.ndarray, theta: int = 1024) -> tuple[np.ndarray, np.ndarray]:
    """Forward pass. Images of shape (n, n_in); returns spikes (n, n_out), bool, and drives (n, n_out), int."""
    hidden = images.astype(np.int64) @ weights["W1"].astype(np.int64) > theta // 2
    drive = hidden.astype(np.int64) @ weights["W2"].astype(np.int64)
    return drive > theta // 2, drive


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
) -> Turn:
    """One sample: forward, error, backward, update. Changes the integer arrays W1 (n_in, n_hid) and W2 (n_hid, n_out).

    Parameters
    ----------
    weights : dict
        ``W1`` and ``W2``, int64, updated in place; ``W2_neg`` (n_hid, n_out), the negated copy, is added if missing.
    image, target : bool arrays of shape (n_in,) and (n_out,)
    order : {"propagate-first", "learn-first"}
        Whether the error travels back through W2 from before or from after its update.
    h_box, o_box : tuple of two floats
        Edges of the boxes [theta].
    error : {"box", "margin"}
        Whether an output that is wrong errs within its box, or every output until its drive has passed its edge: the right
        one the upper, all others the lower.
    """
    w1, w2 = weights["W1"], weights["W2"]
    x, t = image.astype(bool), target.astype(bool)

    def layer(pre, w, box):
        drive = pre.astype(np.int64) @ w
        return drive, drive > theta // 2, drive > box[0] * theta, drive > box[1] * theta

    _, h, h_lt, h_gt = layer(x, w1, h_box)
    drive, o, o_lt, o_gt = layer(h, w2, o_box)
    box = h_lt & ~h_gt
    if error == "box":
        missed = t & ~o & o_lt  # d2_pos
        wrong = o & ~t & o_lt & ~o_gt  # d2_neg
    else:
        missed, wrong = t & ~o_gt, o_lt & ~t

    # The transposed copies are matrices of their own: `forth` equals W2, `back` its negative as long as the two steps are
    # equal. In the first half of the backward pass each has seen only its own potentiation.
    def bounded(w):
        return np.clip(w, -w_max, w_max)

    forth, back = w2, weights.setdefault("W2_neg", -w2)
    half_forth = bounded(forth + eta_plus * np.outer(h, missed))
    half_back = bounded(back + eta_plus * np.outer(h, wrong))
    if order == "learn-first":
        forth, back = half_forth, half_back
    d1_pos = forth @ missed.astype(np.int64) + back @ wrong.astype(np.int64) > 0
    full_forth = bounded(half_forth - eta_minus * np.outer(h, wrong))
    full_back = bounded(half_back - eta_minus * np.outer(h, missed))
    forth, back = (full_forth, full_back) if order == "learn-first" else (half_forth, half_back)
    d1_neg = forth @ wrong.astype(np.int64) + back @ missed.astype(np.int64) > 0

    up, down = d1_pos & box, d1_neg & box
    weights["W2"][...], weights["W2_neg"][...] = full_forth, full_back
    w1[...] = bounded(bounded(w1 + eta_plus * np.outer(x, up)) - eta_minus * np.outer(x, down))

    spikes = {
        (0, "input"): x,
        (1, "x"): x,
        (2, "h"): h,
        (2, "h_lt"): h_lt,
        (2, "h_gt"): h_gt,
        (2, "target"): t,
        (3, "o"): o,
        (3, "o_lt"): o_lt,
        (3, "o_gt"): o_gt,
        (3, "t"): t,
        (3, "m_h"): h,
        (4, "d2_pos"): missed,
        (4, "d2_neg"): wrong,
        (6, "d1"): d1_pos,
        (6, "b_h"): box,
        (6, "m_x"): x,
        (7, "x"): x,
        (10, "d1"): d1_neg,
        (11, "x"): x,
    }
    for phase, onto_o, onto_negative in ((5, missed, wrong), (9, wrong, missed)):
        spikes |= {(phase, name): h for name in ("h", "d1")}
        spikes |= {(phase, name): onto_o for name in ("o", "o_lt", "o_gt")}
        spikes[phase, "oT_neg"] = onto_negative
    for phase, gradient in ((7, up), (11, down)):
        spikes |= {(phase, name): gradient for name in ("h", "h_lt", "h_gt")}
    return Turn(spikes, drive)
