"""From a circuit as data to Brian2 objects.

All simulated neurons are one NeuronGroup with a slice for each population; all sources another. Fixed arrows with the same
delay share one Synapses object (each arrow keeps synapses of its own), and learned arrows that lie side by side share one.
Fewer objects mean fewer generated files to compile and fewer calls a step; no arrow is folded into another's weight.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass

import numpy as np

from brianprop.models import neurons as equations
from brianprop.models.circuit import Circuit, Projection
from brianprop.models.dense.generator import any_order, dense_codeobj_class, may_rest, only_where
from brianprop.models.nbp.circuit import NBP
from brianprop.models.neurons import individual
from brianprop.models.plasticity import (
    FIXED_ON_PRE,
    FIXED_SYNAPSE,
    coincidence_model,
    coincidence_on_pre,
    coincidence_pathways,
    of_targets,
)

__all__ = ["Block", "create", "fixed_synapses", "neuron_values", "pack", "plastic_blocks", "unpack"]


@dataclass(frozen=True)
class Block:
    """Learned projections that share one Synapses object: all sources to all targets.

    Attributes
    ----------
    name : str
        Name of the Synapses object.
    sources, targets : tuple of str
        Populations, contiguous in the layout.
    projections : tuple of Projection
        One per pair of source and target.
    """

    name: str
    sources: tuple[str, ...]
    targets: tuple[str, ...]
    projections: tuple[Projection, ...]


def _contiguous(circuit: Circuit, names: list[str]) -> bool:
    order = [population.name for population in circuit.neurons]
    places = [order.index(name) for name in names]
    return places == list(range(places[0], places[0] + len(places)))


def plastic_blocks(circuit: Circuit) -> tuple[Block, ...]:
    """Group learned projections: first targets of one source that lie side by side, then sources of one target."""
    order = {population.name: place for place, population in enumerate(circuit.neurons)}
    plastic = {(p.source, p.target): p for p in circuit.projections if p.plastic}
    targets_of, sources_of = defaultdict(list), defaultdict(list)
    for source, target in sorted(plastic, key=lambda pair: (order[pair[0]], order[pair[1]])):
        targets_of[source].append(target)
    for source, targets in targets_of.items():
        runs = [targets] if _contiguous(circuit, targets) else [[target] for target in targets]
        for run in runs:
            sources_of[tuple(run)].append(source)
    blocks = []
    for targets, sources in sources_of.items():
        for run in [sources] if _contiguous(circuit, sources) else [[source] for source in sources]:
            blocks.append(
                Block(
                    f"plastic_{run[0]}_{targets[0]}",
                    tuple(run),
                    targets,
                    tuple(plastic[source, target] for source in run for target in targets),
                )
            )
    return tuple(blocks)


def pack(block: Block, matrices: dict[tuple[str, str], np.ndarray]) -> np.ndarray:
    """One array of shape (neurons of all sources, neurons of all targets) from the matrices of a block's projections."""
    return np.block([[matrices[source, target] for target in block.targets] for source in block.sources])


def unpack(circuit: Circuit, block: Block, weights: np.ndarray) -> dict[tuple[str, str], np.ndarray]:
    """The inverse of `pack`."""
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
    outside : bool
        Whether they start at the sources.
    delay : int array
        Steps beyond the one step that every spike takes.
    i, j : int arrays
        The neurons at both ends.
    w : float array
        Weights.
    """

    outside: bool
    delay: np.ndarray
    i: np.ndarray
    j: np.ndarray
    w: np.ndarray


def fixed_synapses(circuit: Circuit, codegen: str) -> dict[str, FixedSynapses]:
    """The fixed arrows by the name of their Synapses object.

    Brian2's own queue is fast where all synapses of an object have the same delay: one object per delay. Dense pathways
    hold delays apart by themselves: one object, arrow after arrow.
    """
    parts = defaultdict(list)
    for projection in circuit.projections:
        if projection.plastic:
            continue
        source, target = circuit[projection.source], circuit[projection.target]
        j = np.arange(target.size)
        i = np.zeros_like(j) if projection.connectivity == "one-to-all" else j
        if projection.connectivity == "all-to-all":
            i, j = np.repeat(np.arange(source.size), target.size), np.tile(j, source.size)
        outside = source.role == "source"
        name = "stimulus" if outside else "fixed"
        parts[name if codegen == "dense" else f"{name}_delay{projection.delay}"].append(
            FixedSynapses(
                outside,
                np.full(len(j), projection.delay),
                i + circuit.offsets[source.name],
                j + circuit.offsets[target.name],
                np.full(len(j), projection.weight, dtype=float),
            )
        )
    merged = {}
    for name, group in sorted(parts.items()):
        delay, i, j, w = (np.concatenate([getattr(part, column) for part in group]) for column in ("delay", "i", "j", "w"))
        merged[name] = FixedSynapses(group[0].outside, delay, i, j, w)
    return merged


def neuron_values(circuit: Circuit, parameters: NBP, seed: int = 0) -> dict[str, np.ndarray]:
    """Values of the per-neuron variables: b, theta and ref [s], each of shape (n_neurons,).

    With ``theta_spread`` > 0 thresholds are drawn once per seed, normal with s.d. ``theta_spread * theta``, and the same for
    a population of a given name in every circuit of these parameters.
    """
    values = {"b": [], "theta": [], "ref": []}
    for population in circuit.neurons:
        theta = np.full(population.size, parameters.theta)
        if population.heterogeneous and parameters.theta_spread:
            rng = np.random.default_rng([seed, 2, *population.name.encode()])
            theta *= 1 + parameters.theta_spread * rng.standard_normal(population.size)
        values["b"].append(np.full(population.size, population.bias))
        values["theta"].append(theta)
        values["ref"].append(np.full(population.size, population.refractory * parameters.dt))
    return {name: np.concatenate(parts) for name, parts in values.items()}


def create(
    circuit: Circuit,
    parameters: NBP,
    stimulus,
    codegen: str = "stock",
    weight_dtype: np.dtype | None = None,
    network_name: str = "network",
    replicas: int = 1,
    own: Collection[str] = (),
    clock=None,
) -> dict[str, object]:
    """Make the Brian2 objects of a circuit. The caller has chosen the device and the preferences.

    Parameters
    ----------
    circuit : Circuit
    parameters : NBP
        Decides the structure of the code (the order of propagation and learning, noise or none); its numbers are set later.
    stimulus : brian2.Function
        ``stimulus(turn, i)``: 1 if source neuron i sends in that turn, else 0; turn -1 is the lead-in with the kick.
    codegen : {"stock", "dense", "cuda"}
        Whether Brian2's own templates, those of `models.dense.generator` or those of Brian2CUDA make the code.
    weight_dtype : dtype, optional
        Integer type in which learned weights are stored, where every state is a whole number that its type holds exactly; by
        default weights are floating point numbers.
    network_name, replicas, own, clock
        See `models.model.Model.create`.

    Returns
    -------
    dict of Brian2 objects by name, the Network under ``"network"``.
    """
    import brian2 as b2

    dense = dense_codeobj_class() if codegen == "dense" else None

    clock = clock or b2.Clock(parameters.dt * b2.second, name="steps")
    paced = {"period": circuit.period, "lead": circuit.lead}
    n_neurons, n_sources = (sum(p.size for p in populations) for populations in (circuit.neurons, circuit.sources))
    own_neurons = {name.partition(".")[2] for name in own if name.startswith("neurons.")}
    own_synapses = sorted({name.partition(".")[2] for name in own} - own_neurons)
    group = b2.NeuronGroup(
        replicas * n_neurons,
        individual(equations.GATED_LIF, own_neurons) + "".join(f"own_{name} : 1 (constant)\n" for name in own_synapses),
        threshold=equations.GATED_LIF_THRESHOLD,
        reset=equations.GATED_LIF_RESET,
        method="euler",
        clock=clock,
        codeobj_class=dense,
        name="neurons",
    )
    sources = b2.NeuronGroup(
        replicas * n_sources,
        equations.SOURCE,
        threshold=equations.SOURCE_THRESHOLD,
        reset="",
        namespace=paced | {"stimulus": stimulus},
        clock=clock,
        codeobj_class=dense,
        name="sources",
    )
    phases = np.repeat([p.send_phase for p in circuit.sources], [p.size for p in circuit.sources])
    sources.send_phase = np.tile(phases, replicas)
    objects = {"neurons": group, "sources": sources}

    for name, fixed in fixed_synapses(circuit, codegen).items():
        one_delay = np.all(fixed.delay == fixed.delay[0])
        synapses = b2.Synapses(
            sources if fixed.outside else group,
            group,
            FIXED_SYNAPSE,
            on_pre=FIXED_ON_PRE,
            delay=int(fixed.delay[0]) * parameters.dt * b2.second if one_delay else None,
            clock=clock,
            codeobj_class=dense,
            name=name,
        )
        n_before = n_sources if fixed.outside else n_neurons
        synapses.connect(i=_repeated(fixed.i, n_before, replicas), j=_repeated(fixed.j, n_neurons, replicas))
        if replicas == 1:  # else they are set when the binary runs
            synapses.w = fixed.w
        if not one_delay:
            synapses.delay = np.tile(fixed.delay, replicas) * parameters.dt * b2.second
        objects[name] = synapses

    learns, noisy = bool(circuit.reinforced), parameters.weight_noise > 0
    if dense and not noisy:
        may_rest(group)

    def neurons_of(names):
        start = circuit.offsets[names[0]]
        return slice(start, start + sum(circuit[name].size for name in names))

    # an inference circuit has no phase that reinforces: there the synapses only propagate
    for block in plastic_blocks(circuit):
        pathways = coincidence_pathways(learns)
        split = dense is not None and not noisy
        before, behind = neurons_of(block.sources), neurons_of(block.targets)
        model = coincidence_model(circuit.reinforced, noisy, learns, whole=weight_dtype is not None)
        # a slice of a group of neurons is one stretch: that of several networks is all of it
        synapses = b2.Synapses(
            group[before] if replicas == 1 else group,
            group[behind] if replicas == 1 else group,
            of_targets(model, own_synapses),
            # noise draws random numbers, which dense pathways refuse
            on_pre=pathways if split else coincidence_on_pre(parameters.order, noisy, learns),
            # one delay for all synapses: without these words Brian2 keeps one for each, and its queue is slower
            delay=dict.fromkeys(pathways, 0 * b2.second) if split else 0 * b2.second,
            namespace=paced,
            clock=clock,
            codeobj_class=None if noisy else dense,
            dtype=weight_dtype and {"w": weight_dtype},
            name=block.name,
        )
        if split and learns:
            synapses.learn.order = synapses.propagate.order + (1 if parameters.order == "propagate-first" else -1)
            only_where(synapses.learn, "y0_post")
        if split and weight_dtype is not None and replicas == 1:
            any_order(synapses.propagate, parts=len(block.targets))
        if replicas == 1:
            synapses.connect()
        else:
            synapses.connect(j=_within(n_neurons, before, behind))
        objects[block.name] = synapses

    readout = b2.NeuronGroup(
        replicas * circuit[circuit.readout].size,
        equations.READOUT,
        events={"read": equations.READOUT_EVENT},
        namespace=paced | {"readout_phase": circuit.readout_phase},
        clock=clock,
        name="readout",
    )
    # before the resets, which clear the drive of those that fired
    readout.set_event_schedule("read", when="after_thresholds")
    start = circuit.offsets[circuit.readout]
    answers = _repeated(np.arange(start, start + circuit[circuit.readout].size), n_neurons, replicas)
    for name in ("v", "theta", "rest"):
        setattr(readout, f"{name}_read", b2.linked_var(group, name, index=answers))
    objects["readout"] = readout
    objects["answers"] = b2.EventMonitor(
        readout, "read", variables=["drive", "spike"], when="after_thresholds", order=1, name="answers"
    )
    objects["neuron_spikes"] = b2.SpikeMonitor(group, when="end", order=2, name="neuron_spikes")
    objects["source_spikes"] = b2.SpikeMonitor(sources, when="end", order=2, name="source_spikes")
    network = b2.Network(*objects.values(), name=network_name)
    # resets before synapses: y0 then tells the learning rule which neurons fire in this very step
    network.schedule = ["start", "groups", "thresholds", "resets", "synapses", "end"]
    return objects | {"network": network}


def _repeated(index: np.ndarray, size: int, replicas: int) -> np.ndarray:
    """Indices of some neurons in each of several networks of `size` neurons."""
    return (np.arange(replicas)[:, np.newaxis] * size + index).ravel()


def _within(size: int, before: slice, behind: slice) -> str:
    """What connects all neurons of one slice to all of another, in each of several networks of `size` neurons."""
    start = f"i // {size} * {size} + {behind.start}"
    inside = f"int(i % {size} >= {before.start} and i % {size} < {before.stop})"
    return f"k for k in range({start}, {start} + {behind.stop - behind.start} * {inside})"


def phases_of(circuit: Circuit) -> dict[str, tuple[int, ...]]:
    """Brian2 objects by name that have something to do in some phases of the turn only, with these phases.

    Sources are silent outside their phases, and their arrows without delay then have nothing to carry; their reset is empty;
    the answer is read in one phase. To leave these objects out in the other phases changes nothing. The kick comes in the
    lead-in, in which nothing is left out.
    """
    sending = tuple(sorted({population.send_phase for population in circuit.sources if population.name != "kick"}))
    phases = {"sources_spike_thresholder": sending, "source_spikes": sending, "sources_spike_resetter": ()}
    if not any(projection.delay for projection in circuit.projections if circuit[projection.source].role == "source"):
        phases["stimulus_pre"] = sending
    return phases | {"readout_read_thresholder": (circuit.readout_phase,), "answers": (circuit.readout_phase,)}
