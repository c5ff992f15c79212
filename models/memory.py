"""Free memory, and a check that refuses what does not fit before anything is allocated."""

from __future__ import annotations

from pathlib import Path

import psutil

from brianprop.models.errors import ParameterError

__all__ = ["available", "in_words", "require_memory"]

#: Files with limit and use of memory of a container's control group: version 2, then version 1. From `NO_LIMIT` on there is no
#: limit.
GROUPS = (
    (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory.current")),
    (Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"), Path("/sys/fs/cgroup/memory/memory.usage_in_bytes")),
)
NO_LIMIT = 2**60


def available() -> int:
    """Memory that this process can still allocate [bytes], within the limit of its container."""
    free = int(psutil.virtual_memory().available)
    for limit, used in GROUPS:
        try:
            most, taken = int(limit.read_text()), int(used.read_text())
        except (OSError, ValueError):  # no such group, or the limit "max"
            continue
        if most < NO_LIMIT:
            free = min(free, max(0, most - taken))
    return free


def in_words(n_bytes: int) -> str:
    """A number of bytes as text, such as ``3.2 GiB``."""
    if n_bytes < 2**30:
        return f"{n_bytes / 2**20:.1f} MiB"
    return f"{n_bytes / 2**30:.1f} GiB" if n_bytes < 2**50 else f"{n_bytes / 2**30:.2g} GiB"


def require_memory(n_bytes: int, what: str, remedy: str) -> None:
    """Refuse something that does not fit into free memory.

    Parameters
    ----------
    n_bytes : int
        Estimate of the memory that it needs.
    what, remedy : str
        Subject of the message and the remedy in it, such as ``The network`` and ``set a smaller --hidden``.

    Raises
    ------
    ParameterError
        With the estimate and the free memory.
    """
    free = available()
    if n_bytes > free:
        raise ParameterError(f"{what} needs about {in_words(n_bytes)} of memory, but {in_words(free)} are free; {remedy}.")
