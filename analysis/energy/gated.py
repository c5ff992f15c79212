"""The operations of a gated circuit such as nBP, counted from a recording and the circuit."""

from __future__ import annotations

import numpy as np

from brianprop.analysis.energy.counts import FIXED, LEARNED, Counts, Pathway
from brianprop.analysis.runs.recording import Recording
from brianprop.models.circuit import Circuit
from brianprop.models.errors import RunError

__all__ = ["as_inference", "count"]


def count(recording: Recording, circuit: Circuit, origin: str = "recorded turns") -> Counts:
    """Count the operations of a gated circuit.

    Parameters
    ----------
    recording : Recording
        Of this circuit. If it has several epochs, the last is counted. Spikes of the lead-in belong to no sample.
    circuit : Circuit
        Tells the projections, and whether anything learns: a circuit without reinforced phases does not.
    origin : str
        What was counted, in words; kept with the counts.

    Raises
    ------
    RunError
        If the recording is not of this circuit or holds no sample.
    """
    layout = tuple((population.name, population.size) for population in circuit.populations)
    if tuple(zip(recording.populations, recording.sizes, strict=True)) != layout or recording.period != circuit.period:
        raise RunError(f"The recording is not of the circuit {circuit.name} with the run's sizes; record the spikes again.")
    recording = recording.last_epoch()
    period, learns, n = circuit.period, bool(circuit.reinforced), recording.n_samples
    if n < 1:
        raise RunError("The recording holds no spikes of a whole turn; record the spikes again.")
    fired = {name: recording.spikes_per_step(name) for name in recording.populations}

    active, inactive = (np.zeros((len(layout), period), dtype=np.int64) for _ in range(2))
    for row, population in enumerate(circuit.populations):
        if population.role != "source":
            active[row] = _active_neurons(recording, circuit, population.name).sum(axis=0)
            inactive[row] = n * population.size - active[row]

    pathways, travels, updates, changes = [], [], [], []
    for projection in circuit.projections:
        source, target = fired[projection.source], fired[projection.target]
        pathway = Pathway(
            projection.source,
            projection.target,
            LEARNED if projection.plastic else FIXED,
            circuit.synapse_count(projection) // circuit[projection.source].size,
        )
        visits = learns and projection.plastic
        pathways.append(pathway)
        travels.append(source.sum(axis=0))
        updates.append(source.sum(axis=0) * pathway.fan_out * visits)
        changes.append((source * target).sum(axis=0) * visits)
    return Counts(
        mode="training" if learns else "inference",
        origin=origin,
        populations=recording.populations,
        phases=tuple(map(str, range(period))),
        n_samples=n,
        steps=period,
        pathways=tuple(pathways),
        spikes=np.array([fired[name].sum(axis=0) for name in recording.populations]),
        travels=np.array(travels),
        active=active,
        inactive=inactive,
        updates=np.array(updates),
        changes=np.array(changes),
    )


def _active_neurons(recording: Recording, circuit: Circuit, population: str) -> np.ndarray:
    """Neurons of a population that at least one spike reaches, by step; int array of shape (n_samples, period)."""
    n_steps, size = recording.n_samples * recording.period, circuit[population].size
    all_reached = np.zeros(n_steps, dtype=bool)
    single = []  # one number for each step and neuron that a one-to-one projection reaches
    for projection in circuit.projections:
        if projection.target != population:
            continue
        spikes = recording.of(projection.source)
        arrival = spikes.step + 1 + projection.delay
        within = (arrival >= 0) & (arrival < n_steps)
        if projection.connectivity == "one-to-one":
            single.append(arrival[within] * size + spikes.neuron[within])
        else:
            all_reached[arrival[within]] = True
    reached = all_reached * size
    if single:
        # several spikes at one neuron in one step make it active once
        step = np.unique(np.concatenate(single)) // size
        reached = np.where(all_reached, size, np.bincount(step, minlength=n_steps))
    return reached.reshape(-1, recording.period)


def as_inference(recording: Recording, circuit: Circuit) -> Recording:
    """What the inference circuit would have done with the samples and weights of a recorded training.

    The forward pass of a training sample takes its first phases, which are those of the inference circuit. The gating chain,
    which closes into a ring earlier there, fires as the inference circuit has it.

    Parameters
    ----------
    recording : Recording
        Of the training circuit. If it has several epochs, the last is taken.
    circuit : Circuit
        The inference circuit.
    """
    recording = recording.last_epoch()
    parts = []  # population, neuron, step
    for number, population in enumerate(circuit.populations):
        if population.role == "gating":
            phases = [phase for phase, firing in circuit.firing.items() if population.name in firing]
            # the chain already runs in the lead-in, from the step after the kick
            step = np.arange(1 - circuit.lead, recording.n_samples * circuit.period)
            step = step[np.isin(step % circuit.period, phases)]
            neuron = np.zeros(len(step), dtype=int)
        else:
            spikes = recording.of(population.name)
            forward = spikes.where((spikes.step >= 0) & (spikes.phase < circuit.period))
            step, neuron = forward.sample * circuit.period + forward.phase, forward.neuron
        parts.append((np.full(len(step), number), neuron, step))
    population, neuron, step = (np.concatenate(columns) for columns in zip(*parts, strict=True))
    names, sizes = zip(*((population.name, population.size) for population in circuit.populations), strict=True)
    return Recording(names, sizes, population, neuron, step, np.zeros(len(step), dtype=int), circuit.period)
