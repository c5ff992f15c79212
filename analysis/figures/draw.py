"""All figures of a run, and those over many runs, written as PNG and PDF."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from brianprop.analysis.activity import answer
from brianprop.analysis.figures import accuracy, connectivity, images, weights
from brianprop.analysis.figures import comparison as sweeps
from brianprop.analysis.figures import raster_nbp as raster
from brianprop.analysis.figures import raster_ssnn_bp as presentations
from brianprop.analysis.figures.output import NothingToShowError, write_figures
from brianprop.analysis.groups import group_runs, require_different
from brianprop.analysis.runs.recording import Recording
from brianprop.analysis.runs.run import Run
from brianprop.analysis.runs.values import INFINITE
from brianprop.models.circuit import Circuit
from brianprop.models.errors import RunError
from brianprop.models.files import write_text
from brianprop.models.nbp.circuit import training_circuit

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["circuit_of", "compare", "draw"]


def circuit_of(run: Run) -> Circuit:
    """The circuit that a run of nBP trained.

    Raises
    ------
    RunError
        If the configuration names another system or an unknown parameter.
    """
    if run.system != "nbp":
        raise RunError(f"{run.path} holds a run of the system {run.system!r}, but only 'nbp' has such a circuit.")
    return training_circuit(run.parameters())


def draw(run_paths: Sequence[Path], out: Path | None = None) -> list[Path]:
    """Write every figure for which the runs hold the data; a line on standard output names each one that is left out.

    Parameters
    ----------
    run_paths : sequence of path-like
        Run directories. The accuracy shows all of them, the other figures the first. Runs that differ in more than their seed,
        also of several systems, have lines of their own.
    out : path-like, optional
        Folder for the figures, by default ``figures`` in the first run directory.

    Returns
    -------
    list of pathlib.Path
        The files written.

    Raises
    ------
    RunError
        If a run cannot be read or a file cannot be written.
    """
    runs = _open(run_paths)
    first = runs[0]
    if first.system == "nbp":
        circuit = circuit_of(first)
        figures: dict[str, Callable[[], Figure]] = {
            "raster": lambda: raster.plot_raster(_recording(first), circuit),
            "accuracy": lambda: _accuracy(runs),
            "functional": lambda: connectivity.plot_functional(circuit),
            "anatomy": lambda: connectivity.plot_anatomy(circuit),
            "weights": lambda: _weights(first),
            "images": lambda: _images(first),
        }
    elif first.system == "ssnn-bp":
        figures = {
            "raster": lambda: presentations.plot_presentations(_recording(first), first.config["dataset"]["classes"]),
            "accuracy": lambda: _accuracy(runs),
            "weights": lambda: _fields(first),
            "images": lambda: _counts(first),
        }
    else:
        figures = {
            "accuracy": lambda: _accuracy(runs),
            "weights": lambda: _fields(first),
            "images": lambda: _rates(first),
        }
    return write_figures(figures, first.path / "figures" if out is None else Path(out))


def compare(run_paths: Sequence[Path], out: Path, split: str = "test") -> list[Path]:
    """Write the figures over many runs of SSNN-BP, with the ANN beside them, and a table of all values, compare.csv.

    A line on standard output names each figure that is left out, since the runs do not differ in what it shows.

    Parameters
    ----------
    run_paths : sequence of path-like
        Run directories of SSNN-BP and of the ANN, of one data set.
    out : path-like
        Folder for the files.
    split : {"test", "validation", "train"}
        Images that the accuracy after the last epoch is of.

    Returns
    -------
    list of pathlib.Path
        The files written.

    Raises
    ------
    RunError
        If a run cannot be read, is not finished or of another system or data set, or a file cannot be written.
    """
    runs = _open(run_paths)
    for run in runs:
        if run.system not in ("ssnn-bp", "ann"):
            raise RunError(f"{run.path} holds a run of {run.system}, but SSNN-BP and the ANN are compared; leave it out.")
    found = sorted({Path(run.config["dataset"]["name"]).name for run in runs})
    if len(found) > 1:
        raise RunError(f"The runs are of several data sets ({', '.join(found)}); compare those of one at a time.")
    table = sweeps.values(runs, split)
    figures = {
        "length": lambda: sweeps.plot_length(runs, split),
        "activity": lambda: sweeps.plot_activity(runs),
        "step": lambda: sweeps.plot_step(runs, split),
    }
    written = write_figures(figures, Path(out))
    return [*written, write_text(Path(out) / "compare.csv", table.to_csv(index=False, lineterminator="\n"))]


def _open(run_paths: Sequence[Path]) -> list[Run]:
    runs = [Run.open(path) for path in run_paths]
    if not runs:
        raise RunError("There is nothing to draw, since no run directory was given; give at least one.")
    require_different(runs)
    return runs


def _recording(run: Run) -> Recording:
    recording = run.load_spikes("raster") or run.load_spikes()
    if recording is None or not len(recording.step):
        raise NothingToShowError(f"{run.path} holds no spikes (raster.npz or spikes.npz)")
    return recording


def _accuracy(runs: Sequence[Run]) -> Figure:
    begun = [run for run in runs if run.metrics()]
    if not begun:
        raise NothingToShowError(f"{runs[0].path} has no finished epoch (metrics.csv)")
    groups = group_runs(begun)
    return accuracy.plot_accuracy({group.label: [run.metrics_frame() for run in group.runs] for group in groups})


def _before_and_after(run: Run) -> tuple[dict, dict]:
    """Initial weights, which may be missing, and the last ones."""
    final = run.load_weights() if (run.path / "weights.npz").is_file() else run.load_checkpoint()[1]
    if not final:
        raise NothingToShowError(f"{run.path} holds no weights (weights.npz or checkpoints)")
    return run.load_checkpoint(0)[1] if 0 in run.checkpoints else {}, final


def _weights(run: Run) -> Figure:
    initial, final = _before_and_after(run)
    parameters = run.config["parameters"]
    return weights.plot_weights(initial, final, bound=parameters["w_max"], step=parameters["w_step"])


def _fields(run: Run) -> Figure:
    initial, final = _before_and_after(run)
    if not initial:
        raise NothingToShowError(f"{run.path} holds no initial weights (checkpoint of epoch 0)")
    bound = run.config["parameters"].get("w_max")  # the ANN has none
    return weights.plot_fields(initial, final, run.config["dataset"]["image_shape"], None if bound == INFINITE else bound)


def _loaded_images(run: Run) -> dict[str, np.ndarray]:
    arrays = run.load_images()
    if arrays is None or not len(arrays["images"]):
        raise NothingToShowError(f"{run.path} holds no test images (images.npz)")
    return arrays


def _images(run: Run) -> Figure:
    dataset = run.config["dataset"]
    return images.plot_images(_loaded_images(run), dataset["image_shape"], dataset["classes"])


def _counts(run: Run) -> Figure:
    dataset, arrays = run.config["dataset"], _loaded_images(run)
    label = f"spikes in {run.config['parameters']['steps']} steps"
    winner = answer(arrays["counts"], arrays["membrane"])
    return images.plot_answers(arrays, arrays["counts"], winner, label, dataset["image_shape"], dataset["classes"])


def _rates(run: Run) -> Figure:
    dataset, arrays = run.config["dataset"], _loaded_images(run)
    rates = arrays["rates"]
    return images.plot_answers(arrays, rates, rates.argmax(axis=1), "probability", dataset["image_shape"], dataset["classes"])
