"""What runs on a worker of Dask: builds, and the training of points.

A point is trained in a folder that has its key as a name, which moves to its final place in one step. A worker that sees the
sweep directory works in it, and goes on there with what a killed worker left. Another worker uses its own cache and sends the
finished run.
"""

from __future__ import annotations

import dataclasses
import platform
import shutil
import traceback
import warnings
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from distributed import WorkerPlugin

from brianprop.analysis.runs.run import Run
from brianprop.analysis.sweeps.directory import SweepDirectory
from brianprop.analysis.sweeps.plan import misfit
from brianprop.analysis.sweeps.store import PointStore, has_links
from brianprop.experiments.environment import program_digest
from brianprop.experiments.sweeps.tasks import Batch, Task, builds_of
from brianprop.experiments.training.commands import resume, train
from brianprop.experiments.training.lockstep import Member, train_in_lockstep
from brianprop.experiments.training.values import as_values
from brianprop.models.cache import cache_root
from brianprop.models.errors import BrianpropError, DataError, RunError
from brianprop.models.simulation import keep_sources, simulator

__all__ = ["Outcome", "Preparation", "build", "failure_of", "run_batch", "run_point"]


@dataclass(frozen=True)
class Outcome:
    """How the training of a point ended.

    Attributes
    ----------
    failure : dict or None
        The ``reason`` of a failure, with ``traceback`` and ``host``; None after success.
    archive : bytes or None
        The packed run directory, if the worker does not see the sweep directory.
    continued : bool
        Whether the worker went on with an earlier attempt that was killed.
    """

    failure: dict[str, str] | None = None
    archive: bytes | None = None
    continued: bool = False


def build(batch: Batch) -> dict[str, str] | None:
    """Build all binaries of a batch that are not in the cache.

    Returns
    -------
    dict or None
        A failure as in `Outcome`. It fails all points that need these binaries.
    """
    try:
        _require_same_program(batch.tasks[0])
        for model, options in builds_of(batch):
            simulator(model, **options).close()
    except Exception as error:
        return failure_of(error)


def run_batch(batch: Batch, failed_build: dict[str, str] | None = None) -> list[Outcome]:
    """Train the points of a batch in one simulation; see `run_point`.

    Parameters
    ----------
    batch : Batch
    failed_build : dict, optional
        What `build` returned for these binaries.
    """
    if failed_build is not None:
        return [Outcome(failed_build)] * len(batch.tasks)
    if batch.size == 1:
        return [run_point(task) for task in batch.tasks]
    return train_in_lockstep([partial(run_point, task) for task in batch.tasks], batch.size, per_network=batch.per_network)


def run_point(task: Task, member: Member | None = None) -> Outcome:
    """Train one point, or go on with an attempt that was killed. Never raises.

    Parameters
    ----------
    task : Task
    member : Member, optional
        The membership in a lockstep, if several points are trained in one simulation.
    """
    continued = False
    try:
        _require_same_program(task)
        shared = _sees_directory(task) if task.shared is None else task.shared
        store = PointStore(task.directory if shared else cache_root() / "sweeps" / task.identity)
        # if another sweep in the same directory holds the lock, the point is finished afterwards
        with store.lock(task.key):
            if not store.finished(task.key).is_dir():
                with store.attempt(task.key) as continued:
                    _train(task, store.unfinished(task.key), member)
                    store.commit(task.key)
            if shared:
                return Outcome(continued=continued)
            archive = store.pack(task.key)
            shutil.rmtree(store.finished(task.key))
            return Outcome(archive=archive, continued=continued)
    except Exception as error:
        return Outcome(failure_of(error), continued=continued)


def failure_of(error: BaseException) -> dict[str, str]:
    """An exception as the ``failure`` of an `Outcome`."""
    reason = str(error) if isinstance(error, BrianpropError) else f"{type(error).__name__}: {error}"
    return {"reason": reason, "traceback": "".join(traceback.format_exception(error)), "host": platform.node()}


def _train(task: Task, folder: Path, member: Member | None) -> None:
    def ignore(line: str) -> None:
        pass

    if _can_be_resumed(folder, task):
        run = resume(folder, message=ignore, code=task.code, member=member)
    else:
        shutil.rmtree(folder, ignore_errors=True)
        run = train(dataclasses.replace(task.settings, out=folder), ignore, task.code, member)
    if run.config["dataset"]["sha256"] != task.data:
        shutil.rmtree(folder, ignore_errors=True)
        raise DataError(
            f"The data set {task.settings.dataset} on {platform.node()} differs from that of the sweep; put the same files "
            "there."
        )
    # only the first and the last checkpoint stay: the others need more space than all the rest of the run
    for epoch in run.checkpoints[1:-1]:
        (folder / "checkpoints" / f"epoch_{epoch:04d}.npz").unlink()


def _can_be_resumed(folder: Path, task: Task) -> bool:
    """Whether a folder holds a run of this point that is complete enough to go on with."""
    if not folder.is_dir() or has_links(folder):
        return False
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a damaged checkpoint is skipped
            run = Run.open(folder)
            run.metrics()
            if misfit(run.config, task.settings.system, as_values(task.settings), task.data):
                return False
            return not run.checkpoints or bool(run.load_checkpoint()[1])
    except RunError:
        return False


def _sees_directory(task: Task) -> bool:
    """Whether this worker sees the sweep directory, by its path and the ``id`` of its plan."""
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


class Preparation(WorkerPlugin):
    """Prepares every worker before its first task, including workers that start later or again.

    Brian2 can only be imported in the main thread of a process. Plugins are set up there, but tasks run in another thread.
    Workers therefore get the generated sources of all binaries, and only compile them.

    Parameters
    ----------
    archives : dict of bytes
        Generated sources, by their name.
    runtime : bool
        Whether to import Brian2, for points that its runtime simulates.
    """

    idempotent = True

    def __init__(self, archives: dict[str, bytes], runtime: bool):
        self.archives, self.runtime = archives, runtime

    def setup(self, worker) -> None:
        for name, archive in self.archives.items():
            keep_sources(name, archive)
        if self.runtime:
            import brian2  # noqa: F401
