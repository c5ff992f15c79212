"""Several runs at once: opened, grouped with those that differ only in their seed, and labelled by what differs."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from brianprop.analysis.runs.run import Run
from brianprop.analysis.runs.values import INFINITE, as_json, joined
from brianprop.analysis.systems import SYSTEMS
from brianprop.models.errors import RunError, reason

__all__ = ["Group", "augmentation", "group_runs", "open_runs", "seed_of", "settings_of"]

#: Titles of settings in labels, where these differ from the name.
SYMBOLS = {
    "steps": "T",
    "theta": "θ",
    "rate_hidden": "hidden rate",
    "rate_out": "output rate",
    "w_max": "bound",
    "dataset": "data",
}

#: Entries of the configuration of the data set that belong to the settings.
DATA_SETTINGS = ("samples", "crop", "binarise")

#: What is done to the training images, anew in each turn, and what it is in runs that are older than the option.
AUGMENTATION = {"jitter": 0, "flip": False, "elastic": 0.0, "input_dropout": 0.0}


@dataclass(frozen=True)
class Group:
    """Runs of one kind.

    Attributes
    ----------
    system : str
    label : str
        The system, and the settings that distinguish this group from the others of the system.
    runs : tuple of Run
        In ascending order of their seeds.
    settings : dict
        The settings that they share; see `settings_of`.
    """

    system: str
    label: str
    runs: tuple[Run, ...]
    settings: dict


def augmentation(training: Mapping[str, Any]) -> dict[str, Any]:
    """What is done to the training images, from the table ``training`` of config.json or from `TrainOptions.training`."""
    return {name: training.get(name, default) for name, default in AUGMENTATION.items()}


def settings_of(run: Run) -> dict:
    """The settings in which two runs of a system must agree to count as two seeds: parameters, data and number of epochs.

    The number of epochs is left out where it does not change the epochs themselves, as in nBP with constant steps. A parameter
    that a run does not name, since the run is older than the parameter, has its default.
    """
    data, training = run.config.get("dataset", {}), run.config.get("training", {})
    settings = as_json(SYSTEMS[run.system].parameters()) | run.config.get("parameters", {})
    settings["dataset"] = Path(data.get("name", "")).name
    settings |= {name: data.get(name) for name in DATA_SETTINGS}
    settings |= augmentation(training)
    if SYSTEMS[run.system].epochs_matter(settings):
        settings["epochs"] = training.get("epochs")
    return settings


def open_runs(run_paths: Sequence[Path], purpose: str) -> list[Run]:
    """Open several run directories and make sure that none counts twice.

    Parameters
    ----------
    run_paths : sequence of path-like
    purpose : str
        What is to be done with the runs, for messages, such as ``draw``.

    Raises
    ------
    RunError
        If there is no path, a run cannot be read, or two of the paths are one directory or hold the same settings and seed.
    """
    if not run_paths:
        raise RunError(f"There is nothing to {purpose}, since no run directory was given; give at least one.")
    runs = [Run.open(path) for path in run_paths]
    folders: dict[tuple[int, int], Run] = {}
    seeds: dict[str, Run] = {}
    for run in runs:
        try:
            state = run.path.stat()
        except OSError as error:
            raise RunError(f"The run directory {run.path} cannot be read ({reason(error)}); leave it out.") from error
        other = folders.setdefault((state.st_dev, state.st_ino), run)
        if other is not run:
            raise RunError(f"{other.path} and {run.path} are one directory, which counts once; leave one of them out.")
        other = seeds.setdefault(json.dumps([run.system, settings_of(run), seed_of(run)], sort_keys=True), run)
        if other is not run:
            raise RunError(
                f"{other.path} and {run.path} have the same settings and the same seed {seed_of(run)}, so they count as one; "
                "leave one of them out."
            )
    return runs


def group_runs(runs: Sequence[Run], ignored: Collection[str] = ()) -> list[Group]:
    """Put runs together that differ only in their seed or in `ignored` settings.

    Parameters
    ----------
    runs : sequence of Run
    ignored : collection of str
        Names of settings, such as ``steps``.

    Returns
    -------
    list of Group
        In the order of the first run of each.
    """
    by_settings: dict[str, tuple[str, dict, list[Run]]] = {}
    for run in runs:
        settings = {name: value for name, value in settings_of(run).items() if name not in ignored}
        key = json.dumps([run.system, settings], sort_keys=True)
        by_settings.setdefault(key, (run.system, settings, []))[2].append(run)
    groups = list(by_settings.values())
    return [
        Group(system, _label(system, settings, groups), tuple(sorted(members, key=seed_of)), settings)
        for system, settings, members in groups
    ]


def seed_of(run: Run) -> int:
    """The seed of a run; 0 where its configuration names none."""
    return run.config.get("training", {}).get("seed", 0)


def _label(system: str, settings: dict, groups: Sequence[tuple[str, dict, list[Run]]]) -> str:
    others = [other for name, other, _ in groups if name == system]
    # the sizes of input and output follow from the data
    names = [name for name in settings if name not in ("n_in", "n_out")]
    differing = [name for name in names if any(other.get(name) != settings[name] for other in others)]
    return ", ".join([SYSTEMS[system].title, *(_words(name, settings[name]) for name in differing)])


def _words(name: str, value: object) -> str:
    title = SYMBOLS.get(name, name.replace("_", " "))
    if isinstance(value, bool):
        return title if value else f"no {title}"
    if value is None or value == INFINITE:
        return f"no {title}"
    if isinstance(value, list):
        value = joined(value)
    return f"{title} = {value:g}" if isinstance(value, float) else f"{title} = {value}"
