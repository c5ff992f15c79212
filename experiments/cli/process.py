"""The process around a command: standard streams that may fail, and signals that end it."""

from __future__ import annotations

import contextlib
import errno
import io
import os
import select
import signal
import sys

__all__ = ["Output", "Stopped", "end", "raise_on_signals", "signal_behind", "take_streams"]

#: Signals that end a process but let it clean up.
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

#: Seconds after which an exception that a signal raised, and that got lost, is raised again.
PATIENCE = 0.5


class Stopped(KeyboardInterrupt):
    """A signal has asked the process to end. Libraries that clean up after Ctrl-C do so after this too.

    Parameters
    ----------
    number : int
        Of the signal.
    """

    def __init__(self, number: int):
        super().__init__(number)
        self.number = number


#: Signals that came.
_received: list[int] = []

#: Processes that this one had started, and those that they had started, when the last signal came.
_descendants: list = []


def raise_on_signals() -> None:
    """Let SIGINT, SIGTERM and SIGHUP raise `Stopped` in the main thread, unless they are ignored, as after ``nohup``."""
    for number in SIGNALS:
        if signal.getsignal(number) in (signal.SIG_DFL, signal.default_int_handler):
            signal.signal(number, _stop)


def _stop(number: int, _frame) -> None:
    _received.append(number)
    # now, since the children of a child that is killed cannot be found later
    with contextlib.suppress(Exception):
        import psutil

        _descendants[:] = psutil.Process().children(recursive=True)
    signal.signal(signal.SIGALRM, _insist)
    signal.setitimer(signal.ITIMER_REAL, PATIENCE, PATIENCE)
    raise Stopped(number)


def _insist(_number: int, _frame) -> None:
    """Raise `Stopped` again where it was swallowed, as in a destructor.

    While it is on its way out, what it waits for is ended instead, such as a simulation that another thread runs.
    """
    error = sys.exception()
    while error is not None:
        if isinstance(error, Stopped):
            _end_descendants()
            return
        error = error.__context__
    raise Stopped(_received[0])


def signal_behind(error: BaseException) -> int | None:
    """The signal that an exception comes from, or None.

    Any exception after a signal counts: what `Stopped` interrupts, such as an import, may raise another in its place.
    """
    if _received:
        return _received[0]
    return signal.SIGINT if isinstance(error, KeyboardInterrupt) else None


def end() -> None:
    """End what the process has started when a signal came, and take no further one: all that is left to do is to exit."""
    if not _received:  # Ctrl-C in a program that uses ours and keeps its signals
        return
    signal.setitimer(signal.ITIMER_REAL, 0)
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    _end_descendants()


def _end_descendants() -> None:
    for process in _descendants:
        with contextlib.suppress(Exception):  # it has ended
            process.terminate()


class _Stream(io.FileIO):
    """A standard stream that drops what cannot be written, and keeps the first error."""

    error: OSError | None = None

    def write(self, data) -> int:
        while self.error is None:
            try:
                written = super().write(data)
            except OSError as error:
                self.error = error
            else:
                if written is not None:
                    return written
                select.select([], [self], [])  # set not to block by another program, and full
        return memoryview(data).nbytes


class Output:
    """What becomes of standard output.

    Parameters
    ----------
    stream : _Stream, optional
        None where it is not that of the process.
    """

    def __init__(self, stream: _Stream | None):
        self._stream = stream

    def status(self) -> int:
        """The exit status that output asks for: 0, also if its reader has gone, or `os.EX_IOERR` if it could not be written."""
        if self._stream is None:
            return 0
        sys.stdout.flush()
        error = self._stream.error
        # whoever closes a pipe, as head does, has read enough
        if error is None or error.errno == errno.EPIPE:
            return 0
        print(
            f"brianprop: Cannot write standard output ({error.strerror}), so some of it is lost, but all else was done; "
            "free space or send it elsewhere.",
            file=sys.stderr,
        )
        return os.EX_IOERR


def take_streams() -> Output:
    """Let no command end because standard output or standard error is closed, full, or of few characters.

    What cannot be written is dropped, and a character that the stream's encoding lacks becomes a question mark. Streams that a
    caller has put in the place of those of the process stay.
    """
    _open_closed()
    taken = {}
    for name, number in (("stdout", 1), ("stderr", 2)):
        stream = getattr(sys, name)
        if stream is not getattr(sys, f"__{name}__"):
            continue
        raw = taken[name] = _Stream(number, "w", closefd=False)
        encoding = getattr(stream, "encoding", None) or "utf-8"
        text = io.TextIOWrapper(io.BufferedWriter(raw), encoding=encoding, errors="replace", line_buffering=True)
        setattr(sys, name, text)
    return Output(taken.get("stdout"))


def _open_closed() -> None:
    """Open a closed standard stream on the null device: else the next file to be opened would get its number and its output."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            opened = os.open(os.devnull, os.O_RDWR)  # the lowest number that is free
            os.set_inheritable(opened, True)
