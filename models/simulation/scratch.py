"""Scratch folders among the temporary files, which go with the process that made them, however it ends."""

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

#: How the names of scratch folders begin; and those that are not locked yet, or cannot be, which nobody else removes.
PREFIX, UNLOCKED = "brianprop-scratch-", ".new-"


class Scratch:
    """A temporary folder that is removed by `close`, and at the latest with this object.

    The folder is locked as long as the process lives. What a killed process leaves behind is thus told from what is in use, and
    the next process that makes a folder in the same place removes it.

    Parameters
    ----------
    root : Path, optional
        Where to make it (default: among the temporary files).

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
    """Remove the scratch folders of this user whose processes are gone."""
    for path in root.glob(f"{PREFIX}*"):
        with contextlib.suppress(OSError):
            status = path.lstat()
            if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.getuid():
                continue
            lock = _lock(path)
            if lock is not None:
                _removed(path, lock)


def _lock(folder: Path) -> int | None:
    """Lock a folder for this process; None where another has it or the file system has no locks."""
    number = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(number)
        return None
    return number
