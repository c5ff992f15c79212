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
