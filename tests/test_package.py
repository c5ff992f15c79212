"""One import name: what is installed is `brianprop` alone, and folders of a user called models/ do not matter."""

import os
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
ROOMS = ("models", "analysis", "experiments")


def run(command, **options):
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, **options)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture
def of_a_user(tmp_path):
    """A folder of a user with packages of the names of our rooms, which end every import."""
    for room in ROOMS:
        (tmp_path / "work" / room).mkdir(parents=True)
        (tmp_path / "work" / room / "__init__.py").write_text("raise RuntimeError('this is the package of a user')\n")
    return tmp_path / "work"


SCRIPT = """
import brianprop.analysis.tables, brianprop.experiments.cli.main
from brianprop.models.circuit import Population
print(Population("x", 3).size)
"""


@pytest.mark.parametrize("path", ["", ".", "models:."])
def test_folders_of_a_user_do_not_matter(path, of_a_user):
    (of_a_user / "script.py").write_text(SCRIPT)
    package = str(ROOT / ".package")
    environment = os.environ | {"PYTHONPATH": f"{path}:{package}" if path else package}
    assert "3" in run([sys.executable, "script.py"], cwd=of_a_user, env=environment)
    words = [
        "train",
        "ann",
        "--hidden",
        "4",
        "--epochs",
        "1",
        "--samples",
        "20",
        "--test-samples",
        "20",
        "--validation",
        "20",
        "--out",
        "out",
    ]
    run([sys.executable, "-m", "brianprop", *words], cwd=of_a_user, env=environment)
    assert (of_a_user / "out" / "weights.npz").exists()


def test_links_lead_to_the_rooms():
    if not (ROOT / ".package" / "brianprop" / "models").is_symlink():
        pytest.skip("a source archive holds copies in the place of links")
    for room in ROOMS:
        assert (ROOT / ".package" / "brianprop" / room).resolve() == ROOT / room
        assert not os.path.isabs(os.readlink(ROOT / ".package" / "brianprop" / room))


@pytest.fixture(scope="module")
def packed(tmp_path_factory):
    """The folder of a source archive, and of the wheel that comes out of it."""
    out = tmp_path_factory.mktemp("packed")
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        [sys.executable, "-m", "build", "--outdir", out, ROOT], capture_output=True, text=True, env=environment
    )
    if done.returncode and "No module named build" in done.stderr:
        pytest.skip("the package build is not installed")
    if done.returncode and any(
        word in done.stderr + done.stdout for word in ("Connection", "Could not find a version", "resolve")
    ):
        pytest.skip("setuptools cannot be downloaded")
    assert done.returncode == 0, done.stdout + done.stderr
    return out


def sources() -> set[str]:
    """Every file of the rooms that belongs into a package."""
    kinds = {".py", ".h", ".cpp", ".cu", ".toml", ".mplstyle"}
    files = [path for room in ROOMS for path in (ROOT / room).rglob("*") if path.suffix in kinds]
    assert len(files) > 100
    return {f"brianprop/{path.relative_to(ROOT)}" for path in files}


@pytest.mark.slow
def test_a_wheel_holds_the_package_alone_and_all_of_it(packed):
    (wheel,) = packed.glob("*.whl")
    names = set(zipfile.ZipFile(wheel).namelist())
    assert {name.partition("/")[0].partition("-")[0] for name in names} == {"brianprop"}
    assert sources() | {"brianprop/__init__.py", "brianprop/__main__.py", "brianprop/py.typed"} <= names


@pytest.mark.slow
def test_an_installed_wheel_runs_anywhere(packed, of_a_user, tmp_path):
    (wheel,) = packed.glob("*.whl")
    target = tmp_path / "installed"
    with zipfile.ZipFile(wheel) as opened:
        opened.extractall(target)
    environment = os.environ | {"PYTHONPATH": f".:{target}"}
    (of_a_user / "script.py").write_text("import brianprop\nprint(brianprop.__file__)\n" + SCRIPT)
    assert str(target) in run([sys.executable, "script.py"], cwd=of_a_user, env=environment)
    # through workers of a sweep that start in this folder
    program = [sys.executable, "-m", "brianprop", "sweep"]
    words = (
        "ann --axis rate_out=0.1,0.2 --set hidden=4 epochs=1 samples=20 validation=20 test_samples=20 --workers 1 --out swept"
    )
    run([*program, *words.split()], cwd=of_a_user, env=environment)
    assert "finished     2" in run([*program, "status", "swept"], cwd=of_a_user, env=environment)


@pytest.fixture(scope="module")
def unpacked(packed, tmp_path_factory):
    """The folder of the unpacked source archive."""
    (archive,) = packed.glob("*.tar.gz")
    out = tmp_path_factory.mktemp("unpacked")
    with tarfile.open(archive) as opened:
        opened.extractall(out, filter="data")  # refuses links that lead out of the archive
    (folder,) = out.iterdir()
    return folder


@pytest.mark.slow
def test_a_source_archive_holds_all_that_its_tests_need(unpacked):
    """All tests are found there, and those that read files of the repository pass."""
    for room in (*ROOMS, "tests", "docs"):
        kept = {path.relative_to(ROOT / room) for path in (ROOT / room).rglob("*.*") if made_by_hand(path)}
        assert {path for path in kept if not (unpacked / room / path).exists()} == set()
    environment = os.environ | {"PYTHONPATH": ""}
    run([sys.executable, "-m", "pytest", "--collect-only", "-q", "-m", ""], cwd=unpacked, env=environment)
    run([sys.executable, "-m", "pytest", "-q", "tests/test_docs.py", "tests/test_publishing.py"], cwd=unpacked, env=environment)


def made_by_hand(path: Path) -> bool:
    """Whether a file is a source, and not made of one by Python or by `make docs`."""
    return not {"__pycache__", "api", "build", "examples"} & set(path.relative_to(ROOT).parts) and path.suffix != ".pyc"


@pytest.mark.slow
def test_a_package_index_accepts_the_archives(packed):
    pytest.importorskip("twine")
    files = sorted(packed.iterdir())
    assert len(files) == 2
    run([sys.executable, "-m", "twine", "check", "--strict", *files])
