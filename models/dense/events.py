"""Pathways of the device: what the templates in ``device_templates`` need to know in order to run stretches of synapses.

Nothing is promised here and nothing refused: what cannot be shown to be independent runs synapse by synapse.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .groups import array_name, blocks_type, woken_parts
from .random_numbers import code_lines

__all__ = ["Deliveries", "Memo", "apart", "deliveries", "independent", "is_stateful"]

#: Functions in generated code that read their arguments and nothing else.
PURE = {
    *(
        "exp",
        "expm1",
        "log",
        "log1p",
        "log10",
        "sqrt",
        "ceil",
        "floor",
        "fabs",
        "abs",
        "sin",
        "cos",
        "tan",
        "sinh",
        "cosh",
        "tanh",
    ),
    *("asin", "acos", "atan", "_clip", "_sign", "_timestep", "_exprel", "_int", "int_", "_brian_mod", "_brian_pow"),
    *("_brian_floordiv", "if"),
}

ACCESS = re.compile(r"(\w+)\[(\w+)\]")
WRITE = re.compile(r"^\s*(\w+)\[(\w+)\] [-+*/]?= ", re.MULTILINE)
DEFINITION = re.compile(r"^\s*(?:const )?(?:double|float|char|bool|u?int\d+_t|size_t) (\w+)\b", re.MULTILINE)
LOAD = re.compile(r"^\s*(?:const )?(\w+) (\w+) = (\w+)\[_idx\];$", re.MULTILINE)


@dataclass(frozen=True)
class Memo:
    """Exponentials that depend on one variable of the synapse, as those of event-driven equations on ``lastupdate``.

    Neighbouring synapses mostly have the same value, and then also the same exponentials.

    Attributes
    ----------
    key, array, type : str
        The variable, its array and its C++ type.
    values : list of str
        The exponentials; number i is called ``_memo_i`` in the code.
    """

    key: str
    array: str
    type: str
    values: list[str]


@dataclass(frozen=True)
class Deliveries:
    """What the template of a pathway needs to know. Arrays are given by their C++ names.

    Attributes
    ----------
    tag : str
        Name of a C++ type that stands for the pathway.
    code : list of str
        Code for one synapse ``_idx``; the template gives it the indices of both neurons.
    spiking_index, other_index, other : str
        C++ names of the indices of the neurons at both ends, and the array of those at the other end.
    spiking : str
        Array of the neurons at the spiking end.
    independent : bool
        Whether synapses with different neurons at the other end do not depend on one another.
    stateful : bool
        Whether a function is called that has to be called in every step.
    memo : Memo or None
    synaptic : list of str
        Arrays of the synapses that the code uses.
    blocks, blocks_spiking, wakes, wakes_spiking
        See `models.dense.pathways.Plan`.
    only_where : str or None
        Array that is 0 where the code changes nothing: promised by `only_where`, or shown by `models.dense.derive`.
    bounds : list of (str, str, str)
        Arrays of the synapses that must lie within bounds for that to be so: array, lowest and highest value.
    where_start, where_stop : int
        Range of the neurons at the other end.
    """

    tag: str
    code: list[str]
    spiking_index: str
    other_index: str
    spiking: str
    other: str
    independent: bool
    stateful: bool
    memo: Memo | None
    synaptic: list[str]
    blocks: str | None
    wakes: list[int]
    blocks_spiking: str | None
    wakes_spiking: list[int]
    only_where: str | None
    bounds: list[tuple[str, str, str]]
    where_start: int
    where_stop: int


def calls(code: str) -> set[str]:
    """Names of the functions that are called."""
    return set(re.findall(r"\b([A-Za-z_]\w*)\s*\(", code))


def independent(code: str | Sequence[str], own: Sequence[str] = ("_idx",)) -> bool:
    """Whether the iterations of a loop over some code do not depend on one another.

    Parameters
    ----------
    code : str or lines
    own : sequence of str
        Indices that are different in each iteration.
    """
    text = "\n".join(code_lines(code))
    if calls(text) - PURE or text.count("[") != len(ACCESS.findall(text)):
        return False
    return apart(text, own)


def apart(text: str, own: Sequence[str]) -> bool:
    """Whether no iteration of a loop writes to an element that another one reads or writes; see `independent`."""
    accessed: dict[str, set[str]] = {}
    for array, index in ACCESS.findall(text):
        accessed.setdefault(array, set()).add(index)
    return all(index in own and accessed[array] == {index} for array, index in WRITE.findall(text))


def is_stateful(variables: Mapping) -> bool:
    """Whether a piece of code calls a function that does not only depend on its arguments."""
    from brian2.core.functions import Function

    return any(isinstance(variable, Function) and not variable.stateless for variable in variables.values())


def _balanced(text: str, start: int) -> int:
    """Where the bracket that opens at `start` has been closed."""
    depth = 0
    for place in range(start, len(text)):
        depth += {"(": 1, ")": -1}.get(text[place], 0)
        if depth == 0:
            return place + 1
    raise ValueError(text)


def _memo(lines: list[str]) -> tuple[list[str], Memo | None]:
    """Code in which the exponentials that depend on one loaded variable are read from `Memo`, and these."""
    from brian2.utils.stringtools import get_identifiers

    text = "\n".join(lines)
    loaded = {name: (array, kind) for kind, name, array in LOAD.findall(text)}
    local = set(DEFINITION.findall(text))
    found: dict[str, list[tuple[int, int]]] = {}
    for match in re.finditer(r"\bexp\(", text):
        stop = _balanced(text, match.end() - 1)
        argument = text[match.end() : stop - 1]
        names = get_identifiers(argument) & local
        if len(names) != 1 or calls(argument):
            continue
        (name,) = names
        if name in loaded and not re.search(rf"^\s*{name} [-+*/]?= ", text[: match.start()], re.MULTILINE):
            found.setdefault(name, []).append((match.start(), stop))
    if not found:
        return lines, None
    key = max(found, key=lambda name: len(found[name]))
    values: list[str] = []
    for start, stop in reversed(found[key]):
        value = text[start:stop]
        if value not in values:
            values.append(value)
        text = f"{text[:start]}_memo_{values.index(value)}{text[stop:]}"
    array, kind = loaded[key]
    return text.split("\n"), Memo(key, array, kind, values)


def deliveries(pathway, vector_code: str | Sequence[str], variables: Mapping) -> Deliveries:
    """What the template of a pathway needs to know.

    Parameters
    ----------
    pathway : brian2 SynapticPathway
    vector_code : str or lines
        Brian2's code for one synapse ``_idx``.
    variables : mapping
        The variables that the code uses.
    """
    from brian2 import get_device

    pre, post = (
        array_name(pathway.synapses.variables[name], access_data=False) for name in ("_synaptic_pre", "_synaptic_post")
    )
    ends = [(pre, "_presynaptic_idx"), (post, "_postsynaptic_idx")]
    (spiking, spiking_index), (other, other_index) = ends if pathway.prepost == "pre" else reversed(ends)
    code = [line for line in code_lines(vector_code) if not re.search(r"\b_(pre|post)synaptic_idx = ", line)]
    free = independent(code, ("_idx", other_index))
    code, memo = _memo([re.sub(r"\b_clip\(", "brianprop::clip(", line) for line in code])
    written = WRITE.findall("\n".join(code))
    hint, bounds = getattr(pathway, "only_where", None), []
    if hint is None:
        device: Any = get_device()
        found = device.derived.get(pathway.name)
        if found is not None:
            hint = found.variable
            bounds = [(array_name(pathway.synapses.variables[name]), low, high) for name, low, high in found.bounds]
    return Deliveries(
        tag=pathway.name,
        code=code,
        spiking_index=spiking_index,
        other_index=other_index,
        spiking=spiking,
        other=other,
        independent=free,
        stateful=is_stateful(variables),
        memo=memo,
        synaptic=sorted({array for array, index in ACCESS.findall("\n".join(code)) if index == "_idx"}),
        blocks=blocks_type(pathway.target),
        wakes=woken_parts(pathway.target, {array for array, index in written if index == other_index}),
        blocks_spiking=blocks_type(pathway.source),
        wakes_spiking=woken_parts(pathway.source, {array for array, index in written if index == spiking_index}),
        only_where=array_name(pathway.target.variables[hint.rpartition("_")[0]]) if hint else None,
        bounds=bounds,
        where_start=getattr(pathway.target, "start", 0),
        where_stop=getattr(pathway.target, "stop", 0),
    )
