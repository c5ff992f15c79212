"""The training of nBP: its options, and what it adds to that of other gated circuits."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from brianprop.analysis.groups import augmentation
from brianprop.analysis.systems.nbp import NBPSystem
from brianprop.experiments.data import encoding
from brianprop.experiments.data.dataset import Part
from brianprop.experiments.training.circuit import CircuitOptions
from brianprop.experiments.training.gated import GatedTrainer
from brianprop.experiments.training.options import repeated
from brianprop.experiments.training.trainer import JITTER_STREAM
from brianprop.models.model import Weights
from brianprop.models.nbp.parameters import NBP, Rules, initial_weights

__all__ = ["NBPTrainer", "TrainNBP"]


@dataclass(frozen=True)
class TrainNBP(CircuitOptions):
    """Train the nBP circuit of Renner et al. 2024."""

    system: ClassVar[str] = "nbp"

    hidden: tuple[int, ...] = (400,)
    """Number of hidden neurons, one number for each hidden layer."""
    layers: int = 1
    """How often the layers of --hidden follow each other: --hidden 400 --layers 3 are three layers of 400."""
    crop: int | None = None
    """Pixels to cut off each side (default: 4 for mnist, 0 for others)."""
    binarise: tuple[float, ...] = (0.5,)
    """A pixel spikes if value / 255 exceeds this level; several levels, each with input neurons of its own, make a
    thermometer code."""
    jitter: int = 0
    """Move each training image by up to this number of pixels in both directions, drawn anew for each turn."""
    flip: bool = False
    """Show each training image from left to right or mirrored, drawn anew for each turn: for clothes, not for digits."""
    record_spikes: bool = False
    """Keep every spike of every training turn in spikes.npz."""
    rules: Rules = dataclasses.field(default_factory=Rules)
    """Parameters of neurons, weights, learning and noise."""

    def __post_init__(self):
        super().__post_init__()
        self._require_whole(hidden=1, layers=1, jitter=0)

    def parameters(self, n_in: int, n_out: int) -> NBP:
        return NBP(**dataclasses.asdict(self.rules), n_in=n_in, hidden=repeated(self.hidden, self.layers), n_out=n_out)

    def training(self) -> dict:
        return super().training() | {"record_spikes": self.record_spikes, "jitter": self.jitter, "flip": self.flip}


class NBPTrainer(GatedTrainer):
    """Trains nBP. Training images may be moved by a few pixels or mirrored, anew in each epoch."""

    gated = NBPSystem()
    parameters: NBP

    @staticmethod
    def initial_weights(parameters: NBP, seed: int) -> Weights:
        return initial_weights(parameters, seed)

    def presented(self, epoch: int) -> Part:
        train, done = self.parts["train"], augmentation(self.settings)
        jitter, flip = done["jitter"], done["flip"]
        if not jitter and not flip:
            return train
        rng = np.random.default_rng([self.settings["seed"], JITTER_STREAM, epoch])
        images = train.images
        if jitter:
            by = rng.integers(-jitter, jitter, (len(train.labels), 2), endpoint=True)
            images = encoding.shift(images, train.shape, by)
        if flip:
            images = encoding.mirror(images, train.shape, rng.integers(2, size=len(train.labels)).astype(bool))
        return dataclasses.replace(train, images=images)
