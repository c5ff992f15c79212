"""The experiments of both papers.

experiments.py  every experiment as data: its name, its runs, and what it shows
side_by_side.py all systems on the same data: accuracy, spikes, operations, energy, time, memory
emulation.py    the emulated camera against real recordings
run.py          run experiments, and write their figures and tables
published.py    the numbers of the published runs in the pages of the documentation
"""
