"""Anatomical and functional connectivity of a circuit, drawn and counted from the `Circuit`.

In the manner of Renner et al. 2024 (doi 10.1038/s41467-024-53827-9), Figures 4 (anatomical) and 2 (functional).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from brianprop.analysis.figures.diagram import Box, Diagram, spread
from brianprop.analysis.figures.places import places_of, symbol
from brianprop.models.circuit import Circuit, Projection
from brianprop.models.nbp.circuit import EDGES

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["Map", "anatomy_map", "arriving", "counts", "legend", "plot_anatomy", "plot_functional"]

#: Width of a figure: two columns of a journal [inches]. Very deep circuits take more.
WIDTH = 7.2
#: Least width that a unit of the places takes in a map of the whole circuit, and in the panel of a phase [inches].
LEAST_UNIT, LEAST_PANEL_UNIT = 0.27, 0.084
#: Height of the map of the whole circuit; width of its margins, and of those of a panel [inches].
HEIGHT, MARGIN, PANEL_MARGIN = 4.5, 0.32, 0.22
#: Height of the panel of a phase: with the smallest letters, what each further point of them adds, and of its title [inches].
PANEL_HEIGHT, TALLER, PANEL_TITLE = 1.2, 0.33, 0.14
#: Height of a line of the legend, and size of its letters [inches, points].
LEGEND_LINE, LETTERS = 0.165, 7.0
#: Size of the smallest letters that journals print [points].
SMALLEST = 5.0

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


@dataclass(frozen=True)
class Map:
    """Where the populations of a circuit stand in a rectangle of a figure.

    Attributes
    ----------
    boxes : dict of Box
        By population.
    labels : dict of str
        By population.
    size : float
        Of the letters [points].
    chain : sequence of str
        The populations of the gating chain.
    """

    boxes: Mapping[str, Box]
    labels: Mapping[str, str]
    size: float
    chain: Sequence[str]

    @classmethod
    def of(
        cls,
        circuit: Circuit,
        corner: tuple[float, float],
        width: float,
        height: float,
        size: float,
        counted: bool = False,
        without: Collection[str] = (),
    ) -> Map:
        """Lay the populations out in a rectangle, given by its lower left corner, width and height [inches].

        With `counted`, labels have the number of neurons. Populations `without` are left out.
        """
        places = {name: place for name, place in places_of(circuit).items() if name not in without}
        low_x, low_y, wide, high = _extent(places)
        boxes, labels = {}, {}
        for name, (x, y) in places.items():
            label = symbol(name)
            if counted and circuit[name].size > 1:
                label += f"\n{circuit[name].size}"
            labels[name] = label
            boxes[name] = Box.around(
                label, corner[0] + width * (x - low_x) / wide, corner[1] + height * (y - low_y) / high, size
            )
        return cls(boxes, labels, size, [name for name in boxes if circuit[name].role == "gating"])

    def drawn(self, name: str, circuit: Circuit, face: str, edge: str = "0.25") -> tuple[Box, str, float, str, str, bool]:
        """The box of a population as `Diagram.boxes` takes it."""
        return self.boxes[name], self.labels[name], self.size, face, edge, circuit[name].role != "source"


def _extent(places: Mapping[str, tuple[float, float]]) -> tuple[float, float, float, float]:
    """Least x and y of places, and their width and height."""
    x, y = zip(*places.values(), strict=True)
    return min(x), min(y), max(max(x) - min(x), 1.0), max(max(y) - min(y), 1.0)


def plot_anatomy(circuit: Circuit, title: str | None = None) -> Figure:
    """Draw all populations and all projections of a circuit.

    Parameters
    ----------
    circuit : Circuit
    title : str, optional
        What the circuit is, for the title; by default its name.

    Returns
    -------
    matplotlib.figure.Figure
    """
    total = counts(circuit)[-1]
    numbers = [f"{total[unit]:,} {unit}" for unit in ("neurons", "projections", "synapses")]
    title = f"{circuit.name if title is None else title}: {', '.join(numbers)}"
    handles = legend(circuit, counted=True)
    # the arrows from the gating chain to the layers are many
    chain = [population.name for population in circuit.populations if population.role == "gating"]
    return anatomy_map(circuit, title, handles, lambda one: one.source not in chain or one.kind == "chain").figure


def anatomy_map(
    circuit: Circuit,
    title: str,
    handles: list,
    strong: Callable[[Projection], bool],
    spikes: Mapping[str, int] | None = None,
) -> Diagram:
    """Draw all populations and all projections.

    Parameters
    ----------
    circuit : Circuit
    title : str
    handles : list of Artist
        Entries of the legend.
    strong : callable
        Whether the arrow of a projection is drawn strong.
    spikes : mapping of str to int, optional
        Number of spikes of each population. Those with spikes are filled and have this number in place of their size.
    """
    below = LEGEND_LINE * -(-len(handles) // 3) + 0.05
    wide = _extent(places_of(circuit))[2]
    width = max(WIDTH, LEAST_UNIT * wide + 2 * MARGIN)
    size = _letters((width - 2 * MARGIN) / wide, 4.0, 8.5, 8.0)
    diagram = Diagram(width, HEIGHT + below)
    where = Map.of(circuit, (MARGIN, below + 0.2), width - 2 * MARGIN, HEIGHT - 0.65, size, counted=True)
    arrows = [(*_arrow(projection, where), not strong(projection)) for projection in circuit.projections]
    diagram.arrows(arrows, list(where.boxes.values()))
    if spikes is not None:
        labels = {}
        for name, label in where.labels.items():
            first, line, _ = label.partition("\n")
            labels[name] = f"{first}\n{spikes[name]}" if line and spikes[name] else first
        where = replace(where, labels=labels)
    fires = spikes or {}
    diagram.boxes([where.drawn(name, circuit, "0.25" if fires.get(name) else "white") for name in where.boxes])
    diagram.text(width / 2, below + HEIGHT - 0.12, title, 8)
    diagram.figure.legend(handles=handles, loc="lower center", ncols=3, fontsize=LETTERS)
    return diagram


def plot_functional(circuit: Circuit) -> Figure:
    """Draw one panel per phase: which populations may fire, and which spikes arrive.

    Of the gating chain, a panel names the neurons that send or may fire.

    Parameters
    ----------
    circuit : Circuit

    Returns
    -------
    matplotlib.figure.Figure
    """
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    handles = [
        *legend(circuit, counted=False),
        Line2D([], [], color="0.3", linewidth=0.5, alpha=0.6, label="target is closed"),
        Patch(facecolor="0.25", label="may fire"),
    ]
    below = LEGEND_LINE * -(-len(handles) // 5) + 0.05
    # the kick, a source that sends only in the lead-in, takes no part in a sample
    idle = {p.name for p in circuit.sources} - {name for names in circuit.firing.values() for name in names}
    wide = _extent({name: place for name, place in places_of(circuit).items() if name not in idle})[2]
    columns = 3 if circuit.period > 4 else 2
    rows = -(-circuit.period // columns)
    panel = max(WIDTH / columns, LEAST_PANEL_UNIT * wide + 2 * PANEL_MARGIN)
    unit = (panel - 2 * PANEL_MARGIN) / wide
    size = _letters(unit, 2.6, 28.0, 7.0)
    height = PANEL_HEIGHT + TALLER * (size - SMALLEST)
    diagram = Diagram(panel * columns, height * rows + below)
    for phase in range(circuit.period):
        row, column = divmod(phase, columns)
        left, bottom = panel * column + PANEL_MARGIN, below + height * (rows - 1 - row)
        where = Map.of(
            circuit, (left, bottom + 0.13), panel - 2 * PANEL_MARGIN, height - PANEL_TITLE - 0.25, size, without=idle
        )
        reinforced = ", $r$ = 1" if phase in circuit.reinforced else ""
        diagram.text(left + panel / 2 - PANEL_MARGIN, bottom + height - PANEL_TITLE / 2, f"phase {phase}{reinforced}", 7.5)
        _draw_phase(diagram, circuit, phase, where, (left, left + panel - 2 * PANEL_MARGIN))
    diagram.figure.legend(handles=handles, loc="lower center", ncols=5, fontsize=LETTERS)
    return diagram.figure


def _draw_phase(diagram: Diagram, circuit: Circuit, phase: int, where: Map, limits: tuple[float, float]) -> None:
    """Draw what happens in one phase."""
    chain = where.chain
    firing, present = circuit.firing.get(phase, ()), arriving(circuit, phase)
    ends = {end for projection in present for end in (projection.source, projection.target)}
    gates = [name for name in chain if name in firing or name in ends]
    boxes = {name: box for name, box in where.boxes.items() if name not in chain}
    gap = 0.12  # room for the arrow between two of them [inches]
    widths = [where.boxes[name].width + gap for name in gates]
    for name, x in zip(gates, spread([where.boxes[name].x for name in gates], widths, *limits), strict=True):
        box = where.boxes[name]
        boxes[name] = Box(x, box.y, box.width, box.height)
    if chain:
        y = where.boxes[chain[0]].y
        diagram.axes.hlines(y, *limits, color="0.85", linewidth=0.6, zorder=1)
        ticks = [where.boxes[name].x for name in chain]
        diagram.axes.plot(ticks, [y] * len(ticks), "|", color="0.75", markersize=3, markeredgewidth=0.6, zorder=1)
    here = replace(where, boxes=boxes)
    # spikes that meet a closed population change nothing; silencing is meant for closed ones
    arrows = [
        (*_arrow(projection, here), projection.target not in firing and projection.kind != "silence") for projection in present
    ]
    busy = [name for name in boxes if name in firing or name in ends]
    diagram.arrows(arrows, [boxes[name] for name in busy], [box for name, box in boxes.items() if name not in busy])
    diagram.boxes(
        [
            here.drawn(name, circuit, "0.25")
            if name in firing
            else here.drawn(name, circuit, "white")
            if name in busy
            else here.drawn(name, circuit, "none", "none")
            for name in boxes
        ]
    )


def _letters(unit: float, base: float, slope: float, most: float) -> float:
    """Size of letters [points] where a unit of the places takes `unit` inches."""
    return min(most, max(SMALLEST, base + slope * unit))


def _arrow(projection: Projection, where: Map) -> tuple[Box, Box, str, bool]:
    """The arrow of a projection as `Diagram.arrows` takes it, without whether it is light."""
    _, colour, inhibits = FAMILIES.get(projection.kind, OTHER)
    start, stop = where.boxes[projection.source], where.boxes[projection.target]
    if projection.source in where.chain and stop.y > start.y:
        # from its upper edge, an arrow of the gating chain passes above the next neuron of the chain
        start = replace(start, leave=start.height / 2)
    return start, stop, colour, inhibits


def legend(circuit: Circuit, counted: bool) -> list:
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
