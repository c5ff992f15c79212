#include <cstdint>
#include <cstring>
#include <vector>

// Vectors of GCC and Clang, which translate them for whatever the processor has.
typedef uint8_t Bytes __attribute__((vector_size(64)));
typedef uint16_t Words __attribute__((vector_size(64)));

struct Network {
    int64_t n_matrices;                  // L
    const int64_t *sizes, *strides;      // neurons of the layers 0 .. L, alone and padded to whole blocks
    int32_t fire, high;                  // half of theta / 2, half of theta
    int32_t up, down, bound;             // half of eta_plus, eta_minus, w_max
    int32_t learn_first;
};

const int bias = 128; // weights of all matrices but the last are stored as half the weight plus this, without a sign

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

// What a layer below the output does in a sample. `up` and `down` are the steps of its incoming weights.
struct Layer {
    explicit Layer(int64_t stride)
        : active(stride), drive(stride), fires(stride), box(stride), up(stride / 64), cap(stride / 64), down(stride / 64),
          low(stride / 64), signs(stride) {}
    int64_t n_active = 0;
    std::vector<int32_t> active, drive;
    std::vector<uint8_t> fires, box;
    std::vector<Bytes> up, cap, down, low;
    std::vector<int8_t> signs;
};

struct Workspace {
    explicit Workspace(const Network &net)
        : missed(net.sizes[net.n_matrices]), wrong(net.sizes[net.n_matrices]), gradient(net.strides[net.n_matrices - 1]) {
        for (int64_t l = 0; l < net.n_matrices; l++)
            layers.emplace_back(net.strides[l]);
    }
    std::vector<Layer> layers;
    std::vector<int32_t> missed, wrong;
    std::vector<int16_t> gradient;
};

static void list_active(Layer &layer, int64_t size) {
    int64_t n = 0;
    for (int64_t i = 0; i < size; i++) { // without a branch: spikes are hard to foresee
        layer.active[n] = i;
        n += layer.fires[i];
    }
    layer.n_active = n;
}

static void forward(const Network &net, uint8_t *const *w, const int8_t *w_last, const uint8_t *image, Workspace &work,
                    int32_t *drive) {
    const int64_t last = net.n_matrices - 1;
    std::memcpy(work.layers[0].fires.data(), image, net.sizes[0]);
    for (int64_t l = 1; l <= last; l++) {
        Layer &below = work.layers[l - 1], &layer = work.layers[l];
        list_active(below, net.sizes[l - 1]);
        const int64_t stride = net.strides[l];
        for (int64_t c = 0; c < stride; c += 64)
            sum_block(w[l - 1] + c, stride, below.active.data(), below.n_active, layer.drive.data() + c);
        for (int64_t j = 0; j < stride; j++)
            layer.fires[j] = layer.drive[j] > net.fire;
    }
    const uint8_t *fires = work.layers[last].fires.data();
    const int64_t stride = net.strides[last];
    for (int64_t k = 0; k < net.sizes[last + 1]; k++) {
        const int8_t *row = w_last + k * stride;
        int32_t sum = 0;
        for (int64_t j = 0; j < stride; j++)
            sum += fires[j] * row[j];
        drive[k] = sum;
    }
}

static void add_row(const int8_t *row, int64_t stride, int16_t *sum) {
    for (int64_t j = 0; j < stride; j++)
        sum[j] += row[j];
}

// The rows of the last matrix and of its negative are those of the output neurons: both lie transposed.
static void change_row(const Network &net, int8_t *row, int64_t stride, const uint8_t *fires, const int16_t change) {
    for (int64_t j = 0; j < stride; j++) {
        int16_t w = row[j] + change * fires[j];
        w = w > net.bound ? net.bound : w;
        row[j] = w < -net.bound ? -net.bound : w;
    }
}

// One of the two halves of the backward pass: the gradient of the last hidden layer through `onto` and `against`, and the
// change of both. A column of `step` is `change` where the gradient and the box gate are open.
static void backward(const Network &net, Workspace &work, int8_t *forth, int8_t *back, const std::vector<int32_t> &onto,
                     int64_t n_onto, const std::vector<int32_t> &against, int64_t n_against, int32_t change, uint8_t *step) {
    int16_t *gradient = work.gradient.data();
    Layer &layer = work.layers.back();
    const int64_t stride = net.strides[net.n_matrices - 1];
    const auto learn = [&] {
        for (int64_t e = 0; e < n_onto; e++)
            change_row(net, forth + onto[e] * stride, stride, layer.fires.data(), change);
        for (int64_t e = 0; e < n_against; e++)
            change_row(net, back + against[e] * stride, stride, layer.fires.data(), change);
    };
    if (net.learn_first)
        learn();
    std::memset(gradient, 0, stride * sizeof(int16_t));
    for (int64_t e = 0; e < n_onto; e++)
        add_row(forth + onto[e] * stride, stride, gradient);
    for (int64_t e = 0; e < n_against; e++)
        add_row(back + against[e] * stride, stride, gradient);
    if (!net.learn_first)
        learn();
    const uint8_t size = change < 0 ? -change : change;
    const uint8_t *box = layer.box.data();
    for (int64_t j = 0; j < stride; j++)
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

static uint8_t *bytes(std::vector<Bytes> &blocks) { return reinterpret_cast<uint8_t *>(blocks.data()); }

// A matrix to hidden layer `l` learns: clip(clip(w + up) - down) in bytes; to bound w before the step keeps the sum in range.
static void learn_rows(const Network &net, Workspace &work, int64_t l, uint8_t *w) {
    const Layer &below = work.layers[l - 1];
    Layer &layer = work.layers[l];
    const int64_t stride = net.strides[l], blocks = stride / 64;
    for (int64_t b = 0; b < blocks; b++) {
        layer.cap[b] = (uint8_t)(bias + net.bound) - layer.up[b];
        layer.low[b] = layer.down[b] + (uint8_t)(bias - net.bound);
    }
    for (int64_t b = 0; b < blocks; b++) {
        const Bytes add = layer.up[b], cap = layer.cap[b], take = layer.down[b], low = layer.low[b];
        if (!any(add, take))
            continue;
        for (int64_t k = 0; k < below.n_active; k++) {
            uint8_t *place = w + below.active[k] * stride + 64 * b;
            Bytes w;
            std::memcpy(&w, place, 64);
            w = (w < cap ? w : cap) + add;
            w = (w > low ? w : low) - take;
            std::memcpy(place, &w, 64);
        }
    }
}

// The gradient of hidden layer `l - 1` from that of layer `l`. With equal steps the negated copy of a matrix is its negative
// and no neuron has both signs, so that one signed sum over the weights of before the sample, or after it, gives both signs.
static void send_back(const Network &net, Workspace &work, int64_t l, const uint8_t *w) {
    Layer &below = work.layers[l - 1], &layer = work.layers[l];
    const int64_t stride = net.strides[l];
    const uint8_t *up = bytes(layer.up), *down = bytes(layer.down);
    int8_t *signs = layer.signs.data();
    int32_t offset = 0;
    for (int64_t j = 0; j < stride; j++) {
        signs[j] = (up[j] != 0) - (down[j] != 0);
        offset += bias * signs[j];
    }
    uint8_t *up_below = bytes(below.up), *down_below = bytes(below.down);
    for (int64_t i = 0; i < net.sizes[l - 1]; i++) {
        int32_t sum = 0;
        if (below.box[i]) {
            const uint8_t *row = w + i * stride;
            for (int64_t j = 0; j < stride; j++)
                sum += row[j] * signs[j];
            sum -= offset;
        }
        up_below[i] = sum > 0 ? net.up : 0;
        down_below[i] = sum < 0 ? net.down : 0;
    }
}

extern "C" void infer(const Network *net, uint8_t *const *w, const int8_t *w_last, const uint8_t *images,
                      const int32_t *order, int64_t n, int32_t *drive) {
    Workspace work(*net);
    for (int64_t sample = 0; sample < n; sample++)
        forward(*net, w, w_last, images + order[sample] * net->sizes[0], work, drive + sample * net->sizes[net->n_matrices]);
}

extern "C" void train(const Network *net, uint8_t *const *w, int8_t *w_last, int8_t *w_last_neg, const uint8_t *images,
                      const uint8_t *targets, const int32_t *order, int64_t n, int32_t *drives) {
    Workspace work(*net);
    const int64_t last = net->n_matrices - 1, n_out = net->sizes[last + 1];
    for (int64_t sample = 0; sample < n; sample++) {
        int32_t *drive = drives + sample * n_out;
        forward(*net, w, w_last, images + order[sample] * net->sizes[0], work, drive);
        const uint8_t *target = targets + order[sample] * n_out;
        int64_t n_missed = 0, n_wrong = 0;
        for (int64_t k = 0; k < n_out; k++) {
            const bool fires = drive[k] > net->fire;
            if (target[k] && !fires && drive[k] > 0)
                work.missed[n_missed++] = k;
            if (fires && !target[k] && drive[k] <= net->high)
                work.wrong[n_wrong++] = k;
        }
        if (!n_missed && !n_wrong)
            continue;
        for (int64_t l = 1; l <= last; l++) {
            Layer &layer = work.layers[l];
            for (int64_t j = 0; j < net->strides[l]; j++)
                layer.box[j] = layer.drive[j] > 0 && layer.drive[j] <= net->high;
        }
        uint8_t *up = bytes(work.layers[last].up), *down = bytes(work.layers[last].down);
        backward(*net, work, w_last, w_last_neg, work.missed, n_missed, work.wrong, n_wrong, net->up, up);
        backward(*net, work, w_last, w_last_neg, work.wrong, n_wrong, work.missed, n_missed, -net->down, down);
        for (int64_t l = last; l >= 1; l--) {
            if (l > 1 && !net->learn_first)
                send_back(*net, work, l, w[l - 1]);
            learn_rows(*net, work, l, w[l - 1]);
            if (l > 1 && net->learn_first)
                send_back(*net, work, l, w[l - 1]);
        }
    }
}
