"""What is published beside the program: one version, one list of authors, a log of changes, a container, a site."""

import os
import re
import shutil
import subprocess
import sys
from configparser import ConfigParser
from pathlib import Path

import pytest

import brianprop

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture
def citation():
    """The first lines of CITATION.cff, which are about this software."""
    return (ROOT / "CITATION.cff").read_text().partition("references:")[0]


@pytest.fixture
def metadata():
    """The section [metadata] of setup.cfg."""
    parser = ConfigParser()
    parser.read(ROOT / "setup.cfg")
    return parser["metadata"]


def test_there_is_one_version(citation, metadata):
    assert metadata["version"] == "attr: brianprop.__version__"
    assert re.search(r"^version: (.+)$", citation, re.MULTILINE)[1] == brianprop.__version__
    headings = re.findall(r"^## (\S+)", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert brianprop.__version__ in headings


def test_authors_and_licence_are_those_of_the_citation(citation, metadata):
    assert re.findall(r'^  - name: "(.+)"$', citation, re.MULTILINE) == metadata["author"].split(", ")
    assert re.search(r"^license: (.+)$", citation, re.MULTILINE)[1] == metadata["license"]
    assert re.search(r'^repository-code: "(.+)"$', citation, re.MULTILINE)[1] == metadata["url"]


def test_the_jobs_of_github_call_targets_that_there_are():
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    jobs = "".join(path.read_text() for path in (ROOT / ".github" / "workflows").glob("*.yml"))
    called = set(re.findall(r"\bmake ([a-z-]+)", jobs))
    assert {"test", "docs"} <= called <= targets


@pytest.mark.slow
def test_the_container_runs(tmp_path):
    if shutil.which("docker") is None or subprocess.run(["docker", "info"], capture_output=True).returncode:
        pytest.skip("no docker")
    file = tmp_path / "id"
    subprocess.run(["docker", "build", "--quiet", "--iidfile", file, ROOT], check=True)
    command = "train nbp --dataset digits --hidden 20 --epochs 1 --out run"
    done = subprocess.run(["docker", "run", "--rm", file.read_text(), *command.split()], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "epoch 1/1" in done.stdout


@pytest.mark.slow
def test_the_site_is_built_without_a_warning(tmp_path):
    """Every page, every docstring and every script of the gallery; a link within the site that leads nowhere is a warning."""
    pytest.importorskip("sphinx_gallery", reason="the packages of 'make docs' are not installed")
    left_out = shutil.ignore_patterns(".git", ".venv*", "build", "api", "examples")
    shutil.copytree(ROOT, tmp_path / "copy", symlinks=True, ignore=left_out)
    command = [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q", "docs", "docs/build"]
    environment = os.environ | {"PYTHONPATH": str(tmp_path / "copy" / ".package")}
    done = subprocess.run(command, cwd=tmp_path / "copy", env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-5000:]
    assert (tmp_path / "copy" / "docs" / "build" / "search.html").exists()
