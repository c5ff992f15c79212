"""The Brian2 circuit against the integer oracle: spike for spike, weight for weight."""

import dataclasses

import numpy as np
import pytest
from conftest import DIGITS, restless_weights

from brianprop.experiments.training.nbp import NBPTrainer
from brianprop.models import simulation
from brianprop.models.nbp import oracle
from brianprop.models.nbp.circuit import inference_circuit, matrices, training_circuit, weights_of
from brianprop.models.nbp.model import GatedModel
from brianprop.models.nbp.parameters import NBP, initial_weights
from brianprop.models.simulation import builds, simulator


def simulate(parameters, weights, images, targets, device="cpp_standalone", seed=0, **options):
    """One training turn per sample with every spike recorded."""
    circuit = training_circuit(parameters)
    stimuli = GatedModel(circuit, parameters).stimuli({"input": images, "target": targets})
    with simulator(GatedModel(circuit, parameters, seed), device=device) as ready:
        return circuit, ready.run(
            matrices(circuit, weights), stimuli, np.arange(len(images)), n_recorded=len(images), **options
        )


def spikes_by_turn(circuit, result, n_turns):
    """A bool array (turn, phase, neuron) for every population, and the spikes of the lead-in."""
    found = {p.name: np.zeros((n_turns, circuit.period, p.size), dtype=bool) for p in circuit.populations}
    lead_in = set()
    for population, neuron, step in zip(*result.recorded, strict=True):
        name = circuit.populations[population].name
        if step < 0:
            lead_in.add((name, int(step)))
        else:
            found[name][step // circuit.period, step % circuit.period, neuron] = True
    return found, lead_in


def oracle_run(parameters, weights, images, targets):
    """Spikes, drives and final weights of the oracle, in the layout of `spikes_by_turn`."""
    weights = {name: weight.astype(np.int64) for name, weight in weights.items()}
    turns = [
        oracle.train_turn(
            weights,
            image,
            target,
            theta=int(parameters.theta),
            eta_plus=parameters.eta_plus,
            eta_minus=parameters.eta_minus,
            w_max=parameters.w_max,
            order=parameters.order,
            h_box=(parameters.h_lower, parameters.h_upper),
            o_box=(parameters.o_lower, parameters.o_upper),
            error=parameters.error,
        )
        for image, target in zip(images, targets, strict=True)
    ]
    return turns, weights


def assert_equal_to_oracle(parameters, weights, images, targets, **options):
    circuit, result = simulate(parameters, weights, images, targets, **options)
    turns, final = oracle_run(parameters, weights, images, targets)
    found, lead_in = spikes_by_turn(circuit, result, len(images))
    assert lead_in == {("kick", -2), ("g0", -1)}
    for population in circuit.populations:
        expected = np.zeros_like(found[population.name])
        if population.role == "gating":
            # a gating neuron fires one step before the phase that it opens
            expected[:, (int(population.name[1:]) - 1) % circuit.period] = True
        for k, turn in enumerate(turns):
            for phase in range(circuit.period):
                if (phase, population.name) in turn.spikes:
                    expected[k, phase] = turn.spikes[phase, population.name]
        wrong = np.argwhere(found[population.name] != expected)
        assert not len(wrong), f"{population.name}: first difference at (turn, phase, neuron) {wrong[0]}"
    np.testing.assert_array_equal(result.drive - parameters.theta / 2, [turn.drive for turn in turns])
    np.testing.assert_array_equal(result.spikes, [turn.spikes[3, "o"] for turn in turns])
    nominal = {"W1": final["W1"], "W2": final["W2"], "W2.T": final["W2"].T, "-W2.T": final["W2_neg"].T}
    for projection in circuit.projections:
        if projection.plastic:
            learned = result.matrices[projection.source, projection.target]
            np.testing.assert_array_equal(learned, nominal[projection.matrix], f"{projection.source}>{projection.target}")
    return found, result, final


@pytest.mark.parametrize("order", ["propagate-first", pytest.param("learn-first", marks=pytest.mark.slow)])
def test_digits_spike_for_spike_and_weight_for_weight(order, digits):
    images, targets, _ = digits
    parameters = NBP(**DIGITS, order=order)
    found, _, final = assert_equal_to_oracle(parameters, restless_weights(parameters), images[:400], targets[:400])
    # the comparison means something only where every population speaks and both matrices learn
    for name, spikes in found.items():
        assert spikes.sum() >= (1 if name == "kick" else 5) or name == "kick"
    for name, weight in restless_weights(parameters).items():
        assert np.mean(final[name] != weight) > 0.05
    assert np.array_equal(final["W2_neg"], -final["W2"])


def test_learn_first_in_the_runtime(digits):
    # which needs no compiler; many digits in standalone are slow
    images, targets, _ = digits
    parameters = NBP(**DIGITS, order="learn-first")
    weights = restless_weights(parameters)
    _, _, final = assert_equal_to_oracle(parameters, weights, images[:25], targets[:25], device="numpy")
    _, other = oracle_run(NBP(**DIGITS), weights, images[:25], targets[:25])
    assert not np.array_equal(final["W1"], other["W1"])


@pytest.mark.data
@pytest.mark.parametrize("order", ["propagate-first", pytest.param("learn-first", marks=pytest.mark.slow)])
def test_mnist_spike_for_spike_and_weight_for_weight(order, mnist):
    images, targets, _ = mnist
    parameters = NBP(order=order)
    _, _, final = assert_equal_to_oracle(parameters, initial_weights(parameters, 1), images[:320], targets[:320])
    assert np.array_equal(final["W2_neg"], -final["W2"])


def test_orders_differ(digits):
    images, targets, _ = digits
    results = [
        oracle_run(parameters, restless_weights(parameters), images[:400], targets[:400])[1]
        for parameters in (NBP(**DIGITS, order=order) for order in ("propagate-first", "learn-first"))
    ]
    assert not np.array_equal(results[0]["W1"], results[1]["W1"])


def test_unequal_steps_and_small_bound(digits):
    # potentiation stronger than depression, and a bound that is met: the copies of W2 part, as they must
    images, targets, _ = digits
    parameters = NBP(**DIGITS, eta_plus=6, eta_minus=4, w_max=60, w_init_max=60)
    _, result, final = assert_equal_to_oracle(parameters, restless_weights(parameters), images[:200], targets[:200])
    assert np.max(np.abs(final["W1"])) == 60
    assert not np.array_equal(final["W2_neg"], -final["W2"])
    circuit = training_circuit(parameters)
    weights = weights_of(circuit, result.matrices)
    assert set(weights) == {"W1", "W2", "oT_neg>d1"}
    for pair, matrix in matrices(circuit, weights).items():
        np.testing.assert_array_equal(matrix, result.matrices[pair])


#: Steps half as large as published, relative to the threshold, with a closed layer held as firmly.
FINE = {"theta": 2048, "bias": -16384, "silence": -16256, "w_max": 508}


def test_margins_in_the_error_layer_and_moved_edges(digits):
    images, targets, _ = digits
    edges = {"h_lower": -0.5, "h_upper": 1.5, "o_lower": -1, "o_upper": 2}
    parameters = NBP(**DIGITS, **FINE, error="margin", **edges)
    # after some training, so that drives lie on both sides of every edge
    _, weights = oracle_run(parameters, initial_weights(parameters, 0), np.tile(images, (4, 1)), np.tile(targets, (4, 1)))
    weights = {name: weights[name].astype(np.int32) for name in ("W1", "W2")}
    found, result, final = assert_equal_to_oracle(parameters, weights, images[:300], targets[:300])
    # outputs err also where their answer is right, and hidden neurons learn outside the published box: nothing of it is silent
    assert [name for name, spikes in found.items() if not spikes.any()] == ["kick"]
    right = result.drive.argmax(axis=1) == targets[:300].argmax(axis=1)
    assert np.mean(found["d2_pos"][right, 4].any(axis=1)) > 0.1
    for name, value in edges.items():
        published = {"h_lower": 0, "h_upper": 1, "o_lower": 0, "o_upper": 1}[name]
        other = dataclasses.replace(parameters, **{name: published})
        assert value != published
        assert not np.array_equal(oracle_run(other, weights, images[:300], targets[:300])[1]["W1"], final["W1"]), name


def test_whole_weights_with_sums_beyond_single_precision(digits):
    # weights of 16 bits, in code with double precision
    images, targets, _ = digits
    published = NBP(**DIGITS)
    scaled = ("theta", "bias", "silence", "margin", "w_max", "w_init_max", "eta_plus", "eta_minus")
    parameters = dataclasses.replace(published, **{name: 128 * getattr(published, name) for name in scaled})
    model = GatedModel(training_circuit(parameters), parameters)
    assert not model.single_precision("dense")
    assert model.structure()["short"]
    # odd multiples of w_step, so that no sum is a multiple of a large power of two
    weights = {name: 127 * matrix for name, matrix in restless_weights(published).items()}
    assert_equal_to_oracle(parameters, weights, images[:200], targets[:200])


@pytest.mark.slow
def test_moved_edges_of_the_published_error(digits):
    images, targets, _ = digits
    parameters = NBP(**DIGITS, h_lower=0.1, o_lower=0.2, o_upper=1.5)
    assert_equal_to_oracle(parameters, restless_weights(parameters), images[:200], targets[:200])


def test_copies_of_a_matrix_stay_equal(digits):
    images, targets, _ = digits
    parameters = NBP(**DIGITS)
    _, result = simulate(parameters, initial_weights(parameters, 3), images, targets)
    learned = result.matrices
    for target in ("h_lt", "h_gt"):
        np.testing.assert_array_equal(learned["x", target], learned["x", "h"])
    for target in ("o_lt", "o_gt"):
        np.testing.assert_array_equal(learned["h", target], learned["h", "o"])
    np.testing.assert_array_equal(learned["o", "d1"], learned["h", "o"].T)
    np.testing.assert_array_equal(learned["oT_neg", "d1"], -learned["h", "o"].T)
    assert all(np.all(matrix % 2 == 0) and np.abs(matrix).max() <= 254 for matrix in learned.values())


def test_closed_layers_are_silent(digits):
    images, targets, _ = digits
    parameters = NBP(**DIGITS)
    circuit, result = simulate(parameters, restless_weights(parameters, 5), images[:300], targets[:300])
    found, _ = spikes_by_turn(circuit, result, 300)
    for name, spikes in found.items():
        for phase in range(circuit.period):
            if name not in circuit.firing[phase]:
                assert not spikes[:, phase].any(), f"{name} fires in phase {phase}, in which it is closed"
    fired = {(phase, name) for name, spikes in found.items() for phase in range(12) if spikes[:, phase].any()}
    assert fired == {(phase, name) for phase, names in circuit.firing.items() for name in names}


@pytest.mark.parametrize("device", ["numpy"])
def test_runtime_gives_the_same_as_standalone(device, digits):
    images, targets, _ = digits
    parameters = NBP(**DIGITS)
    weights = restless_weights(parameters, 2)
    _, expected = simulate(parameters, weights, images[:25], targets[:25])
    _, result = simulate(parameters, weights, images[:25], targets[:25], device=device)
    for ours, theirs in zip(result.recorded, expected.recorded, strict=True):
        np.testing.assert_array_equal(ours, theirs)
    for pair, matrix in expected.matrices.items():
        np.testing.assert_array_equal(result.matrices[pair], matrix)
    np.testing.assert_array_equal(result.drive, expected.drive)


@pytest.mark.slow
def test_cython_gives_the_same_as_standalone(digits):
    test_runtime_gives_the_same_as_standalone("cython", digits)


@pytest.mark.slow
@pytest.mark.data
def test_mnist_weights_after_an_epoch_of_ten_thousand(mnist):
    images, targets, _ = mnist
    parameters = NBP()
    weights = initial_weights(parameters, 0)
    circuit = training_circuit(parameters)
    stimuli = GatedModel(circuit, parameters).stimuli({"input": images[:10_000], "target": targets[:10_000]})
    with simulator(GatedModel(circuit, parameters)) as ready:
        result = ready.run(matrices(circuit, weights), stimuli, np.arange(10_000))
    _, final = oracle_run(parameters, weights, images[:10_000], targets[:10_000])
    np.testing.assert_array_equal(result.matrices["x", "h"], final["W1"])
    np.testing.assert_array_equal(result.matrices["h", "o"], final["W2"])


def test_inference_circuit_equals_oracle(digits):
    images, _, _ = digits
    parameters = NBP(**DIGITS)
    weights = restless_weights(parameters)
    circuit = inference_circuit(parameters)
    with simulator(GatedModel(circuit, parameters)) as ready:
        result = ready.run(
            matrices(circuit, weights),
            GatedModel(circuit, parameters).stimuli({"input": images}),
            np.arange(len(images)),
            n_recorded=50,
        )
    spikes, drive = oracle.infer(weights, images)
    np.testing.assert_array_equal(result.spikes, spikes)
    np.testing.assert_array_equal(result.drive - parameters.theta / 2, drive)
    found, _ = spikes_by_turn(circuit, result, len(images))
    for name, fired in found.items():
        for phase in range(circuit.period):
            assert name in circuit.firing[phase] or not fired[:, phase].any()
    np.testing.assert_array_equal(found["o"][:50, 3], spikes[:50])
    assert not found["o"][50:].any(), "recording did not stop after the turns asked for"


def test_threshold_heterogeneity_is_drawn_by_the_seed_and_shared_by_both_circuits():
    from brianprop.models.nbp.layout import neuron_arrays

    parameters = NBP(**DIGITS, theta_spread=0.1)
    training, inference = training_circuit(parameters), inference_circuit(parameters)
    first, second = (neuron_arrays(training, parameters, seed)["neurons.theta"] for seed in (1, 2))
    assert not np.array_equal(first, second)
    np.testing.assert_array_equal(first, neuron_arrays(training, parameters, 1)["neurons.theta"])
    h = slice(training.offsets["h"], training.offsets["h"] + 60)
    h_inference = slice(inference.offsets["h"], inference.offsets["h"] + 60)
    np.testing.assert_array_equal(first[h], neuron_arrays(inference, parameters, 1)["neurons.theta"][h_inference])
    gates = slice(training.offsets["g0"], None)
    assert np.all(first[gates] == 1024)
    # 600 normal draws: the s.d. of their s.d. is 102.4 / sqrt(1200) = 3; 12 is beyond four of these (p < 1e-4)
    gated = first[: training.offsets["g0"]]
    assert abs(gated.std() - 102.4) < 12 and abs(gated.mean() - 1024) < 20


@pytest.mark.slow
def test_heterogeneity_and_noise_change_the_run(digits):
    images, targets, _ = digits
    plain = NBP(**DIGITS)
    weights = restless_weights(plain)
    _, expected = simulate(plain, weights, images[:60], targets[:60])
    for change in ({"theta_spread": 0.2}, {"weight_noise": 40.0}):
        parameters = dataclasses.replace(plain, **change)
        _, first = simulate(parameters, weights, images[:60], targets[:60], seed=1, noise_seed=1)
        _, again = simulate(parameters, weights, images[:60], targets[:60], seed=1, noise_seed=1)
        _, other = simulate(parameters, weights, images[:60], targets[:60], seed=2, noise_seed=2)
        assert not np.array_equal(first.drive, expected.drive)
        np.testing.assert_array_equal(first.drive, again.drive)
        assert not np.array_equal(first.drive, other.drive) or not np.array_equal(first.spikes, other.spikes)


@pytest.mark.slow
def test_more_general_code_gives_the_same_bit_for_bit(digits):
    # many circuits share a binary: one that draws noise runs one without, one in double precision runs one in single
    images, targets, _ = digits
    plain = NBP(**DIGITS)
    weights = restless_weights(plain)
    circuit, expected = simulate(plain, weights, images[:60], targets[:60])
    for change in ({"theta": 900.3}, {"weight_noise": 40.0}):
        other = dataclasses.replace(plain, **change)
        model = GatedModel(circuit, plain, code=GatedModel(training_circuit(other), other))
        assert (
            model.structure()
            == GatedModel(training_circuit(other), other).structure()
            != GatedModel(circuit, plain).structure()
        )
        stimuli = model.stimuli({"input": images[:60], "target": targets[:60]})
        with simulator(model) as ready:
            found = ready.run(matrices(circuit, weights), stimuli, np.arange(60), n_recorded=60, noise_seed=3)
        np.testing.assert_array_equal(found.drive, expected.drive)
        for one, another in zip(found.recorded, expected.recorded, strict=True):
            np.testing.assert_array_equal(one, another)
        for pair, matrix in expected.matrices.items():
            np.testing.assert_array_equal(found.matrices[pair], matrix)


def test_a_binary_serves_all_that_its_code_can_run():
    plain = NBP(**DIGITS)
    several = [
        dataclasses.replace(plain, **change) for change in ({}, {"theta": 900.3}, {"eta_plus": 4}, {"weight_noise": 9.0})
    ]
    assert NBPTrainer.shared_code(several[:1]) == several[:1]
    assert NBPTrainer.shared_code([*several[:3]]) == 3 * [several[1]]
    # noise needs code of its own, but may not take the precision from those that need it
    assert NBPTrainer.shared_code(several) == [several[3], several[1], several[3], several[3]]
    # another order of events, another time step: another code
    others = [dataclasses.replace(plain, order="learn-first"), dataclasses.replace(plain, dt=2.0**-11)]
    assert NBPTrainer.shared_code([*several, *others]) == [*NBPTrainer.shared_code(several), *others]
    # whole weights, but sums beyond single precision; what fits into 16 bits may have to run with code for what does not
    large = [dataclasses.replace(plain, theta=2.0**exponent, w_max=2**15 - 2, w_init_max=0) for exponent in (22, 24)]
    assert NBPTrainer.shared_code([plain, *large]) == 3 * [large[0]]
    assert NBPTrainer.shared_code([plain, *large, several[1]]) == 4 * [several[1]]


def test_generated_sources_can_be_compiled_elsewhere(tmp_path, monkeypatch):
    parameters = NBP(**DIGITS)
    circuit = training_circuit(parameters)
    name, archive = simulation.sources(GatedModel(circuit, parameters))
    assert simulation.sources(GatedModel(circuit, dataclasses.replace(parameters, theta=900.0, eta_plus=4))) == (name, archive)
    assert simulation.sources(GatedModel(circuit, dataclasses.replace(parameters, theta=900.1)))[0] != name
    # another machine: nothing in its cache, no Brian2 needed; the compiler itself is left out, since it takes long
    monkeypatch.setenv("BRIANPROP_CACHE", str(tmp_path))
    simulation.keep_sources(name, archive)
    monkeypatch.setattr(builds, "generate", None)
    monkeypatch.setattr(builds, "compile_cpp", lambda folder, hot, progress: (folder / "main").touch(0o755))
    with simulator(GatedModel(circuit, parameters)) as ready:
        assert {"main.cpp", "turns.h", "code_objects"} <= {path.name for path in ready.folder.iterdir()}
        assert ready._arrays["neurons.tau_m"][1] == np.float32
    # what is damaged is generated anew
    (tmp_path / "sources" / f"{name}.tar.gz").write_bytes(archive[:-100])
    assert builds._unpack(GatedModel(circuit, parameters), "dense", tmp_path / "other") is None
    assert not (tmp_path / "sources" / f"{name}.tar.gz").exists()


def test_noise_has_the_stated_standard_deviation(digits):
    # drive of o = sum over spikes of h of (w + noise): variance weight_noise^2 times the number of spikes
    images, _, _ = digits
    parameters = NBP(**DIGITS, weight_noise=20.0)
    circuit = inference_circuit(parameters)
    # strong weights keep h the same whatever the noise
    weights = {"W1": np.full((64, 60), 200, dtype=np.int32), "W2": restless_weights(parameters)["W2"]}
    n = 1000
    with simulator(GatedModel(circuit, parameters)) as ready:
        result = ready.run(
            matrices(circuit, weights),
            GatedModel(circuit, parameters).stimuli({"input": images[:1]}),
            np.zeros(n, dtype=int),
            noise_seed=4,
        )
    spikes, drive = oracle.infer(weights, images[:1])
    deviations = result.drive - parameters.theta / 2 - drive
    # 10,000 deviations of s.d. s = 20 sqrt(60): their s.d. is known to s / sqrt(20000), 0.7 %; 4 % is over five of these
    assert abs(deviations.std() / (20 * np.sqrt(60)) - 1) < 0.04
    assert abs(deviations.mean()) < 5 * 20 * np.sqrt(60) / 100
    assert len(np.unique(result.spikes, axis=0)) > 1 and spikes.shape == (1, 10)


def test_slower_time_constants_follow_the_equations(digits):
    # one input spike through the general neuron, step by step by hand: I decays by 1 - dt/tau_s, v moves by dt/tau_m
    parameters = NBP(n_in=1, hidden=(1,), n_out=1, tau_m=2.0**-8, tau_s=2.0**-9)
    from brianprop.models.nbp.network import NetworkBuilder
    from brianprop.models.simulation.generate import brian2_device, stimulus_function

    with brian2_device("numpy") as b2:
        circuit = training_circuit(parameters)
        silent = stimulus_function(
            GatedModel(circuit, parameters), np.zeros((2, 3), dtype=np.int8), np.zeros(2, dtype=np.int32)
        )
        objects = NetworkBuilder(circuit, parameters, silent).build("network*")
        group = objects["neurons"]
        group.theta, group.ref = 1e9, 0 * b2.second
        group.tau_m_, group.tau_s_ = parameters.tau_m, parameters.tau_s
        group.I, group.v, group.b = 100, 10, -40
        current, v = 100.0, 10.0
        for _ in range(10):
            objects["network"].run(parameters.dt * b2.second, namespace={})
            current, v = current * (1 - 0.5), v + (current - 40 - v) * 0.25
            np.testing.assert_allclose(group.v[0], v, rtol=1e-12)
            np.testing.assert_allclose(group.I[0], current, rtol=1e-12)
