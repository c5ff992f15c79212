"""A hand-written kernel of the nBP algorithm: the yardstick of the benchmark, and nothing else.

It carries out what the circuit computes, from the equations of Renner et al. 2024 (Results, "The spiking backpropagation
algorithm"), without neurons, phases or a gating chain: the least that a processor has to do for one sample. Its answers and
weights equal those of `models.reference`, bit for bit.

What makes it fast: weights are even and at most 254, so that half of each fits a byte; bytes are summed two at a time in
16-bit lanes; only rows of active inputs are read; a sample without an error changes nothing, and one with errors changes
only blocks of columns that have a gradient.
"""

from __future__ import annotations

import ctypes
import hashlib
import os
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from models.cache import cache_root
from models.device import compiler, processor
from models.errors import BuildError, ParameterError
from models.nbp import NBP

__all__ = ["Answers", "Kernel"]

#: Columns of a weight matrix are padded to whole blocks of this many bytes, one cache line each.
BLOCK = 64

#: Added to halved weights of W1, so that their bytes have no sign; `bias` of the C++ source.
BIAS = 128

#: As for the circuit, but for -ffast-math: there are no floating point numbers here, and a library that is linked with it
#: makes the whole process that loads it flush subnormal numbers to zero.
FLAGS = ("-O3", "-march=native", "-std=c++17", "-shared", "-fPIC")

SOURCE = r"""
#include <cstdint>
#include <cstring>
#include <vector>

// Vectors of GCC and Clang, which translate them for whatever the processor has.
typedef uint8_t Bytes __attribute__((vector_size(64)));
typedef uint16_t Words __attribute__((vector_size(64)));

struct Network {
    int64_t n_in, n_hid, n_out, stride; // stride: hidden neurons, padded to whole blocks
    int32_t fire, high;                 // half of theta / 2, half of theta
    int32_t up, down, bound;            // half of eta_plus, eta_minus, w_max
    int32_t learn_first;
};

const int bias = 128; // W1 is stored as half the weight plus this, without a sign

// Sums a block of 64 columns over the rows of active inputs. A vector of 32 words holds 64 bytes: the odd ones are the upper
// halves; the even ones are what is left of the sum without them, modulo 2^16, which holds 256 summands.
static void sum_block(const uint8_t *w, int64_t stride, const int32_t *active, int64_t n, int32_t *drive) {
    std::memset(drive, 0, 64 * sizeof(int32_t));
    for (int64_t first = 0; first < n; first += 256) {
        const int64_t last = n - first < 256 ? n : first + 256;
        Words all = {}, odd = {};
        for (int64_t k = first; k < last; k++) {
            Words row;
            std::memcpy(&row, w + active[k] * stride, 64);
            all += row;
            odd += row >> 8;
        }
        const Words even = all - (odd << 8);
        const int32_t offset = bias * (last - first);
        for (int lane = 0; lane < 32; lane++) {
            drive[2 * lane] += even[lane] - offset;
            drive[2 * lane + 1] += odd[lane] - offset;
        }
    }
}

struct Workspace {
    explicit Workspace(const Network &net)
        : active(net.n_in), missed(net.n_out), wrong(net.n_out), hidden(net.stride), fires(net.stride), box(net.stride),
          gradient(net.stride), up(net.stride / 64), cap(net.stride / 64), down(net.stride / 64), low(net.stride / 64) {}
    std::vector<int32_t> active, missed, wrong, hidden;
    std::vector<uint8_t> fires, box;
    std::vector<int16_t> gradient;
    std::vector<Bytes> up, cap, down, low;
};

static int64_t forward(const Network &net, const uint8_t *w1, const int8_t *w2, const uint8_t *image, Workspace &work,
                       int32_t *drive) {
    int64_t n = 0;
    for (int64_t i = 0; i < net.n_in; i++) { // without a branch: pixels are hard to foresee
        work.active[n] = i;
        n += image[i];
    }
    int32_t *hidden = work.hidden.data();
    for (int64_t c = 0; c < net.stride; c += 64)
        sum_block(w1 + c, net.stride, work.active.data(), n, hidden + c);
    uint8_t *fires = work.fires.data();
    for (int64_t j = 0; j < net.stride; j++)
        fires[j] = hidden[j] > net.fire;
    for (int64_t k = 0; k < net.n_out; k++) {
        const int8_t *row = w2 + k * net.stride;
        int32_t sum = 0;
        for (int64_t j = 0; j < net.stride; j++)
            sum += fires[j] * row[j];
        drive[k] = sum;
    }
    return n;
}

static void add_row(const Network &net, const int8_t *row, int16_t *sum) {
    for (int64_t j = 0; j < net.stride; j++)
        sum[j] += row[j];
}

// The rows of W2 and of its negative are those of the output neurons: both lie transposed.
static void change_row(const Network &net, int8_t *row, const uint8_t *fires, const int16_t change) {
    for (int64_t j = 0; j < net.stride; j++) {
        int16_t w = row[j] + change * fires[j];
        w = w > net.bound ? net.bound : w;
        row[j] = w < -net.bound ? -net.bound : w;
    }
}

// One of the two halves of the backward pass: the gradient d1 of the hidden layer through `onto` and `against`, and the
// change of both. A column of `step` is `change` where d1 and the box gate are open.
static void backward(const Network &net, Workspace &work, int8_t *forth, int8_t *back, const std::vector<int32_t> &onto,
                     int64_t n_onto, const std::vector<int32_t> &against, int64_t n_against, int32_t change, uint8_t *step) {
    int16_t *gradient = work.gradient.data();
    const auto learn = [&] {
        for (int64_t e = 0; e < n_onto; e++)
            change_row(net, forth + onto[e] * net.stride, work.fires.data(), change);
        for (int64_t e = 0; e < n_against; e++)
            change_row(net, back + against[e] * net.stride, work.fires.data(), change);
    };
    if (net.learn_first)
        learn();
    std::memset(gradient, 0, net.stride * sizeof(int16_t));
    for (int64_t e = 0; e < n_onto; e++)
        add_row(net, forth + onto[e] * net.stride, gradient);
    for (int64_t e = 0; e < n_against; e++)
        add_row(net, back + against[e] * net.stride, gradient);
    if (!net.learn_first)
        learn();
    const uint8_t size = change < 0 ? -change : change;
    const uint8_t *box = work.box.data();
    for (int64_t j = 0; j < net.stride; j++)
        step[j] = gradient[j] > 0 && box[j] ? size : 0;
}

static bool any(const Bytes &a, const Bytes &b) {
    const Bytes either = a | b;
    uint64_t words[8], all = 0;
    std::memcpy(words, &either, 64);
    for (const uint64_t word : words)
        all |= word;
    return all != 0;
}

extern "C" void infer(const Network *net, const uint8_t *w1, const int8_t *w2, const uint8_t *images, const int32_t *order,
                      int64_t n, int32_t *drive) {
    Workspace work(*net);
    for (int64_t sample = 0; sample < n; sample++)
        forward(*net, w1, w2, images + order[sample] * net->n_in, work, drive + sample * net->n_out);
}

extern "C" void train(const Network *net, uint8_t *w1, int8_t *w2, int8_t *w2_neg, const uint8_t *images,
                      const uint8_t *targets, const int32_t *order, int64_t n, int32_t *drives) {
    Workspace work(*net);
    const int64_t blocks = net->stride / 64;
    for (int64_t sample = 0; sample < n; sample++) {
        int32_t *drive = drives + sample * net->n_out;
        const int64_t n_active = forward(*net, w1, w2, images + order[sample] * net->n_in, work, drive);
        const uint8_t *target = targets + order[sample] * net->n_out;
        int64_t n_missed = 0, n_wrong = 0;
        for (int64_t k = 0; k < net->n_out; k++) {
            const bool fires = drive[k] > net->fire;
            if (target[k] && !fires && drive[k] > 0)
                work.missed[n_missed++] = k;
            if (fires && !target[k] && drive[k] <= net->high)
                work.wrong[n_wrong++] = k;
        }
        if (!n_missed && !n_wrong)
            continue;
        for (int64_t j = 0; j < net->stride; j++)
            work.box[j] = work.hidden[j] > 0 && work.hidden[j] <= net->high;
        uint8_t *up = reinterpret_cast<uint8_t *>(work.up.data()), *down = reinterpret_cast<uint8_t *>(work.down.data());
        backward(*net, work, w2, w2_neg, work.missed, n_missed, work.wrong, n_wrong, net->up, up);
        backward(*net, work, w2, w2_neg, work.wrong, n_wrong, work.missed, n_missed, -net->down, down);
        // clip(clip(w + up) - down) in bytes: to bound w before the step keeps the sum from leaving the range
        for (int64_t b = 0; b < blocks; b++) {
            work.cap[b] = (uint8_t)(bias + net->bound) - work.up[b];
            work.low[b] = work.down[b] + (uint8_t)(bias - net->bound);
        }
        for (int64_t b = 0; b < blocks; b++) {
            const Bytes add = work.up[b], cap = work.cap[b], take = work.down[b], low = work.low[b];
            if (!any(add, take))
                continue;
            for (int64_t k = 0; k < n_active; k++) {
                uint8_t *place = w1 + work.active[k] * net->stride + 64 * b;
                Bytes w;
                std::memcpy(&w, place, 64);
                w = (w < cap ? w : cap) + add;
                w = (w > low ? w : low) - take;
                std::memcpy(place, &w, 64);
            }
        }
    }
}
"""


class _Network(ctypes.Structure):
    """The C++ structure of that name."""

    _fields_ = (
        *((name, ctypes.c_int64) for name in ("n_in", "n_hid", "n_out", "stride")),
        *((name, ctypes.c_int32) for name in ("fire", "high", "up", "down", "bound", "learn_first")),
    )


@dataclass(frozen=True)
class Answers:
    """What a pass of the kernel gave.

    Attributes
    ----------
    weights : dict of int32 arrays
        ``W1`` (n_in, n_hid) and ``W2`` (n_hid, n_out) after the pass, in units of weight.
    drive : int array of shape (n_samples, n_out)
        Sum of the weights that arrive at the output layer.
    spikes : bool array of shape (n_samples, n_out)
        Whether it exceeds theta / 2.
    seconds : float
        Wall time of the loop over samples alone.
    """

    weights: dict[str, np.ndarray]
    drive: np.ndarray
    spikes: np.ndarray
    seconds: float


class Kernel:
    """The algorithm of nBP in integers, compiled on first use and kept in the cache folder.

    Parameters
    ----------
    parameters : NBP
        Sizes and rules. The kernel knows the published neuron without noise, and weights that fit a byte when halved.

    Raises
    ------
    ParameterError
        When the parameters ask for what the kernel does not do.
    BuildError
        When there is no C++ compiler, it fails, or the cache folder cannot be written.
    """

    def __init__(self, parameters: NBP):
        for name in ("weight_noise", "theta_spread"):
            if getattr(parameters, name):
                raise ParameterError(f"Parameter {name} = {getattr(parameters, name)!r} must be 0 for the hand-written kernel.")
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
        self.parameters = parameters
        theta = int(parameters.theta)
        self._network = _Network(
            parameters.n_in,
            parameters.n_hid,
            parameters.n_out,
            -(-parameters.n_hid // BLOCK) * BLOCK,
            theta // 2 // 2,
            theta // 2,
            parameters.eta_plus // 2,
            parameters.eta_minus // 2,
            parameters.w_max // 2,
            parameters.order == "learn-first",
        )
        self._library = ctypes.CDLL(str(_compiled()))

    def train(self, weights: dict[str, np.ndarray], images: np.ndarray, targets: np.ndarray, samples: np.ndarray) -> Answers:
        """Train on samples, one after another; the given weights stay as they are.

        Parameters
        ----------
        weights : dict
            ``W1`` (n_in, n_hid) and ``W2`` (n_hid, n_out), even whole numbers.
        images, targets : arrays of 0 and 1 of shape (n, n_in) and (n, n_out)
        samples : int array of shape (n_samples,)
            Rows of both, in the order of their presentation.
        """
        w1, w2 = self._biased(weights["W1"]), self._packed(weights["W2"].T)
        w2_neg = self._packed(-weights["W2"].T)
        images, targets, order = self._inputs(images, samples), _bytes(targets), np.ascontiguousarray(samples, np.int32)
        drive = np.zeros((len(order), self.parameters.n_out), np.int32)
        start = time.perf_counter()
        self._library.train(
            ctypes.byref(self._network),
            *(_pointer(array) for array in (w1, w2, w2_neg, images, targets, order)),
            ctypes.c_int64(len(order)),
            _pointer(drive),
        )
        seconds = time.perf_counter() - start
        columns = slice(0, self.parameters.n_hid)
        learned = {"W1": 2 * (w1[:, columns].astype(np.int32) - BIAS), "W2": 2 * w2[:, columns].T.astype(np.int32)}
        return self._answers(learned, drive, seconds)

    def infer(self, weights: dict[str, np.ndarray], images: np.ndarray, samples: np.ndarray) -> Answers:
        """Forward passes; parameters as for `train`."""
        w1, w2 = self._biased(weights["W1"]), self._packed(weights["W2"].T)
        images, order = self._inputs(images, samples), np.ascontiguousarray(samples, np.int32)
        drive = np.zeros((len(order), self.parameters.n_out), np.int32)
        start = time.perf_counter()
        self._library.infer(
            ctypes.byref(self._network),
            *(_pointer(array) for array in (w1, w2, images, order)),
            ctypes.c_int64(len(order)),
            _pointer(drive),
        )
        seconds = time.perf_counter() - start
        return self._answers(weights, drive, seconds)

    def _answers(self, weights, drive: np.ndarray, seconds: float) -> Answers:
        return Answers(weights, 2 * drive, drive > self._network.fire, seconds)

    def _packed(self, weights: np.ndarray) -> np.ndarray:
        """Halved weights as bytes, rows padded with zeros to whole blocks, the first row at the start of a cache line."""
        rows, columns = weights.shape
        size = rows * self._network.stride
        room = np.zeros(size + BLOCK, np.int8)
        start = -room.ctypes.data % BLOCK
        packed = room[start : start + size].reshape(rows, self._network.stride)
        packed[:, :columns] = weights // 2
        return packed

    def _biased(self, weights: np.ndarray) -> np.ndarray:
        """The same plus BIAS: bytes without a sign."""
        biased = self._packed(weights).view(np.uint8)
        biased += BIAS  # in place: a copy might not start at a cache line
        return biased

    def _inputs(self, images: np.ndarray, samples: np.ndarray) -> np.ndarray:
        # the compiled loop checks nothing
        if images.shape[1] != self.parameters.n_in or np.min(samples) < 0 or np.max(samples) >= len(images):
            raise ParameterError(
                f"Images of shape {images.shape} do not fit n_in = {self.parameters.n_in} or the samples asked for; match them."
            )
        return _bytes(images)


def _bytes(array: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(np.asarray(array) != 0, np.uint8)


def _pointer(array: np.ndarray) -> ctypes.c_void_p:
    return ctypes.c_void_p(array.ctypes.data)


def _compiled() -> Path:
    """The shared library, compiled if the cache does not hold it."""
    path, version = compiler()
    flags = [*FLAGS, *os.environ.get("CXXFLAGS", "").split()]
    key = hashlib.sha256(repr((SOURCE, flags, path, version, processor())).encode()).hexdigest()[:20]
    library = cache_root() / "kernels" / key / "kernel.so"
    if library.exists():
        return library
    try:
        library.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=library.parent) as folder:
            source, unfinished = Path(folder, "kernel.cpp"), Path(folder, "kernel.so")
            source.write_text(SOURCE)
            done = subprocess.run([path, *flags, source, "-o", unfinished], capture_output=True, text=True)
            if done.returncode:
                lines = [line for line in done.stderr.splitlines() if "error" in line.lower()]
                raise BuildError(
                    f"The hand-written kernel does not compile with {path}: {(lines or ['no message'])[0]}; check $CXX and "
                    "$CXXFLAGS."
                )
            unfinished.replace(library)
    except OSError as error:
        raise BuildError(
            f"Cannot write the cache {library.parent} ({error.strerror}); free space or set $BRIANPROP_CACHE to another folder."
        ) from error
    return library
