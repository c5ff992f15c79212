"""The figures of a benchmark, and the statistics behind its tables."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from brianprop.analysis.figures.output import write_figures
from brianprop.models.errors import RunError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import ArrayLike

__all__ = ["CHIP", "Spread", "affine", "draw", "plot_profile", "plot_scaling", "plot_speed", "ratio", "slope"]

#: Wall time per sample on the authors' chip [us] (Renner et al. 2024, doi 10.1038/s41467-024-53827-9).
CHIP = {"training": 1480.0, "inference": 170.0}

#: Colour of each variant.
COLOURS = {"chip": "0.6", "stock": "C3", "dense": "C0", "kernel": "C2"}

#: Sizes that the scaling figure varies: label, colour, marker.
FAMILIES = {"n_hid": ("hidden neurons", "C0", "o"), "n_in": ("input neurons", "C1", "s")}


@dataclass(frozen=True)
class Spread:
    """Median and range of one quantity over the rounds of a benchmark.

    Attributes
    ----------
    median, low, high : float
    runs : int
        Number of rounds.
    """

    median: float
    low: float
    high: float
    runs: int

    @classmethod
    def of(cls, rounds: Sequence[float]) -> Spread:
        """Summarise one value per round."""
        return cls(float(np.median(rounds)), float(np.min(rounds)), float(np.max(rounds)), len(rounds))


def ratio(numerators: Sequence[float], denominators: Sequence[float]) -> Spread:
    """Ratio of two quantities, taken within each round, where a load that slows the whole round cancels, and then summarised.

    Parameters
    ----------
    numerators, denominators : sequence of float
        One value per round, in the same order.
    """
    return Spread.of([above / below for above, below in zip(numerators, denominators, strict=True)])


def slope(x: ArrayLike, y: ArrayLike) -> float:
    """Exponent of a power law fitted to the points by least squares of the logarithms: 1 means linear growth."""
    return float(np.polyfit(np.log(x), np.log(y), 1)[0])


def affine(x: ArrayLike, y: ArrayLike) -> tuple[float, float]:
    """Constant and cost per unit of ``y = constant + cost * x``, by least squares of the relative errors."""
    cost, constant = np.polyfit(np.asarray(x, dtype=float), np.asarray(y, dtype=float), 1, w=1 / np.asarray(y, dtype=float))
    return float(constant), float(cost)


def draw(folder: Path) -> list[Path]:
    """Draw the figures of a benchmark into its folder: speed, and scaling and profile where these were measured.

    Parameters
    ----------
    folder : path-like
        A folder with benchmark.json.

    Returns
    -------
    list of pathlib.Path
        The PNG and PDF files written.

    Raises
    ------
    RunError
        If the folder holds no benchmark or a file cannot be written.
    """
    folder = Path(folder)
    try:
        measured = json.loads((folder / "benchmark.json").read_text())
    except (OSError, ValueError) as error:
        raise RunError(
            f"{folder / 'benchmark.json'} cannot be read ({error}); make it by 'brianprop benchmark nbp --out DIR'."
        ) from error
    figures = {"speed": lambda: plot_speed(measured["speed"], measured.get("chip", {}))}
    if measured.get("scaling"):
        figures["scaling"] = lambda: plot_scaling(measured["scaling"])
    if measured["profile"]:
        figures["profile"] = lambda: plot_profile(measured["profile"])
    return write_figures(figures, folder)


def plot_speed(rows: Sequence[Mapping], chip: Mapping[str, float] = CHIP) -> Figure:
    """Draw the time per sample as bars on a logarithmic axis, beside the published time of a chip.

    Parameters
    ----------
    rows : sequence of mapping
        With ``circuit`` (training or inference), ``weights`` (initial or trained), ``variant`` (stock, dense or kernel),
        and ``median``, ``low``, ``high`` [us per sample].
    chip : mapping of str to float
        Published time per sample [us] by circuit; may be empty.

    Returns
    -------
    matplotlib.figure.Figure
    """
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    figure = Figure(figsize=(7.2, 3.0), layout="constrained")
    panels = figure.subplots(1, 2, sharey=True)
    states = ("initial", "trained")
    names = ["Brian2,\nstock", "Brian2,\ndense", "kernel,\nno circuit"]
    for axes, circuit in zip(panels, ("training", "inference"), strict=True):
        if chip:
            axes.bar(0, chip[circuit], width=0.8, color=COLOURS["chip"])
            _label(axes, 0, chip[circuit])
        for position, variant in enumerate(("stock", "dense", "kernel"), start=1):
            for state, shift, alpha in zip(states, (-0.2, 0.2), (0.45, 1.0), strict=True):
                for row in rows:
                    if (row["circuit"], row["weights"], row["variant"]) == (circuit, state, variant):
                        error = [[row["median"] - row["low"]], [row["high"] - row["median"]]]
                        axes.bar(position + shift, row["median"], width=0.4, color=COLOURS[variant], alpha=alpha)
                        axes.errorbar(position + shift, row["median"], error, color="black", linewidth=0.8)
                        _label(axes, position + shift, row["high"], row["median"])
        ticks = {0: "chip, published\n(400-400-10)"} if chip else {}
        ticks |= dict(enumerate(names, start=1))
        axes.set_xticks(list(ticks), ticks.values())
        axes.set(yscale="log", title=circuit)
        axes.grid(True, axis="y")
    panels[0].set_ylabel("time per sample (µs)")
    # bars on a logarithmic axis have no natural foot: leave a decade below the smallest
    panels[0].set_ylim(bottom=min(row["low"] for row in rows) / 10)
    figure.legend(
        handles=[
            Patch(color="0.2", alpha=0.45, label="initial weights"),
            Patch(color="0.2", label="trained weights"),
            Line2D(
                [],
                [],
                linestyle="",
                marker="|",
                markersize=9,
                color="black",
                label="bar: median; whisker: fastest to slowest round",
            ),
        ],
        loc="outside lower center",
        ncols=3,
    )
    return figure


def _label(axes: Axes, x: float, y: float, value: float | None = None) -> None:
    value = y if value is None else value
    text = f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
    axes.annotate(text, (x, y), (0, 2), textcoords="offset points", ha="center", va="bottom", fontsize=6)


def plot_scaling(rows: Sequence[Mapping]) -> Figure:
    """Draw the time per training sample against layer sizes and against the synapses that spikes touch.

    Lines are a power law over sizes, and a constant plus a cost per synapse over the synapses touched.

    Parameters
    ----------
    rows : sequence of mapping
        With ``varied`` (n_hid or n_in), ``n_in``, ``n_hid``, ``median``, ``low``, ``high`` [us per sample] and ``touched``
        [synapses per sample].

    Returns
    -------
    matplotlib.figure.Figure
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.2, 2.8), layout="constrained")
    sizes, work = figure.subplots(1, 2, sharey=True)
    for varied, (label, colour, marker) in FAMILIES.items():
        family = sorted((row for row in rows if row["varied"] == varied), key=lambda row: row[varied])
        if not family:
            continue
        us = np.array([row["median"] for row in family])
        error = [[row["median"] - row["low"] for row in family], [row["high"] - row["median"] for row in family]]
        for axes, column in ((sizes, varied), (work, "touched")):
            x = np.array([row[column] for row in family], dtype=float)
            title = label
            if len(family) > 1:
                title += f", slope {slope(x, us):.2f}"
                exponent, offset = np.polyfit(np.log(x), np.log(us), 1)
                line = np.geomspace(x[0], x[-1])
                fitted = np.exp(offset) * line**exponent
                if column == "touched":
                    constant, cost = affine(x, us)
                    title += f"\n{constant:.0f} µs + {1000 * cost:.2f} ns per synapse"
                    fitted = constant + cost * line
                axes.plot(line, fitted, color=colour, linewidth=0.8)
            axes.errorbar(x, us, error, color=colour, marker=marker, linestyle="none", label=title)
    sizes.set(xlabel="neurons in the layer", ylabel="time per training sample (µs)")
    work.set(xlabel="synapses touched per sample")
    for axes in (sizes, work):
        axes.set(xscale="log", yscale="log")
        axes.grid(True)
        axes.legend(loc="upper left")
    return figure


def plot_profile(parts: Mapping[str, float]) -> Figure:
    """Draw where the time of a training sample goes.

    Parameters
    ----------
    parts : mapping of str to float
        Time of each part [us per sample].

    Returns
    -------
    matplotlib.figure.Figure
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(4.8, 0.6 + 0.22 * len(parts)), layout="constrained")
    axes = figure.subplots()
    total = sum(parts.values())
    order = sorted(parts, key=parts.__getitem__)
    bars = axes.barh(order, [parts[name] for name in order], color=COLOURS["dense"])
    axes.bar_label(bars, [f"{parts[name] / total:.0%}" for name in order], padding=2, fontsize=6)
    axes.set(xlabel="time per training sample, clock read around each part (µs)")
    axes.margins(x=0.12)
    axes.grid(True, axis="x")
    return figure
