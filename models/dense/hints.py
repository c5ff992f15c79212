"""Promises about a pathway or a group that allow faster code. A promise that can be seen to be wrong is refused."""

from __future__ import annotations

import re

from .errors import DenseError
from .groups import Memory, independent_parts
from .random_numbers import RANDOM_FUNCTIONS

__all__ = ["ADDITION", "any_order", "may_rest", "one_step_memory", "only_where", "silent_where_zero"]

#: The only form of code that `any_order` takes: target variable, its end, and the synaptic variable that is added to it.
ADDITION = r"(\w+)_(pre|post) \+= (\w+)"


def any_order(pathway, parts: int = 1) -> None:
    """Promise that a pathway adds numbers whose sum is exact in any order, and that only its Synapses object changes them.

    Sums of whole numbers (or multiples of a power of two) are exact as long as they stay below 2**24 such units in single
    precision and 2**53 in double precision. Other numbers may be used where rounding does not matter. The weights of all
    neurons that spike are then summed before they are added. A sum is reused as long as the same neurons spike and no pathway
    of the same Synapses object has changed a weight.

    Parameters
    ----------
    pathway : brian2 SynapticPathway
        Its code must be ``X_post += w`` (or ``X_pre += w`` for an on_post pathway), with `w` a variable of the synapses. Other
        objects must not write to `w` during a run.
    parts : int
        Number of populations of equal size, side by side, that the targets consist of, if these often receive the same weights.
        As long as they do, which is checked during the run, only the rows of the first population are summed and changed; the
        others follow when they part, and at the end of a run. Objects outside the network must not read `w` in between.

    Raises
    ------
    DenseError
        If the code has another form, or the targets cannot be divided into these parts.
    """
    addition = re.fullmatch(ADDITION, pathway.code.strip())
    weights = pathway.synapses.variables.get(addition[3]) if addition else None
    if not addition or addition[2] == pathway.prepost or weights not in pathway.synapses._registered_variables:
        raise DenseError(
            f"any_order({pathway.name}): its code {pathway.code.strip()!r} must add a variable of the synapses to one of the "
            "neurons that do not spike, as in 'X_post += w'."
        )
    if parts < 1 or len(pathway.target) % parts:
        raise DenseError(f"any_order({pathway.name}, parts={parts}): {len(pathway.target)} targets are no {parts} equal parts.")
    pathway.add_attribute("any_order")
    pathway.any_order = parts


def only_where(pathway, variable: str) -> None:
    """Promise that a pathway's code changes nothing where a variable of the neuron at the end that does not spike is 0.

    Parameters
    ----------
    pathway : brian2 SynapticPathway
        Such as ``synapses.pre``.
    variable : str
        Name with the suffix of that end: ``y0_post`` for an on_pre pathway, ``x0_pre`` for an on_post pathway.

    Raises
    ------
    DenseError
        If the suffix is that of the spiking end or the neurons have no such variable.
    """
    name, _, end = variable.rpartition("_")
    if end == pathway.prepost or end not in ("pre", "post"):
        raise DenseError(f"only_where({pathway.name}, {variable!r}): name a variable of the end that does not spike.")
    if name not in pathway.target.variables:
        raise DenseError(f"only_where({pathway.name}, {variable!r}): {pathway.target.name} has no variable {name!r}.")
    pathway.add_attribute("only_where")
    pathway.only_where = variable


def silent_where_zero(group, event: str, variable: str) -> None:
    """Promise that an event whose condition draws random numbers cannot happen where a variable of the group is 0.

    No numbers are drawn for blocks of neurons in which the variable is 0 everywhere.

    Parameters
    ----------
    group : brian2 NeuronGroup
    event, variable : str
        Names of the event, such as ``spike``, and of the variable.

    Raises
    ------
    DenseError
        If the group has no such event or variable.
    """
    for kind, name, known in (("event", event, group.events), ("variable", variable, group.variables)):
        if name not in known:
            raise DenseError(f"silent_where_zero({group.name}, {event!r}, {variable!r}): {group.name} has no {kind} {name!r}.")
    if not hasattr(group, "silent_where"):
        group.add_attribute("silent_where")
        group.silent_where = {}
    group.silent_where[event] = variable


def may_rest(group) -> None:
    """Skip blocks of neurons in which an update changes nothing, until something is written to them.

    Parameters
    ----------
    group : brian2 NeuronGroup
        A group with dense code. All pathways that write to its variables must be dense too, and nothing else may write to
        them during a run.

    Raises
    ------
    DenseError
        If its equations or threshold depend on time, on random numbers or on a function that Brian2 does not define, or if it
        has no differential equation.
    """
    from brian2.core.functions import DEFAULT_FUNCTIONS, Function
    from brian2.utils.stringtools import get_identifiers

    texts = [str(expression) for _, expression in group.equations.get_substituted_expressions()]
    texts += list(group.events.values())
    names = {name for text in texts for name in get_identifiers(text)}
    unsteady = names & (RANDOM_FUNCTIONS | {"t", "t_in_timesteps", "xi"}) | {name for name in names if name.startswith("xi_")}
    unsteady |= {name for name in names if isinstance(group.namespace.get(name), Function) and name not in DEFAULT_FUNCTIONS}
    if unsteady:
        raise DenseError(f"The group {group.name} cannot rest, since it depends on {', '.join(sorted(unsteady))}.")
    if group._refractory is not False:
        raise DenseError(
            f"The group {group.name} cannot rest, since the refractory period depends on time; write it as an equation, such "
            "as 'drest/dt = -int(rest > 0*second) : second'."
        )
    if not group.equations.diff_eq_names:
        raise DenseError(
            f"The group {group.name} cannot rest, since it has no differential equations; there is nothing to save."
        )
    group.add_attribute("may_rest")
    group.add_attribute("rests")
    group.may_rest = True
    group.rests = independent_parts(group)


def one_step_memory(group, update: str, threshold: str, read: slice = slice(0, 0)) -> None:
    """Promise that neurons forget their drive at each update, so that spikes which make none of them fire need not arrive.

    Such spikes are left out where the loop over time steps says how many steps follow (`steps.h`); not in the last two steps of
    a run. The numbers that are added must be exact, as for `any_order`.

    Parameters
    ----------
    group : brian2 NeuronGroup
        One that may rest, see `may_rest`.
    update : str
        What an update, one that is linear, makes of the membrane, such as ``v = I + b``: the sum of the drive and a constant.
        Pathways add to the drive, and an update makes it 0. This is tried with a few numbers when a run begins; where it is
        wrong, as with other time constants, all spikes arrive.
    threshold : str
        The condition of a spike begins with it: ``v > theta``, with a constant on the right.
    read : slice
        Neurons whose membrane or drive anything but the group's own update, threshold and reset reads during a run.

    Raises
    ------
    DenseError
        If the group may not rest or its equations, events or reset have another form.
    """
    from brian2.utils.stringtools import get_identifiers

    named = re.fullmatch(r"(\w+) = (\w+) \+ (\w+)", update)
    above = re.fullmatch(r"(\w+) > (\w+)", threshold)
    call = f"one_step_memory({group.name}, {update!r}, {threshold!r})"
    if not named or not above or above[1] != named[1]:
        raise DenseError(f"{call}: write them like 'v = I + b' and 'v > theta'.")
    memory = Memory(named[1], named[2], named[3], above[2], read)
    if not getattr(group, "may_rest", False):
        raise DenseError(f"{call}: call may_rest({group.name}) first.")
    if {memory.state, memory.drive} not in group.rests:
        raise DenseError(f"{call}: {memory.state} must depend on {memory.drive} and on no other variable that changes.")
    for name in (memory.bias, memory.threshold):
        if name not in group.variables or not group.variables[name].constant:
            raise DenseError(f"{call}: {name} is no constant of {group.name}.")
    spike = group.events.get("spike", "")
    others = [text for event, text in group.events.items() if event != "spike"]
    if not re.match(rf"{threshold}($| and )", spike) or re.search(r"\bor\b|\bif\b", spike):
        raise DenseError(f"{call}: the condition of a spike is {spike!r}; write it like 'v > theta and ...'.")
    if any({memory.state, memory.drive} & get_identifiers(text) for text in others) or any(
        memory.drive in get_identifiers(text) for text in group.event_codes.values()
    ):
        raise DenseError(f"{call}: no other event may depend on {memory.state} or {memory.drive}, no reset on {memory.drive}.")
    group.add_attribute("memory")
    group.memory = memory
