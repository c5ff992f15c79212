"""What the training of all systems shares: options, data, the loop over epochs, and what a system must offer for it."""

from __future__ import annotations

import hashlib
import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np

from brianprop.analysis.runs import Recording, Run
from brianprop.analysis.runs.npz import DamagedError, read_npz
from brianprop.experiments.data import encoding
from brianprop.experiments.data import frames as event_frames
from brianprop.experiments.data import images as datasets
from brianprop.models.errors import DataError, ParameterError, RunError
from brianprop.models.memory import require_memory
from brianprop.models.model import Model, Recorded, Weights
from brianprop.models.parameters import LARGEST_INT
from brianprop.models.weights import layout_fault, taken, value_fault

if TYPE_CHECKING:
    from brianprop.experiments.training.lockstep import Seat

__all__ = [
    "Data",
    "Learned",
    "Message",
    "Part",
    "System",
    "TrainOptions",
    "Training",
    "cross_entropy",
    "dataset_name",
    "load_data",
    "metrics_row",
    "noise_seed",
    "read_weights",
    "recording_of",
]

#: The epoch from whose first turns every run keeps the spikes: early enough to show errors.
RASTER_EPOCH = 2
#: Test images that every run keeps together with the answers to them.
KEPT_IMAGES = 12

#: Names of the independent random streams of one seed; 0 and 2 are drawn by models (initial weights, thresholds).
SHUFFLE_STREAM, NOISE_STREAM, JITTER_STREAM = 1, 3, 4

#: Least probability of the label that the cross-entropy counts: a mean of softmax may round to 0, whose logarithm is infinite.
PROBABILITY_FLOOR = 1e-12

#: Times that encoded images are in memory: as they are, as what the sources send, and while they are put together.
ENCODED = 3

#: Remedy where learning left the numbers that can be computed with.
DIVERGED = "train again with smaller learning rates and another --out"

Message = Callable[[str], None]

#: What a network takes of an event data set: its frames, or the share of time steps with an event as grey values.
EventInput = Literal["frames", "rates"]


@dataclass(frozen=True)
class TrainOptions:
    """Options of all systems.

    Attributes
    ----------
    system : str
        Name of the system that they train.
    """

    system: ClassVar[str]

    out: Path
    """Run directory to make."""
    dataset: str = "digits"
    """digits, mnist, fashion-mnist, emnist-letters, emnist-balanced, emnist-digits, a folder with the four IDX files, n-mnist
    (events), or emulated- and one of these: its images as events of an emulated camera."""
    data_dir: Path | None = None
    """Where to look for a data set that is named (else $BRIANPROP_DATA, system packages, download)."""
    epochs: int = 10
    """Presentations of the whole training set."""
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
        self._require_whole(epochs=1, seed=0, samples=1, validation=0, test_samples=0, crop=0)

    def _require_whole(self, **least: int) -> None:
        """Raise a ParameterError where an option, unless it is None, is no whole number or less than what is given for it."""
        for name, smallest in least.items():
            value, option = getattr(self, name), f"--{name.replace('_', '-')}"
            for number in value if isinstance(value, tuple) else (value,):
                if number is None:
                    continue
                if not isinstance(number, int) or isinstance(number, bool):
                    raise ParameterError(f"Parameter {name} = {value!r} must be a whole number; set {option}.")
                if number < smallest:
                    raise ParameterError(f"Parameter {name} = {value!r} must be at least {smallest}; set {option}.")
                if number > LARGEST_INT and name != "seed":
                    raise ParameterError(f"Parameter {name} = {value!r} must be at most {LARGEST_INT}; set {option}.")

    def parameters(self, n_in: int, n_out: int) -> Any:
        """Parameters of the network for data of this size; raises ParameterError."""
        raise NotImplementedError

    @property
    def bins(self) -> int | None:
        """Time steps into which the events of a recording are binned, where the network takes events."""
        return None

    def training(self) -> dict:
        """What config.json holds under ``training`` besides the options of all systems."""
        return {}


@dataclass(frozen=True)
class Part:
    """One split, encoded: images (n, n_in), uint8, either 0 and 1 or grey values from 0 to 255, and class indices (n,).

    ``shape`` tells how a row of images is laid out: levels, rows and columns.
    """

    images: np.ndarray
    labels: np.ndarray
    shape: tuple[int, int, int]


@dataclass(frozen=True)
class Data:
    """A data set as a network sees it.

    Attributes
    ----------
    parts : dict of Part
        Of event data sets that a network takes as they are, images are packed frames, see `experiments.data.frames`.
    classes : list of int
    image_shape : tuple of int
        Rows and columns of what the input neurons see.
    n_in : int
        Number of input neurons.
    crop : int
    origin, digest : str
    """

    parts: dict[str, Part]
    classes: list[int]
    image_shape: tuple[int, int]
    n_in: int
    crop: int
    origin: str
    digest: str


def load_data(
    name: str,
    data_dir: Path | None = None,
    *,
    samples: int | None = None,
    validation: int | None = None,
    test_samples: int | None = None,
    crop: int | None = None,
    binarise: Sequence[float] | None = (0.5,),
    grey: bool = False,
    steps: int | None = None,
    events: EventInput | None = None,
    message: Message = print,
) -> Data:
    """Load, divide, crop and encode a data set.

    Parameters
    ----------
    name, data_dir
        See `experiments.data.images.load`.
    samples, validation, test_samples : int, optional
        See `experiments.data.images.split`.
    crop : int, optional
        Pixels to cut off each side; by default those of `experiments.data.encoding.default_crop`.
    binarise : sequence of float, optional
        Levels that make pixels bright or dark; without them grey values stay.
    grey : bool
        Whether pixels go from 0 to 255 and not from 0 to 1.
    steps : int, optional
        Time steps into which the events of a recording are binned.
    events : {"frames", "rates"}, optional
        What the network takes of an event data set: the frames themselves, or the share of steps with an event.
    message : callable
        Called with a line of text where recordings take long.

    Raises
    ------
    DataError
        As `experiments.data.images` and `experiments.data.frames` do.
    ParameterError
        As `experiments.data.images` and `experiments.data.encoding` do; also when the network takes no events.
    """
    if event_frames.is_events(name):
        if crop or binarise is not None or events is None:
            wrong = "nBP takes images" if events is None else "events are neither cropped nor binarised"
            raise ParameterError(
                f"Data set {name} holds events, but {wrong}; choose another --dataset"
                + ("." if events is None else ", or leave --crop and --binarise away.")
            )
        return _load_events(name, data_dir, samples, validation, test_samples, steps, events, message)
    dataset = datasets.load(name, data_dir)
    splits = datasets.split(dataset, samples, validation, test_samples)
    crop = encoding.default_crop(name) if crop is None else crop
    n_images = sum(len(getattr(splits, part).labels) for part in ("train", "validation", "test"))
    n_bytes = n_images * dataset.train_images[0].size * max(1, len(binarise or ()))
    require_memory(ENCODED * n_bytes, f"The data set {name}", "set a smaller --samples or fewer levels by --binarise")
    parts, digest = {}, hashlib.sha256()
    for part in ("train", "validation", "test"):
        split = getattr(splits, part)
        images = encoding.crop(split.images, crop)
        shape = images.shape[1:]
        pixels = encoding.grey(images, binarise) if grey else encoding.binarise(images, binarise)
        n_in = pixels.shape[1]
        parts[part] = Part(pixels, split.labels, (n_in // (shape[0] * shape[1]), *shape))
        digest.update(parts[part].images.tobytes() + parts[part].labels.tobytes())
    return Data(parts, [int(label) for label in dataset.classes], shape, n_in, crop, dataset.origin, digest.hexdigest())


def _load_events(name, data_dir, samples, validation, test_samples, steps, events, message) -> Data:
    source = event_frames.load(name, data_dir)
    found = source.dataset
    recordings = datasets.Dataset(
        name, found.train_events, found.train_labels, found.test_events, found.test_labels, found.classes, found.origin
    )
    splits = datasets.split(recordings, samples, validation, test_samples)
    n_recordings = sum(len(getattr(splits, part).labels) for part in ("train", "validation", "test"))
    n_bytes = n_recordings * event_frames.INPUTS * -(-steps // 8)
    require_memory(ENCODED * n_bytes, f"The data set {name} in {steps} time steps", "set a smaller --steps or --samples")
    parts, digest = {}, hashlib.sha256()
    for part in ("train", "validation", "test"):
        split = getattr(splits, part)
        if source.key and len(split.labels) > event_frames.CHUNK:
            message(f"Emulating {len(split.labels)} recordings of {name} ({part}; kept in the cache) ...")
        key = source.key and hashlib.sha256(f"{source.key} {part} {validation}".encode()).hexdigest()
        frames = event_frames.frames(split.images, steps, key)
        images = frames if events == "frames" else event_frames.rates(frames, steps)
        parts[part] = Part(images, split.labels, (1, *event_frames.SHAPE))
        digest.update(images.tobytes() + split.labels.tobytes())
    classes = [int(label) for label in found.classes]
    n_in = event_frames.SHAPE[0] * event_frames.SHAPE[1]
    return Data(parts, classes, event_frames.SHAPE, n_in, 0, found.origin, digest.hexdigest())


def cross_entropy(probabilities: np.ndarray, labels: np.ndarray) -> float:
    """Mean cross-entropy [nat]: -log of the probability of the label, which counts as at least `PROBABILITY_FLOOR`.

    Parameters
    ----------
    probabilities : float array of shape (n, n_out)
    labels : int array of shape (n,)
    """
    chosen = probabilities[np.arange(len(labels)), labels].astype(float)
    return float(-np.mean(np.log(np.maximum(chosen, PROBABILITY_FLOOR))))


def noise_seed(seed: int, epoch: int, purpose: str) -> int:
    """Seed of the noise of one pass: another for every epoch and purpose, so that a resumed run draws the same."""
    return int(np.random.default_rng([seed, NOISE_STREAM, epoch, *purpose.encode()]).integers(2**31))


def read_weights(path: Path, parameters: Any) -> Weights:
    """Read the weights that a training starts from out of an .npz file.

    Parameters
    ----------
    path : Path
    parameters : dataclass
        Those of the system; its ``arrays`` say what the network takes, see `models.weights`.

    Returns
    -------
    dict of arrays
        In the types of the network.

    Raises
    ------
    DataError
        When the file cannot be read, or an array is missing, unknown, of another shape or type, or holds what the network
        cannot: what is not finite, beyond the bound of the weights or off their grid.
    """
    wanted = parameters.arrays
    arrays = ", ".join(f"{name} {array.shape}" for name, array in wanted.items() if array.needed)
    remedy = f"give an .npz file with the arrays {arrays}"
    if not Path(path).exists():
        raise DataError(f"--init-weights {path} does not exist; {remedy}.")
    try:
        found = read_npz(path, lambda headers: layout_fault(headers, wanted, stored=False))
    except DamagedError as error:
        raise DataError(f"--init-weights {path} cannot be taken, since {error}; {remedy}.") from error
    if fault := value_fault(found, wanted, stored=False):
        raise DataError(f"--init-weights {path} cannot be taken, since {fault}; {remedy} that the network can hold.")
    return taken(found, wanted)


@dataclass(frozen=True)
class Learned:
    """What one epoch of learning gave.

    Attributes
    ----------
    weights : dict of arrays
        Afterwards.
    seconds : float
        Wall time of learning alone.
    scores : dict of float, or None
        Accuracies and loss of the answers while learning; None where these mean nothing.
    recording : Recording, or None
        Spikes of the turns that were to be recorded.
    """

    weights: Weights
    seconds: float
    scores: dict[str, float] | None = None
    recording: Recording | None = None


class System(ABC):
    """One network with the data of some splits, as the loop over epochs needs it.

    Attributes
    ----------
    name : str
        As in config.json.
    grey : bool
        Whether pixels are grey values from 0 to 255 and not 0 and 1.
    headline : tuple of str
        Metrics that are shown after each epoch, beside the loss.
    raster_turns : int
        Turns whose spikes every run keeps; 0 where nothing spikes.
    events : {"frames", "rates"} or None
        What it takes of an event data set; None where it takes none.
    counts_presentations : bool
        Whether the network itself counts the presentations of the whole training, for which it has 32 bits.

    Parameters
    ----------
    parameters : dataclass
        That of the system, see `analysis.runs.systems.PARAMETERS`.
    settings : dict
        ``training`` of config.json.
    parts : dict of Part
        Splits; empty ones are left out.
    message : callable
        Called with a line of text before a long build.
    code : an instance of `kind`, optional
        Parameters whose generated code is used, see `shared_code`.
    seat : brianprop.experiments.training.lockstep.Seat, optional
        Where other networks run in the same simulation.
    """

    name: ClassVar[str]
    grey: ClassVar[bool]
    headline: ClassVar[tuple[str, ...]]
    raster_turns: ClassVar[int] = 0
    events: ClassVar[EventInput | None] = None
    counts_presentations: ClassVar[bool] = False

    def __init__(
        self,
        parameters: Any,
        settings: dict,
        parts: dict[str, Part],
        message: Message = print,
        code: Any = None,
        seat: Seat | None = None,
    ):
        self.parameters, self.settings, self.message, self.code, self.seat = parameters, settings, message, code, seat
        self.parts = {name: part for name, part in parts.items() if len(part.labels)}

    @staticmethod
    @abstractmethod
    def initial_weights(parameters: Any, seed: int) -> Weights:
        """Weights at the start of a training."""

    @staticmethod
    @abstractmethod
    def memory(parameters: Any, settings: dict, n_samples: int, learns: bool) -> int:
        """Estimate of the bytes that one network takes while it learns from, or answers to, so many samples."""

    @staticmethod
    def fixed_epochs(parameters: Any) -> bool:
        """Whether the number of epochs decides how each of them learns, so that none can be added."""
        return False

    @staticmethod
    def shared_code(several: Sequence[Any]) -> list[Any]:
        """For each of several parameters, those of them whose generated code runs it, so that few binaries serve all."""
        return list(several)

    def models(self) -> tuple[Model, ...]:
        """What is simulated; nothing where there is nothing to build."""
        return ()

    @abstractmethod
    def prepare(self) -> None:
        """Build all that a training needs, so that what fails does so before the first epoch."""

    @abstractmethod
    def learn(
        self, weights: Weights, epoch: int, order: np.ndarray, n_recorded: int, progress: Callable[[int], None]
    ) -> Learned:
        """One epoch.

        Parameters
        ----------
        weights : dict of arrays
            At its start.
        epoch : int
            From 1.
        order : int array of shape (n_train,)
            Training samples in the order of their presentation.
        n_recorded : int
            Turns, from the first, whose spikes are recorded.
        progress : callable
            Called with the number of samples done.
        """

    @abstractmethod
    def score(self, weights: Weights, split: str, epoch: int, first: int | None = None) -> tuple[dict[str, float], float]:
        """Accuracies and loss of the answers to a split or its first images, and the wall time of answering [s]."""

    @abstractmethod
    def images(self, weights: Weights, epoch: int, first: int) -> dict[str, np.ndarray]:
        """The first test images with the answers to them, as `analysis.runs.run.Run.save_images` takes them."""

    def noise_seed(self, epoch: int, purpose: str) -> int:
        """Seed of the noise of one pass of this run."""
        return noise_seed(self.settings["seed"], epoch, purpose)


def recording_of(recorded: Recorded, populations: Sequence[tuple[str, int]], period: int, epoch: int) -> Recording:
    """What a run of a model recorded; `populations` are names and sizes."""
    names, sizes = zip(*populations, strict=True)
    return Recording(names, sizes, *recorded, np.full(len(recorded[2]), epoch), period)


def metrics_row(epoch: int, split: str, scores: dict[str, float], samples: int, seconds: float) -> dict:
    """One row of metrics.csv."""
    return {"epoch": epoch, "split": split, **scores, "samples": samples, "seconds": seconds}


class Training:
    """The rest of one run: goes on after its last checkpoint.

    Parameters
    ----------
    run : Run
    system : System
        With all splits.
    message : callable
        Called with a line of text after each epoch.
    """

    def __init__(self, run: Run, system: System, message: Message = print):
        self.run, self.system, self.message = run, system, message
        settings = run.config["training"]
        self.seed, self.epochs, self.shuffle = settings["seed"], settings["epochs"], settings["shuffle"]
        self.keeps_spikes = settings.get("record_spikes", False)
        self.n_train = len(system.parts["train"].labels)
        # of systems whose answers while learning mean nothing, as many training images are scored as there are for validation
        chosen = system.parts.get("validation", system.parts["test"])
        self.n_scored = min(self.n_train, len(chosen.labels))

    def go(self) -> None:
        """Train the epochs that are missing and write the final files."""
        run, system = self.run, self.system
        done, weights = self._last_whole_epoch()
        system.prepare()
        run.truncate_metrics(done)
        for epoch in range(done + 1, self.epochs + 1):
            learned = self._learn(epoch, weights)
            weights = learned.weights
            self._require_sound(weights, epoch)
            rows = [self._train_row(epoch, learned)]
            for split in system.parts:
                if split != "train":
                    scores, seconds = system.score(weights, split, epoch)
                    rows.append(metrics_row(epoch, split, scores, len(system.parts[split].labels), seconds))
            if not all(np.isfinite(value) for row in rows for value in row.values() if isinstance(value, float)):
                raise RunError(f"{run.path}: the answers after epoch {epoch} are not finite numbers; {DIVERGED}.")
            if self.keeps_spikes:
                self._keep_spikes(epoch, learned.recording)
            if self._shows_raster(epoch):
                recording = learned.recording
                run.save_spikes(recording.where(recording.sample < system.raster_turns), "raster")
            # the checkpoint comes last: it says that all else of this epoch is on disk
            run.append_metrics(rows)
            run.save_checkpoint(epoch, weights)
            self.message(self._line(epoch, rows))
        run.save_images(system.images(weights, self.epochs, KEPT_IMAGES))
        run.save_weights(weights)

    def _last_whole_epoch(self) -> tuple[int, Weights]:
        """The last epoch that all is there of that its training wrote, and the weights after it."""
        run = self.run
        whole = min(run.scored_epochs, self.epochs)
        if self.keeps_spikes:
            recording = run.load_spikes("spikes")
            kept = set() if recording is None else set(recording.epoch.tolist())
            whole = next(epoch for epoch in range(whole + 1) if epoch == whole or epoch + 1 not in kept)
        done, weights = run.load_checkpoint(at_most=whole)
        if not weights:
            raise RunError(
                f"{run.path} has no checkpoint of epoch {whole} or before that can be read, so that it cannot go on; restore "
                "the folder checkpoints from a copy, or train again with another --out."
            )
        last = min(max(run.checkpoints), self.epochs)
        if done < last:
            self.message(f"{run.path} is whole up to epoch {done} of {last}: what came after is trained again.")
        return done, weights

    def _require_sound(self, weights: Weights, epoch: int) -> None:
        """Raise RunError where learning has left what the network can hold."""
        wanted = self.system.parameters.arrays
        if fault := layout_fault(weights, wanted) or value_fault(weights, wanted):
            raise RunError(f"{self.run.path}: after epoch {epoch} of the training, {fault}; {DIVERGED}.")

    def _learn(self, epoch: int, weights: Weights) -> Learned:
        from tqdm import tqdm

        n_recorded = self.n_train if self.keeps_spikes else self.system.raster_turns if self._shows_raster(epoch) else 0
        options = {"unit": " samples", "leave": False, "disable": None if self.system.seat is None else True}
        with tqdm(total=self.n_train, desc=f"epoch {epoch}/{self.epochs}", **options) as bar:
            return self.system.learn(
                weights, epoch, self._order(epoch), min(n_recorded, self.n_train), lambda done: bar.update(done - bar.n)
            )

    def _shows_raster(self, epoch: int) -> bool:
        return self.system.raster_turns > 0 and epoch == min(RASTER_EPOCH, self.epochs)

    def _train_row(self, epoch: int, learned: Learned) -> dict:
        if learned.scores is not None:
            return metrics_row(epoch, "train", learned.scores, self.n_train, learned.seconds)
        scores, _ = self.system.score(learned.weights, "train", epoch, self.n_scored)
        return metrics_row(epoch, "train", scores, self.n_scored, learned.seconds)

    def _order(self, epoch: int) -> np.ndarray:
        """Order of the training samples: a stream of its own for every epoch, so that a resumed run draws the same."""
        if not self.shuffle:
            return np.arange(self.n_train)
        return np.random.default_rng([self.seed, SHUFFLE_STREAM, epoch]).permutation(self.n_train)

    def _keep_spikes(self, epoch: int, new: Recording) -> None:
        """Add an epoch to spikes.npz, in place of what an interrupted run left of it."""
        old = self.run.load_spikes("spikes")
        if old is not None:
            new = old.where(old.epoch < epoch).followed_by(new)
        self.run.save_spikes(new, "spikes")

    def _line(self, epoch: int, rows: list[dict]) -> str:
        parts = [f"epoch {epoch:>{len(str(self.epochs))}}/{self.epochs}"]
        for row in rows:
            values = (f"{100 * row[name]:.2f} % {name.partition('_')[2]}".strip() for name in self.system.headline)
            parts.append(f"{row['split']} {' '.join(values)}")
        seconds = rows[0]["seconds"]
        speed = f"{seconds:.1f} s ({1e6 * seconds / self.n_train:.0f} us/sample)"
        return " | ".join([*parts, f"loss {rows[0]['loss']:.4f}", speed])


def dataset_name(name: str) -> str:
    """A data set as config.json names it: folders by their absolute path, so that a run can be resumed from anywhere."""
    if name.startswith(event_frames.EMULATED):
        return event_frames.EMULATED + dataset_name(name.removeprefix(event_frames.EMULATED))
    return name if datasets.known(name) or event_frames.is_events(name) else os.path.abspath(name)
