"""The command ``reproduce``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from brianprop.models.errors import ParameterError

__all__ = ["Reproduce"]


@dataclass(frozen=True)
class Reproduce:
    """Run experiments of the two papers, and write their figures and tables. Finished runs are kept."""

    names: tyro.conf.Positional[tuple[str, ...]] = ()
    """Names of experiments (see --list), or all."""
    only_list: Annotated[bool, tyro.conf.arg(name="list")] = False
    """Only show the experiments: what each shows, on which data, and how long it takes."""
    quick: bool = False
    """Train and test on a tenth of the data."""
    smallest: bool = False
    """Train on a few samples for two epochs, to see that everything works."""
    seeds: int | None = None
    """Number of seeds, from 0 (default: those of the experiment, mostly 3)."""
    data_dir: Path | None = None
    """Where to look for data sets first."""
    out: Path = Path("results/reproduced")
    """Folder with one folder for each experiment."""

    def __call__(self) -> None:
        from brianprop.experiments.reproduce.experiments import listing
        from brianprop.experiments.reproduce.run import reproduce

        if self.only_list:
            print(listing())
            return
        if self.quick and self.smallest:
            raise ParameterError("Options --quick and --smallest ask for two sizes; leave one of them away.")
        size = "smallest" if self.smallest else "quick" if self.quick else "full"
        for path in reproduce(self.names, self.out, size, self.seeds, self.data_dir):
            print(path)
