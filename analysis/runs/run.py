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
      figures/            made by `analysis.figures.draw`

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
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from brianprop.analysis.runs.npz import DamagedError, Header, read_npz
from brianprop.models.ann import ANN
from brianprop.models.errors import ParameterError, RunError
from brianprop.models.files import atomic_write, cannot_write, is_temporary, write_text
from brianprop.models.nbp.circuit import INFERENCE_PERIOD, PERIOD, training_circuit
from brianprop.models.nbp.parameters import NBP
from brianprop.models.ssnn_bp.model import SSNNModel
from brianprop.models.ssnn_bp.parameters import SSNN
from brianprop.models.weights import layout_fault, value_fault

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
    "read_json",
    "require_vacant",
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

#: Splits of a data set, as in metrics.csv.
SPLITS = ("train", "validation", "test")

#: What is written at the end of a training, in this order.
FINAL_FILES = ("images.npz", "weights.npz")

#: Bound of the time steps of a recording where the number of samples is not known.
LARGEST_STEP = 2**31

#: What may lie in a folder that was killed while a run was being created, before config.json made it a run.
UNFINISHED_CREATION = {"lock", "environment.json"}

#: Bytes of the largest JSON file that is read; a configuration has some 2,000.
LARGEST_JSON = 2**24

#: Remedy where a file that cannot be made again is lost.
RESTORE = "restore it from a copy or train again with another --out"


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
        self.config = _Section(config, path / "config.json")
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
            If there is no such folder, it cannot be read, it holds no run, a JSON file is damaged or holds what cannot be
            right, or its format is unknown.
        """
        path = Path(path)
        try:
            is_folder, is_run = path.is_dir(), (path / "config.json").is_file()
        except OSError as error:
            raise RunError(f"{path} cannot be read ({error.strerror}); give a run directory that you may read.") from error
        if not is_folder:
            raise RunError(f"There is no run directory {path}; give the folder that 'brianprop train --out' made.")
        if not is_run:
            raise RunError(
                f"{path} is no run directory, since it holds no config.json; give the folder that 'brianprop train --out' made."
            )
        config = read_json(path / "config.json")
        if config.get("format") != FORMAT:
            raise RunError(
                f"{path / 'config.json'} has format {config.get('format')!r}, but this version reads format {FORMAT}; "
                f"use the version of brianprop that wrote the run."
            )
        environment = path / "environment.json"
        run = cls(path, config, read_json(environment) if environment.is_file() else {})
        if not isinstance(run.environment.get("versions", {}), dict):
            raise RunError(f"{environment} holds versions that are no JSON object; {RESTORE}.")
        run._check_config()
        return run

    def _check_config(self) -> None:
        """Raise RunError where the configuration holds what cannot be right; what it lacks shows when it is asked for."""
        place = self.path / "config.json"
        _ = self.system
        for section, entries in SCHEMA.items():
            values = self.config.get(section, {})
            if not isinstance(values, dict):
                raise RunError(f"{place} holds {section} = {_shown(values)}, which is no JSON object; {RESTORE}.")
            for name, (holds, words) in entries.items():
                if name in values and not holds(values[name]):
                    raise RunError(
                        f"{place} holds {section}.{name} = {_shown(values[name])}, which must be {words}; {RESTORE}."
                    )
        if "parameters" not in self.config:
            return
        parameters, dataset = self.parameters(), self.config.get("dataset", {})
        if len(dataset.get("classes", range(parameters.n_out))) != parameters.n_out:
            raise RunError(f"{place} names {len(dataset['classes'])} classes for {parameters.n_out} outputs; {RESTORE}.")
        pixels = math.prod(dataset.get("image_shape", (1,)))
        if parameters.n_in % pixels:
            raise RunError(f"{place} gives images of {pixels} pixels to {parameters.n_in} inputs; {RESTORE}.")

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
                    with suppress(OSError):
                        leftover.unlink()
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
        if not isinstance(system, str) or system not in TITLES:
            raise RunError(
                f"{self.path / 'config.json'} names the system {_shown(system)}, but this version knows {', '.join(TITLES)}; "
                "use the version that wrote it."
            )
        return system

    def parameters(self) -> Any:
        """The parameters of the run as an instance of the dataclass of its system in `PARAMETERS`.

        Raises
        ------
        RunError
            If the configuration lacks parameters, or has some that the system does not know or takes only otherwise.
        """
        place = self.path / "config.json"
        try:
            values = {
                name: math.inf if value == INFINITE else tuple(value) if isinstance(value, list) else value
                for name, value in self.config["parameters"].items()
            }
            return PARAMETERS[self.system](**values)
        except (TypeError, KeyError, AttributeError) as error:
            raise RunError(f"{place} does not fit this version ({error}); use the version that wrote it.") from error
        except ParameterError as error:
            raise RunError(f"{place} holds what cannot be right: {error}") from error

    @property
    def epochs(self) -> int:
        """Epochs that the run is to have."""
        return self.config["training"]["epochs"]

    @property
    def scored_epochs(self) -> int:
        """Epochs, from the first on without a gap, that metrics.csv has all rows of. Raises RunError where it is damaged."""
        dataset = self.config.get("dataset", {})
        splits = {"train"} | {name for name, n in (("validation", "validation"), ("test", "test_samples")) if dataset.get(n)}
        scored: dict[int, set[str]] = {}
        for row in self.metrics():
            scored.setdefault(row["epoch"], set()).add(row["split"])
        epoch = 0
        while splits <= scored.get(epoch + 1, set()):
            epoch += 1
        return epoch

    @property
    def finished(self) -> bool:
        """Whether all is there that `brianprop resume` would write: metrics, last checkpoint, its weights, and images."""
        try:
            self.load_weights()
            images = self.load_images()
        except RunError:
            return False
        kept = not self.config["training"].get("record_spikes") or (self.path / "spikes.npz").is_file()
        whole = self.epochs in self.checkpoints and images is not None and kept
        return whole and self.scored_epochs >= self.epochs

    def set_epochs(self, epochs: int) -> None:
        """Change the number of epochs to train, never to fewer than there are.

        Final weights and images of fewer epochs are removed: they come anew at the end.

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
        # a kill before this line leaves files that `load_weights` and `load_images` do not take for the new ones
        for name in FINAL_FILES:
            try:
                (self.path / name).unlink(missing_ok=True)
            except OSError as error:
                raise cannot_write(self.path / name, error) from error

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
        remedy = f"remove it and use 'brianprop resume {self.path}', which trains again what it lacks"
        try:
            with open(path, newline="", encoding="utf-8") as file:
                reader = csv.reader(file, strict=True)
                header = tuple(next(reader, ()))
                if header != columns:
                    raise RunError(f"{path} has the columns {_shown(list(header))}, not {list(columns)}; {remedy}.")
                rows = [_metrics_row(row, columns) for row in reader]
        except (OSError, ValueError, csv.Error) as error:
            raise RunError(f"{path} is damaged ({error}); {remedy}.") from error
        if len({(row["epoch"], row["split"]) for row in rows}) < len(rows):
            raise RunError(f"{path} is damaged (an epoch has two rows of one split); {remedy}.")
        return rows

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

    def load_checkpoint(self, epoch: int | None = None, at_most: int | None = None) -> tuple[int, dict[str, np.ndarray]]:
        """Read the state after an epoch.

        Parameters
        ----------
        epoch : int, optional
            By default the latest one that can be read: a damaged one is skipped with a warning.
        at_most : int, optional
            Then, only these epochs.

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
            If the run is not finished, the file is damaged or holds what the network cannot have, or it is not that of the last
            checkpoint.
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
        arrays = _read_npz(path, RESTORE, _recording_fault)
        recording = Recording(
            populations=tuple(str(population) for population in arrays["populations"]),
            sizes=tuple(int(size) for size in arrays["sizes"]),
            population=arrays["population"],
            neuron=arrays["neuron"],
            step=arrays["step"],
            epoch=arrays["epoch"],
            period=int(arrays["period"]),
        )
        if fault := self._fault_of_spikes(recording):
            circuit = "the circuit nbp-training" if self.system == "nbp" else "a network with the run's sizes and steps"
            raise RunError(f"{self.path}: The recording is not of {circuit}, since in {path.name} {fault}; {RESTORE}.")
        return recording if len(recording.step) else None

    def _fault_of_spikes(self, recording: Recording) -> str | None:
        """What of a recording cannot be of this run; None where nothing."""
        if self.system == "ann":
            return "a network without spikes has none"
        parameters = self.parameters()
        if self.system == "nbp":
            populations = {population.name: population.size for population in training_circuit(parameters).populations}
            periods = (PERIOD, INFERENCE_PERIOD)
        else:
            populations, periods = dict(SSNNModel(parameters, learns=True).populations), (parameters.steps,)
        if len(set(recording.populations)) < len(recording.populations):
            return "a population is there twice"
        for name, size in zip(recording.populations, recording.sizes, strict=True):
            if populations.get(name) != size:
                return f"the network has no population {name!r} of {size} neurons"
        if recording.period not in periods:
            return f"the period {recording.period} is not that of the network"
        samples = self.config.get("dataset", {}).get("samples", LARGEST_STEP // recording.period)
        if not len(recording.step):
            return None
        if not _within(recording.population, len(recording.sizes)):
            return "a spike is of no population"
        if recording.neuron.min() < 0 or np.any(recording.neuron >= np.array(recording.sizes)[recording.population]):
            return "a spike is of no neuron"
        if recording.step.min() < -recording.period or recording.step.max() >= recording.period * samples:
            return "a spike is in no time step of the training"
        return None if recording.epoch.min() >= 0 else "a spike is in no epoch"

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
        path, checkpoints = self.path / "images.npz", self.checkpoints
        # of a training that was to go on, those of its earlier end are old
        if not path.is_file() or (checkpoints and self.epochs not in checkpoints):
            return None
        remedy = f"remove it and use 'brianprop resume {self.path}', which makes it again"
        names = IMAGE_ARRAYS[self.system]
        parameters = self.parameters() if "parameters" in self.config else None
        arrays = _read_npz(path, remedy, lambda headers: _images_fault(headers, names, parameters))
        if any(not np.all(np.isfinite(array)) for array in arrays.values()):
            raise RunError(f"{path} is damaged (it holds values that are not finite numbers); {remedy}.")
        if not _within(arrays["target"], arrays[names[0]].shape[1]):
            raise RunError(f"{path} is damaged (a target is no class); {remedy}.")
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
        If it holds anything else, lies inside a run, cannot be looked at, or could not be written.
    """
    path = Path(path)
    try:
        if path.is_symlink() and not path.exists():
            raise RunError(f"{path} is a link to {os.readlink(path)}, which does not exist; choose another --out.")
        if not path.exists() or (
            path.is_dir() and all(entry.name in UNFINISHED_CREATION or is_temporary(entry.name) for entry in path.iterdir())
        ):
            return _require_writable(path)
        if not path.is_dir():
            raise RunError(f"{path} exists already and is no run directory but a file; choose another --out.")
    except OSError as error:
        raise cannot_write(path, error) from error
    if (path / "config.json").is_file():
        raise RunError(f"{path} exists already; choose another --out or use 'brianprop resume {path}'.")
    raise RunError(f"{path} exists already and is no run; choose another --out.")


def _require_writable(path: Path) -> None:
    """Raise RunError where a folder could not be made or filled at a path whose place is free."""
    whole = path.resolve()
    for parent in whole.parents:
        if (parent / "config.json").is_file():
            raise RunError(f"{path} lies inside the run {parent}, whose files are its own; choose another --out.")
    there = next(place for place in (whole, *whole.parents) if place.exists())
    if not there.is_dir():
        raise cannot_write(path, OSError(errno.ENOTDIR, f"{there} is a file"))
    if not os.access(there, os.W_OK | os.X_OK):
        closed = os.statvfs(there).f_flag & os.ST_RDONLY
        number = errno.EROFS if closed else errno.EACCES
        raise cannot_write(path, OSError(number, os.strerror(number)))


class _Section(dict):
    """An object of config.json, which says what it lacks."""

    def __init__(self, values: Mapping[str, Any], file: Path, place: str = ""):
        super().__init__(
            {
                name: _Section(value, file, f"{place}{name}.") if isinstance(value, dict) else value
                for name, value in values.items()
            }
        )
        self.file, self.place = file, place

    def __or__(self, other: Mapping[str, Any]) -> _Section:
        return _Section({**self, **other}, self.file, self.place)

    def __missing__(self, name: str) -> Any:
        raise RunError(f"{self.file} lacks {self.place}{name}; {RESTORE}.")


def read_json(path: Path) -> dict:
    """The object that a JSON file of a run holds.

    Raises
    ------
    RunError
        If it cannot be read, is far too large, is damaged, or holds anything else.
    """
    try:
        if path.stat().st_size > LARGEST_JSON:
            raise ValueError(f"it has {path.stat().st_size} bytes")
        value = json.loads(path.read_text(encoding="utf-8"), parse_constant=_no_constant)
    except (OSError, ValueError, RecursionError) as error:
        raise RunError(f"{path} is damaged ({error}); {RESTORE}.") from error
    if not isinstance(value, dict):
        raise RunError(f"{path} holds no JSON object; {RESTORE}.")
    return value


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is no number of JSON")


def _shown(value: Any) -> str:
    """A value as text that fits into a sentence."""
    text = repr(value)
    return text if len(text) < 80 else f"{text[:77]}..."


def _read_npz(path: Path, remedy: str, fault: Callable[[Mapping[str, Header]], str | None]) -> dict[str, np.ndarray]:
    """Arrays of a file of the run, see `analysis.runs.npz.read_npz`."""
    try:
        return read_npz(path, fault)
    except DamagedError as error:
        raise RunError(f"{path} is damaged ({error}); {remedy}.") from error


def _metrics_row(cells: list[str], columns: tuple[str, ...]) -> dict:
    """One row of metrics.csv; ValueError where it cannot be right."""
    row = {name: METRIC_TYPES.get(name, float)(cell) for name, cell in zip(columns, cells, strict=True)}
    if row["split"] not in SPLITS or row["epoch"] < 1 or row["samples"] < 1:
        raise ValueError(f"epoch {row['epoch']}, split {_shown(row['split'])}, samples {row['samples']}")
    for name, value in row.items():
        most = 1 if name.startswith("accuracy") else math.inf
        if isinstance(value, float) and not (0 <= value <= most and math.isfinite(value)):
            raise ValueError(f"{name} is {value} in epoch {row['epoch']}")
    return row


def _recording_fault(headers: Mapping[str, Header]) -> str | None:
    """What of the headers is not that of a recording."""
    spikes = ("population", "neuron", "step", "epoch")
    kinds = {"populations": "U", "sizes": "i", "period": "i", **dict.fromkeys(spikes, "i")}
    if set(headers) != set(kinds):
        return f"no recording of spikes, which has {', '.join(kinds)}"
    for name, header in headers.items():
        if header.dtype.kind != kinds[name] or len(header.shape) != (name != "period"):
            return f"{name} has shape {header.shape} and type {header.dtype}"
    if headers["populations"].shape != headers["sizes"].shape or len({headers[name].shape for name in spikes}) > 1:
        return "its arrays differ in length"
    return None


def _images_fault(headers: Mapping[str, Header], names: tuple[str, ...], parameters: Any) -> str | None:
    """What of the headers is not that of images with the answers to them."""
    if missing := {"images", "target", *names} - set(headers):
        return f"it lacks {', '.join(sorted(missing))}"
    if extra := set(headers) - {"images", "target", *names}:
        return f"it holds {', '.join(sorted(extra))}"
    widths = {"images": parameters and parameters.n_in, **dict.fromkeys(names, parameters and parameters.n_out)}
    for name, header in headers.items():
        right = header.shape[:1] == headers["target"].shape and len(header.shape) == 1 + (name in widths)
        if (
            not right
            or header.dtype.kind not in "iufb"
            or (name in widths and header.shape[1] != (widths[name] or header.shape[1]))
        ):
            return f"{name} has shape {header.shape} and type {header.dtype}"
    return None


def _within(numbers: np.ndarray, end: int) -> bool:
    return not len(numbers) or (numbers.min() >= 0 and numbers.max() < end)


def _whole(least: int) -> tuple[Callable[[Any], bool], str]:
    return lambda value: _is_whole(value) and least <= value < 2**63, f"a whole number from {least}"


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_share(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value <= 1


def _or_null(entry: tuple[Callable[[Any], bool], str]) -> tuple[Callable[[Any], bool], str]:
    holds, words = entry
    return lambda value: value is None or holds(value), f"{words}, or null"


def _one_of(*known: str) -> tuple[Callable[[Any], bool], str]:
    return lambda value: isinstance(value, str) and value in known, f"one of {', '.join(known)}"


def _list_of(holds: Callable[[Any], bool], words: str) -> tuple[Callable[[Any], bool], str]:
    return lambda value: isinstance(value, list) and bool(value) and all(map(holds, value)), words


TEXT = (lambda value: isinstance(value, str) and "\0" not in value, "text")
LOGICAL = (lambda value: isinstance(value, bool), "true or false")

#: What each entry of config.json must be where it is there: a test and words. Parameters are tested by their own class.
SCHEMA: dict[str, dict[str, tuple[Callable[[Any], bool], str]]] = {
    "dataset": {
        "name": TEXT,
        "data_dir": _or_null(TEXT),
        "origin": TEXT,
        "samples": _whole(1),
        "validation": _whole(0),
        "test_samples": _whole(0),
        "crop": _whole(0),
        "binarise": _or_null((lambda value: _is_share(value) or _list_of(_is_share, "")[0](value), "a level, or several")),
        "steps": _or_null(_whole(1)),
        "classes": _list_of(lambda value: isinstance(value, str) or _is_whole(value), "a list of names or numbers"),
        "image_shape": (
            lambda value: isinstance(value, list) and len(value) == 2 and all(_is_whole(size) and size >= 1 for size in value),
            "rows and columns",
        ),
        "sha256": TEXT,
    },
    "training": {
        "epochs": _whole(1),
        "seed": _whole(0),
        "shuffle": LOGICAL,
        "device": _one_of("cpp_standalone", "cuda", "cython", "numpy"),
        "codegen": _one_of("dense", "stock"),
        "record_spikes": LOGICAL,
        "jitter": _whole(0),
        "init_weights": _or_null(TEXT),
    },
    "parameters": {},
}
