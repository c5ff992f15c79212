"""Blocks of Brian2 equations as text: what both systems do with them when several networks share one object.

The blocks themselves are in `models.nbp.equations` and `models.ssnn_bp.equations`. By default all neurons of a group share a
constant such as a learning rate. Where networks side by side in one group differ in it, every neuron gets its own value.
"""

import re
from collections.abc import Collection

__all__ = ["expose_to_synapses", "exposed_name", "per_neuron", "read_from_targets", "shared_dependents"]

#: A parameter or subexpression with flags: ``name : unit (flags)`` or ``name = expression : unit (flags)``.
DECLARATION = re.compile(r"^(?P<name>\w+)(?: = (?P<expression>.*))? : (?P<unit>\w+) \((?P<flags>[^)]*)\)", flags=re.MULTILINE)


def shared_dependents(equations: str, names: Collection[str]) -> set[str]:
    """The given names, and the shared subexpressions that depend on them directly or through one another.

    Parameters
    ----------
    equations : str
        A block of equations.
    names : collection of str
        Variables of the block, or of the neurons that it refers to.
    """
    dependents = set(names)
    while True:
        more = {
            match["name"]
            for match in DECLARATION.finditer(equations)
            if "shared" in match["flags"] and match["expression"] and dependents & set(re.findall(r"\w+", match["expression"]))
        }
        if more <= dependents:
            return dependents
        dependents |= more


def per_neuron(equations: str, names: Collection[str]) -> str:
    """Equations in which some shared constants have a value for each neuron.

    Parameters
    ----------
    equations : str
        A block of equations.
    names : collection of str
        Constants of the block. The flag ``shared`` is removed from them and from the subexpressions that depend on them.
    """
    dependents = shared_dependents(equations, names)

    def without_shared(match: re.Match) -> str:
        if match["name"] not in dependents:
            return match[0]
        flags = ", ".join(flag for flag in match["flags"].split(", ") if flag != "shared")
        return match[0][: match.start("flags") - match.start() - 2] + (f" ({flags})" if flags else "")

    return DECLARATION.sub(without_shared, equations)


def exposed_name(constant: str) -> str:
    """Name under which target neurons hold a constant of their incoming synapses."""
    return f"own_{constant}"


def expose_to_synapses(constants: Collection[str]) -> str:
    """Equations of target neurons that hold some constants of their incoming synapses."""
    return "".join(f"{exposed_name(constant)} : 1 (constant)\n" for constant in constants)


def read_from_targets(equations: str, names: Collection[str], dependents: Collection[str] = ()) -> str:
    """Equations of synapses that read some of their constants from their target neurons.

    Parameters
    ----------
    equations : str
        A block of equations of synapses.
    names : collection of str
        Constants of the block; the target neurons hold them, see `expose_to_synapses`.
    dependents : collection of str
        Variables of the target neurons that are no longer shared.
    """

    def from_target(match: re.Match) -> str:
        if match["name"] not in names or match["expression"]:
            return match[0]
        return f"{match['name']} = {exposed_name(match['name'])}_post : {match['unit']}"

    return DECLARATION.sub(from_target, per_neuron(equations, {*names, *(f"{name}_post" for name in dependents)}))
