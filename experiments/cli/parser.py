"""From the words of the command line to a command. The options of each command are the fields of its class."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from typing import Annotated, Any, Union

import tyro

from brianprop.analysis.systems import SYSTEMS
from brianprop.experiments.cli import options
from brianprop.experiments.cli.commands.benchmarks import BENCHMARKS, Benchmark
from brianprop.experiments.cli.commands.cache import Cache
from brianprop.experiments.cli.commands.export import Export
from brianprop.experiments.cli.commands.figures import Compare, Energy, Figures, Table
from brianprop.experiments.cli.commands.info import Info
from brianprop.experiments.cli.commands.reproduce import Reproduce
from brianprop.experiments.cli.commands.sweeps import Sweep
from brianprop.experiments.cli.commands.training import Evaluate, Predict, Resume, Train
from brianprop.experiments.sweeps import COMMANDS as SWEEP_COMMANDS
from brianprop.models.errors import ParameterError, did_you_mean

__all__ = ["COMMANDS", "parse"]

#: All commands, in the order in which help lists them. A new one has a line here.
COMMANDS: dict[str, type] = {
    "train": Train,
    "resume": Resume,
    "evaluate": Evaluate,
    "predict": Predict,
    "figures": Figures,
    "compare": Compare,
    "table": Table,
    "reproduce": Reproduce,
    "export": Export,
    "sweep": Sweep,
    "energy": Energy,
    "benchmark": Benchmark,
    "cache": Cache,
    "info": Info,
}

#: What may follow a command that has commands of its own. Any other word after ``sweep`` is the source of a sweep to run.
BELOW = {"train": tuple(SYSTEMS), "benchmark": tuple(BENCHMARKS), "cache": ("show", "prune")}

DESCRIPTION = (
    "Backpropagation written as spiking circuits in Brian2. 'brianprop COMMAND --help' lists the options of a command. With "
    "any command, --debug gives tracebacks. --version shows the version."
)


def parse(arguments: Sequence[str]) -> Callable[[], None]:
    """Read the command line; gives the command, ready to be called.

    Raises
    ------
    SystemExit
        When help is asked for, or an option is unknown or cannot be read. The message has then been printed.
    ParameterError
        When a command is unknown, a word belongs to no option, or a value is out of its range.
    """
    words = list(arguments)
    if words == ["--version"]:
        return _version
    _require_command("brianprop", words[:1], tuple(COMMANDS))
    _require_command(" ".join(["brianprop", *words[:1]]), words[1:2], BELOW.get(" ".join(words[:1]), ()))
    # 'sweep SOURCE' is short for 'sweep run SOURCE'
    if words[:1] == ["sweep"] and words[1:] and words[1] not in (*SWEEP_COMMANDS, "--help", "-h"):
        words.insert(1, "run")
    helping = not {"--help", "-h"}.isdisjoint(words)
    any_command: Any = Union[tuple(Annotated[kind, tyro.conf.subcommand(name)] for name, kind in COMMANDS.items())]  # noqa: UP007
    settings: Any = {
        "prog": "brianprop",
        "description": DESCRIPTION,
        "args": words,
        "config": (tyro.conf.OmitArgPrefixes, tyro.conf.OmitSubcommandPrefixes),
        "registry": options.registry(helping),
    }
    with options.wrapped() if helping else contextlib.nullcontext():
        command, unknown = tyro.cli(any_command, return_unknown_args=True, **settings)
        if not unknown:
            return command
        _require_option(words, unknown[0])
        return tyro.cli(any_command, **settings)  # ends with proposals for an unknown option


def _require_command(above: str, word: Sequence[str], commands: Sequence[str]) -> None:
    """Raise ParameterError where a word stands in the place of a command and is none."""
    for name in word:
        if commands and not name.startswith("-") and name not in commands:
            raise ParameterError(
                f"There is no command '{above} {name}'; use one of {', '.join(commands)}.{did_you_mean(name, commands)}"
            )


def _require_option(words: Sequence[str], stray: str) -> None:
    """Raise ParameterError where a word that nothing takes is no option itself."""
    if stray.startswith("-"):
        return
    before = words[: len(words) - 1 - words[::-1].index(stray)]
    start = next((place for place in reversed(range(len(before))) if before[place].startswith("--")), None)
    where = "" if start is None else f" after '{' '.join(before[start:])}'"
    raise ParameterError(
        f"The word {stray!r}{where} belongs to nothing: what is before it takes no more values; leave it away, or write the "
        "name of its option before it."
    )


def _version() -> None:
    from importlib import metadata

    print(f"brianprop {metadata.version('brianprop')}")
