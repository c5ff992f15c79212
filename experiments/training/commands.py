"""Train, resume and evaluate: what the command line does with any system."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from brianprop.analysis.runs import Run, as_json, require_vacant
from brianprop.experiments.data import frames as event_frames
from brianprop.experiments.data import images as datasets
from brianprop.experiments.environment import describe
from brianprop.experiments.training.ann import ANNSystem
from brianprop.experiments.training.loop import (
    Data,
    Message,
    Part,
    System,
    Training,
    TrainOptions,
    dataset_name,
    load_data,
    metrics_row,
    read_weights,
)
from brianprop.experiments.training.nbp import NBPSystem
from brianprop.experiments.training.ssnn_bp import SSNNSystem
from brianprop.models.errors import DataError, ParameterError, RunError
from brianprop.models.memory import require_memory
from brianprop.models.model import Weights
from brianprop.models.parameters import LARGEST_INT
from brianprop.models.simulation import require

if TYPE_CHECKING:
    from brianprop.experiments.training.lockstep import Seat

__all__ = ["SYSTEMS", "evaluate", "prepared", "resume", "stored_levels", "train"]

#: By the name that config.json holds.
SYSTEMS: dict[str, type[System]] = {system.name: system for system in (NBPSystem, SSNNSystem, ANNSystem)}


def prepared(
    settings: TrainOptions, message: Message = print, seat: Seat | None = None, copies: int = 1
) -> tuple[Data, Any, Weights]:
    """Data, parameters and initial weights of a training, with all checks that it needs before anything is written or built.

    Parameters
    ----------
    settings, message, seat
        See `train`.
    copies : int
        Networks that are to fit into memory together.

    Raises
    ------
    ParameterError, DataError, RunError, BuildError
        One sentence that names the value, the place and the remedy.
    """
    system = SYSTEMS[settings.system]
    require_vacant(settings.out)  # Run.create looks again; this spares the user the loading of a data set
    data = _loaded(
        seat,
        name=settings.dataset,
        data_dir=settings.data_dir,
        samples=settings.samples,
        validation=settings.validation,
        test_samples=settings.test_samples,
        crop=settings.crop,
        binarise=settings.binarise,
        grey=system.grey,
        steps=settings.bins,
        events=system.events,
        message=message,
    )
    parameters = settings.parameters(data.n_in, len(data.classes))
    _require_fit(system, parameters, settings.training() | {"epochs": settings.epochs}, data.parts, copies)
    require(settings.training().get("device", "none"))
    return data, parameters, _first_weights(system, parameters, settings.seed, settings.init_weights)


def _require_fit(
    system: type[System], parameters: Any, settings: dict, parts: Mapping[str, Part], copies: int = 1, learns: bool = True
) -> None:
    """Raise a ParameterError where a training, or answers to one split, need more than there is."""
    n_samples = max(len(part.labels) for part in parts.values())
    if learns:
        _require_length(system, settings["epochs"], len(parts["train"].labels))
    else:
        n_samples = -(-n_samples // copies)
    n_bytes = copies * system.memory(parameters, settings, n_samples, learns)
    what = "The network" if copies == 1 else f"{copies} networks in one simulation"
    remedy = "set fewer --hidden or --steps" + ("" if copies == 1 else ", or fewer --replicas")
    require_memory(n_bytes, what, remedy)


def _require_length(system: type[System], epochs: int, n_train: int) -> None:
    """Raise a ParameterError where a training has more epochs, or presentations in all, than 32 bits count."""
    if epochs * (n_train if system.counts_presentations else 1) > LARGEST_INT:
        raise ParameterError(
            f"Parameter epochs = {epochs} gives {epochs} times {n_train} presentations, but the count ends at {LARGEST_INT}; "
            "set fewer --epochs or --samples."
        )


def train(settings: TrainOptions, message: Message = print, code: Any = None, seat: Seat | None = None) -> Run:
    """Make a run directory and train in it. Everything that can be wrong is checked before the first epoch.

    Parameters
    ----------
    settings : TrainOptions
        Those of a system, such as `experiments.training.nbp.TrainNBP`.
    message : callable
        Called with a line of text after each epoch and before a long build.
    code : parameters of the system, optional
        Those whose generated code is used, see `experiments.training.loop.System.shared_code`; the result is the same.
    seat : brianprop.experiments.training.lockstep.Seat, optional
        Where other networks are trained in the same simulation.

    Raises
    ------
    ParameterError, DataError, RunError, BuildError
        One sentence that names the value, the place and the remedy.
    """
    system = SYSTEMS[settings.system]
    data, parameters, weights = prepared(settings, message, seat)
    config = {
        "system": system.name,
        "dataset": {
            "name": dataset_name(settings.dataset),
            "data_dir": settings.data_dir and os.path.abspath(settings.data_dir),
            "origin": _origin(data.origin, settings.dataset),
            "samples": len(data.parts["train"].labels),
            "validation": len(data.parts["validation"].labels),
            "test_samples": len(data.parts["test"].labels),
            "crop": data.crop,
            "binarise": stored_levels(settings.binarise),
            "steps": settings.bins if event_frames.is_events(settings.dataset) else None,
            "classes": data.classes,
            "image_shape": list(data.image_shape),
            "sha256": data.digest,
        },
        "parameters": as_json(parameters),
        "training": {
            "epochs": settings.epochs,
            "seed": settings.seed,
            "shuffle": settings.shuffle,
            **settings.training(),
            "init_weights": settings.init_weights and os.path.abspath(settings.init_weights),
        },
    }
    run = Run.create(settings.out, config, describe())
    with run.lock():
        run.save_checkpoint(0, weights)
        Training(run, _system(run, data.parts, message, code, seat), message).go()
    return run


def resume(path: Path, epochs: int | None = None, message: Message = print, code: Any = None, seat: Seat | None = None) -> Run:
    """Go on with an interrupted run; with `epochs`, go on with a finished one up to that number of epochs.

    `message`, `code` and `seat` are those of `train`.

    Raises
    ------
    ParameterError
        When `epochs` differs from that of a run whose learning rates fall to 0 over the whole training.
    DataError, RunError, BuildError
        One sentence that names the value, the place and the remedy.
    """
    run = Run.open(path)
    with run.lock():
        system = SYSTEMS[run.system]
        parameters, settings = run.parameters(), run.config["training"]
        _require_begun(run)
        if epochs is not None and epochs != settings["epochs"]:
            if system.fixed_epochs(parameters):
                raise ParameterError(
                    f"Parameter epochs = {epochs!r} cannot follow on the {settings['epochs']} of {path}, over which the "
                    f"learning rates fall to 0; leave --epochs away, or train anew by 'brianprop train {system.name}'."
                )
            _require_length(system, epochs, run.config["dataset"]["samples"])
            run.set_epochs(epochs)
        if run.finished:
            message(f"{path} is finished: {settings['epochs']} epochs.")
            return run
        data = _stored_data(run, message, seat)
        _require_fit(system, parameters, settings, data.parts)
        if not run.checkpoints:
            # killed between the making of the directory and its first checkpoint
            given = settings["init_weights"]
            run.save_checkpoint(0, _first_weights(system, parameters, settings["seed"], given and Path(given)))
        Training(run, _system(run, data.parts, message, code, seat), message).go()
    return run


def evaluate(
    path: Path,
    split: str = "test",
    epoch: int | None = None,
    message: Message = print,
    device: str | None = None,
    copies: int = 1,
) -> dict:
    """Metrics of a run's final weights, or of the checkpoint of an epoch, on a whole split, without learning.

    Parameters
    ----------
    path, message
        See `resume`.
    split : {"train", "validation", "test"}
    epoch : int, optional
    device : str, optional
        Where to answer (default: where the run learned).
    copies : int
        Copies of the network in one simulation, which answer to a part of the images each.

    Raises
    ------
    ParameterError
        When the run has no images of the split, or is of no circuit and asked for copies or a device.
    DataError, RunError, BuildError
        One sentence that names the value, the place and the remedy.
    """
    run = Run.open(path)
    weights = run.load_weights() if epoch is None else run.load_checkpoint(epoch)[1]
    parameters = run.parameters()
    part = _stored_data(run, message).parts[split]
    if not len(part.labels):
        raise ParameterError(f"The run {path} has no {split} images; choose another --split.")
    epoch = run.config["training"]["epochs"] if epoch is None else epoch
    settings = run.config["training"]
    if device is not None or copies != 1:
        if "device" not in settings:
            raise ParameterError(
                f"The run {path} is of the system {run.system}, which no device simulates; leave --device and --replicas away."
            )
        if copies < 1:
            raise ParameterError(f"Parameter replicas = {copies!r} must be at least 1; set --replicas.")
        if copies > len(part.labels):
            raise ParameterError(
                f"Parameter replicas = {copies!r} exceeds the {len(part.labels)} {split} images, of which each copy answers to "
                "one at least; set a smaller --replicas."
            )
        settings |= {"device": device or settings["device"], "copies": copies}
    _require_fit(SYSTEMS[run.system], parameters, settings, {split: part}, copies, learns=False)
    system = SYSTEMS[run.system](parameters, settings, {split: part}, message)
    scores, seconds = system.score(weights, split, epoch)
    return metrics_row(epoch, split, scores, len(part.labels), seconds)


def _origin(origin: str, name: str) -> str:
    """Where data came from, without a path unless that is how they were named: a configuration may be published."""
    images = name.removeprefix(event_frames.EMULATED)
    if images not in datasets.SHA256:
        return f"a folder {images}" if Path(origin).is_absolute() and Path(images).name == images else origin
    emulated = "" if images == name else ", recorded by an emulated camera"
    return f"{images} (SHA-256 of the payloads checked){emulated}"


def stored_levels(levels: Sequence[float] | None) -> float | list[float] | None:
    """Levels as config.json holds them: a number where there is one, as before there could be several."""
    return None if levels is None else levels[0] if len(levels) == 1 else list(levels)


def _levels_of(stored: float | list[float] | None) -> Sequence[float] | None:
    return stored if stored is None or isinstance(stored, list) else (stored,)


def _system(run: Run, parts: dict, message: Message, code: Any = None, seat: Seat | None = None) -> System:
    system = SYSTEMS[run.system]
    return system(run.parameters(), run.config["training"], parts, message, code, seat)


def _loaded(seat: Seat | None, message: Message, **options) -> Data:
    """Data as `experiments.training.loop.load_data` gives them; all at one table have the same, where they ask for the same."""
    if seat is None:
        return load_data(message=message, **options)
    return seat.shared(("data", repr(sorted(options.items()))), lambda: load_data(message=message, **options))


def _first_weights(system: type[System], parameters, seed: int, path: Path | None) -> Weights:
    return system.initial_weights(parameters, seed) if path is None else read_weights(path, parameters)


def _require_begun(run: Run) -> None:
    """Raise RunError where a run was trained but its checkpoints are gone: to begin anew would overwrite what is left of it."""
    left = [name for name in ("metrics.csv", "weights.npz", "images.npz", "raster.npz") if (run.path / name).exists()]
    if left and not run.checkpoints:
        raise RunError(
            f"{run.path} holds {', '.join(left)} but no checkpoints, without which it cannot go on; restore the folder "
            "checkpoints from a copy, or train again with another --out."
        )


def _stored_data(run: Run, message: Message = print, seat: Seat | None = None) -> Data:
    """Load the data of a run again and make sure that they are the same. Raises DataError where they are not."""
    stored = run.config["dataset"]
    data = _loaded(
        seat,
        name=stored["name"],
        data_dir=stored["data_dir"] and Path(stored["data_dir"]),
        grey=SYSTEMS[run.system].grey,
        steps=stored.get("steps"),
        events=SYSTEMS[run.system].events,
        message=message,
        binarise=_levels_of(stored["binarise"]),
        **{name: stored[name] for name in ("samples", "validation", "test_samples", "crop")},
    )
    parameters = run.parameters()
    if (data.n_in, len(data.classes)) != (parameters.n_in, parameters.n_out):
        raise RunError(
            f"{run.path / 'config.json'} names {parameters.n_in} inputs and {parameters.n_out} outputs, but the data have "
            f"{data.n_in} pixels and {len(data.classes)} classes; restore it from a copy or train again with another --out."
        )
    if data.digest != stored["sha256"]:
        raise DataError(
            f"The data set {stored['name']} found in {data.origin} differs from that of the run {run.path} "
            f"({stored['origin']}); restore the files or train anew."
        )
    return data
