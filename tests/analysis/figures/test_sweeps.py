"""Figures of a sweep, from runs with made-up scores."""

import hashlib
import inspect
import itertools
import json
import re
from types import SimpleNamespace

import numpy as np
import pytest
from conftest import ann_run
from matplotlib.container import ErrorbarContainer

from brianprop.analysis.figures.output import NothingToShowError
from brianprop.analysis.figures.sweeps.axes import SweepAxis, with_unit
from brianprop.analysis.figures.sweeps.heatmap import plot_heatmap
from brianprop.analysis.figures.sweeps.importance import plot_importance
from brianprop.analysis.figures.sweeps.learning import plot_learning
from brianprop.analysis.figures.sweeps.parallel import plot_parallel
from brianprop.analysis.figures.sweeps.response import plot_response
from brianprop.analysis.sweeps import SweepDirectory, store
from brianprop.experiments.cli.main import main
from brianprop.experiments.sweeps.plan import plan_of
from brianprop.experiments.sweeps.reading import read_sweep
from brianprop.models.nbp.parameters import Rules
from brianprop.models.ssnn_bp.parameters import SSNNRules


def made(path, axes, score, seeds=2, sample=None, objective="accuracy", left_out=()):
    """A sweep of ANNs whose accuracies are a function of the point's place and seed."""
    described = read_sweep("ann", base={"epochs": 2, "hidden": [5]}, axes=axes, seeds=seeds, sample=sample, objective=objective)
    directory = SweepDirectory.create(path, plan_of(described))
    for number, point in enumerate(directory.points):
        if number not in left_out:
            one = point.settings
            options = {"rates": (one["rate_hidden"], one["rate_out"]), "bias": one["biases"]}
            ann_run(directory.unfinished(point.key), seed=one["seed"], accuracy=score(point.axes, one["seed"]), **options)
            directory.commit(point.key)
    return directory


def bars(panel):
    """Points of each line with error bars: x, mean, s.d."""
    found = {}
    for container in panel.containers:
        line, _, whiskers = container.lines
        # of a single seed there is no spread, and nothing is drawn
        segments = whiskers[0].get_segments() if whiskers else [()] * len(line.get_xdata())
        spreads = [(segment[1, 1] - segment[0, 1]) / 2 if len(segment) else np.nan for segment in segments]
        found[container.get_label()] = (*line.get_data(orig=False), np.array(spreads))
    return found


def test_one_axis(tmp_path):
    directory = made(tmp_path / "s", {"rate_out": [0.1, 0.001, 0.01]}, lambda at, seed: 0.5 + at["rate_out"] + seed / 10)
    (panel,) = plot_response(directory, directory.table()).axes
    ((x, means, spreads),) = bars(panel).values()
    # in the order of the axis, whatever that of the sweep
    np.testing.assert_allclose(x, [0.001, 0.01, 0.1])
    np.testing.assert_allclose(means, [55.1, 56, 65])
    np.testing.assert_allclose(spreads, 100 * np.std([0, 0.1], ddof=1))
    dots = next(line for line in panel.lines if line.get_markersize() == 2)
    assert sorted(dots.get_ydata()) == pytest.approx([50.1, 51, 60, 60.1, 61, 70])
    # two decades: a logarithmic axis
    assert panel.get_xscale() == "log" and [text.get_text() for text in panel.get_xticklabels()] == ["0.001", "0.01", "0.1"]
    assert panel.get_xlabel() == "output rate" and panel.get_ylabel() == "validation accuracy (%)"
    (curves,) = plot_learning(directory, directory.table()).axes
    assert [line.get_label() for line in curves.lines] == ["0.001", "0.01", "0.1"]
    np.testing.assert_allclose(curves.lines[0].get_ydata(), [55.1, 55.1])
    with pytest.raises(NothingToShowError):
        plot_heatmap(directory, directory.table())


def test_two_axes_one_of_words_and_a_missing_point(tmp_path):
    axes = {"biases": [True, False], "rate_out": [0.1, 0.2, 0.3]}
    directory = made(tmp_path / "s", axes, lambda at, seed: 0.3 + at["rate_out"] + 0.2 * at["biases"], seeds=1, left_out=[4])
    table = directory.table()
    assert len(table) == 5
    figure = plot_response(directory, table)
    (panel,) = figure.axes
    found = bars(panel)
    assert list(found) == ["biases = True", "biases = False"]  # as the sweep has them, and not by the alphabet
    np.testing.assert_allclose(found["biases = True"][1], [60, 70, 80])
    assert np.isnan(found["biases = True"][2]).all() and figure.legends[0].get_title().get_text() == "one seed"
    np.testing.assert_allclose(found["biases = False"][1], [40, 60])
    panel, _ = plot_heatmap(directory, table).axes
    np.testing.assert_allclose(panel.images[0].get_array().filled(-1), [[60, 70, 80], [40, -1, 60]])
    assert [text.get_text() for text in panel.get_yticklabels()] == ["True", "False"]
    assert "–" in [text.get_text() for text in panel.texts] and "80.0" in [text.get_text() for text in panel.texts]
    assert len(plot_learning(directory, table).axes) == 2


def test_a_heat_map_has_the_spread_beside_the_mean(tmp_path):
    axes = {"biases": [True, False], "rate_out": [0.1, 0.2, 0.3]}
    # the third seed of the last point is missing
    directory = made(tmp_path / "s", axes, lambda at, seed: 0.3 + at["rate_out"] * (1 + seed) / 2, seeds=3, left_out=[17])
    figure = plot_heatmap(directory, directory.table())
    means, spreads, *_ = figure.axes
    # 30 + (5, 10, 15), (10, 20, 30), (15, 30, 45); of the last field the first two
    np.testing.assert_allclose(means.images[0].get_array(), [[40, 50, 60], [40, 50, 52.5]])
    np.testing.assert_allclose(spreads.images[0].get_array(), [[5, 10, 15], [5, 10, 112.5**0.5]])
    assert [text.get_text() for text in spreads.texts] == ["5.0", "10.0", "15.0", "5.0", "10.0", "10.6\nn = 2"]
    assert figure.get_suptitle() == "mean and s.d. over 2 to 3 seeds, 1 of 6 points incomplete"
    assert figure.axes[3].get_ylabel() == "s.d. over seeds (points)"


def test_one_seed_is_never_drawn_without_saying_so(tmp_path):
    crossed = {"biases": [True, False], "rate_out": [0.1, 0.2], "rate_hidden": [0.1, 0.2, 0.3]}
    for seeds, words in ((1, "one seed"), (2, "2 seeds")):
        pair = dict(list(crossed.items())[:2])
        of_two = made(tmp_path / f"two{seeds}", pair, lambda at, seed: at["rate_out"], seeds=seeds)
        assert words in plot_heatmap(of_two, of_two.table()).get_suptitle()
        assert words in plot_learning(of_two, of_two.table()).get_suptitle()
        of_three = made(tmp_path / f"three{seeds}", crossed, lambda at, seed: at["rate_out"], seeds=seeds)
        assert words in plot_parallel(of_three, of_three.table()).axes[0].get_title(loc="right")
        assert words in plot_importance(of_three, of_three.table()).axes[0].get_title(loc="right")
        ranges = {name: {"from": 0.01, "to": 0.1} for name in ("rate_out", "rate_hidden")}
        sampled = made(tmp_path / f"s{seeds}", ranges, lambda at, seed: at["rate_out"], seeds=seeds, sample={"n": 4})
        assert words in plot_response(sampled, sampled.table()).get_suptitle()


def test_a_figure_says_of_how_many_seeds_its_points_are(tmp_path):
    # the second seed of the second point is missing
    directory = made(tmp_path / "s", {"rate_out": [0.1, 0.2, 0.3]}, lambda at, seed: 0.5 + seed / 10, left_out=[4])
    table = directory.table()
    says = "mean and s.d. over 1 to 2 seeds, 1 of 3 points incomplete"
    (panel,) = plot_response(directory, table).axes
    assert panel.get_title(loc="right") == says
    ((_, means, spreads),) = bars(panel).values()
    np.testing.assert_allclose(means, [55, 50, 55])
    assert np.isnan(spreads[1]) and np.isfinite(spreads[[0, 2]]).all()
    assert "1 to 2 seeds, 1 of 3 points incomplete" in plot_learning(directory, table).get_suptitle()


def test_status_ranks_places_by_their_mean_and_not_by_a_lucky_seed(tmp_path, capsys):
    # 0.1 has the best single seed, 0.3 has only one seed, with the best score of all
    scores = {(0.1, 0): 0.9, (0.1, 1): 0.3, (0.2, 0): 0.7, (0.2, 1): 0.66, (0.3, 0): 0.95}
    directory = made(tmp_path / "s", {"rate_out": [0.1, 0.2, 0.3]}, lambda at, seed: scores[at["rate_out"], seed], left_out=[5])
    places = directory.places(directory.table())
    assert list(places.place) == ["rate_out = 0.2", "rate_out = 0.1", "rate_out = 0.3"]
    np.testing.assert_allclose(places["mean"], [0.68, 0.6, 0.95])
    np.testing.assert_allclose(places.sd, [np.std([0.7, 0.66], ddof=1), np.std([0.9, 0.3], ddof=1), np.nan])
    assert list(places.n) == [2, 2, 1] and list(places.planned) == [2, 2, 2]
    assert main(["sweep", "status", str(directory.path)]) == 0
    assert capsys.readouterr().out.splitlines()[-4:] == [
        "best places  validation accuracy, mean over seeds ± standard deviation",
        "1            0.68 ± 0.02828 (n = 2) at rate_out = 0.2",
        "2            0.6 ± 0.4243 (n = 2) at rate_out = 0.1",
        "3            0.95 (n = incomplete, 1 of 2) at rate_out = 0.3",
    ]


def test_places_that_differ_in_the_fifth_digit_are_not_one(tmp_path):
    directory = made(tmp_path / "s", {"rate_out": [0.100001, 0.100002]}, lambda at, seed: at["rate_out"])
    assert list(directory.places(directory.table()).n) == [2, 2]


def test_of_losses_the_least_is_the_best_and_what_is_no_number_comes_last(tmp_path):
    directory = made(tmp_path / "s", {"rate_out": [0.1, 0.2, 0.3]}, lambda at, seed: 0.5, objective="loss")
    table = directory.table()
    table["objective"] = [{0.1: np.nan, 0.2: 2.0, 0.3: 1.0}[rate] for rate in table.rate_out]
    places = directory.places(table)
    assert list(places.place) == ["rate_out = 0.3", "rate_out = 0.2", "rate_out = 0.1"]
    assert np.isnan(places["mean"][2]) and list(places.n) == [2, 2, 2]


def test_names_and_words_with_dollars_are_drawn_as_they_are(tmp_path):
    axes = {"cost in $": {"values": ["$\\nosuch$", "b"], "set": {"rate_out": [0.1, 0.2]}}}
    directory = made(tmp_path / "s", axes, lambda at, seed: 0.5)
    assert main(["sweep", "figures", str(directory.path)]) == 0


def test_samples_of_many_axes(tmp_path):
    axes = {
        "rate_out": {"from": 0.001, "to": 0.1, "scale": "log"},
        "rate_hidden": {"from": 0.01, "to": 0.02},
        "biases": {"choose": [False, True]},
    }
    directory = made(
        tmp_path / "s", axes, lambda at, seed: 0.9 + 0.2 * np.log10(at["rate_out"]), seeds=1, sample={"n": 40}, objective="loss"
    )
    table = directory.table()
    # the scores that are made up have one loss; the objective is put in its place
    table["objective"] = [0.9 + 0.2 * np.log10(rate) for rate in table.rate_out]
    figure = plot_parallel(directory, table)
    lines = [line for line in figure.axes[0].lines if len(line.get_xdata()) == 4]
    # the best is drawn last, on top: the least loss
    shares = np.array([line.get_ydata() for line in lines])
    assert len(lines) == 40 and np.all(np.diff(shares[:, 3]) <= 0)
    expected = np.log10(np.sort(table.rate_out)[::-1] / table.rate_out.min()) / np.log10(
        table.rate_out.max() / table.rate_out.min()
    )
    np.testing.assert_allclose(shares[:, 0], expected)
    panel = plot_importance(directory, table).axes[0]
    widths = dict(
        zip([text.get_text() for text in panel.get_yticklabels()], [bar.get_width() for bar in panel.patches], strict=True)
    )
    assert widths["output rate"] > 10 * max(widths["hidden rate"], widths["biases"])
    assert len(plot_response(directory, table).axes) == 3
    with pytest.raises(NothingToShowError, match="too few"):
        plot_importance(directory, table[:5])


def collide(labels):
    boxes = [label.get_window_extent() for label in labels if label.get_text()]
    return any(one.overlaps(other) for one, other in itertools.combinations(boxes, 2))


@pytest.mark.parametrize(
    "values",
    [
        [0.001, 0.00101, 0.00102, 0.01, 0.1],
        [round(0.001 * 1.3**number, 6) for number in range(18)],
        [0.123456, 0.123457, 0.2, 0.3],
        {"from": 0.0011, "to": 0.0099, "n": 12, "scale": "log"},
    ],
)
def test_labels_of_ticks_do_not_overlap(tmp_path, values):
    directory = made(tmp_path / "s", {"rate_out": values}, lambda at, seed: 0.5, seeds=1)
    figure = plot_response(directory, directory.table())
    figure.draw_without_rendering()
    labels = [*figure.axes[0].get_xticklabels(), *figure.axes[0].get_xticklabels(minor=True)]
    assert sum(bool(label.get_text()) for label in labels) >= 2 and not collide(labels)


def test_long_words_and_the_names_of_lines_hide_nothing(tmp_path):
    words = ["ideal", "sixty-five levels", "noise of updates", "asymmetry of updates", "all of these together"]
    axes = {"a kind of device": {"values": words, "set": {"rate_hidden": [0.1, 0.2, 0.3, 0.4, 0.5]}}, "rate_out": [0.1, 0.2]}
    directory = made(tmp_path / "s", axes, lambda at, seed: 0.5 + seed / 10, seeds=2)
    heatmap = plot_heatmap(directory, directory.table())
    heatmap.draw_without_rendering()
    assert not any(collide(panel.get_xticklabels()) for panel in heatmap.axes)
    response = plot_response(directory, directory.table())
    response.draw_without_rendering()
    (panel,), (legend,) = response.axes, response.legends
    assert not legend.get_window_extent().overlaps(panel.get_window_extent())


def test_a_range_has_the_scale_that_was_declared(tmp_path):
    for scale in ("linear", "log"):
        axes = {"rate_out": {"from": 0.001, "to": 0.1, "n": 5, "scale": scale}}
        directory = made(tmp_path / scale, axes, lambda at, seed: 0.5, seeds=1)
        assert plot_response(directory, directory.table()).axes[0].get_xscale() == scale
    sampled = {"rate_out": {"from": 0.001, "to": 0.1}, "rate_hidden": {"from": 0.001, "to": 0.1, "scale": "log"}}
    directory = made(tmp_path / "sampled", sampled, lambda at, seed: 0.5, seeds=1, sample={"n": 12})
    assert [panel.get_xscale() for panel in plot_response(directory, directory.table()).axes] == ["linear", "log"]


def test_error_bars_of_groups_stand_beside_one_another(tmp_path):
    axes = {"biases": [True, False], "rate_out": [0.001, 0.01, 0.1]}
    directory = made(tmp_path / "s", axes, lambda at, seed: 0.5 + seed / 10)
    (panel,) = plot_response(directory, directory.table()).axes
    first, second = (np.log10(x) for x, *_ in bars(panel).values())
    distance = np.abs(first - second)
    # apart from one another, and nearer to their own value than to the next
    np.testing.assert_allclose(distance, distance[0])
    assert 0.01 < distance[0] < 0.5
    np.testing.assert_allclose((first + second) / 2, [-3, -2, -1])


def test_an_importance_is_shown_only_where_something_was_found(tmp_path):
    axes = {name: {"from": 0.001, "to": 0.1} for name in ("rate_out", "rate_hidden")}
    rng = np.random.default_rng(0)
    directory = made(tmp_path / "s", axes, lambda at, seed: rng.random(), seeds=1, sample={"n": 25})
    table = directory.table()
    panel = plot_importance(directory, table).axes[0]
    assert not panel.patches and "Nothing was found: $R^2$ is below 0.1" in panel.texts[0].get_text()
    table["objective"] = table.rate_out
    panel = plot_importance(directory, table).axes[0]
    # a unit of its own, and intervals around the means
    assert len(panel.patches) == 2 and "%)" not in panel.get_xlabel() + panel.get_title(loc="right")
    (container,) = [one for one in panel.containers if isinstance(one, ErrorbarContainer)]
    (whiskers,) = container.lines[2]
    for segment, bar in zip(whiskers.get_segments(), panel.patches, strict=True):
        assert segment[0, 0] <= bar.get_width() <= segment[1, 0]


def test_lines_across_axes_have_ticks_and_say_their_scale(tmp_path):
    axes = {"rate_out": {"from": 0.001, "to": 0.1, "scale": "log"}, "rate_hidden": {"from": 0.02, "to": 0.04}}
    directory = made(tmp_path / "s", axes, lambda at, seed: at["rate_out"], seeds=1, sample={"n": 30})
    panel = plot_parallel(directory, directory.table()).axes[0]
    assert [text.get_text() for text in panel.get_xticklabels()][:2] == ["output rate\n(log)", "hidden rate"]
    ticks = {number: [text.get_text() for text in panel.texts if text.xy[0] == number] for number in range(3)}
    assert all(len(labels) >= 4 for labels in ticks.values())
    assert {"0.002", "0.01", "0.05"} <= set(ticks[0]) and "0.032" in ticks[1]
    for number in range(3):
        assert np.diff([text.xy[1] for text in panel.texts if text.xy[0] == number]).min() > 0.08


def test_the_command_draws_what_there_is(tmp_path, capsys):
    directory = made(tmp_path / "s", {"rate_out": [0.1, 0.2], "biases": [False, True]}, lambda at, seed: at["rate_out"])
    assert main(["sweep", "figures", str(directory.path)]) == 0
    names = {path.name for path in (directory.path / "figures").iterdir()}
    assert names == {f"{name}.{kind}" for name in ("response", "heatmap", "learning") for kind in ("png", "pdf")}
    assert "importance: left out, since it is for 3 axes and more" in capsys.readouterr().out
    empty = made(tmp_path / "empty", {"rate_out": [0.1]}, None, left_out=(0, 1))
    assert main(["sweep", "figures", str(empty.path)]) == 2
    assert "No point of" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["status", "figures"])
def test_a_command_hashes_each_file_once(command, tmp_path, monkeypatch, capsys):
    directory = made(tmp_path / "s", {"rate_out": [0.1, 0.2]}, lambda at, seed: at["rate_out"])
    hashed = []

    def file_digest(content, name):
        hashed.append(content)
        return hashlib.file_digest(content, name)

    monkeypatch.setattr(store, "hashlib", SimpleNamespace(file_digest=file_digest))
    assert main(["sweep", command, str(directory.path)]) == 0
    runs = [directory.finished(key) for key in directory.keys]
    manifests = [json.loads((run / "point.json").read_text()) for run in runs]
    assert len(hashed) == sum(len(manifest["sha256"]) for manifest in manifests) > 0
    # and again what is written after that
    assert directory.damage(directory.keys[0]) is None
    (runs[0] / "metrics.csv").write_bytes((runs[0] / "metrics.csv").read_bytes()[:-1] + b" ")
    assert directory.damage(directory.keys[0]) == "metrics.csv has changed"


def test_nothing_differs_but_the_seed(tmp_path):
    directory = made(tmp_path / "s", {}, lambda at, seed: 0.5)
    with pytest.raises(NothingToShowError, match="differ in their seed only"):
        plot_response(directory, directory.table())
    assert plot_learning(directory, directory.table()).axes


def test_places_of_values():
    numbers, text = SweepAxis("a", [4.0, 1.0, 2.0], True), SweepAxis("b", ["z", "a"], True)
    assert numbers.log and [numbers.share(value) for value in numbers.values] == pytest.approx([0, 0.5, 1])
    assert not text.log and text.position == {"z": 0, "a": 1} and text.ticks == [("z", 0), ("a", 1)]
    assert SweepAxis("c", [1.0, float("inf")], False).position == {1.0: 0, float("inf"): 1}


@pytest.mark.parametrize("rules", [Rules, SSNNRules])
def test_axes_have_the_units_of_the_docstrings(rules):
    source = inspect.getsource(rules)
    found = dict(re.findall(r'^    (\w+): [^\n]*\n    """[^"\[]*(\[\w[\w ]*\]|relative to theta)', source, re.MULTILINE))
    units = {"[theta]": "θ", "relative to theta": "θ"}
    assert found
    assert {name: f"{name.replace('_', ' ')} ({units.get(unit, unit.strip('[]'))})" for name, unit in found.items()} == {
        name: with_unit(name) for name in found
    }
    assert with_unit("eta_plus") == "eta plus"
