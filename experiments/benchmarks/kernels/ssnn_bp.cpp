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
