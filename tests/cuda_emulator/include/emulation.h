// CUDA's language and runtime on one processor core, as far as the code of Brian2CUDA uses them.
//
// The threads of a block run one after the other, in an order drawn anew for every launch, and so do the blocks; a thread that
// meets __syncthreads() waits on a stack of its own until all others of its block have come there or have ended. Memory that
// cudaMalloc gives holds garbage. So what depends on the order of threads, or reads what nobody wrote, shows.
//
// What it cannot show: two threads that touch the same place at the same time, a host pointer that a kernel follows, speed.
#ifndef BRIANPROP_CUDA_EMULATION_H
#define BRIANPROP_CUDA_EMULATION_H

#include <algorithm>
#include <climits>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <string>

#define __global__
#define __device__
#define __host__
#define __constant__
#define __shared__ static
#define __forceinline__ inline
#define __launch_bounds__(...)
#define __CUDA_ARCH__ 900

struct uint3 {
    unsigned x, y, z;
};
struct dim3 {
    unsigned x, y, z;
    dim3(unsigned x = 1, unsigned y = 1, unsigned z = 1) : x(x), y(y), z(z) {}
};
typedef void *cudaStream_t;

extern uint3 threadIdx, blockIdx;
extern dim3 blockDim, gridDim;
const int warpSize = 32;

enum cudaError { cudaSuccess = 0, cudaErrorInvalidValue = 1, cudaErrorMemoryAllocation = 2, cudaErrorInvalidConfiguration = 9 };
typedef cudaError cudaError_t;
enum cudaMemcpyKind { cudaMemcpyHostToHost, cudaMemcpyHostToDevice, cudaMemcpyDeviceToHost, cudaMemcpyDeviceToDevice };
enum cudaLimit { cudaLimitMallocHeapSize };

struct cudaDeviceProp {
    char name[256];
    size_t totalGlobalMem, sharedMemPerBlock;
    int major, minor, multiProcessorCount, maxThreadsPerBlock, maxThreadsPerMultiProcessor, warpSize;
};
struct cudaFuncAttributes {
    int maxThreadsPerBlock, numRegs;
    size_t sharedSizeBytes, localSizeBytes, constSizeBytes;
};

namespace emulation {
// few, so that small circuits need several rounds and blocks
const int MAX_THREADS = 64, MULTIPROCESSORS = 3;
const size_t SHARED_MEMORY = 48 << 10, MEMORY = size_t(8) << 30;

extern void *shared_memory;
extern cudaError last_error;

void launch(dim3 grid, dim3 block, size_t shared, const std::function<void()> &thread);

// what a launch becomes: name<<<grid, block, shared>>>(...) is kernel(name, grid, block, shared)(...)
template <class Function> struct Kernel {
    Function function;
    dim3 grid, block;
    size_t shared;
    template <class... Arguments> void operator()(Arguments... arguments) const {
        launch(grid, block, shared, [&] { function(arguments...); });
    }
};
template <class Function>
Kernel<Function> kernel(Function function, dim3 grid, dim3 block, size_t shared = 0, cudaStream_t = nullptr) {
    return {function, grid, block, shared};
}
} // namespace emulation

void __syncthreads();
inline void __threadfence() {}

template <class T, class Value> T atomicAdd(T *address, Value value) {
    const T old = *address;
    *address = old + static_cast<T>(value);
    return old;
}
template <class T, class Expected, class Value> T atomicCAS(T *address, Expected expected, Value value) {
    const T old = *address;
    if (old == static_cast<T>(expected)) *address = static_cast<T>(value);
    return old;
}
template <class To, class From> To emulated_bits(From value) {
    static_assert(sizeof(To) == sizeof(From), "as many bits");
    To result;
    std::memcpy(&result, &value, sizeof result);
    return result;
}
inline int __float_as_int(float value) { return emulated_bits<int>(value); }
inline float __int_as_float(int value) { return emulated_bits<float>(value); }
inline long long __double_as_longlong(double value) { return emulated_bits<long long>(value); }
inline double __longlong_as_double(long long value) { return emulated_bits<double>(value); }

inline const char *cudaGetErrorString(cudaError error) {
    switch (error) {
    case cudaSuccess: return "no error";
    case cudaErrorInvalidValue: return "invalid argument";
    case cudaErrorMemoryAllocation: return "out of memory";
    default: return "invalid configuration argument";
    }
}
inline cudaError cudaGetLastError() {
    const cudaError error = emulation::last_error;
    emulation::last_error = cudaSuccess;
    return error;
}
inline cudaError cudaDeviceSynchronize() { return cudaSuccess; }
inline cudaError cudaProfilerStop() { return cudaSuccess; }
inline cudaError cudaSetDevice(int device) { return device ? cudaErrorInvalidValue : cudaSuccess; }
inline cudaError cudaDeviceSetLimit(cudaLimit, size_t) { return cudaSuccess; }
inline cudaError cudaMemGetInfo(size_t *available, size_t *total) {
    *available = *total = emulation::MEMORY;
    return cudaSuccess;
}
inline cudaError cudaGetDeviceProperties(cudaDeviceProp *properties, int) {
    *properties = {"emulated", emulation::MEMORY, emulation::SHARED_MEMORY, 9, 0, emulation::MULTIPROCESSORS,
                   emulation::MAX_THREADS, 2 * emulation::MAX_THREADS, warpSize};
    return cudaSuccess;
}
template <class T> cudaError cudaMalloc(T **address, size_t size) {
    *address = static_cast<T *>(std::malloc(std::max<size_t>(size, 1)));
    if (!*address) return cudaErrorMemoryAllocation;
    std::memset(static_cast<void *>(*address), 0xA5, size);
    return cudaSuccess;
}
inline cudaError cudaFree(void *address) {
    std::free(address);
    return cudaSuccess;
}
inline cudaError cudaMemset(void *address, int value, size_t size) {
    std::memset(address, value, size);
    return cudaSuccess;
}
inline cudaError cudaMemcpy(void *to, const void *from, size_t size, cudaMemcpyKind) {
    if (size && (!to || !from)) return cudaErrorInvalidValue;
    std::memmove(to, from, size);
    return cudaSuccess;
}
template <class T> cudaError cudaMemcpyToSymbol(T &symbol, const void *from, size_t size) {
    if (size > sizeof(T)) return cudaErrorInvalidValue;
    std::memcpy(static_cast<void *>(&symbol), from, size);
    return cudaSuccess;
}
template <class Function> cudaError cudaFuncGetAttributes(cudaFuncAttributes *attributes, Function) {
    *attributes = {emulation::MAX_THREADS, 0, 0, 0, 0};
    return cudaSuccess;
}
template <class Function> cudaError cudaOccupancyMaxActiveBlocksPerMultiprocessor(int *blocks, Function, int threads, size_t) {
    *blocks = 2 * emulation::MAX_THREADS / std::max(threads, 1);
    return cudaSuccess;
}
template <class Function>
cudaError cudaOccupancyMaxPotentialBlockSize(int *blocks, int *threads, Function, size_t = 0, int = 0) {
    *blocks = 2 * emulation::MULTIPROCESSORS;
    *threads = emulation::MAX_THREADS;
    return cudaSuccess;
}

#endif
