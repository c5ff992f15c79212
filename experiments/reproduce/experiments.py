"""Every experiment of both papers, as data: its name, its runs, and what it shows. `EXPERIMENTS` is the list."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

from brianprop.analysis.intervals import intervals, scores_of
from brianprop.analysis.runs.run import Run
from brianprop.experiments.reproduce.emulation import against_reality
from brianprop.experiments.reproduce.side_by_side import side_by_side, systems
from brianprop.experiments.training.ann import TrainANN
from brianprop.experiments.training.nbp import TrainNBP
from brianprop.experiments.training.options import Message, TrainOptions
from brianprop.experiments.training.ssnn_bp import TrainSSNN
from brianprop.models.nbp.parameters import Rules
from brianprop.models.ssnn_bp.parameters import SSNNRules

__all__ = ["EXPERIMENTS", "Experiment", "listing"]


NBP_PAPER = "Renner et al. 2024"
SSNN_PAPER = "Biswas et al. 2023"

#: Numbers of time steps per sample for which SSNN-BP is trained.
LENGTHS = (2, 5, 10, 20, 50, 100)

#: At T = 20 the size of an update follows from the gradient spikes per unit of gradient, or from the number of levels of a
#: weight, which then has a bound.
GAINS, LEVELS, BOUND = (0.125, 0.25, 0.5, 2.0, 4.0), (33, 65, 129, 257, 1025), 4.0

#: The best of several gains, clips, rates and drives on the validation images of Fashion-MNIST.
FASHION = {
    "steps": 100,
    "output_drive": "mean",
    "backward_drive": "mean",
    "rate_hidden": 0.01,
    "rate_out": 0.01,
    "gain": 2.0,
}


#: Epochs and learning rate of the ANN on a thousand recordings, chosen on the last 200 of them for training, three seeds.
SUBSET_EPOCHS, SUBSET_RATE = 40, 0.08

#: What an experiment alone shows: tables by name, and paths of figures by the name ``figures``.
Shown = Callable[[Sequence[Run], Path, Path | None, Message], Mapping[str, Any]]


def _intervals(runs: Sequence[Run], folder: Path, data_dir: Path | None, message: Message) -> Mapping[str, Any]:
    """Intervals of all accuracies, where test recordings are few."""
    return {"intervals": intervals(scores_of(runs))}


@dataclass(frozen=True)
class Experiment:
    """One experiment.

    Attributes
    ----------
    name : str
    paper : str
        The paper that it belongs to.
    shows : str
        What its figures and tables show.
    data : str
        Data set and layer sizes.
    minutes : float
        Duration of the runs on two cores of the year 2023, one run after the other.
    runs : callable
        Gives, for a seed, the options of its runs by the name of the run directory. Their own path is still empty.
    seeds : int
        Number of seeds.
    compares : bool
        Whether the runs differ in a setting that `analysis.figures.comparison.compare` draws.
    published : mapping
        Accuracies in the paper [%], by the column of the metrics.
    shown : callable, optional
        Gives tables and figures that only this experiment has, from its runs, its folder, the folder of data, and a function
        that is called with lines on the progress.
    """

    name: str
    paper: str
    shows: str
    data: str
    minutes: float
    runs: Callable[[int], Mapping[str, TrainOptions]]
    seeds: int = 3
    compares: bool = False
    published: Mapping[str, float] = field(default_factory=dict)
    shown: Shown | None = None


#: Stands for the run directory until it is known.
NO_PATH = Path()

#: The published rules, but with four times the inhibition of closed layers, relative to theta. Images of Fashion-MNIST have
#: three times as many bright pixels as digits. With the published bias, the drive from x then makes h fire in phase 8, where it
#: should be closed, so that h is refractory when it should be replayed in phase 9. Accuracy on validation images falls from
#: 74 % after the first epoch to 18 % (membrane).
FIRM = Rules(bias=-32768, silence=-32768)

#: Rules beyond the paper: margins in the error layer, boxes that are half a threshold wider, and weight changes that are a
#: quarter as large relative to the threshold. The learned weights then need more than the eight bits of the chip. Closed layers
#: have four times the inhibition relative to theta, as in `FIRM`, since grey levels bring more input. As theta is four times as
#: large too, the numbers are 16 times the published ones.
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

#: The same with a grid that is four times as fine: steps fall from those of `BEYOND` to a quarter, and hidden neurons whose
#: gradient lies within an eighth of theta do not learn. Chosen on validation images.
FALLING = replace(
    BEYOND,
    theta=16384,
    bias=-524288,
    silence=-524288,
    margin=32,
    w_max=4064,
    w_init_max=3840,
    eta_plus=8,
    eta_minus=8,
    annealed=True,
    h_dead=0.125,
)


def _nbp(dataset: str, rules: Rules, epochs: int, **settings) -> Callable[[int], Mapping[str, TrainOptions]]:
    return lambda seed: {f"seed{seed}": TrainNBP(NO_PATH, dataset=dataset, epochs=epochs, seed=seed, rules=rules, **settings)}


def _shapes(
    prefix: str, shapes: Mapping[str, tuple[int, ...]], dataset: str, rules: Rules, epochs: int, **settings
) -> Callable[[int], Mapping[str, TrainOptions]]:
    """Networks with other hidden layers, by their names."""
    return lambda seed: {
        f"{prefix}-{name}-seed{seed}": TrainNBP(
            NO_PATH, dataset=dataset, epochs=epochs, seed=seed, rules=rules, hidden=hidden, **settings
        )
        for name, hidden in shapes.items()
    }


def _ssnn(seed: int, dataset: str, epochs: int, **rules) -> TrainSSNN:
    return TrainSSNN(NO_PATH, dataset=dataset, epochs=epochs, seed=seed, rules=SSNNRules(**rules))


def _ann(seed: int, dataset: str, epochs: int, **settings) -> TrainANN:
    return TrainANN(NO_PATH, dataset=dataset, epochs=epochs, seed=seed, **settings)


def _lengths(seed: int) -> Mapping[str, TrainOptions]:
    runs = {f"T{steps}-seed{seed}": _ssnn(seed, "mnist", 5, steps=steps) for steps in LENGTHS}
    return runs | {f"ann-seed{seed}": _ann(seed, "mnist", 5, rate_hidden=0.02, rate_out=0.02)}


def _steps(seed: int) -> Mapping[str, TrainOptions]:
    runs = {f"gain{gain:g}-seed{seed}": _ssnn(seed, "mnist", 5, gain=gain) for gain in (1.0, *GAINS)}
    bounded = {f"levels{n}-seed{seed}": _ssnn(seed, "mnist", 5, levels=n, w_max=BOUND) for n in LEVELS}
    return runs | bounded | {f"ann-seed{seed}": _ann(seed, "mnist", 5, rate_hidden=0.02, rate_out=0.02)}


def _regularised(seed: int) -> Mapping[str, TrainOptions]:
    runs: dict[str, TrainOptions] = {}
    for name, options in (("plain", {}), ("dropout", {"dropout": 0.2}), ("decay", {"weight_decay": 1e-6})):
        runs[f"{name}-seed{seed}"] = _ssnn(seed, "mnist", 10, **options)
        runs[f"ann-{name}-seed{seed}"] = _ann(seed, "mnist", 10, rate_hidden=0.02, rate_out=0.02, **options)
    return runs


def _layers(seed: int) -> Mapping[str, TrainOptions]:
    """One and two hidden layers, each beside the ANN with the same."""
    # with two layers, of 0.01 and 0.02 the better rate on validation images after 3 epochs
    rules = {(200,): SSNNRules(), (200, 200): SSNNRules(rate_hidden=0.02)}
    runs: dict[str, TrainOptions] = {}
    for hidden, of_layers in rules.items():
        name = f"{len(hidden)}-seed{seed}"
        runs[f"hidden-{name}"] = TrainSSNN(NO_PATH, dataset="mnist", epochs=10, seed=seed, hidden=hidden, rules=of_layers)
        runs[f"ann-{name}"] = _ann(seed, "mnist", 10, hidden=hidden, rate_hidden=0.02, rate_out=0.02)
    return runs


def _beside(dataset: str, rate: float, epochs: int = 5, **rules) -> Callable[[int], Mapping[str, TrainOptions]]:
    """SSNN-BP, and the ANN with a learning rate of its own."""
    return lambda seed: {
        f"seed{seed}": _ssnn(seed, dataset, epochs, **rules),
        f"ann-seed{seed}": _ann(seed, dataset, epochs, rate_hidden=rate, rate_out=rate),
    }


def _of_recordings(seed: int) -> Mapping[str, TrainOptions]:
    """SSNN-BP on real recordings, and on emulated ones of the same digits."""
    names = {"real": "", "emulated": "emulated-", "negative": "emulated-negative-"}
    return {f"{name}-seed{seed}": _ssnn(seed, f"{prefix}n-mnist-subset", SUBSET_EPOCHS) for name, prefix in names.items()}


#: Grey levels of the images with the rules `BEYOND`, and what else is done to them.
MNIST_LEVELS = {"crop": 0, "binarise": (0.25, 0.75), "jitter": 1}
FASHION_LEVELS = {"binarise": (0.125, 0.3, 0.5, 0.7, 0.875)}


def _depth_and_feedback(
    name: str, settings: str, inputs: str, dataset: str, rules: Rules, epochs: int, wide: int, **options
) -> tuple[Experiment, Experiment]:
    """The same settings with one, two and three hidden layers, with transposed and with random feedback.

    Beside them stands a single layer of `wide` neurons, with as many weights as three layers.
    """
    deep = {str(n): (400,) * n for n in (1, 2, 3)}
    layers = f"{inputs}; 1, 2 and 3 hidden layers of 400"
    return (
        Experiment(
            f"nbp-depth-{name}",
            NBP_PAPER,
            f"accuracy against the number of hidden layers, {settings}",
            f"{layers}, and one of {wide}",
            60,
            _shapes("hidden", deep | {"wide": (wide,)}, dataset, rules, epochs, **options),
        ),
        Experiment(
            f"nbp-feedback-{name}",
            NBP_PAPER,
            f"fixed random weights in place of the transposes, {settings}",
            layers,
            45,
            _shapes("random", deep, dataset, replace(rules, feedback="random"), epochs, **options),
        ),
    )


#: All experiments by name, in the order of the papers.
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
                _nbp("mnist", BEYOND, 40, hidden=(1000,), **MNIST_LEVELS),
            ),
            Experiment(
                "nbp-deep-mnist-beyond",
                NBP_PAPER,
                "two hidden layers, steps that fall, a dead zone of the hidden gradient, images deformed elastically",
                "MNIST, 1568-1000-1000-10",
                40,
                _nbp("mnist", FALLING, 60, hidden=(1000, 1000), elastic=0.7, **MNIST_LEVELS),
            ),
            Experiment(
                "nbp-fashion-mnist-beyond",
                NBP_PAPER,
                "as nbp-mnist-beyond, with five grey levels, without jitter and with the published hidden layer",
                "Fashion-MNIST, 3920-400-10",
                20,
                _nbp("fashion-mnist", BEYOND, 20, **FASHION_LEVELS),
            ),
            Experiment(
                "nbp-deep-fashion-mnist-beyond",
                NBP_PAPER,
                "two hidden layers, steps that fall, a dead zone of the hidden gradient, mirrored images, silent inputs",
                "Fashion-MNIST, 3920-1000-1000-10",
                90,
                _nbp("fashion-mnist", FALLING, 80, hidden=(1000, 1000), flip=True, input_dropout=0.2, **FASHION_LEVELS),
            ),
            *_depth_and_feedback("mnist", "as published", "MNIST, 400 inputs", "mnist", Rules(), 60, 1180),
            *_depth_and_feedback(
                "mnist-beyond", "beyond the paper", "MNIST, 1568 inputs", "mnist", BEYOND, 40, 603, **MNIST_LEVELS
            ),
            *_depth_and_feedback(
                "fashion-mnist-beyond",
                "beyond the paper",
                "Fashion-MNIST, 3920 inputs",
                "fashion-mnist",
                BEYOND,
                20,
                481,
                **FASHION_LEVELS,
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
                "ssnn-depth-mnist",
                SSNN_PAPER,
                "accuracy of one and two hidden layers, each beside the ANN with the same",
                "MNIST, 784-200-10 and 784-200-200-10, T = 20",
                6,
                _layers,
            ),
            Experiment(
                "ssnn-fashion-mnist",
                SSNN_PAPER,
                "accuracy beside the ANN",
                "Fashion-MNIST, 784-200-10, T = 100",
                70,
                _beside("fashion-mnist", 0.01, **FASHION),
                seeds=10,
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
                "ssnn-n-mnist-subset",
                SSNN_PAPER,
                "real recordings, but few: accuracy beside the ANN, with the intervals that 100 test recordings allow",
                "a folder nmnist-subset, 1,000 and 100 recordings of N-MNIST, 2312-200-10, T = 20",
                5,
                _beside("n-mnist-subset", SUBSET_RATE, SUBSET_EPOCHS),
                seeds=5,
                shown=_intervals,
            ),
            Experiment(
                "emulator-against-n-mnist",
                SSNN_PAPER,
                "events of real recordings beside those of the emulated camera, and what networks learn from one for the other",
                "a folder nmnist-subset, and the same digits emulated, 2312-200-10, T = 20",
                6,
                _of_recordings,
                shown=against_reality,
            ),
            Experiment(
                "ssnn-emulated-mnist",
                SSNN_PAPER,
                "stands in for ssnn-n-mnist where the archive cannot be had",
                "MNIST through an emulated event camera, 2312-200-10, T = 20",
                30,
                _beside("emulated-mnist", 0.02),
            ),
            Experiment(
                "side-by-side",
                "both",
                "nBP with one and two hidden layers, SSNN-BP and the ANN: accuracy, spikes, operations, energy, time, memory",
                "MNIST, 400-400-10 and 400-400-400-10, T = 20",
                50,
                systems,
                seeds=5,
                shown=side_by_side,
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
