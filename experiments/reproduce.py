"""Every experiment of both papers by name: the runs that it needs, and the figures and tables that are made of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal

from brianprop.analysis import tables
from brianprop.analysis.energy import report as energy
from brianprop.analysis.figures.draw import circuit_of, compare, draw
from brianprop.analysis.runs.run import Run, as_json
from brianprop.experiments.training.ann import TrainANN
from brianprop.experiments.training.commands import resume, stored_levels, train
from brianprop.experiments.training.loop import Message, TrainOptions
from brianprop.experiments.training.nbp import TrainNBP
from brianprop.experiments.training.ssnn_bp import TrainSSNN
from brianprop.models.errors import ParameterError, RunError
from brianprop.models.files import write_text
from brianprop.models.nbp.parameters import Rules
from brianprop.models.ssnn_bp.parameters import SSNNRules

if TYPE_CHECKING:
    import pandas

__all__ = ["EXPERIMENTS", "SIZES", "Experiment", "listing", "reproduce"]

Size = Literal["full", "quick", "smallest"]

#: Training, validation and test images, epochs and seeds of what is smaller than the paper's.
SIZES: Mapping[Size, Mapping[str, int | None]] = MappingProxyType(
    {
        "full": MappingProxyType({"samples": None, "validation": None, "test_samples": None, "epochs": None, "seeds": None}),
        "quick": MappingProxyType({"samples": 5500, "validation": 500, "test_samples": 1000, "epochs": None, "seeds": None}),
        "smallest": MappingProxyType({"samples": 120, "validation": 40, "test_samples": 40, "epochs": 2, "seeds": 1}),
    }
)

NBP_PAPER = "Renner et al. 2024"
SSNN_PAPER = "Biswas et al. 2023"

#: Time steps of a presentation for which SSNN-BP is trained.
LENGTHS = (2, 5, 10, 20, 50, 100)
#: Gradient spikes per unit of gradient, and levels of a weight, at T = 20: both set the size of an update.
GAINS, LEVELS = (0.125, 0.25, 0.5, 2.0, 4.0), (33, 65, 129, 257, 1025)
LEVELS_BOUND = 4.0
#: Best of gains, clips, rates and drives on the validation images of Fashion-MNIST.
FASHION = {
    "steps": 100,
    "output_drive": "mean",
    "backward_drive": "mean",
    "rate_hidden": 0.01,
    "rate_out": 0.01,
    "gain": 2.0,
}


@dataclass(frozen=True)
class Experiment:
    """One experiment.

    Attributes
    ----------
    name : str
    paper, shows, data : str
        The paper, what is shown and on which data set.
    minutes : float
        What the runs took on two cores of 2023, one run after the other.
    jobs : callable
        Of a seed: the settings of its runs by name, with a run directory that is not yet set.
    seeds : int
    compares : bool
        Whether the runs differ in a setting that is drawn, see `analysis.figures.draw.compare`.
    published : mapping
        Accuracies that the paper gives [%], by column of the metrics.
    """

    name: str
    paper: str
    shows: str
    data: str
    minutes: float
    jobs: Callable[[int], Mapping[str, TrainOptions]]
    seeds: int = 3
    compares: bool = False
    published: Mapping[str, float] = field(default_factory=dict)


NOWHERE = Path()


#: As published, but closed layers are held four times as firmly relative to theta. Images of Fashion-MNIST have three times as
#: many bright pixels as digits; with the published bias h, which x reaches in phase 8, fires there and is refractory when it is
#: to be replayed in phase 9, and accuracy on validation falls from 74 % after the first epoch to 18 % (membrane).
FIRM = Rules(bias=-32768, silence=-32768)

#: Beyond the paper: margins in the error layer, boxes half a threshold wider, and steps a quarter as large relative to the
#: threshold. The learned weights then need more than the eight bits of the chip. Closed layers are held as in `FIRM`, four
#: times as firmly relative to theta, since grey levels bring more; theta is four times as large, so the numbers are 16 times
#: the published ones.
BEYOND = Rules(
    theta=4096,
    bias=-131072,
    silence=-131072,
    w_max=1016,
    error="margin",
    o_lower=-1,
    o_upper=2,
    h_lower=-0.5,
    h_upper=1.5,
)


def _nbp(dataset: str, rules: Rules, epochs: int, **settings) -> Callable[[int], Mapping[str, TrainOptions]]:
    return lambda seed: {f"seed{seed}": TrainNBP(NOWHERE, dataset=dataset, epochs=epochs, seed=seed, rules=rules, **settings)}


def _ssnn(seed: int, dataset: str, epochs: int, **rules) -> TrainSSNN:
    return TrainSSNN(NOWHERE, dataset=dataset, epochs=epochs, seed=seed, rules=SSNNRules(**rules))


def _ann(seed: int, dataset: str, epochs: int, **settings) -> TrainANN:
    return TrainANN(NOWHERE, dataset=dataset, epochs=epochs, seed=seed, **settings)


def _lengths(seed: int) -> Mapping[str, TrainOptions]:
    runs = {f"T{steps}-seed{seed}": _ssnn(seed, "mnist", 5, steps=steps) for steps in LENGTHS}
    return runs | {f"ann-seed{seed}": _ann(seed, "mnist", 5, rate_hidden=0.02, rate_out=0.02)}


def _steps(seed: int) -> Mapping[str, TrainOptions]:
    runs = {f"gain{gain:g}-seed{seed}": _ssnn(seed, "mnist", 5, gain=gain) for gain in (1.0, *GAINS)}
    bounded = {f"levels{n}-seed{seed}": _ssnn(seed, "mnist", 5, levels=n, w_max=LEVELS_BOUND) for n in LEVELS}
    return runs | bounded | {f"ann-seed{seed}": _ann(seed, "mnist", 5, rate_hidden=0.02, rate_out=0.02)}


def _regularised(seed: int) -> Mapping[str, TrainOptions]:
    runs: dict[str, TrainOptions] = {}
    for name, options in (("plain", {}), ("dropout", {"dropout": 0.2}), ("decay", {"weight_decay": 1e-6})):
        runs[f"{name}-seed{seed}"] = _ssnn(seed, "mnist", 10, **options)
        runs[f"ann-{name}-seed{seed}"] = _ann(seed, "mnist", 10, rate_hidden=0.02, rate_out=0.02, **options)
    return runs


def _beside(dataset: str, rate: float, **rules) -> Callable[[int], Mapping[str, TrainOptions]]:
    """SSNN-BP and the ANN with its own learning rate."""
    return lambda seed: {
        f"seed{seed}": _ssnn(seed, dataset, 5, **rules),
        f"ann-seed{seed}": _ann(seed, dataset, 5, rate_hidden=rate, rate_out=rate),
    }


#: By name, in the order of the papers.
EXPERIMENTS: Mapping[str, Experiment] = MappingProxyType(
    {
        experiment.name: experiment
        for experiment in (
            Experiment(
                "nbp-mnist",
                NBP_PAPER,
                "accuracy and loss over 60 epochs, raster, connectivity, network size, row of Table 1",
                "MNIST, 400-400-10",
                10,
                _nbp("mnist", Rules(), 60),
                published={"accuracy_spikes": 96.3, "accuracy_membrane": 97.5},
            ),
            Experiment(
                "nbp-fashion-mnist",
                NBP_PAPER,
                "the same on the second data set",
                "Fashion-MNIST, 784-400-10",
                25,
                _nbp("fashion-mnist", FIRM, 60),
            ),
            Experiment(
                "nbp-mnist-beyond",
                NBP_PAPER,
                "how far the rule goes: margins, wider boxes, finer steps, two grey levels, moved images, wider layer",
                "MNIST, 1568-1000-10",
                15,
                _nbp("mnist", BEYOND, 40, hidden=1000, crop=0, binarise=(0.25, 0.75), jitter=1),
            ),
            Experiment(
                "nbp-fashion-mnist-beyond",
                NBP_PAPER,
                "the same with five grey levels, without jitter and with the published hidden layer",
                "Fashion-MNIST, 3920-400-10",
                20,
                _nbp("fashion-mnist", BEYOND, 20, binarise=(0.125, 0.3, 0.5, 0.7, 0.875)),
            ),
            Experiment(
                "ssnn-mnist",
                SSNN_PAPER,
                "accuracy, spikes and updates against the length T of the spike trains, beside the ANN",
                "MNIST, 784-200-10",
                25,
                _lengths,
                compares=True,
            ),
            Experiment(
                "ssnn-step",
                SSNN_PAPER,
                "accuracy against the size of an update and the number of levels of a weight",
                "MNIST, 784-200-10, T = 20",
                20,
                _steps,
                compares=True,
            ),
            Experiment(
                "ssnn-regularised",
                SSNN_PAPER,
                "dropout and weight decay, each beside the ANN with the same",
                "MNIST, 784-200-10, T = 20",
                20,
                _regularised,
            ),
            Experiment(
                "ssnn-fashion-mnist",
                SSNN_PAPER,
                "accuracy beside the ANN",
                "Fashion-MNIST, 784-200-10, T = 100",
                20,
                _beside("fashion-mnist", 0.01, **FASHION),
            ),
            Experiment(
                "ssnn-emnist",
                SSNN_PAPER,
                "accuracy beside the ANN",
                "EMNIST letters, 784-200-26, T = 20",
                10,
                _beside("emnist-letters", 0.02),
            ),
            Experiment(
                "ssnn-emnist-subset",
                SSNN_PAPER,
                "stands in for ssnn-emnist where the archive cannot be had: other images of EMNIST's letters, split anew",
                "a folder emnist-letters-subset, 784-200-26, T = 20",
                8,
                _beside("emnist-letters-subset", 0.02),
            ),
            Experiment(
                "ssnn-n-mnist",
                SSNN_PAPER,
                "accuracy beside the ANN, which sees the mean over the steps",
                "N-MNIST, 2312-200-10, T = 20",
                20,
                _beside("n-mnist", 0.02),
            ),
            Experiment(
                "ssnn-emulated-mnist",
                SSNN_PAPER,
                "stands in for ssnn-n-mnist where the archive cannot be had",
                "MNIST through an emulated event camera, 2312-200-10, T = 20",
                30,
                _beside("emulated-mnist", 0.02),
            ),
        )
    }
)


def listing() -> str:
    """The experiments as a Markdown table."""
    lines = ["| name | paper | shows | data | minutes |", "|---|---|---|---|---|"]
    for item in EXPERIMENTS.values():
        lines.append(f"| {item.name} | {item.paper} | {item.shows} | {item.data} | {item.minutes:g} |")
    return "\n".join(lines)


def reproduce(
    names: Sequence[str],
    out: Path,
    size: Size = "full",
    seeds: int | None = None,
    data_dir: Path | None = None,
    message: Message = print,
) -> list[Path]:
    """Run experiments and write their figures and tables; what an earlier call has finished is not run again.

    Parameters
    ----------
    names : sequence of str
        Of `EXPERIMENTS`, or ``all``.
    out : path-like
        Folder with one folder for each experiment; smaller sizes have folders of their own, as in ``nbp-mnist-quick``.
    size : {"full", "quick", "smallest"}
        See `SIZES`.
    seeds : int, optional
        Number of seeds, from 0 (default: the experiment's).
    data_dir : path-like, optional
        Where to look for data sets first.
    message : callable
        Called with a line of text now and then.

    Returns
    -------
    list of pathlib.Path
        The files written, without the run directories.

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
        jobs = {
            name: _sized(settings, size, folder / name, data_dir)
            for seed in range(count)
            for name, settings in experiment.jobs(seed).items()
        }
        runs = []
        for number, (name, settings) in enumerate(jobs.items()):
            message(f"{experiment.name}: run {number + 1} of {len(jobs)}, {name}")
            runs.append(_run(settings, message))
        written += _outputs(experiment, runs, folder)
    return written


def _chosen(names: Sequence[str]) -> list[Experiment]:
    if not names:
        raise ParameterError("No experiment was named; give some of 'brianprop reproduce --list', or all.")
    if "all" in names:
        return list(EXPERIMENTS.values())
    for name in names:
        if name not in EXPERIMENTS:
            raise ParameterError(f"The experiment {name!r} is unknown; use some of {', '.join(EXPERIMENTS)}, or all.")
    return [EXPERIMENTS[name] for name in names]


def _sized(settings: TrainOptions, size: Size, out: Path, data_dir: Path | None) -> TrainOptions:
    smaller = {name: value for name, value in SIZES[size].items() if value is not None and name != "seeds"}
    return replace(settings, out=out, data_dir=data_dir, **smaller)


def _run(settings: TrainOptions, message: Message) -> Run:
    """The finished run of some settings: kept, gone on with, or made."""
    if not (settings.out / "config.json").exists():
        return train(settings, message)
    run = Run.open(settings.out)
    _require_same(run, settings)
    return run if run.finished else resume(settings.out, message=message)


def _require_same(run: Run, settings: TrainOptions) -> None:
    found = {"system": run.system}
    wanted = {"system": settings.system}
    if found == wanted:
        parameters = as_json(run.parameters())
        data, training = run.config["dataset"], run.config["training"]
        found |= parameters | {name: training[name] for name in ("epochs", "seed")}
        found |= {"binarise": data["binarise"], "jitter": training.get("jitter", 0)}
        wanted |= as_json(settings.parameters(parameters["n_in"], parameters["n_out"]))
        wanted |= {"epochs": settings.epochs, "seed": settings.seed}
        wanted |= {"binarise": stored_levels(settings.binarise), "jitter": settings.training().get("jitter", 0)}
    for name, value in wanted.items():
        if found[name] != value:
            raise RunError(
                f"{run.path} holds a run with {name} = {found[name]!r}, but the experiment needs {value!r}; remove it or "
                "choose another --out."
            )


def _outputs(experiment: Experiment, runs: Sequence[Run], folder: Path) -> list[Path]:
    paths = [run.path for run in runs]
    figures = folder / "figures"
    written = draw(paths, figures)
    if experiment.compares:
        written += compare(paths, figures)
    found = tables.table(paths)
    if experiment.published:
        found = tables.with_published(found, experiment.published)
    written += _table(found, folder / "accuracy")
    spiking = [run.path for run in runs if run.load_spikes("raster") is not None]
    if spiking and not experiment.compares:  # of many settings, a figure with a row for each would tell nothing
        written += energy.draw(spiking, figures)
    if runs[0].system == "nbp":
        written += _table(tables.network_size(circuit_of(runs[0])), folder / "network_size")
        written += _table(_row_of_table_1(runs), folder / "table_1")
    return written


def _row_of_table_1(runs: Sequence[Run]) -> pandas.DataFrame:
    """Our row of Table 1 of Renner et al. 2024 beside theirs: accuracy after the last epoch, energy and time of a sample."""
    import pandas

    last = tables.table([run.path for run in runs]).iloc[0]
    ours = {
        title: tables.with_spread(last[f"{name}_mean"], last[f"{name}_sd"])
        for title, name in (("spikes (%)", "accuracy_spikes"), ("membrane (%)", "accuracy_membrane"))
    }
    theirs = {"spikes (%)": "96.3", "membrane (%)": "97.5"}
    for entry in energy.account([run.path for run in runs]):
        mode = entry.counts.mode
        for row, found, joules in (
            (ours, entry.energy, entry.energy.total),
            (theirs, energy.PUBLISHED[mode], energy.PUBLISHED[mode].energy),
        ):
            row[f"{mode} (mJ)"] = f"{1e3 * joules:.3g}"
            row[f"{mode} (ms)"] = f"{1e3 * found.latency:.3g}"
    rows = {"simulated; energy and time by the model": ours}
    if runs[0].config["dataset"]["name"] == "mnist":
        rows["Renner et al. 2024; measured on Loihi"] = theirs
    return pandas.DataFrame.from_dict(rows, orient="index")


def _table(frame: pandas.DataFrame, stem: Path) -> list[Path]:
    text = {".csv": frame.to_csv(lineterminator="\n"), ".md": tables.markdown(frame) + "\n"}
    return [write_text(stem.with_suffix(suffix), content) for suffix, content in text.items()]
