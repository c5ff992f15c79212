"""Takes in how points ended: moves their runs into the sweep directory, records failures, and reports progress."""

from __future__ import annotations

import platform
import time

from brianprop.analysis.sweeps.directory import SweepDirectory
from brianprop.experiments.sweeps.tasks import Task
from brianprop.experiments.sweeps.worker import Outcome
from brianprop.experiments.training.options import Message
from brianprop.models.errors import BrianpropError

__all__ = ["Progress"]

#: Seconds between two lines on the progress of a sweep, for outputs without a progress bar.
REPORT_INTERVAL = 60


class Progress:
    """The progress of one call of a sweep.

    Parameters
    ----------
    directory : SweepDirectory
    total : int
        Number of points to run.
    done : int
        Number of points that were finished before.
    message : callable
        Called with a line of text.
    """

    def __init__(self, directory: SweepDirectory, total: int, done: int, message: Message):
        self.directory, self.total, self.done, self.message = directory, total, done, message
        self.ended = self.failed = 0
        self.first_end = self.last_report = time.monotonic()

    def take(self, task: Task, outcome: Outcome) -> None:
        """Take in the outcome of one point."""
        directory, failure = self.directory, outcome.failure
        try:
            if outcome.archive is not None:
                with directory.lock(task.key):
                    if not directory.finished(task.key).is_dir():
                        directory.take(task.key, outcome.archive)
        except BrianpropError as error:
            failure = {"reason": str(error), "host": platform.node()}
        self.ended += 1
        if outcome.continued:
            self.message(f"{task.words}: an earlier attempt was killed; it went on from there.")
        if failure is None:
            directory.forget_failure(task.key)
        else:
            self.failed += 1
            self.message(f"{task.words}: failed. {failure['reason']}")
            try:
                directory.record_failure(task.key, failure)
            except BrianpropError as error:  # a full disk must not end the sweep
                self.message(str(error))
        self._report()

    def _report(self) -> None:
        """Print how many points are left and how long they will take, at most once in `REPORT_INTERVAL`."""
        now, left = time.monotonic(), self.total - self.ended
        if self.ended == 1:
            self.first_end = now  # the time before was mostly spent on builds
        elif now - self.last_report > REPORT_INTERVAL and left:
            self.last_report, minutes = now, (now - self.first_end) / (self.ended - 1) * left / 60
            finished = self.done + self.ended - self.failed
            self.message(f"{finished} runs finished, {self.failed} failed, {left} to come in about {minutes:.1f} minutes.")
