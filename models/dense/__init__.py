"""Faster code for Brian2's C++ standalone mode: dense pathways and thresholds, without a fork of Brian2.

Any Brian2 script can use it. This folder imports nothing of the rest of the project::

    from brianprop.models.dense import add_sources, any_order, dense_codeobj_class, may_rest, only_where

    dense = dense_codeobj_class()                       # None where it does not apply: then Brian2's own code is used
    synapses = Synapses(source, target, model, on_pre={"propagate": ..., "learn": ...}, codeobj_class=dense)
    only_where(synapses.learn, "y0_post")               # optional: the code changes nothing where y0_post is 0
    any_order(synapses.propagate)                       # optional: "v_post += w", sums of whole numbers
    may_rest(group)                                     # optional: all that writes to its neurons is dense
    device.build(folder, additional_source_files=add_sources(folder))

The equations, rules and results stay the same; only the generated code changes:

- A pathway (on_pre, on_post, custom events) walks over runs of adjacent synapses (`runs.h`), in loops that the compiler
  vectorises. Delayed runs wait in a ring buffer; Brian2's queue of single synapses is not used.
- A pathway returns at once in steps without spikes. With `only_where`, it touches only those neurons where it can change
  something.
- With `any_order`, weights are summed over all spikes before they are added. The sum is reused when the same neurons spike
  again and the weights have not changed.
- A threshold sets flags in a loop without branches and then collects the indices.
- ``rand()`` and ``randn()`` become counter-based random numbers (`random.h`), so that loops which draw them vectorise too. They
  have the distribution of Brian2's numbers but other values, and follow from the same ``seed()``.
- After ``may_rest(group)``, blocks of neurons in which nothing changes are skipped until something is written to them.
- After ``one_step_memory(group, ...)``, spikes that cannot make a neuron fire are not delivered, if the loop over time
  steps says how many steps follow.

What the generated code relies on is checked. Refused with `DenseError` are other random functions in a pathway (``poisson``,
``binomial``), equations of a group that may rest which depend on time or random numbers, and OpenMP. A minor version of Brian2
that is not in `SUPPORTED` is used if dense code passes a test with it; otherwise Brian2's own code is used, with a warning.

device.py           the Brian2 device ``dense_standalone``: all of this without ``codeobj_class`` (``import brianprop.dense``)
events.py           what the templates of its pathways need to know
derive.py           hints that the device finds by itself
device_templates/   the templates of the device
hints.py            promises about pathways and groups that allow faster code
codeobject.py       the class for `codeobj_class`, and the C++ files that generated code needs
pathways.py         what the template of a pathway needs to know
groups.py           what the templates of state updates and thresholds need to know
random_numbers.py   calls that draw random numbers
units.py            files of code, joined into few translation units
errors.py           `DenseError`
versions.py         the versions of Brian2 with which dense code works
selftest.py         whether dense code works with the installed version of Brian2
templates/          templates of generated code, before those of Brian2
runs.h, runs.cpp    rows of adjacent synapses, delays, sums, blocks of neurons
events.h            stretches of synapses in the order of Brian2's queue, for the device
drives.h            packets of spikes that make no difference
steps.h             how many time steps follow
random.h            counter-based random numbers
"""

from .codeobject import add_sources, dense_codeobj_class
from .errors import DenseError
from .hints import any_order, may_rest, one_step_memory, only_where, silent_where_zero
from .versions import SUPPORTED, dense_supported

__all__ = [
    "SUPPORTED",
    "DenseError",
    "add_sources",
    "any_order",
    "dense_codeobj_class",
    "dense_supported",
    "may_rest",
    "one_step_memory",
    "only_where",
    "silent_where_zero",
]
