"""Training of nBP: a turn of the chain for every sample."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import ClassVar, Literal

import numpy as np

from experiments import encoding
from experiments.training import Learned, System, TrainOptions, recording_of
from models.circuit import Circuit
from models.device import Simulator, simulator
from models.errors import DataError, ParameterError
from models.model import Model, Stimuli, Weights
from models.nbp import NBP, Rules, inference_circuit, initial_weights, matrices, training_circuit, weights_of
from models.nbp_model import NBPModel, NBPResult

__all__ = ["NBPSystem", "TrainNBP", "scores"]


@dataclass(frozen=True)
class TrainNBP(TrainOptions):
    """Train the nBP circuit of Renner et al. 2024."""

    system: ClassVar[str] = "nbp"

    hidden: int = 400
    """Number of hidden neurons."""
    crop: int | None = None
    """Pixels to cut off each side (default: 4 for mnist, 0 for others)."""
    binarise: float = 0.5
    """A pixel spikes if value / 255 exceeds this level."""
    record_spikes: bool = False
    """Keep every spike of every training turn in spikes.npz."""
    device: Literal["cpp_standalone", "cython", "numpy"] = "cpp_standalone"
    """C++ standalone, or Brian2's runtime, which is slow and serves debugging."""
    codegen: Literal["dense", "stock"] = "dense"
    """Templates for the C++ code: dense ones, which are faster, or Brian2's own. The results are the same, bit for bit."""
    rules: Rules = dataclasses.field(default_factory=Rules)
    """Parameters of neurons, weights, learning and noise."""

    def __post_init__(self):
        super().__post_init__()
        if self.hidden < 1:
            raise ParameterError(f"Parameter hidden = {self.hidden!r} must be at least 1; set --hidden.")

    def parameters(self, n_in: int, n_out: int) -> NBP:
        return NBP(**dataclasses.asdict(self.rules), n_in=n_in, n_hid=self.hidden, n_out=n_out)

    def training(self) -> dict:
        return {"device": self.device, "codegen": self.codegen, "record_spikes": self.record_spikes}


def scores(result: NBPResult, labels: np.ndarray) -> dict[str, float]:
    """Accuracies and loss of one pass.

    Parameters
    ----------
    result : NBPResult
        Answers to n samples.
    labels : int array of shape (n,)

    Returns
    -------
    dict with
        ``accuracy_exact``, the share of samples whose output spikes are exactly the one-hot target;
        ``accuracy_spikes``, argmax of the binary spikes, the first index if none fired;
        ``accuracy_membrane``, argmax of the drive; and
        ``loss``, the mean squared error of spikes against target (Renner et al. 2024, Figure 3).
    """
    target = encoding.one_hot(labels, result.spikes.shape[1]).astype(bool)
    return {
        "accuracy_exact": float(np.mean(np.all(result.spikes == target, axis=1))),
        "accuracy_spikes": float(np.mean(np.argmax(result.spikes, axis=1) == labels)),
        "accuracy_membrane": float(np.mean(np.argmax(result.drive, axis=1) == labels)),
        "loss": float(np.mean(result.spikes != target)),
    }


class NBPSystem(System):
    """The training circuit and the inference circuit, each ready to run on its splits; built when first used."""

    name = "nbp"
    grey = False
    kind = NBP
    headline = ("accuracy_spikes", "accuracy_membrane")
    raster_turns = 48

    parameters: NBP

    @staticmethod
    def initial_weights(parameters: NBP, seed: int) -> Weights:
        return initial_weights(parameters, seed)

    @staticmethod
    def given_weights(parameters: NBP, weights: Weights, path: Path) -> Weights:
        for name, array in weights.items():
            if np.any(array != np.trunc(array)) or np.any(array.astype(np.int64) % parameters.w_step):
                raise DataError(
                    f"{name} in {path} holds values off the grid of w_step = {parameters.w_step}; round them to it."
                )
            if np.any(np.abs(array) > parameters.w_max):
                raise DataError(f"{name} in {path} exceeds the bound w_max = {parameters.w_max}; clip it or set --w-max.")
        return {name: array.astype(np.int32) for name, array in weights.items()}

    @staticmethod
    def shared_code(several: Sequence[NBP]) -> list[NBP]:
        # code with noise serves those without, and double precision those that need only single: see NBPModel
        structures = [NBPModel(training_circuit(parameters), parameters).structure() for parameters in several]
        best: dict[str, tuple[tuple[bool, bool], NBP]] = {}
        keys = []
        for parameters, structure in zip(several, structures, strict=True):
            rank = structure.pop("noisy"), not structure.pop("single_precision")
            keys.append(json.dumps(structure, sort_keys=True))
            if keys[-1] not in best or rank > best[keys[-1]][0]:
                best[keys[-1]] = rank, parameters
        return [best[key][1] for key in keys]

    def models(self) -> tuple[Model, ...]:
        return self._model(training_circuit), self._model(inference_circuit)

    def prepare(self) -> None:
        _ = self._learner, self._answerer

    def learn(self, weights, epoch, order, n_recorded, progress) -> Learned:
        circuit = self._learner.model.circuit
        result = self._learner.run(
            matrices(circuit, weights),
            self._training_stimuli,
            order,
            noise_seed=self.noise_seed(epoch, "train"),
            n_recorded=n_recorded,
            progress=progress,
        )
        return Learned(
            weights_of(circuit, result.matrices),
            result.seconds,
            scores(result, self.parts["train"].labels[order]),
            recording_of(result.recorded, [(p.name, p.size) for p in circuit.populations], circuit.period, epoch),
        )

    def score(self, weights, split, epoch, first=None):
        result = self._answers(weights, split, epoch, first)
        return scores(result, self.parts[split].labels[:first]), result.seconds

    def images(self, weights, epoch, first):
        result, test = self._answers(weights, "test", epoch, first), self.parts["test"]
        return {
            "images": test.images[:first],
            "target": test.labels[:first],
            "spikes": result.spikes.astype(np.uint8),
            # net of gate and bias, as the sum of the weights
            "drive": result.drive - self.parameters.theta / 2,
        }

    def _answers(self, weights: Weights, split: str, epoch: int, first: int | None) -> NBPResult:
        return self._answerer.run(
            matrices(self._answerer.model.circuit, weights),
            self._stimuli[split],
            np.arange(len(self.parts[split].labels[:first])),
            noise_seed=self.noise_seed(epoch, split),
        )

    def _model(self, circuit: Callable[[NBP], Circuit]) -> NBPModel:
        code = self.code and NBPModel(circuit(self.code), self.code)
        return NBPModel(circuit(self.parameters), self.parameters, self.settings["seed"], code)

    def _simulator(self, model: Model) -> Simulator:
        return simulator(model, device=self.settings["device"], codegen=self.settings["codegen"], message=self.message)

    @cached_property
    def _learner(self) -> Simulator:
        return self._simulator(self._model(training_circuit))

    @cached_property
    def _answerer(self) -> Simulator:
        return self._simulator(self._model(inference_circuit))

    @cached_property
    def _training_stimuli(self) -> Stimuli:
        train = self.parts["train"]
        targets = encoding.one_hot(train.labels, self.parameters.n_out)
        return self._learner.model.stimuli({"input": train.images, "target": targets})

    @cached_property
    def _stimuli(self) -> dict[str, Stimuli]:
        return {name: self._answerer.model.stimuli({"input": part.images}) for name, part in self.parts.items()}
