"""The circuits of nBP for layers of any number and size, made by `models.nbp.generator`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from brianprop.models.circuit import Circuit, Population, Projection, arrows
from brianprop.models.errors import ParameterError
from brianprop.models.gating import LEAD, chain_arrows, chain_populations
from brianprop.models.nbp.circuit import CONNECTIVITY, EDGE_ARROWS, fixed_weights
from brianprop.models.nbp.generator import Arrow, Layers, inference_arrows, training_arrows
from brianprop.models.nbp.parameters import Rules
from brianprop.models.nbp.schedule import Schedule, sequential

__all__ = ["SILENCE", "inference_circuit", "training_circuit"]

SILENCE = Literal["published", "complete"]


def training_circuit(
    rules: Rules, sizes: Sequence[int], silence: SILENCE = "complete", schedule: Schedule | None = None
) -> Circuit:
    """The circuit that learns, 5 L + 2 phases a sample with the sequential schedule.

    Parameters
    ----------
    rules : Rules
    sizes : sequence of int, of length L + 1
        Neurons of every layer, from the input to the output.
    silence : {"published", "complete"}
        Whether all learned packets that reach closed layers are cancelled, or those of the published circuit, which has one
        hidden layer.
    schedule : Schedule, optional
        Phases; by default `models.nbp.schedule.sequential`.

    Raises
    ------
    ParameterError
        When there are fewer than two layers, the published silences are asked of another depth, or the schedule is not sound.
    """
    n_layers = len(sizes) - 1
    if silence == "published" and n_layers != 2:
        raise ParameterError(f"The published circuit has one hidden layer, not {n_layers - 1}; use silence = 'complete'.")
    schedule = sequential(n_layers) if schedule is None else schedule
    if faults := schedule.faults():
        raise ParameterError(f"The schedule of {n_layers} layers is not sound: {' '.join(faults)}")
    weights = fixed_weights(rules)
    edges = frozenset(kind for kind in EDGE_ARROWS if weights[kind] and (n_layers > 1 or kind.startswith("o_")))
    table, firing = training_arrows(schedule, rules.error, edges, silence)
    layers = Layers(n_layers)
    return _circuit(
        "nbp-training",
        rules,
        sizes,
        table,
        layers.layer_of(),
        {"input": (0, 0), "target": (n_layers, schedule.forward[-1] - 1)},
        firing,
        schedule.period,
        tuple(sorted(schedule.potentiation)),
    )


def inference_circuit(rules: Rules, sizes: Sequence[int]) -> Circuit:
    """The forward pass alone: the ring input -> x -> h1 -> ... -> o, L + 2 phases a sample.

    Parameters
    ----------
    rules, sizes
        See `training_circuit`.
    """
    n_layers = len(sizes) - 1
    table, firing = inference_arrows(n_layers)
    layers = Layers(n_layers)
    names = {layers.activity(layer): layer for layer in range(n_layers + 1)}
    return _circuit("nbp-inference", rules, sizes, table, names, {"input": (0, 0)}, firing, n_layers + 2, ())


def _circuit(
    name: str,
    rules: Rules,
    sizes: Sequence[int],
    table: Sequence[Arrow],
    layer_of: dict[str, int],
    sources: dict[str, tuple[int, int]],
    firing: dict[int, tuple[str, ...]],
    period: int,
    reinforced: tuple[int, ...],
) -> Circuit:
    """Populations and projections of arrows; `sources` gives the layer of each and the phase in which it sends."""
    layers, weights = Layers(len(sizes) - 1), fixed_weights(rules)
    matrices = layers.matrices()
    gradients = {layers.gradient(layer) for layer in layers.hidden}
    populations = [Population(source, sizes[layer], "source", send_phase=phase) for source, (layer, phase) in sources.items()]
    populations.append(Population("kick", 1, "source", send_phase=period - LEAD))
    populations += [
        Population(
            population,
            sizes[layer],
            bias=rules.bias,
            refractory=0 if population in gradients else rules.refractory,
            heterogeneous=True,
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
            matrix=matrices[arrow.source, arrow.target] if arrow.kind == "plastic" else None,
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
