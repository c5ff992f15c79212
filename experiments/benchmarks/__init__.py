"""Speed: one file for each benchmark, and the hand-written kernels that they compare with."""
