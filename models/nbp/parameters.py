"""Parameters of nBP: its rules, its layer sizes, and the weights that it starts from.

Source: Renner et al. 2024, see `models.nbp.circuit`.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from brianprop.models.nbp.layers import Layers
from brianprop.models.parameters import Checked
from brianprop.models.weights import Array

__all__ = ["NBP", "Rules", "initial_weights"]

#: Largest magnitude of a fixed weight: double precision then still resolves the units of learned weights in sums of both.
LARGEST_DRIVE = 2.0**40

ORDER = Literal["propagate-first", "learn-first"]
ERROR = Literal["box", "margin"]
FEEDBACK = Literal["transpose", "random"]


@dataclass(frozen=True)
class Rules(Checked):
    """Parameters of nBP that do not depend on the data: neuron, weights, learning, noise.

    Weights and drives are in units where the threshold theta is 1024. The defaults are the published circuit. With
    ``tau_m = tau_s = dt`` and forward Euler the neuron is Loihi's compartment with full decay in every step.

    Raises
    ------
    ParameterError
        When a value is not finite, out of range, or contradicts another.
    """

    order: ORDER = "propagate-first"
    """Whether a spike carries the weight before or after the update of its own step."""
    theta: float = 1024.0
    """Threshold: a neuron fires when its drive exceeds it."""
    bias: float = -8192.0
    """Drive that holds a gated neuron closed."""
    silence: float = -8128.0
    """Weight that cancels what would leak into the next step."""
    margin: float = 8.0
    """By how much a copied packet exceeds theta / 2."""
    h_lower: float = 0.0
    """Lower edge of the box of the hidden neurons, the drive above which they learn [theta]."""
    h_upper: float = 1.0
    """Upper edge of that box [theta]."""
    error: ERROR = "box"
    """Which outputs send an error: wrong ones within their box, as published, or all whose drive has not passed its margin."""
    o_lower: float = 0.0
    """Lower edge of the box of the outputs; of wrong classes, the margin that the drive must stay below [theta]."""
    o_upper: float = 1.0
    """Upper edge of that box; of the right class, the margin that the drive must exceed [theta]."""
    feedback: FEEDBACK = "transpose"
    """What carries the gradient back to hidden layers: transposed copies of the weights, which learn as they do (published), or
    random weights that never change (feedback alignment, Lillicrap et al. 2016, Nature Communications 7, 13276)."""
    w_max: int = 254
    """Bound of the learned weights."""
    w_step: int = 2
    """Grid of the learned weights."""
    w_init_max: int = 240
    """Bound of the initial weights."""
    eta_plus: int = 2
    """Potentiation by one coincidence in a reinforced phase."""
    eta_minus: int = 2
    """Depression by one coincidence in any other phase."""
    dt: float = 2.0**-10
    """Time step [s]; a power of two keeps dt / tau exact."""
    tau_m: float = 2.0**-10
    """Membrane time constant [s]."""
    tau_s: float = 2.0**-10
    """Synaptic time constant [s]."""
    refractory: int = 2
    """Refractory period [time steps]: 2 is silent in the step after a spike. Gating neurons and d1 have none."""
    weight_noise: float = 0.0
    """S.d. of Gaussian noise on each transmission by a synapse of a weight matrix [weight units]."""
    theta_spread: float = 0.0
    """S.d. of the thresholds of gated neurons, relative to theta."""
    h_dead: float = 0.0
    """What the gradient that comes back to a hidden neuron must exceed in magnitude for the neuron to learn [theta]: a
    larger value keeps only the clear signs."""
    w_init_gain: float = 1.0
    """Factor on the initial weights of W2, W3, ..., before they are clipped."""
    annealed: bool = False
    """Whether the steps of learning fall over the whole training, epoch by epoch, from eta_plus and eta_minus to w_step."""
    fail_forward: float = 0.0
    """Probability that a synapse of W1, W2, ... fails to transmit a spike, drawn for each transmission."""
    fail_backward: float = 0.0
    """The same for the synapses that carry the gradient back."""
    lesioned: float = 0.0
    """Share of the gated neurons that never fire."""
    gate_late: float = 0.0
    """Probability that all that a gating neuron does to the layers of its phase comes a step late. The chain goes on."""
    gate_missing: float = 0.0
    """Probability that it does not come at all."""

    def __post_init__(self):
        self._require_numbers()
        for name, known in (("order", get_args(ORDER)), ("error", get_args(ERROR)), ("feedback", get_args(FEEDBACK))):
            self._require(name, getattr(self, name) in known, f"one of {', '.join(known)}")
        for name in ("w_max", "w_step"):
            self._require(name, getattr(self, name) >= 1, "at least 1")
        for name in ("theta", "dt", "margin"):
            self._require(name, getattr(self, name) > 0, "greater than 0")
        for name in ("theta", "bias", "silence"):
            self._require(name, abs(getattr(self, name)) <= LARGEST_DRIVE, f"at most {LARGEST_DRIVE:g} in magnitude")
        for name in (
            "weight_noise",
            "theta_spread",
            "refractory",
            "eta_plus",
            "eta_minus",
            "w_init_max",
            "h_dead",
            "w_init_gain",
        ):
            self._require(name, getattr(self, name) >= 0, "at least 0")
        for name in ("fail_forward", "fail_backward", "lesioned", "gate_late", "gate_missing"):
            self._require(name, 0 <= getattr(self, name) <= 1, "from 0 to 1")
        self._require(
            "gate_missing", self.gate_late + self.gate_missing <= 1, f"at most 1 - gate_late = {1 - self.gate_late:g}"
        )
        self._require("bias", self.bias < 0, "negative, since it holds layers closed")
        self._require("silence", self.silence < 0, "negative, since it cancels leaks")
        for name in ("tau_m", "tau_s"):
            # forward Euler oscillates for tau < dt and diverges below dt / 2
            self._require(name, getattr(self, name) >= self.dt, f"at least the time step dt = {self.dt:g} s")
        self._require("w_init_max", self.w_init_max <= self.w_max, f"at most w_max = {self.w_max}")
        for name in ("eta_plus", "eta_minus", "w_max", "w_init_max"):
            self._require(name, getattr(self, name) % self.w_step == 0, f"a multiple of w_step = {self.w_step}")
        for layer in ("h", "o"):
            upper = getattr(self, f"{layer}_upper")
            self._require(f"{layer}_lower", getattr(self, f"{layer}_lower") < upper, f"less than {layer}_upper = {upper:g}")
        self._require("margin", self.margin < self.theta / 2, f"less than theta / 2 = {self.theta / 2:g}")

    @property
    def failing(self) -> bool:
        """Whether synapses fail to transmit."""
        return self.fail_forward > 0 or self.fail_backward > 0

    @property
    def gates_jitter(self) -> bool:
        """Whether gates come late or not at all."""
        return self.gate_late > 0 or self.gate_missing > 0

    def steps(self, n_before: int, n_total: int) -> dict[str, int]:
        """eta_plus and eta_minus after `n_before` of the `n_total` samples of a training; annealed, they stay on the grid."""
        etas = {"eta_plus": self.eta_plus, "eta_minus": self.eta_minus}
        if not self.annealed:
            return etas
        return {name: eta - eta // self.w_step * n_before // n_total * self.w_step for name, eta in etas.items()}


@dataclass(frozen=True)
class NBP(Rules):
    """The rules and the layer sizes, which together determine an nBP circuit. The default sizes are the paper's for MNIST.

    Raises
    ------
    ParameterError
        When a value is not finite, out of range, or contradicts another.
    """

    n_in: int = 400
    """Input neurons: the pixels of an image."""
    hidden: tuple[int, ...] = (400,)
    """Hidden neurons of each layer; none for a single matrix of weights from the input to the output."""
    n_out: int = 10
    """Output neurons, one per class."""

    def __post_init__(self):
        if isinstance(self.hidden, list):  # JSON gives lists
            object.__setattr__(self, "hidden", tuple(self.hidden))
        super().__post_init__()
        for name in ("n_in", "n_out"):
            self._require(name, getattr(self, name) >= 1, "at least 1")
        self._require("hidden", all(size >= 1 for size in self.hidden), "sizes of at least 1")

    @property
    def sizes(self) -> tuple[int, ...]:
        """Neurons of each layer, including input and output."""
        return (self.n_in, *self.hidden, self.n_out)

    @property
    def arrays(self) -> dict[str, Array]:
        """Shape, type and bound of each matrix: W1, W2, ..., the random feedback B2, ..., if there is any, and those copies of
        W1, W2, ... that may have drifted away from them."""

        def array(shape: tuple[int, ...], needed: bool) -> Array:
            return Array(shape, np.int32, self.w_max, "w_max", (0, self.w_step), f"grid of w_step = {self.w_step}", needed)

        layers = Layers(len(self.sizes) - 1)
        shapes = {f"W{layer}": shape for layer, shape in enumerate(itertools.pairwise(self.sizes), 1)}
        if self.feedback == "random":
            shapes |= {f"B{layer}": shapes[f"W{layer}"] for layer in range(2, layers.n_layers + 1)}
        arrays = {name: array(shape, True) for name, shape in shapes.items()}
        layer_of = layers.layer_of()
        for (source, target), name in layers.matrices(self.feedback).items():
            if name.strip("-").startswith("W") and (source, target) not in layers.originals:
                shape = (self.sizes[layer_of[source]], self.sizes[layer_of[target]])
                arrays[f"{source}>{target}"] = array(shape, False)
        return arrays


#: Names of the independent random streams of one seed that draw W1, W2, ... and the random feedback B2, ...
WEIGHT_STREAM, FEEDBACK_STREAM = 0, 5


def initial_weights(parameters: NBP, seed: int) -> dict[str, np.ndarray]:
    """Draw W1 of shape (n_in, n_1), W2 of shape (n_1, n_2), ..., and with random feedback B2 of the shape of W2, ...

    Normal with variance 2 / (n_pre + n_post), times theta, clipped to +-w_init_max and rounded toward zero to the grid
    w_step (Methods, "initial weights"). W2, W3, ... are drawn w_init_gain times larger. The same seed gives the same weights.
    """
    pairs = list(enumerate(itertools.pairwise(parameters.sizes), 1))
    rng = np.random.default_rng([seed, WEIGHT_STREAM])
    weights = {
        f"W{layer}": _drawn(parameters, rng, shape, parameters.w_init_gain if layer > 1 else 1.0) for layer, shape in pairs
    }
    if parameters.feedback == "random":
        rng = np.random.default_rng([seed, FEEDBACK_STREAM])
        weights |= {f"B{layer}": _drawn(parameters, rng, shape) for layer, shape in pairs[1:]}
    return weights


def _drawn(parameters: NBP, rng: np.random.Generator, shape: tuple[int, int], gain: float = 1.0) -> np.ndarray:
    drawn = rng.normal(0.0, math.sqrt(2 / sum(shape)), shape) * (gain * parameters.theta)
    clipped = np.clip(drawn, -parameters.w_init_max, parameters.w_init_max)
    return (np.trunc(clipped / parameters.w_step) * parameters.w_step).astype(np.int32)
