"""What is shown while a build goes on."""

import io
import sys
import threading
import time

import pytest
from tqdm import TMonitor

from brianprop.models.cache import exclusive
from brianprop.models.errors import BuildError
from brianprop.models.simulation import silent, waiting
from brianprop.models.simulation.compiler import in_parallel
from brianprop.models.simulation.waiting import clock


class Terminal(io.StringIO):
    def isatty(self):
        return True


def until(condition):
    """Wait until something holds; a test that waits for ever fails."""
    end = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.005)


@pytest.fixture
def fast(monkeypatch):
    monkeypatch.setattr(waiting, "REFRESH", 0.01)
    monkeypatch.setattr(waiting, "PATIENCE", 0.01)


def test_a_terminal_has_a_running_clock_that_leaves_nothing(fast, monkeypatch):
    monkeypatch.setattr(sys, "stderr", screen := Terminal())
    said = []
    with clock("Building it", "units compiled", said.append) as progress:
        until(lambda: "Building it: 00:0" in screen.getvalue())
        progress(1, 3)
        until(lambda: "1 of 3 units compiled" in screen.getvalue())
    assert not said and "\n" not in screen.getvalue()
    assert screen.getvalue().rpartition("\r")[0].rpartition("\r")[2].strip() == ""  # wiped out


def test_a_log_has_lines_without_carriage_returns(fast, monkeypatch):
    monkeypatch.setattr(sys, "stderr", log := io.StringIO())
    said = []
    with clock("Building it", "units compiled", said.append) as progress:
        until(lambda: said)
        progress(2, 3)
        until(lambda: "2 of 3" in said[-1])
    assert said[0] == "Building it: 0 s" and said[-1] == "Building it: 0 s, 2 of 3 units compiled"
    assert log.getvalue() == ""
    ended = len(said)
    time.sleep(0.05)
    assert len(said) == ended


@pytest.mark.parametrize("stream", [Terminal, io.StringIO])
def test_silence_shows_nothing(fast, monkeypatch, stream):
    monkeypatch.setattr(sys, "stderr", screen := stream())
    before = threading.active_count()
    with clock("Building it", "units compiled", silent) as progress:
        progress(1, 3)
        assert threading.active_count() == before
    assert screen.getvalue() == ""


def test_the_clock_ends_with_an_error(fast, monkeypatch):
    monkeypatch.setattr(sys, "stderr", Terminal())
    before = set(threading.enumerate())
    with pytest.raises(BuildError, match="no"), clock("Building it", "", print):
        raise BuildError("no")
    # the first bar of a process starts a monitor, which stays
    assert not [thread for thread in threading.enumerate() if thread not in before and not isinstance(thread, TMonitor)]


def test_commands_are_counted_as_they_end(tmp_path):
    counted = []
    in_parallel([["true"]] * 3, tmp_path, "", lambda *numbers: counted.append(numbers))
    assert sorted(counted) == [(0, 3), (1, 3), (2, 3), (3, 3)]


def test_who_waits_for_another_process_is_told(tmp_path):
    told, inside = [], threading.Event()

    def second():
        with exclusive(tmp_path / "lock", lambda: told.append("busy")):
            inside.set()

    with exclusive(tmp_path / "lock", lambda: told.append("free")):
        thread = threading.Thread(target=second)
        thread.start()
        until(lambda: told)
        assert not inside.is_set()
    thread.join(20)
    assert told == ["busy"] and inside.is_set()
