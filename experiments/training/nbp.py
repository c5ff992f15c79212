"""The system nBP: its options, its scores, and its circuits for training and inference."""

from __future__ import annotations

import dataclasses
import itertools
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from brianprop.experiments.data import encoding
from brianprop.experiments.data.dataset import Part
from brianprop.experiments.training.circuit import CircuitOptions, CircuitSystem, circuit_memory
from brianprop.experiments.training.system import JITTER_STREAM, Learned, recording_of
from brianprop.models.model import Stimuli, Weights
from brianprop.models.nbp.circuit import inference_circuit, matrices, training_circuit, weights_of
from brianprop.models.nbp.model import GatedModel, GatedResult
from brianprop.models.nbp.parameters import NBP, Rules, initial_weights
from brianprop.models.simulation.simulator import Progress

__all__ = ["NBPSystem", "TrainNBP", "scores"]


@dataclass(frozen=True)
class TrainNBP(CircuitOptions):
    """Train the nBP circuit of Renner et al. 2024."""

    system: ClassVar[str] = "nbp"

    hidden: tuple[int, ...] = (400,)
    """Number of hidden neurons, one number for each hidden layer."""
    crop: int | None = None
    """Pixels to cut off each side (default: 4 for mnist, 0 for others)."""
    binarise: tuple[float, ...] = (0.5,)
    """A pixel spikes if value / 255 exceeds this level; several levels, each with input neurons of its own, make a
    thermometer code."""
    jitter: int = 0
    """Move each training image by up to this number of pixels in both directions, drawn anew for each presentation."""
    record_spikes: bool = False
    """Keep every spike of every training turn in spikes.npz."""
    rules: Rules = dataclasses.field(default_factory=Rules)
    """Parameters of neurons, weights, learning and noise."""

    def __post_init__(self):
        super().__post_init__()
        self._require_whole(hidden=1, jitter=0)

    def parameters(self, n_in: int, n_out: int) -> NBP:
        return NBP(**dataclasses.asdict(self.rules), n_in=n_in, hidden=self.hidden, n_out=n_out)

    def training(self) -> dict:
        return super().training() | {"record_spikes": self.record_spikes, "jitter": self.jitter}


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
        "accuracy_spikes": float(np.mean(np.argmax(result.spikes, axis=1) == labels)),
        "accuracy_membrane": float(np.mean(np.argmax(result.drive, axis=1) == labels)),
        "loss": float(np.mean(result.spikes != target)),
    }


class NBPSystem(CircuitSystem[GatedModel, GatedResult]):
    """nBP as a system that can be trained."""

    name = "nbp"
    grey = False
    headline = ("accuracy_spikes", "accuracy_membrane")
    raster_samples = 48

    parameters: NBP
    scores = staticmethod(scores)

    @staticmethod
    def initial_weights(parameters: NBP, seed: int) -> Weights:
        return initial_weights(parameters, seed)

    @staticmethod
    def memory(parameters: NBP, settings: dict, n_samples: int, learns: bool) -> int:
        pairs = enumerate(itertools.pairwise(parameters.sizes))
        # three copies of each matrix, and two transposed ones where the gradient goes back
        synapses = sum((3 + 2 * bool(layer) if learns else 1) * n_pre * n_post for layer, (n_pre, n_post) in pairs)
        recorded = 0 if not learns else n_samples if settings.get("record_spikes") else NBPSystem.raster_samples
        # on MNIST a sample makes about 1.5 spikes per neuron of the layers
        return circuit_memory(settings, synapses, recorded * sum(parameters.sizes) * 3 // 2, n_samples * parameters.n_out)

    @staticmethod
    def shared_code(parameters: Sequence[NBP]) -> list[NBP]:
        # code with noise also runs networks without, and double precision those that need only single: see GatedModel
        structures = [GatedModel(training_circuit(network), network).structure() for network in parameters]
        best: dict[str, tuple[tuple[bool, bool], NBP]] = {}
        keys = []
        for network, structure in zip(parameters, structures, strict=True):
            rank = structure.pop("noisy"), not structure.pop("single_precision")
            keys.append(json.dumps(structure, sort_keys=True))
            if keys[-1] not in best or rank > best[keys[-1]][0]:
                best[keys[-1]] = rank, network
        return [best[key][1] for key in keys]

    @staticmethod
    def as_loaded(model: GatedModel, weights: Weights) -> Weights:
        return matrices(model.circuit, weights)

    @staticmethod
    def stimuli(model: GatedModel, images: np.ndarray, targets: np.ndarray) -> Stimuli:
        values = {"input": images, "target": targets}
        return model.stimuli({source.name: values[source.name] for source in model.circuit.sources if source.name in values})

    def model(self, learns: bool) -> GatedModel:
        circuit = training_circuit if learns else inference_circuit
        code = self.code and GatedModel(circuit(self.code), self.code)
        return GatedModel(circuit(self.parameters), self.parameters, self.settings["seed"], code)

    def presented(self, epoch: int) -> Part:
        train, jitter = self.parts["train"], self.settings.get("jitter", 0)
        if not jitter:
            return train
        rng = np.random.default_rng([self.settings["seed"], JITTER_STREAM, epoch])
        by = rng.integers(-jitter, jitter, (len(train.labels), 2), endpoint=True)
        return dataclasses.replace(train, images=encoding.shift(train.images, train.shape, by))

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
        result, test = self.answers(weights, "test", epoch, first), self.parts["test"]
        return {
            "images": test.images[:first],
            "target": test.labels[:first],
            "spikes": result.spikes.astype(np.uint8),
            # without the drive of gate and bias: the sum of the weights alone
            "drive": result.drive - self.parameters.theta / 2,
        }
