"""The emulator that takes the place of CUDA's compiler and GPU in tests: it does what kernels may rely on, and no more."""

import subprocess
from pathlib import Path

import pytest

EMULATOR = Path(__file__).parents[1] / "cuda_emulator"

PROGRAM = r"""
#include <cassert>
#include <curand.h>
#include <curand_kernel.h>
#include <thrust/device_vector.h>
#include <thrust/sort.h>
#include <vector>

__device__ int *places;
__device__ curandState state;

// each block adds its numbers in a tree; of 50 threads the last ten have nothing to do and leave
__global__ void sum(const int n, const int *numbers, int *sums) {
    extern __shared__ int partial[];
    __shared__ int count;
    const int tid = threadIdx.x, place = blockIdx.x * blockDim.x + tid;
    if (tid >= 40) return;
    if (tid == 0) count = 0;
    __syncthreads();
    partial[tid] = place < n ? numbers[place] : 0;
    atomicAdd(&count, 1);
    __syncthreads();
    for (int half = 64; half > 0; half /= 2) {
        if (tid < half && tid + half < 40) partial[tid] += partial[tid + half];
        __syncthreads();
    }
    if (tid == 0) sums[blockIdx.x] = partial[0] + 1000 * count;
}

__global__ void append(int *n_places) { places[atomicAdd(n_places, 1)] = blockIdx.x * blockDim.x + threadIdx.x; }

__global__ void draw(double *mean) {
    curand_init(3, threadIdx.x, 0, &state);
    for (int i = 0; i < 10000; ++i) *mean += curand_uniform(&state) / 10000;
}

template <class T> T *on_gpu(const std::vector<T> &values) {
    T *address;
    assert(cudaMalloc((void **)&address, values.size() * sizeof(T)) == cudaSuccess);
    assert(values.empty() || reinterpret_cast<unsigned char *>(address)[0] == 0xA5);
    assert(cudaMemcpy(address, values.data(), values.size() * sizeof(T), cudaMemcpyHostToDevice) == cudaSuccess);
    return address;
}
template <class T> std::vector<T> from_gpu(const T *address, const size_t size) {
    std::vector<T> values(size);
    assert(cudaMemcpy(values.data(), address, size * sizeof(T), cudaMemcpyDeviceToHost) == cudaSuccess);
    return values;
}

int main() {
    std::vector<int> numbers(150);
    for (int i = 0; i < 150; ++i) numbers[i] = i * i % 17;
    int *sums = on_gpu(std::vector<int>(3));
    sum<<<3, 50, 40 * sizeof(int)>>>(
        // of the first 150
        150, on_gpu(numbers), sums);
    assert(cudaGetLastError() == cudaSuccess);
    const std::vector<int> found = from_gpu(sums, 3);
    for (int block = 0; block < 3; ++block) {
        int expected = 40000;
        for (int tid = 0; tid < 40; ++tid) expected += numbers[50 * block + tid];
        assert(found[block] == expected);
    }

    int *list = on_gpu(std::vector<int>(96)), *size = on_gpu(std::vector<int>(1));
    assert(cudaMemcpyToSymbol(places, &list, sizeof(list)) == cudaSuccess);
    append<<<3, 32>>>(size);
    std::vector<int> order = from_gpu(list, 96), sorted = order;
    std::sort(sorted.begin(), sorted.end());
    assert(from_gpu(size, 1)[0] == 96 && order != sorted);
    for (int i = 0; i < 96; ++i) assert(sorted[i] == i);

    append<<<0, 32>>>(size);
    assert(cudaGetLastError() != cudaSuccess && cudaGetLastError() == cudaSuccess);
    append<<<1, 100000>>>(size);
    assert(cudaGetLastError() != cudaSuccess && from_gpu(size, 1)[0] == 96);

    double *mean = on_gpu(std::vector<double>(1));
    draw<<<1, 1>>>(mean);
    assert(std::fabs(from_gpu(mean, 1)[0] - 0.5) < 0.02);

    thrust::host_vector<int> keys{2, 1, 2, 1}, values{0, 1, 2, 3};
    thrust::sort_by_key(keys.begin(), keys.end(), values.begin());
    assert((values == std::vector<int>{1, 3, 0, 2}));
    thrust::sequence(values.begin(), values.end());
    const auto ends = thrust::unique_by_key(keys.begin(), keys.end(), values.begin());
    assert(ends.first - keys.begin() == 2 && keys[0] == 1 && keys[1] == 2 && values[0] == 0 && values[1] == 2);
    std::puts("as expected");
}
"""


def nvcc(*arguments):
    return subprocess.run([EMULATOR / "bin" / "nvcc", *map(str, arguments)], capture_output=True, text=True)


def test_kernels_do_what_they_would_on_a_gpu(tmp_path):
    (tmp_path / "program.cu").write_text(PROGRAM)
    flags = ["-I.", "-std=c++11", "-gencode=arch=compute_90,code=sm_90", "-w", "-Xcompiler", "-O3 -march=native"]
    compiled = nvcc("-ccbin", "g++", *flags, "-dc", tmp_path / "program.cu", "-o", tmp_path / "program.o")
    assert compiled.returncode == 0, compiled.stderr
    linked = nvcc(
        "-ccbin", "g++", "-lcurand", "-L.", "-Xlinker", "-rpath,x", tmp_path / "program.o", "-o", tmp_path / "program"
    )
    assert linked.returncode == 0, linked.stderr
    ran = subprocess.run([tmp_path / "program"], capture_output=True, text=True)
    assert (ran.returncode, ran.stdout) == (0, "as expected\n"), ran.stderr


@pytest.mark.parametrize("text", ["int main() { return undefined; }", '#error "no"'])
def test_errors_name_the_line_of_the_source(tmp_path, text):
    (tmp_path / "wrong.cu").write_text("\n\n" + text)
    compiled = nvcc("-dc", tmp_path / "wrong.cu", "-o", tmp_path / "wrong.o")
    assert compiled.returncode and "wrong.cu:3:" in compiled.stderr
