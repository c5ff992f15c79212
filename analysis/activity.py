"""What the spikes of SSNN-BP tell: its answer, and the spikes and weight updates of each sample."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np

from brianprop.analysis.runs.recording import Recording

__all__ = ["Activity", "answer", "count", "layers_of", "most_spikes", "signed_streams", "targets", "words"]

#: Suffixes of the two streams of error or gradient spikes of a layer.
SIGNS = ("plus", "minus")


@dataclass(frozen=True)
class Activity:
    """Counts for each sample.

    Attributes
    ----------
    spikes : dict of int arrays of shape (n_samples,)
        Spikes by population: the layers, and the streams such as ``hidden1 plus``.
    updates : dict of int arrays of shape (n_samples,)
        Updates by weight matrix, W1, W2, ...: coincidences, in one time step, of a spike of the presynaptic layer and an error
        or gradient spike of the postsynaptic layer. They count also if a bound of the weights then clips the change.
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


def count(recording: Recording) -> Activity:
    """Count the spikes and the weight updates of every sample.

    Parameters
    ----------
    recording : Recording
        Of one epoch of learning, such as raster.npz.
    """
    per_step = {name: recording.spikes_per_step(name) for name in recording.populations}
    updates = {}
    for number, (pre, post) in enumerate(itertools.pairwise(layers_of(recording)), 1):
        # all synapses from the neurons that fire to those with an error or gradient spike change
        errors = sum(recording.spikes_per_step(name) for name in signed_streams(post))
        updates[f"W{number}"] = (per_step[pre] * errors).sum(axis=1)
    return Activity({name: counts.sum(axis=1) for name, counts in per_step.items()}, updates)


def targets(recording: Recording) -> np.ndarray:
    """The target of every sample, derived from its spikes.

    The target has an error spike of positive sign in each step in which another output wins. Without any such spike, it has won
    all steps.

    Parameters
    ----------
    recording : Recording
        Of learning, in one epoch.

    Returns
    -------
    int array of shape (n_samples,)
    """
    target = np.full(recording.n_samples, -1)
    for name in ("output", "output plus"):  # the second one overrules the first
        spikes = recording.of(name)
        target[spikes.sample] = spikes.neuron
    return target


def most_spikes(recording: Recording) -> np.ndarray:
    """The output with most spikes in each sample, the first of several; -1 where none fired. Int array of shape (n_samples,).

    Parameters
    ----------
    recording : Recording
        Of one epoch.
    """
    spikes, size = recording.of("output"), recording.size("output")
    spikes = spikes.where(spikes.step >= 0)
    counts = np.bincount(spikes.sample * size + spikes.neuron, minlength=recording.n_samples * size).reshape(-1, size)
    return np.where(counts.any(axis=1), counts.argmax(axis=1), -1)


def answer(counts: np.ndarray, membrane: np.ndarray) -> np.ndarray:
    """The class with most output spikes; among equals, the one with the largest mean membrane potential.

    Parameters
    ----------
    counts : int array of shape (n, n_out)
        Output spikes.
    membrane : float array of shape (n, n_out)
        Mean membrane potential V.

    Returns
    -------
    int array of shape (n,)
    """
    most = counts == counts.max(axis=1, keepdims=True)
    return np.argmax(np.where(most, membrane, -np.inf), axis=1)
