"""The versions of Brian2 with which dense code works."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import sys
import tempfile
import warnings
from collections.abc import Callable
from importlib import metadata
from pathlib import Path

from . import selftest

__all__ = ["SUPPORTED", "dense_supported"]

#: Brian2 versions (major, minor) that dense code is tested with.
SUPPORTED = ((2, 9), (2, 10), (2, 11))

#: Why dense code does not work, by version of Brian2 that this process has asked for; empty where it does.
_faults: dict[str, str] = {}


def dense_supported(folder: Callable[[], Path] | None = None) -> bool:
    """Whether dense code works with the installed version of Brian2; warns once where it does not.

    It does with the versions of `SUPPORTED`. Others with the same major number are put to the test of `selftest`, which takes a
    minute.

    Parameters
    ----------
    folder : callable, optional
        Gives a folder in which the outcome of the test is kept for later processes.
    """
    version = metadata.version("brian2")
    if version not in _faults:
        _faults[version] = why = _fault(version, folder)
        if why:
            warnings.warn(
                f"Dense code does not work with Brian2 {version} ({why}); Brian2's own code is used, which is slower. Install "
                f"a version that it is tested with: {', '.join(f'{major}.{minor}' for major, minor in SUPPORTED)}.",
                stacklevel=2,
            )
    return not _faults[version]


def _fault(version: str, folder: Callable[[], Path] | None) -> str:
    """Why dense code does not work with a version of Brian2; empty where it does."""
    numbers = tuple(int(part) for part in re.findall(r"\d+", version)[:2])
    if numbers in SUPPORTED:
        return ""
    if numbers[:1] != SUPPORTED[-1][:1]:
        return "whose interfaces are unknown"
    if folder is None:
        return selftest.fault() or ""
    kept = folder()
    # the outcome is that of one compiler and of these sources
    digest = hashlib.sha256(f"{version} {sys.version} {os.environ.get('CXX')} {os.environ.get('CXXFLAGS')}".encode())
    for path in sorted(path for path in Path(__file__).parent.rglob("*") if path.suffix in (".py", ".h", ".cpp")):
        digest.update(path.read_bytes())
    outcome = kept / f"brian2-{version}-{digest.hexdigest()[:20]}.txt"
    try:
        return outcome.read_text()
    except OSError:
        why = selftest.fault() or ""
    with contextlib.suppress(OSError), tempfile.NamedTemporaryFile("w", dir=kept, delete=False) as file:
        file.write(why)
        file.flush()
        os.replace(file.name, outcome)
    return why
