"""The options and the trainer of each system, which its entry in `analysis.systems.SYSTEMS` names."""

from __future__ import annotations

import pkgutil

from brianprop.analysis.systems import SYSTEMS
from brianprop.experiments.training.options import TrainOptions
from brianprop.experiments.training.trainer import Trainer

__all__ = ["options_of", "trainer_of"]


def options_of(system: str) -> type[TrainOptions]:
    """The options of a training of a system, given its name."""
    return pkgutil.resolve_name(SYSTEMS[system].options)


def trainer_of(system: str) -> type[Trainer]:
    """What trains a system, given its name."""
    return pkgutil.resolve_name(SYSTEMS[system].trainer)
