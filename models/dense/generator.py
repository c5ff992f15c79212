"""Dense pathways and thresholds for Brian2's C++ standalone mode, without a fork.

Any Brian2 script can use them::

    from brianprop.models.dense.generator import dense_codeobj_class, only_where

    dense = dense_codeobj_class()                       # None where it does not apply: then Brian2's own code is used
    synapses = Synapses(source, target, model, on_pre={"propagate": ..., "learn": ...}, codeobj_class=dense)
    only_where(synapses.learn, "y0_post")               # optional: the code changes nothing where y0_post is 0
    any_order(synapses.propagate)                       # optional: "v_post += w", sums of whole numbers
    may_rest(group)                                     # optional: all that writes to its neurons is dense
    device.build(folder, additional_source_files=add_sources(folder))

The equations, rules and results stay as they are; what changes is the code generated for them:

- a pathway (on_pre, on_post, custom events) walks over stretches of synapses that lie side by side (`runs.h`), in loops that
  the compiler vectorises, and delayed ones wait in a ring; Brian2's queue of single synapses is not used;
- a pathway returns at once in steps without spikes, and with `only_where` touches just those neurons that can make a
  difference;
- with `any_order`, weights are summed over all spikes before they are added, and the sums of a packet of spikes that comes
  again are used again while the weights are the same;
- a threshold sets flags in a loop without branches and then collects the indices;
- ``rand()`` and ``randn()`` draw numbers that depend on a counter (`random.h`), so that loops which draw them vectorise too;
  they have the distribution of Brian2's numbers, not their values, and follow from the same ``seed()``;
- after ``may_rest(group)``, blocks of neurons in which nothing changes are left out until something is written to them.

What the generated code relies on is checked: other random numbers in a pathway (``poisson``, ``binomial``) are refused, and so
are equations that depend on time or chance in a group that may rest, and OpenMP; and only the versions in `SUPPORTED` are
used, with Brian2's own code and a warning elsewhere.
"""

from __future__ import annotations

import re
import shutil
import warnings
import zlib
from dataclasses import dataclass
from functools import cache
from importlib import metadata
from pathlib import Path

import numpy as np

from brianprop.models.errors import BuildError

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

#: Brian2 versions (major, minor) whose templates these extend, each tested.
SUPPORTED = ((2, 9), (2, 10), (2, 11))

#: Random functions that `random.h` draws, and those that stay Brian2's.
COUNTED = {"_rand": "uniform", "_randn": "normal"}
RANDOM = {"rand", "randn", "poisson", "binomial"}


@dataclass(frozen=True)
class Sum:
    """A pathway that only adds weights to what its targets hold, in any order."""

    target: str  # array of what is added to
    weights: str
    name: str  # of the weights
    type: str  # of a weight
    id: int  # of the array of weights
    parts: int


@dataclass(frozen=True)
class Plan:
    """What the template of a pathway needs to know."""

    id: int  # of the pathway
    vector_code: list[str]
    selecting_code: list[str]  # the same, keeping the old values where the flag `_flags[_k]` is not set
    spiking: str  # array of the neuron at the spiking end of each synapse
    other: str  # ... and at the other end
    spiking_index: str
    other_index: str
    events: str  # array of the indices of the neurons that spike, and last of their number
    n_events: int
    delays: str
    dt: str
    independent: bool  # whether the synapses of a run write to places of their own
    blocks: str | None  # blocks of neurons at the other end
    wakes: list[int]  # parts of their variables to wake
    blocks_spiking: str | None  # the same for the spiking end
    wakes_spiking: list[int]
    writes: list[int]  # synaptic arrays that it writes to
    parts: int  # parts of these that are equal as long as what is written to them is
    alike: list[str] | None  # ... namely as long as these arrays of the other end are; None where this is not known
    sum: Sum | None
    constants: list[str]  # synaptic arrays that it reads, if these are all constant
    only_where: str | None
    where_array: str
    where_start: int
    where_stop: int
    random: bool  # whether the code draws numbers of `random.h`, which it then takes from `_numbers`


def add_sources(folder) -> list[str]:
    """Copy what dense code needs beside the generated files into a project folder, made if it is missing.

    Parameters
    ----------
    folder : str or Path

    Returns
    -------
    list of str
        The sources to compile: ``additional_source_files`` of Brian2's `device.build`.
    """
    folder, here = Path(folder), Path(__file__).parent
    folder.mkdir(parents=True, exist_ok=True)
    for file in (*here.glob("*.h"), *here.glob("*.cpp")):
        shutil.copy(file, folder / file.name)
    return [file.name for file in here.glob("*.cpp")]


def only_where(pathway, variable: str) -> None:
    """Promise that a pathway's code changes nothing where a variable of the neuron at its other end is 0.

    Parameters
    ----------
    pathway : brian2 SynapticPathway
        Such as ``synapses.pre``.
    variable : str
        With the suffix of the end that does not spike: ``y0_post`` for an on_pre pathway, ``x0_pre`` for an on_post one.

    Raises
    ------
    BuildError
        If the suffix is that of the spiking end or the neurons have no such variable.
    """
    name, _, end = variable.rpartition("_")
    if end == pathway.prepost or end not in ("pre", "post"):
        raise BuildError(f"only_where({pathway.name}, {variable!r}): name a variable of the end that does not spike.")
    if name not in pathway.target.variables:
        raise BuildError(f"only_where({pathway.name}, {variable!r}): {pathway.target.name} has no variable {name!r}.")
    pathway.add_attribute("only_where")
    pathway.only_where = variable


#: What `any_order` allows: a sum of one synaptic variable.
ADDS = r"(\w+)_(pre|post) \+= (\w+)"


def any_order(pathway, parts: int = 1) -> None:
    """Promise that a pathway adds numbers whose sum is exact in any order, and that only its Synapses changes them.

    Such are whole numbers (or multiples of a power of two) as long as all sums stay below 2**24 such units in single precision
    and 2**53 in double precision; or others, where rounding is of no consequence. The weights of all neurons that spike are
    then summed before they are added, and a sum is used again as long as the same neurons spike and no pathway of the same
    Synapses has changed a weight.

    Parameters
    ----------
    pathway : brian2 SynapticPathway
        Whose code is ``X_post += w`` (or ``X_pre += w`` for an on_post pathway), with `w` a variable of the synapses. Other
        objects must not write to `w` during a run.
    parts : int
        Set it where the targets are `parts` populations of one size side by side that often receive the same weights: as long
        as they do, which is checked while it runs, the rows of the first part alone are summed for all of them.

    Raises
    ------
    BuildError
        If the code is another, or the targets cannot be divided into these parts.
    """
    found = re.fullmatch(ADDS, pathway.code.strip())
    weights = pathway.synapses.variables.get(found[3]) if found else None
    if not found or found[2] == pathway.prepost or weights not in pathway.synapses._registered_variables:
        raise BuildError(
            f"any_order({pathway.name}): its code {pathway.code.strip()!r} must add a variable of the synapses to one of the "
            "neurons that do not spike, as in 'X_post += w'."
        )
    if parts < 1 or len(pathway.target) % parts:
        raise BuildError(f"any_order({pathway.name}, parts={parts}): {len(pathway.target)} targets are no {parts} equal parts.")
    pathway.add_attribute("any_order")
    pathway.any_order = parts


def silent_where_zero(group, event: str, variable: str) -> None:
    """Promise that an event, whose condition draws random numbers, cannot happen where a variable of the group is 0.

    Nothing is drawn for blocks of neurons in which it is 0 everywhere.

    Parameters
    ----------
    group : brian2 NeuronGroup
    event : str
    variable : str

    Raises
    ------
    BuildError
        If the group has no such event or variable.
    """
    for kind, name, known in (("event", event, group.events), ("variable", variable, group.variables)):
        if name not in known:
            raise BuildError(f"silent_where_zero({group.name}, {event!r}, {variable!r}): {group.name} has no {kind} {name!r}.")
    if not hasattr(group, "silent_where"):
        group.add_attribute("silent_where")
        group.silent_where = {}
    group.silent_where[event] = variable


def _rest_where(group, eventspace: str) -> str | None:
    """The array that says by its zeros that an event cannot happen, see `silent_where_zero`."""
    from brian2 import get_device

    variable = getattr(group, "silent_where", {}).get(eventspace.removeprefix("_").removesuffix("space"))
    return variable and get_device().get_array_name(group.variables[variable])


def may_rest(group) -> None:
    """Let blocks of neurons in which an update changes nothing be left out until something is written to them.

    Parameters
    ----------
    group : brian2 NeuronGroup
        A group with dense code. All pathways that write to its variables must be dense too, and nothing else may write to
        them during a run.

    Raises
    ------
    BuildError
        If its equations or threshold depend on time, on random numbers or on a function that Brian2 does not define.
    """
    from brian2.core.functions import DEFAULT_FUNCTIONS, Function
    from brian2.utils.stringtools import get_identifiers

    texts = [str(expression) for _, expression in group.equations.get_substituted_expressions()]
    texts += list(group.events.values())
    names = {name for text in texts for name in get_identifiers(text)}
    unsteady = names & (RANDOM | {"t", "t_in_timesteps", "xi"}) | {name for name in names if name.startswith("xi_")}
    unsteady |= {name for name in names if isinstance(group.namespace.get(name), Function) and name not in DEFAULT_FUNCTIONS}
    if unsteady:
        raise BuildError(f"The group {group.name} cannot rest, since it depends on {', '.join(sorted(unsteady))}.")
    if group._refractory is not False:
        raise BuildError(
            f"The group {group.name} cannot rest, since the refractory period depends on time; write it as an equation, such "
            "as 'drest/dt = -int(rest > 0*second) : second'."
        )
    if not group.equations.diff_eq_names:
        raise BuildError(
            f"The group {group.name} cannot rest, since it has no differential equations; there is nothing to save."
        )
    group.add_attribute("may_rest")
    group.add_attribute("rests")
    group.may_rest = True
    group.rests = _independent_parts(group)


def _independent_parts(group) -> list[set[str]]:
    """Divide the variables on which a group's updates and events depend such that no part's equations read another part."""
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
    groups += [{name} for event in sorted(group.events) for name in sorted(_watched_names(group, event) & changing)]
    parts: list[set[str]] = []
    for names in groups:
        joined = [part for part in parts if part & names]
        parts = [part for part in parts if not part & names] + [names.union(*joined)]
    return parts


def _watched_names(group, event: str) -> set[str]:
    """The variables that the condition of an event reads, those of its subexpressions among them."""
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


def _whole(group):
    """The group that may rest which a group or subgroup belongs to, or None."""
    whole = getattr(group, "source", group)
    return whole if getattr(whole, "may_rest", False) else None


def _blocks(group) -> str | None:
    """The C++ type of the blocks of a group that may rest, or of the group that a subgroup is part of."""
    whole = _whole(group)
    if whole is None:
        return None
    return f"brianprop::Blocks<{_identity(whole.name)}u, {len(whole)}, {max(1, len(whole.rests))}>"


def _woken(group, arrays: set[str]) -> list[int]:
    """The parts of a group's variables that change when something is written to some of its arrays."""
    from brian2 import get_device
    from brian2.core.variables import ArrayVariable

    whole = _whole(group)
    if whole is None:
        return []
    names = {
        name
        for name, variable in whole.variables.items()
        if isinstance(variable, ArrayVariable) and f"_ptr{get_device().get_array_name(variable)}" in arrays
    }
    return [number for number, part in enumerate(whole.rests) if part & names]


def _watches(group, eventspace: str) -> list[int]:
    """The parts of a group's variables on which the condition of an event depends."""
    names = _watched_names(group, eventspace.removeprefix("_").removesuffix("space"))
    return [number for number, part in enumerate(group.rests) if part & names]


def _parts(group, vector_code) -> list[list[str]]:
    """For each part of a group's variables, the lines of an update that it needs.

    They also tell, in `_changed`, whether any of them changed what is stored.
    """
    from brian2.utils.stringtools import get_identifiers

    lines = [line for line in _lines(vector_code) if line.strip()]
    stored = re.findall(r"^\s*\w+\[_idx\] = (\w+);", "\n".join(lines), flags=re.MULTILINE)
    result = []
    for part in group.rests:
        needed, kept = part & set(stored), []
        for line in reversed(lines):
            target = re.match(r"\s*\w+\[_idx\] = (\w+);|\s*(?:const )?(?:\w+ )?(\w+)(?: [-+*/]?= .*)?;$", line)
            if target is None:
                raise BuildError(
                    f"The group {group.name} cannot rest: the line {line.strip()!r} of its update is not understood."
                )
            if (target[1] or target[2]) in needed:
                needed |= get_identifiers(line.partition("=")[2])
                kept.append(line)
        if needed & set(stored) - part:
            raise BuildError(
                f"The group {group.name} cannot rest: {', '.join(sorted(part))} depend on more than its equations say."
            )
        result.append(
            [re.sub(r"^(\s*)(\w+\[_idx\]) = (\w+);", r"\1_changed |= \2 != \3;\n\2 = \3;", line) for line in reversed(kept)]
        )
    if set(stored) - set().union(*group.rests):
        raise BuildError(f"The group {group.name} cannot rest: its update writes to more than its equations say.")
    return result


def _constant_arrays(group, lines) -> list[str]:
    """The arrays of a group's constants that some lines read."""
    from brian2 import get_device
    from brian2.core.variables import ArrayVariable

    constants = {
        f"_ptr{get_device().get_array_name(variable)}"
        for name, variable in group.variables.items()
        if isinstance(variable, ArrayVariable) and variable.constant and not variable.scalar and name in group.equations
    }
    text = lines if isinstance(lines, str) else "\n".join(lines)
    return sorted(constants & set(re.findall(r"(\w+)\[_idx\]", text)))


def _first(lines: list[str], arrays: list[str]) -> list[str]:
    """The same lines with the values of the first neuron of a block for some arrays."""
    for array in arrays:
        lines = [line.replace(f"{array}[_idx]", f"{array}[_start]") for line in lines]
    return lines


def _lines(code) -> list[str]:
    return code.split("\n") if isinstance(code, str) else list(code)


def _draws(code) -> list[str]:
    """What code draws of `random.h`, ``uniform`` or ``normal``, in the order of the calls."""
    calls = re.findall(rf"\b({'|'.join(COUNTED)})\(_vectorisation_idx\)", "\n".join(_lines(code)))
    return [COUNTED[name] for name in calls]


def _counted(code, form: str) -> list[str]:
    """Code that takes its random numbers from `random.h`.

    `form` says how, by `{name}` (``uniform`` or ``normal``) and `{place}`, which tells the calls of one code apart.
    """
    place = iter(range(len(_draws(code))))
    draw = re.compile(rf"\b({'|'.join(COUNTED)})\(_vectorisation_idx\)")
    return [draw.sub(lambda call: form.format(name=COUNTED[call[1]], place=next(place)), line) for line in _lines(code)]


def _buffered(code) -> list[str]:
    """Code that finds its random numbers in arrays ``_random_0``, ``_random_1``, ..., one number for each index."""
    return _counted(code, "_random_{place}[_idx]")


def _scalar() -> str:
    """The C++ type of Brian2's floating point numbers, where they have the default type."""
    from brian2 import prefs

    return "float" if prefs["core.default_float_dtype"] == np.float32 else "double"


def _condition(vector_code) -> tuple[list[str], list[str]]:
    """The lines of a threshold, and those of a necessary condition that is cheaper.

    The condition is made as wide as the values, and a neuron's index is not read but known. The second list is empty where the
    condition is no conjunction, and defines `_may` otherwise.
    """
    lines = [re.sub(r"^(\s*const int32_t i) = \w+\[_idx\];", r"\1 = _idx;", line) for line in _buffered(vector_code)]
    lines = [re.sub(r"^(\s*const) char _cond = ", r"\1 bool _cond = ", line) for line in lines]
    last = [line for line in lines if line.strip()][-1]
    first = re.fullmatch(r"\s*const bool _cond = (\([^()]*\)) && \([^()]*\);", last)
    if first is None or sum("_cond" in line for line in lines) > 1:
        return lines, []
    return lines, [line for line in lines if "_cond" not in line] + [f"const bool _may = {first[1]};"]


def _identity(array: str) -> int:
    """A number that stands for an array in the types of `runs.h`."""
    return zlib.crc32(array.encode())


def _sum(pathway, own: list[str], other_index: str) -> Sum | None:
    """Where the weights of an `any_order` pathway are and where they go; None for other pathways.

    None also for types whose sums might overflow, or be less precise than the target.
    """
    from brian2.codegen.generators.cpp_generator import c_data_type

    parts = getattr(pathway, "any_order", 0)
    if not parts:
        return None
    name = re.fullmatch(ADDS, pathway.code.strip())[3]
    for item in pathway.synapses.contained_objects:
        code = str(getattr(item, "abstract_code", None) or "")
        if not hasattr(item, "eventspace_name") and re.search(rf"\b{name}\s*([-+*/]|//|%|\*\*)?=[^=]", code):
            raise BuildError(f"any_order({pathway.name}): {item.name} changes {name!r} too; leave any_order away.")
    text = "\n".join(own)
    weights = pathway.synapses.variables[name]
    target = pathway.target.variables[re.fullmatch(ADDS, pathway.code.strip())[1]]
    kind = np.dtype(weights.dtype)
    if kind != np.int16 and (kind.kind != "f" or kind != target.dtype):
        return None
    return Sum(
        target=re.search(rf"(\w+)\[{other_index}\] = ", text)[1],
        weights=re.search(rf"{name} = (\w+)\[_idx\];", text)[1],
        name=name,
        type=c_data_type(kind),
        id=_identity(re.search(rf"{name} = (\w+)\[_idx\];", text)[1]),
        parts=parts,
    )


def _constants(pathway, own: list[str]) -> list[str]:
    """The synaptic arrays that a pathway reads, provided that they are all constant and that it writes to none."""
    from brian2 import get_device

    arrays = set(re.findall(r"(\w+)\[_idx\]", "\n".join(own)))
    constant = {
        f"_ptr{get_device().get_array_name(variable)}"
        for variable in pathway.synapses._registered_variables
        if variable.constant and not variable.name.startswith("_synaptic")
    }
    return sorted(arrays) if arrays <= constant else []


def _alike(own: list[str], written: set[str], other_index: str, spiking_index: str) -> list[str] | None:
    """The arrays whose values at the other end decide, with the spikes, what a pathway writes to its synapses.

    None if it also depends on other variables of the synapse or on the index of a neuron.
    """
    text = "\n".join(own)
    if {array for array in re.findall(r"(\w+)\[_idx\]", text)} - written:
        return None
    if re.search(rf"\b({other_index}|{spiking_index}|_idx|_vectorisation_idx)\b(?!\])", text):
        return None
    return sorted(set(re.findall(rf"(\w+)\[{other_index}\]", text)))


def _plan(pathway, vector_code) -> Plan:
    """Plan a pathway's code, or say why it cannot be dense."""
    from brian2 import get_device, prefs
    from brian2.utils.stringtools import get_identifiers

    remedy = "leave codeobj_class away for it"
    if prefs["devices.cpp_standalone.openmp_threads"]:
        raise BuildError(f"The pathway {pathway.name} cannot be dense with OpenMP threads; set openmp_threads to 0.")
    random = (RANDOM - {"rand", "randn"}) & set(get_identifiers(pathway.code))
    if random:
        raise BuildError(f"The pathway {pathway.name} draws numbers by {', '.join(sorted(random))}; {remedy}.")
    device = get_device()
    pre, post = (
        device.get_array_name(pathway.synapses.variables[name], access_data=False)
        for name in ("_synaptic_pre", "_synaptic_post")
    )
    ends = [(pre, "_presynaptic_idx"), (post, "_postsynaptic_idx")]
    (spiking, spiking_index), (other, other_index) = ends if pathway.prepost == "pre" else reversed(ends)
    lines = _counted(vector_code, "_numbers.{name}(_idx, {place})")
    # the two ends of a synapse follow from the run
    own = [
        re.sub(r"\b_clip\(", "brianprop::clip(", line) for line in lines if not re.search(r"\b_(pre|post)synaptic_idx = ", line)
    ]
    written = re.findall(r"^\s*(\S+)\[(\w+)\] [-+*/]?= ", "\n".join(own), flags=re.MULTILINE)
    changed = {array for array, index in written if index == "_idx"}
    siblings = [item for item in pathway.synapses.contained_objects if hasattr(item, "eventspace_name")]
    parts = max(getattr(item, "any_order", 1) for item in siblings)
    hint = getattr(pathway, "only_where", None)
    target = pathway.target
    array = device.get_array_name(target.variables[hint.rpartition("_")[0]]) if hint else ""
    events, delays = pathway.source.variables[pathway.eventspace_name], pathway.variables["delay"]
    return Plan(
        id=_identity(pathway.name),
        vector_code=own,
        selecting_code=[re.sub(r"^(\s*)(\w+\[\w+\]) = (\w+);", r"\1\2 = _flags[_k] ? \3 : \2;", line) for line in own],
        spiking=spiking,
        other=other,
        spiking_index=spiking_index,
        other_index=other_index,
        events=device.get_array_name(events),
        n_events=events.size - 1,
        delays=device.get_array_name(delays, access_data=False),
        dt=repr(float(pathway.source.clock.dt_)),
        independent=all(index in ("_idx", other_index) for _, index in written),
        blocks=_blocks(target),
        wakes=_woken(target, {array for array, index in written if index == other_index}),
        blocks_spiking=_blocks(pathway.source),
        wakes_spiking=_woken(pathway.source, {array for array, index in written if index == spiking_index}),
        writes=[_identity(array) for array in sorted(changed)],
        parts=parts if changed else 1,
        alike=_alike(own, changed, other_index, spiking_index),
        sum=_sum(pathway, own, other_index),
        constants=_constants(pathway, own),
        only_where=hint,
        where_array=array,
        where_start=target.start,
        where_stop=target.stop,
        random=bool(_draws(vector_code)),
    )


@cache
def dense_supported() -> bool:
    """Whether dense code generation is tested with the Brian2 that is installed; warns, once, where it is not."""
    version = metadata.version("brian2")
    if tuple(int(part) for part in re.findall(r"\d+", version)[:2]) in SUPPORTED:
        return True
    known = ", ".join(f"{major}.{minor}" for major, minor in SUPPORTED)
    warnings.warn(
        f"Dense code generation is tested with Brian2 {known}, not with {version}; Brian2's own code is used.", stacklevel=2
    )
    return False


@cache
def _codeobj_class():
    from brian2.devices.cpp_standalone.codeobject import CPPStandaloneCodeObject

    helpers = {
        "dense_plan": _plan,
        "dense_draws": _draws,
        "dense_buffered": _buffered,
        "dense_rest_where": _rest_where,
        "dense_scalar": _scalar,
        "dense_blocks": _blocks,
        "dense_parts": _parts,
        "dense_watches": _watches,
        "dense_condition": _condition,
        "dense_constants": _constant_arrays,
        "dense_first": _first,
    }

    class DenseCodeObject(CPPStandaloneCodeObject):
        """C++ standalone code objects with the templates of this package in front of Brian2's."""

        templater = CPPStandaloneCodeObject.templater.derive("brianprop.models.dense", env_globals=helpers)

    return DenseCodeObject


def dense_codeobj_class():
    """The class to pass as ``codeobj_class`` to Synapses and NeuronGroup.

    Returns
    -------
    type or None
        None in Brian2's runtime mode and, with a warning, on a version that is not in `SUPPORTED`: Brian2 then generates its
        own code.
    """
    from brian2 import get_device
    from brian2.devices.cpp_standalone.device import CPPStandaloneDevice

    return _codeobj_class() if type(get_device()) is CPPStandaloneDevice and dense_supported() else None
