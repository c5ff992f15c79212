"""Tests, confidence intervals and effect sizes, on numbers: over seeds, and over test images.

The distributions and tests are those of SciPy. Holm's correction and the interval of an effect size, which it lacks, follow
from them in a few lines; statsmodels would be one more dependency, and has no public function for the latter.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

__all__ = ["LEVEL", "Tested", "described", "holm", "mcnemar", "mean_interval", "paired", "unpaired"]

#: Share of confidence intervals that hold the true value.
LEVEL = 0.95

#: Differences of accuracies that are smaller are rounding errors: of a million images, one makes more.
NOTHING = 1e-9

#: Largest t for which the noncentral distribution is asked.
LARGE = 1000.0


@dataclass(frozen=True)
class Tested:
    """The difference of two kinds of runs, A minus B. What the runs do not tell is NaN.

    Attributes
    ----------
    test : str
        ``paired t``, ``Welch's t``, or why there is none.
    difference, sd : float
        Mean difference; sample standard deviation of the paired differences, or that of A and B pooled.
    low, high : float
        Interval of the mean difference.
    p : float
        Two-sided, of the t test.
    p_wilcoxon : float
        Two-sided, of Wilcoxon's signed-rank test of the paired differences; it cannot be below 2 / 2^n.
    d, d_low, d_high : float
        Cohen's d and its interval: the mean difference in units of `sd`.
    g : float
        d with the correction of Hedges (1981, doi 10.3102/10769986006002107): d is too large where seeds are few.
    """

    test: str
    difference: float
    sd: float = math.nan
    low: float = math.nan
    high: float = math.nan
    p: float = math.nan
    p_wilcoxon: float = math.nan
    d: float = math.nan
    d_low: float = math.nan
    d_high: float = math.nan
    g: float = math.nan


def mean_interval(values: ArrayLike, level: float = LEVEL) -> tuple[float, float]:
    """The confidence interval of a mean by Student's t; NaN for a single value.

    Parameters
    ----------
    values : array-like, shape (n,)
    level : float

    Returns
    -------
    low, high : float
    """
    values = np.asarray(values, float)
    if len(values) < 2:
        return math.nan, math.nan
    from scipy.special import stdtrit  # loads in a tenth of the time of scipy.stats

    half = float(stdtrit(len(values) - 1, (1 + level) / 2)) * float(values.std(ddof=1)) / math.sqrt(len(values))
    return float(values.mean()) - half, float(values.mean()) + half


def described(values: Sequence[float]) -> dict[str, float]:
    """``mean``, ``sd`` (sample standard deviation), and ``low`` and ``high`` of `mean_interval`; NaN if it has none."""
    low, high = mean_interval(values)
    sd = statistics.stdev(values) if len(values) > 1 else math.nan
    return {"mean": statistics.fmean(values), "sd": sd, "low": low, "high": high}


def paired(a: ArrayLike, b: ArrayLike, level: float = LEVEL) -> Tested:
    """Compare two kinds of runs that have the same seeds, by Student's paired t test.

    Parameters
    ----------
    a, b : array-like, shape (n,)
        Values of the same seeds in the same order.
    level : float
        Of the intervals.
    """
    from scipy.stats import ttest_rel, wilcoxon

    a, b = np.asarray(a, float), np.asarray(b, float)
    differences, n = a - b, len(a)
    mean = float(differences.mean())
    if n < 2:
        return Tested("none: one seed", mean)
    sd = float(differences.std(ddof=1))
    if sd < NOTHING:
        return Tested("none: every seed has the same difference", mean, 0.0)
    found: Any = ttest_rel(a, b)
    interval = found.confidence_interval(level)
    signed: Any = wilcoxon(differences)
    return Tested(
        "paired t",
        mean,
        sd,
        float(interval.low),
        float(interval.high),
        float(found.pvalue),
        float(signed.pvalue),
        *_effect(float(found.statistic), n - 1, 1 / math.sqrt(n), level),
    )


def unpaired(a: ArrayLike, b: ArrayLike, level: float = LEVEL) -> Tested:
    """Compare two kinds of runs without common seeds, by Welch's t test.

    Parameters
    ----------
    a : array-like, shape (n_a,)
    b : array-like, shape (n_b,)
    level : float
        Of the intervals. That of d takes both variances as equal.
    """
    from scipy.stats import ttest_ind

    a, b = np.asarray(a, float), np.asarray(b, float)
    mean, degrees = float(a.mean() - b.mean()), len(a) + len(b) - 2
    if min(len(a), len(b)) < 2:
        return Tested("none: one seed", mean)
    sd = math.sqrt(((len(a) - 1) * a.var(ddof=1) + (len(b) - 1) * b.var(ddof=1)) / degrees)
    if sd < NOTHING:
        return Tested("none: no seed differs from another", mean, 0.0)
    found: Any = ttest_ind(a, b, equal_var=False)
    interval = found.confidence_interval(level)
    scale = math.sqrt(1 / len(a) + 1 / len(b))
    effect = _effect(mean / (sd * scale), degrees, scale, level)
    return Tested("Welch's t", mean, sd, float(interval.low), float(interval.high), float(found.pvalue), math.nan, *effect)


def _effect(t: float, degrees: int, scale: float, level: float) -> tuple[float, float, float, float]:
    """d = t times `scale`, its interval, and g.

    The interval has the ends at which the noncentral t distribution gives t the probabilities of the two tails (Cumming & Finch
    2001, doi 10.1177/0013164401614002).
    """
    from scipy.optimize import brentq
    from scipy.special import gammaln
    from scipy.stats import nct, norm

    size, tail = min(abs(t), LARGE), (1 + level) / 2
    scale *= max(abs(t) / LARGE, 1)  # beyond, the ends grow as t does, and SciPy's distribution fails
    # at the first end more than `tail` lies below 0 and so below t; at the other hardly anything does, whatever the degrees
    ends = -1.01 * float(norm.ppf(tail)), 5 * size + 10
    low, high = (
        scale * float(np.asarray(brentq(lambda noncentrality, p=p: nct.cdf(size, degrees, noncentrality) - p, *ends)))
        for p in (tail, 1 - tail)
    )
    low, high = (low, high) if t >= 0 else (-high, -low)
    d = math.copysign(scale * size, t)
    correction = math.nan
    if degrees > 1:  # with two seeds there is none
        correction = math.exp(gammaln(degrees / 2) - gammaln((degrees - 1) / 2)) * math.sqrt(2 / degrees)
    return d, low, high, correction * d


def holm(p: Sequence[float]) -> list[float]:
    """Correct p for so many comparisons, after S. Holm, Scand. J. Stat. 6(2), 65 (1979).

    Parameters
    ----------
    p : sequence of float
        NaN where nothing was tested, which does not count.
    """
    values = np.asarray(p, float)
    tested = np.flatnonzero(~np.isnan(values))
    order = tested[np.argsort(values[tested], kind="stable")]
    corrected = np.full(len(values), math.nan)
    corrected[order] = np.minimum(np.maximum.accumulate(values[order] * np.arange(len(order), 0, -1)), 1)
    return corrected.tolist()


def mcnemar(only_a: int, only_b: int) -> float:
    """McNemar's test, two-sided and exact: whether two networks answer the same images equally well.

    Of the images that one network alone answers right, each has it with probability 1/2 (Q. McNemar, Psychometrika 12(2), 153
    (1947); the binomial distribution in place of chi squared).

    Parameters
    ----------
    only_a, only_b : int
        Images that A, and that B alone answers right.
    """
    from scipy.stats import binomtest

    return float(binomtest(only_a, only_a + only_b).pvalue) if only_a + only_b else 1.0
