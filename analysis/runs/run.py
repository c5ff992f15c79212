"""The run directory: what a run leaves on disk, read and written in this one place.

::

    RUN/
      config.json         everything needed to repeat the run; written last when a run is created, it marks a valid one
      environment.json    versions, compiler, processor
      metrics.csv         one row per epoch and split, columns as the system has them
      checkpoints/        epoch_0000.npz (initial weights), epoch_0001.npz, ...
      metrics.jsonl       the same, a line of JSON per epoch, for tools that follow a training
      weights.npz         final weights, W1, W2, ... of shape (n_pre, n_post), and biases b1, b2, ... if there are any
      raster.npz          spikes of the first samples of one epoch; spikes.npz: of the whole training, on request
      images.npz          a few test images with the answers to them, arrays as the system has them
      predictions.npz     the classes answered to all test images at the end; `brianprop evaluate` adds it to older runs
      lock                held by the process that writes the run
      figures/            made by `analysis.figures.draw`

Every file is written to a temporary file beside it, which then replaces it: a reader sees the old file or the new one and
never a part.
"""

from __future__ import annotations

import pkgutil
import re
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from brianprop.analysis.runs import checks
from brianprop.analysis.runs.directory import RunDirectory
from brianprop.analysis.runs.json_files import RESTORE
from brianprop.analysis.runs.npz import DamagedError, Header, read_npz
from brianprop.analysis.runs.recording import COLUMNS, Recording
from brianprop.analysis.systems import SYSTEMS
from brianprop.models.errors import RunError
from brianprop.models.files import atomic_write, cannot_write
from brianprop.models.weights import layout_fault, value_fault

if TYPE_CHECKING:
    from brianprop.experiments.estimators.classifier import Classifier

__all__ = ["Run"]

#: Files that are written at the end of a training, in this order.
FINAL_FILES = ("images.npz", "predictions.npz", "weights.npz")


class Run(RunDirectory):
    """A run directory with all its files.

    Use `Run.create` for a new run and `Run.open` for an existing one.

    Attributes
    ----------
    path : pathlib.Path
    config : dict
        Everything needed to repeat the run.
    environment : dict
        Where it ran: versions, compiler, processor.
    """

    @property
    def finished(self) -> bool:
        """Whether all files of a finished training are there, so that nothing is left for `brianprop resume`."""
        try:
            self.load_weights()
            images = self.load_images()
        except RunError:
            return False
        spikes_kept = not self.config["training"].get("record_spikes") or (self.path / "spikes.npz").is_file()
        whole = self.epochs in self.checkpoints and images is not None and spikes_kept
        return whole and self.scored_epochs >= self.epochs

    def classifier(self) -> Classifier:
        """The trained network as an estimator after scikit-learn, see `experiments.estimators`.

        Raises
        ------
        RunError
            When the run is not finished, a file is damaged, or its system has no estimator.
        """
        name = SYSTEMS[self.system].estimator
        if name is None:
            raise RunError(f"{self.path} is of the system {self.system}, which has no estimator; use 'brianprop evaluate'.")
        return pkgutil.resolve_name(name).from_run(self)

    def set_epochs(self, epochs: int) -> None:
        """Change the number of epochs to train, never to fewer than are done.

        The final weights and images are removed; the training writes them again at its end.

        Raises
        ------
        RunError
            If more epochs are done already.
        """
        done = max(self.checkpoints, default=0)
        if epochs < max(done, 1):
            raise RunError(f"{self.path} has {done} epochs already; give --epochs of at least {max(done, 1)}.")
        self.config["training"]["epochs"] = epochs
        self._write_json("config.json", self.config)
        # after a kill before this line, `load_weights` and `load_images` refuse the old files: the last epoch has no checkpoint
        for name in FINAL_FILES:
            try:
                (self.path / name).unlink(missing_ok=True)
            except OSError as error:
                raise cannot_write(self.path / name, error) from error

    @property
    def checkpoints(self) -> list[int]:
        """Epochs that have a checkpoint, in ascending order; 0 is the state before training."""
        matches = (re.fullmatch(r"epoch_(\d{4,})\.npz", path.name) for path in (self.path / "checkpoints").glob("epoch_*.npz"))
        return sorted(int(match[1]) for match in matches if match)

    def save_checkpoint(self, epoch: int, arrays: dict[str, np.ndarray]) -> None:
        """Write the state after an epoch.

        Parameters
        ----------
        epoch : int
            Number of epochs done; 0 for the initial state.
        arrays : dict of ndarray
            ``W1``, ``W2``, ... of shape (n_pre, n_post), int32 for nBP, else float32; biases ``b1``, ... of shape (n_post,).
        """
        try:
            (self.path / "checkpoints").mkdir(exist_ok=True)
        except OSError as error:
            raise cannot_write(self.path / "checkpoints", error) from error
        self._write_npz(_checkpoint_name(epoch), arrays)

    def load_checkpoint(self, epoch: int | None = None, at_most: int | None = None) -> tuple[int, dict[str, np.ndarray]]:
        """Read the state after an epoch.

        Parameters
        ----------
        epoch : int, optional
            By default the latest one that can be read; damaged ones are skipped with a warning.
        at_most : int, optional
            Latest epoch to consider where `epoch` is not given.

        Returns
        -------
        epoch : int
        arrays : dict of ndarray
            Empty, with epoch 0, if no checkpoint can be read.

        Raises
        ------
        RunError
            If `epoch` is given and its checkpoint is missing or damaged.
        """
        if epoch is not None:
            path = self.path / _checkpoint_name(epoch)
            if not path.is_file():
                raise RunError(f"{self.path} has no checkpoint of epoch {epoch}; choose one of {self.checkpoints}.")
            return epoch, self._read_weights(path, f"choose another epoch, or use 'brianprop resume {self.path}'")
        for candidate in reversed(self.checkpoints):
            if at_most is not None and candidate > at_most:
                continue
            try:
                return candidate, self._read_weights(
                    self.path / _checkpoint_name(candidate), "it is skipped for an earlier one"
                )
            except RunError as error:
                warnings.warn(str(error), stacklevel=2)
        return 0, {}

    def save_weights(self, arrays: dict[str, np.ndarray]) -> None:
        """Write the final weights, named as in a checkpoint."""
        self._write_npz("weights.npz", arrays)

    def load_weights(self) -> dict[str, np.ndarray]:
        """Read the final weights.

        Raises
        ------
        RunError
            If the run is not finished, the file is damaged or does not fit the network, or the weights differ from those of
            the last checkpoint.
        """
        path, resume = self.path / "weights.npz", f"use 'brianprop resume {self.path}'"
        checkpoints = self.checkpoints
        if not path.is_file() and not checkpoints and (self.path / "metrics.csv").exists():
            raise RunError(f"{self.path} holds neither weights.npz nor checkpoints; restore them from a copy or train again.")
        if not path.is_file():
            raise RunError(f"{self.path} has no weights.npz, since it is not finished; {resume}.")
        if checkpoints and self.epochs not in checkpoints:
            raise RunError(f"{path} is not of the last epoch, {self.epochs}, which has no checkpoint; {resume}.")
        weights = self._read_weights(path, f"remove it and {resume}" if checkpoints else RESTORE)
        if checkpoints:
            last = self.load_checkpoint(self.epochs)[1]
            if set(last) != set(weights) or any(not np.array_equal(last[name], weights[name]) for name in last):
                raise RunError(f"{path} differs from the checkpoint of the last epoch, {self.epochs}; {resume}.")
        return weights

    def _read_weights(self, path: Path, remedy: str) -> dict[str, np.ndarray]:
        wanted = self.parameters().arrays
        weights = _read_npz(path, remedy, lambda headers: layout_fault(headers, wanted))
        if fault := value_fault(weights, wanted):
            raise RunError(f"{path} is damaged ({fault}); {remedy}.")
        return weights

    def save_spikes(self, recording: Recording, name: str = "spikes") -> None:
        """Write spikes to ``NAME.npz``: ``spikes`` for a whole training, ``raster`` for the first samples of an epoch."""
        arrays = {
            "populations": np.array(recording.populations, dtype=np.str_),
            "sizes": np.array(recording.sizes, dtype=np.int64),
            **{name: getattr(recording, name) for name in COLUMNS},
            "period": np.int64(recording.period),
        }
        self._write_npz(f"{name}.npz", arrays)

    def load_spikes(self, name: str = "spikes") -> Recording | None:
        """Read recorded spikes, or None if none were recorded.

        Raises
        ------
        RunError
            If the file is damaged or cannot be of this run.
        """
        path = self.path / f"{name}.npz"
        if not path.is_file():
            return None
        arrays = _read_npz(path, RESTORE, checks.headers_of_spikes_fault)
        recording = Recording(
            populations=tuple(str(population) for population in arrays["populations"]),
            sizes=tuple(int(size) for size in arrays["sizes"]),
            **{name: arrays[name] for name in COLUMNS},
            period=int(arrays["period"]),
        )
        samples = self.config.get("dataset", {}).get("samples")
        layout = SYSTEMS[self.system].layout(self.parameters())
        if fault := checks.spikes_fault(recording, layout, samples):
            raise RunError(f"{self.path}: The recording is not of the run's network, since in {path.name} {fault}; {RESTORE}.")
        return recording if len(recording.step) else None

    def _written_at_the_end(self, name: str) -> Path | None:
        """A file that a training writes when it ends; None where there is none, or the number of epochs was raised since."""
        path, checkpoints = self.path / name, self.checkpoints
        return None if not path.is_file() or (checkpoints and self.epochs not in checkpoints) else path

    def save_images(self, arrays: dict[str, np.ndarray]) -> None:
        """Write a few test images with the answers to them: ``images``, ``target`` and the answers as the system has them."""
        self._write_npz("images.npz", arrays)

    def load_images(self) -> dict[str, np.ndarray] | None:
        """Read what `save_images` wrote, or None if there is none.

        Raises
        ------
        RunError
            If the file is damaged.
        """
        path = self._written_at_the_end("images.npz")
        if path is None:
            return None
        remedy = f"remove it and use 'brianprop resume {self.path}', which makes it again"
        names = SYSTEMS[self.system].answers
        parameters = self.parameters() if "parameters" in self.config else None
        arrays = _read_npz(path, remedy, lambda headers: checks.headers_of_images_fault(headers, names, parameters))
        if any(not np.all(np.isfinite(array)) for array in arrays.values()):
            raise RunError(f"{path} is damaged (it holds values that are not finite numbers); {remedy}.")
        if not checks.within(arrays["target"], arrays[names[0]].shape[1]):
            raise RunError(f"{path} is damaged (a target is no class); {remedy}.")
        return arrays

    def save_predictions(self, arrays: dict[str, np.ndarray]) -> None:
        """Write the answers to all test images: ``target`` and an array for each readout of the system, class indices (n,)."""
        self._write_npz("predictions.npz", {name: np.asarray(array, np.int16) for name, array in arrays.items()})

    def load_predictions(self) -> dict[str, np.ndarray] | None:
        """Read what `save_predictions` wrote, the target first, or None if there is none, as in older runs.

        Raises
        ------
        RunError
            If the file is damaged.
        """
        path = self._written_at_the_end("predictions.npz")
        if path is None:
            return None
        remedy = f"remove it and use 'brianprop evaluate {self.path}', which makes it again"
        names, n_out = ("target", *SYSTEMS[self.system].readouts), self.parameters().n_out
        arrays = _read_npz(path, remedy, lambda headers: checks.headers_of_predictions_fault(headers, names))
        for name in names:
            if not checks.within(arrays[name], n_out):
                raise RunError(f"{path} is damaged (an entry of {name} is no class); {remedy}.")
        return {name: arrays[name] for name in names}

    def _write_npz(self, name: str, arrays: dict[str, np.ndarray]) -> None:
        # np.savez stamps every member with 1980-01-01, so equal arrays give equal bytes
        atomic_write(self.path / name, lambda file: np.savez_compressed(file, allow_pickle=True, **arrays))


def _checkpoint_name(epoch: int) -> str:
    return f"checkpoints/epoch_{epoch:04d}.npz"


def _read_npz(path: Path, remedy: str, fault: Callable[[Mapping[str, Header]], str | None]) -> dict[str, np.ndarray]:
    """Arrays of a file of the run, see `analysis.runs.npz.read_npz`; RunError if it is damaged."""
    try:
        return read_npz(path, fault)
    except DamagedError as error:
        raise RunError(f"{path} is damaged ({error}); {remedy}.") from error
