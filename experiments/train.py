"""Train a circuit on a data set: epochs, evaluation, checkpoints; and go on where a run was interrupted."""

from __future__ import annotations

import dataclasses
import hashlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from analysis.runs import Recording, Run
from experiments import datasets, encoding
from experiments.environment import describe
from models.device import compiler, simulator
from models.errors import DataError, ParameterError, RunError
from models.nbp import NBP, Rules, inference_circuit, initial_weights, matrices, training_circuit, weights_of
from models.nbp_model import NBPModel, NBPResult

__all__ = ["Evaluation", "TrainNBP", "Training", "evaluate", "resume", "scores", "train"]

#: Turns whose spikes every run keeps for the raster, from the first of this epoch: early and many enough to show errors.
RASTER_TURNS, RASTER_EPOCH = 48, 2
#: Test images that every run keeps together with the circuit's answers.
KEPT_IMAGES = 12

#: Names of the independent random streams of one seed; 0 and 2 are drawn by models (initial weights, thresholds).
SHUFFLE_STREAM, NOISE_STREAM = 1, 3


@dataclass(frozen=True)
class TrainNBP:
    """Train the nBP circuit of Renner et al. 2024."""

    out: Path
    """Run directory to make."""
    dataset: str = "digits"
    """digits, mnist, fashion-mnist, or a folder with the four IDX files."""
    data_dir: Path | None = None
    """Where to look for mnist and fashion-mnist (else $BRIANPROP_DATA, system packages, download)."""
    hidden: int = 400
    """Number of hidden neurons."""
    epochs: int = 10
    """Presentations of the whole training set."""
    seed: int = 0
    """Seed of the initial weights, the order of the samples, drawn thresholds and noise."""
    samples: int | None = None
    """Train on the first N training images (default: all that validation leaves)."""
    validation: int | None = None
    """Validate on the last N images of the training set (default: a twelfth)."""
    test_samples: int | None = None
    """Test on the first N test images (default: all)."""
    crop: int | None = None
    """Pixels to cut off each side (default: 4 for mnist, 0 for others)."""
    binarise: float = 0.5
    """A pixel spikes if value / 255 exceeds this level."""
    shuffle: bool = True
    """Present the samples in a new order in every epoch."""
    init_weights: Path | None = None
    """Start from the arrays W1 (n_in, n_hid) and W2 (n_hid, n_out) of an .npz file."""
    record_spikes: bool = False
    """Keep every spike of every training turn in spikes.npz."""
    device: Literal["cpp_standalone", "cython", "numpy"] = "cpp_standalone"
    """C++ standalone, or Brian2's runtime, which is slow and serves debugging."""
    codegen: Literal["dense", "stock"] = "dense"
    """Templates for the C++ code: dense ones, which are faster, or Brian2's own. The results are the same, bit for bit."""
    rules: Rules = dataclasses.field(default_factory=Rules)
    """Parameters of neurons, weights, learning and noise."""

    def __post_init__(self):
        for name, least in (("hidden", 1), ("epochs", 1), ("seed", 0)):
            if getattr(self, name) < least:
                raise ParameterError(f"Parameter {name} = {getattr(self, name)!r} must be at least {least}; set --{name}.")


@dataclass(frozen=True)
class Part:
    """One split, encoded for the circuit: binary images (n, n_in) and class indices (n,)."""

    images: np.ndarray
    labels: np.ndarray


@dataclass(frozen=True)
class Data:
    """A data set as the circuit sees it."""

    parts: dict[str, Part]
    classes: list[int]
    image_shape: tuple[int, int]
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
    binarise: float = 0.5,
) -> Data:
    """Load, divide, crop and binarise a data set. Raises DataError and ParameterError as `datasets` and `encoding` do."""
    dataset = datasets.load(name, data_dir)
    splits = datasets.split(dataset, samples, validation, test_samples)
    crop = encoding.default_crop(name) if crop is None else crop
    parts, digest = {}, hashlib.sha256()
    for part in ("train", "validation", "test"):
        split = getattr(splits, part)
        images = encoding.crop(split.images, crop)
        shape = images.shape[1:]
        parts[part] = Part(encoding.binarise(images, binarise), split.labels)
        digest.update(parts[part].images.tobytes() + parts[part].labels.tobytes())
    return Data(parts, [int(label) for label in dataset.classes], shape, crop, dataset.origin, digest.hexdigest())


def scores(result: NBPResult, labels: np.ndarray) -> dict[str, float]:
    """Accuracies and loss of one pass.

    Parameters
    ----------
    result : NBPResult
        Answers to n samples.
    labels : int array of shape (n,)

    Returns
    -------
    dict with
        ``accuracy_exact``, the share of samples whose output spikes are exactly the one-hot target;
        ``accuracy_spikes``, argmax of the binary spikes, the first index if none fired;
        ``accuracy_membrane``, argmax of the drive; and
        ``loss``, the mean squared error of spikes against target (Renner et al. 2024, Figure 3).
    """
    target = encoding.one_hot(labels, result.spikes.shape[1]).astype(bool)
    return {
        "accuracy_exact": float(np.mean(np.all(result.spikes == target, axis=1))),
        "accuracy_spikes": float(np.mean(np.argmax(result.spikes, axis=1) == labels)),
        "accuracy_membrane": float(np.mean(np.argmax(result.drive, axis=1) == labels)),
        "loss": float(np.mean(result.spikes != target)),
    }


def row(epoch: int, split: str, result: NBPResult, labels: np.ndarray) -> dict:
    """One row of metrics.csv."""
    return {"epoch": epoch, "split": split, **scores(result, labels), "samples": len(labels), "seconds": result.seconds}


class Evaluation:
    """The inference circuit with the data of some splits, ready to be asked for any weights."""

    def __init__(self, parameters: NBP, seed: int, device: str, parts: dict[str, Part], codegen: str = "dense", message=print):
        self.model = NBPModel(inference_circuit(parameters), parameters, seed)
        self.parts = {name: part for name, part in parts.items() if len(part.labels)}
        self.simulator = simulator(self.model, device=device, codegen=codegen, message=message)
        self._stimuli = {name: self.model.stimuli({"input": part.images}) for name, part in self.parts.items()}

    def run(self, weights: dict[str, np.ndarray], split: str, noise_seed: int = 0, first: int | None = None) -> NBPResult:
        """Answers to every image of a split, or to its first ones."""
        return self.simulator.run(
            matrices(self.model.circuit, weights),
            self._stimuli[split],
            np.arange(len(self.parts[split].labels[:first])),
            noise_seed=noise_seed,
        )


def read_init_weights(path: Path, parameters: NBP) -> dict[str, np.ndarray]:
    """Read W1 and W2 from an .npz file and check that the circuit can hold them. Raises DataError."""
    remedy = "give an .npz file with whole-number arrays W1 (n_in, n_hid) and W2 (n_hid, n_out)"
    try:
        with np.load(path) as file:
            found = {name: file[name] for name in ("W1", "W2")}
    except FileNotFoundError as error:
        raise DataError(f"--init-weights {path} does not exist; {remedy}.") from error
    except Exception as error:
        raise DataError(f"--init-weights {path} cannot be read ({error}); {remedy}.") from error
    shapes = {"W1": (parameters.n_in, parameters.n_hid), "W2": (parameters.n_hid, parameters.n_out)}
    for name, array in found.items():
        if array.shape != shapes[name]:
            raise DataError(f"{name} in {path} has shape {array.shape}, but the circuit needs {shapes[name]}; {remedy}.")
        if not np.issubdtype(array.dtype, np.number) or not np.all(np.isfinite(array)):
            raise DataError(f"{name} in {path} holds values that are not finite numbers; {remedy}.")
        if np.any(array != np.trunc(array)) or np.any(array.astype(np.int64) % parameters.w_step):
            raise DataError(f"{name} in {path} holds values off the grid of w_step = {parameters.w_step}; round them to it.")
        if np.any(np.abs(array) > parameters.w_max):
            raise DataError(f"{name} in {path} exceeds the bound w_max = {parameters.w_max}; clip it or set --w-max.")
    return {name: array.astype(np.int32) for name, array in found.items()}


class Training:
    """The rest of one run: loads what config.json names, goes on after the last checkpoint."""

    def __init__(self, run: Run, data: Data, message=print):
        self.run, self.data, self.message = run, data, message
        settings = run.config["training"]
        self.parameters = NBP(**run.config["parameters"])
        self.seed, self.epochs, self.shuffle = settings["seed"], settings["epochs"], settings["shuffle"]
        self.circuit = training_circuit(self.parameters)
        device, codegen = settings["device"], settings["codegen"]
        model = NBPModel(self.circuit, self.parameters, self.seed)
        self.simulator = simulator(model, device=device, codegen=codegen, message=message)
        self.evaluation = Evaluation(self.parameters, self.seed, device, data.parts, codegen, message)
        train = data.parts["train"]
        targets = encoding.one_hot(train.labels, self.parameters.n_out)
        self._stimuli = model.stimuli({"input": train.images, "target": targets})

    def go(self) -> None:
        """Train the epochs that are missing and write the final files."""
        from tqdm import tqdm

        run, train = self.run, self.data.parts["train"]
        done, weights = run.load_checkpoint()
        if not weights:
            raise RunError(f"{run.path} has no readable checkpoint; remove it and train again.")
        run.truncate_metrics(done)
        for epoch in range(done + 1, self.epochs + 1):
            with tqdm(
                total=len(train.labels), desc=f"epoch {epoch}/{self.epochs}", unit=" samples", disable=None, leave=False
            ) as bar:
                result = self._train_epoch(epoch, weights, lambda turns, bar=bar: bar.update(turns - bar.n))
            weights = weights_of(self.circuit, result.matrices)
            rows = [row(epoch, "train", result, train.labels[self._order(epoch)])]
            for split, part in self.evaluation.parts.items():
                if split != "train":
                    noise_seed = self._noise_seed(epoch, split)
                    rows.append(row(epoch, split, self.evaluation.run(weights, split, noise_seed), part.labels))
            if run.config["training"]["record_spikes"]:
                self._keep_spikes(epoch, result)
            if epoch == min(RASTER_EPOCH, self.epochs):
                run.save_spikes(self._recording(epoch, result, RASTER_TURNS), "raster")
            # the checkpoint comes last: it says that all else of this epoch is on disk
            run.append_metrics(rows)
            run.save_checkpoint(epoch, weights)
            self.message(_line(epoch, self.epochs, rows))
        self._keep_images(weights)
        run.save_weights(weights)

    def _order(self, epoch: int) -> np.ndarray:
        """Order of the training samples: a stream of its own for every epoch, so that a resumed run draws the same."""
        n = len(self.data.parts["train"].labels)
        return np.random.default_rng([self.seed, SHUFFLE_STREAM, epoch]).permutation(n) if self.shuffle else np.arange(n)

    def _noise_seed(self, epoch: int, split: str) -> int:
        return int(np.random.default_rng([self.seed, NOISE_STREAM, epoch, *split.encode()]).integers(2**31))

    def _train_epoch(self, epoch: int, weights: dict[str, np.ndarray], progress) -> NBPResult:
        order = self._order(epoch)
        keep_all = self.run.config["training"]["record_spikes"]
        return self.simulator.run(
            matrices(self.circuit, weights),
            self._stimuli,
            order,
            noise_seed=self._noise_seed(epoch, "train"),
            n_recorded=len(order) if keep_all else min(RASTER_TURNS, len(order)),
            progress=progress,
        )

    def _recording(self, epoch: int, result: NBPResult, turns: int | None = None) -> Recording:
        population, neuron, step = result.recorded
        kept = slice(None) if turns is None else step < turns * self.circuit.period
        return Recording(
            tuple(p.name for p in self.circuit.populations),
            tuple(p.size for p in self.circuit.populations),
            population[kept],
            neuron[kept],
            step[kept],
            np.full(len(step[kept]), epoch),
            self.circuit.period,
        )

    def _keep_spikes(self, epoch: int, result: NBPResult) -> None:
        """Add an epoch to spikes.npz, in place of what an interrupted run left of it."""
        new, old = self._recording(epoch, result), self.run.load_spikes("spikes")
        if old is not None:
            kept = old.epoch < epoch
            new = dataclasses.replace(
                new,
                **{
                    name: np.concatenate([getattr(old, name)[kept], getattr(new, name)])
                    for name in ("population", "neuron", "step", "epoch")
                },
            )
        self.run.save_spikes(new, "spikes")

    def _keep_images(self, weights: dict[str, np.ndarray]) -> None:
        result = self.evaluation.run(weights, "test", self._noise_seed(self.epochs, "test"), KEPT_IMAGES)
        test = self.data.parts["test"]
        self.run.save_images(
            {
                "images": test.images[:KEPT_IMAGES],
                "target": test.labels[:KEPT_IMAGES],
                "spikes": result.spikes.astype(np.uint8),
                # net of gate and bias, as the sum of the weights
                "drive": result.drive - self.parameters.theta / 2,
            }
        )


def _line(epoch: int, epochs: int, rows: list[dict]) -> str:
    parts = [f"epoch {epoch:>{len(str(epochs))}}/{epochs}"]
    for entry in rows:
        parts.append(
            f"{entry['split']} {100 * entry['accuracy_spikes']:.2f} % spikes {100 * entry['accuracy_membrane']:.2f} % membrane"
        )
    microseconds = 1e6 * rows[0]["seconds"] / rows[0]["samples"]
    return " | ".join([*parts, f"loss {rows[0]['loss']:.4f}", f"{rows[0]['seconds']:.1f} s ({microseconds:.0f} us/sample)"])


def train(settings: TrainNBP, message=print) -> Run:
    """Make a run directory and train in it. Everything that can be wrong is checked before the first epoch."""
    _require_vacant_early(settings.out)
    data = load_data(
        settings.dataset,
        settings.data_dir,
        samples=settings.samples,
        validation=settings.validation,
        test_samples=settings.test_samples,
        crop=settings.crop,
        binarise=settings.binarise,
    )
    parameters = NBP(
        **dataclasses.asdict(settings.rules),
        n_in=data.parts["train"].images.shape[1],
        n_hid=settings.hidden,
        n_out=len(data.classes),
    )
    if settings.init_weights is None:
        weights = initial_weights(parameters, settings.seed)
    else:
        weights = read_init_weights(settings.init_weights, parameters)
    if settings.device == "cpp_standalone":
        compiler()
    config = {
        "system": "nbp",
        "dataset": {
            "name": settings.dataset if settings.dataset in datasets.NAMES else os.path.abspath(settings.dataset),
            "data_dir": settings.data_dir and os.path.abspath(settings.data_dir),
            "origin": data.origin,
            "samples": len(data.parts["train"].labels),
            "validation": len(data.parts["validation"].labels),
            "test_samples": len(data.parts["test"].labels),
            "crop": data.crop,
            "binarise": settings.binarise,
            "classes": data.classes,
            "image_shape": list(data.image_shape),
            "sha256": data.digest,
        },
        "parameters": dataclasses.asdict(parameters),
        "training": {
            "epochs": settings.epochs,
            "seed": settings.seed,
            "shuffle": settings.shuffle,
            "device": settings.device,
            "codegen": settings.codegen,
            "record_spikes": settings.record_spikes,
            "init_weights": settings.init_weights and os.path.abspath(settings.init_weights),
        },
    }
    run = Run.create(settings.out, config, describe())
    with run.lock():
        run.save_checkpoint(0, weights)
        Training(run, data, message).go()
    return run


def _require_vacant_early(path: Path) -> None:
    # Run.create checks again; this spares the user the loading of a data set
    if path.is_file() or (path.is_dir() and any(path.iterdir())):
        raise RunError(f"{path} exists already; choose another --out, or go on with it by 'brianprop resume {path}'.")


def stored_data(run: Run) -> Data:
    """Load the data of a run again and make sure that they are the same. Raises DataError where they are not."""
    stored = run.config["dataset"]
    data = load_data(
        stored["name"],
        stored["data_dir"] and Path(stored["data_dir"]),
        **{name: stored[name] for name in ("samples", "validation", "test_samples", "crop", "binarise")},
    )
    if data.digest != stored["sha256"]:
        raise DataError(
            f"The data set {stored['name']} found in {data.origin} differs from that of the run {run.path} "
            f"({stored['origin']}); restore the files or train anew."
        )
    return data


def resume(path: Path, epochs: int | None = None, message=print) -> Run:
    """Go on with an interrupted run; with `epochs`, go on with a finished one up to that number of epochs."""
    run = Run.open(path)
    with run.lock():
        if epochs is not None:
            run.set_epochs(epochs)
        if run.finished:
            message(f"{path} is finished: {run.config['training']['epochs']} epochs.")
            return run
        data = stored_data(run)
        if not run.checkpoints:
            # killed between the making of the directory and its first checkpoint
            parameters, seed = NBP(**run.config["parameters"]), run.config["training"]["seed"]
            given = run.config["training"]["init_weights"]
            weights = read_init_weights(Path(given), parameters) if given else initial_weights(parameters, seed)
            run.save_checkpoint(0, weights)
        Training(run, data, message).go()
    return run


def evaluate(path: Path, split: str = "test", epoch: int | None = None, message=print) -> dict:
    """Metrics of a run's final weights, or of the checkpoint of an epoch, on one split, through the inference circuit."""
    run = Run.open(path)
    weights = run.load_weights() if epoch is None else run.load_checkpoint(epoch)[1]
    data = stored_data(run)
    part = data.parts[split]
    if not len(part.labels):
        raise ParameterError(f"The run {path} has no {split} images; choose another --split.")
    settings = run.config["training"]
    evaluation = Evaluation(
        NBP(**run.config["parameters"]),
        settings["seed"],
        settings["device"],
        {split: part},
        settings["codegen"],
        message,
    )
    return row(settings["epochs"] if epoch is None else epoch, split, evaluation.run(weights, split), part.labels)
