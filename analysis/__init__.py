"""What is shown: run directories in, tables and figures out. Nothing here simulates.

systems/       the systems, found by name: what their runs hold, show and cost
runs/          run directories: their format, read and written in one place
sweeps/        sweep directories: many runs over parameters and seeds
figures/       figures of runs and sweeps, of many runs together, and of benchmarks
energy/        energy and latency on Loihi, modelled from recorded spikes
export/        runs for other tools: Neo, NWB, NIR, TensorBoard
groups.py      several runs at once: grouped over seeds, and labelled
statistics/    tests between kinds of runs, over seeds and over test images, with effect sizes
tables.py      accuracies over several runs, as tables and as Markdown
intervals.py   confidence intervals of accuracies
activity.py    what the spikes of SSNN-BP tell: answer, spikes and updates of each sample
toml_files.py  TOML files as users write them
"""
