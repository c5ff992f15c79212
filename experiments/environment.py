"""The environment of a run: versions, commit, compiler and processor."""

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

#: The folders of the program.
ROOMS = ("models", "analysis", "experiments")


@cache
def versions() -> dict[str, str]:
    """Versions of Python and of those of `PACKAGES` that are installed."""
    installed = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            installed[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return installed


def describe() -> dict:
    """The contents of environment.json: versions, commit, compiler, processor, cores and platform."""
    import joblib

    try:
        command, version = compiler()
        path = shlex.join(command)
    except BuildError:
        path = version = None
    return {
        "versions": dict(versions()),
        "commit": _commit(),
        "compiler": {"path": path, "version": version},
        "processor": processor(),
        "cores": joblib.cpu_count(),  # those that the process may use, by its affinity and the limits of a container
        "platform": platform.platform(),
    }


@cache
def program_digest() -> str:
    """SHA-256 of the source files: equal on two machines if they run the same program."""
    root, digest = Path(__file__).parents[1], hashlib.sha256()
    for path in sorted(path for room in ROOMS for path in (root / room).rglob("*")):
        if path.suffix in (".py", ".h", ".cpp", ".cu", ".toml", ".mplstyle"):
            digest.update(str(path.relative_to(root)).encode() + path.read_bytes())
    return digest.hexdigest()


@cache  # of the files that the process has loaded
def _commit() -> str | None:
    """Commit of the checkout, with "+changes" if files differ from it; None if this is no checkout."""
    # resolved, since the package holds links to the folders of the checkout
    folder = Path(__file__).resolve().parent.parent

    def git(*arguments: str) -> bytes:
        """Output of git; in bytes, since a path need not be valid text."""
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
