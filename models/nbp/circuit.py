"""nBP: backpropagation as a synfire-gated spiking circuit, twelve time steps a sample.

Source: A. Renner, F. Sheldon, A. Zlotnik, L. Tao, A. Sornborger, "The backpropagation algorithm implemented on spiking
neuromorphic hardware", Nature Communications 15, 9691 (2024), doi 10.1038/s41467-024-53827-9. Populations, projections and
phases follow its Figures 2, 4 and 5 and its supplementary tables; the symbols are the paper's.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from brianprop.models.circuit import Circuit, Population, arrows
from brianprop.models.gating import LEAD, chain_arrows, chain_populations
from brianprop.models.nbp.parameters import LAYERS, MATRICES, NBP, Rules

__all__ = [
    "CONNECTIVITY",
    "EDGE_ARROWS",
    "INFERENCE_PERIOD",
    "PERIOD",
    "fixed_weights",
    "inference_circuit",
    "matrices",
    "training_circuit",
    "weights_of",
]

#: Phases of a training circuit and of an inference circuit: time steps per sample.
PERIOD, INFERENCE_PERIOD = 12, 4

#: Arrows that move the edges of the boxes, by their kind. Those of weight 0 are left out.
EDGE_ARROWS = {
    "h_lower": "h_lower 0 g2 -> h_lt",
    "h_upper": "h_upper 0 g2 -> h_gt",
    "o_lower": "o_lower 0 g3 -> o_lt",
    "o_upper": "o_upper 0 g3 -> o_gt",
}

#: Connectivity of each kind of arrow.
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


def fixed_weights(rules: Rules) -> dict[str, float]:
    """Weight of each kind of fixed arrow (Methods, "weights of the connections")."""
    half, lift = rules.theta / 2, -rules.bias
    return {
        "copy": half + rules.margin,  # a packet is copied into an open layer
        "inhibit": -(half + rules.margin),  # ... or cancelled there
        "gate": lift + half,  # the layer now fires on drive > theta / 2
        "gate_high": lift,  # ... on drive > theta
        "lower": half,  # on top of gate: ... on drive > 0
        "gate_one": lift + half,  # a neuron gates its own partner
        "silence": rules.silence,  # cancels what would leak into the next step
        "chain": lift + rules.theta + rules.margin,  # one gating neuron starts the next
        # added to lower and gate_high where a box has other edges than 0 and theta
        "h_lower": -rules.h_lower * rules.theta,
        "h_upper": (1 - rules.h_upper) * rules.theta,
        "o_lower": -rules.o_lower * rules.theta,
        "o_upper": (1 - rules.o_upper) * rules.theta,
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

#: Arrows that produce the errors of the output, in addition to t -> d2_pos and t -| d2_neg.
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

#: Populations that may fire in each phase of training.
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


def _circuit(
    name: str,
    parameters: NBP,
    table: str,
    sources: tuple[Population, ...],
    gated_names: Iterable[str],
    firing: dict[int, tuple[str, ...]],
    period: int,
) -> Circuit:
    gated = tuple(
        Population(
            population,
            parameters.sizes[LAYERS[population]],
            bias=parameters.bias,
            refractory=0 if population == "d1" else parameters.refractory,
            heterogeneous=True,
        )
        for population in gated_names
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
    """The whole circuit, twelve phases per sample: 102 projections as published (Renner et al. 2024, Figures 2 and 4).

    With ``error="margin"`` other arrows produce the errors. With other edges of the boxes, some gates get additional arrows.
    """
    sources = (
        Population("input", parameters.n_in, "source", send_phase=0),
        Population("target", parameters.n_out, "source", send_phase=2),
        Population("kick", 1, "source", send_phase=PERIOD - LEAD),
    )
    weights = fixed_weights(parameters)
    edges = [arrow for kind, arrow in EDGE_ARROWS.items() if weights[kind]]
    table = "\n".join([TRAINING_ARROWS, ERROR_ARROWS[parameters.error], *edges, ""])
    return _circuit("nbp-training", parameters, table, sources, LAYERS, TRAINING_FIRING, PERIOD)


def inference_circuit(parameters: NBP) -> Circuit:
    """The forward pass alone, input -> x -> h -> o gated by g0 to g3: four phases per sample."""
    sources = (
        Population("input", parameters.n_in, "source", send_phase=0),
        Population("kick", 1, "source", send_phase=INFERENCE_PERIOD - LEAD),
    )
    return _circuit("nbp-inference", parameters, INFERENCE_ARROWS, sources, ("x", "h", "o"), INFERENCE_FIRING, INFERENCE_PERIOD)


def matrices(circuit: Circuit, weights: dict[str, np.ndarray]) -> dict[tuple[str, str], np.ndarray]:
    """The weight matrix of every learned projection of a circuit.

    Parameters
    ----------
    circuit : Circuit
    weights : dict of int arrays
        The matrices that the projections name, such as ``W1``; a projection may take one transposed (``W2.T``) and negated
        (``-W2.T``). Where a copy has drifted away from these (noise, threshold heterogeneity or unequal steps), that copy is
        under ``"source>target"``.

    Returns
    -------
    dict from (source, target) to int array of shape (n_source, n_target)
    """
    return {
        (p.source, p.target): weights.get(f"{p.source}>{p.target}", _named(p.matrix, weights))
        for p in circuit.projections
        if p.matrix is not None
    }


def _named(name: str, weights: dict[str, np.ndarray]) -> np.ndarray:
    matrix = weights[name.removeprefix("-").removesuffix(".T")]
    matrix = matrix.T if name.endswith(".T") else matrix
    return -matrix if name.startswith("-") else matrix


def weights_of(circuit: Circuit, learned: dict[tuple[str, str], np.ndarray]) -> dict[str, np.ndarray]:
    """The inverse of `matrices`: each matrix from the first projection that bears its name, and those copies that differ."""
    weights: dict[str, np.ndarray] = {}
    for p in circuit.projections:
        if p.matrix is not None and not p.matrix.startswith("-") and not p.matrix.endswith(".T"):
            weights.setdefault(p.matrix, learned[p.source, p.target])
    for pair, nominal in matrices(circuit, weights).items():
        if not np.array_equal(learned[pair], nominal):
            weights[">".join(pair)] = learned[pair]
    return {name: np.ascontiguousarray(matrix, dtype=np.int32) for name, matrix in weights.items()}
