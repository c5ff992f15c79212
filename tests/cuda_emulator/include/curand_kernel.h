// Random numbers of the device's side of cuRAND: of the same distributions, not the same numbers.
#ifndef CURAND_KERNEL_H_
#define CURAND_KERNEL_H_

#include "curand.h"

// splitmix64
struct curandState {
    typedef uint64_t result_type;
    uint64_t state;
    uint64_t operator()() {
        uint64_t bits = state += 0x9E3779B97F4A7C15ull;
        bits = (bits ^ (bits >> 30)) * 0xBF58476D1CE4E5B9ull;
        bits = (bits ^ (bits >> 27)) * 0x94D049BB133111EBull;
        return bits ^ (bits >> 31);
    }
    static constexpr uint64_t min() { return 0; }
    static constexpr uint64_t max() { return ~0ull; }
};
inline void curand_init(unsigned long long seed, unsigned long long sequence, unsigned long long offset, curandState *state) {
    curandState first{seed}, second{sequence ^ 0xD1B54A32D192ED03ull};
    state->state = first() ^ second() ^ offset;
}
inline float curand_uniform(curandState *state) { return emulation::uniform<float>(*state); }
inline double curand_uniform_double(curandState *state) { return emulation::uniform<double>(*state); }
inline float curand_normal(curandState *state) { return std::normal_distribution<float>()(*state); }
inline double curand_normal_double(curandState *state) { return std::normal_distribution<double>()(*state); }
inline unsigned curand_poisson(curandState *state, double rate) { return std::poisson_distribution<unsigned>(rate)(*state); }

#endif
