"""The commands of ``brianprop``: dataclasses whose fields are the options, and whose call runs the command.

training.py    train, resume, evaluate, predict
figures.py     figures, compare, table, energy
reproduce.py   reproduce
sweeps.py      sweep run, resume, status, table, figures, presets
export.py      export
benchmarks.py  benchmark
cache.py       cache show, prune
info.py        info

A new command is a class in one of these files or in a new one, and a line in `experiments.cli.parser`. Only what its options
need is imported with the file; everything else is imported when the command runs, so that help stays fast.
"""
