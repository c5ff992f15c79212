"""Temporary folders that are removed when the process that made them ends, however it ends."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import stat
import tempfile
import weakref
from pathlib import Path

__all__ = ["Scratch"]

#: Prefix of the names of scratch folders; and of those that are not locked yet or cannot be locked, which no other process
#: removes.
PREFIX, UNLOCKED = "brianprop-scratch-", ".new-"


class Scratch:
    """A temporary folder that is removed by `close`, or when this object is garbage-collected or the process exits.

    The folder is locked while the process lives. A folder that is not locked was left behind by a killed process; the next
    process that makes a scratch folder under the same root removes it.

    Parameters
    ----------
    root : Path, optional
        Folder to make it in (default: that of temporary files).

    Attributes
    ----------
    path : Path

    Raises
    ------
    OSError
        When the folder cannot be made.
    """

    def __init__(self, root: Path | None = None):
        root = Path(tempfile.gettempdir()) if root is None else root
        _sweep(root)
        path = Path(tempfile.mkdtemp(dir=root, prefix=UNLOCKED + PREFIX))
        lock = _lock(path)
        self.path = path if lock is None else path.rename(root / path.name.removeprefix(UNLOCKED))
        self._remove = weakref.finalize(self, _removed, self.path, lock)

    def close(self) -> None:
        """Remove the folder."""
        self._remove()

    def __enter__(self) -> Path:
        return self.path

    def __exit__(self, *exception) -> None:
        self.close()


def _removed(path: Path, lock: int | None) -> None:
    shutil.rmtree(path, ignore_errors=True)
    if lock is not None:
        os.close(lock)


def _sweep(root: Path) -> None:
    """Remove the scratch folders of this user whose processes have ended."""
    for path in root.glob(f"{PREFIX}*"):
        with contextlib.suppress(OSError):
            status = path.lstat()
            if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.getuid():
                continue
            lock = _lock(path)
            if lock is not None:
                _removed(path, lock)


def _lock(folder: Path) -> int | None:
    """Lock a folder for this process and return the file descriptor; None if another holds it or there are no locks."""
    number = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(number)
        return None
    return number
