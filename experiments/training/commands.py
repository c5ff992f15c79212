"""Train, resume and evaluate: what the command line does with any system."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from brianprop.analysis.runs import Run, as_json, require_vacant
from brianprop.analysis.runs.json_files import RESTORE
from brianprop.analysis.systems import SYSTEMS
from brianprop.experiments.data.dataset import Part
from brianprop.experiments.environment import describe
from brianprop.experiments.training.data import ARRAYS, Data, data_options, levels_of, load_data, stored_levels, told_origin
from brianprop.experiments.training.loop import Training
from brianprop.experiments.training.options import Message, TrainOptions
from brianprop.experiments.training.predictions import require_table, write_predictions
from brianprop.experiments.training.systems import trainer_of
from brianprop.experiments.training.trainer import Trainer, metrics_row
from brianprop.experiments.training.weights import read_weights
from brianprop.models.errors import DataError, ParameterError, RunError
from brianprop.models.memory import require_memory
from brianprop.models.model import Weights
from brianprop.models.parameters import LARGEST_INT
from brianprop.models.simulation import codegen_used, require

if TYPE_CHECKING:
    from brianprop.experiments.training.lockstep import Member

__all__ = ["begin", "carry_on", "evaluate", "prepared", "require_fit", "resume", "train"]

#: Options for data that lie elsewhere than in the training.
ELSEWHERE = "--data-dir and --dataset where they lie elsewhere now"


def prepared(
    settings: TrainOptions,
    message: Message = print,
    member: Member | None = None,
    replicas: int = 1,
    data: Data | None = None,
) -> tuple[Data, Any, Weights]:
    """Data, parameters and initial weights of a training. Whatever can be wrong is checked before anything is written or built.

    Parameters
    ----------
    settings, message, member
        See `train`.
    replicas : int
        Number of such networks that must fit into memory together.
    data : Data, optional
        Data to take in place of those that the settings name.

    Raises
    ------
    ParameterError, DataError, RunError, BuildError
        One sentence that names the value, the place and the remedy.
    """
    trainer = trainer_of(settings.system)
    require_vacant(settings.out)  # Run.create looks again; this spares the user the loading of a data set
    if data is None:
        data = _load(member, message, grey=trainer.grey, events=trainer.events, **data_options(settings))
    parameters = settings.parameters(data.n_in, len(data.classes))
    require_fit(trainer, parameters, settings.training() | {"epochs": settings.epochs}, data.parts, replicas)
    require(settings.training().get("device", "none"))
    return data, parameters, _initial_weights(trainer, parameters, settings.seed, settings.init_weights)


def require_fit(
    trainer: type[Trainer], parameters: Any, settings: dict, parts: Mapping[str, Part], replicas: int = 1, learns: bool = True
) -> None:
    """Raise ParameterError where a training, or answers to one split, need more memory than there is."""
    n_samples = max(len(part.labels) for part in parts.values())
    if learns:
        _require_length(trainer, settings["epochs"], len(parts["train"].labels))
    else:
        n_samples = -(-n_samples // replicas)
    n_bytes = replicas * trainer.memory(parameters, settings, n_samples, learns)
    what = "The network" if replicas == 1 else f"{replicas} networks in one simulation"
    remedy = "set fewer --hidden or --steps" + ("" if replicas == 1 else ", or fewer --replicas")
    require_memory(n_bytes, what, remedy)


def _require_length(trainer: type[Trainer], epochs: int, n_train: int) -> None:
    """Raise ParameterError where a training has more epochs, or more samples in all, than 32 bits can count."""
    if epochs * (n_train if trainer.counts_samples else 1) > LARGEST_INT:
        raise ParameterError(
            f"Parameter epochs = {epochs} gives {epochs} times {n_train} turns, but the count ends at {LARGEST_INT}; "
            "set fewer --epochs or --samples."
        )


def train(settings: TrainOptions, message: Message = print, code: Any = None, member: Member | None = None) -> Run:
    """Make a run directory and train in it. Whatever can be wrong is checked before the first epoch.

    Parameters
    ----------
    settings : TrainOptions
        Options of a system, such as `experiments.training.nbp.TrainNBP`.
    message : callable
        Called with a line of text after each epoch and before a long build.
    code : parameters of the system, optional
        Other parameters whose generated code is used, see `experiments.training.trainer.Trainer.shared_code`. The
        result does not depend on it.
    member : brianprop.experiments.training.lockstep.Member, optional
        The membership in a lockstep, if several networks are trained in one simulation.

    Raises
    ------
    ParameterError, DataError, RunError, BuildError
        One sentence that names the value, the place and the remedy.
    """
    data, parameters, weights = prepared(settings, message, member)
    run = begin(settings, data, parameters)
    with run.lock():
        run.save_checkpoint(0, weights)
        carry_on(run, data.parts, message, code=code, member=member)
    return run


def begin(settings: TrainOptions, data: Data, parameters: Any) -> Run:
    """Make the run directory of a training, without a checkpoint. `data` and `parameters` are those of `prepared`."""
    training = settings.training()
    if "codegen" in training:
        training["codegen"] = codegen_used(training["device"], training["codegen"])
    config = {
        "system": settings.system,
        "dataset": {
            "name": data.name,
            "data_dir": settings.data_dir and os.path.abspath(settings.data_dir),
            "origin": told_origin(data.origin, settings.dataset),
            "samples": len(data.parts["train"].labels),
            "validation": len(data.parts["validation"].labels),
            "test_samples": len(data.parts["test"].labels),
            "crop": data.crop,
            "binarise": stored_levels(settings.binarise),
            "steps": data.steps,
            "classes": data.classes,
            "image_shape": list(data.image_shape),
            "sha256": data.digest,
            **({"pixel_range": list(data.pixel_range)} if data.pixel_range else {}),
        },
        "parameters": as_json(parameters),
        "training": {
            "epochs": settings.epochs,
            "seed": settings.seed,
            "shuffle": settings.shuffle,
            **training,
            "init_weights": settings.init_weights and os.path.abspath(settings.init_weights),
        },
    }
    return Run.create(settings.out, config, describe())


def carry_on(
    run: Run, parts: dict[str, Part], message: Message, bar: bool = True, code: Any = None, member: Member | None = None
) -> None:
    """Train a run, which has a checkpoint and is locked, up to its last epoch.

    Parameters
    ----------
    run : Run
    parts : dict of Part
        The encoded data, by the name of the split.
    bar : bool
        Whether a terminal shows how far an epoch is.
    message, code, member
        See `train`.
    """
    trainer = trainer_of(run.system)(run.parameters(), run.config["training"], parts, message, code, member)
    with contextlib.closing(trainer):
        Training(run, trainer, message, bar).go()


def resume(
    path: Path, epochs: int | None = None, message: Message = print, code: Any = None, member: Member | None = None
) -> Run:
    """Go on with an interrupted run; with `epochs`, go on up to this number of epochs, also with a finished run.

    For `message`, `code` and `member` see `train`.

    Raises
    ------
    ParameterError
        When `epochs` is given for a run whose learning rates fall to 0 over the whole training.
    DataError, RunError, BuildError
        One sentence that names the value, the place and the remedy.
    """
    run = Run.open(path)
    with run.lock():
        trainer = trainer_of(run.system)
        parameters, settings = run.parameters(), run.config["training"]
        _require_begun(run)
        if epochs is not None and epochs != settings["epochs"]:
            if trainer.fixed_epochs(parameters):
                raise ParameterError(
                    f"Parameter epochs = {epochs!r} cannot follow on the {settings['epochs']} of {path}, over which the "
                    f"learning rates fall to 0; leave --epochs away, or train anew by 'brianprop train {run.system}'."
                )
            _require_length(trainer, epochs, run.config["dataset"]["samples"])
            run.set_epochs(epochs)
        if run.finished:
            message(f"{path} is finished: {settings['epochs']} epochs.")
            return run
        data = _load_again(run, message, member)
        require_fit(trainer, parameters, settings, data.parts)
        if not run.checkpoints:
            # killed after the directory was made and before the first checkpoint was written
            path_of_weights = settings["init_weights"]
            weights = _initial_weights(trainer, parameters, settings["seed"], path_of_weights and Path(path_of_weights))
            run.save_checkpoint(0, weights)
        carry_on(run, data.parts, message, code=code, member=member)
    return run


def evaluate(
    path: Path,
    split: str = "test",
    epoch: int | None = None,
    message: Message = print,
    device: str | None = None,
    replicas: int = 1,
    dataset: str | None = None,
    data_dir: Path | None = None,
    predictions: Path | None = None,
) -> dict[str, Any]:
    """Answer to a whole split with the final weights of a run, or with those of an epoch, without learning.

    With the final weights, on the test split and the device of the training, predictions.npz is added to a run that lacks it.

    Parameters
    ----------
    path, message
        See `resume`.
    split : {"train", "validation", "test"}
    epoch : int, optional
        Epoch of the checkpoint (default: the final weights).
    device : str, optional
        Where to simulate (default: where the run was trained).
    replicas : int
        Number of copies of the network in one simulation; each answers to a part of the images.
    dataset, data_dir : optional
        Where the data lie now (default: where they lay in the training). They must be those of the run.
    predictions : path-like, optional
        A table of the answers to each sample to write, see `experiments.training.predictions`.

    Returns
    -------
    dict
        A row as in metrics.csv, see `experiments.training.trainer.metrics_row`.

    Raises
    ------
    ParameterError
        When the run has no images of the split, or when a device or replicas are asked for and the system is not simulated.
    DataError, RunError, BuildError
        One sentence that names the value, the place and the remedy.
    """
    if predictions is not None:
        require_table(predictions := Path(predictions))
    run = Run.open(path)
    weights = run.load_weights() if epoch is None else run.load_checkpoint(epoch)[1]
    # what an older run lacks is added where the answers are those that its training would have given
    completes = split == "test" and epoch is None and device is None and replicas == 1 and run.load_predictions() is None
    parameters = run.parameters()
    part = _load_again(run, message, None, dataset, data_dir).parts[split]
    if not len(part.labels):
        raise ParameterError(f"The run {path} has no {split} images; choose another --split.")
    epoch = run.config["training"]["epochs"] if epoch is None else epoch
    settings = run.config["training"]
    if device is not None or replicas != 1:
        if "device" not in settings:
            raise ParameterError(
                f"The run {path} is of the system {run.system}, which no device simulates; leave --device and --replicas away."
            )
        if replicas < 1:
            raise ParameterError(f"Parameter replicas = {replicas!r} must be at least 1; set --replicas.")
        if replicas > len(part.labels):
            raise ParameterError(
                f"Parameter replicas = {replicas!r} exceeds the {len(part.labels)} {split} images, of which each copy answers "
                "to one at least; set a smaller --replicas."
            )
        settings |= {"device": device or settings["device"], "replicas": replicas}
    require_fit(trainer_of(run.system), parameters, settings, {split: part}, replicas, learns=False)
    trainer = trainer_of(run.system)(parameters, settings, {split: part}, message)
    with contextlib.closing(trainer):
        scores, seconds = trainer.score(weights, split, epoch)
        if predictions is not None:
            answers = trainer.images(weights, epoch, len(part.labels))  # the same answers: their noise has the same seed
            classes = run.config["dataset"]["classes"]
            write_predictions(predictions, SYSTEMS[run.system], classes, answers, [classes[label] for label in part.labels])
        if completes:
            try:
                run.save_predictions({"target": part.labels, **trainer.predict(weights, split, epoch)})
            except RunError as error:  # in a folder that cannot be written, the scores are told nevertheless
                message(str(error))
    return metrics_row(epoch, split, scores, len(part.labels), seconds)


def _load(member: Member | None, message: Message, **options) -> Data:
    """Load data by `experiments.training.data.load_data`. In a lockstep, data with the same options are loaded once."""
    if member is None:
        return load_data(message=message, **options)
    return member.shared(("data", repr(sorted(options.items()))), lambda: load_data(message=message, **options))


def _initial_weights(trainer: type[Trainer], parameters: Any, seed: int, path: Path | None) -> Weights:
    return trainer.initial_weights(parameters, seed) if path is None else read_weights(path, parameters)


def _require_begun(run: Run) -> None:
    """Raise RunError where a run was trained but its checkpoints are gone: a fresh start would overwrite its results."""
    left = [
        name
        for name in ("metrics.csv", "weights.npz", "images.npz", "predictions.npz", "raster.npz")
        if (run.path / name).exists()
    ]
    if left and not run.checkpoints:
        raise RunError(
            f"{run.path} holds {', '.join(left)} but no checkpoints, without which it cannot go on; restore the folder "
            "checkpoints from a copy, or train again with another --out."
        )


def _load_again(
    run: Run,
    message: Message = print,
    member: Member | None = None,
    dataset: str | None = None,
    data_dir: Path | None = None,
) -> Data:
    """Load the data of a run again. Raises DataError where they differ from those that it was trained with.

    Parameters
    ----------
    run, message, member
        See `resume`.
    dataset, data_dir : optional
        Where the data lie now; see `experiments.data.images.load`.
    """
    stored, file = run.config["dataset"], run.path / "config.json"
    if stored["name"] == ARRAYS:
        raise DataError(
            f"The run {run.path} was trained on arrays, which it does not hold; use 'brianprop predict' or, in Python, "
            f"brianprop.Run.open({str(run.path)!r}).classifier(), with data of yours."
        )
    if data_dir is None:
        data_dir = stored["data_dir"] and Path(stored["data_dir"])
    try:
        data = _load(
            member,
            name=dataset or stored["name"],
            data_dir=data_dir,
            grey=trainer_of(run.system).grey,
            steps=stored.get("steps"),
            events=trainer_of(run.system).events,
            message=message,
            binarise=levels_of(stored["binarise"]),
            **{name: stored[name] for name in ("samples", "validation", "test_samples", "crop")},
        )
    except ParameterError as error:
        # the remedies of the error name options of a training
        raise RunError(f"{file} does not fit its data: {str(error).rpartition(';')[0]}; {RESTORE}.") from error
    except DataError as error:
        if dataset is not None or data_dir is not None:
            raise
        raise DataError(
            f"The data that {file} names cannot be loaded: {error} 'brianprop evaluate' takes {ELSEWHERE}."
        ) from error
    parameters = run.parameters()
    if (data.n_in, len(data.classes)) != (parameters.n_in, parameters.n_out):
        raise RunError(
            f"{file} names {parameters.n_in} inputs and {parameters.n_out} outputs, but the data have "
            f"{data.n_in} pixels and {len(data.classes)} classes; {RESTORE}."
        )
    if data.digest != stored["sha256"]:
        raise DataError(
            f"The data set {dataset or stored['name']} found in {data.origin} differs from that of the run {run.path} "
            f"({stored['origin']}); restore the files, train anew, or let 'brianprop predict' answer to other images."
        )
    return data
