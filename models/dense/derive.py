"""Hints that follow from the code of a network: where a pathway can change nothing.

A pathway changes nothing where a variable ``y`` of the neuron at the end that does not spike is 0 if that is so for each of its
statements: ``x += e`` and ``x = clip(x + e, low, high)`` with an ``e`` that is 0 where ``y`` is. In the second form ``x`` must
lie within its bounds before. That is shown for all that writes to ``x`` during the run, and looked up in the program when
the run begins. Values are taken to be finite.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from .random_numbers import RANDOM_FUNCTIONS

__all__ = ["Derived", "only_where_of"]

STATEMENT = re.compile(r"\s*(\w+)\s*([-+*/]?)=\s*([^=].*)")
CLIPPED = re.compile(r"clip\((.*),\s*(-?\s*[\w.]+)\s*,\s*(-?\s*[\w.]+)\s*\)")


@dataclass(frozen=True)
class Derived:
    """What has been shown of a pathway.

    Attributes
    ----------
    variable : str
        The code changes nothing where this is 0, such as ``y_post``.
    bounds : tuple of (str, str, str)
        Synaptic variables that must lie within bounds for it: name, lowest and highest value.
    """

    variable: str
    bounds: tuple[tuple[str, str, str], ...]


def statements(code: str) -> list[tuple[str, str, str]] | None:
    """Target, operator and expression of each statement; None where there is anything else."""
    lines = [line.partition("#")[0].strip() for line in re.split(r"[;\n]", code)]
    found = [STATEMENT.fullmatch(line) for line in lines if line]
    return [(match[1], match[2], match[3]) for match in found if match] if found and all(found) else None


def _clipped(expression: str) -> tuple[str, str, str] | None:
    match = CLIPPED.fullmatch(expression.strip())
    return match and (match[1], match[2].replace(" ", ""), match[3].replace(" ", ""))


def _unchanged(target: str, operator: str, expression: str, variable: str) -> bool:
    """Whether a statement leaves its target as it is where a variable is 0, bounds aside."""
    from brian2.parsing.sympytools import str_to_sympy

    clipped = _clipped(expression) if not operator else None
    value = str_to_sympy(clipped[0] if clipped else expression)
    before, zero = str_to_sympy(target), str_to_sympy(variable)
    after = {"": value, "+": before + value, "-": before - value, "*": before * value, "/": before / value}[operator]
    return (after.subs(zero, 0) - before).expand() == 0


def _stays_within(synapses, name: str, bounds: tuple[str, str], objects: Iterable) -> bool:
    """Whether all that writes to a variable of the synapses clips it to the same bounds."""
    from brian2.core.variables import ArrayVariable
    from brian2.synapses.synapses import StateUpdater, SynapticPathway
    from brian2.utils.stringtools import get_identifiers

    variable = synapses.variables.get(name)
    if not isinstance(variable, ArrayVariable) or variable.scalar:
        return False
    if variable.owner is None or variable.owner.name != synapses.name:
        return False
    for bound in get_identifiers(" ".join(bounds)):
        held = synapses.variables.get(bound)  # none: a constant of the script
        if held is not None and not (held.scalar and held.constant):
            return False
    if name in synapses.equations.diff_eq_names:
        return False
    for item in synapses.contained_objects:
        if isinstance(item, SynapticPathway):
            for target, operator, expression in statements(item.code) or [(name, "", "")]:
                clipped = _clipped(expression) if not operator else None
                if target == name and (clipped is None or clipped[1:] != bounds):
                    return False
        elif not isinstance(item, StateUpdater):
            return False  # what is run regularly, or a sum
    others = [item for item in objects if item is not synapses and getattr(item, "name", None) != synapses.name]
    return not any(
        getattr(item, "variables", None) is not None
        and getattr(getattr(item, "synapses", None), "name", None) != synapses.name
        and any(held is variable for held in dict(item.variables).values())
        for item in others
    )


def only_where_of(pathway, objects: Iterable) -> Derived | None:
    """Find a variable such that a pathway changes nothing where it is 0.

    Parameters
    ----------
    pathway : brian2 SynapticPathway
    objects : iterable
        All objects of the network.

    Returns
    -------
    Derived or None
    """
    from brian2.core.variables import ArrayVariable
    from brian2.utils.stringtools import get_identifiers

    synapses = pathway.synapses
    code = statements(pathway.code)
    if code is None or synapses.event_driven is not None:
        return None
    names = get_identifiers(pathway.code)
    if names & RANDOM_FUNCTIONS:
        return None
    end = "_post" if pathway.prepost == "pre" else "_pre"
    written = {target for target, _, _ in code}
    for candidate in sorted(name for name in names - written if name.endswith(end)):
        variable = getattr(pathway.target, "variables", {}).get(candidate.removesuffix(end))
        if not isinstance(variable, ArrayVariable) or variable.scalar or candidate.removesuffix(end) in written:
            continue
        try:
            if not all(_unchanged(*statement, candidate) for statement in code):
                continue
        except (ArithmeticError, LookupError, NotImplementedError, SyntaxError, TypeError, ValueError):
            continue  # what SymPy does not understand is not shown
        clipped = ((target, _clipped(text)) for target, operator, text in code if not operator)
        clips = {(target, found[1], found[2]) for target, found in clipped if found}
        if all(_stays_within(synapses, target, (low, high), objects) for target, low, high in clips):
            return Derived(candidate, tuple(sorted(clips)))
    return None
