"""The process that runs a command: standard streams that may fail, and signals that end it."""

from __future__ import annotations

import contextlib
import errno
import io
import os
import select
import signal
import sys

__all__ = ["Output", "Stopped", "end", "raise_on_signals", "signal_behind", "take_streams"]

#: Signals that ask a process to end, and after which it can clean up.
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

#: Seconds after which the exception of a signal is raised again if something has swallowed it.
PATIENCE = 0.5


class Stopped(KeyboardInterrupt):
    """Raised when a signal asks the process to end. Libraries that clean up after Ctrl-C also do so after this.

    Parameters
    ----------
    number : int
        Number of the signal.
    """

    def __init__(self, number: int):
        super().__init__(number)
        self.number = number


#: Numbers of the signals that have been received.
_received: list[int] = []

#: Child processes, and their child processes, at the time of the last signal.
_descendants: list = []


def raise_on_signals() -> None:
    """Let SIGINT, SIGTERM and SIGHUP raise `Stopped` in the main thread, unless they are ignored, as after ``nohup``."""
    for number in SIGNALS:
        if signal.getsignal(number) in (signal.SIG_DFL, signal.default_int_handler):
            signal.signal(number, _stop)
    # Brian2 puts a handler of its own in front of the one that is there, and calls it, which SIG_IGN does not bear
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        signal.signal(signal.SIGINT, _ignore)


def _ignore(*_) -> None:
    """Do nothing: a handler for a signal that was ignored when the process began, and for errors that a signal has caused."""


def _stop(number: int, _frame) -> None:
    _received.append(number)
    # objects that the exception leaves half made may fail when they are deleted, and callbacks of C only report it
    sys.unraisablehook = _ignore
    # at once, since the children of a killed child could not be found later
    with contextlib.suppress(Exception):
        import psutil

        _descendants[:] = psutil.Process().children(recursive=True)
    signal.signal(signal.SIGALRM, _insist)
    signal.setitimer(signal.ITIMER_REAL, PATIENCE, PATIENCE)
    raise Stopped(number)


def _insist(_number: int, _frame) -> None:
    """Raise `Stopped` again if something has swallowed it, such as a destructor.

    If it is still being handled, end the child processes instead: the handling may wait for a simulation in another thread.
    """
    error = sys.exception()
    while error is not None:
        if isinstance(error, Stopped):
            _end_descendants()
            return
        error = error.__context__
    raise Stopped(_received[0])


def signal_behind(error: BaseException) -> int | None:
    """The number of the signal that caused an exception, or None.

    Any exception after a signal counts, since what `Stopped` interrupts, such as an import, may raise another one.
    """
    if _received:
        return _received[0]
    return signal.SIGINT if isinstance(error, KeyboardInterrupt) else None


def end() -> None:
    """End the child processes after a signal, and ignore further signals. The only thing left to do is to exit."""
    if not _received:  # Ctrl-C in a program that calls `main` and handles signals itself
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
    """A standard stream that drops what cannot be written and remembers the first error."""

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
                select.select([], [self], [])  # full, and another program has made it non-blocking: wait
        return memoryview(data).nbytes


class Output:
    """Standard output, as far as the exit status depends on it.

    Parameters
    ----------
    stream : _Stream, optional
        None if a caller has replaced standard output.
    """

    def __init__(self, stream: _Stream | None):
        self._stream = stream

    def status(self) -> int:
        """The exit status: 0, also if the reader of a pipe has closed it, or `os.EX_IOERR` if output could not be written."""
        if self._stream is None:
            return 0
        sys.stdout.flush()
        error = self._stream.error
        # a reader that closes the pipe, as head does, has read enough
        if error is None or error.errno == errno.EPIPE:
            return 0
        print(
            f"brianprop: Cannot write standard output ({error.strerror}), so some of it is lost, but all else was done; "
            "free space or send it elsewhere.",
            file=sys.stderr,
        )
        return os.EX_IOERR


def take_streams() -> Output:
    """Keep commands running when standard output or standard error is closed or full, or cannot encode a character.

    What cannot be written is dropped, and a character that the encoding lacks becomes a question mark. Streams that a caller
    has replaced are left alone.
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
    """Open closed standard streams on the null device. Otherwise the next file to be opened would receive their output."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            opened = os.open(os.devnull, os.O_RDWR)  # the lowest number that is free
            os.set_inheritable(opened, True)
