"""Runs that differ in nothing but their seed, put together; and a label that says in what the groups differ."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from brianprop.analysis.runs.run import Run
from brianprop.analysis.runs.systems import PARAMETERS, TITLES
from brianprop.analysis.runs.values import INFINITE, as_json, joined
from brianprop.models.errors import RunError

__all__ = ["Group", "group_runs", "require_different", "settings_of"]

#: Settings that have a symbol or a better name in labels.
SYMBOLS = {
    "steps": "T",
    "theta": "θ",
    "rate_hidden": "hidden rate",
    "rate_out": "output rate",
    "n_hid": "hidden",
    "w_max": "bound",
    "dataset": "data",
}

#: Parts of the dataset's configuration that make runs differ.
DATA_SETTINGS = ("samples", "crop", "binarise")


@dataclass(frozen=True)
class Group:
    """Runs of one kind.

    Attributes
    ----------
    system : str
    label : str
        The system, and what tells this group from the others of the system.
    runs : tuple of Run
        In ascending order of their seeds.
    settings : dict
        What they share; see `settings_of`.
    """

    system: str
    label: str
    runs: tuple[Run, ...]
    settings: dict


def settings_of(run: Run) -> dict:
    """All that makes two runs of a system comparable as two seeds: parameters, data, and epochs where these decide the result.

    The epochs of nBP do not: each is the same, however many follow. A parameter that a run does not name, since it is older
    than the parameter, has its default.
    """
    data, training = run.config.get("dataset", {}), run.config.get("training", {})
    settings = as_json(PARAMETERS[run.system]()) | run.config.get("parameters", {})
    settings["dataset"] = Path(data.get("name", "")).name
    settings |= {name: data.get(name) for name in DATA_SETTINGS}
    settings["jitter"] = training.get("jitter", 0)
    if run.system != "nbp":
        settings["epochs"] = training.get("epochs")
    return settings


def require_different(runs: Sequence[Run]) -> None:
    """Make sure that no run is counted twice.

    Raises
    ------
    RunError
        If two of the paths are one directory, or two directories hold the same settings and seed.
    """
    folders: dict[tuple[int, int], Run] = {}
    seeds: dict[str, Run] = {}
    for run in runs:
        try:
            found = run.path.stat()
        except OSError as error:
            raise RunError(f"The run directory {run.path} cannot be read ({error.strerror}); leave it out.") from error
        other = folders.setdefault((found.st_dev, found.st_ino), run)
        if other is not run:
            raise RunError(f"{other.path} and {run.path} are one directory, which counts once; leave one of them out.")
        other = seeds.setdefault(json.dumps([run.system, settings_of(run), _seed(run)], sort_keys=True), run)
        if other is not run:
            raise RunError(
                f"{other.path} and {run.path} have the same settings and the same seed {_seed(run)}, so they count as one; "
                "leave one of them out."
            )


def group_runs(runs: Sequence[Run], ignored: Collection[str] = ()) -> list[Group]:
    """Put runs together that differ in their seed or in `ignored` settings only.

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
    found: dict[str, tuple[str, dict, list[Run]]] = {}
    for run in runs:
        settings = {name: value for name, value in settings_of(run).items() if name not in ignored}
        key = json.dumps([run.system, settings], sort_keys=True)
        found.setdefault(key, (run.system, settings, []))[2].append(run)
    groups = list(found.values())
    return [
        Group(system, _label(system, settings, groups), tuple(sorted(members, key=_seed)), settings)
        for system, settings, members in groups
    ]


def _seed(run: Run) -> int:
    return run.config.get("training", {}).get("seed", 0)


def _label(system: str, settings: dict, groups: Sequence[tuple[str, dict, list[Run]]]) -> str:
    others = [other for name, other, _ in groups if name == system]
    # of the sizes, those of the input follow from the data
    names = [name for name in settings if name not in ("n_in", "n_out")]
    differing = [name for name in names if any(other.get(name) != settings[name] for other in others)]
    return ", ".join([TITLES[system], *(_words(name, settings[name]) for name in differing)])


def _words(name: str, value) -> str:
    title = SYMBOLS.get(name, name.replace("_", " "))
    if isinstance(value, bool):
        return title if value else f"no {title}"
    if value is None or value == INFINITE:
        return f"no {title}"
    if isinstance(value, list):
        value = joined(value)
    return f"{title} = {value:g}" if isinstance(value, float) else f"{title} = {value}"
