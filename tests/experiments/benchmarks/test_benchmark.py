"""The benchmark: its kernel computes what the oracle computes, and its numbers are what was measured."""

import csv
import dataclasses
import json
import subprocess
from pathlib import Path

import numpy as np
import pytest
from conftest import DIGITS, restless_weights

from brianprop.analysis.figures.speed import CHIP, Spread, affine, draw, plot_profile, plot_scaling, plot_speed, ratio, slope
from brianprop.experiments.benchmarks.inspection import PeakMemory, group
from brianprop.experiments.benchmarks.kernels.nbp import NBPKernel
from brianprop.experiments.benchmarks.nbp import Bench, BenchmarkNBP, benchmark, parts_of
from brianprop.experiments.benchmarks.report import ratios
from brianprop.experiments.benchmarks.scaling import fits, resized, synapses_touched
from brianprop.experiments.benchmarks.timing import Timed, interleaved
from brianprop.experiments.data.dataset import Part
from brianprop.experiments.data.encoding import one_hot
from brianprop.models.errors import ParameterError, RunError
from brianprop.models.nbp.circuit import training_circuit
from brianprop.models.nbp.model import GatedResult
from brianprop.models.nbp.oracle import infer, train_turn
from brianprop.models.nbp.parameters import NBP, initial_weights
from brianprop.models.simulation.compiler import compiler


def oracle(parameters, weights, images, targets, samples):
    """Weights and drives after training with `models.nbp.oracle`."""
    learned = {name: weight.astype(np.int64) for name, weight in weights.items()}
    rules = {name: getattr(parameters, name) for name in ("eta_plus", "eta_minus", "w_max", "order")}
    turns = [train_turn(learned, images[i], targets[i], theta=int(parameters.theta), **rules) for i in samples]
    return learned, np.array([turn.drive for turn in turns])


@pytest.mark.parametrize("order", ["propagate-first", "learn-first"])
@pytest.mark.parametrize("rules", [{}, {"eta_plus": 6, "eta_minus": 2, "w_max": 120, "w_init_max": 100, "theta": 1022.0}])
def test_kernel_equals_oracle_on_digits(digits, order, rules):
    images, targets, _ = digits
    parameters = NBP(order=order, **rules, **DIGITS)
    weights = restless_weights(parameters)
    samples = np.random.default_rng(1).integers(0, len(images), 400)
    expected, drive = oracle(parameters, weights, images, targets, samples)
    answers = NBPKernel(parameters).train(weights, images, targets, samples)
    assert np.mean(expected["W1"] != weights["W1"]) > 0.3, "the trial must exercise learning"
    for name in ("W1", "W2"):
        np.testing.assert_array_equal(answers.weights[name], expected[name])
    np.testing.assert_array_equal(answers.drive, drive)
    np.testing.assert_array_equal(answers.spikes, drive > int(parameters.theta) // 2)


@pytest.mark.parametrize("order", ["propagate-first", "learn-first"])
def test_kernel_sums_more_inputs_than_a_lane_holds(order):
    rng = np.random.default_rng(0)
    parameters = NBP(order=order, n_in=700, hidden=(130,), n_out=5)
    # large weights and crowded images: 16 bits overflow unless the sum is cut into parts
    weights = {"W1": 2 * rng.integers(-90, 128, (700, 130)), "W2": 2 * rng.integers(-127, 128, (130, 5))}
    images = (rng.random((320, 700)) < np.linspace(0, 1, 320)[:, None]).astype(np.uint8)
    targets = one_hot(rng.integers(0, 5, 320), 5)
    samples = np.arange(320)
    expected, drive = oracle(parameters, weights, images, targets, samples)
    answers = NBPKernel(parameters).train(weights, images, targets, samples)
    for name in ("W1", "W2"):
        np.testing.assert_array_equal(answers.weights[name], expected[name])
    np.testing.assert_array_equal(answers.drive, drive)
    spikes, drive = infer(expected, images)
    answers = NBPKernel(parameters).infer(expected, images, samples)
    np.testing.assert_array_equal(answers.drive, drive)
    np.testing.assert_array_equal(answers.spikes, spikes)


@pytest.mark.parametrize("order", ["propagate-first", "learn-first"])
@pytest.mark.parametrize("hidden", [(), (70, 40), (40, 70, 30)])
def test_kernel_of_any_depth_equals_oracle(digits, order, hidden):
    images, targets, _ = digits
    parameters = NBP(n_in=64, hidden=hidden, n_out=10, order=order)
    weights = restless_weights(parameters)
    samples = np.random.default_rng(1).integers(0, len(images), 400)
    expected, drive = oracle(parameters, weights, images, targets, samples)
    kernel = NBPKernel(parameters)
    answers = kernel.train(weights, images, targets, samples)
    for name, matrix in weights.items():
        np.testing.assert_array_equal(answers.weights[name], expected[name])
        assert np.mean(matrix != expected[name]) > 0.2, "the trial must exercise learning"
    np.testing.assert_array_equal(answers.drive, drive)
    spikes, drive = infer(expected, images)
    answers = kernel.infer(answers.weights, images, np.arange(len(images)))
    np.testing.assert_array_equal(answers.drive, drive)
    np.testing.assert_array_equal(answers.spikes, spikes)


@pytest.mark.data
@pytest.mark.parametrize("order", ["propagate-first", "learn-first"])
def test_kernel_equals_oracle_on_mnist(mnist, order):
    images, targets, _ = mnist
    parameters = NBP(order=order)
    weights = restless_weights(parameters)
    samples = np.arange(300)
    expected, drive = oracle(parameters, weights, images, targets, samples)
    answers = NBPKernel(parameters).train(weights, images, targets, samples)
    for name in ("W1", "W2"):
        np.testing.assert_array_equal(answers.weights[name], expected[name])
    np.testing.assert_array_equal(answers.drive, drive)


@pytest.mark.parametrize(
    "change",
    [
        {"weight_noise": 1.0},
        {"theta_spread": 0.1},
        {"w_max": 300},
        {"eta_plus": 3, "w_step": 1},
        {"eta_plus": 4, "hidden": (20, 10)},
        {"tau_m": 0.01},
        {"feedback": "random"},
    ],
)
def test_kernel_refuses_what_it_does_not_compute(change):
    with pytest.raises(ParameterError, match=next(iter(change))):
        NBPKernel(dataclasses.replace(NBP(), **change))


# -- numbers -----------------------------------------------------------------------------------------------------------


def test_ratio_is_taken_within_each_round():
    # a slow third round hits both alike: the ratio of the medians would be 25, that of each round is 20
    assert ratio([400, 500, 4000], [20, 25, 200]) == Spread(20.0, 20.0, 20.0, 3)
    assert ratio([1, 9, 4], [1, 3, 2]) == Spread(2.0, 1.0, 3.0, 3)
    with pytest.raises(ValueError):
        ratio([1, 2], [1])


def test_slope_is_the_exponent():
    assert slope([1, 10, 100], [3, 30, 300]) == pytest.approx(1)
    assert slope([2, 4, 8], [5, 20, 80]) == pytest.approx(2)


def test_affine_fit_separates_constant_and_cost():
    assert affine([1, 10, 100], [7, 25, 205]) == pytest.approx((5, 2))


def test_fits_of_the_scaling():
    found = {entry["quantity"]: entry["value"] for entry in fits(scaling_rows())}
    assert found["slope over n_hid"] == pytest.approx(1)
    assert found["slope over synapses touched by n_in"] == pytest.approx(1)
    # 0.1 us per neuron, 300 synapses each
    assert found["cost over n_in"] == pytest.approx(1 / 3)
    assert found["constant over n_hid"] == pytest.approx(0, abs=1e-9)


def speed_rows():
    times = {"stock": [480.0, 500.0, 520.0], "dense": [40.0, 50.0, 26.0], "kernel": [4.0, 10.0, 2.0]}
    return [
        {
            "circuit": circuit,
            "weights": weights,
            "variant": variant,
            "rounds": rounds,
            **dataclasses.asdict(Spread.of(rounds)),
            "wrong": 0.1,
        }
        for circuit in ("training", "inference")
        for weights in ("initial", "trained")
        for variant, rounds in times.items()
    ]


def test_ratios_of_a_benchmark():
    found = {(row["circuit"], row["weights"], row["ratio"]): row["median"] for row in ratios(speed_rows())}
    assert len(found) == 12
    assert found["training", "trained", "stock / dense"] == 12
    assert found["training", "trained", "dense / kernel"] == 10
    assert found["training", "initial", "chip / dense"] == 1480 / 40
    assert found["inference", "trained", "chip / dense"] == 170 / 40


def test_rounds_run_every_case_in_turn():
    calls = []

    def case(name, seconds):
        def run(passes):
            calls.append((name, passes))
            return seconds * passes

        return Timed(run, samples=10)

    found = interleaved({"fast": case("fast", 0.03), "slow": case("slow", 1.0)}, 2)
    assert calls == [("fast", 1), ("slow", 1), *[("fast", 7), ("slow", 1)] * 2]
    assert found["fast"] == pytest.approx([3000, 3000])
    assert found["slow"] == pytest.approx([1e5, 1e5])


def test_synapses_touched_counts_all_that_leave_a_neuron():
    circuit = training_circuit(NBP(n_in=16, hidden=(6,), n_out=3))
    names = [population.name for population in circuit.populations]
    # x: three copies of W1, and one synapse to m_x; input: one synapse to x; the kick of the lead-in does not count
    spikes = [("kick", -2), ("input", 0), ("input", 0), ("x", 1)]
    population = np.array([names.index(name) for name, _ in spikes])
    step = np.array([step for _, step in spikes])
    result = GatedResult((population, np.zeros(4, int), step), 0.0, {}, np.empty(0), np.empty(0))
    assert synapses_touched(circuit, result, 2) == (2 * 1 + 3 * 6 + 1) / 2


def test_profile_names_every_part_and_loses_nothing():
    timed = {
        "plastic_x_h_propagate_codeobject": 5.0,
        "plastic_h_o_propagate_codeobject_1": 1.0,
        "plastic_oT_neg_d1_propagate_codeobject": 0.5,
        "plastic_x_h_learn_codeobject": 2.0,
        "plastic_h_o_learn_codeobject": 1.0,
        "plastic_x_h_pre_push_spikes": 0.25,
        "fixed_pre_codeobject": 0.75,
        "stimulus_pre_codeobject": 0.25,
        "neurons_stateupdater_codeobject": 1.5,
        "neurons_spike_thresholder_codeobject": 0.5,
        "readout_read_thresholder_codeobject": 0.125,
        "neurons_spike_resetter_codeobject": 0.25,
        "something_else": 0.125,
    }
    parts = group(timed, 14.0, parts_of(2))
    assert parts == {
        "propagation W1": 5.0,
        "propagation W2": 1.0,
        "propagation W2ᵀ": 0.5,
        "learning": 3.0,
        "spike queue": 0.25,
        "fixed arrows": 1.0,
        "neurons": 1.5,
        "thresholds": 0.5,
        "readout": 0.125,
        "resets": 0.25,
        "dispatch and rest": 0.125 + 0.75,
    }
    assert sum(parts.values()) == 14.0


def test_resized_images_keep_their_pixels():
    image = np.array([[[1, 0], [0, 1]]]).reshape(1, 4)
    larger = resized(image, (2, 2), 16)
    np.testing.assert_array_equal(larger.reshape(4, 4), np.kron(np.eye(2, dtype=int), np.ones((2, 2), int)))
    np.testing.assert_array_equal(resized(larger, (4, 4), 4), image)


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="no /proc")
def test_peak_memory_is_that_of_the_watched_process(tmp_path):
    (tmp_path / "watched.cpp").write_text(
        "#include <unistd.h>\n#include <vector>\n"
        "int main() { { std::vector<char> a(150 << 20, 1); if (a[1] != 1) return 1; } usleep(300000); return 0; }\n"
    )
    binary = tmp_path / "watched"
    subprocess.run([*compiler()[0], tmp_path / "watched.cpp", "-o", binary], check=True)
    with PeakMemory(binary) as memory:
        subprocess.run([binary], check=True)
    assert 150 * 2**20 < memory.peak < 200 * 2**20


# -- figures -----------------------------------------------------------------------------------------------------------


def scaling_rows():
    rows = []
    for varied, other in (("n_hid", "n_in"), ("n_in", "n_hid")):
        for size in (100, 400, 1600):
            row = {varied: size, other: 400, "varied": varied, "touched": 300.0 * size}
            rows.append(row | {"median": size / 10, "low": size / 11, "high": size / 9, "runs": 3, "ns_per_synapse": 0.33})
    return rows


def ink(figure):
    """Share of pixels that are not background."""
    import matplotlib

    matplotlib.use("agg")
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return np.mean(np.asarray(canvas.buffer_rgba())[..., :3] < 250)


def test_figures_show_what_was_measured():
    speed = plot_speed(speed_rows())
    assert ink(speed) > 0.02
    for axes in speed.axes:
        # three variants from two states of the weights, and the chip
        chip = CHIP[axes.get_title()]
        assert sorted(bar.get_height() for bar in axes.patches) == sorted([4.0, 4.0, 40.0, 40.0, 500.0, 500.0, chip])
        assert axes.get_yscale() == "log"
    scaling = plot_scaling(scaling_rows())
    assert ink(scaling) > 0.02
    assert all("slope 1.00" in text.get_text() for axes in scaling.axes for text in axes.get_legend().get_texts())
    assert ink(plot_profile({"learning": 3.0, "neurons": 1.0})) > 0.02


def test_draw_needs_a_benchmark(tmp_path):
    with pytest.raises(RunError, match="cannot be read"):
        draw(tmp_path)


# -- the command -------------------------------------------------------------------------------------------------------


def test_folder_must_be_new(tmp_path):
    (tmp_path / "mine").write_text("mine")
    with pytest.raises(RunError, match="exists already"):
        benchmark(BenchmarkNBP(tmp_path, dataset="digits"))
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


@pytest.mark.parametrize("name", ["hidden", "samples", "repeats"])
def test_settings_are_checked(tmp_path, name):
    with pytest.raises(ParameterError, match=name):
        BenchmarkNBP(tmp_path, **{name: 0})


def test_both_circuits_of_the_benchmark_give_what_the_kernel_gives(digits):
    images, _, labels = digits
    bench = Bench(NBP(**DIGITS), Part(images, labels, (1, 8, 8)), 0, ("dense", "kernel"), lambda line: None)
    order = np.arange(40)
    for kind in ("training", "inference"):
        dense = bench.run(kind, "dense", initial_weights(bench.parameters, 0), order)
        kernel = bench.run(kind, "kernel", initial_weights(bench.parameters, 0), order)
        np.testing.assert_array_equal(dense.spikes, kernel.spikes)
        for name in dense.weights:
            np.testing.assert_array_equal(dense.weights[name], kernel.weights[name])
        if kind == "training":
            assert not np.array_equal(dense.weights["W2"], initial_weights(bench.parameters, 0)["W2"])
        assert dense.seconds > 0 and dense.result.drive.shape == (40, 10)


@pytest.mark.slow
def test_benchmark_of_the_digits(tmp_path):
    settings = BenchmarkNBP(
        tmp_path / "speed", dataset="digits", hidden=DIGITS["hidden"], samples=50, repeats=2, scaling=False, resources=False
    )
    said = []
    assert benchmark(settings, said.append) == settings.out
    found = json.loads((settings.out / "benchmark.json").read_text())
    measured = {(row["circuit"], row["weights"], row["variant"]): row for row in found["speed"]}
    assert len(measured) == 2 * 2 * 3
    for row in measured.values():
        assert len(row["rounds"]) == 2 and row["low"] <= row["median"] <= row["high"]
    # training makes errors rarer, which is why both states are timed
    assert measured["training", "trained", "dense"]["wrong"] < measured["training", "initial", "dense"]["wrong"]
    assert set(found["profile"]) >= {"propagation W1", "learning", "neurons"}
    with (settings.out / "benchmark.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert {"stock", "dense", "kernel", "stock / dense", "dense / kernel", "chip (published)"} <= {
        row["quantity"] for row in rows
    }
    assert any("stock / dense" in line for line in said)
    for name in ("speed", "profile"):
        for kind in ("png", "pdf"):
            assert (settings.out / f"{name}.{kind}").stat().st_size > 5000


@pytest.mark.slow
def test_ssnn_bp_benchmark_on_digits(tmp_path):
    """The whole command in its smallest size: numbers of every variant, ratios from the same rounds, both figures."""
    from brianprop.experiments.benchmarks.ssnn_bp import BenchmarkSSNN
    from brianprop.experiments.benchmarks.ssnn_bp import benchmark as benchmark_ssnn_bp
    from brianprop.models.ssnn_bp.parameters import SSNNRules

    text = []
    out = benchmark_ssnn_bp(
        BenchmarkSSNN(
            out=tmp_path / "speed",
            dataset="digits",
            hidden=(20,),
            samples=60,
            repeats=2,
            profile=False,
            rules=SSNNRules(steps=8, annealed=False),
        ),
        text.append,
    )
    found = json.loads((out / "benchmark.json").read_text())
    assert {(row["circuit"], row["variant"]) for row in found["speed"]} == {
        (circuit, variant) for circuit in ("training", "inference") for variant in ("stock", "dense", "kernel")
    }
    rounds = {(row["circuit"], row["weights"], row["variant"]): row["rounds"] for row in found["speed"]}
    for row in found["ratios"]:
        above, below = (rounds[row["circuit"], row["weights"], variant] for variant in row["ratio"].split(" / "))
        assert row["median"] == pytest.approx(np.median(np.array(above) / np.array(below)))
    # one epoch of training is enough to be better than chance
    wrong = {row["weights"]: row["wrong"] for row in found["speed"]}
    assert wrong["trained"] < 0.7 < wrong["initial"]
    assert any("stock / dense" in line for line in text)
    assert (out / "speed.png").stat().st_size > 5000


def test_ssnn_bp_benchmark_refuses_what_the_kernel_lacks(tmp_path):
    from brianprop.experiments.benchmarks.ssnn_bp import BenchmarkSSNN
    from brianprop.models.ssnn_bp.parameters import SSNNRules

    with pytest.raises(ParameterError, match="asymmetry"):
        BenchmarkSSNN(out=tmp_path, rules=SSNNRules(asymmetry=0.1))
