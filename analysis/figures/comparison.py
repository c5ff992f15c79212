"""Many runs: tests between their kinds, and for SSNN-BP the effect of the length of spike trains, the update and the levels."""

from __future__ import annotations

import itertools
import math
import operator
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from brianprop.analysis import tables
from brianprop.analysis.activity import count, layers_of, signed_streams, words
from brianprop.analysis.figures.output import NothingToShowError, write_figures
from brianprop.analysis.groups import Group, group_runs, open_runs
from brianprop.analysis.runs.recording import Recording
from brianprop.analysis.runs.run import Run
from brianprop.analysis.statistics import report
from brianprop.analysis.statistics.pairs import compared
from brianprop.analysis.systems import SYSTEMS
from brianprop.models.errors import RunError
from brianprop.models.files import write_text
from brianprop.models.ssnn_bp.parameters import SSNN

if TYPE_CHECKING:
    import pandas
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import ArrayLike

__all__ = [
    "Estimate",
    "compare",
    "errorbar",
    "estimates",
    "final_scores",
    "plot_activity",
    "plot_length",
    "plot_step",
    "seeds_in_words",
]

#: Readouts of SSNN-BP: column, title, line style and marker.
READOUTS = (("accuracy_rates", "rates", "-", "o"), ("accuracy_spikes", "spikes", "--", "s"))

#: Colours of the bands of the ANN, one for each kind.
BAND_COLOURS = ("0.4", "C3", "C4", "C5")

PERCENT = 100

#: The number T of time steps as a function of the parameters, and its label at an axis.
LENGTH = operator.attrgetter("steps")
LENGTH_LABEL = "time steps $T$ of a sample"


class Estimate(NamedTuple):
    """A score over runs that differ in their seed."""

    mean: float
    sd: float
    """Sample standard deviation; NaN for a single run."""
    n: int

    @classmethod
    def of(cls, values: Sequence[float]) -> Estimate:
        """Summarise one value per run."""
        return cls(float(np.mean(values)), float(np.std(values, ddof=1)) if len(values) > 1 else math.nan, len(values))


def compare(run_paths: Sequence[Path], out: Path, split: str = "test", baseline: Path | None = None) -> list[Path]:
    """Compare runs of any systems: tables of accuracies and of tests, and the figures over many runs of SSNN-BP.

    The files are accuracy.md and .csv; those of `analysis.statistics.report.write`; compare.csv, a row for each run; and the
    figures. Lines on standard output name each figure that is left out, and what would store answers that are lacking.

    Parameters
    ----------
    run_paths : sequence of path-like
        Finished run directories, of one data set.
    out : path-like
        Folder for the files.
    split : {"test", "validation", "train"}
        Split of the accuracy after the last epoch.
    baseline : path-like, optional
        See `analysis.statistics.pairs.compared`.

    Raises
    ------
    RunError
        If a run cannot be read, is not finished, or is of another data set, or a file cannot be written.
    """
    runs = open_runs(run_paths, "draw")
    datasets = sorted({Path(run.config["dataset"]["name"]).name for run in runs})
    if len(datasets) > 1:
        raise RunError(f"The runs are of several data sets ({', '.join(datasets)}); compare those of one at a time.")
    accuracy, every = tables.table(run_paths, split=split), values(runs, split)
    found = compared(run_paths, split=split, baseline=baseline)
    figures = {
        "length": lambda: plot_length(runs, split),
        "activity": lambda: plot_activity(runs),
        "step": lambda: plot_step(runs, split),
    }
    folder = Path(out)
    written = write_figures(figures, folder)
    written += [*tables.write(accuracy, folder / "accuracy"), *report.write(found, folder)]
    print(report.advice(found), end="")
    return [*written, write_text(folder / "compare.csv", every.to_csv(index=False, lineterminator="\n"))]


def final_scores(run: Run, split: str) -> dict:
    """The row of metrics after the last epoch.

    Raises
    ------
    RunError
        If the run is not finished or has no such split.
    """
    last = run.config["training"]["epochs"]
    for row in run.metrics():
        if row["epoch"] == last and row["split"] == split:
            return row
    raise RunError(
        f"{run.path} has no scores of the split {split} after its epoch {last}; use 'brianprop resume {run.path}' if it is not "
        "finished, or choose another --split."
    )


def estimates(group: Group, setting: Callable[[SSNN], float], score: Callable[[Run], float]) -> dict[float, Estimate]:
    """A score as a function of a setting, over the runs of a group.

    Parameters
    ----------
    group : Group
        Of runs of SSNN-BP that differ in this setting and their seed.
    setting, score : callable
        Functions of the parameters, and of a run.

    Returns
    -------
    dict of Estimate
        By the value of the setting, in ascending order.
    """
    scores: dict[float, list[float]] = {}
    for run in group.runs:
        scores.setdefault(setting(run.parameters()), []).append(score(run))
    return {value: Estimate.of(scores[value]) for value in sorted(scores)}


def values(runs: Sequence[Run], split: str) -> pandas.DataFrame:
    """One row per run: its settings, its scores, and mean spikes and updates of its recorded samples.

    Raises
    ------
    RunError
        As `final_scores` does.
    """
    import pandas

    rows = []
    labels = {run.path: group.label for group in group_runs(runs) for run in group.runs}
    for run in runs:
        parameters, scores = run.config["parameters"], final_scores(run, split)
        row = {
            "system": run.system,
            "label": labels[run.path],
            "seed": run.config["training"]["seed"],
            "epochs": run.config["training"]["epochs"],
        }
        row |= {name: scores[name] for name in (*SYSTEMS[run.system].accuracies, "loss")}
        if run.system == "ssnn-bp":
            ssnn = run.parameters()
            row |= {"steps": ssnn.steps, "gain": ssnn.gain, "levels": parameters["levels"], "eta_W1": ssnn.weight_steps[0]}
            if (recording := run.load_spikes("raster")) is not None:
                activity = count(recording)
                row |= {"presentations": recording.n_samples, "recorded epoch": int(recording.epoch.max())}
                row |= {f"spikes {name}": counts.mean() for name, counts in activity.spikes.items()}
                row |= {f"updates {name}": counts.mean() for name, counts in activity.updates.items()}
        rows.append(row)
    return pandas.DataFrame(rows)


def plot_length(runs: Sequence[Run], split: str) -> Figure:
    """Draw the accuracy after the last epoch against the number T of time steps, with the ANN as a band.

    Parameters
    ----------
    runs : sequence of Run
        Of SSNN-BP, and of the ANN beside it.
    split : {"test", "validation", "train"}

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    NothingToShowError
        If all runs have the same T.
    RunError
        As `final_scores` does.
    """
    from matplotlib.figure import Figure

    groups = _varied(runs, "steps", LENGTH)
    figure = Figure(figsize=(4.6, 3.2), layout="constrained")
    axes = figure.subplots()
    _draw_accuracy(axes, runs, groups, LENGTH, split)
    axes.set(xlabel=LENGTH_LABEL, ylabel=f"{split} accuracy (%)")
    return figure


def plot_activity(runs: Sequence[Run]) -> Figure:
    """Draw the spikes and the weight updates of a turn against the number T of time steps.

    Parameters
    ----------
    runs : sequence of Run
        Of SSNN-BP, with raster.npz.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    NothingToShowError
        If all runs with a recording have the same T.
    """
    from matplotlib.figure import Figure

    loaded = {run.path: run.load_spikes("raster") for run in runs if run.system == "ssnn-bp"}
    recordings = {path: recording for path, recording in loaded.items() if recording is not None}
    groups = _varied([run for run in runs if run.path in recordings], "steps", LENGTH)
    if len(groups) > 1:
        raise NothingToShowError("the runs differ in more than T and seed: " + "; ".join(group.label for group in groups))
    (group,) = groups
    counted = {path: _activity(recording) for path, recording in recordings.items()}
    figure = Figure(figsize=(7.2, 3.0), layout="constrained")
    for axes, what, ylabel in zip(
        figure.subplots(1, 2),
        ("spikes", "updates"),
        ("spikes per sample", "weight updates per sample"),
        strict=True,
    ):
        for number, name in enumerate(counted[group.runs[0].path][what]):
            means_by_length = estimates(group, LENGTH, lambda run, what=what, name=name: counted[run.path][what][name])
            steps = np.array(list(means_by_length))
            means, spreads, _ = np.array(list(means_by_length.values())).T
            errorbar(axes, steps, means, spreads, color=f"C{number}", marker="o", linewidth=1.0, label=_symbol(name))
            # growth in proportion to T, through the longest one, where the counts are least noisy
            axes.plot(steps, means[-1] * steps / steps[-1], ":", color=f"C{number}", linewidth=0.7)
        axes.set(yscale="log", xlabel=LENGTH_LABEL, ylabel=ylabel)
        _finish(axes)
        # below the axes, since the lines may run anywhere
        axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.17), ncols=2)
    first = recordings[group.runs[0].path]
    least = min(recordings[run.path].n_samples for run in group.runs)
    numbers = [number for _, _, number in estimates(group, LENGTH, lambda run: 0.0).values()]
    figure.suptitle(
        f"{seeds_in_words(numbers)}, over the first {least} turns of epoch {int(first.epoch.max())}; "
        "dotted: in proportion to $T$"
    )
    return figure


def plot_step(runs: Sequence[Run], split: str) -> Figure:
    """Draw the accuracy after the last epoch against the step of an update of W1, and against the levels of a weight.

    Parameters
    ----------
    runs : sequence of Run
        Of SSNN-BP with several gains, which decide the step, or with several numbers of levels; and of the ANN.
    split : {"test", "validation", "train"}

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    NothingToShowError
        If neither differs among runs that are equal otherwise.
    RunError
        As `final_scores` does.
    """
    from matplotlib.figure import Figure

    continuous = [run for run in runs if run.config["parameters"].get("levels") is None]
    settings = {
        "gain": (continuous, lambda parameters: parameters.weight_steps[0], "step $\\eta$ of an update of $W_1$"),
        "levels": (runs, lambda parameters: parameters.levels or np.inf, "levels of a weight"),
    }
    panels = []
    for name, (chosen, setting, label) in settings.items():
        try:
            panels.append((_varied(chosen, name, setting), setting, label))
        except NothingToShowError:
            continue
    if not panels:
        raise NothingToShowError("the runs of SSNN-BP do not differ in gain or levels alone")
    figure = Figure(figsize=(3.6 * len(panels) + 0.6, 3.4), layout="constrained")
    row = figure.subplots(1, len(panels), squeeze=False, sharey=True)[0]
    for axes, (groups, setting, label) in zip(row, panels, strict=True):
        _draw_accuracy(axes, runs, groups, setting, split)
        axes.set(xlabel=label)
    figure.axes[0].set_ylabel(f"{split} accuracy (%)")
    return figure


def _activity(recording: Recording) -> dict[str, dict[str, float]]:
    """Mean spikes by label and mean updates by matrix. The output, which fires once in each step, is left out."""
    activity, layers = count(recording), layers_of(recording)
    spikes = {words(layer): float(activity.spikes[layer].mean()) for layer in layers[:-1]}
    for layer in layers[1:]:
        title = f"{words(layer)} {'error' if layer == layers[-1] else 'gradient'}"
        spikes[title] = sum(float(activity.spikes[name].mean()) for name in signed_streams(layer))
    return {"spikes": spikes, "updates": {name: float(updates.mean()) for name, updates in activity.updates.items()}}


def _symbol(name: str) -> str:
    """A label of the figure, with weight matrices as mathematical text."""
    return f"$W_{name[1:]}$" if name.startswith("W") else name


def _varied(runs: Sequence[Run], name: str, setting: Callable[[SSNN], float]) -> list[Group]:
    """Groups of runs of SSNN-BP that differ in the named setting. Raises NothingToShowError if there are none."""
    groups = group_runs([run for run in runs if run.system == "ssnn-bp"], ignored=(name,))
    varied = [group for group in groups if len({setting(run.parameters()) for run in group.runs}) > 1]
    if not varied:
        raise NothingToShowError(f"no runs of SSNN-BP differ in {name} alone")
    return varied


def _draw_accuracy(
    axes: Axes, runs: Sequence[Run], groups: Sequence[Group], setting: Callable[[SSNN], float], split: str
) -> None:
    """Draw the accuracy of groups of runs of SSNN-BP against a setting, over the bands of the ANN."""
    numbers = _draw_bands(axes, runs, split)
    for number, group in enumerate(groups):
        for column, title, style, marker in READOUTS:
            scores = estimates(group, setting, lambda run, column=column: PERCENT * final_scores(run, split)[column])
            positions = _positions(list(scores))
            means, spreads, counts = zip(*scores.values(), strict=True)
            numbers += counts
            label = f"{group.label}: {title}"
            colour = f"C{number}" if len(groups) > 1 else {"rates": "C0", "spikes": "C1"}[title]
            errorbar(axes, positions, means, spreads, color=colour, linestyle=style, marker=marker, label=label)
    _finish(axes, any(np.isinf(setting(run.parameters())) for group in groups for run in group.runs))
    axes.legend(title=seeds_in_words(numbers))


def errorbar(axes: Axes, x: ArrayLike, means: ArrayLike, spreads: ArrayLike, linestyle: str = "-", **look: Any) -> None:
    """Draw points with error bars. The legend has bars and a line only if these are drawn: not for one seed or one point."""
    spreads = np.asarray(spreads, float)
    known = spreads if np.isfinite(spreads).any() else None
    axes.errorbar(x, means, known, capsize=2, linestyle=linestyle if np.size(x) > 1 else "none", **look)


def _positions(settings: Sequence[float]) -> list[float]:
    """Positions on a logarithmic axis; an infinite setting stands behind the others at the largest of their ratios."""
    finite = [value for value in settings if np.isfinite(value)]
    ratio = max((after / before for before, after in itertools.pairwise(finite)), default=2.0)
    return [value if np.isfinite(value) else finite[-1] * ratio for value in settings]


def _draw_bands(axes: Axes, runs: Sequence[Run], split: str) -> list[int]:
    """Draw mean and standard deviation of each kind of ANN over the whole width; gives the number of runs of each."""
    groups, numbers = group_runs([run for run in runs if run.system == "ann"]), []
    for group, colour in zip(groups, BAND_COLOURS, strict=False):
        mean, spread, number = Estimate.of([PERCENT * final_scores(run, split)["accuracy"] for run in group.runs])
        if number > 1:
            axes.axhspan(mean - spread, mean + spread, color=colour, alpha=0.2, linewidth=0)
        axes.axhline(mean, color=colour, linewidth=0.8, label=group.label + (", band: s.d." if number > 1 else ""))
        numbers.append(number)
    return numbers


def seeds_in_words(numbers: Sequence[int], spread: bool = True) -> str:
    """The number of seeds of the points of a figure, as text."""
    least, most = min(numbers), max(numbers)
    if most == 1:
        return "one seed"
    several = f"{most} seeds" if least == most else f"{least} to {most} seeds"
    return f"mean {'and s.d. ' if spread else ''}over {several}"


def _finish(axes: Axes, continuous: bool = False) -> None:
    """Make the axis logarithmic, with a tick at each point; the last one stands for `continuous` weights if asked."""
    from matplotlib.container import ErrorbarContainer
    from matplotlib.ticker import NullFormatter, NullLocator

    axes.set_xscale("log")
    bars = [container for container in axes.containers if isinstance(container, ErrorbarContainer)]
    positions = sorted({float(x) for container in bars for x in np.asarray(container.lines[0].get_xdata())})
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_minor_formatter(NullFormatter())
    labels = [f"{position:g}" for position in positions]
    axes.set_xticks(positions, [*labels[:-1], "continuous"] if continuous else labels)
    axes.grid(True, axis="y")
