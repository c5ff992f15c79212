"""The kernel of nBP: the algorithm in integers, one sample after another.

From the equations of Renner et al. 2024, Results, "The spiking backpropagation algorithm"; answers and weights equal those of
the oracle in the tests, bit for bit. What makes it fast: weights are even and at most 254, so that half of each fits a byte;
bytes are summed two at a time in 16-bit lanes; only rows of active inputs are read; a sample without an error changes nothing,
and one with errors changes only blocks of columns that have a gradient.
"""

from __future__ import annotations

import ctypes
import time
from dataclasses import dataclass

import numpy as np

from brianprop.experiments.benchmarks.kernels.library import CACHE_LINE, aligned_zeros, load, padded, pointer
from brianprop.models.errors import ParameterError
from brianprop.models.nbp.parameters import NBP

__all__ = ["NBPAnswers", "NBPKernel"]

#: Added to halved weights of all matrices but the last, so that their bytes have no sign; `bias` of nbp.cpp.
BIAS = 128


class _Network(ctypes.Structure):
    """`Network` of nbp.cpp."""

    _fields_ = (
        ("n_matrices", ctypes.c_int64),
        *((name, ctypes.c_void_p) for name in ("sizes", "strides")),
        *((name, ctypes.c_int32) for name in ("fire", "high", "up", "down", "bound", "learn_first")),
    )


@dataclass(frozen=True)
class NBPAnswers:
    """Result of one pass over samples.

    Attributes
    ----------
    weights : dict of int32 arrays
        ``W1`` (n_in, n_1), ``W2`` (n_1, n_2), ... after the pass, in units of weight.
    drive : int array of shape (n_samples, n_out)
        Membrane of the output layer: the sum of the weights of active inputs.
    spikes : bool array of shape (n_samples, n_out)
        Whether the drive exceeds theta / 2.
    seconds : float
        Wall time of the loop over samples alone.
    """

    weights: dict[str, np.ndarray]
    drive: np.ndarray
    spikes: np.ndarray
    seconds: float


class NBPKernel:
    """The compiled kernel for one network.

    Parameters
    ----------
    parameters : NBP
        Layer sizes and rules: those of the published neuron, without noise, with even weights of at most 254.

    Raises
    ------
    ParameterError
        When the kernel does not support the parameters.
    BuildError
        When there is no C++ compiler, it fails, or the cache folder cannot be written.
    """

    def __init__(self, parameters: NBP):
        for name in ("weight_noise", "theta_spread"):
            if getattr(parameters, name):
                raise ParameterError(f"Parameter {name} = {getattr(parameters, name)!r} must be 0 for the hand-written kernel.")
        for name, published in (
            ("feedback", "transpose"),
            ("error", "box"),
            ("h_lower", 0),
            ("h_upper", 1),
            ("o_lower", 0),
            ("o_upper", 1),
        ):
            if getattr(parameters, name) != published:
                raise ParameterError(
                    f"Parameter {name} = {getattr(parameters, name)!r} must be {published!r} for the hand-written kernel, "
                    "which has the published rule alone."
                )
        if not parameters.tau_m == parameters.tau_s == parameters.dt:
            raise ParameterError(
                f"Parameters tau_m = {parameters.tau_m!r} and tau_s = {parameters.tau_s!r} must equal dt = {parameters.dt!r} "
                "for the hand-written kernel."
            )
        for name in ("theta", "w_max", "eta_plus", "eta_minus"):
            value = getattr(parameters, name)
            if value % 2 or (name != "theta" and value > 254):
                raise ParameterError(f"Parameter {name} = {value!r} must be even and fit a byte when halved in the kernel.")
        # the gradient of the hidden layer is summed in 16 bits
        if parameters.n_out > 256:
            raise ParameterError(f"Parameter n_out = {parameters.n_out!r} must be at most 256 for the hand-written kernel.")
        if len(parameters.hidden) > 1 and parameters.eta_plus != parameters.eta_minus:
            raise ParameterError(
                f"Parameter eta_plus = {parameters.eta_plus!r} must equal eta_minus = {parameters.eta_minus!r} for the "
                "hand-written kernel of more than one hidden layer."
            )
        self.parameters = parameters
        self._sizes = np.array(parameters.sizes, np.int64)
        self._strides = np.array([padded(size, CACHE_LINE) for size in parameters.sizes], np.int64)
        theta = int(parameters.theta)
        self._network = _Network(
            len(parameters.sizes) - 1,
            pointer(self._sizes),
            pointer(self._strides),
            theta // 2 // 2,
            theta // 2,
            parameters.eta_plus // 2,
            parameters.eta_minus // 2,
            parameters.w_max // 2,
            parameters.order == "learn-first",
        )
        self._library = load("nbp.cpp")

    def train(self, weights: dict[str, np.ndarray], images: np.ndarray, targets: np.ndarray, samples: np.ndarray) -> NBPAnswers:
        """Train on samples, one after another, from the given weights, which are not changed.

        Parameters
        ----------
        weights : dict
            ``W1`` (n_in, n_1), ``W2`` (n_1, n_2), ..., even whole numbers.
        images : array of 0 and 1 of shape (n, n_in)
        targets : array of 0 and 1 of shape (n, n_out)
            One-hot labels.
        samples : int array of shape (n_samples,)
            Rows of both, in the order in which they are presented.

        Raises
        ------
        ParameterError
            When the images do not fit the network or a sample is no row of them.
        """
        last = len(self._sizes) - 1
        w, w_last = self._loaded(weights)
        w_last_neg = _packed(-weights[f"W{last}"].T)
        images, targets, order = self._inputs(images, samples), _flags(targets), np.ascontiguousarray(samples, np.int32)
        drive = np.zeros((len(order), self.parameters.n_out), np.int32)
        start = time.perf_counter()
        self._library.train(
            ctypes.byref(self._network),
            _pointers(w),
            *(pointer(array) for array in (w_last, w_last_neg, images, targets, order)),
            ctypes.c_int64(len(order)),
            pointer(drive),
        )
        seconds = time.perf_counter() - start
        sizes = self.parameters.sizes
        learned = {f"W{layer}": 2 * (matrix[:, : sizes[layer]].astype(np.int32) - BIAS) for layer, matrix in enumerate(w, 1)}
        learned[f"W{last}"] = 2 * w_last[:, : sizes[last - 1]].T.astype(np.int32)
        return self._answers(learned, drive, seconds)

    def infer(self, weights: dict[str, np.ndarray], images: np.ndarray, samples: np.ndarray) -> NBPAnswers:
        """Forward passes without learning; parameters and errors as for `train`."""
        w, w_last = self._loaded(weights)
        images, order = self._inputs(images, samples), np.ascontiguousarray(samples, np.int32)
        drive = np.zeros((len(order), self.parameters.n_out), np.int32)
        start = time.perf_counter()
        self._library.infer(
            ctypes.byref(self._network),
            _pointers(w),
            *(pointer(array) for array in (w_last, images, order)),
            ctypes.c_int64(len(order)),
            pointer(drive),
        )
        seconds = time.perf_counter() - start
        return self._answers(weights, drive, seconds)

    def _answers(self, weights, drive: np.ndarray, seconds: float) -> NBPAnswers:
        return NBPAnswers(weights, 2 * drive, drive > self._network.fire, seconds)

    def _loaded(self, weights: dict[str, np.ndarray]) -> tuple[list[np.ndarray], np.ndarray]:
        """All matrices but the last as halved bytes plus `BIAS`, without a sign; and the last one, transposed, with a sign."""
        last = len(self._sizes) - 1
        biased = [_packed(weights[f"W{layer}"]).view(np.uint8) for layer in range(1, last)]
        for matrix in biased:
            matrix += BIAS  # in place: a copy might not start at a cache line
        return biased, _packed(weights[f"W{last}"].T)

    def _inputs(self, images: np.ndarray, samples: np.ndarray) -> np.ndarray:
        # the compiled loop does no checks
        if images.shape[1] != self.parameters.n_in or np.min(samples) < 0 or np.max(samples) >= len(images):
            raise ParameterError(
                f"Images of shape {images.shape} do not fit n_in = {self.parameters.n_in} or the samples asked for; match them."
            )
        return _flags(images)


def _packed(weights: np.ndarray) -> np.ndarray:
    """Halved weights as signed bytes; each row is padded with zeros to whole cache lines."""
    rows, columns = weights.shape
    packed = aligned_zeros((rows, padded(columns, CACHE_LINE)), np.int8)
    packed[:, :columns] = weights // 2
    return packed


def _pointers(arrays: list[np.ndarray]) -> ctypes.Array:
    """The addresses of several arrays, as C takes them."""
    return (ctypes.c_void_p * max(len(arrays), 1))(*(array.ctypes.data for array in arrays))


def _flags(array: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(np.asarray(array) != 0, np.uint8)
