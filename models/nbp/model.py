"""A gated circuit with its rules as a `Model`: what decides its code, its initial values, and its answers."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from brianprop.models.circuit import Circuit
from brianprop.models.errors import ParameterError, RunError
from brianprop.models.model import Model, Read, Recorded, Result, Stimuli, recorded_spikes
from brianprop.models.nbp.layout import GATES, Matrices, fixed_synapses, matrix_blocks, neuron_arrays, noisy, pack, unpack
from brianprop.models.nbp.network import NetworkBuilder, active_phases
from brianprop.models.nbp.parameters import Rules
from brianprop.models.weights import Array, require

__all__ = ["GatedModel", "GatedResult"]

#: Weights below this magnitude fit into int16.
INT16_LIMIT = 2**15

#: Numbers below these magnitudes have halves that single and double precision hold exactly.
SINGLE_LIMIT, DOUBLE_LIMIT = 2**23, 2**52


@dataclass(frozen=True)
class GatedResult(Result):
    """The results of one run of a gated circuit.

    Attributes
    ----------
    matrices : dict from (source, target) to int array of shape (n_source, n_target)
        Every matrix after the run; those of random feedback are as they were before.
    drive : float array of shape (n_samples, n_readout)
        Membrane of the readout population in the readout phase of each sample.
    spikes : bool array of shape (n_samples, n_readout)
        Whether the readout population fired in that phase.
    """

    matrices: Matrices
    drive: np.ndarray
    spikes: np.ndarray


class GatedModel(Model):
    """A gated circuit, for `models.simulation.simulator`.

    Parameters
    ----------
    circuit : Circuit
        Such as the training or the inference circuit of `models.nbp.circuit`.
    rules : Rules
        Neuron, weights, learning and noise; `NBP` will do, and its sizes are not used.
    seed : int
        Seed of the thresholds, where these are drawn (``theta_spread``).
    code : GatedModel, optional
        A model of the same circuit whose generated code this one uses, so that many models share a binary. It may have noise
        where this one has none, or double precision where single would do: spikes and weights are the same.
    n_total : int, optional
        Samples of the whole training, all epochs together, over which the steps of learning fall where they are ``annealed``.

    Raises
    ------
    ParameterError
        Where steps fall over a training whose length is not given.
    """

    sources = "sources"
    monitors = ("neuron_spikes", "source_spikes")
    answers = ("drive", "spikes")

    def __init__(
        self, circuit: Circuit, rules: Rules, seed: int = 0, code: GatedModel | None = None, n_total: int | None = None
    ):
        if rules.annealed and circuit.reinforced and not n_total:
            raise ParameterError(f"Parameter annealed = {rules.annealed!r} needs the length of the training; give n_total.")
        self.circuit, self.rules, self.seed, self.code, self.n_total = circuit, rules, seed, code, n_total or 1
        self.name, self.lead, self.period, self.dt = circuit.name, circuit.lead, circuit.period, rules.dt
        self.width = sum(population.size for population in circuit.sources)
        self.learned = tuple(block.name for block in matrix_blocks(circuit))
        self.segments = (self.width,)
        self.groups = {"neurons": sum(population.size for population in circuit.neurons), "sources": self.width}
        answers = circuit[circuit.readout].size
        self.events = {"neuron_spikes": self.groups["neurons"], "source_spikes": self.width, "answers": answers}
        with_gates = (GATES,) if (code or self).rules.gates_jitter else ()
        self.target_groups = dict.fromkeys((*self.learned, *with_gates), "neurons")

    def stimuli(self, values: dict[str, np.ndarray]) -> Stimuli:
        """What the sources send: a row of 0 and 1 per sample, and a row for the lead-in, in which the kick spikes.

        Parameters
        ----------
        values : dict from source population to array of 0 and 1 of shape (n_samples, size)
            For every source but the kick.

        Raises
        ------
        ParameterError
            When a source has no values, values of another shape, or other numbers than 0 and 1.
        """
        circuit = self.circuit
        names = {population.name for population in circuit.sources} - {"kick"}
        if not names or names != set(values):
            raise ParameterError(
                f"Stimuli given for {', '.join(sorted(values)) or 'nothing'}, but the sources of the circuit {circuit.name} "
                f"are {', '.join(sorted(names)) or 'none'}; give an array for each."
            )
        n_samples = len(next(iter(values.values())))
        columns, lead = [], []
        for population in circuit.sources:
            given = np.zeros((n_samples, 1), dtype=np.uint8) if population.name == "kick" else values[population.name]
            if given.shape != (n_samples, population.size):
                raise ParameterError(
                    f"Stimuli of {population.name} have shape {given.shape}, but the circuit {circuit.name} needs "
                    f"({n_samples}, {population.size}); match the layer sizes to the data."
                )
            if (wrong := (given != 0) & (given != 1)).any():  # np.isin takes seconds for images of an epoch
                raise ParameterError(
                    f"Stimuli of {population.name} hold {given[wrong][0]!r}, but a neuron spikes (1) or not (0); binarise them "
                    "first."
                )
            columns.append(given.astype(np.uint8))
            lead += [int(population.name == "kick")] * population.size
        return Stimuli(np.concatenate(columns, axis=1), np.array(lead))

    def structure(self) -> dict:
        if self.code:
            return self.code.structure()
        circuit, rules = self.circuit, self.rules
        fields = ("name", "period", "lead", "reinforced", "readout", "readout_phase")
        return {
            "circuit": [getattr(circuit, name) for name in fields],
            "populations": [(p.name, p.size, p.role, p.send_phase) for p in circuit.populations],
            "projections": [
                (p.source, p.target, p.connectivity, p.delay, p.plastic, p.matrix is not None) for p in circuit.projections
            ],
            "order": rules.order,
            "noisy": noisy(circuit, rules),
            "failing": rules.failing,
            "gates_jitter": rules.gates_jitter,
            "dt": rules.dt,
            "single_precision": self.single_precision("dense"),
            "short": self._short_weights(),
        }

    def single_precision(self, codegen: str) -> bool:
        """Whether float32 holds every state and every sum exactly, in any order. Noise on the drive is rounded to it."""
        if self.code:
            return self.code.single_precision(codegen)
        return codegen != "stock" and self._exact_below(SINGLE_LIMIT)

    def _short_weights(self) -> bool:
        """Whether dense code stores weights as int16, which halves the memory that the largest loop reads, or more."""
        return self.rules.w_max < INT16_LIMIT and self._exact_below(DOUBLE_LIMIT)

    def _exact_below(self, limit: int) -> bool:
        """Whether every state and every sum is a whole or half number below a limit.

        They are whole or half in the Loihi setting.
        """
        circuit, rules = self.circuit, self.rules
        loihi = rules.tau_m == rules.tau_s == rules.dt and math.frexp(rules.dt)[0] == 0.5
        # the largest sum of all that may ever reach a neuron
        drive = {population.name: rules.theta + abs(population.bias) for population in circuit.populations}
        for projection in circuit.projections:
            size = circuit[projection.source].size
            drive[projection.target] += size * rules.w_max if projection.weight is None else abs(projection.weight)
        fixed = [rules.theta, *(population.bias for population in circuit.populations)]
        fixed += [projection.weight for projection in circuit.projections if projection.weight is not None]
        exact = all(2 * value == round(2 * value) for value in fixed) and max(drive.values()) < limit
        # an update, before it is clipped
        return loihi and exact and rules.w_max + rules.eta_plus + rules.eta_minus < limit

    def create(self, stimulus, codegen, network_name="network", replicas=1, per_network=(), clock=None):
        if self.code:
            return self.code.create(stimulus, codegen, network_name, replicas, per_network, clock)
        dtype = np.dtype(np.int16) if codegen == "dense" and self._short_weights() else None
        builder = NetworkBuilder(self.circuit, self.rules, stimulus, codegen, dtype, replicas, per_network, clock)
        return builder.build(network_name)

    def phases(self) -> dict[str, tuple[int, ...]]:
        return active_phases(self.circuit)

    def require_weights(self, weights: Matrices) -> None:
        wanted = {}
        for projection in self.circuit.projections:
            if projection.matrix is not None:
                shape = (self.circuit[projection.source].size, self.circuit[projection.target].size)
                array = Array(shape, np.int32, self.rules.w_max, "w_max", (0, 1), "whole numbers")
                wanted[f"{projection.source} -> {projection.target}"] = array
        require(f"circuit {self.name}", {" -> ".join(pair): weights[pair] for pair in weights}, wanted)

    def constants(self, first: int) -> dict[str, float]:
        rules, made_for = self.rules, (self.code or self).rules
        learning = {"w_max": rules.w_max, **rules.steps(first, self.n_total)} if self.circuit.reinforced else {}
        values = {f"neurons.{name}": getattr(rules, name) for name in ("tau_m", "tau_s")}
        for block in matrix_blocks(self.circuit):
            constants = learning if block.learns else {}
            if made_for.failing:
                constants = constants | {"fail": rules.fail_backward if block.backward else rules.fail_forward}
            values |= {f"{block.name}.{name}": float(value) for name, value in constants.items()}
        if made_for.gates_jitter:
            values |= {f"{GATES}.{name}": getattr(rules, name) for name in ("gate_late", "gate_missing")}
        return values

    def initial_state(self, weights: Matrices, codegen: str) -> dict[str, np.ndarray]:
        made_for = self.code or self
        state = neuron_arrays(self.circuit, self.rules, self.seed, noisy(made_for.circuit, made_for.rules))
        fixed = fixed_synapses(self.circuit, codegen, made_for.rules.gates_jitter)
        state |= {f"{name}.w": synapses.w for name, synapses in fixed.items()}
        return state | {f"{block.name}.w": pack(block, weights).ravel().astype(float) for block in matrix_blocks(self.circuit)}

    def result(self, read: Read, n_turns: int, seconds: float) -> GatedResult:
        circuit = self.circuit
        matrices: Matrices = {}
        for block in matrix_blocks(circuit):
            shape = tuple(sum(circuit[name].size for name in side) for side in (block.sources, block.targets))
            weights = read(f"{block.name}.w").reshape(shape)
            whole = np.rint(weights).astype(np.int32)
            if not np.array_equal(whole, weights):
                raise RunError(f"The weights of {block.name} are no longer whole numbers; choose dt and tau as powers of two.")
            matrices |= unpack(circuit, block, whole)
        n_readout = circuit[circuit.readout].size
        drive, spike = (read(f"answers.{name}").reshape(n_turns, n_readout) for name in ("drive", "spike"))
        return GatedResult(self._recorded(read), seconds, matrices, drive.astype(float), spike > 0.5)

    def _recorded(self, read: Read) -> Recorded:
        circuit = self.circuit
        number_of = {population.name: number for number, population in enumerate(circuit.populations)}
        parts = []
        for monitor, group in (("source_spikes", circuit.sources), ("neuron_spikes", circuit.neurons)):
            index = read(f"{monitor}.i").astype(np.int64)
            step = np.rint(read(f"{monitor}.t") / self.dt).astype(np.int64) - self.lead
            starts = np.array([circuit.offsets[p.name] for p in group])
            in_group = np.searchsorted(starts, index, side="right") - 1
            population = np.array([number_of[p.name] for p in group])[in_group]
            parts.append((population, index - starts[in_group], step))
        return recorded_spikes(parts)
