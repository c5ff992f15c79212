"""Spikes of a run for the tools of the field: Neo (in a file of NIX) and Neurodata Without Borders.

Every neuron is a spike train or a unit, named by its population and its number in it. Time is that of the network: epochs
follow one another without a gap, each beginning with the lead-in of its first turn. A turn of the chain in nBP, and a
presentation in SSNN-BP, is an epoch of Neo, which has nothing to do with those of the training, or a trial of NWB.
"""

from __future__ import annotations

import contextlib
import importlib
import itertools
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import numpy as np

from brianprop.analysis.runs.recording import Recording
from brianprop.analysis.runs.run import Run
from brianprop.analysis.runs.systems import TITLES
from brianprop.models.errors import ParameterError, RunError
from brianprop.models.files import cannot_write

__all__ = ["FORMATS", "Trains", "export", "trains", "write"]

Format = Literal["neo", "nwb"]

#: Suffix of the file of each format.
FORMATS: dict[Format, str] = {"neo": ".nix", "nwb": ".nwb"}


#: Package that writes each format.
PACKAGES: dict[Format, tuple[str, ...]] = {"neo": ("neo", "nixio"), "nwb": ("pynwb",)}


@dataclass(frozen=True)
class Trains:
    """A recording as one spike train per neuron.

    Attributes
    ----------
    units : tuple of (str, int)
        Population and neuron, in the order of the recording's layout; silent ones too.
    times : tuple of float arrays
        Spike times [s] of each, ascending.
    turns : float array of shape (n_turns, 2)
        Beginning and end [s] of every turn that was recorded.
    training_epoch : int array of shape (n_turns,)
        Epoch of the training in which it was.
    stop : float
        End of the last turn [s].
    dt : float
        Time step [s], in whole numbers of which all times are.
    """

    units: tuple[tuple[str, int], ...]
    times: tuple[np.ndarray, ...]
    turns: np.ndarray
    training_epoch: np.ndarray
    stop: float
    dt: float


def trains(recording: Recording, dt: float) -> Trains:
    """Put the spikes of a recording in the order of the neurons.

    Parameters
    ----------
    recording : Recording
    dt : float
        Time step [s].
    """
    epochs = np.unique(recording.epoch)
    # an epoch begins with the steps of the lead-in, which are negative, and lasts for whole turns
    lead = -int(min(recording.step.min(initial=0), 0))
    n_turns = {int(epoch): int(recording.step[recording.epoch == epoch].max()) // recording.period + 1 for epoch in epochs}
    starts, turns, at = {}, [], 0
    for epoch, number in n_turns.items():
        starts[epoch] = at + lead
        turns += [(starts[epoch] + turn * recording.period, epoch) for turn in range(number)]
        at = starts[epoch] + number * recording.period
    step = recording.step + np.array([starts[int(epoch)] for epoch in epochs])[np.searchsorted(epochs, recording.epoch)]
    offsets = np.concatenate([[0], np.cumsum(recording.sizes)])
    unit = offsets[recording.population] + recording.neuron
    order = np.lexsort((step, unit))
    ends = np.searchsorted(unit[order], np.arange(offsets[-1] + 1))
    times = step[order] * dt
    begins = np.array([turn for turn, _ in turns], float) * dt
    return Trains(
        tuple((name, k) for name, size in zip(recording.populations, recording.sizes, strict=True) for k in range(size)),
        tuple(times[start:end] for start, end in itertools.pairwise(ends)),
        np.stack([begins, begins + recording.period * dt], axis=1),
        np.array([epoch for _, epoch in turns], int),
        at * dt,
        dt,
    )


def export(path: str | os.PathLike, to: Format, out: Path | None = None) -> Path:
    """Write the spikes of a run in a format of the field: all of spikes.npz, or of raster.npz where only that is there.

    Parameters
    ----------
    path : path-like
        Run directory.
    to : {"neo", "nwb"}
        A block of Neo in a file of NIX, or a file of NWB.
    out : path-like, optional
        The file (default: ``spikes`` with the suffix of `FORMATS` in the run directory). An older one is replaced.

    Raises
    ------
    ParameterError
        If the format is unknown.
    RunError
        If the run cannot be read or holds no spikes, the format's package is missing, or the file cannot be written.
    """
    if to not in FORMATS:
        raise ParameterError(f"Format {to!r} is unknown; use one of {', '.join(FORMATS)}.")
    run = Run.open(path)
    _recording(run)
    out = run.path / f"spikes{FORMATS[to]}" if out is None else Path(out)
    try:
        for package in PACKAGES[to]:
            importlib.import_module(package)
    except ImportError as error:
        raise RunError(f"{error.name} is not installed; use pip install 'brianprop[export]'.") from error
    # the writers take a path and no open file: the file moves to its place when it is whole
    temporary = out.with_name(f".{out.stem}.{os.getpid()}{FORMATS[to]}")
    try:
        _write_apart(run.path, to, temporary)
        os.replace(temporary, out)
    except OSError as error:
        raise cannot_write(out, error) from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
    return out


def _write_apart(run: Path, to: Format, path: Path) -> None:
    """Write a file in a process of its own, since HDF5 crashes on a full disk. Raises OSError where that fails."""
    with open(path, "wb"):  # HDF5 does not say clearly that a folder is missing or forbidden
        pass
    done = subprocess.run(
        [sys.executable, "-c", "import sys; from analysis import export; export.write(*sys.argv[1:])", run, to, path],
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
    """Write the spikes of a run into a file, in the process that calls this; `export` has looked at what is given.

    Parameters
    ----------
    path : str
        Run directory.
    to : {"neo", "nwb"}
    out : str
        The file.
    """
    run = Run.open(path)
    found = trains(_recording(run), float(run.config["parameters"]["dt"]))
    (_write_neo if to == "neo" else _write_nwb)(run, found, Path(out))


def _recording(run: Run) -> Recording:
    recording = run.load_spikes() or run.load_spikes("raster")
    if recording is None or not len(recording.step):
        raise RunError(f"{run.path} holds no spikes (spikes.npz or raster.npz); train with --record-spikes to keep all.")
    return recording


def _title(run: Run) -> str:
    """What was trained on which data; without a path of the machine."""
    return f"{TITLES[run.system]}, {Path(run.config['dataset']['name']).name}, seed {run.config['training']['seed']}"


def _write_neo(run: Run, found: Trains, path: Path) -> None:
    import quantities as pq
    from neo.core import Block, Epoch, Segment, SpikeTrain
    from neo.io import NixIO

    block = Block(
        name=_title(run), description="spikes of a simulated network that learns", commit=str(run.environment.get("commit"))
    )
    segment = Segment(name="training")
    block.segments.append(segment)
    for (population, neuron), times in zip(found.units, found.times, strict=True):
        segment.spiketrains.append(
            SpikeTrain(
                times * pq.s,
                t_stop=found.stop * pq.s,
                name=f"{population} {neuron}",
                population=population,
                neuron=neuron,
            )
        )
    turns = Epoch(
        times=found.turns[:, 0] * pq.s,
        durations=(found.turns[:, 1] - found.turns[:, 0]) * pq.s,
        labels=np.array([f"epoch {epoch}" for epoch in found.training_epoch]),
        name="turns",
    )
    segment.epochs.append(turns)
    with NixIO(str(path), mode="ow") as file:
        file.write_block(block)


def _write_nwb(run: Run, found: Trains, path: Path) -> None:
    from pynwb import NWBHDF5IO, NWBFile
    from pynwb.file import Subject
    from pynwb.misc import Units

    title = _title(run)
    file = NWBFile(
        session_description=title,
        identifier=f"{title}, {run.environment.get('commit')}",
        # a simulation has no date; that of the file would make equal exports differ
        session_start_time=datetime(1970, 1, 1, tzinfo=UTC),
        experiment_description="spikes of a simulated network that learns",
        source_script=f"brianprop {run.environment.get('versions', {}).get('brianprop', '')}".strip(),
        source_script_file_name="brianprop",
        keywords=["simulation", "spiking neural network", "backpropagation", TITLES[run.system]],
        # tools and archives ask for a subject; it says itself that it is none
        subject=Subject(
            subject_id=f"simulated-network-seed{run.config['training']['seed']}",
            description="a simulated network, no living being",
            species="http://purl.obolibrary.org/obo/NCBITaxon_32630",  # synthetic construct
            sex="U",
            age="P0D",
        ),
    )
    file.units = Units(name="units", description="neurons of the network", resolution=found.dt)
    file.add_unit_column("population", "population of the neuron")
    file.add_unit_column("neuron", "number of the neuron in its population")
    for (population, neuron), times in zip(found.units, found.times, strict=True):
        file.add_unit(spike_times=times, obs_intervals=[[0.0, found.stop]], population=population, neuron=neuron)
    file.add_trial_column("training_epoch", "epoch of the training")
    for (start, stop), epoch in zip(found.turns, found.training_epoch, strict=True):
        file.add_trial(start_time=start, stop_time=stop, training_epoch=int(epoch))
    with NWBHDF5IO(str(path), "w") as io:
        io.write(file)
