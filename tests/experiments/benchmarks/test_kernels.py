"""The SSNN-BP kernel equals the oracle in distribution. (That the nBP kernel equals its oracle is shown in test_benchmark.)"""

import itertools

import numpy as np
import pytest

from brianprop.experiments.benchmarks.kernels.nbp import NBPKernel
from brianprop.experiments.benchmarks.kernels.ssnn_bp import SSNNConstants, SSNNKernel
from brianprop.models.errors import ParameterError
from brianprop.models.nbp.parameters import NBP
from brianprop.models.ssnn_bp.oracle import present, scaling

STEPS, THETA, REPETITIONS = 12, 2.0, 2000

#: Largest of so many standard scores that 1 right program in 10,000 would exceed, by Bonferroni and the normal distribution.
LIMIT = {"weights": 5.6, "counts": 4.9}


def constants_of(*arguments):
    """The oracle's constants, as the kernel takes them."""
    return SSNNConstants(**vars(scaling(*arguments)))


def network(sizes, bias, rng):
    weights = {}
    for layer, (n_pre, n_post) in enumerate(itertools.pairwise(sizes), 1):
        weights[f"W{layer}"] = rng.normal(0, (THETA if layer > 1 else 1) * np.sqrt(2 / n_pre), (n_pre, n_post))
        if bias:
            weights[f"b{layer}"] = rng.normal(0, 0.2, n_post)
    return weights


def flat(arrays, lead=()):
    return np.concatenate([np.reshape(arrays[name], (*lead, -1)) for name in sorted(arrays)], axis=-1)


def scores(ours, theirs):
    """Differences of the means of (R, n) numbers, in standard errors."""
    difference = ours.mean(axis=0) - theirs.mean(axis=0)
    error = np.sqrt((ours.var(axis=0) + theirs.var(axis=0)) / len(ours))
    # what never varies must agree to rounding
    assert np.all(np.abs(difference[error < 1e-6]) < 1e-5)
    return difference[error >= 1e-6] / error[error >= 1e-6]


def totals(found, n_hidden):
    """The oracle's counts as the kernel has them, (R, n)."""
    counts = {name: count.sum(axis=1) for name, count in found.counts.items()}
    hidden = range(1, n_hidden + 1)
    return np.stack(
        [
            counts["input"],
            *(counts[f"hidden{layer}"] for layer in hidden),
            counts["e_plus"] + counts["e_minus"],
            *(counts[f"d{layer}_plus"] + counts[f"d{layer}_minus"] for layer in hidden),
            *(found.coincidences[f"W{layer}"] for layer in range(1, n_hidden + 2)),
        ],
        axis=1,
    ).astype(float)


CASES = {
    "memoryless": {},
    "mean": {"hidden": "mean", "output": "mean"},
    "mean backward": {"output": "mean", "backward": "mean"},
    "bounded": {"w_max": 0.8},
    "dropout": {"dropout": 0.3},
    "bias and decay": {"bias": True, "decay": True},
}


@pytest.mark.parametrize("sizes", [(20, 70, 4), (20, 17, 9, 5)])
@pytest.mark.parametrize("case", CASES)
def test_learning_equals_the_oracle_in_distribution(sizes, case):
    rules = dict(CASES[case])
    rng = np.random.default_rng(0)
    weights = network(sizes, rules.pop("bias", False), rng)
    if "w_max" in rules:
        weights = {name: np.clip(w, -0.8, 0.8) for name, w in weights.items()}
    n_layers = len(sizes) - 1
    if rules.pop("decay", False):
        rules["decay"] = (0.01, 0.02, 0.03)[:n_layers]
    image = rng.integers(0, 256, (1, sizes[0])).astype(np.uint8)
    image[0, :2] = 0, 255
    label = np.array([1])
    constants = scaling([0.3] * n_layers, STEPS, THETA, 1.5, rules.get("dropout", 0.0))
    rules |= {"steps": STEPS, "theta": THETA, "constants": constants}

    kernel = SSNNKernel(**rules | {"constants": SSNNConstants(**vars(constants))})
    passes = [kernel.train(weights, image, label, np.array([0]), seed=seed) for seed in range(REPETITIONS)]
    ours = np.array([flat(answers.weights) for answers in passes]) - flat(weights)
    our_counts = np.array([list(answers.counts.values()) for answers in passes], float)
    found = present(weights, np.tile(image / 255, (REPETITIONS, 1)), np.tile(label, REPETITIONS), rng=rng, **rules)
    theirs = flat(found.updates, (REPETITIONS,))

    z = scores(ours, theirs)
    assert len(z) > 0.5 * theirs.shape[1], "the trial must exercise learning"
    assert np.max(np.abs(z)) < LIMIT["weights"]
    assert np.max(np.abs(scores(our_counts, totals(found, n_layers - 1)))) < LIMIT["counts"]
    # second moments: the mean of squared scores of squares would show a wrong correlation of the steps
    assert ours.std(axis=0).sum() == pytest.approx(theirs.std(axis=0).sum(), rel=0.03)


@pytest.mark.parametrize("rules", [{}, {"hidden": "mean", "output": "mean"}])
def test_inference_equals_the_oracle_in_distribution(rules):
    rng = np.random.default_rng(1)
    weights = network((20, 40, 6), True, rng)
    images = rng.integers(0, 256, (3, 20)).astype(np.uint8)
    order = np.repeat(np.arange(3), REPETITIONS)
    kernel = SSNNKernel(steps=STEPS, theta=THETA, **rules)
    answers = kernel.infer(weights, images, order, seed=0)
    found = present(weights, images[order] / 255, steps=STEPS, theta=THETA, rng=rng, **rules)
    assert np.all(answers.output.sum(axis=1) == STEPS)
    for ours, theirs in (
        (answers.output, found.counts["output"]),
        (answers.membrane, found.membrane),
        (answers.rates, found.rates),
    ):
        for sample in range(3):
            rows = order == sample
            assert np.max(np.abs(scores(ours[rows].astype(float), theirs[rows].astype(float)))) < LIMIT["counts"]
    labels = np.array([0, 1, 2])[order]
    tied = answers.output == answers.output.max(axis=1, keepdims=True)
    by_spikes = np.argmax(np.where(tied, answers.membrane, -np.inf), axis=1)
    by_rates = np.argmax(answers.rates, axis=1)
    for ours, theirs in ((by_spikes, found.class_by_spikes()), (by_rates, found.class_by_rates())):
        # 6,000 answers: a standard deviation of at most 0.9 % for a difference
        assert np.mean(ours == labels) == pytest.approx(np.mean(theirs == labels), abs=0.035)


def test_steps_fall_linearly_to_zero():
    rng = np.random.default_rng(2)
    weights = network((20, 17, 5), False, rng)
    images, labels = np.full((1, 20), 255, np.uint8), np.array([0])
    kernel = SSNNKernel(steps=STEPS, theta=THETA, constants=SSNNConstants((0.3,), (1e-4, 1e-4), (0.0, 0.0)))
    sizes = []
    for done in (0, 50, 99):
        learned = kernel.train(weights, images, labels, np.array([0]), seed=3, done=done, total=100).weights
        sizes.append(np.linalg.norm(learned["W2"] - weights["W2"].astype(np.float32)))
    assert sizes[0] > 0 and sizes[1:] == pytest.approx([sizes[0] / 2, sizes[0] / 100], rel=0.05)


def test_same_seed_gives_same_weights():
    rng = np.random.default_rng(4)
    weights = network((20, 17, 5), False, rng)
    images, labels = rng.integers(0, 256, (30, 20)).astype(np.uint8), rng.integers(0, 5, 30)
    kernel = SSNNKernel(steps=STEPS, theta=THETA, constants=constants_of((0.3, 0.3), STEPS, THETA, 1.0))
    first, again, other = (kernel.train(weights, images, labels, np.arange(30), seed=seed).weights for seed in (0, 0, 1))
    for name in weights:
        np.testing.assert_array_equal(first[name], again[name])
        assert not np.array_equal(first[name], other[name])


def test_refuses_what_does_not_fit():
    weights = network((20, 17, 5), False, np.random.default_rng(0))
    images, labels, order = np.zeros((3, 20), np.uint8), np.array([0, 1, 2]), np.arange(3)
    with pytest.raises(ParameterError, match="output"):
        SSNNKernel(steps=2, theta=THETA, output="sum")
    kernel = SSNNKernel(steps=2, theta=THETA, constants=constants_of((0.1, 0.1), 2, THETA, 1.0))
    with pytest.raises(ParameterError, match="20 pixels"):
        kernel.infer(weights, images[:, 1:], order, seed=0)
    with pytest.raises(ParameterError, match="rows"):
        kernel.infer(weights, images, order + 1, seed=0)
    with pytest.raises(ParameterError, match="class indices"):
        kernel.train(weights, images, labels + 3, order, seed=0)
    with pytest.raises(ParameterError, match="total = 4"):
        kernel.train(weights, images, labels, order, seed=0, done=2, total=4)
    with pytest.raises(ParameterError, match="one entry per layer"):
        SSNNKernel(steps=2, theta=THETA).train(weights, images, labels, order, seed=0)
    with pytest.raises(ParameterError, match="columns"):
        kernel.infer({**weights, "W2": weights["W2"][1:]}, images, order, seed=0)


@pytest.mark.parametrize(("name", "value"), [("error", "margin"), ("h_lower", -0.5), ("o_upper", 2.0)])
def test_nbp_kernel_has_the_published_error_alone(name, value):
    with pytest.raises(ParameterError, match=f"{name} = {value!r} must be"):
        NBPKernel(NBP(n_in=4, hidden=(3,), n_out=2, **{name: value}))
