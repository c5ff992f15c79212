"""Where sweeps run: addresses, queues and their programs, and who can talk to the schedulers."""

import json
import os
import shutil
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

import dask
import psutil
import pytest
from dask_processes import environment, scheduler

from brianprop.analysis.sweeps import SweepDirectory
from brianprop.experiments.cli.main import main
from brianprop.experiments.environment import program_digest
from brianprop.experiments.sweeps import cluster, plan, queues
from brianprop.experiments.sweeps import run as sweep
from brianprop.experiments.sweeps.cluster import connected, require_usable
from brianprop.experiments.sweeps.distribute import _require_program
from brianprop.experiments.sweeps.plan import plan_of
from brianprop.experiments.sweeps.queues import KINDS, runs_programs
from brianprop.experiments.sweeps.reading import read_sweep
from brianprop.models.errors import ParameterError, RunError

SMALL = {"dataset": "digits", "hidden": 5, "epochs": 1, "samples": 60, "test_samples": 20, "validation": 20}
WORDS = ["ann", "--set", *(f"{name}={value}" for name, value in SMALL.items()), "--axis", "rate_out=0.1,0.2"]


def file_of(path, **options):
    """A sweep of two points for a queue."""
    base = "\n".join(f"{name} = {json.dumps(value)}" for name, value in SMALL.items())
    queue = "\n".join(f"{name} = {json.dumps(value)}" for name, value in options.items())
    path.write_text(f'system = "ann"\n[base]\n{base}\n[axes]\nrate_out = [0.1, 0.2]\n[cluster]\n{queue}\n')
    return path


def program(folder, name, text):
    """A program of a queue."""
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(f"#!/bin/sh\n{text}\n")
    (folder / name).chmod(0o755)


# who can talk to a scheduler

#: Tries every port with and without TLS, as another user where this one may become another; prints what answered.
INTRUDER = """
import asyncio, json, os, sys
from distributed.comm import connect
from distributed.security import Security

own = Security.temporary().get_connection_args("client")
if os.geteuid() == 0:
    os.setgid(65534)
    os.setuid(65534)

async def ask(address, options):
    comm = await connect(address, timeout=4, **options)
    await comm.write({"op": "identity", "reply": True})
    return (await comm.read())["type"]

async def attempt(address, options):
    try:
        return await asyncio.wait_for(ask(address, options), 5)
    except (OSError, asyncio.TimeoutError, ValueError, TypeError):
        return None

async def all_of_them(ports):
    tries = [(f"{protocol}://127.0.0.1:{port}", options) for port in ports for protocol, options in (("tcp", {}), ("tls", own))]
    return await asyncio.gather(*(attempt(*one) for one in tries))

print(json.dumps(asyncio.run(all_of_them(json.loads(sys.argv[1])))), flush=True)
os._exit(0)
"""


def intrude(ports):
    """What an intruder reached."""
    command = [sys.executable, "-c", INTRUDER, json.dumps(ports)]
    done = subprocess.run(command, env=environment(), capture_output=True, text=True, check=True, timeout=60)
    return [found for found in json.loads(done.stdout) if found is not None]


def listening(process):
    """Ports on which a process and its children listen, by address."""
    family = [process, *process.children(recursive=True)]
    found = [connection for one in family for connection in one.net_connections("inet")]
    return {one.laddr.port: one.laddr.ip for one in found if one.status == psutil.CONN_LISTEN}


def test_nobody_else_can_use_the_workers_of_a_sweep_on_this_machine():
    with connected(None, 1, {}) as connection:
        ports = listening(psutil.Process())
        assert len(ports) >= 3 and set(ports.values()) == {"127.0.0.1"}
        assert connection.client.submit(int, "3").result(timeout=60) == 3
        assert intrude(list(ports)) == []
        # no dashboard, and no other page
        for port in ports:
            for page in ("", "status", "health", "metrics", "info/main/workers.html", "json/counts.json"):
                with pytest.raises(OSError) as error:
                    urllib.request.urlopen(f"http://127.0.0.1:{port}/{page}", timeout=5)
                assert not isinstance(error.value, urllib.error.HTTPError) or error.value.code == 404


def test_an_intruder_is_no_dummy(tmp_path):
    """A scheduler without TLS lets it in."""
    with scheduler(tmp_path) as (address, _):
        assert intrude([int(address.rpartition(":")[2])]) == ["Scheduler"]


# addresses


@pytest.mark.parametrize(
    "address",
    ["foo", "", "tcp://", "tcp://host", "tcp://host:99999", "tcp://host:no", "tcp://[::1", "http://host:1", "host:8786"],
)
def test_what_is_no_address_is_refused_at_once(address):
    with pytest.raises(ParameterError, match=r"is no address; write tcp://HOST:PORT"):
        require_usable(address, None, {})


def test_a_scheduler_that_does_not_answer_is_said_before_anything_is_read(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(cluster, "TIMEOUT", 0.5)
    monkeypatch.setattr(plan, "load_data", None)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        # the second one takes connections and says nothing
        for address in ("tcp://127.0.0.1:9", f"tcp://127.0.0.1:{silent.getsockname()[1]}", "tcp://no.such.host.invalid:8786"):
            assert main(["sweep", *WORDS, "--out", str(tmp_path / "out"), "--scheduler", address]) == 2
            error = capsys.readouterr().err
            assert error.count("\n") == 1 and f"The scheduler {address} does not answer" in error
    assert not (tmp_path / "out").exists()


def test_certificates_that_are_not_there_are_named():
    with pytest.raises(ParameterError, match="needs certificates; set DASK_DISTRIBUTED__COMM__TLS__CA_FILE"):
        require_usable("tls://127.0.0.1:9", None, {})
    names = ("ca-file", "client.cert", "client.key")
    with (
        dask.config.set({f"distributed.comm.tls.{name}": "/nonexistent.pem" for name in names}),
        pytest.raises(ParameterError, match=r"The certificate /nonexistent\.pem .* cannot be read"),
    ):
        require_usable("tls://127.0.0.1:9", None, {})


def test_a_scheduler_with_certificates(tmp_path, monkeypatch):
    from distributed.security import Security

    keys = Security.temporary()
    for name in ("cert", "key"):
        (tmp_path / name).write_text(getattr(keys, f"tls_client_{name}"))
    (tmp_path / "cert").chmod(0o600)
    tls = {"ca-file": str(tmp_path / "cert")}
    tls |= {f"{role}.{name}": str(tmp_path / name) for role in ("scheduler", "worker", "client") for name in ("cert", "key")}
    tls = {f"distributed.comm.tls.{name}": path for name, path in tls.items()}
    variables = {"DASK_" + name.replace(".", "__").replace("-", "_").upper(): path for name, path in tls.items()}
    with scheduler(tmp_path, {}, protocol="tls", **variables) as (address, _), dask.config.set(tls):
        assert address.startswith("tls://")
        assert main(["sweep", *WORDS, "--out", str(tmp_path / "out"), "--scheduler", address]) == 0
    assert len(SweepDirectory.open(tmp_path / "out").table()) == 2


@pytest.mark.parametrize(("lacks", "words"), [("worker", "The worker tcp://127.0.0.1:"), ("scheduler", "The scheduler")])
def test_what_cannot_import_the_program_is_named_before_it_gets_a_point(lacks, words, tmp_path, capsys):
    (tmp_path / "without").mkdir()
    (tmp_path / "without" / "brianprop.py").write_text("raise ModuleNotFoundError(\"No module named 'brianprop'\")\n")
    without = {"PYTHONPATH": str(tmp_path / "without")}
    own = {"PYTHONPATH": str(Path(__file__).parents[3] / ".package")}
    everywhere, worker = ({}, without) if lacks == "worker" else (without, own)
    with (
        scheduler(tmp_path, *([worker] if not everywhere else []), **everywhere) as (address, _),
        connected(address, None, {}) as found,
    ):
        if not everywhere:
            found.client.wait_for_workers(1)
        with pytest.raises(RunError) as error:
            _require_program(found.client)
    assert (
        words in str(error.value)
        and "cannot import brianprop" in str(error.value)
        and "install the same version" in str(error.value)
    )


def test_what_runs_another_version_is_named():
    class Client:
        def run(self, *_, **__):
            return {"tcp://10.0.0.1:1": program_digest(), "tcp://10.0.0.2:1": "another"}

        def run_on_scheduler(self, *_):
            return program_digest()

    with pytest.raises(RunError, match=r"The worker tcp://10\.0\.0\.2:1 runs another version"):
        _require_program(Client())


# queues

PROGRAMS = {
    "htcondor": "condor_submit",
    "lsf": "bsub",
    "moab": "msub",
    "oar": "oarsub",
    "pbs": "qsub",
    "sge": "qsub",
    "slurm": "sbatch",
}


def test_every_queue_is_known():
    assert set(PROGRAMS) == set(KINDS) - {"processes"}


@pytest.mark.parametrize("kind", PROGRAMS)
def test_a_program_of_a_queue_that_is_missing_is_named_before_anything_starts(kind, tmp_path, monkeypatch, capsys):
    pytest.importorskip("dask_jobqueue")
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(plan, "load_data", None)
    file = file_of(tmp_path / "sweep.toml", kind=kind, jobs=1)
    assert main(["sweep", str(file), "--out", str(tmp_path / "out")]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and f"The program {PROGRAMS[kind]}, which [cluster] kind = '{kind}' needs, is not on" in error
    assert not (tmp_path / "out").exists()


def test_a_missing_dask_jobqueue_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "dask_jobqueue", None)
    with pytest.raises(RunError, match=r"dask-jobqueue is not installed; use pip install 'brianprop\[distributed\]'"):
        require_usable(None, None, {"kind": "slurm", "jobs": 1})


def test_a_missing_cryptography_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "cryptography", None)
    with pytest.raises(RunError, match=r"The package cryptography, .* is not installed; use pip install cryptography"):
        require_usable(None, None, {})


def test_a_queue_that_refuses_jobs_ends_the_sweep_with_what_it_says(tmp_path, monkeypatch, capsys):
    pytest.importorskip("dask_jobqueue")
    program(tmp_path / "bin", "sbatch", 'echo "sbatch: error: no such partition" >&2; exit 1')
    program(tmp_path / "bin", "scancel", "exit 0")
    monkeypatch.setenv("PATH", str(tmp_path / "bin"), prepend=os.pathsep)
    file = file_of(tmp_path / "sweep.toml", kind="slurm", jobs=2)
    assert main(["sweep", str(file), "--out", str(tmp_path / "out")]) == 2
    error = capsys.readouterr().err
    assert "The queue does not take a job" in error and "sbatch: error: no such partition" in error and "Traceback" not in error
    # the keys of the jobs are gone
    assert not list((tmp_path / "out").glob(".dask*"))


def test_jobs_of_a_queue_connect_by_tls(tmp_path, monkeypatch):
    pytest.importorskip("dask_jobqueue")
    kept = tmp_path / "kept"
    kept.mkdir()
    program(
        tmp_path / "bin",
        "sbatch",
        f'number=$(ls {kept} | wc -l); cp "$1" {kept}/$number.sh; ls -l {tmp_path}/out/.dask* > {tmp_path}/keys\n'
        f'setsid sh {kept}/$number.sh > /dev/null 2>&1 &\necho "Submitted batch job $number"',
    )
    program(tmp_path / "bin", "scancel", "exit 0")
    monkeypatch.setenv("PATH", str(tmp_path / "bin"), prepend=os.pathsep)
    # another option of the queue is passed on
    file = file_of(tmp_path / "sweep.toml", kind="slurm", jobs=1, local_directory=str(tmp_path / "dask"), queue="normal")
    assert main(["sweep", str(file), "--out", str(tmp_path / "out")]) == 0
    assert len(SweepDirectory.open(tmp_path / "out").table()) == 2
    script = (kept / "0.sh").read_text()
    assert " tls://" in script and "--tls-key" in script and "#SBATCH -p normal" in script
    # only their owner could read the keys, which are gone now
    listed = (tmp_path / "keys").read_text().splitlines()
    assert len(listed) == 3 and all(line.startswith("-rw-------") for line in listed)
    assert not list((tmp_path / "out").glob(".dask*"))


def test_a_folder_whose_path_a_shell_would_change_is_refused(tmp_path):
    pytest.importorskip("dask_jobqueue")
    with pytest.raises(ParameterError, match="set shared_temp_directory"):
        queues.job_cluster({"kind": "processes", "jobs": 1}, tmp_path / "a b")


# what a plan may say of a queue


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("job_script_prologue", ["touch x"]),
        ("job_extra_directives", ["--output=x"]),
        ("python", "/tmp/x"),
        ("worker_command", "x"),
        ("worker_extra_args", ["x"]),
        ("scheduler_options", {"preload": "x"}),
        ("submit_command_extra", ["x"]),
        ("shebang", "#!/tmp/x"),
        ("log_directory", "/tmp/x"),
        ("local_directory", "/tmp/x"),
        ("security", False),
        ("anything_new", 1),
        # harmless names, and more than one word
        ("queue", "normal\ntouch x"),
        ("queue", "normal --output=x"),
        ("walltime", "$(touch x)"),
        ("account", "--output=x"),
        ("memory", ["1GB"]),
    ],
)
def test_a_plan_runs_no_programs_unless_it_is_trusted(name, value, tmp_path, monkeypatch, capsys):
    directory = SweepDirectory.create(tmp_path / "out", plan_of(read_sweep("ann", base=SMALL)))
    plan = directory.plan
    plan["sweep"]["cluster"] = {"kind": "slurm", "jobs": 1, name: value}
    (directory.path / "sweep.json").write_text(json.dumps(plan))
    reached = []
    monkeypatch.setattr(sweep, "require_usable", lambda *arguments: reached.append(arguments))
    monkeypatch.setattr(sweep, "_run", lambda directory, *_: directory)
    assert main(["sweep", "resume", str(directory.path)]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and repr(name) in error and "add --trust-cluster" in error and not reached
    for option in (["--trust-cluster"], ["--scheduler", "local"]):
        main(["sweep", "resume", str(directory.path), *option])
    assert len(reached) == 2 and reached[0][2][name] == value


def test_what_only_says_how_much_of_a_queue_is_used_needs_no_trust():
    harmless = {"kind": "pbs", "jobs": 4, "memory": "2GB", "walltime": "04:00:00", "queue": "a,b", "account": "x_y"}
    assert runs_programs(harmless | {"resource_spec": "select=1:ncpus=1:mem=2gb"}) == []
    assert runs_programs(harmless | {"python": "x", "shebang": "y"}) == ["python", "shebang"]


def test_paths_of_a_queue_may_begin_at_home(tmp_path, monkeypatch):
    pytest.importorskip("dask_jobqueue")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("NAME", "there")
    with pytest.raises(RunError, match="cannot be started"):
        queues.job_cluster({"kind": "processes", "jobs": 1, "log_directory": "~/$NAME", "nosuch": 1}, tmp_path)
    assert shutil.which("sh") and queues._expanded("~/$NAME") == str(tmp_path / "there")
