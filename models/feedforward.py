"""The part of a spiking network that answers, as layers without memory: what other simulators are given of it.

In each time step a layer computes v = W^T s + b - noise U from the spikes s of the layer before it, where U is uniform in
0 ... 1 and drawn for each neuron. A neuron fires where v > threshold. Nothing outlasts the step.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

__all__ = ["Layer"]


@dataclass(frozen=True)
class Layer:
    """A layer of neurons and the synapses that lead to it.

    Attributes
    ----------
    name : str
        Its population.
    matrix : str
        Name of the weights.
    weights : float array of shape (n_pre, n_post)
    bias : float array of shape (n_post,)
    threshold : float array of shape (n_post,), or None
        None where the layer does not fire: its v is the answer.
    noise : float
        Factor of the uniform random numbers; 0 for neurons that draw none.
    """

    name: str
    matrix: str
    weights: np.ndarray
    bias: np.ndarray
    threshold: np.ndarray | None
    noise: float = 0.0
