"""A recording as one spike train per neuron."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from brianprop.analysis.runs.recording import Recording

__all__ = ["Trains", "spike_trains"]


#: Gives the targets and the answers of the samples of a recording of one epoch.
Read = Callable[[Recording], tuple[np.ndarray, np.ndarray]]


@dataclass(frozen=True)
class Trains:
    """A recording as one spike train per neuron.

    Attributes
    ----------
    units : tuple of (str, int)
        Population and index of each neuron, in the order of the recording's layout, silent ones included.
    times : tuple of float arrays
        Spike times of each neuron in ascending order [s].
    samples : float array of shape (n_samples, 2)
        Beginning and end of every recorded sample [s].
    training_epoch, turn : int array of shape (n_samples,)
        Epoch of the training to which the sample belongs, and its number in this epoch.
    target, answer : int array of shape (n_samples,)
        Class indices; -1 where they are not known.
    stop : float
        End of the last sample [s].
    dt : float
        Time step [s]; all times are multiples of it.
    """

    units: tuple[tuple[str, int], ...]
    times: tuple[np.ndarray, ...]
    samples: np.ndarray
    training_epoch: np.ndarray
    turn: np.ndarray
    target: np.ndarray
    answer: np.ndarray
    stop: float
    dt: float


def _unknown(recording: Recording) -> tuple[np.ndarray, np.ndarray]:
    unknown = np.full(recording.n_samples, -1)
    return unknown, unknown


def spike_trains(recording: Recording, dt: float, read: Read = _unknown) -> Trains:
    """Sort the spikes of a recording by neuron and time.

    Parameters
    ----------
    recording : Recording
    dt : float
        Time step [s].
    read : callable
        Gives the targets and the answers of the recorded samples of one epoch, see `analysis.systems.system.System.turns`.
    """
    epochs = np.unique(recording.epoch)
    # an epoch begins with the steps of the lead-in, which are negative, and lasts for whole turns
    lead = -int(min(recording.step.min(initial=0), 0))
    starts, sample_starts, training_epoch, turn, told, end = [], [], [], [], [], 0
    for epoch in epochs:
        of_epoch = recording.where(recording.epoch == epoch)
        n_samples = of_epoch.n_samples
        told.append(read(of_epoch))
        turn += range(n_samples)
        starts.append(end + lead)
        sample_starts += [starts[-1] + sample * recording.period for sample in range(n_samples)]
        training_epoch += [epoch] * n_samples
        end = starts[-1] + n_samples * recording.period
    step = recording.step + np.array(starts)[np.searchsorted(epochs, recording.epoch)]
    offsets = np.concatenate([[0], np.cumsum(recording.sizes)])
    unit = offsets[recording.population] + recording.neuron
    order = np.lexsort((step, unit))
    ends = np.searchsorted(unit[order], np.arange(offsets[-1] + 1))
    times = step[order] * dt
    begins = np.array(sample_starts, float) * dt
    return Trains(
        tuple((name, k) for name, size in zip(recording.populations, recording.sizes, strict=True) for k in range(size)),
        tuple(times[start:end] for start, end in itertools.pairwise(ends)),
        np.stack([begins, begins + recording.period * dt], axis=1),
        np.array(training_epoch, int),
        np.array(turn, int),
        np.concatenate([target for target, _ in told]),
        np.concatenate([answer for _, answer in told]),
        end * dt,
        dt,
    )
