"""The process of a command: closed, full and narrow streams, signals, home folders, users without one."""

import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest
from conftest import ann_run

from brianprop.analysis.runs import Run
from brianprop.experiments.cli import main as cli
from brianprop.experiments.cli import process
from brianprop.experiments.cli.main import main
from brianprop.models.cache import cache_root
from brianprop.models.errors import DataError

ROOT = Path(__file__).resolve().parents[3]
TRAIN = [
    "train",
    "ann",
    "--dataset",
    "digits",
    "--samples",
    "40",
    "--validation",
    "20",
    "--test-samples",
    "20",
    "--epochs",
    "4",
]

on_linux = pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs Linux's /dev/full")


def shell(line, *arguments, **options):
    """Run a line of sh in which "$@" is brianprop with arguments."""
    command = [sys.executable, "-m", "brianprop", *map(str, arguments)]
    variables = os.environ | {"PYTHONPATH": str(ROOT)} | options.pop("env", {})
    return subprocess.run(["bash", "-c", line, "sh", *command], capture_output=True, text=True, env=variables, **options)


#: Libraries that take long to import.
HEAVY = {"brian2", "dask", "distributed", "matplotlib", "pandas", "pooch", "requests", "scipy", "sklearn", "sympy"}


@pytest.mark.parametrize(("command", "needed"), [("--help", set()), ("info", set()), ("table", {"pandas"})])
def test_a_command_loads_no_library_that_it_does_not_need(tmp_path, command, needed):
    runs = [ann_run(tmp_path / "run").path] if command == "table" else []
    done = shell('"$@"', command, *runs, env={"PYTHONPROFILEIMPORTTIME": "1"})  # lists the imports on standard error
    assert done.returncode == 0 and done.stdout
    assert HEAVY & {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()} == needed


# ------------------------------------------------------------------------------------------------------------ streams


@pytest.mark.parametrize(
    ("line", "status"),
    [
        ('set -o pipefail; "$@" | head -1', 0),
        ('"$@" >&-', 0),
        ('"$@" <&- >&- 2>&-', 0),
        ('"$@" 2>&-', 0),
        pytest.param('"$@" >/dev/full', os.EX_IOERR, marks=on_linux),
        pytest.param('"$@" >/dev/full 2>/dev/full', os.EX_IOERR, marks=on_linux),
        pytest.param('"$@" 2>/dev/full', 0, marks=on_linux),
    ],
)
def test_a_training_ends_whatever_becomes_of_its_output(tmp_path, line, status):
    done = shell(line, *TRAIN, "--out", tmp_path / "run")
    assert done.returncode == status
    assert "Traceback" not in done.stderr and done.stderr.count("\n") <= 1
    assert Run.open(tmp_path / "run").finished
    if done.stderr:
        assert "Cannot write standard output (No space left on device)" in done.stderr


@on_linux
@pytest.mark.parametrize("command", [["--help"], ["train", "nbp", "--help"], ["info"], ["sweep", "presets"]])
def test_a_full_disk_behind_standard_output_is_one_sentence(command):
    done = shell('"$@" >/dev/full', *command)
    assert done.returncode == os.EX_IOERR
    assert done.stderr.count("\n") == 1 and "Cannot write standard output" in done.stderr
    done = shell('"$@" >&-', *command)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_file_never_gets_the_number_of_a_closed_stream(tmp_path):
    script = "import os; from brianprop.experiments.cli import process; process.take_streams()\n"
    script += "print(os.open(os.devnull, os.O_RDONLY) > 2)"
    done = shell(f'{sys.executable} -c "{script}" <&- 2>&-')
    assert done.stdout == "True\n"


@pytest.mark.parametrize(
    "variables",
    [{"PYTHONIOENCODING": "ascii"}, {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}],
)
def test_a_narrow_encoding_costs_characters_and_nothing_else(tmp_path, variables):
    folder = tmp_path / "µ"
    ann_run(folder)
    for command in (["--help"], ["train", "ssnn-bp", "--help"], ["table", folder], ["table", tmp_path / "ä"]):
        done = shell('"$@"', *command, env=variables)
        assert done.returncode == (2 if command[-1] == tmp_path / "ä" else 0), done.stderr
        assert "Traceback" not in done.stderr
    assert "no run directory" in done.stderr and "?" in done.stderr


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (
            PermissionError(13, "Permission denied", "/some/file"),
            "Cannot use /some/file (Permission denied); check that it is there",
        ),
        (ConnectionResetError("gone"), "Cannot use a file or connection (gone); check that it is there"),
        (MemoryError(), "The memory is used up; take fewer samples"),
    ],
)
def test_what_the_machine_refuses_is_one_sentence(error, words, monkeypatch, capsys):
    def fail(_):
        raise error

    monkeypatch.setattr("brianprop.experiments.cli.parser.parse", fail)
    assert main(["info"]) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and said.startswith(f"brianprop: {words}")
    with pytest.raises(type(error)):
        main(["info", "--debug"])


# ------------------------------------------------------------------------------------------------------------ signals


def started(arguments, folder, **variables):
    """Start brianprop with its temporary files in a folder."""
    folder.mkdir(exist_ok=True)
    return subprocess.Popen(
        [sys.executable, "-m", "brianprop", *map(str, arguments)],
        env=os.environ | {"PYTHONPATH": str(ROOT), "TMPDIR": str(folder)} | variables,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.parametrize("number", process.SIGNALS, ids=lambda number: number.name)
def test_a_signal_ends_a_training_that_can_go_on(tmp_path, number):
    command = [*TRAIN[:-1], "100000", "--out", tmp_path / "run"]
    training = started(command, tmp_path / "temporary")
    assert training.stdout.readline().startswith("epoch")
    training.send_signal(number)
    _, errors = training.communicate(timeout=20)
    assert training.returncode == 128 + number
    assert errors.count("\n") == 1 and "go on with 'brianprop resume" in errors
    assert list((tmp_path / "temporary").iterdir()) == [] and not list((tmp_path / "run").rglob(".*.tmp"))
    assert main(["table", str(tmp_path / "run")]) == 0


HALF_MADE = """
import ctypes, os, signal
from brianprop.experiments.cli.process import Stopped, raise_on_signals

class Half:
    def __init__(self):
        os.kill(os.getpid(), signal.SIGTERM)
        self.whole = True

    def __del__(self):
        print(self.whole)

raise_on_signals()
callback = ctypes.CFUNCTYPE(None)(Half)
callback()
try:
    Half()
except Stopped:
    print("stopped")
"""


def test_what_a_signal_leaves_half_made_says_nothing():
    done = subprocess.run([sys.executable, "-c", HALF_MADE], capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("stopped\n", "")


def test_an_interruption_during_the_imports(tmp_path):
    (tmp_path / "experiments").mkdir()
    script = (
        "import sys, signal, importlib.abc\n"
        "class Slow(importlib.abc.MetaPathFinder):\n"
        "    def find_spec(self, name, path, target=None):\n"
        "        if name == 'numpy':\n"
        "            signal.raise_signal(signal.SIGINT)\n"
        "from brianprop.experiments.cli.main import main\n"
        "sys.meta_path.insert(0, Slow())\n"
        "sys.argv[1:] = ['info']\n"
        "sys.exit(main())\n"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 130
    assert done.stderr.count("\n") == 1 and "interrupted" in done.stderr


def test_a_signal_that_gets_lost_is_raised_again():
    script = (
        "import os, sys, time, signal; from brianprop.experiments.cli import process; process.raise_on_signals()\n"
        "try:\n"
        "    os.kill(os.getpid(), signal.SIGTERM); time.sleep(5)\n"
        "except BaseException: pass\n"
        "try:\n"
        "    time.sleep(10)\n"
        "except process.Stopped as error:\n"
        "    time.sleep(1.2)  # while it is handled it is not raised again\n"
        "    process.end(); sys.exit(128 + error.number)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (143, "")


@pytest.mark.parametrize("name", ["SIGHUP", "SIGINT"])
def test_a_signal_that_is_ignored_stays_so(name):
    # as after nohup, or in the background of a script; a library may call the handler that was there, as Brian2 does
    script = (
        f"import signal; from brianprop.experiments.cli import process; signal.signal(signal.{name}, signal.SIG_IGN)\n"
        f"process.raise_on_signals(); signal.raise_signal(signal.{name}); print('on')\n"
        "before = signal.getsignal(signal.SIGINT); signal.signal(signal.SIGINT, lambda *state: before(*state))\n"
        f"signal.raise_signal(signal.{name}); print('on')"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("on\non\n", "")


def test_children_of_children_end_too(tmp_path):
    """A program that its parent leaves behind, as make does where it is killed."""
    script = (
        "import subprocess, sys; from brianprop.experiments.cli import process; process.raise_on_signals()\n"
        "try:\n"
        "    subprocess.run(['sh', '-c', 'sleep 60 & echo $! > child; wait'])\n"
        "except process.Stopped:\n"
        "    process.end(); sys.exit(1)\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", script], cwd=tmp_path, env=os.environ | {"PYTHONPATH": str(ROOT)})
    for _ in range(200):
        if (tmp_path / "child").exists() and (tmp_path / "child").read_text():
            break
        time.sleep(0.05)
    child = int((tmp_path / "child").read_text())
    parent.send_signal(signal.SIGTERM)
    assert parent.wait(10) == 1
    for _ in range(100):
        try:
            state = Path(f"/proc/{child}/stat").read_text().split()[2] if sys.platform == "linux" else os.kill(child, 0)
        except (ProcessLookupError, FileNotFoundError):
            break
        if state == "Z":
            break
        time.sleep(0.05)
    else:
        pytest.fail("the child of the child goes on")


def test_a_thread_that_waits_for_a_program_does_not_keep_the_process():
    """As a simulation of several networks does, which a thread runs."""
    script = (
        "import os, signal, subprocess, sys, threading\n"
        "from brianprop.experiments.cli import process; process.raise_on_signals()\n"
        "program = threading.Thread(target=lambda: subprocess.run(['sleep', '60']))\n"
        "program.start()\n"
        "threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGTERM)).start()\n"
        "try:\n"
        "    try:\n"
        "        signal.pause()\n"
        "    finally:\n"
        "        program.join()\n"
        "except process.Stopped:\n"
        "    process.end(); sys.exit(1)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, timeout=30)
    assert (done.returncode, done.stderr) == (1, "")


# -------------------------------------------------------------------------------------------------------------- paths


@pytest.mark.parametrize(
    ("argument", "expected"),
    [
        ("~/runs", "/home/me/runs"),
        ("--out=~/runs", "--out=/home/me/runs"),
        ("~", "/home/me"),
        ("emulated-~/images", "emulated-/home/me/images"),
        ("--dataset=emulated-~/images", "--dataset=emulated-/home/me/images"),
        ("emulated-negative-~/images", "emulated-negative-/home/me/images"),
        ("init_weights=~/w.npz", "init_weights=/home/me/w.npz"),
        ("./~/runs", "./~/runs"),
        ("runs/a=~b", "runs/a=~b"),
        ("run~", "run~"),
    ],
)
def test_the_home_folder(argument, expected, monkeypatch):
    monkeypatch.setenv("HOME", "/home/me")
    assert cli._expanded(argument) == expected


def test_a_run_in_the_home_folder_can_be_evaluated(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    assert main([*TRAIN, "--out=~/run"]) == 0
    assert main(["evaluate", "~/run"]) == 0
    assert (tmp_path / "run").is_dir() and not (tmp_path / "~").exists()
    assert main(["table", "~nobody-has-this-name/run"]) == 2
    assert "The home folder ~nobody-has-this-name of '~nobody-has-this-name/run' is unknown" in capsys.readouterr().err


# -------------------------------------------------------------------------------------------------------------- cache


@pytest.fixture
def no_cache(monkeypatch, tmp_path):
    for name in ("BRIANPROP_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr(sys, "platform", "linux")


def test_the_places_of_the_cache(no_cache, monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache_root() == tmp_path / ".cache" / "brianprop"
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    assert cache_root() == tmp_path / ".cache" / "brianprop"
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert cache_root() == tmp_path / "xdg" / "brianprop"
    monkeypatch.setenv("BRIANPROP_CACHE", "~/mine")
    assert cache_root() == tmp_path / "mine"


def test_a_cache_without_a_home_is_of_the_user_alone(no_cache, monkeypatch, tmp_path):
    (tmp_path / "file").touch()
    monkeypatch.setenv("HOME", str(tmp_path / "file"))
    folder = tmp_path / f"brianprop-{os.getuid()}"
    assert cache_root() == folder and folder.stat().st_mode & 0o777 == 0o700
    folder.chmod(0o777)
    with pytest.raises(DataError, match="can be written by others; set BRIANPROP_CACHE"):
        cache_root()


#: In a process of root that has imported all, since another user may not be able to read this Python: forks become that user.
UNKNOWN_USER = """
import os, sys
from brianprop.experiments.cli.main import main
work, arguments = sys.argv[1], sys.argv[2:]
assert main([*arguments, "--out", work + "/warm"]) == main(["evaluate", work + "/warm"]) == 0
del os.environ["BRIANPROP_CACHE"]
os.chdir(work)
for variables in ({}, {"HOME": "/"}, {"HOME": "/nonexistent"}, {"HOME": ""}, {"XDG_CACHE_HOME": "here"}):
    child = os.fork()
    if not child:
        os.environ.update(variables)
        os.setgroups([]), os.setgid(12345), os.setuid(12345)
        out = f"run{len(os.listdir())}"
        status = main([*arguments, "--out", out]) or main(["evaluate", out])
        sys.stdout.flush()
        os._exit(status)
    assert os.waitpid(child, 0)[1] == 0, variables
"""


@pytest.mark.skipif(sys.platform != "linux" or os.geteuid() != 0, reason="needs Linux and root, to become another user")
def test_a_user_that_the_system_does_not_know():
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        work = Path(folder)
        work.chmod(0o777)
        environment = {"PATH": os.environ["PATH"], "BRIANPROP_CACHE": folder, "TMPDIR": folder}
        command = [sys.executable, "-c", UNKNOWN_USER, folder, *TRAIN]
        done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        assert len(list(work.glob("run*/weights.npz"))) == 5
        assert not (work / "here").exists() and (work / "brianprop-12345" / "payloads").is_dir()
