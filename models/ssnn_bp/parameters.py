"""Parameters of SSNN-BP: its rules, its layer sizes, the weights that it starts from, and how input events are packed.

Source: Biswas, Saraswat and Ganguly 2023, see `models.ssnn_bp.model`.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from brianprop.models.errors import ParameterError
from brianprop.models.parameters import Checked, fits_single
from brianprop.models.weights import Array

__all__ = ["DRIVE", "SSNN", "SSNNRules", "initial_weights", "pack", "unpack"]

#: Largest number of steps that single precision counts exactly, and of levels of a weight that it distinguishes after rounding.
MOST_STEPS, MOST_LEVELS = 2**24, 2**20

#: Options of a resistive device, as `SSNNRules` names them (see `models.ssnn_bp.equations.crossbar_model`).
DEVICE_OPTIONS = ("asymmetry", "soft_bounds", "update_noise", "levels")

DRIVE = Literal["memoryless", "mean"]


@dataclass(frozen=True)
class SSNNRules(Checked):
    """Parameters of SSNN-BP that do not depend on the data.

    Raises
    ------
    ParameterError
        When a value is not finite, out of range, or contradicts another.
    """

    steps: int = 20
    """Time steps T per sample: the length of the spike trains."""
    theta: float = 2.0
    """Drive at which a hidden neuron fires in every step."""
    rate_hidden: float = 0.05
    """Learning rate of the hidden layers, as of the equivalent ANN."""
    rate_out: float = 0.1
    """Learning rate of the output layer, as of the equivalent ANN."""
    gain: float = 1.0
    """Gradient spikes per unit of gradient: a larger gain gives more spikes, each with a smaller step."""
    hidden_drive: DRIVE = "memoryless"
    """Whether the drive of hidden neurons lasts one step or is the mean since the sample began."""
    output_drive: DRIVE = "memoryless"
    """The same for the membrane of the output layer: its mean is an integrating output."""
    backward_drive: DRIVE = "memoryless"
    """The same for the backward drive of hidden neurons."""
    answer_drive: DRIVE | None = None
    """Drive of hidden and output neurons of the network that only answers (default: the same as while learning)."""
    biases: bool = False
    """Whether neurons have biases, learned like weights from a neuron that fires in every step."""
    annealed: bool = True
    """Whether learning rates fall linearly to 0 over the whole training."""
    dropout: float = 0.0
    """Share of the hidden neurons that are dropped for a sample."""
    weight_decay: float = 0.0
    """Weight decay, once per sample: w falls by the learning rate times this times w."""
    w_max: float = math.inf
    """Bound of the weights."""
    levels: int | None = None
    """Number of levels of a weight from -w_max to w_max (default: continuous); updates are rounded to levels stochastically."""
    update_noise: float = 0.0
    """S.d. of the size of an update, relative to its mean."""
    asymmetry: float = 0.0
    """Potentiating updates are larger by this fraction, depressing ones smaller."""
    soft_bounds: bool = False
    """Whether an update becomes smaller as the weight approaches the bound in its direction."""
    dt: float = 2.0**-10
    """Time step [s]; a power of two keeps dt / dt exact."""

    def __post_init__(self):
        self._require_numbers(infinite=("w_max",))
        choices = get_args(DRIVE)
        for name in ("hidden_drive", "output_drive", "backward_drive"):
            self._require(name, getattr(self, name) in choices, f"one of {', '.join(choices)}")
        self._require("answer_drive", self.answer_drive in (None, *choices), f"one of {', '.join(choices)}")
        self._require("steps", 1 <= self.steps <= MOST_STEPS, f"from 1 to {MOST_STEPS}, up to which single precision counts")
        for name in ("theta", "gain", "dt", "w_max"):
            self._require(name, getattr(self, name) > 0, "greater than 0")
        for name in ("rate_hidden", "rate_out", "weight_decay", "update_noise"):
            self._require(name, getattr(self, name) >= 0, "at least 0")
        self._require("dropout", 0 <= self.dropout < 1, "at least 0 and less than 1")
        self._require("asymmetry", -1 <= self.asymmetry <= 1, "from -1 to 1")
        most = f"from 2 to {MOST_LEVELS}, which single precision tells apart"
        self._require("levels", self.levels is None or 2 <= self.levels <= MOST_LEVELS, most)
        for name in ("levels", "soft_bounds"):
            if getattr(self, name) and math.isinf(self.w_max):
                raise ParameterError(f"Parameter {name} = {getattr(self, name)!r} needs finite weights; set --w-max.")

    @property
    def level(self) -> float:
        """Distance between two levels of a weight; 0 for continuous weights."""
        return 2 * self.w_max / (self.levels - 1) if self.levels else 0.0

    @property
    def options(self) -> frozenset[str]:
        """Options of a resistive device that are in use (see `models.ssnn_bp.equations.crossbar_model`)."""
        return frozenset(name for name in DEVICE_OPTIONS if getattr(self, name))


@dataclass(frozen=True)
class SSNN(SSNNRules):
    """The rules and the layer sizes, which together determine an SSNN-BP network.

    Raises
    ------
    ParameterError
        When a value is not finite, out of range, or contradicts another.
    """

    n_in: int = 784
    """Input neurons: the pixels of an image."""
    hidden: tuple[int, ...] = (200,)
    """Hidden neurons of each layer."""
    n_out: int = 10
    """Output neurons, one per class."""
    events: bool = False
    """Whether the input is spike trains, such as those of an event camera, and not grey values from which spikes are drawn."""

    def __post_init__(self):
        if isinstance(self.hidden, list):  # JSON gives lists
            object.__setattr__(self, "hidden", tuple(self.hidden))
        super().__post_init__()
        for name in ("n_in", "n_out"):
            self._require(name, getattr(self, name) >= 1, "at least 1")
        self._require("hidden", len(self.hidden) >= 1 and all(size >= 1 for size in self.hidden), "sizes of at least 1")
        steps = [*self.weight_steps, *self.bias_steps]
        rates = [rate for rate in self.learning_rates if rate]
        if not all(map(fits_single, [*steps, *self.gradient_gains])) or sum(step != 0 for step in steps) != 2 * len(rates):
            raise ParameterError(
                f"Parameters theta = {self.theta!r}, gain = {self.gain!r}, rate_hidden = {self.rate_hidden!r} and rate_out = "
                f"{self.rate_out!r} give steps that single precision does not hold; choose them closer to 1."
            )

    @property
    def n_bytes(self) -> int:
        """Input bytes of a sample: one per pixel, or for events one bit per pixel and step, padded to whole bytes."""
        return self.n_in * (math.ceil(self.steps / 8) if self.events else 1)

    @property
    def sizes(self) -> tuple[int, ...]:
        """Neurons of each layer, including input and output."""
        return (self.n_in, *self.hidden, self.n_out)

    @property
    def arrays(self) -> dict[str, Array]:
        """Shape, type, bound and levels of each array of weights and biases; see `initial_weights`."""
        arrays = {}
        # weight decay moves weights off their levels
        on_levels = bool(self.levels) and not self.weight_decay
        grid = (-self.w_max, self.level) if on_levels else None
        grid_name = f"{self.levels} levels from -{self.w_max} to {self.w_max}"
        for layer, shape in enumerate(itertools.pairwise(self.sizes), 1):
            arrays[f"W{layer}"] = Array(shape, np.float32, self.w_max, "w_max", grid, grid_name)
            if self.biases:
                arrays[f"b{layer}"] = Array(shape[1:], np.float32)
        return arrays

    @property
    def layers(self) -> tuple[str, ...]:
        """Names of the layers: ``input``, ``hidden1``, ..., ``output``."""
        return ("input", *(f"hidden{layer}" for layer in range(1, len(self.hidden) + 1)), "output")

    @property
    def learning_rates(self) -> tuple[float, ...]:
        """Learning rate of each weight matrix, as of the equivalent ANN."""
        return (self.rate_hidden,) * len(self.hidden) + (self.rate_out,)

    @property
    def weight_steps(self) -> tuple[float, ...]:
        """Step eta of one coincidence, for each weight matrix, at the start of the training."""
        last = len(self.hidden)
        from_hidden = self.theta**2 / (1 - self.dropout)  # for weights of hidden neurons
        return tuple(
            rate * (from_hidden if index else 1) / (self.steps * (1 if index == last else self.gain))
            for index, rate in enumerate(self.learning_rates)
        )

    @property
    def bias_steps(self) -> tuple[float, ...]:
        """Step eta of one error or gradient spike, for the biases of each layer after the input."""
        last = len(self.hidden)
        return tuple(
            rate / (self.steps * (1 if index == last else self.gain)) for index, rate in enumerate(self.learning_rates)
        )

    @property
    def gradient_gains(self) -> tuple[float, ...]:
        """c of each hidden layer: gradient spikes per step and unit of backward drive."""
        last, unit = len(self.hidden) - 1, self.theta * (1 - self.dropout)
        return tuple((self.gain if index == last else 1.0) / unit for index in range(len(self.hidden)))


def initial_weights(parameters: SSNN, seed: int) -> dict[str, np.ndarray]:
    """Draw W1, W2, ... of shape (n_pre, n_post); with biases also b1, b2, ..., which are 0.

    float32. Weights of input neurons are drawn from a normal distribution with s.d. sqrt(2 / n_pre) (K. He et al., ICCV 2015),
    those of hidden neurons with theta times that, since their activation is theta times their spike rate. They are clipped to
    w_max and rounded to levels, where there are any. The same seed gives the same weights.
    """
    rng = np.random.default_rng([seed, 0])
    weights = {}
    for layer, (n_pre, n_post) in enumerate(itertools.pairwise(parameters.sizes), 1):
        drawn = rng.normal(0.0, math.sqrt(2 / n_pre) * (parameters.theta if layer > 1 else 1.0), (n_pre, n_post))
        drawn = np.clip(drawn, -parameters.w_max, parameters.w_max)
        if parameters.levels:
            drawn = np.rint((drawn + parameters.w_max) / parameters.level) * parameters.level - parameters.w_max
        weights[f"W{layer}"] = drawn.astype(np.float32)
        if parameters.biases:
            weights[f"b{layer}"] = np.zeros(n_post, dtype=np.float32)
    return weights


def pack(frames: np.ndarray) -> np.ndarray:
    """Pack spike trains into bytes: bit ``step % 8`` of byte ``step // 8 * n_in + i`` is the spike of input neuron i in a step.

    Parameters
    ----------
    frames : array of 0 and 1 of shape (n_samples, T, n_in)

    Returns
    -------
    uint8 array of shape (n_samples, ceil(T / 8) * n_in)
    """
    return np.packbits(frames, axis=1, bitorder="little").reshape(len(frames), -1)


def unpack(packed: np.ndarray, steps: int) -> np.ndarray:
    """The inverse of `pack`: frames, uint8 of shape (n_samples, T, n_in), from packed bytes; `steps` is T."""
    n_samples = len(packed)
    return np.unpackbits(packed.reshape(n_samples, math.ceil(steps / 8), -1), axis=1, count=steps, bitorder="little")
