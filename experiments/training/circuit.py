"""What the spiking systems share: options, and a system made of a circuit that learns and a circuit that answers."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, Generic, Literal, TypeVar

import numpy as np

from brianprop.experiments.data import encoding
from brianprop.experiments.data.dataset import Part
from brianprop.experiments.training.options import TrainOptions
from brianprop.experiments.training.trainer import Trainer
from brianprop.models.errors import ParameterError
from brianprop.models.model import Model, Result, Stimuli, Weights
from brianprop.models.simulation import Simulator, simulator
from brianprop.models.simulation.replicas import Parallel, Replicas
from brianprop.models.simulation.simulator import Progress

__all__ = ["CircuitOptions", "CircuitTrainer", "Codegen", "Device", "circuit_memory"]

#: Values of ``--device`` and of ``--codegen``, see `models.simulation`.
Device = Literal["cpp_standalone", "cuda", "cython", "numpy"]
Codegen = Literal["dense", "stock"]

M = TypeVar("M", bound=Model)
R = TypeVar("R", bound=Result)

#: Memory [bytes] of a learned synapse in dense code, with the arrays that its weight passes through; of the same in Brian2's
#: own code, which also stores both ends and the delay of each synapse; of a recorded spike; of the answer of one output neuron.
DENSE_SYNAPSE, STOCK_SYNAPSE, SPIKE, ANSWER = 32, 64, 48, 64


@dataclass(frozen=True)
class CircuitOptions(TrainOptions):
    """Options of all spiking systems."""

    device: Device = "cpp_standalone"
    """C++ standalone, a GPU by Brian2CUDA, or Brian2's runtime, which is slow and serves debugging."""
    codegen: Codegen = "dense"
    """Templates for the C++ code: dense ones, which are faster, or Brian2's own. Results are equal bit for bit, except where
    circuits draw random numbers."""
    replicas: int = 1
    """Number of networks to train in one simulation. Their seeds count up from --seed; each has a run directory in --out."""
    processes: int = 1
    """Number of simulations that run side by side, each on a core of its own. The replicas are divided among them."""

    def __post_init__(self):
        super().__post_init__()
        self._require_whole(replicas=1, processes=1)
        if self.processes > self.replicas:
            raise ParameterError(
                f"Parameter processes = {self.processes} exceeds replicas = {self.replicas}, which are divided among them; set "
                "--replicas."
            )
        if self.replicas > 1 and self.device not in ("cpp_standalone", "cuda"):
            raise ParameterError(
                f"Parameter replicas = {self.replicas} needs --device cpp_standalone or cuda, not {self.device}."
            )

    def training(self) -> dict:
        return {"device": self.device, "codegen": self.codegen}


def circuit_memory(settings: dict, synapses: int, spikes: int, answers: int) -> int:
    """Estimate of the memory [bytes] of one network, without code and without data that all networks share.

    Parameters
    ----------
    settings : dict
        The table ``training`` of config.json.
    synapses : int
        Number of learned synapses.
    spikes : int
        Number of recorded spikes.
    answers : int
        Number of answers times that of output neurons.
    """
    dense = settings["codegen"] == "dense" and settings["device"] in ("cpp_standalone", "cuda")
    return synapses * (DENSE_SYNAPSE if dense else STOCK_SYNAPSE) + spikes * SPIKE + answers * ANSWER


class CircuitTrainer(Trainer, Generic[M, R]):
    """A network that Brian2 simulates. Each of its two circuits is built on first use and then serves every split.

    Attributes
    ----------
    answering : str
        Prefix of the split in the purpose of the noise of answers, see `experiments.training.trainer.noise_seed`.
    """

    answering: ClassVar[str] = ""

    def __init__(self, *arguments: Any, **options: Any):
        super().__init__(*arguments, **options)
        self._simulators: dict[bool, Simulator | Parallel] = {}
        # the last split that was answered as a whole: its accuracy, its images and its predictions are asked for one by one
        self._answered: tuple[Weights, str, int, R] | None = None

    @abstractmethod
    def model(self, learns: bool) -> M:
        """The circuit that learns, or the one that answers."""

    @staticmethod
    @abstractmethod
    def stimuli(model: Any, images: np.ndarray, targets: np.ndarray) -> Stimuli:
        """The input of a circuit, from images (n, n_in) and one-hot targets (n, n_out), which only learning uses."""

    @staticmethod
    @abstractmethod
    def scores(result: Any, labels: np.ndarray) -> dict[str, float]:
        """Accuracies and loss of the answers to samples with the class indices `labels` (n,)."""

    @staticmethod
    @abstractmethod
    def chosen(result: Any) -> dict[str, np.ndarray]:
        """The classes answered, by readout of the system; class indices (n,)."""

    def presented(self, epoch: int) -> Part:
        """The training samples of an epoch; systems that augment the images override this."""
        return self.parts["train"]

    @staticmethod
    def as_loaded(model: Any, weights: Weights) -> Weights:
        """The weights of a checkpoint, in the form in which a circuit takes them."""
        return weights

    @property
    def learner(self) -> Simulator:
        """The simulator of the circuit that learns."""
        return self._simulator(learns=True)

    @property
    def answerer(self) -> Simulator | Parallel:
        """The simulator of the circuit that answers."""
        return self._simulator(learns=False)

    def models(self) -> tuple[Model, ...]:
        return self.model(learns=True), self.model(learns=False)

    def prepare(self) -> None:
        _ = self.learner, self.answerer

    def run_learner(self, weights: Weights, epoch: int, order: np.ndarray, n_recorded: int, progress: Progress) -> R:
        """Run one epoch of learning; see `experiments.training.trainer.Trainer.learn`."""
        part = self.presented(epoch)
        unchanged = part is self.parts["train"]
        stimuli = self._training_stimuli if unchanged else self._stimuli_of(self.learner, part)
        try:
            return self.learner.run(
                self.as_loaded(self.learner.model, weights),
                stimuli,
                order,
                noise_seed=self.noise_seed(epoch, "train"),
                n_recorded=n_recorded,
                first=(epoch - 1) * len(order),
                progress=progress,
            )
        finally:
            if not unchanged:  # the next epoch presents other images
                stimuli.discard()

    def answers(self, weights: Weights, split: str, epoch: int, first: int | None = None) -> R:
        """Answers to a split; with `first`, to its first samples, or to more where more are known."""
        if self._answered is None or self._answered[0] is not weights or self._answered[1:3] != (split, epoch):
            result = self._run_answerer(weights, split, epoch, first)
            if first is not None:
                return result
            self._answered = weights, split, epoch, result
        return self._answered[3]

    def _run_answerer(self, weights: Weights, split: str, epoch: int, first: int | None) -> R:
        return self.answerer.run(
            self.as_loaded(self.answerer.model, weights),
            self._answer_stimuli[split],
            np.arange(len(self.parts[split].labels[:first])),
            noise_seed=self.noise_seed(epoch, self.answering + split),
        )

    def score(self, weights: Weights, split: str, epoch: int, first: int | None = None) -> tuple[dict[str, float], float]:
        result = self.answers(weights, split, epoch) if first is None else self._run_answerer(weights, split, epoch, first)
        return self.scores(result, self.parts[split].labels[:first]), result.seconds

    def predict(self, weights: Weights, split: str, epoch: int) -> dict[str, np.ndarray]:
        return self.chosen(self.answers(weights, split, epoch))

    def close(self) -> None:
        for made in self._simulators.values():
            made.close()

    def _simulator(self, learns: bool) -> Any:
        # not a cached_property: up to Python 3.11 its lock is shared by all instances, and trainings in lockstep would deadlock
        if learns not in self._simulators:
            self._simulators[learns] = self._new_simulator(learns)
        return self._simulators[learns]

    def _new_simulator(self, learns: bool) -> Simulator | Parallel:
        options = {"device": self.settings["device"], "codegen": self.settings["codegen"], "message": self.message}
        model, replicas = self.model(learns), self.settings.get("replicas", 1)
        if self.member is not None:
            return self.member.simulator(model, **options)
        if replicas > 1 and not learns:
            return Parallel(simulator(Replicas([model] * replicas), **options))
        return simulator(model, **options)

    def _stimuli_of(self, simulator: Simulator | Parallel, part: Part) -> Stimuli:
        def make() -> Stimuli:
            return self.stimuli(simulator.model, part.images, encoding.one_hot(part.labels, self.parameters.n_out))

        # in a lockstep all members have the same splits; augmented images are each member's own
        if self.member is not None and any(part is split for split in self.parts.values()):
            return self.member.shared(("stimuli", simulator is self.learner, id(part)), make)
        return make()

    @cached_property
    def _training_stimuli(self) -> Stimuli:
        return self._stimuli_of(self.learner, self.parts["train"])

    @cached_property
    def _answer_stimuli(self) -> dict[str, Stimuli]:
        return {name: self._stimuli_of(self.answerer, part) for name, part in self.parts.items()}
