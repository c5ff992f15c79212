"""The figure of real and emulated recordings, from arrays."""

import numpy as np

from brianprop.analysis.figures.events import plot_events


def test_what_is_drawn():
    counts = {
        "real": np.array([[[1, 2], [3, 4], [5, 6]], [[3, 2], [1, 0], [5, 4]]]),
        "emulated": np.array([[[2, 2], [2, 2], [2, 2]], [[4, 4], [4, 4], [4, 4]]]),
    }
    figure = plot_events(
        counts,
        {"real": np.array([1.0, 3.0]), "emulated": np.array([2.0, 2.0])},
        5.0,
        (0.2, 0.3),
        {"emulated": [1.5, 0.9]},
        {"real": [90.0, 80.0], "emulated": [50.0, 60.0]},
    )
    figure.draw_without_rendering()
    scatter, polarity, saccade, time, threshold, answers = figure.axes
    points, diagonal = scatter.lines
    assert points.get_xydata().tolist() == [[21, 12], [15, 24]] and diagonal.get_xydata().tolist() == [[0, 0], [24, 24]]
    bars = [[bar.get_height() for bar in container] for container in polarity.containers if hasattr(container, "patches")]
    assert bars == [[9, 9], [9, 9]]
    bars = [[bar.get_height() for bar in container] for container in saccade.containers if hasattr(container, "patches")]
    assert bars == [[4, 4, 10], [6, 6, 6]]
    assert [patch.get_data().values.tolist() for patch in time.patches] == [[1, 3], [2, 2]]
    assert time.patches[0].get_data().edges.tolist() == [0, 5, 10]
    assert threshold.lines[0].get_xydata().tolist() == [[0.2, 1.5], [0.3, 0.9]]
    assert [bar.get_height() for bar in answers.patches] == [85, 55]
    assert [text.get_text() for text in figure.legends[0].texts] == ["real", "emulated"]
    assert answers.get_title() == "mean over 2 seeds"
