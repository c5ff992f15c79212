"""The ANN: one step of it is one step down the gradient of the oracle; its trainings resume and end at a learning rate of 0."""

import dataclasses

import numpy as np
import pytest

from brianprop.models import ann
from brianprop.models.ann import ANN
from brianprop.models.errors import ParameterError
from brianprop.models.ssnn_bp.oracle import clipped_relu_gradient

SMALL = ANN(n_in=12, hidden=(9, 7), n_out=4, rates=(0.3, 0.2, 0.1), bias=True)


def data(n, parameters=SMALL, seed=0):
    rng = np.random.default_rng(seed)
    images = rng.integers(0, 256, (n, parameters.n_in)).astype(np.uint8)
    return images, rng.integers(0, parameters.n_out, n)


def restless(parameters, seed=1):
    """Weights that drive neurons across both ends of the rectifier; biases that are not 0."""
    rng = np.random.default_rng(seed)
    return {
        name: (1.5 * w + 0.1 * rng.normal(size=w.shape)).astype(np.float32)
        for name, w in ann.initial_weights(parameters, seed).items()
    }


def train(parameters, weights, images, labels, order, done=0, total=None, seed=0, **options):
    rng = np.random.default_rng(seed)
    return ann.train_epoch(parameters, weights, images, labels, order, done, total or len(order), rng, **options)


@pytest.mark.parametrize("clip", [0.8, np.inf])
def test_step_is_down_the_finite_differences_of_the_loss(clip):
    parameters = dataclasses.replace(SMALL, clip=float(clip))
    images, labels = data(3)
    weights = restless(parameters)
    exact = {name: w.astype(float) for name, w in weights.items()}
    for sample in range(3):
        learned, logits = train(parameters, weights, images, labels, np.array([sample]), total=10**9)
        pixels, label = images[[sample]] / 255, labels[[sample]]
        np.testing.assert_allclose(logits, ann.infer(parameters, weights, images[[sample]]), rtol=1e-5)

        def loss(changed, pixels=pixels, label=label):
            return clipped_relu_gradient(changed, pixels, label, clip)[0].item()

        for name, w in exact.items():
            rate = parameters.rates[int(name[1]) - 1]
            for place in np.ndindex(w.shape):
                up, down = w.copy(), w.copy()
                up[place] += 1e-6
                down[place] -= 1e-6
                slope = (loss({**exact, name: up}) - loss({**exact, name: down})) / 2e-6
                step = float(learned[name][place]) - w[place]
                assert step == pytest.approx(-rate * slope, abs=2e-6)


def test_learning_rate_falls_linearly_to_zero():
    parameters = dataclasses.replace(SMALL, weight_decay=0.0)
    images, labels = data(1)
    weights = restless(parameters)
    sizes = []
    for done in (0, 25, 50, 75, 99):
        learned, _ = train(parameters, weights, images, labels, np.array([0]), done=done, total=100)
        sizes.append(np.linalg.norm(learned["W1"] - weights["W1"]))
    assert sizes[0] > 0
    np.testing.assert_allclose(sizes, sizes[0] * np.array([1, 0.75, 0.5, 0.25, 0.01]), rtol=1e-2)


@pytest.mark.parametrize("dropout", [0.0, 0.3])
def test_resumed_training_is_bit_identical(dropout):
    parameters = dataclasses.replace(SMALL, dropout=dropout, weight_decay=1e-3)
    images, labels = data(60)
    first, second = np.random.default_rng(3).permutation(60).reshape(2, 30)
    start = ann.initial_weights(parameters, 0)
    kept = {name: w.copy() for name, w in start.items()}
    middle, _ = train(parameters, start, images, labels, first, 0, 60, seed=1)
    saved = {name: w.copy() for name, w in middle.items()}
    once, _ = train(parameters, middle, images, labels, second, 30, 60, seed=2)
    again, _ = train(parameters, saved, images, labels, second, 30, 60, seed=2)
    for name in start:
        np.testing.assert_array_equal(start[name], kept[name])
        np.testing.assert_array_equal(once[name], again[name])
        assert not np.array_equal(once[name], saved[name])


def test_decay_takes_a_share_of_weights_but_not_of_biases():
    images, labels = data(1)
    weights = restless(SMALL)
    plain, _ = train(SMALL, weights, images, labels, np.array([0]))
    decayed, _ = train(dataclasses.replace(SMALL, weight_decay=0.05), weights, images, labels, np.array([0]))
    for layer, rate in enumerate(SMALL.rates, 1):
        share = weights[f"W{layer}"] * 0.05 * rate
        np.testing.assert_allclose(plain[f"W{layer}"] - decayed[f"W{layer}"], share, atol=1e-6)
        np.testing.assert_array_equal(plain[f"b{layer}"], decayed[f"b{layer}"])


def test_dropped_neurons_learn_nothing_and_kept_ones_count_more():
    parameters = ANN(n_in=12, hidden=(400,), n_out=4, rates=(0.1, 0.1), dropout=0.25)
    images, labels = data(1, parameters)
    weights = {name: np.abs(w) for name, w in ann.initial_weights(parameters, 0).items()}  # all neurons fire
    learned, logits = train(parameters, weights, images, labels, np.array([0]))
    changed = np.any(learned["W2"] != weights["W2"], axis=1)
    # 300 of 400 are expected, with a standard deviation of 8.7
    assert 260 < changed.sum() < 340
    np.testing.assert_array_equal(changed, np.any(learned["W1"] != weights["W1"], axis=0))
    hidden = images[0] / 255 @ weights["W1"] * changed / 0.75
    np.testing.assert_allclose(logits[0], hidden @ weights["W2"], rtol=1e-4)


def test_clip_bounds_activations():
    images, _ = data(5)
    weights = {name: 9 * w for name, w in restless(SMALL).items()}
    bounded = dataclasses.replace(SMALL, clip=0.5)
    activity = images / 255
    for layer in (1, 2, 3):
        drive = activity @ weights[f"W{layer}"] + weights[f"b{layer}"]
        activity = np.clip(drive, 0, 0.5)
    np.testing.assert_allclose(ann.infer(bounded, weights, images), drive, rtol=1e-4, atol=1e-4)
    assert not np.allclose(ann.infer(SMALL, weights, images), drive, rtol=0.1)


def test_initial_weights_have_the_variance_asked_for():
    weights = ann.initial_weights(ANN(bias=True), 0)
    assert {name: w.shape for name, w in weights.items()} == {"W1": (784, 200), "b1": (200,), "W2": (200, 10), "b2": (10,)}
    # the standard deviation of 156,800 and 2,000 numbers is known to 0.2 % and 1.6 %
    assert weights["W1"].std() == pytest.approx(np.sqrt(2 / 784), rel=0.01)
    assert weights["W2"].std() == pytest.approx(np.sqrt(2 / 200), rel=0.06)
    plain = ann.initial_weights(ANN(), 0)
    for name, w in plain.items():
        np.testing.assert_array_equal(w, weights[name])
    assert not np.array_equal(plain["W1"], ann.initial_weights(ANN(), 1)["W1"])


def test_learns_the_digits_and_reports_progress():
    from brianprop.experiments.data import images as datasets

    digits = datasets.load("digits")
    images, labels = digits.train.images.reshape(-1, 64), digits.train.labels
    parameters = ANN(n_in=64, hidden=(60,), rates=(0.05, 0.05))
    weights, calls = ann.initial_weights(parameters, 0), []
    for epoch in range(3):
        order = np.random.default_rng([0, 1, epoch]).permutation(1500)
        weights, logits = train(parameters, weights, images, labels, order, 1500 * epoch, 4500, progress=calls.append)
    assert calls == [1000, 1500] * 3
    assert np.mean(np.argmax(logits, axis=1) == labels[order]) > 0.95
    answers = np.argmax(ann.infer(parameters, weights, digits.test.images.reshape(-1, 64)), axis=1)
    assert np.mean(answers == digits.test.labels) > 0.9


@pytest.mark.parametrize(
    "change",
    [
        {"n_in": 0},
        {"hidden": ()},
        {"hidden": (10, 0)},
        {"rates": (0.1,)},
        {"rates": (0.1, 0.1, -1.0)},
        {"rates": (0.1, 0.1, float("inf"))},
        {"clip": 0.0},
        {"clip": float("nan")},
        {"dropout": 1.0},
        {"weight_decay": -1.0},
        {"bias": 1},
        {"n_out": True},
    ],
)
def test_refuses_parameters_out_of_range(change):
    with pytest.raises(ParameterError, match=next(iter(change))):
        dataclasses.replace(SMALL, **change)


def test_refuses_images_and_labels_that_do_not_fit():
    images, labels = data(3)
    weights = ann.initial_weights(SMALL, 0)
    with pytest.raises(ParameterError, match="grey values"):
        ann.infer(SMALL, weights, images[:, :5])
    with pytest.raises(ParameterError, match="grey values"):
        ann.infer(SMALL, weights, images / 255)
    with pytest.raises(ParameterError, match="class indices"):
        train(SMALL, weights, images, labels + 4, np.arange(3))
    with pytest.raises(ParameterError, match="total = 4"):
        train(SMALL, weights, images, labels, np.arange(3), done=2, total=4)
