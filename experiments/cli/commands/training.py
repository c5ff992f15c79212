"""Commands that train and evaluate: ``train``, ``resume``, ``evaluate``, ``predict``."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, Union

import tyro

from brianprop.analysis.systems import SYSTEMS
from brianprop.experiments.training.circuit import CircuitOptions, Device
from brianprop.experiments.training.options import TrainOptions
from brianprop.experiments.training.systems import options_of
from brianprop.models.errors import ParameterError

__all__ = ["Evaluate", "Predict", "Resume", "Train"]

if TYPE_CHECKING:
    AnySystem = TrainOptions
else:
    #: The options of one of the systems, each of which is a subcommand.
    AnySystem = Union[tuple(Annotated[options_of(system), tyro.conf.subcommand(system)] for system in SYSTEMS)]  # noqa: UP007


@dataclass(frozen=True)
class Train:
    """Train a network and keep everything in a run directory."""

    settings: AnySystem

    def __call__(self) -> None:
        from brianprop.experiments.training.commands import train
        from brianprop.experiments.training.replicas import train_replicas

        if isinstance(self.settings, CircuitOptions) and self.settings.replicas > 1:
            train_replicas(self.settings)
            print(f"Finished: {self.settings.out} (draw the figures with 'brianprop figures {self.settings.out}/seed*')")
            return
        run = train(self.settings)
        print(f"Finished: {run.path} (draw its figures with 'brianprop figures {run.path}')")

    def going_on(self) -> str | None:
        """The command that goes on after an interruption; None if there is nothing yet to go on with."""
        from brianprop.experiments.training.replicas import are_replicas

        path = self.settings.out
        begun = (path / "config.json").is_file() or are_replicas(path)
        return shlex.join(["brianprop", "resume", str(path)]) if begun else None


@dataclass(frozen=True)
class Resume:
    """Go on with a run that was interrupted. It ends with the weights that it would have had without the interruption."""

    run: tyro.conf.Positional[Path]
    """Run directory, or a folder of replicas."""
    epochs: int | None = None
    """Go on up to this number of epochs, also with a finished run. Not possible where learning rates fall over the epochs."""

    def __call__(self) -> None:
        from brianprop.experiments.training.commands import resume
        from brianprop.experiments.training.replicas import are_replicas, resume_replicas

        if not are_replicas(self.run):
            resume(self.run, self.epochs)
        elif self.epochs is None:
            resume_replicas(self.run)
        else:
            raise ParameterError(f"{self.run} holds replicas, each a run of its own; leave --epochs away or resume each run.")

    def going_on(self) -> str:
        """The command that goes on after an interruption. The run has kept the new number of epochs."""
        return shlex.join(["brianprop", "resume", str(self.run)])


@dataclass(frozen=True)
class Evaluate:
    """Let the inference circuit answer with the weights of a run, and print accuracy and loss."""

    run: tyro.conf.Positional[Path]
    """Run directory."""
    split: Literal["train", "validation", "test"] = "test"
    """Images to evaluate on."""
    epoch: int | None = None
    """Evaluate the checkpoint of this epoch instead of the final weights."""
    device: Device | None = None
    """Where to simulate (default: where the run was trained)."""
    replicas: int = 1
    """Copies of the network in one simulation, each of which answers to a part of the images."""
    dataset: str | None = None
    """Where the data set lies now, such as a folder that was moved (default: as in the training). It must be the same data."""
    data_dir: Path | None = None
    """Where to look for a data set that is named (default: as in the training)."""
    predictions: Path | None = None
    """CSV file to write, with a row for each image: its label, the answer, and what the output neuron of each class tells."""

    def __call__(self) -> None:
        from brianprop.experiments.training.commands import evaluate

        options = {"dataset": self.dataset, "data_dir": self.data_dir, "predictions": self.predictions}
        for name, value in evaluate(self.run, self.split, self.epoch, print, self.device, self.replicas, **options).items():
            print(f"{name:18} {value:.6g}" if isinstance(value, float) else f"{name:18} {value}")


@dataclass(frozen=True)
class Predict:
    """Let the network of a finished run answer to images of one's own, and write the answers as a table."""

    run: tyro.conf.Positional[Path]
    """Run directory."""
    file: tyro.conf.Positional[Path]
    """Images: an .npz file with an array images (and perhaps labels), an .npy file, or an IDX file, plain or .gz. Their size is
    that of the training images, before cropping."""
    out: Path
    """CSV file to write, with a row for each image: the answer, and what the output neuron of each class tells."""
    device: Device | None = None
    """Where to simulate (default: where the run was trained)."""

    def __call__(self) -> None:
        from brianprop.experiments.estimators.files import predict

        path, accuracy = predict(self.run, self.file, self.out, self.device)
        print(path if accuracy is None else f"{path} ({100 * accuracy:.2f} % right)")
