"""Captions of the turns above a raster, which stay within their turn."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

__all__ = ["CAPTION", "caption_height", "fitted"]

#: Size of the letters of a caption, mean width of a letter as a fraction of it, and points in an inch.
CAPTION, LETTER, POINTS = 6.5, 0.56, 72

#: Least number of letters in a line at which captions are written out. Below, they are the number of the turn.
LEAST_LETTERS = 12


def fitted(captions: Sequence[Sequence[str]], turns: Sequence[int], room: float) -> list[str]:
    """Break the lines of captions where neighbours would collide.

    Parameters
    ----------
    captions : sequence of sequence of str
        The lines of each caption.
    turns : sequence of int
        The numbers of the turns, which stand alone where there is no room for more.
    room : float
        Width of a turn [points].

    Returns
    -------
    list of str
        With equally many lines each. Where even numbers would collide, some are empty.
    """
    letters = int(room / (CAPTION * LETTER)) - 1
    if letters < LEAST_LETTERS:
        every = -(-(len(str(max(turns))) + 1) // max(letters, 1))
        return [str(turn) if number % every == 0 else "" for number, turn in enumerate(turns)]
    broken = [[part for line in caption for part in textwrap.wrap(line, letters)] for caption in captions]
    most = max(map(len, broken))
    return ["\n".join(lines + [" "] * (most - len(lines))) for lines in broken]


def caption_height(captions: Sequence[str]) -> float:
    """Room above a raster for its captions [inches]."""
    return 0.1 + max(caption.count("\n") + 1 for caption in captions) * 1.2 * CAPTION / POINTS
