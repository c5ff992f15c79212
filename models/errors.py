"""Errors that the user can correct: each message names the value, where it came from, and the remedy."""

__all__ = ["BrianpropError", "BuildError", "DataError", "ParameterError", "RunError"]


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
