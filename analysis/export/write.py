"""A file of a run in a format of the field."""

from __future__ import annotations

import importlib
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from brianprop.analysis.export.neo import write_neo
from brianprop.analysis.export.nir import DT, write_nir
from brianprop.analysis.export.nwb import write_nwb
from brianprop.analysis.export.trains import spike_trains
from brianprop.analysis.runs.recording import Recording
from brianprop.analysis.runs.run import Run
from brianprop.analysis.systems import SYSTEMS
from brianprop.models.errors import ParameterError, RunError
from brianprop.models.files import atomic_write

__all__ = ["FORMATS", "Format", "export", "write"]

Format = Literal["neo", "nwb", "nir"]


@dataclass(frozen=True)
class _Kind:
    """Name of the file of a format, the packages that write it, and the extra that installs them."""

    file: str
    packages: tuple[str, ...]
    extra: str


FORMATS: dict[Format, _Kind] = {
    "neo": _Kind("spikes.nix", ("neo", "nixio"), "export"),
    "nwb": _Kind("spikes.nwb", ("pynwb",), "export"),
    "nir": _Kind("network.nir", ("nir",), "nir"),
}


def export(
    path: str | os.PathLike, to: Format, out: Path | None = None, *, dt: float | None = None, drive: bool = False
) -> Path:
    """Write the spikes of a run, or its trained network, in a format of the field.

    Spikes are those of spikes.npz, or of raster.npz if there is no other.

    Parameters
    ----------
    path : path-like
        Run directory.
    to : {"neo", "nwb", "nir"}
        Spikes as a block of Neo in a file of NIX, or as a file of NWB; or the part of the network that answers, as a graph of
        NIR.
    out : path-like, optional
        The file, by default ``spikes.nix``, ``spikes.nwb`` or ``network.nir`` in the run directory. An older file is replaced.
    dt, drive
        Only for NIR, see `analysis.export.nir.to_nir`.

    Returns
    -------
    pathlib.Path
        The file.

    Raises
    ------
    ParameterError
        If the format is unknown, is given what only NIR has, or NIR does not hold the network.
    RunError
        If the run cannot be read or holds no spikes, a package is missing, or the file cannot be written.
    """
    if to not in FORMATS:
        raise ParameterError(f"Format {to!r} is unknown; use one of {', '.join(FORMATS)}.")
    if to != "nir" and (drive or dt is not None):
        raise ParameterError(f"{'drive' if drive else 'dt'} belongs to the format nir, not to {to}; leave it out.")
    run = Run.open(path)
    if to != "nir":
        _recording(run)
    out = run.path / FORMATS[to].file if out is None else Path(out)
    try:
        for package in FORMATS[to].packages:
            importlib.import_module(package)
    except ImportError as error:
        raise RunError(f"{error.name} is not installed; use pip install 'brianprop[{FORMATS[to].extra}]'.") from error
    if to == "nir":
        write_nir(run, out, dt=DT if dt is None else dt, drive=drive)
    else:
        atomic_write(out, lambda file: _write_apart(run.path, to, file.name))
    return out


def _write_apart(run: Path, to: Format, path: str) -> None:
    """Write a file in a process of its own, since HDF5 crashes on a full disk. Raises OSError if that fails."""
    code = f"import sys; from {__name__} import write; write(*sys.argv[1:])"
    done = subprocess.run(
        [sys.executable, "-c", code, run, to, path],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        errors="replace",
    )
    if done.returncode:
        number = re.search(r"errno = (\d+)", done.stderr)
        if number is None:
            lines = done.stderr.strip().splitlines() or [f"it ended with status {done.returncode}"]
            raise OSError(f"the process that writes failed: {lines[-1]}")
        raise OSError(int(number[1]), os.strerror(int(number[1])))


def write(path: str, to: Format, out: str) -> None:
    """Write the spikes of a run into a file, in the calling process. Its arguments are checked by `export`.

    Parameters
    ----------
    path : str
        Run directory.
    to : {"neo", "nwb"}
    out : str
        The file.
    """
    run = Run.open(path)
    trains = spike_trains(_recording(run), float(run.config["parameters"]["dt"]))
    # without a path of this machine
    data = Path(run.config["dataset"]["name"]).name
    title = f"{SYSTEMS[run.system].title}, {data}, seed {run.config['training']['seed']}"
    (write_neo if to == "neo" else write_nwb)(run, title, trains, Path(out))


def _recording(run: Run) -> Recording:
    recording = run.load_spikes() or run.load_spikes("raster")
    if recording is None:
        raise RunError(f"{run.path} holds no spikes (spikes.npz or raster.npz); train with --record-spikes to keep all.")
    return recording
