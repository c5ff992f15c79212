"""From the words of the command line to a command. The options of each command are the fields of its class."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Annotated

import tyro

from brianprop.experiments.cli.commands.benchmarks import Benchmark
from brianprop.experiments.cli.commands.export import Export
from brianprop.experiments.cli.commands.figures import Compare, Energy, Figures, Table
from brianprop.experiments.cli.commands.info import Info
from brianprop.experiments.cli.commands.reproduce import Reproduce
from brianprop.experiments.cli.commands.sweeps import SWEEP_COMMANDS, Sweep
from brianprop.experiments.cli.commands.training import Evaluate, Resume, Train

__all__ = ["parse"]

#: All commands, in the order in which help lists them. A new one has a line here.
Command = (
    Annotated[Train, tyro.conf.subcommand("train")]
    | Annotated[Resume, tyro.conf.subcommand("resume")]
    | Annotated[Evaluate, tyro.conf.subcommand("evaluate")]
    | Annotated[Figures, tyro.conf.subcommand("figures")]
    | Annotated[Compare, tyro.conf.subcommand("compare")]
    | Annotated[Table, tyro.conf.subcommand("table")]
    | Annotated[Reproduce, tyro.conf.subcommand("reproduce")]
    | Annotated[Export, tyro.conf.subcommand("export")]
    | Annotated[Sweep, tyro.conf.subcommand("sweep")]
    | Annotated[Energy, tyro.conf.subcommand("energy")]
    | Annotated[Benchmark, tyro.conf.subcommand("benchmark")]
    | Annotated[Info, tyro.conf.subcommand("info")]
)


def parse(arguments: Sequence[str]) -> Callable[[], None]:
    """Read the command line; gives the command, ready to be called.

    Raises
    ------
    SystemExit
        When help is asked for, or an option is unknown or cannot be read. The message has then been printed.
    ParameterError
        When a value is out of its range.
    """
    words = list(arguments)
    # 'sweep SOURCE' is short for 'sweep run SOURCE'
    if words[:1] == ["sweep"] and words[1:] and words[1] not in (*SWEEP_COMMANDS, "--help", "-h"):
        words.insert(1, "run")
    return tyro.cli(
        Command,
        prog="brianprop",
        description="Backpropagation written as spiking circuits in Brian2. Add --debug for tracebacks.",
        args=words,
        config=(tyro.conf.OmitArgPrefixes, tyro.conf.OmitSubcommandPrefixes),
    )
