"""How the options of a command are read, and shown in help.

The commands are dataclasses, from which tyro makes the parser. Here is what it would leave raw: defaults that say nothing
(``None``), flags that ask for what holds anyway (``--no-quick``), positional arguments named by their type, lines longer than
the terminal, and the errors of ``int`` and ``float``.
"""

from __future__ import annotations

import dataclasses
import io
import shutil
import sys
import textwrap
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from typing import Annotated, Any, Literal, get_origin

import tyro
from tyro.constructors import (
    ConstructorRegistry,
    PrimitiveConstructorSpec,
    PrimitiveTypeInfo,
    StructConstructorSpec,
    StructFieldSpec,
    StructTypeInfo,
)

__all__ = ["registry", "wrapped"]

#: Types of numbers, their name in help, and what they must be.
NUMBERS = ((int, "INT", "a whole number"), (float, "FLOAT", "a number"))


def registry(helping: bool) -> ConstructorRegistry:
    """The rules by which tyro reads the fields of the commands.

    Parameters
    ----------
    helping : bool
        Whether help is asked for. It leaves out what is read but says nothing: ``--no-quick``, ``--crop None``.
    """
    rules, reading = ConstructorRegistry(), []

    @rules.struct_rule
    def _fields(info: StructTypeInfo) -> StructConstructorSpec | None:
        if not dataclasses.is_dataclass(info.type) or info.type in reading:
            return None
        reading.append(info.type)  # then the rule of tyro itself applies
        try:
            spec = ConstructorRegistry.get_struct_spec(info)
        finally:
            reading.pop()
        if not isinstance(spec, StructConstructorSpec):
            return None
        return dataclasses.replace(spec, fields=tuple(_shown(field, helping) for field in spec.fields))

    for kind, name, wanted in NUMBERS:
        rules.primitive_rule(_number_rule(kind, name, wanted))
    return rules


def _shown(field: StructFieldSpec, helping: bool) -> StructFieldSpec:
    """A field as help is to show it."""
    markers: list[Any] = []
    if field.default is None or field.default is False or field.default == ():
        markers.append(tyro.conf.arg(help_behavior_hint=""))
    elif field.default is True:
        markers.append(tyro.conf.arg(help_behavior_hint=f"(default: --{field.name.replace('_', '-')})"))
    if helping:
        markers += [tyro.conf.DisallowNone] + [tyro.conf.FlagCreatePairsOff] * (field.default is False)
    if tyro.conf.Positional in getattr(field.type, "__metadata__", ()):
        markers.append(tyro.conf.arg(metavar=_positional(field)))
        if len(markers) == 1 + helping:  # tyro does not say so where there may be several
            markers.append(tyro.conf.arg(help_behavior_hint="(required)"))
    kind: Any = Annotated[(field.type, *markers)] if markers else field.type
    helptext = field.helptext
    text = (lambda: _flowing(helptext())) if callable(helptext) else _flowing(helptext)
    return dataclasses.replace(field, type=kind, helptext=text)


def _positional(field: StructFieldSpec) -> str:
    """The name of a positional argument: ``RUN``, or ``RUN [RUN ...]`` where it may be several."""
    several = get_origin(field.type.__origin__) is tuple
    name = field.name.upper().removesuffix("S" if several else "")
    if not several:
        return name
    return f"[{name} ...]" if field.default == () else f"{name} [{name} ...]"


def _flowing(text: str | None) -> str | None:
    """Text without line breaks but those between paragraphs; tyro also keeps those before what is no letter."""
    return text and "\n\n".join(" ".join(paragraph.split()) for paragraph in text.split("\n\n"))


def _number_rule(kind: type, name: str, wanted: str) -> Callable[[PrimitiveTypeInfo], PrimitiveConstructorSpec | None]:
    def read(words: list[str]) -> Any:
        try:
            return kind(words[0])
        except ValueError:
            raise ValueError(f"{words[0]!r} is not {wanted}") from None

    def holds(value: Any) -> bool | Literal["~"]:
        return type(value) is kind or ("~" if isinstance(value, int) else False)  # a whole number stands for any number

    def rule(info: PrimitiveTypeInfo) -> PrimitiveConstructorSpec | None:
        if info.type is not kind:
            return None
        return PrimitiveConstructorSpec(1, name, read, holds, lambda value: [str(value)])

    return rule


class _Captured(io.StringIO):
    """What is printed, with the colours and boxes that standard output can show."""

    @property
    def encoding(self) -> str:  # pyright: ignore[reportIncompatibleVariableOverride]
        return getattr(sys.__stdout__, "encoding", None) or "ascii"

    def isatty(self) -> bool:
        return sys.__stdout__ is not None and sys.__stdout__.isatty()


@contextmanager
def wrapped() -> Iterator[None]:
    """Break lines that are longer than the terminal, in what is printed while the block runs."""
    captured = _Captured()
    try:
        with redirect_stdout(captured):
            yield
    finally:
        width = max(shutil.get_terminal_size().columns, 40)
        for line in captured.getvalue().splitlines():
            # boxes fit, and their lines hold codes of colours; descriptions are plain
            plain = line[:1].isalpha()
            print(textwrap.fill(line, width, break_on_hyphens=False, break_long_words=False) if plain else line)
