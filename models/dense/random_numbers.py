"""Random numbers in generated code: calls of ``rand()`` and ``randn()`` become numbers of `random.h`."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

__all__ = ["DRAWN", "RANDOM_FUNCTIONS", "buffered", "code_lines", "draws", "replace_draws", "scalar_type"]

#: Calls in generated code that are replaced, with the name of the distribution in `random.h`.
DRAWN = {"_rand": "uniform", "_randn": "normal"}
CALL = re.compile(rf"\b({'|'.join(DRAWN)})\(_vectorisation_idx\)")

#: Functions of Brian2 that draw random numbers.
RANDOM_FUNCTIONS = {"rand", "randn", "poisson", "binomial"}


def code_lines(code: str | Sequence[str]) -> list[str]:
    """Generated code, which Brian2 gives as one text or as lines, as lines."""
    return code.split("\n") if isinstance(code, str) else list(code)


def draws(code: str | Sequence[str]) -> list[str]:
    """Distribution of each random number that code draws, ``uniform`` or ``normal``, in the order of the calls."""
    return [DRAWN[name] for name in CALL.findall("\n".join(code_lines(code)))]


def replace_draws(code: str | Sequence[str], form: str) -> list[str]:
    """Code in which every call that draws a random number is replaced.

    Parameters
    ----------
    code : str or lines
        Generated code.
    form : str
        The replacement, with ``{name}`` for the distribution and ``{number}`` for the number of the call in this code.
    """
    number = iter(range(len(draws(code))))
    return [CALL.sub(lambda call: form.format(name=DRAWN[call[1]], number=next(number)), line) for line in code_lines(code)]


def buffered(code: str | Sequence[str]) -> list[str]:
    """Code that reads its random numbers from arrays ``_random_0``, ``_random_1``, ..., at the index of the neuron."""
    return replace_draws(code, "_random_{number}[_idx]")


def scalar_type() -> str:
    """C++ type of Brian2's floating point variables, as the preferences say."""
    from brian2 import prefs

    return "float" if prefs["core.default_float_dtype"] == np.float32 else "double"
