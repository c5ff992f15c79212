"""Give the batches of a sweep to the workers of Dask, and take in what comes back."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from distributed import KilledWorker, as_completed

from brianprop.analysis.sweeps.directory import SweepDirectory
from brianprop.experiments.environment import program_digest
from brianprop.experiments.sweeps.cluster import Connection
from brianprop.experiments.sweeps.progress import Progress
from brianprop.experiments.sweeps.tasks import Batch, builds_of
from brianprop.experiments.sweeps.worker import Outcome, Preparation, build, failure_of, run_batch
from brianprop.experiments.training.options import Message
from brianprop.models.errors import RunError
from brianprop.models.simulation import is_built, sources

if TYPE_CHECKING:
    from distributed import Future

__all__ = ["distribute"]

#: Seconds without any worker after which a sweep is given up if no worker can be expected. It can be resumed.
DESERTED_AFTER = 600

#: An expression that gives the digest of the program. Workers and schedulers evaluate it as text, since they may not have
#: brianprop at all.
PROBE = "__import__('brianprop.experiments.environment', fromlist=['environment']).program_digest()"


def distribute(connection: Connection, directory: SweepDirectory, batches: list[Batch], done: int, message: Message) -> None:
    """Run batches on the workers of a connection until each point is finished or has failed.

    Parameters
    ----------
    connection : Connection
    directory : SweepDirectory
    batches : list of Batch
    done : int
        Number of points that were finished before.
    message : callable
        Called with a line of text on what happens.

    Raises
    ------
    RunError
        When the workers cannot run the points, or the scheduler or all workers are gone.
    """
    from tqdm import tqdm

    client, local = connection.client, connection.local
    if not local:
        _await_worker(connection, message)
        _require_program(client)
    tasks = [task for batch in batches for task in batch.tasks]
    # for each binary, one batch that needs it
    firsts = {batch.code: batch for batch in reversed(batches) if batch.code}
    runtime = any(task.settings.training().get("device", "") in ("cython", "numpy") for task in tasks)
    # workers of this machine find the generated sources in the cache that they share with this process
    archives = sources_of(firsts.values(), local, message)
    plugin = None if local and not runtime else Preparation({} if local else archives, runtime)
    if plugin:
        client.register_plugin(plugin, name=f"brianprop-{directory.plan['id']}")
    # Dask takes tasks of equal keys for the same task, so the keys contain an identifier of this call
    attempt = f"{directory.plan['id']}-{time.time_ns():x}"
    builds: dict[str | None, Future] = {
        code: client.submit(build, batch, key=f"build-{number}-{attempt}", pure=False)
        for number, (code, batch) in enumerate(firsts.items())
    }
    futures = {
        client.submit(run_batch, batch, builds.get(batch.code), key=f"point-{batch.tasks[0].key}-{attempt}", pure=False): batch
        for batch in batches
    }
    progress = Progress(directory, len(tasks), done, message)
    ended, deserted = threading.Event(), threading.Event()
    threading.Thread(target=_watch, args=(connection, list(futures), ended, deserted), daemon=True).start()
    try:
        with tqdm(total=done + len(tasks), initial=done, desc="sweep", unit=" points", disable=None) as bar:
            for future in as_completed(list(futures), loop=client.loop):
                batch = futures.pop(future)
                if future.status in ("cancelled", "lost"):
                    gone = _workers_of(connection) if deserted.is_set() else f"The scheduler {client.scheduler.address}"
                    raise RunError(
                        f"{gone} is gone, with {len(tasks) - progress.ended} points not finished; use 'brianprop sweep resume "
                        f"{directory.path}' to run them."
                    )
                for task, outcome in zip(batch.tasks, outcomes_of(future, batch), strict=True):
                    progress.take(task, outcome)
                future.release()
                bar.set_postfix(failed=progress.failed)
                bar.update(len(batch.tasks))
    finally:
        ended.set()
        if client.status == "running":
            client.cancel(list(futures))
            if plugin:
                client.unregister_worker_plugin(f"brianprop-{directory.plan['id']}")


def sources_of(batches: Iterable[Batch], local: bool, message: Message) -> dict[str, bytes]:
    """Generate the sources of all binaries of some batches.

    Parameters
    ----------
    batches : iterable of Batch
    local : bool
        Whether the workers are processes of this machine. Binaries that are in its cache are then left out.
    message : callable
        Called with a line of text before sources are generated.

    Returns
    -------
    dict of bytes
        Archives of the sources, by their name.
    """
    return dict(
        sources(model, **options, message=message)
        for batch in batches
        for model, options in builds_of(batch)
        if not (local and is_built(model, **options))
    )


def outcomes_of(future: Future, batch: Batch) -> list[Outcome]:
    """The outcomes of the tasks of a batch. An error of Dask or of the worker fails all of them."""
    try:
        return future.result()
    except KilledWorker as error:
        address = str(getattr(error.last_worker, "address", None))
        failure = {
            "reason": f"Its worker died each time, last at {address}; if memory was short there, run "
            "fewer workers (--workers), else look into the log of the machine.",
            "host": address,
        }
    except ModuleNotFoundError as error:
        failure = failure_of(error)
        failure["reason"] = f"A worker that came later cannot import brianprop ({error}); install the same version there."
    except Exception as error:
        failure = failure_of(error)
    return [Outcome(failure)] * len(batch.tasks)


def _await_worker(connection: Connection, message: Message) -> None:
    """Wait for the first worker. Raises RunError where none can be expected."""
    client, told = connection.client, False
    while not client.scheduler_info(n_workers=-1)["workers"]:
        if connection.refusal:
            raise RunError(f"The queue does not take a job ({connection.refusal}); mend [cluster].")
        if client.status != "running":
            raise RunError(f"The scheduler {client.scheduler.address} is gone; start it again.")
        if not told:
            message("Waiting for the first worker ...")
            told = True
        time.sleep(0.1)


def _require_program(client: Any) -> None:
    """Raise RunError unless the scheduler and all present workers have the same program as this process."""
    digests = client.run(eval, PROBE, on_error="return")
    try:
        digests["the scheduler"] = client.run_on_scheduler(eval, PROBE)
    except Exception as error:  # of any kind: it comes from the other process
        digests["the scheduler"] = error
    for address, digest in digests.items():
        who = "The scheduler" if address == "the scheduler" else f"The worker {address}"
        if isinstance(digest, OSError):
            continue  # the worker has gone meanwhile, which Dask notices too
        if isinstance(digest, Exception):
            raise RunError(
                f"{who} cannot import brianprop ({type(digest).__name__}: {digest}); install the same version there, in the "
                "environment that Dask runs in."
            ) from digest
        if digest != program_digest():
            raise RunError(f"{who} runs another version of brianprop than this sweep; install the same on all machines.")


def _watch(connection: Connection, futures: list, ended: threading.Event, deserted: threading.Event) -> None:
    """Set `deserted` and cancel everything when there has been no worker for `DESERTED_AFTER` seconds and none will come.

    Dask does not always replace a local worker that died, and a queue may refuse further jobs. To a scheduler that the user
    started, workers may come at any time, so it is never given up.
    """
    last_seen, client = time.monotonic(), connection.client
    while not ended.wait(DESERTED_AFTER / 10):
        if client.scheduler_info(n_workers=-1)["workers"]:
            last_seen = time.monotonic()
        elif time.monotonic() - last_seen > DESERTED_AFTER and (connection.local or connection.refusal):
            deserted.set()
            client.cancel(futures)
            return


def _workers_of(connection: Connection) -> str:
    """The workers of a connection, for messages."""
    if connection.local:
        return "Every worker of this machine"
    return f"Every job of the queue, which refuses others ({connection.refusal}),"
