"""The command ``info``."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from brianprop.models.errors import BrianpropError

__all__ = ["Info"]

#: What is printed for a data set that is not on this machine, and for one that has no place to be downloaded from.
MISSING = "not found; it is downloaded on first use"
NOT_THERE = "not found; it is never downloaded"


@dataclass(frozen=True)
class Info:
    """Show versions, compiler, devices, caches, and which data sets are found."""

    data_dir: Path | None = None
    """Where to look for named data sets first."""

    def __call__(self) -> None:
        from brianprop.experiments.data import images as datasets
        from brianprop.experiments.data import nmnist
        from brianprop.experiments.environment import describe
        from brianprop.models.simulation import cuda

        environment = describe()
        for package, version in environment["versions"].items():
            print(f"{package:15} {version}")
        compiler = environment["compiler"]
        print(f"{'commit':15} {environment['commit'] or 'not a checkout'}")
        print(f"{'compiler':15} {compiler['path'] or 'none: install g++ and make'} {compiler['version'] or ''}")
        print(f"{'processor':15} {environment['processor']}, {environment['cores']} cores")
        print(f"{'devices':15} {'cpp_standalone, ' if compiler['path'] else ''}cython, numpy")
        for name, value_of in (
            ("nvcc", lambda: " ".join(cuda.nvcc())),
            ("cuRAND", lambda: "of the package nvidia-curand" if cuda.curand() else "of the toolkit"),
            ("brian2cuda", cuda.package_version),
            ("GPU", lambda: cuda.gpu()[0]),
        ):
            print(f"{'cuda':15} {name}: {_or_why(value_of)}")
        print(f"{'cache':15} {_or_why(_cache)}")
        for name in datasets.NAMES:
            print(f"{'data':15} {name}: {_or_why(datasets.find, name, self.data_dir) or MISSING}")
        print(f"{'data':15} {nmnist.NAME}: {_or_why(nmnist.find, self.data_dir) or MISSING}")
        print(f"{'data':15} {nmnist.SUBSET}: {_or_why(nmnist.find, self.data_dir, nmnist.SUBSET) or NOT_THERE}")


def _or_why(find: Callable[..., str | None], *arguments) -> str | None:
    """What a function returns, or the reason why it fails."""
    try:
        return find(*arguments)
    except (BrianpropError, OSError) as error:
        return f"none. {error}"


def _cache() -> str:
    from brianprop.models.cache import cache_root

    root = cache_root()
    return f"{root} ({len(list((root / 'builds').glob('*/manifest.json')))} builds)"
