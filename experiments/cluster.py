"""Where the points of a sweep run: on this machine, on a scheduler of Dask that is there, or in the jobs of a queue.

The table ``cluster`` of a sweep describes a queue::

    [cluster]
    kind = "slurm"          # a key of `KINDS`
    jobs = 20               # workers, each of one core
    memory = "2GB"          # this and all else goes to the class of dask-jobqueue
    walltime = "04:00:00"
"""

from __future__ import annotations

import contextlib
import logging
import tempfile
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from models.errors import ParameterError, RunError

if TYPE_CHECKING:
    from distributed import Client

__all__ = ["KINDS", "connected", "job_cluster"]

#: Classes of dask-jobqueue by the name of their queue; "processes" stands for jobs that are processes of this machine.
KINDS = {
    "htcondor": "HTCondorCluster",
    "lsf": "LSFCluster",
    "moab": "MoabCluster",
    "oar": "OARCluster",
    "pbs": "PBSCluster",
    "processes": "LocalCluster",
    "sge": "SGECluster",
    "slurm": "SLURMCluster",
}

#: A point whose workers died this often is given up: it may be what kills them.
DEATHS = 4

#: Seconds to wait for a scheduler that was named.
PATIENCE = 20


@contextlib.contextmanager
def connected(scheduler: str | None, workers: int | None, cluster: Mapping[str, Any]) -> Iterator[tuple[Client, bool]]:
    """A client of Dask, for the length of a block, and whether its workers are processes of this machine.

    Parameters
    ----------
    scheduler : str, optional
        Address such as ``tcp://host:8786``; ``local`` for this machine whatever `cluster` says.
    workers : int, optional
        Number of workers of this machine, of one thread each (default: one for each core).
    cluster : mapping
        The queue; empty for this machine.

    Raises
    ------
    ParameterError
        When the queue is unknown or there are no workers.
    RunError
        When the scheduler does not answer, or dask-jobqueue is missing or refuses.
    """
    from distributed import Client
    from distributed.utils import silence_logging_cmgr

    if workers is not None and workers < 1:
        raise ParameterError(f"Parameter workers = {workers!r} must be at least 1; set --workers.")
    if scheduler not in (None, "local"):
        try:
            client = Client(scheduler, timeout=PATIENCE, set_as_default=False)
        except (OSError, ValueError, TypeError) as error:
            raise RunError(
                f"The scheduler {scheduler} does not answer ({_line(error)}); check the address, or leave --scheduler away."
            ) from error
        # a scheduler that is gone is said in one sentence, and not in pages of the log
        with silence_logging_cmgr(logging.CRITICAL), client:
            yield client, False
        return
    if cluster and scheduler is None:
        with job_cluster(cluster) as jobs, Client(jobs, set_as_default=False) as client:
            yield client, False
        return
    # what a killed worker leaves in its folder of temporary files goes with the cluster
    with (
        tempfile.TemporaryDirectory(prefix="brianprop-sweep-", ignore_cleanup_errors=True) as scratch,
        _this_machine(workers, scratch) as machine,
        Client(machine, set_as_default=False) as client,
    ):
        yield client, True


def job_cluster(options: Mapping[str, Any]):
    """A cluster of dask-jobqueue with its jobs asked for.

    Raises
    ------
    ParameterError
        When the kind is unknown or there are no jobs.
    RunError
        When dask-jobqueue is missing or refuses.
    """
    options = dict(options)
    kind, jobs = options.pop("kind", None), options.pop("jobs", None)
    if kind not in KINDS:
        raise ParameterError(f"[cluster]: kind = {kind!r} is unknown; use one of {', '.join(KINDS)}.")
    if not isinstance(jobs, int) or isinstance(jobs, bool) or jobs < 1:
        raise ParameterError(f"[cluster]: jobs = {jobs!r} must be a whole number from 1.")
    try:
        import dask_jobqueue
        import dask_jobqueue.local
    except ImportError as error:
        raise RunError("dask-jobqueue is not installed; use pip install 'brianprop[distributed]'.") from error
    found = getattr(dask_jobqueue.local if kind == "processes" else dask_jobqueue, KINDS[kind])
    try:
        cluster = found(**{"cores": 1, "processes": 1, "memory": "2GB", **options})
        # unlike scale, adapt puts new jobs in the place of those whose time is over
        cluster.adapt(minimum_jobs=jobs, maximum_jobs=jobs)
    except Exception as error:  # whatever the queue's own programs do
        raise RunError(f"The cluster {kind} cannot be started ({_line(error)}); mend [cluster].") from error
    return cluster


def _line(error: Exception) -> str:
    """An error of others in one line."""
    return " ".join(f"{type(error).__name__}: {error}".split())


def _this_machine(workers: int | None, scratch: str):
    """One worker for each core, one thread in each: what a point computes runs in a process of its own anyway."""
    import dask
    from dask.system import CPU_COUNT
    from distributed import LocalCluster

    with dask.config.set({"distributed.scheduler.allowed-failures": DEATHS - 1}):
        return LocalCluster(
            n_workers=workers or CPU_COUNT,
            threads_per_worker=1,
            memory_limit=0,
            dashboard_address="127.0.0.1:0",
            silence_logs=logging.CRITICAL,
            # the bars of single runs would overwrite that of the sweep
            env={"TQDM_DISABLE": "1", "TMPDIR": scratch},
            local_directory=scratch,
        )
