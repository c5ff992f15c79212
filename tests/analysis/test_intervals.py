"""Intervals of accuracies, against Wilson's formula."""

import math

import pytest
from conftest import ann_run, composite_run

from brianprop.analysis.intervals import intervals, scores_of, wilson
from brianprop.analysis.tables import markdown


@pytest.mark.parametrize(("correct", "n"), [(0, 100), (1, 3), (86, 100), (100, 100)])
@pytest.mark.parametrize(("level", "z"), [(0.95, 1.959964), (0.99, 2.575829)])
def test_the_ends_are_the_accuracies_that_lie_z_standard_errors_away(correct, n, level, z):
    for end, beyond in zip(wilson(correct, n, level), (correct == 0, correct == n), strict=True):
        if beyond:
            assert end == pytest.approx(correct / n, abs=1e-12)
        else:
            assert abs(correct / n - end) == pytest.approx(z * math.sqrt(end * (1 - end) / n), rel=1e-5)


def test_each_network_has_a_row(tmp_path):
    runs = [composite_run(tmp_path / "ssnn", seed=1, accuracy=0.5), ann_run(tmp_path / "ann", seed=2, accuracy=0.8)]
    table = intervals(scores_of(runs))
    assert list(table.index) == ["SSNN-BP, spikes, seed 1", "SSNN-BP, rates, seed 1", "ANN, seed 2"]
    assert table["correct"].tolist() == [5, 6, 8] and table["of"].tolist() == [10] * 3
    assert table["accuracy (%)"].tolist() == [50.0, 60.0, 80.0]
    assert markdown(table).splitlines()[-1].startswith("| ANN, seed 2 | 8 | 10 | 80.0 | ")
    low, high = wilson(5, 10)
    assert table.iloc[0][["low (%)", "high (%)"]].tolist() == [round(100 * low, 1), round(100 * high, 1)]
