"""Dense pathways and thresholds for Brian2's C++ standalone mode, without a fork.

Any Brian2 script can use them::

    from models.codegen.dense import dense_codeobj_class, only_where

    dense = dense_codeobj_class()                       # None where it does not apply: then Brian2's own code is used
    synapses = Synapses(source, target, model, on_pre={"propagate": ..., "learn": ...}, codeobj_class=dense)
    only_where(synapses.learn, "y0_post")               # optional: the code changes nothing where y0_post is 0
    may_rest(group)                                     # optional: all that writes to its neurons is dense

The equations, rules and results stay as they are; what changes is the code generated for them:

- a pathway (on_pre, on_post, custom events) walks over stretches of synapses that lie side by side (`runs.h`), in loops that
  the compiler vectorises, and delayed ones wait in a ring; Brian2's queue of single synapses is not used;
- a pathway returns at once in steps without spikes, and with `only_where` touches just those neurons that can make a
  difference;
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
import warnings
import zlib
from dataclasses import dataclass
from functools import cache
from importlib import metadata
from pathlib import Path

import numpy as np

from models.errors import BuildError

__all__ = ["HEADERS", "SUPPORTED", "dense_codeobj_class", "dense_supported", "may_rest", "only_where", "silent_where_zero"]

#: Brian2 versions (major, minor) whose templates these extend, each tested.
SUPPORTED = ((2, 9), (2, 10))

#: What a project with dense code needs beside its generated files.
HEADERS = tuple(Path(__file__).with_name(name) for name in ("random.h", "runs.h", "turns.h"))

#: Random functions that `random.h` draws, and those that stay Brian2's.
COUNTED = {"_rand": "uniform", "_randn": "normal"}
RANDOM = {"rand", "randn", "poisson", "binomial"}


@dataclass(frozen=True)
class Plan:
    """What the template of a pathway needs to know."""

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
    wakes: str | None  # blocks of neurons to wake at the other end
    wakes_spiking: str | None  # ... and at the spiking end
    only_where: str | None
    where_array: str
    where_start: int
    where_stop: int
    random: bool  # whether the code draws numbers of `random.h`, which it then takes from `_numbers`


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


def silent_where_zero(group, event: str, variable: str) -> None:
    """Promise that an event, whose condition draws random numbers, cannot happen where a variable of the group is 0.

    In steps in which it is 0 everywhere nothing is drawn.

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
    group.add_attribute("may_rest")
    group.may_rest = True


def _blocks(group) -> str | None:
    """The C++ type of the blocks of a group that may rest, or of the group that a subgroup is part of."""
    whole = getattr(group, "source", group)
    if not getattr(whole, "may_rest", False):
        return None
    return f"brianprop::Blocks<{zlib.crc32(whole.name.encode())}u, {len(whole)}>"


def _watched(vector_code) -> list[str]:
    """The lines of an update that also tell, in `_changed`, whether any of them changed what is stored."""
    return [re.sub(r"^(\s*)(\w+\[_idx\]) = (\w+);", r"\1_changed |= \2 != \3;\n\2 = \3;", line) for line in _lines(vector_code)]


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


def _condition(vector_code) -> list[str]:
    """The lines of a threshold with a condition as wide as the values, and a neuron's index not read but known."""
    lines = [re.sub(r"^(\s*const int32_t i) = \w+\[_idx\];", r"\1 = _idx;", line) for line in _buffered(vector_code)]
    return [re.sub(r"^(\s*const) char _cond = ", r"\1 bool _cond = ", line) for line in lines]


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
    own = [line for line in lines if not re.search(r"\b_(pre|post)synaptic_idx = ", line)]
    written = re.findall(r"^\s*\S+\[(\w+)\] [-+*/]?= ", "\n".join(own), flags=re.MULTILINE)
    hint = getattr(pathway, "only_where", None)
    target = pathway.target
    array = device.get_array_name(target.variables[hint.rpartition("_")[0]]) if hint else ""
    events, delays = pathway.source.variables[pathway.eventspace_name], pathway.variables["delay"]
    return Plan(
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
        independent=all(index in ("_idx", other_index) for index in written),
        wakes=_blocks(target) if other_index in written else None,
        wakes_spiking=_blocks(pathway.source) if spiking_index in written else None,
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
        "dense_blocks": _blocks,
        "dense_watched": _watched,
        "dense_draws": _draws,
        "dense_buffered": _buffered,
        "dense_rest_where": _rest_where,
        "dense_scalar": _scalar,
        "dense_condition": _condition,
    }

    class DenseCodeObject(CPPStandaloneCodeObject):
        """C++ standalone code objects with the templates of this package in front of Brian2's."""

        templater = CPPStandaloneCodeObject.templater.derive("models.codegen", env_globals=helpers)

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
