"""What a user sees while something takes long: a running clock on a terminal, and in a log a line now and then."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

__all__ = ["Message", "Progress", "clock", "silent"]

#: Takes a line of text for the user.
Message = Callable[[str], None]

#: Takes how many of how many parts are done.
Progress = Callable[[int, int], None]

#: Seconds between two looks at the clock on a terminal, and between two lines in a log.
REFRESH, PATIENCE = 0.5, 30.0


def silent(_text: str) -> None:
    """The message of a caller who wants to see nothing, not even a clock."""


@contextmanager
def clock(what: str, parts: str, message: Message) -> Iterator[Progress]:
    """Show for how long a block has been running, and how much of it is done.

    Parameters
    ----------
    what : str
        What is done, such as "Building the circuit nbp-training".
    parts : str
        What it consists of, such as "units compiled".
    message : callable
        Called now and then with a line of text, from another thread, where standard error is no terminal. With `silent`
        nothing is shown at all.

    Yields
    ------
    callable
        To be called with the number of parts that are done, and of all; by any thread.
    """
    if message is silent:
        yield lambda done, total: None
        return
    from tqdm import tqdm

    start, ended, state = time.perf_counter(), threading.Event(), ""
    # None: only where there is a terminal
    with tqdm(desc=what, bar_format="{desc}: {elapsed}{postfix}", leave=False, disable=None) as bar:

        def progress(done: int, total: int) -> None:
            nonlocal state
            state = f", {done} of {total} {parts}"

        def show() -> None:
            while not ended.wait(PATIENCE if bar.disable else REFRESH):
                if bar.disable:
                    message(f"{what}: {time.perf_counter() - start:.0f} s{state}")
                else:
                    bar.set_postfix_str(state.removeprefix(", "))

        thread = threading.Thread(target=show, daemon=True)
        thread.start()
        try:
            yield progress
        finally:
            ended.set()
            thread.join()
