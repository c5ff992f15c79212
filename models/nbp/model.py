"""nBP as a device sees it: a circuit and its parameters, the values that it starts from, the answers that it gives."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from brianprop.models.circuit import Circuit
from brianprop.models.errors import ParameterError, RunError
from brianprop.models.model import Model, Recorded, Result, Stimuli, recorded_spikes
from brianprop.models.nbp.circuit import NBP
from brianprop.models.nbp.network import create, fixed_synapses, neuron_values, pack, phases_of, plastic_blocks, unpack
from brianprop.models.weights import Array, require

__all__ = ["Matrices", "NBPModel", "NBPResult"]

#: Learned matrices by (source, target).
Matrices = dict[tuple[str, str], np.ndarray]

#: Bound of what int16 holds.
SHORT = 2**15


@dataclass(frozen=True)
class NBPResult(Result):
    """What one run of an nBP circuit gave.

    Attributes
    ----------
    matrices : dict from (source, target) to int array
        Every learned matrix after the run.
    drive : float array of shape (n_samples, n_out)
        Membrane of the readout population in the readout phase.
    spikes : bool array of shape (n_samples, n_out)
        Whether the readout population fired in that phase.
    """

    matrices: Matrices
    drive: np.ndarray
    spikes: np.ndarray


class NBPModel(Model):
    """A circuit of nBP, ready for `models.simulation.simulator`.

    Parameters
    ----------
    circuit : Circuit
        That for training or that for inference, see `models.nbp.circuit`.
    parameters : NBP
    seed : int
        Seed of drawn thresholds (``theta_spread``).
    code : NBPModel, optional
        A model of the same circuit whose generated code runs this one, such as one with noise where this one has none, or in
        double precision where this one needs only single: spikes and weights are the same, and many models share a binary.
    """

    sources = "sources"
    monitors = ("neuron_spikes", "source_spikes")
    answers = ("drive", "spikes")

    def __init__(self, circuit: Circuit, parameters: NBP, seed: int = 0, code: NBPModel | None = None):
        self.circuit, self.parameters, self.seed, self.code = circuit, parameters, seed, code
        self.name, self.lead, self.period, self.dt = circuit.name, circuit.lead, circuit.period, parameters.dt
        self.width = sum(population.size for population in circuit.sources)
        self.learned = tuple(block.name for block in plastic_blocks(circuit))
        self.segments = (self.width,)
        self.groups = {"neurons": sum(population.size for population in circuit.neurons), "sources": self.width}
        answers = circuit[circuit.readout].size
        self.events = {"neuron_spikes": self.groups["neurons"], "source_spikes": self.width, "answers": answers}
        self.homes = dict.fromkeys(self.learned, "neurons")

    def stimuli(self, values: dict[str, np.ndarray]) -> Stimuli:
        """What the sources send: rows of 0 and 1 per sample, and a last row for the lead-in with the kick.

        Parameters
        ----------
        values : dict from source population to array of shape (n_samples, size)

        Raises
        ------
        ParameterError
            When a source has no values or values of another width.
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
            if not np.isin(given, (0, 1)).all():
                wrong = given[~np.isin(given, (0, 1))][0]
                raise ParameterError(
                    f"Stimuli of {population.name} hold {wrong!r}, but a neuron spikes (1) or not (0); binarise them first."
                )
            columns.append(given.astype(np.uint8))
            lead += [int(population.name == "kick")] * population.size
        return Stimuli(np.concatenate(columns, axis=1), np.array(lead))

    def structure(self) -> dict:
        if self.code:
            return self.code.structure()
        circuit, parameters = self.circuit, self.parameters
        return {
            "circuit": [
                circuit.name,
                circuit.period,
                circuit.lead,
                circuit.reinforced,
                circuit.readout,
                circuit.readout_phase,
            ],
            "populations": [(p.name, p.size, p.role, p.send_phase) for p in circuit.populations],
            "projections": [(p.source, p.target, p.connectivity, p.delay, p.plastic) for p in circuit.projections],
            "order": parameters.order,
            "noisy": parameters.weight_noise > 0,
            "dt": parameters.dt,
            "single_precision": self.single_precision("dense"),
            "short": parameters.w_max < SHORT,
        }

    def single_precision(self, codegen: str) -> bool:
        """Whether float32 holds every state and every sum exactly, in any order: halves below 2^23, as in the Loihi setting."""
        if self.code:
            return self.code.single_precision(codegen)
        circuit, parameters = self.circuit, self.parameters
        loihi = parameters.tau_m == parameters.tau_s == parameters.dt and math.frexp(parameters.dt)[0] == 0.5
        fixed = [parameters.theta, *(population.bias for population in circuit.populations)]
        fixed += [projection.weight for projection in circuit.projections if not projection.plastic]
        largest = max(population.size for population in circuit.populations) * parameters.w_max - 4 * parameters.bias
        exact = all(2 * value == round(2 * value) for value in fixed) and largest + 16 * max(map(abs, fixed)) < 2**23
        # an update, before it is clipped
        exact &= parameters.w_max + parameters.eta_plus + parameters.eta_minus < 2**23
        return codegen != "stock" and loihi and not parameters.weight_noise and not parameters.theta_spread and exact

    def create(self, stimulus, codegen, network_name="network", replicas=1, own=(), clock=None):
        if self.code:
            return self.code.create(stimulus, codegen, network_name, replicas, own, clock)
        # whole-number weights as int16 halve the memory that the largest loop reads
        small = codegen == "dense" and self.single_precision(codegen) and self.parameters.w_max < SHORT
        dtype = np.dtype(np.int16) if small else None
        return create(self.circuit, self.parameters, stimulus, codegen, dtype, network_name, replicas, own, clock)

    def phases(self) -> dict[str, tuple[int, ...]]:
        return phases_of(self.circuit)

    def require_weights(self, weights: Matrices) -> None:
        circuit, bound = self.circuit, self.parameters.w_max
        wanted = {
            f"{projection.source} -> {projection.target}": Array(
                (circuit[projection.source].size, circuit[projection.target].size),
                np.int32,
                bound,
                "w_max",
                (0, 1),
                "whole numbers",
            )
            for projection in circuit.projections
            if projection.plastic
        }
        require(f"circuit {self.name}", {" -> ".join(pair): weights[pair] for pair in weights}, wanted)

    def constants(self, *, n_turns, first):
        circuit, parameters = self.circuit, self.parameters
        names = ("w_max", "eta_plus", "eta_minus") if circuit.reinforced else ()
        if (self.code or self).parameters.weight_noise > 0:
            names += ("weight_noise",)
        found = {f"neurons.{name}": getattr(parameters, name) for name in ("tau_m", "tau_s")}
        return found | {f"{block}.{name}": float(getattr(parameters, name)) for block in self.learned for name in names}

    def arrays(self, weights: Matrices, codegen: str) -> dict[str, np.ndarray]:
        circuit, parameters = self.circuit, self.parameters
        values = {f"neurons.{name}": value for name, value in neuron_values(circuit, parameters, self.seed).items()}
        values |= {f"{name}.w": fixed.w for name, fixed in fixed_synapses(circuit, codegen).items()}
        return values | {f"{block.name}.w": pack(block, weights).ravel().astype(float) for block in plastic_blocks(circuit)}

    def result(self, read: Callable[[str], np.ndarray], n_turns: int, seconds: float) -> NBPResult:
        circuit = self.circuit
        matrices: Matrices = {}
        for block in plastic_blocks(circuit):
            shape = tuple(sum(circuit[name].size for name in side) for side in (block.sources, block.targets))
            weights = read(f"{block.name}.w").reshape(shape)
            whole = np.rint(weights).astype(np.int32)
            if not np.array_equal(whole, weights):
                raise RunError(f"The weights of {block.name} are no longer whole numbers; choose dt and tau as powers of two.")
            matrices |= unpack(circuit, block, whole)
        n_out = circuit[circuit.readout].size
        drive, spike = (read(f"answers.{name}").reshape(n_turns, n_out) for name in ("drive", "spike"))
        return NBPResult(self._recorded(read), seconds, matrices, drive.astype(float), spike > 0.5)

    def _recorded(self, read) -> Recorded:
        circuit = self.circuit
        places = {population.name: place for place, population in enumerate(circuit.populations)}
        parts = []
        for monitor, group in (("source_spikes", circuit.sources), ("neuron_spikes", circuit.neurons)):
            index = read(f"{monitor}.i").astype(np.int64)
            step = np.rint(read(f"{monitor}.t") / self.dt).astype(np.int64) - self.lead
            starts = np.array([circuit.offsets[p.name] for p in group])
            which = np.searchsorted(starts, index, side="right") - 1
            population = np.array([places[p.name] for p in group])[which]
            parts.append((population, index - starts[which], step))
        return recorded_spikes(parts)
