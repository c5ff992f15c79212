"""The program ``brianprop``: streams, signals, exit statuses, and errors as one sentence.

Only modules that load fast are imported at the top. The commands are imported once signals are handled, so that Ctrl-C during
their import ends the program like any other.
"""

from __future__ import annotations

import re
import signal
import sys
from pathlib import Path

from brianprop.experiments.cli import process
from brianprop.models.errors import BrianpropError, ParameterError

__all__ = ["main"]

#: An argument that begins with a home folder, or whose value does: ~/runs, --out=~/runs, emulated-~/images.
HOME = re.compile(r"((?:[^=/~]*=)?(?:emulated-(?:negative-)?)?)(~[^/]*)(.*)", re.DOTALL)


def main(arguments: list[str] | None = None) -> int:
    """Run the command line.

    Parameters
    ----------
    arguments : list of str, optional
        Default: those of the process. Its streams and signals are then handled, see `experiments.cli.process`.

    Returns
    -------
    int
        The exit status: 0; 2 for bad input; 74 if standard output could not be written; 128 plus the number of the signal that
        ended the program, so 130 after Ctrl-C.
    """
    if arguments is not None:
        return _run(list(arguments))
    process.raise_on_signals()
    output = process.take_streams()
    try:
        status = _run(sys.argv[1:])
    except SystemExit as end:  # raised by the parser: help was shown, or an option is unknown
        status = end.code if isinstance(end.code, int) else int(end.code is not None)
    return status or output.status()


def _run(arguments: list[str]) -> int:
    debug = "--debug" in arguments
    arguments = [argument for argument in arguments if argument != "--debug"]
    try:
        arguments = [_expanded(argument) for argument in arguments]
        from brianprop.experiments.cli.parser import parse

        parse(arguments)()
    except BaseException as error:
        if (number := process.signal_behind(error)) is not None:
            process.end()
            what = "interrupted" if number == signal.SIGINT else f"ended by {signal.Signals(number).name}"
            print(f"brianprop: {what}; go on with 'brianprop resume RUN' or 'brianprop sweep resume DIR'.", file=sys.stderr)
            return 128 + number
        if debug or not isinstance(error, (BrianpropError, OSError, MemoryError)):
            raise
        print(f"brianprop: {_sentence(error)}", file=sys.stderr)
        return 2
    return 0


def _expanded(argument: str) -> str:
    """Replace ~ by the home folder, as a shell does for words without quotes.

    Raises
    ------
    ParameterError
        When there is no such home folder.
    """
    match = HOME.fullmatch(argument)
    if not match:
        return argument
    before, home, rest = match.groups()
    try:
        return f"{before}{Path(home).expanduser()}{rest}"
    except RuntimeError as error:
        raise ParameterError(
            f"The home folder {home} of {argument!r} is unknown; write the whole path, or ./{home} for a file of that name."
        ) from error


def _sentence(error: Exception) -> str:
    """An error that the user can remedy, as one line."""
    if isinstance(error, MemoryError):
        return "The memory is used up; take fewer samples or a smaller network, or free memory."
    if isinstance(error, OSError):
        what = error.filename or "a file or connection"
        return (
            f"Cannot use {what} ({error.strerror or error}); check that it is there, permitted, and on a disk with free space."
        )
    return " ".join(str(error).split("\n"))


if __name__ == "__main__":
    sys.exit(main())
