"""The run directory: what a run leaves on disk, read and written in this one place.

::

    RUN/
      config.json         everything needed to repeat the run; written last when a run is created: it marks a valid one
      environment.json    versions, compiler, processor
      metrics.csv         one row per epoch and split, columns `METRIC_COLUMNS` of the system
      checkpoints/        epoch_0000.npz (initial weights), epoch_0001.npz, ...
      weights.npz         final weights, W1, W2, ... of shape (n_pre, n_post), and biases b1, b2, ... where there are any
      raster.npz          spikes of the first turns of one epoch; spikes.npz: of a whole run, where asked
      images.npz          a few test images with the answers to them, arrays `IMAGE_ARRAYS` of the system
      lock                held by the process that writes the run
      figures/            made by `analysis.figures`

Every file is written beside its place and then moved there, so a reader sees the old file or the new one and never a
part.
"""

from __future__ import annotations

import csv
import dataclasses
import errno
import fcntl
import io
import json
import math
import os
import re
import time
import warnings
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from models.ann import ANN
from models.errors import RunError
from models.nbp import NBP
from models.ssnn_bp import SSNN

if TYPE_CHECKING:
    import pandas

__all__ = [
    "ACCURACIES",
    "FORMAT",
    "IMAGE_ARRAYS",
    "INFINITE",
    "METRIC_COLUMNS",
    "PARAMETERS",
    "TITLES",
    "Recording",
    "Run",
    "as_json",
    "atomic_write",
    "cannot_write",
    "require_vacant",
    "write_text",
]

#: Version of the layout above; a reader refuses any other.
FORMAT = 1

#: Name of each system in text and figures.
TITLES = {"nbp": "nBP", "ssnn-bp": "SSNN-BP", "ann": "ANN"}

#: What the parameters of each system are an instance of.
PARAMETERS = {"nbp": NBP, "ssnn-bp": SSNN, "ann": ANN}

#: The accuracies that are kept of each system, by their columns. nBP: all output spikes equal the target; argmax of the output
#: spikes; argmax of the output's drive. SSNN-BP: argmax of the spike counts; argmax of the mean of softmax(V).
ACCURACIES = {
    "nbp": ("accuracy_exact", "accuracy_spikes", "accuracy_membrane"),
    "ssnn-bp": ("accuracy_spikes", "accuracy_rates"),
    "ann": ("accuracy",),
}

#: Columns of metrics.csv. The loss is the mean squared error of nBP's output spikes, else the mean cross-entropy [nat];
#: ``samples`` is how many images the scores are of; ``seconds`` is the wall time of learning in a row of the split ``train``,
#: else of the answers.
METRIC_COLUMNS = {
    system: ("epoch", "split", *accuracies, "loss", "samples", "seconds") for system, accuracies in ACCURACIES.items()
}

#: Arrays of images.npz besides ``images`` (k, n_in) uint8 and ``target`` (k,), the index of the class; all (k, n_out).
#: nBP: output ``spikes`` of 0 and 1, and their ``drive`` in units of weight. SSNN-BP: output spike ``counts`` of T steps, mean
#: ``membrane`` V and mean ``rates`` softmax(V). ANN: ``rates``, the softmax of the output.
IMAGE_ARRAYS = {"nbp": ("spikes", "drive"), "ssnn-bp": ("counts", "membrane", "rates"), "ann": ("rates",)}

#: Seconds to wait for the lock of a run: a program that another thread starts holds all locks of this process for a moment,
#: also those that have been given back.
PATIENCE = 1.0

#: How JSON, which has no infinite numbers, holds one.
INFINITE = "inf"

#: How a cell of metrics.csv is read and written; `float` where nothing is said.
METRIC_TYPES = {"epoch": int, "split": str, "samples": int}

REMEDIES = {
    errno.ENOSPC: "free some space or choose a path on another disk",
    errno.EDQUOT: "free some of your quota or choose a path on another disk",
    errno.EROFS: "choose a path on a disk that can be written",
    errno.EACCES: "choose a path where you may write",
    errno.EPERM: "choose a path where you may write",
}

#: What may lie in a folder that was killed while a run was being created, before config.json made it a run.
UNFINISHED_CREATION = {"lock", "environment.json"}

NPZ_ERRORS = (OSError, EOFError, ValueError, KeyError, zipfile.BadZipFile, zlib.error)


def cannot_write(path: Path, error: OSError) -> RunError:
    remedy = REMEDIES.get(error.errno, "choose another path")
    return RunError(f"Cannot write {path}: {error.strerror or error}; {remedy}.")


def _is_temporary(name: str) -> bool:
    return name.startswith(".") and name.endswith(".tmp")


def as_json(value: Any) -> Any:
    """A value as JSON holds it: the fields of a dataclass as an object, tuples as lists, paths as text, infinity as "inf".

    `Run.parameters` reads parameters back.
    """
    if dataclasses.is_dataclass(value):
        value = dataclasses.asdict(value)
    if isinstance(value, Mapping):
        return {name: as_json(item) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [as_json(item) for item in value]
    if isinstance(value, Path):
        return str(value)
    return INFINITE if isinstance(value, float) and value == math.inf else value


def atomic_write(path: str | os.PathLike, write: Callable[[BinaryIO], None]) -> None:
    """Write a file so that it is there whole or not at all.

    The data go to a temporary file in the same folder, are forced to disk, and replace `path` in one step. Whatever
    goes wrong, the old file stays and the temporary one is removed.

    Parameters
    ----------
    path : path-like
        The file to write; its folder must exist.
    write : callable
        Writes the contents to the open binary file that it is given.

    Raises
    ------
    RunError
        If the file cannot be written (full or read-only disk, no permission); it names the path and the remedy.
    """
    path = Path(path)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        try:
            with open(temporary, "wb") as file:
                write(file)
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
        # the move itself lasts through a power cut only when the folder is on disk too
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except OSError as error:
        raise cannot_write(path, error) from error


def write_text(path: Path, text: str) -> Path:
    """Write a text file in UTF-8 as `atomic_write` does; gives its path."""
    atomic_write(path, lambda file: file.write(text.encode()))
    return path


@dataclass(frozen=True)
class Recording:
    """Spikes of some turns: of the chain in nBP, presentations of a sample in SSNN-BP.

    Parameters
    ----------
    populations : tuple of str
        Names of all populations of the circuit, in the order of their layout; in SSNN-BP of the layers, and of the streams of
        their error or gradient spikes, such as ``hidden1 plus``.
    sizes : tuple of int
        Number of neurons of each population.
    population : ndarray of int16, shape (n_spikes,)
        Index into `populations`.
    neuron : ndarray of int32, shape (n_spikes,)
        Index of the neuron in its population.
    step : ndarray of int64, shape (n_spikes,)
        Time step since the first turn of the epoch began: the phase is ``step % period``, the turn ``step // period``;
        steps of the lead-in are negative.
    epoch : ndarray of int32, shape (n_spikes,)
    period : int
        Time steps of one turn.

    Raises
    ------
    ValueError
        If the arrays differ in length, or populations and sizes do.
    """

    populations: tuple[str, ...]
    sizes: tuple[int, ...]
    population: np.ndarray
    neuron: np.ndarray
    step: np.ndarray
    epoch: np.ndarray
    period: int

    def __post_init__(self):
        if len(self.populations) != len(self.sizes):
            raise ValueError(f"{len(self.populations)} populations, but {len(self.sizes)} sizes")
        for name, dtype in (("population", np.int16), ("neuron", np.int32), ("step", np.int64), ("epoch", np.int32)):
            object.__setattr__(self, name, np.asarray(getattr(self, name), dtype))
        shapes = {array.shape for array in (self.population, self.neuron, self.step, self.epoch)}
        if shapes != {(len(self.step),)}:
            raise ValueError(f"the spike arrays differ in shape: {sorted(shapes)}")


class Run:
    """A run directory.

    Use `Run.create` for a new run and `Run.open` for an existing one.

    Attributes
    ----------
    path : pathlib.Path
    config : dict
        Everything needed to repeat the run.
    environment : dict
        Where it ran: versions, compiler, processor.
    """

    def __init__(self, path: Path, config: dict, environment: dict):
        self.path = path
        self.config = config
        self.environment = environment

    def __repr__(self) -> str:
        return f"Run({str(self.path)!r})"

    @classmethod
    def create(cls, path: str | os.PathLike, config: dict, environment: dict) -> Run:
        """Make a run directory, with its parents.

        Parameters
        ----------
        path : path-like
            A path that does not exist yet, or an empty folder.
        config, environment : dict
            What JSON can hold; the format number is added to `config`.

        Raises
        ------
        RunError
            If the path exists and is not an empty folder, or cannot be written.
        """
        path = Path(path)
        require_vacant(path)
        try:
            path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise cannot_write(path, error) from error
        run = cls(path, {"format": FORMAT, **config}, dict(environment))
        with run.lock():
            require_vacant(path)  # again: another process may have been quicker
            run._write_json("environment.json", run.environment)
            run._write_json("config.json", run.config)
        return run

    @classmethod
    def open(cls, path: str | os.PathLike) -> Run:
        """Open an existing run directory.

        Raises
        ------
        RunError
            If there is no such folder, it holds no run, a JSON file is damaged, or its format is unknown.
        """
        path = Path(path)
        if not path.is_dir():
            raise RunError(f"There is no run directory {path}; give the folder that 'brianprop train --out' made.")
        if not (path / "config.json").is_file():
            raise RunError(
                f"{path} is no run directory, since it holds no config.json; give the folder that 'brianprop train --out' made."
            )
        config = _read_json(path / "config.json")
        if config.get("format") != FORMAT:
            raise RunError(
                f"{path / 'config.json'} has format {config.get('format')!r}, but this version reads format {FORMAT}; "
                f"use the version of brianprop that wrote the run."
            )
        environment = path / "environment.json"
        return cls(path, config, _read_json(environment) if environment.is_file() else {})

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Hold the run for writing, so that two processes never write one run.

        The lock ends with the block or with the process, however it ends. It also clears what a killed writer left
        behind.

        Raises
        ------
        RunError
            If another process (or another block of this one) holds it.
        """
        place = self.path / "lock"
        try:
            descriptor = os.open(place, os.O_RDWR | os.O_CREAT, 0o666)
        except OSError as error:
            raise cannot_write(place, error) from error
        try:
            give_up = time.monotonic() + PATIENCE
            while True:
                try:
                    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError as error:
                    if time.monotonic() > give_up:
                        raise RunError(
                            f"{self.path} is being written by another process; wait until it has ended or choose another --out."
                        ) from error
                    time.sleep(PATIENCE / 50)
                except OSError as error:
                    raise cannot_write(place, error) from error
            for folder in (self.path, self.path / "checkpoints"):
                for leftover in folder.glob(".*.tmp"):
                    leftover.unlink(missing_ok=True)
            yield
        finally:
            # the file itself stays: removing it would let a third process lock another file of the same name
            os.close(descriptor)

    @property
    def system(self) -> str:
        """The system that was trained, a key of `TITLES`.

        Raises
        ------
        RunError
            If this version does not know it.
        """
        system = self.config.get("system")
        if system not in TITLES:
            raise RunError(
                f"{self.path / 'config.json'} names the system {system!r}, but this version knows {', '.join(TITLES)}; "
                "use the version that wrote it."
            )
        return system

    def parameters(self) -> Any:
        """The parameters of the run as an instance of the dataclass of its system in `PARAMETERS`.

        Raises
        ------
        RunError
            If the configuration lacks parameters or has some that the system does not know.
        """
        try:
            values = {
                name: math.inf if value == INFINITE else tuple(value) if isinstance(value, list) else value
                for name, value in self.config["parameters"].items()
            }
            return PARAMETERS[self.system](**values)
        except (TypeError, KeyError, AttributeError) as error:
            raise RunError(
                f"{self.path / 'config.json'} does not fit this version ({error}); use the version that wrote it."
            ) from error

    @property
    def finished(self) -> bool:
        """Whether the last epoch of the configuration has a checkpoint and the final weights are written."""
        last = max(self.checkpoints, default=-1)
        return last >= self.config["training"]["epochs"] and (self.path / "weights.npz").is_file()

    def set_epochs(self, epochs: int) -> None:
        """Change the number of epochs to train, never to fewer than there are.

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

    # metrics

    def append_metrics(self, rows: list[dict]) -> None:
        """Add rows to metrics.csv.

        Numbers are written in full precision, so equal runs give equal files but for the column ``seconds``.

        Parameters
        ----------
        rows : list of dict
            Each with the keys `METRIC_COLUMNS` of the system.

        Raises
        ------
        ValueError
            If a row has other keys.
        RunError
            If the present file is damaged or the new one cannot be written.
        """
        columns = METRIC_COLUMNS[self.system]
        for row in rows:
            if set(row) != set(columns):
                raise ValueError(f"a row of metrics has the columns {sorted(row)} instead of {sorted(columns)}")
        self._write_metrics(self.metrics() + list(rows))

    def metrics(self) -> list[dict]:
        """Rows of metrics.csv with typed values; an empty list if there is none yet.

        Raises
        ------
        RunError
            If the file is damaged.
        """
        path, columns = self.path / "metrics.csv", METRIC_COLUMNS[self.system]
        if not path.is_file():
            return []
        remedy = "remove it and use 'brianprop resume' to go on without the earlier rows"
        try:
            with open(path, newline="", encoding="utf-8") as file:
                reader = csv.DictReader(file)
                if tuple(reader.fieldnames or ()) != columns:
                    raise RunError(f"{path} has the columns {reader.fieldnames}, not {list(columns)}; {remedy}.")
                return [{column: METRIC_TYPES.get(column, float)(row[column]) for column in columns} for row in reader]
        except (OSError, ValueError, TypeError, csv.Error) as error:
            raise RunError(f"{path} is damaged ({error}); {remedy}.") from error

    def metrics_frame(self) -> pandas.DataFrame:
        """Metrics as a table, one row per epoch and split."""
        import pandas

        return pandas.DataFrame(self.metrics(), columns=list(METRIC_COLUMNS[self.system]))

    def truncate_metrics(self, epoch: int) -> None:
        """Drop the rows of epochs after `epoch`.

        A run killed between its metrics and its checkpoint repeats the epoch; its rows must not stand twice.
        """
        rows = self.metrics()
        kept = [row for row in rows if row["epoch"] <= epoch]
        if len(kept) < len(rows):
            self._write_metrics(kept)

    def _write_metrics(self, rows: list[dict]) -> None:
        text, columns = io.StringIO(), METRIC_COLUMNS[self.system]
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(columns)
        for row in rows:
            # the conversion turns NumPy's scalars, whose repr names their type, into Python's
            values = [METRIC_TYPES.get(column, float)(row[column]) for column in columns]
            writer.writerow([repr(value) if isinstance(value, float) else value for value in values])
        write_text(self.path / "metrics.csv", text.getvalue())

    # arrays

    @property
    def checkpoints(self) -> list[int]:
        """Epochs that have a checkpoint, in ascending order; 0 is the state before training."""
        found = (re.fullmatch(r"epoch_(\d{4,})\.npz", path.name) for path in (self.path / "checkpoints").glob("epoch_*.npz"))
        return sorted(int(match[1]) for match in found if match)

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

    def load_checkpoint(self, epoch: int | None = None) -> tuple[int, dict[str, np.ndarray]]:
        """Read the state after an epoch.

        Parameters
        ----------
        epoch : int, optional
            By default the latest one that can be read: a damaged one is skipped with a warning.

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
            return epoch, _read_npz(path, "choose another epoch")
        for candidate in reversed(self.checkpoints):
            try:
                return candidate, _read_npz(self.path / _checkpoint_name(candidate), "it is skipped for an earlier one")
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
            If the run is not finished or the file is damaged.
        """
        path = self.path / "weights.npz"
        if not path.is_file():
            raise RunError(f"{self.path} has no weights.npz, since it is not finished; use 'brianprop resume {self.path}'.")
        return _read_npz(path, f"remove it and use 'brianprop resume {self.path}'")

    def save_spikes(self, recording: Recording, name: str = "spikes") -> None:
        """Write recorded spikes to ``NAME.npz``: ``spikes`` for a whole run, ``raster`` for the first turns of an epoch."""
        arrays = {
            "populations": np.array(recording.populations, dtype=np.str_),
            "sizes": np.array(recording.sizes, dtype=np.int64),
            "population": recording.population,
            "neuron": recording.neuron,
            "step": recording.step,
            "epoch": recording.epoch,
            "period": np.int64(recording.period),
        }
        self._write_npz(f"{name}.npz", arrays)

    def load_spikes(self, name: str = "spikes") -> Recording | None:
        """Read recorded spikes, or None if none were recorded.

        Raises
        ------
        RunError
            If the file is damaged.
        """
        path = self.path / f"{name}.npz"
        if not path.is_file():
            return None
        remedy = "remove it and record the spikes again"
        arrays = _read_npz(path, remedy)
        try:
            return Recording(
                populations=tuple(str(population) for population in arrays["populations"]),
                sizes=tuple(int(size) for size in arrays["sizes"]),
                population=arrays["population"],
                neuron=arrays["neuron"],
                step=arrays["step"],
                epoch=arrays["epoch"],
                period=int(arrays["period"]),
            )
        except (KeyError, ValueError, TypeError) as error:
            raise RunError(f"{path} is no recording of spikes ({error}); {remedy}.") from error

    def save_images(self, arrays: dict[str, np.ndarray]) -> None:
        """Write a few test images with the answers to them: ``images``, ``target`` and the `IMAGE_ARRAYS` of the system."""
        self._write_npz("images.npz", arrays)

    def load_images(self) -> dict[str, np.ndarray] | None:
        """Read what `save_images` wrote, or None if there is none.

        Raises
        ------
        RunError
            If the file is damaged.
        """
        path = self.path / "images.npz"
        if not path.is_file():
            return None
        remedy = "remove it"
        arrays = _read_npz(path, remedy)
        missing = {"images", "target", *IMAGE_ARRAYS[self.system]} - set(arrays)
        if missing:
            raise RunError(f"{path} lacks {', '.join(sorted(missing))}; {remedy}.")
        return arrays

    def _write_npz(self, name: str, arrays: dict[str, np.ndarray]) -> None:
        # np.savez stamps every member with 1980-01-01, so equal arrays give equal bytes
        atomic_write(self.path / name, lambda file: np.savez_compressed(file, **arrays))

    def _write_json(self, name: str, value: dict) -> None:
        write_text(self.path / name, json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def _checkpoint_name(epoch: int) -> str:
    return f"checkpoints/epoch_{epoch:04d}.npz"


def require_vacant(path: Path) -> None:
    """Make sure that a run may be created at a path: nothing is there, or what a killed creation left.

    Raises
    ------
    RunError
        If it holds anything else or cannot be looked at.
    """
    try:
        if not os.path.lexists(path):
            return
        if path.is_dir() and all(entry.name in UNFINISHED_CREATION or _is_temporary(entry.name) for entry in path.iterdir()):
            return
    except OSError as error:
        raise cannot_write(path, error) from error
    if (path / "config.json").is_file():
        raise RunError(f"{path} exists already; choose another --out or use 'brianprop resume {path}'.")
    raise RunError(f"{path} exists already and is no run; choose another --out.")


def _read_json(path: Path) -> dict:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise RunError(f"{path} is damaged ({error}); restore it from a copy or train again with another --out.") from error
    if not isinstance(value, dict):
        raise RunError(f"{path} holds no JSON object; restore it from a copy or train again with another --out.")
    return value


def _read_npz(path: Path, remedy: str) -> dict[str, np.ndarray]:
    """All arrays of an npz file, read now, so that damage shows here and not later."""
    try:
        with np.load(path, allow_pickle=False) as file:
            if not isinstance(file, np.lib.npyio.NpzFile):
                raise ValueError("a single array")
            return {name: file[name] for name in file.files}
    except NPZ_ERRORS as error:
        raise RunError(f"{path} is damaged ({error}); {remedy}.") from error
