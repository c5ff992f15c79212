"""Accuracies and losses of a run for TensorBoard."""

from __future__ import annotations

import tempfile
from pathlib import Path

from brianprop.analysis.runs.run import Run
from brianprop.models.errors import RunError
from brianprop.models.files import atomic_write, cannot_write

__all__ = ["write_tensorboard"]

#: Name of the file in the folder of a split, always the same, so that a later export replaces an earlier one.
FILE = "events.out.tfevents.0.brianprop"


def write_tensorboard(run: Run, out: Path) -> None:
    """Write the metrics of a run as event files, one in a folder for each split, so that TensorBoard draws the splits together.

    Parameters
    ----------
    run : Run
    out : pathlib.Path
        The folder, which is made where there is none. Its event files of an earlier export are replaced.

    Raises
    ------
    RunError
        If no epoch is finished, or a file cannot be written.
    """
    from tensorboardX import SummaryWriter

    rows = run.metrics()
    if not rows:
        raise RunError(f"{run.path} has no metrics, since no epoch is finished; export it when there is one.")
    # a time for each row, of which the run keeps the duration: the table was last written when the last epoch ended
    time = (run.path / "metrics.csv").stat().st_mtime - sum(row["seconds"] for row in rows)
    with tempfile.TemporaryDirectory() as folder:
        writers = {split: SummaryWriter(str(Path(folder) / split)) for split in dict.fromkeys(row["split"] for row in rows)}
        for row in rows:
            time += row["seconds"]
            for name, value in row.items():
                if isinstance(value, float):
                    writers[row["split"]].add_scalar(name, value, row["epoch"], walltime=time)
        for split, writer in writers.items():
            writer.close()
            (written,) = (Path(folder) / split).iterdir()
            place = out / split
            try:
                place.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise cannot_write(place, error) from error
            data = written.read_bytes()
            atomic_write(place / FILE, lambda file, data=data: file.write(data))
