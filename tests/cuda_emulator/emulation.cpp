#include "emulation.h"

#include <memory>
#include <random>
#include <setjmp.h>
#include <ucontext.h>
#include <vector>

uint3 threadIdx, blockIdx;
dim3 blockDim, gridDim;

namespace emulation {
void *shared_memory;
cudaError last_error = cudaSuccess;

namespace {
const size_t STACK = 256 << 10;
std::mt19937 shuffler(1);

// A stack on which threads of a block run, one after the other until one of them has to wait. What swapcontext does with
// signals costs more than a thread; so it is entered once, and jumps do the rest.
struct Fiber {
    ucontext_t first;
    jmp_buf place;
    std::unique_ptr<char[]> stack{new char[STACK]};
    uint3 thread;
    bool is_new = true;
};

std::vector<std::unique_ptr<Fiber>> idle; // kept between launches
Fiber *running = nullptr;
bool has_ended;
jmp_buf scheduler;
const std::function<void()> *body;
std::vector<uint3> threads;
size_t next_thread;

std::vector<uint3> shuffled(const dim3 &size) {
    std::vector<uint3> all;
    for (unsigned z = 0; z < size.z; ++z)
        for (unsigned y = 0; y < size.y; ++y)
            for (unsigned x = 0; x < size.x; ++x) all.push_back({x, y, z});
    std::shuffle(all.begin(), all.end(), shuffler);
    return all;
}

// Back to where the fiber was resumed, until it is resumed again.
void leave(const bool at_end) {
    has_ended = at_end;
    Fiber &fiber = *running;
    fiber.thread = threadIdx;
    if (!_setjmp(fiber.place)) _longjmp(scheduler, 1);
}

void run_threads() {
    for (;;) {
        while (next_thread < threads.size()) {
            threadIdx = threads[next_thread++];
            (*body)();
        }
        leave(true);
    }
}

// Lets a fiber run until it waits or has no thread left; says whether it waits.
bool resume(Fiber &fiber) {
    running = &fiber;
    threadIdx = fiber.thread;
    if (!_setjmp(scheduler)) {
        if (!fiber.is_new) _longjmp(fiber.place, 1);
        fiber.is_new = false;
        getcontext(&fiber.first);
        fiber.first.uc_stack.ss_sp = fiber.stack.get();
        fiber.first.uc_stack.ss_size = STACK;
        fiber.first.uc_link = nullptr;
        makecontext(&fiber.first, run_threads, 0);
        setcontext(&fiber.first);
    }
    return !has_ended;
}

void run_block() {
    std::vector<std::unique_ptr<Fiber>> waiting;
    next_thread = 0;
    while (next_thread < threads.size()) {
        if (idle.empty()) idle.emplace_back(new Fiber);
        std::unique_ptr<Fiber> fiber = std::move(idle.back());
        idle.pop_back();
        (resume(*fiber) ? waiting : idle).push_back(std::move(fiber));
    }
    while (!waiting.empty()) {
        std::vector<std::unique_ptr<Fiber>> together;
        together.swap(waiting);
        std::shuffle(together.begin(), together.end(), shuffler);
        for (auto &fiber : together) (resume(*fiber) ? waiting : idle).push_back(std::move(fiber));
    }
}
} // namespace

void launch(const dim3 grid, const dim3 block, const size_t shared, const std::function<void()> &thread) {
    const size_t n_blocks = size_t(grid.x) * grid.y * grid.z, n_threads = size_t(block.x) * block.y * block.z;
    if (!n_blocks || !n_threads || n_threads > size_t(MAX_THREADS) || shared > SHARED_MEMORY) {
        last_error = cudaErrorInvalidConfiguration;
        return;
    }
    std::vector<char> memory(SHARED_MEMORY);
    shared_memory = memory.data();
    body = &thread;
    gridDim = grid;
    blockDim = block;
    for (const uint3 &index : shuffled(grid)) {
        blockIdx = index;
        std::fill(memory.begin(), memory.begin() + shared, char(0xA5));
        threads = shuffled(block);
        run_block();
    }
    running = nullptr;
}
} // namespace emulation

void __syncthreads() { emulation::leave(false); }
