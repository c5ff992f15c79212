"""The operations of SSNN-BP, counted from a recording of learning."""

from __future__ import annotations

import itertools

import numpy as np

from brianprop.analysis import activity
from brianprop.analysis.energy.counts import FIXED, LEARNED, Counts, Pathway
from brianprop.analysis.runs.recording import Recording
from brianprop.models.errors import RunError
from brianprop.models.ssnn_bp.parameters import SSNN

__all__ = ["count_ssnn_bp"]


def count_ssnn_bp(recording: Recording, parameters: SSNN, learns: bool = True) -> Counts:
    """Count the operations of SSNN-BP.

    Parameters
    ----------
    recording : Recording
        Of samples with learning. If it has several epochs, the last is counted.
    parameters : SSNN
        Tells the sizes, and whether weights decay.
    learns : bool
        If false, the forward part alone is counted, as inference.

    Raises
    ------
    RunError
        If the recording is not of such a network or holds no spikes.
    """
    layers = activity.layers_of(recording)
    sizes = dict(zip(recording.populations, recording.sizes, strict=True))
    if tuple(sizes[name] for name in layers) != parameters.sizes or recording.period != parameters.steps:
        raise RunError("The recording is not of a network with the run's sizes and steps; record the spikes again.")
    recording = recording.last_epoch()
    n, period = recording.n_samples, recording.period
    if n < 1:
        raise RunError("The recording holds no spikes of a whole turn; record the spikes again.")
    fired = {name: recording.spikes_per_step(name) for name in recording.populations}
    streams = {layer: activity.signed_streams(layer) for layer in layers[1:]} if learns else {}
    populations = (*layers, *itertools.chain.from_iterable(streams.values()))
    output, forward, backward = layers[-1], 0, 1
    phases = ("forward", "backward") if learns else ("forward",)

    shape = len(populations), len(phases)
    spikes, active, inactive = (np.zeros(shape, dtype=np.int64) for _ in range(3))
    for row, name in enumerate(populations):
        spikes[row, forward if name in layers else backward] = fired[name].sum()
    # the learned pathways forward come first, in the order of the weight matrices
    travelled = [(Pathway(pre, post, LEARNED, sizes[post]), forward) for pre, post in itertools.pairwise(layers)]
    travelled.append((Pathway(output, output, FIXED, sizes[output] - 1), forward))
    for pre, post in itertools.pairwise(layers[1:]):
        travelled += [(Pathway(stream, pre, LEARNED, sizes[pre]), backward) for stream in streams.get(post, ())]
    travels, updates, changes = (np.zeros((len(travelled), len(phases)), dtype=np.int64) for _ in range(3))
    for row, (pathway, phase) in enumerate(travelled):
        travels[row, phase] = fired[pathway.source].sum()

    for row, layer in enumerate(layers[1:], 1):
        # all-to-all: one spike of a neighbouring layer reaches every neuron
        reaching = [layers[row - 1], *(streams.get(layers[row + 1], ()) if layer != output else ())]
        all_reached = np.sum([fired[name] for name in reaching], axis=0) > 0
        losers = (sizes[layer] - 1) * (fired[layer] > 0) if layer == output else 0  # the winner inhibits all others
        active[row, forward] = np.where(all_reached, sizes[layer], losers).sum()
        inactive[row, forward] = n * period * sizes[layer] - active[row, forward]
    if learns:
        for row, counted in enumerate(activity.count(recording).updates.values()):
            changes[row, backward] = counted.sum()
            decays = n * sizes[layers[row]] * sizes[layers[row + 1]] if parameters.weight_decay else 0
            updates[row, backward] = changes[row, backward] + decays
    return Counts(
        mode="training" if learns else "inference",
        origin="recorded turns" if learns else "forward part of the recorded turns",
        populations=populations,
        phases=phases,
        n_samples=n,
        steps=period,
        pathways=tuple(pathway for pathway, _ in travelled),
        spikes=spikes,
        travels=travels,
        active=active,
        inactive=inactive,
        updates=updates,
        changes=changes,
    )
