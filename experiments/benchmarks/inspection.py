"""What a running binary takes: the time of its parts, its memory, and the sizes of the arrays that it writes."""

from __future__ import annotations

import contextlib
import copy
import csv
import os
import re
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TypeVar

from brianprop.models.model import Model, Result
from brianprop.models.simulation import Simulator, simulator
from brianprop.models.simulation.scratch import Scratch
from brianprop.models.simulation.standalone import StandaloneSimulator

__all__ = ["REST", "PeakMemory", "environment_variables", "group", "observe", "peak_memory", "profile"]

#: Name of the time of the loop that belongs to no part.
REST = "dispatch and rest"

Answer = TypeVar("Answer")


@contextlib.contextmanager
def environment_variables(**values: str) -> Iterator[None]:
    """Set environment variables for the length of a block."""
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def observe(simulated: Simulator, run: Callable[[Simulator], Answer], folder: Path) -> tuple[Answer, dict[str, int]]:
    """Run a model and look into the results directory of its binary, which the simulator removes after the run.

    Parameters
    ----------
    simulated : Simulator
        Of C++ standalone.
    run : callable
        Runs the simulator that it is given.
    folder : Path
        An empty folder; profile.csv is copied there, if the binary wrote one.

    Returns
    -------
    result
        What `run` returned.
    sizes : dict of int
        Size of each file of the results directory [bytes], by its name.
    """
    assert isinstance(simulated, StandaloneSimulator)
    # the simulator runs this script in place of the binary: it sees the results before they are removed
    script = folder / "main"
    script.write_text(
        "#!/bin/sh\n"
        f"here='{folder}'\n"
        f"cd '{simulated.folder}' && ./main \"$@\" || exit $?\n"
        'ls -ln "$2" > "$here/sizes"\n'
        'if [ -e "$2/profile.csv" ]; then cp "$2/profile.csv" "$here"; fi\n'
    )
    script.chmod(0o755)
    observed = copy.copy(simulated)
    observed.folder = folder
    result = run(observed)
    lines = [line.split(None, 8) for line in (folder / "sizes").read_text().splitlines()]
    return result, {words[8]: int(words[4]) for words in lines if len(words) == 9}


def group(timed: Mapping[str, float], total: float, patterns: Mapping[str, str]) -> dict[str, float]:
    """Sum the times of code objects by part of the circuit.

    Parameters
    ----------
    timed : dict of float
        Time of each code object by its name, such as ``plastic_x_h_propagate_codeobject``.
    total : float
        Time of the whole loop, in the same unit.
    patterns : dict of str
        Part of the circuit by a regular expression for names; the first that matches counts.

    Returns
    -------
    dict of float
        Time by part, with `REST` for what no pattern matches; the values add up to `total`.
    """
    parts: dict[str, float] = {}
    for name, value in timed.items():
        part = next((part for pattern, part in patterns.items() if re.search(pattern, name)), REST)
        parts[part] = parts.get(part, 0.0) + value
    parts[REST] = parts.get(REST, 0.0) + total - sum(timed.values())
    return parts


def profile(
    model: Model,
    run: Callable[[Simulator], Result],
    patterns: Mapping[str, str],
    message: Callable[[str], None] = print,
) -> dict[str, float]:
    """Time of each part of the dense code of a model [s], from a run that reads the clock around every code object.

    Parameters
    ----------
    model : Model
    run : callable
        Runs the simulator that it is given.
    patterns : dict of str
        As for `group`.
    message : callable
        Called with a line of text before a long build.

    Returns
    -------
    dict of float
        Time by part. The sum is the time of the loop, which is longer than without the clock. Empty where the code that was
        generated writes no profile.
    """
    with environment_variables(BRIANPROP_PROFILE="1"), simulator(model, message=message) as profiled, Scratch() as folder:
        result, _ = observe(profiled, run, folder)
        try:
            rows = list(csv.reader((folder / "profile.csv").read_text().splitlines()))
        except FileNotFoundError:
            return {}
    return group({name: float(seconds) for name, seconds, _ in rows}, result.seconds, patterns)


class PeakMemory:
    """Largest resident memory of a process, sampled from /proc while a ``with`` block runs.

    Parameters
    ----------
    binary : Path
        The program of the process.

    Attributes
    ----------
    peak : int
        In bytes; 0 where the system has no /proc or the process was not seen.
    """

    def __init__(self, binary: Path):
        self.peak = 0
        self._binary = str(binary.resolve())
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> PeakMemory:
        self._thread.start()
        return self

    def __exit__(self, *exception) -> None:
        self._done.set()
        self._thread.join()

    def _watch(self) -> None:
        # the usage of finished child processes is no measure: it includes the memory of the parent at the fork
        process = None
        while not self._done.wait(0.005):
            if process is None:
                process = next((path for path in Path("/proc").glob("[0-9]*") if self._runs(path)), None)
            if process is not None:
                try:
                    line = re.search(r"VmHWM:\s*(\d+) kB", (process / "status").read_text())
                except OSError:
                    process = None
                    continue
                if line:
                    self.peak = max(self.peak, 1024 * int(line[1]))

    def _runs(self, process: Path) -> bool:
        try:
            return os.readlink(process / "exe") == self._binary
        except OSError:
            return False


def peak_memory(simulated: Simulator, run: Callable[[], object]) -> int:
    """Largest resident memory [bytes] of the binary of a simulator during `run`; 0 where the system does not tell."""
    assert isinstance(simulated, StandaloneSimulator)
    with PeakMemory(simulated.folder / "main") as memory:
        run()
    return memory.peak
