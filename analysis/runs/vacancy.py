"""Whether a run may be created at a path."""

from __future__ import annotations

import errno
import os
from pathlib import Path

from brianprop.models.errors import RunError
from brianprop.models.files import cannot_write, is_temporary

__all__ = ["require_vacant"]

#: What a folder may hold whose creation was killed before config.json made it a run.
UNFINISHED_CREATION = {"lock", "environment.json"}


def require_vacant(path: Path) -> None:
    """Make sure that a run may be created at a path: nothing is there, or only what a killed creation left.

    Raises
    ------
    RunError
        If the path holds anything else, lies inside a run, cannot be looked at, or could not be written.
    """
    path = Path(path)
    try:
        if path.is_symlink() and not path.exists():
            raise RunError(f"{path} is a link to {os.readlink(path)}, which does not exist; choose another --out.")
        if not path.exists() or (
            path.is_dir() and all(entry.name in UNFINISHED_CREATION or is_temporary(entry.name) for entry in path.iterdir())
        ):
            return _require_writable(path)
        if not path.is_dir():
            raise RunError(f"{path} exists already and is no run directory but a file; choose another --out.")
    except OSError as error:
        raise cannot_write(path, error) from error
    if (path / "config.json").is_file():
        raise RunError(f"{path} exists already; choose another --out or use 'brianprop resume {path}'.")
    raise RunError(f"{path} exists already and is no run; choose another --out.")


def _require_writable(path: Path) -> None:
    """Raise RunError if a folder could not be made or filled at a vacant path."""
    resolved = path.resolve()
    for parent in resolved.parents:
        if (parent / "config.json").is_file():
            raise RunError(f"{path} lies inside the run {parent}, whose files are its own; choose another --out.")
    nearest = next(folder for folder in (resolved, *resolved.parents) if folder.exists())
    if not nearest.is_dir():
        raise cannot_write(path, OSError(errno.ENOTDIR, f"{nearest} is a file"))
    if not os.access(nearest, os.W_OK | os.X_OK):
        read_only = os.statvfs(nearest).f_flag & os.ST_RDONLY
        number = errno.EROFS if read_only else errno.EACCES
        raise cannot_write(path, OSError(number, os.strerror(number)))
