"""Backpropagation written as spiking circuits in Brian2.

models       what is simulated: circuits, equations, oracles, devices, code generation
analysis     what is shown: run directories in, tables and figures out
experiments  what is run: data sets, training, sweeps, benchmarks, the command line, estimators

At the top are the estimators after scikit-learn, run directories, recordings of events, trained networks as graphs of
NIR, and the base of all errors.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from brianprop.analysis.export import to_nir
    from brianprop.analysis.runs import Run
    from brianprop.experiments.data.events import Events
    from brianprop.experiments.estimators import ANNClassifier, NBPClassifier, SSNNClassifier
    from brianprop.models.errors import BrianpropError

__all__ = ["ANNClassifier", "BrianpropError", "Events", "NBPClassifier", "Run", "SSNNClassifier", "__version__", "to_nir"]

__version__ = "0.1.0"

#: Where the names above are, each of which is imported when it is first used: the command line needs few of them.
_HOMES = {
    "ANNClassifier": "brianprop.experiments.estimators",
    "BrianpropError": "brianprop.models.errors",
    "Events": "brianprop.experiments.data.events",
    "NBPClassifier": "brianprop.experiments.estimators",
    "Run": "brianprop.analysis.runs",
    "SSNNClassifier": "brianprop.experiments.estimators",
    "to_nir": "brianprop.analysis.export",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    value = globals()[name] = getattr(import_module(_HOMES[name]), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})
