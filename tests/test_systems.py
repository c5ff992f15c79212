"""The page docs/systems.md: the files that it adds make a third system, which does all that the commands do."""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from brianprop.experiments.data import encoding
from brianprop.experiments.data import images as datasets

ROOT = Path(__file__).resolve().parents[1]
PAGE = (ROOT / "docs" / "systems.md").read_text()

#: Files of the page, by their path, and the commands, in the order in which they stand there.
FILES = dict(re.findall(r"^```(?:python|text) (\S+)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL))
COMMANDS = re.findall(r"^brianprop .*$", PAGE, re.MULTILINE)
REGISTRY = "analysis/systems/__init__.py"


def test_a_system_is_short_and_needs_one_line_elsewhere():
    assert sum(len(text.splitlines()) for text in FILES.values()) <= 150
    assert [name for name in FILES if (ROOT / name).exists()] == [REGISTRY]
    assert len(FILES[REGISTRY].splitlines()) == 1


@pytest.fixture(scope="module")
def checkout(tmp_path_factory):
    """A copy of the package with the files of the page, in which all commands of the page have run."""
    root = tmp_path_factory.mktemp("checkout")
    package = root / ".package" / "brianprop"
    package.mkdir(parents=True)
    for path in (ROOT / ".package" / "brianprop").glob("*.*"):
        shutil.copy(path, package)
    for room in ("models", "analysis", "experiments"):
        shutil.copytree(ROOT / room, root / room, ignore=shutil.ignore_patterns("__pycache__"))
        # a link even in a source archive, which holds a second copy of the room there
        (package / room).symlink_to(root / room)
    for name, text in FILES.items():
        if name == REGISTRY:
            classes = (root / name).read_text()
            text = re.sub(r"^(CLASSES = \(\n.*?)^\)$", rf"\1{text})", classes, flags=re.MULTILINE | re.DOTALL)
            assert text != classes
        (root / name).write_text(text)
    for command in COMMANDS:
        words = shlex.split(command)
        done = subprocess.run(
            [sys.executable, "-m", *words],
            cwd=root,
            env=os.environ | {"PYTHONPATH": str(root / ".package")},
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, f"{command}\n{done.stdout[-1000:]}{done.stderr[-3000:]}"
    return root


def test_it_learns_the_delta_rule(checkout):
    """Weight for weight as an oracle written from the rule."""
    dataset = datasets.load("digits")
    images = encoding.binarise(dataset.train.images, [0.5])
    config = json.loads((checkout / "runs/delta/config.json").read_text())
    n = config["dataset"]["samples"]
    w = np.zeros((64, 10), dtype=int)
    for epoch in range(1, 4):
        order = np.random.default_rng([0, 1, epoch]).permutation(n)
        for sample in order:
            x, t = images[sample].astype(int), np.arange(10) == dataset.train.labels[sample]
            o = x @ w > 512
            w = np.clip(w + 2 * np.outer(x, t & ~o), -254, 254)
            w = np.clip(w - 2 * np.outer(x, o & ~t), -254, 254)
    with np.load(checkout / "runs/delta/weights.npz") as weights:
        assert weights.files == ["W1"]
        np.testing.assert_array_equal(weights["W1"], w)


def test_it_is_drawn_counted_swept_and_exported(checkout):
    figures = {path.stem for path in (checkout / "runs/delta/figures").glob("*.png")}
    assert figures == {"accuracy", "confusion", "raster", "functional", "anatomy", "weights", "images", "energy"}
    assert (checkout / "sweeps/delta/table.csv").read_text().count("\n") == 3
    assert list((checkout / "runs/delta").rglob("*.nwb"))
    rows = (checkout / "runs/delta/metrics.csv").read_text().splitlines()
    last = dict(zip(rows[0].split(","), rows[-1].split(","), strict=True))
    assert last["epoch"] == "3" and last["split"] == "test" and float(last["accuracy_membrane"]) > 0.8
