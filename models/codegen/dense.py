"""Dense pathways and thresholds for Brian2's C++ standalone mode, without a fork.

Any Brian2 script can use them::

    from models.codegen.dense import dense_codeobj_class, only_where

    dense = dense_codeobj_class()                       # None where it does not apply: then Brian2's own code is used
    synapses = Synapses(source, target, model, on_pre={"propagate": ..., "learn": ...}, codeobj_class=dense)
    only_where(synapses.learn, "y0_post")               # optional: the code changes nothing where y0_post is 0

The equations, rules and results stay as they are; what changes is the code generated for them:

- a pathway (on_pre, on_post, custom events) walks over runs of synapses that lie side by side (`runs.h`), in loops that the
  compiler vectorises, and delayed runs wait in a ring; Brian2's queue of single synapses is not used;
- a pathway returns at once in steps without spikes, and with `only_where` touches just those neurons that can make a
  difference;
- a threshold sets flags in a loop without branches and then collects the indices.

What the generated code relies on is checked: random numbers in a pathway are refused, since their order would differ from
Brian2's; OpenMP is refused; and only the versions in `SUPPORTED` are used, with Brian2's own code and a warning elsewhere.
"""

from __future__ import annotations

import re
import warnings
from dataclasses import dataclass
from functools import cache
from importlib import metadata
from pathlib import Path

from models.errors import BuildError

__all__ = ["HEADERS", "SUPPORTED", "dense_codeobj_class", "dense_supported", "only_where"]

#: Brian2 versions (major, minor) whose templates these extend, each tested.
SUPPORTED = ((2, 9), (2, 10))

#: What a project with dense code needs beside its generated files.
HEADERS = tuple(Path(__file__).with_name(name) for name in ("runs.h", "turns.h"))

RANDOM = {"rand", "randn", "poisson", "binomial"}


@dataclass(frozen=True)
class Plan:
    """What the template of a pathway needs to know."""

    vector_code: list[str]
    spiking: str  # array of the neuron at the spiking end of each synapse
    other: str  # ... and at the other end
    spiking_index: str
    other_index: str
    events: str  # array of the indices of the neurons that spike, and last of their number
    n_events: int
    delays: str
    dt: str
    independent: bool  # whether the synapses of a run write to places of their own
    only_where: str | None
    where_array: str
    where_start: int
    where_stop: int


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


def _plan(pathway, vector_code) -> Plan:
    """Plan a pathway's code, or say why it cannot be dense."""
    from brian2 import get_device, prefs
    from brian2.utils.stringtools import get_identifiers

    remedy = "leave codeobj_class away for it"
    if prefs["devices.cpp_standalone.openmp_threads"]:
        raise BuildError(f"The pathway {pathway.name} cannot be dense with OpenMP threads; set openmp_threads to 0.")
    random = RANDOM & set(get_identifiers(pathway.code))
    if random:
        raise BuildError(f"The pathway {pathway.name} draws random numbers ({', '.join(sorted(random))}); {remedy}.")
    device = get_device()
    pre, post = (
        device.get_array_name(pathway.synapses.variables[name], access_data=False)
        for name in ("_synaptic_pre", "_synaptic_post")
    )
    ends = [(pre, "_presynaptic_idx"), (post, "_postsynaptic_idx")]
    (spiking, spiking_index), (other, other_index) = ends if pathway.prepost == "pre" else reversed(ends)
    lines = vector_code.split("\n") if isinstance(vector_code, str) else list(vector_code)
    # the two ends of a synapse follow from the run
    own = [line for line in lines if not re.search(r"\b_(pre|post)synaptic_idx = ", line)]
    written = re.findall(r"^\s*\S+\[(\w+)\] [-+*/]?= ", "\n".join(own), flags=re.MULTILINE)
    hint = getattr(pathway, "only_where", None)
    target = pathway.target
    array = device.get_array_name(target.variables[hint.rpartition("_")[0]]) if hint else ""
    events, delays = pathway.source.variables[pathway.eventspace_name], pathway.variables["delay"]
    return Plan(
        vector_code=own,
        spiking=spiking,
        other=other,
        spiking_index=spiking_index,
        other_index=other_index,
        events=device.get_array_name(events),
        n_events=events.size - 1,
        delays=device.get_array_name(delays, access_data=False),
        dt=repr(float(pathway.source.clock.dt_)),
        independent=all(index in ("_idx", other_index) for index in written),
        only_where=hint,
        where_array=array,
        where_start=target.start,
        where_stop=target.stop,
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

    class DenseCodeObject(CPPStandaloneCodeObject):
        """C++ standalone code objects with the templates of this package in front of Brian2's."""

        templater = CPPStandaloneCodeObject.templater.derive("models.codegen", env_globals={"dense_plan": _plan})

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
