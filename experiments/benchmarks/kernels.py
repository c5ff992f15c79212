"""Hand-written kernels of the algorithms: the yardsticks of the benchmark, and nothing else.

They carry out what the circuits compute without neurons, pathways or a schedule: the least that a processor has to do for one
sample.

`Kernel`, nBP: from the equations of Renner et al. 2024 (Results, "The spiking backpropagation algorithm"). Its answers and
weights equal those of `models.nbp.oracle`, bit for bit. What makes it fast: weights are even and at most 254, so that half of
each fits a byte; bytes are summed two at a time in 16-bit lanes; only rows of active inputs are read; a sample without an
error changes nothing, and one with errors changes only blocks of columns that have a gradient.

`SSNNKernel`, SSNN-BP: the rules of `models.ssnn_bp.oracle`, in single precision, with random numbers of its own, so that
it equals the oracle in distribution. What makes it fast: only rows of neurons that fire are read, a block of columns at a time
in registers; sixteen random numbers at once, and none for black pixels; nothing is computed backward in steps without an error.
"""

from __future__ import annotations

import ctypes
import hashlib
import math
import os
import shlex
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from brianprop.models.cache import private_folder
from brianprop.models.errors import ParameterError
from brianprop.models.nbp.parameters import NBP
from brianprop.models.simulation.compiler import compiler, in_parallel, instruction_set
from brianprop.models.simulation.scratch import Scratch
from brianprop.models.ssnn_bp.oracle import Scaling

__all__ = ["Answers", "Kernel", "SSNNAnswers", "SSNNKernel"]

#: Columns of a weight matrix are padded to whole blocks of this many bytes, one cache line each.
BLOCK = 64

#: Added to halved weights of W1, so that their bytes have no sign; `bias` of the C++ source.
BIAS = 128

#: Numbers in single precision per vector; rows of SSNN-BP are padded to whole vectors.
LANES = 16

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
        for name, published in (("error", "box"), ("h_lower", 0), ("h_upper", 1), ("o_lower", 0), ("o_upper", 1)):
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
        self._library = ctypes.CDLL(str(_compiled(SOURCE)))

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


SSNN_SOURCE = r"""
#include <cmath>
#include <cstdint>
#include <cstring>
#include <vector>

// Vectors of GCC and Clang, which translate them for whatever the processor has.
typedef float Floats __attribute__((vector_size(64)));
typedef uint32_t Words __attribute__((vector_size(64)));
const int64_t lanes = 16;

struct Layer {
    float *w, *b;              // (n_pre, stride) and (stride); b may be null
    int64_t n_pre, n, stride;  // stride: columns, padded with zeros to whole vectors
    float c, eta, eta_bias, decay;
};

struct Network {
    int64_t n_layers, steps;
    float theta, w_max, dropout;
    int32_t hidden_mean, output_mean, backward_mean, bounded;
};

// xoshiro128+ (D. Blackman, S. Vigna, ACM Trans. Math. Softw. 47, 36, 2021), one generator per lane
struct Random {
    Words s[4];
    explicit Random(uint64_t seed) {
        for (auto &words : s)
            for (int64_t lane = 0; lane < lanes; lane++) { // splitmix64
                uint64_t z = (seed += 0x9e3779b97f4a7c15);
                z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
                z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
                words[lane] = (z ^ (z >> 31)) >> 32;
            }
    }
    void fill(uint32_t *to, int64_t n) { // n is a multiple of the lanes
        for (int64_t i = 0; i < n; i += lanes) {
            const Words sum = s[0] + s[3], t = s[1] << 9;
            s[2] ^= s[0];
            s[3] ^= s[1];
            s[1] ^= s[2];
            s[0] ^= s[3];
            s[2] ^= t;
            s[3] = (s[3] << 11) | (s[3] >> 21);
            std::memcpy(to + i, &sum, sizeof sum);
        }
    }
};

// in [0, 1): the lowest bits of xoshiro128+ are its weak ones
static inline float unit(uint32_t bits) { return (int32_t)(bits >> 8) * 0x1p-24f; }

static int64_t padded(int64_t n) { return (n + lanes - 1) / lanes * lanes; }

// What one layer of neurons holds during a presentation.
struct Neurons {
    explicit Neurons(int64_t n)
        : u(padded(n)), z(padded(n)), back(padded(n)), mean(padded(n)), kept(padded(n)), sign(padded(n)), random(padded(n)),
          spikes(padded(n)), gradient(padded(n)) {}
    std::vector<float> u, z, back, mean, kept, sign; // sign: of the gradient spikes, in their order
    std::vector<uint32_t> random;
    std::vector<int32_t> spikes, gradient; // indices of those that fire
    int64_t n_spikes = 0, n_gradient = 0;
};

struct Workspace {
    Workspace(const Network &net, const Layer *layers)
        : pixel(layers->n_pre), input(layers->n_pre), level(layers->n_pre), random(padded(layers->n_pre)),
          chance(layers[net.n_layers - 1].stride) {
        for (int64_t l = 0; l < net.n_layers; l++)
            neurons.emplace_back(layers[l].n);
    }
    std::vector<int32_t> pixel, input; // those that are not black, those that fire
    std::vector<uint32_t> level, random;
    std::vector<float> chance;
    std::vector<Neurons> neurons;
    int64_t n_pixels, n_input, n_luck = 0;
    uint32_t luck[lanes];
};

template <int vectors>
static void sum_columns(const float *w, int64_t stride, const int32_t *rows, int64_t n, float *z) {
    Floats sum[vectors] = {};
    for (int64_t r = 0; r < n; r++)
        for (int v = 0; v < vectors; v++) {
            Floats part;
            std::memcpy(&part, w + rows[r] * stride + v * lanes, sizeof part);
            sum[v] += part;
        }
    std::memcpy(z, sum, sizeof sum);
}

// z_j = sum of w_ij over the rows i that fire, plus the bias
static void sum_rows(const Layer &layer, const int32_t *rows, int64_t n, float scale, float *z) {
    int64_t column = 0;
    for (; column + 8 * lanes <= layer.stride; column += 8 * lanes)
        sum_columns<8>(layer.w + column, layer.stride, rows, n, z + column);
    for (; column + 4 * lanes <= layer.stride; column += 4 * lanes)
        sum_columns<4>(layer.w + column, layer.stride, rows, n, z + column);
    for (; column < layer.stride; column += lanes)
        sum_columns<1>(layer.w + column, layer.stride, rows, n, z + column);
    if (scale != 1)
        for (int64_t j = 0; j < layer.stride; j++)
            z[j] *= scale;
    if (layer.b)
        for (int64_t j = 0; j < layer.stride; j++)
            z[j] += layer.b[j];
}

// The mean of the steps so far, or this step's value alone
static void take(float *u, const float *z, int64_t n, bool mean, int64_t k) {
    const float share = mean ? 1.0f / k : 1.0f;
    for (int64_t j = 0; j < n; j++)
        u[j] = mean ? u[j] + share * (z[j] - u[j]) : z[j];
}

static void present(Workspace &work, const uint8_t *image, int64_t n_in) {
    work.n_pixels = 0;
    for (int64_t i = 0; i < n_in; i++) {
        work.pixel[work.n_pixels] = i;
        work.level[work.n_pixels] = image[i] * 0x1010101u; // 2^32 / 255 for each grey level
        work.n_pixels += image[i] != 0;
    }
    for (auto &neurons : work.neurons) {
        std::fill(neurons.u.begin(), neurons.u.end(), 0.0f);
        std::fill(neurons.mean.begin(), neurons.mean.end(), 0.0f);
    }
}

// One step of the forward pass; returns the winner. work.chance holds softmax(V).
static int64_t forward(const Network &net, const Layer *layers, Workspace &work, Random &random, int64_t k, bool drop) {
    const float scale = drop ? 1 / (1 - net.dropout) : 1, per_theta = 1 / net.theta;
    random.fill(work.random.data(), padded(work.n_pixels));
    work.n_input = 0;
    for (int64_t a = 0; a < work.n_pixels; a++) { // without a branch: chance cannot be foreseen
        work.input[work.n_input] = work.pixel[a];
        work.n_input += work.random[a] <= work.level[a];
    }
    const int32_t *rows = work.input.data();
    int64_t n = work.n_input;
    const int64_t last = net.n_layers - 1;
    for (int64_t l = 0; l < net.n_layers; l++) {
        Neurons &neurons = work.neurons[l];
        sum_rows(layers[l], rows, n, l ? scale : 1, neurons.z.data());
        float *u = neurons.u.data();
        take(u, neurons.z.data(), layers[l].stride, l < last ? net.hidden_mean : net.output_mean, k);
        if (l == last)
            break;
        random.fill(neurons.random.data(), layers[l].stride);
        const uint32_t *bits = neurons.random.data();
        float *fires = neurons.z.data();
        for (int64_t j = 0; j < layers[l].stride; j++)
            fires[j] = u[j] * per_theta - unit(bits[j]);
        if (drop)
            for (int64_t j = 0; j < layers[l].stride; j++)
                fires[j] = neurons.kept[j] ? fires[j] : 0;
        int32_t *spikes = neurons.spikes.data();
        n = 0;
        for (int32_t j = 0; j < layers[l].n; j++) {
            spikes[n] = j;
            n += fires[j] > 0;
        }
        neurons.n_spikes = n;
        rows = spikes;
    }
    const int64_t n_out = layers[last].n;
    const float *v = work.neurons[last].u.data();
    float *chance = work.chance.data(), top = v[0], sum = 0;
    for (int64_t o = 1; o < n_out; o++)
        top = v[o] > top ? v[o] : top;
    for (int64_t o = 0; o < n_out; o++)
        sum += chance[o] = std::exp(v[o] - top);
    if (!work.n_luck)
        random.fill(work.luck, work.n_luck = lanes);
    float place = unit(work.luck[--work.n_luck]) * sum;
    int64_t winner = 0;
    for (int64_t o = 0; o < n_out - 1; o++) {
        place -= chance[o];
        winner += place >= 0;
    }
    for (int64_t o = 0; o < n_out; o++)
        chance[o] /= sum;
    return winner;
}

static void learn(const Network &net, const Layer &layer, float factor, const int32_t *rows, int64_t n_rows,
                  const int32_t *columns, const float *sign, int64_t n_columns) {
    const float bound = net.w_max;
    for (int64_t e = 0; e < n_columns; e++) {
        const float step = factor * layer.eta * sign[e];
        float *column = layer.w + columns[e];
        for (int64_t r = 0; r < n_rows; r++) {
            float &w = column[rows[r] * layer.stride];
            w += step;
            if (net.bounded)
                w = w > bound ? bound : w < -bound ? -bound : w;
        }
        if (layer.b) {
            float &b = layer.b[columns[e]];
            b += factor * layer.eta_bias * sign[e];
            if (net.bounded)
                b = b > bound ? bound : b < -bound ? -bound : b;
        }
    }
}

// counts: input; per hidden layer spikes; error spikes; per hidden layer gradient spikes; per layer coincidences
extern "C" void train(const Network *net, const Layer *layers, const uint8_t *images, const int32_t *labels,
                      const int32_t *order, int64_t n, int64_t done, int64_t total, uint64_t seed, int64_t *counts) {
    Workspace work(*net, layers);
    Random random(seed);
    const int64_t last = net->n_layers - 1, n_in = layers->n_pre;
    const bool drop = net->dropout > 0;
    const float scale = drop ? 1 / (1 - net->dropout) : 1;
    for (int64_t sample = 0; sample < n; sample++) {
        const float factor = total ? 1 - (float)((double)(done + sample) / total) : 1;
        present(work, images + order[sample] * n_in, n_in);
        if (drop)
            for (int64_t l = 0; l < last; l++) {
                Neurons &neurons = work.neurons[l];
                random.fill(neurons.random.data(), layers[l].stride);
                for (int64_t j = 0; j < layers[l].stride; j++)
                    neurons.kept[j] = unit(neurons.random[j]) >= net->dropout;
            }
        const int32_t target = labels[order[sample]];
        for (int64_t k = 1; k <= net->steps; k++) {
            const int64_t winner = forward(*net, layers, work, random, k, drop);
            counts[0] += work.n_input;
            for (int64_t l = 0; l < last; l++)
                counts[1 + l] += work.neurons[l].n_spikes;
            Neurons &output = work.neurons[last];
            output.n_gradient = winner == target ? 0 : 2;
            output.gradient[0] = target;
            output.sign[0] = 1;
            if (layers[last].n > 1) {
                output.gradient[1] = winner;
                output.sign[1] = -1;
            }
            counts[1 + last] += output.n_gradient;
            if (!output.n_gradient && !net->backward_mean)
                continue;
            for (int64_t l = last - 1; l >= 0; l--) {
                Neurons &here = work.neurons[l];
                const Neurons &next = work.neurons[l + 1];
                const Layer &above = layers[l + 1];
                here.n_gradient = 0;
                if (!next.n_gradient && !net->backward_mean)
                    continue;
                float *back = here.back.data();
                std::memset(back, 0, here.back.size() * sizeof(float));
                for (int64_t e = 0; e < next.n_gradient; e++) {
                    const float sign = next.sign[e] * scale;
                    const float *column = above.w + next.gradient[e];
                    for (int64_t j = 0; j < layers[l].n; j++)
                        back[j] += sign * column[j * above.stride];
                }
                float *mean = here.mean.data();
                take(mean, back, layers[l].stride, net->backward_mean, k);
                random.fill(here.random.data(), layers[l].stride);
                const float *u = here.u.data();
                const uint32_t *bits = here.random.data();
                const float c = layers[l].c, theta = net->theta;
                // the drive where the neuron fires a gradient spike, else 0
                for (int64_t j = 0; j < layers[l].stride; j++) {
                    const float drive = c * mean[j], size = drive < 0 ? -drive : drive;
                    const bool fires = u[j] > 0 && u[j] < theta && unit(bits[j]) < size;
                    back[j] = fires ? drive : 0;
                }
                if (drop)
                    for (int64_t j = 0; j < layers[l].stride; j++)
                        back[j] *= here.kept[j];
                int64_t m = 0;
                for (int32_t j = 0; j < layers[l].n; j++) {
                    here.gradient[m] = j;
                    here.sign[m] = back[j] > 0 ? 1 : -1;
                    m += back[j] != 0;
                }
                here.n_gradient = m;
                counts[2 + last + l] += m;
            }
            for (int64_t l = 0; l <= last; l++) {
                const Neurons &post = work.neurons[l];
                const int32_t *rows = l ? work.neurons[l - 1].spikes.data() : work.input.data();
                const int64_t n_rows = l ? work.neurons[l - 1].n_spikes : work.n_input;
                learn(*net, layers[l], factor, rows, n_rows, post.gradient.data(), post.sign.data(), post.n_gradient);
                counts[2 + 2 * last + l] += post.n_gradient * n_rows;
            }
        }
        for (int64_t l = 0; l <= last; l++)
            if (layers[l].decay > 0) {
                const float share = 1 - factor * layers[l].decay;
                for (int64_t i = 0; i < layers[l].n_pre * layers[l].stride; i++)
                    layers[l].w[i] *= share;
            }
    }
}

extern "C" void infer(const Network *net, const Layer *layers, const uint8_t *images, const int32_t *order, int64_t n,
                      uint64_t seed, int32_t *output, float *membrane, float *rates) {
    Workspace work(*net, layers);
    Random random(seed);
    const int64_t last = net->n_layers - 1, n_in = layers->n_pre, n_out = layers[last].n;
    for (int64_t sample = 0; sample < n; sample++, output += n_out, membrane += n_out, rates += n_out) {
        present(work, images + order[sample] * n_in, n_in);
        for (int64_t k = 1; k <= net->steps; k++) {
            output[forward(*net, layers, work, random, k, false)]++;
            for (int64_t o = 0; o < n_out; o++) {
                membrane[o] += work.neurons[last].u[o] / net->steps;
                rates[o] += work.chance[o] / net->steps;
            }
        }
    }
}
"""


class _Layer(ctypes.Structure):
    """`Layer` of the C++ source."""

    _fields_ = (
        *((name, ctypes.c_void_p) for name in ("w", "b")),
        *((name, ctypes.c_int64) for name in ("n_pre", "n", "stride")),
        *((name, ctypes.c_float) for name in ("c", "eta", "eta_bias", "decay")),
    )


class _SSNNNetwork(ctypes.Structure):
    """`Network` of the C++ source."""

    _fields_ = (
        *((name, ctypes.c_int64) for name in ("n_layers", "steps")),
        *((name, ctypes.c_float) for name in ("theta", "w_max", "dropout")),
        *((name, ctypes.c_int32) for name in ("hidden_mean", "output_mean", "backward_mean", "bounded")),
    )


@dataclass(frozen=True)
class SSNNAnswers:
    """What a pass of the SSNN-BP kernel gave; fields that the pass does not fill are empty.

    Attributes
    ----------
    weights : dict of float32 arrays
        ``W1`` (n_in, n_1) ... and biases, after the pass.
    counts : dict of int
        Of a training pass, sums over all samples and steps: spikes of ``input``, ``hidden1`` ..., ``errors`` (both streams),
        ``d1`` ... (both streams), and coincidences at ``W1`` ....
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

    def accuracies(self, labels: np.ndarray) -> dict[str, float]:
        """``accuracy_spikes`` (most output spikes, ties by the mean of V) and ``accuracy_rates`` (mean of softmax(V))."""
        tied = self.output == self.output.max(axis=1, keepdims=True)
        by_spikes = np.argmax(np.where(tied, self.membrane, -np.inf), axis=1)
        by_rates = np.argmax(self.rates, axis=1)
        return {
            "accuracy_spikes": float(np.mean(by_spikes == labels)),
            "accuracy_rates": float(np.mean(by_rates == labels)),
        }


class SSNNKernel:
    """SSNN-BP in single precision, compiled on first use and kept in the cache folder. Rules as in `models.ssnn_bp.oracle`.

    Parameters
    ----------
    steps, theta, hidden, output, backward, w_max, dropout
        As for `models.ssnn_bp.oracle.present`.
    constants : Scaling, optional
        Gradient and step sizes of the first sample; needed to train.
    decay : sequence of L + 1 floats
        Learning rate times weight decay of each layer, at the first sample.

    Raises
    ------
    ParameterError
        When weights, images or labels do not fit each other.
    BuildError
        When there is no C++ compiler, it fails, or the cache folder cannot be written.
    """

    def __init__(
        self,
        *,
        steps: int,
        theta: float,
        constants: Scaling | None = None,
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
        self._library = ctypes.CDLL(str(_compiled(SSNN_SOURCE)))

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
        """Train on samples, one after another; the given weights stay as they are.

        Parameters
        ----------
        weights : dict
            ``W1`` (n_in, n_1) ... ``W<L+1>`` (n_L, n_out), and ``b1`` (n_1,) ... for layers that have a bias.
        images : uint8 array of shape (n, n_in)
            Grey values; a pixel fires with probability value / 255.
        labels : int array of shape (n,)
        samples : int array of shape (n_samples,)
            Rows of both, in the order of their presentation.
        seed : int
            Of the random numbers of this pass.
        done, total : int
            Samples before this pass, and samples N of the whole training, at whose end the steps reach 0; constant if
            ``total`` is 0.
        """
        network, layers, held, n_out = self._packed(weights)
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
            *(_pointer(array) for array in (images, labels, order)),
            *(ctypes.c_int64(number) for number in (len(order), done, total)),
            ctypes.c_uint64(seed),
            _pointer(counts),
        )
        seconds = time.perf_counter() - start
        learned = {name: array[..., : weights[name].shape[-1]].copy() for name, array in held.items()}
        empty = np.empty((0, n_out))
        return SSNNAnswers(learned, dict(zip(names, counts.tolist(), strict=True)), empty, empty, empty, seconds)

    def infer(self, weights: dict[str, np.ndarray], images: np.ndarray, samples: np.ndarray, *, seed: int) -> SSNNAnswers:
        """Forward passes without dropout; parameters as for `train`."""
        network, layers, _, n_out = self._packed(weights)
        images, order = self._inputs(images, samples, weights)
        output = np.zeros((len(order), n_out), np.int32)
        membrane, rates = np.zeros((len(order), n_out), np.float32), np.zeros((len(order), n_out), np.float32)
        start = time.perf_counter()
        self._library.infer(
            ctypes.byref(network),
            layers,
            *(_pointer(array) for array in (images, order)),
            ctypes.c_int64(len(order)),
            ctypes.c_uint64(seed),
            *(_pointer(array) for array in (output, membrane, rates)),
        )
        return SSNNAnswers(weights, {}, output, membrane, rates, time.perf_counter() - start)

    def _packed(self, weights: dict[str, np.ndarray]):
        """The structures, and the arrays that they point to: rows padded with zeros to whole vectors."""
        n_layers = sum(name.startswith("W") for name in weights)
        held = {}
        for name, w in weights.items():
            stride = -(-w.shape[-1] // LANES) * LANES
            held[name] = _aligned((*w.shape[:-1], stride))
            held[name][..., : w.shape[-1]] = w
        network = _SSNNNetwork(
            n_layers, self.steps, self.theta, min(self.w_max, 3e38), self.dropout, *self._means, math.isfinite(self.w_max)
        )
        layers = (_Layer * n_layers)()
        for layer in range(n_layers):
            matrix, bias = held[f"W{layer + 1}"], held.get(f"b{layer + 1}")
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
        return network, layers, held, weights[f"W{n_layers}"].shape[1]

    def _constants(self, layer: int, n_layers: int) -> tuple[float, float, float, float]:
        if self.constants is None:
            return 0.0, 0.0, 0.0, 0.0
        c = self.constants.c[layer] if layer < n_layers - 1 else 0.0
        return c, self.constants.eta[layer], self.constants.eta_bias[layer], self.decay[layer] if self.decay else 0.0

    def _inputs(self, images: np.ndarray, samples: np.ndarray, weights) -> tuple[np.ndarray, np.ndarray]:
        # the compiled loop checks nothing
        if images.dtype != np.uint8 or images.shape[1] != len(weights["W1"]):
            raise ParameterError(f"Images of shape {images.shape} must be uint8 and have {len(weights['W1'])} pixels, as W1.")
        if np.min(samples) < 0 or np.max(samples) >= len(images):
            raise ParameterError(f"Samples must be rows of the {len(images)} images; the largest is {np.max(samples)}.")
        return np.ascontiguousarray(images), np.ascontiguousarray(samples, np.int32)


def _aligned(shape: tuple[int, ...]) -> np.ndarray:
    """Zeros in single precision whose first number starts a cache line."""
    size = math.prod(shape)
    room = np.zeros(size + LANES, np.float32)
    start = -room.ctypes.data % BLOCK // room.itemsize
    return room[start : start + size].reshape(shape)


def _bytes(array: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(np.asarray(array) != 0, np.uint8)


def _pointer(array: np.ndarray) -> ctypes.c_void_p:
    return ctypes.c_void_p(array.ctypes.data)


def _compiled(code: str) -> Path:
    """The shared library of a C++ source, compiled if the cache does not hold it."""
    command, version = compiler()
    flags = [*FLAGS, *shlex.split(os.environ.get("CXXFLAGS", ""))]
    key = hashlib.sha256(repr((code, flags, command, version, instruction_set())).encode()).hexdigest()[:20]
    library = private_folder("kernels") / f"{key}.so"
    if library.exists():
        return library
    with Scratch(library.parent) as folder:
        (folder / "kernel.cpp").write_text(code)
        in_parallel([[*command, *flags, "kernel.cpp", "-o", "kernel.so"]], folder, "check $CXX and $CXXFLAGS.")
        (folder / "kernel.so").replace(library)
    return library
