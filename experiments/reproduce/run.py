"""Run experiments of the papers, and write their figures and tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal

from brianprop.analysis import tables
from brianprop.analysis.energy.accounts import account
from brianprop.analysis.energy.chip import PUBLISHED
from brianprop.analysis.energy.report import draw as draw_energy
from brianprop.analysis.figures.comparison import compare
from brianprop.analysis.figures.draw import draw
from brianprop.analysis.groups import augmentation, group_runs
from brianprop.analysis.runs.run import Run
from brianprop.analysis.runs.values import as_json
from brianprop.analysis.statistics import report
from brianprop.analysis.statistics.pairs import compared
from brianprop.analysis.systems import SYSTEMS
from brianprop.experiments.reproduce.experiments import EXPERIMENTS, Experiment
from brianprop.experiments.training.commands import resume, train
from brianprop.experiments.training.data import dataset_name, stored_levels
from brianprop.experiments.training.options import Message, TrainOptions
from brianprop.models.errors import ParameterError, RunError, did_you_mean

if TYPE_CHECKING:
    import pandas

__all__ = ["SIZES", "Size", "reproduce"]

Size = Literal["full", "quick", "smallest"]

#: What replaces the training, validation and test images, the epochs and the number of seeds of an experiment; None keeps them.
SIZES: Mapping[Size, Mapping[str, int | None]] = MappingProxyType(
    {
        "full": MappingProxyType({"samples": None, "validation": None, "test_samples": None, "epochs": None, "seeds": None}),
        "quick": MappingProxyType({"samples": 5500, "validation": 500, "test_samples": 1000, "epochs": None, "seeds": None}),
        "smallest": MappingProxyType({"samples": 120, "validation": 40, "test_samples": 40, "epochs": 2, "seeds": 1}),
    }
)


def reproduce(
    names: Sequence[str],
    out: Path,
    size: Size = "full",
    seeds: int | None = None,
    data_dir: Path | None = None,
    message: Message = print,
) -> list[Path]:
    """Run experiments and write their figures and tables. Runs that an earlier call has finished are kept.

    Parameters
    ----------
    names : sequence of str
        Names in `EXPERIMENTS`, or ``all``.
    out : path-like
        Folder with one folder for each experiment. Smaller sizes have folders of their own, such as ``nbp-mnist-quick``.
    size : {"full", "quick", "smallest"}
        See `SIZES`.
    seeds : int, optional
        Number of seeds, from 0 (default: the experiment's).
    data_dir : path-like, optional
        Where to look for data sets first.
    message : callable
        Called with a line of text on the progress.

    Returns
    -------
    list of pathlib.Path
        Figures and tables, without the run directories.

    Raises
    ------
    ParameterError
        If a name is unknown or there is no seed.
    RunError
        If a run directory holds another experiment, is in use or cannot be written.
    DataError, BuildError
        As `experiments.training.commands.train` does.
    """
    chosen = _chosen(names)
    if seeds is not None and seeds < 1:
        raise ParameterError(f"Parameter seeds = {seeds!r} must be at least 1; set --seeds.")
    written = []
    for experiment in chosen:
        folder = Path(out) / (experiment.name if size == "full" else f"{experiment.name}-{size}")
        count = seeds or SIZES[size]["seeds"] or experiment.seeds
        settings_of_runs = {
            name: _sized(settings, size, folder / name, data_dir)
            for seed in range(count)
            for name, settings in experiment.runs(seed).items()
        }
        runs = []
        for number, (name, settings) in enumerate(settings_of_runs.items()):
            message(f"{experiment.name}: run {number + 1} of {len(settings_of_runs)}, {name}")
            runs.append(_run(settings, message))
        written += _outputs(experiment, runs, folder)
        if experiment.shown is not None:
            for name, shown in experiment.shown(runs, folder, data_dir, message).items():
                written += shown if name == "figures" else tables.write(shown, folder / name)
    return written


def _chosen(names: Sequence[str]) -> list[Experiment]:
    if not names:
        raise ParameterError("No experiment was named; give some of 'brianprop reproduce --list', or all.")
    if "all" in names:
        return list(EXPERIMENTS.values())
    for name in names:
        if name not in EXPERIMENTS:
            raise ParameterError(
                f"The experiment {name!r} is unknown; use some of {', '.join(EXPERIMENTS)}, or all."
                f"{did_you_mean(name, EXPERIMENTS)}"
            )
    return [EXPERIMENTS[name] for name in names]


def _sized(settings: TrainOptions, size: Size, out: Path, data_dir: Path | None) -> TrainOptions:
    smaller = {name: value for name, value in SIZES[size].items() if value is not None and name != "seeds"}
    return replace(settings, out=out, data_dir=data_dir, **smaller)


def _run(settings: TrainOptions, message: Message) -> Run:
    """The finished run of these settings. A finished run is kept, an interrupted one resumed."""
    if not (settings.out / "config.json").exists():
        return train(settings, message)
    run = Run.open(settings.out)
    _require_same(run, settings)
    return run if run.finished else resume(settings.out, message=message)


def _require_same(run: Run, settings: TrainOptions) -> None:
    """Raise RunError where a run has other settings, data or parameters than the experiment needs."""
    stored = {"system": run.system}
    wanted = {"system": settings.system}
    if stored == wanted:
        parameters = as_json(run.parameters())
        data, training = run.config["dataset"], run.config["training"]
        stored |= parameters | {name: training[name] for name in ("epochs", "seed")}
        stored |= {"dataset": data["name"], "binarise": data["binarise"]} | augmentation(training)
        wanted |= as_json(settings.parameters(parameters["n_in"], parameters["n_out"]))
        wanted |= {"epochs": settings.epochs, "seed": settings.seed}
        wanted |= {"dataset": dataset_name(settings.dataset)}
        wanted |= {"binarise": stored_levels(settings.binarise)} | augmentation(settings.training())
    for name, value in wanted.items():
        if stored[name] != value:
            raise RunError(
                f"{run.path} holds a run with {name} = {stored[name]!r}, but the experiment needs {value!r}; remove it or "
                "choose another --out."
            )


def _outputs(experiment: Experiment, runs: Sequence[Run], folder: Path) -> list[Path]:
    """Write the figures and tables of an experiment."""
    paths = [run.path for run in runs]
    figures = folder / "figures"
    written = draw(paths, figures)
    if experiment.compares:
        written += compare(paths, figures)
    elif len({Path(run.config["dataset"]["name"]).name for run in runs}) == 1:
        written += report.write(compared(paths), folder)
    accuracy = tables.table(paths)
    if experiment.published:
        accuracy = tables.with_published(accuracy, experiment.published)
    written += tables.write(accuracy, folder / "accuracy")
    spiking = [run.path for run in runs if run.load_spikes("raster") is not None]
    if spiking and not experiment.compares:  # a figure with a row for each of many settings would be of no use
        written += draw_energy(spiking, figures)
    circuit = SYSTEMS[runs[0].system].circuit(runs[0].parameters())
    if circuit is not None:
        written += tables.write(tables.network_size(circuit), folder / "network_size")
        written += tables.write(_row_of_table_1(group_runs(runs)[0].runs), folder / "table_1")
    return written


def _row_of_table_1(runs: Sequence[Run]) -> pandas.DataFrame:
    """Our row of Table 1 of Renner et al. 2024 beside theirs: accuracy after the last epoch, energy and time per sample.

    Of runs that differ in their seed only.
    """
    import pandas

    last = tables.table([run.path for run in runs]).iloc[0]
    ours = {
        title: tables.with_spread(last[f"{name}_mean"], last[f"{name}_sd"])
        for title, name in (("spikes (%)", "accuracy_spikes"), ("membrane (%)", "accuracy_membrane"))
    }
    theirs = {"spikes (%)": "96.3", "membrane (%)": "97.5"}
    for entry in account([run.path for run in runs]):
        mode = entry.counts.mode
        for row, modelled, joules in (
            (ours, entry.energy, entry.energy.total),
            (theirs, PUBLISHED[mode], PUBLISHED[mode].energy),
        ):
            row[f"{mode} (mJ)"] = f"{1e3 * joules:.3g}"
            row[f"{mode} (ms)"] = f"{1e3 * modelled.latency:.3g}"
    rows = {"simulated; energy and time by the model": ours}
    if runs[0].config["dataset"]["name"] == "mnist":
        rows["Renner et al. 2024; measured on Loihi"] = theirs
    return pandas.DataFrame.from_dict(rows, orient="index")
