"""nBP: backpropagation as a synfire-gated spiking circuit, as a `Circuit` made by `models.nbp.generator`.

Source: A. Renner, F. Sheldon, A. Zlotnik, L. Tao, A. Sornborger, "The backpropagation algorithm implemented on spiking
neuromorphic hardware", Nature Communications 15, 9691 (2024), doi 10.1038/s41467-024-53827-9. With one hidden layer, all
populations, projections and phases are those of its Figures 2, 4 and 5 and its supplementary tables; the symbols are the
paper's. With other numbers of layers, each hidden layer repeats what the paper's has.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np

from brianprop.models.circuit import Circuit, Population, Projection, arrows
from brianprop.models.errors import ParameterError
from brianprop.models.gating import LEAD, chain_arrows, chain_populations
from brianprop.models.nbp.generator import Arrow, inference_arrows, training_arrows
from brianprop.models.nbp.layers import Layers
from brianprop.models.nbp.parameters import NBP, Rules
from brianprop.models.nbp.schedule import Schedule, sequential

__all__ = ["CONNECTIVITY", "EDGES", "fixed_weights", "inference_circuit", "matrices", "training_circuit", "weights_of"]

SILENCE = Literal["published", "complete"]

#: Kinds of arrows that move the edges of the boxes of hidden layers and of the output. Those of weight 0 are left out.
EDGES = ("h_lower", "h_upper", "o_lower", "o_upper")

#: Connectivity of each kind of arrow.
CONNECTIVITY = {
    "plastic": "all-to-all",
    "feedback": "all-to-all",
    "copy": "one-to-one",
    "inhibit": "one-to-one",
    "gate_one": "one-to-one",
    "chain": "one-to-one",
    "gate": "one-to-all",
    "gate_high": "one-to-all",
    "lower": "one-to-all",
    "silence": "one-to-all",
    **dict.fromkeys(EDGES, "one-to-all"),
    "h_dead": "one-to-all",
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
        # added to lower where the gradient of hidden layers must exceed more than 0
        "h_dead": -rules.h_dead * rules.theta,
    }


def training_circuit(parameters: NBP, silence: SILENCE | None = None, schedule: Schedule | None = None) -> Circuit:
    """The circuit that learns, 5 L + 2 phases a sample for L weight matrices.

    With one hidden layer, 102 projections in twelve phases, as published (Renner et al. 2024, Figures 2 and 4). With
    ``error="margin"`` other arrows produce the errors. With other edges of the boxes, some gates get additional arrows.

    Parameters
    ----------
    parameters : NBP
    silence : {"published", "complete"}, optional
        Which learned packets that reach closed layers are cancelled: those that the published circuit cancels, which has one
        hidden layer, or all. By default as published with one hidden layer, and all with any other number.
    schedule : Schedule, optional
        Phases; by default `models.nbp.schedule.sequential`.

    Raises
    ------
    ParameterError
        When the published silences are asked of another depth, or the schedule is not sound.
    """
    n_layers = len(parameters.sizes) - 1
    if silence is None:
        silence = "published" if n_layers == 2 else "complete"
    if silence == "published" and n_layers != 2:
        raise ParameterError(f"The published circuit has one hidden layer, not {n_layers - 1}; use silence = 'complete'.")
    schedule = sequential(n_layers) if schedule is None else schedule
    if faults := schedule.faults():
        raise ParameterError(f"The schedule of {n_layers} layers is not sound: {' '.join(faults)}")
    weights = fixed_weights(parameters)
    edges = frozenset(kind for kind in (*EDGES, "h_dead") if weights[kind] and (n_layers > 1 or kind.startswith("o_")))
    table, firing = training_arrows(schedule, parameters.error, edges, silence, parameters.feedback)
    sources = {"input": (0, 0), "target": (n_layers, schedule.forward[-1] - 1)}
    layer_of = Layers(n_layers).layer_of()
    reinforced = tuple(sorted(schedule.potentiation))
    return _circuit("nbp-training", parameters, table, layer_of, sources, firing, schedule.period, reinforced)


def inference_circuit(parameters: NBP) -> Circuit:
    """The forward pass alone: the ring input -> x -> h -> ... -> o, L + 2 phases a sample."""
    n_layers = len(parameters.sizes) - 1
    table, firing = inference_arrows(n_layers)
    layer_of = {Layers(n_layers).activity(layer): layer for layer in range(n_layers + 1)}
    return _circuit("nbp-inference", parameters, table, layer_of, {"input": (0, 0)}, firing, n_layers + 2, ())


def _circuit(
    name: str,
    parameters: NBP,
    table: Sequence[Arrow],
    layer_of: dict[str, int],
    sources: dict[str, tuple[int, int]],
    firing: dict[int, tuple[str, ...]],
    period: int,
    reinforced: tuple[int, ...],
) -> Circuit:
    """Populations and projections of arrows; `sources` gives the layer of each and the phase in which it sends."""
    sizes, weights = parameters.sizes, fixed_weights(parameters)
    layers = Layers(len(sizes) - 1)
    starts = layers.matrices(parameters.feedback)
    gradients = {layers.gradient(layer) for layer in layers.hidden}
    populations = [Population(source, sizes[layer], "source", send_phase=phase) for source, (layer, phase) in sources.items()]
    populations.append(Population("kick", 1, "source", send_phase=period - LEAD))
    populations += [
        Population(
            population,
            sizes[layer],
            bias=parameters.bias,
            refractory=0 if population in gradients else parameters.refractory,
        )
        for population, layer in layer_of.items()
    ]
    projections = [
        Projection(
            arrow.source,
            arrow.target,
            arrow.kind,
            arrow.delay,
            CONNECTIVITY[arrow.kind],
            weight=weights.get(arrow.kind),
            matrix=starts[arrow.source, arrow.target] if arrow.kind in ("plastic", "feedback") else None,
            learns=arrow.kind != "feedback",
        )
        for arrow in table
    ]
    projections += arrows(chain_arrows(period), CONNECTIVITY, weights, {})
    return Circuit(
        name=name,
        populations=(*populations, *chain_populations(period)),
        projections=tuple(projections),
        period=period,
        lead=LEAD,
        reinforced=reinforced,
        readout="o",
        readout_phase=len(sizes),
        firing={phase: (*firing[phase], f"g{(phase + 1) % period}") for phase in range(period)},
    )


def matrices(circuit: Circuit, weights: dict[str, np.ndarray]) -> dict[tuple[str, str], np.ndarray]:
    """The weight matrix of every projection of a circuit that has one.

    Parameters
    ----------
    circuit : Circuit
    weights : dict of int arrays
        ``W1`` of shape (n_in, n_1), ``W2`` of shape (n_1, n_2), ..., and ``B2``, ... of the same shapes where the circuit has
        random feedback. Where a copy has drifted away from these (noise, threshold heterogeneity or unequal steps), that copy
        is under ``"source>target"``.

    Returns
    -------
    dict from (source, target) to int array of shape (n_source, n_target)
    """
    found = {}
    for projection in circuit.projections:
        if projection.matrix is not None:
            pair = projection.source, projection.target
            copy = weights.get(">".join(pair))
            found[pair] = _copied(weights[_original(projection.matrix)], projection.matrix) if copy is None else copy
    return found


def weights_of(circuit: Circuit, learned: dict[tuple[str, str], np.ndarray]) -> dict[str, np.ndarray]:
    """The inverse of `matrices`: W1, W2, ... of the first projections that start from them, and the copies that differ."""
    weights: dict[str, np.ndarray] = {}
    for projection in circuit.projections:
        if projection.matrix is not None:
            matrix = learned[projection.source, projection.target]
            # a transposed or negated copy gives the original by the same operation
            weights.setdefault(_original(projection.matrix), _copied(matrix, projection.matrix))
    for pair, nominal in matrices(circuit, weights).items():
        if not np.array_equal(learned[pair], nominal):
            weights[">".join(pair)] = learned[pair]
    return {name: np.ascontiguousarray(matrix, dtype=np.int32) for name, matrix in weights.items()}


def _original(name: str) -> str:
    """``W2`` for ``W2``, ``W2.T`` and ``-W2.T``."""
    return name.removeprefix("-").removesuffix(".T")


def _copied(original: np.ndarray, name: str) -> np.ndarray:
    """A matrix transposed and negated as the name of the copy says."""
    matrix = original.T if name.endswith(".T") else original
    return -matrix if name.startswith("-") else matrix
