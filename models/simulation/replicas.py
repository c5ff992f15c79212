"""Several independent networks in one simulation, block by block: seeds, points of a sweep, or parts of a test set.

Every Brian2 object holds the neurons and synapses of one network after the other; nothing connects them. Each network has
samples, weights and numbers of its own. What they must have in common is the generated code and the number of turns.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Sequence

import numpy as np

from brianprop.models.errors import ParameterError
from brianprop.models.model import Model, Result, Stimuli, Weights

__all__ = ["Parallel", "ReplicaStimuli", "Replicas", "common_constants"]

#: Constants that all networks of a simulation have in common, with what to do where they differ.
COMMON = {"T": "the same --steps"}


class ReplicaStimuli:
    """What the sources of several networks send; networks may share the stimuli of one.

    Parameters
    ----------
    parts : sequence of Stimuli
        One for each network, all of one width.

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
        different = list({id(part): part for part in parts}.values())
        starts = dict(zip(map(id, different), np.cumsum([0, *(len(part.rows) for part in different[:-1])]), strict=True))
        self._starts = np.array([starts[id(part)] for part in parts])
        self._n_samples = np.array([part.n_samples for part in parts])
        # the last row of each is that of its lead-in
        self._shared = len(different) == 1
        self._all = different[0] if self._shared else Stimuli(np.concatenate([part.rows for part in different]))

    @property
    def rows(self) -> np.ndarray:
        """The rows of all, one network's after the other's."""
        return self._all.rows

    @property
    def width(self) -> int:
        """Bytes of a row."""
        return self._all.width

    @property
    def counts(self) -> tuple[int, ...]:
        """Number of samples of each network."""
        return tuple(self._n_samples.tolist())

    def order(self, samples: np.ndarray) -> np.ndarray:
        """Rows in the order of the turns, the lead-in first; int32 of shape (n_turns + 1, n_networks).

        Parameters
        ----------
        samples : int array of shape (n_networks, n_turns)
        """
        rows = np.concatenate([self._n_samples[:, np.newaxis], samples], axis=1) + self._starts[:, np.newaxis]
        return np.ascontiguousarray(rows.T, dtype=np.int32)

    def file(self, folder):
        """See `models.model.Stimuli.file`."""
        return self._all.file(folder)

    def close(self) -> None:
        """Remove the file, if it is not that of the stimuli that all share."""
        if not self._shared:
            self._all.discard()


def common_constants(model: Model) -> dict[str, float]:
    """The constants of a model that all networks of a simulation must have in common."""
    found = model.constants(n_turns=1, first=0)
    return {name: value for name, value in found.items() if name.partition(".")[2] in COMMON}


class Replicas(Model):
    """Several networks as one model, for `models.simulation.simulator`.

    Its weights are a list of the weights of each, its stimuli `ReplicaStimuli`, its samples an array of shape
    (n_networks, n_turns), and its result is a list of results.

    Parameters
    ----------
    models : sequence of Model
        Networks whose generated code is the same, see `models.model.Model.structure`; numbers that are set when the binary
        runs may differ.
    own : collection of str
        Constants, as ``object.variable``, that are each network's own although they do not differ here: the generated code
        then serves other networks too.

    Raises
    ------
    ParameterError
        When there is no network, or two differ in their code or in a constant that they must have in common.
    """

    def __init__(self, models: Sequence[Model], own: Collection[str] = ()):
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
        for name in (
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
            "homes",
        ):
            setattr(self, name, getattr(self.first, name))
        constants = [model.constants(n_turns=1, first=0) for model in models]
        different = {name for name, value in constants[0].items() if any(other[name] != value for other in constants)}
        self.own = frozenset(different | set(own))
        for name in sorted(self.own):
            if (known := name.partition(".")[2]) in COMMON:
                values = sorted({other[name] for other in constants})
                raise ParameterError(
                    f"Networks of one simulation have {name} = {', '.join(map(str, values))}; give them {COMMON[known]} or "
                    "simulate them apart."
                )

    def structure(self) -> dict:
        if self.replicas == 1 and not self.own:  # the code of one network
            return self.first.structure()
        return self.first.structure() | {"replicas": self.replicas, "own": sorted(self.own)}

    def single_precision(self, codegen: str) -> bool:
        return self.first.single_precision(codegen)

    def create(self, stimulus, codegen, network_name="network", replicas=1, own=(), clock=None):
        return self.first.create(stimulus, codegen, network_name, self.replicas, self.own, clock)

    def phases(self):
        return self.first.phases()

    def require_weights(self, weights: Sequence[Weights]) -> None:
        if len(weights) != self.replicas:
            raise ParameterError(f"Weights are given for {len(weights)} networks, not {self.replicas}; give them for each.")
        for model, own in zip(self.models, weights, strict=True):
            model.require_weights(own)

    def constants(self, *, n_turns, first):
        found: dict[str, float | np.ndarray] = {}
        several = [model.constants(n_turns=n_turns, first=first) for model in self.models]
        for name, value in several[0].items():
            if name in self.own:
                owner, _, variable = name.partition(".")
                home = self.homes.get(owner, owner)
                place = f"{home}.own_{variable}" if owner in self.homes else name
                found[place] = np.repeat([constants[name] for constants in several], self.groups[home])
            else:
                found[name] = value
        return found

    def arrays(self, weights: Sequence[Weights], codegen: str) -> dict[str, np.ndarray]:
        several = [model.arrays(own, codegen) for model, own in zip(self.models, weights, strict=True)]
        return {name: np.concatenate([np.ravel(arrays[name]) for arrays in several]) for name in several[0]}

    def result(self, read: Callable[[str], np.ndarray], n_turns: int, seconds: float) -> list[Result]:
        kept: dict[str, np.ndarray] = {}

        def whole(name):
            if name not in kept:
                kept[name] = read(name)
            return kept[name]

        def reader(number):
            def read_own(name):
                owner, _, variable = name.partition(".")
                if owner not in self.events:
                    return np.split(whole(name), self.replicas)[number]
                size = self.events[owner]
                index = whole(f"{owner}.i")
                mine = index // size == number
                return index[mine] % size if variable == "i" else whole(name)[mine]

            return read_own

        return [model.result(reader(number), n_turns, seconds) for number, model in enumerate(self.models)]


class Parallel:
    """A simulator that answers to many samples at once, by copies of one network that each see some of them.

    Parameters
    ----------
    together : brianprop.models.simulation.Simulator
        Of `Replicas` of one model that does not learn.
    """

    def __init__(self, together):
        self._together, self.model = together, together.model.first

    def run(self, weights: Weights, stimuli: Stimuli, samples: np.ndarray, **options) -> Result:
        """See `models.simulation.Simulator.run`; spikes are not recorded, and the last copies may see some samples again."""
        replicas = self._together.model.replicas
        samples = np.asarray(samples)
        shares = np.resize(samples, (replicas, -(-len(samples) // replicas)))
        results = self._together.run([weights] * replicas, ReplicaStimuli([stimuli] * replicas), shares, **options)
        return self.model.joined(results, len(samples))

    def close(self) -> None:
        """Remove temporary files."""
        self._together.close()
