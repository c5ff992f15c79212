"""Anatomical and functional connectivity of a circuit, drawn and counted from the `Circuit`.

In the manner of Renner et al. 2024 (doi 10.1038/s41467-024-53827-9), Figures 4 (anatomical) and 2 (functional).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from brianprop.analysis.figures.places import bend, places_of, shift, symbol
from brianprop.models.circuit import Circuit, Population, Projection
from brianprop.models.nbp.circuit import EDGES

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.text import Text

__all__ = ["arriving", "counts", "plot_anatomy", "plot_functional"]

#: What each parallel arrow adds to the bend of the first, as a fraction of its length.
BEND_MORE = 0.12

#: Width of a figure for one hidden layer, and what a unit of the places adds to it [inches].
WIDTH, WIDTH_OF_UNIT = 7.2, 0.55

#: Family of each kind of arrow: title, colour, whether it inhibits.
FAMILIES = {
    "plastic": ("learned", "C0", False),
    "feedback": ("random feedback", "0.45", False),
    "copy": ("copy", "C2", False),
    "inhibit": ("inhibit", "C1", True),
    "gate_one": ("gate partner", "C4", False),
    "gate": ("gate layer", "C3", False),
    "gate_high": ("gate layer", "C3", False),
    "lower": ("gate layer", "C3", False),
    # these move the edges of a box function, in either direction
    **dict.fromkeys(EDGES, ("gate layer", "C3", False)),
    "chain": ("gating chain", "C7", False),
    "silence": ("silence", "C5", True),
}
OTHER = ("other", "0.5", False)


def counts(circuit: Circuit) -> list[dict]:
    """Count neurons, projections and synapses.

    Parameters
    ----------
    circuit : Circuit

    Returns
    -------
    list of dict
        One row per population, one per kind of projection, and one for the whole, with the keys ``group``
        (``population``, ``kind`` or ``total``), ``name``, ``neurons``, ``projections`` and ``synapses``. For a
        population, the last two count what ends there. Sources count as neurons of their population but not of the
        whole, since they are not simulated. ``neurons`` is None for a kind.
    """

    def row(group: str, name: str, neurons: int | None, projections: list[Projection]) -> dict:
        synapses = sum(circuit.synapse_count(projection) for projection in projections)
        return {"group": group, "name": name, "neurons": neurons, "projections": len(projections), "synapses": synapses}

    populations, everything = circuit.populations, list(circuit.projections)
    kinds = dict.fromkeys(projection.kind for projection in everything)
    return [
        *(row("population", p.name, p.size, [q for q in everything if q.target == p.name]) for p in populations),
        *(row("kind", kind, None, [q for q in everything if q.kind == kind]) for kind in kinds),
        row("total", circuit.name, sum(population.size for population in circuit.neurons), everything),
    ]


def arriving(circuit: Circuit, phase: int) -> tuple[Projection, ...]:
    """Projections whose spikes arrive in a phase: their source may have fired ``delay + 1`` steps before.

    Parameters
    ----------
    circuit : Circuit
    phase : int

    Returns
    -------
    tuple of Projection
        In the order of the circuit. The start of the chain, which happens once and not for every sample, is left out.
    """
    return tuple(
        projection
        for projection in circuit.projections
        if projection.source in circuit.firing.get((phase - projection.delay - 1) % circuit.period, ())
    )


def plot_anatomy(circuit: Circuit) -> Figure:
    """Draw all populations and all projections of a circuit.

    Parameters
    ----------
    circuit : Circuit

    Returns
    -------
    matplotlib.figure.Figure
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(_width(circuit), 5.2), layout="constrained")
    axes = figure.add_subplot()
    places = places_of(circuit, chain_start=1.3)  # to the right of the kick
    nodes = {p.name: _draw_node(axes, p, places[p.name], size=8, count=True) for p in circuit.populations}
    parallel: dict[tuple[str, str], int] = {}
    for projection in circuit.projections:
        ends = projection.source, projection.target
        light = circuit[projection.source].role == "gating" and projection.kind != "chain"
        _draw_arrow(axes, projection, nodes, places, parallel.get(ends, 0), light=light)
        parallel[ends] = parallel.get(ends, 0) + 1
    _frame(axes, places)
    total = counts(circuit)[-1]
    numbers = [f"{total[unit]:,} {unit}" for unit in ("neurons", "projections", "synapses")]
    axes.set_title(f"{circuit.name}: {', '.join(numbers)}")
    figure.legend(handles=_legend(circuit, counted=True), loc="outside lower center", ncols=3)
    return figure


def plot_functional(circuit: Circuit) -> Figure:
    """Draw one panel per phase: which populations may fire, and which spikes arrive.

    Parameters
    ----------
    circuit : Circuit

    Returns
    -------
    matplotlib.figure.Figure
    """
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    columns = 3 if circuit.period > 4 else 2
    rows = -(-circuit.period // columns)
    figure = Figure(figsize=(_width(circuit), 2.0 * rows + 0.4), layout="constrained")
    panels = figure.subplots(rows, columns, squeeze=False).flat
    # the kick, a source that sends only in the lead-in, takes no part in a sample
    idle = {p.name for p in circuit.sources} - {name for names in circuit.firing.values() for name in names}
    populations = [population for population in circuit.populations if population.name not in idle]
    places = {name: place for name, place in places_of(circuit, chain_start=0.0).items() if name not in idle}
    for phase, axes in enumerate(panels):
        if phase >= circuit.period:
            axes.set_axis_off()
            continue
        firing = circuit.firing.get(phase, ())
        nodes = {p.name: _draw_node(axes, p, places[p.name], size=7, filled=p.name in firing) for p in populations}
        for projection in arriving(circuit, phase):
            # spikes that meet a closed population change nothing; silencing is meant for closed ones
            light = projection.target not in firing and projection.kind != "silence"
            _draw_arrow(axes, projection, nodes, places, 0, light=light)
        _frame(axes, places)
        reinforced = ", $r$ = 1" if phase in circuit.reinforced else ""
        axes.set_title(f"phase {phase}{reinforced}", pad=2)
    handles = [
        *_legend(circuit, counted=False),
        Line2D([], [], color="0.3", linewidth=0.5, alpha=0.6, label="target is closed"),
        Patch(facecolor="0.25", label="may fire"),
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=5)
    return figure


def _width(circuit: Circuit) -> float:
    """Width of a figure [inches], which grows with the number of hidden layers."""
    return WIDTH + WIDTH_OF_UNIT * max(shift(circuit), 0.0)


def _draw_node(
    axes: Axes,
    population: Population,
    place: tuple[float, float],
    size: float,
    count: bool = False,
    filled: bool = False,
) -> Text:
    """Draw a label in a box and return it, so that arrows can end at its edge."""
    label = symbol(population.name)
    if count and population.size > 1:
        label += f"\n{population.size}"
    style = {"source": "square,pad=0.25", "gated": "round,pad=0.25,rounding_size=0.5", "gating": "round,pad=0.1"}
    text = axes.text(
        *place,
        label,
        ha="center",
        va="center",
        fontsize=size,
        linespacing=1.0,
        color="white" if filled else "black",
        bbox={
            "boxstyle": style[population.role],
            "facecolor": "0.25" if filled else "white",
            "edgecolor": "0.25",
            "linewidth": 0.7,
        },
        zorder=4,
    )
    text.set_in_layout(False)  # it lies within the axes, and to measure hundreds of boxes would take seconds
    return text


def _draw_arrow(axes: Axes, projection: Projection, nodes, places, number: int, light: bool) -> None:
    """Draw a projection; of parallel ones, the `number`-th bends more than those before it, so that none hides another."""
    from brianprop.analysis.figures.arrows import Arrow

    _, colour, inhibits = FAMILIES.get(projection.kind, OTHER)
    rad = bend(projection.source, projection.target)
    rad += math.copysign(BEND_MORE * number, rad)
    arrow = Arrow(
        places[projection.source],
        places[projection.target],
        nodes[projection.target],
        connectionstyle=f"arc3,rad={rad}",
        arrowstyle="|-|,widthA=0,widthB=2.5" if inhibits else "-|>,head_length=3.2,head_width=1.4",
        shrinkA=0,  # the source's box lies above the start
        shrinkB=1,
        color=colour,
        linewidth=0.5 if light else 1.0,
        alpha=0.4 if light else 0.9,
        zorder=2 if light else 3,
    )
    arrow.set_in_layout(False)
    axes.add_artist(arrow)  # add_patch would measure it for the limits of the axes, which `_frame` sets


def _frame(axes: Axes, places: dict[str, tuple[float, float]]) -> None:
    x, y = zip(*places.values(), strict=True)
    axes.set(xlim=(min(x) - 1.15, max(x) + 1.15), ylim=(min(y) - 0.6, max(y) + 0.6), xticks=[], yticks=[])
    axes.set_axis_off()


def _legend(circuit: Circuit, counted: bool) -> list:
    """An entry for each family of arrows, with its numbers of projections and synapses if `counted`."""
    from matplotlib.lines import Line2D

    members: dict[tuple, list[Projection]] = {}
    for projection in circuit.projections:
        members.setdefault(FAMILIES.get(projection.kind, OTHER), []).append(projection)
    handles = []
    for (title, colour, _), projections in members.items():
        synapses = sum(circuit.synapse_count(projection) for projection in projections)
        label = f"{title}: {len(projections)} proj., {synapses:,} synapses" if counted else title
        handles.append(Line2D([], [], color=colour, linewidth=1.5, label=label))
    return handles
