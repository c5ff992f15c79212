"""A file of a run in a format of the field."""

from __future__ import annotations

import functools
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
from brianprop.analysis.export.tensorboard import write_tensorboard
from brianprop.analysis.export.trains import spike_trains
from brianprop.analysis.figures.classes import class_names
from brianprop.analysis.runs.recording import Recording
from brianprop.analysis.runs.run import Run
from brianprop.analysis.systems import SYSTEMS
from brianprop.models.errors import ParameterError, RunError, did_you_mean
from brianprop.models.files import atomic_write

__all__ = ["FORMATS", "Format", "export", "write"]

Format = Literal["neo", "nwb", "nir", "tensorboard"]

#: Formats of spikes.
SPIKES = ("neo", "nwb")


@dataclass(frozen=True)
class _Kind:
    """Usual file (or folder) of a format, the packages that write each kind of file by its suffix, and the extra of these."""

    file: str
    packages: dict[str, tuple[str, ...]]
    extra: str


FORMATS: dict[Format, _Kind] = {
    "neo": _Kind("spikes.mat", {".mat": ("neo",), ".nix": ("neo", "nixio")}, "export"),
    "nwb": _Kind("spikes.nwb", {".nwb": ("pynwb",)}, "export"),
    "nir": _Kind("network.nir", {".nir": ("nir",)}, "nir"),
    "tensorboard": _Kind("tensorboard", {"": ("tensorboardX",)}, "tensorboard"),
}


def export(
    path: str | os.PathLike,
    to: Format,
    out: Path | None = None,
    *,
    per_turn: bool = False,
    dt: float | None = None,
    drive: bool = False,
) -> Path:
    """Write the spikes of a run, its trained network, or its metrics, in a format of the field.

    Spikes are those of spikes.npz, or of raster.npz if there is no other.

    Parameters
    ----------
    path : path-like
        Run directory.
    to : {"neo", "nwb", "nir", "tensorboard"}
        Spikes as a block of Neo or as a file of NWB; the part of the network that answers, as a graph of NIR; or accuracies and
        losses as event files of TensorBoard.
    out : path-like, optional
        The file, by default ``spikes.mat``, ``spikes.nwb`` or ``network.nir`` in the run directory; of TensorBoard the folder,
        by default ``tensorboard``. Neo is read by NeoMatlabIO, or by NixIO where the name ends with ``.nix``, which takes far
        longer and more space. An older file is replaced.
    per_turn : bool
        Whether each turn is a segment of its own, in Neo; otherwise one segment holds all.
    dt, drive
        Only for NIR, see `analysis.export.nir.to_nir`.

    Returns
    -------
    pathlib.Path
        The file or folder.

    Raises
    ------
    ParameterError
        If the format is unknown, is given what it has not, or NIR does not hold the network.
    RunError
        If the run cannot be read or holds no spikes or metrics, a package is missing, or the file cannot be written.
    """
    if to not in FORMATS:
        raise ParameterError(f"Format {to!r} is unknown; use one of {', '.join(FORMATS)}.{did_you_mean(to, FORMATS)}")
    if to != "nir" and (drive or dt is not None):
        raise ParameterError(f"{'drive' if drive else 'dt'} belongs to the format nir, not to {to}; leave it out.")
    if per_turn and to != "neo":
        raise ParameterError(f"Format {to} has no segments; leave --per-turn away.")
    run = Run.open(path)
    if to in SPIKES:
        _recording(run)
    chosen = FORMATS[to]
    out = run.path / chosen.file if out is None else Path(out)
    kind = out.suffix if out.suffix in chosen.packages else next(iter(chosen.packages))
    try:
        for package in chosen.packages[kind]:
            importlib.import_module(package)
    except ImportError as error:
        raise RunError(f"{error.name} is not installed; use pip install 'brianprop[{chosen.extra}]'.") from error
    if to == "nir":
        write_nir(run, out, dt=DT if dt is None else dt, drive=drive)
    elif to == "tensorboard":
        write_tensorboard(run, out)
    else:
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
