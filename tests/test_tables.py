"""Tables over runs: means, spreads, and a choice in which the test split plays no part."""

import pandas
import pytest

from analysis.tables import markdown, summary
from models.errors import ParameterError


def metrics(validation, test):
    """Metrics of one run with these accuracies, the same in all three columns."""
    rows = []
    for epoch, values in enumerate(zip(validation, test, strict=True), 1):
        for split, value in zip(("validation", "test"), values, strict=True):
            row = {f"accuracy_{name}": value for name in ("exact", "spikes", "membrane")}
            rows.append({"epoch": epoch, "split": split, **row})
    return pandas.DataFrame(rows)


def test_mean_spread_and_choice_on_validation():
    runs = [metrics([0.5, 0.9, 0.9], [0.7, 0.6, 0.8]), metrics([0.9, 0.5, 0.6], [0.4, 0.9, 0.8])]
    table = summary(runs, [1, 3])
    assert table.loc["epoch 1", "accuracy_spikes_mean"] == pytest.approx(55)
    assert table.loc["epoch 1", "accuracy_spikes_sd"] == pytest.approx(450**0.5)
    assert table.loc["epoch 3", "accuracy_exact_mean"] == pytest.approx(80)
    # epochs 2 (the first of two that are best) and 1: test accuracies 60 and 40, not the best of the test split
    assert table.loc["chosen on validation", "accuracy_membrane_mean"] == pytest.approx(50)
    assert "| epoch 1 | 55.00 ± 21.21 | 55.00 ± 21.21 | 55.00 ± 21.21 |" in markdown(table)


def test_one_run_has_no_spread_and_a_missing_epoch_is_named():
    table = summary([metrics([0.5], [0.6])], [1])
    assert table.loc["epoch 1", "accuracy_spikes_sd"] == 0
    with pytest.raises(ParameterError, match="Epoch 7"):
        summary([metrics([0.5], [0.6])], [7])
