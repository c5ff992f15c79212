"""SSNN-BP in plain NumPy: the oracle of the tests, independent of network builders and Brian2.

Stochastic composite neurons after Biswas, Saraswat and Ganguly, Neuromorphic Computing and Engineering (2023),
arXiv:2207.09755, of which no code was published. From its abstract are: spikes in both directions in the same time step, two
streams of gradient spikes, updates by coincidence, and a winner-take-all for the softmax. The rules of a time step (`present`)
and their scaling (`scaling`) are our reconstruction.

What SSNN-BP approximates
-------------------------
Layers 0 to L + 1: input, L hidden layers, output. With running means u of the hidden drives and V of the output membranes,
and T so large that the means have settled, the share of steps in which a neuron fires is, from the input on,

    x_i                                          input, the pixel
    r_j = clip(u_j, 0, theta) / theta            hidden
    P_k = softmax(V)_k                           output: exactly one winner per step

Let a_j = theta r_j, M^1 = W^1, and M^l = W^l / theta for the layers l > 1, which hidden neurons feed. Then
u^l = sum_j W^l_j r_j = sum_j M^l_j a_j: the network is the ANN with weights M, the clipped rectifier a = clip(u, 0, theta)
and a softmax. Let delta be the negative gradient of its cross-entropy by u (in the output by V).

Output: the error spikes average to t - P, which is delta^(L+1).

Hidden layer l: it receives B^l_j = sum_k W^(l+1)_jk q_k, with q the difference of the two error streams or of the two gradient
streams of the next layer. If q averages to G_(l+1) delta^(l+1), with G_(L+1) = 1, then B^l averages to
theta G_(l+1) sum_k M_jk delta_k; and gradient spikes with probability c_l abs(B), behind the gate [0 < u < theta] that is the
derivative of the clipped rectifier, average to G_l delta^l with

    c_l = G_l / (theta G_(l+1)),  as long as c_l abs(B) <= 1.

With one gain gb for all hidden layers, c_L = gb / theta, and c_l = 1 / theta for l < L. A smaller gb thus keeps only the last
hidden layer from saturating; the earlier ones need gains that fall towards the input, or a running mean of B.

Updates: the forward spike and the gradient spikes of one step are independent, except for terms of order 1 / k. So T steps
change W^1 by eta_1 T x_i gb delta_j. Gradient descent on M^1 with learning rate a_1 requires a_1 x_i delta_j. They change W^l
by eta_l T (a_j / theta) gb delta. Gradient descent changes M^l by a_l a_j delta, which requires theta a_l a_j delta. Hence

    eta_1 = a_1 / (T gb),  eta_l = a_l theta^2 / (T gb) for 1 < l <= L,  eta_(L+1) = a_(L+1) theta^2 / T.

A bias is the weight from a neuron that fires in every step. It is not divided by theta, so its step is a_l / (T gb), in the
output a_(L+1) / T; with the step of its layer's weights it would learn theta^2 times as fast as the ANN's.

With dropout, kept neurons transmit W / (1 - p) in both directions. The gradient with respect to W has that factor once more,
and the steps of the layers that hidden neurons feed take it.

Size of the error
-----------------
With running means, the update of one turn differs from the step of gradient descent by sampling noise of order
1 / sqrt(T). The mean update of many turns differs by only log(T) / T. That bias has two causes: the means of the first
k steps, with noise of order 1 / sqrt(k), pass through the curvature of the softmax and of the clip; and the spikes of a step
are part of the means of that step. Where u is within the noise of 0 or theta, the gate is wrong so often that the bias falls no
faster than 1 / sqrt(T).

A memoryless hidden layer that is fed by pixels, with running means in the output, follows another gradient, and exactly. Its
rate is the mean over the input spikes of a step, a_j = E[clip(u_j, 0, theta)], a smooth function of the weights. The gate is
paired with the input spikes of its own step, and E[s_i gate_j] is the derivative of a_j with respect to W_ij. So the network is
the ANN with the activation E[clip(u)]. No mean has to settle, and a rate has the noise of one draw of spikes instead of two.

A memoryless output follows neither gradient: in single steps, the softmax sees membranes that are made of a few spikes.

The backward drive may be memoryless, since gradient spikes are linear in B up to saturation. Its running mean gives the same
expectation there, and is needed only where c abs(B) exceeds 1 in single steps but not on average.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from brianprop.models.model import Weights

__all__ = ["Scaling", "Turns", "clipped_relu_gradient", "equivalent_ann", "present", "scaling", "softmax"]


@dataclass(frozen=True)
class Scaling:
    """Constants of SSNN-BP that make its expected update a step of gradient descent.

    Attributes
    ----------
    c : tuple of L floats
        Probability of a gradient spike per unit of backward drive, one per hidden layer.
    eta : tuple of L + 1 floats
        Change of a weight by one coincidence, one per layer of weights.
    eta_bias : tuple of L + 1 floats
        The same for biases.
    """

    c: tuple[float, ...]
    eta: tuple[float, ...]
    eta_bias: tuple[float, ...]


def scaling(rates: Sequence[float], steps: int, theta: float, gain: float | Sequence[float], dropout: float = 0.0) -> Scaling:
    """Constants for learning rates of the equivalent ANN; derivation in the module's docstring.

    Parameters
    ----------
    rates : sequence of L + 1 floats
        Learning rates a of the ANN, one per layer of weights.
    steps : int
        Time steps T of a turn.
    theta : float
        Clip of the hidden drive.
    gain : float, or sequence of L floats
        gb, the gradient spikes per step and unit of gradient, of all hidden layers or of each.
    dropout : float
        Probability p of dropping a hidden neuron.
    """
    last = len(rates) - 1
    gains = [*(gain if isinstance(gain, Sequence) else [gain] * last), 1.0]
    return Scaling(
        c=tuple(gains[layer] / (theta * gains[layer + 1]) for layer in range(last)),
        eta=tuple(a * (theta**2 / (1 - dropout) if layer else 1.0) / (steps * gains[layer]) for layer, a in enumerate(rates)),
        eta_bias=tuple(a / (steps * gains[layer]) for layer, a in enumerate(rates)),
    )


@dataclass(frozen=True)
class Turns:
    """The results of R independent turns. Hidden layers are counted from 1. R is the first dimension of every array.

    Attributes
    ----------
    counts : dict of population to int array of shape (R, n)
        Spikes over the T steps: ``input``, ``hidden1`` ..., ``output`` (the winners), ``e_plus`` and ``e_minus``,
        ``d1_plus`` and ``d1_minus`` ...
    spikes : dict of population to bool array of shape (T, R, n)
        The spikes themselves, if they were asked for.
    membrane : array of shape (R, n_out)
        Mean of V over the T steps.
    rates : array of shape (R, n_out)
        Mean of softmax(V) over the T steps.
    updates : dict of array of shape (R, n_pre, n_post), or (R, n_post) for biases
        Change of every weight by the turn, if it learns.
    coincidences : dict of int array of shape (R,)
        Coincidences of two spikes at a synapse, of weights or biases.
    """

    counts: dict[str, np.ndarray]
    spikes: dict[str, np.ndarray]
    membrane: np.ndarray
    rates: np.ndarray
    updates: dict[str, np.ndarray]
    coincidences: dict[str, np.ndarray]

    def class_by_spikes(self) -> np.ndarray:
        """Class with most output spikes, the one with the larger mean of V among equals; int array of shape (R,)."""
        output = self.counts["output"]
        tied = output == output.max(axis=1, keepdims=True)
        return np.argmax(np.where(tied, self.membrane, -np.inf), axis=1)

    def class_by_rates(self) -> np.ndarray:
        """Class with the largest mean of softmax(V); int array of shape (R,)."""
        return np.argmax(self.rates, axis=1)


def softmax(membrane: np.ndarray) -> np.ndarray:
    """Softmax over the last axis."""
    exponential = np.exp(membrane - membrane.max(axis=-1, keepdims=True))
    return exponential / exponential.sum(axis=-1, keepdims=True)


def present(
    weights: Weights,
    pixels: np.ndarray,
    labels: np.ndarray | None = None,
    *,
    steps: int,
    theta: float,
    constants: Scaling | None = None,
    hidden: str = "memoryless",
    output: str = "memoryless",
    backward: str = "memoryless",
    w_max: float = math.inf,
    dropout: float = 0.0,
    decay: Sequence[float] = (),
    apply: bool = True,
    record: bool = False,
    rng: np.random.Generator | None = None,
    draws: dict[str, np.ndarray] | None = None,
) -> Turns:
    """Present R samples to R independent copies of an SSNN-BP network, all with the same weights before.

    The given arrays stay as they are; a copy's weights after are ``weights[name] + updates[name][r]``. Within a step: input
    spikes, hidden spikes, output membrane, winner, error spikes, backward drives and gradient spikes from the last hidden
    layer to the first, then all updates.

    Parameters
    ----------
    weights : dict
        ``W1`` (n_in, n_1) to ``W<L+1>`` (n_L, n_out), and a bias ``b<l>`` (n_l,) for every layer that has one.
    pixels : array of shape (R, n_in) or (R, T, n_in)
        Probabilities of an input spike, 0 to 1; in the second form those of every step, or, as 0 and 1, the spikes themselves.
    labels : int array of shape (R,), optional
        Classes; needed to learn.
    steps, theta
        T and the clip of the hidden drive.
    constants : Scaling, optional
        Gradient and step sizes. Without it the network only infers.
    hidden, output, backward : {"memoryless", "mean"}
        Whether u, V and B are those of the step or the mean over the turn's steps so far.
    w_max : float
        Bound of weights and biases, kept after every step.
    dropout : float
        Probability p that a hidden neuron neither fires nor passes gradients in this turn; the others transmit
        W / (1 - p), in both directions.
    decay : sequence of L + 1 floats, optional
        Learning rate times weight decay of each layer: after the last step, weights (not biases) shrink by this share.
    apply : bool
        False lets the updates add up and leaves the weights as they are until the end, and w_max and decay out of it.
    record : bool
        Keep every spike.
    rng : numpy Generator, optional
    draws : dict, optional
        Uniform random numbers in its stead: ``input`` (T, R, n_in), ``hidden1`` (T, R, n_1) ..., ``d1`` (T, R, n_1) ..., with
        dropout ``dropout1`` (R, n_1) ..., and ``winner``, which is either (T, R), the place in the cumulated softmax, or
        (T, R, n_out), a race of exponential latencies -log(draw) / exp(V).
    """
    last = sum(name.startswith("W") for name in weights) - 1  # index of the output's weights; hidden layers are 1..last
    layers = range(1, last + 2)
    n_samples, learns = len(pixels), constants is not None
    pixels = np.asarray(pixels, float)
    chances = np.broadcast_to(pixels[:, np.newaxis], (n_samples, steps, pixels.shape[1])) if pixels.ndim == 2 else pixels
    shared = not (learns and apply)
    state = {
        name: np.asarray(w, float) if shared else np.broadcast_to(w, (n_samples, *w.shape)).astype(float)
        for name, w in weights.items()
    }
    updates = {name: np.zeros((n_samples, *w.shape)) for name, w in weights.items()} if learns and not apply else {}
    sizes = [weights[f"W{layer}"].shape[1] for layer in layers]

    def draw(name: str, step: int | None, *shape: int) -> np.ndarray:
        if draws is not None:
            return draws[name] if step is None else draws[name][step]
        if rng is None:
            raise ValueError("Give rng or draws.")
        return rng.random(shape)

    kept = {
        layer: draw(f"dropout{layer}", None, n_samples, sizes[layer - 1]) >= dropout
        if dropout
        else np.ones((n_samples, sizes[layer - 1]), bool)
        for layer in layers[:-1]
    }
    # dropped neurons send no spikes, so that scaling all synapses of a layer scales those of the kept ones
    scale = {layer: 1.0 if layer == 1 else 1 / (1 - dropout) for layer in layers}

    def through(pre: np.ndarray, layer: int) -> np.ndarray:
        drive = pre @ state[f"W{layer}"] if shared else (pre[:, np.newaxis] @ state[f"W{layer}"])[:, 0]
        return drive * scale[layer] + state.get(f"b{layer}", 0.0)

    def back(post: np.ndarray, layer: int) -> np.ndarray:
        w = state[f"W{layer}"]
        return scale[layer] * (post @ w.T if shared else (w @ post[..., np.newaxis])[..., 0])

    def average(rule: str, old: np.ndarray, new: np.ndarray, k: int) -> np.ndarray:
        return new if rule == "memoryless" else (1 - 1 / k) * old + new / k

    u = {layer: np.zeros((n_samples, sizes[layer - 1])) for layer in layers}
    b = {layer: np.zeros((n_samples, sizes[layer - 1])) for layer in layers}
    membrane, rates = np.zeros((n_samples, sizes[-1])), np.zeros((n_samples, sizes[-1]))
    counts, spikes = {}, {}
    coincidences: dict[str, np.ndarray] = {name: np.zeros(n_samples, int) for name in weights} if learns else {}
    target = np.arange(sizes[-1]) == np.asarray(labels if learns else [-1])[:, np.newaxis]

    def count(name: str, fired: np.ndarray) -> None:
        counts[name] = counts.get(name, 0) + fired
        if record:
            spikes.setdefault(name, []).append(fired)

    for step in range(steps):
        k = step + 1
        fired = {0: draw("input", step, n_samples, chances.shape[2]) < chances[:, step]}
        count("input", fired[0])
        for layer in layers:
            u[layer] = average(hidden if layer <= last else output, u[layer], through(fired[layer - 1].astype(float), layer), k)
            if layer <= last:
                fired[layer] = (draw(f"hidden{layer}", step, *u[layer].shape) < u[layer] / theta) & kept[layer]
                count(f"hidden{layer}", fired[layer])
        chance = softmax(u[last + 1])
        membrane += u[last + 1] / steps
        rates += chance / steps
        luck = draw("winner", step, n_samples)
        if luck.ndim == 1:
            winner = (np.cumsum(chance, axis=1)[:, :-1] <= luck[:, np.newaxis]).sum(axis=1)
        else:
            winner = np.argmin(-np.log(luck) / chance, axis=1)
        won = np.arange(sizes[-1]) == winner[:, np.newaxis]
        count("output", won)
        if constants is None:
            continue

        up, down = {last + 1: target & ~won}, {last + 1: won & ~target}
        count("e_plus", up[last + 1])
        count("e_minus", down[last + 1])
        for layer in range(last, 0, -1):
            difference = up[layer + 1].astype(float) - down[layer + 1]
            b[layer] = average(backward, b[layer], back(difference, layer + 1), k)
            gate = (u[layer] > 0) & (u[layer] < theta) & kept[layer]
            luck = draw(f"d{layer}", step, *b[layer].shape)
            up[layer] = gate & (luck < constants.c[layer - 1] * b[layer])
            down[layer] = gate & (luck < -constants.c[layer - 1] * b[layer])
            count(f"d{layer}_plus", up[layer])
            count(f"d{layer}_minus", down[layer])

        goal = state if apply else updates
        for layer in layers:
            difference = up[layer].astype(float) - down[layer]
            active = np.flatnonzero(np.any(difference, axis=1))
            n_events = np.count_nonzero(difference, axis=1)
            coincidences[f"W{layer}"] = coincidences[f"W{layer}"] + n_events * np.count_nonzero(fired[layer - 1], axis=1)
            changed = goal[f"W{layer}"][active]
            changed += constants.eta[layer - 1] * fired[layer - 1][active, :, np.newaxis] * difference[active, np.newaxis]
            goal[f"W{layer}"][active] = np.clip(changed, -w_max, w_max) if apply else changed
            if f"b{layer}" in weights:
                coincidences[f"b{layer}"] = coincidences[f"b{layer}"] + n_events
                goal[f"b{layer}"] += constants.eta_bias[layer - 1] * difference
                if apply:
                    np.clip(goal[f"b{layer}"], -w_max, w_max, out=goal[f"b{layer}"])

    if learns and apply:
        for layer, share in enumerate(decay, 1):
            state[f"W{layer}"] *= 1 - share
        updates = {name: state[name] - w for name, w in weights.items()}
    return Turns(
        counts={name: np.asarray(count, np.int64) for name, count in counts.items()},
        spikes={name: np.array(fired) for name, fired in spikes.items()},
        membrane=membrane,
        rates=rates,
        updates=updates,
        coincidences=coincidences,
    )


def equivalent_ann(weights: Weights, theta: float) -> Weights:
    """Weights M and biases of the ANN that an SSNN-BP network approximates: M1 = W1, W / theta in later layers."""
    return {name: w / theta if name.startswith("W") and name != "W1" else w for name, w in weights.items()}


def clipped_relu_gradient(
    weights: Weights, pixels: np.ndarray, labels: np.ndarray, clip: float = math.inf
) -> tuple[np.ndarray, Weights]:
    """Cross-entropy of the ANN with activation clip(u, 0, clip) and softmax, and its gradient, averaged over R samples.

    Parameters
    ----------
    weights : dict
        ``W1`` ... and biases of the ANN, as for `present`.
    pixels : array of shape (R, n_in)
    labels : int array of shape (R,)
    clip : float
        The rectifier's bound; infinite for a plain ReLU.

    Returns
    -------
    loss : array of shape (R,)
    gradient : dict
        Shapes as in ``weights``.
    """
    last = sum(name.startswith("W") for name in weights) - 1
    activity = [np.asarray(pixels, float)]
    drive = activity[0]
    for layer in range(1, last + 2):
        drive = activity[-1] @ weights[f"W{layer}"] + weights.get(f"b{layer}", 0.0)
        activity.append(np.clip(drive, 0, clip))
    rows = np.arange(len(labels))
    loss = np.log(np.exp(drive - drive.max(axis=1, keepdims=True)).sum(axis=1)) + drive.max(axis=1) - drive[rows, labels]
    delta = softmax(drive)
    delta[rows, labels] -= 1
    gradient = {}
    for layer in range(last + 1, 0, -1):
        gradient[f"W{layer}"] = activity[layer - 1].T @ delta / len(labels)
        if f"b{layer}" in weights:
            gradient[f"b{layer}"] = delta.mean(axis=0)
        box = (activity[layer - 1] > 0) & (activity[layer - 1] < clip)
        delta = (delta @ weights[f"W{layer}"].T) * box
    return loss, gradient
