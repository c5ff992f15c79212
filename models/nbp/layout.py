"""How a gated circuit is laid out in arrays: which arrows share a Synapses object, and the values of neurons and synapses."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

import numpy as np

from brianprop.models.circuit import Circuit, Projection
from brianprop.models.nbp.parameters import Rules

__all__ = ["Block", "FixedSynapses", "Matrices", "fixed_synapses", "matrix_blocks", "neuron_arrays", "pack", "unpack"]

#: Weights by (source, target), of shape (n_source, n_target).
Matrices = dict[tuple[str, str], np.ndarray]


@dataclass(frozen=True)
class Block:
    """Projections with matrices that share one Synapses object, which connects all sources to all targets.

    Attributes
    ----------
    name : str
        Name of the Synapses object.
    sources, targets : tuple of str
        Populations that lie side by side in the layout.
    projections : tuple of Projection
        One for each pair of source and target. All of them learn, or none.
    """

    name: str
    sources: tuple[str, ...]
    targets: tuple[str, ...]
    projections: tuple[Projection, ...]

    @property
    def learns(self) -> bool:
        """Whether its projections learn, in a circuit that learns."""
        return self.projections[0].plastic


def _stretches(names: list[str], index: dict[str, int]) -> list[list[str]]:
    """All populations in one list where they lie side by side, else each in a list of its own."""
    first = index[names[0]]
    contiguous = [index[name] for name in names] == list(range(first, first + len(names)))
    return [names] if contiguous else [[name] for name in names]


def matrix_blocks(circuit: Circuit) -> tuple[Block, ...]:
    """Group the projections of a circuit that have matrices: those that learn, and then those that do not."""
    return (*_blocks(circuit, "plastic", learns=True), *_blocks(circuit, "feedback", learns=False))


def _blocks(circuit: Circuit, prefix: str, learns: bool) -> tuple[Block, ...]:
    """First, targets of one source are joined where they lie side by side; then, sources of the same targets."""
    index = {population.name: number for number, population in enumerate(circuit.neurons)}
    members = {(p.source, p.target): p for p in circuit.projections if p.matrix is not None and p.learns == learns}
    targets_of: dict[str, list[str]] = defaultdict(list)
    sources_of: dict[tuple[str, ...], list[str]] = defaultdict(list)
    for source, target in sorted(members, key=lambda pair: (index[pair[0]], index[pair[1]])):
        targets_of[source].append(target)
    for source, targets in targets_of.items():
        for joined in _stretches(targets, index):
            sources_of[tuple(joined)].append(source)
    return tuple(
        Block(
            f"{prefix}_{joined[0]}_{targets[0]}",
            tuple(joined),
            targets,
            tuple(members[source, target] for source in joined for target in targets),
        )
        for targets, sources in sources_of.items()
        for joined in _stretches(sources, index)
    )


def pack(block: Block, matrices: Matrices) -> np.ndarray:
    """The matrices of a block's projections as one, of shape (neurons of all sources, neurons of all targets)."""
    return np.block([[matrices[source, target] for target in block.targets] for source in block.sources])


def unpack(circuit: Circuit, block: Block, weights: np.ndarray) -> Matrices:
    """The inverse of `pack`: a matrix for each of a block's projections."""
    rows = np.cumsum([circuit[name].size for name in block.sources])[:-1]
    columns = np.cumsum([circuit[name].size for name in block.targets])[:-1]
    return {
        (source, target): part
        for source, row in zip(block.sources, np.split(weights, rows, axis=0), strict=True)
        for target, part in zip(block.targets, np.split(row, columns, axis=1), strict=True)
    }


@dataclass(frozen=True)
class FixedSynapses:
    """Fixed arrows that share one Synapses object; arrays of shape (n_synapses,).

    Attributes
    ----------
    from_sources : bool
        Whether they start at the sources (else at neurons).
    delay : int array
        Steps beyond the one step that every spike takes.
    i, j : int arrays
        Indices of the presynaptic and the postsynaptic neurons.
    w : float array
        Weights.
    """

    from_sources: bool
    delay: np.ndarray
    i: np.ndarray
    j: np.ndarray
    w: np.ndarray


def fixed_synapses(circuit: Circuit, codegen: str) -> dict[str, FixedSynapses]:
    """The synapses of all arrows of a single weight, by the name of their Synapses object.

    Brian2's own queue is fast where all synapses of an object have the same delay; then there is one object per delay. Dense
    pathways handle several delays by themselves; then one object holds arrow after arrow.
    """
    parts = defaultdict(list)
    for projection in circuit.projections:
        if projection.matrix is not None:
            continue
        source, target = circuit[projection.source], circuit[projection.target]
        j = np.arange(target.size)
        i = np.zeros_like(j) if projection.connectivity == "one-to-all" else j
        if projection.connectivity == "all-to-all":
            i, j = np.repeat(np.arange(source.size), target.size), np.tile(j, source.size)
        from_sources = source.role == "source"
        name = "stimulus" if from_sources else "fixed"
        parts[name if codegen == "dense" else f"{name}_delay{projection.delay}"].append(
            FixedSynapses(
                from_sources,
                np.full(len(j), projection.delay),
                i + circuit.offsets[source.name],
                j + circuit.offsets[target.name],
                np.full(len(j), projection.weight, dtype=float),
            )
        )
    merged = {}
    for name, group in sorted(parts.items()):
        delay, i, j, w = (np.concatenate([getattr(part, column) for part in group]) for column in ("delay", "i", "j", "w"))
        merged[name] = FixedSynapses(group[0].from_sources, delay, i, j, w)
    return merged


def neuron_arrays(circuit: Circuit, rules: Rules, seed: int = 0) -> dict[str, np.ndarray]:
    """Constants that each neuron has its own value of: ``neurons.b``, ``neurons.theta`` and ``neurons.ref`` [s].

    Each is of shape (n_neurons,). With ``theta_spread`` > 0, thresholds are drawn from a normal distribution with s.d.
    ``theta_spread * theta``. They depend on the seed and the name of the population only, so that a population has the same
    thresholds in a training circuit and in an inference circuit.
    """
    parts: dict[str, list[np.ndarray]] = {"b": [], "theta": [], "ref": []}
    for population in circuit.neurons:
        theta = np.full(population.size, rules.theta)
        if population.heterogeneous and rules.theta_spread:
            rng = np.random.default_rng([seed, 2, *population.name.encode()])
            theta *= 1 + rules.theta_spread * rng.standard_normal(population.size)
        parts["b"].append(np.full(population.size, population.bias))
        parts["theta"].append(theta)
        parts["ref"].append(np.full(population.size, population.refractory * rules.dt))
    return {f"neurons.{name}": np.concatenate(arrays) for name, arrays in parts.items()}
