"""Commands below ``cache``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import tyro

from brianprop.models.errors import ParameterError

__all__ = ["Cache"]


@dataclass(frozen=True)
class Prune:
    """Empty the cache by age and size. Downloads stay, and so does what was used in the last hour.

    What is removed is made again where it is needed: a circuit is compiled in about half a minute.
    """

    older: float | None = None
    """Remove what was not used for so many days."""
    size: float | None = None
    """Remove what was used longest ago until the rest takes so many GB (without --older, the default is
    $BRIANPROP_CACHE_SIZE, or 5)."""

    def __call__(self) -> None:
        from brianprop.models.pruning import DAY, bound, entries, prune

        for name, value in (("older", self.older), ("size", self.size)):
            if value is not None and not value >= 0:
                raise ParameterError(f"Parameter {name} = {value!r} must be at least 0; set --{name}.")
        size = bound() if self.size is None and self.older is None else None if self.size is None else 1e9 * self.size
        removed = prune(None if self.older is None else self.older * DAY, size)
        left = entries()
        print(f"Removed {len(removed)} entries of {_megabytes(removed)}; {len(left)} of {_megabytes(left)} are left.")


@dataclass(frozen=True)
class Show:
    """Show what 'cache prune' may remove: number and size of builds, unpacked images, emulated events and so on."""

    def __call__(self) -> None:
        from brianprop.models.cache import cache_root
        from brianprop.models.pruning import FOLDERS, bound, entries

        found = entries()
        for name in FOLDERS:
            of_folder = [entry for entry in found if entry.path.parent.name == name]
            print(f"{name:10} {len(of_folder):6} {_megabytes(of_folder):>12}")
        print(f"{'all':10} {len(found):6} {_megabytes(found):>12} of {bound() / 1e6:.0f} MB, in {cache_root()}")


def _megabytes(found: list) -> str:
    return f"{sum(entry.n_bytes for entry in found) / 1e6:.1f} MB"


@dataclass(frozen=True)
class Cache:
    """Keep the cache of compiled circuits, unpacked images and emulated events small. 'brianprop info' shows where it is."""

    command: Annotated[Show, tyro.conf.subcommand("show")] | Annotated[Prune, tyro.conf.subcommand("prune")]

    def __call__(self) -> None:
        self.command()
