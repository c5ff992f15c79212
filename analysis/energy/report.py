"""Energy and latency of a sample on a neuromorphic chip: counted operations times the published cost of each.

The costs (`Constants`) are those of Intel's Loihi: M. Davies et al., "Loihi: A neuromorphic manycore processor with on-chip
learning", IEEE Micro 38(1), 82-99 (2018), doi 10.1109/MM.2018.112130359, Table 2. They come from pre-silicon SDF and SPICE
simulations of single operations and are no measurement of the circuits here. The counts come from recorded spikes and from the
topology that was simulated (`Circuit`, or the layers of SSNN-BP).

What is counted
---------------
Messages: a spike sends one message to each core that holds targets of it, for each projection. Populations are spread evenly
over all cores, so that is one for each target, at most one for each core. A message costs the energy within a tile and that of
the mean way between two tiles that are drawn at random. They take no time of their own, since they travel while cores compute.

Synaptic operations: a spike times its fan-out, over all projections (nBP) or crossbars (SSNN-BP) that it travels; *learned* and
*fixed* ones apart. They belong to the target, in whose core the synapses lie, and to the phase in which the spike was fired;
a delay comes after the operation.

Neuron updates: the chip updates all compartments in each time step. A neuron is *active* in a step in which at least one spike
reaches it and *inactive* in all others; Davies et al. name both costs and do not define the words. Sources are no compartments.

Weight updates: nBP learns in every time step, so each spike visits all learned synapses of its axon (trace x0 = 1, learning
on), whether the postsynaptic neuron fires (y0 = 1) and the weight changes or not. The visit is what costs; the coincidences
that change a weight are counted beside it. In SSNN-BP an update is a coincidence, and weight decay is one update of each weight
for each sample. Learned biases of SSNN-BP are left out.

nBP's inference is counted from a recording of the inference circuit if the run holds one, else from phases 0 to 3 of the
training turns, restricted to the populations of the inference circuit, with the gating chain as that circuit fires it.
SSNN-BP's turns have no phases: ``forward`` holds the spikes of the layers and ``backward`` the signed streams with what they
bring about; a composite neuron is updated once in a step, which stands under ``forward``. The spike of the winning output
inhibits the others: n_out - 1 fixed operations. Its inference is the forward part of the recorded presentations, during which
weights change.

Latency: in each time step the times of all operations, shared evenly by the cores, plus the barrier that ends the step. No core
waits for a busier one, so this is a lower bound.

What is left out: static power, the embedded x86 processors, and input and output. The energy of an operation is published as
the minimum. So the model must come out below a measurement of the chip.
"""

from __future__ import annotations

import itertools
import math
import os
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from brianprop.analysis.energy.chip import CHIP_CORES, CORES, TILE_CORES, TILE_ROWS
from brianprop.analysis.figures import activity
from brianprop.analysis.figures.connectivity import symbol
from brianprop.analysis.figures.output import make_folder, write_figures
from brianprop.analysis.groups import group_runs, require_different
from brianprop.analysis.runs.run import Recording, Run
from brianprop.analysis.runs.toml_files import read_toml
from brianprop.models.circuit import Circuit
from brianprop.models.errors import DataError, ParameterError, RunError
from brianprop.models.files import write_text
from brianprop.models.nbp.circuit import inference_circuit, training_circuit
from brianprop.models.parameters import Checked
from brianprop.models.ssnn_bp.parameters import SSNN

if TYPE_CHECKING:
    import pandas
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = [
    "PARTS",
    "PUBLISHED",
    "Account",
    "Constants",
    "Counts",
    "Energy",
    "Measured",
    "Pathway",
    "account",
    "as_inference",
    "barrier_time",
    "count_nbp",
    "count_ssnn",
    "draw",
    "energy",
    "markdown",
    "mean_hops",
    "plot_energy",
    "pooled",
    "read_constants",
    "table",
]

#: Parts of the energy, in the order of `Energy.joules`.
PARTS = ("spikes", "synaptic operations", "neuron updates", "weight updates")

COLOURS = ("C5", "C0", "C3", "C1")

#: Bars of a panel up to which their labels stand upright; beyond, they would touch.
MOST_UPRIGHT = 12

LEARNED, FIXED = "learned", "fixed"

#: What the numbers are not; written below every table.
CAVEAT = (
    "The model multiplies counted operations by the energies and times that Davies et al. (2018, Table 2) give for single "
    "operations. It leaves out static power, the embedded x86 processors, input and output, and waiting for the busiest core, "
    "so it must come out below what was measured."
)


@dataclass(frozen=True)
class Constants(Checked):
    """Energy [J] and time [s] of single operations of the chip.

    All defaults are from Table 2 of Davies et al. 2018 (pre-silicon SDF and SPICE simulations): published costs of an operation
    of the chip, not measurements of the circuits here.

    Raises
    ------
    ParameterError
        When a value is not a finite number or negative.
    """

    within_tile_energy: float = 1.7e-12
    """Within-tile spike energy [J]."""
    hop_east_west_energy: float = 3.0e-12
    """Energy per tile hop, E-W [J]."""
    hop_north_south_energy: float = 4.0e-12
    """Energy per tile hop, N-S [J]."""
    operation_energy: float = 23.6e-12
    """Energy per synaptic spike operation, the published minimum [J]."""
    operation_time: float = 3.5e-9
    """Time per synaptic spike operation, the published maximum [s]."""
    update_energy: float = 120e-12
    """Energy per synaptic update, of pairwise STDP [J]."""
    update_time: float = 6.1e-9
    """Time per synaptic update, of pairwise STDP [s]."""
    active_energy: float = 81e-12
    """Energy per neuron update, active [J]."""
    active_time: float = 8.4e-9
    """Time per neuron update, active [s]."""
    inactive_energy: float = 52e-12
    """Energy per neuron update, inactive [J]."""
    inactive_time: float = 5.3e-9
    """Time per neuron update, inactive [s]."""
    barrier_1_tile_time: float = 113e-9
    """Mesh-wide barrier synchronisation of 1 tile [s]."""
    barrier_32_tiles_time: float = 465e-9
    """The same of 32 tiles [s]."""

    def __post_init__(self):
        self._require_numbers()
        for item in fields(self):
            self._require(item.name, getattr(self, item.name) >= 0, "at least 0")


def read_constants(path: str | os.PathLike) -> Constants:
    """Constants from a TOML file of lines ``name = value`` in J or s; those that it does not name keep their defaults.

    Raises
    ------
    DataError
        If the file cannot be read, is no TOML, has an unknown name or a value that is no finite number of at least 0.
    """
    try:
        values = read_toml(path)
    except OSError as error:
        raise DataError(f"The constants {path} cannot be read ({error.strerror}); choose another --constants.") from error
    except ValueError as error:
        raise DataError(
            f"The constants {path} are no TOML ({error}); write lines such as 'update_energy = 120e-12'."
        ) from error
    known = [item.name for item in fields(Constants)]
    for name in values:
        if name not in known:
            raise DataError(f"The constants {path} name {name!r}, which is unknown; use some of {', '.join(known)}.")
    try:
        return Constants(**values)
    except ParameterError as error:
        raise DataError(f"The constants {path} do not hold: {str(error)[0].lower()}{str(error)[1:]}") from error


@dataclass(frozen=True)
class Measured:
    """What was measured on the chip for one sample.

    Attributes
    ----------
    energy, latency : float
        [J] and [s].
    """

    energy: float
    latency: float

    @property
    def energy_delay(self) -> float:
        """Energy-delay product [J s]."""
        return self.energy * self.latency


#: Sizes of the circuit that was measured, and what was published of it: Renner et al. 2024, Table 1
#: (doi 10.1038/s41467-024-53827-9). Energy divided by latency is 0.39 W in training and 15 mW in inference.
PUBLISHED_SIZES = {"in": 400, "hid": 400, "out": 10}
PUBLISHED = {"training": Measured(0.59e-3, 1.5e-3), "inference": Measured(0.0025e-3, 0.17e-3)}


@dataclass(frozen=True)
class Pathway:
    """A projection, or a crossbar in one direction, as spikes travel it.

    Attributes
    ----------
    source, target : str
        Populations.
    kind : {"learned", "fixed"}
    fan_out : int
        Synapses of one axon.
    """

    source: str
    target: str
    kind: str
    fan_out: int


@dataclass(frozen=True)
class Counts:
    """Operations of all samples of a recording, by population or pathway and by phase.

    Attributes
    ----------
    mode : {"training", "inference"}
    origin : str
        What was counted.
    populations : tuple of str
    phases : tuple of str
        Phases of the turn, or ``forward`` and ``backward``.
    n_samples : int
    steps : int
        Time steps of a sample.
    pathways : tuple of Pathway
    spikes : int array of shape (n_populations, n_phases)
    travels : int array of shape (n_pathways, n_phases)
        Spikes that travel each pathway.
    active, inactive : int arrays of shape (n_populations, n_phases)
        Neuron updates.
    updates, changes : int arrays of shape (n_pathways, n_phases)
        Synapses that the learning rule visits, and coincidences that change a weight (those that a bound swallows included).
    """

    mode: str
    origin: str
    populations: tuple[str, ...]
    phases: tuple[str, ...]
    n_samples: int
    steps: int
    pathways: tuple[Pathway, ...]
    spikes: np.ndarray
    travels: np.ndarray
    active: np.ndarray
    inactive: np.ndarray
    updates: np.ndarray
    changes: np.ndarray

    @property
    def operations(self) -> np.ndarray:
        """Synaptic operations; int array of shape (n_pathways, n_phases)."""
        return self.travels * np.array([[pathway.fan_out] for pathway in self.pathways])

    def messages(self, cores: int) -> np.ndarray:
        """Messages to `cores` cores; int array of shape (n_pathways, n_phases)."""
        return self.travels * np.array([[min(pathway.fan_out, cores)] for pathway in self.pathways])

    def of_population(self, end: str, values: np.ndarray, kind: str | None = None) -> np.ndarray:
        """Add values of pathways up for the population at one end of each.

        Parameters
        ----------
        end : {"source", "target"}
        values : array of shape (n_pathways, n_phases)
        kind : {"learned", "fixed"}, optional
            Pathways to take, by default all.

        Returns
        -------
        array of shape (n_populations, n_phases)
        """
        result = np.zeros((len(self.populations), len(self.phases)), dtype=values.dtype)
        for pathway, row in zip(self.pathways, values, strict=True):
            if kind in (None, pathway.kind):
                result[self.populations.index(getattr(pathway, end))] += row
        return result


#: Fields of `Counts` that add up over recordings.
COUNTED = ("spikes", "travels", "active", "inactive", "updates", "changes")


def pooled(parts: Sequence[Counts]) -> Counts:
    """Counts of several recordings of one circuit as one."""
    sums = {name: sum(getattr(part, name) for part in parts) for name in ("n_samples", *COUNTED)}
    return replace(parts[0], **sums)


def _last_epoch(recording: Recording) -> Recording:
    """The last epoch of a recording: the one nearest to the trained network."""
    chosen = recording.epoch == recording.epoch.max(initial=0)
    columns = ("population", "neuron", "step", "epoch")
    return replace(recording, **{name: getattr(recording, name)[chosen] for name in columns})


def count_nbp(recording: Recording, circuit: Circuit, origin: str = "recorded turns") -> Counts:
    """Count the operations of nBP.

    Parameters
    ----------
    recording : Recording
        Of this circuit; of several epochs, the last is counted. Spikes of the lead-in belong to no sample.
    circuit : Circuit
        Tells projections, and whether anything learns: a circuit without reinforced phases does not.
    origin : str
        Kept with the counts.

    Raises
    ------
    RunError
        If the recording is not of this circuit or holds no turn.
    """
    layout = tuple((population.name, population.size) for population in circuit.populations)
    if tuple(zip(recording.populations, recording.sizes, strict=True)) != layout or recording.period != circuit.period:
        raise RunError(f"The recording is not of the circuit {circuit.name} with the run's sizes; record the spikes again.")
    recording = _last_epoch(recording)
    period, learns = circuit.period, bool(circuit.reinforced)
    n = int(recording.step.max(initial=-1)) // period + 1
    if n < 1:
        raise RunError("The recording holds no spikes of a whole turn; record the spikes again.")
    spikes = {  # steps and neurons
        name: (recording.step[recording.population == place], recording.neuron[recording.population == place])
        for place, name in enumerate(recording.populations)
    }

    def per_step(steps: np.ndarray) -> np.ndarray:
        return np.bincount(steps[(steps >= 0) & (steps < n * period)], minlength=n * period)

    def by_phase(counted: np.ndarray) -> np.ndarray:
        return counted.reshape(n, period).sum(axis=0)

    fired = {name: per_step(steps) for name, (steps, _) in spikes.items()}
    active, inactive = (np.zeros((len(layout), period), dtype=np.int64) for _ in range(2))
    for place, population in enumerate(circuit.populations):
        if population.role == "source":
            continue
        whole, single = np.zeros(n * period, dtype=bool), []
        for projection in circuit.projections:
            if projection.target != population.name:
                continue
            steps, neurons = spikes[projection.source]
            arrival = steps + 1 + projection.delay
            if projection.connectivity == "one-to-one":
                single.append(arrival * population.size + neurons)
            else:
                whole |= per_step(arrival) > 0
        reached = whole * population.size
        if single:
            # several spikes at one neuron in one step make it active once
            arrival = np.unique(np.concatenate(single)) // population.size
            reached = np.where(whole, reached, per_step(arrival))
        active[place] = by_phase(reached)
        inactive[place] = n * population.size - active[place]

    pathways, travels, updates, changes = [], [], [], []
    for projection in circuit.projections:
        pathway = Pathway(
            projection.source,
            projection.target,
            LEARNED if projection.plastic else FIXED,
            circuit.synapse_count(projection) // circuit[projection.source].size,
        )
        travelling = by_phase(fired[projection.source])
        visits = learns and projection.plastic
        pathways.append(pathway)
        travels.append(travelling)
        updates.append(travelling * pathway.fan_out * visits)
        changes.append(by_phase(fired[projection.source] * fired[projection.target]) * visits)
    return Counts(
        mode="training" if learns else "inference",
        origin=origin,
        populations=recording.populations,
        phases=tuple(map(str, range(period))),
        n_samples=n,
        steps=period,
        pathways=tuple(pathways),
        spikes=np.array([by_phase(fired[name]) for name in recording.populations]),
        travels=np.array(travels),
        active=active,
        inactive=inactive,
        updates=np.array(updates),
        changes=np.array(changes),
    )


def as_inference(recording: Recording, circuit: Circuit) -> Recording:
    """What the inference circuit would have done with the samples and weights of recorded training turns.

    The forward pass of a training turn takes its first phases, which are those of the inference circuit; the gating chain,
    which closes into a ring earlier there, fires as that circuit has it.

    Parameters
    ----------
    recording : Recording
        Of the training circuit; of several epochs, the last is taken.
    circuit : Circuit
        The inference circuit.
    """
    recording = _last_epoch(recording)
    names = tuple(population.name for population in circuit.populations)
    n = int(recording.step.max(initial=-1)) // recording.period + 1
    parts = []  # population, neuron, step
    for place, population in enumerate(circuit.populations):
        if population.role == "gating" or population.name not in recording.populations:
            continue
        chosen = recording.population == recording.populations.index(population.name)
        turn, phase = np.divmod(recording.step[chosen], recording.period)
        forward = (turn >= 0) & (phase < circuit.period)
        step = turn[forward] * circuit.period + phase[forward]
        parts.append((np.full(len(step), place), recording.neuron[chosen][forward], step))
    for place, population in enumerate(circuit.populations):
        if population.role == "gating":
            phases = [phase for phase, firing in circuit.firing.items() if population.name in firing]
            # the chain runs in the lead-in already, from the step after the kick
            steps = np.arange(1 - circuit.lead, n * circuit.period)
            steps = steps[np.isin(steps % circuit.period, phases)]
            parts.append((np.full(len(steps), place), np.zeros(len(steps), dtype=int), steps))
    population, neuron, step = (np.concatenate(columns) for columns in zip(*parts, strict=True))
    sizes = tuple(population.size for population in circuit.populations)
    return Recording(names, sizes, population, neuron, step, np.zeros(len(step)), circuit.period)


def count_ssnn(recording: Recording, parameters: SSNN, learns: bool = True) -> Counts:
    """Count the operations of SSNN-BP.

    Parameters
    ----------
    recording : Recording
        Of presentations with learning; of several epochs, the last is counted.
    parameters : SSNN
        Tells whether weights decay.
    learns : bool
        False counts the forward part alone, as inference.

    Raises
    ------
    RunError
        If the recording is not of such a network or holds no spikes.
    """
    layers = activity.layers_of(recording)
    sizes = dict(zip(recording.populations, recording.sizes, strict=True))
    if tuple(sizes[name] for name in layers) != parameters.sizes or recording.period != parameters.steps:
        raise RunError("The recording is not of a network with the run's sizes and steps; record the spikes again.")
    recording = _last_epoch(recording)
    n, period = activity.n_presentations(recording), recording.period
    if n < 1:
        raise RunError("The recording holds no spikes of a whole presentation; record the spikes again.")
    fired = {
        name: np.bincount(recording.step[recording.population == place], minlength=n * period)
        for place, name in enumerate(recording.populations)
    }
    streams = {layer: activity.signed_streams(layer) for layer in layers[1:]} if learns else {}
    populations = (*layers, *itertools.chain.from_iterable(streams.values()))
    output, forward, backward = layers[-1], 0, 1
    phases = ("forward", "backward") if learns else ("forward",)

    shape = len(populations), len(phases)
    spikes, active, inactive = (np.zeros(shape, dtype=np.int64) for _ in range(3))
    for place, name in enumerate(populations):
        spikes[place, forward if name in layers else backward] = fired[name].sum()
    # a pathway and the column of its spikes
    found = [(Pathway(before, behind, LEARNED, sizes[behind]), forward) for before, behind in itertools.pairwise(layers)]
    found.append((Pathway(output, output, FIXED, sizes[output] - 1), forward))
    for before, behind in itertools.pairwise(layers[1:]):
        found += [(Pathway(name, before, LEARNED, sizes[before]), backward) for name in streams.get(behind, ())]
    travels, updates, changes = (np.zeros((len(found), len(phases)), dtype=np.int64) for _ in range(3))
    for place, (pathway, phase) in enumerate(found):
        travels[place, phase] = fired[pathway.source].sum()

    for place, layer in enumerate(layers[1:], 1):
        # all-to-all: one spike of a neighbouring layer reaches every neuron
        reaching = [layers[place - 1], *(streams.get(layers[place + 1], ()) if layer != output else ())]
        whole = np.sum([fired[name] for name in reaching], axis=0) > 0
        rest = (sizes[layer] - 1) * (fired[layer] > 0) if layer == output else 0  # all but the winner
        active[place, forward] = np.where(whole, sizes[layer], rest).sum()
        inactive[place, forward] = n * period * sizes[layer] - active[place, forward]
    if learns:
        for place, counted in enumerate(activity.count(recording).updates.values()):
            changes[place, backward] = counted.sum()
            decays = n * sizes[layers[place]] * sizes[layers[place + 1]] if parameters.weight_decay else 0
            updates[place, backward] = changes[place, backward] + decays
    return Counts(
        mode="training" if learns else "inference",
        origin="recorded presentations" if learns else "forward part of the recorded presentations",
        populations=populations,
        phases=phases,
        n_samples=n,
        steps=period,
        pathways=tuple(pathway for pathway, _ in found),
        spikes=spikes,
        travels=travels,
        active=active,
        inactive=inactive,
        updates=updates,
        changes=changes,
    )


@dataclass(frozen=True)
class Energy:
    """Energy and latency of one sample.

    Attributes
    ----------
    joules : float array of shape (n_parts, n_populations, n_phases)
        [J], by `PARTS`; messages belong to the source population, synapses to the target.
    latency : float
        [s].
    """

    joules: np.ndarray
    latency: float

    @property
    def total(self) -> float:
        """[J]."""
        return float(self.joules.sum())

    @property
    def parts(self) -> dict[str, float]:
        """Energy of each of `PARTS` [J]."""
        return dict(zip(PARTS, self.joules.sum(axis=(1, 2)).tolist(), strict=True))

    @property
    def energy_delay(self) -> float:
        """Energy-delay product [J s]."""
        return self.total * self.latency


def _tiles(cores: int) -> int:
    if not isinstance(cores, int) or not 1 <= cores <= CHIP_CORES:
        raise ParameterError(f"Parameter cores = {cores!r} must be a whole number from 1 to {CHIP_CORES}; set --cores.")
    return math.ceil(cores / TILE_CORES)


def mean_hops(cores: int) -> tuple[float, float]:
    """Mean hops E-W and N-S between two tiles drawn at random from those that hold the cores.

    The mesh is 8 x 4 tiles of 4 cores, filled column by column; on a line of n tiles the mean distance is (n^2 - 1) / (3 n).

    Raises
    ------
    ParameterError
        If the chip does not have so many cores.
    """
    tiles = _tiles(cores)
    rows = min(tiles, TILE_ROWS)
    columns = math.ceil(tiles / rows)
    return (columns**2 - 1) / (3 * columns), (rows**2 - 1) / (3 * rows)


def barrier_time(constants: Constants, cores: int) -> float:
    """Time of a barrier [s]: linear in the tiles between the two published values.

    Raises
    ------
    ParameterError
        If the chip does not have so many cores.
    """
    first, last = constants.barrier_1_tile_time, constants.barrier_32_tiles_time
    return first + (last - first) * (_tiles(cores) - 1) / (CHIP_CORES // TILE_CORES - 1)


def energy(counts: Counts, constants: Constants | None = None, cores: int = CORES) -> Energy:
    """Energy and latency of a sample.

    Parameters
    ----------
    counts : Counts
    constants : Constants, optional
        By default those published for Loihi.
    cores : int
        Neuromorphic cores that share the work evenly.

    Raises
    ------
    ParameterError
        If the chip does not have so many cores.
    """
    constants = constants or Constants()
    east_west, north_south = mean_hops(cores)
    message = (
        constants.within_tile_energy
        + east_west * constants.hop_east_west_energy
        + north_south * constants.hop_north_south_energy
    )
    operations, updates = (counts.of_population("target", values) for values in (counts.operations, counts.updates))
    joules = np.stack(
        [
            counts.of_population("source", counts.messages(cores)) * message,
            operations * constants.operation_energy,
            counts.active * constants.active_energy + counts.inactive * constants.inactive_energy,
            updates * constants.update_energy,
        ]
    )
    seconds = (
        operations * constants.operation_time
        + updates * constants.update_time
        + counts.active * constants.active_time
        + counts.inactive * constants.inactive_time
    )
    latency = seconds.sum() / counts.n_samples / cores + counts.steps * barrier_time(constants, cores)
    return Energy(joules / counts.n_samples, float(latency))


@dataclass(frozen=True)
class Account:
    """What runs of one kind cost, in one mode.

    Attributes
    ----------
    label : str
        The system and its settings.
    counts : Counts
    energy : Energy
    measured : Measured or None
        What was published of a circuit of these sizes.
    """

    label: str
    counts: Counts
    energy: Energy
    measured: Measured | None

    @property
    def title(self) -> str:
        """Label and mode."""
        return f"{self.label}, {self.counts.mode}"


def _counts_of(run: Run) -> list[Counts]:
    """Training and inference of one run, as far as its recording tells.

    Raises
    ------
    RunError
        If the run has no such circuit or no recording, or the recording is of another circuit.
    """
    if run.system == "ann":
        raise RunError(f"{run.path} holds a run of the ANN, which has no spikes; leave it out.")
    recording = run.load_spikes() or run.load_spikes("raster")
    if recording is None:
        raise RunError(
            f"{run.path} holds no recorded spikes (spikes.npz or raster.npz); give a run that has them, or train again."
        )
    try:
        if run.system == "ssnn-bp":
            parameters = run.parameters()
            return [count_ssnn(recording, parameters, learns) for learns in (True, False)]
        training, inference = (make(run.parameters()) for make in (training_circuit, inference_circuit))
        if recording.populations == tuple(population.name for population in inference.populations):
            return [count_nbp(recording, inference)]
        forward = f"phases 0 to {inference.period - 1} of recorded training turns"
        return [count_nbp(recording, training), count_nbp(as_inference(recording, inference), inference, forward)]
    except RunError as error:
        raise RunError(f"{run.path}: {error}") from error


def account(run_paths: Sequence[Path], constants: Constants | None = None, cores: int = CORES) -> list[Account]:
    """What a sample costs in each kind of run; runs that differ in their seed only are pooled.

    Parameters
    ----------
    run_paths : sequence of path-like
        Run directories of nBP and SSNN-BP with recorded spikes: the last epoch of spikes.npz, else raster.npz.
    constants : Constants, optional
        By default those published for Loihi.
    cores : int
        Neuromorphic cores that share the work evenly.

    Raises
    ------
    RunError
        If a run cannot be read, holds no spikes, or is given twice, also as a copy.
    ParameterError
        If the chip does not have so many cores.
    """
    if not run_paths:
        raise RunError("There is nothing to count, since no run directory was given; give at least one.")
    runs = [Run.open(path) for path in run_paths]
    require_different(runs)
    accounts = []
    for group in group_runs(runs):
        parts = [counts for run in group.runs for counts in _counts_of(run)]
        published = group.system == "nbp" and group.runs[0].parameters().sizes == PUBLISHED_SIZES
        for mode in ("training", "inference"):
            if chosen := [counts for counts in parts if counts.mode == mode]:
                counts = pooled(chosen)
                measured = PUBLISHED[mode] if published else None
                accounts.append(Account(group.label, counts, energy(counts, constants, cores), measured))
    return accounts


def draw(
    run_paths: Sequence[Path], out: Path | None = None, constants: Constants | None = None, cores: int = CORES
) -> list[Path]:
    """Write the tables energy.csv and energy.md and the figure energy.png and energy.pdf.

    Parameters
    ----------
    run_paths, constants, cores
        See `account`.
    out : path-like, optional
        Folder for the files, by default ``figures`` in the first run directory.

    Returns
    -------
    list of pathlib.Path
        The files written.

    Raises
    ------
    RunError
        As `account` does, or if a file cannot be written.
    ParameterError
        As `account` does.
    """
    accounts = account(run_paths, constants, cores)
    folder = Path(run_paths[0]) / "figures" if out is None else Path(out)
    make_folder(folder)
    texts = {
        "energy.csv": table(accounts, cores).to_csv(index=False, lineterminator="\n"),
        "energy.md": markdown(accounts, cores),
    }
    written = [write_text(folder / name, text) for name, text in texts.items()]
    return written + write_figures({"energy": lambda: plot_energy(accounts)}, folder)


def table(accounts: Sequence[Account], cores: int = CORES) -> pandas.DataFrame:
    """Counts and energies of a sample by population and phase.

    Returns
    -------
    DataFrame
        One row per account, population and phase in which anything happens: ``run``, ``mode``, ``samples`` counted,
        ``population``, ``phase``; counts per sample, of which ``spikes`` and ``messages`` are those that the population sends
        and all others happen in its cores; and energies per sample, columns ``... [J]``.
    """
    import pandas

    rows = []
    for entry in accounts:
        counts, joules = entry.counts, entry.energy.joules
        operations = counts.operations
        columns = {
            "spikes": counts.spikes,
            "messages": counts.of_population("source", counts.messages(cores)),
            "learned operations": counts.of_population("target", operations, LEARNED),
            "fixed operations": counts.of_population("target", operations, FIXED),
            "active neuron updates": counts.active,
            "inactive neuron updates": counts.inactive,
            "weight updates": counts.of_population("target", counts.updates),
            "weight changes": counts.of_population("target", counts.changes),
        }
        for place, population in enumerate(counts.populations):
            for number, phase in enumerate(counts.phases):
                values = {name: array[place, number] / counts.n_samples for name, array in columns.items()}
                if any(values.values()):
                    row = {"run": entry.label, "mode": counts.mode, "samples": counts.n_samples}
                    row |= {"population": population, "phase": phase, **values}
                    row |= {f"{part} [J]": joules[kind, place, number] for kind, part in enumerate(PARTS)}
                    rows.append(row)
    return pandas.DataFrame(rows)


def markdown(accounts: Sequence[Account], cores: int = CORES) -> str:
    """Counts, energies and latencies of a sample as Markdown, measured ones beside them."""
    columns = [
        *("spikes", "messages", "learned operations", "fixed operations", "active neuron updates", "inactive neuron updates"),
        *("weight updates", "weight changes"),
    ]
    lines = ["Counts per sample", "", "| | " + " | ".join(columns) + " |", "|---|" + "---|" * len(columns)]
    found = table(accounts, cores).groupby(["run", "mode"])[columns].sum()
    for entry in accounts:
        values = found.loc[(entry.label, entry.counts.mode)]
        lines.append(f"| {entry.title} | " + " | ".join(f"{values[name]:,.1f}" for name in columns) + " |")
    titles = [*(f"{part} (µJ)" for part in PARTS), "energy (µJ)", "latency (µs)", "energy-delay product (nJ s)"]
    lines += ["", "Energy and latency per sample", "", "| | " + " | ".join(titles) + " |", "|---|" + "---|" * len(titles)]

    def totals(found: Energy | Measured, joules: float) -> list[str]:
        return [f"{1e6 * joules:.4g}", f"{1e6 * found.latency:.4g}", f"{1e9 * found.energy_delay:.3g}"]

    for entry in accounts:
        parts = [f"{1e6 * joules:.4g}" for joules in entry.energy.parts.values()]
        lines.append(f"| {entry.title} | " + " | ".join([*parts, *totals(entry.energy, entry.energy.total)]) + " |")
        if entry.measured:
            cells = ["–"] * len(PARTS) + totals(entry.measured, entry.measured.energy)
            lines.append(f"| {entry.title}, measured on Loihi (Renner et al. 2024) | " + " | ".join(cells) + " |")
    lines += ["", *(f"{entry.title}: {entry.counts.n_samples:,} samples, {entry.counts.origin}.  " for entry in accounts)]
    lines += [f"{cores} cores. {CAVEAT}"]
    return "\n".join(lines) + "\n"


def plot_energy(accounts: Sequence[Account]) -> Figure:
    """Draw where the energy of a sample goes: one row per account, its total, its phases and its populations.

    A line marks the measured total where there is one. The gating neurons share a bar.

    Parameters
    ----------
    accounts : sequence of Account

    Returns
    -------
    matplotlib.figure.Figure
    """
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    figure = Figure(figsize=(7.2, 0.5 + 1.75 * len(accounts)), layout="constrained")
    rows = figure.subfigures(len(accounts), 1, squeeze=False)[:, 0]
    for row, entry in zip(rows, accounts, strict=True):
        counts, joules = entry.counts, 1e6 * entry.energy.joules
        row.suptitle(f"{entry.title}: {entry.energy.total * 1e6:.3g} µJ per sample", fontsize="medium")
        total, phases, populations = row.subplots(1, 3, width_ratios=(0.5, 2, 3))
        _stack(total, joules.sum(axis=(1, 2))[:, np.newaxis], ["all"])
        total.set_ylabel("energy (µJ)")
        if entry.measured:
            total.axhline(1e6 * entry.measured.energy, color="C7", linestyle="--", linewidth=1)
            total.set_ylim(top=1.08e6 * max(entry.measured.energy, entry.energy.total))
        _stack(phases, joules.sum(axis=1), list(counts.phases))
        phases.set_xlabel("phase")
        _stack(populations, *_bars(joules.sum(axis=2), counts.populations))
        populations.set_xlabel("population")
    handles: list = [Patch(color=colour, label=part) for part, colour in zip(PARTS, COLOURS, strict=True)]
    if any(entry.measured for entry in accounts):
        handles.append(Line2D([], [], color="C7", linestyle="--", linewidth=1, label="measured on Loihi"))
    figure.legend(handles=handles, loc="outside lower center", ncols=len(handles))
    return figure


def _bars(joules: np.ndarray, populations: Sequence[str]) -> tuple[np.ndarray, list[str]]:
    """Energy of each population by part, shape (n_parts, n_bars), and what stands below the bars; gating neurons as one."""
    labels, columns = [], []
    for place, name in enumerate(populations):
        gating = name[:1] == "g" and name[1:].isdigit()
        label = "$g$" if gating else _label(name)
        if label in labels:
            columns[labels.index(label)] += joules[:, place]
        else:
            labels.append(label)
            columns.append(joules[:, place].copy())
    return np.array(columns).T, labels


def _label(name: str) -> str:
    layer, _, sign = name.partition(" ")
    if sign:
        return f"{activity.words(layer)}\n{'+' if sign == 'plus' else '−'}"
    return symbol(name) if symbol(name) != name else activity.words(name)


def _stack(axes: Axes, joules: np.ndarray, labels: Sequence[str]) -> None:
    places, foot = np.arange(len(labels)), np.zeros(len(labels))
    for part, colour in zip(joules, COLOURS, strict=True):
        axes.bar(places, part, bottom=foot, color=colour, width=0.8)
        foot = foot + part
    axes.set_ylim(top=1.08 * max(foot.max(), np.finfo(float).tiny))
    axes.set_xticks(places, labels, rotation=90 if len(labels) > MOST_UPRIGHT else 0)
    axes.tick_params(axis="x", length=0, labelsize=6)
    axes.grid(True, axis="y")
