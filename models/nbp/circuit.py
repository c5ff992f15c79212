"""nBP: backpropagation as a synfire-gated spiking circuit, twelve time steps a sample.

Source: A. Renner, F. Sheldon, A. Zlotnik, L. Tao, A. Sornborger, "The backpropagation algorithm implemented on spiking
neuromorphic hardware", Nature Communications 15, 9691 (2024), doi 10.1038/s41467-024-53827-9. Populations, projections and
phases follow its Figures 2, 4 and 5 and its supplementary tables; the symbols are the paper's.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from brianprop.models.circuit import Circuit, Population, arrows
from brianprop.models.gating import LEAD, chain_arrows, chain_populations
from brianprop.models.parameters import Checked
from brianprop.models.weights import Array

__all__ = [
    "EDGE_ARROWS",
    "INFERENCE_PERIOD",
    "NBP",
    "PERIOD",
    "Rules",
    "inference_circuit",
    "initial_weights",
    "matrices",
    "training_circuit",
    "weights_of",
]

#: Phases of one training turn and of one inference turn.
PERIOD, INFERENCE_PERIOD = 12, 4

#: Bound of the fixed weights: double precision keeps the units of learned weights beside sums of them.
LARGEST_DRIVE = 2.0**40

ORDER = Literal["propagate-first", "learn-first"]
ERROR = Literal["box", "margin"]


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
    """Whether a spike carries the weight from before or from after the update of its own step."""
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
    """Which outputs err: wrong ones within their box, as published, or all whose drive has not passed its margin."""
    o_lower: float = 0.0
    """Lower edge of the box of the outputs; of wrong classes, the margin that the drive must stay below [theta]."""
    o_upper: float = 1.0
    """Upper edge of that box; of the right class, the margin that the drive must exceed [theta]."""
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
    """S.d. of Gaussian noise on each transmission by a learned synapse [weight units]."""
    theta_spread: float = 0.0
    """S.d. of the thresholds of gated neurons, relative to theta."""

    def __post_init__(self):
        self._require_numbers()
        for name, known in (("order", get_args(ORDER)), ("error", get_args(ERROR))):
            self._require(name, getattr(self, name) in known, f"one of {', '.join(known)}")
        for name in ("w_max", "w_step"):
            self._require(name, getattr(self, name) >= 1, "at least 1")
        for name in ("theta", "dt", "margin"):
            self._require(name, getattr(self, name) > 0, "greater than 0")
        for name in ("theta", "bias", "silence"):
            self._require(name, abs(getattr(self, name)) <= LARGEST_DRIVE, f"at most {LARGEST_DRIVE:g} in magnitude")
        for name in ("weight_noise", "theta_spread", "refractory", "eta_plus", "eta_minus", "w_init_max"):
            self._require(name, getattr(self, name) >= 0, "at least 0")
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


@dataclass(frozen=True)
class NBP(Rules):
    """The rules and the layer sizes: all that decides an nBP circuit. The default sizes are the paper's for MNIST.

    Raises
    ------
    ParameterError
        When a value is not finite, out of range, or contradicts another.
    """

    n_in: int = 400
    """Input neurons: the pixels of an image."""
    n_hid: int = 400
    """Hidden neurons."""
    n_out: int = 10
    """Output neurons, one per class."""

    def __post_init__(self):
        super().__post_init__()
        for name in ("n_in", "n_hid", "n_out"):
            self._require(name, getattr(self, name) >= 1, "at least 1")

    @property
    def sizes(self) -> dict[str, int]:
        """Layer sizes by name."""
        return {"in": self.n_in, "hid": self.n_hid, "out": self.n_out}

    @property
    def arrays(self) -> dict[str, Array]:
        """What its weights must be: W1 and W2, and copies of them or of their parts that may have drifted away."""

        def array(source: str, target: str, needed: bool) -> Array:
            shape = (self.sizes[LAYERS[source]], self.sizes[LAYERS[target]])
            grid = (0, self.w_step)
            return Array(shape, np.int32, self.w_max, "w_max", grid, f"grid of w_step = {self.w_step}", needed)

        copies = {">".join(pair): array(*pair, False) for pair in MATRICES if pair not in SEEN}
        return {matrix: array(*pair, True) for pair, matrix in SEEN.items()} | copies


#: Arrows that move the edges of the boxes, by their kind; left out where they would have no weight.
EDGE_ARROWS = {
    "h_lower": "h_lower 0 g2 -> h_lt",
    "h_upper": "h_upper 0 g2 -> h_gt",
    "o_lower": "o_lower 0 g3 -> o_lt",
    "o_upper": "o_upper 0 g3 -> o_gt",
}

CONNECTIVITY = {
    "plastic": "all-to-all",
    "copy": "one-to-one",
    "inhibit": "one-to-one",
    "gate_one": "one-to-one",
    "chain": "one-to-one",
    "gate": "one-to-all",
    "gate_high": "one-to-all",
    "lower": "one-to-all",
    "silence": "one-to-all",
    **dict.fromkeys(EDGE_ARROWS, "one-to-all"),
}

MATRICES = {
    **{("x", target): "W1" for target in ("h", "h_lt", "h_gt")},
    **{("h", target): "W2" for target in ("o", "o_lt", "o_gt")},
    ("o", "d1"): "W2.T",
    ("oT_neg", "d1"): "-W2.T",
}

#: The projections whose matrices are W1 and W2 themselves; those of all others are copies.
SEEN = {("x", "h"): "W1", ("h", "o"): "W2"}


def fixed_weights(parameters: NBP) -> dict[str, float]:
    """Weight of each kind of fixed arrow (Methods, "weights of the connections")."""
    half, lift = parameters.theta / 2, -parameters.bias
    return {
        "copy": half + parameters.margin,  # a packet is copied into an open layer
        "inhibit": -(half + parameters.margin),  # ... or cancelled there
        "gate": lift + half,  # the layer now fires on drive > theta / 2
        "gate_high": lift,  # ... on drive > theta
        "lower": half,  # on top of gate: ... on drive > 0
        "gate_one": lift + half,  # a neuron gates its own partner
        "silence": parameters.silence,  # cancels what would leak into the next step
        "chain": lift + parameters.theta + parameters.margin,  # one gating neuron starts the next
        # where a box has other edges than 0 and theta, on top of lower and of gate_high
        "h_lower": -parameters.h_lower * parameters.theta,
        "h_upper": (1 - parameters.h_upper) * parameters.theta,
        "o_lower": -parameters.o_lower * parameters.theta,
        "o_upper": (1 - parameters.o_upper) * parameters.theta,
    }


TRAINING_ARROWS = """
plastic   0  x       -> h h_lt h_gt
plastic   0  h       -> o o_lt o_gt
plastic   0  o       -> d1
plastic   0  oT_neg  -> d1

copy      0  input   -> x                     # the packets: image, label, memories, errors
copy      0  target  -> t
copy      0  h       -> m_h
copy      1  m_h     -> h d1                  # phase 5
copy      5  m_h     -> h d1                  # phase 9
copy      4  x       -> m_x
copy      0  m_x     -> x                     # phase 7
copy      4  m_x     -> x                     # phase 11
copy      0  t       -> d2_pos
copy      0  d2_pos  -> o o_lt o_gt           # phase 5
copy      4  d2_neg  -> o o_lt o_gt           # phase 9
copy      0  d2_neg  -> oT_neg                # phase 5
copy      4  d2_pos  -> oT_neg                # phase 9
copy      3  h_lt    -> b_h
copy      0  d1      -> h h_lt h_gt           # phases 7 and 11

inhibit   0  t       -> d2_neg
inhibit   3  h_gt    -> b_h                   # b_h = h_lt AND NOT h_gt

gate_one  0  b_h     -> h h_lt h_gt           # the box function gates the hidden gradient, phase 7
gate_one  4  b_h     -> h h_lt h_gt           # phase 11

gate      0  g1      -> x
gate      0  g2      -> h h_lt
gate_high 0  g2      -> h_gt
lower     0  g2      -> h_lt
gate      0  g3      -> o o_lt t m_h
gate_high 0  g3      -> o_gt
lower     0  g3      -> o_lt
gate      0  g5      -> h d1 o o_lt o_gt oT_neg
gate      0  g6      -> d1 b_h m_x
lower     0  g6      -> d1
gate      0  g7      -> x
gate      0  g9      -> h d1 o o_lt o_gt oT_neg
gate      0  g10     -> d1
lower     0  g10     -> d1
gate      0  g11     -> x

silence   0  g0      -> o o_lt o_gt
silence   0  g4      -> d1 oT_neg
silence   0  g6      -> o o_lt o_gt
silence   0  g8      -> h h_lt h_gt
silence   0  g10     -> o o_lt o_gt
"""

#: How the errors of the output come about, besides t -> d2_pos and t -| d2_neg.
ERROR_ARROWS = {
    # published: d2_pos = t AND NOT o AND o_lt, d2_neg = o AND NOT t AND o_lt AND NOT o_gt
    "box": """
copy      0  o       -> d2_neg
inhibit   0  o       -> d2_pos
inhibit   0  o_gt    -> d2_neg
gate_one  0  o_lt    -> d2_pos d2_neg         # the box function gates the error
""",
    # an output learns until its drive has passed the margin: d2_pos = t AND NOT o_gt, d2_neg = o_lt AND NOT t
    "margin": """
copy      0  o_lt    -> d2_neg
inhibit   0  o_gt    -> d2_pos
gate      0  g4      -> d2_pos d2_neg
""",
}

TRAINING_FIRING = {
    0: ("input",),
    1: ("x",),
    2: ("h", "h_lt", "h_gt", "target"),
    3: ("o", "o_lt", "o_gt", "t", "m_h"),
    4: ("d2_pos", "d2_neg"),
    5: ("h", "d1", "o", "o_lt", "o_gt", "oT_neg"),
    6: ("d1", "b_h", "m_x"),
    7: ("x", "h", "h_lt", "h_gt"),
    8: (),
    9: ("h", "d1", "o", "o_lt", "o_gt", "oT_neg"),
    10: ("d1",),
    11: ("x", "h", "h_lt", "h_gt"),
}

INFERENCE_ARROWS = """
plastic   0  x       -> h
plastic   0  h       -> o
copy      0  input   -> x
gate      0  g1      -> x
gate      0  g2      -> h
gate      0  g3      -> o
silence   0  g0      -> o
"""

INFERENCE_FIRING = {0: ("input",), 1: ("x",), 2: ("h",), 3: ("o",)}

#: Layer of each population, in the order in which the neurons lie: the three copies of a layer side by side, and oT_neg
#: before o, so that copies of a matrix can share one pathway.
LAYERS = {
    "x": "in",
    "m_x": "in",
    "h": "hid",
    "h_lt": "hid",
    "h_gt": "hid",
    "m_h": "hid",
    "b_h": "hid",
    "d1": "hid",
    "oT_neg": "out",
    "o": "out",
    "o_lt": "out",
    "o_gt": "out",
    "t": "out",
    "d2_pos": "out",
    "d2_neg": "out",
}


def _circuit(name, parameters, table, sources, names, firing, period) -> Circuit:
    size = parameters.sizes
    gated = tuple(
        Population(
            name,
            size[LAYERS[name]],
            bias=parameters.bias,
            refractory=0 if name == "d1" else parameters.refractory,
            heterogeneous=True,
        )
        for name in names
    )
    chain = {phase: (f"g{(phase + 1) % period}",) for phase in range(period)}
    return Circuit(
        name=name,
        populations=sources + gated + chain_populations(period),
        projections=tuple(arrows(table + chain_arrows(period), CONNECTIVITY, fixed_weights(parameters), MATRICES)),
        period=period,
        lead=LEAD,
        reinforced=tuple(phase for phase in (5, 7) if phase < period),
        readout="o",
        readout_phase=3,
        firing={phase: firing[phase] + chain[phase] for phase in range(period)},
    )


def training_circuit(parameters: NBP) -> Circuit:
    """The whole circuit, twelve phases a sample: 102 projections as published (Renner et al. 2024, Figures 2 and 4).

    With ``error="margin"`` other arrows make the errors, and with other edges of the boxes a few more come to the gates.
    """
    sources = (
        Population("input", parameters.n_in, "source", send_phase=0),
        Population("target", parameters.n_out, "source", send_phase=2),
        Population("kick", 1, "source", send_phase=PERIOD - LEAD),
    )
    weights = fixed_weights(parameters)
    edges = [arrow for kind, arrow in EDGE_ARROWS.items() if weights[kind]]
    table = "\n".join([TRAINING_ARROWS, ERROR_ARROWS[parameters.error], *edges, ""])
    return _circuit("nbp-training", parameters, table, sources, tuple(LAYERS), TRAINING_FIRING, PERIOD)


def inference_circuit(parameters: NBP) -> Circuit:
    """The ring input -> x -> h -> o with g0 to g3: the forward pass alone, four phases a sample."""
    sources = (
        Population("input", parameters.n_in, "source", send_phase=0),
        Population("kick", 1, "source", send_phase=INFERENCE_PERIOD - LEAD),
    )
    return _circuit("nbp-inference", parameters, INFERENCE_ARROWS, sources, ("x", "h", "o"), INFERENCE_FIRING, INFERENCE_PERIOD)


def initial_weights(parameters: NBP, seed: int) -> dict[str, np.ndarray]:
    """Draw W1 of shape (n_in, n_hid) and W2 of shape (n_hid, n_out).

    Normal with variance 2 / (n_pre + n_post), times theta, clipped to +-w_init_max and rounded toward zero to the grid
    w_step (Methods, "initial weights"). The same seed gives the same weights.
    """
    rng = np.random.default_rng([seed, 0])
    weights = {}
    for name, n_pre, n_post in (("W1", parameters.n_in, parameters.n_hid), ("W2", parameters.n_hid, parameters.n_out)):
        drawn = rng.normal(0.0, math.sqrt(2 / (n_pre + n_post)), (n_pre, n_post)) * parameters.theta
        clipped = np.clip(drawn, -parameters.w_init_max, parameters.w_init_max)
        weights[name] = (np.trunc(clipped / parameters.w_step) * parameters.w_step).astype(np.int32)
    return weights


def matrices(circuit: Circuit, weights: dict[str, np.ndarray]) -> dict[tuple[str, str], np.ndarray]:
    """The learned matrix of every plastic projection of a circuit.

    Parameters
    ----------
    circuit : Circuit
    weights : dict
        ``W1`` of shape (n_in, n_hid) and ``W2`` of shape (n_hid, n_out); and, where a copy has drifted away from these
        (noise, threshold heterogeneity or unequal steps), that copy under ``"source>target"``.
    """
    copies = {"W1": weights["W1"], "W2": weights["W2"], "W2.T": weights["W2"].T, "-W2.T": -weights["W2"].T}
    return {
        (p.source, p.target): weights.get(f"{p.source}>{p.target}", copies[p.matrix]) for p in circuit.projections if p.plastic
    }


def weights_of(circuit: Circuit, learned: dict[tuple[str, str], np.ndarray]) -> dict[str, np.ndarray]:
    """The inverse of `matrices`: W1 and W2 as seen by h and o, and those copies that differ from them."""
    weights = {"W1": learned["x", "h"], "W2": learned["h", "o"]}
    for pair, nominal in matrices(circuit, weights).items():
        if not np.array_equal(learned[pair], nominal):
            weights[">".join(pair)] = learned[pair]
    return {name: np.ascontiguousarray(matrix, dtype=np.int32) for name, matrix in weights.items()}
