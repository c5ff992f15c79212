"""The cache of payloads: data that are slow to unzip or to import, kept as plain bytes under their SHA-256."""

from __future__ import annotations

import contextlib
import hashlib
import os
from pathlib import Path

from brianprop.models.cache import cache_root
from brianprop.models.errors import RunError
from brianprop.models.files import atomic_write

__all__ = ["keep", "mark", "marked", "recall"]


def recall(sha256: str) -> bytes | None:
    """The payload with this SHA-256; None where the cache lacks it or it is unreadable or damaged."""
    try:
        payload = (_folder() / sha256).read_bytes()
    except OSError:
        return None
    return payload if hashlib.sha256(payload).hexdigest() == sha256 else None


def keep(sha256: str, payload: bytes | bytearray) -> None:
    """Put a payload into the cache; where it cannot be written, the next start takes longer, and nothing else happens."""
    _write(sha256, payload)


def mark(sha256: str, path: Path, state: os.stat_result) -> None:
    """Note that a file, with this size and time of change, holds the payload with this SHA-256."""
    _write(_mark(sha256, path, state), b"")


def marked(sha256: str, path: Path, state: os.stat_result) -> bool:
    """Whether `mark` has noted that."""
    return (_folder() / _mark(sha256, path, state)).exists()


def _mark(sha256: str, path: Path, state: os.stat_result) -> str:
    identity = b"\0".join([os.fsencode(path), b"%d %d" % (state.st_size, state.st_mtime_ns)])
    return f"{sha256}.{hashlib.sha256(identity).hexdigest()}"


def _folder() -> Path:
    return cache_root() / "payloads"


def _write(name: str, content: bytes | bytearray) -> None:
    with contextlib.suppress(OSError, RunError):
        _folder().mkdir(parents=True, exist_ok=True)
        atomic_write(_folder() / name, lambda file: file.write(content))
