"""Boxes with labels and arrows between them, drawn in inches. Arrows bend around the boxes that they do not belong to."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["Box", "Diagram", "spread", "text_size"]

#: Points in an inch.
POINTS = 72

#: Bends that an arrow may have, as fractions of its length to its right, in the order in which they are preferred.
BENDS = tuple(
    sign * bend for bend in (0.12, 0.06, 0.18, 0.24, 0.3, 0.36, 0.42, 0.48, 0.56, 0.64, 0.72, 0.8) for sign in (1, -1)
)
#: What a bend costs, in boxes that the arrow passes; and to pass an idle box, or to leave the diagram.
COST_OF_BEND, COST_OF_IDLE, COST_OF_LEAVING = 0.6, 0.45, 4.0
#: Least difference of the bends of two arrows between the same boxes.
APART = 0.09
#: Room between an arrow and a box that it passes [inches].
CLEARANCE = 0.015
#: Number of points at which a curve is compared with boxes.
SAMPLES = 49

#: Length and half of the width of an arrow's head, and half of the bar of one that inhibits [points]; the part of light ones.
HEAD_LENGTH, HEAD_WIDTH, BAR = 4.6, 1.9, 2.6
LIGHT = 0.75


@cache
def text_size(label: str, size: float) -> tuple[float, float]:
    """Width and height of a line of text [inches]."""
    from matplotlib.font_manager import FontProperties
    from matplotlib.textpath import text_to_path

    width, height, _ = text_to_path.get_text_width_height_descent(label, FontProperties(size=size), "$" in label)
    return width / POINTS, max(height, 0.75 * size) / POINTS


@dataclass(frozen=True)
class Box:
    """A label in a box.

    Attributes
    ----------
    x, y : float
        Its middle [inches].
    width, height : float
        [inches]
    leave : float
        How far above the middle arrows leave [inches].
    """

    x: float
    y: float
    width: float
    height: float
    leave: float = 0.0

    @classmethod
    def around(cls, label: str, x: float, y: float, size: float) -> Box:
        """The box around a label of one or several lines; `size` is that of the letters [points]."""
        widths, heights = zip(*(text_size(line, size) for line in label.split("\n")), strict=True)
        pad = 0.28 * size / POINTS
        return cls(x, y, max(widths) + 2 * pad, max(size / POINTS, *heights) * len(heights) + 1.4 * pad)

    @property
    def middle(self) -> np.ndarray:
        return np.array([self.x, self.y])

    def holds(self, points: np.ndarray) -> np.ndarray:
        """Whether points, of shape (n, 2), lie in the box; bool array of shape (n,)."""
        return np.all(np.abs(points - self.middle) < np.array([self.width, self.height]) / 2, axis=-1)


def spread(middles: Sequence[float], widths: Sequence[float], low: float, high: float) -> list[float]:
    """Move intervals apart that would overlap, within the limits `low` and `high`; `middles` ascend."""
    placed = list(middles)
    for number, width in enumerate(widths):
        before = low if number == 0 else placed[number - 1] + widths[number - 1] / 2
        placed[number] = max(placed[number], before + width / 2)
    end = high
    for number in reversed(range(len(placed))):
        placed[number] = min(placed[number], end - widths[number] / 2)
        end = placed[number] - widths[number] / 2
    return placed


class Diagram:
    """A figure whose coordinates are inches from its lower left corner.

    Parameters
    ----------
    width, height : float
        Of the figure [inches].
    """

    def __init__(self, width: float, height: float):
        from matplotlib.figure import Figure

        self.figure: Figure = Figure(figsize=(width, height))
        self.axes = self.figure.add_axes((0, 0, 1, 1))
        self.axes.set(xlim=(0, width), ylim=(0, height))
        self.axes.set_axis_off()

    def boxes(self, boxes: Iterable[tuple[Box, str, float, str, str, bool]]) -> None:
        """Draw boxes: each with its label, size of letters [points], colour of face and of edge, and whether it is round."""
        from matplotlib.collections import PatchCollection
        from matplotlib.colors import to_rgb
        from matplotlib.patches import FancyBboxPatch

        patches, faces, edges = [], [], []
        for box, label, size, face, edge, is_round in boxes:
            corner = (box.x - box.width / 2, box.y - box.height / 2)
            style = f"round,pad=0,rounding_size={0.25 * size / POINTS}" if is_round else "square,pad=0"
            patches.append(FancyBboxPatch(corner, box.width, box.height, boxstyle=style))
            faces.append(face)
            edges.append(edge)
            dark = face != "none" and float(np.dot(to_rgb(face), (0.3, 0.6, 0.1))) < 0.5
            colour = "white" if dark else "black" if edge != "none" else "0.55"
            self.text(box.x, box.y, label, size, color=colour)
        self.axes.add_collection(PatchCollection(patches, facecolors=faces, edgecolors=edges, linewidths=0.7, zorder=4))

    def text(self, x: float, y: float, label: str, size: float, **options) -> None:
        """Write text around a place [inches]."""
        look: dict[str, Any] = {"ha": "center", "va": "center_baseline" if "\n" not in label else "center"} | options
        self.axes.text(x, y, label, fontsize=size, linespacing=1.05, zorder=5, **look)

    def arrows(
        self, arrows: Iterable[tuple[Box, Box, str, bool, bool]], around: Sequence[Box], idle: Sequence[Box] = ()
    ) -> None:
        """Draw arrows: each with its ends, its colour, whether it inhibits, and whether it is light.

        An arrow takes the bend that best leads around the boxes `around` and, if possible, those that are `idle`, within the
        rectangle that they span; and not that of an earlier arrow between the same ends. Light ones lie below.
        """
        from matplotlib.collections import LineCollection, PolyCollection
        from matplotlib.colors import to_rgba

        obstacles = _Obstacles.of(around, idle)
        taken: dict[tuple, list[float]] = {}
        bent = []
        for start, stop, *look in arrows:
            # the bend of an arrow in the opposite direction is the same curve with the other sign
            forward = (start.x, start.y) < (stop.x, stop.y)
            used = taken.setdefault((start.x, start.y, stop.x, stop.y) if forward else (stop.x, stop.y, start.x, start.y), [])
            sign = 1 if forward else -1
            bend = _bend(start, stop, obstacles, [sign * one for one in used])
            used.append(sign * bend)
            bent.append((start, stop, bend, *look))
        for light in (True, False):
            lines, line_colours, heads, head_colours = [], [], [], []
            scale = (LIGHT if light else 1.0) / POINTS
            alpha, width = (0.35, 0.5) if light else (0.95, 1.0)
            for start, stop, bend, colour, inhibits, is_light in bent:
                if is_light != light:
                    continue
                curve = _cut(_curve(start, stop, bend, 201), start, stop)
                tip, back = curve[-1], curve[max(len(curve) - 1 - _steps(curve, HEAD_LENGTH * scale), 0)]
                along = (tip - back) / max(float(np.linalg.norm(tip - back)), 1e-9)
                across = np.array([-along[1], along[0]])
                rgba = to_rgba(colour, alpha)
                if inhibits:
                    lines += [curve, np.stack([tip - BAR * scale * across, tip + BAR * scale * across])]
                    line_colours += [rgba, rgba]
                else:
                    base = tip - HEAD_LENGTH * scale * along
                    lines.append(np.vstack([curve[: len(curve) - _steps(curve, HEAD_LENGTH * scale)], base]))
                    line_colours.append(rgba)
                    heads.append(np.stack([tip, base + HEAD_WIDTH * scale * across, base - HEAD_WIDTH * scale * across]))
                    head_colours.append(rgba)
            below = 2 if light else 3
            if lines:
                self.axes.add_collection(LineCollection(lines, colors=line_colours, linewidths=width, zorder=below))
            if heads:
                self.axes.add_collection(PolyCollection(heads, facecolors=head_colours, edgecolors="none", zorder=below))


def _curve(start: Box, stop: Box, bend: float, number: int) -> np.ndarray:
    """Points of the curve between the middles of two boxes; array of shape (number, 2)."""
    one, other = start.middle + np.array([0.0, start.leave]), stop.middle
    control = (one + other) / 2 + bend * np.array([other[1] - one[1], one[0] - other[0]])
    t = np.linspace(0, 1, number)[:, np.newaxis]
    return (1 - t) ** 2 * one + 2 * t * (1 - t) * control + t**2 * other


@dataclass(frozen=True)
class _Obstacles:
    """Boxes that arrows lead around, and the rectangle in which they stay.

    Attributes
    ----------
    middles, halves : ndarray, shape (n, 2)
        Middles of the boxes and half of their sizes, with some room around [inches].
    cost : ndarray, shape (n,)
    low, high : ndarray, shape (2,)
        Corners of the rectangle [inches].
    """

    middles: np.ndarray
    halves: np.ndarray
    cost: np.ndarray
    low: np.ndarray
    high: np.ndarray

    @classmethod
    def of(cls, around: Sequence[Box], idle: Sequence[Box]) -> _Obstacles:
        boxes = [*around, *idle]
        middles = np.array([box.middle for box in boxes])
        halves = np.array([(box.width, box.height) for box in boxes]) / 2 + CLEARANCE
        cost = np.array([1.0] * len(around) + [COST_OF_IDLE] * len(idle))
        return cls(middles, halves, cost, (middles - halves).min(axis=0), (middles + halves).max(axis=0))


def _bend(start: Box, stop: Box, obstacles: _Obstacles, used: Sequence[float]) -> float:
    """The bend of least cost, the preferred one among equals."""
    ends = np.all(obstacles.middles == start.middle, axis=1) | np.all(obstacles.middles == stop.middle, axis=1)
    cost_of = np.where(ends, 0.0, obstacles.cost)
    best, least = BENDS[0], float("inf")
    for bend in BENDS:
        if COST_OF_BEND * abs(bend) >= least or any(abs(bend - one) < APART for one in used):
            continue
        curve = _curve(start, stop, bend, SAMPLES)
        inside = np.all(np.abs(curve[:, np.newaxis] - obstacles.middles) < obstacles.halves, axis=-1)
        leaves = bool(np.any((curve < obstacles.low) | (curve > obstacles.high)))
        cost = COST_OF_BEND * abs(bend) + float(inside.any(axis=0) @ cost_of) + COST_OF_LEAVING * leaves
        if cost < least:
            best, least = bend, cost
    return best


def _cut(curve: np.ndarray, start: Box, stop: Box) -> np.ndarray:
    """The part of a curve between the edges of its ends."""
    inside_start, inside_stop = start.holds(curve), stop.holds(curve)
    first = int(np.flatnonzero(inside_start)[-1]) + 1 if inside_start.any() else 0
    last = int(np.flatnonzero(inside_stop)[0]) - 1 if inside_stop.any() else len(curve) - 1
    return curve[first : last + 1] if last > first else curve[[min(first, last), max(first, last)]]


def _steps(curve: np.ndarray, length: float) -> int:
    """How many points of a curve lie within `length` of its end."""
    return int(np.sum(np.linalg.norm(curve - curve[-1], axis=1) < length))
