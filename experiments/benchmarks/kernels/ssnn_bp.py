"""The kernel of SSNN-BP in single precision, one sample after another.

Rules as in the oracle of the tests, which the kernel equals in distribution: it draws random numbers of its own. What makes it
fast: only rows of neurons that fire are read, a block of columns at a time in registers; sixteen random numbers are drawn at
once, and none for black pixels; nothing is computed backward in steps without an error.
"""

from __future__ import annotations

import ctypes
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from brianprop.experiments.benchmarks.kernels.library import aligned_zeros, load, padded, pointer
from brianprop.models.errors import ParameterError

__all__ = ["SSNNAnswers", "SSNNConstants", "SSNNKernel"]

#: Numbers in single precision per vector; rows are padded to whole vectors.
LANES = 16


class _Layer(ctypes.Structure):
    """`Layer` of ssnn_bp.cpp."""

    _fields_ = (
        *((name, ctypes.c_void_p) for name in ("w", "b")),
        *((name, ctypes.c_int64) for name in ("n_pre", "n", "stride")),
        *((name, ctypes.c_float) for name in ("c", "eta", "eta_bias", "decay")),
    )


class _Network(ctypes.Structure):
    """`Network` of ssnn_bp.cpp."""

    _fields_ = (
        *((name, ctypes.c_int64) for name in ("n_layers", "steps")),
        *((name, ctypes.c_float) for name in ("theta", "w_max", "dropout")),
        *((name, ctypes.c_int32) for name in ("hidden_mean", "output_mean", "backward_mean", "bounded")),
    )


@dataclass(frozen=True)
class SSNNConstants:
    """Gradient and step sizes of the first sample; see `models.ssnn_bp` for their derivation.

    Attributes
    ----------
    c : sequence of L floats
        Probability of a gradient spike per unit of backward drive, for each hidden layer. With dropout, the kernel itself
        scales the backward drive by 1 / (1 - p).
    eta : sequence of L + 1 floats
        Change of a weight by one coincidence, for each layer of weights.
    eta_bias : sequence of L + 1 floats
        The same for biases.
    """

    c: Sequence[float]
    eta: Sequence[float]
    eta_bias: Sequence[float]


@dataclass(frozen=True)
class SSNNAnswers:
    """Result of one pass over samples; fields that the pass does not fill are empty.

    Attributes
    ----------
    weights : dict of float32 arrays
        ``W1`` (n_in, n_1) ... and biases, after the pass.
    counts : dict of int
        Of a training pass, sums over all samples and steps: spikes of ``input``, ``hidden1`` ..., ``errors`` (both signs),
        ``d1`` ... (gradient spikes of both signs), and coincidences at ``W1`` ....
    output : int array of shape (n_samples, n_out)
        Of an inference pass: output spikes over the T steps.
    membrane, rates : float32 arrays of shape (n_samples, n_out)
        Means of V and of softmax(V) over the T steps.
    seconds : float
        Wall time of the loop over samples alone.
    """

    weights: dict[str, np.ndarray]
    counts: dict[str, int]
    output: np.ndarray
    membrane: np.ndarray
    rates: np.ndarray
    seconds: float


class SSNNKernel:
    """The compiled kernel for one set of rules; layer sizes are those of the weights.

    Parameters
    ----------
    steps : int
        Time steps T of a sample.
    theta : float
        Clip of the hidden drive.
    constants : SSNNConstants, optional
        Needed to train.
    hidden, output, backward : {"memoryless", "mean"}
        Whether a drive lasts one step or is the mean since the sample began, see `models.ssnn_bp`.
    w_max : float
        Bound of the weights.
    dropout : float
        Probability of dropping a hidden neuron from a sample.
    decay : sequence of L + 1 floats
        Learning rate times weight decay of each layer, at the first sample.

    Raises
    ------
    ParameterError
        When a drive is neither of the two.
    BuildError
        When there is no C++ compiler, it fails, or the cache folder cannot be written.
    """

    def __init__(
        self,
        *,
        steps: int,
        theta: float,
        constants: SSNNConstants | None = None,
        hidden: str = "memoryless",
        output: str = "memoryless",
        backward: str = "memoryless",
        w_max: float = math.inf,
        dropout: float = 0.0,
        decay: Sequence[float] = (),
    ):
        for name, value in (("hidden", hidden), ("output", output), ("backward", backward)):
            if value not in ("memoryless", "mean"):
                raise ParameterError(f"Parameter {name} = {value!r} must be memoryless or mean for the hand-written kernel.")
        self.steps, self.theta, self.constants, self.decay = steps, theta, constants, tuple(decay)
        self.w_max, self.dropout = w_max, dropout
        self._means = tuple(rule == "mean" for rule in (hidden, output, backward))
        self._library = load("ssnn_bp.cpp")

    def train(
        self,
        weights: dict[str, np.ndarray],
        images: np.ndarray,
        labels: np.ndarray,
        samples: np.ndarray,
        *,
        seed: int,
        done: int = 0,
        total: int = 0,
    ) -> SSNNAnswers:
        """Train on samples, one after another, from the given weights, which are not changed.

        Parameters
        ----------
        weights : dict
            ``W1`` (n_in, n_1) ... ``W<L+1>`` (n_L, n_out), and ``b1`` (n_1,) ... for layers that have a bias.
        images : uint8 array of shape (n, n_in)
            Grey values; a pixel fires with probability value / 255.
        labels : int array of shape (n,)
        samples : int array of shape (n_samples,)
            Rows of both, in the order in which they are presented.
        seed : int
            Of the random numbers of this pass.
        done, total : int
            Samples before this pass, and samples of the whole training, at whose end the step sizes reach 0. They are
            constant if ``total`` is 0.

        Raises
        ------
        ParameterError
            When weights, images, labels and constants do not fit each other.
        """
        network, layers, padded_arrays, n_out = self._packed(weights)
        images, order = self._inputs(images, samples, weights)
        labels = np.ascontiguousarray(labels, np.int32)
        if self.constants is None or len(self.constants.eta) != len(layers) or len(self.decay) not in (0, len(layers)):
            raise ParameterError(f"Parameters constants and decay must have one entry per layer, {len(layers)}, to train.")
        if len(labels) != len(images) or np.min(labels) < 0 or np.max(labels) >= n_out:
            raise ParameterError(f"Labels must be {len(images)} class indices from 0 to {n_out - 1}; match them to the images.")
        if total and not 0 <= done <= total - len(order):
            raise ParameterError(
                f"Samples done = {done} and {len(order)} more must not exceed total = {total}, where steps are 0."
            )
        hidden = range(1, len(layers))
        names = [
            "input",
            *(f"hidden{layer}" for layer in hidden),
            "errors",
            *(f"d{layer}" for layer in hidden),
            *(f"W{layer + 1}" for layer in range(len(layers))),
        ]
        counts = np.zeros(len(names), np.int64)
        start = time.perf_counter()
        self._library.train(
            ctypes.byref(network),
            layers,
            *(pointer(array) for array in (images, labels, order)),
            *(ctypes.c_int64(number) for number in (len(order), done, total)),
            ctypes.c_uint64(seed),
            pointer(counts),
        )
        seconds = time.perf_counter() - start
        learned = {name: array[..., : weights[name].shape[-1]].copy() for name, array in padded_arrays.items()}
        empty = np.empty((0, n_out))
        return SSNNAnswers(learned, dict(zip(names, counts.tolist(), strict=True)), empty, empty, empty, seconds)

    def infer(self, weights: dict[str, np.ndarray], images: np.ndarray, samples: np.ndarray, *, seed: int) -> SSNNAnswers:
        """Forward passes without dropout and learning; parameters and errors as for `train`."""
        network, layers, _, n_out = self._packed(weights)
        images, order = self._inputs(images, samples, weights)
        output = np.zeros((len(order), n_out), np.int32)
        membrane, rates = np.zeros((len(order), n_out), np.float32), np.zeros((len(order), n_out), np.float32)
        start = time.perf_counter()
        self._library.infer(
            ctypes.byref(network),
            layers,
            *(pointer(array) for array in (images, order)),
            ctypes.c_int64(len(order)),
            ctypes.c_uint64(seed),
            *(pointer(array) for array in (output, membrane, rates)),
        )
        return SSNNAnswers(weights, {}, output, membrane, rates, time.perf_counter() - start)

    def _packed(self, weights: dict[str, np.ndarray]) -> tuple[_Network, ctypes.Array[_Layer], dict[str, np.ndarray], int]:
        """The C++ structures, the arrays that they point to (rows padded with zeros to whole vectors), and the output size."""
        n_layers = sum(name.startswith("W") for name in weights)
        padded_arrays = {}
        for name, w in weights.items():
            padded_arrays[name] = aligned_zeros((*w.shape[:-1], padded(w.shape[-1], LANES)), np.float32)
            padded_arrays[name][..., : w.shape[-1]] = w
        network = _Network(
            n_layers, self.steps, self.theta, min(self.w_max, 3e38), self.dropout, *self._means, math.isfinite(self.w_max)
        )
        layers = (_Layer * n_layers)()
        for layer in range(n_layers):
            matrix, bias = padded_arrays[f"W{layer + 1}"], padded_arrays.get(f"b{layer + 1}")
            if layer and len(matrix) != weights[f"W{layer}"].shape[1]:
                raise ParameterError(
                    f"Weights W{layer + 1} have {len(matrix)} rows but W{layer} has {weights[f'W{layer}'].shape[1]} columns."
                )
            layers[layer] = _Layer(
                matrix.ctypes.data,
                bias.ctypes.data if bias is not None else None,
                len(matrix),
                weights[f"W{layer + 1}"].shape[1],
                matrix.shape[1],
                *self._constants(layer, n_layers),
            )
        return network, layers, padded_arrays, weights[f"W{n_layers}"].shape[1]

    def _constants(self, layer: int, n_layers: int) -> tuple[float, float, float, float]:
        if self.constants is None:
            return 0.0, 0.0, 0.0, 0.0
        c = self.constants.c[layer] if layer < n_layers - 1 else 0.0
        return c, self.constants.eta[layer], self.constants.eta_bias[layer], self.decay[layer] if self.decay else 0.0

    def _inputs(self, images: np.ndarray, samples: np.ndarray, weights: dict[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
        # the compiled loop does no checks
        if images.dtype != np.uint8 or images.shape[1] != len(weights["W1"]):
            raise ParameterError(f"Images of shape {images.shape} must be uint8 and have {len(weights['W1'])} pixels, as W1.")
        if np.min(samples) < 0 or np.max(samples) >= len(images):
            raise ParameterError(f"Samples must be rows of the {len(images)} images; the largest is {np.max(samples)}.")
        return np.ascontiguousarray(images), np.ascontiguousarray(samples, np.int32)
