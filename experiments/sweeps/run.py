"""Run the points of a sweep on the workers of Dask, so that whatever is killed, what is finished stays.

Each point is trained in a folder that is named by its key and moves to its place in one step.
A worker that sees the sweep directory works in it, and goes on there with what a killed one left; another works in its cache
and sends the run. One binary serves all points that its code can run, see `experiments.training.loop.System.shared_code`.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import platform
import shutil
import threading
import time
import traceback
import warnings
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from distributed import KilledWorker, WorkerPlugin, as_completed

from brianprop.analysis.runs import Run, as_json
from brianprop.analysis.sweeps import PointStore, SweepDirectory, has_links, misfit
from brianprop.experiments.data import frames as event_frames
from brianprop.experiments.environment import program_digest
from brianprop.experiments.sweeps.cluster import Connection, connected, require_usable, runs_programs
from brianprop.experiments.sweeps.description import SETTINGS, Sweep, as_values, named_point, settings_of
from brianprop.experiments.training.commands import SYSTEMS, resume, train
from brianprop.experiments.training.lockstep import Seat, own_constants, padded, run_together
from brianprop.experiments.training.loop import Message, Part, TrainOptions, dataset_name, load_data
from brianprop.models.cache import cache_root
from brianprop.models.errors import BrianpropError, DataError, ParameterError, RunError
from brianprop.models.files import atomic_write, write_text
from brianprop.models.model import Model
from brianprop.models.simulation import is_built, keep_sources, simulator, sources
from brianprop.models.simulation.replicas import Replicas, common_constants

__all__ = ["Batch", "Outcome", "Task", "plan_of", "resume_sweep", "run_batch", "run_point", "sweep", "write_table"]

#: Options that say where something lies, and not what it is.
PLACES = ("data_dir", "init_weights")

#: Seconds without any worker of this machine after which a sweep is given up, to be resumed.
DESERTED_AFTER = 600

#: What tells the program of a worker or scheduler from another, as text: there may be nothing there that knows more.
PROBE = "__import__('brianprop.experiments.environment', fromlist=['environment']).program_digest()"

#: Seconds between two lines on how far a sweep is, for where no progress bar is shown.
SAID_EVERY = 60


@dataclass(frozen=True)
class Task:
    """What a worker needs to know of one point.

    Attributes
    ----------
    key, words : str
        Name of the run, and its place in the sweep as text.
    settings : TrainOptions
        With an empty path in the place of the run directory.
    parameters, code : parameters of the system
        Those of the network, and those whose generated code it runs.
    data : str
        Digest of the data set.
    directory, identity : str
        Path of the sweep directory, and the number that tells whether what a worker sees there is the same.
    shared : bool or None
        Whether workers are to use that directory; None if they are to find out.
    program : str
        Digest of the program.
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


@dataclass(frozen=True)
class Batch:
    """Points that are trained in one simulation.

    Attributes
    ----------
    tasks : tuple of Task
    size : int
        Networks of the simulation, at least as many.
    own : tuple of collections of str
        For each simulator, see `experiments.training.lockstep.run_together`.
    code : str or None
        What tells the generated code from another; None where there is none to build.
    """

    tasks: tuple[Task, ...]
    size: int
    own: tuple[frozenset[str], ...]
    code: str | None


@dataclass(frozen=True)
class Outcome:
    """How a point ended.

    Attributes
    ----------
    failure : dict or None
        Its ``reason`` where it failed, with ``traceback`` and ``host``.
    archive : bytes or None
        The run, where the worker has no access to the sweep directory.
    continued : bool
        Whether an earlier attempt was killed.
    """

    failure: dict[str, str] | None = None
    archive: bytes | None = None
    continued: bool = False


# ---------------------------------------------------------------------------------------------------------------------
# On the machine that starts the sweep
# ---------------------------------------------------------------------------------------------------------------------


def sweep(
    described: Sweep,
    out: Path,
    scheduler: str | None = None,
    workers: int | None = None,
    shared: bool | None = None,
    message: Message = print,
    replicas: int = 1,
) -> SweepDirectory:
    """Run a sweep; what an earlier call has finished in the same directory is kept. Bad input is found before the first run.

    Parameters
    ----------
    described : Sweep
    out : path-like
        Sweep directory: to make, or of the same sweep, or of a part of it.
    scheduler, workers
        See `experiments.sweeps.cluster.connected`.
    shared : bool, optional
        Whether workers write into the sweep directory (default: they do where they see it).
    message : callable
        Called with a line of text on what happens.
    replicas : int
        Points that a worker trains in one simulation, see `experiments.training.lockstep`; those that differ in what is
        compiled, in their data or in the steps of a presentation are apart.

    Returns
    -------
    SweepDirectory
        Points may have failed: see its status.

    Raises
    ------
    ParameterError, DataError, RunError
        One sentence that names the value, the place and the remedy.
    """
    _require_replicas(replicas)
    require_usable(scheduler, workers, described.cluster)
    directory = SweepDirectory.create(out, plan_of(described, message))
    return _run(directory, described.cluster, scheduler, workers, shared, message, replicas)


def resume_sweep(
    path: Path,
    scheduler: str | None = None,
    workers: int | None = None,
    shared: bool | None = None,
    message: Message = print,
    replicas: int = 1,
    trust_cluster: bool = False,
) -> SweepDirectory:
    """Go on with a sweep: run what is not finished, what has failed, and what is damaged. See `sweep`.

    With `trust_cluster` all options of the queue that the directory holds are used; otherwise RunError is raised where some of
    them can run programs, since the directory may come from somebody else.
    """
    _require_replicas(replicas)
    directory = SweepDirectory.open(path)
    cluster = directory.plan["sweep"]["cluster"]
    if scheduler is None and not trust_cluster and (names := runs_programs(cluster)):
        raise RunError(
            f"{directory.path / 'sweep.json'} has options of [cluster] that can run programs of its author's choice "
            f"({', '.join(map(repr, names))}); look at them and add --trust-cluster, or run it here with --scheduler local."
        )
    require_usable(scheduler, workers, cluster)
    return _run(directory, cluster, scheduler, workers, shared, message, replicas)


def plan_of(described: Sweep, message: Message = print) -> dict:
    """The plan of a sweep, for `SweepDirectory.create`: every point with its key.

    Raises
    ------
    ParameterError, DataError
        Where a point is not possible; names it.
    """
    loaded: dict[str, dict] = {}
    points, data = [], {}
    for point in described.points():
        settings = _absolute(point.settings)
        values = as_values(settings)
        found = _data_of(settings, loaded, message)
        if described.objective["split"] not in found["splits"]:
            raise ParameterError(
                f"The objective is of the split {described.objective['split']}, which the data set {settings.dataset} has not "
                f"with these options; set its split to one of {', '.join(found['splits'])}."
            )
        with named_point(point.axes):
            _parameters(settings, found)
        decides = {name: value for name, value in values.items() if name not in PLACES}
        decides |= {"system": described.system, "data": found["sha256"], "init_weights": _file_digest(settings)}
        decides["dataset"] = Path(settings.dataset).name
        key = hashlib.sha256(json.dumps(decides, sort_keys=True).encode()).hexdigest()[:16]
        points.append({"key": key, "axes": point.axes, "settings": values, "data": found["sha256"]})
        data[found["sha256"]] = found
    plan = {
        "system": described.system,
        "objective": described.objective,
        "sweep": {
            "base": described.base,
            "axes": {axis.name: {**as_json(axis), "sampled": axis.sampled} for axis in described.axes},
            "seeds": described.seeds,
            "sample": described.sample,
            "cluster": described.cluster,
        },
        "data": data,
        "points": points,
    }
    return json.loads(json.dumps(as_json(plan), default=str))


def write_table(directory: SweepDirectory) -> list[Path]:
    """Write the table of a sweep as CSV, and as Parquet where pyarrow is installed."""
    frame = directory.table()
    written = [write_text(directory.path / "table.csv", frame.to_csv(index=False, lineterminator="\n"))]
    try:
        import pyarrow  # noqa: F401
    except ImportError:
        return written
    written.append(directory.path / "table.parquet")
    atomic_write(written[1], lambda file: frame.to_parquet(file, index=False))
    return written


def _absolute(settings: TrainOptions) -> TrainOptions:
    """The same options for a worker that was started in another folder."""
    places = {name: getattr(settings, name) for name in PLACES}
    absolute = {name: place and Path(os.path.abspath(place)) for name, place in places.items()}
    return dataclasses.replace(settings, dataset=dataset_name(settings.dataset), **absolute)


def _data_of(settings: TrainOptions, loaded: dict[str, dict], message: Message) -> dict:
    """Sizes and digest of the data of a point; the data themselves are not kept."""
    system = SYSTEMS[settings.system]
    options = {
        "samples": settings.samples,
        "validation": settings.validation,
        "test_samples": settings.test_samples,
        "crop": settings.crop,
        "binarise": settings.binarise,
        "steps": settings.bins if event_frames.is_events(settings.dataset) else None,
    }
    asked = json.dumps([settings.dataset, str(settings.data_dir), options])
    if asked not in loaded:
        data = load_data(
            settings.dataset, settings.data_dir, grey=system.grey, events=system.events, message=message, **options
        )
        loaded[asked] = {
            "sha256": data.digest,
            "n_in": data.n_in,
            "n_out": len(data.classes),
            "splits": [name for name, part in data.parts.items() if len(part.labels)],
        }
    return loaded[asked]


def _parameters(settings: TrainOptions, data: Mapping[str, Any]) -> Any:
    return settings.parameters(data["n_in"], data["n_out"])


def _file_digest(settings: TrainOptions) -> str | None:
    if settings.init_weights is None:
        return None
    try:
        return hashlib.sha256(Path(settings.init_weights).read_bytes()).hexdigest()
    except OSError as error:
        raise DataError(f"--init-weights {settings.init_weights} cannot be read ({error.strerror}); give another.") from error


def _require_replicas(replicas: int) -> None:
    if replicas < 1:
        raise ParameterError(f"Parameter replicas = {replicas!r} must be at least 1; set --replicas.")


def _run(
    directory: SweepDirectory,
    cluster: Mapping[str, Any],
    scheduler: str | None,
    workers: int | None,
    shared: bool | None,
    message: Message,
    replicas: int,
) -> SweepDirectory:
    _look_over(directory, message)
    # of all points, not only of those that are left: a resumed sweep runs the same binaries
    batches = _batches(_tasks(directory, shared), replicas, lambda key: not directory.finished(key).is_dir())
    tasks = [task for batch in batches for task in batch.tasks]
    done = len(directory.keys) - len(tasks)
    message(f"{directory.path}: {len(directory.points)} points, {len(directory.keys)} runs, {done} of them finished.")
    if tasks:
        with connected(scheduler, workers, cluster, directory.path) as connection:
            _distribute(connection, directory, batches, done, message)
    if directory.status().finished:
        write_table(directory)
    return directory


def _look_over(directory: SweepDirectory, message: Message) -> None:
    """Move what is damaged out of the way, and name it and what was killed."""
    for key in directory.keys:
        if directory.finished(key).is_dir():
            with directory.lock(key):
                what = directory.damage(key)
                if what:
                    place = directory.set_aside(key)
                    message(f"{directory.words(key)}: its run is damaged, since {what}; it is now {place}, and runs again.")
    for key in directory.status().interrupted:
        message(f"{directory.words(key)}: was interrupted; it goes on.")


def _tasks(directory: SweepDirectory, shared: bool | None) -> list[Task]:
    plan = directory.plan
    system, kind = SYSTEMS[plan["system"]], SETTINGS[plan["system"]]
    entries = {entry["key"]: entry for entry in plan["points"]}
    settings, parameters = {}, {}
    for key, entry in entries.items():
        try:
            settings[key] = settings_of(kind, entry["settings"])
            parameters[key] = _parameters(settings[key], plan["data"][entry["data"]])
        except ParameterError as error:
            place = directory.path / "sweep.json"
            raise RunError(f"{place} holds a point that cannot be run, {directory.words(key)}: {error}") from error
    different = list(dict.fromkeys(parameters.values()))
    code = dict(zip(different, system.shared_code(different), strict=True))
    common = {
        "directory": str(directory.path.absolute()),
        "identity": plan["id"],
        "shared": shared,
        "program": program_digest(),
    }
    return [
        Task(key, directory.words(key), settings[key], parameters[key], code[parameters[key]], entries[key]["data"], **common)
        for key in directory.keys
    ]


def _batches(tasks: list[Task], replicas: int, wanted: Callable[[str], bool]) -> list[Batch]:
    """The wanted tasks, divided into what one simulation runs; all tasks decide its code."""
    codes = _codes_of(tasks)
    groups: dict[tuple, list[Task]] = {}
    for task in tasks:
        alone = replicas == 1 or codes[task.key] is None
        common = "" if alone else json.dumps([common_constants(model) for model in _system(task).models()])
        groups.setdefault((codes[task.key], task.data, common, task.key if alone else ""), []).append(task)
    batches = []
    for (code, *_), members in groups.items():
        size = min(replicas, len(members))
        # in the order of the simulators of a system
        own = () if size == 1 else tuple(own_constants(models) for models in zip(*_models_of(members), strict=True))
        left = [task for task in members if wanted(task.key)]
        parts = [tuple(left[start : start + size]) for start in range(0, len(left), size)]
        batches += [
            Batch(part, size, own, code and json.dumps([code, size, [sorted(names) for names in own]])) for part in parts
        ]
    return batches


def _models_of(tasks: Iterable[Task]) -> list[tuple[Model, ...]]:
    return [_system(task).models() for task in tasks]


def _distribute(connection: Connection, directory: SweepDirectory, batches: list[Batch], done: int, message: Message) -> None:
    """Run tasks on the workers of a connection until each has ended, one way or another."""
    from tqdm import tqdm

    client, local = connection.client, connection.local
    if not local:
        _await_worker(connection, message)
        _require_program(client)
    tasks = [task for batch in batches for task in batch.tasks]
    firsts = {batch.code: batch for batch in reversed(batches) if batch.code}
    runtime = any(task.settings.training().get("device", "") in ("cython", "numpy") for task in tasks)
    # workers of this machine find what is generated in the cache that they share
    archives = _sources(firsts.values(), local, message)
    plugin = None if local and not runtime else _Preparation({} if local else archives, runtime)
    if plugin:
        client.register_plugin(plugin, name=f"brianprop-{directory.plan['id']}")
    # a number that no other sweep has: Dask takes tasks of equal names for the same
    attempt = f"{directory.plan['id']}-{time.time_ns():x}"
    builds = {
        code: client.submit(build, batch, key=f"build-{number}-{attempt}", pure=False)
        for number, (code, batch) in enumerate(firsts.items())
    }
    futures = {
        client.submit(run_batch, batch, builds.get(batch.code), key=f"point-{batch.tasks[0].key}-{attempt}", pure=False): batch
        for batch in batches
    }
    report = _Report(directory, len(tasks), done, message)
    ended, deserted = threading.Event(), threading.Event()
    threading.Thread(target=_watch, args=(connection, list(futures), ended, deserted), daemon=True).start()
    try:
        with tqdm(total=done + len(tasks), initial=done, desc="sweep", unit=" points", disable=None) as bar:
            for future in as_completed(list(futures), loop=client.loop):
                batch = futures.pop(future)
                if future.status in ("cancelled", "lost"):
                    what = _deserted(connection) if deserted.is_set() else f"The scheduler {client.scheduler.address}"
                    raise RunError(
                        f"{what} is gone, with {len(tasks) - report.ended} points not finished; use 'brianprop sweep resume "
                        f"{directory.path}' to run them."
                    )
                for task, outcome in zip(batch.tasks, _outcomes(future, batch), strict=True):
                    report.take(task, outcome)
                future.release()
                bar.set_postfix(failed=report.failed)
                bar.update(len(batch.tasks))
    finally:
        ended.set()
        if client.status == "running":
            client.cancel(list(futures))
            if plugin:
                client.unregister_worker_plugin(f"brianprop-{directory.plan['id']}")


def _await_worker(connection: Connection, message: Message) -> None:
    """Wait until there is a worker. Raises RunError where none will come."""
    client, said = connection.client, False
    while not client.scheduler_info(n_workers=-1)["workers"]:
        if connection.refusal:
            raise RunError(f"The queue does not take a job ({connection.refusal}); mend [cluster].")
        if client.status != "running":
            raise RunError(f"The scheduler {client.scheduler.address} is gone; start it again.")
        if not said:
            message("Waiting for the first worker ...")
            said = True
        time.sleep(0.1)


def _require_program(client) -> None:
    """Make sure that the scheduler and the workers that are there can run points, before they get any."""
    found = client.run(eval, PROBE, on_error="return")
    try:
        found["the scheduler"] = client.run_on_scheduler(eval, PROBE)
    except Exception as error:  # whatever it says instead
        found["the scheduler"] = error
    for address, what in found.items():
        who = address if address == "the scheduler" else f"The worker {address}"
        who = f"{who[0].upper()}{who[1:]}"
        if isinstance(what, OSError):
            continue  # it has gone meanwhile, which Dask sees too
        if isinstance(what, Exception):
            raise RunError(
                f"{who} cannot import brianprop ({type(what).__name__}: {what}); install the same version there, in the "
                "environment that Dask runs in."
            ) from what
        if what != program_digest():
            raise RunError(f"{who} runs another version of brianprop than this sweep; install the same on all machines.")


def _watch(connection: Connection, futures: list, ended: threading.Event, deserted: threading.Event) -> None:
    """Cancel everything when no worker has been there for long and none will come: Dask does not always start a new one after a
    death, and a queue may refuse jobs. On a scheduler of others workers may come at any time."""
    seen, client = time.monotonic(), connection.client
    while not ended.wait(DESERTED_AFTER / 10):
        if client.scheduler_info(n_workers=-1)["workers"]:
            seen = time.monotonic()
        elif time.monotonic() - seen > DESERTED_AFTER and (connection.local or connection.refusal):
            deserted.set()
            client.cancel(futures)
            return


def _deserted(connection: Connection) -> str:
    if connection.local:
        return "Every worker of this machine"
    return f"Every job of the queue, which refuses others ({connection.refusal}),"


class _Report:
    """Takes in how points ended, and says so."""

    def __init__(self, directory: SweepDirectory, total: int, done: int, message: Message):
        self.directory, self.total, self.before, self.message = directory, total, done, message
        self.ended = self.failed = 0
        self.first = self.said = time.monotonic()

    def take(self, task: Task, outcome: Outcome) -> None:
        directory, failure = self.directory, outcome.failure
        try:
            if outcome.archive is not None:
                with directory.lock(task.key):
                    if not directory.finished(task.key).is_dir():
                        directory.take(task.key, outcome.archive)
        except BrianpropError as error:
            failure = {"reason": str(error), "host": platform.node()}
        self.ended += 1
        now = time.monotonic()
        if self.ended == 1:
            self.first = now  # what came before it was mostly building
        if outcome.continued:
            self.message(f"{task.words}: an earlier attempt was killed; it went on from there.")
        if failure is None:
            directory.forget_failure(task.key)
        else:
            self.failed += 1
            self.message(f"{task.words}: failed. {failure['reason']}")
            try:
                directory.record_failure(task.key, failure)
            except BrianpropError as error:  # a full disk must not end the sweep
                self.message(str(error))
        left = self.total - self.ended
        if self.ended > 1 and now - self.said > SAID_EVERY and left:
            self.said, minutes = now, (now - self.first) / (self.ended - 1) * left / 60
            done = self.before + self.ended - self.failed
            self.message(f"{done} runs finished, {self.failed} failed, {left} to come in about {minutes:.1f} minutes.")


def _outcomes(future, batch: Batch) -> list[Outcome]:
    """What the tasks of a batch gave, or what Dask says of it."""
    try:
        return future.result()
    except KilledWorker as error:
        failure = {
            "reason": f"Its worker died each time, last at {error.last_worker.address}; if memory was short there, run "
            "fewer workers (--workers), else look into the log of the machine.",
            "host": str(error.last_worker.address),
        }
    except ModuleNotFoundError as error:
        failure = _failure(error)
        failure["reason"] = f"A worker that came later cannot import brianprop ({error}); install the same version there."
    except Exception as error:
        failure = _failure(error)
    return [Outcome(failure)] * len(batch.tasks)


# ---------------------------------------------------------------------------------------------------------------------
# On a worker
# ---------------------------------------------------------------------------------------------------------------------


def build(batch: Batch) -> dict[str, str] | None:
    """Build all that points need, where it is not in the cache; a failure as in `Outcome`, which fails all such points."""
    try:
        _require_same_program(batch.tasks[0])
        for model, options in _built(batch):
            simulator(model, **options).close()
    except Exception as error:
        return _failure(error)


def run_batch(batch: Batch, built: dict[str, str] | None = None) -> list[Outcome]:
    """Train points in one simulation; see `run_point`. `built` says how its build failed, if it did."""
    if built is not None:
        return [Outcome(built)] * len(batch.tasks)
    if batch.size == 1:
        return [run_point(task) for task in batch.tasks]
    return run_together([partial(run_point, task) for task in batch.tasks], batch.size, own=batch.own)


def run_point(task: Task, seat: Seat | None = None) -> Outcome:
    """Train one point, or go on with it where an attempt was killed; never raises.

    Parameters
    ----------
    task : Task
    seat : Seat, optional
        Where others are trained in the same simulation.
    """
    continued = False
    try:
        _require_same_program(task)
        shared = _sees_directory(task) if task.shared is None else task.shared
        store = PointStore(task.directory if shared else cache_root() / "sweeps" / task.identity)
        with store.lock(task.key):  # held by another sweep on the same directory, it is finished afterwards
            if not store.finished(task.key).is_dir():
                with store.attempt(task.key) as continued:
                    _train(task, store.unfinished(task.key), seat)
                    store.commit(task.key)
            if shared:
                return Outcome(continued=continued)
            archive = store.pack(task.key)
            shutil.rmtree(store.finished(task.key))
            return Outcome(archive=archive, continued=continued)
    except Exception as error:
        return Outcome(_failure(error), continued=continued)


def _train(task: Task, folder: Path, seat: Seat | None) -> None:
    def silent(line: str) -> None:
        pass

    if _can_go_on(folder, task):
        run = resume(folder, message=silent, code=task.code, seat=seat)
    else:
        shutil.rmtree(folder, ignore_errors=True)
        run = train(dataclasses.replace(task.settings, out=folder), silent, task.code, seat)
    if run.config["dataset"]["sha256"] != task.data:
        shutil.rmtree(folder, ignore_errors=True)
        raise DataError(
            f"The data set {task.settings.dataset} on {platform.node()} differs from that of the sweep; put the same files "
            "there."
        )
    # the states between the first and the last weigh more than all the rest
    for epoch in run.checkpoints[1:-1]:
        (folder / "checkpoints" / f"epoch_{epoch:04d}.npz").unlink()


def _can_go_on(folder: Path, task: Task) -> bool:
    """Whether a run directory is there, is that of this point, and is whole enough to go on with."""
    if not folder.is_dir() or has_links(folder):
        return False
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a damaged checkpoint is passed over
            run = Run.open(folder)
            run.metrics()
            if misfit(run.config, task.settings.system, as_values(task.settings), task.data):
                return False
            return not run.checkpoints or bool(run.load_checkpoint()[1])
    except RunError:
        return False


def _sees_directory(task: Task) -> bool:
    try:
        return SweepDirectory.open(task.directory).plan["id"] == task.identity
    except RunError:
        return False


def _require_same_program(task: Task) -> None:
    if program_digest() != task.program:
        raise RunError(
            f"The worker on {platform.node()} runs another version of brianprop than the sweep; install the same on all "
            "machines."
        )


def _failure(error: BaseException) -> dict[str, str]:
    reason = str(error) if isinstance(error, BrianpropError) else f"{type(error).__name__}: {error}"
    return {"reason": reason, "traceback": "".join(traceback.format_exception(error)), "host": platform.node()}


def _system(task: Task):
    """The system of a task, with data that suffice to build it."""
    settings = task.settings
    parts = {"train": Part(np.zeros((1, task.parameters.n_in), np.uint8), np.zeros(1, np.int64), (1, 1, task.parameters.n_in))}
    training = {"epochs": settings.epochs, "seed": settings.seed, **settings.training()}
    return SYSTEMS[settings.system](task.parameters, training, parts, lambda line: None, task.code)


def _codes_of(tasks: Iterable[Task]) -> dict[str, str | None]:
    """By the key of each task, what tells its generated code from another; None where there is none to build."""
    found: dict[tuple, str | None] = {}
    codes = {}
    for task in tasks:
        training = task.settings.training()
        decides = task.code, training.get("device"), training.get("codegen")
        if decides not in found:
            models = _system(task).models() if decides[1] in ("cpp_standalone", "cuda") else ()
            structures = [training.get("device"), training.get("codegen"), *(model.structure() for model in models)]
            found[decides] = json.dumps(structures, sort_keys=True) if models else None
        codes[task.key] = found[decides]
    return codes


def _built(batch: Batch) -> list[tuple[Model, dict[str, str]]]:
    """The models that a batch runs, with the options of `models.simulation.simulator`."""
    training = batch.tasks[0].settings.training()
    options = {name: training[name] for name in ("device", "codegen")}
    if batch.size == 1:
        return [(model, options) for model in _models_of(batch.tasks[:1])[0]]
    several = zip(*_models_of(batch.tasks), strict=True)
    return [(Replicas(padded(models, batch.size), own), options) for models, own in zip(several, batch.own, strict=True)]


def _sources(batches: Iterable[Batch], local: bool, message: Message) -> dict[str, bytes]:
    """The generated sources of batches by their name; for workers of this machine only of what is not built."""
    wanted = [(model, options) for batch in batches for model, options in _built(batch)]
    return dict(
        sources(model, **options, message=message) for model, options in wanted if not (local and is_built(model, **options))
    )


class _Preparation(WorkerPlugin):
    """Brings generated sources to every worker, also to those that come later or again.

    Brian2 can only be imported in the main thread, in which plugins are set up and tasks are not: workers get generated
    sources, and Brian2 itself only where its runtime is what runs (`runtime`).
    """

    idempotent = True

    def __init__(self, archives: dict[str, bytes], runtime: bool):
        self.archives, self.runtime = archives, runtime

    def setup(self, worker) -> None:
        for name, archive in self.archives.items():
            keep_sources(name, archive)
        if self.runtime:
            import brian2  # noqa: F401
