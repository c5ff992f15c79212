"""The program ``brianprop``: streams, signals and exit statuses around the commands of `experiments.cli.commands`.

Nothing that takes long to import is imported here, so that an interruption during the imports ends like any other.
"""

from __future__ import annotations

import re
import signal
import sys
from pathlib import Path

from brianprop.experiments.cli import process
from brianprop.models.errors import BrianpropError, ParameterError

__all__ = ["SWEEP_COMMANDS", "main"]

#: What may follow on "sweep"; anything else is the source of a sweep to run.
SWEEP_COMMANDS = ("run", "resume", "status", "table", "figures", "presets")

#: An argument, or the value of one, that begins with a home folder: ~/runs, --out=~/runs, emulated-~/images.
HOME = re.compile(r"((?:[^=/~]*=)?(?:emulated-)?)(~[^/]*)(.*)", re.DOTALL)


def main(arguments: list[str] | None = None) -> int:
    """Run the command line.

    Parameters
    ----------
    arguments : list of str, optional
        By default those of the process, whose streams and signals are then looked after, see `experiments.cli.process`.

    Returns
    -------
    int
        The exit status: 0; 2 for bad input; 74 if standard output could not be written; 128 and the number of the signal
        that ended it, so 130 after Ctrl-C.
    """
    if arguments is not None:
        return _run(list(arguments))
    process.raise_on_signals()
    output = process.take_streams()
    try:
        status = _run(sys.argv[1:])
    except SystemExit as end:  # of the parser: help was shown, or an option is unknown
        status = end.code if isinstance(end.code, int) else int(end.code is not None)
    return status or output.status()


def _run(arguments: list[str]) -> int:
    debug = "--debug" in arguments
    arguments = [argument for argument in arguments if argument != "--debug"]
    if arguments[:1] == ["sweep"] and arguments[1:] and not {arguments[1]} & {*SWEEP_COMMANDS, "--help", "-h"}:
        arguments.insert(1, "run")
    try:
        arguments = [_expanded(argument) for argument in arguments]
        from brianprop.experiments.cli.commands import parse

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
    """Put the home folder in the place of ~, as a shell does where it is not quoted.

    Raises
    ------
    ParameterError
        When there is no such home folder.
    """
    found = HOME.fullmatch(argument)
    if not found:
        return argument
    before, home, rest = found.groups()
    try:
        return f"{before}{Path(home).expanduser()}{rest}"
    except RuntimeError as error:
        raise ParameterError(
            f"The home folder {home} of {argument!r} is unknown; write the whole path, or ./{home} for a file of that name."
        ) from error


def _sentence(error: Exception) -> str:
    """What to say of an error that is the user's or the machine's, in one line."""
    if isinstance(error, MemoryError):
        return "The memory is used up; take fewer samples or a smaller network, or free memory."
    if isinstance(error, OSError):
        place = error.filename or "a file or connection"
        return (
            f"Cannot use {place} ({error.strerror or error}); check that it is there, permitted, and on a disk with free space."
        )
    return " ".join(str(error).split("\n"))


if __name__ == "__main__":
    sys.exit(main())
