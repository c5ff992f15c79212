"""Training of one network for several seeds in one simulation. Each has a run directory of its own."""

from __future__ import annotations

import dataclasses
import json
import threading
from collections.abc import Callable
from pathlib import Path

from brianprop.analysis.runs import Run, require_vacant
from brianprop.analysis.runs.json_files import read_json
from brianprop.experiments.training.circuit import CircuitOptions
from brianprop.experiments.training.commands import prepared, resume, train
from brianprop.experiments.training.lockstep import Member, train_in_lockstep
from brianprop.experiments.training.options import Message
from brianprop.experiments.training.systems import options_of
from brianprop.experiments.training.values import as_values, settings_of
from brianprop.models.errors import ParameterError, RunError
from brianprop.models.files import cannot_write, write_text

__all__ = ["are_replicas", "resume_replicas", "train_replicas"]

#: The file that makes a folder one of replicas: their number, their seeds and their options.
PLAN = "replicas.json"
FORMAT = 1


def train_replicas(settings: CircuitOptions, message: Message = print) -> list[Run]:
    """Train a network for consecutive seeds, from that of the settings, in run directories ``seed0``, ``seed1``, ... of `out`.

    Parameters
    ----------
    settings : CircuitOptions
        `replicas` networks, more than one, are divided among `processes` simulations.
    message : callable
        See `experiments.training.commands.train`.

    Returns
    -------
    list of Run
        In the order of the seeds.

    Raises
    ------
    ParameterError, DataError, RunError, BuildError
        As `experiments.training.commands.train` does. `resume_replicas` then goes on with what was begun.
    """
    out = Path(settings.out)
    if are_replicas(out):
        raise RunError(f"{out} exists already; choose another --out or use 'brianprop resume {out}'.")
    require_vacant(out)
    # checks one network, and the memory of all, before anything is written
    prepared(settings, message, replicas=settings.replicas)
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
    return _train_all(settings, message)


def are_replicas(path: Path) -> bool:
    """Whether a folder was made by `train_replicas`."""
    return (Path(path) / PLAN).is_file()


def resume_replicas(path: Path, message: Message = print) -> list[Run]:
    """Go on with replicas that were interrupted. Each ends with the weights that it would have had without the interruption.

    Raises
    ------
    DataError, RunError, BuildError
        As `experiments.training.commands.resume` does, and when replicas.json cannot be read.
    """
    file = Path(path) / PLAN
    plan = read_json(file)
    try:
        if plan["format"] != FORMAT:
            raise ValueError(f"format {plan['format']!r}, but this version reads {FORMAT}")
        settings = settings_of(options_of(plan["system"]), plan["settings"], Path(path))
        if not isinstance(settings, CircuitOptions):
            raise ValueError(f"the system {plan['system']} has no replicas")
        settings = dataclasses.replace(settings, replicas=plan["replicas"], processes=plan["processes"])
    except (ParameterError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise RunError(f"{file} cannot be taken ({error}); train anew into another folder.") from error
    return _train_all(settings, message)


def _train_all(settings: CircuitOptions, message: Message) -> list[Run]:
    """Train every replica, or go on with it where it was begun."""
    printing = threading.Lock()

    def training_of(seed: int) -> Callable[[Member], Run]:
        one = dataclasses.replace(settings, seed=seed, out=Path(settings.out) / f"seed{seed}", replicas=1, processes=1)

        def say(line: str) -> None:
            with printing:  # print writes a line and its end separately
                message(f"seed {seed}: {line}" if line.startswith("epoch") else line)

        def train_one(member: Member) -> Run:
            begun = (one.out / "config.json").exists()
            return resume(one.out, message=say, member=member) if begun else train(one, say, member=member)

        return train_one

    seeds = range(settings.seed, settings.seed + settings.replicas)
    # the number of networks decides the binary, so it is the same for every process, also when only some are left to train
    size = -(-settings.replicas // settings.processes)
    outcomes = train_in_lockstep([training_of(seed) for seed in seeds], size, settings.processes)
    for outcome in outcomes:
        if isinstance(outcome, Exception):
            raise outcome
    return outcomes
