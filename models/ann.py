"""The ANN that SSNN-BP is compared with: the same architecture, initial weights and regularisation, trained by backpropagation.

Rectified linear units (optionally clipped), softmax, and cross-entropy; stochastic gradient descent with one sample per step,
and learning rates that fall linearly to 0 over the whole training, or stay, as in SSNN-BP.

Why it is written here: scikit-learn's MLPClassifier has no dropout, no learning rate per layer, and none that falls within an
epoch; libraries that have these take hundreds of megabytes. With one sample per step, only products of a matrix and a vector
are needed, which NumPy and BLAS compute as fast as memory allows.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from brianprop.models.errors import ParameterError
from brianprop.models.parameters import Checked
from brianprop.models.weights import Array

__all__ = ["ANN", "infer", "initial_weights", "train_epoch"]

Weights = dict[str, np.ndarray]

#: Samples between two calls of `progress`.
REPORT = 1000


@dataclass(frozen=True)
class ANN(Checked):
    """Sizes and rules of the ANN. The default sizes are those for MNIST.

    Raises
    ------
    ParameterError
        When a value is not finite, out of range, or contradicts another.
    """

    n_in: int = 784
    """Inputs: the pixels of an image."""
    hidden: tuple[int, ...] = (200,)
    """Hidden neurons, one number per hidden layer."""
    n_out: int = 10
    """Outputs, one per class."""
    rates: tuple[float, ...] = (0.05, 0.1)
    """Learning rates at the first sample, one per layer of weights."""
    clip: float = math.inf
    """Upper bound of a hidden activation: theta for the network that SSNN-BP approximates, infinite for plain ReLU."""
    dropout: float = 0.0
    """Probability of dropping a hidden neuron for one sample; the others count 1 / (1 - dropout) times."""
    weight_decay: float = 0.0
    """Weight decay, once per sample: a weight (not a bias) falls by the learning rate times this times the weight."""
    bias: bool = False
    """Whether hidden and output neurons have biases, which begin at 0."""
    annealed: bool = True
    """Whether learning rates fall linearly to 0 over the whole training."""

    def __post_init__(self):
        self._require_numbers(infinite=("clip",))
        for name in ("n_in", "hidden", "n_out"):
            value = getattr(self, name)
            sizes = value if isinstance(value, tuple) else (value,)
            self._require(name, bool(sizes) and all(size >= 1 for size in sizes), "whole and at least 1")
        n_layers = len(self.hidden) + 1
        self._require("rates", len(self.rates) == n_layers, f"{n_layers} numbers, one per layer of weights")
        self._require("rates", all(rate >= 0 for rate in self.rates), "at least 0")
        self._require("clip", self.clip > 0, "greater than 0")
        self._require("dropout", 0 <= self.dropout < 1, "at least 0 and less than 1")
        self._require("weight_decay", self.weight_decay >= 0, "at least 0")

    @property
    def sizes(self) -> tuple[int, ...]:
        """Neurons per layer, input first."""
        return (self.n_in, *self.hidden, self.n_out)

    @property
    def arrays(self) -> dict[str, Array]:
        """Shape and type of each array of weights and biases; see `initial_weights`."""
        arrays = {}
        for layer, shape in enumerate(itertools.pairwise(self.sizes), 1):
            arrays[f"W{layer}"] = Array(shape, np.float32)
            if self.bias:
                arrays[f"b{layer}"] = Array(shape[1:], np.float32)
        return arrays


def initial_weights(parameters: ANN, seed: int) -> Weights:
    """Draw ``W1`` (n_in, n_1) ... ``W<L+1>`` (n_L, n_out), normal with variance 2 / n_pre; biases ``b1`` (n_1,) ... are 0.

    float32. The same seed gives the same weights, whether there are biases or not. (K. He, X. Zhang, S. Ren, J. Sun,
    Proc. ICCV 2015, 1026.)
    """
    rng = np.random.default_rng([seed, 0])
    sizes, weights = parameters.sizes, {}
    for layer, (n_pre, n_post) in enumerate(itertools.pairwise(sizes), 1):
        weights[f"W{layer}"] = rng.normal(0.0, math.sqrt(2 / n_pre), (n_pre, n_post)).astype(np.float32)
        if parameters.bias:
            weights[f"b{layer}"] = np.zeros(n_post, np.float32)
    return weights


def train_epoch(
    parameters: ANN,
    weights: Weights,
    images: np.ndarray,
    labels: np.ndarray,
    order: np.ndarray,
    done: int,
    total: int,
    rng: np.random.Generator,
    progress: Callable[[int], None] | None = None,
) -> tuple[Weights, np.ndarray]:
    """Train on samples, one after another. The given weights are not changed.

    Where they are annealed, the learning rates of sample n of the whole training are multiplied by 1 - n / total. A training
    that is stopped after an epoch can be resumed with bit-identical results, given the same `done` and the `rng` of the next
    epoch.

    Parameters
    ----------
    parameters : ANN
    weights : dict of float32 arrays
        As from `initial_weights`.
    images : uint8 array of shape (n, n_in)
        Grey values; an input is value / 255.
    labels : int array of shape (n,)
    order : int array of shape (n_samples,)
        Rows of both, in the order of the turns.
    done, total : int
        Samples before this epoch, and samples of the whole training.
    rng : numpy Generator
        Draws the dropout masks.
    progress : callable, optional
        Called with the number of samples done in this epoch, every 1000 samples and at the end.

    Returns
    -------
    weights : dict of float32 arrays
    logits : float32 array of shape (n_samples, n_out)
        Output for each sample before the update by it, with dropout.

    Raises
    ------
    ParameterError
        When images or labels do not fit the network, or the samples exceed `total`.
    """
    # not at the top of the file, since it takes a quarter of a second
    from scipy.linalg import blas

    sger: Any = getattr(blas, "sger")  # noqa: B009 - SciPy's types lack it

    _check(parameters, images)
    if np.min(labels) < 0 or np.max(labels) >= parameters.n_out:
        raise ParameterError(
            f"Labels from {np.min(labels)} to {np.max(labels)} must be class indices below {parameters.n_out}."
        )
    if not 0 <= done <= total - len(order):
        raise ParameterError(
            f"Samples done = {done} and {len(order)} more must not exceed total = {total}, where the rates are 0."
        )
    learned = {name: np.array(w, np.float32, order="C") for name, w in weights.items()}
    last = len(parameters.hidden)
    matrices = [learned[f"W{layer}"] for layer in range(1, last + 2)]
    biases: list[Any] = [learned.get(f"b{layer}") for layer in range(1, last + 2)]
    # SciPy updates an array in place only in Fortran order, which these views have
    transposed = [matrix.T for matrix in matrices]
    shrinks, drops = parameters.weight_decay > 0, parameters.dropout > 0
    clip = np.float32(parameters.clip)
    kept_scale = np.float32(1 / (1 - parameters.dropout))
    scale = np.float32(1 / 255)
    logits = np.empty((len(order), parameters.n_out), np.float32)
    for n_learned, sample in enumerate(order):
        activity: list[Any] = [images[sample] * scale]
        boxes: list[Any] = []
        for layer in range(last):
            drive = activity[-1] @ matrices[layer]
            if biases[layer] is not None:
                drive += biases[layer]
            box = (drive > 0) & (drive < clip)
            activation = np.minimum(np.maximum(drive, 0), clip)
            if drops:
                mask = (rng.random(len(drive), np.float32) >= parameters.dropout) * kept_scale
                activation *= mask
                box = box * mask
            activity.append(activation)
            boxes.append(box)
        output = activity[-1] @ matrices[last]
        if biases[last] is not None:
            output += biases[last]
        logits[n_learned] = output
        # delta: the negative gradient of the cross-entropy with respect to the drive
        chance = np.exp(output - output.max())
        delta: Any = chance * np.float32(-1 / chance.sum())
        delta[labels[sample]] += 1
        share = 1 - (done + n_learned) / total if parameters.annealed else 1
        for layer in range(last, -1, -1):
            rate = parameters.rates[layer] * share
            below = (matrices[layer] @ delta) * boxes[layer - 1] if layer else None
            if shrinks:
                matrices[layer] *= np.float32(1 - rate * parameters.weight_decay)
            sger(rate, delta, activity[layer], a=transposed[layer], overwrite_a=True)
            if biases[layer] is not None:
                biases[layer] += np.float32(rate) * delta
            delta = below
        if progress is not None and (n_learned + 1) % REPORT == 0:
            progress(n_learned + 1)
    if progress is not None:
        progress(len(order))
    return learned, logits


def infer(parameters: ANN, weights: Weights, images: np.ndarray) -> np.ndarray:
    """Forward pass without dropout.

    Parameters
    ----------
    parameters : ANN
    weights : dict of float32 arrays
        As from `initial_weights`.
    images : uint8 array of shape (n, n_in)

    Returns
    -------
    float32 array of shape (n, n_out)
        Logits: the drive of the softmax. Their argmax is the answer.

    Raises
    ------
    ParameterError
        When the images do not fit the network.
    """
    _check(parameters, images)
    last = len(parameters.hidden)
    logits = np.empty((len(images), parameters.n_out), np.float32)
    # in parts, since all of MNIST in float32 would take 190 MB
    for start in range(0, len(images), 4096):
        part = slice(start, start + 4096)
        activity = images[part] * np.float32(1 / 255)
        for layer in range(1, last + 2):
            drive = activity @ weights[f"W{layer}"]
            if f"b{layer}" in weights:
                drive += weights[f"b{layer}"]
            activity = np.clip(drive, 0, np.float32(parameters.clip))
        logits[part] = drive
    return logits


def _check(parameters: ANN, images: np.ndarray) -> None:
    if images.dtype != np.uint8 or images.ndim != 2 or images.shape[1] != parameters.n_in:
        raise ParameterError(
            f"Images of shape {images.shape} and type {images.dtype} must be grey values (n, {parameters.n_in}), uint8."
        )
