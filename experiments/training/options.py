"""Options that the training of every system has."""

from __future__ import annotations

import inspect
import typing
from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, ClassVar

import typeguard

from brianprop.models.errors import ParameterError
from brianprop.models.parameters import LARGEST_INT

__all__ = ["Message", "TrainOptions", "repeated"]

#: Largest number of hidden layers: more must be a mistake.
MOST_LAYERS = 1000

#: Called with a line of text for the user.
Message = Callable[[str], None]


@dataclass(frozen=True)
class TrainOptions:
    """Options of all systems. Each system adds its own in a subclass; the command line is made from them.

    Attributes
    ----------
    system : str
        Name of the system that is trained.

    Raises
    ------
    ParameterError
        When an option has another type than its field, or is out of its range.
    """

    system: ClassVar[str]

    out: Path
    """Run directory to make."""
    dataset: str = "digits"
    """digits, mnist, fashion-mnist, emnist-letters, emnist-balanced, emnist-digits, a folder with the four IDX files, n-mnist
    or n-mnist-subset (events), or emulated- and one of these: its images as events of an emulated camera,
    which sees their negatives with emulated-negative-."""
    data_dir: Path | None = None
    """Where to look for a data set that is named (else $BRIANPROP_DATA, system packages, download)."""
    epochs: int = 10
    """Passes over the training set."""
    seed: int = 0
    """Seed of the initial weights, the order of the samples and all noise."""
    samples: int | None = None
    """Train on the first N training images (default: all that validation leaves)."""
    validation: int | None = None
    """Validate on the last N images of the training set (default: a twelfth)."""
    test_samples: int | None = None
    """Test on the first N test images (default: all)."""
    crop: int | None = 0
    """Pixels to cut off each side."""
    binarise: tuple[float, ...] | None = None
    """Pixels become 255 if value / 255 exceeds this level, else 0 (default: grey values); several levels, each with input
    neurons of its own, make a thermometer code."""
    shuffle: bool = True
    """Present the samples in a new order in every epoch."""
    init_weights: Path | None = None
    """Start from the arrays W1 (n_in, n_1), W2 (n_1, n_2), ... of an .npz file, and biases b1, b2, ... where there are any."""

    def __post_init__(self):
        hints = typing.get_type_hints(type(self))
        for item in fields(self):
            value, hint = getattr(self, item.name), hints[item.name]
            try:
                typeguard.check_type(value, hint)
            except typeguard.TypeCheckError:
                raise ParameterError(
                    f"Parameter {item.name} = {value!r} must be of type {inspect.formatannotation(hint)}."
                ) from None
        self._require_whole(epochs=1, seed=0, samples=1, validation=0, test_samples=0, crop=0)

    def _require_whole(self, **least: int) -> None:
        """Raise ParameterError unless each named option is None, or a whole number (or several) of at least the given value."""
        for name, smallest in least.items():
            value, option = getattr(self, name), f"--{name.replace('_', '-')}"
            for number in value if isinstance(value, tuple) else (value,):
                if number is None:
                    continue
                if isinstance(number, bool):  # which is of type int
                    raise ParameterError(f"Parameter {name} = {value!r} must be a whole number; set {option}.")
                if number < smallest:
                    raise ParameterError(f"Parameter {name} = {value!r} must be at least {smallest}; set {option}.")
                if number > LARGEST_INT and name != "seed":
                    raise ParameterError(f"Parameter {name} = {value!r} must be at most {LARGEST_INT}; set {option}.")

    def parameters(self, n_in: int, n_out: int) -> Any:
        """Parameters of a network with `n_in` inputs and `n_out` classes. Raises ParameterError where they do not fit."""
        raise NotImplementedError

    @property
    def bins(self) -> int | None:
        """Number of time steps into which the events of a recording are binned; None if the network takes no events."""
        return None

    def training(self) -> dict:
        """Entries of the table ``training`` of config.json that only this system has."""
        return {}


def repeated(hidden: tuple[int, ...], layers: int) -> tuple[int, ...]:
    """The sizes of all hidden layers: those in `hidden`, `layers` times.

    Raises
    ------
    ParameterError
        When these are more than 1000 layers.
    """
    if len(hidden) * layers > MOST_LAYERS:
        raise ParameterError(
            f"Parameter layers = {layers!r} makes {len(hidden) * layers} hidden layers; at most {MOST_LAYERS} are possible. "
            "Set fewer --layers."
        )
    return hidden * layers
