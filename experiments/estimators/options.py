"""The parameters of estimators: the options of a training and its rules, without what arrays in memory make needless.

scikit-learn reads the parameters of an estimator from the signature of its ``__init__``. Here that signature is made of
dataclasses, so that a new option or rule is a parameter of the estimator too.
"""

from __future__ import annotations

import ast
import dataclasses
import inspect
import textwrap
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Concatenate, ParamSpec

from brianprop.experiments.training.ann import TrainANN
from brianprop.experiments.training.nbp import TrainNBP
from brianprop.experiments.training.ssnn_bp import TrainSSNN
from brianprop.models.nbp.parameters import Rules
from brianprop.models.ssnn_bp.parameters import SSNNRules

__all__ = ["ANNOptions", "NBPOptions", "SSNNOptions", "described", "takes"]

P = ParamSpec("P")


@dataclass(frozen=True)
class OfArrays:
    """What all estimators have beside the options of a training, and what they do not have."""

    validation: int | None = 0
    """Keep the last N samples of X away from learning and score them after every epoch, see ``history_``; None: a twelfth."""
    crop: int | None = 0
    """Pixels to cut off each side."""
    image_shape: tuple[int, int] | None = None
    """Rows and columns of an image where X has the shape (n, pixels) (default: one row). ``crop``, ``jitter``, ``flip``,
    ``elastic`` and figures need it."""
    pixel_range: tuple[float, float] | None = None
    """Values of a black and of a white pixel (default: 0 and 255 for uint8, else the smallest and largest value in the training
    data). What lies outside is clipped."""
    verbose: bool = False
    """Print a line after every epoch and before a long build, and show a bar on a terminal."""

    out: Path = field(init=False)
    dataset: str = field(init=False)
    data_dir: Path | None = field(init=False)
    samples: int | None = field(init=False)
    test_samples: int | None = field(init=False)


@dataclass(frozen=True)
class OfOneNetwork(OfArrays):
    """The same for networks that Brian2 simulates: an estimator trains one."""

    replicas: int = field(init=False)
    processes: int = field(init=False)


# the bases in this order: what stands in the first replaces what stands in the last
@dataclass(frozen=True)
class NBPOptions(OfOneNetwork, Rules, TrainNBP):
    """Parameters of `experiments.estimators.nbp.NBPClassifier`."""

    rules: Rules = field(init=False)
    record_spikes: bool = field(init=False)


@dataclass(frozen=True)
class SSNNOptions(OfOneNetwork, SSNNRules, TrainSSNN):
    """Parameters of `experiments.estimators.ssnn_bp.SSNNClassifier`."""

    events: bool = False
    """Whether X holds events and not images."""
    rules: SSNNRules = field(init=False)


@dataclass(frozen=True)
class ANNOptions(OfArrays, TrainANN):
    """Parameters of `experiments.estimators.ann.ANNClassifier`."""

    events: bool = False
    """Whether X holds events, whose rates are the input, and not images."""


def takes(options: Callable[P, object]) -> Callable[[Callable[..., None]], Callable[Concatenate[Any, P], None]]:
    """Decorator of an ``__init__``: it takes the fields of a dataclass by name and keeps each as an attribute, unchanged."""
    parameters = [item.replace(kind=item.KEYWORD_ONLY) for item in inspect.signature(options).parameters.values()]
    of_self = inspect.Parameter("self", inspect.Parameter.POSITIONAL_OR_KEYWORD)
    signature = inspect.Signature([of_self, *parameters])

    def decorate(_declared: Callable[..., None]) -> Callable[Concatenate[Any, P], None]:
        def __init__(self: Any, *arguments: P.args, **values: P.kwargs) -> None:
            bound = signature.bind(self, *arguments, **values)
            bound.apply_defaults()
            for parameter in parameters:
                setattr(self, parameter.name, bound.arguments[parameter.name])

        setattr(__init__, "__signature__", signature)  # noqa: B010 - functions have no such attribute for a type checker
        return __init__

    return decorate


def described(options: type) -> str:
    """The fields of a dataclass as the section ``Parameters`` of a docstring, from the texts below the fields."""
    texts = {}
    for kind in reversed(options.__mro__):
        if dataclasses.is_dataclass(kind):
            texts |= _texts(kind)
    lines = ["Parameters", "----------"]
    for parameter in inspect.signature(options).parameters.values():
        lines += [f"{parameter.name} : {parameter.annotation}, default {parameter.default!r}"]
        lines += textwrap.wrap(texts.get(parameter.name, ""), 100, initial_indent="    ", subsequent_indent="    ")
    return "\n".join(lines)


def _texts(kind: type) -> dict[str, str]:
    """The text below each field in the source of a class."""
    try:
        (tree,) = ast.parse(textwrap.dedent(inspect.getsource(kind))).body
    except OSError:  # an installation without sources
        return {}
    texts = {}
    assert isinstance(tree, ast.ClassDef)
    for above, below in zip(tree.body, tree.body[1:], strict=False):
        match above, below:
            case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str(text))):
                texts[name] = " ".join(text.split())
    return texts
