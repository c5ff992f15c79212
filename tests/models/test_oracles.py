"""The oracle of SSNN-BP: its steps by hand, its winners, and the gradient descent that it approximates.

Statistical tests have fixed seeds; the error rates in them say how often other seeds would fail a right program.
"""

import itertools

import numpy as np
import pytest
from scipy import stats

from brianprop.models.ssnn_bp.oracle import (
    Scaling,
    Turns,
    clipped_relu_gradient,
    equivalent_ann,
    present,
    scaling,
    softmax,
)

THETA = 2.0


def network(sizes, rng, bias=False, scale=1.0):
    """Normal weights; `scale` times that in the layers after the first."""
    weights = {}
    for layer, (n_pre, n_post) in enumerate(itertools.pairwise(sizes), 1):
        weights[f"W{layer}"] = rng.normal(0, (scale * THETA if layer > 1 else 1) * np.sqrt(2 / n_pre), (n_pre, n_post))
        if bias:
            weights[f"b{layer}"] = rng.normal(0, 0.2, n_post)
    return weights


def drives(weights, pixels):
    """Hidden drives of the equivalent ANN, one array per hidden layer."""
    ann, found, activity = equivalent_ann(weights, THETA), [], pixels
    for layer in range(1, sum(name.startswith("W") for name in weights)):
        found.append(activity @ ann[f"W{layer}"] + ann.get(f"b{layer}", 0.0))
        activity = np.clip(found[-1], 0, THETA)
    return found


def clear_network(sizes, rng, bias=False, scale=1.0):
    """A network and pixels that keep hidden drives off the corners of the clipped rectifier; some gates of each layer open."""
    while True:
        weights, pixels = network(sizes, rng, bias, scale), rng.random(sizes[0])
        layers = drives(weights, pixels)
        clear = all(np.all((np.abs(u) > 0.2) & (np.abs(u - THETA) > 0.2)) for u in layers)
        if clear and all(np.any((u > 0) & (u < THETA)) for u in layers):
            return weights, pixels


def flat(arrays):
    return np.concatenate([arrays[name].reshape(len(arrays[name]), -1) for name in sorted(arrays)], axis=1)


# -- one step after another --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("winner", ["cumulated", "race"])
def test_two_steps_by_hand(winner):
    weights = {"W1": np.array([[1.0, 0.5], [-3.0, 0.5]]), "W2": np.array([[2.0, 0.0], [1.0, -1.0]])}
    # V = (2, 0) and then (1, -1): P = (0.88, 0.12) both times; the first class wins the first step, the second the second
    luck = np.array([[0.5], [0.9]]) if winner == "cumulated" else np.array([[[0.5, 0.5]], [[1e-9, 0.5]]])
    found = present(
        weights,
        np.array([[0.8, 0.8]]),
        np.array([1]),
        steps=2,
        theta=THETA,
        constants=Scaling(c=(0.25,), eta=(0.1, 0.2), eta_bias=(0.0, 0.0)),
        hidden="mean",
        draws={
            "input": np.array([[[0.5, 0.9]], [[0.9, 0.1]]]),
            # u = (1, 0.5) and then its mean with (-3, 0.5), (-1, 0.5)
            "hidden1": np.array([[[0.49, 0.25]], [[0.0, 0.1]]]),
            "winner": luck,
            # B = (-2, -2), through W2 from before the update; from after it, 0.45 would be too high for the first neuron
            "d1": np.array([[[0.45, 0.6]], [[0.0, 0.0]]]),
        },
        record=True,
    )
    spikes = {name: fired[:, 0].astype(int).tolist() for name, fired in found.spikes.items()}
    assert spikes == {
        "input": [[1, 0], [0, 1]],
        "hidden1": [[1, 0], [0, 1]],
        "output": [[1, 0], [0, 1]],
        "e_plus": [[0, 1], [0, 0]],
        "e_minus": [[1, 0], [0, 0]],
        "d1_plus": [[0, 0], [0, 0]],
        "d1_minus": [[1, 0], [0, 0]],
    }
    np.testing.assert_allclose(found.updates["W1"][0], [[-0.1, 0], [0, 0]], atol=1e-12)
    np.testing.assert_allclose(found.updates["W2"][0], [[-0.2, 0.2], [0, 0]], atol=1e-12)
    assert found.coincidences["W1"] == 1 and found.coincidences["W2"] == 2
    np.testing.assert_allclose(found.membrane[0], [1.5, -0.5])
    np.testing.assert_allclose(found.rates[0, 0], 1 / (1 + np.exp(-2)))


def test_gate_closes_at_both_ends():
    # u = -1, 1 and 3 for theta = 2, and a backward drive that is sure to fire
    weights = {"W1": np.array([[-1.0, 1.0, 3.0]]), "W2": np.array([[-9.0, 0.0]] * 3)}
    found = present(
        weights,
        np.ones((1, 1)),
        np.array([1]),
        steps=1,
        theta=THETA,
        constants=Scaling(c=(1.0,), eta=(0.1, 0.1), eta_bias=(0.0, 0.0)),
        draws={
            "input": np.zeros((1, 1, 1)),
            "hidden1": np.full((1, 1, 3), 0.99),
            "winner": np.zeros((1, 1)),
            "d1": np.zeros((1, 1, 3)),
        },
    )
    assert found.counts["hidden1"].tolist() == [[0, 0, 1]]
    assert found.counts["d1_plus"].tolist() == [[0, 1, 0]]
    assert not found.counts["d1_minus"].any()


def test_winner_follows_softmax():
    # V is the same in every step: its input is certain, and so is the hidden neuron, driven beyond theta
    membrane = np.array([0.0, 1.0, -1.0, 2.0, 0.5])
    weights = {"W1": np.array([[3.0]]), "W2": membrane[np.newaxis]}
    steps, repetitions = 50, 200
    shape = {"input": (steps, repetitions, 1), "hidden1": (steps, repetitions, 1)}
    for winner in ((steps, repetitions), (steps, repetitions, 5)):
        rng = np.random.default_rng(0)
        draws = {name: rng.random(size) for name, size in {**shape, "winner": winner}.items()}
        found = present(weights, np.ones((repetitions, 1)), steps=steps, theta=THETA, draws=draws, record=True)
        assert np.all(found.spikes["output"].sum(axis=2) == 1)
        counts = found.counts["output"].sum(axis=0)
        assert stats.chisquare(counts, softmax(membrane) * counts.sum()).pvalue > 1e-3


def test_copies_learn_from_their_own_spikes():
    rng = np.random.default_rng(1)
    weights, pixels = network((6, 5, 3), rng, bias=True), rng.random((4, 6))
    shapes = {"input": (9, 4, 6), "hidden1": (9, 4, 5), "winner": (9, 4), "d1": (9, 4, 5)}
    draws = {name: rng.random(shape) for name, shape in shapes.items()}
    rules = {"steps": 9, "theta": THETA, "constants": scaling((0.5, 0.5), 9, THETA, 1.0), "decay": (0.01, 0.02)}
    together = present(weights, pixels, np.array([0, 1, 2, 0]), draws=draws, **rules)
    assert np.all(together.coincidences["W1"] > 0)
    for r, label in enumerate((0, 1, 2, 0)):
        alone = {name: draw[:, r : r + 1] for name, draw in draws.items()}
        single = present(weights, pixels[r : r + 1], np.array([label]), draws=alone, **rules)
        for name in weights:
            np.testing.assert_allclose(single.updates[name][0], together.updates[name][r], atol=1e-12)


def test_bounds_hold_in_every_step():
    rng = np.random.default_rng(2)
    weights = {name: np.clip(w, -0.5, 0.5) for name, w in network((6, 5, 3), rng).items()}
    rules = {"steps": 20, "theta": THETA, "constants": scaling((5.0, 5.0), 20, THETA, 1.0)}
    samples = rng.random((50, 6)), rng.integers(0, 3, 50)
    free = present(weights, *samples, **rules, rng=np.random.default_rng(0))
    bounded = present(weights, *samples, **rules, w_max=0.5, rng=np.random.default_rng(0))
    for name, w in weights.items():
        assert np.max(np.abs(w + free.updates[name])) > 0.6, "the trial must reach the bound"
        assert np.max(np.abs(w + bounded.updates[name])) <= 0.5 + 1e-12


def test_decay_takes_a_share_of_weights_but_not_of_biases():
    rng = np.random.default_rng(3)
    weights = network((6, 5, 3), rng, bias=True)
    found = present(
        weights,
        rng.random((2, 6)),
        np.array([0, 1]),
        steps=3,
        theta=THETA,
        constants=Scaling(c=(0.0,), eta=(0.0, 0.0), eta_bias=(0.0, 0.0)),
        decay=(0.1, 0.2),
        rng=rng,
    )
    for name, share in (("W1", -0.1), ("W2", -0.2), ("b1", 0), ("b2", 0)):
        np.testing.assert_allclose(found.updates[name], [share * weights[name]] * 2, atol=1e-12)


def test_readouts():
    found = Turns(
        counts={"output": np.array([[4, 4, 2], [1, 5, 4]])},
        spikes={},
        membrane=np.array([[0.0, 0.5, 9.0], [9.0, 0.0, 1.0]]),
        rates=np.array([[0.5, 0.3, 0.2], [0.1, 0.4, 0.5]]),
        updates={},
        coincidences={},
    )
    assert found.class_by_spikes().tolist() == [1, 1]
    assert found.class_by_rates().tolist() == [0, 2]


# -- the gradient ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("clip", [THETA, np.inf])
def test_gradient_equals_finite_differences(clip):
    rng = np.random.default_rng(4)
    weights, pixels, labels = network((7, 6, 5, 3), rng, bias=True), 2 * rng.random((20, 7)), rng.integers(0, 3, 20)
    _, gradient = clipped_relu_gradient(weights, pixels, labels, clip)
    first = pixels @ weights["W1"] + weights["b1"]
    assert np.any(first > THETA) and np.any(first < 0), "the trial must reach both ends of the rectifier"
    for name, w in weights.items():
        for place in np.ndindex(w.shape):
            losses = []
            for sign in (1, -1):
                moved = w.copy()
                moved[place] += sign * 1e-6
                losses.append(clipped_relu_gradient({**weights, name: moved}, pixels, labels, clip)[0].mean())
            assert gradient[name][place] == pytest.approx((losses[0] - losses[1]) / 2e-6, abs=1e-7)


def deviations(weights, pixels, label, rules, repetitions, rng):
    """Of updates from the step of gradient descent, relative to it: root mean square, of the mean, and mean cosine."""
    n_layers = sum(name.startswith("W") for name in weights)
    pixels, labels = np.tile(pixels, (repetitions, 1)), np.full(repetitions, label)
    rates = [1.0] * n_layers
    constants = scaling(rates, rules["steps"], THETA, rules.pop("gain"))
    found = present(weights, pixels, labels, theta=THETA, constants=constants, apply=False, rng=rng, **rules)
    updates = flat(equivalent_ann(found.updates, THETA))
    _, gradient = clipped_relu_gradient(equivalent_ann(weights, THETA), pixels[:1], labels[:1], THETA)
    step = -flat({name: g[np.newaxis] for name, g in gradient.items()})[0]
    size = np.linalg.norm(step)
    rms = np.sqrt(np.mean(np.sum((updates - step) ** 2, axis=1))) / size
    mean = np.linalg.norm(updates.mean(axis=0) - step) / size
    cosine = np.mean(updates @ step / np.maximum(np.linalg.norm(updates, axis=1), 1e-12)) / size
    return rms, mean, cosine


STEPS = (16, 64, 256, 1024)


@pytest.mark.parametrize(("sizes", "scale"), [((12, 8, 4), 1.0), ((10, 7, 6, 4), 0.4)])
def test_running_means_converge_to_gradient_descent(sizes, scale):
    rng = np.random.default_rng(5)
    # smaller weights in the deeper network, since c = 1 / theta there: no smaller gain keeps its first layer from saturating
    weights, pixels = clear_network(sizes, rng, True, scale)
    rules = {"hidden": "mean", "output": "mean", "gain": 0.3}
    found = [deviations(weights, pixels, 1, {**rules, "steps": steps}, 200, rng) for steps in STEPS]
    rms, mean, cosine = np.array(found).T
    # as 1 / sqrt(T): sampling alone moves the fitted exponent by 0.02 (standard deviation)
    assert np.polyfit(np.log(STEPS), np.log(rms), 1)[0] == pytest.approx(-0.5, abs=0.08)
    assert np.polyfit(np.log(STEPS[1:]), np.log(1 - cosine[1:]), 1)[0] == pytest.approx(-1, abs=0.2)
    assert rms[-1] < 0.2 and cosine[-1] > 0.98
    # the mean of many turns is nearer by far: what is left is mostly the noise of 200 of them, rms / 14
    assert mean[-1] < 3 * rms[-1] / np.sqrt(200) + 0.01


def test_memoryless_layers_do_not_converge():
    rng = np.random.default_rng(6)
    weights, pixels = clear_network((12, 8, 4), rng)
    found = [deviations(weights, pixels, 1, {"steps": steps, "gain": 0.3}, 200, rng)[1] for steps in (64, 1024)]
    assert min(found) > 0.1 and found[1] > 0.7 * found[0]


def test_memoryless_hidden_layer_descends_the_gradient_of_its_mean_activation():
    rng = np.random.default_rng(9)
    weights, pixels = network((7, 8, 4), rng), rng.random(7)
    # every pattern of input spikes in a step, and its probability
    patterns = np.array(list(itertools.product([0, 1], repeat=7)), float)
    chance = np.prod(np.where(patterns > 0, pixels, 1 - pixels), axis=1)
    u = patterns @ weights["W1"]
    activity, ann = chance @ np.clip(u, 0, THETA), equivalent_ann(weights, THETA)
    delta = (np.arange(4) == 1) - softmax(activity @ ann["W2"])
    derivative = np.einsum("s,si,sj->ij", chance, patterns, (u > 0) & (u < THETA))
    steps = {"W1": derivative * (ann["W2"] @ delta), "W2": np.outer(activity, delta)}
    found = present(
        weights,
        np.tile(pixels, (300, 1)),
        np.full(300, 1),
        steps=512,
        theta=THETA,
        constants=scaling((1.0, 1.0), 512, THETA, 0.3),
        output="mean",
        apply=False,
        rng=rng,
    )
    _, other = clipped_relu_gradient(ann, pixels[np.newaxis], np.array([1]), THETA)
    for name, updates in equivalent_ann(found.updates, THETA).items():
        mean, size = updates.mean(axis=0), np.linalg.norm(steps[name])
        assert np.linalg.norm(mean - steps[name]) < 0.03 * size
        assert np.linalg.norm(mean + other[name]) > 0.06 * size, "the trial must tell it from the clipped rectifier"


def test_running_mean_of_the_backward_drive_undoes_saturation():
    rng = np.random.default_rng(7)
    target, gain = np.arange(4) == 1, 1.5
    while True:  # until single steps saturate where it matters, and the mean drive does not
        weights, pixels = clear_network((12, 8, 4), rng)
        u, w = drives(weights, pixels)[0], weights["W2"]
        chance = softmax(np.clip(u, 0, THETA) / THETA @ w)
        single = gain / THETA * (w[:, [1]] - w)  # by winner
        mean, lost = single @ chance, (single - np.clip(single, -1, 1)) @ chance
        is_open = (u > 0) & (u < THETA)
        if np.max(np.abs(mean)) < 0.8 and np.linalg.norm(lost[is_open]) > 0.15 * np.linalg.norm(mean[is_open]):
            break
    assert np.allclose(mean, gain / THETA * w @ (target - chance))
    rules = {"hidden": "mean", "output": "mean", "steps": 1024, "gain": gain}
    left = {b: deviations(weights, pixels, 1, {**rules, "backward": b}, 200, rng)[1] for b in ("memoryless", "mean")}
    assert left["mean"] < 0.03 and left["memoryless"] > 0.06


def test_dropout_is_that_of_the_ann():
    rng = np.random.default_rng(8)
    share, steps, repetitions = 0.4, 1000, 100
    weights, pixels = clear_network((10, 8, 4), rng)
    kept = np.array([1, 0, 1, 1, 0, 1, 1, 1], bool)
    sizes = {"input": 10, "hidden1": 8, "d1": 8}
    draws = {name: rng.random((steps, repetitions, n)) for name, n in sizes.items()}
    draws |= {"winner": rng.random((steps, repetitions)), "dropout1": np.tile(np.where(kept, 0.41, 0.39), (repetitions, 1))}
    found = present(
        weights,
        np.tile(pixels, (repetitions, 1)),
        np.full(repetitions, 1),
        steps=steps,
        theta=THETA,
        constants=scaling((1.0, 1.0), steps, THETA, 0.3, share),
        hidden="mean",
        output="mean",
        dropout=share,
        apply=False,
        draws=draws,
    )
    assert not np.any(found.counts["hidden1"][:, ~kept]) and not np.any(found.counts["d1_plus"][:, ~kept])
    # the thinned network: weights of kept neurons scaled, the others cut; its gradient by the scaled weight, times the scale
    scale = 1 / (1 - share)
    thinned = equivalent_ann(weights, THETA)
    thinned["W2"] = thinned["W2"] * kept[:, np.newaxis] * scale
    _, gradient = clipped_relu_gradient(thinned, pixels[np.newaxis], np.array([1]), THETA)
    updates = equivalent_ann(found.updates, THETA)
    for name, factor in (("W1", 1.0), ("W2", scale * kept[:, np.newaxis])):
        step = -gradient[name] * factor
        assert np.linalg.norm(updates[name].mean(axis=0) - step) < 0.03 * np.linalg.norm(step)
