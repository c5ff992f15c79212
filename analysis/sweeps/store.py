"""The runs of a sweep directory by key: where they lie, who writes them, and whether finished ones are undamaged.

A key is made of all that decides a run, so equal points share one run, and a finished run is never repeated. A run moves to
``points`` in one step when it is finished. Its manifest, point.json, holds the checksums of its files.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import os
import reprlib
import shutil
import tarfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from brianprop.analysis.sweeps.plan import read_json
from brianprop.models.errors import RunError, reason
from brianprop.models.files import cannot_write, write_text

__all__ = ["FORMAT", "PointStore", "has_links"]

#: Version of the layout of a sweep directory; a reader refuses any other.
FORMAT = 1

MANIFEST = "point.json"

#: What every finished run has.
ESSENTIAL = ("config.json", "metrics.csv")


class PointStore:
    """Runs by key: finished ones and those that are being written.

    Parameters
    ----------
    path : path-like
        A sweep directory, or a folder of a machine that has no access to it.
    """

    def __init__(self, path: str | os.PathLike):
        self.path = Path(path)
        # by key, the states of the files of each run that was found undamaged: hashing thousands of files takes a while
        self._undamaged: dict[str, list[tuple[int, ...]]] = {}

    def inside(self, *names: str) -> Path:
        """A path in this folder. Raises RunError if a part of it is a symbolic link."""
        path = self.path
        for name in names:
            path = path / name
            if path.is_symlink():
                raise RunError(
                    f"{path} is a symbolic link, which may lead out of the sweep directory; remove it, or replace it by what "
                    "it leads to."
                )
        return path

    def finished(self, key: str) -> Path:
        """The folder of the run when it is finished."""
        return self.inside("points", key)

    def unfinished(self, key: str) -> Path:
        """The folder of the run until it is finished."""
        return self.inside("unfinished", key)

    def started(self, key: str) -> Path:
        """A file that exists while the run is written, and after its process was killed."""
        return self.inside("unfinished", f"{key}.started")

    @contextlib.contextmanager
    def lock(self, key: str, wait: bool = True) -> Iterator[bool]:
        """Hold a run for writing until the block or the process ends.

        Yields whether it is held: without `wait`, another process may hold it.
        """
        from filelock import FileLock, Timeout

        self._folder("locks")
        path = self.inside("locks", f"{key}.lock")
        lock = FileLock(path, timeout=-1 if wait else 0, is_singleton=False)
        try:
            lock.acquire()
        except Timeout:
            yield False
            return
        except OSError as error:
            raise cannot_write(path, error) from error
        try:
            yield True
        finally:
            lock.release()

    @contextlib.contextmanager
    def attempt(self, key: str) -> Iterator[bool]:
        """Mark that a run, whose lock is held, is written in this block. Yields whether an earlier attempt was killed."""
        folder, mark = self._folder("unfinished"), self.started(key)
        try:
            killed = mark.exists()
            mark.touch()
        except OSError as error:
            raise cannot_write(folder, error) from error
        try:
            yield killed
        finally:
            mark.unlink(missing_ok=True)

    def commit(self, key: str) -> None:
        """Turn an unfinished run, whose lock is held, into a finished one, in one step.

        Raises
        ------
        RunError
            If it cannot be written.
        """
        folder, finished = self.unfinished(key), self.finished(key)
        manifest = {"format": FORMAT, "key": key, "sha256": _checksums(folder)}
        write_text(folder / MANIFEST, json.dumps(manifest, indent=1) + "\n")
        self._folder("points")
        try:
            os.replace(folder, finished)
        except OSError as error:
            raise cannot_write(finished, error) from error

    def damage(self, key: str) -> str | None:
        """What is wrong with a finished run, in a few words; None if it is undamaged or there is no such run.

        Its files must be those that were committed. Files that were added later, such as figures, do not matter. The files of
        a run that this object has found undamaged are hashed again only if one of them was written since.
        """
        folder = self.finished(key)
        if not os.path.lexists(folder):
            return None
        try:
            manifest = read_json(folder / MANIFEST)
            expected = _checksums_of(manifest)
        except (OSError, ValueError) as error:
            return f"{MANIFEST} cannot be read ({error})"
        if manifest.get("key") != key:
            return f"{MANIFEST} is that of {reprlib.repr(manifest.get('key'))}"
        for name in expected:
            if fault := _irregular(folder, name):
                return fault
        # taken before the files are read, so that a change while they are read is noticed next time
        states = [_state(folder / name) for name in (MANIFEST, *expected)]
        if states == self._undamaged.get(key):
            return None
        for name, checksum in expected.items():
            try:
                actual = _checksum(folder / name)
            except OSError as error:
                return f"{name} cannot be read ({reason(error)})"
            if actual != checksum:
                return f"{name} has changed"
        self._undamaged[key] = states
        return None

    def set_aside(self, key: str) -> Path:
        """Move a damaged run, whose lock is held, out of the way; gives its new path."""
        folder = self._folder("damaged")
        number = 0
        while os.path.lexists(path := folder / f"{key}-{number}"):
            number += 1
        try:
            os.replace(self.finished(key), path)
        except OSError as error:
            raise cannot_write(path, error) from error
        return path

    def pack(self, key: str) -> bytes:
        """A finished run as the bytes of a tar archive."""
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w") as archive:
            archive.add(self.finished(key), arcname=".")
        return buffer.getvalue()

    def take(self, key: str, archive: bytes) -> None:
        """Unpack a run that `pack` gave on another machine as a finished one; its lock is held.

        Raises
        ------
        RunError
            If it arrived damaged or cannot be written.
        """
        self._folder("unfinished")
        folder = self.unfinished(key)
        shutil.rmtree(folder, ignore_errors=True)
        try:
            with tarfile.open(fileobj=io.BytesIO(archive)) as files:
                files.extraction_filter = getattr(tarfile, "data_filter", None)  # new in Python 3.11.4
                files.extractall(folder)
        except OSError as error:
            raise cannot_write(folder, error) from error
        except tarfile.TarError as error:
            raise RunError(f"The run {key} arrived damaged ({error}); use 'brianprop sweep resume {self.path}'.") from error
        self.commit(key)

    def _folder(self, name: str) -> Path:
        folder = self.inside(name)
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise cannot_write(folder, error) from error
        return folder


def _checksums_of(manifest: Mapping[str, Any]) -> dict[str, str]:
    """The checksums in a manifest by the path of the file in the run. Raises ValueError with a few words."""
    checksums = manifest.get("sha256")
    if not isinstance(checksums, dict) or not all(isinstance(checksum, str) for checksum in checksums.values()):
        raise ValueError("sha256 must be an object of digests")
    for name in checksums:
        if not name.isprintable() or os.path.isabs(name) or not {"", ".", ".."}.isdisjoint(name.split("/")):
            raise ValueError(f"the name {reprlib.repr(name)} leads out of the run")
    if missing := [name for name in ESSENTIAL if name not in checksums]:
        raise ValueError(f"it does not name {missing[0]}")
    return checksums


def _irregular(folder: Path, name: str) -> str | None:
    """Why a file of a run must not be read, or None: it is missing or no regular file, or its path holds a symbolic link."""
    path = folder
    for part in name.split("/"):
        path = path / part
        if path.is_symlink():
            return f"{path.relative_to(folder)} is a symbolic link"
    if not os.path.lexists(path):
        return f"{name} cannot be read (No such file or directory)"
    return None if path.is_file() else f"{name} is no regular file"


def has_links(folder: Path) -> bool:
    """Whether a folder is a symbolic link or holds one at any depth."""
    return folder.is_symlink() or any(path.is_symlink() for path in folder.rglob("*"))


def _checksum(path: Path) -> str:
    """SHA-256 of a file of any size."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _checksums(folder: Path) -> dict[str, str]:
    """SHA-256 of every file of a run by its path in it, without lock and manifest."""
    return {
        str(path.relative_to(folder)): _checksum(path)
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name not in ("lock", MANIFEST)
    }


def _state(path: Path) -> tuple[int, ...]:
    """Numbers of which one changes when a file is written or replaced; none if there is no file."""
    try:
        state = path.stat()
    except OSError:
        return ()
    return state.st_dev, state.st_ino, state.st_size, state.st_mtime_ns, state.st_ctime_ns
