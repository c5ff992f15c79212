"""How the benchmarks take times: all cases in turn within each round, each long enough for the clock."""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

__all__ = ["Timed", "interleaved", "sample_order"]

#: A case is repeated until it has run for this long [s], so that the clock and the scheduler matter little.
LEAST_SECONDS = 0.2

Case = TypeVar("Case", bound=Hashable)


@dataclass(frozen=True)
class Timed:
    """One case: a way of computing a pass over samples.

    Attributes
    ----------
    run : callable
        Takes a number of passes; returns the seconds that their simulation loops took.
    samples : int
        Samples of one pass.
    """

    run: Callable[[int], float]
    samples: int

    def passes(self) -> int:
        """Number of passes that last `LEAST_SECONDS`; runs one pass, which also warms up the processor's caches."""
        return max(1, math.ceil(LEAST_SECONDS / self.run(1)))

    def microseconds(self, passes: int) -> float:
        """Time per sample [us]."""
        return 1e6 * self.run(passes) / (passes * self.samples)


def interleaved(cases: Mapping[Case, Timed], repeats: int) -> dict[Case, list[float]]:
    """Time all cases, one after another, in each of several rounds.

    Whatever else the machine does then affects all cases alike, and ratios can be taken within a round.

    Parameters
    ----------
    cases : dict of Timed
    repeats : int
        Number of rounds.

    Returns
    -------
    dict of list of float
        Time per sample [us] in each round, by case.
    """
    passes = {key: case.passes() for key, case in cases.items()}
    rounds: dict[Case, list[float]] = {key: [] for key in cases}
    for _ in range(repeats):
        for key, case in cases.items():
            rounds[key].append(case.microseconds(passes[key]))
    return rounds


def sample_order(n: int, samples: int, seed: int) -> np.ndarray:
    """Numbers of the samples of a pass, in random order; if the pass is longer than the data set, samples come again."""
    return np.resize(np.random.default_rng(seed).permutation(n), samples)
