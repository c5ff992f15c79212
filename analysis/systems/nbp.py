"""The system nBP, for everything but its training."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from brianprop.analysis.systems.gated import GatedSystem
from brianprop.models.circuit import Circuit
from brianprop.models.nbp.circuit import inference_circuit, training_circuit
from brianprop.models.nbp.parameters import NBP

if TYPE_CHECKING:
    from brianprop.analysis.energy.chip import Measured

__all__ = ["NBPSystem"]


class NBPSystem(GatedSystem):
    """The circuit of Renner et al. 2024."""

    name = "nbp"
    title = "nBP"
    parameters = NBP
    options = "brianprop.experiments.training.nbp:TrainNBP"
    trainer = "brianprop.experiments.training.nbp:NBPTrainer"
    estimator = "brianprop.experiments.estimators.nbp:NBPClassifier"

    def circuit(self, parameters: NBP) -> Circuit:
        return training_circuit(parameters)

    def inference_circuit(self, parameters: NBP) -> Circuit:
        return inference_circuit(parameters)

    def measured(self, parameters: NBP) -> Mapping[str, Measured]:
        from brianprop.analysis.energy.chip import PUBLISHED, PUBLISHED_SIZES

        return PUBLISHED if parameters.sizes == PUBLISHED_SIZES else {}
