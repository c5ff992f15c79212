"""Where things that can be made again are kept between runs."""

import os
import sys
from pathlib import Path

__all__ = ["cache_root"]


def cache_root() -> Path:
    """The cache folder: $BRIANPROP_CACHE, or the platform's cache folder for brianprop (not created here)."""
    if override := os.environ.get("BRIANPROP_CACHE"):
        return Path(override).expanduser().absolute()
    home = Path.home()
    if sys.platform == "darwin":
        return home / "Library" / "Caches" / "brianprop"
    return Path(os.environ.get("XDG_CACHE_HOME") or home / ".cache") / "brianprop"
