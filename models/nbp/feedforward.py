"""The forward part of a gated circuit as layers, see `models.feedforward`.

A layer that is open in a phase has the drive of its packet on top of its bias and its gates. What the packet must bring for a
neuron to fire is a number on the grid of the weights; the threshold lies half a step below it, so that > and >= give the same
spikes.
"""

from __future__ import annotations

import numpy as np

from brianprop.models.circuit import Circuit, Projection
from brianprop.models.errors import ParameterError
from brianprop.models.feedforward import Layer
from brianprop.models.nbp.layout import Matrices, neuron_arrays, noisy
from brianprop.models.nbp.parameters import Rules

__all__ = ["feedforward"]

#: Whole numbers below this magnitude are exact in single precision, which other simulators compute in.
WHOLE_LIMIT = 2**24


def feedforward(circuit: Circuit, rules: Rules, matrices: Matrices, seed: int) -> tuple[Layer, ...]:
    """The layers from the source to the readout of a circuit that answers.

    Scattered thresholds and lesions are kept: both are drawn once, from the seed.

    Parameters
    ----------
    circuit : Circuit
        Such as the inference circuit of `models.nbp.circuit`.
    rules : Rules
    matrices : dict from (source, target) to int array of shape (n_source, n_target)
    seed : int
        Seed of the training.

    Raises
    ------
    ParameterError
        When the circuit is not a chain of layers without memory: it draws random numbers in each step, packets outlast their
        step, a layer has several inputs, or numbers are too large.
    """
    _require_memoryless(circuit, rules)
    arrays, layers = neuron_arrays(circuit, rules, seed), []
    path, entrance = _path(circuit)
    for number, projection in enumerate(path):
        phase = (circuit.readout_phase - len(path) + 1 + number) % circuit.period
        fires = _Open(circuit, rules, arrays, projection.target, phase)
        weights, bias = matrices[projection.source, projection.target].astype(float), 0.0
        if number == 0 and entrance is not None:
            # the spikes of the source, as the first layer copies them into its open phase
            always, copied = _copied(circuit, rules, arrays, entrance, phase - 1)
            weights, bias = weights * (copied.astype(float) - always)[:, np.newaxis], always @ weights
        layers.append(
            Layer(
                projection.target,
                str(projection.matrix),
                weights,
                np.broadcast_to(bias, weights.shape[1:]),
                _threshold(fires, weights, bias, rules),
            )
        )
    return tuple(layers)


class _Open:
    """Whether the neurons of a population fire in the phase in which it is open, for what a packet brings."""

    def __init__(self, circuit: Circuit, rules: Rules, arrays: dict[str, np.ndarray], name: str, phase: int):
        population = circuit[name]
        neurons = slice(circuit.offsets[name], circuit.offsets[name] + population.size)
        self.size, self.bias, self.theta = population.size, population.bias, arrays["neurons.theta"][neurons]
        gates = [p for p in circuit.projections if p.target == name and circuit[p.source].role == "gating"]
        self.gates = sum(
            gate.weight or 0.0
            for gate in gates
            for sent in circuit.firing
            if gate.source in circuit.firing[sent] and (sent + 1 + gate.delay) % circuit.period == phase % circuit.period
        )
        if np.any(population.bias > self.theta):
            raise ParameterError(
                f"Circuit {circuit.name}: neurons of {name} fire while they are closed, since their bias of "
                f"{population.bias:g} exceeds their threshold; only a circuit whose layers fire once a turn can be exported."
            )
        if population.refractory > circuit.period:
            raise ParameterError(
                f"Parameter refractory = {population.refractory} time steps of {name} outlasts the {circuit.period} steps of a "
                "turn, which layers without memory do not hold; train with fewer."
            )

    def __call__(self, packet: np.ndarray | float) -> np.ndarray:
        # in the order of the simulation, so that it is rounded alike
        return packet + self.gates + self.bias > self.theta


def _require_memoryless(circuit: Circuit, rules: Rules) -> None:
    """Refuse what is drawn anew in each step, and what outlasts it."""
    drawn = {
        "weight_noise": max([rules.weight_noise, *(population.noise or 0.0 for population in circuit.neurons)])
        if noisy(circuit, rules)
        else 0.0,
        **{name: getattr(rules, name) for name in ("fail_forward", "gate_late", "gate_missing")},
    }
    for name, value in drawn.items():
        if value:
            raise ParameterError(
                f"Parameter {name} = {value:g} draws random numbers in each step, which fixed layers do not hold; set it to 0."
            )
    if any(population.theta_spread for population in circuit.neurons if population.role == "gating"):
        raise ParameterError(
            f"Circuit {circuit.name}: its gating neurons have scattered thresholds, so that the chain may break; set "
            "theta_spread of their populations to 0."
        )
    for name in ("tau_m", "tau_s"):
        if getattr(rules, name) != rules.dt:
            raise ParameterError(
                f"Parameter {name} = {getattr(rules, name):g} s lets packets outlast their step, which layers without memory "
                f"do not hold; train with dt = {rules.dt:g} s."
            )


def _path(circuit: Circuit) -> tuple[list[Projection], Projection | None]:
    """The projections with matrices from the first layer to the readout, and the one from the source to the first layer."""
    path: list[Projection] = []
    name = circuit.readout
    while circuit[name].role != "source":
        inputs = [p for p in circuit.projections if p.target == name and circuit[p.source].role != "gating"]
        if len(inputs) != 1 or len(path) > len(circuit.populations):
            sources = ", ".join(projection.source for projection in inputs) or "nothing"
            raise ParameterError(
                f"Circuit {circuit.name}: {name} is fed by {sources}; only a chain of layers from a source to "
                f"{circuit.readout} can be exported."
            )
        (projection,) = inputs
        if projection.matrix is None:
            if circuit[projection.source].role != "source" or projection.connectivity != "one-to-one" or not path:
                raise ParameterError(
                    f"Circuit {circuit.name}: {projection.source} -> {name} ({projection.kind}) is no matrix of weights; only "
                    f"a chain of such matrices from a source to {circuit.readout} can be exported."
                )
            return path[::-1], projection
        path.append(projection)
        name = projection.source
    return path[::-1], None


def _copied(
    circuit: Circuit, rules: Rules, arrays: dict[str, np.ndarray], entrance: Projection, phase: int
) -> tuple[np.ndarray, np.ndarray]:
    """Which neurons of the first layer fire without a spike of the source, and which with one; bool arrays."""
    fires = _Open(circuit, rules, arrays, entrance.target, phase)
    return fires(0.0), fires(float(entrance.weight or 0.0))


def _threshold(fires: _Open, weights: np.ndarray, bias: np.ndarray | float, rules: Rules) -> np.ndarray:
    """Half a step below the smallest packet on the grid of the weights at which a neuron fires."""
    step = rules.w_step
    # no packet is larger; a neuron that fires only beyond never does, and it needs no larger threshold
    largest = max(rules.theta, float((np.abs(weights).sum(axis=0) + np.abs(bias)).max()))
    limit = step * (np.ceil(largest / step) + 1)
    if 2 * limit / step >= WHOLE_LIMIT:
        raise ParameterError(
            f"Drives of up to {limit:g} on a grid of w_step = {step} are too large for single precision, which other "
            "simulators compute in; use fewer neurons, smaller weights or a smaller theta."
        )
    # bisection between a packet that is silent and one that fires; both ends stand for what never and always fires
    silent, firing = np.full(fires.size, -limit - step), np.full(fires.size, limit)
    while np.any(firing - silent > step):
        middle = silent + step * np.floor((firing - silent) / (2 * step))
        found = fires(middle)
        silent, firing = np.where(found, silent, middle), np.where(found, middle, firing)
    return firing - step / 2
