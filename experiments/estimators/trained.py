"""What a training leaves, in memory: read from a run directory, and written to one."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from brianprop.analysis.runs import Recording, Run
from brianprop.analysis.runs.values import from_json
from brianprop.analysis.systems import SYSTEMS
from brianprop.models.model import Weights

__all__ = ["Trained"]


@dataclass(frozen=True)
class Trained:
    """The content of the run directory of a finished training; of its checkpoints the first and the last.

    Attributes
    ----------
    config, environment : dict
        As JSON holds them.
    metrics : list of dict
        One row per epoch and split.
    initial : dict of arrays
        Weights before the training; empty if they are not known.
    weights : dict of arrays
        Weights after it.
    images : dict of arrays, or None
        A few images with the answers to them.
    predictions : dict of arrays, or None
        The answers to all test images, where there are any.
    raster, spikes : Recording, or None
        Spikes of the first samples of one epoch, and of the whole training where it kept them.
    """

    config: dict[str, Any]
    environment: dict[str, Any]
    metrics: list[dict]
    initial: Weights
    weights: Weights
    images: dict[str, np.ndarray] | None
    predictions: dict[str, np.ndarray] | None
    raster: Recording | None
    spikes: Recording | None

    @classmethod
    def of(cls, run: Run) -> Trained:
        """Read a run directory.

        Raises
        ------
        RunError
            When the training is not finished, or a file is damaged.
        """
        return cls(
            json.loads(json.dumps(run.config)),
            json.loads(json.dumps(run.environment)),
            run.metrics(),
            run.load_checkpoint(0)[1] if 0 in run.checkpoints else {},
            run.load_weights(),
            run.load_images(),
            run.load_predictions(),
            run.load_spikes("raster"),
            run.load_spikes("spikes"),
        )

    @property
    def epochs(self) -> int:
        """Number of epochs that were trained."""
        return self.config["training"]["epochs"]

    def parameters(self) -> Any:
        """Parameters of the network, of the dataclass that the system names."""
        values = {name: from_json(value) for name, value in self.config["parameters"].items()}
        return SYSTEMS[self.config["system"]].parameters(**values)

    def write(self, path: Path) -> Run:
        """Make a run directory.

        Raises
        ------
        RunError
            When the path is taken or cannot be written.
        """
        run = Run.create(path, self.config, self.environment)
        with run.lock():
            if self.raster is not None:
                run.save_spikes(self.raster, "raster")
            if self.spikes is not None:
                run.save_spikes(self.spikes, "spikes")
            self.write_epochs(run)
            if self.images is not None:
                run.save_images(self.images)
            if self.predictions is not None:
                run.save_predictions(self.predictions)
            run.save_weights(self.weights)
        return run

    def write_epochs(self, run: Run) -> None:
        """Write metrics and checkpoints to a run directory, so that its training goes on after the last epoch."""
        if self.initial:
            run.save_checkpoint(0, self.initial)
        run.append_metrics(self.metrics)
        run.save_checkpoint(self.epochs, self.weights)
