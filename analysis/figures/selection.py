"""What of a recording a raster shows: populations, turns and phases."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from brianprop.models.errors import ParameterError

__all__ = ["Selection", "span_of"]


@dataclass(frozen=True)
class Selection:
    """Part of a recording. Whatever is None is left to the figure.

    Attributes
    ----------
    populations : sequence of str, optional
        Names, in the order in which they are drawn from top to bottom.
    turns, phases : slice or range, optional
        Numbers from 0, as Python counts them: ``slice(21, 24)`` means 21, 22 and 23.
    """

    populations: Sequence[str] | None = None
    turns: slice | range | None = None
    phases: slice | range | None = None

    def names(self, known: Iterable[str]) -> list[str] | None:
        """The chosen populations. Raises ParameterError if one is none of those that are `known`."""
        known = list(known)
        if self.populations is None:
            return None
        for name in self.populations:
            if name not in known:
                raise ParameterError(
                    f"Population {name!r} is not in the recording; choose --populations of {', '.join(known)}."
                )
        if not self.populations:
            raise ParameterError(f"No population is chosen; choose --populations of {', '.join(known)}.")
        return list(dict.fromkeys(self.populations))

    def turns_of(self, n_turns: int) -> range | None:
        """The chosen turns of a recording of `n_turns`. Raises ParameterError if it lacks some."""
        return _numbers(self.turns, n_turns, "turns", "the recording")

    def phases_of(self, period: int) -> range:
        """The chosen phases of a turn of `period` time steps, by default all. Raises ParameterError if it lacks some."""
        return _numbers(self.phases, period, "phases", "a turn") or range(period)


def span_of(text: str | None, name: str) -> slice | None:
    """Read numbers such as ``21:24``, ``21:`` or ``21``.

    Raises
    ------
    ParameterError
        If the text is something else; it names the option.
    """
    if text is None:
        return None
    first, colon, last = text.partition(":")
    try:
        start = int(first) if first or not colon else 0
        stop = start + 1 if not colon else int(last) if last else None
    except ValueError as error:
        raise ParameterError(
            f"Option --{name} {text!r} is no span of numbers; give, say, 21:24 for 21, 22 and 23, or one number."
        ) from error
    return slice(start, stop)


def _numbers(chosen: slice | range | None, number: int, what: str, whole: str) -> range | None:
    if chosen is None:
        return None
    start = chosen.start or 0
    stop = number if chosen.stop is None else chosen.stop
    if chosen.step not in (None, 1):
        raise ParameterError(f"The {what} {start}:{stop}:{chosen.step} leave some out; give them without a step.")
    if not 0 <= start < stop <= number:
        raise ParameterError(
            f"The {what} {start}:{stop} are not in {whole}, which has {number}, from 0 to {number - 1}; set --{what} to a span "
            f"such as 0:{min(number, 6)}, which ends before its last number."
        )
    return range(start, stop)
