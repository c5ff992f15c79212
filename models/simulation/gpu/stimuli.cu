#include "stimuli.h"

#include <cstdio>
#include <cstdlib>

namespace brianprop {

__device__ const uint8_t *stimulus_rows;
__device__ const int32_t *stimulus_order;

static void check(const cudaError_t status, const char *what) {
    if (status != cudaSuccess) {
        std::fprintf(stderr, "cannot %s: %s\n", what, cudaGetErrorString(status));
        std::exit(3);
    }
}

static const void *copied(const void *array, const size_t size) {
    void *result = nullptr;
    check(cudaMalloc(&result, size), "allocate GPU memory for the stimuli");
    check(cudaMemcpy(result, array, size, cudaMemcpyHostToDevice), "copy the stimuli to the GPU");
    return result;
}

void upload_stimuli(const void *rows, const size_t rows_size, const void *order, const size_t order_size) {
    const void *const on_gpu[] = {copied(rows, rows_size), copied(order, order_size)};
    check(cudaMemcpyToSymbol(stimulus_rows, &on_gpu[0], sizeof(void *)), "set the address of the stimuli");
    check(cudaMemcpyToSymbol(stimulus_order, &on_gpu[1], sizeof(void *)), "set the address of their order");
}

} // namespace brianprop
