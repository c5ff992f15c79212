"""All figures of a run, written as PNG and PDF."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from brianprop.analysis.activity import answer
from brianprop.analysis.figures import accuracy, connectivity, images, raster_nbp, raster_ssnn_bp, weights
from brianprop.analysis.figures.output import NothingToShowError, write_figures
from brianprop.analysis.groups import group_runs, open_runs
from brianprop.analysis.runs.recording import Recording
from brianprop.analysis.runs.run import Run
from brianprop.analysis.runs.values import INFINITE
from brianprop.models.circuit import Circuit
from brianprop.models.errors import RunError
from brianprop.models.nbp.circuit import training_circuit

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["circuit_of", "draw"]


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
    """Write every figure for which the runs hold the data. A line on standard output names each figure that is left out.

    Parameters
    ----------
    run_paths : sequence of path-like
        Run directories. The accuracy shows all of them, the other figures only the first. Runs that differ in more than their
        seed have separate lines; they may be of several systems.
    out : path-like, optional
        Folder for the figures, by default ``figures`` in the first run directory.

    Returns
    -------
    list of pathlib.Path
        The files written.

    Raises
    ------
    RunError
        If a run cannot be read, the first one is of a system without figures, or a file cannot be written.
    """
    runs = open_runs(run_paths, "draw")
    return write_figures(_figures(runs), runs[0].path / "figures" if out is None else Path(out))


def _figures(runs: Sequence[Run]) -> dict[str, Callable[[], Figure]]:
    """The figures for the system of the first run, by name."""
    first = runs[0]
    if first.system == "nbp":
        circuit = circuit_of(first)
        return {
            "raster": lambda: raster_nbp.plot_raster(_recording(first), circuit),
            "accuracy": lambda: _accuracy(runs),
            "functional": lambda: connectivity.plot_functional(circuit),
            "anatomy": lambda: connectivity.plot_anatomy(circuit),
            "weights": lambda: _weights(first),
            "images": lambda: _images(first),
        }
    if first.system == "ssnn-bp":
        return {
            "raster": lambda: raster_ssnn_bp.plot_raster(_recording(first), first.config["dataset"]["classes"]),
            "accuracy": lambda: _accuracy(runs),
            "weights": lambda: _fields(first),
            "images": lambda: _counts(first),
        }
    if first.system == "ann":
        return {
            "accuracy": lambda: _accuracy(runs),
            "weights": lambda: _fields(first),
            "images": lambda: _rates(first),
        }
    raise RunError(f"{first.path} holds a run of {first.system}, for which there are no figures; give another run first.")


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
    """The initial weights, empty if they are missing, and the latest ones."""
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
