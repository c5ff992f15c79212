"""Schedulers and workers of Dask in processes of their own, for tests."""

import contextlib
import json
import os
import subprocess
import sys
import time
from pathlib import Path


def environment(**more):
    """The environment of a process that runs this program."""
    return os.environ | {"PYTHONPATH": str(Path(__file__).parents[1] / ".package")} | more


def wait_for(condition, *processes):
    """Wait for what must happen sooner or later, however busy the machine is, as long as these processes are there."""
    while not (found := condition()):
        for process in processes:
            assert process.poll() is None, process.stdout and process.stdout.read()
        time.sleep(0.02)
    return found


@contextlib.contextmanager
def scheduler(tmp_path, *environments, protocol="tcp", **more):
    """A scheduler and a worker for each environment, in processes of their own on loopback; gives its address and them all.

    Further names are put into the environment of all of them.
    """
    processes, kept = [], tmp_path / "scheduler.json"
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}

    def run(name, *arguments, **own):
        code = f"import sys; from distributed.cli.{name} import main; sys.exit(main())"
        return subprocess.Popen([sys.executable, "-c", code, *arguments], env=environment(**more, **own), cwd=tmp_path, **quiet)

    try:
        options = ["--host", "127.0.0.1", "--port", "0", "--protocol", protocol, "--no-dashboard"]
        processes.append(run("dask_scheduler", *options, "--scheduler-file", str(kept)))
        address = wait_for(lambda: kept.is_file() and json.loads(kept.read_text() or "{}").get("address"), *processes)
        for number, own in enumerate(environments):
            local = str(tmp_path / f"worker{number}")
            options = ["--nthreads", "1", "--no-nanny", "--no-dashboard", "--local-directory", local]
            processes.append(run("dask_worker", address, *options, **own))
        yield address, processes
    finally:
        for process in processes:
            process.kill()
            process.wait()
