"""Hand-written C++ kernels of the two algorithms: the yardsticks of the benchmarks.

They compute what the circuits compute, without neurons, synapses or a schedule: the least work that a processor has to do for
one sample. Only the benchmarks and the tests use them.

library.py            compiles a kernel on first use and loads it; memory at the start of a cache line
nbp.cpp, nbp.py       nBP in integers, bit for bit what the circuit gives
ssnn_bp.cpp, ssnn_bp.py   SSNN-BP in single precision, what the circuit gives in distribution
"""
