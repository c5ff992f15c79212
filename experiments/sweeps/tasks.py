"""What workers are given: a `Task` for each point, and a `Batch` of tasks for each simulation.

Points are grouped so that as few binaries as possible serve all of them, see `Trainer.shared_code` in
`experiments.training.trainer`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from brianprop.analysis.sweeps.directory import SweepDirectory
from brianprop.experiments.data.dataset import Part
from brianprop.experiments.environment import program_digest
from brianprop.experiments.training.lockstep import padded
from brianprop.experiments.training.options import TrainOptions
from brianprop.experiments.training.systems import options_of, trainer_of
from brianprop.experiments.training.values import settings_of
from brianprop.models.errors import ParameterError, RunError
from brianprop.models.model import Model
from brianprop.models.simulation import silent
from brianprop.models.simulation.replicas import Replicas, common_constants

__all__ = ["Batch", "Task", "batches_of", "builds_of", "tasks_of"]


@dataclass(frozen=True)
class Task:
    """What a worker needs to know to train one point.

    Attributes
    ----------
    key : str
        Key of the point, which is also the name of its run directory.
    words : str
        The point as text, for messages.
    settings : TrainOptions
        Options of the training, with an empty path in the place of the run directory.
    parameters : parameters of the system
        Those of the network.
    code : parameters of the system
        Those whose generated code the network runs.
    data : str
        Digest of the data set.
    directory : str
        Path of the sweep directory.
    identity : str
        The ``id`` of the plan. By it a worker tells whether the directory that it sees at this path is that of the sweep.
    shared : bool or None
        Whether the worker writes into the sweep directory; None to let it find out.
    program : str
        Digest of the program, which must be the same on all workers.
    """

    key: str
    words: str
    settings: TrainOptions
    parameters: Any
    code: Any
    data: str
    directory: str
    identity: str
    shared: bool | None
    program: str

    def models(self) -> tuple[Model, ...]:
        """The models that are simulated for this point, without its data."""
        settings = self.settings
        n_in = self.parameters.n_in
        sample = Part(np.zeros((1, n_in), np.uint8), np.zeros(1, np.int64), (1, 1, n_in))
        training = {"epochs": settings.epochs, "seed": settings.seed, **settings.training()}
        trainer = trainer_of(settings.system)
        return trainer(self.parameters, training, {"train": sample}, silent, self.code).models()


@dataclass(frozen=True)
class Batch:
    """Points that are trained in one simulation.

    Attributes
    ----------
    tasks : tuple of Task
    size : int
        Number of networks that the simulation holds, at least one for each task.
    per_network : tuple of collections of str
        For each simulator, see `experiments.training.lockstep.train_in_lockstep`.
    code : str or None
        Identifies the generated code: equal for batches that run the same binaries. None if nothing is compiled.
    """

    tasks: tuple[Task, ...]
    size: int
    per_network: tuple[frozenset[str], ...]
    code: str | None


def tasks_of(directory: SweepDirectory, shared: bool | None) -> list[Task]:
    """The tasks of all points of a sweep.

    Raises
    ------
    RunError
        When the plan holds a point that cannot be run.
    """
    plan = directory.plan
    trainer, kind = trainer_of(plan["system"]), options_of(plan["system"])
    entries = {entry["key"]: entry for entry in plan["points"]}
    settings, parameters = {}, {}
    for key, entry in entries.items():
        data = plan["data"][entry["data"]]
        try:
            settings[key] = settings_of(kind, entry["settings"])
            parameters[key] = settings[key].parameters(data["n_in"], data["n_out"])
        except ParameterError as error:
            file = directory.path / "sweep.json"
            raise RunError(f"{file} holds a point that cannot be run, {directory.words(key)}: {error}") from error
    different = list(dict.fromkeys(parameters.values()))
    code = dict(zip(different, trainer.shared_code(different), strict=True))
    return [
        Task(
            key=key,
            words=directory.words(key),
            settings=settings[key],
            parameters=parameters[key],
            code=code[parameters[key]],
            data=entries[key]["data"],
            directory=str(directory.path.absolute()),
            identity=plan["id"],
            shared=shared,
            program=program_digest(),
        )
        for key in directory.keys
    ]


def batches_of(tasks: list[Task], replicas: int, wanted: Callable[[str], bool]) -> list[Batch]:
    """Divide tasks into batches for one simulation each.

    Parameters
    ----------
    tasks : list of Task
        All tasks of the sweep. They decide the generated code, so that a resumed sweep runs the same binaries.
    replicas : int
        Largest number of networks in one simulation.
    wanted : callable
        Whether the point with this key is still to be trained; the others are left out.
    """
    codes = _codes_of(tasks)
    groups: dict[tuple, list[Task]] = {}
    for task in tasks:
        alone = replicas == 1 or codes[task.key] is None
        common = "" if alone else json.dumps([common_constants(model) for model in task.models()])
        groups.setdefault((codes[task.key], task.data, common, task.key if alone else ""), []).append(task)
    batches = []
    for (code, *_), members in groups.items():
        size = min(replicas, len(members))
        # one entry for each simulator, in the order in which a system makes them
        models = () if size == 1 else zip(*(task.models() for task in members), strict=True)
        per_network = tuple(Replicas(networks).per_network for networks in models)
        left = [task for task in members if wanted(task.key)]
        identifier = code and json.dumps([code, size, [sorted(names) for names in per_network]])
        for start in range(0, len(left), size):
            batches.append(Batch(tuple(left[start : start + size]), size, per_network, identifier))
    return batches


def builds_of(batch: Batch) -> list[tuple[Model, dict[str, Any]]]:
    """The models that a batch simulates, each with the options for `models.simulation.simulator`."""
    training = batch.tasks[0].settings.training()
    options = {name: training[name] for name in ("device", "codegen")}
    if batch.size == 1:
        return [(model, options) for model in batch.tasks[0].models()]
    models = zip(*(task.models() for task in batch.tasks), strict=True)
    return [
        (Replicas(padded(networks, batch.size), per_network), options)
        for networks, per_network in zip(models, batch.per_network, strict=True)
    ]


def _codes_of(tasks: Iterable[Task]) -> dict[str, str | None]:
    """For the key of each task, a text that is equal where the generated code is; None where nothing is compiled."""
    known: dict[tuple, str | None] = {}
    codes = {}
    for task in tasks:
        training = task.settings.training()
        device, codegen = training.get("device"), training.get("codegen")
        decisive = task.code, device, codegen
        if decisive not in known:
            models = task.models() if device in ("cpp_standalone", "cuda") else ()
            structures = [device, codegen, *(model.structure() for model in models)]
            known[decisive] = json.dumps(structures, sort_keys=True) if models else None
        codes[task.key] = known[decisive]
    return codes
