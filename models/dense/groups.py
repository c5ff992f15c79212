"""Groups of neurons: which blocks of neurons may be skipped in a step, and conditions that are cheap to test.

The templates of state updates and thresholds call these functions. A block is a stretch of neurons. The variables of a group
that may rest are divided into parts; a block of a part is awake while its values change, and is skipped otherwise.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from .errors import DenseError
from .random_numbers import buffered, code_lines

__all__ = [
    "Memory",
    "array_name",
    "blocks_type",
    "condition",
    "constant_arrays",
    "drives",
    "fading_part",
    "first_of_block",
    "identity",
    "independent_parts",
    "part_updates",
    "repeatable",
    "rest_where",
    "tracked",
    "watched_parts",
    "woken_parts",
]


@dataclass(frozen=True)
class Memory:
    """The hint `one_step_memory`: names of a group's variables, and the neurons whose membrane others read."""

    state: str
    drive: str
    bias: str
    threshold: str
    read: slice


def array_name(variable, access_data: bool = True) -> str:
    """C++ name of the array of a variable; with `access_data`, of the data of an array that can grow."""
    from brian2 import get_device

    device: Any = get_device()
    return device.get_array_name(variable, access_data)


def identity(array: str) -> int:
    """A number for an array or object, by which the C++ types of `runs.h` are told apart."""
    return zlib.crc32(array.encode())


def rest_where(group, eventspace: str) -> str | None:
    """The array of the variable that was given to `silent_where_zero` for an event, or None."""
    variable = getattr(group, "silent_where", {}).get(eventspace.removeprefix("_").removesuffix("space"))
    return variable and array_name(group.variables[variable])


def independent_parts(group) -> list[set[str]]:
    """The variables that updates and events of a group depend on, in parts such that no part's equations read another part."""
    from brian2.equations.equations import DIFFERENTIAL_EQUATION, PARAMETER
    from brian2.utils.stringtools import get_identifiers

    expressions = dict(group.equations.get_substituted_expressions(group.variables))
    differential = {name for name, equation in group.equations.items() if equation.type == DIFFERENTIAL_EQUATION}
    changing = differential | {
        name
        for name, equation in group.equations.items()
        if equation.type == PARAMETER and not {"constant", "shared"} & set(equation.flags)
    }
    groups = [{name, *(changing & get_identifiers(str(expressions[name])))} for name in sorted(differential)]
    groups += [{name} for event in sorted(group.events) for name in sorted(names_in_condition(group, event) & changing)]
    parts: list[set[str]] = []
    for names in groups:
        joined = [part for part in parts if part & names]
        parts = [part for part in parts if not part & names] + [names.union(*joined)]
    return parts


def names_in_condition(group, event: str) -> set[str]:
    """The names in the condition of an event, including those in subexpressions that it uses."""
    from brian2.utils.stringtools import get_identifiers

    names = get_identifiers(str(group.events[event]))
    while True:
        inside = {
            name
            for item in names
            if item in group.equations
            and group.equations[item].expr is not None
            and group.equations[item].type == "subexpression"
            for name in get_identifiers(str(group.equations[item].expr))
        }
        if inside <= names:
            return names
        names |= inside


def resting_group(group):
    """The group, or the group that a subgroup belongs to, if it may rest; otherwise None."""
    whole = getattr(group, "source", group)
    return whole if getattr(whole, "may_rest", False) else None


def blocks_type(group) -> str | None:
    """C++ type of the blocks of a group or of the group that a subgroup belongs to; None if it may not rest."""
    whole = resting_group(group)
    if whole is None:
        return None
    return f"brianprop::Blocks<{identity(whole.name)}u, {len(whole)}, {max(1, len(whole.rests))}>"


def woken_parts(group, arrays: set[str]) -> list[int]:
    """Numbers of the parts of a group's variables that contain one of some arrays, given by their C++ names."""
    from brian2.core.variables import ArrayVariable

    whole = resting_group(group)
    if whole is None:
        return []
    names = {
        name
        for name, variable in whole.variables.items()
        if isinstance(variable, ArrayVariable) and f"_ptr{array_name(variable)}" in arrays
    }
    return [number for number, part in enumerate(whole.rests) if part & names]


def drives(group) -> str:
    """C++ name of the drives of a group, see `drives.h`."""
    return f"brianprop::drives<{identity(group.name)}u>()"


def fading_part(group, vector_code: str | Sequence[str] = ()) -> int | None:
    """Number of the part of a group's variables that the hint `one_step_memory` is about; None without the hint.

    Raises
    ------
    DenseError
        Where an update of this part depends on more than the hint says.
    """
    memory = getattr(group, "memory", None)
    if memory is None:
        return None
    part = next(number for number, names in enumerate(group.rests) if memory.state in names)
    known = {f"_ptr{array_name(group.variables[name])}" for name in (memory.state, memory.drive, memory.bias)}
    if vector_code and set(re.findall(r"(\w+)\[_idx\]", "\n".join(part_updates(group, vector_code)[part]))) != known:
        raise DenseError(f"one_step_memory({group.name}): the update of {memory.state} depends on more than the hint says.")
    return part


def watched_parts(group, eventspace: str) -> list[int]:
    """Numbers of the parts of a group's variables on which the condition of an event depends."""
    names = names_in_condition(group, eventspace.removeprefix("_").removesuffix("space"))
    return [number for number, part in enumerate(group.rests) if part & names]


def part_updates(group, vector_code: str | Sequence[str]) -> list[list[str]]:
    """For each part of a group's variables, the lines of the update that it needs.

    Raises
    ------
    DenseError
        Where the generated code is not understood, or depends on more than the equations of the group say.
    """
    from brian2.utils.stringtools import get_identifiers

    lines = [line for line in code_lines(vector_code) if line.strip()]
    stored = re.findall(r"^\s*\w+\[_idx\] = (\w+);", "\n".join(lines), flags=re.MULTILINE)
    result = []
    for part in group.rests:
        needed, kept = part & set(stored), []
        for line in reversed(lines):
            target = re.match(r"\s*\w+\[_idx\] = (\w+);|\s*(?:const )?(?:\w+ )?(\w+)(?: [-+*/]?= .*)?;$", line)
            if target is None:
                raise DenseError(
                    f"The group {group.name} cannot rest: the line {line.strip()!r} of its update is not understood."
                )
            if (target[1] or target[2]) in needed:
                needed |= get_identifiers(line.partition("=")[2])
                kept.append(line)
        if needed & set(stored) - part:
            raise DenseError(
                f"The group {group.name} cannot rest: {', '.join(sorted(part))} depend on more than its equations say."
            )
        result.append(kept[::-1])
    if set(stored) - set().union(*group.rests):
        raise DenseError(f"The group {group.name} cannot rest: its update writes to more than its equations say.")
    return result


def repeatable(lines: list[str]) -> bool:
    """Whether to repeat the lines of an update changes nothing, since they read no variable of a neuron."""
    return not any(re.search(r"= .*\w+\[_idx\]", line) for line in lines)


def tracked(lines: list[str]) -> list[str]:
    """Lines of an update that also set ``_changed`` where a stored value changes."""
    return [re.sub(r"^(\s*)(\w+\[_idx\]) = (\w+);", r"\1_changed |= \2 != \3;\n\2 = \3;", line) for line in lines]


def constant_arrays(group, code: str | Sequence[str]) -> list[str]:
    """The arrays of a group's constants that some code reads."""
    from brian2.core.variables import ArrayVariable

    constants = {
        f"_ptr{array_name(variable)}"
        for name, variable in group.variables.items()
        if isinstance(variable, ArrayVariable) and variable.constant and not variable.scalar and name in group.equations
    }
    return sorted(constants & set(re.findall(r"(\w+)\[_idx\]", "\n".join(code_lines(code)))))


def first_of_block(lines: list[str], arrays: list[str]) -> list[str]:
    """Lines that read some arrays at the first neuron of the block, since their values are the same in the whole block."""
    for array in arrays:
        lines = [line.replace(f"{array}[_idx]", f"{array}[_start]") for line in lines]
    return lines


def condition(vector_code: str | Sequence[str]) -> tuple[list[str], list[str]]:
    """The lines of a threshold, and those of a cheaper condition that is necessary for it.

    Returns
    -------
    lines : list of str
        They define ``_cond``, in a type that vectorises together with the values. The index of a neuron is not read from an
        array.
    necessary : list of str
        They define ``_may``, the first part of a conjunction. Empty where the condition is not a conjunction.
    """
    lines = [re.sub(r"^(\s*const int32_t i) = \w+\[_idx\];", r"\1 = _idx;", line) for line in buffered(vector_code)]
    lines = [re.sub(r"^(\s*const) char _cond = ", r"\1 bool _cond = ", line) for line in lines]
    last = [line for line in lines if line.strip()][-1]
    first = re.fullmatch(r"\s*const bool _cond = (\([^()]*\)) && \([^()]*\);", last)
    if first is None or sum("_cond" in line for line in lines) > 1:
        return lines, []
    return lines, [line for line in lines if "_cond" not in line] + [f"const bool _may = {first[1]};"]
