"""Commands below ``sweep``."""

from __future__ import annotations

import shlex
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro

from brianprop.experiments.training.circuit import Device
from brianprop.models.errors import RunError

if TYPE_CHECKING:
    from brianprop.analysis.sweeps.directory import SweepDirectory

__all__ = ["Sweep"]


@dataclass(frozen=True)
class RunSweep:
    """Run a sweep: every point of a grid or of a sample of parameters, for several seeds, on all cores or on a cluster.

    Axes are written NAME=A,B,C (a list), NAME=LOW..HIGH/N (N values), NAME=LOW..HIGH/N/log, or NAME=LOW..HIGH and
    NAME=LOW..HIGH/log, which are sampled (--sample). Points that are finished in --out are not run again.
    """

    source: tyro.conf.Positional[str]
    """TOML file, preset ('brianprop sweep presets'), or a system, such as nbp, to start from its defaults."""
    out: Path
    """Sweep directory."""
    set: tuple[str, ...] = ()
    """Options of 'brianprop train', each as NAME=VALUE, with underscores in NAME. They replace those of the file."""
    axis: tyro.conf.UseAppendAction[tuple[str, ...]] = ()
    """An axis to add, or to replace the axis of this name in the file."""
    sample: str | None = None
    """How axes without N are sampled: latin-hypercube:N or random:N."""
    seeds: int | None = None
    """Number of seeds, from 0."""
    objective: str | None = None
    """Metric after the last epoch, on the validation images, such as accuracy_spikes."""
    small: bool = False
    """The small version of a preset, on digits."""
    scheduler: str | None = None
    """Address of a Dask scheduler, tcp://HOST:PORT; or local, whatever the file says."""
    workers: int | None = None
    """Workers on this machine (default: one for each core)."""
    shared_files: Annotated[bool | None, tyro.conf.FlagConversionOff] = None
    """Whether workers write into --out (default: they do where they see it)."""
    replicas: int = 1
    """Points that a worker trains in one simulation, such as many on a GPU."""
    device: Device | None = None
    """Where to simulate. Short for --set device=..."""

    def __call__(self) -> None:
        from brianprop.experiments.sweeps.reading import read_sweep
        from brianprop.experiments.sweeps.run import sweep
        from brianprop.experiments.sweeps.words import axes_of, base_of, sample_of

        described = read_sweep(
            self.source,
            self.small,
            base_of(self.set if self.device is None else (*self.set, f"device={self.device}")),
            axes_of(self.axis),
            seeds=self.seeds,
            objective=self.objective,
            sample=sample_of(self.sample),
        )
        _end(sweep(described, self.out, self.scheduler, self.workers, self.shared_files, _say, self.replicas))

    def going_on(self) -> str | None:
        """The command that goes on after an interruption; None if there is nothing yet to go on with."""
        return _resuming(self.out) if (self.out / "sweep.json").is_file() else None


@dataclass(frozen=True)
class ResumeSweep:
    """Go on with a sweep: run all points that are not finished, have failed or are damaged."""

    directory: tyro.conf.Positional[Path]
    """Sweep directory."""
    scheduler: str | None = None
    """Address of a Dask scheduler, tcp://HOST:PORT; or local, whatever the file said."""
    workers: int | None = None
    """Workers on this machine (default: one for each core)."""
    shared_files: Annotated[bool | None, tyro.conf.FlagConversionOff] = None
    """Whether workers write into the directory (default: they do where they see it)."""
    replicas: int = 1
    """Points that a worker trains in one simulation."""
    trust_cluster: bool = False
    """Use all options of [cluster] that the directory holds, also those that run programs: prologues, commands, paths."""

    def __call__(self) -> None:
        from brianprop.experiments.sweeps.run import resume_sweep

        options = (self.scheduler, self.workers, self.shared_files, _say, self.replicas, self.trust_cluster)
        _end(resume_sweep(self.directory, *options))

    def going_on(self) -> str:
        """The command that goes on after an interruption."""
        return _resuming(self.directory)


@dataclass(frozen=True)
class SweepStatus:
    """Show which points of a sweep are finished, running, interrupted, failed (and why) or waiting, and the best points.

    Points are ranked by the mean of the objective over their seeds. Those of which seeds are missing come last.
    """

    directory: tyro.conf.Positional[Path]
    """Sweep directory."""

    def __call__(self) -> None:
        from brianprop.analysis.sweeps.directory import SweepDirectory
        from brianprop.analysis.sweeps.report import report

        for line in report(SweepDirectory.open(self.directory)):
            print(line)


@dataclass(frozen=True)
class SweepTable:
    """Write the table of a sweep: table.csv, and table.parquet where pyarrow is installed."""

    directory: tyro.conf.Positional[Path]
    """Sweep directory."""

    def __call__(self) -> None:
        from brianprop.analysis.sweeps.directory import SweepDirectory
        from brianprop.experiments.sweeps.run import write_table

        for path in write_table(SweepDirectory.open(self.directory)):
            print(path)


@dataclass(frozen=True)
class SweepFigures:
    """Draw the figures of a sweep: the objective against its axes, and learning curves."""

    directory: tyro.conf.Positional[Path]
    """Sweep directory."""
    out: Path | None = None
    """Folder for the figures (default: figures in the sweep directory)."""

    def __call__(self) -> None:
        from brianprop.analysis.figures.sweeps.draw import draw

        for path in draw(self.directory, self.out):
            print(path)


@dataclass(frozen=True)
class SweepPresets:
    """List the sweeps that come with the program."""

    def __call__(self) -> None:
        from brianprop.experiments.sweeps.reading import preset_names, read_sweep

        for name in preset_names():
            sweep = read_sweep(name)
            axes = ", ".join(f"{axis.name} ({len(axis.values)})" for axis in sweep.axes)
            print(f"{name:24} {sweep.system}, {sweep.base['dataset']}: {axes}, {len(sweep.seeds)} seeds")


@dataclass(frozen=True)
class Sweep:
    """Sweep parameters on all cores or on a cluster; 'sweep FILE --out DIR' is short for 'sweep run FILE --out DIR'."""

    command: (
        Annotated[RunSweep, tyro.conf.subcommand("run")]
        | Annotated[ResumeSweep, tyro.conf.subcommand("resume")]
        | Annotated[SweepStatus, tyro.conf.subcommand("status")]
        | Annotated[SweepTable, tyro.conf.subcommand("table")]
        | Annotated[SweepFigures, tyro.conf.subcommand("figures")]
        | Annotated[SweepPresets, tyro.conf.subcommand("presets")]
    )

    def __call__(self) -> None:
        self.command()

    def going_on(self) -> str | None:
        """See `RunSweep.going_on`; None for commands that have nothing to go on with."""
        return self.command.going_on() if isinstance(self.command, (RunSweep, ResumeSweep)) else None


def _resuming(directory: Path) -> str:
    return shlex.join(["brianprop", "sweep", "resume", str(directory)])


def _say(line: str) -> None:
    """Print a line above the progress bar."""
    from tqdm import tqdm

    tqdm.write(line)
    sys.stdout.flush()


def _end(directory: SweepDirectory) -> None:
    """Print how a sweep ended. Raises RunError where points have failed."""
    status = directory.status()
    left = len(directory.keys) - len(status.finished)
    if left:
        raise RunError(
            f"{left} of {len(directory.keys)} runs are not finished ({len(status.failed)} failed, see above); "
            f"'brianprop sweep resume {directory.path}' runs them again."
        )
    print(f"Finished: {directory.path / 'table.csv'} (draw the figures with 'brianprop sweep figures {directory.path}')")
