"""The error of dense code generation."""

__all__ = ["DenseError"]


class DenseError(Exception):
    """Dense code cannot be generated for an object, or a promise about it is wrong."""
