"""A gated circuit as data: populations, projections, and the turn of the gating chain that paces them.

The network builder (models/nbp/network.py), the figures, the counts and the energy model all read the same `Circuit`, so that
the topology is written once. Nothing here imports Brian2.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from numbers import Real
from typing import TYPE_CHECKING, Any

from brianprop.models.errors import ParameterError

if TYPE_CHECKING:
    import brian2
    import numpy as np

    from brianprop.models.nbp.parameters import Rules

__all__ = ["Circuit", "Population", "Projection", "arrows"]

ROLES = ("source", "gated", "gating")
CONNECTIVITIES = ("all-to-all", "one-to-one", "one-to-all")


def _is_whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_finite(value: object) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool) and math.isfinite(value)


@dataclass(frozen=True)
class Population:
    """Neurons of one kind and one role.

    Parameters
    ----------
    name : str
        The paper's symbol, such as ``h_lt``.
    size : int
        Number of neurons.
    role : {"source", "gated", "gating"}
        A source sends the spikes that it is given; a gated neuron is closed by its bias; a gating neuron opens others.
    bias : float
        Constant drive, in units of weight.
    refractory : int
        Refractory period in time steps (Loihi's count: 2 means silent in the step after a spike).
    send_phase : int or None
        For a source, the phase of the turn in which it sends.
    noise : float or None
        S.d. of Gaussian noise on each transmission that reaches it by a synapse of a weight matrix, in units of weight; by
        default that of the rules, ``weight_noise``.
    theta_spread : float or None
        S.d. of its thresholds, relative to theta; by default that of the rules for gated neurons, and 0 for gating ones.
    """

    name: str
    size: int
    role: str = "gated"
    bias: float = 0.0
    refractory: int = 0
    send_phase: int | None = None
    noise: float | None = None
    theta_spread: float | None = None

    def __post_init__(self):
        if self.role not in ROLES:
            raise ParameterError(f"Population {self.name}: role {self.role!r} is unknown; use one of {', '.join(ROLES)}.")
        if not _is_whole(self.size) or self.size < 1:
            raise ParameterError(f"Population {self.name}: size {self.size!r} must be a whole number of at least 1.")
        if (self.role == "source") != (self.send_phase is not None):
            raise ParameterError(f"Population {self.name}: send_phase belongs to sources and only to them.")
        if not _is_whole(self.refractory) or self.refractory < 0:
            raise ParameterError(
                f"Population {self.name}: refractory {self.refractory!r} must be a whole number of steps of at least 0."
            )
        if not _is_finite(self.bias):
            raise ParameterError(f"Population {self.name}: bias {self.bias!r} must be a finite number.")
        for label in ("noise", "theta_spread"):
            value = getattr(self, label)
            if value is not None and (self.role == "source" or not _is_finite(value) or value < 0):
                raise ParameterError(
                    f"Population {self.name}: {label} {value!r} must be a finite number of at least 0, and sources have none."
                )


@dataclass(frozen=True)
class Projection:
    """The synapses from one population to another.

    Parameters
    ----------
    source, target : str
        Names of populations.
    kind : str
        Purpose of the projection: ``plastic``, ``copy``, ``inhibit``, ``gate`` and so on.
    delay : int
        Steps beyond the one step that every spike takes.
    connectivity : {"all-to-all", "one-to-one", "one-to-all"}
    weight : float or None
        The one weight of all its synapses; None where it has a matrix of them.
    matrix : str or None
        Name of the matrix that the projection starts from, such as ``W1``, ``W2``, ``W2.T`` or ``-W2.T``.
    learns : bool
        Whether a matrix learns; False for one that stays as it is, such as random feedback.
    """

    source: str
    target: str
    kind: str
    delay: int
    connectivity: str
    weight: float | None = None
    matrix: str | None = None
    learns: bool = True

    def __post_init__(self):
        label = f"Projection {self.source} -> {self.target} ({self.kind})"
        if self.connectivity not in CONNECTIVITIES:
            raise ParameterError(f"{label}: connectivity {self.connectivity!r} is none of {', '.join(CONNECTIVITIES)}.")
        if not _is_whole(self.delay) or self.delay < 0:
            raise ParameterError(f"{label}: delay {self.delay!r} must be a whole number of steps of at least 0.")
        if (self.weight is None) != (self.matrix is not None):
            raise ParameterError(f"{label}: give a weight or a matrix of weights, and not both.")
        if self.weight is not None and not _is_finite(self.weight):
            raise ParameterError(f"{label}: weight {self.weight!r} must be a finite number.")
        if self.matrix is not None and (self.connectivity != "all-to-all" or self.delay):
            raise ParameterError(f"{label}: a projection with a matrix is all-to-all and without extra delay.")

    @property
    def plastic(self) -> bool:
        """Whether the weights are learned."""
        return self.matrix is not None and self.learns


@dataclass(frozen=True)
class Circuit:
    """Populations, projections, and how one turn of the chain is read.

    Parameters
    ----------
    name : str
    populations : tuple of Population
        In the order in which their neurons are laid out.
    projections : tuple of Projection
    period : int
        Time steps (phases) per turn of the chain. Each turn presents one sample.
    lead : int
        Time steps before the first turn, in which the kick starts the chain.
    reinforced : tuple of int
        Phases in which the reinforcement r is 1.
    readout : str
        Population whose drive and spikes are the answer.
    readout_phase : int
        Phase in which the answer is read.
    firing : mapping of int to tuple of str
        Populations that may fire in each phase; in every other phase they must be silent.
    """

    name: str
    populations: tuple[Population, ...]
    projections: tuple[Projection, ...]
    period: int
    lead: int
    reinforced: tuple[int, ...]
    readout: str
    readout_phase: int
    firing: Mapping[int, tuple[str, ...]] = field(default_factory=dict)

    def __post_init__(self):
        names = [population.name for population in self.populations]
        for name in names:
            if names.count(name) > 1:
                raise ParameterError(f"Circuit {self.name}: population {name} is defined twice.")
        for projection in self.projections:
            for end in (projection.source, projection.target):
                if end not in names:
                    raise ParameterError(
                        f"Circuit {self.name}: {projection.source} -> {projection.target} names {end}, which is no population."
                    )
            if self[projection.target].role == "source":
                raise ParameterError(f"Circuit {self.name}: {projection.target} is a source and cannot be a target.")
            sizes = self[projection.source].size, self[projection.target].size
            if projection.connectivity == "one-to-one" and sizes[0] != sizes[1]:
                raise ParameterError(
                    f"Circuit {self.name}: {projection.source} -> {projection.target} is one-to-one between {sizes[0]} and "
                    f"{sizes[1]} neurons; make the sizes equal."
                )
            if projection.connectivity == "one-to-all" and sizes[0] != 1:
                raise ParameterError(
                    f"Circuit {self.name}: {projection.source} -> {projection.target} is one-to-all, but {projection.source} "
                    f"has {sizes[0]} neurons; it needs exactly one."
                )
        if self.readout not in names:
            raise ParameterError(f"Circuit {self.name}: the readout {self.readout} is no population.")
        self._require_phases(names)

    def _require_phases(self, names: list[str]) -> None:
        """Make sure that the turn has at least one phase, and that all phases of the circuit exist."""
        for name, least in (("period", 1), ("lead", 0)):
            value = getattr(self, name)
            if not _is_whole(value) or value < least:
                raise ParameterError(
                    f"Circuit {self.name}: {name} = {value!r} must be a whole number of time steps of at least {least}."
                )
        phases: dict[str, Any] = {f"the reinforced phase {phase!r}": phase for phase in self.reinforced}
        phases |= {f"the phase {phase!r} of firing": phase for phase in self.firing}
        phases[f"readout_phase {self.readout_phase!r}"] = self.readout_phase
        for population in self.sources:
            phases[f"send_phase {population.send_phase!r} of {population.name}"] = population.send_phase
        for description, phase in phases.items():
            if not _is_whole(phase) or not 0 <= phase < self.period:
                raise ParameterError(
                    f"Circuit {self.name}: {description} is no phase of its turn; give one from 0 to {self.period - 1}."
                )
        for phase, populations in self.firing.items():
            for population in populations:
                if population not in names:
                    raise ParameterError(
                        f"Circuit {self.name}: {population!r} may fire in phase {phase}, but is no population; give one of "
                        f"{', '.join(names)}."
                    )

    def __getitem__(self, name: str) -> Population:
        return self._by_name[name]

    @cached_property
    def _by_name(self) -> dict[str, Population]:
        return {population.name: population for population in self.populations}

    @property
    def sources(self) -> tuple[Population, ...]:
        """Populations that send given spikes."""
        return tuple(p for p in self.populations if p.role == "source")

    @property
    def neurons(self) -> tuple[Population, ...]:
        """Simulated populations, in the order of their layout."""
        return tuple(p for p in self.populations if p.role != "source")

    @cached_property
    def offsets(self) -> dict[str, int]:
        """Index of each population's first neuron, among the sources for a source and among the neurons otherwise."""
        result = {}
        for group in (self.sources, self.neurons):
            start = 0
            for population in group:
                result[population.name] = start
                start += population.size
        return result

    def neurons_of(self, name: str) -> slice:
        """The neurons of a population in the Brian2 group that holds it: ``sources`` for a source, else ``neurons``."""
        start = self.offsets[name]
        return slice(start, start + self[name].size)

    def create(
        self,
        rules: Rules,
        weights: Mapping[Any, np.ndarray],
        stimuli: Mapping[str, np.ndarray],
        samples: np.ndarray | None = None,
        *,
        seed: int = 0,
        first: int = 0,
        n_total: int | None = None,
    ) -> brian2.Network:
        """The Brian2 objects of the circuit, to add monitors to and to run on any device that is set.

        Parameters
        ----------
        rules : Rules
            Neuron, weights, learning and noise.
        weights : mapping of arrays
            By (source, target), or W1, W2, ... as `models.nbp.circuit.matrices` takes them.
        stimuli : mapping from source population to array of 0 and 1 of shape (n_samples, size)
            For every source but the kick.
        samples : int array of shape (n_turns,), optional
            Which sample each turn presents (default: each once).
        seed : int
            Seed of noise and of drawn thresholds, where there are any.
        first, n_total : int
            Samples that were learned before these, and samples of the whole training; needed where steps fall over it.

        Returns
        -------
        brian2.Network
            See `models.simulation.network.create`. The neurons of a population are those that `neurons_of` gives; the network
            runs for the time that `duration` gives.

        Raises
        ------
        ParameterError
            Where weights or stimuli do not fit.
        """
        from brianprop.models.nbp.circuit import matrices
        from brianprop.models.nbp.model import GatedModel
        from brianprop.models.simulation.network import create

        circuit: Any = self  # a type checker takes this file for two modules, models.circuit and brianprop.models.circuit
        model = GatedModel(circuit, rules, seed, n_total=n_total)
        by_pair = matrices(circuit, dict(weights)) if all(isinstance(name, str) for name in weights) else dict(weights)
        return create(model, by_pair, model.stimuli(dict(stimuli)), samples, noise_seed=seed, first=first)

    def duration(self, rules: Rules, n_turns: int) -> Any:
        """The time of a number of turns, with the lead-in before them, as a quantity of Brian2."""
        import brian2 as b2

        return (self.lead + n_turns * self.period) * rules.dt * b2.second

    def synapse_count(self, projection: Projection) -> int:
        """Number of synapses of one projection."""
        source, target = self[projection.source].size, self[projection.target].size
        return source * target if projection.connectivity == "all-to-all" else target


def arrows(
    table: str, connectivity: Mapping[str, str], weights: Mapping[str, float], matrices: Mapping[tuple[str, str], str]
) -> Iterable[Projection]:
    """Read projections from a table with one line per source and delay: ``kind delay source -> target target ...``.

    Parameters
    ----------
    table : str
        Lines of arrows; text after ``#`` is a comment.
    connectivity, weights : mapping from kind
        The connectivity of each kind, and the weight of each fixed kind.
    matrices : mapping from (source, target)
        The matrix of each learned projection.

    Yields
    ------
    Projection

    Raises
    ------
    ParameterError
        Where a line is not of this form, a kind has no connectivity, or an arrow neither a weight nor a matrix.
    """
    for line in table.splitlines():
        words = line.partition("#")[0].split()
        if not words:
            continue
        if len(words) < 5 or words[3] != "->" or not words[1].isdecimal():
            raise ParameterError(
                f"Arrow {line.strip()!r}: write it as 'kind delay source -> target ...', the delay in whole steps."
            )
        kind, delay, source, _, *targets = words
        if kind not in connectivity:
            known = ", ".join(connectivity) or "none"
            raise ParameterError(
                f"Arrow {line.strip()!r}: the kind {kind} has no connectivity; give it one, or use another (known: {known})."
            )
        for target in targets:
            plastic = kind not in weights
            if plastic and (source, target) not in matrices:
                raise ParameterError(
                    f"Arrow {source} -> {target} ({kind}): it has neither a weight nor a matrix; give the kind {kind} a weight "
                    f"if it is fixed, or the pair ({source}, {target}) a matrix if it is learned."
                )
            yield Projection(
                source,
                target,
                kind,
                int(delay),
                connectivity[kind],
                weight=None if plastic else weights[kind],
                matrix=matrices[source, target] if plastic else None,
            )
