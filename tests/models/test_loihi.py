"""The circuit against brian2-loihi, an emulator of the chip that this project did not write: spike for spike.

Source of the emulator: C. Michaelis, A. B. Lehr, W. Oed, C. Tetzlaff, "Brian2Loihi: An emulator for the neuromorphic
chip Loihi using the spiking neural network simulator Brian", Frontiers in Neuroinformatics 16, 1015624 (2022), doi
10.3389/fninf.2022.1015624.

Nothing is approximate here. The emulator scales the mantissas of weights (with exponent 0) and of the threshold by the
same 2**6, so a learned weight is its own mantissa, and so is the threshold of 1024. A drive that equals the threshold
must be silent in both.
"""

import dataclasses
from collections import Counter, defaultdict

import numpy as np
import pytest
from conftest import DIGITS, restless_weights

from brianprop.models.circuit import Circuit, Population, Projection
from brianprop.models.nbp.circuit import inference_circuit, matrices, training_circuit
from brianprop.models.nbp.model import GatedModel
from brianprop.models.nbp.oracle import infer, train_turn
from brianprop.models.nbp.parameters import NBP, initial_weights
from brianprop.models.simulation import simulator

#: The emulator's generators send before the synapses of a step, so what they send arrives in that step; the spike of a
#: neuron arrives in the next. A source must therefore send one emulated step later than its own step.
GENERATOR_SHIFT = 1

#: Full decay of current and membrane in every step.
FULL_DECAY = 4096

#: Bits of an excitatory or inhibitory mantissa without its sign, and the largest exponent.
MANTISSA_BITS, EXPONENT = 8, 7


@pytest.fixture
def emulator():
    """The package, with the global state of Brian2 that it changes put back afterwards."""
    b2 = pytest.importorskip("brian2")
    try:
        import brian2_loihi
    except Exception as error:  # it is old, and a new Brian2 may break its import in any way
        pytest.skip(f"brian2-loihi cannot be imported ({type(error).__name__}: {error}); pip install '.[test]'")
    dt, target = b2.defaultclock.dt, b2.prefs["codegen.target"]
    updaters = dict(b2.StateUpdateMethod.stateupdaters)
    b2.prefs["codegen.target"] = "numpy"  # nothing to compile
    yield brian2_loihi
    b2.prefs["codegen.target"] = target
    b2.defaultclock.dt = dt
    b2.StateUpdateMethod.stateupdaters.clear()
    b2.StateUpdateMethod.stateupdaters.update(updaters)


@pytest.fixture(scope="module")
def trained(digits):
    """W1 and W2 after 400 turns of the oracle: many hidden and output neurons fire."""
    images, targets, _ = digits
    parameters = NBP(**DIGITS)
    weights = {name: matrix.astype(np.int64) for name, matrix in initial_weights(parameters, 0).items()}
    for image, target in zip(images[:400], targets[:400], strict=True):
        train_turn(weights, image, target)
    return {name: weights[name] for name in ("W1", "W2")}


def parts(weight):
    """Write the weight of a fixed arrow as (mantissa, exponent) pairs whose sum is exact: one synapse for each.

    Most need one: 520 is 130 * 2**2, 8704 is 136 * 2**6, 8192 is 128 * 2**6, -8128 is -254 * 2**5. The chain's 9224 is
    no mantissa of 8 bits times a power of two; its two parallel synapses are 144 * 2**6 and 8.
    """
    rest, sign, pairs = abs(int(weight)), 1 if weight > 0 else -1, []
    while rest:
        exponent = max(0, rest.bit_length() - MANTISSA_BITS)
        assert exponent <= EXPONENT, f"{weight} is too large for the emulator"
        mantissa = rest >> exponent
        pairs.append((sign * mantissa, exponent))
        rest -= mantissa << exponent
    assert sum(mantissa * 2**exponent for mantissa, exponent in pairs) == weight
    return pairs


def with_bias_source(circuit):
    """The emulator has no bias current: a source that sends in every step through the bias as weight drives alike."""
    biases = (Projection("bias", p.name, "bias", 0, "one-to-all", weight=p.bias) for p in circuit.neurons if p.bias)
    return dataclasses.replace(
        circuit,
        populations=(*circuit.populations, Population("bias", 1, "source", send_phase=0)),
        projections=(*circuit.projections, *biases),
    )


def sent(circuit, population, values, n_turns):
    """Neurons of a source and the steps, from the first turn, in which they send."""
    if population.name == "bias":
        # from the emulator's first step to its last
        steps = np.arange(-circuit.lead, n_turns * circuit.period) - GENERATOR_SHIFT
        return np.zeros_like(steps), steps
    if population.name == "kick":
        turns, neurons = np.array([-1]), np.array([0])  # once, in the lead-in
    else:
        turns, neurons = np.nonzero(values[population.name][:n_turns])
    return neurons, turns * circuit.period + population.send_phase


def synapses_of(circuit, projection, learned, sign_mode):
    """Synapses of a projection as (i, j, mantissa, exponent, sign mode), several where one cannot hold the weight."""
    if projection.plastic:
        # where both signs occur, the mantissa takes even numbers from -256 to 254: the grid of the learned weights
        matrix = learned[projection.source, projection.target]
        i, j = (index.ravel() for index in np.indices(matrix.shape))
        yield i, j, matrix.ravel(), 0, sign_mode.MIXED
        return
    j = np.arange(circuit[projection.target].size)
    i = {"one-to-one": j, "one-to-all": np.zeros_like(j)}[projection.connectivity]
    for mantissa, exponent in parts(projection.weight):
        yield i, j, np.full(len(j), mantissa), exponent, sign_mode.EXCITATORY if mantissa > 0 else sign_mode.INHIBITORY


def emulate(package, circuit, parameters, learned, values, n_turns):
    """Build a circuit in the emulator, without learning, and run it.

    Parameters
    ----------
    package : module
        brian2_loihi.
    circuit : Circuit
    parameters : NBP
        For the threshold.
    learned : dict from (source, target) to int array of shape (n_source, n_target)
    values : dict from source population to array of shape (n_turns, size)
    n_turns : int

    Returns
    -------
    set of (population, neuron, step since the first turn began)
    """
    full = with_bias_source(circuit)
    # One group of the emulator has one refractory period. The least, 1, is none: a neuron may fire in the next step.
    places, sizes = {}, Counter()
    for population in full.populations:
        key = "sources" if population.role == "source" else max(population.refractory, 1)
        places[population.name] = key, sizes[key]
        sizes[key] += population.size
    spikes = [sent(full, population, values, n_turns) for population in full.sources]
    neurons = [places[p.name][1] + neurons for p, (neurons, _) in zip(full.sources, spikes, strict=True)]
    times = np.concatenate([steps for _, steps in spikes]) + full.lead + GENERATOR_SHIFT
    groups = {"sources": package.LoihiSpikeGeneratorGroup(sizes.pop("sources"), np.concatenate(neurons), times)}
    for refractory, size in sizes.items():
        groups[refractory] = package.LoihiNeuronGroup(size, refractory, int(parameters.theta), FULL_DECAY, FULL_DECAY)

    # one Synapses object has one delay, exponent and sign mode
    arrows = defaultdict(list)
    for projection in full.projections:
        (source, first_i), (target, first_j) = places[projection.source], places[projection.target]
        for i, j, mantissa, *kind in synapses_of(full, projection, learned, package.synapse_sign_mode):
            arrows[source, target, projection.delay, *kind].append((first_i + i, first_j + j, mantissa))
    synapses = []
    for (source, target, delay, exponent, sign), columns in arrows.items():
        i, j, mantissa = (np.concatenate(column) for column in zip(*columns, strict=True))
        arrow = package.LoihiSynapses(groups[source], groups[target], delay=delay, w_exp=exponent, sign_mode=sign)
        arrow.connect(i=i, j=j)
        arrow.w = mantissa
        synapses.append((arrow, mantissa * 2 ** (6 + exponent)))

    monitors = {key: package.LoihiSpikeMonitor(group) for key, group in groups.items()}
    network = package.LoihiNetwork(groups.values(), [arrow for arrow, _ in synapses], monitors.values())
    network.run(full.lead + n_turns * full.period, namespace={})

    for arrow, expected in synapses:
        # no weight was rounded or clipped
        np.testing.assert_array_equal(arrow.variables["w_act"].get_value(), expected)
    found = []
    for population in circuit.populations:
        key, start = places[population.name]
        neurons = np.asarray(monitors[key].i) - start
        # not the monitor's t, which truncates: step 4007 comes out as 4006
        steps = np.rint(np.asarray(monitors[key].t_) * 1000).astype(int) - full.lead
        steps -= GENERATOR_SHIFT if key == "sources" else 0
        own = (neurons >= 0) & (neurons < population.size)
        found += zip([population.name] * own.sum(), neurons[own].tolist(), steps[own].tolist(), strict=True)
    assert len(set(found)) == len(found)
    return set(found)


def simulate(circuit, parameters, learned, values, n_turns):
    """The same circuit as this project builds it, with every spike recorded as in `emulate`."""
    with simulator(GatedModel(circuit, parameters), device="numpy") as ready:
        result = ready.run(learned, GatedModel(circuit, parameters).stimuli(values), np.arange(n_turns), n_recorded=n_turns)
    names = [population.name for population in circuit.populations]
    columns = (column.tolist() for column in result.recorded)
    found = [(names[population], neuron, step) for population, neuron, step in zip(*columns, strict=True)]
    assert len(set(found)) == len(found)
    return set(found)


def assert_same(found, expected):
    """Name the first spikes that differ; a plain comparison would print thousands."""
    only = sorted(found ^ expected, key=lambda spike: (spike[2], spike[0], spike[1]))
    assert not only, f"{len(only)} spikes differ, first {[(spike, spike in found) for spike in only[:5]]}"


def oracle(circuit, weights, images):
    """What the forward circuit must do by the oracle; the ring fires one step before the phase that it opens."""
    spikes = {("kick", 0, -2), ("g0", 0, -1)}
    output, _ = infer(weights, images)
    for k, image in enumerate(images):
        # one training turn holds the forward pass with its hidden spikes; it would change the weights
        copies = {name: matrix.copy() for name, matrix in weights.items()}
        turn = train_turn(copies, image, np.zeros(output.shape[1], dtype=bool)).spikes
        np.testing.assert_array_equal(turn[3, "o"], output[k])
        start = k * circuit.period
        for phase, name in ((0, "input"), (1, "x"), (2, "h"), (3, "o")):
            spikes |= {(name, int(neuron), start + phase) for neuron in np.flatnonzero(turn[phase, name])}
            spikes.add((f"g{(phase + 1) % circuit.period}", 0, start + phase))
    return spikes


def test_latencies_of_the_emulator(emulator):
    # what GENERATOR_SHIFT and the refractory period rest on, without any circuit of ours
    spikes = emulator.LoihiSpikeGeneratorGroup(1, np.array([0]), np.array([3]))
    always = emulator.LoihiSpikeGeneratorGroup(1, np.zeros(12, dtype=int), np.arange(12))
    chain = [emulator.LoihiNeuronGroup(1, 1, 10, FULL_DECAY, FULL_DECAY) for _ in range(3)]
    driven = [emulator.LoihiNeuronGroup(1, refractory, 10, FULL_DECAY, FULL_DECAY) for refractory in (1, 2, 3)]
    tie = emulator.LoihiNeuronGroup(1, 1, 11, FULL_DECAY, FULL_DECAY)
    arrows = [(spikes, chain[0], 0), (chain[0], chain[1], 0), (chain[1], chain[2], 2)]
    arrows += [(always, neuron, 0) for neuron in [*driven, tie]]
    synapses = [emulator.LoihiSynapses(source, target, delay=delay) for source, target, delay in arrows]
    for synapse in synapses:
        synapse.connect()
        synapse.w = 11
    monitors = [emulator.LoihiSpikeMonitor(group) for group in [spikes, *chain, *driven, tie]]
    emulator.LoihiNetwork(spikes, always, chain, driven, tie, synapses, monitors).run(12)
    assert [monitor.t.tolist() for monitor in monitors] == [
        [3],  # a generator sends,
        [4 - GENERATOR_SHIFT],  # and its target fires GENERATOR_SHIFT sooner than
        [4],  # a neuron's target, one step after it
        [7],  # two steps of delay come on top
        list(range(12)),  # refractory 1: none
        list(range(0, 12, 2)),  # refractory 2: silent in the step after a spike
        list(range(0, 12, 3)),
        [],  # equality with the threshold does not suffice
    ]


def test_forward_circuit_spike_for_spike(emulator, digits, trained):
    images = digits[0][400:480]
    parameters = NBP(**DIGITS)
    circuit = inference_circuit(parameters)
    learned, values = matrices(circuit, trained), {"input": images}
    emulated = emulate(emulator, circuit, parameters, learned, values, len(images))
    assert_same(simulate(circuit, parameters, learned, values, len(images)), emulated)
    assert_same(oracle(circuit, trained, images), emulated)
    # equality means something only where layers speak, and do not all speak
    counts = Counter(name for name, _, _ in emulated)
    assert set(counts) == {population.name for population in circuit.populations}
    for name, least in (("x", 0.1), ("h", 0.1), ("o", 0.05)):
        assert least < counts[name] / (len(images) * circuit[name].size) < 0.9


def test_one_weight_at_the_threshold_shows(emulator, digits, trained):
    # lower one weight until one hidden neuron has a drive of exactly theta / 2 for one image: there it must fall silent
    images = digits[0][400:480]
    parameters = NBP(**DIGITS)
    circuit = inference_circuit(parameters)
    drive = images.astype(int) @ trained["W1"]
    sample, hidden = np.unravel_index(np.argmin(np.where(drive > 512, drive, drive.max())), drive.shape)
    pixels = np.flatnonzero(images[sample])
    pixel = pixels[np.argmax(trained["W1"][pixels, hidden])]
    changed = {name: matrix.copy() for name, matrix in trained.items()}
    changed["W1"][pixel, hidden] -= drive[sample, hidden] - 512

    values = {"input": images}
    emulated = emulate(emulator, circuit, parameters, matrices(circuit, changed), values, len(images))
    before = simulate(circuit, parameters, matrices(circuit, trained), values, len(images))
    assert ("h", hidden, sample * circuit.period + 2) in before - emulated
    assert_same(simulate(circuit, parameters, matrices(circuit, changed), values, len(images)), emulated)
    assert_same(oracle(circuit, changed, images), emulated)


def test_fixed_arrow_at_the_threshold_shows(emulator, digits, trained):
    # a copied packet of theta / 2 instead of theta / 2 + 8 does not exceed what the gate leaves: nothing passes
    images = digits[0][400:404]
    parameters = NBP(**DIGITS)
    circuit = inference_circuit(parameters)
    weak = dataclasses.replace(
        circuit,
        projections=tuple(dataclasses.replace(p, weight=512.0) if p.kind == "copy" else p for p in circuit.projections),
    )
    learned, values = matrices(circuit, trained), {"input": images}
    emulated = emulate(emulator, weak, parameters, learned, values, len(images))
    assert {name for name, _, _ in emulated} == {"input", "kick", "g0", "g1", "g2", "g3"}
    assert_same(simulate(weak, parameters, learned, values, len(images)), emulated)
    assert simulate(circuit, parameters, learned, values, len(images)) != emulated


def test_refractory_periods_and_delays(emulator):
    # the ring asks no neuron to fire twice running: here a neuron that excites itself drives others in every step
    parameters = NBP(n_in=1, hidden=(1,), n_out=1)
    circuit = Circuit(
        name="driven",
        populations=(
            Population("input", 3, "source", send_phase=1),
            Population("kick", 1, "source", send_phase=3),
            *(Population(f"ref{steps}", 3, bias=-8192.0, refractory=steps) for steps in range(5)),
            Population("clock", 1, "gating"),
        ),
        projections=(
            Projection("kick", "clock", "chain", 0, "one-to-one", weight=9224.0),
            Projection("clock", "clock", "chain", 0, "one-to-one", weight=9224.0),
            *(Projection("clock", f"ref{steps}", "gate", steps, "one-to-all", weight=8704.0) for steps in range(5)),
            *(Projection("clock", f"ref{steps}", "copy", 2, "one-to-all", weight=520.0) for steps in range(5)),
            *(Projection("input", f"ref{steps}", "inhibit", steps, "one-to-one", weight=-520.0) for steps in range(5)),
        ),
        period=5,
        lead=2,
        reinforced=(),
        readout="ref0",
        readout_phase=0,
    )
    # the second and third neuron of each population are held back in some turns, and in all
    images = np.array([[0, turn % 3 > 0, 1] for turn in range(8)], dtype=np.uint8)
    emulated = emulate(emulator, circuit, parameters, {}, {"input": images}, len(images))
    assert_same(simulate(circuit, parameters, {}, {"input": images}, len(images)), emulated)
    for steps in range(5):
        times = sorted(step for name, neuron, step in emulated if (name, neuron) == (f"ref{steps}", 0))
        # 0 and 1 are alike: in no step after a spike is the neuron held
        assert set(np.diff(times)) == {max(steps, 1)}
        held = sorted(step for name, neuron, step in emulated if (name, neuron) == (f"ref{steps}", 2))
        assert len(held) >= 5 and held != times


def test_all_arrows_spike_for_spike_without_learning(emulator, digits):
    # every population, arrow and delay of the whole circuit; weights stand still, as the emulator lacks the factor r
    images, targets = digits[0][400:424], digits[1][400:424]
    parameters = NBP(**DIGITS, eta_plus=0, eta_minus=0)
    circuit = training_circuit(parameters)
    # weights that make every population speak, o_gt too, which trained weights keep silent
    learned, values = matrices(circuit, restless_weights(parameters)), {"input": images, "target": targets}
    emulated = emulate(emulator, circuit, parameters, learned, values, len(images))
    assert_same(simulate(circuit, parameters, learned, values, len(images)), emulated)
    counts = Counter((name, step % circuit.period) for name, _, step in emulated if step >= 0)
    expected = {(name, phase) for phase, names in circuit.firing.items() for name in names}
    assert set(counts) == expected
