"""What the figures of a run show, read from its directory. What is missing raises `NothingToShowError`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from brianprop.analysis.figures.output import NothingToShowError
from brianprop.analysis.figures.selection import Selection
from brianprop.analysis.runs.recording import Recording
from brianprop.analysis.runs.run import Run
from brianprop.analysis.runs.values import INFINITE

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["fields", "images", "initial_and_final_weights", "predictions", "recording"]


def recording(run: Run, selection: Selection) -> Recording:
    """The spikes of the first samples of an early epoch; all recorded spikes if those lack the selected turns."""
    found = run.load_spikes("raster")
    if found is None or (selection.turns is not None and (selection.turns.stop or 0) > found.n_samples):
        found = run.load_spikes() or found
    if found is None:
        raise NothingToShowError(f"{run.path} holds no spikes (raster.npz or spikes.npz)")
    return found


def initial_and_final_weights(run: Run) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """The initial weights, empty if they are missing, and the latest ones."""
    final = run.load_weights() if (run.path / "weights.npz").is_file() else run.load_checkpoint()[1]
    if not final:
        raise NothingToShowError(f"{run.path} holds no weights (weights.npz or checkpoints)")
    return run.load_checkpoint(0)[1] if 0 in run.checkpoints else {}, final


def images(run: Run) -> dict[str, np.ndarray]:
    """Test images with the answers to them."""
    arrays = run.load_images()
    if arrays is None or not len(arrays["images"]):
        raise NothingToShowError(f"{run.path} holds no test images (images.npz)")
    return arrays


def predictions(run: Run) -> dict[str, np.ndarray]:
    """The answers to all test images, and the targets."""
    arrays = run.load_predictions()
    if arrays is None:
        raise NothingToShowError(
            f"{run.path} holds no answers to all test images (predictions.npz); 'brianprop evaluate {run.path}' adds them"
        )
    return arrays


def fields(run: Run) -> Figure:
    """Histograms of real-valued weights and receptive fields, before and after training."""
    from brianprop.analysis.figures.weights import plot_weights

    bound = run.config["parameters"].get("w_max")  # the ANN has none
    return plot_weights(
        *initial_and_final_weights(run), run.config["dataset"]["image_shape"], None if bound == INFINITE else bound
    )
