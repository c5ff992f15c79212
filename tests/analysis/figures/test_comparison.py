"""Figures over many runs: each point is the mean of the runs that belong to it."""

import numpy as np
import pandas
import pytest
from conftest import ann_run, composite_run

from brianprop.analysis.activity import count
from brianprop.analysis.figures.comparison import compare, errorbar, estimates, plot_activity, plot_length, plot_step
from brianprop.analysis.figures.output import NothingToShowError
from brianprop.analysis.groups import group_runs
from brianprop.experiments.cli.main import main
from brianprop.models.errors import RunError


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Two seeds each of T = 4, 8, 16, of two other gains and of two numbers of levels at T = 8; two ANNs."""
    folder = tmp_path_factory.mktemp("sweep")
    found = []
    for seed in (0, 1):
        for steps in (4, 8, 16):
            found.append(
                composite_run(folder / f"T{steps}-{seed}", seed=seed, steps=steps, accuracy=0.5 + steps / 100 + seed / 10)
            )
        for gain in (0.5, 2.0):
            found.append(composite_run(folder / f"gain{gain}-{seed}", seed=seed, steps=8, gain=gain, accuracy=0.4))
        for levels in (None, 9, 33):
            name = folder / f"levels{levels}-{seed}"
            found.append(composite_run(name, seed=seed, steps=8, w_max=2.0, levels=levels, accuracy=0.3))
        found.append(ann_run(folder / f"ann-{seed}", seed=seed, accuracy=0.8 + seed / 10))
    return found


def lines(axes):
    """Points of each line with error bars: x, mean, s.d."""
    found = {}
    for container in axes.containers:
        line, _, (bars,) = container.lines
        spreads = [(segment[1, 1] - segment[0, 1]) / 2 for segment in bars.get_segments()]
        found[container.get_label()] = (*line.get_data(orig=False), np.array(spreads))
    return found


def test_points_are_means_over_seeds(runs):
    group = next(group for group in group_runs(runs, ignored=("steps",)) if len(group.runs) == 6)
    found = estimates(group, lambda parameters: parameters.steps, lambda run: run.config["training"]["seed"])
    assert found == {steps: (0.5, pytest.approx(np.sqrt(0.5)), 2) for steps in (4, 8, 16)}


def test_accuracy_against_t_beside_the_ann(runs):
    axes = plot_length([run for run in runs if run.config["parameters"].get("w_max") != 2.0], "test").axes[0]
    found = lines(axes)
    assert set(found) == {"SSNN-BP, gain = 1: rates", "SSNN-BP, gain = 1: spikes"}
    x, means, spreads = found["SSNN-BP, gain = 1: spikes"]
    np.testing.assert_array_equal(x, [4, 8, 16])
    np.testing.assert_allclose(means, [59, 63, 71])
    np.testing.assert_allclose(spreads, 100 * np.std([0, 0.1], ddof=1))
    np.testing.assert_allclose(found["SSNN-BP, gain = 1: rates"][1], [69, 73, 81])
    # the band of the ANN: 80 and 90
    (band,) = axes.patches
    assert band.get_y() == pytest.approx(85 - np.sqrt(50)) and band.get_height() == pytest.approx(2 * np.sqrt(50))
    assert [text.get_text() for text in axes.get_xticklabels()] == ["4", "8", "16"]


def test_the_legend_has_bars_and_lines_only_where_they_are_drawn():
    from matplotlib.figure import Figure

    nothing, seeds = [np.nan, np.nan], [1.0, 2.0]
    for x, spreads, line, bars in (([1, 2], seeds, "-", True), ([1, 2], nothing, "-", False), ([1], [np.nan], "None", False)):
        axes = Figure().subplots()
        errorbar(axes, x, [5.0] * len(x), spreads[: len(x)], label="one")
        (handle,), _ = axes.get_legend_handles_labels()
        assert handle.has_yerr is bars and handle.lines[0].get_linestyle() == line


def test_activity_against_t(runs):
    plain = [run for run in runs if run.system == "ssnn-bp" and run.path.name.startswith("T")]
    spikes, updates = (lines(axes) for axes in plot_activity(plain).axes)
    assert list(spikes) == ["input", "hidden 1", "hidden 1 gradient", "output error"]
    counted = [count(run.load_spikes("raster")) for run in plain if run.config["parameters"]["steps"] == 8]
    errors = [np.mean(one.spikes["output plus"] + one.spikes["output minus"]) for one in counted]
    assert spikes["output error"][1][1] == pytest.approx(np.mean(errors))
    assert updates["$W_1$"][1][1] == pytest.approx(np.mean([one.updates["W1"].mean() for one in counted]))
    # one input spike in each step
    np.testing.assert_array_equal(spikes["input"][1], [4, 8, 16])
    assert "first 6 turns of epoch 2" in plot_activity(plain).get_suptitle()


def test_accuracy_against_step_and_levels(runs):
    figure = plot_step(runs, "test")
    steps, levels = (lines(axes) for axes in figure.axes)
    x, means, _ = steps["SSNN-BP, T = 8, no bound: spikes"]
    # eta = rate / (T gain): larger gains make smaller steps
    np.testing.assert_allclose(x, [0.05 / 16, 0.05 / 8, 0.05 / 4])
    np.testing.assert_allclose(means, [40, 63, 40])
    (found,) = [line for label, line in levels.items() if label.endswith("spikes")]
    np.testing.assert_allclose(found[1], [30, 30, 30])
    assert [text.get_text() for text in figure.axes[1].get_xticklabels()] == ["9", "33", "continuous"]


def test_what_does_not_differ_is_left_out(runs, tmp_path, capsys):
    same = [run for run in runs if run.path.name.startswith("T8")]
    for plot in (lambda: plot_length(same, "test"), lambda: plot_activity(same), lambda: plot_step(same, "test")):
        with pytest.raises(NothingToShowError):
            plot()
    written = compare([run.path for run in same], tmp_path / "out")
    # one kind of runs, with nothing to compare it with
    assert [path.name for path in written] == ["accuracy.csv", "accuracy.md", "compare.csv"]
    assert len(capsys.readouterr().out.splitlines()) == 3


def test_the_command_writes_figures_and_all_values(runs, tmp_path):
    chosen = [str(run.path) for run in runs if run.path.name.startswith(("T", "ann"))]
    assert main(["compare", *chosen, "--out", str(tmp_path / "out"), "--split", "validation"]) == 0
    names = {path.name for path in (tmp_path / "out").iterdir()}
    tables = {"accuracy.csv", "accuracy.md", "pairs.csv", "pairs.md", "compare.csv"}
    assert names == {"length.png", "length.pdf", "activity.png", "activity.pdf", *tables}
    assert all(path.stat().st_size > 5000 for kind in ("png", "pdf") for path in (tmp_path / "out").glob(f"*.{kind}"))
    text = (tmp_path / "out" / "compare.csv").read_text()
    assert str(tmp_path) not in text and str(runs[0].path.parent) not in text
    table = pandas.read_csv(tmp_path / "out" / "compare.csv")
    assert len(table) == len(chosen)
    row = table[(table.steps == 8) & (table.seed == 1)].iloc[0]
    assert row["accuracy_spikes"] == pytest.approx(0.68) and row["presentations"] == 6 and row["spikes output"] == 8


def test_what_cannot_be_compared_is_named(runs, tmp_path):
    other = ann_run(tmp_path / "letters")
    other.config["dataset"]["name"] = "/somewhere/letters"
    other._write_json("config.json", other.config)
    with pytest.raises(RunError, match=r"several data sets \(digits, letters\)"):
        compare([runs[0].path, other.path], tmp_path / "out")
    unfinished = composite_run(tmp_path / "unfinished")
    unfinished.config["training"]["epochs"] = 5
    unfinished._write_json("config.json", unfinished.config)
    with pytest.raises(RunError, match=r"unfinished has no scores .* after its epoch 5; use 'brianprop resume"):
        compare([unfinished.path], tmp_path / "out")
    with pytest.raises(RunError, match="at least one"):
        compare([], tmp_path / "out")
