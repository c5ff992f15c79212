"""Where things that can be made again are kept between runs."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from brianprop.models.errors import BuildError, DataError

__all__ = ["cache_root", "exclusive", "folder_of", "private_folder"]

#: What a file system answers that has no locks.
NO_LOCKS = {errno.ENOSYS, errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP}


def cache_root() -> Path:
    """The cache folder, which is not made here.

    $BRIANPROP_CACHE, or else the platform's cache folder for brianprop. Where that is not there and cannot be made, since there
    is no home or it cannot be written, as in a container that runs as any user: a folder of the user among the temporary files.

    Raises
    ------
    DataError
        When $BRIANPROP_CACHE names a home folder that is unknown, or the folder among the temporary files belongs to another.
    """
    if override := os.environ.get("BRIANPROP_CACHE"):
        return folder_of(override, "BRIANPROP_CACHE")
    usual = _usual()
    return usual if usual is not None and _usable(usual) else _temporary()


def private_folder(name: str) -> Path:
    """A folder of the cache that only this user can write, made if it is missing: programs in it are run.

    Where the cache belongs to somebody else, as one that a group shares, each user has folders of their own in it.

    Parameters
    ----------
    name : str
        What is kept there, such as ``builds``.

    Raises
    ------
    BuildError
        When the folder cannot be made, belongs to another user, or is no folder.
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
            f"Cannot write the cache {error.filename or root} ({error.strerror}); free space or set $BRIANPROP_CACHE to "
            "another folder."
        ) from error
    return folder


def folder_of(path: str | os.PathLike, origin: str) -> Path:
    """An absolute path, with the home folder for ~. Raises DataError where that is unknown; `origin` says who named it."""
    try:
        return Path(path).expanduser().absolute()
    except RuntimeError as error:
        raise DataError(
            f"The home folder of {os.fspath(path)!r}, which {origin} names, is unknown; give the whole path."
        ) from error


@contextlib.contextmanager
def exclusive(path: Path) -> Iterator[None]:
    """Let processes that make the same thing wait for one another, where the file system of the lock file `path` has locks.

    Elsewhere they may make it at the same time, so it must be moved to its place in one step.
    """
    from filelock import FileLock

    lock = FileLock(path)
    try:
        lock.acquire()
    except NotImplementedError:
        pass  # what filelock makes of ENOSYS
    except OSError as error:
        if error.errno not in NO_LOCKS:
            raise
    try:
        yield
    finally:
        lock.release()


def _usual() -> Path | None:
    """The platform's folder; None where there is no home."""
    if sys.platform != "darwin":
        named = os.environ.get("XDG_CACHE_HOME", "")
        if os.path.isabs(named):  # others are to be ignored, says the specification of the variable
            return Path(named) / "brianprop"
    try:
        home = Path.home()
    except RuntimeError:
        return None
    if not home.is_absolute():
        return None
    return home / ("Library/Caches" if sys.platform == "darwin" else ".cache") / "brianprop"


def _usable(folder: Path) -> bool:
    """Whether a folder is there or can be made."""
    if os.path.isdir(folder):
        return True
    parent = next((parent for parent in folder.parents if os.path.lexists(parent)), folder.parent)
    return os.path.isdir(parent) and os.access(parent, os.W_OK | os.X_OK)


def _temporary() -> Path:
    """A folder that nobody else can write, since programs are kept in it and run."""
    folder = Path(tempfile.gettempdir()) / f"brianprop-{os.getuid()}"
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        state = folder.lstat()
    except OSError as error:
        raise DataError(f"The cache {folder} cannot be made ({error.strerror}); set BRIANPROP_CACHE to a folder.") from error
    if state.st_uid != os.getuid() or state.st_mode & 0o022:
        raise DataError(f"The cache {folder} can be written by others; set BRIANPROP_CACHE to a folder of your own.")
    return folder
