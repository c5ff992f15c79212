"""The benchmark: its kernel computes what the oracle computes, and its numbers are what was measured."""

import dataclasses

import numpy as np
import pytest

from experiments.encoding import one_hot
from experiments.kernels import Kernel
from models.errors import ParameterError
from models.nbp import NBP
from models.reference import infer, train_turn
from tests.conftest import DIGITS, restless_weights


def oracle(parameters, weights, images, targets, samples):
    """Weights and drives after training with `models.reference`."""
    learned = {name: weight.astype(np.int64) for name, weight in weights.items()}
    rules = {name: getattr(parameters, name) for name in ("eta_plus", "eta_minus", "w_max", "order")}
    turns = [train_turn(learned, images[i], targets[i], theta=int(parameters.theta), **rules) for i in samples]
    return learned, np.array([turn.drive for turn in turns])


@pytest.mark.parametrize("order", ["propagate-first", "learn-first"])
@pytest.mark.parametrize("rules", [{}, {"eta_plus": 6, "eta_minus": 2, "w_max": 120, "w_init_max": 100, "theta": 1022.0}])
def test_kernel_equals_oracle_on_digits(digits, order, rules):
    images, targets, _ = digits
    parameters = NBP(order=order, **rules, **DIGITS)
    weights = restless_weights(parameters)
    samples = np.random.default_rng(1).integers(0, len(images), 400)
    expected, drive = oracle(parameters, weights, images, targets, samples)
    answers = Kernel(parameters).train(weights, images, targets, samples)
    assert np.mean(expected["W1"] != weights["W1"]) > 0.3, "the trial must exercise learning"
    for name in ("W1", "W2"):
        np.testing.assert_array_equal(answers.weights[name], expected[name])
    np.testing.assert_array_equal(answers.drive, drive)
    np.testing.assert_array_equal(answers.spikes, drive > int(parameters.theta) // 2)


@pytest.mark.parametrize("order", ["propagate-first", "learn-first"])
def test_kernel_sums_more_inputs_than_a_lane_holds(order):
    rng = np.random.default_rng(0)
    parameters = NBP(order=order, n_in=700, n_hid=130, n_out=5)
    # large weights and crowded images: 16 bits overflow unless the sum is cut into parts
    weights = {"W1": 2 * rng.integers(-90, 128, (700, 130)), "W2": 2 * rng.integers(-127, 128, (130, 5))}
    images = (rng.random((320, 700)) < np.linspace(0, 1, 320)[:, None]).astype(np.uint8)
    targets = one_hot(rng.integers(0, 5, 320), 5)
    samples = np.arange(320)
    expected, drive = oracle(parameters, weights, images, targets, samples)
    answers = Kernel(parameters).train(weights, images, targets, samples)
    for name in ("W1", "W2"):
        np.testing.assert_array_equal(answers.weights[name], expected[name])
    np.testing.assert_array_equal(answers.drive, drive)
    spikes, drive = infer(expected, images)
    answers = Kernel(parameters).infer(expected, images, samples)
    np.testing.assert_array_equal(answers.drive, drive)
    np.testing.assert_array_equal(answers.spikes, spikes)


@pytest.mark.data
@pytest.mark.parametrize("order", ["propagate-first", "learn-first"])
def test_kernel_equals_oracle_on_mnist(mnist, order):
    images, targets, _ = mnist
    parameters = NBP(order=order)
    weights = restless_weights(parameters)
    samples = np.arange(300)
    expected, drive = oracle(parameters, weights, images, targets, samples)
    answers = Kernel(parameters).train(weights, images, targets, samples)
    for name in ("W1", "W2"):
        np.testing.assert_array_equal(answers.weights[name], expected[name])
    np.testing.assert_array_equal(answers.drive, drive)


@pytest.mark.parametrize("change", [{"weight_noise": 1.0}, {"theta_spread": 0.1}, {"w_max": 300}, {"eta_plus": 3, "w_step": 1}, {"tau_m": 0.01}])
def test_kernel_refuses_what_it_does_not_compute(change):
    with pytest.raises(ParameterError, match=next(iter(change))):
        Kernel(dataclasses.replace(NBP(), **change))
