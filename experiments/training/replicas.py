"""Networks of several seeds in one simulation, each with a run directory of its own."""

from __future__ import annotations

import dataclasses
import json
import threading
from pathlib import Path

from brianprop.analysis.runs import Run, require_vacant
from brianprop.analysis.runs.json_files import read_json
from brianprop.experiments.sweeps.description import SETTINGS, as_values, settings_of
from brianprop.experiments.training.circuit import CircuitOptions
from brianprop.experiments.training.commands import prepared, resume, train
from brianprop.experiments.training.lockstep import Seat, run_together
from brianprop.experiments.training.loop import Message
from brianprop.models.errors import ParameterError, RunError
from brianprop.models.files import cannot_write, write_text

__all__ = ["are_replicas", "resume_replicas", "train_replicas"]

#: What a folder of replicas holds besides their run directories.
PLAN = "replicas.json"
FORMAT = 1


def train_replicas(settings: CircuitOptions, message: Message = print) -> list[Run]:
    """Train networks with seeds from that of the settings on, in run directories ``seed0``, ``seed1``, ... of its `out`.

    Parameters
    ----------
    settings : CircuitOptions
        With more than one of `replicas`, divided among `processes` simulations.
    message : callable
        See `experiments.training.commands.train`.

    Returns
    -------
    list of Run

    Raises
    ------
    ParameterError, DataError, RunError, BuildError
        As `experiments.training.commands.train` does; `resume_replicas` goes on with what was begun.
    """
    out = Path(settings.out)
    if are_replicas(out):
        raise RunError(f"{out} exists already; choose another --out or use 'brianprop resume {out}'.")
    require_vacant(out)
    # for a single one of them, but the memory of all: what is wrong is said before anything is written
    prepared(settings, message, copies=settings.replicas)
    plan = {
        "format": FORMAT,
        "system": settings.system,
        "replicas": settings.replicas,
        "processes": settings.processes,
        "settings": as_values(settings),
    }
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise cannot_write(out, error) from error
    write_text(out / PLAN, json.dumps(plan, indent=1, ensure_ascii=False) + "\n")
    return _go(settings, message)


def are_replicas(path: Path) -> bool:
    """Whether a folder is one of replicas."""
    return (Path(path) / PLAN).is_file()


def resume_replicas(path: Path, message: Message = print) -> list[Run]:
    """Go on with replicas that were interrupted: each ends with the weights that it would have had.

    Raises
    ------
    DataError, RunError, BuildError
        As `experiments.training.commands.resume` does, and when the plan cannot be read.
    """
    place = Path(path) / PLAN
    plan = read_json(place)
    try:
        if plan["format"] != FORMAT:
            raise ValueError(f"format {plan['format']!r}, but this version reads {FORMAT}")
        settings = settings_of(SETTINGS[plan["system"]], plan["settings"], Path(path))
        settings = dataclasses.replace(settings, replicas=plan["replicas"], processes=plan["processes"])
    except (ParameterError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise RunError(f"{place} cannot be taken ({error}); train anew into another folder.") from error
    return _go(settings, message)


def _go(settings: CircuitOptions, message: Message) -> list[Run]:
    saying = threading.Lock()

    def job(seed: int):
        own = dataclasses.replace(settings, seed=seed, out=Path(settings.out) / f"seed{seed}", replicas=1, processes=1)

        def said(line: str) -> None:
            with saying:  # print writes a line and its end apart
                message(f"seed {seed}: {line}" if line.startswith("epoch") else line)

        def begin_or_go_on(seat: Seat) -> Run:
            begun = (own.out / "config.json").exists()
            return resume(own.out, message=said, seat=seat) if begun else train(own, said, seat=seat)

        return begin_or_go_on

    seeds = range(settings.seed, settings.seed + settings.replicas)
    # the size decides the binary: the same for each process, and when only some are left
    size = -(-settings.replicas // settings.processes)
    outcomes = run_together([job(seed) for seed in seeds], size, settings.processes)
    for outcome in outcomes:
        if isinstance(outcome, Exception):
            raise outcome
    return outcomes
