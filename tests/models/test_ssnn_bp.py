"""SSNN-BP against an independent oracle: spike for spike where chance plays no part, by statistics where it does.

Each statistical test states its error rate: the probability that a correct circuit fails it. All seeds are fixed, so a test
that passes once passes always; the rates say how much a pass is worth.
"""

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from scipy import stats

from brianprop.experiments.data import encoding
from brianprop.experiments.data import images as datasets
from brianprop.models.errors import ParameterError
from brianprop.models.simulation import simulator
from brianprop.models.ssnn_bp.model import SSNNModel
from brianprop.models.ssnn_bp.oracle import clipped_relu_gradient, equivalent_ann, present, scaling, softmax
from brianprop.models.ssnn_bp.parameters import SSNN, initial_weights, pack, unpack

#: One network for most tests, so that they share builds; T, drives and steps are set at run time.
PLAIN = SSNN(n_in=64, hidden=(20,), n_out=10, steps=8, annealed=False)
#: Two hidden layers and all that changes the generated code.
FULL = replace(PLAIN, hidden=(14, 12), biases=True, dropout=0.25, weight_decay=0.1)

#: Probability that a correct circuit fails one of the statistical tests.
ERROR_RATE = 1e-4


@pytest.fixture(scope="module")
def digits():
    """Grey values of 8 x 8 digits, uint8 of shape (1500, 64), and their labels."""
    dataset = datasets.load("digits")
    return dataset.train.images.reshape(len(dataset.train.images), -1), dataset.train.labels


@cache
def ready(structure: SSNN, learns: bool, codegen: str = "dense", device: str = "cpp_standalone"):
    return simulator(SSNNModel(structure, learns), codegen=codegen, device=device)


def simulate(
    parameters: SSNN, weights, images, labels=None, *, first=0, n_total=1, recorded=True, codegen="dense", seed=1, **kind
):
    """Present all images once; T, drives, steps and bounds may differ from those of the build."""
    learns = labels is not None
    model = SSNNModel(parameters, learns, n_total)
    built = ready(PLAIN if not (parameters.biases or parameters.options) else parameters, learns, codegen, **kind)
    assert built.model.structure() == model.structure()
    built.model = model
    targets = encoding.one_hot(labels, parameters.n_out) if learns else None
    n_samples = len(images)
    return model, built.run(
        weights,
        model.stimuli(images, targets),
        np.arange(n_samples),
        noise_seed=seed,
        n_recorded=n_samples if recorded else 0,
        first=first,
    )


def trains(model: SSNNModel, result, n_samples: int) -> dict[str, np.ndarray]:
    """Spikes of every population as a bool array of shape (n_samples, T, n), under the oracle's names."""
    steps = model.parameters.steps
    names = {"output plus": "e_plus", "output minus": "e_minus"}
    found = {}
    population, neuron, step = result.recorded
    for place, (name, size) in enumerate(model.populations):
        spikes = np.zeros((n_samples * steps, size), bool)
        mine = population == place
        spikes[step[mine], neuron[mine]] = True
        layer, _, sign = name.partition(" ")
        own = names.get(name, f"d{layer.removeprefix('hidden')}_{sign}" if sign else name)
        found[own] = spikes.reshape(n_samples, steps, size)
    return found


def constants(parameters: SSNN):
    return scaling(parameters.learning_rates, parameters.steps, parameters.theta, parameters.gain, parameters.dropout)


def oracle(parameters: SSNN, weights, images, labels=None, seed=2, **options):
    learning = {"constants": constants(parameters), "dropout": parameters.dropout} if labels is not None else {}
    return present(
        weights,
        images / 255,
        labels,
        steps=parameters.steps,
        theta=parameters.theta,
        hidden=parameters.hidden_drive if learning else parameters.answer_drive or parameters.hidden_drive,
        output=parameters.output_drive if learning else parameters.answer_drive or parameters.output_drive,
        backward=parameters.backward_drive,
        rng=np.random.default_rng(seed),
        **learning,
        **options,
    )


def assert_same_means(found: np.ndarray, expected: np.ndarray, name: str, tests: int) -> None:
    """Two samples of shape (R, n) have the same mean in every column: Welch's test, Bonferroni's correction.

    Columns in which events are rare in both samples are compared by Fisher's exact test of their presence.
    """
    level = ERROR_RATE / tests / found.shape[1]
    for column, (a, b) in enumerate(zip(found.T.astype(float), expected.T.astype(float), strict=True)):
        present_a, present_b = np.count_nonzero(a), np.count_nonzero(b)
        if min(present_a, present_b) < 25:
            table = [[present_a, len(a) - present_a], [present_b, len(b) - present_b]]
            p = stats.fisher_exact(table).pvalue
        else:
            p = stats.ttest_ind(a, b, equal_var=False).pvalue
        assert p > level, f"{name}[{column}]: {a.mean():.5g} against {b.mean():.5g}, p = {p:.2g}"


# Steps of learning that are powers of two and so small that weights do not notice them, but exact in single precision: the
# sum of all updates is read from the weights, while every sample meets the same network.
TINY = 2.0**-23


def tiny_steps(parameters: SSNN) -> SSNN:
    return replace(
        parameters,
        rate_hidden=TINY * parameters.steps * parameters.gain,
        rate_out=TINY * parameters.steps / parameters.theta**2,
    )


VARIANTS = {
    "memoryless": {},
    "mean": {"hidden_drive": "mean", "output_drive": "mean", "backward_drive": "mean"},
    "gain": {"output_drive": "mean", "gain": 4.0, "theta": 1.0, "steps": 5},
}


@pytest.mark.parametrize(("variant", "codegen"), [*((variant, "dense") for variant in VARIANTS), ("memoryless", "stock")])
def test_counts_and_updates_have_the_means_of_the_oracle(variant, codegen, digits):
    images, labels = (np.tile(part, (2, 1)[: part.ndim])[:2000] for part in digits)
    parameters = tiny_steps(replace(PLAIN, **VARIANTS[variant]))
    weights = initial_weights(parameters, 3)
    model, result = simulate(parameters, weights, images, labels, codegen=codegen)
    expected = oracle(parameters, weights, images, labels, apply=False)
    found = {name: spikes.sum(axis=1) for name, spikes in trains(model, result, len(images)).items()}
    assert set(found) == set(expected.counts)
    for name, counts in found.items():
        assert_same_means(counts, expected.counts[name], name, tests=len(found) + 2)
    assert np.array_equal(result.counts, found["output"])
    for name, updates in expected.updates.items():
        change = (result.weights[name].astype(float) - weights[name]) / len(images)
        updates, change = updates.reshape(len(images), -1), change.ravel()
        # weights that seldom change are no normal variables: they are judged by their sum
        usual = np.count_nonzero(updates, axis=0) >= 25
        updates = np.column_stack([updates[:, usual], updates[:, ~usual].sum(axis=1)])
        change = np.append(change[usual], change[~usual].sum())
        spread = updates.std(axis=0, ddof=1) * np.sqrt(2 / len(images))
        deviation = np.abs(change - updates.mean(axis=0)) / np.where(spread > 0, spread, np.inf)
        limit = stats.norm.isf(ERROR_RATE / (len(found) + 2) / 2 / change.size)
        assert deviation.max() < limit, f"{name}: {deviation.max():.2f} standard errors, limit {limit:.2f}"
        # updates are not just noise around 0
        assert np.abs(change / np.where(spread > 0, spread, np.inf)).max() > 10


def test_two_layers_with_biases_and_dropout_have_the_means_of_the_oracle(digits):
    images, labels = digits
    parameters = tiny_steps(replace(FULL, weight_decay=1e-12))
    weights = initial_weights(parameters, 4) | {"b1": np.linspace(-0.4, 0.4, 14, dtype=np.float32)}
    weights |= {"b2": np.linspace(-0.2, 0.6, 12, dtype=np.float32), "b3": np.linspace(-1, 1, 10, dtype=np.float32)}
    model, result = simulate(parameters, weights, images, labels)
    expected = oracle(parameters, weights, images, labels, apply=False)
    found = {name: spikes.sum(axis=1) for name, spikes in trains(model, result, len(images)).items()}
    assert set(found) == set(expected.counts)
    for name, counts in found.items():
        assert_same_means(counts, expected.counts[name], name, tests=len(found))
    # a neuron that is left out is silent for a whole turn
    assert np.mean(found["hidden2"].sum(axis=1) == 0) < 0.5
    answers, reference = simulate(parameters, weights, images)[1], oracle(parameters, weights, images)
    assert_same_means(answers.counts, reference.counts["output"], "output", tests=3)
    assert_same_means(answers.rates, reference.rates, "rates", tests=3)
    assert_same_means(answers.membrane, reference.membrane, "membrane", tests=3)


@pytest.mark.parametrize("drives", [("memoryless", None), ("memoryless", "mean"), ("mean", "memoryless")])
def test_answers_have_the_means_of_the_oracle_whatever_the_drive_while_learning(drives, digits):
    images, _ = digits
    parameters = replace(PLAIN, hidden_drive=drives[0], output_drive=drives[0], answer_drive=drives[1])
    weights = initial_weights(parameters, 5)
    answers, reference = simulate(parameters, weights, images)[1], oracle(parameters, weights, images)
    for name, one, other in (
        ("output", answers.counts, reference.counts["output"]),
        ("rates", answers.rates, reference.rates),
        ("membrane", answers.membrane, reference.membrane),
    ):
        assert_same_means(one, other, name, tests=3)
    # the drive while learning does not count
    drive = drives[1] or drives[0]
    steady = replace(parameters, hidden_drive=drive, output_drive=drive, answer_drive=None)
    np.testing.assert_array_equal(simulate(steady, weights, images)[1].rates, answers.rates)
    other = {"mean": "memoryless", "memoryless": "mean"}[drive]
    assert not np.array_equal(simulate(replace(steady, answer_drive=other), weights, images)[1].rates, answers.rates)


def test_winner_follows_softmax(digits):
    """Chi-square on 40,000 steps; one winner in each of them. Error rate 1e-4."""
    membrane = np.array([0.0, -2.0, 1.5, 0.3, -0.7, 2.0, 0.1, -4.0, 1.0, 0.9])
    parameters = replace(PLAIN, steps=40)
    weights = {"W1": np.zeros((64, 20)), "W2": np.zeros((20, 10)), "b2": membrane}
    images = np.repeat(digits[0][:1], 1000, axis=0)
    model, result = simulate(parameters, weights, images)
    assert np.all(trains(model, result, 1000)["output"].sum(axis=2) == 1)
    assert np.all(result.counts.sum(axis=1) == 40)
    assert stats.chisquare(result.counts.sum(axis=0), 40_000 * softmax(membrane)).pvalue > ERROR_RATE
    assert np.allclose(result.rates, softmax(membrane), rtol=1e-5)
    # steps are independent of one another
    winners = trains(model, result, 1000)["output"].argmax(axis=2)
    pairs = np.histogram2d(winners[:, :-1].ravel(), winners[:, 1:].ravel(), bins=10)[0]
    usual = pairs.sum(axis=1) > 500
    assert stats.chi2_contingency(pairs[np.ix_(usual, usual)]).pvalue > ERROR_RATE


def test_exactly_one_winner_even_with_equal_membranes(digits):
    """Neurons that are all equal still leave one winner, the same for all on average (chi-square, error rate 1e-4)."""
    weights = {"W1": np.zeros((64, 20)), "W2": np.zeros((20, 10))}
    model, result = simulate(PLAIN, weights, np.repeat(digits[0][:1], 1500, axis=0))
    assert np.all(trains(model, result, 1500)["output"].sum(axis=2) == 1)
    assert stats.chisquare(result.counts.sum(axis=0)).pvalue > ERROR_RATE


def deterministic_network():
    """A network in which chance plays no part.

    Pixels are black or white. Hidden weights are even numbers, give or take 2^-17, and learn in steps of 4: a drive is 0 or
    less, theta or more, or so close to either that the neuron is open for gradients and yet fires in all but one of 2^18 steps,
    or in one of them. The backward drive is a whole number, 32 of which are more than enough for a gradient spike. Membranes
    differ by 16 at least, through a first hidden neuron that always fires: their order decides, but for one in 10^7 steps.
    Of some thousand such choices one goes astray with probability 0.01.
    """
    parameters = SSNN(
        n_in=6, hidden=(8,), n_out=4, steps=3, theta=2.0, rate_hidden=768.0, rate_out=48.0, gain=64.0, annealed=False
    )
    tiny = 2.0**-17
    w1 = np.zeros((6, 8))
    w1[0] = [0, 2 - tiny, tiny, -2, 2 - tiny, tiny, 4, 2 - tiny]
    w1[1] = [0, 0, 2, 6, tiny, -2, 0, -2]
    w1[3] = [0, -2 + tiny, 2 - tiny, tiny, 0, 2, -4, 0]
    w1[5, 0] = 60
    w2 = 64.0 * np.array(
        [[0, 0, 0, 0], [1, 2, -1, 0], [0, -1, 1, 1], [0, 2, 3, -1], [-1, -2, 4, 0], [1, 0, -1, 1], [2, -1, 0, -3], [0, 1, 0, 1]]
    )
    w2[0] = [0, 16, 32, 48]
    images = np.array([[1, 0, 0, 0, 0], [1, 1, 0, 0, 0], [0, 0, 0, 1, 0], [1, 0, 1, 1, 0], [0, 1, 0, 0, 1]] * 4, np.uint8)
    images = np.concatenate([images, np.ones((20, 1), np.uint8)], axis=1)
    labels = np.array([3, 1, 0, 2, 2, 0, 2, 3, 1, 1, 2, 0, 1, 3, 0, 1, 3, 2, 0, 1])
    return parameters, {"W1": w1, "W2": w2}, 255 * images, labels


@pytest.mark.parametrize(("kind", "n"), [({}, 20), ({"codegen": "stock", "device": "numpy"}, 5)], ids=["dense", "numpy"])
def test_events_of_a_step_come_in_the_specified_order(kind, n):
    """Every spike and every weight of turns of three steps, in dense code and in Brian2's NumPy runtime."""
    parameters, fresh, images, labels = deterministic_network()
    weights = fresh
    model = SSNNModel(parameters, True)
    seen = dict.fromkeys(("e_plus", "d1_plus", "d1_minus", "hidden1"), 0)
    with simulator(model, **kind) as own:
        for sample in range(n):
            part = slice(sample, sample + 1)
            stimuli = model.stimuli(images[part], encoding.one_hot(labels[part], 4))
            result = own.run(weights, stimuli, np.zeros(1, int), noise_seed=sample, n_recorded=1)
            expected = oracle(parameters, weights, images[part], labels[part], record=True)
            found = trains(model, result, 1)
            for name, spikes in expected.spikes.items():
                assert np.array_equal(found[name][0], np.array(spikes)[:, 0]), f"{name} in turn {sample}"
            for name, update in expected.updates.items():
                assert np.array_equal(result.weights[name], weights[name] + update[0]), f"{name} in turn {sample}"
            seen = {name: count + np.count_nonzero(found[name]) for name, count in seen.items()}
            weights = result.weights if sample % 2 == 0 else fresh  # learning closes gates
    assert min(seen.values()) >= n / 3, seen  # every kind of event has happened


def test_a_sample_finds_the_network_as_the_one_before_found_it(digits):
    """The same image after itself and after others: the same distribution of hidden and output spikes, in running means."""
    images, _ = digits
    parameters = replace(PLAIN, hidden_drive="mean", output_drive="mean", steps=6)
    weights = initial_weights(parameters, 5)
    alone = np.repeat(images[:1], 2000, axis=0)
    mixed = alone.copy()
    mixed[::2] = images[1:1001]
    model, after_itself = simulate(parameters, weights, alone, seed=3)
    _, after_others = simulate(parameters, weights, mixed, seed=4)
    for name in ("hidden1", "output"):
        first, second = (trains(model, result, 2000)[name].sum(axis=1)[1::2] for result in (after_itself, after_others))
        assert_same_means(first, second, name, tests=2)
    # the first step of a turn owes nothing to the last of the one before
    hidden = trains(model, after_itself, 2000)["hidden1"]
    early, late = hidden[1:, 0].sum(axis=1), hidden[:-1, -1].sum(axis=1)
    assert stats.pearsonr(early, late).pvalue > ERROR_RATE


def test_expected_update_of_running_means_is_that_of_backpropagation(digits):
    """Towards the gradient of clipped ReLUs as T grows, no slower than 1 / sqrt(T)."""
    image, label = digits[0][7:8], digits[1][7:8]
    lengths = np.array([4, 16, 64, 256])
    errors, cosines = [], []
    for steps in lengths:
        rules = replace(PLAIN, steps=int(steps), gain=0.25, hidden_drive="mean", output_drive="mean")
        parameters = tiny_steps(rules)
        weights = initial_weights(parameters, 9)
        # constant biases keep every drive away from 0 and theta, where gates would be decided by noise for long
        weights["b1"] = np.tile([1.0, -1.0], 10) - (image / 255 @ weights["W1"])[0]
        # many samples, for sampling noise to fall faster than what is looked for; a few at a time, so that weights stay
        n, runs = max(1, 20_000 // int(steps)), int(4 * np.sqrt(steps))
        change = {"W1": 0.0, "W2": 0.0}
        for run in range(runs):
            _, result = simulate(
                parameters, weights, np.repeat(image, n, axis=0), np.repeat(label, n), recorded=False, seed=run
            )
            change = {name: sum_ + (result.weights[name].astype(float) - weights[name]) for name, sum_ in change.items()}
        _, gradient = clipped_relu_gradient(
            equivalent_ann(weights, parameters.theta), image / 255, label, clip=parameters.theta
        )
        change = equivalent_ann(change, parameters.theta)
        found, expected = [], []
        for rate, name in zip(parameters.learning_rates, change, strict=True):
            found.append(change[name].ravel() / (n * runs) / rate)
            expected.append(-gradient[name].ravel())
        found, expected = np.concatenate(found), np.concatenate(expected)
        cosines.append(found @ expected / np.linalg.norm(found) / np.linalg.norm(expected))
        errors.append(np.linalg.norm(found - expected) / np.linalg.norm(expected))
    decay = np.polyfit(np.log(lengths), np.log(errors), 1)[0]
    assert decay < -0.4, errors
    assert np.all(np.diff(cosines) > 0) and cosines[-1] > 0.99, cosines


def test_seeds(digits):
    images, labels = (part[:100] for part in digits)
    weights = initial_weights(PLAIN, 0)
    one, same, other = (simulate(PLAIN, weights, images, labels, seed=seed)[1] for seed in (5, 5, 6))
    assert np.array_equal(one.counts, same.counts)
    assert all(np.array_equal(one.weights[name], same.weights[name]) for name in weights)
    assert all(np.array_equal(a, b) for a, b in zip(one.recorded, same.recorded, strict=True))
    assert not np.array_equal(one.counts, other.counts)


def test_steps_fall_linearly_over_the_training(digits):
    """Halfway through the training steps are half as large, and at its end nothing is learned."""
    images, labels = (part[:200] for part in digits)
    # larger, since steps that are no powers of two are rounded
    parameters = replace(tiny_steps(PLAIN), annealed=True)
    parameters = replace(parameters, **{name: getattr(parameters, name) * 64 for name in ("rate_hidden", "rate_out")})
    weights = initial_weights(parameters, 0)
    n_total = 2**20
    change = {}
    for first in (0, n_total // 2, n_total):
        _, result = simulate(parameters, weights, images, labels, first=first, n_total=n_total)
        change[first] = np.abs(result.weights["W2"].astype(float) - weights["W2"]).sum()
    assert change[n_total // 2] == pytest.approx(change[0] / 2, rel=0.01)
    assert change[n_total] < 0.001 * change[0]


def test_weight_decay_and_bound(digits):
    """Without gradients weights fall by rate * decay once per sample; a bound holds in every step."""
    images, labels = (part[:50] for part in digits)
    parameters = replace(FULL, rate_hidden=0.01, rate_out=0.02)
    weights = initial_weights(parameters, 0) | {"W3": np.zeros((12, 10), np.float32)}
    _, result = simulate(parameters, weights, images, labels)
    # W3 starts at 0 and learns, W1 sees gradients through it: only rows of black pixels do nothing but decay
    black = np.all(images == 0, axis=0)
    assert black.sum() >= 3
    factor = (1 - 0.01 * parameters.weight_decay) ** len(images)
    assert np.allclose(result.weights["W1"][black], weights["W1"][black] * factor, rtol=1e-5)
    bounded = replace(PLAIN, rate_hidden=2.0, rate_out=2.0, w_max=0.3)
    _, result = simulate(bounded, initial_weights(bounded, 0), images, labels)
    assert max(np.abs(matrix).max() for matrix in result.weights.values()) == pytest.approx(0.3)


DEVICE = replace(PLAIN, w_max=1.0, levels=33, asymmetry=0.2, soft_bounds=True, update_noise=0.3)


def test_resistive_device(digits):
    """Levels hold exactly; mean and variance of an update are those of the equations (5 standard errors: rate 6e-7)."""
    images, labels = (np.tile(part, (2, 1)[: part.ndim])[:2000] for part in digits)
    level = DEVICE.level
    assert level == 1 / 16
    parameters = replace(DEVICE, rate_hidden=0.02, rate_out=0.0025)
    weights = initial_weights(parameters, 1)
    _, result = simulate(parameters, weights, images[:300], labels[:300])
    for matrix in result.weights.values():
        assert np.allclose(matrix / level, np.rint(matrix / level), atol=1e-4)
        assert np.abs(matrix).max() <= 1
        assert len(np.unique(np.rint(matrix / level))) > 20
    # one turn of one step: a coincidence is 0, 1 or more levels, with the mean of the equations
    once = replace(parameters, steps=1, rate_out=0.025)
    changes = {sign: {} for sign in "+-"}
    for value in (-0.5, 0.0, 0.5):
        weights = {"W1": np.full((64, 20), 0.5), "W2": np.full((20, 10), value)}
        for seed in range(40):
            model, result = simulate(once, weights, images[seed : seed + 1], labels[seed : seed + 1], seed=seed)
            spikes = trains(model, result, 1)
            for sign, event in (("+", "e_plus"), ("-", "e_minus")):
                pairs = np.outer(spikes["hidden1"][0, 0], spikes[event][0, 0])
                step = (result.weights["W2"] - value)[pairs] / level
                assert np.allclose(step, np.rint(step), atol=1e-3)
                changes[sign].setdefault(value, []).append(step)
    eta = once.weight_steps[1] / level
    for sign, factor in (("+", 1), ("-", -1)):
        for value, parts in changes[sign].items():
            found = np.concatenate(parts)
            expected = factor * eta * (1 + factor * 0.2) * (1 - factor * value)
            assert len(found) > 300
            assert abs(found.mean() - expected) < 5 * found.std() / np.sqrt(len(found)), (sign, value, found.mean(), expected)


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"steps": 0}, "steps"),
        ({"theta": float("nan")}, "theta"),
        ({"dropout": 1.0}, "dropout"),
        ({"hidden": ()}, "hidden"),
        ({"hidden_drive": "leaky"}, "hidden_drive"),
        ({"answer_drive": "leaky"}, "answer_drive"),
        ({"levels": 8}, "w-max"),
        ({"soft_bounds": True}, "w-max"),
        ({"rate_out": -1.0}, "rate_out"),
        ({"gain": "much"}, "gain"),
    ],
)
def test_bad_parameters_are_named(change, word):
    with pytest.raises(ParameterError, match=word):
        replace(PLAIN, **change)


def test_bad_stimuli_are_named(digits):
    model = SSNNModel(PLAIN, True)
    with pytest.raises(ParameterError, match=r"Images .* 64"):
        model.stimuli(np.zeros((3, 5), np.uint8), np.zeros((3, 10)))
    with pytest.raises(ParameterError, match=r"Targets .* 10"):
        model.stimuli(digits[0][:3], np.zeros((3, 4)))


def test_events_are_presented_bit_for_bit_and_counted_as_by_the_oracle(digits):
    """Input spikes are those that were given, in every step; means of all other counts. Error rate 1e-4."""
    rng = np.random.default_rng(3)
    for steps in (3, 16, 17):  # within a byte, at its end, behind it
        frames = rng.random((40, steps, 64)) < 0.3
        np.testing.assert_array_equal(unpack(pack(frames), steps), frames)
    # the size of N-MNIST, as in tests/test_event_frames.py
    parameters = tiny_steps(replace(PLAIN, n_in=2312, events=True, steps=11))
    frames = rng.random((600, 11, 2312)) < 0.05 * rng.random(2312)
    labels = digits[1][:600]
    weights = initial_weights(parameters, 3)
    learner = SSNNModel(parameters, True)
    targets = encoding.one_hot(labels, 10)
    with simulator(learner) as ready:
        result = ready.run(weights, learner.stimuli(pack(frames), targets), np.arange(600), noise_seed=1, n_recorded=600)
    found = trains(learner, result, 600)
    np.testing.assert_array_equal(found["input"], frames)
    expected = oracle(parameters, weights, 255 * frames, labels, apply=False)
    found = {name: spikes.sum(axis=1) for name, spikes in found.items()}
    np.testing.assert_array_equal(found.pop("input"), expected.counts["input"])
    for name, counts in found.items():
        assert_same_means(counts, expected.counts[name], name, tests=len(found))
    assert found["hidden1"].mean() > 0.3 and found["e_plus"].sum() > 100
    with pytest.raises(ParameterError, match=r"needs \(n, 4624\)"):
        learner.stimuli(frames[:, 0].astype(np.uint8), targets)
