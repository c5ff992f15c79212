// Random numbers that depend on a counter and not on the order in which they are drawn, so that loops that draw them vectorise.
//
// Threefry-2x32 with 20 rounds: J. Salmon, M. Moraes, R. Dror, D. Shaw, "Parallel random numbers: as easy as 1, 2, 3",
// Proceedings of SC11 (2011). The counter is the index of the neuron or synapse and the number of the call, the key belongs to
// the piece of code that draws; keys come from Brian2's generator, so that seed() decides all numbers.
#ifndef BRIANPROP_RANDOM_H
#define BRIANPROP_RANDOM_H

#include <cmath>
#include <cstdint>

namespace brianprop {

struct Pair {
    uint32_t first, second;
};

inline uint32_t rotated(const uint32_t x, const int bits) { return x << bits | x >> (32 - bits); }

// One block of Threefry-2x32-20: the rotations are those of the paper's Table 2, a key is added after every four rounds.
__attribute__((always_inline)) inline Pair threefry(const uint32_t key0, const uint32_t key1, uint32_t x0, uint32_t x1) {
    const uint32_t keys[3] = {key0, key1, key0 ^ key1 ^ 0x1BD11BDAu};
    x0 += keys[0];
    x1 += keys[1];
#define BRIANPROP_ROUND(bits)                                                                                                  \
    x0 += x1;                                                                                                                  \
    x1 = rotated(x1, bits) ^ x0;
#define BRIANPROP_ROUNDS(a, b, c, d, n)                                                                                        \
    BRIANPROP_ROUND(a) BRIANPROP_ROUND(b) BRIANPROP_ROUND(c) BRIANPROP_ROUND(d) x0 += keys[n % 3];                             \
    x1 += keys[(n + 1) % 3] + n;
    BRIANPROP_ROUNDS(13, 15, 26, 6, 1)
    BRIANPROP_ROUNDS(17, 29, 16, 24, 2)
    BRIANPROP_ROUNDS(13, 15, 26, 6, 3)
    BRIANPROP_ROUNDS(17, 29, 16, 24, 4)
    BRIANPROP_ROUNDS(13, 15, 26, 6, 5)
#undef BRIANPROP_ROUNDS
#undef BRIANPROP_ROUND
    return {x0, x1};
}

// The numbers of one piece of code. `Scalar`: float or double; uniform numbers have 24 or 32 bits and are less than 1.
template <class Scalar> class Random {
  public:
    // To be called once before the numbers of a time step are drawn; `generator` is Brian2's.
    template <class Generator> void next(Generator &generator) {
        if (!ready_) {
            ready_ = true;
            key0_ = static_cast<uint32_t>(generator.rand() * 4294967296.0);
            key1_ = static_cast<uint32_t>(generator.rand() * 4294967296.0);
        }
        call_++;
    }

    // `place` tells apart several numbers that the same code draws for one index.
    __attribute__((always_inline)) inline Scalar uniform(const uint32_t index, const uint32_t place) const {
        return unit(threefry(key0_, key1_ + place, index, call_).first);
    }

    // Standard normal, by Box and Muller (1958).
    __attribute__((always_inline)) inline Scalar normal(const uint32_t index, const uint32_t place) const {
        const Pair pair = threefry(key0_, key1_ + place, index, call_);
        const Scalar radius = std::sqrt(Scalar(-2) * std::log(Scalar(1) - unit(pair.first)));
        return radius * std::cos(Scalar(6.283185307179586) * unit(pair.second));
    }

  private:
    static inline float shifted(const uint32_t word, float) { return (word >> 8) * (1.0f / (1 << 24)); }
    static inline double shifted(const uint32_t word, double) { return word * (1.0 / 4294967296.0); }
    static inline Scalar unit(const uint32_t word) { return shifted(word, Scalar()); }

    bool ready_ = false;
    uint32_t key0_ = 0, key1_ = 0, call_ = 0;
};

} // namespace brianprop

#endif
