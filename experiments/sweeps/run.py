"""Run or resume a sweep, so that finished points stay whatever is killed.

The order of work: make or open the sweep directory, set damaged runs aside, divide the points that are left into batches
(tasks.py), and give them to the workers of a cluster (distribute.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from brianprop.analysis.sweeps import SweepDirectory
from brianprop.experiments.sweeps.cluster import connected, require_usable
from brianprop.experiments.sweeps.description import Sweep
from brianprop.experiments.sweeps.distribute import distribute
from brianprop.experiments.sweeps.plan import plan_of
from brianprop.experiments.sweeps.queues import runs_programs
from brianprop.experiments.sweeps.tasks import batches_of, tasks_of
from brianprop.experiments.training.options import Message
from brianprop.models.errors import ParameterError, RunError
from brianprop.models.files import atomic_write, write_text

__all__ = ["resume_sweep", "sweep", "write_table"]


def sweep(
    described: Sweep,
    out: Path,
    scheduler: str | None = None,
    workers: int | None = None,
    shared: bool | None = None,
    message: Message = print,
    replicas: int = 1,
) -> SweepDirectory:
    """Run a sweep. Points that an earlier call has finished in the same directory are kept.

    Parameters
    ----------
    described : Sweep
    out : path-like
        Sweep directory. If it exists, it must be that of the same sweep or of a part of it.
    scheduler, workers
        See `experiments.sweeps.cluster.connected`.
    shared : bool, optional
        Whether workers write into the sweep directory (default: they do if they see it).
    message : callable
        Called with a line of text on what happens.
    replicas : int
        Number of points that a worker trains in one simulation, see `experiments.training.lockstep`. Points with different
        generated code, data or time steps are not trained in the same simulation.

    Returns
    -------
    SweepDirectory
        Its status says which points have failed.

    Raises
    ------
    ParameterError, DataError, RunError
        One sentence that names the value, the place and the remedy. Invalid input is found before the first run.
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
    """Go on with a sweep: run all points that are not finished, have failed, or are damaged.

    Parameters
    ----------
    path : path-like
        Sweep directory.
    scheduler, workers, shared, message, replicas
        See `sweep`.
    trust_cluster : bool
        Whether to use options of the queue, as stored in the directory, that can run programs. Somebody else may have written
        them, so by default they are refused.

    Raises
    ------
    ParameterError, DataError, RunError
        As `sweep` does, and when an option of the queue is refused.
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


def write_table(directory: SweepDirectory) -> list[Path]:
    """Write the table of a sweep as CSV, and as Parquet where pyarrow is installed. Returns the files."""
    frame = directory.table()
    written = [write_text(directory.path / "table.csv", frame.to_csv(index=False, lineterminator="\n"))]
    try:
        import pyarrow  # noqa: F401
    except ImportError:
        return written
    written.append(directory.path / "table.parquet")
    atomic_write(written[1], lambda file: frame.to_parquet(file, index=False))
    return written


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
    set_damaged_aside(directory, message)
    batches = batches_of(tasks_of(directory, shared), replicas, lambda key: not directory.finished(key).is_dir())
    done = len(directory.keys) - sum(len(batch.tasks) for batch in batches)
    message(f"{directory.path}: {len(directory.points)} points, {len(directory.keys)} runs, {done} of them finished.")
    if batches:
        with connected(scheduler, workers, cluster, directory.path) as connection:
            distribute(connection, directory, batches, done, message)
    if directory.status().finished:
        write_table(directory)
    return directory


def set_damaged_aside(directory: SweepDirectory, message: Message) -> None:
    """Move damaged runs out of the way, and say which runs are damaged and which were interrupted."""
    for key in directory.keys:
        if directory.finished(key).is_dir():
            with directory.lock(key):
                damage = directory.damage(key)
                if damage:
                    moved = directory.set_aside(key)
                    message(f"{directory.words(key)}: its run is damaged, since {damage}; it is now {moved}, and runs again.")
    for key in directory.status().interrupted:
        message(f"{directory.words(key)}: was interrupted; it goes on.")
