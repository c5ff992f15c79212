"""Errors that the user can correct: each message names the value, where it came from, and the remedy."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

__all__ = ["BrianpropError", "BuildError", "DataError", "ParameterError", "RunError", "did_you_mean", "reason"]


class BrianpropError(Exception):
    """An error with one clear sentence and a remedy. The command line prints only that and exits with status 2."""


class ParameterError(BrianpropError):
    """A parameter is out of its range, not a number, or contradicts another.

    It is no ValueError, since the parser of the command line would take that for a fault of its own.
    """


class DataError(BrianpropError, ValueError):
    """Data, of a file or an array, are missing, damaged, or do not fit each other or the network. It is a ValueError too."""


class BuildError(BrianpropError):
    """The simulation could not be generated or compiled."""


class RunError(BrianpropError):
    """A run directory is missing, exists already, or cannot be written."""


def did_you_mean(value: object, choices: Iterable[str]) -> str:
    """The end of a message about an unknown name: `` Did you mean mnist?``, or nothing where no choice is similar."""
    close = difflib.get_close_matches(str(value), list(choices), n=1)
    return f" Did you mean {close[0]}?" if close else ""


def reason(error: BaseException) -> str:
    """Why something failed, in words: those of the system, of the error itself, or else its type."""
    return (isinstance(error, OSError) and error.strerror) or str(error) or type(error).__name__
