"""C++ standalone and CUDA: every run is a separate process that reads and writes files."""

from __future__ import annotations

import math
import re
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np

from brianprop.models.errors import RunError
from brianprop.models.model import Model
from brianprop.models.simulation.builds import cached_build, read_manifest
from brianprop.models.simulation.generate import CUDA
from brianprop.models.simulation.scratch import Scratch
from brianprop.models.simulation.simulator import Progress, Simulator

__all__ = ["StandaloneSimulator"]

#: Likely cause and remedy by the signal that ended a simulation.
DEATHS = {
    signal.SIGKILL: "it was killed, most likely since memory ran out; free memory",
    signal.SIGILL: "it holds an instruction that this processor lacks; set $BRIANPROP_CACHE to a folder of this machine alone",
    signal.SIGSEGV: "it read memory that is not its own; remove its folder, so that it is built anew",
    signal.SIGBUS: "a file that it reads became shorter, or the disk of $TMPDIR is full; free space",
    signal.SIGXCPU: "it ran longer than its limit (ulimit -t)",
    signal.SIGXFSZ: "a result became larger than the limit of files (ulimit -f)",
}


class StandaloneSimulator(Simulator):
    """A binary of the build cache, with a temporary folder for the files that its runs read and write."""

    def __init__(self, model: Model, codegen: str, message: Callable[[str], None]):
        super().__init__(model, codegen)
        self.folder = cached_build(model, codegen, message)
        manifest = read_manifest(self.folder)
        self._arrays = {
            name: (entry["file"], np.dtype(entry["dtype"]), entry["size"]) for name, entry in manifest["arrays"].items()
        }
        self.build_seconds = manifest["build_seconds"]
        self._scratch = Scratch()

    def close(self) -> None:
        self._scratch.close()

    def _run(self, weights, stimuli, samples, noise_seed, n_recorded, first, progress):
        n_turns = samples.shape[-1]
        results = None
        try:
            results = Path(tempfile.mkdtemp(dir=self._scratch.path, prefix="run-"))
            arguments = []
            for name, value in self.values(weights, n_turns, n_recorded, noise_seed, first).items():
                if np.ndim(value) or not math.isfinite(value):  # Brian2 takes what begins with a letter for a file
                    file = results / f"{name}.in"
                    _write(file, np.asarray(value).astype(self._arrays[name][1]))
                    arguments.append(f"{name}={file}")
                else:
                    arguments.append(f"{name}={value!r}")
            (results / "rows").symlink_to(stimuli.file(self._scratch.path))
            _write(results / "order", stimuli.order(samples))
            self._execute(results, arguments, progress)
            seconds = float((results / "loop_seconds.txt").read_text())
            return self.model.result(self._reader(results), n_turns, seconds)
        except OSError as error:
            raise RunError(
                f"Cannot write to {error.filename or results or tempfile.gettempdir()} ({error.strerror or error}); free space "
                "or set $TMPDIR to another folder."
            ) from error
        except ValueError as error:
            raise RunError(f"The results of {self.folder / 'main'} cannot be read ({error}); free space in $TMPDIR.") from error
        finally:
            if results is not None:
                shutil.rmtree(results, ignore_errors=True)

    def _execute(self, results: Path, arguments: list[str], progress: Progress | None) -> None:
        """Run the binary. Any output other than its progress is an error, and so is an exit status other than 0."""
        with (results / "said.txt").open("w+") as said:
            process = subprocess.Popen(
                [self.folder / "main", "--results_dir", f"{results}/", *arguments],
                cwd=self.folder,
                stdout=subprocess.PIPE,
                stderr=said,
                text=True,
                errors="replace",
            )
            try:
                for line in process.stdout or ():
                    word, _, number = line.partition(" ")
                    if word != "turns":
                        said.write(line)
                    elif progress:
                        progress(int(number))
                code = process.wait()
            except BaseException:
                process.kill()
                process.wait()
                raise
            said.seek(0)
            lines = [line.strip() for line in said if line.strip()]
        if self.codegen == CUDA:  # Brian2CUDA prints much about its kernels
            lines = [line for line in lines if re.search(r"error|cannot|fail", line, re.IGNORECASE)] if not code else lines
        if not code and not lines:
            return
        if code < 0:
            number = signal.Signals(-code)
            words = f"ended by {number.name}: {DEATHS.get(number, 'another program or the system sent it')}"
        else:
            words = f"ended with status {code}: {' / '.join(lines[-3:])[-300:] or 'no message'}; free space in $TMPDIR"
        raise RunError(f"The simulation {self.folder / 'main'} {words}, and run it again.")

    def _reader(self, results: Path) -> Callable[[str], np.ndarray]:
        """The function that reads the final value of a variable, for `models.model.Model.result`."""
        if self.codegen != CUDA:
            return lambda name: self._read(results, name)
        orders: dict[str, np.ndarray] = {}

        def read_sorted(name: str) -> np.ndarray:
            values, owner = self._read(results, name), name.partition(".")[0]
            if owner not in self.model.events:
                return values
            if owner not in orders:  # a GPU writes the spikes of a step in any order
                orders[owner] = np.lexsort([self._read(results, f"{owner}.{key}") for key in ("i", "t")])
            return values[orders[owner]]

        return read_sorted

    def _read(self, results: Path, name: str) -> np.ndarray:
        file, dtype, size = self._arrays[name]
        owner, path = name.partition(".")[0], results / file
        if size is None:  # the size is in the variable N of the object: spikes, or synapses
            size = int(self._read(results, f"{owner}.N")[0])
        # Brian2 does not write the file of a monitor that recorded nothing
        values = np.fromfile(path, dtype) if size or path.exists() else np.empty(0, dtype)
        if len(values) != size:
            raise RunError(
                f"The simulation {self.folder / 'main'} wrote {len(values)} of {size} values of {name}; free space in $TMPDIR "
                "and run it again."
            )
        return values


def _write(path: Path, values: np.ndarray) -> None:
    """Write an array as bytes. Raises OSError with the reason, which `numpy.ndarray.tofile` would lose."""
    with path.open("wb") as file:
        file.write(np.ascontiguousarray(values).data)
