"""The training of nBP: its options, and what it adds to that of other gated circuits."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from brianprop.analysis.groups import AUGMENTATION, augmentation
from brianprop.analysis.systems.nbp import NBPSystem
from brianprop.experiments.data import encoding
from brianprop.experiments.data.dataset import Part
from brianprop.experiments.training.circuit import CircuitOptions
from brianprop.experiments.training.gated import GatedTrainer
from brianprop.experiments.training.options import repeated
from brianprop.experiments.training.trainer import JITTER_STREAM
from brianprop.models.errors import ParameterError
from brianprop.models.model import Weights
from brianprop.models.nbp.parameters import NBP, Rules, initial_weights

__all__ = ["NBPTrainer", "TrainNBP"]

#: Largest ``--elastic`` [pixels]: more than the images are wide must be a mistake.
MOST_ELASTIC = 100


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
    elastic: float = 0.0
    """Deform each training image smoothly, anew for each turn: the s.d. [pixels] by which a pixel moves in each direction."""
    input_dropout: float = 0.0
    """Probability that an input neuron is silent in a training turn, drawn anew for each neuron and turn."""
    record_spikes: bool = False
    """Keep every spike of every training turn in spikes.npz."""
    rules: Rules = dataclasses.field(default_factory=Rules)
    """Parameters of neurons, weights, learning and noise."""

    def __post_init__(self):
        super().__post_init__()
        self._require_whole(hidden=1, layers=1, jitter=0)
        if not 0 <= self.elastic <= MOST_ELASTIC:
            raise ParameterError(f"Parameter elastic = {self.elastic!r} must be from 0 to {MOST_ELASTIC}; set --elastic.")
        if not 0 <= self.input_dropout < 1:
            raise ParameterError(
                f"Parameter input_dropout = {self.input_dropout!r} must be at least 0 and less than 1; set --input-dropout."
            )

    def parameters(self, n_in: int, n_out: int) -> NBP:
        return NBP(**dataclasses.asdict(self.rules), n_in=n_in, hidden=repeated(self.hidden, self.layers), n_out=n_out)

    def training(self) -> dict:
        return super().training() | {name: getattr(self, name) for name in ("record_spikes", *AUGMENTATION)}


class NBPTrainer(GatedTrainer):
    """Trains nBP. Training images may be moved by a few pixels, mirrored, deformed or thinned, anew in each epoch."""

    gated = NBPSystem()
    parameters: NBP

    @staticmethod
    def initial_weights(parameters: NBP, seed: int) -> Weights:
        return initial_weights(parameters, seed)

    def presented(self, epoch: int) -> Part:
        train, done = self.parts["train"], augmentation(self.settings)
        if done == AUGMENTATION:
            return train
        rng = np.random.default_rng([self.settings["seed"], JITTER_STREAM, epoch])
        images = train.images
        if jitter := done["jitter"]:
            by = rng.integers(-jitter, jitter, (len(train.labels), 2), endpoint=True)
            images = encoding.shift(images, train.shape, by)
        if done["flip"]:
            images = encoding.mirror(images, train.shape, rng.integers(2, size=len(train.labels)).astype(bool))
        if done["elastic"]:
            images = encoding.distort(images, train.shape, done["elastic"], rng)
        if done["input_dropout"]:
            images = encoding.thin(images, done["input_dropout"], rng)
        return dataclasses.replace(train, images=images)
