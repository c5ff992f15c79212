"""nBP of any depth in plain NumPy: the oracle of the tests, written from the algorithm and not from the arrows of a circuit.

    a^l = W^l^T h^(l-1),  h^0 = x       h^l = [a^l > theta / 2]       b^l = [lower < a^l <= upper]
    d^L                                 from the spikes of the output and the target, in two signs
    s^l = W^(l+1) (d^(l+1)_pos - d^(l+1)_neg)                          for l = L - 1 .. 1
    d^l_pos = b^l [s^l > 0],  d^l_neg = b^l [s^l < 0]
    W^l <- clip(W^l + eta h^(l-1) (d^l_pos - d^l_neg)^T)

With ``propagate-first`` every s^l is computed with the weights from before the sample, with ``learn-first`` with those that
have just learned.
"""

from __future__ import annotations

import numpy as np

__all__ = ["infer", "train_sample"]

Spikes = dict[tuple[int, str], np.ndarray]


def infer(weights: list[np.ndarray], images: np.ndarray, theta: int = 1024) -> tuple[np.ndarray, np.ndarray]:
    """Forward pass of W^1 ... W^L. Images of shape (n, n_in); gives spikes (n, n_out), bool, and drives (n, n_out), int."""
    activity = images.astype(np.int64)
    for matrix in weights:
        drive = activity @ matrix.astype(np.int64)
        activity = (drive > theta // 2).astype(np.int64)
    return activity > 0, drive


def train_sample(
    weights: list[np.ndarray],
    negatives: list[np.ndarray],
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
) -> dict[str, list[np.ndarray]]:
    """One sample: forward, error, backward, update.

    Parameters
    ----------
    weights, negatives : list of int64 arrays, of length L
        W^l of shape (n_(l-1), n_l), and the copy that carries the negated weights back, at first -W^l. Updated in place. The
        two differ by more than their sign only where potentiation and depression take unequal steps.
    image, target : bool arrays of shape (n_0,) and (n_L,)
    order : {"propagate-first", "learn-first"}
    h_box, o_box : tuple of two floats
        Edges of the boxes [theta].
    error : {"box", "margin"}

    Returns
    -------
    dict of lists by layer 0 .. L
        ``h`` activity, ``lower`` and ``upper`` edges (none for layer 0), ``box``, ``s_pos`` and ``s_neg`` signs of the gradient
        that comes back (hidden layers), ``pos`` and ``neg`` the local gradient (layers 1 .. L); and ``drive`` of the output.
    """
    last = len(weights)
    h, lower, upper = [image.astype(bool)], [None], [None]
    drive = None
    for layer, matrix in enumerate(weights, 1):
        edges = o_box if layer == last else h_box
        drive = h[-1].astype(np.int64) @ matrix
        h.append(drive > theta // 2)
        lower.append(drive > edges[0] * theta)
        upper.append(drive > edges[1] * theta)
    box = [None, *(low & ~high for low, high in zip(lower[1:], upper[1:], strict=True))]
    t = target.astype(bool)
    pos, neg = [None] * (last + 1), [None] * (last + 1)
    s_pos, s_neg = [None] * (last + 1), [None] * (last + 1)
    if error == "box":
        pos[last], neg[last] = t & ~h[last] & lower[last], h[last] & ~t & box[last]
    else:
        pos[last], neg[last] = t & ~upper[last], lower[last] & ~t

    def bounded(matrix):
        return np.clip(matrix, -w_max, w_max)

    for layer in range(last, 0, -1):
        below, up, down = h[layer - 1], pos[layer], neg[layer]
        forth, back = weights[layer - 1], negatives[layer - 1]
        half_forth = bounded(forth + eta_plus * np.outer(below, up))
        half_back = bounded(back + eta_plus * np.outer(below, down))
        full_forth = bounded(half_forth - eta_minus * np.outer(below, down))
        full_back = bounded(half_back - eta_minus * np.outer(below, up))
        if layer > 1:
            first = (half_forth, half_back) if order == "learn-first" else (forth, back)
            second = (full_forth, full_back) if order == "learn-first" else (half_forth, half_back)
            s_pos[layer - 1] = first[0] @ up.astype(np.int64) + first[1] @ down.astype(np.int64) > 0
            s_neg[layer - 1] = second[0] @ down.astype(np.int64) + second[1] @ up.astype(np.int64) > 0
            pos[layer - 1] = s_pos[layer - 1] & box[layer - 1]
            neg[layer - 1] = s_neg[layer - 1] & box[layer - 1]
        forth[...], back[...] = full_forth, full_back
    found = {"h": h, "lower": lower, "upper": upper, "box": box, "drive": [drive]}
    return found | {"pos": pos, "neg": neg, "s_pos": s_pos, "s_neg": s_neg}
