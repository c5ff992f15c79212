"""The objective of a sweep over two crossed axes: its mean over seeds, and its spread beside it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from brianprop.analysis.figures.output import NothingToShowError
from brianprop.analysis.figures.sweeps import objective
from brianprop.analysis.figures.sweeps.axes import COLOURS, SweepAxis, short, turned_height, with_unit
from brianprop.analysis.sweeps.directory import SweepDirectory

if TYPE_CHECKING:
    import pandas
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["plot_heatmap"]

#: Colour map of standard deviations, unlike that of means.
SPREADS = "cividis"

#: Width and height of a field of a map, and what is around it [inches].
FIELD, MARGIN, LEAST = (0.55, 0.42), (1.8, 1.3), 2.6


def plot_heatmap(directory: SweepDirectory, table: pandas.DataFrame) -> Figure:
    """Draw the mean objective over seeds for two crossed axes, with its value in every field, and a second map of its s.d.

    A field that has fewer seeds than others says how many. Where no field has two seeds, there is no second map.

    Parameters
    ----------
    directory : SweepDirectory
    table : DataFrame
        As `SweepDirectory.table` gives it.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    NothingToShowError
        If there are not exactly two axes, or they were sampled.
    """
    from matplotlib.figure import Figure

    if len(directory.axes) != 2 or directory.sampled:
        raise NothingToShowError("it is for two crossed axes")
    along, across = sorted(directory.axes, key=lambda name: table[name].nunique(), reverse=True)
    rows, columns = (SweepAxis.of(directory, name).given for name in (across, along))
    scored = table.assign(y=objective.scores(directory, table))
    means, spreads, numbers = (
        scored.pivot_table(index=across, columns=along, values="y", aggfunc=of, dropna=False)
        .reindex(index=rows, columns=columns)
        .to_numpy(float)
        for of in ("mean", "std", "count")
    )
    title = objective.title(directory)
    maps = {title: (means, COLOURS)}
    if np.isfinite(spreads).any():
        maps["s.d. over seeds" + (" (points)" if title.endswith("(%)") else "")] = spreads, SPREADS
    width, height = (MARGIN[0] + FIELD[0] * len(columns)) * len(maps), MARGIN[1] + FIELD[1] * len(rows)
    labels = [short(value) for value in columns]
    turned = turned_height(labels, FIELD[0])
    figure = Figure(figsize=(width, max(LEAST, height) + turned), layout="constrained")
    panels = figure.subplots(1, len(maps), sharey=True, squeeze=False)[0]
    few = np.where((numbers > 0) & (numbers < np.nanmax(numbers)), numbers, np.nan)
    for panel, (label, (values, colours)) in zip(panels, maps.items(), strict=True):
        _draw(panel, values, few, colours, objective.digits(directory), label)
        panel.set_xticks(range(len(columns)), labels, rotation=90 if turned else 0)
        panel.set_xlabel(with_unit(along))
    panels[0].set_yticks(range(len(rows)), [short(value) for value in rows])
    panels[0].set_ylabel(with_unit(across))
    figure.suptitle(objective.seeds(directory, table, spread=len(maps) > 1), fontsize="medium")
    return figure


def _draw(panel: Axes, values: np.ndarray, few: np.ndarray, colours: str, digits: int, label: str) -> None:
    """Draw a map with a colour bar; in each field its value, and its number of seeds where `few` has one."""
    image = panel.imshow(np.ma.masked_invalid(values), cmap=colours, aspect="auto", origin="lower")
    middle = (np.nanmin(values) + np.nanmax(values)) / 2
    for place, value in np.ndenumerate(values):
        text = "–" if np.isnan(value) else f"{value:.{digits}f}"
        if not np.isnan(few[place]):
            text += f"\nn = {few[place]:.0f}"
        # dark letters on light colours
        panel.text(place[1], place[0], text, ha="center", va="center", fontsize=6, color="w" if value < middle else "k")
    panel.spines[:].set_visible(False)
    panel.tick_params(length=0)
    figure = panel.get_figure(root=True)
    assert figure is not None
    figure.colorbar(image, ax=panel, label=label)
