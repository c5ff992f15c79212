"""Sweep directories: many runs over parameters and seeds, read and written in this one place.

directory.py  `SweepDirectory`: its points, how far it is, its table
point.py      `Point`: its values on the axes and the options of its run
store.py      `PointStore`: the runs by key, finished and unfinished ones, with locks and checksums
results.py    what the table holds of one run
plan.py       sweep.json, checked as a file that anybody may have written
report.py     how far a sweep is, in lines of text
"""

from brianprop.analysis.sweeps.directory import SweepDirectory
from brianprop.analysis.sweeps.plan import SAMPLE, SEED, misfit
from brianprop.analysis.sweeps.report import report
from brianprop.analysis.sweeps.store import PointStore, has_links

__all__ = ["SAMPLE", "SEED", "PointStore", "SweepDirectory", "has_links", "misfit", "report"]
