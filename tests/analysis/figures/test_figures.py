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
from matplotlib.collections import LineCollection

from brianprop.analysis.figures import raster_ssnn_bp
from brianprop.analysis.figures.accuracy import plot_accuracy, smooth
from brianprop.analysis.figures.classes import class_names
from brianprop.analysis.figures.connectivity import arriving, counts, plot_anatomy, plot_functional
from brianprop.analysis.figures.diagram import Box, Diagram, spread
from brianprop.analysis.figures.draw import circuit_of, draw
from brianprop.analysis.figures.images import plot_images
from brianprop.analysis.figures.places import symbol
from brianprop.analysis.figures.raster_nbp import find_events, plot_raster, select_samples
from brianprop.analysis.figures.raster_ssnn_bp import targets
from brianprop.analysis.figures.selection import Selection, span_of
from brianprop.analysis.figures.weights import histogram_edges, most_changed, plot_weights, receptive_fields, share_at_bound
from brianprop.analysis.runs import Recording, Run
from brianprop.models.circuit import Circuit, Population, Projection
from brianprop.models.errors import ParameterError, RunError
from brianprop.models.nbp.circuit import inference_circuit, training_circuit
from brianprop.models.nbp.parameters import NBP, initial_weights

PARAMETERS = NBP(n_in=16, hidden=(6,), n_out=3)
NAMES = ["raster", "accuracy", "confusion", "functional", "anatomy", "weights", "images"]


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
    run.save_predictions({"target": np.arange(9) % 3, "spikes": np.arange(9) % 3, "membrane": np.arange(9) // 3})
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


def labels_of(figure):
    """The texts of a figure of a circuit and their extents in pixels, without panel titles."""
    figure.draw_without_rendering()
    return [(text.get_text(), text.get_window_extent()) for text in figure.axes[0].texts]


def assert_apart(figure, *, least):
    labels = labels_of(figure)
    assert len(labels) >= least
    for (one, first), (other, second) in itertools.combinations(labels, 2):
        assert not first.overlaps(second), (one, other)
    for name, box in labels:
        assert figure.bbox.x0 <= box.x0 and box.x1 <= figure.bbox.x1, name
        assert figure.bbox.y0 <= box.y0 and box.y1 <= figure.bbox.y1, name


@pytest.mark.parametrize("hidden", [(1000,), (1000, 60), (400, 400, 400)])
def test_no_label_lies_on_another(hidden):
    from matplotlib.style import context

    from brianprop.analysis.figures.output import STYLE

    parameters = NBP(n_in=3136, hidden=hidden, n_out=47)
    with context(STYLE):
        for make in (training_circuit, inference_circuit):
            circuit = make(parameters)
            assert_apart(plot_anatomy(circuit), least=len(circuit.populations))
            # in each phase all layers, and at least one of the chain
            assert_apart(plot_functional(circuit), least=circuit.period * (len(circuit.populations) - circuit.period))


@pytest.mark.parametrize("n_hidden", [1, 3])
def test_figures_of_a_circuit_fit_on_a_page(n_hidden):
    circuit = training_circuit(NBP(hidden=(400,) * n_hidden))
    for figure, height in ((plot_anatomy(circuit), 6), (plot_functional(circuit), 10.1)):
        assert figure.get_figwidth() <= 7.25 and figure.get_figheight() <= height


@pytest.mark.parametrize("n_hidden", [1, 2, 3])
def test_no_arrow_of_the_anatomy_runs_behind_a_box(n_hidden):
    """The strong arrows, that is, all but those from the gating chain to the layers."""
    from matplotlib.style import context

    from brianprop.analysis.figures.output import STYLE

    circuit = training_circuit(NBP(hidden=(400,) * n_hidden))
    with context(STYLE):
        figure = plot_anatomy(circuit)
        boxes = [box for _, box in labels_of(figure)[: len(circuit.populations)]]
        (shafts,) = [lines for lines in figure.axes[0].collections if isinstance(lines, LineCollection) and lines.zorder == 3]
        curves = [figure.axes[0].transData.transform(segment) for segment in shafts.get_segments() if len(segment) > 4]
        strong = [p for p in circuit.projections if circuit[p.source].role != "gating" or p.kind == "chain"]
        assert len(curves) == len(strong)
        for curve, projection in zip(curves, strong, strict=True):
            inside = [box for box in boxes if np.all((curve > box.min) & (curve < box.max), axis=1).any()]
            assert not inside, projection


def test_parallel_arrows_and_those_back_do_not_hide_each_other():
    circuit = training_circuit(NBP(hidden=(400, 400)))
    figure = plot_anatomy(circuit)
    (shafts,) = [lines for lines in figure.axes[0].collections if isinstance(lines, LineCollection) and lines.zorder == 3]
    curves = [segment for segment in shafts.get_segments() if len(segment) > 4]
    middles = np.array([curve[len(curve) // 2] for curve in curves])
    distances = np.linalg.norm(middles[:, np.newaxis] - middles, axis=-1)[np.triu_indices(len(middles), 1)]
    assert distances.min() > 0.01  # inches


def test_bends_lead_around_boxes_where_they_can():
    start, stop, between = Box(0.5, 1.0, 0.2, 0.2), Box(3.5, 1.0, 0.2, 0.2), Box(2.0, 0.9, 0.3, 0.3)
    corners = [Box(0.5, 3.0, 0.1, 0.1), Box(3.5, -1.0, 0.1, 0.1)]
    diagram = Diagram(4, 3)
    diagram.arrows(
        [(start, stop, "C0", False, False)] * 2 + [(stop, start, "C0", False, False)], [start, stop, between, *corners]
    )
    curves = diagram.axes.collections[0].get_segments()
    for curve in curves:
        assert not between.holds(curve).any()
        # from edge to edge; the head takes the rest
        assert not start.holds(curve).any() and not stop.holds(curve).any()
    heights = sorted(float(curve[len(curve) // 2, 1]) for curve in curves)
    assert np.diff(heights).min() > 0.1


def test_intervals_that_overlap_are_moved_apart():
    assert spread([1.0, 1.1], [0.4, 0.4], 0.0, 2.0) == pytest.approx([1.0, 1.4])
    assert spread([1.8, 1.9], [0.4, 0.4], 0.0, 2.0) == pytest.approx([1.4, 1.8])
    assert spread([0.0, 1.0], [0.4, 0.4], 0.0, 2.0) == pytest.approx([0.2, 1.0])


def test_unknown_populations_and_kinds_are_drawn_too(small):
    figure = plot_anatomy(small)
    assert {text.get_text() for text in figure.axes[0].texts} >= {"a\n2", "b\n3", "c\n2", "$g_{0}$"}


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


def segments_of(figure):
    """Middle of each mark of a spike, by the label of its strip."""
    axes = figure.axes[0]
    labels = [text.get_text() for text in axes.get_yticklabels()]
    middles = np.array([tick for tick in axes.get_yticks()])
    found = {label: [] for label in labels}
    for collection in axes.collections:
        if collection.get_rasterized():
            for segment in collection.get_segments():
                x, y = np.mean(segment, axis=0)
                found[labels[int(np.argmin(np.abs(middles - y)))]].append(round(float(x)))
    return found


def test_the_raster_shows_the_selected_part_and_no_more():
    circuit = training_circuit(PARAMETERS)
    spikes = [(1, 12 * turn + phase, "h", 3) for turn in range(6) for phase in (1, 2, 5, 6, 7)]
    spikes += [(1, 12 * turn + 5, "d1", 0) for turn in range(6)] + [(1, 12 * turn + 3, "o", 1) for turn in range(6)]
    chosen = Selection(["d1", "h"], slice(2, 4), range(2, 7))
    figure = plot_raster(record(circuit, spikes), circuit, classes=["A", "B", "C"], selection=chosen)
    # five phases of two turns: columns 0 to 9
    assert segments_of(figure) == {"$d^1$": [3, 8], "$h$": [0, 3, 4, 5, 8, 9]}
    axes = figure.axes[0]
    assert [text.get_text() for text in axes.get_xticklabels()] == ["2", "3", "4", "5", "6"] * 2
    captions = [text.get_text().split("\n") for text in axes.texts]
    assert [caption[:3] for caption in captions] == [
        ["turn 2", "target none", "output B"],
        ["turn 3", "target none", "output B"],
    ]


@pytest.mark.parametrize(
    ("selection", "message"),
    [
        (Selection(populations=["h", "hh"]), "Population 'hh'.*d1"),
        (Selection(turns=slice(2, 9)), "turns 2:9.*has 3, from 0 to 2"),
        (Selection(turns=slice(3, None)), "turns 3:3"),
        (Selection(phases=range(5, 13)), "phases 5:13.*has 12"),
        (Selection(phases=range(2, 8, 2)), "phases 2:8:2"),
        (Selection(populations=()), "No population"),
    ],
)
def test_a_selection_that_was_not_recorded_is_refused(selection, message):
    circuit = training_circuit(PARAMETERS)
    recording = record(circuit, [(1, step, "g1", 0) for step in (0, 12, 24)])
    with pytest.raises(ParameterError, match=message):
        plot_raster(recording, circuit, selection=selection)


def test_spans_of_the_command_line():
    spans = ("21:24", "21", "21:", ":5", None)
    assert [span_of(text, "turns") for text in spans] == [slice(21, 24), slice(21, 22), slice(21, None), slice(0, 5), None]
    for text in ("a", "1:b", "1:2:3", ""):
        with pytest.raises(ParameterError, match="Option --turns"):
            span_of(text, "turns")


@pytest.mark.parametrize(("n_out", "n_turns"), [(10, 6), (47, 6), (26, 30)])
def test_captions_of_the_raster_do_not_collide(n_out, n_turns):
    """Outputs in which many neurons fire, and errors of both types."""
    from matplotlib.style import context

    from brianprop.analysis.figures.output import STYLE

    circuit = training_circuit(replace(PARAMETERS, n_out=n_out))
    spikes = [(1, 12 * turn + 3, "o", neuron) for turn in range(n_turns) for neuron in range(n_out)]
    spikes += [(1, 12 * turn + 4, name, 0) for turn in range(n_turns) for name in ("d2_pos", "d2_neg")]
    classes = [f"class {number}" for number in range(n_out)]
    with context(STYLE):
        chosen = Selection(turns=range(n_turns))
        figure = plot_raster(record(circuit, spikes), circuit, classes=classes, selection=chosen)
        figure.draw_without_rendering()
        boxes = [text.get_window_extent() for text in figure.axes[0].texts if text.get_text()]
        assert len(boxes) >= 6
        assert all(not one.overlaps(other) for one, other in itertools.combinations(boxes, 2))
        assert all(figure.bbox.x0 <= box.x0 and box.x1 <= figure.bbox.x1 and box.y1 <= figure.bbox.y1 for box in boxes)


def test_marks_of_errors_do_not_overlap():
    circuit = training_circuit(replace(PARAMETERS, n_out=10))
    figure = plot_raster(record(circuit, [(1, 4, "d2_neg", neuron) for neuron in range(10)]), circuit, n_samples=1)
    (marks,) = [line for line in figure.axes[0].lines if line.get_marker() == "v"]
    # one unit of the ordinate is an inch
    assert marks.get_markersize() <= 72 * np.diff(marks.get_ydata()).min() + 1e-9


@pytest.mark.parametrize("n_hidden", [1, 3])
def test_the_raster_fits_on_a_page(n_hidden):
    circuit = training_circuit(NBP(hidden=(400,) * n_hidden))
    figure = plot_raster(record(circuit, [(1, 4, "o", 0)]), circuit)
    assert figure.get_figheight() <= 10
    strips = np.diff(figure.axes[0].get_yticks()).min()
    assert figure.axes[0].get_yticklabels()[0].get_fontsize() <= 72 * strips


def test_the_raster_of_a_circuit_that_does_not_learn_names_no_reinforced_phase():
    circuit = inference_circuit(PARAMETERS)
    figure = plot_raster(random_recording(circuit, turns=3), circuit)
    labels = [text.get_text() for text in figure.legends[0].get_texts()]
    assert "spike" in labels and not any("reinforced" in label for label in labels)


def test_accuracy_of_one_epoch_is_visible_and_several_runs_have_a_mean(tmp_path):
    one = make_run(tmp_path / "one", epochs=1).metrics_frame()
    figure = plot_accuracy({"nBP": [one]})
    assert [axes.get_title() for axes in figure.axes] == ["exact", "membrane", "spikes", ""]
    for axes in figure.axes:
        assert len(axes.lines) == 3
        assert all(line.get_marker() not in ("", "None") for line in axes.lines)
    frames = [make_run(tmp_path / str(seed), epochs=2 + seed, seed=seed).metrics_frame() for seed in (1, 2)]
    for axes, column in zip(plot_accuracy({"nBP": frames}).axes, ("exact", "membrane", "spikes"), strict=False):
        assert len(axes.lines) == 9
        runs, mean = [line.get_ydata() for line in axes.lines[:2]], axes.lines[2].get_ydata()
        np.testing.assert_allclose(mean, (runs[0][:3] + runs[1][:3]) / 2)
        test = frames[0][frames[0]["split"] == "test"]
        np.testing.assert_allclose(runs[0], 100 * test[f"accuracy_{column}"])


def test_a_smooth_line_is_the_mean_over_the_epochs_around():
    values = np.array([0.0, 4.0, 2.0, 6.0, 8.0, 1.0])
    expected = [0, np.mean(values[:3]), np.mean(values[:5]), np.mean(values[1:]), np.mean(values[3:]), 1]
    np.testing.assert_allclose(smooth(values, 5), expected)
    np.testing.assert_array_equal(smooth(values, 1), values)


@pytest.mark.parametrize(("epochs", "n_runs", "says"), [(200, 1, ["mean over 17 epochs", "each epoch"]), (5, 1, [])])
def test_many_epochs_are_smoothed_beside_the_raw_ones_and_the_legend_says_so(epochs, n_runs, says):
    import pandas

    accuracy = np.random.default_rng(0).random(epochs)
    frame = pandas.DataFrame({"epoch": np.arange(1, epochs + 1), "split": "test", "accuracy": accuracy, "loss": accuracy})
    figure = plot_accuracy({"ANN": [frame] * n_runs})
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["test", *says]
    *raw, thick = figure.axes[0].lines
    np.testing.assert_allclose(thick.get_ydata(), 100 * smooth(accuracy, 17 if says else 1))
    assert [line.get_ydata().tolist() for line in raw] == ([(100 * accuracy).tolist()] if says else [])


def test_the_legend_of_twelve_runs_names_mean_and_runs(tmp_path):
    frames = [make_run(tmp_path / str(seed), epochs=1, seed=seed).metrics_frame() for seed in range(12)]
    figure = plot_accuracy({"nBP": frames})
    assert [text.get_text() for text in figure.legends[0].get_texts()][-2:] == ["mean of 12 runs", "one run"]


@pytest.mark.parametrize(("bound", "step"), [(254, 2), (254, 1), (7, 1), (1000, 8), (1001, 1), (12, 4)])
def test_histograms_hold_every_weight_and_end_at_the_bound(bound, step):
    values = np.arange(-bound, bound + 1, step)
    assert share_at_bound(values, bound) == pytest.approx(2 / len(values))
    edges = histogram_edges(bound, step)
    assert (edges[0], edges[-1]) == (-bound - step / 2, bound + step / 2)
    # all edges lie in the middle between two values of the grid
    np.testing.assert_allclose((edges / step + 0.5) % 1, 0, atol=1e-9)
    axes = plot_weights({}, {"W1": values}, bound=bound, step=step).axes[0]
    outline = axes.patches[0].get_path().vertices
    # an outline visits each bin's height between two of its edges
    heights = outline[1::2, 1][: len(edges) - 1]
    # each value occurs once, so that its share is the same in every bin
    np.testing.assert_allclose(heights, 1 / len(values))


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


def test_draw_leaves_out_what_is_missing(tmp_path, capsys, monkeypatch):
    run = make_run(tmp_path / "run", epochs=1)
    # the circuit alone decides these two, and they are drawn elsewhere
    for name in ("plot_functional", "plot_anatomy"):
        monkeypatch.setattr(f"brianprop.analysis.figures.connectivity.{name}", lambda *_: plot_weights({}, {"W1": np.eye(3)}))
    written = draw([run.path, make_run(tmp_path / "other", seed=1).path], tmp_path / "deep" / "out")
    assert {path.name for path in written if path.suffix == ".png"} == {
        "accuracy.png",
        "functional.png",
        "anatomy.png",
        "weights.png",
    }
    assert {path.parent for path in written} == {tmp_path / "deep" / "out"}
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 3
    assert lines[0].startswith("confusion: left out, since") and f"'brianprop evaluate {run.path}' adds them" in lines[0]
    assert lines[1].startswith("raster: left out, since") and "raster.npz" in lines[1]
    assert lines[2].startswith("images: left out, since") and "images.npz" in lines[2]


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
    # turns 1 and 2: steps 3 to 8, counted from the first of them
    assert [text.get_text() for text in gradient.get_xticklabels()] == ["3", "4", "5", "6", "7", "8"]
    assert [text.get_text() for text in output.get_yticklabels()] == ["A", "B"]
    assert drawn == [[], [], [(0, 0), (1, 1), (2, 1), (3, 1), (4, 0), (5, 1)]]
    plus, minus = ((line.get_xdata().tolist(), line.get_ydata().tolist()) for line in error.lines[:2])
    assert (plus, minus) == (([0, 4], [1, 1]), ([0, 4], [0, 0]))
    assert all(len(line.get_xdata()) == 0 for line in gradient.lines[:2])
    # the target's band spans both turns
    bands = [path.get_extents() for collection in output.collections[1:] for path in collection.get_paths()]
    assert [(band.x0, band.x1, band.y0, band.y1) for band in bands] == [(-0.5, 2.5, 0.5, 1.5), (2.5, 5.5, 0.5, 1.5)]
    assert source.texts[0].get_text() == "turn 1, target B\nwins 2 of 3 steps\n2 error, 0 gradient\n0 updates"


def test_the_raster_of_turns_shows_the_selected_part():
    chosen = Selection(["output"], slice(1, 3), slice(1, 3))
    output, error = raster_ssnn_bp.plot_raster(presented((1, 0), (2, 1), turns=4), ["A", "B"], selection=chosen).axes
    drawn = [(float(np.mean(part[:, 0])), float(part[0, 1])) for part in output.collections[0].get_segments()]
    # steps 1 and 2 of turns 1 and 2
    assert drawn == [(0, 1), (1, 1), (2, 0), (3, 1)]
    assert [line.get_xdata().tolist() for line in error.lines[:2]] == [[2], [2]]
    with pytest.raises(ParameterError, match="hidden1"):
        raster_ssnn_bp.plot_raster(presented((1, 0)), ["A", "B"], selection=Selection(["hidden"]))


@pytest.mark.parametrize(
    ("period", "turns", "phases", "numbers"),
    [
        (20, 5, None, [*range(0, 100, 10)]),
        (100, 2, None, [0, 20, 40, 60, 80, 100, 120, 140, 160, 180]),
        (100, 1, slice(7, 32), [7, 12, 17, 22, 27]),
        (25, 4, None, [0, 10, 25, 35, 50, 60, 75, 85]),  # 20 is too near to 25
    ],
)
def test_the_raster_of_turns_numbers_as_many_steps_as_there_is_room_for(period, turns, phases, numbers):
    recording = presented(turns=turns, period=period)
    axes = raster_ssnn_bp.plot_raster(recording, ["A", "B"], turns, selection=Selection(["output"], None, phases)).axes[-1]
    assert [text.get_text() for text in axes.get_xticklabels()] == list(map(str, numbers))


def test_receptive_fields_are_of_the_neurons_that_changed_most():
    rng = np.random.default_rng(0)
    initial = {"W1": rng.normal(size=(12, 5)), "W2": rng.normal(size=(5, 3)), "b1": rng.normal(size=5)}
    final = {name: weights.copy() for name, weights in initial.items()}
    final["W1"][:, 3] += 2
    final["W1"][:, 1] -= 1
    assert most_changed(initial["W1"], final["W1"], 2).tolist() == [3, 1]
    figure = plot_weights(initial, final, (3, 4), bound=5.0)
    images = [axes.images[0].get_array() for axes in figure.axes if axes.images]
    np.testing.assert_array_equal(images[0], initial["W1"][:, 3].reshape(3, 4))
    np.testing.assert_array_equal(images[5], final["W1"][:, 3].reshape(3, 4))
    # initial weights may be missing
    figure = plot_weights({}, final, (3, 4))
    assert sum(bool(axes.images) for axes in figure.axes) == 5
    assert [text.get_text() for text in figure.subfigs[0].legends[0].get_texts()] == ["final"]


def test_receptive_fields_sum_the_grey_levels():
    weights = np.arange(24.0).reshape(24, 1)  # three levels of 8 pixels
    (field,) = receptive_fields(weights, (2, 4))
    np.testing.assert_array_equal(field, (weights[:8] + weights[8:16] + weights[16:]).reshape(2, 4))


def test_images_of_many_classes_are_drawn_to_the_scale_of_the_bars_that_are_shown():
    drive = np.full((1, 47), -5000.0)
    drive[0, :12] = np.linspace(-90, 200, 12)
    arrays = {"images": np.zeros((1, 4)), "target": np.array([3]), "spikes": drive > 100, "drive": drive}
    bars = plot_images(arrays, (2, 2), range(47), threshold=100.0).axes[1]
    assert [label.get_text() for label in bars.get_yticklabels()] == [str(number) for number in range(2, 12)]
    assert -150 < bars.get_xlim()[0] < 0 and 200 < bars.get_xlim()[1] < 300


@pytest.mark.parametrize("n_out", [10, 26, 47])
def test_images_name_classes_and_show_the_threshold_and_the_target(n_out):
    rng = np.random.default_rng(0)
    drive = rng.normal(0, 400, (2, n_out))
    arrays = {"images": rng.integers(0, 2, (2, 16)), "target": np.array([0, n_out - 1]), "drive": drive, "spikes": drive > 512}
    names = class_names({"name": "emnist-balanced-subset", "classes": list(range(n_out))})
    figure = plot_images(arrays, (4, 4), names, threshold=512.0)
    pictures, bars = figure.axes[:2], figure.axes[2:]
    assert [axes.get_title().split("\n")[0] for axes in pictures] == ["target 0", f"target {names[-1]}"]
    for number, axes in enumerate(bars):
        labels = [text.get_text() for text in axes.get_yticklabels()]
        assert len(labels) == 10 and len(set(labels)) == 10
        # the target and the classes with the largest drives
        wanted = {int(arrays["target"][number]), *np.argsort(-drive[number])[:9].tolist()}
        assert {names.index(label) for label in labels} <= wanted | {int(np.argsort(-drive[number])[9])}
        marker = next(line for line in axes.lines if line.get_marker() == ">")
        assert labels[int(marker.get_ydata()[0])] == names[int(arrays["target"][number])] and not marker.get_clip_on()
        assert any(np.all(np.asarray(line.get_xdata()) == 512.0) for line in axes.lines)
        for label, bar in zip(labels, axes.patches, strict=True):
            assert bar.get_width() == pytest.approx(drive[number, names.index(label)])


def test_names_of_classes():
    assert class_names({"name": "emnist-letters", "classes": [1, 2, 26]}) == ["A", "B", "Z"]
    assert class_names({"name": "emnist-balanced", "classes": list(range(47))})[35:39] == ["Z", "a", "b", "d"]
    assert class_names({"name": "fashion-mnist", "classes": [0, 9]}) == ["T-shirt", "ankle boot"]
    assert class_names({"name": "emulated-mnist", "classes": [0, 7]}) == ["0", "7"]
    assert class_names({"name": "emulated-negative-emnist-letters-subset", "classes": [3]}) == ["C"]
    assert class_names({"name": "/my/folder", "classes": ["x", 3]}) == ["x", "3"]


def test_draw_writes_the_figures_of_composite_neurons_and_of_the_ann(tmp_path):
    composite, ann = composite_run(tmp_path / "composite"), ann_run(tmp_path / "ann")
    for run, names in (
        (composite, ["raster", "accuracy", "confusion", "weights", "images"]),
        (ann, ["accuracy", "confusion", "weights", "images"]),
    ):
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
    # of two runs and their mean by both readouts, and one of the ANN, all of the test images
    assert len(left.lines) == 2 * 3 + 1 and left.get_ylabel() == "test accuracy (%)"
    np.testing.assert_allclose(left.lines[-1].get_ydata(), 25)
    assert right.get_ylabel() == "cross-entropy (nat)"
    mixed = plot_accuracy({"nBP": [make_run(tmp_path / "nbp").metrics_frame()], "ANN": frames[2:]})
    assert mixed.axes[1].get_ylabel() == "loss"


def test_many_groups_show_one_readout_of_the_test_images_each(tmp_path):
    frames = [make_run(tmp_path / str(seed), epochs=2, seed=seed).metrics_frame() for seed in range(4)]
    labels = [f"nBP with a rather long name and another setting = {number}" for number in range(4)]
    figure = plot_accuracy({label: [frame] for label, frame in zip(labels, frames, strict=True)})
    lines, legend = figure.axes[0].lines, figure.legends[0]
    assert figure.axes[0].get_ylabel() == "test accuracy, spikes (%)"
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
