"""Errors that are the user's to mend: each message names the value, the place and the remedy."""

__all__ = ["BrianpropError", "BuildError", "DataError", "ParameterError", "RunError"]


class BrianpropError(Exception):
    """One clear sentence with a remedy; the command line prints it alone and exits with status 2."""


class ParameterError(BrianpropError):
    """A parameter is out of its range, not a number, or contradicts another."""


class DataError(BrianpropError):
    """A data file is missing, damaged, or does not fit its companion."""


class BuildError(BrianpropError):
    """The simulation could not be generated or compiled."""


class RunError(BrianpropError):
    """A run directory is missing, exists already, or cannot be written."""
