// Synapses of a pathway as stretches that lie side by side in memory and end on neurons that lie side by side:
//
//   row        one neuron to consecutive neurons: a row of an all-to-all matrix, a one-to-all projection
//   diagonal   consecutive neurons to consecutive neurons: a one-to-one projection
//
// A stretch is looped over without indirection, so the compiler can vectorise it; and no queue of single synapses is needed,
// since stretches with a delay wait in a ring as a whole.
#ifndef BRIANPROP_RUNS_H
#define BRIANPROP_RUNS_H

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <utility>
#include <vector>
#ifdef __AVX512F__
#include <immintrin.h>
#elif defined(__SSE2__)
#include <emmintrin.h>
#endif

// Functions that walk over synapses are not copied to each place that calls them: that saves half the time of compilation.
#define BRIANPROP_APART __attribute__((noinline))

namespace brianprop {

// Brian2's own with the bounds as they are, where that converts them to double: the comparisons are the same.
template <class T, class Low, class High> inline T clip(const T value, const Low low, const High high) {
    return value < low ? (T)low : value > high ? (T)high : value;
}

struct Run {
    int32_t neuron;  // the neuron that spikes, or the first of them
    int32_t other;   // first neuron at the other end
    int64_t synapse; // first synapse
    int64_t stride;  // from one synapse to the next
    int32_t length;
    int32_t delay; // in time steps
    bool diagonal;
    bool uniform; // whether its synapses are known to be the same
    double most;  // largest weight, where its synapses were compared
};

// Writes the indices of the flags that are set, counted from `start`; returns their number.
inline int32_t compact(const int32_t *flags, const int32_t n, int32_t *indices, const int32_t start = 0) {
    int32_t count = 0, i = 0;
#if defined(__AVX512F__)
    // without a branch for each flag: where spikes fall is hard to foresee
    const __m512i sixteen = _mm512_set1_epi32(16);
    __m512i index = _mm512_add_epi32(_mm512_set1_epi32(start),
                                     _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15));
    for (; i + 16 <= n; i += 16) {
        const __m512i here = _mm512_loadu_si512(flags + i);
        const __mmask16 set = _mm512_test_epi32_mask(here, here);
        const int32_t found = __builtin_popcount(set);
        _mm512_mask_storeu_epi32(indices + count, (1u << found) - 1, _mm512_maskz_compress_epi32(set, index));
        index = _mm512_add_epi32(index, sixteen);
        count += found;
    }
#elif defined(__SSE2__)
    for (; i + 4 <= n; i += 4) {
        const __m128i four = _mm_loadu_si128(reinterpret_cast<const __m128i *>(flags + i));
        uint32_t bits = 0xf & ~_mm_movemask_ps(_mm_castsi128_ps(_mm_cmpeq_epi32(four, _mm_setzero_si128())));
        for (; bits; bits &= bits - 1)
            indices[count++] = start + i + __builtin_ctz(bits);
    }
#endif
    for (; i < n; i++)
        if (flags[i])
            indices[count++] = start + i;
    return count;
}

// Delays in steps: all of them, or one where all are the same variable.
template <class T> std::vector<int32_t> in_steps(const std::vector<T> &delays, const double dt) {
    std::vector<int32_t> steps(delays.size());
    for (size_t k = 0; k < delays.size(); k++)
        steps[k] = std::lround(delays[k] / dt);
    return steps;
}

class Runs {
  public:
    bool ready = false;

    // `spiking` and `other`: the neurons at the two ends of each synapse. One delay [steps] for all, or one for each.
    void build(const std::vector<int32_t> &spiking, const std::vector<int32_t> &other, const std::vector<int32_t> &delays,
               int32_t start, int32_t stop);

    bool compared = false;

    // Looks at the constants of the synapses, stretch by stretch.
    template <class Look> void compare(Look &&look) {
        compared = true;
        each(rows_, look);
        for (std::vector<Run> &range : diagonals_)
            each(range, look);
    }

    bool delayed() const { return ring_.size() > 1; }

    // Whether all synapses are rows without delay to the same neurons, one after the other.
    bool matrix() const { return matrix_; }
    const std::vector<Run> &rows() const { return rows_; }

    // Those of the sorted spikes that are of neurons of this pathway.
    std::pair<const int32_t *, const int32_t *> within(const int32_t *spikes, const int32_t n_spikes) const {
        const int32_t *const end = std::lower_bound(spikes, spikes + n_spikes, stop_);
        return std::make_pair(std::lower_bound(spikes, end, start_), end);
    }

    // Writes where the rows of neurons begin. Where each neuron has one row and these lie side by side, nothing is looked up.
    void begins(const int32_t *neuron, const int32_t *const end, std::vector<int64_t> &found) const {
        if (regular_) {
            const int32_t n = end - neuron, first = rows_[0].neuron;
            const int64_t start = rows_[0].synapse, length = rows_[0].length;
            found.resize(n);
            for (int32_t k = 0; k < n; k++)
                found[k] = start + (neuron[k] - first) * length;
            return;
        }
        found.clear();
        for (; neuron != end; neuron++)
            for (int32_t index = first_[*neuron - start_]; index < first_[*neuron - start_ + 1]; index++)
                found.push_back(rows_[index].synapse);
    }

    bool any(const int32_t *spikes, const int32_t n_spikes) const {
        const int32_t *spike = std::lower_bound(spikes, spikes + n_spikes, start_);
        return delayed() || (spike != spikes + n_spikes && *spike < stop_);
    }

    // Notes which rows and diagonals the spikes of this step take, each for the step in which it is due. `spikes` is sorted.
    void collect(const int32_t *spikes, int32_t n_spikes);

    // Calls, for all that is due in this step: `row` for every row, `four` for four rows to the same neurons, `some` for every
    // diagonal with those of its neurons that spike, and `many` for a diagonal most of which spikes, with flags
    // instead. Leaves out the runs that are not `wanted`. Then the step is over.
    template <class Wanted, class Row, class Four, class Some, class Many>
    void deliver(Wanted &&wanted, Row &&row, Four &&four, Some &&some, Many &&many) {
        Slot &slot = ring_[now_];
        const Packet *flagged = nullptr; // what the flags stand for
        const Run *held[4];
        int n_held = 0;
        const auto rows = [&] {
            for (int k = 0; k < n_held; k++)
                row(*held[k]);
            n_held = 0;
        };
        for (const Packet &packet : slot.packets) {
            const Run &run = *packet.run;
            if (!wanted(run))
                continue;
            if (!run.diagonal) {
                if (run.stride != 1 || (n_held && (run.other != held[0]->other || run.length != held[0]->length)))
                    rows();
                if (run.stride != 1) {
                    row(run);
                    continue;
                }
                held[n_held++] = &run;
                if (n_held == 4) {
                    four(*held[0], *held[1], *held[2], *held[3]);
                    n_held = 0;
                }
                continue;
            }
            if (8 * packet.count < run.length) {
                some(run, packet.spikes, packet.count);
                continue;
            }
            if (!flagged || flagged->spikes != packet.spikes || flagged->run->neuron != run.neuron || flagged->run->length != run.length) {
                flagged = &packet;
                flags_.assign(run.length, 0);
                for (int32_t n = 0; n < packet.count; n++)
                    flags_[packet.spikes[n] - run.neuron] = 1;
            }
            many(run, flags_.data());
        }
        rows();
        slot.packets.clear();
        now_ = after(1);
    }

    // Calls a function for every run that is due in this step.
    template <class Call> void pending(Call &&call) const {
        for (const Packet &packet : ring_[now_].packets)
            call(*packet.run);
    }

  private:
    struct Packet {
        const Run *run;
        const int32_t *spikes; // for a diagonal, those of its neurons that spike, and their number
        int32_t count;
    };
    int32_t after(const int32_t delay) const { // without a division
        const int32_t slot = now_ + delay, n = ring_.size();
        return slot < n ? slot : slot - n;
    }
    template <class Call> static void each(std::vector<Run> &runs, Call &&call) {
        for (Run &run : runs)
            call(run);
    }
    struct Slot {
        std::vector<Packet> packets; // that are due in this step
        std::vector<int32_t> spikes; // of this step, of which packets of later steps tell
    };

    std::vector<Run> rows_;
    std::vector<int32_t> first_;              // rows of neuron i: first_[i - start] to first_[i - start + 1]
    std::vector<std::vector<Run>> diagonals_; // those with the same neurons together
    std::vector<Slot> ring_;
    std::vector<int32_t> flags_;
    std::vector<int32_t> next_; // for each neuron, the first diagonal that it or a later neuron is part of
    int32_t now_ = 0, start_ = 0, stop_ = 0;
    bool matrix_ = false, regular_ = false;
};

// The runs of the pathway that Id stands for: every run of a network has code of its own, but spikes may be under way from one to
// the next.
template <uint32_t Id> Runs &runs() {
    static Runs runs;
    return runs;
}

// What is known of the synaptic variable that Id stands for. Each of its rows may consist of several parts.
struct History {
    int64_t changes; // how often it may have changed
    bool equal;      // whether all parts of a row are known to be the same, in every row
    bool behind;     // whether only the first part of each row is up to date; the others have to become the same
};
template <uint32_t Id> History &history() {
    static History history = {};
    return history;
}

// Whether `parts` stretches of `length` values that lie side by side are the same, bit for bit.
template <class T> bool repeats(const T *values, const int32_t length, const int32_t parts) {
    for (int32_t part = 1; part < parts; part++)
        if (std::memcmp(values, values + part * length, length * sizeof(T)))
            return false;
    return true;
}

// Brings all parts of all rows up to date.
template <class T> void catch_up(const Runs &runs, T *values, const int32_t parts, History &history) {
    if (!history.behind)
        return;
    history.behind = false;
    for (const Run &run : runs.rows()) {
        const T *const first = values + run.synapse;
        for (int32_t part = 1; part < parts; part++)
            std::copy(first, first + run.length / parts, values + run.synapse + part * (run.length / parts));
    }
}

// The sum of 64 bytes of weights of each of several rows: vectors of GCC and Clang, which translate them for whatever the
// processor has.
template <class W> struct Tile {
    typedef W Sum;
    typedef W Vector __attribute__((vector_size(64)));
    static constexpr int32_t length = 64 / sizeof(W);
    Vector sums = {};
    void add(const W *weights) {
        Vector loaded;
        std::memcpy(&loaded, weights, sizeof(loaded));
        sums += loaded;
    }
    void write(Sum *result) const { std::memcpy(result, &sums, sizeof(sums)); }
};

// Two weights of 16 bits lie in each word of 32. They are taken apart by shifts, which cost less than a conversion.
template <> struct Tile<int16_t> {
    typedef int32_t Sum;
    typedef int32_t Vector __attribute__((vector_size(64)));
    static constexpr int32_t length = 32;
    Vector upper = {}, lower = {};
    void add(const int16_t *weights) {
        Vector loaded;
        std::memcpy(&loaded, weights, sizeof(loaded));
        upper += loaded >> 16;
        lower += (loaded << 16) >> 16;
    }
    void write(Sum *result) const {
        const bool big = __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__;
        for (int32_t lane = 0; lane < 16; lane++) {
            result[2 * lane] = big ? upper[lane] : lower[lane];
            result[2 * lane + 1] = big ? lower[lane] : upper[lane];
        }
    }
};

// Sums of rows of weights. Only for numbers whose sum does not depend on the order.
template <class W> class Sums {
  public:
    typedef typename Tile<W>::Sum Sum;

    // Columns of which sums are made: all, or those of one of `parts` as long as all parts of every row are known to be equal.
    // Rows are compared when it is not known, but the more rarely the more often they were found to differ.
    int32_t columns(const Runs &runs, const W *weights, const int32_t length, const int32_t parts, History &history) {
        constexpr int32_t tile = Tile<W>::length;
        if (length % parts || (length / parts + tile - 1) / tile == (length + tile - 1) / tile)
            return length;
        if (!history.equal) {
            if (wait_-- > 0)
                return length;
            for (const Run &run : runs.rows())
                if (!repeats(weights + run.synapse, length / parts, parts)) {
                    wait_ = patience_;
                    patience_ = std::min<int64_t>(2 * patience_, 1 << 20);
                    return length;
                }
            history.equal = true;
        }
        return length / parts;
    }

    // The sums of the rows of the neurons that spike: those of the last call where neither these nor the weights have changed.
    const Sum *of(const Runs &runs, const int32_t *spikes, const int32_t n_spikes, const W *weights, const int64_t n_weights,
                  const int32_t length, const History &history) {
        const std::pair<const int32_t *, const int32_t *> own = runs.within(spikes, n_spikes);
        const size_t n = own.second - own.first;
        if (history.changes != changes_ || length > length_ || n != spikes_.size() ||
            std::memcmp(own.first, spikes_.data(), n * sizeof(int32_t))) {
            changes_ = history.changes;
            length_ = length;
            spikes_.assign(own.first, own.second);
            runs.begins(own.first, own.second, rows_);
            sum(weights, n_weights, length);
            largest_ = *std::max_element(sums_.begin(), sums_.begin() + length);
        }
        return sums_.data();
    }

    Sum largest() const { return largest_; } // of those sums

  private:
    // Tiles whose sums stay in registers over all rows.
#ifdef __AVX512F__
    static constexpr int32_t WIDEST = sizeof(Tile<W>) == 64 ? 16 : 13;
#else
    static constexpr int32_t WIDEST = sizeof(Tile<W>) == 64 ? 6 : 3;
#endif
    static constexpr int32_t TILE = Tile<W>::length;

    void sum(const W *weights, const int64_t n_weights, const int32_t length) {
        const int32_t tiles = (length + TILE - 1) / TILE;
        const int64_t reach = (int64_t)tiles * TILE;
        sums_.resize(reach);
        // The last rows are read from a copy where the tiles would reach beyond the weights.
        size_t inside = rows_.size();
        while (inside > 0 && rows_[inside - 1] + reach > n_weights)
            inside--;
        last_.assign((rows_.size() - inside) * reach, 0);
        for (size_t row = inside; row < rows_.size(); row++)
            std::copy(weights + rows_[row], weights + rows_[row] + length, &last_[(row - inside) * reach]);
        // passes of about equal width: one tile alone would wait for the sum of the row before
        for (int32_t left = (tiles + WIDEST - 1) / WIDEST, first = 0; left > 0; left--) {
            const int32_t n = (tiles - first + left - 1) / left;
            pass<WIDEST>(n, weights, first * TILE, inside, reach);
            first += n;
        }
    }

    // One pass over the rows for n tiles from a column on, of which N are tried.
    template <int32_t N>
    void pass(const int32_t n, const W *weights, const int32_t column, const size_t inside, const int64_t reach) {
        if (n < N) {
            pass<(N > 1 ? N - 1 : 1)>(n, weights, column, inside, reach);
            return;
        }
        Tile<W> tiles[N];
        for (size_t row = 0; row < inside; row++) {
            const W *const here = weights + rows_[row] + column;
#pragma GCC unroll 16
            for (int32_t k = 0; k < N; k++)
                tiles[k].add(here + k * TILE);
        }
        for (size_t row = inside; row < rows_.size(); row++)
            for (int32_t k = 0; k < N; k++)
                tiles[k].add(&last_[(row - inside) * reach + column + k * TILE]);
        for (int32_t k = 0; k < N; k++)
            tiles[k].write(&sums_[column + k * TILE]);
    }

    std::vector<W> last_; // rows, filled up with zeros
    std::vector<int32_t> spikes_;
    std::vector<int64_t> rows_; // where the rows of these begin
    std::vector<Sum> sums_;
    Sum largest_ = 0;
    int64_t changes_ = -1, wait_ = 0, patience_ = 1000;
    int32_t length_ = 0;
};

// Compiled once, in runs.cpp: the many widths of a pass take the compiler as long as the rest of a pathway. Other types are
// compiled where they are used, since most programs use one type only.
extern template class Sums<int16_t>;

// Which blocks of neurons have to be updated, for each of the `Parts` of a group's variables that do not depend on one another:
// one bit for each block. A block is awake once something has been written to it and as long as updates change it; after an
// update that changed nothing, bit for bit, it dozes for one step, in which thresholds are tested once more, and then it is
// asleep. One set of blocks for each group: Id tells the groups apart.
constexpr int32_t BLOCK = 64, WORD = 64;

template <uint32_t Id, int32_t N, int32_t Parts> struct Blocks {
    static constexpr int32_t count = (N + BLOCK - 1) / BLOCK, words = (count + WORD - 1) / WORD;
    static uint64_t awake[Parts][words], dozing[Parts][words];
    static int64_t runs; // of the network: in between, constants may be set

    static void wake(const int32_t part, const int32_t first, const int32_t length) {
        const int32_t from = first / BLOCK, to = (first + length - 1) / BLOCK;
        for (int32_t word = from / WORD; word <= to / WORD; word++) {
            uint64_t bits = ~0ULL;
            if (word == from / WORD)
                bits &= ~0ULL << from % WORD;
            if (word == to / WORD)
                bits &= ~0ULL >> (WORD - 1 - to % WORD);
            awake[part][word] |= bits;
        }
    }
    static void wake_all() {
        for (int32_t part = 0; part < Parts; part++)
            wake(part, 0, N);
    }
};
template <uint32_t Id, int32_t N, int32_t Parts> uint64_t Blocks<Id, N, Parts>::awake[Parts][Blocks<Id, N, Parts>::words] = {};
template <uint32_t Id, int32_t N, int32_t Parts> uint64_t Blocks<Id, N, Parts>::dozing[Parts][Blocks<Id, N, Parts>::words] = {};
template <uint32_t Id, int32_t N, int32_t Parts> int64_t Blocks<Id, N, Parts>::runs = 0;

// Whether the first `length` values are the same, bit for bit.
template <class T> bool same(const T *values, const int32_t length) {
    return std::memcmp(values, values + 1, (length - 1) * sizeof(T)) == 0;
}

// In which whole blocks of a group the constants that a piece of code reads are the same for all neurons, so that they need not be
// read for each: one bit for each block.
template <class BlocksT> class Uniform {
  public:
    uint64_t words[BlocksT::words];

    template <class Same> void update(const int32_t n, Same &&same) {
        if (runs_ == BlocksT::runs)
            return;
        runs_ = BlocksT::runs;
        std::fill(words, words + BlocksT::words, 0);
        for (int32_t block = 0; block < n / BLOCK; block++)
            words[block / WORD] |= (uint64_t)same(block * BLOCK) << block % WORD;
    }

  private:
    int64_t runs_ = -1;
};

} // namespace brianprop

#endif
