"""What the parameters of a sweep do: the objective against its axes, the importance of many, and learning curves by group."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from brianprop.analysis.figures.comparison import seeds_in_words
from brianprop.analysis.figures.output import NothingToShowError, write_figures
from brianprop.analysis.groups import SYMBOLS
from brianprop.analysis.runs.values import cell
from brianprop.analysis.runs.values import short as plain
from brianprop.analysis.sweeps import SweepDirectory
from brianprop.models.errors import RunError

if TYPE_CHECKING:
    import pandas
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["draw", "plot_heatmap", "plot_importance", "plot_learning", "plot_parallel", "plot_response"]

PERCENT = 100

#: Colours of values in order: dark to light, distinguishable with any kind of colour vision.
COLOURS = "viridis"

#: Up to how many lines get an entry of a legend each.
FEW = 8

#: Trees of the forest that importances come from, and shuffles of each axis.
TREES, SHUFFLES = 200, 10

#: Least number of points that a forest is grown from.
LEAST = 10


def draw(path: str | os.PathLike, out: Path | None = None) -> list[Path]:
    """Write every figure that a sweep has points for; a line on standard output names each one that is left out.

    Parameters
    ----------
    path : path-like
        Sweep directory; of a sweep that is not finished, what is there is drawn.
    out : path-like, optional
        Folder for the figures, by default ``figures`` in the sweep directory.

    Returns
    -------
    list of pathlib.Path
        The files written.

    Raises
    ------
    RunError
        If the sweep cannot be read, has no finished point, or a file cannot be written.
    """
    directory = SweepDirectory.open(path)
    table = directory.table()
    if table.empty:
        raise RunError(f"No point of {directory.path} is finished; use 'brianprop sweep resume {directory.path}'.")
    figures: dict[str, Callable[[], Figure]] = {
        "response": lambda: plot_response(directory, table),
        "heatmap": lambda: plot_heatmap(directory, table),
        "parallel": lambda: plot_parallel(directory, table),
        "importance": lambda: plot_importance(directory, table),
        "learning": lambda: plot_learning(directory, table),
    }
    return write_figures(figures, directory.inside("figures") if out is None else Path(out))


def plot_response(directory: SweepDirectory, table: pandas.DataFrame) -> Figure:
    """Draw the objective against one axis: mean and standard deviation over seeds, and every seed as a dot.

    With two crossed axes, the one with more values is on the abscissa and the other has a line for each value. Of samples, the
    objective against each axis is a cloud of points in a panel of its own.

    Parameters
    ----------
    directory : SweepDirectory
    table : DataFrame
        Of `SweepDirectory.table`.

    Raises
    ------
    NothingToShowError
        If nothing differs but the seed, or more than two axes are crossed.
    """
    from matplotlib.figure import Figure

    axes_names = directory.axes
    _require(axes_names, "the points differ in their seed only")
    if directory.sampled:
        figure = Figure(figsize=(1.2 + 2.2 * len(axes_names), 2.8), layout="constrained")
        panels = figure.subplots(1, len(axes_names), sharey=True, squeeze=False)[0]
        for panel, name in zip(panels, axes_names, strict=True):
            places = _places(directory, table, name)
            panel.plot([places.at[value] for value in table[name]], _objective(directory, table), "o", alpha=0.6)
            _finish(panel, places)
        panels[0].set_ylabel(_title(directory))
        return figure
    if len(axes_names) > 2:
        raise NothingToShowError(f"{len(axes_names)} axes are crossed: see the figures parallel and importance")
    along = max(axes_names, key=lambda name: (_places(directory, table, name).numeric, table[name].nunique()))
    across = next((name for name in axes_names if name != along), None)
    figure = Figure(figsize=(4.6, 3.2), layout="constrained")
    panel = figure.subplots()
    places = _places(directory, table, along)
    lines = [(None, table)] if across is None else list(table.groupby(across, sort=True))
    for value, part in lines:
        colour = "C0" if across is None else _shade(_places(directory, table, across), value)
        found = part.assign(y=_objective(directory, part)).groupby(along)["y"]
        values = sorted(found.groups, key=places.at.get)
        x = np.array([places.at[one] for one in values], float)
        means, spreads = found.mean()[values], found.std(ddof=1)[values]
        label = None if across is None else f"{words(across)} = {short(value)}"
        panel.errorbar(x, means, spreads, color=colour, marker="o", capsize=2, label=label)
        if across is None:
            dots = [places.at[one] for one in part[along]]
            panel.plot(dots, _objective(directory, part), "o", color="0.3", markersize=2, alpha=0.6)
    _finish(panel, places)
    panel.set_ylabel(_title(directory))
    if across is not None:
        panel.legend(title=_seeds(directory, table), ncols=1 if len(lines) <= FEW else 2)
    else:
        panel.set_title(_seeds(directory, table), loc="right")
    return figure


def plot_heatmap(directory: SweepDirectory, table: pandas.DataFrame) -> Figure:
    """Draw the objective over two crossed axes, mean over seeds, with its value in every field.

    Raises
    ------
    NothingToShowError
        If there are not two axes, or they were sampled.
    """
    from matplotlib.figure import Figure

    if len(directory.axes) != 2 or directory.sampled:
        raise NothingToShowError("it is for two crossed axes")
    along, across = sorted(directory.axes, key=lambda name: table[name].nunique(), reverse=True)
    grid = (
        table.assign(y=_objective(directory, table))
        .pivot_table(index=across, columns=along, values="y", aggfunc="mean", sort=True)
        .reindex(index=_values(directory, across), columns=_values(directory, along))
    )
    figure = Figure(figsize=(1.8 + 0.55 * grid.shape[1], max(2.6, 1.3 + 0.42 * grid.shape[0])), layout="constrained")
    panel = figure.subplots()
    picture = panel.imshow(np.ma.masked_invalid(grid.to_numpy()), cmap=COLOURS, aspect="auto", origin="lower")
    middle = (np.nanmin(grid) + np.nanmax(grid)) / 2
    digits = _digits(directory)
    for (row, column), value in np.ndenumerate(grid.to_numpy()):
        words_here = "–" if np.isnan(value) else f"{value:.{digits}f}"
        # dark letters on light colours
        panel.text(column, row, words_here, ha="center", va="center", fontsize=6, color="w" if value < middle else "k")
    panel.set_xticks(range(grid.shape[1]), [short(value) for value in grid.columns])
    panel.set_yticks(range(grid.shape[0]), [short(value) for value in grid.index])
    panel.set(xlabel=words(along), ylabel=words(across))
    panel.set_title(_seeds(directory, table, spread=False), loc="right")
    panel.spines[:].set_visible(False)
    panel.tick_params(length=0)
    figure.colorbar(picture, ax=panel, label=_title(directory))
    return figure


def plot_parallel(directory: SweepDirectory, table: pandas.DataFrame) -> Figure:
    """Draw every point as a line across all axes, coloured by its objective, the best on top.

    Raises
    ------
    NothingToShowError
        If there are fewer than three axes, or two that were sampled.
    """
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize
    from matplotlib.figure import Figure

    names = directory.axes
    _require_many(directory)
    figure = Figure(figsize=(1.6 + 1.3 * (len(names) + 1), 3.2), layout="constrained")
    panel = figure.subplots()
    scores = _objective(directory, table)
    norm = Normalize(scores.min(), scores.max() if scores.max() > scores.min() else scores.min() + 1)
    colours = ScalarMappable(norm, COLOURS)
    places = {name: _places(directory, table, name) for name in names}
    columns = [[places[name].share(value) for value in table[name]] for name in names]
    columns.append(norm(scores.to_numpy()))
    lines = np.array(columns, float).T
    best_last = np.argsort(scores.to_numpy())
    if directory.plan["objective"]["metric"] == "loss":
        best_last = best_last[::-1]
    for place in best_last:
        panel.plot(range(len(lines[place])), lines[place], color=colours.to_rgba(scores.iloc[place]), linewidth=0.8, alpha=0.7)
    for number, name in enumerate(names):
        panel.axvline(number, color="0.3", linewidth=0.6)
        for value, share in places[name].ticks:
            panel.annotate(
                short(value), (number, share), (-2, 0), textcoords="offset points", ha="right", va="center", fontsize=6
            )
    panel.axvline(len(names), color="0.3", linewidth=0.6)
    panel.set_xticks(range(len(names) + 1), [*map(words, names), _title(directory).replace(" accuracy", "\naccuracy")])
    panel.set_yticks([])
    panel.spines[:].set_visible(False)
    panel.tick_params(length=0)
    figure.colorbar(colours, ax=panel, label=_title(directory))
    return figure


def plot_importance(directory: SweepDirectory, table: pandas.DataFrame) -> Figure:
    """Draw how much each axis matters: the fall in R² of a random forest where the axis is shuffled.

    The forest predicts the objective from all axes and the seed is not among them; its R² is that of points that a tree has not
    seen, so that one of nearly 0 says that the sweep tells nothing.

    Raises
    ------
    NothingToShowError
        If there are fewer than three axes, or two that were sampled, or too few points.
    """
    from matplotlib.figure import Figure
    from sklearn.ensemble import RandomForestRegressor
    from sklearn.inspection import permutation_importance

    names = directory.axes
    _require_many(directory)
    if len(table) < LEAST:
        raise NothingToShowError(f"{len(table)} points are too few for a forest, which needs {LEAST}")
    places = {name: _places(directory, table, name) for name in names}
    x = np.array([[places[name].at[value] for value in table[name]] for name in names], float).T
    y = _objective(directory, table).to_numpy()
    forest = RandomForestRegressor(TREES, oob_score=True, random_state=0).fit(x, y)
    found = permutation_importance(forest, x, y, n_repeats=SHUFFLES, random_state=0)
    order = np.argsort(found.importances_mean)
    figure = Figure(figsize=(4.6, 1.2 + 0.3 * len(names)), layout="constrained")
    panel = figure.subplots()
    panel.barh(range(len(names)), found.importances_mean[order], xerr=found.importances_std[order], color="C0", height=0.6)
    panel.set_yticks(range(len(names)), [words(names[place]) for place in order])
    panel.set_xlabel(f"fall in $R^2$ of {_title(directory)} where the axis is shuffled")
    panel.set_title(f"random forest, $R^2$ = {forest.oob_score_:.2f} out of bag, {len(table)} points", loc="right")
    panel.grid(True, axis="x")
    return figure


def plot_learning(directory: SweepDirectory, table: pandas.DataFrame) -> Figure:
    """Draw the objective's metric over the epochs: a line for each group of seeds.

    Of one axis the lines have its values in a legend; of two crossed ones the second has panels of its own; of more, or of
    samples, the colour of a line is its objective.
    """
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import LogNorm, Normalize
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    names, objective, runs = directory.axes, directory.plan["objective"], directory.runs()
    crossed = sorted(names, key=lambda name: table[name].nunique(), reverse=True)
    simple = not directory.sampled and len(names) <= 2
    panels_of = crossed[1] if simple and len(names) == 2 else None
    lines_of = crossed[0] if simple and names else None
    parts = [(None, table)] if panels_of is None else list(table.groupby(panels_of, sort=True))
    figure = Figure(figsize=(1.6 + 2.4 * min(len(parts), 4), 0.6 + 2.2 * -(-len(parts) // 4)), layout="constrained")
    panels = figure.subplots(-(-len(parts) // 4), min(len(parts), 4), sharex=True, sharey=True, squeeze=False).ravel()
    for panel in panels[len(parts) :]:
        panel.set_visible(False)
    scores = _objective(directory, table)
    colours = ScalarMappable(Normalize(scores.min(), scores.max()), COLOURS)
    for panel, (value, part) in zip(panels, parts, strict=False):
        groups = [(None, part)] if not names else list(part.groupby(list(names), sort=True, dropna=False))
        if simple and names:
            places = _places(directory, table, lines_of)
            shades = [_shade(places, group[lines_of].iloc[0]) for _, group in groups]
        else:
            shades = [colours.to_rgba(scores[group.index].mean()) if names else "C0" for _, group in groups]
        for (_, group), colour in zip(groups, shades, strict=True):
            courses = [_course(runs[key], objective, _scale(directory)) for key in group.point]
            epochs = courses[0].index
            mean = sum(course.reindex(epochs) for course in courses) / len(courses)
            label = None if lines_of is None else f"{short(group[lines_of].iloc[0])}"
            panel.plot(epochs, mean, color=colour, label=label)
            if len(courses) > 1 and len(groups) <= FEW:
                spread = np.std([course.reindex(epochs) for course in courses], axis=0, ddof=1)
                panel.fill_between(epochs, mean - spread, mean + spread, color=colour, alpha=0.15, linewidth=0)
        panel.set_xlabel("epoch")
        panel.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
        panel.grid(True, axis="y")
        if panels_of is not None:
            panel.set_title(f"{words(panels_of)} = {short(value)}")
    panels[0].set_ylabel(_title(directory, of_last=False))
    figure.suptitle(_seeds(directory, table, spread=False), fontsize="medium")
    if lines_of is not None and table[lines_of].nunique() <= FEW:
        handles, labels = panels[0].get_legend_handles_labels()
        figure.legend(handles, labels, title=words(lines_of), loc="outside right upper")
    elif simple and names and (places := _places(directory, table, lines_of)).numeric:
        norm = (LogNorm if places.log else Normalize)(places.values[0], places.values[-1])
        figure.colorbar(ScalarMappable(norm, COLOURS), ax=list(panels), label=words(lines_of))
    elif names:
        figure.colorbar(colours, ax=list(panels), label=_title(directory))
    return figure


class _Places:
    """Where the values of an axis lie on a figure.

    Parameters
    ----------
    values : sequence
        All different values, in the order of the axis.
    log : bool
        Whether the axis is logarithmic.

    Attributes
    ----------
    name : str
    at : dict
        Number by value: the value itself where all are numbers, else its place in the order.
    """

    def __init__(self, name: str, values: Sequence, log: bool):
        self.name = name
        self.numeric = all(isinstance(value, (int, float)) and not isinstance(value, bool) for value in values)
        self.numeric &= bool(np.all(np.isfinite(np.array(values, float)))) if self.numeric else False
        self.log = log and self.numeric and min(values) > 0
        self.values = sorted(values) if self.numeric else list(values)
        self.at = {value: value if self.numeric else place for place, value in enumerate(self.values)}

    def share(self, value) -> float:
        """Where a value lies between the first and the last, from 0 to 1."""
        ends = [self.at[self.values[0]], self.at[self.values[-1]], self.at[value]]
        low, high, here = np.log(ends) if self.log else ends
        return (here - low) / (high - low) if high > low else 0.5

    @property
    def ticks(self) -> list[tuple]:
        """Values to write beside an axis, with their shares: all where they are few, else the ends."""
        shown = self.values if len(self.values) <= FEW else [self.values[0], self.values[-1]]
        return [(value, self.share(value)) for value in shown]


def words(name: str) -> str:
    """A parameter as text."""
    return _literal(name if " " in name else SYMBOLS.get(name, name.replace("_", " ")))


def short(value) -> str:
    """A value as text."""
    return _literal(plain(value))


def _literal(text: str) -> str:
    """Text that Matplotlib does not take for a formula."""
    return text.replace("$", r"\$")


def _values(directory: SweepDirectory, name: str) -> list:
    """The different values of an axis, in the order of the sweep."""
    return list(dict.fromkeys(cell(point.axes[name]) for point in directory.points))


def _places(directory: SweepDirectory, table: pandas.DataFrame, name: str) -> _Places:
    values = _values(directory, name)
    numbers = [value for value in values if isinstance(value, (int, float)) and value > 0]
    described = directory.plan["sweep"]["axes"][name]["scale"] == "log"
    # a list that spans more than a decade is read best on a logarithmic scale
    wide = len(numbers) == len(values) > 2 and max(numbers) / min(numbers) > 10
    return _Places(name, values, described or wide)


def _finish(panel: Axes, places: _Places) -> None:
    """The horizontal axis of a panel: a tick at each value where they are few."""
    from matplotlib.ticker import NullFormatter, NullLocator

    panel.set_xlabel(words(places.name))
    if places.log:
        panel.set_xscale("log")
    # a tick at each value, unless the labels would run into each other
    shares = [places.share(value) for value in places.values]
    if len(shares) <= FEW and min(np.diff(shares), default=1) > 0.5 / FEW:
        panel.xaxis.set_minor_locator(NullLocator())
        panel.xaxis.set_minor_formatter(NullFormatter())
        panel.set_xticks([places.at[value] for value in places.values], [short(value) for value in places.values])
    panel.grid(True, axis="y")


def _shade(places: _Places, value):
    """The colour of a value: by its place in the order where there are few, so that none are too close, else by its size."""
    from matplotlib import colormaps

    number = len(places.values)
    share = places.values.index(value) / max(number - 1, 1) if number <= FEW else places.share(value)
    # the lightest yellow is too faint for a line
    return colormaps[COLOURS](share * (0.9 if number <= FEW else 1.0))


def _require(found, otherwise: str) -> None:
    if not found:
        raise NothingToShowError(otherwise)


def _require_many(directory: SweepDirectory) -> None:
    least = 2 if directory.sampled else 3
    _require(len(directory.axes) >= least, f"it is for {least} axes and more")


def _scale(directory: SweepDirectory) -> int:
    return 1 if directory.plan["objective"]["metric"] == "loss" else PERCENT


def _digits(directory: SweepDirectory) -> int:
    return 3 if directory.plan["objective"]["metric"] == "loss" else 1


def _objective(directory: SweepDirectory, table: pandas.DataFrame) -> pandas.Series:
    return table["objective"] * _scale(directory)


def _title(directory: SweepDirectory, of_last: bool = True) -> str:
    """The objective as text, such as "validation accuracy, membrane (%)"."""
    objective = directory.plan["objective"]
    what, _, readout = objective["metric"].partition("_")
    best = "best " if of_last and objective["epoch"] == "best" else ""
    unit = "" if what == "loss" else " (%)"
    return f"{best}{objective['split']} {what}{f', {readout}' if readout else ''}{unit}"


def _seeds(directory: SweepDirectory, table: pandas.DataFrame, spread: bool = True) -> str:
    """Of how many seeds the points of a figure are, as text; says so where some places lack seeds."""
    places = directory.places(table)
    lacking = int((places.n < places.planned).sum())
    words_here = seeds_in_words(list(places.n), spread)
    return words_here if not lacking else f"{words_here}, {lacking} of {len(places)} points incomplete"


def _course(run, objective, scale: float) -> pandas.Series:
    frame = run.metrics_frame()
    return frame[frame.split == objective["split"]].set_index("epoch")[objective["metric"]] * scale
