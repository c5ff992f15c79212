"""Whether the files of a run can be right: configuration, recorded spikes and images, whoever wrote them.

Functions named ``..._fault`` give what is wrong in a few words, or None.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from brianprop.analysis.runs.json_files import RESTORE
from brianprop.analysis.runs.npz import Header
from brianprop.analysis.runs.recording import Recording
from brianprop.analysis.systems.system import Layout
from brianprop.models.errors import RunError

__all__ = [
    "headers_of_images_fault",
    "headers_of_predictions_fault",
    "headers_of_spikes_fault",
    "require_entries",
    "require_sizes",
    "shown",
    "spikes_fault",
    "within",
]

#: A test of an entry of config.json, and what it requires in words.
Check = tuple[Callable[[Any], bool], str]

#: Bound of the time steps of a recording if the number of samples is not known.
LARGEST_STEP = 2**31


def shown(value: Any) -> str:
    """A value as text that is short enough for a sentence."""
    text = repr(value)
    return text if len(text) < 80 else f"{text[:77]}..."


def within(numbers: np.ndarray, end: int) -> bool:
    """Whether all numbers lie in the range from 0 to `end` - 1."""
    return not len(numbers) or bool(numbers.min() >= 0 and numbers.max() < end)


def require_entries(config: Mapping[str, Any], path: Path) -> None:
    """Raise RunError if an entry of a configuration is impossible. What is missing is not noticed here but when it is used.

    Parameters
    ----------
    config : mapping
        What config.json holds.
    path : pathlib.Path
        The file, for messages.
    """
    for section, checks in SCHEMA.items():
        values = config.get(section, {})
        if not isinstance(values, dict):
            raise RunError(f"{path} holds {section} = {shown(values)}, which is no JSON object; {RESTORE}.")
        for name, (holds, words) in checks.items():
            if name in values and not holds(values[name]):
                raise RunError(f"{path} holds {section}.{name} = {shown(values[name])}, which must be {words}; {RESTORE}.")


def require_sizes(config: Mapping[str, Any], path: Path, parameters: Any) -> None:
    """Raise RunError if classes or images of a configuration do not fit the sizes of its network."""
    dataset = config.get("dataset", {})
    if len(dataset.get("classes", range(parameters.n_out))) != parameters.n_out:
        raise RunError(f"{path} names {len(dataset['classes'])} classes for {parameters.n_out} outputs; {RESTORE}.")
    pixels = math.prod(dataset.get("image_shape", (1,)))
    if parameters.n_in % pixels:
        raise RunError(f"{path} gives images of {pixels} pixels to {parameters.n_in} inputs; {RESTORE}.")


def headers_of_spikes_fault(headers: Mapping[str, Header]) -> str | None:
    """Check the headers of an archive that must hold a recording."""
    spikes = ("population", "neuron", "step", "epoch")
    kinds = {"populations": "U", "sizes": "i", "period": "i", **dict.fromkeys(spikes, "i")}
    if set(headers) != set(kinds):
        return f"no recording of spikes, which has {', '.join(kinds)}"
    for name, header in headers.items():
        if header.dtype.kind != kinds[name] or len(header.shape) != (name != "period"):
            return f"{name} has shape {header.shape} and type {header.dtype}"
    if headers["populations"].shape != headers["sizes"].shape or len({headers[name].shape for name in spikes}) > 1:
        return "its arrays differ in length"
    return None


def spikes_fault(recording: Recording, layout: Layout | None, n_samples: int | None) -> str | None:
    """Check that a recording can be of a network.

    Parameters
    ----------
    recording : Recording
    layout : Layout or None
        Populations and periods of the network; None for one without spikes.
    n_samples : int or None
        Training samples of an epoch, if known.
    """
    if layout is None:
        return "a network without spikes has none"
    if len(set(recording.populations)) < len(recording.populations):
        return "a population is there twice"
    for name, size in zip(recording.populations, recording.sizes, strict=True):
        if layout.populations.get(name) != size:
            return f"the network has no population {name!r} of {size} neurons"
    if recording.period not in layout.periods:
        return f"the period {recording.period} is not that of the network"
    if not len(recording.step):
        return None
    if not within(recording.population, len(recording.sizes)):
        return "a spike is of no population"
    if recording.neuron.min() < 0 or np.any(recording.neuron >= np.array(recording.sizes)[recording.population]):
        return "a spike is of no neuron"
    most = LARGEST_STEP // recording.period if n_samples is None else n_samples
    if recording.step.min() < -recording.period or recording.step.max() >= recording.period * most:
        return "a spike is in no time step of the training"
    return None if recording.epoch.min() >= 0 else "a spike is in no epoch"


def headers_of_images_fault(headers: Mapping[str, Header], names: tuple[str, ...], parameters: Any) -> str | None:
    """Check the headers of an archive that must hold images with the answers to them.

    Parameters
    ----------
    headers : mapping of str to Header
    names : tuple of str
        The arrays of the answers, of shape (k, n_out).
    parameters : object or None
        Tells n_in and n_out, where they are known.
    """
    if missing := {"images", "target", *names} - set(headers):
        return f"it lacks {', '.join(sorted(missing))}"
    if extra := set(headers) - {"images", "target", *names}:
        return f"it holds {', '.join(sorted(extra))}"
    widths = {"images": parameters and parameters.n_in, **dict.fromkeys(names, parameters and parameters.n_out)}
    for name, header in headers.items():
        right = header.shape[:1] == headers["target"].shape and len(header.shape) == 1 + (name in widths)
        if (
            not right
            or header.dtype.kind not in "iufb"
            or (name in widths and header.shape[1] != (widths[name] or header.shape[1]))
        ):
            return f"{name} has shape {header.shape} and type {header.dtype}"
    return None


def headers_of_predictions_fault(headers: Mapping[str, Header], names: tuple[str, ...]) -> str | None:
    """Check the headers of an archive that must hold class indices (n,) of these names, and nothing else."""
    if set(headers) != set(names):
        return f"it holds {', '.join(sorted(headers)) or 'nothing'} instead of {', '.join(names)}"
    shape = headers[names[0]].shape
    for name, header in headers.items():
        if header.shape != shape or len(shape) != 1 or not shape[0] or header.dtype.kind not in "iu":
            return f"{name} has shape {header.shape} and type {header.dtype}"
    return None


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_finite(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def _is_share(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value <= 1


def _whole(least: int) -> Check:
    return lambda value: _is_whole(value) and least <= value < 2**63, f"a whole number from {least}"


def _or_null(check: Check) -> Check:
    holds, words = check
    return lambda value: value is None or holds(value), f"{words}, or null"


def _one_of(*known: str) -> Check:
    return lambda value: isinstance(value, str) and value in known, f"one of {', '.join(known)}"


def _list_of(holds: Callable[[Any], bool], words: str) -> Check:
    return lambda value: isinstance(value, list) and bool(value) and all(map(holds, value)), words


TEXT: Check = (lambda value: isinstance(value, str) and "\0" not in value, "text")
LOGICAL: Check = (lambda value: isinstance(value, bool), "true or false")

#: The check of each entry of config.json that may be there. Parameters are checked by their own class.
SCHEMA: dict[str, dict[str, Check]] = {
    "dataset": {
        "name": TEXT,
        "data_dir": _or_null(TEXT),
        "origin": TEXT,
        "samples": _whole(1),
        "validation": _whole(0),
        "test_samples": _whole(0),
        "crop": _whole(0),
        "binarise": _or_null((lambda value: _is_share(value) or _list_of(_is_share, "")[0](value), "a level, or several")),
        "steps": _or_null(_whole(1)),
        "classes": _list_of(lambda value: isinstance(value, str) or _is_whole(value), "a list of names or numbers"),
        "image_shape": (
            lambda value: isinstance(value, list) and len(value) == 2 and all(_is_whole(size) and size >= 1 for size in value),
            "rows and columns",
        ),
        "sha256": TEXT,
        "pixel_range": (
            lambda value: isinstance(value, list) and len(value) == 2 and all(map(_is_finite, value)) and value[0] <= value[1],
            "two numbers in ascending order",
        ),
    },
    "training": {
        "epochs": _whole(1),
        "seed": _whole(0),
        "shuffle": LOGICAL,
        "device": _one_of("cpp_standalone", "cuda", "cython", "numpy"),
        "codegen": _one_of("dense", "stock"),
        "record_spikes": LOGICAL,
        "jitter": _whole(0),
        "flip": LOGICAL,
        "elastic": (lambda value: _is_finite(value) and value >= 0, "a number of at least 0"),
        "input_dropout": (lambda value: _is_share(value) and value < 1, "a number of at least 0 and less than 1"),
        "init_weights": _or_null(TEXT),
    },
    "parameters": {},
}
