"""The figures: what they read off spikes and circuits is right, and what they draw is legible and not blank."""

import itertools
import os
import subprocess
import sys
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
from conftest import ann_run, composite_recording, composite_run

from brianprop.analysis.figures import raster_ssnn_bp
from brianprop.analysis.figures.accuracy import plot_accuracy
from brianprop.analysis.figures.connectivity import arriving, counts, plot_anatomy, plot_functional
from brianprop.analysis.figures.draw import circuit_of, draw
from brianprop.analysis.figures.places import symbol
from brianprop.analysis.figures.raster_nbp import find_events, plot_raster, select_samples
from brianprop.analysis.figures.raster_ssnn_bp import targets
from brianprop.analysis.figures.weights import most_changed, plot_fields, plot_weights, share_at_bound
from brianprop.analysis.runs import Recording, Run
from brianprop.models.circuit import Circuit, Population, Projection
from brianprop.models.errors import RunError
from brianprop.models.nbp.circuit import inference_circuit, training_circuit
from brianprop.models.nbp.parameters import NBP, initial_weights

PARAMETERS = NBP(n_in=16, hidden=(6,), n_out=3)
NAMES = ["raster", "accuracy", "functional", "anatomy", "weights", "images"]


def record(circuit, spikes):
    """A recording of (epoch, step, population, neuron)."""
    names = [population.name for population in circuit.populations]
    columns = [np.array(column) for column in zip(*spikes, strict=True)] if spikes else [[], [], [], []]
    epoch, step, population, neuron = columns
    return Recording(
        populations=tuple(names),
        sizes=tuple(population.size for population in circuit.populations),
        population=[names.index(name) for name in population],
        neuron=neuron,
        step=step,
        epoch=epoch,
        period=circuit.period,
    )


def random_recording(circuit, turns, seed=0):
    """Each neuron that may fire in a phase does so half of the time."""
    rng = np.random.default_rng(seed)
    spikes = [(1, -circuit.lead, "kick", 0), (1, -1, "g0", 0)]
    for step in range(turns * circuit.period):
        for name in circuit.firing[step % circuit.period]:
            fires = np.flatnonzero(rng.random(circuit[name].size) < (1.0 if name.startswith("g") else 0.5))
            spikes += [(1, step, name, neuron) for neuron in fires]
    return record(circuit, spikes)


@pytest.fixture
def small():
    """Source a, b that learns from it, and c that copies it; period 3, reinforced in phase 1."""
    return Circuit(
        name="small",
        populations=(
            Population("a", 2, "source", send_phase=0),
            Population("b", 3),
            Population("c", 2),
            Population("g0", 1, "gating"),
        ),
        projections=(
            Projection("a", "b", "plastic", 0, "all-to-all", matrix="W1"),
            Projection("a", "c", "copy", 1, "one-to-one", weight=520.0),
            Projection("g0", "b", "gate", 0, "one-to-all", weight=8704.0),
            Projection("g0", "c", "gate", 0, "one-to-all", weight=8704.0),
        ),
        period=3,
        lead=1,
        reinforced=(1,),
        readout="b",
        readout_phase=1,
        firing={0: ("a", "g0"), 1: ("b",), 2: ("c",)},
    )


def make_run(path, epochs=2, seed=0):
    config = {
        "system": "nbp",
        "dataset": {"name": "digits", "classes": ["A", "B", "C"], "image_shape": [4, 4]},
        "parameters": asdict(PARAMETERS),
        "training": {"epochs": epochs, "seed": seed},
    }
    run = Run.create(path, config, {})
    rng = np.random.default_rng(seed)
    run.save_checkpoint(0, initial_weights(PARAMETERS, seed))
    for epoch in range(1, epochs + 1):
        measures = ("accuracy_exact", "accuracy_spikes", "accuracy_membrane", "loss", "seconds")
        run.append_metrics(
            [
                {"epoch": epoch, "split": split, "samples": 10, **{name: rng.random() for name in measures}}
                for split in ("train", "validation", "test")
            ]
        )
        run.save_checkpoint(epoch, initial_weights(PARAMETERS, seed + epoch))
    return run


def complete(run):
    rng = np.random.default_rng(1)
    run.save_weights(run.load_checkpoint()[1])
    run.save_spikes(random_recording(training_circuit(PARAMETERS), turns=7), "raster")
    run.save_images(
        {
            "images": rng.integers(0, 2, (6, 16), dtype=np.uint8),
            "target": np.array([0, 1, 2, 0, 1, 2]),
            "spikes": rng.integers(0, 2, (6, 3), dtype=np.uint8),
            "drive": rng.normal(0, 900, (6, 3)),
        }
    )
    return run


def pixels(path):
    from matplotlib.image import imread

    return imread(path)[..., :3]


def assert_drawn(path):
    if path.suffix == ".png":
        picture = pixels(path)
        assert min(picture.shape[:2]) > 600
        assert picture.std() > 0.03
    else:
        assert path.read_bytes().startswith(b"%PDF")
    assert path.stat().st_size > 5000


# events


def test_events_are_the_planted_coincidences_and_no_other(small):
    planted = [
        (1, 1, "a", 0, None),
        (1, 1, "b", 2, "potentiation"),  # with a in phase 1
        (1, 1, "c", 0, None),  # a copy, no learned projection
        (1, 2, "a", 1, None),
        (1, 2, "b", 0, "depression"),  # with a in phase 2
        (1, 2, "b", 1, "depression"),
        (1, 4, "b", 0, None),  # a is silent here, but fires in this step of epoch 2
        (1, 5, "a", 0, None),  # one step after b
        (2, 4, "a", 0, None),
        (2, -2, "a", 0, None),
        (2, -2, "b", 1, "potentiation"),  # phase 1 of the lead-in
    ]
    shuffled = [planted[index] for index in np.random.default_rng(3).permutation(len(planted))]
    events = find_events(record(small, [spike[:4] for spike in shuffled]), small)
    marks = [spike[4] for spike in shuffled]
    assert events.potentiation.tolist() == [mark == "potentiation" for mark in marks]
    assert events.depression.tolist() == [mark == "depression" for mark in marks]
    assert not events.too_low.any()
    assert not events.too_high.any()


def test_every_learned_projection_is_looked_at():
    circuit = training_circuit(PARAMETERS)
    for projection in circuit.projections:
        if projection.plastic:
            spikes = [(1, 5, projection.source, 0), (1, 5, projection.target, 1)]
            events = find_events(record(circuit, spikes), circuit)
            assert events.potentiation.tolist() == [False, True], projection


def test_error_types_are_counted():
    circuit = training_circuit(PARAMETERS)
    spikes = [(1, 4, "d2_pos", 0), (1, 4, "d2_neg", 1), (1, 4, "d2_neg", 2), (1, 3, "o", 1), (1, 16, "d2_pos", 2)]
    events = find_events(record(circuit, spikes), circuit)
    assert events.too_low.tolist() == [True, False, False, False, True]
    assert events.too_high.tolist() == [False, True, True, False, False]


@pytest.mark.parametrize(
    ("error", "titles", "words"),
    [
        ("box", ["false negative", "false positive"], "1 false neg., 2 false pos."),
        ("margin", ["right, below margin", "wrong, above margin"], "1 below, 2 above"),
    ],
)
def test_errors_are_called_what_they_are(error, titles, words):
    circuit = training_circuit(replace(PARAMETERS, error=error))
    spikes = [(1, 4, "d2_pos", 0), (1, 4, "d2_neg", 1), (1, 4, "d2_neg", 2)]
    figure = plot_raster(record(circuit, spikes), circuit, n_samples=1)
    labels = [text.get_text() for text in figure.legends[0].get_texts()]
    assert [label for label in labels if label in titles] == titles
    assert figure.axes[0].texts[0].get_text().splitlines()[-1] == words


def test_the_turns_with_both_types_of_error_are_selected():
    circuit = training_circuit(PARAMETERS)
    chain = [(1, 12 * turn, "g1", 0) for turn in range(30)]
    errors = [(1, 12 * turn + 4, "d2_pos", 0) for turn in (0, 1, 2, 20)] + [(1, 12 * 22 + 4, "d2_neg", 0)]
    assert select_samples(record(circuit, chain), 6) == (1, 0)
    assert select_samples(record(circuit, chain + errors[:4]), 3) == (1, 0)
    assert select_samples(record(circuit, chain + errors), 6) == (1, 17)
    assert select_samples(record(circuit, [*chain, *errors, (2, 14, "g1", 0)]), 6) == (2, 1)
    assert select_samples(record(circuit, [])) == (0, 0)


# counts and connectivity


def test_counts_of_a_small_circuit(small):
    rows = {(row["group"], row["name"]): (row["neurons"], row["projections"], row["synapses"]) for row in counts(small)}
    assert rows == {
        ("population", "a"): (2, 0, 0),
        ("population", "b"): (3, 2, 2 * 3 + 3),
        ("population", "c"): (2, 2, 2 + 2),
        ("population", "g0"): (1, 0, 0),
        ("kind", "plastic"): (None, 1, 6),
        ("kind", "copy"): (None, 1, 2),
        ("kind", "gate"): (None, 2, 5),
        ("total", "small"): (6, 4, 13),
    }


def test_counts_of_the_published_circuit():
    total = counts(training_circuit(NBP()))[-1]
    # 2 populations of 400 inputs, 6 of 400 hidden, 7 of 10 outputs, 12 gating neurons
    assert (total["neurons"], total["projections"]) == (2 * 400 + 6 * 400 + 7 * 10 + 12, 102)
    learned = next(row for row in counts(training_circuit(NBP())) if row["name"] == "plastic")
    assert learned["synapses"] == 3 * 400 * 400 + 5 * 400 * 10


def test_arriving_counts_the_delay(small):
    pairs = [{(p.source, p.target) for p in arriving(small, phase)} for phase in range(3)]
    assert pairs == [set(), {("a", "b"), ("g0", "b"), ("g0", "c")}, {("a", "c")}]


def test_arriving_in_the_published_circuit():
    circuit = training_circuit(NBP())
    found = {(p.source, p.target, p.kind) for p in arriving(circuit, 9)}
    errors = {("d2_neg", target, "copy") for target in ("o", "o_lt", "o_gt")} | {("d2_pos", "oT_neg", "copy")}
    replay = {("m_h", "h", "copy"), ("m_h", "d1", "copy")}
    gates = {("g9", target, "gate") for target in ("h", "d1", "o", "o_lt", "o_gt", "oT_neg")}
    assert found == errors | replay | gates | {("g9", "g10", "chain")}
    assert all(p.source != "kick" for phase in range(12) for p in arriving(circuit, phase))


def test_symbols():
    assert symbol("h_lt") == "$h^{<}$"
    assert symbol("g11") == "$g_{11}$"
    assert symbol("kick") == "kick"


@pytest.mark.parametrize("plot", [plot_anatomy, plot_functional])
@pytest.mark.parametrize("make", [training_circuit, inference_circuit])
def test_no_label_lies_on_another(plot, make):
    from matplotlib.style import context

    from brianprop.analysis.figures.output import STYLE

    with context(STYLE):
        figure = plot(make(NBP(n_in=3136, hidden=(1000,), n_out=26)))
        figure.draw_without_rendering()
        for axes in figure.axes:
            boxes = {text.get_text(): text.get_bbox_patch().get_window_extent() for text in axes.texts}
            assert len(boxes) >= 8
            for (one, first), (other, second) in itertools.combinations(boxes.items(), 2):
                assert not first.overlaps(second), (one, other)
            for name, box in boxes.items():
                assert figure.bbox.x0 <= box.x0 and box.x1 <= figure.bbox.x1, name


def test_unknown_populations_and_kinds_are_drawn_too(small):
    figure = plot_anatomy(small)
    assert [text.get_text() for text in figure.axes[0].texts] == ["a\n2", "b\n3", "c\n2", "$g_{0}$"]


# single figures


def test_the_raster_shows_each_spike_once_in_its_colour(small):
    spikes = [(1, 1, "a", 0), (1, 1, "b", 2), (1, 2, "a", 1), (1, 2, "b", 0), (1, 4, "c", 0), (1, 9, "a", 0)]
    figure = plot_raster(record(small, spikes), small, n_samples=2)
    drawn = [
        (float(np.mean(segment[:, 0])), collection.get_colors()[0][:3].tolist())
        for collection in figure.axes[0].collections
        if collection.get_rasterized()
        for segment in collection.get_segments()
    ]
    # a colour cycle without the project's style: C0 is potentiation, C1 depression
    from matplotlib.colors import to_rgb

    spike, potentiated, depressed = (list(to_rgb(colour)) for colour in ("0.2", "C0", "C1"))
    expected = [(1, spike), (1, potentiated), (2, spike), (2, depressed), (4, spike)]
    assert sorted(drawn) == sorted((float(step), colour) for step, colour in expected)


def test_the_raster_of_a_circuit_that_does_not_learn_names_no_reinforced_phase():
    circuit = inference_circuit(PARAMETERS)
    figure = plot_raster(random_recording(circuit, turns=3), circuit)
    labels = [text.get_text() for text in figure.legends[0].get_texts()]
    assert "spike" in labels and not any("reinforced" in label for label in labels)


def test_accuracy_of_one_epoch_is_visible_and_several_runs_have_a_mean(tmp_path):
    one = make_run(tmp_path / "one", epochs=1).metrics_frame()
    axes = plot_accuracy({"nBP": [one]}).axes[0]
    assert len(axes.lines) == 6
    assert all(line.get_marker() not in ("", "None") for line in axes.lines)
    frames = [make_run(tmp_path / str(seed), epochs=2 + seed, seed=seed).metrics_frame() for seed in (1, 2)]
    lines = plot_accuracy({"nBP": frames}).axes[0].lines
    assert len(lines) == 18
    runs, mean = [line.get_ydata() for line in lines[:2]], lines[2].get_ydata()
    np.testing.assert_allclose(mean, (runs[0][:3] + runs[1][:3]) / 2)
    test = frames[0][frames[0]["split"] == "test"]
    np.testing.assert_allclose(runs[0], 100 * test["accuracy_membrane"])


@pytest.mark.parametrize(("bound", "step"), [(254, 2), (254, 1), (7, 1), (1000, 8)])
def test_histograms_hold_every_weight(bound, step):
    values = np.arange(-bound, bound + 1, step)
    assert share_at_bound(values, bound) == pytest.approx(2 / len(values))
    axes = plot_weights({}, {"W1": values}, bound, step).axes[0]
    outline = axes.patches[0].get_path().vertices
    edges, heights = outline[::2, 0], outline[1::2, 1]
    assert edges.min() < -bound and edges.max() > bound
    # an outline visits each bin's height between two of its edges
    assert heights[: len(edges) - 1].sum() == pytest.approx(1.0)


# all figures


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    folder = tmp_path_factory.mktemp("figures")
    run = complete(make_run(folder / "run"))
    return run, draw([run.path])


def test_draw_writes_every_figure_twice(drawn):
    run, written = drawn
    assert sorted(path.name for path in written) == sorted(f"{name}.{suffix}" for name in NAMES for suffix in ("png", "pdf"))
    assert {path.parent for path in written} == {run.path / "figures"}
    for path in written:
        assert_drawn(path)
    assert sorted(path.name for path in (run.path / "figures").iterdir()) == sorted(path.name for path in written)


def test_arrows_end_at_the_boxes_in_the_file(drawn):
    """Measured boxes are those of the file's resolution: drawing once more with all of them known changes nothing."""
    from matplotlib import rcParams
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.style import context

    from brianprop.analysis.figures.output import STYLE

    run, _ = drawn
    with context(STYLE):
        figure = plot_anatomy(training_circuit(PARAMETERS))
        figure.dpi = rcParams["savefig.dpi"]
        canvas = FigureCanvasAgg(figure)
        figure.draw_without_rendering()
        canvas.draw()
        expected = np.asarray(canvas.buffer_rgba())[..., :3] / 255
    np.testing.assert_allclose(pixels(run.path / "figures" / "anatomy.png"), expected, atol=0.02)


def test_draw_leaves_out_what_is_missing(tmp_path, capsys, monkeypatch):
    run = make_run(tmp_path / "run", epochs=1)
    # the circuit alone decides these two, and they are drawn elsewhere
    for name in ("plot_functional", "plot_anatomy"):
        monkeypatch.setattr(
            f"brianprop.analysis.figures.connectivity.{name}", lambda circuit: plot_weights({}, {"W1": np.eye(3)}, 1)
        )
    written = draw([run.path, make_run(tmp_path / "other", seed=1).path], tmp_path / "deep" / "out")
    assert {path.name for path in written if path.suffix == ".png"} == {
        "accuracy.png",
        "functional.png",
        "anatomy.png",
        "weights.png",
    }
    assert {path.parent for path in written} == {tmp_path / "deep" / "out"}
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2
    assert lines[0].startswith("raster: left out, since") and "raster.npz" in lines[0]
    assert lines[1].startswith("images: left out, since") and "images.npz" in lines[1]


def test_draw_names_what_is_wrong(tmp_path):
    with pytest.raises(RunError, match="no run directory"):
        draw([tmp_path / "absent"])
    with pytest.raises(RunError, match="at least one"):
        draw([])
    run = make_run(tmp_path / "run", epochs=1)
    (tmp_path / "file").touch()
    with pytest.raises(RunError, match="Cannot make the folder"):
        draw([run.path], tmp_path / "file")
    run.config["parameters"]["n_hidden"] = 3
    with pytest.raises(RunError, match="does not fit this version"):
        circuit_of(run)
    run.config["system"] = "other"
    with pytest.raises(RunError, match="'other'"):
        circuit_of(run)
    with pytest.raises(RunError, match="'ssnn-bp'"):
        circuit_of(composite_run(tmp_path / "composite"))


# SSNN-BP and the ANN


def presented(*errors, turns=4, period=3):
    """A recording in which output 1 is the target of all, and wins but in `errors`: (turn, step), where output 0 does."""
    wrong = {turn * period + step for turn, step in errors}
    spikes = [("output", int(step not in wrong), step) for step in range(turns * period)]
    spikes += [(name, neuron, step) for step in wrong for name, neuron in (("output plus", 1), ("output minus", 0))]
    return composite_recording([*spikes, ("input", 2, 1)], {"input": 4, "hidden1": 3, "output": 2}, period)


def test_targets_are_read_off_errors_and_outputs():
    assert targets(presented((0, 2), (1, 0), (1, 1), (1, 2))).tolist() == [1, 1, 1, 1]


def test_the_turns_with_most_errors_are_selected():
    assert raster_ssnn_bp.select_samples(presented(), 2) == 0
    assert raster_ssnn_bp.select_samples(presented((1, 0), (1, 1), (2, 0), (3, 2)), 2) == 1
    assert raster_ssnn_bp.select_samples(presented((3, 0)), 2) == 2
    assert raster_ssnn_bp.select_samples(presented((3, 0)), 9) == 0


def test_the_raster_of_turns_shows_each_spike_in_its_strip():
    recording = presented((1, 0), (2, 1), turns=4)
    figure = raster_ssnn_bp.plot_raster(recording, ["A", "B"], 2)
    source, hidden, output, error, gradient = figure.axes
    drawn = [
        [(float(np.mean(part[:, 0])), float(part[0, 1])) for part in axes.collections[0].get_segments()]
        for axes in (source, hidden, output)
    ]
    # turns 1 and 2: steps 3 to 8
    assert drawn == [[], [], [(3, 0), (4, 1), (5, 1), (6, 1), (7, 0), (8, 1)]]
    plus, minus = ((line.get_xdata().tolist(), line.get_ydata().tolist()) for line in error.lines[:2])
    assert (plus, minus) == (([3, 7], [1, 1]), ([3, 7], [0, 0]))
    assert all(len(line.get_xdata()) == 0 for line in gradient.lines[:2])
    # the target's band spans both turns
    bands = [path.get_extents() for collection in output.collections[1:] for path in collection.get_paths()]
    assert [(band.x0, band.x1, band.y0, band.y1) for band in bands] == [(2.5, 5.5, 0.5, 1.5), (5.5, 8.5, 0.5, 1.5)]
    assert source.texts[0].get_text() == "target B: 2 of 3\n2 error, 0 gradient\n0 updates"


def test_receptive_fields_are_of_the_neurons_that_changed_most():
    rng = np.random.default_rng(0)
    initial = {"W1": rng.normal(size=(12, 5)), "W2": rng.normal(size=(5, 3))}
    final = {name: weights.copy() for name, weights in initial.items()}
    final["W1"][:, 3] += 2
    final["W1"][:, 1] -= 1
    assert most_changed(initial["W1"], final["W1"], 2).tolist() == [3, 1]
    figure = plot_fields(initial, final, (3, 4), bound=5.0)
    images = [axes.images[0].get_array() for axes in figure.axes if axes.images]
    np.testing.assert_array_equal(images[0], initial["W1"][:, 3].reshape(3, 4))
    np.testing.assert_array_equal(images[5], final["W1"][:, 3].reshape(3, 4))


def test_draw_writes_the_figures_of_composite_neurons_and_of_the_ann(tmp_path):
    composite, ann = composite_run(tmp_path / "composite"), ann_run(tmp_path / "ann")
    for run, names in ((composite, ["raster", "accuracy", "weights", "images"]), (ann, ["accuracy", "weights", "images"])):
        written = draw([run.path])
        names_of_files = [f"{name}.{suffix}" for name in names for suffix in ("png", "pdf")]
        assert sorted(path.name for path in written) == sorted(names_of_files)
        for path in written:
            assert_drawn(path)


def test_systems_stand_side_by_side_with_labels(tmp_path):
    runs = [composite_run(tmp_path / str(seed), seed=seed) for seed in (0, 1)] + [ann_run(tmp_path / "ann", accuracy=0.25)]
    frames = [run.metrics_frame() for run in runs]
    figure = plot_accuracy({"SSNN-BP": frames[:2], "ANN": frames[2:]})
    words = [text.get_text() for text in figure.legends[0].get_texts()]
    assert words[:3] == ["SSNN-BP: rates", "SSNN-BP: spikes", "ANN"]
    left, right = figure.axes
    # three splits: of two runs and their mean by both readouts, and one of the ANN
    assert len(left.lines) == 3 * (2 * 3 + 1)
    np.testing.assert_allclose(left.lines[-1].get_ydata(), 25)
    assert right.get_ylabel() == "cross-entropy (nat)"
    mixed = plot_accuracy({"nBP": [make_run(tmp_path / "nbp").metrics_frame()], "ANN": frames[2:]})
    assert mixed.axes[1].get_ylabel() == "loss"


def test_many_groups_show_one_readout_of_the_test_images_each(tmp_path):
    frames = [make_run(tmp_path / str(seed), epochs=2, seed=seed).metrics_frame() for seed in range(4)]
    labels = [f"nBP with a rather long name and another setting = {number}" for number in range(4)]
    figure = plot_accuracy({label: [frame] for label, frame in zip(labels, frames, strict=True)})
    lines, legend = figure.axes[0].lines, figure.legends[0]
    assert len(lines) == 4 and len({line.get_color() for line in lines}) == 4
    for line, frame in zip(lines, frames, strict=True):
        test = frame[frame["split"] == "test"]
        np.testing.assert_allclose(line.get_ydata(), 100 * test["accuracy_spikes"])
    figure.draw_without_rendering()
    assert figure.bbox.x0 <= legend.get_window_extent().x0 and legend.get_window_extent().x1 <= figure.bbox.x1


@pytest.mark.parametrize("user", ["matplotlibrc", pytest.param("configuration", marks=pytest.mark.slow), "nonsense"])
def test_figures_are_the_same_whatever_the_settings_of_the_user(tmp_path, user, plain_figures):
    run, expected = plain_figures
    settings = "figure.dpi: 40\nsavefig.dpi: 50\nfont.size: 20\nfont.family: serif\naxes.grid: True\nsavefig.bbox: tight\n"
    settings += "lines.linewidth: 5\naxes.facecolor: red\nimage.cmap: jet\ninteractive: True\npath.sketch: 1, 100, 2\n"
    (tmp_path / "matplotlibrc").write_text(settings)
    (tmp_path / "here").mkdir()
    variables = {
        "matplotlibrc": {"MATPLOTLIBRC": str(tmp_path), "MPLBACKEND": "module://matplotlib_inline.backend_inline"},
        "configuration": {"MPLCONFIGDIR": str(tmp_path)},
        "nonsense": {"MPLBACKEND": "spam"},
    }
    drawn = draw_apart(run, tmp_path / "here", **variables[user])
    assert drawn == expected


def draw_apart(run, folder, **variables):
    """The bytes of the PNG files as another process draws them; a PDF orders the letters of a font in no fixed way."""
    out = folder / "figures"
    command = [sys.executable, "-m", "brianprop", "figures", str(run), "--out", str(out)]
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[3] / ".package")} | variables
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode == 0 and "Traceback" not in done.stderr, done.stderr
    return {path.name: path.read_bytes() for path in sorted(out.glob("*.png"))}


@pytest.fixture(scope="module")
def plain_figures(tmp_path_factory):
    folder = tmp_path_factory.mktemp("plain")
    run = ann_run(folder / "run").path
    (run / "images.npz").unlink()  # the other figures have all kinds of artists
    return run, draw_apart(run, folder)


def test_settings_of_matplotlib_that_cannot_be_read_are_named(tmp_path):
    (tmp_path / "matplotlibrc").write_bytes(b"font.size: 8 # \xe4\n")
    run = ann_run(tmp_path / "run").path
    command = [sys.executable, "-m", "brianprop", "figures", str(run)]
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[3] / ".package")}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 2 and "Traceback" not in done.stderr
    assert "brianprop: Matplotlib cannot be imported" in done.stderr and "mend its file matplotlibrc" in done.stderr
