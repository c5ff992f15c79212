"""The plan of a sweep (sweep.json): every point with its key, checked before anything runs."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
from pathlib import Path
from typing import Any

from brianprop.analysis.runs.values import as_json
from brianprop.experiments.sweeps.description import Sweep, named_point
from brianprop.experiments.training.data import data_options, dataset_name, load_data
from brianprop.experiments.training.options import Message, TrainOptions
from brianprop.experiments.training.systems import trainer_of
from brianprop.experiments.training.values import as_values
from brianprop.models.errors import DataError, ParameterError, reason

__all__ = ["plan_of"]

#: Options that are paths. They are not part of the key of a point: what counts is the content of the files.
PATHS = ("data_dir", "init_weights")


def plan_of(described: Sweep, message: Message = print) -> dict[str, Any]:
    """The plan of a sweep, for `analysis.runs.sweep_directory.SweepDirectory.create`.

    The key of a point is a hash of everything that its result depends on, so that equal points have equal keys.

    Raises
    ------
    ParameterError, DataError
        Where a point cannot be run; the message names it.
    """
    loaded: dict[str, dict] = {}
    points, data = [], {}
    for point in described.points():
        settings = _with_absolute_paths(point.settings)
        values = as_values(settings)
        summary = _data_summary(settings, loaded, message)
        if described.objective["split"] not in summary["splits"]:
            raise ParameterError(
                f"The objective is of the split {described.objective['split']}, which the data set {settings.dataset} has not "
                f"with these options; set its split to one of {', '.join(summary['splits'])}."
            )
        with named_point(point.axes):
            settings.parameters(summary["n_in"], summary["n_out"])  # raises where they do not fit
        decisive = {name: value for name, value in values.items() if name not in PATHS}
        decisive |= {"system": described.system, "data": summary["sha256"], "init_weights": _file_digest(settings)}
        decisive["dataset"] = Path(settings.dataset).name
        key = hashlib.sha256(json.dumps(decisive, sort_keys=True).encode()).hexdigest()[:16]
        points.append({"key": key, "axes": point.axes, "settings": values, "data": summary["sha256"]})
        data[summary["sha256"]] = summary
    plan = {
        "system": described.system,
        "objective": described.objective,
        "sweep": {
            "base": described.base,
            "axes": {axis.name: {**as_json(axis), "sampled": axis.sampled} for axis in described.axes},
            "seeds": described.seeds,
            "sample": described.sample,
            "cluster": described.cluster,
        },
        "data": data,
        "points": points,
    }
    return json.loads(json.dumps(as_json(plan), default=str))


def _with_absolute_paths(settings: TrainOptions) -> TrainOptions:
    """The same options for a worker that was started in another folder."""
    paths = {name: getattr(settings, name) for name in PATHS}
    absolute = {name: path and Path(os.path.abspath(path)) for name, path in paths.items()}
    return dataclasses.replace(settings, dataset=dataset_name(settings.dataset), **absolute)


def _data_summary(settings: TrainOptions, loaded: dict[str, dict], message: Message) -> dict[str, Any]:
    """Sizes and digest of the data of a point. `loaded` keeps them for points with the same data."""
    trainer = trainer_of(settings.system)
    options = data_options(settings)
    key = repr(options)
    if key not in loaded:
        data = load_data(grey=trainer.grey, events=trainer.events, message=message, **options)
        loaded[key] = {
            "sha256": data.digest,
            "n_in": data.n_in,
            "n_out": len(data.classes),
            "splits": [name for name, part in data.parts.items() if len(part.labels)],
        }
    return loaded[key]


def _file_digest(settings: TrainOptions) -> str | None:
    """SHA-256 of the file with the initial weights, if there is one."""
    if settings.init_weights is None:
        return None
    try:
        return hashlib.sha256(Path(settings.init_weights).read_bytes()).hexdigest()
    except OSError as error:
        raise DataError(f"--init-weights {settings.init_weights} cannot be read ({reason(error)}); give another.") from error
