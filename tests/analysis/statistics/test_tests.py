"""Tests and intervals against closed forms, sums over all cases, and simulated draws."""

import itertools
import math

import numpy as np
import pytest

from brianprop.analysis.statistics.tests import holm, mcnemar, mean_interval, paired, unpaired


def test_interval_of_a_mean_by_the_tables_of_t():
    # t of 4 degrees of freedom leaves 2.5 % above 2.776445
    half = 2.776445 * math.sqrt(2.5) / math.sqrt(5)
    assert mean_interval([1, 2, 3, 4, 5]) == pytest.approx((3 - half, 3 + half), rel=1e-6)
    assert np.isnan(mean_interval([7.0])).all()


def test_paired_t_with_two_degrees_of_freedom_in_closed_form():
    found = paired([3.0, 5.0, 9.0], [2.0, 3.0, 6.0])  # differences 1, 2, 3
    t = 2 * math.sqrt(3)
    assert (found.test, found.difference, found.sd) == ("paired t", 2, 1)
    assert found.p == pytest.approx(1 - t / math.sqrt(t**2 + 2))
    # the quantile of t with two degrees: u sqrt(2 / (1 - u^2)), u = 0.95
    half = 0.95 * math.sqrt(2 / (1 - 0.95**2)) / math.sqrt(3)
    assert (found.low, found.high) == pytest.approx((2 - half, 2 + half))
    assert found.d == pytest.approx(2)
    # Hedges' exact factor: gamma(1) / (sqrt(2 / 2) gamma(1 / 2))
    assert found.g == pytest.approx(2 / math.sqrt(math.pi))


def test_two_seeds_by_the_distribution_of_cauchy():
    found = paired([1.0, 4.0], [0.0, 2.0])
    assert found.p == pytest.approx(1 - 2 / math.pi * math.atan(3))
    assert math.isnan(found.g)


@pytest.mark.parametrize("differences", [[1.0, 2.0, 3.0], [0.5, -0.25, 1.5, 2.5, 3.5], [-1.0, 2.0, 4.0, -8.0, 16.0, 32.0]])
def test_wilcoxon_by_all_signs(differences):
    ranks = np.argsort(np.argsort(np.abs(differences))) + 1
    sums = [np.dot(signs, ranks) for signs in itertools.product([-1, 1], repeat=len(ranks))]
    expected = np.mean(np.abs(sums) >= abs(np.dot(np.sign(differences), ranks)))
    assert paired(differences, np.zeros(len(differences))).p_wilcoxon == pytest.approx(expected)


@pytest.mark.parametrize("differences", [[1.0, 2.0, 3.0], [-1.0, -2.0, -3.0], [0.4, -0.3, 0.1, 0.2, 0.5, -0.2, 0.3]])
def test_the_ends_of_an_effect_size_leave_a_fortieth_on_each_side(differences):
    n, found = len(differences), paired(differences, np.zeros(len(differences)))
    draws = np.random.default_rng(0).normal(size=(n, 400_000))
    noise, sd = draws.mean(axis=0), draws.std(axis=0, ddof=1)
    for true, share in ((found.d_low, 0.975), (found.d_high, 0.025)):
        # how often so many seeds of this effect give at most the d that was found
        assert np.mean((true + noise) / sd <= found.d) == pytest.approx(share, abs=0.0015)


def test_effect_sizes_of_any_magnitude_have_intervals():
    for spread in 10.0 ** np.arange(-8, 3):
        found = paired([100 + spread, 100.0, 100 - spread / 3], [0.0, 0.0, 0.0])
        assert found.d_low < found.d < found.d_high
        other = paired([0.0, 0.0, 0.0], [100 + spread, 100.0, 100 - spread / 3])
        assert (other.d, other.d_low, other.d_high) == pytest.approx((-found.d, -found.d_high, -found.d_low))
    # so large that only the spread is uncertain: chi squared with two degrees has its quantiles at -2 log(1 - u)
    found = paired([100.0, 100 + 1e-6, 100 + 2e-6], np.zeros(3))
    ends = [math.sqrt(-math.log(1 - share)) for share in (0.025, 0.975)]
    assert (found.d_low / found.d, found.d_high / found.d) == pytest.approx(ends, rel=1e-4)


def test_welch_by_integration():
    found = unpaired([1.0, 2.0, 3.0], [2.0, 4.0, 6.0, 8.0])
    assert found.test == "Welch's t" and math.isnan(found.p_wilcoxon)
    # variances of the means: 1/3 and 5/3
    t, degrees = -3 / math.sqrt(2), 2**2 / ((1 / 3) ** 2 / 2 + (5 / 3) ** 2 / 3)
    constant = math.gamma((degrees + 1) / 2) / math.sqrt(degrees * math.pi) / math.gamma(degrees / 2)
    x = np.linspace(t, -t, 100_001)
    inside = np.sum(constant * (1 + x**2 / degrees) ** (-(degrees + 1) / 2)) * (x[1] - x[0])
    assert found.p == pytest.approx(1 - inside, rel=1e-3)
    assert found.difference == -3 and found.low < -3 < found.high
    # pooled: (2 * 1 + 3 * 20/3) / 5
    assert found.sd == pytest.approx(math.sqrt(4.4)) and found.d == pytest.approx(-3 / math.sqrt(4.4))
    assert found.d_low < found.d < found.d_high


@pytest.mark.parametrize(
    ("test", "a", "b", "words"),
    [
        (paired, [1.0], [2.0], "none: one seed"),
        (unpaired, [1.0, 2.0, 3.0], [2.0], "none: one seed"),
        (paired, [1.0, 2.0], [2.0, 3.0], "none: every seed has the same difference"),
        (unpaired, [1.0, 1.0], [2.0, 2.0], "none: no seed differs from another"),
    ],
)
def test_no_p_where_nothing_can_be_tested(test, a, b, words):
    found = test(a, b)
    assert found.test == words and found.difference == np.mean(a) - np.mean(b)
    assert np.isnan([found.p, found.p_wilcoxon, found.d, found.g]).all()


def test_holm_by_hand():
    # 4 * 0.005, 3 * 0.01, 2 * 0.03; the last, 0.04, may not be below the one before
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.4, 0.6]) == pytest.approx([0.8, 0.8]) and holm([0.9, 0.8]) == [1, 1]
    # what was not tested does not count
    assert holm([math.nan, 0.01, 0.02]) == pytest.approx([math.nan, 0.02, 0.02], nan_ok=True)
    assert holm([]) == []


@pytest.mark.parametrize(("only_a", "only_b"), [(0, 1), (5, 5), (2, 10), (10, 2), (30, 51), (0, 9)])
def test_mcnemar_by_the_binomial_coefficients(only_a, only_b):
    n = only_a + only_b
    tail = sum(math.comb(n, k) for k in range(min(only_a, only_b) + 1)) / 2**n
    assert mcnemar(only_a, only_b) == pytest.approx(min(2 * tail, 1))


def test_mcnemar_of_equal_answers():
    assert mcnemar(0, 0) == 1
