// What the sources send, in the memory of a GPU: the rows of all samples, and which of them comes in which turn.
#ifndef BRIANPROP_STIMULI_H
#define BRIANPROP_STIMULI_H

#include <cstddef>
#include <cstdint>

namespace brianprop {

extern __device__ const uint8_t *stimulus_rows;
extern __device__ const int32_t *stimulus_order;

// Copies both to the GPU; sizes in bytes.
void upload_stimuli(const void *rows, size_t rows_size, const void *order, size_t order_size);

} // namespace brianprop

#endif
