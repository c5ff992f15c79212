"""Pathways: what the template of a pathway needs to know in order to walk over rows of synapses."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .errors import DenseError
from .events import WRITE, apart
from .groups import array_name, blocks_type, drives, identity, resting_group, woken_parts
from .hints import ADDITION
from .random_numbers import RANDOM_FUNCTIONS, draws, replace_draws

__all__ = ["Plan", "Sum", "plan"]


@dataclass(frozen=True)
class Sum:
    """A pathway that only adds weights to a variable of its targets, in any order.

    Attributes
    ----------
    target : str
        Array of the variable of the targets.
    weights, name : str
        Array of the weights, and the name of the weights in Brian2.
    type : str
        C++ type of a weight.
    id : int
        Number of the array of weights, see `identity`.
    parts : int
        Populations that the targets consist of, see `any_order`.
    """

    target: str
    weights: str
    name: str
    type: str
    id: int
    parts: int


@dataclass(frozen=True)
class Copies:
    """Weights of side-by-side populations that are often the same; see `any_order`.

    Attributes
    ----------
    parts : int
        Number of these populations.
    weights : str
        Array of the weights.
    id : int
        Number of that array, see `identity`.
    runs : int
        Number of the pathway that sums them.
    alike : list of str or None
        The same is written to all of them as long as these arrays are equal in all populations; None where this is not known.
    """

    parts: int
    weights: str
    id: int
    runs: int
    alike: list[str] | None


@dataclass(frozen=True)
class Plan:
    """What the template of a pathway needs to know. Arrays are given by their C++ names.

    Attributes
    ----------
    id : int
        Number of the pathway, see `identity`.
    vector_code : list of str
        Code for one synapse.
    selecting_code : list of str
        The same, but it keeps the old values where the flag ``_flags[_k]`` is not set.
    spiking, other : str
        Arrays of the neurons at the spiking end and at the other end of each synapse.
    spiking_index, other_index : str
        C++ names of the indices of these neurons.
    events : str
        Array of the indices of the neurons that spike.
    n_events : int
        Index in that array at which their number is stored.
    delays, dt : str
        Array of the delays, and the time step [s].
    independent : bool
        Whether no synapse of a run writes to an element that another one reads or writes.
    blocks, blocks_spiking : str or None
        C++ type of the blocks of neurons at the other end and at the spiking end, see `blocks_type`.
    wakes, wakes_spiking : list of int
        Parts of the variables of these neurons that are woken.
    writes : list of int
        Numbers of the synaptic arrays that the code writes to.
    copies : Copies or None
        Set where the weights of several populations of the targets may be kept as one.
    sum : Sum or None
        Set where the pathway only adds weights in any order.
    constants : list of str
        Synaptic arrays that the code reads, if all are constant; otherwise empty.
    only_where : str or None
        The variable of the hint `only_where`. Its array and the range of the targets are `where_array`, `where_start` and
        `where_stop`.
    random : bool
        Whether the code draws random numbers, which it takes from ``_numbers``.
    waits : str or None
        C++ name of the drives that the pathway adds to, where what it adds has a bound and may wait; see `drives.h`.
    refuses : list of str
        Those that it adds to without a bound, or reads.
    """

    id: int
    vector_code: list[str]
    selecting_code: list[str]
    spiking: str
    other: str
    spiking_index: str
    other_index: str
    events: str
    n_events: int
    delays: str
    dt: str
    independent: bool
    blocks: str | None
    wakes: list[int]
    blocks_spiking: str | None
    wakes_spiking: list[int]
    writes: list[int]
    copies: Copies | None
    sum: Sum | None
    constants: list[str]
    only_where: str | None
    where_array: str
    where_start: int
    where_stop: int
    random: bool
    waits: str | None
    refuses: list[str]


def _sum(pathway, code: list[str], other_index: str) -> Sum | None:
    """The sum of a pathway with the hint `any_order`.

    None for other pathways, and for types whose sums might overflow or be less precise than the target.
    """
    from brian2.codegen.generators.cpp_generator import c_data_type

    parts = getattr(pathway, "any_order", 0)
    addition = re.fullmatch(ADDITION, pathway.code.strip())
    if not parts or addition is None:
        return None
    target_name, _, name = addition.groups()
    for item in pathway.synapses.contained_objects:
        abstract = str(getattr(item, "abstract_code", None) or "")
        if not hasattr(item, "eventspace_name") and re.search(rf"\b{name}\s*([-+*/]|//|%|\*\*)?=[^=]", abstract):
            raise DenseError(f"any_order({pathway.name}): {item.name} changes {name!r} too; leave any_order away.")
    dtype = np.dtype(pathway.synapses.variables[name].dtype)
    if dtype != np.int16 and (dtype.kind != "f" or dtype != pathway.target.variables[target_name].dtype):
        return None
    text = "\n".join(code)
    target = re.search(rf"(\w+)\[{other_index}\] = ", text)
    weights = re.search(rf"{name} = (\w+)\[_idx\];", text)
    if target is None or weights is None:
        raise DenseError(f"any_order({pathway.name}): its generated code is not understood; leave any_order away.")
    return Sum(target[1], weights[1], name, c_data_type(dtype), identity(weights[1]), parts)


def _drives(pathway, code: list[str], bounded: bool) -> tuple[str | None, list[str]]:
    """`Plan.waits` and `Plan.refuses`; `bounded` tells whether the largest weight is known when spikes are delivered."""
    addition = re.fullmatch(ADDITION, pathway.code.strip())
    arrays = set(re.findall(r"(\w+)\[", "\n".join(code)))
    waits, refuses = None, []
    for end in (pathway.target, pathway.source):
        group = resting_group(end)
        memory = getattr(group, "memory", None)
        if group is None or memory is None:
            continue
        if end is pathway.target and addition and addition[1] == memory.drive and bounded:
            waits = drives(group)
        elif drives(group) != waits and any(
            f"_ptr{array_name(group.variables[name])}" in arrays for name in (memory.state, memory.drive)
        ):
            refuses.append(drives(group))
    return waits, refuses


def _constant_synaptic_arrays(pathway, code: list[str]) -> list[str]:
    """The synaptic arrays that a pathway reads if all of them are constant, so that it writes to none; otherwise empty."""
    arrays = set(re.findall(r"(\w+)\[_idx\]", "\n".join(code)))
    constant = {
        f"_ptr{array_name(variable)}"
        for variable in pathway.synapses._registered_variables
        if variable.constant and not variable.name.startswith("_synaptic")
    }
    return sorted(arrays) if arrays <= constant else []


def _copies(pathway, code: list[str], written: list[tuple[str, str]], indices: tuple[str, str]) -> Copies | None:
    """The weights that a pathway may find or change as one for several populations, as `any_order` with `parts` allows.

    None where it leaves the weights alone, and where anything but pathways may read them during a run: that needs all of them
    at any time.
    """
    from brian2 import StateMonitor

    synapses = pathway.synapses
    summing = [item for item in synapses.contained_objects if getattr(item, "any_order", 1) > 1]
    sources = [getattr(ref(), "source", None) for ref in StateMonitor.__instances__()]
    watched = any(source is not None and source.name == synapses.name for source in sources)
    if len(summing) != 1 or watched or not all(hasattr(item, "eventspace_name") for item in synapses.contained_objects):
        return None
    addition = re.fullmatch(ADDITION, summing[0].code.strip())
    if addition is None:
        return None
    weights = synapses.variables[addition[3]]
    ours = f"_ptr{array_name(weights)}"
    if not any(ours in line for line in code):
        return None
    alike = None
    if all((array, index) == (ours, "_idx") for array, index in written) and pathway.prepost == summing[0].prepost:
        alike = _determining_arrays(code, {ours}, *indices)
    return Copies(
        summing[0].any_order, array_name(weights, access_data=False), identity(ours), identity(summing[0].name), alike
    )


def _determining_arrays(code: list[str], written: set[str], other_index: str, spiking_index: str) -> list[str] | None:
    """The arrays of the other end that, together with the spikes, determine what a pathway writes to its synapses.

    None where this also depends on other variables of the synapse or on the index of a neuron.
    """
    text = "\n".join(code)
    if {array for array in re.findall(r"(\w+)\[_idx\]", text)} - written:
        return None
    if re.search(rf"\b({other_index}|{spiking_index}|_idx|_vectorisation_idx)\b(?!\])", text):
        return None
    return sorted(set(re.findall(rf"(\w+)\[{other_index}\]", text)))


def plan(pathway, vector_code: str | Sequence[str]) -> Plan:
    """Plan the code of a pathway. Raises DenseError with the reason where it cannot be dense."""
    from brian2 import prefs
    from brian2.utils.stringtools import get_identifiers

    remedy = "leave codeobj_class away for it"
    if prefs["devices.cpp_standalone.openmp_threads"]:
        raise DenseError(f"The pathway {pathway.name} cannot be dense with OpenMP threads; set openmp_threads to 0.")
    random = (RANDOM_FUNCTIONS - {"rand", "randn"}) & set(get_identifiers(pathway.code))
    if random:
        raise DenseError(f"The pathway {pathway.name} draws numbers by {', '.join(sorted(random))}; {remedy}.")
    pre, post = (
        array_name(pathway.synapses.variables[name], access_data=False) for name in ("_synaptic_pre", "_synaptic_post")
    )
    ends = [(pre, "_presynaptic_idx"), (post, "_postsynaptic_idx")]
    (spiking, spiking_index), (other, other_index) = ends if pathway.prepost == "pre" else reversed(ends)
    lines = replace_draws(vector_code, "_numbers.{name}(_idx, {number})")
    # the indices of the neurons at both ends follow from the run
    code = [
        re.sub(r"\b_clip\(", "brianprop::clip(", line) for line in lines if not re.search(r"\b_(pre|post)synaptic_idx = ", line)
    ]
    written = WRITE.findall("\n".join(code))
    changed = {array for array, index in written if index == "_idx"}
    only_where = getattr(pathway, "only_where", None)
    target = pathway.target
    only_adds, constants = _sum(pathway, code, other_index), _constant_synaptic_arrays(pathway, code)
    bounded = not only_where and (only_adds is not None or len(constants) == 1)
    waits, refuses = _drives(pathway, code, bounded)
    where_array = array_name(target.variables[only_where.rpartition("_")[0]]) if only_where else ""
    events, delays = pathway.source.variables[pathway.eventspace_name], pathway.variables["delay"]
    return Plan(
        id=identity(pathway.name),
        vector_code=code,
        selecting_code=[re.sub(r"^(\s*)(\w+\[\w+\]) = (\w+);", r"\1\2 = _flags[_k] ? \3 : \2;", line) for line in code],
        spiking=spiking,
        other=other,
        spiking_index=spiking_index,
        other_index=other_index,
        events=array_name(events),
        n_events=events.size - 1,
        delays=array_name(delays, access_data=False),
        dt=repr(float(pathway.source.clock.dt_)),
        independent=apart("\n".join(code), ("_idx", other_index)),
        blocks=blocks_type(target),
        wakes=woken_parts(target, {array for array, index in written if index == other_index}),
        blocks_spiking=blocks_type(pathway.source),
        wakes_spiking=woken_parts(pathway.source, {array for array, index in written if index == spiking_index}),
        writes=[identity(array) for array in sorted(changed)],
        copies=_copies(pathway, code, written, (other_index, spiking_index)),
        sum=only_adds,
        constants=constants,
        only_where=only_where,
        where_array=where_array,
        where_start=target.start,
        where_stop=target.stop,
        random=bool(draws(vector_code)),
        waits=waits,
        refuses=refuses,
    )
