"""Faster code for any Brian2 script: ``import brianprop.dense`` makes the device ``dense_standalone`` known to Brian2.

    import brian2
    import brianprop.dense

    brian2.set_device("dense_standalone", directory="output")

The hints of `brianprop.models.dense` can be imported from here too.
"""

from brianprop.models.dense import DenseError, any_order, may_rest, only_where, silent_where_zero
from brianprop.models.dense.device import DenseStandaloneDevice

__all__ = ["DenseError", "DenseStandaloneDevice", "any_order", "may_rest", "only_where", "silent_where_zero"]
