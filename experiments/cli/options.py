"""How the options of a command are read, and shown in help.

The commands are dataclasses, from which tyro makes the parser. Here is what it would leave raw: defaults that say nothing
(``None``), flags that ask for what holds anyway (``--no-quick``), positional arguments named by their type, lines longer than
the terminal, and the errors of ``int`` and ``float``, alone, in lists and beside None.
"""

from __future__ import annotations

import dataclasses
import io
import shutil
import sys
import textwrap
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

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
    """A rule for a number, several of them, or either or None. Those of tyro name neither the word nor what it should be."""

    def read(word: str, hint: str = "") -> Any:
        try:
            return kind(word)
        except ValueError:
            raise ValueError(f"{word!r} is not {wanted}{hint}") from None

    def holds(value: Any) -> bool | Literal["~"]:
        return type(value) is kind or ("~" if isinstance(value, int) else False)  # a whole number stands for any number

    one = PrimitiveConstructorSpec(1, name, lambda words: read(words[0]), holds, lambda value: [str(value)])
    several = PrimitiveConstructorSpec(
        "*",
        f"[{name} [{name} ...]]",
        lambda words: tuple(read(word, "; write several with spaces between them") for word in words),
        lambda values: isinstance(values, tuple) and all(holds(value) for value in values),
        lambda values: [str(value) for value in values],
    )

    def rule(info: PrimitiveTypeInfo) -> PrimitiveConstructorSpec | None:
        if tyro.conf.UseAppendAction in info.markers:
            return None
        kinds = get_args(info.type) if info.type_origin in (Union, UnionType) else (info.type,)
        for wanted_kind, spec in ((kind, one), (tuple[kind, ...], several)):
            if kinds == (wanted_kind,):
                return spec
            if set(kinds) == {wanted_kind, NoneType}:
                return _or_none(spec, tyro.conf.DisallowNone in info.markers)
        return None

    return rule


def _or_none(spec: PrimitiveConstructorSpec, hidden: bool) -> PrimitiveConstructorSpec:
    """The rule of a value that may also be None, which help may hide."""
    return dataclasses.replace(
        spec,
        metavar=spec.metavar if hidden else f"{{None}}|{spec.metavar}",
        instance_from_str=lambda words: None if words == ["None"] else spec.instance_from_str(words),
        is_instance=lambda value: value is None or spec.is_instance(value),
        str_from_instance=lambda value: ["None"] if value is None else spec.str_from_instance(value),
    )


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
