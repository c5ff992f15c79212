"""Arrows that end at the box around a label. Imports Matplotlib, so it is imported when a figure is drawn."""

from __future__ import annotations

from typing import Any

from matplotlib.backend_bases import RendererBase
from matplotlib.patches import FancyArrowPatch
from matplotlib.text import Text

__all__ = ["Arrow"]


class Arrow(FancyArrowPatch):
    """An arrow between two places that ends at the box around a label.

    Matplotlib measures the box of a label when it draws the label, which is after the arrows if they lie below it. So the arrow
    has the box measured before it is drawn itself.

    Parameters
    ----------
    start, stop : tuple of float
        Places, in coordinates of the axes' data.
    label : matplotlib.text.Text
        The label at `stop`, with a box.
    **options
        Those of `matplotlib.patches.FancyArrowPatch`.
    """

    def __init__(self, start: tuple[float, float], stop: tuple[float, float], label: Text, **options: Any):
        super().__init__(start, stop, patchB=label.get_bbox_patch(), **options)
        self._label_at_stop = label

    def draw(self, renderer: RendererBase) -> None:
        """Draw the arrow, for Matplotlib."""
        self._label_at_stop.update_bbox_position_size(renderer)
        super().draw(renderer)
