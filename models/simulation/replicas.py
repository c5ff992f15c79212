"""Several independent networks (replicas) in one simulation: seeds, points of a sweep, or parts of a test set.

Every Brian2 object holds the neurons or synapses of one network after the other, without connections between the networks. Each
network has its own samples, weights and constants. All share the generated code and the number of turns.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from brianprop.models.equations import exposed_name
from brianprop.models.errors import ParameterError
from brianprop.models.model import Model, Read, Result, Stimuli, Weights

if TYPE_CHECKING:
    from brianprop.models.simulation.simulator import Simulator

__all__ = ["Parallel", "ReplicaStimuli", "Replicas", "common_constants"]

#: Constants that must be equal in all networks of a simulation, with the remedy where they differ.
COMMON = {"T": "the same --steps"}

#: Attributes of a `Model` that are the same for several networks as for one.
SAME_AS_ONE = (
    "dt",
    "lead",
    "period",
    "width",
    "sources",
    "monitors",
    "learned",
    "segments",
    "groups",
    "events",
    "target_groups",
)


class ReplicaStimuli:
    """What the sources of several networks send. Networks may share one `Stimuli` object.

    Parameters
    ----------
    parts : sequence of Stimuli
        One for each network, all with the same width.

    Raises
    ------
    ParameterError
        When there are none, or their widths differ.
    """

    def __init__(self, parts: Sequence[Stimuli]):
        widths = {part.rows.shape[1] for part in parts}
        if len(widths) != 1:
            raise ParameterError(
                f"Stimuli of several networks have rows of {sorted(widths)} bytes; give at least one, all alike."
            )
        distinct = list({id(part): part for part in parts}.values())
        starts = dict(zip(map(id, distinct), np.cumsum([0, *(len(part.rows) for part in distinct[:-1])]), strict=True))
        self._starts = np.array([starts[id(part)] for part in parts])
        self._n_samples = np.array([part.n_samples for part in parts])
        self._shared = len(distinct) == 1
        # the rows of each end with that of its lead-in
        self._joined = distinct[0] if self._shared else Stimuli(np.concatenate([part.rows for part in distinct]))

    @property
    def rows(self) -> np.ndarray:
        """The rows of all distinct stimuli, one after the other."""
        return self._joined.rows

    @property
    def width(self) -> int:
        """Bytes per row."""
        return self._joined.width

    @property
    def counts(self) -> tuple[int, ...]:
        """Number of samples for each network."""
        return tuple(self._n_samples.tolist())

    def order(self, samples: np.ndarray) -> np.ndarray:
        """Row numbers in the order of the turns, with the lead-in first; int32 of shape (n_turns + 1, n_networks).

        Parameters
        ----------
        samples : int array of shape (n_networks, n_turns)
        """
        rows = np.concatenate([self._n_samples[:, np.newaxis], samples], axis=1) + self._starts[:, np.newaxis]
        return np.ascontiguousarray(rows.T, dtype=np.int32)

    def file(self, folder: Path) -> Path:
        """See `models.model.Stimuli.file`."""
        return self._joined.file(folder)

    def close(self) -> None:
        """Remove the file, unless it belongs to stimuli that all networks share."""
        if not self._shared:
            self._joined.discard()


def common_constants(model: Model) -> dict[str, float]:
    """The constants of a model that must be equal in all networks of a simulation, by ``object.variable``."""
    return {name: value for name, value in model.constants(first=0).items() if name.partition(".")[2] in COMMON}


class Replicas(Model):
    """Several networks as one model, for `models.simulation.simulator`.

    Its weights are a list of the weights of each network, its stimuli are `ReplicaStimuli`, its samples an array of shape
    (n_networks, n_turns), and its result is a list of results.

    Parameters
    ----------
    models : sequence of Model
        Networks whose generated code is the same, see `models.model.Model.structure`. Numbers that are set when the binary runs
        may differ.
    per_network : collection of str
        Constants, as ``object.variable``, that are stored for each network although they are equal here. The generated code can
        then be used for networks in which they differ.

    Raises
    ------
    ParameterError
        When there is no network, or two differ in their code or in a constant that must be equal.
    """

    def __init__(self, models: Sequence[Model], per_network: Collection[str] = ()):
        if not models:
            raise ParameterError("There are no networks to simulate together; give at least one.")
        self.models, self.first, self.replicas = tuple(models), models[0], len(models)
        structures = [json.dumps(model.structure(), sort_keys=True) for model in models]
        for number, structure in enumerate(structures):
            if structure != structures[0]:
                raise ParameterError(
                    f"Networks 0 and {number} of one simulation differ in what is compiled: layer sizes and rules must be the "
                    "same, and only numbers may differ; simulate them apart."
                )
        self.name = self.first.name if self.replicas == 1 else f"{self.first.name} x {self.replicas}"
        for name in SAME_AS_ONE:
            setattr(self, name, getattr(self.first, name))
        constants = [model.constants(first=0) for model in models]
        different = {name for name, value in constants[0].items() if any(other[name] != value for other in constants)}
        self.per_network = frozenset(different | set(per_network))
        for name in sorted(self.per_network):
            if (known := name.partition(".")[2]) in COMMON:
                values = sorted({other[name] for other in constants})
                raise ParameterError(
                    f"Networks of one simulation have {name} = {', '.join(map(str, values))}; give them {COMMON[known]} or "
                    "simulate them apart."
                )

    def structure(self) -> dict:
        if self.replicas == 1 and not self.per_network:  # the code of one network
            return self.first.structure()
        return self.first.structure() | {"replicas": self.replicas, "own": sorted(self.per_network)}

    def single_precision(self, codegen: str) -> bool:
        return self.first.single_precision(codegen)

    def create(self, stimulus, codegen, network_name="network", replicas=1, per_network=(), clock=None) -> dict[str, Any]:
        return self.first.create(stimulus, codegen, network_name, self.replicas, self.per_network, clock)

    def phases(self) -> dict[str, tuple[int, ...]]:
        return self.first.phases()

    def require_weights(self, weights: Sequence[Weights]) -> None:
        if len(weights) != self.replicas:
            raise ParameterError(f"Weights are given for {len(weights)} networks, not {self.replicas}; give them for each.")
        for model, weights_of_one in zip(self.models, weights, strict=True):
            model.require_weights(weights_of_one)

    def constants(self, first: int) -> dict[str, float | np.ndarray]:
        """As of one network, with an array of one value per neuron for each constant that differs between the networks."""
        constants: dict[str, float | np.ndarray] = {}
        of_each = [model.constants(first=first) for model in self.models]
        for name, value in of_each[0].items():
            if name not in self.per_network:
                constants[name] = value
                continue
            owner, _, variable = name.partition(".")
            group = self.target_groups.get(owner, owner)
            stored_as = f"{group}.{exposed_name(variable)}" if owner in self.target_groups else name
            constants[stored_as] = np.repeat([of_one[name] for of_one in of_each], self.groups[group])
        return constants

    def initial_state(self, weights: Sequence[Weights], codegen: str) -> dict[str, np.ndarray]:
        of_each = [model.initial_state(one, codegen) for model, one in zip(self.models, weights, strict=True)]
        return {name: np.concatenate([np.ravel(state[name]) for state in of_each]) for name in of_each[0]}

    def result(self, read: Read, n_turns: int, seconds: float) -> list[Result]:
        cached_read = cache(read)

        def reader(network: int) -> Read:
            def read_network(name: str) -> np.ndarray:
                owner, _, variable = name.partition(".")
                if owner not in self.events:
                    return np.split(cached_read(name), self.replicas)[network]
                size = self.events[owner]
                index = cached_read(f"{owner}.i")
                in_network = index // size == network
                return index[in_network] % size if variable == "i" else cached_read(name)[in_network]

            return read_network

        return [model.result(reader(network), n_turns, seconds) for network, model in enumerate(self.models)]


class Parallel:
    """Answers many samples at once: replicas of one network each answer a part of them.

    Parameters
    ----------
    simulator : Simulator
        A simulator of `Replicas` of one model that does not learn.
    """

    def __init__(self, simulator: Simulator):
        model: Any = simulator.model
        self._simulator, self.replicas, self.model = simulator, model.replicas, model.first

    def run(self, weights: Weights, stimuli: Stimuli, samples: np.ndarray, **options: Any) -> Any:
        """See `models.simulation.Simulator.run`. Spikes are not recorded, and the last replicas may get some samples twice."""
        samples = np.asarray(samples)
        parts = np.resize(samples, (self.replicas, -(-len(samples) // self.replicas)))
        together: Any = ReplicaStimuli([stimuli] * self.replicas)
        results = self._simulator.run([weights] * self.replicas, together, parts, **options)
        return self.model.joined(results, len(samples))

    def close(self) -> None:
        """Remove temporary files."""
        self._simulator.close()
