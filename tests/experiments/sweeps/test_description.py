"""A sweep as data: files, words of the command line, axes, samples and seeds."""

import copy
import datetime
import json
import math
from pathlib import Path

import numpy as np
import pytest

from brianprop.analysis.runs import as_json
from brianprop.experiments.sweeps import reading
from brianprop.experiments.sweeps.description import Sweep
from brianprop.experiments.sweeps.reading import preset_names, read_sweep
from brianprop.experiments.sweeps.words import base_of
from brianprop.experiments.training.nbp import TrainNBP
from brianprop.experiments.training.ssnn_bp import TrainSSNN
from brianprop.experiments.training.systems import options_of
from brianprop.experiments.training.values import as_values, settings_of
from brianprop.models.errors import ParameterError
from brianprop.models.nbp.parameters import Rules
from brianprop.models.ssnn_bp.parameters import SSNNRules


def read(tmp_path, text, **changes):
    path = tmp_path / "sweep.toml"
    path.write_text(text)
    return read_sweep(str(path), **changes)


def test_a_grid_is_crossed_with_the_seeds(tmp_path):
    sweep = read(
        tmp_path,
        """
        system = "nbp"
        seeds = [3, 5]
        objective = {metric = "accuracy_spikes", epoch = "best"}
        base = {dataset = "digits", hidden = 60, epochs = 2}
        [axes]
        order = ["propagate-first", "learn-first"]
        theta = {from = 900, to = 1100, n = 3}
        """,
    )
    assert sweep.objective == {"metric": "accuracy_spikes", "split": "validation", "epoch": "best"}
    points = sweep.points()
    assert len(points) == 12 and [point.settings.seed for point in points] == 6 * [3] + 6 * [5]
    assert points[1].axes == {"order": "propagate-first", "theta": 1000.0}
    expected = Rules(order="learn-first", theta=900.0)
    assert points[3].settings == TrainNBP(points[3].settings.out, hidden=(60,), epochs=2, seed=3, rules=expected)


def test_ranges(tmp_path):
    sweep = read(
        tmp_path,
        """
        system = "ssnn-bp"
        [axes]
        rate_out = {from = 1e-3, to = 1e-1, n = 5, scale = "log"}
        steps = {from = 2, to = 32, n = 5, scale = "log"}
        hidden = {from = 10, to = 12, n = 6}
        levels = {from = 4, to = 15, n = 3, multiple = 4}
        """,
        base={"w_max": 2},
    )
    values = {axis.name: axis.values for axis in sweep.axes}
    np.testing.assert_allclose(values["rate_out"], np.geomspace(1e-3, 1e-1, 5))
    assert values["rate_out"][0] == 1e-3 and values["rate_out"][-1] == 1e-1
    # whole numbers are rounded, and what coincides then is one value
    assert values["steps"] == (2, 4, 8, 16, 32) and all(isinstance(value, int) for value in values["steps"])
    assert values["hidden"] == (10, 11, 12)
    assert values["levels"] == (4, 8, 16)
    points = sweep.points()
    assert len(points) == 5 * 5 * 3 * 3
    last = SSNNRules(rate_out=0.1, steps=32, levels=16, w_max=2.0)
    assert points[-1].settings == TrainSSNN(points[-1].settings.out, hidden=(12,), rules=last)


@pytest.mark.parametrize("method", ["latin-hypercube", "random"])
def test_samples_fill_the_space_and_are_crossed_with_the_rest(method, tmp_path):
    text = f"""
        system = "nbp"
        sample = {{method = "{method}", n = 40, seed = 2}}
        [axes]
        theta = {{from = 512, to = 2048, scale = "log"}}
        eta_plus = {{from = 2, to = 20, multiple = 2}}
        refractory = {{choose = [0, 2]}}
        order = ["propagate-first", "learn-first"]
        """
    points = read(tmp_path, text).points()
    assert points == read(tmp_path, text).points() != read(tmp_path, text.replace("seed = 2", "seed = 3")).points()
    assert len(points) == 80 and [point.axes["sample"] for point in points] == 2 * list(range(40))
    assert [point.settings.rules.order for point in points] == 40 * ["propagate-first"] + 40 * ["learn-first"]
    assert {point.settings.rules.eta_plus for point in points} <= set(range(2, 21, 2))
    theta = np.array([point.settings.rules.theta for point in points[:40]])
    assert theta.min() >= 512 and theta.max() <= 2048
    # both halves on the logarithmic scale; a Latin hypercube has one point in each of 40 intervals
    assert 5 < np.sum(theta < 1024) < 35
    if method == "latin-hypercube":
        assert sorted(np.floor(40 * np.log2(theta / 512) / 2).astype(int)) == list(range(40))
        assert sum(point.settings.rules.refractory == 0 for point in points[:40]) == 20
    assert all(point.axes["theta"] == point.settings.rules.theta for point in points)


def test_parameters_that_change_together(tmp_path):
    sweep = read(
        tmp_path,
        """
        system = "nbp"
        [axes.bits]
        values = [3, 9]
        set = {w_step = [84, 1], w_max = [252, 255], w_init_max = [252, 255], eta_plus = [84, 1], eta_minus = [84, 1]}
        """,
    )
    first, second = sweep.points()
    assert first.axes == {"bits": 3} and second.axes == {"bits": 9}
    assert first.settings.rules == Rules(w_step=84, w_max=252, eta_plus=84, eta_minus=84, w_init_max=252)
    assert second.settings.rules == Rules(w_step=1, w_max=255, eta_plus=1, eta_minus=1, w_init_max=255)


def test_small_and_other_changes_take_the_place_of_what_the_file_says(tmp_path):
    text = """
        system = "nbp"
        seeds = 5
        [base]
        dataset = "mnist"
        epochs = 60
        [axes]
        theta = [900, 1000]
        w_max = [100, 254]
        [small]
        dataset = "digits"
        seeds = 2
        """
    plain, small = read(tmp_path, text), read(tmp_path, text, small=True)
    assert plain.base == {"dataset": "mnist", "epochs": 60} and plain.seeds == (0, 1, 2, 3, 4)
    assert small.base == {"dataset": "digits", "epochs": 60} and small.seeds == (0, 1)
    changed = read(tmp_path, text, small=True, base={"epochs": 1, "w_max": 200}, axes={"theta": [7.0]}, seeds=1)
    assert changed.base == {"dataset": "digits", "epochs": 1, "w_max": 200} and changed.seeds == (0,)
    assert [axis.values for axis in changed.axes] == [(7.0,)]


def test_a_system_alone_is_a_sweep_of_one_point():
    (point,) = read_sweep("ann").points()
    assert point.axes == {} and point.settings == options_of("ann")(point.settings.out)


def test_options_survive_the_way_through_json():
    for settings in (
        TrainNBP(Path("x"), binarise=(0.3,), rules=Rules(theta=900.5)),
        TrainSSNN(Path("x"), hidden=(20, 10), rules=SSNNRules(w_max=math.inf, answer_drive="mean")),
        options_of("ann")(Path("x"), data_dir=Path("somewhere")),
    ):
        values = as_values(settings)
        assert "out" not in values and "rules" not in values
        assert as_values(settings_of(type(settings), values)) == values
    assert settings_of(TrainSSNN, {"answer_drive": "none", "w_max": "inf", "hidden": 7}).hidden == (7,)


NBP = 'system = "nbp"\n'

BAD = {
    "": "names no system",
    'system = "nbq"': "'nbq'; use one of nbp, ssnn-bp, ann",
    NBP + "axis = 3": "'axis' is unknown",
    NBP + "seeds = 0": "seeds = 0 must be at least 1",
    NBP + "seeds = [0, 0]": "one twice",
    NBP + "seeds = [-1]": "whole numbers from 0",
    NBP + "seeds = true": "seeds = True",
    NBP + 'objective = "accuracy"': "'accuracy'; use one of accuracy_exact",
    NBP + 'objective = {splat = "test"}': "'splat' is unknown",
    NBP + "base = 3": "base = 3 must be a table",
    NBP + "base = {thetta = 3}": "nbp has no option 'thetta'",
    NBP + "base = {seed = 3}": "seeds of the sweep",
    NBP + 'base = {theta = "high"}': "theta = 'high' must be a number",
    NBP + "base = {hidden = 1.5}": "hidden = 1.5 must be a whole number",
    NBP + 'base = {order = "last"}': "one of propagate-first",
    NBP + "base = {shuffle = 1}": "shuffle = 1 must be true or false",
    NBP + "base = {dataset = 1}": "dataset = 1 must be text",
    NBP + "axes = {thetta = [1]}": "nbp has no option 'thetta'",
    NBP + "axes = {theta = []}": "at least one value",
    NBP + "axes = {theta = [1, 1.0]}": "a value twice",
    NBP + "axes = {theta = {from = 1}}": "no 'to'",
    NBP + 'axes = {theta = {from = 0, to = 1, n = 2, scale = "log"}}': "greater than 0",
    NBP + 'axes = {theta = {from = 0, to = 1, n = 2, scale = "cubic"}}': "'cubic'; use one of linear, log",
    NBP + "axes = {theta = {from = 0, to = nan, n = 2}}": "finite",
    NBP + "axes = {theta = {from = 0, to = 1, n = 0}}": "n = 0",
    NBP + "axes = {theta = {from = 0, to = 1, m = 0}}": "'m' is unknown",
    NBP + "axes = {theta = {from = 0, to = 1, multiple = 0}}": "multiple = 0",
    NBP + "axes = {theta = {from = 1, to = 2}}": "neither values nor n",
    NBP + "axes = {sample = [1]}": "a column of the table",
    NBP + "axes = {seed = [1]}": "a column of the table",
    NBP + "axes = {system = {set = {theta = [900, 1000]}}}": "a column of the table",
    NBP + "axes = {validation_loss = {set = {theta = [900, 1000]}}}": "a column of the table",
    NBP + 'axes = {device = {values = ["a", "b"], set = {theta = [900, 1000]}}}': "one column of the table would be for both",
    NBP + "axes = {theta = {values = [1, 2], set = {theta = [900, 1000]}}}": "one column of the table would be for both",
    NBP + "axes = {theta = [1], a = {set = {theta = [2]}}}": "theta is on two axes",
    NBP + "axes = {a = {values = [1, 2], set = {theta = [2]}}}": "theta has 1 values, not 2",
    NBP + "axes = {a = {set = {theta = 2}}}": "a list for each parameter",
    NBP + "axes = {theta = [900, -3]}": "theta = -3.0 must be greater than 0. (At the point theta = -3.0.)",
    NBP + "sample = {n = 3}": "no axis without n",
    NBP + "sample = {n = 0}\naxes = {theta = {from = 1, to = 2}}": "n = 0 must be a whole number from 1",
    NBP + 'sample = {n = 1, method = "sobol"}\naxes = {theta = {from = 1, to = 2}}': "'sobol'",
    "system = ": "cannot be read as TOML (Invalid value (at line 1, the end of the document)); mend the file",
    NBP + "seeds = 1000000000000": "at most 1000000",
    NBP + "axes = {theta = {from = 0, to = 1, n = 1000000000000}}": "a whole number from 1 to 1000000",
    NBP + "axes = {theta = {from = 1, to = 2, n = 2000}, bias = {from = -2, to = -1, n = 2000}}": "4000000 points",
    NBP + "axes = {order = {from = 1, to = 2, n = 2}}": "values are no numbers",
    NBP + "base = {theta = nan}": "theta = nan must be a number",
    NBP + "base = {theta = -inf}": "theta = -inf must be a number",
}


@pytest.mark.parametrize("text", BAD)
def test_bad_input_is_named(text, tmp_path):
    with pytest.raises(ParameterError) as error:
        read(tmp_path, text).points()
    assert BAD[text] in str(error.value)


def test_what_is_no_sweep_is_named(tmp_path):
    with pytest.raises(ParameterError, match="There is no sweep nowhere; give a TOML file, a preset"):
        read_sweep("nowhere")
    with pytest.raises(ParameterError, match=r"no table \[small\]"):
        read_sweep("nbp", small=True)


@pytest.mark.parametrize("name", preset_names())
@pytest.mark.parametrize("small", [False, True])
def test_presets_can_be_expanded(name, small):
    sweep = read_sweep(name, small=small)
    assert isinstance(sweep, Sweep) and len(sweep.points()) > 3
    assert (sweep.base["dataset"] == "digits") == small


# nonsense at every place

WHOLE = {
    "system": "ssnn-bp",
    "seeds": [0],
    "objective": {"metric": "loss", "split": "test", "epoch": "best"},
    "base": {
        "dataset": "digits",
        "hidden": [5, 4],
        "epochs": 2,
        "w_max": 2.0,
        "shuffle": True,
        "data_dir": "x",
        "binarise": [0.5],
    },
    "axes": {
        "rate_out": {"from": 0.1, "to": 0.2, "n": 2, "scale": "log", "multiple": 0.1},
        "gain": {"choose": [1, 2]},
        "theta": {"values": [1]},
        "both": {"values": ["a"], "set": {"steps": [2], "rate_hidden": [0.1]}},
    },
    "sample": {"method": "random", "n": 1, "seed": 0},
    "small": {"epochs": 1},
    "cluster": {"kind": "slurm", "jobs": 1},
}

NONSENSE = [
    *(
        True,
        0,
        -1,
        1.5,
        math.inf,
        -math.inf,
        math.nan,
        10**400,
        "",
        "x",
        "\0",
        "none",
        "inf",
        [],
        [[]],
        [1, [2, {}]],
        [math.nan],
    ),
    *({}, {"a": {"b": 1}}, {"values": [{}]}, {"set": {"steps": [{}]}}, datetime.date(2026, 1, 1), ["x"] * 10**5, "x" * 10**5),
]


def places(content, above=()):
    """The way to every part of a file."""
    for name, value in content.items():
        yield (*above, name)
        if isinstance(value, dict):
            yield from places(value, (*above, name))


@pytest.mark.parametrize("place", list(places(WHOLE)), ids=".".join)
def test_nonsense_is_one_sentence_or_can_be_kept(place, monkeypatch):
    small = place[0] == "small"
    assert len(read_sweep_of(WHOLE, monkeypatch, small).points()) == 2
    for value in NONSENSE:
        content = copy.deepcopy(WHOLE)
        parent = content
        for name in place[:-1]:
            parent = parent[name]
        parent[place[-1]] = value
        try:
            described = read_sweep_of(content, monkeypatch, small)
            points = described.points()
        except ParameterError as error:
            assert "\n" not in str(error) and len(str(error)) < 600, value
        else:
            json.dumps([as_json([point.axes, point.settings]) for point in points], allow_nan=False)


def read_sweep_of(content, monkeypatch, small=False):
    monkeypatch.setattr(reading, "_read", lambda source: copy.deepcopy(content))
    return read_sweep("file", small)


# paths


def test_paths_begin_at_home_and_hold_variables_of_the_environment(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("WHERE", "data")
    sweep = read(
        tmp_path,
        """
        system = "ann"
        [base]
        data_dir = "~/$WHERE"
        dataset = "~/${WHERE}/letters"
        [axes]
        init_weights = ["none", "~/a.npz"]
        [axes.both]
        values = [1, 2]
        set = {rate_out = [0.1, 0.2]}
        """,
    )
    first, *_, last = sweep.points()
    assert first.settings.data_dir == tmp_path / "data" and first.settings.dataset == str(tmp_path / "data" / "letters")
    assert first.settings.init_weights is None and last.settings.init_weights == tmp_path / "a.npz"
    # in words of the command line too, in which no shell puts them in after an equals sign
    (point,) = read_sweep("ann", base=base_of(["data_dir=~/x"])).points()
    assert point.settings.data_dir == tmp_path / "x"


def test_paths_are_expanded_once(tmp_path, monkeypatch):
    monkeypatch.setenv("WHERE", "$OTHER")
    monkeypatch.setenv("OTHER", "wrong")
    (point,) = read_sweep("ann", base={"data_dir": "/$WHERE/~"}).points()
    assert point.settings.data_dir == Path("/$OTHER/~")
    # as they are read back from a plan
    assert settings_of(options_of("ann"), as_values(point.settings)).data_dir == Path("/$OTHER/~")


@pytest.mark.parametrize("path", ["$NO_SUCH_VARIABLE/x", "${NO_SUCH_VARIABLE}/x", "~no-such-user/x"])
@pytest.mark.parametrize("name", ["data_dir", "dataset", "init_weights"])
def test_what_a_path_names_must_be_there(name, path, monkeypatch):
    monkeypatch.delenv("NO_SUCH_VARIABLE", raising=False)
    for changes in ({"base": {name: path}}, {"axes": {name: [path]}}, {"axes": {"a": {"values": [1], "set": {name: [path]}}}}):
        with pytest.raises(ParameterError, match=f"Parameter {name} = .*(NO_SUCH_VARIABLE|unknown user)"):
            read_sweep("ann", **changes)


def test_a_file_with_a_byte_order_mark_is_read(tmp_path):
    path = tmp_path / "sweep.toml"
    path.write_bytes(b"\xef\xbb\xbf" + NBP.encode())
    assert read_sweep(str(path)).system == "nbp"
    path.write_bytes(NBP.encode("utf-16"))
    with pytest.raises(ParameterError, match=r"cannot be read as TOML \(the byte 0xff is no UTF-8, at line 1"):
        read_sweep(str(path))
