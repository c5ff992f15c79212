"""The confusion matrix and the accuracy of each class."""

import itertools

import numpy as np
import pytest

from brianprop.analysis.figures.confusion import accuracy_by_class, confusion, plot_confusion
from brianprop.analysis.figures.output import STYLE


def test_counts_by_target_and_answer():
    target, answer = np.array([0, 0, 0, 2, 2]), np.array([0, 1, 0, 0, 2])
    counts = confusion(target, answer, 3)
    np.testing.assert_array_equal(counts, [[2, 1, 0], [0, 0, 0], [1, 0, 1]])
    np.testing.assert_allclose(accuracy_by_class(counts), [2 / 3, np.nan, 1 / 2])


def test_both_panels_show_what_was_counted():
    target = np.array([0, 0, 0, 1, 1, 2])
    answers = {"spikes": np.array([0, 0, 0, 0, 0, 0]), "membrane": np.array([0, 1, 0, 1, 1, 2])}
    figure = plot_confusion(target, answers, ["A", "B", "C"], epoch=7)
    matrix, classes, _ = figure.axes
    np.testing.assert_allclose(matrix.images[0].get_array(), [[200 / 3, 100 / 3, 0], [0, 100, 0], [0, 0, 100]])
    assert [text.get_text() for text in matrix.texts] == ["2", "1", "2", "1"]
    drawn = {line.get_label(): line.get_xdata() for line in classes.lines if line.get_marker() in "os"}
    np.testing.assert_allclose(drawn["spikes: 50.00 %"], [100, 0, 0])
    np.testing.assert_allclose(drawn["membrane: 83.33 %"], [200 / 3, 100, 100])
    assert figure.get_suptitle() == "6 test images after epoch 7; matrix by membrane"


@pytest.mark.parametrize("n_classes", [2, 10, 26, 47])
@pytest.mark.parametrize("name", [lambda number: chr(65 + number), str, "class {}".format], ids=["letters", "numbers", "words"])
def test_names_of_classes_do_not_collide(n_classes, name):
    from matplotlib.style import context

    target = np.arange(3 * n_classes) % n_classes
    with context(STYLE):
        figure = plot_confusion(target, {"rates": target}, [name(number) for number in range(n_classes)])
        figure.set_dpi(300)  # as in the file
        figure.draw_without_rendering()
        for axes in figure.axes[:2]:
            for labels in (axes.get_xticklabels(), axes.get_yticklabels()):
                boxes = [label.get_window_extent() for label in labels if label.get_text()]
                assert all(not one.overlaps(other) for one, other in itertools.combinations(boxes, 2))
                assert min(label.get_fontsize() for label in labels if label.get_text()) > 4.4  # points, two columns wide
        assert {label.get_text() for label in figure.axes[0].get_yticklabels()} >= {name(0), name(n_classes - 1)}
        for axes in figure.axes[:2]:
            words = axes.xaxis.label.get_window_extent()
            assert words.x0 >= figure.bbox.x0 and words.x1 <= figure.bbox.x1
