// Random numbers that depend on a counter and not on the order in which they are drawn, so that loops that draw them vectorise.
//
// Threefry: J. Salmon, M. Moraes, R. Dror, D. Shaw, "Parallel random numbers: as easy as 1, 2, 3",
// Proceedings of SC11 (2011). The counter is the index of the neuron or synapse and the number of the call, the key belongs to
// the piece of code that draws; keys come from Brian2's generator, so that seed() decides all numbers.
#ifndef BRIANPROP_RANDOM_H
#define BRIANPROP_RANDOM_H

#include <cmath>
#include <cstdint>
#include <vector>

namespace brianprop {

struct Pair {
    uint32_t first, second;
};

inline uint32_t rotated(const uint32_t x, const int bits) { return x << bits | x >> (32 - bits); }

// One block of Threefry-2x32 with 13 rounds, the smallest number that passes all tests of the paper (Table 2, "crush-resistant"):
// the rotations are those of its Table 2, a key is added after every four rounds.
__attribute__((always_inline)) inline Pair threefry(const uint32_t key0, const uint32_t key1, uint32_t x0, uint32_t x1) {
    const uint32_t key2 = key0 ^ key1 ^ 0x1BD11BDAu;
#define BRIANPROP_ROUND(bits)                                                                                                  \
    x0 += x1;                                                                                                                  \
    x1 = rotated(x1, bits) ^ x0;
#define BRIANPROP_FOUR(a, b, c, d) BRIANPROP_ROUND(a) BRIANPROP_ROUND(b) BRIANPROP_ROUND(c) BRIANPROP_ROUND(d)
#define BRIANPROP_KEY(first, second, n)                                                                                        \
    x0 += first;                                                                                                               \
    x1 += second + n;
    BRIANPROP_KEY(key0, key1, 0)
    BRIANPROP_FOUR(13, 15, 26, 6)
    BRIANPROP_KEY(key1, key2, 1)
    BRIANPROP_FOUR(17, 29, 16, 24)
    BRIANPROP_KEY(key2, key0, 2)
    BRIANPROP_FOUR(13, 15, 26, 6)
    BRIANPROP_KEY(key0, key1, 3)
    BRIANPROP_ROUND(17)
#undef BRIANPROP_KEY
#undef BRIANPROP_FOUR
#undef BRIANPROP_ROUND
    return {x0, x1};
}

// Uniform numbers less than 1: of 24 bits as float, of 32 bits as double.
template <class Scalar> inline Scalar unit(uint32_t word);
template <> inline float unit(const uint32_t word) { return (word >> 8) * (1.0f / (1 << 24)); }
template <> inline double unit(const uint32_t word) { return word * (1.0 / 4294967296.0); }

// Two standard normal numbers from two uniform ones (G. Box, M. Muller, 1958).
template <class Scalar> __attribute__((always_inline)) inline Scalar radius(const uint32_t word) {
    return std::sqrt(Scalar(-2) * std::log(Scalar(1) - unit<Scalar>(word)));
}
template <class Scalar> __attribute__((always_inline)) inline Scalar angle(const uint32_t word) {
    return Scalar(6.283185307179586) * unit<Scalar>(word);
}

// The numbers of one call of a piece of code, by index and by place: several that are drawn for one index differ in their place.
template <class Scalar> struct Numbers {
    uint32_t key0, key1, call;

    __attribute__((always_inline)) inline Pair words(const uint32_t index, const uint32_t place) const {
        return threefry(key0, key1 + place, index, call);
    }
    __attribute__((always_inline)) inline Scalar uniform(const uint32_t index, const uint32_t place) const {
        return unit<Scalar>(words(index, place).first);
    }
    __attribute__((always_inline)) inline Scalar normal(const uint32_t index, const uint32_t place) const {
        const Pair pair = words(index, place);
        return radius<Scalar>(pair.first) * std::cos(angle<Scalar>(pair.second));
    }
};

// The numbers that come of a block of Threefry besides those of `index`, for another index that has no block of its own.
template <class Scalar> struct Beside {
    Numbers<Scalar> numbers;
    uint32_t index;

    __attribute__((always_inline)) inline Scalar uniform(uint32_t, const uint32_t place) const {
        return unit<Scalar>(numbers.words(index, place).second);
    }
    __attribute__((always_inline)) inline Scalar normal(uint32_t, const uint32_t place) const {
        const Pair pair = numbers.words(index, place);
        return radius<Scalar>(pair.first) * std::sin(angle<Scalar>(pair.second));
    }
};

template <class Scalar> class Random {
  public:
    // The numbers of the next call; `generator` is Brian2's.
    template <class Generator> Numbers<Scalar> next(Generator &generator) {
        if (!ready_) {
            ready_ = true;
            numbers_.key0 = static_cast<uint32_t>(generator.rand() * 4294967296.0);
            numbers_.key1 = static_cast<uint32_t>(generator.rand() * 4294967296.0);
        }
        numbers_.call++;
        return numbers_;
    }

    // Where the numbers of a place are put, by index; `n` is the number of indices.
    Scalar *numbers(const uint32_t n, const uint32_t place) {
        if (buffers_.size() <= place)
            buffers_.resize(place + 1);
        buffers_[place].resize(n + 1);
        return buffers_[place].data();
    }

    // Draws them for n indices from `start` on: one block of Threefry makes two.
    void uniforms(Scalar *__restrict out, const uint32_t start, const uint32_t n, const uint32_t place) const {
        draw(out, start, n, [=](const Numbers<Scalar> &numbers, const uint32_t index, Scalar &first, Scalar &second) {
            first = numbers.uniform(index, place);
            second = Beside<Scalar>{numbers, index}.uniform(index, place);
        });
    }
    void normals(Scalar *__restrict out, const uint32_t start, const uint32_t n, const uint32_t place) const {
        draw(out, start, n, [=](const Numbers<Scalar> &numbers, const uint32_t index, Scalar &first, Scalar &second) {
            first = numbers.normal(index, place);
            second = Beside<Scalar>{numbers, index}.normal(index, place);
        });
    }

  private:
    template <class Two> void draw(Scalar *__restrict out, const uint32_t start, const uint32_t n, const Two two) const {
        const Numbers<Scalar> numbers = numbers_;
        const uint32_t half = (n + 1) / 2;
        for (uint32_t index = start; index < start + half; index++)
            two(numbers, index, out[index], out[index + half]);
    }

    bool ready_ = false;
    Numbers<Scalar> numbers_ = {0, 0, 0};
    std::vector<std::vector<Scalar>> buffers_;
};

} // namespace brianprop

#endif
