"""Where the points of a sweep run: on this machine, on a scheduler of Dask that is there, or in the jobs of a queue.

The table ``cluster`` of a sweep describes a queue::

    [cluster]
    kind = "slurm"          # a key of `KINDS`
    jobs = 20               # workers, each of one core
    memory = "2GB"          # this and all else goes to the class of dask-jobqueue
    walltime = "04:00:00"

Whoever can talk to a scheduler of Dask can run programs in its workers. The schedulers that are started here therefore take
TLS connections only, with a key that is made for each sweep, and serve no dashboard.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import re
import shlex
import shutil
import signal
import socket
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from multiprocessing import resource_tracker
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from brianprop.models.errors import ParameterError, RunError
from brianprop.models.simulation.scratch import Scratch

if TYPE_CHECKING:
    from distributed import Client

__all__ = ["KINDS", "Connection", "Queue", "connected", "job_cluster", "require_usable", "runs_programs"]

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

#: Options of a queue that only say how much of it is used. All others may name programs, commands or files.
HARMLESS = (
    *("kind", "jobs", "cores", "processes", "memory", "walltime", "queue", "account", "project"),
    *("resource_spec", "ncpus", "mem", "job_cpu", "job_mem", "disk"),
)

#: Text that is one word of a job script: no second option, no second line.
ONE_WORD = re.compile(r"(?!-)[\w.:=,+@%/-]*", re.ASCII)

#: Options of a queue that are paths.
PATHS = ("local_directory", "log_directory", "shared_temp_directory", "python")

#: A point whose workers died this often is given up: it may be what kills them.
DEATHS = 4

#: Seconds to wait for a scheduler that was named.
PATIENCE = 10

#: Seconds after which a job that the queue did not take is asked for again.
RETRY = 60

#: No pages about what runs: neither the dashboard nor any other.
NO_PAGES = {"distributed.scheduler.http.routes": [], "distributed.worker.http.routes": []}

CERTIFICATES = (
    "set DASK_DISTRIBUTED__COMM__TLS__CA_FILE, DASK_DISTRIBUTED__COMM__TLS__CLIENT__CERT and "
    "DASK_DISTRIBUTED__COMM__TLS__CLIENT__KEY to its files, or distributed.comm.tls in ~/.config/dask"
)


@dataclass(frozen=True)
class Connection:
    """Where a sweep runs.

    Attributes
    ----------
    client : distributed.Client
    local : bool
        Whether the workers are processes of this machine that were started here.
    queue : Queue or None
        Whether a queue takes jobs, where there is one.
    """

    client: Client
    local: bool = False
    queue: Queue | None = None

    @property
    def refusal(self) -> str | None:
        """What the queue said to the last job that it did not take."""
        return None if self.queue is None else self.queue.refusal


@dataclass
class Queue:
    """What there is to know of a queue while jobs are asked for.

    Attributes
    ----------
    refusal : str or None
        What it said to the last job that it did not take.
    ended : threading.Event
        Set when no more jobs are wanted.
    """

    refusal: str | None = None
    ended: threading.Event = field(default_factory=threading.Event)


def require_usable(scheduler: str | None, workers: int | None, cluster: Mapping[str, Any]) -> None:
    """Find at once what would keep `connected` from working. Its parameters and errors are those of `connected`."""
    if workers is not None and workers < 1:
        raise ParameterError(f"Parameter workers = {workers!r} must be at least 1; set --workers.")
    if scheduler not in (None, "local"):
        _require_answer(scheduler)
    elif cluster and scheduler is None:
        _queue(cluster)
    else:
        _temporary_keys()


def runs_programs(cluster: Mapping[str, Any]) -> list[str]:
    """Options of the table ``cluster`` that may run programs or write files of their author's choice."""

    def harmless(name: str, value: Any) -> bool:
        return name in HARMLESS and (isinstance(value, (int, float)) or (isinstance(value, str) and ONE_WORD.fullmatch(value)))

    return [name for name, value in cluster.items() if not harmless(name, value)]


@contextlib.contextmanager
def connected(
    scheduler: str | None, workers: int | None, cluster: Mapping[str, Any], folder: Path | None = None
) -> Iterator[Connection]:
    """A connection to the workers of a sweep, for the length of a block.

    Parameters
    ----------
    scheduler : str, optional
        Address such as ``tcp://host:8786`` or ``tls://host:8786``; ``local`` for this machine whatever `cluster` says.
    workers : int, optional
        Number of workers of this machine, of one thread each (default: one for each core).
    cluster : mapping
        The queue; empty for this machine.
    folder : path-like, optional
        Where the keys of the jobs of a queue are put, for them to read (default: the current folder).

    Raises
    ------
    ParameterError
        When an address is none, the queue is unknown or there are no workers.
    RunError
        When the scheduler does not answer, or dask-jobqueue or a program of the queue is missing or refuses.
    """
    from distributed import Client
    from distributed.utils import silence_logging_cmgr

    if scheduler not in (None, "local"):
        # a scheduler that is gone is said in one sentence, and not in pages of the log
        with silence_logging_cmgr(logging.CRITICAL):
            try:
                client = Client(scheduler, timeout=PATIENCE, set_as_default=False)
            except (OSError, ValueError, TypeError, RuntimeError) as error:
                raise RunError(
                    f"The scheduler {scheduler} does not answer ({_line(error)}); check the address and that it is a scheduler "
                    "of Dask, or leave --scheduler away."
                ) from error
            with client:
                yield Connection(client)
        return
    if cluster and scheduler is None:
        with silence_logging_cmgr(logging.CRITICAL), contextlib.ExitStack() as stack:
            queue = Queue()
            jobs = job_cluster(cluster, folder, queue)
            stack.callback(_remove_keys, jobs)
            stack.enter_context(jobs)
            stack.callback(queue.ended.set)
            yield Connection(stack.enter_context(Client(jobs, set_as_default=False)), queue=queue)
        return
    # what a killed worker leaves in its folder of temporary files goes with the cluster
    with (
        Scratch() as scratch,
        _this_machine(workers, scratch) as machine,
        Client(machine, set_as_default=False) as client,
    ):
        yield Connection(client, local=True)


def job_cluster(options: Mapping[str, Any], folder: Path | None = None, queue: Queue | None = None):
    """A cluster of dask-jobqueue with its jobs asked for.

    Parameters
    ----------
    options : mapping
        The table ``cluster``.
    folder : path-like, optional
        See `connected`.
    queue : Queue, optional
        Takes in what the queue says to jobs that it does not take; each is asked for again after `RETRY` seconds.

    Raises
    ------
    ParameterError
        When the kind is unknown or there are no jobs.
    RunError
        When dask-jobqueue or a program of the queue is missing, or refuses.
    """
    import dask

    found, kind, jobs, options = _queue(options)
    secure = options.pop("security", True)
    if not isinstance(secure, bool):
        raise ParameterError(f"[cluster]: security = {secure!r} must be true, for TLS, or false.")
    options |= {name: _expanded(options[name]) for name in PATHS if isinstance(options.get(name), str)}
    if secure:
        options |= {"security": _temporary_keys(), "shared_temp_directory": _folder_of_keys(options, folder)}
    pages = {"dashboard": False, "dashboard_address": "127.0.0.1:0"}
    options["scheduler_options"] = pages | dict(options.get("scheduler_options", {}))

    try:
        with dask.config.set(NO_PAGES):
            cluster = found(
                **{"cores": 1, "processes": 1, "memory": "2GB", "job_cls": _patient(found.job_cls, queue or Queue()), **options}
            )
        # unlike scale, adapt puts new jobs in the place of those whose time is over
        cluster.adapt(minimum_jobs=jobs, maximum_jobs=jobs)
    except Exception as error:  # whatever the queue's own programs do
        raise RunError(f"The cluster {kind} cannot be started ({_line(error)}); mend [cluster].") from error
    return cluster


def _queue(options: Mapping[str, Any]) -> tuple[type, str, int, dict[str, Any]]:
    """The class of a queue whose programs are there, its kind, the number of its jobs and all other options."""
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
    found = getattr(dask_jobqueue.local if kind == "processes" else dask_jobqueue, KINDS[kind])
    for command in (found.job_cls.submit_command, found.job_cls.cancel_command):
        if command is not None and shutil.which(shlex.split(command)[0]) is None:
            raise RunError(
                f"The program {shlex.split(command)[0]}, which [cluster] kind = {kind!r} needs, is not on this machine; run "
                "the sweep where jobs are submitted, or add --scheduler local to run it here."
            )
    return found, kind, jobs, options


def _patient(job_class: type, queue: Queue) -> type:
    """A class of jobs that ask again when the queue does not take them: an error would end all asking, with a traceback."""

    class PatientJob(job_class):
        async def start(self):
            while not queue.ended.is_set():
                try:
                    await super().start()
                    return
                except Exception as error:  # whatever the programs of the queue say
                    queue.refusal = _line(error)
                asked = time.monotonic()
                while time.monotonic() - asked < RETRY and not queue.ended.is_set():
                    await asyncio.sleep(0.1)
            self.status = Status.running  # as one that has been submitted: it can be closed

        async def close(self):
            if self.job_id is not None:
                await super().close()

    from distributed.core import Status

    return PatientJob


def _temporary_keys():
    """A key and a certificate for the connections of one sweep, kept in memory."""
    from distributed.security import Security

    try:
        return Security.temporary()
    except ImportError as error:
        raise RunError(
            "The package cryptography, which protects the workers of a sweep from other users, is not installed; use "
            "pip install cryptography."
        ) from error


def _folder_of_keys(options: Mapping[str, Any], folder: Path | None) -> str:
    """Where the jobs find their key; part of a line of their script, so without what a shell would change."""
    place = str(options.get("shared_temp_directory") or os.path.abspath(folder or "."))
    if shlex.quote(place) != place:
        raise ParameterError(
            f"The folder {place}, in which jobs would find the key of their connections, has a blank or another character of "
            "the shell in its path; set shared_temp_directory in [cluster] to another that the jobs can read."
        )
    return place


def _remove_keys(jobs: Any) -> None:
    """Remove the files with the keys of jobs, which dask-jobqueue keeps until the object is gone."""
    for file in [value for name, value in vars(jobs).items() if name in ("_job_ca_file", "_job_cert", "_job_key")]:
        file.close()


def _require_answer(scheduler: str) -> None:
    """Refuse what is no address, and an address where nothing listens."""
    try:
        parts = urlsplit(scheduler)
        host, port = parts.hostname, parts.port
    except ValueError:
        host = port = None
    if not host or not port or parts.scheme not in ("tcp", "tls") or parts.path.strip("/"):
        raise ParameterError(f"--scheduler {scheduler} is no address; write tcp://HOST:PORT or tls://HOST:PORT, or local.")
    if parts.scheme == "tls":
        _require_certificates(scheduler)
    try:
        # where nothing listens, this says so at once
        socket.create_connection((host, port), timeout=PATIENCE).close()
        kind = asyncio.run(asyncio.wait_for(_kind_of(scheduler), PATIENCE))
    except (OSError, UnicodeError, ValueError, TypeError, RuntimeError) as error:
        raise RunError(
            f"The scheduler {scheduler} does not answer ({_line(error)}); check the address, or leave --scheduler away."
        ) from error
    if kind != "Scheduler":
        raise RunError(f"There is a {kind} of Dask at {scheduler}, not a scheduler; give --scheduler the address of that.")


async def _kind_of(address: str) -> str:
    """What part of Dask listens at an address."""
    from distributed.comm import connect
    from distributed.security import Security

    comm = await connect(address, timeout=PATIENCE, **Security().get_connection_args("client"))
    try:
        await comm.write({"op": "identity", "reply": True})
        return (await comm.read())["type"]
    finally:
        comm.abort()


def _require_certificates(scheduler: str) -> None:
    from distributed.security import Security

    files = Security().get_tls_config_for_role("client")
    for what in ("ca_file", "cert", "key"):
        if not files.get(what):
            raise ParameterError(f"--scheduler {scheduler} needs certificates; {CERTIFICATES}.")
        if "\n" not in files[what] and not os.access(files[what], os.R_OK):
            raise ParameterError(f"The certificate {files[what]} for --scheduler {scheduler} cannot be read; {CERTIFICATES}.")


def _expanded(path: str) -> str:
    return os.path.expanduser(os.path.expandvars(path))


def _line(error: Exception) -> str:
    """An error of others in one line."""
    return " ".join(f"{type(error).__name__}: {error}".split())


@contextlib.contextmanager
def _uninterrupted_children() -> Iterator[None]:
    """Start processes that Ctrl-C does not reach: a terminal sends it to all, but the sweep ends its workers itself.

    What comes meanwhile reaches this process after the block.
    """
    # it would let Ctrl-C through when it is started later
    resource_tracker.ensure_running()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _this_machine(workers: int | None, scratch: Path):
    """One worker for each core, one thread in each: what a point computes runs in a process of its own anyway."""
    import dask
    from dask.system import CPU_COUNT
    from distributed import LocalCluster

    options = NO_PAGES | {"distributed.scheduler.allowed-failures": DEATHS - 1}
    with dask.config.set(options), _uninterrupted_children():
        return LocalCluster(
            n_workers=workers or CPU_COUNT,
            threads_per_worker=1,
            memory_limit=0,
            security=_temporary_keys(),
            dashboard_address="127.0.0.1:0",
            scheduler_kwargs={"dashboard": False},
            silence_logs=logging.CRITICAL,
            # the bars of single runs would overwrite that of the sweep
            env={"TQDM_DISABLE": "1", "TMPDIR": scratch},
            local_directory=scratch,
        )
