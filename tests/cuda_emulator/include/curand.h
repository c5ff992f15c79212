// Random numbers of the host's side of cuRAND: of the same distributions, not the same numbers.
#ifndef CURAND_H_
#define CURAND_H_

#include "emulation.h"

#include <random>

enum curandStatus_t {
    CURAND_STATUS_SUCCESS = 0,
    CURAND_STATUS_VERSION_MISMATCH = 100,
    CURAND_STATUS_NOT_INITIALIZED,
    CURAND_STATUS_ALLOCATION_FAILED,
    CURAND_STATUS_TYPE_ERROR,
    CURAND_STATUS_OUT_OF_RANGE,
    CURAND_STATUS_LENGTH_NOT_MULTIPLE,
    CURAND_STATUS_DOUBLE_PRECISION_REQUIRED,
    CURAND_STATUS_LAUNCH_FAILURE = 201,
    CURAND_STATUS_PREEXISTING_FAILURE,
    CURAND_STATUS_INITIALIZATION_FAILED,
    CURAND_STATUS_ARCH_MISMATCH,
    CURAND_STATUS_INTERNAL_ERROR = 999
};
enum curandRngType_t { CURAND_RNG_PSEUDO_DEFAULT = 100 };
typedef std::mt19937_64 *curandGenerator_t;

inline curandStatus_t curandCreateGenerator(curandGenerator_t *generator, curandRngType_t) {
    *generator = new std::mt19937_64;
    return CURAND_STATUS_SUCCESS;
}
inline curandStatus_t curandDestroyGenerator(curandGenerator_t generator) {
    delete generator;
    return CURAND_STATUS_SUCCESS;
}
inline curandStatus_t curandSetPseudoRandomGeneratorSeed(curandGenerator_t generator, unsigned long long seed) {
    generator->seed(seed);
    return CURAND_STATUS_SUCCESS;
}
inline curandStatus_t curandSetGeneratorOffset(curandGenerator_t, unsigned long long offset) {
    return offset ? CURAND_STATUS_OUT_OF_RANGE : CURAND_STATUS_SUCCESS;
}

namespace emulation {
// from (0, 1], as in cuRAND
template <class T, class Generator> T uniform(Generator &generator) {
    const int bits = std::numeric_limits<T>::digits;
    return static_cast<T>(((generator() >> (64 - bits)) + 1) * std::ldexp(1.0, -bits));
}
template <class T> curandStatus_t fill_uniform(curandGenerator_t generator, T *numbers, size_t size) {
    std::generate_n(numbers, size, [&] { return uniform<T>(*generator); });
    return CURAND_STATUS_SUCCESS;
}
template <class T> curandStatus_t fill_normal(curandGenerator_t generator, T *numbers, size_t size, T mean, T deviation) {
    if (size % 2) return CURAND_STATUS_LENGTH_NOT_MULTIPLE;
    std::normal_distribution<T> normal(mean, deviation);
    std::generate_n(numbers, size, [&] { return normal(*generator); });
    return CURAND_STATUS_SUCCESS;
}
} // namespace emulation

inline curandStatus_t curandGenerateUniform(curandGenerator_t generator, float *numbers, size_t size) {
    return emulation::fill_uniform(generator, numbers, size);
}
inline curandStatus_t curandGenerateUniformDouble(curandGenerator_t generator, double *numbers, size_t size) {
    return emulation::fill_uniform(generator, numbers, size);
}
inline curandStatus_t curandGenerateNormal(curandGenerator_t generator, float *numbers, size_t size, float mean, float deviation) {
    return emulation::fill_normal(generator, numbers, size, mean, deviation);
}
inline curandStatus_t
curandGenerateNormalDouble(curandGenerator_t generator, double *numbers, size_t size, double mean, double deviation) {
    return emulation::fill_normal(generator, numbers, size, mean, deviation);
}
inline curandStatus_t curandGeneratePoisson(curandGenerator_t generator, unsigned *numbers, size_t size, double rate) {
    std::poisson_distribution<unsigned> poisson(rate);
    std::generate_n(numbers, size, [&] { return poisson(*generator); });
    return CURAND_STATUS_SUCCESS;
}

#endif
