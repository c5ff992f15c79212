"""The Brian2 objects of a gated circuit.

All simulated neurons are one NeuronGroup with a slice for each population; all sources are another. Fixed arrows with the same
delay share one Synapses object, in which each arrow keeps its own synapses. Learned arrows between populations that lie side by
side share one, too (see `models.nbp.layout`). Fewer objects mean fewer generated files to compile and fewer function calls per
step. No arrow is merged into the weight of another.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import numpy as np

from brianprop.models.circuit import Circuit
from brianprop.models.dense import any_order, dense_codeobj_class, may_rest, one_step_memory, only_where
from brianprop.models.equations import expose_to_synapses, per_neuron, read_from_targets
from brianprop.models.nbp import equations
from brianprop.models.nbp.layout import GATES, Block, FixedSynapses, fixed_synapses, matrix_blocks, noisy
from brianprop.models.nbp.parameters import Rules

__all__ = ["NetworkBuilder", "active_phases"]


class NetworkBuilder:
    """Makes the Brian2 objects of a circuit, once or several times side by side.

    The caller has chosen Brian2's device and preferences.

    Parameters
    ----------
    circuit : Circuit
    rules : Rules
        Decides the structure of the code (the order of propagation and learning, which random numbers are drawn); its numbers
        are set later.
    stimulus : brian2.Function
        ``stimulus(turn, i)``: 1 if source neuron i sends in that turn, else 0; turn -1 is the lead-in with the kick.
    codegen : {"stock", "dense", "cuda"}
        Whether Brian2's own templates, those of `models.dense` or those of Brian2CUDA make the code.
    weight_dtype : dtype, optional
        Integer type in which learned weights are stored, where every state is a whole number that its type holds exactly. By
        default, weights are floating point numbers.
    replicas, per_network, clock
        See `models.model.Model.create`.
    """

    def __init__(
        self,
        circuit: Circuit,
        rules: Rules,
        stimulus,
        codegen: str = "stock",
        weight_dtype: np.dtype | None = None,
        replicas: int = 1,
        per_network: Collection[str] = (),
        clock=None,
    ):
        import brian2 as b2

        self.circuit, self.rules, self.stimulus, self.codegen = circuit, rules, stimulus, codegen
        self.weight_dtype, self.replicas = weight_dtype, replicas
        self.dense = dense_codeobj_class() if codegen == "dense" else None
        self.clock = clock or b2.Clock(rules.dt * b2.second, name="steps")
        self.learns, self.noisy = bool(circuit.reinforced), noisy(circuit, rules)
        self.pacing = {"period": circuit.period, "lead": circuit.lead}
        self.n_neurons = sum(population.size for population in circuit.neurons)
        self.n_sources = sum(population.size for population in circuit.sources)
        self.per_neuron = {name.partition(".")[2] for name in per_network if name.startswith("neurons.")}
        #: Constants of the learned synapses that differ between the networks: the target neurons hold them.
        self.exposed = sorted({name.partition(".")[2] for name in per_network} - self.per_neuron)

    def build(self, network_name: str = "network") -> dict[str, Any]:
        """The Brian2 objects by name, the Network under ``"network"``."""
        import brian2 as b2

        neurons, sources = self._neurons(), self._sources()
        objects: dict[str, Any] = {"neurons": neurons, "sources": sources}
        for name, fixed in fixed_synapses(self.circuit, self.codegen, self.rules.gates_jitter).items():
            objects[name] = self._fixed(name, fixed, sources if fixed.from_sources else neurons, neurons)
        for block in matrix_blocks(self.circuit):
            objects[block.name] = self._matrix(block, neurons)
        objects["readout"] = self._readout(neurons)
        objects |= self._monitors(objects)
        network = b2.Network(*objects.values(), name=network_name)
        # resets before synapses: y0 then tells the learning rule which neurons fire in this very step
        network.schedule = ["start", "groups", "thresholds", "resets", "synapses", "end"]
        return objects | {"network": network}

    def _neurons(self):
        import brian2 as b2

        model, reset = per_neuron(equations.GATED_LIF, self.per_neuron), equations.GATED_LIF_RESET
        if self.noisy:
            model += equations.ARRIVALS
        if self.rules.gates_jitter:
            model, reset = model + equations.FATE, reset + equations.FATE_DRAW
        group = b2.NeuronGroup(
            self.replicas * self.n_neurons,
            model + expose_to_synapses(self.exposed),
            threshold=equations.GATED_LIF_THRESHOLD,
            reset=reset,
            events={"arrival": equations.ARRIVAL_EVENT} if self.noisy else None,
            method="euler",
            clock=self.clock,
            codeobj_class=self.dense,
            name="neurons",
        )
        if self.noisy:
            group.set_event_schedule("arrival", when="start")
            group.run_on_event("arrival", equations.ARRIVAL_NOISE, when="start", order=1)
        # what is added on arrival would not wake neurons that rest
        if self.dense and not self.noisy:
            may_rest(group)
            if self.weight_dtype is not None and self.replicas == 1:
                one_step_memory(group, "v = I + b", "v > theta", read=self._slice((self.circuit.readout,)))
        return group

    def _sources(self):
        import brian2 as b2

        group = b2.NeuronGroup(
            self.replicas * self.n_sources,
            equations.SOURCE,
            threshold=equations.SOURCE_THRESHOLD,
            reset="",
            namespace=self.pacing | {"stimulus": self.stimulus},
            clock=self.clock,
            codeobj_class=self.dense,
            name="sources",
        )
        populations = self.circuit.sources
        phases = np.concatenate([np.full(p.size, p.send_phase) for p in populations])
        group.send_phase = np.tile(phases, self.replicas)
        return group

    def _fixed(self, name: str, fixed: FixedSynapses, source_group, neurons):
        """One Synapses object of fixed arrows."""
        import brian2 as b2

        dt = self.rules.dt * b2.second
        one_delay = np.all(fixed.delay == fixed.delay[0])
        gates = name == GATES
        delays = {"on_time": 0 * dt, "late": 1 * dt} if gates else int(fixed.delay[0]) * dt if one_delay else None
        synapses = b2.Synapses(
            source_group,
            neurons,
            read_from_targets(equations.GATE_SYNAPSE, self.exposed) if gates else equations.FIXED_SYNAPSE,
            on_pre={"on_time": equations.GATE_ON_TIME, "late": equations.GATE_LATE} if gates else equations.FIXED_ON_PRE,
            delay=delays,
            clock=self.clock,
            codeobj_class=self.dense,
            name=name,
        )
        n_pre = self.n_sources if fixed.from_sources else self.n_neurons
        synapses.connect(i=self._in_each_network(fixed.i, n_pre), j=self._in_each_network(fixed.j, self.n_neurons))
        if self.replicas == 1:  # otherwise they are set when the binary runs
            synapses.w = fixed.w
        if not one_delay:
            synapses.delay = np.tile(fixed.delay, self.replicas) * dt
        return synapses

    def _matrix(self, block: Block, neurons):
        """One Synapses object of arrows with matrices.

        They only propagate where they do not learn, and in an inference circuit, where no phase reinforces.
        """
        import brian2 as b2

        learns = self.learns and block.learns
        one_network = self.replicas == 1
        pre, post = self._slice(block.sources), self._slice(block.targets)
        failing = self.rules.failing
        model = equations.coincidence_model(self.circuit.reinforced, failing, learns, whole=self.weight_dtype is not None)
        pathways = equations.coincidence_pathways(self.rules.order, failing, self.noisy, learns)
        if self.dense is None:  # Brian2's own code is fastest in one pathway
            pathways = {"pre": "\n".join(pathways.values())}
        synapses = b2.Synapses(
            # a slice of a group is contiguous, which the same slice of several networks is not
            neurons[pre] if one_network else neurons,
            neurons[post] if one_network else neurons,
            read_from_targets(model, self.exposed),
            on_pre=pathways,
            # one delay for all synapses: otherwise Brian2 stores one for each, and its queue is slower
            delay=dict.fromkeys(pathways, 0 * b2.second),
            namespace=self.pacing,
            clock=self.clock,
            codeobj_class=self.dense,
            dtype=self.weight_dtype and {"w": self.weight_dtype},
            name=block.name,
        )
        for order, name in enumerate(pathways):
            getattr(synapses, name).order = order
        if self.dense and learns:
            only_where(synapses.learn, "y0_post")
        if self.dense and self.weight_dtype is not None and one_network and not failing:
            any_order(synapses.propagate, parts=len(block.targets))
        if one_network:
            synapses.connect()
        else:
            synapses.connect(j=_within_networks(self.n_neurons, pre, post))
        return synapses

    def _readout(self, neurons):
        import brian2 as b2

        population = self.circuit[self.circuit.readout]
        readout = b2.NeuronGroup(
            self.replicas * population.size,
            equations.READOUT,
            events={"read": equations.READOUT_EVENT},
            namespace=self.pacing | {"readout_phase": self.circuit.readout_phase},
            clock=self.clock,
            name="readout",
        )
        # before the resets, which clear the drive of the neurons that fired
        readout.set_event_schedule("read", when="after_thresholds")
        start = self.circuit.offsets[population.name]
        index = self._in_each_network(np.arange(start, start + population.size), self.n_neurons)
        for name in ("v", "theta", "rest"):
            setattr(readout, f"{name}_read", b2.linked_var(neurons, name, index=index))
        return readout

    def _monitors(self, objects: dict[str, Any]) -> dict[str, Any]:
        import brian2 as b2

        answers = b2.EventMonitor(
            objects["readout"], "read", variables=["drive", "spike"], when="after_thresholds", order=1, name="answers"
        )
        return {
            "answers": answers,
            "neuron_spikes": b2.SpikeMonitor(objects["neurons"], when="end", order=2, name="neuron_spikes"),
            "source_spikes": b2.SpikeMonitor(objects["sources"], when="end", order=2, name="source_spikes"),
        }

    def _slice(self, populations: tuple[str, ...]) -> slice:
        """The neurons of populations that lie side by side."""
        start = self.circuit.offsets[populations[0]]
        return slice(start, start + sum(self.circuit[name].size for name in populations))

    def _in_each_network(self, index: np.ndarray, size: int) -> np.ndarray:
        """Indices of some neurons in each of the networks, which have `size` neurons each."""
        return (np.arange(self.replicas)[:, np.newaxis] * size + index).ravel()


def _within_networks(size: int, pre: slice, post: slice) -> str:
    """Brian2's expression that connects all neurons of one slice to all of another, within each network of `size` neurons."""
    start = f"i // {size} * {size} + {post.start}"
    inside = f"int(i % {size} >= {pre.start} and i % {size} < {pre.stop})"
    return f"k for k in range({start}, {start} + {post.stop - post.start} * {inside})"


def active_phases(circuit: Circuit) -> dict[str, tuple[int, ...]]:
    """Brian2 objects that act in some phases only, by name, with these phases.

    Sources are silent outside their phases, so that their arrows without delay have nothing to transmit; their reset is empty;
    the answer is read in one phase. Leaving these objects out in all other phases changes nothing. The kick comes in the
    lead-in, in which nothing is left out.
    """
    sending = tuple(sorted({p.send_phase for p in circuit.sources if p.name != "kick" and p.send_phase is not None}))
    phases = {"sources_spike_thresholder": sending, "source_spikes": sending, "sources_spike_resetter": ()}
    if not any(projection.delay for projection in circuit.projections if circuit[projection.source].role == "source"):
        phases["stimulus_pre"] = sending
    return phases | {"readout_read_thresholder": (circuit.readout_phase,), "answers": (circuit.readout_phase,)}
