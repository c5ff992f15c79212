"""Atomic writes: a file exists completely or not at all, even after a kill or a power cut."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from brianprop.models.errors import RunError, reason

__all__ = ["atomic_write", "cannot_write", "is_temporary", "sync_folder", "write_text"]

REMEDIES = {
    errno.ENOSPC: "free some space or choose a path on another disk",
    errno.EDQUOT: "free some of your quota or choose a path on another disk",
    errno.EROFS: "choose a path on a disk that can be written",
    errno.EACCES: "choose a path where you may write",
    errno.EPERM: "choose a path where you may write",
}

#: Errors of file systems (network, user space) that cannot force a folder to disk. The file itself has been written.
CANNOT_SYNC = (errno.EINVAL, errno.ENOTSUP, errno.ENOSYS)


def cannot_write(path: Path, error: OSError) -> RunError:
    """The error for a file that cannot be written, with its remedy."""
    remedy = REMEDIES.get(error.errno or 0, "choose another path")
    return RunError(f"Cannot write {path}: {reason(error)}; {remedy}.")


def is_temporary(name: str) -> bool:
    """Whether a file name is that of a temporary file of `atomic_write`."""
    return name.startswith(".") and name.endswith(".tmp")


def atomic_write(path: str | os.PathLike, write: Callable[[BinaryIO], object]) -> None:
    """Write a file so that it exists completely or not at all.

    The data are written to a temporary file in the same folder and forced to disk. Then that file replaces `path` in one step.
    If anything fails, the old file stays and the temporary file is removed.

    Parameters
    ----------
    path : path-like
        The file to write; its folder must exist.
    write : callable
        Called with an open binary file, to which it writes the contents.

    Raises
    ------
    RunError
        If the file cannot be written (full or read-only disk, no permission); it names the path and the remedy.
    """
    path = Path(path)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        try:
            temporary.unlink(missing_ok=True)  # left behind by an earlier process with the same number
            with open(temporary, "xb") as file:  # mode x: never through a link that another user has put there
                write(file)
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
        sync_folder(path.parent)
    except OSError as error:
        raise cannot_write(path, error) from error


def sync_folder(path: Path) -> None:
    """Force a folder to disk. Only then does a file that was moved into it survive a power cut."""
    folder = os.open(path, os.O_RDONLY)
    try:
        os.fsync(folder)
    except OSError as error:
        if error.errno not in CANNOT_SYNC:
            raise
    finally:
        os.close(folder)


def write_text(path: Path, text: str) -> Path:
    """Write a text file in UTF-8 with `atomic_write`. Returns its path."""
    atomic_write(path, lambda file: file.write(text.encode()))
    return path
