"""The cache folder: what can be made again is kept there between runs."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from brianprop.models.errors import BuildError, DataError, reason

__all__ = ["cache_root", "exclusive", "folder_of", "private_folder"]

#: Errors of a file system without locks.
NO_LOCKS = {errno.ENOSYS, errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP}


def cache_root() -> Path:
    """Path of the cache folder; the folder may not exist yet.

    It is $BRIANPROP_CACHE if set, else the platform's cache folder for brianprop. Where that does not exist and cannot be made
    (there is no home folder, or it cannot be written, as in a container that runs as an arbitrary user), it is a folder of this
    user among the temporary files.

    Raises
    ------
    DataError
        When $BRIANPROP_CACHE names an unknown home folder, or the folder among the temporary files belongs to another user.
    """
    if override := os.environ.get("BRIANPROP_CACHE"):
        return folder_of(override, "BRIANPROP_CACHE")
    platform_folder = _platform_folder()
    return platform_folder if platform_folder is not None and _usable(platform_folder) else _temporary()


def private_folder(name: str) -> Path:
    """A folder of the cache that only this user can write, since programs in it are run. It is made if it is missing.

    Where the cache folder belongs to another user, such as one that a group shares, each user has separate folders in it.

    Parameters
    ----------
    name : str
        Name of the folder, such as ``builds``.

    Raises
    ------
    BuildError
        When the folder cannot be made, belongs to another user, or is not a folder.
    """
    root, user = cache_root(), os.getuid()
    try:
        root.mkdir(parents=True, exist_ok=True)
        shared = root.stat().st_uid != user
        parts = (f"user{user}", name) if shared else (name,)
        folder = root
        for part in parts:
            folder /= part
            folder.mkdir(mode=0o700, exist_ok=True)
            state = folder.lstat()
            if not stat.S_ISDIR(state.st_mode) or state.st_uid != user:
                raise BuildError(
                    f"The cache folder {folder} is not a folder of this user, so that the programs in it cannot be trusted; "
                    "remove it or set $BRIANPROP_CACHE to another folder."
                )
            if state.st_mode & 0o022:
                folder.chmod(state.st_mode & 0o755)
    except OSError as error:
        raise BuildError(
            f"Cannot write the cache {error.filename or root} ({reason(error)}); free space or set $BRIANPROP_CACHE to "
            "another folder."
        ) from error
    return folder


def folder_of(path: str | os.PathLike, origin: str) -> Path:
    """The absolute path of a folder, with ~ replaced by the home folder.

    Raises
    ------
    DataError
        When the home folder is unknown. The message says that `origin`, an option or a variable, named it.
    """
    try:
        return Path(path).expanduser().absolute()
    except RuntimeError as error:
        raise DataError(
            f"The home folder of {os.fspath(path)!r}, which {origin} names, is unknown; give the whole path."
        ) from error


@contextlib.contextmanager
def exclusive(path: Path, busy: Callable[[], object] = lambda: None) -> Iterator[None]:
    """Hold a lock file while the block runs, so that only one process at a time makes the same thing.

    On a file system without locks, several processes may make it at the same time. The result must therefore be moved to its
    place in one step.

    Parameters
    ----------
    path : Path
    busy : callable
        Called once if another process holds the lock, before waiting for it.
    """
    from filelock import FileLock, Timeout

    lock = FileLock(path)
    try:
        try:
            lock.acquire(blocking=False)
        except Timeout:
            busy()
            lock.acquire()
    except NotImplementedError:
        pass  # filelock raises this for ENOSYS
    except OSError as error:
        if error.errno not in NO_LOCKS:
            raise
    try:
        yield
    finally:
        lock.release()


def _platform_folder() -> Path | None:
    """The platform's cache folder for brianprop; None where there is no home folder."""
    if sys.platform != "darwin":
        base = os.environ.get("XDG_CACHE_HOME", "")
        if os.path.isabs(base):  # relative paths are to be ignored, says the specification of the variable
            return Path(base) / "brianprop"
    try:
        home = Path.home()
    except RuntimeError:
        return None
    if not home.is_absolute():
        return None
    return home / ("Library/Caches" if sys.platform == "darwin" else ".cache") / "brianprop"


def _usable(folder: Path) -> bool:
    """Whether a folder exists or can be made."""
    if os.path.isdir(folder):
        return True
    parent = next((parent for parent in folder.parents if os.path.lexists(parent)), folder.parent)
    return os.path.isdir(parent) and os.access(parent, os.W_OK | os.X_OK)


def _temporary() -> Path:
    """A folder among the temporary files that only this user can write, since programs in it are run."""
    folder = Path(tempfile.gettempdir()) / f"brianprop-{os.getuid()}"
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        state = folder.lstat()
    except OSError as error:
        raise DataError(f"The cache {folder} cannot be made ({reason(error)}); set BRIANPROP_CACHE to a folder.") from error
    if state.st_uid != os.getuid() or state.st_mode & 0o022:
        raise DataError(f"The cache {folder} can be written by others; set BRIANPROP_CACHE to a folder of your own.")
    return folder
