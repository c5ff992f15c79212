"""Workers in the jobs of a queue such as Slurm, started by dask-jobqueue.

The table ``cluster`` of a sweep describes the queue::

    [cluster]
    kind = "slurm"          # a key of `KINDS`
    jobs = 20               # number of jobs, each with one worker on one core
    memory = "2GB"          # this and all further options go to the class of dask-jobqueue
    walltime = "04:00:00"
"""

from __future__ import annotations

import asyncio
import os
import re
import shlex
import shutil
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from brianprop.models.errors import ParameterError, RunError

if TYPE_CHECKING:
    from distributed.security import Security

__all__ = [
    "KINDS",
    "NO_PAGES",
    "Queue",
    "checked_queue",
    "job_cluster",
    "one_line",
    "remove_keys",
    "runs_programs",
    "temporary_keys",
]

#: Classes of dask-jobqueue by the name of the queue. The jobs of "processes" are processes of this machine.
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

#: Options of a queue that only say how much of it is used. Any other may name programs, commands or files.
HARMLESS = (
    *("kind", "jobs", "cores", "processes", "memory", "walltime", "queue", "account", "project"),
    *("resource_spec", "ncpus", "mem", "job_cpu", "job_mem", "disk"),
)

#: Text that stays one word of a job script: it can add neither an option nor a line.
ONE_WORD = re.compile(r"(?!-)[\w.:=,+@%/-]*", re.ASCII)

#: Options of a queue that are paths.
PATHS = ("local_directory", "log_directory", "shared_temp_directory", "python")

#: Seconds after which a job that the queue refused is submitted again.
RETRY = 60

#: Configuration of Dask: schedulers and workers serve no web pages, neither the dashboard nor any other.
NO_PAGES = {"distributed.scheduler.http.routes": [], "distributed.worker.http.routes": []}


@dataclass
class Queue:
    """The state of a queue while jobs are submitted.

    Attributes
    ----------
    refusal : str or None
        The error message of the last job that the queue refused.
    ended : threading.Event
        Set when no more jobs are wanted.
    """

    refusal: str | None = None
    ended: threading.Event = field(default_factory=threading.Event)


def runs_programs(cluster: Mapping[str, Any]) -> list[str]:
    """Names of the options in the table ``cluster`` by which its author can run programs or write files."""

    def harmless(name: str, value: Any) -> bool:
        is_word = isinstance(value, str) and ONE_WORD.fullmatch(value) is not None
        return name in HARMLESS and (isinstance(value, (int, float)) or is_word)

    return [name for name, value in cluster.items() if not harmless(name, value)]


def job_cluster(options: Mapping[str, Any], folder: Path | None = None, queue: Queue | None = None) -> Any:
    """Start a cluster of dask-jobqueue and submit its jobs.

    Parameters
    ----------
    options : mapping
        The table ``cluster``.
    folder : path-like, optional
        Folder for the keys of the connections, which the jobs must be able to read (default: the current folder).
    queue : Queue, optional
        Takes in the messages of the queue. A job that it refuses is submitted again after `RETRY` seconds.

    Raises
    ------
    ParameterError
        When the kind is unknown or there are no jobs.
    RunError
        When dask-jobqueue or a program of the queue is missing, or refuses.
    """
    import dask.config

    cluster_class, kind, jobs, options = checked_queue(options)
    secure = options.pop("security", True)
    if not isinstance(secure, bool):
        raise ParameterError(f"[cluster]: security = {secure!r} must be true, for TLS, or false.")
    options |= {name: _expanded(options[name]) for name in PATHS if isinstance(options.get(name), str)}
    if secure:
        options |= {"security": temporary_keys(), "shared_temp_directory": _folder_of_keys(options, folder)}
    pages = {"dashboard": False, "dashboard_address": "127.0.0.1:0"}
    options["scheduler_options"] = pages | dict(options.get("scheduler_options", {}))

    try:
        with dask.config.set(NO_PAGES):
            defaults = {"cores": 1, "processes": 1, "memory": "2GB"}
            cluster = cluster_class(**defaults | {"job_cls": _patient(cluster_class.job_cls, queue or Queue())} | options)
        # unlike scale, adapt submits a new job when the time of another is over
        cluster.adapt(minimum_jobs=jobs, maximum_jobs=jobs)
    except Exception as error:  # of any kind: it comes from the programs of the queue
        raise RunError(f"The cluster {kind} cannot be started ({one_line(error)}); mend [cluster].") from error
    return cluster


def checked_queue(options: Mapping[str, Any]) -> tuple[Any, str, int, dict[str, Any]]:
    """Check the table ``cluster``, and that the programs of the queue are installed.

    Returns
    -------
    class, str, int, dict
        The class of dask-jobqueue, the kind of the queue, the number of jobs, and all other options.

    Raises
    ------
    ParameterError
        When the kind is unknown or there are no jobs.
    RunError
        When dask-jobqueue or a program of the queue is not installed.
    """
    options = dict(options)
    kind, jobs = options.pop("kind", None), options.pop("jobs", None)
    if not isinstance(kind, str) or kind not in KINDS:
        raise ParameterError(f"[cluster]: kind = {kind!r} is unknown; use one of {', '.join(KINDS)}.")
    if not isinstance(jobs, int) or isinstance(jobs, bool) or jobs < 1:
        raise ParameterError(f"[cluster]: jobs = {jobs!r} must be a whole number from 1.")
    try:
        import dask_jobqueue
        import dask_jobqueue.local
    except ImportError as error:
        raise RunError("dask-jobqueue is not installed; use pip install 'brianprop[distributed]'.") from error
    cluster_class = getattr(dask_jobqueue.local if kind == "processes" else dask_jobqueue, KINDS[kind])
    for command in (cluster_class.job_cls.submit_command, cluster_class.job_cls.cancel_command):
        if command is not None and shutil.which(shlex.split(command)[0]) is None:
            raise RunError(
                f"The program {shlex.split(command)[0]}, which [cluster] kind = {kind!r} needs, is not on this machine; run "
                "the sweep where jobs are submitted, or add --scheduler local to run it here."
            )
    return cluster_class, kind, jobs, options


def _patient(job_class: Any, queue: Queue) -> type:
    """A class of jobs that are submitted again when the queue refuses them. By default an error would end all submissions."""

    class PatientJob(job_class):
        async def start(self):
            while not queue.ended.is_set():
                try:
                    await super().start()
                    return
                except Exception as error:  # of any kind: it comes from the programs of the queue
                    queue.refusal = one_line(error)
                refused = time.monotonic()
                while time.monotonic() - refused < RETRY and not queue.ended.is_set():
                    await asyncio.sleep(0.1)
            self.status = Status.running  # like a submitted job, so that it can be closed

        async def close(self):
            if self.job_id is not None:
                await super().close()

    from distributed.core import Status

    return PatientJob


def temporary_keys() -> Security:
    """Make a key and a certificate for the connections of one sweep. They are kept in memory."""
    from distributed.security import Security

    try:
        return Security.temporary()
    except ImportError as error:
        raise RunError(
            "The package cryptography, which protects the workers of a sweep from other users, is not installed; use "
            "pip install cryptography."
        ) from error


def _folder_of_keys(options: Mapping[str, Any], folder: Path | None) -> str:
    """Folder where jobs find their key. It becomes a word of their script, so a path that a shell would alter is refused."""
    path = str(options.get("shared_temp_directory") or os.path.abspath(folder or "."))
    if shlex.quote(path) != path:
        raise ParameterError(
            f"The folder {path}, in which jobs would find the key of their connections, has a blank or another character of "
            "the shell in its path; set shared_temp_directory in [cluster] to another that the jobs can read."
        )
    return path


def remove_keys(jobs: Any) -> None:
    """Remove the files with the keys of jobs. By itself dask-jobqueue keeps them as long as the object exists."""
    for file in [value for name, value in vars(jobs).items() if name in ("_job_ca_file", "_job_cert", "_job_key")]:
        file.close()


def _expanded(path: str) -> str:
    return os.path.expanduser(os.path.expandvars(path))


def one_line(error: Exception) -> str:
    """The type and message of an error, as one line."""
    return " ".join(f"{type(error).__name__}: {error}".split())
