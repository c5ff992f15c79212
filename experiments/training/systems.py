"""The systems that can be trained. A new one has a line here."""

from __future__ import annotations

from brianprop.experiments.training.ann import ANNSystem, TrainANN
from brianprop.experiments.training.nbp import NBPSystem, TrainNBP
from brianprop.experiments.training.options import TrainOptions
from brianprop.experiments.training.ssnn_bp import SSNNSystem, TrainSSNN
from brianprop.experiments.training.system import System

__all__ = ["OPTIONS", "SYSTEMS"]

#: Systems by the name that config.json holds.
SYSTEMS: dict[str, type[System]] = {system.name: system for system in (NBPSystem, SSNNSystem, ANNSystem)}

#: Their options, by the same name.
OPTIONS: dict[str, type[TrainOptions]] = {options.system: options for options in (TrainNBP, TrainSSNN, TrainANN)}
