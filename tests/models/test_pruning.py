"""The cache is emptied by age and size; what is in use, downloads and foreign files stay."""

import os
import time

import pytest

from brianprop.experiments.cli.main import main
from brianprop.models.errors import ParameterError
from brianprop.models.pruning import DAY, bound, entries, prune, touch

HOUR = 3600


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """Three builds of 1, 2 and 3 kB, used 10, 5 and 2 days ago, an image file used 3 hours ago, and a download."""
    monkeypatch.setenv("BRIANPROP_CACHE", str(tmp_path))
    for name, kilobytes, days in (("old", 1, 10), ("middle", 2, 5), ("new", 3, 2)):
        folder = tmp_path / "builds" / name
        (folder / "static_arrays").mkdir(parents=True)
        (folder / "static_arrays" / "a").write_bytes(bytes(1000 * kilobytes))
        (tmp_path / "builds" / f"{name}.lock").touch()
        used(folder, days * DAY)
    for name in ("payloads", "downloads"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "images").write_bytes(bytes(4000))
        used(tmp_path / name / "images", 3 * HOUR)
    return tmp_path


def used(path, seconds):
    os.utime(path, (time.time() - seconds,) * 2)


def names(found):
    return [entry.path.name for entry in found]


def test_entries_are_told_in_the_order_of_their_use(cache):
    assert names(entries()) == ["old", "middle", "new", "images"]
    assert [entry.n_bytes for entry in entries()] == [1000, 2000, 3000, 4000]
    touch(cache / "builds" / "old")
    assert names(entries()) == ["middle", "new", "images", "old"]


@pytest.mark.parametrize(
    ("options", "removed"),
    [
        ({}, []),
        ({"age": 4 * DAY}, ["old", "middle"]),
        ({"size": 10000}, []),
        ({"size": 9999}, ["old"]),
        ({"size": 7000}, ["old", "middle"]),
        ({"size": 0}, ["old", "middle", "new", "images"]),
        ({"size": 0, "in_use": 3 * DAY}, ["old", "middle"]),
        ({"size": 9000, "age": 4 * DAY}, ["old", "middle"]),
    ],
)
def test_what_is_old_or_too_much_goes(cache, options, removed):
    left = [name for name in names(entries()) if name not in removed]
    assert names(prune(**options)) == removed
    assert names(entries()) == left
    assert (cache / "downloads" / "images").exists() and not list(cache.rglob(".pruned-*"))


def test_what_is_in_use_stays(cache):
    touch(cache / "builds" / "old")
    assert "old" not in names(prune(age=0, size=0))
    assert (cache / "builds" / "old" / "static_arrays" / "a").exists()


def test_the_command_says_what_it_did(cache, capsys, monkeypatch):
    assert main(["cache", "prune", "--older", "4"]) == 0
    assert capsys.readouterr().out == "Removed 2 entries of 0.0 MB; 2 of 0.0 MB are left.\n"
    assert main(["cache", "show"]) == 0
    shown = capsys.readouterr().out
    assert [line.split()[1] for line in shown.splitlines()] == ["1", "0", "0", "1", "0", "2"] and str(cache) in shown
    monkeypatch.setenv("BRIANPROP_CACHE_SIZE", "0.000004")
    assert main(["cache", "prune"]) == 0
    assert names(entries()) == ["images"]
    assert main(["cache", "prune", "--size", "-1"]) == 2
    assert "--size" in capsys.readouterr().err


@pytest.mark.parametrize("value", ["x", "-1", "nan"])
def test_a_bound_that_is_none_is_refused(value, monkeypatch):
    monkeypatch.setenv("BRIANPROP_CACHE_SIZE", value)
    with pytest.raises(ParameterError, match="BRIANPROP_CACHE_SIZE"):
        bound()


def test_an_empty_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("BRIANPROP_CACHE", str(tmp_path / "none"))
    assert entries() == [] and prune(age=0) == []
