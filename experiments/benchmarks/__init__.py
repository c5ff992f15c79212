"""Speed: the commands ``brianprop benchmark ...``, and the check of a GPU.

nbp.py          nBP: Brian2's templates, dense ones and a hand-written kernel; memory, build and start-up
ssnn_bp.py      the same for SSNN-BP
replicas.py     many networks at once: in one simulation, on all cores, on a GPU
brian2_device.py  Brian2's own examples on its C++ device and on ours; networks.py are these
cuda_check.py   whether a GPU gives the results of C++, then the benchmark of replicas there
scaling.py      time over the sizes of the layers, for nBP
timing.py       interleaved rounds
inspection.py   profile, memory and result files of a running binary
report.py       rows, ratios, tables and the output folder
kernels/        the hand-written kernels
"""
