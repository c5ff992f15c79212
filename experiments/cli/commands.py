"""The commands of ``brianprop``. Options come from the dataclasses and functions that they set."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import tyro

from brianprop.analysis.energy.chip import CORES
from brianprop.experiments.benchmarks.nbp import BenchmarkNBP
from brianprop.experiments.benchmarks.replicas import BenchmarkReplicas
from brianprop.experiments.benchmarks.ssnn_bp import BenchmarkSSNN
from brianprop.experiments.training.ann import TrainANN
from brianprop.experiments.training.nbp import TrainNBP
from brianprop.experiments.training.ssnn_bp import TrainSSNN
from brianprop.models.errors import BrianpropError, ParameterError, RunError

if TYPE_CHECKING:
    from brianprop.analysis.sweeps import SweepDirectory

__all__ = ["parse"]

RunPath = tyro.conf.Positional[Path]


@dataclass(frozen=True)
class Train:
    """Train a network and keep everything in a run directory."""

    settings: (
        Annotated[TrainNBP, tyro.conf.subcommand("nbp")]
        | Annotated[TrainSSNN, tyro.conf.subcommand("ssnn-bp")]
        | Annotated[TrainANN, tyro.conf.subcommand("ann")]
    )

    def __call__(self) -> None:
        from brianprop.experiments.training.commands import train
        from brianprop.experiments.training.replicas import train_replicas

        if getattr(self.settings, "replicas", 1) > 1:
            train_replicas(self.settings)
            print(f"Finished: {self.settings.out} (draw the figures with 'brianprop figures {self.settings.out}/seed*')")
            return
        run = train(self.settings)
        print(f"Finished: {run.path} (draw its figures with 'brianprop figures {run.path}')")


@dataclass(frozen=True)
class Resume:
    """Go on with a run that was interrupted; it ends with the weights that it would have had."""

    run: RunPath
    """Run directory, or a folder of replicas."""
    epochs: int | None = None
    """Go on up to this number of epochs, also after the end of the run; not where learning rates fall over the epochs."""

    def __call__(self) -> None:
        from brianprop.experiments.training.commands import resume
        from brianprop.experiments.training.replicas import are_replicas, resume_replicas

        if not are_replicas(self.run):
            resume(self.run, self.epochs)
        elif self.epochs is None:
            resume_replicas(self.run)
        else:
            raise ParameterError(f"{self.run} holds replicas, each a run of its own; leave --epochs away or resume each run.")


@dataclass(frozen=True)
class Evaluate:
    """Accuracy and loss of a run's weights through the inference circuit."""

    run: RunPath
    """Run directory."""
    split: Literal["train", "validation", "test"] = "test"
    """Images to evaluate on."""
    epoch: int | None = None
    """Evaluate the checkpoint of this epoch instead of the final weights."""
    device: Literal["cpp_standalone", "cuda", "cython", "numpy"] | None = None
    """Where to simulate (default: where the run was trained)."""
    replicas: int = 1
    """Copies of the network in one simulation, each of which answers to a part of the images."""

    def __call__(self) -> None:
        from brianprop.experiments.training.commands import evaluate

        for name, value in evaluate(self.run, self.split, self.epoch, print, self.device, self.replicas).items():
            print(f"{name:18} {value:.6g}" if isinstance(value, float) else f"{name:18} {value}")


@dataclass(frozen=True)
class Figures:
    """Draw the figures of one run, and the accuracy of several: mean over seeds, and other systems and settings beside."""

    runs: tyro.conf.Positional[tuple[Path, ...]]
    """Run directories; the first gives all figures but that of the accuracy."""
    out: Path | None = None
    """Folder for the figures (default: figures in the first run directory)."""

    def __call__(self) -> None:
        from brianprop.analysis.figures.draw import draw

        for path in draw(list(self.runs), self.out):
            print(path)


@dataclass(frozen=True)
class Compare:
    """Draw what settings do, over many runs of SSNN-BP, with runs of the ANN as a band.

    Written to --out, as PNG, PDF and a table of all values (compare.csv):
    length, the accuracy against the number T of time steps;
    activity, the spikes and weight updates of a presentation against T, from the first presentations of one epoch;
    step, the accuracy against the size of an update and against the number of levels of a weight.
    A figure needs at least two values of what it shows, and is left out otherwise. Runs that differ in something else besides
    the seed get lines of their own.
    """

    runs: tyro.conf.Positional[tuple[Path, ...]]
    """Run directories, finished ones."""
    out: Path
    """Folder for the figures."""
    split: Literal["train", "validation", "test"] = "test"
    """Images that the accuracy after the last epoch is of."""

    def __call__(self) -> None:
        from brianprop.analysis.figures.comparison import compare

        for path in compare(list(self.runs), self.out, self.split):
            print(path)


@dataclass(frozen=True)
class Energy:
    """Model the energy and latency of a sample on Loihi, from recorded spikes, and show where the energy goes.

    Counts of spikes, synaptic operations, neuron updates and weight updates times the energies that were published for single
    operations of the chip (Davies et al. 2018, Table 2). Static power and the embedded x86 processors are left out, so the
    model comes out below a measurement. Written to --out: energy.csv, by population and phase; energy.md; energy.png and .pdf.
    """

    runs: tyro.conf.Positional[tuple[Path, ...]]
    """Run directories of nBP or SSNN-BP; those that differ in their seed only are pooled."""
    constants: Path | None = None
    """TOML file with other energies [J] and times [s]: lines such as 'update_energy = 120e-12'."""
    cores: int = CORES
    """Neuromorphic cores that share the work."""
    out: Path | None = None
    """Folder for the files (default: figures in the first run directory)."""

    def __call__(self) -> None:
        from brianprop.analysis.energy.constants import read_constants
        from brianprop.analysis.energy.report import draw

        constants = None if self.constants is None else read_constants(self.constants)
        for path in draw(list(self.runs), self.out, constants, self.cores):
            if path.suffix == ".md":
                print(path.read_text(encoding="utf-8"))
            print(path)


@dataclass(frozen=True)
class Table:
    """Accuracy over several runs as Markdown: mean and standard deviation over seeds, in per cent."""

    runs: tyro.conf.Positional[tuple[Path, ...]]
    """Run directories; those that differ in more than their seed get rows of their own."""
    epochs: tuple[int, ...] = ()
    """Epochs to report (default: the last that all runs of a kind have); a checkpoint chosen on validation is added."""
    split: Literal["train", "validation", "test"] = "test"
    """Images that the accuracy is reported on."""

    def __call__(self) -> None:
        from brianprop.analysis.tables import markdown, table

        print(markdown(table(list(self.runs), self.epochs, self.split)))


@dataclass(frozen=True)
class Reproduce:
    """Run experiments of the two papers and draw their figures and tables; what is finished already is kept."""

    names: tyro.conf.Positional[tuple[str, ...]] = ()
    """Experiments of the list, or all."""
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
        from brianprop.experiments.reproduce import listing, reproduce

        if self.only_list:
            print(listing())
            return
        size = "smallest" if self.smallest else "quick" if self.quick else "full"
        for path in reproduce(self.names, self.out, size, self.seeds, self.data_dir):
            print(path)


@dataclass(frozen=True)
class Export:
    """Write the spikes of a run for the tools of the field."""

    run: RunPath
    """Run directory; all spikes of spikes.npz are written (--record-spikes), or else those of raster.npz."""
    to: Literal["neo", "nwb"]
    """A block of Neo in a file of NIX, or a file of Neurodata Without Borders."""
    out: Path | None = None
    """The file (default: spikes.nix or spikes.nwb in the run directory)."""

    def __call__(self) -> None:
        from brianprop.analysis.export import export

        print(export(self.run, self.to, self.out))


@dataclass(frozen=True)
class RunSweep:
    """Run a sweep: every point of a grid or of a sample of parameters, for several seeds, on all cores or on a cluster.

    Axes are written NAME=A,B,C (a list), NAME=LOW..HIGH/N (N values), NAME=LOW..HIGH/N/log, or NAME=LOW..HIGH and
    NAME=LOW..HIGH/log, which are sampled (--sample). What is finished in --out already is not run again.
    """

    source: tyro.conf.Positional[str]
    """TOML file, preset ('brianprop sweep presets'), or nbp, ssnn-bp or ann to start from its defaults."""
    out: Path
    """Sweep directory."""
    set: tuple[str, ...] = ()
    """Options of 'brianprop train', each as NAME=VALUE with underscores; they replace those of the file."""
    axis: tyro.conf.UseAppendAction[tuple[str, ...]] = ()
    """One more axis, or another in the place of one of the file."""
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
    shared_files: bool | None = None
    """Whether workers write into --out (default: they do where they see it)."""
    replicas: int = 1
    """Points that a worker trains in one simulation, such as many on a GPU."""
    device: Literal["cpp_standalone", "cuda", "cython", "numpy"] | None = None
    """Where to simulate; short for --set device=..."""

    def __call__(self) -> None:
        from brianprop.experiments.sweeps.description import read_sweep, words_of_axes, words_of_sample, words_of_set
        from brianprop.experiments.sweeps.run import sweep

        described = read_sweep(
            self.source,
            self.small,
            words_of_set(self.set if self.device is None else (*self.set, f"device={self.device}")),
            words_of_axes(self.axis),
            seeds=self.seeds,
            objective=self.objective,
            sample=words_of_sample(self.sample),
        )
        _end(sweep(described, self.out, self.scheduler, self.workers, self.shared_files, _say, self.replicas))


@dataclass(frozen=True)
class ResumeSweep:
    """Go on with a sweep: run what is not finished, what has failed and what is damaged."""

    directory: RunPath
    """Sweep directory."""
    scheduler: str | None = None
    """Address of a Dask scheduler, tcp://HOST:PORT; or local, whatever the file said."""
    workers: int | None = None
    """Workers on this machine (default: one for each core)."""
    shared_files: bool | None = None
    """Whether workers write into the directory (default: they do where they see it)."""
    replicas: int = 1
    """Points that a worker trains in one simulation."""
    trust_cluster: bool = False
    """Use all options of [cluster] that the directory holds, also those that run programs: prologues, commands, paths."""

    def __call__(self) -> None:
        from brianprop.experiments.sweeps.run import resume_sweep

        options = (self.scheduler, self.workers, self.shared_files, _say, self.replicas, self.trust_cluster)
        _end(resume_sweep(self.directory, *options))


@dataclass(frozen=True)
class SweepStatus:
    """Show what of a sweep is finished, runs, was interrupted, has failed and why, or waits; and its best places.

    Places are ranked by the mean of the objective over their seeds; those that lack seeds come last.
    """

    directory: RunPath
    """Sweep directory."""

    def __call__(self) -> None:
        from brianprop.analysis.sweeps import SweepDirectory, report

        for line in report(SweepDirectory.open(self.directory)):
            print(line)


@dataclass(frozen=True)
class SweepTable:
    """Write the table of a sweep: table.csv, and table.parquet where pyarrow is installed."""

    directory: RunPath
    """Sweep directory."""

    def __call__(self) -> None:
        from brianprop.analysis.sweeps import SweepDirectory
        from brianprop.experiments.sweeps.run import write_table

        for path in write_table(SweepDirectory.open(self.directory)):
            print(path)


@dataclass(frozen=True)
class SweepFigures:
    """Draw the figures of a sweep: the objective against its axes, and learning curves."""

    directory: RunPath
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
        from brianprop.experiments.sweeps.description import preset_names, read_sweep

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


def _say(line: str) -> None:
    """Print a line above a progress bar."""
    from tqdm import tqdm

    tqdm.write(line)
    sys.stdout.flush()


def _end(directory: SweepDirectory) -> None:
    """Say how a sweep ended; raises RunError where points have failed."""
    status = directory.status()
    left = len(directory.keys) - len(status.finished)
    if left:
        raise RunError(
            f"{left} of {len(directory.keys)} runs are not finished ({len(status.failed)} failed, see above); "
            f"'brianprop sweep resume {directory.path}' runs them again."
        )
    print(f"Finished: {directory.path / 'table.csv'} (draw the figures with 'brianprop sweep figures {directory.path}')")


@dataclass(frozen=True)
class Benchmark:
    """Measure the speed of a system against Brian2's own code and a hand-written kernel, or that of many networks at once."""

    settings: (
        Annotated[BenchmarkNBP, tyro.conf.subcommand("nbp")]
        | Annotated[BenchmarkSSNN, tyro.conf.subcommand("ssnn-bp")]
        | Annotated[BenchmarkReplicas, tyro.conf.subcommand("replicas")]
    )

    def __call__(self) -> None:
        from brianprop.experiments.benchmarks import nbp as benchmark
        from brianprop.experiments.benchmarks import replicas as benchmark_replicas
        from brianprop.experiments.benchmarks import ssnn_bp as benchmark_ssnn_bp

        modules = {BenchmarkNBP: benchmark, BenchmarkSSNN: benchmark_ssnn_bp, BenchmarkReplicas: benchmark_replicas}
        print(f"Finished: {modules[type(self.settings)].benchmark(self.settings)}")


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

        found = describe()
        for package, version in found["versions"].items():
            print(f"{package:15} {version}")
        compiler = found["compiler"]
        print(f"{'commit':15} {found['commit'] or 'not a checkout'}")
        print(f"{'compiler':15} {compiler['path'] or 'none: install g++ and make'} {compiler['version'] or ''}")
        print(f"{'processor':15} {found['processor']}, {found['cores']} cores")
        print(f"{'devices':15} {'cpp_standalone, ' if compiler['path'] else ''}cython, numpy")
        for words, found_of in (
            ("nvcc", lambda: " ".join(cuda.nvcc())),
            ("cuRAND", lambda: "of the package nvidia-curand" if cuda.curand() else "of the toolkit"),
            ("brian2cuda", cuda.package_version),
            ("GPU", lambda: cuda.gpu()[0]),
        ):
            print(f"{'cuda':15} {words}: {_or_why(found_of)}")
        print(f"{'cache':15} {_or_why(_cache)}")
        for name in datasets.NAMES:
            print(f"{'data':15} {name}: {_or_why(datasets.find, name, self.data_dir) or LACKING}")
        print(f"{'data':15} {nmnist.NAME}: {_or_why(nmnist.find, self.data_dir) or LACKING}")


#: What `Info` says of a data set that is found nowhere.
LACKING = "not found; it is downloaded on first use"


def _or_why(find: Callable[..., str | None], *arguments) -> str | None:
    """What a function finds, or why it cannot."""
    try:
        return find(*arguments)
    except (BrianpropError, OSError) as error:
        return f"none. {error}"


def _cache() -> str:
    from brianprop.models.cache import cache_root

    root = cache_root()
    return f"{root} ({len(list((root / 'builds').glob('*/manifest.json')))} builds)"


Command = (
    Annotated[Train, tyro.conf.subcommand("train")]
    | Annotated[Resume, tyro.conf.subcommand("resume")]
    | Annotated[Evaluate, tyro.conf.subcommand("evaluate")]
    | Annotated[Figures, tyro.conf.subcommand("figures")]
    | Annotated[Compare, tyro.conf.subcommand("compare")]
    | Annotated[Table, tyro.conf.subcommand("table")]
    | Annotated[Reproduce, tyro.conf.subcommand("reproduce")]
    | Annotated[Export, tyro.conf.subcommand("export")]
    | Annotated[Sweep, tyro.conf.subcommand("sweep")]
    | Annotated[Energy, tyro.conf.subcommand("energy")]
    | Annotated[Benchmark, tyro.conf.subcommand("benchmark")]
    | Annotated[Info, tyro.conf.subcommand("info")]
)


def parse(arguments: Sequence[str]) -> Callable[[], None]:
    """Read the command line; gives the command, ready to be called.

    Raises
    ------
    SystemExit
        When help is asked for, or an option is unknown or cannot be read; what there is to say has been printed.
    ParameterError
        When a value is out of its range.
    """
    return tyro.cli(
        Command,
        prog="brianprop",
        description="Backpropagation written as spiking circuits in Brian2. Add --debug for tracebacks.",
        args=list(arguments),
        config=(tyro.conf.OmitArgPrefixes, tyro.conf.OmitSubcommandPrefixes),
    )
