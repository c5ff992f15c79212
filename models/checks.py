"""Static checks of a gated circuit: who can reach whom in which phase, and what of that cannot be meant.

Nothing is simulated. The firing table says in which phases a population may fire; every arrow then says in which phase its
spikes arrive.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

from brianprop.models.circuit import Circuit, Population, Projection
from brianprop.models.errors import ParameterError

__all__ = ["Arrival", "arrivals", "faults", "require_sound"]


@dataclass(frozen=True)
class Arrival:
    """Spikes of a population that reach another.

    Attributes
    ----------
    projection : Projection
    sent, phase : int
        Phase in which the source fires, and that in which its spikes act on the target.
    """

    projection: Projection
    sent: int
    phase: int


def arrivals(circuit: Circuit) -> dict[tuple[str, int], list[Arrival]]:
    """All that can reach each population in each phase, by (population, phase)."""
    when = _firing(circuit)
    found = defaultdict(list)
    for projection in circuit.projections:
        for sent in sorted(when[projection.source]):
            phase = (sent + 1 + projection.delay) % circuit.period
            found[projection.target, phase].append(Arrival(projection, sent, phase))
    return dict(found)


def faults(circuit: Circuit, theta: float) -> list[str]:
    """What of a circuit cannot be meant, a sentence each; none where it is sound.

    - A population that the firing table names in a phase can fire there, and what can fire elsewhere is named.
    - A population with a refractory period does not fire in phases that are closer than that.
    - An open population hears either a learned packet or copies, and no two phases of one source at once.
    - A learned packet that reaches a closed population is silenced there.
    - Both ends of a learned arrow fire together in one reinforced phase and in one other.

    Parameters
    ----------
    circuit : Circuit
        With its firing table.
    theta : float
        Threshold, in units of weight.
    """
    found: list[str] = []
    when, reached = _firing(circuit), arrivals(circuit)
    for population in circuit.neurons:
        found += _refractory(circuit, population, when[population.name])
        for phase in range(circuit.period):
            found += _opening(population, phase, reached, when, theta)
    return found + _learning(circuit, when)


def require_sound(circuit: Circuit, theta: float) -> None:
    """Refuse a circuit with faults.

    Raises
    ------
    ParameterError
        With the sentences of `faults`.
    """
    if found := faults(circuit, theta):
        raise ParameterError(f"Circuit {circuit.name}: {' '.join(found)} Look at its arrows, delays and firing table.")


def _firing(circuit: Circuit) -> dict[str, set[int]]:
    """Phases in which each population may fire."""
    when: dict[str, set[int]] = {population.name: set() for population in circuit.populations}
    for phase, names in circuit.firing.items():
        for name in names:
            when[name].add(phase)
    return when


def _refractory(circuit: Circuit, population: Population, phases: set[int]) -> list[str]:
    ordered = sorted(phases)
    return [
        f"{population.name} fires in phases {first} and {second}, but is refractory for {population.refractory} steps."
        for first, second in zip(ordered, [*ordered[1:], *(phase + circuit.period for phase in ordered[:1])], strict=True)
        if second - first < population.refractory
    ]


def _opening(
    population: Population, phase: int, reached: dict[tuple[str, int], list[Arrival]], when: dict[str, set[int]], theta: float
) -> list[str]:
    """The faults of one population in one phase."""
    name = population.name
    heard = reached.get((name, phase), [])
    fires = phase in when[name]
    learned = [arrival for arrival in heard if arrival.projection.matrix is not None]
    fixed = [arrival for arrival in heard if arrival.projection.matrix is None]
    # the chain always fires; of all others, what can lift the population
    certain = sum(one.projection.weight or 0.0 for one in fixed if _from_chain(one))
    together: dict[object, float] = defaultdict(float)
    for one in fixed:
        if not _from_chain(one):
            together[_spikes(one, reached)] += one.projection.weight or 0.0
    largest = population.bias + certain + sum(max(weight, 0) for weight in together.values())
    silenced = any(one.projection.kind == "silence" for one in fixed)
    if not fires:
        found = []
        if learned and not silenced:
            sources = ", ".join(sorted({one.projection.source for one in learned}))
            found.append(f"{name} is closed in phase {phase}, but learned packets of {sources} reach it and are not silenced.")
        if largest > theta:
            found.append(f"{name} can fire in phase {phase}, which the firing table does not say.")
        return found
    found = []
    if largest <= theta and not learned:
        found.append(f"{name} is to fire in phase {phase}, but nothing lifts it over its threshold there.")
    copies = [one for one in fixed if one.projection.kind == "copy"]
    if learned and copies:
        found.append(
            f"{name} hears learned packets of {learned[0].projection.source} and copies of {copies[0].projection.source} at "
            f"once in phase {phase}."
        )
    by_source = defaultdict(set)
    for one in copies:
        by_source[one.projection.source].add(one.sent)
    found += [
        f"{name} hears phases {', '.join(map(str, sorted(sent)))} of {source} at once in phase {phase}."
        for source, sent in by_source.items()
        if len(sent) > 1
    ]
    return found


def _spikes(arrival: Arrival, reached: dict[tuple[str, int], list[Arrival]]) -> object:
    """What the spikes of a source in a phase depend on: populations that hear the same, and nothing learned, fire alike."""
    source, sent = arrival.projection.source, arrival.sent
    heard = reached.get((source, sent), [])
    if not heard or any(one.projection.matrix is not None for one in heard):
        return source, sent
    return frozenset((one.projection.source, one.sent, one.projection.connectivity, one.projection.weight) for one in heard)


def _from_chain(arrival: Arrival) -> bool:
    """Whether spikes come from the chain, which fires in every sample."""
    return arrival.projection.connectivity == "one-to-all" or arrival.projection.kind == "chain"


def _learning(circuit: Circuit, when: dict[str, set[int]]) -> list[str]:
    """The faults of the learned arrows."""
    if not circuit.reinforced:
        return []
    found = []
    for projection in circuit.projections:
        if projection.plastic:
            both = when[projection.source] & when[projection.target]
            plus, minus = sorted(both & set(circuit.reinforced)), sorted(both - set(circuit.reinforced))
            if len(plus) != 1 or len(minus) != 1:
                found.append(
                    f"{projection.source} -> {projection.target} is potentiated in phases {plus} and depressed in phases "
                    f"{minus}; it needs one of each."
                )
    return found
