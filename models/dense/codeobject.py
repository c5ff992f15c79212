"""The class of code objects that use the dense templates, and the files that generated code needs beside it."""

from __future__ import annotations

import shutil
from functools import cache
from pathlib import Path

from . import events, groups, pathways, random_numbers
from .versions import dense_supported

__all__ = ["add_sources", "codeobj_class", "dense_codeobj_class"]


def add_sources(folder: str | Path) -> list[str]:
    """Copy the C++ files that dense code needs into a project folder, which is made if it is missing.

    Parameters
    ----------
    folder : str or Path

    Returns
    -------
    list of str
        Names of the sources to compile, for ``additional_source_files`` of Brian2's `device.build`.
    """
    folder, here = Path(folder), Path(__file__).parent
    folder.mkdir(parents=True, exist_ok=True)
    for file in (*here.glob("*.h"), *here.glob("*.cpp")):
        shutil.copy(file, folder / file.name)
    return [file.name for file in here.glob("*.cpp")]


def headers() -> list[str]:
    """Names of the C++ headers that `add_sources` copies."""
    return [file.name for file in Path(__file__).parent.glob("*.h")]


@cache
def codeobj_class():
    """The class of code objects with dense templates, whether they work or not."""
    from brian2.devices.cpp_standalone.codeobject import CPPStandaloneCodeObject

    helpers = {
        "dense_plan": pathways.plan,
        "dense_draws": random_numbers.draws,
        "dense_buffered": random_numbers.buffered,
        "dense_rest_where": groups.rest_where,
        "dense_scalar": random_numbers.scalar_type,
        "dense_blocks": groups.blocks_type,
        "dense_parts": groups.part_updates,
        "dense_array": groups.array_name,
        "dense_drives": groups.drives,
        "dense_repeatable": groups.repeatable,
        "dense_tracked": groups.tracked,
        "dense_fading": groups.fading_part,
        "dense_watches": groups.watched_parts,
        "dense_condition": groups.condition,
        "dense_constants": groups.constant_arrays,
        "dense_first": groups.first_of_block,
        "dense_independent": events.independent,
    }

    class DenseCodeObject(CPPStandaloneCodeObject):
        """C++ standalone code objects whose templates are first looked for in this package, then in Brian2."""

        templater = CPPStandaloneCodeObject.templater.derive(__package__, env_globals=helpers)

    return DenseCodeObject


def dense_codeobj_class() -> type | None:
    """The class to pass as ``codeobj_class`` to Synapses and NeuronGroup.

    Returns
    -------
    type or None
        None, so that Brian2 generates its own code, in runtime mode, on other devices, and with a version of Brian2 with which
        dense code does not work (with a warning), see `dense_supported`.
    """
    from brian2 import get_device
    from brian2.devices.cpp_standalone.device import CPPStandaloneDevice

    return codeobj_class() if type(get_device()) is CPPStandaloneDevice and dense_supported() else None
