"""Where a run runs: versions, commit, compiler, processor."""

from __future__ import annotations

import os
import platform
import subprocess
from importlib import metadata
from pathlib import Path

from models.device import compiler, processor
from models.errors import BuildError

__all__ = ["describe", "versions"]

PACKAGES = ("brianprop", "brian2", "brian2cuda", "numpy", "matplotlib", "pandas", "scikit-learn", "pooch", "tyro")


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
    try:
        path, version = compiler()
    except BuildError:
        path = version = None
    return {
        "versions": versions(),
        "commit": _commit(),
        "compiler": {"path": path, "version": version},
        "processor": processor(),
        "cores": os.cpu_count(),
        "platform": platform.platform(),
    }


def _commit() -> str | None:
    """Commit of the source tree, with "+changes" where files differ from it; None where it is not a checkout."""
    folder = Path(__file__).parent.parent

    def git(*arguments):
        return subprocess.run(["git", "-C", folder, *arguments], capture_output=True, text=True, timeout=10)

    try:
        if Path(git("rev-parse", "--show-toplevel").stdout.strip() or "/nowhere") != folder:
            return None
        commit = git("rev-parse", "HEAD")
        if commit.returncode:
            return None
        changed = git("status", "--porcelain", "--untracked-files=no").stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return None
    return commit.stdout.strip() + ("+changes" if changed else "")
