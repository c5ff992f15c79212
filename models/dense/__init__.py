"""Code generation for Brian2 scripts of any kind: templates that loop over rows of synapses and blocks of neurons."""

from brianprop.models.dense.generator import (
    SUPPORTED,
    add_sources,
    any_order,
    dense_codeobj_class,
    dense_supported,
    may_rest,
    only_where,
    silent_where_zero,
)

__all__ = [
    "SUPPORTED",
    "add_sources",
    "any_order",
    "dense_codeobj_class",
    "dense_supported",
    "may_rest",
    "only_where",
    "silent_where_zero",
]
