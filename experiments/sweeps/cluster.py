"""Connections to the workers of a sweep: processes of this machine, a scheduler of Dask that runs already, or jobs of a queue.

Whoever can talk to a scheduler of Dask can run programs in its workers. The schedulers that are started here therefore take
TLS connections only, with a key that is made for each sweep, and serve no dashboard.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import socket
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from multiprocessing import resource_tracker
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from brianprop.experiments.sweeps.queues import (
    NO_PAGES,
    Queue,
    checked_queue,
    job_cluster,
    one_line,
    remove_keys,
    temporary_keys,
)
from brianprop.models.errors import ParameterError, RunError
from brianprop.models.simulation.scratch import Scratch

if TYPE_CHECKING:
    from distributed import LocalCluster

__all__ = ["Connection", "connected", "require_usable"]

#: A point is given up after this many deaths of its workers, since it may be the cause.
MAX_DEATHS = 4

#: Seconds to wait for the answer of a scheduler.
TIMEOUT = 10

#: What to do when certificates for a scheduler are missing.
CERTIFICATES = (
    "set DASK_DISTRIBUTED__COMM__TLS__CA_FILE, DASK_DISTRIBUTED__COMM__TLS__CLIENT__CERT and "
    "DASK_DISTRIBUTED__COMM__TLS__CLIENT__KEY to its files, or distributed.comm.tls in ~/.config/dask"
)


@dataclass(frozen=True)
class Connection:
    """A connection to the workers of a sweep.

    Attributes
    ----------
    client : distributed.Client
        Typed as Any, since its methods return values or coroutines depending on how it was made.
    local : bool
        Whether the workers are processes of this machine, started by this process.
    queue : Queue or None
        The state of the queue, if the workers are its jobs.
    """

    client: Any
    local: bool = False
    queue: Queue | None = None

    @property
    def refusal(self) -> str | None:
        """The message of the queue about the last job that it refused, if any."""
        return None if self.queue is None else self.queue.refusal


def require_usable(scheduler: str | None, workers: int | None, cluster: Mapping[str, Any]) -> None:
    """Check everything that `connected` needs, before anything is started. Parameters and errors are the same."""
    if workers is not None and workers < 1:
        raise ParameterError(f"Parameter workers = {workers!r} must be at least 1; set --workers.")
    if scheduler not in (None, "local"):
        _require_answer(scheduler)
    elif cluster and scheduler is None:
        checked_queue(cluster)
    else:
        temporary_keys()


@contextlib.contextmanager
def connected(
    scheduler: str | None, workers: int | None, cluster: Mapping[str, Any], folder: Path | None = None
) -> Iterator[Connection]:
    """Connect to the workers of a sweep for the length of a ``with`` block, starting them where necessary.

    Parameters
    ----------
    scheduler : str, optional
        Address of a scheduler that runs, such as ``tcp://host:8786`` or ``tls://host:8786``; or ``local`` for workers on this
        machine, even if `cluster` describes a queue.
    workers : int, optional
        Number of workers on this machine, each with one thread (default: one for each core).
    cluster : mapping
        The table ``cluster``, see `experiments.sweeps.queues`; empty for workers on this machine.
    folder : path-like, optional
        Folder for the keys of the connections of jobs, which the jobs must be able to read (default: the current folder).

    Raises
    ------
    ParameterError
        When the address is invalid, the queue is unknown, or there are no workers.
    RunError
        When the scheduler does not answer, or when dask-jobqueue or a program of the queue is missing or fails.
    """
    from distributed import Client
    from distributed.utils import silence_logging_cmgr

    if scheduler not in (None, "local"):
        # without the log of Dask: the loss of a scheduler is reported in one sentence
        with silence_logging_cmgr(logging.CRITICAL):
            try:
                client = Client(scheduler, timeout=TIMEOUT, set_as_default=False)
            except (OSError, ValueError, TypeError, RuntimeError) as error:
                raise RunError(
                    f"The scheduler {scheduler} does not answer ({one_line(error)}); check the address and that it is a "
                    "scheduler of Dask, or leave --scheduler away."
                ) from error
            with client:
                yield Connection(client)
        return
    if cluster and scheduler is None:
        with silence_logging_cmgr(logging.CRITICAL), contextlib.ExitStack() as stack:
            queue = Queue()
            jobs = job_cluster(cluster, folder, queue)
            stack.callback(remove_keys, jobs)
            stack.enter_context(jobs)
            stack.callback(queue.ended.set)
            yield Connection(stack.enter_context(Client(jobs, set_as_default=False)), queue=queue)
        return
    # the folder of temporary files is removed with the cluster, even if a worker was killed
    with (
        Scratch() as scratch,
        _this_machine(workers, scratch) as machine,
        Client(machine, set_as_default=False) as client,
    ):
        yield Connection(client, local=True)


def _require_answer(scheduler: str) -> None:
    """Raise an error unless `scheduler` is an address at which a scheduler of Dask answers."""
    try:
        parts = urlsplit(scheduler)
        host, port = parts.hostname, parts.port
    except ValueError:
        parts = host = port = None
    if not parts or not host or not port or parts.scheme not in ("tcp", "tls") or parts.path.strip("/"):
        raise ParameterError(f"--scheduler {scheduler} is no address; write tcp://HOST:PORT or tls://HOST:PORT, or local.")
    if parts.scheme == "tls":
        _require_certificates(scheduler)
    try:
        # fails at once where nothing listens
        socket.create_connection((host, port), timeout=TIMEOUT).close()
        kind = asyncio.run(asyncio.wait_for(_kind_of(scheduler), TIMEOUT))
    except (OSError, UnicodeError, ValueError, TypeError, RuntimeError) as error:
        raise RunError(
            f"The scheduler {scheduler} does not answer ({one_line(error)}); check the address, or leave --scheduler away."
        ) from error
    if kind != "Scheduler":
        raise RunError(f"There is a {kind} of Dask at {scheduler}, not a scheduler; give --scheduler the address of that.")


async def _kind_of(address: str) -> str:
    """The type of the Dask process that listens at an address, such as Scheduler or Worker."""
    from distributed.comm.core import connect
    from distributed.security import Security

    comm = await connect(address, timeout=TIMEOUT, **Security().get_connection_args("client"))
    try:
        await comm.write({"op": "identity", "reply": True})
        return (await comm.read())["type"]
    finally:
        comm.abort()


def _require_certificates(scheduler: str) -> None:
    from distributed.security import Security

    files = Security().get_tls_config_for_role("client")
    for name in ("ca_file", "cert", "key"):
        if not files.get(name):
            raise ParameterError(f"--scheduler {scheduler} needs certificates; {CERTIFICATES}.")
        # a value with line breaks is the certificate itself
        if "\n" not in files[name] and not os.access(files[name], os.R_OK):
            raise ParameterError(f"The certificate {files[name]} for --scheduler {scheduler} cannot be read; {CERTIFICATES}.")


@contextlib.contextmanager
def _uninterrupted_children() -> Iterator[None]:
    """Processes that are started in this block ignore Ctrl-C.

    A terminal sends it to all processes, but the sweep ends its workers itself. A Ctrl-C during the block reaches this process
    after the block.
    """
    # this helper process must exist before: when it starts, it lets Ctrl-C through again
    resource_tracker.ensure_running()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _this_machine(workers: int | None, scratch: Path) -> LocalCluster:
    """Start workers on this machine. One thread in each is enough, since simulations run in processes of their own."""
    import dask.config
    from dask.system import CPU_COUNT
    from distributed import LocalCluster

    options = NO_PAGES | {"distributed.scheduler.allowed-failures": MAX_DEATHS - 1}
    with dask.config.set(options), _uninterrupted_children():
        return LocalCluster(
            n_workers=workers or CPU_COUNT,
            threads_per_worker=1,
            memory_limit=0,
            security=temporary_keys(),
            dashboard_address="127.0.0.1:0",
            scheduler_kwargs={"dashboard": False},
            silence_logs=logging.CRITICAL,
            # without the progress bars of single runs, which would overwrite that of the sweep
            env={"TQDM_DISABLE": "1", "TMPDIR": scratch},
            local_directory=scratch,
        )
