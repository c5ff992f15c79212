"""How a gated circuit is laid out in arrays: which arrows share a Synapses object, and the values of neurons and synapses."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

import numpy as np

from brianprop.models.circuit import Circuit, Projection
from brianprop.models.errors import ParameterError
from brianprop.models.nbp.parameters import Rules

__all__ = [
    "GATES",
    "Block",
    "FixedSynapses",
    "Matrices",
    "fixed_synapses",
    "matrix_blocks",
    "neuron_arrays",
    "noisy",
    "pack",
    "unpack",
]

#: Name of the Synapses object of the gates, where these may come late or not at all.
GATES = "gates"

#: Independent random streams of one seed: thresholds, and the neurons that never fire.
THETA_STREAM, LESION_STREAM = 2, 6

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

    @property
    def backward(self) -> bool:
        """Whether its projections carry a gradient back: those from transposed matrices."""
        return all(str(projection.matrix).endswith(".T") for projection in self.projections)


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


def fixed_synapses(circuit: Circuit, codegen: str, gates_jitter: bool) -> dict[str, FixedSynapses]:
    """The synapses of all arrows of a single weight, by the name of their Synapses object.

    Brian2's own queue is fast where all synapses of an object have the same delay; then there is one object per delay. Dense
    pathways handle several delays by themselves; then one object holds arrow after arrow. Where gates may come late or not at
    all, what gating neurons send to other neurons than gating ones is an object of its own, `GATES`.

    Raises
    ------
    ParameterError
        Where gates may come late, and one of them has a delay.
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
        if codegen != "dense":
            name = f"{name}_delay{projection.delay}"
        if gates_jitter and source.role == "gating" and target.role == "gated":
            if projection.delay:
                raise ParameterError(
                    f"Projection {source.name} -> {target.name} ({projection.kind}) has a delay of {projection.delay}, but "
                    "gates that may come late have none; set gate_late and gate_missing to 0, or give it another gating neuron."
                )
            name = GATES
        parts[name].append(
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


def neuron_arrays(circuit: Circuit, rules: Rules, seed: int = 0, with_noise: bool = False) -> dict[str, np.ndarray]:
    """Constants that each neuron has its own value of, by name, each of shape (n_neurons,).

    ``neurons.b``, ``neurons.theta``, ``neurons.ref`` [s] and, `with_noise`, ``neurons.weight_noise``. With a
    ``theta_spread`` above 0, thresholds are drawn from a normal distribution with s.d. ``theta_spread * theta``, and rounded to
    single precision, so that they are the same in double precision. A ``lesioned`` share of the gated neurons gets a threshold
    that is never reached. Both depend on the seed and the name of the population only, so that a population is the same in a
    training circuit and in an inference circuit.
    """
    parts: dict[str, list[np.ndarray]] = {"b": [], "theta": [], "ref": [], "weight_noise": []}
    for population in circuit.neurons:
        size, gated = population.size, population.role == "gated"
        theta = np.full(size, rules.theta)
        spread = (rules.theta_spread if gated else 0.0) if population.theta_spread is None else population.theta_spread
        if spread:
            rng = np.random.default_rng([seed, THETA_STREAM, *population.name.encode()])
            theta = (theta * (1 + spread * rng.standard_normal(size))).astype(np.float32).astype(float)
        if rules.lesioned and gated:
            rng = np.random.default_rng([seed, LESION_STREAM, *population.name.encode()])
            theta[rng.random(size) < rules.lesioned] = np.finfo(np.float32).max
        parts["b"].append(np.full(size, population.bias))
        parts["theta"].append(theta)
        parts["ref"].append(np.full(size, population.refractory * rules.dt))
        parts["weight_noise"].append(np.full(size, rules.weight_noise if population.noise is None else population.noise))
    if not with_noise:
        del parts["weight_noise"]
    return {f"neurons.{name}": np.concatenate(arrays) for name, arrays in parts.items()}


def noisy(circuit: Circuit, rules: Rules) -> bool:
    """Whether the transmissions by synapses of weight matrices are noisy anywhere."""
    return rules.weight_noise > 0 or any(population.noise for population in circuit.neurons)
