"""What the cache holds, and how it is kept from growing without end.

Only what this program made and can make again without the network is removed: builds and what belongs to them, unpacked images,
emulated events. Downloads stay, and so do the runs of sweeps that are on their way to another machine.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import time
from dataclasses import dataclass
from pathlib import Path

from brianprop.models.cache import cache_root, exclusive
from brianprop.models.errors import ParameterError

__all__ = ["DAY", "FOLDERS", "Entry", "bound", "entries", "prune", "touch"]

#: Folders of the cache that may be emptied.
FOLDERS = ("builds", "codes", "sources", "payloads", "events")

#: Seconds of a day; and those since the last use in which an entry counts as in use.
DAY = 86400.0
IN_USE = 3600.0

#: Bytes that the cache may take, unless $BRIANPROP_CACHE_SIZE says otherwise in GB.
BOUND = 5e9


@dataclass(frozen=True)
class Entry:
    """One thing in the cache.

    Attributes
    ----------
    path : pathlib.Path
        A file, or the folder of a build.
    n_bytes : int
    used : float
        When it was made or last used [s since 1970].
    """

    path: Path
    n_bytes: int
    used: float


def entries() -> list[Entry]:
    """All that may be removed, what was used longest ago first."""
    root, found = cache_root(), []
    for folder in (parent / name for parent in (root, root / f"user{os.getuid()}") for name in FOLDERS):
        with contextlib.suppress(OSError):  # there is none, or it vanishes meanwhile
            for path in folder.iterdir():
                if not path.name.startswith((".", "brianprop-scratch-")) and path.suffix != ".lock" and not path.is_symlink():
                    found.append(_entry(path))
    return sorted(found, key=lambda entry: entry.used)


def _entry(path: Path) -> Entry:
    state = path.stat()
    if not path.is_dir():
        return Entry(path, state.st_size, max(state.st_mtime, state.st_atime))
    # not the time of the last reading: this function reads the folder
    return Entry(path, sum(file.stat().st_size for file in path.rglob("*") if file.is_file()), state.st_mtime)


def touch(path: Path) -> None:
    """Note that an entry is used now. Where that cannot be noted, as in a cache of another user, it is not."""
    with contextlib.suppress(OSError):
        os.utime(path)


def bound() -> float:
    """Bytes that the cache may take.

    Raises
    ------
    ParameterError
        When $BRIANPROP_CACHE_SIZE is no number from 0.
    """
    given = os.environ.get("BRIANPROP_CACHE_SIZE")
    if not given:
        return BOUND
    try:
        size = float(given)
    except ValueError:
        size = -1.0
    if not size >= 0:
        raise ParameterError(f"Variable BRIANPROP_CACHE_SIZE = {given!r} must be a number of GB from 0, or inf.")
    return 1e9 * size


def prune(age: float | None = None, size: float | None = None, in_use: float = IN_USE) -> list[Entry]:
    """Remove what is old, and then what was used longest ago until the rest is small enough.

    Parameters
    ----------
    age : float, optional
        Remove what was not used for so many seconds.
    size : float, optional
        Bytes that the rest may take.
    in_use : float
        Keep what was used in so many seconds: a simulation may be running it.

    Returns
    -------
    list of Entry
        What was removed.
    """
    now, found = time.time(), entries()
    left, removed = sum(entry.n_bytes for entry in found), []
    for entry in found:
        idle = now - entry.used
        if idle < in_use or not ((age is not None and idle >= age) or (size is not None and left > size)):
            continue
        if _removed(entry.path):
            removed.append(entry)
            left -= entry.n_bytes
    return removed


def _removed(path: Path) -> bool:
    """Remove an entry, so that nobody ever finds a part of it."""
    aside = path.with_name(f".pruned-{os.getpid()}-{path.name}")
    try:
        if path.is_dir():
            with exclusive(path.with_name(f"{path.name}.lock")):
                path.rename(aside)
            shutil.rmtree(aside, ignore_errors=True)
        else:
            path.unlink()
    except OSError:
        return False
    return True
