"""The lock of a run directory: one process at a time writes a run."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from brianprop.models.errors import RunError
from brianprop.models.files import cannot_write

__all__ = ["locked"]

#: Seconds to wait for the lock. A child process holds all locks of this one between fork and exec, also those that were
#: released meanwhile.
PATIENCE = 1.0


@contextmanager
def locked(run: Path) -> Iterator[None]:
    """Hold a run directory for writing until the block or the process ends, however it ends.

    It also removes the temporary files of a writer that was killed.

    Raises
    ------
    RunError
        If another process, or another block of this one, holds it.
    """
    path = run / "lock"
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    except OSError as error:
        raise cannot_write(path, error) from error
    try:
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError as error:
                if time.monotonic() > deadline:
                    raise RunError(
                        f"{run} is being written by another process; wait until it has ended or choose another --out."
                    ) from error
                time.sleep(PATIENCE / 50)
            except OSError as error:
                raise cannot_write(path, error) from error
        for folder in (run, run / "checkpoints"):
            for leftover in folder.glob(".*.tmp"):
                with suppress(OSError):
                    leftover.unlink()
        yield
    finally:
        # the file itself stays: if it were removed, a third process could lock another file of the same name
        os.close(descriptor)
