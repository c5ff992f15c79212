"""Run directories: their format, read and written in this one place.

run.py         `Run`, a run directory with all its files
directory.py   the part of it without arrays: configuration, lock, metrics
recording.py   `Recording`, the spikes that a run keeps, and selections of them
values.py      values of settings as JSON, as cells of a table and as text
json_files.py  JSON files that may be damaged
npz.py         archives of arrays that may be damaged
metrics.py     metrics.csv, one row per epoch and split
checks.py      whether configuration, spikes and images can be right
lock.py        one writer at a time
vacancy.py     whether a run may be created at a path
"""

from brianprop.analysis.runs.recording import Recording
from brianprop.analysis.runs.run import Run
from brianprop.analysis.runs.vacancy import require_vacant
from brianprop.analysis.runs.values import as_json

__all__ = ["Recording", "Run", "as_json", "require_vacant"]
