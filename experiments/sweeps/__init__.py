"""Sweeps over parameters and seeds.

description.py  a sweep as data, and the points that it expands to
reading.py      a sweep from a TOML file or a preset, and the format of the file
words.py        parts of a sweep from words of the command line
plan.py         the plan of a sweep: every point with its key
tasks.py        what workers are given: a task for each point, a batch for each simulation
worker.py       what runs on a worker: builds, and the training of points
run.py          run or resume a sweep, and write its table
distribute.py   give batches to workers, and take in what comes back
progress.py     finished points, failures and the remaining time
cluster.py      connections to workers, on this machine or elsewhere
queues.py       workers in the jobs of a queue such as Slurm
presets/        sweeps that come with the package
"""

__all__ = ["COMMANDS"]

#: The commands below ``brianprop sweep``. Any other word after it is the source of a sweep to run.
COMMANDS = ("run", "resume", "status", "table", "figures", "presets")
