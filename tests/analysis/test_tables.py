"""Tables over runs: means, spreads, and a choice in which the test split plays no part."""

import shutil

import pandas
import pytest
from conftest import ann_run, composite_run

from brianprop.analysis.tables import markdown, summary, table
from brianprop.experiments.cli.main import main
from brianprop.models.errors import ParameterError, RunError


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
    # 55 ± 12.706 sd / sqrt(2): with two seeds t has one degree of freedom
    cell = "55.00 ± 21.21 [-135.59, 245.59]"
    assert f"| epoch 1 | 2 | {cell} | {cell} | {cell} |" in markdown(table)


def test_one_run_has_no_spread_and_a_missing_epoch_is_named():
    table = summary([metrics([0.5], [0.6])], [1])
    assert pandas.isna(table.loc["epoch 1", "accuracy_spikes_sd"]) and table.loc["epoch 1", "n"] == 1
    assert "| epoch 1 | 1 | 60.00 | 60.00 | 60.00 |" in markdown(table)
    with pytest.raises(ParameterError, match="Epoch 7"):
        summary([metrics([0.5], [0.6])], [7])


def test_systems_and_settings_have_rows_of_their_own(tmp_path, capsys):
    paths = [composite_run(tmp_path / str(seed), seed=seed, accuracy=0.5 + seed / 10).path for seed in (0, 1)]
    assert table(paths).index.tolist() == ["epoch 2", "chosen on validation"]
    paths += [composite_run(tmp_path / "longer", steps=8).path, ann_run(tmp_path / "ann", accuracy=0.75).path]
    capsys.readouterr()
    assert main(["table", *map(str, paths), "--epochs", "1"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "| | n | spikes | rates | accuracy |"
    assert lines[2] == "| SSNN-BP, T = 4: epoch 1 | 2 | 55.00 ± 7.07 [-8.53, 118.53] | 65.00 ± 7.07 [1.47, 128.53] | – |"
    assert lines[6] == "| ANN: epoch 1 | 1 | – | – | 75.00 |"
    assert lines[8] == "" and lines[9].startswith("n runs: mean ± standard deviation over seeds [95 % confidence interval")


@pytest.fixture
def runs(tmp_path):
    """Two seeds, a link to the first, and a copy of it."""
    first, second = (composite_run(tmp_path / str(seed), seed=seed).path for seed in (0, 1))
    link, copy = tmp_path / "link", tmp_path / "copy"
    link.symlink_to(first)
    shutil.copytree(first, copy)
    return {"first": first, "second": second, "dots": second / ".." / "0", "link": link, "copy": copy}


@pytest.mark.parametrize("command", ["table", "compare", "figures", "energy"])
@pytest.mark.parametrize(
    ("twice", "words"),
    [("first", "one directory"), ("dots", "one directory"), ("link", "one directory"), ("copy", "the same seed 0")],
)
def test_a_run_counts_once(command, twice, words, runs, tmp_path, capsys):
    out = [] if command == "table" else ["--out", str(tmp_path / "out")]
    assert main([command, str(runs["first"]), str(runs["second"]), str(runs[twice]), *out]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and words in error and str(runs[twice]) in error and "leave one of them out" in error
    assert not (tmp_path / "out").exists()


def test_runs_of_one_seed_that_differ_otherwise_are_no_copies(tmp_path):
    paths = [composite_run(tmp_path / str(steps), steps=steps).path for steps in (4, 8)]
    assert table(paths).n.tolist() == [1, 1, 1, 1]


def test_nothing_to_show_is_one_sentence(tmp_path):
    with pytest.raises(RunError, match="at least one"):
        table([])
    run = ann_run(tmp_path / "run", epochs=1)
    (run.path / "metrics.csv").unlink()
    with pytest.raises(RunError, match="no finished epoch"):
        table([run.path])
