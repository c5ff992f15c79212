"""Where a run runs: versions, commit, compiler, processor."""

from __future__ import annotations

import hashlib
import os
import platform
import shlex
import subprocess
from functools import cache
from importlib import metadata
from pathlib import Path

from brianprop.models.errors import BuildError
from brianprop.models.simulation.compiler import compiler, processor

__all__ = ["describe", "program_digest", "versions"]

PACKAGES = (
    "brianprop",
    "brian2",
    "brian2cuda",
    "numpy",
    "matplotlib",
    "pandas",
    "scikit-learn",
    "pooch",
    "tyro",
    "distributed",
)

#: The packages of the program.
PARTS = ("models", "analysis", "experiments")


def versions() -> dict[str, str]:
    """Versions of Python and of the packages that are installed."""
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return found


def describe() -> dict:
    """What environment.json holds."""
    import joblib

    try:
        command, version = compiler()
        path = shlex.join(command)
    except BuildError:
        path = version = None
    return {
        "versions": versions(),
        "commit": _commit(),
        "compiler": {"path": path, "version": version},
        "processor": processor(),
        "cores": joblib.cpu_count(),  # that may be used: affinity and limits of a container count
        "platform": platform.platform(),
    }


@cache
def program_digest() -> str:
    """Digest of the source files, equal where two machines run the same program."""
    root, digest = Path(__file__).parents[1], hashlib.sha256()
    for path in sorted(path for package in PARTS for path in (root / package).rglob("*")):
        if path.suffix in (".py", ".h", ".cpp", ".cu", ".toml", ".mplstyle"):
            digest.update(str(path.relative_to(root)).encode() + path.read_bytes())
    return digest.hexdigest()


def _commit() -> str | None:
    """Commit of the source tree, with "+changes" where files differ from it; None where it is not a checkout."""
    # the package holds links to the folders of the checkout
    folder = Path(__file__).resolve().parent.parent

    def git(*arguments: str) -> bytes:
        """What git says, in bytes, since a path may be of any."""
        done = subprocess.run(["git", "-C", folder, *arguments], capture_output=True, timeout=10, check=True)
        return done.stdout.strip()

    try:
        if Path(os.fsdecode(git("rev-parse", "--show-toplevel"))) != folder:
            return None
        commit = git("rev-parse", "HEAD").decode()
        changed = git("status", "--porcelain", "--untracked-files=no")
    except (OSError, subprocess.SubprocessError):
        return None
    return commit + ("+changes" if changed else "")
