"""Confusion matrix of the test images, and the accuracy of each class."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["accuracy_by_class", "confusion", "plot_confusion"]

#: Width of the figure, and height without the matrix, of a class, and least and largest of the matrix [inches].
WIDTH, MARGIN, CLASS, LEAST, MOST = 7.2, 0.9, 0.26, 2.2, 4.8
#: Most classes for which every count is written; those with more have a wider matrix.
COUNTED = 12
#: Widths of the matrix and of the panel of the classes, and of the matrix itself, about [inches]: of few classes, of more.
RATIOS, MATRIX = ((1.5, 1.0), (2.1, 1.0)), (3.2, 3.7)

#: Largest letters of the names of the classes, and letters that are large enough to be read upright [points].
LETTERS, LEGIBLE = 7.0, 5.0

#: Colour and marker of each readout in the panel of the classes.
MARKS = (("C0", "o"), ("C1", "s"), ("C2", "^"))

PERCENT = 100

#: Points in an inch.
POINTS = 72


def confusion(target: np.ndarray, answer: np.ndarray, n_classes: int) -> np.ndarray:
    """Count how often each class was answered where another was right.

    Parameters
    ----------
    target, answer : int array of shape (n,)
        Class indices.
    n_classes : int

    Returns
    -------
    int array of shape (n_classes, n_classes)
        By target and answer.
    """
    pairs = np.asarray(target, int) * n_classes + np.asarray(answer, int)
    return np.bincount(pairs, minlength=n_classes**2).reshape(n_classes, n_classes)


def accuracy_by_class(counts: np.ndarray) -> np.ndarray:
    """Share of the samples of each class that are answered right; NaN for a class without samples.

    Parameters
    ----------
    counts : int array of shape (n_classes, n_classes)
        As `confusion` gives them.
    """
    samples = counts.sum(axis=1)
    return np.where(samples > 0, np.diag(counts) / np.maximum(samples, 1), np.nan)


def plot_confusion(
    target: np.ndarray, answers: Mapping[str, np.ndarray], classes: Sequence[object], epoch: int | None = None
) -> Figure:
    """Draw the confusion matrix of the last readout, and the accuracy of each class by all readouts.

    Parameters
    ----------
    target : int array of shape (n,)
        Class indices of the samples.
    answers : mapping of str to int array of shape (n,)
        Class indices that the network answers, by readout.
    classes : sequence
        Name of the class of each output neuron.
    epoch : int, optional
        The epoch after which the network answered, for the title.

    Returns
    -------
    matplotlib.figure.Figure
    """
    from matplotlib.figure import Figure

    number = len(classes)
    names = [str(name) for name in classes]
    *_, shown = answers
    counts = {name: confusion(target, answer, number) for name, answer in answers.items()}
    height = float(np.clip(CLASS * number, LEAST, MOST))
    figure = Figure(figsize=(WIDTH, height + MARGIN), layout="constrained")
    many = number > COUNTED
    left, right = figure.subplots(1, 2, width_ratios=RATIOS[many], sharey=True)
    size = min(LETTERS, POINTS * height / number / 1.15)
    _draw_matrix(figure, left, counts[shown], names, size, POINTS * MATRIX[many] / number)
    # the first marks are filled and those on top of them hollow, so that equal accuracies are seen
    for face, (colour, marker), (name, of_readout) in zip((None, "none", "none"), MARKS, counts.items(), strict=False):
        shares = PERCENT * accuracy_by_class(of_readout)
        overall = PERCENT * np.trace(of_readout) / max(of_readout.sum(), 1)
        look = {
            "color": colour,
            "markerfacecolor": face,
            "markersize": min(3.5, size / 1.6),
            "markeredgewidth": 0.8,
            "clip_on": False,
        }
        right.plot(shares, range(number), marker, label=f"{name}: {overall:.2f} %", **look)
        right.axvline(overall, color=colour, linewidth=0.8, linestyle=":")
    right.set_xlim(right=min(right.get_xlim()[1], PERCENT + 1))  # no accuracy is above 100 %
    right.set_xlabel("accuracy of the class (%)\ndotted: of all")
    right.tick_params(labelleft=True, axis="y", labelsize=size)
    right.grid(True, axis="both")
    after = "" if epoch is None else f" after epoch {epoch}"
    figure.suptitle(f"{len(target):,} test images{after}; matrix by {shown}", fontsize=8)
    figure.legend(*right.get_legend_handles_labels(), loc="outside lower right", ncols=len(counts))
    return figure


def _draw_matrix(figure: Figure, axes: Axes, counts: np.ndarray, names: Sequence[str], size: float, room: float) -> None:
    """Draw the share of each answer among the samples of a class; errors are small, so that the scale is of the square root.

    Names beside it have letters of `size`, those below find room in columns as wide as `room` [points].
    """
    from matplotlib.colors import PowerNorm

    number = len(names)
    shares = PERCENT * counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    image = axes.imshow(shares, cmap="Blues", norm=PowerNorm(0.5, 0, PERCENT), aspect="auto")
    if number <= COUNTED:
        for (row, column), count in np.ndenumerate(counts):
            if count:
                colour = "w" if shares[row, column] > PERCENT / 3 else "k"
                axes.text(column, row, str(count), ha="center", va="center", fontsize=5.5, color=colour)
    below = min(LETTERS, room / max(0.9, 0.68 * max(map(len, names))))  # a letter is about so wide, in units of its size
    upright = below >= LEGIBLE
    axes.set_xticks(
        range(number), names, fontsize=below if upright else min(LETTERS, room / 1.15), rotation=0 if upright else 90
    )
    axes.set_yticks(range(number), names, fontsize=size)
    axes.set(xlabel="answer", ylabel="target")
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    figure.colorbar(image, ax=axes, shrink=0.7, label="share of the target's images (%)", ticks=[0, 1, 5, 20, 50, 100])
