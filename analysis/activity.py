"""What the spikes of SSNN-BP say: its answer, and the spikes and weight updates of a presentation."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np

from brianprop.analysis.runs.recording import Recording

__all__ = ["Activity", "answer", "count", "layers_of", "n_presentations", "signed_streams", "words"]

#: What a stream of error or gradient spikes is called after its layer.
SIGNS = ("plus", "minus")


@dataclass(frozen=True)
class Activity:
    """Counts for each presentation of a sample.

    Attributes
    ----------
    spikes : dict of int arrays of shape (n_presentations,)
        Spikes by population: the layers, and the streams such as ``hidden1 plus``.
    updates : dict of int arrays of shape (n_presentations,)
        Updates by weight matrix, W1, W2, ...: coincidences of a spike of the layer before it and an error or gradient spike of
        the layer behind it in one time step. One that a bound of the weights swallows is counted too.
    """

    spikes: dict[str, np.ndarray]
    updates: dict[str, np.ndarray]


def layers_of(recording: Recording) -> list[str]:
    """Names of the layers of a recording of SSNN-BP, the input first."""
    return [name for name in recording.populations if not name.endswith(SIGNS)]


def signed_streams(layer: str) -> list[str]:
    """Names of the two streams of error or gradient spikes of a layer."""
    return [f"{layer} {sign}" for sign in SIGNS]


def words(layer: str) -> str:
    """A layer as text: ``hidden 1`` for ``hidden1``."""
    name = layer.rstrip("0123456789")
    return f"{name} {layer[len(name) :]}".rstrip()


def n_presentations(recording: Recording) -> int:
    """Number of presentations that were recorded. One output neuron fires in every step, so none is missed."""
    return int(recording.step.max(initial=-1)) // recording.period + 1


def count(recording: Recording) -> Activity:
    """Count the spikes and the weight updates of every presentation.

    Parameters
    ----------
    recording : Recording
        Of one epoch of learning, such as raster.npz.
    """
    n, period = n_presentations(recording), recording.period
    per_step = {
        name: np.bincount(recording.step[recording.population == number], minlength=n * period).astype(np.int64)
        for number, name in enumerate(recording.populations)
    }

    def per_presentation(counts: np.ndarray) -> np.ndarray:
        return counts.reshape(n, period).sum(axis=1)

    layers = layers_of(recording)
    updates = {}
    for place, (before, behind) in enumerate(itertools.pairwise(layers), 1):
        streams = [per_step[name] for name in signed_streams(behind) if name in per_step]
        # all synapses from the neurons that fire to those with an error or gradient spike change
        updates[f"W{place}"] = per_presentation(per_step[before] * np.sum(streams, axis=0)) if streams else np.zeros(n, int)
    return Activity({name: per_presentation(counts) for name, counts in per_step.items()}, updates)


def answer(counts: np.ndarray, membrane: np.ndarray) -> np.ndarray:
    """The class with most output spikes; of several, the one with the largest mean membrane.

    Parameters
    ----------
    counts : int array of shape (n, n_out)
        Output spikes.
    membrane : float array of shape (n, n_out)
        Mean of V.

    Returns
    -------
    int array of shape (n,)
    """
    most = counts == counts.max(axis=1, keepdims=True)
    return np.argmax(np.where(most, membrane, -np.inf), axis=1)
