"""The file of a run in a format of the field."""

from __future__ import annotations

import functools
import importlib
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Literal

from brianprop.analysis.export.neo import write_neo
from brianprop.analysis.export.nwb import write_nwb
from brianprop.analysis.export.trains import spike_trains
from brianprop.analysis.figures.classes import class_names
from brianprop.analysis.runs.recording import Recording
from brianprop.analysis.runs.run import Run
from brianprop.analysis.systems import SYSTEMS
from brianprop.models.errors import ParameterError, RunError, did_you_mean
from brianprop.models.files import atomic_write

__all__ = ["FORMATS", "Format", "export", "write"]

Format = Literal["neo", "nwb"]


#: Kinds of files by format, the usual one first: suffix, and the packages that write it.
KINDS: dict[Format, dict[str, tuple[str, ...]]] = {
    "neo": {".mat": ("neo",), ".nix": ("neo", "nixio")},
    "nwb": {".nwb": ("pynwb",)},
}
FORMATS = tuple(KINDS)


def export(path: str | os.PathLike, to: Format, out: Path | None = None, per_turn: bool = False) -> Path:
    """Write the spikes of a run in a format of the field: those of spikes.npz, or of raster.npz if there is no other.

    Parameters
    ----------
    path : path-like
        Run directory.
    to : {"neo", "nwb"}
        A block of Neo, or a file of NWB.
    out : path-like, optional
        The file, by default ``spikes`` with the suffix of the format in the run directory: ``.mat`` for Neo (NeoMatlabIO; with
        ``.nix``, NixIO, which takes far longer and more space), ``.nwb`` for NWB. An older file is replaced.
    per_turn : bool
        Whether each turn is a segment of its own, in Neo; otherwise one segment holds all.

    Returns
    -------
    pathlib.Path
        The file.

    Raises
    ------
    ParameterError
        If the format is unknown, or has no segments.
    RunError
        If the run cannot be read or holds no spikes, a package is missing, or the file cannot be written.
    """
    if to not in KINDS:
        raise ParameterError(f"Format {to!r} is unknown; use one of {', '.join(KINDS)}.{did_you_mean(to, KINDS)}")
    if per_turn and to != "neo":
        raise ParameterError(f"Format {to} has no segments; leave --per-turn away, its trials are the turns.")
    run = Run.open(path)
    _recording(run)
    usual = next(iter(KINDS[to]))
    out = run.path / f"spikes{usual}" if out is None else Path(out)
    kind = out.suffix if out.suffix in KINDS[to] else usual
    try:
        for package in KINDS[to][kind]:
            importlib.import_module(package)
    except ImportError as error:
        raise RunError(f"{error.name} is not installed; use pip install 'brianprop[export]'.") from error
    atomic_write(out, lambda file: _write_apart(run.path, kind, file.name, per_turn))
    return out


def _write_apart(run: Path, kind: str, path: str, per_turn: bool) -> None:
    """Write a file in a process of its own, since HDF5 crashes on a full disk. Raises OSError if that fails."""
    code = f"import sys; from {__name__} import write; write(*sys.argv[1:4], sys.argv[4] == 'True')"
    done = subprocess.run(
        [sys.executable, "-c", code, run, kind, path, str(per_turn)],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        errors="replace",
    )
    if done.returncode:
        number = re.search(r"errno = (\d+)|\[Errno (\d+)\]", done.stderr)
        if number is None:
            lines = done.stderr.strip().splitlines() or [f"it ended with status {done.returncode}"]
            raise OSError(f"the process that writes failed: {lines[-1]}")
        code_of_system = int(number[1] or number[2])
        raise OSError(code_of_system, os.strerror(code_of_system))


def write(path: str, kind: str, out: str, per_turn: bool) -> None:
    """Write the spikes of a run into a file, in the calling process. Its arguments are checked by `export`.

    Parameters
    ----------
    path : str
        Run directory.
    kind : str
        Suffix of the kind of file.
    out : str
        The file.
    per_turn : bool
        See `export`.
    """
    run = Run.open(path)
    system, parameters = SYSTEMS[run.system], run.parameters()
    read = functools.partial(system.turns, parameters)
    trains = spike_trains(_recording(run), float(run.config["parameters"]["dt"]), read)
    classes = class_names(run.config["dataset"])
    # without a path of this machine
    data = Path(run.config["dataset"]["name"]).name
    title = f"{system.title}, {data}, seed {run.config['training']['seed']}"
    if kind == ".nwb":
        write_nwb(run, title, trains, classes, Path(out))
    else:
        with open(out, "wb") as file:
            write_neo(run, title, trains, classes, file, kind == ".nix", per_turn)


def _recording(run: Run) -> Recording:
    recording = run.load_spikes() or run.load_spikes("raster")
    if recording is None:
        raise RunError(f"{run.path} holds no spikes (spikes.npz or raster.npz); train with --record-spikes to keep all.")
    return recording
