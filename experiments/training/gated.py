"""What systems share whose networks are gated circuits: their scores, and the trainer of the two circuits."""

from __future__ import annotations

import json
import operator
from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

from brianprop.analysis.systems.gated import GatedSystem
from brianprop.experiments.data import encoding
from brianprop.experiments.training.circuit import CircuitTrainer, circuit_memory
from brianprop.experiments.training.trainer import Learned, recording_of
from brianprop.models.model import Stimuli, Weights
from brianprop.models.nbp.circuit import matrices, weights_of
from brianprop.models.nbp.model import GatedModel, GatedResult
from brianprop.models.simulation.simulator import Progress

__all__ = ["GatedTrainer", "scores"]


def scores(result: GatedResult, labels: np.ndarray) -> dict[str, float]:
    """Accuracies and loss of the answers to samples.

    Parameters
    ----------
    result : GatedResult
        Answers to n samples.
    labels : int array of shape (n,)
        Class indices.

    Returns
    -------
    dict with
        ``accuracy_exact``, the share of samples whose output spikes equal the one-hot target;
        ``accuracy_spikes``, where the answer is the argmax of the binary spikes, or class 0 if none fired;
        ``accuracy_membrane``, where it is the argmax of the drive; and
        ``loss``, the mean squared error between spikes and target (Renner et al. 2024, Figure 3).
    """
    target = encoding.one_hot(labels, result.spikes.shape[1]).astype(bool)
    return {
        "accuracy_exact": float(np.mean(np.all(result.spikes == target, axis=1))),
        **{f"accuracy_{name}": float(np.mean(answer == labels)) for name, answer in chosen(result).items()},
        "loss": float(np.mean(result.spikes != target)),
    }


def chosen(result: GatedResult) -> dict[str, np.ndarray]:
    """The classes answered: by the binary ``spikes`` (class 0 if none fired), and by the drive of the ``membrane``."""
    return {"spikes": np.argmax(result.spikes, axis=1), "membrane": np.argmax(result.drive, axis=1)}


class GatedTrainer(CircuitTrainer[GatedModel, GatedResult]):
    """Trains a gated circuit whose sources are ``input`` and, where it learns, ``target``.

    Attributes
    ----------
    gated : GatedSystem
        Gives the circuits for parameters, which are `models.nbp.parameters.Rules` with the sizes.
    """

    gated: ClassVar[GatedSystem]
    grey = False
    headline = ("accuracy_spikes", "accuracy_membrane")
    raster_samples = 48

    scores = staticmethod(scores)
    chosen = staticmethod(chosen)

    @classmethod
    def memory(cls, parameters: Any, settings: dict, n_samples: int, learns: bool) -> int:
        circuit = cls.gated.circuit(parameters) if learns else cls.gated.inference_circuit(parameters)
        synapses = sum(circuit.synapse_count(projection) for projection in circuit.projections if projection.matrix)
        recorded = 0 if not learns else n_samples if settings.get("record_spikes") else cls.raster_samples
        # on MNIST, a sample makes about one spike for three neurons of nBP
        spikes = recorded * sum(population.size for population in circuit.neurons) // 3
        return circuit_memory(settings, synapses, spikes, n_samples * circuit[circuit.readout].size)

    @classmethod
    def shared_code(cls, parameters: Sequence[Any]) -> list[Any]:
        # code with noise also runs networks without, double precision those that need only single, floating point weights
        # those that are whole: see GatedModel
        structures = [GatedModel(cls.gated.circuit(network), network, n_total=1).structure() for network in parameters]
        needs = [(s.pop("noisy"), not s.pop("short"), not s.pop("single_precision")) for s in structures]
        keys = [json.dumps(structure, sort_keys=True) for structure in structures]
        able: dict[tuple, Any] = {}  # the first network with each code
        for key, need, network in zip(keys, needs, parameters, strict=True):
            able.setdefault((key, need), network)

        def serving(key: str, need: tuple[bool, ...]) -> Any:
            serves = [code for code in able if code[0] == key and all(map(operator.ge, code[1], need))]
            return able[max(serves)]

        return [serving(key, need) for key, need in zip(keys, needs, strict=True)]

    @staticmethod
    def fixed_epochs(parameters: Any) -> bool:
        return parameters.annealed

    @staticmethod
    def as_loaded(model: GatedModel, weights: Weights) -> Weights:
        return matrices(model.circuit, weights)

    @staticmethod
    def stimuli(model: GatedModel, images: np.ndarray, targets: np.ndarray) -> Stimuli:
        values = {"input": images, "target": targets}
        return model.stimuli({source.name: values[source.name] for source in model.circuit.sources if source.name in values})

    def model(self, learns: bool) -> GatedModel:
        circuit = self.gated.circuit if learns else self.gated.inference_circuit
        code = self.code and GatedModel(circuit(self.code), self.code, n_total=1)
        n_total = self.settings["epochs"] * len(self.parts["train"].labels) if learns else None
        return GatedModel(circuit(self.parameters), self.parameters, self.settings["seed"], code, n_total)

    def learn(self, weights: Weights, epoch: int, order: np.ndarray, n_recorded: int, progress: Progress) -> Learned:
        result = self.run_learner(weights, epoch, order, n_recorded, progress)
        circuit = self.model(learns=True).circuit
        return Learned(
            weights_of(circuit, result.matrices),
            result.seconds,
            scores(result, self.parts["train"].labels[order]),
            recording_of(result.recorded, [(p.name, p.size) for p in circuit.populations], circuit.period, epoch),
        )

    def images(self, weights: Weights, epoch: int, first: int) -> dict[str, np.ndarray]:
        result, test = self.answers(weights, self.shown, epoch, first), self.parts[self.shown]
        return {
            "images": test.images[:first],
            "target": test.labels[:first],
            "spikes": result.spikes[:first].astype(np.uint8),
            # without the drive of gate and bias: the sum of the weights alone
            "drive": result.drive[:first] - self.parameters.theta / 2,
        }
