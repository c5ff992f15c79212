"""What the training of nBP and of SSNN-BP shares: a circuit that learns and one that answers, each run by a simulator."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar, Literal

import numpy as np

from brianprop.experiments.data import encoding
from brianprop.experiments.training.loop import Part, System, TrainOptions
from brianprop.models.errors import ParameterError
from brianprop.models.model import Model, Result, Stimuli, Weights
from brianprop.models.simulation import Simulator, simulator
from brianprop.models.simulation.replicas import Parallel, Replicas

__all__ = ["CircuitOptions", "CircuitSystem", "circuit_memory"]

#: Memory of a learned synapse, in dense code, with its values as they are passed on and read; and in Brian2's own code, which
#: keeps both ends and the delays of each. Then, that of a spike that is recorded, and of an answer of one output neuron.
DENSE_SYNAPSE, STOCK_SYNAPSE, SPIKE, ANSWER = 32, 64, 48, 64


@dataclass(frozen=True)
class CircuitOptions(TrainOptions):
    """Options of all circuits."""

    device: Literal["cpp_standalone", "cuda", "cython", "numpy"] = "cpp_standalone"
    """C++ standalone, a GPU by Brian2CUDA, or Brian2's runtime, which is slow and serves debugging."""
    codegen: Literal["dense", "stock"] = "dense"
    """Templates for the C++ code: dense ones, which are faster, or Brian2's own. The results are the same, bit for bit, but for
    the random numbers that some circuits draw."""
    replicas: int = 1
    """Train so many networks in one simulation, with seeds from --seed on, each in a run directory of its own in --out."""
    processes: int = 1
    """Divide the replicas among so many simulations that run side by side, each on a core of its own."""

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
    """Estimate of the bytes that a network takes; the code and the data that all networks share are left out.

    Parameters
    ----------
    settings : dict
        ``training`` of config.json.
    synapses, spikes, answers : int
        Learned synapses, spikes that are recorded, and answers times output neurons.
    """
    dense = settings["codegen"] == "dense" and settings["device"] in ("cpp_standalone", "cuda")
    return synapses * (DENSE_SYNAPSE if dense else STOCK_SYNAPSE) + spikes * SPIKE + answers * ANSWER


class CircuitSystem(System):
    """A network of Brian2; its circuits are built when they are first used, and then run on every split.

    Attributes
    ----------
    answering : str
        What stands before the name of a split in the purpose of the noise of answers, see `noise_seed`.
    """

    answering: ClassVar[str] = ""

    @abstractmethod
    def model(self, learns: bool) -> Model:
        """The circuit that learns from the training samples, or the one that answers."""

    @staticmethod
    @abstractmethod
    def stimuli(model: Model, images: np.ndarray, targets: np.ndarray) -> Stimuli:
        """What a circuit sees of images (n, n_in) and one-hot targets (n, n_out); only one that learns sees the targets."""

    @staticmethod
    @abstractmethod
    def scores(result: Result, labels: np.ndarray) -> dict[str, float]:
        """Accuracies and loss of answers to samples of the classes `labels` (n,)."""

    def presented(self, epoch: int) -> Part:
        """The training samples as an epoch presents them."""
        return self.parts["train"]

    @staticmethod
    def as_loaded(model: Model, weights: Weights) -> Weights:
        """The weights of a checkpoint as a circuit takes them."""
        return weights

    @property
    def learner(self) -> Simulator:
        """Runs the circuit that learns."""
        return self._simulator(learns=True)

    @property
    def answerer(self) -> Simulator:
        """Runs the circuit that answers."""
        return self._simulator(learns=False)

    def models(self) -> tuple[Model, ...]:
        return self.model(learns=True), self.model(learns=False)

    def prepare(self) -> None:
        _ = self.learner, self.answerer

    def run_learner(self, weights: Weights, epoch: int, order: np.ndarray, n_recorded: int, progress) -> Result:
        """One epoch of learning; see `experiments.training.loop.System.learn`."""
        part = self.presented(epoch)
        same = part is self.parts["train"]
        stimuli = self._training_stimuli if same else self._seen(self.learner, part)
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
            if not same:  # the next epoch has others
                stimuli.discard()

    def answers(self, weights: Weights, split: str, epoch: int, first: int | None) -> Result:
        """Answers to a split or its first images."""
        return self.answerer.run(
            self.as_loaded(self.answerer.model, weights),
            self._stimuli[split],
            np.arange(len(self.parts[split].labels[:first])),
            noise_seed=self.noise_seed(epoch, self.answering + split),
        )

    def score(self, weights, split, epoch, first=None):
        result = self.answers(weights, split, epoch, first)
        return self.scores(result, self.parts[split].labels[:first]), result.seconds

    def _simulator(self, learns: bool) -> Simulator:
        # no cached_property: up to Python 3.11 its lock is that of all systems, which wait for one another here
        simulators = self.__dict__.setdefault("_simulators", {})
        if learns not in simulators:
            simulators[learns] = self._new_simulator(learns)
        return simulators[learns]

    def _new_simulator(self, learns: bool) -> Simulator:
        options = {"device": self.settings["device"], "codegen": self.settings["codegen"], "message": self.message}
        model, copies = self.model(learns), self.settings.get("copies", 1)
        if self.seat is not None:
            return self.seat.simulator(model, **options)
        if copies > 1 and not learns:
            return Parallel(simulator(Replicas([model] * copies), **options))
        return simulator(model, **options)

    def _seen(self, simulated: Simulator, part: Part) -> Stimuli:
        def make():
            return self.stimuli(simulated.model, part.images, encoding.one_hot(part.labels, self.parameters.n_out))

        shared = self.seat is not None and any(part is other for other in self.parts.values())
        return self.seat.shared(("stimuli", simulated is self.learner, id(part)), make) if shared else make()

    @cached_property
    def _training_stimuli(self) -> Stimuli:
        return self._seen(self.learner, self.parts["train"])

    @cached_property
    def _stimuli(self) -> dict[str, Stimuli]:
        return {name: self._seen(self.answerer, part) for name, part in self.parts.items()}
