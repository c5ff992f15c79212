"""Names of the classes of a data set: letters for EMNIST, clothes for Fashion-MNIST, else the labels in the files."""

from __future__ import annotations

import string
from collections.abc import Mapping, Sequence
from typing import Any

__all__ = ["class_names"]

#: By data set and label. EMNIST: the files emnist-letters-mapping.txt and emnist-balanced-mapping.txt of the archive (Cohen et
#: al. 2017, arXiv:1702.05373); letters that look alike in both cases are one class. Fashion-MNIST: Xiao et al. 2017,
#: arXiv:1708.07747, Table 2.
NAMES: Mapping[str, Mapping[int, str]] = {
    "emnist-letters": dict(enumerate(string.ascii_uppercase, 1)),
    "emnist-balanced": dict(enumerate(string.digits + string.ascii_uppercase + "abdefghnqrt")),
    "fashion-mnist": dict(
        enumerate(("T-shirt", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "ankle boot"))
    ),
}

#: What may stand before and behind the name of a data set whose classes are the same.
PREFIXES, SUFFIX = ("emulated-", "negative-"), "-subset"


def class_names(dataset: Mapping[str, Any]) -> Sequence[str]:
    """Names of the classes in the order of the output neurons.

    Parameters
    ----------
    dataset : mapping
        The section of config.json, with ``name`` and ``classes``, the labels.
    """
    name = str(dataset.get("name", "")).removesuffix(SUFFIX)
    for prefix in PREFIXES:
        name = name.removeprefix(prefix)
    names = NAMES.get(name, {})
    return [names.get(label, str(label)) for label in dataset["classes"]]
