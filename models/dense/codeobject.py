"""The class of code objects that use the dense templates, and the files that generated code needs beside it."""

from __future__ import annotations

import re
import shutil
import warnings
from functools import cache
from importlib import metadata
from pathlib import Path

from . import events, groups, pathways, random_numbers

__all__ = ["SUPPORTED", "add_sources", "dense_codeobj_class", "dense_supported"]

#: Brian2 versions (major, minor) that dense code is tested with.
SUPPORTED = ((2, 9), (2, 10), (2, 11))


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


@cache
def dense_supported() -> bool:
    """Whether dense code is tested with the installed version of Brian2; warns once where it is not."""
    version = metadata.version("brian2")
    if tuple(int(part) for part in re.findall(r"\d+", version)[:2]) in SUPPORTED:
        return True
    known = ", ".join(f"{major}.{minor}" for major, minor in SUPPORTED)
    warnings.warn(
        f"Dense code generation is tested with Brian2 {known}, not with {version}; Brian2's own code is used.", stacklevel=2
    )
    return False


def headers() -> list[str]:
    """Names of the C++ headers that `add_sources` copies."""
    return [file.name for file in Path(__file__).parent.glob("*.h")]


@cache
def dense_class() -> type:
    """The class of dense code objects. Its templates refuse what cannot be dense."""
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
        None, so that Brian2 generates its own code, in runtime mode, on other devices, and with a version of Brian2 that is not
        in `SUPPORTED` (with a warning).
    """
    from brian2 import get_device
    from brian2.devices.cpp_standalone.device import CPPStandaloneDevice

    return dense_class() if type(get_device()) is CPPStandaloneDevice and dense_supported() else None
