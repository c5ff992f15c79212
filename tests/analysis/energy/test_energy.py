"""The energy model: its counts against oracles that loop over every synapse, and what constants do to which part."""

import itertools
import json
import math
from dataclasses import asdict, fields, replace

import numpy as np
import pandas
import pytest
from conftest import DIGITS, ann_run, composite_recording, composite_run, restless_weights

from brianprop.analysis.energy.accounts import Account, account
from brianprop.analysis.energy.chip import PUBLISHED, mean_hops
from brianprop.analysis.energy.constants import Constants, read_constants
from brianprop.analysis.energy.cost import PARTS, barrier_time, energy
from brianprop.analysis.energy.counts import COUNTED, Counts, Pathway
from brianprop.analysis.energy.figure import plot_energy
from brianprop.analysis.energy.gated import as_inference, count
from brianprop.analysis.energy.report import draw, markdown
from brianprop.analysis.energy.ssnn_bp import count_ssnn_bp
from brianprop.analysis.figures.draw import draw as draw_figures
from brianprop.analysis.runs import Recording, Run
from brianprop.experiments.cli.main import main
from brianprop.experiments.data import encoding
from brianprop.experiments.data import images as datasets
from brianprop.experiments.training.trainer import recording_of
from brianprop.models.errors import DataError, ParameterError, RunError
from brianprop.models.nbp import oracle
from brianprop.models.nbp.circuit import inference_circuit, matrices, training_circuit
from brianprop.models.nbp.model import GatedModel
from brianprop.models.nbp.parameters import NBP
from brianprop.models.simulation import simulator
from brianprop.models.ssnn_bp.model import SSNNModel
from brianprop.models.ssnn_bp.parameters import SSNN, initial_weights

N_TURNS = 40


def recorded(circuit, parameters, weights, n_turns=N_TURNS, **stimuli):
    """A recording of the circuit over the first samples."""
    model = GatedModel(circuit, parameters)
    with simulator(model) as ready:
        samples = model.stimuli({name: values[:n_turns] for name, values in stimuli.items()})
        result = ready.run(matrices(circuit, weights), samples, np.arange(n_turns), n_recorded=n_turns)
    return recording_of(result.recorded, [(p.name, p.size) for p in circuit.populations], circuit.period, 1)


@pytest.fixture(scope="module")
def training(digits):
    """Parameters, the training circuit and a recording of it."""
    images, targets, _ = digits
    parameters = NBP(**DIGITS)
    circuit = training_circuit(parameters)
    return parameters, circuit, recorded(circuit, parameters, restless_weights(parameters), input=images, target=targets)


def run_of(path, parameters, recording, seed=0, name="spikes"):
    config = {
        "system": "nbp",
        "dataset": {"name": "digits"},
        "parameters": asdict(parameters),
        "training": {"epochs": 1, "seed": seed},
    }
    run = Run.create(path, config, {})
    run.save_spikes(recording, name)
    return run


# counts of nBP


def synapses(circuit, projection, neuron):
    """Targets of one axon, from the meaning of the words."""
    return {
        "all-to-all": range(circuit[projection.target].size),
        "one-to-all": range(circuit[projection.target].size),
        "one-to-one": [neuron],
    }[projection.connectivity]


@pytest.fixture(scope="module")
def expected(training, digits):
    """Counts of the oracle's spikes by loops over all projections, axons and synapses."""
    parameters, circuit, _ = training
    images, targets, _ = digits
    weights = {name: weight.astype(np.int64) for name, weight in restless_weights(parameters).items()}
    fired = {}  # neurons by step and population
    for k in range(N_TURNS):
        turn = oracle.train_turn(weights, images[k], targets[k])
        for (phase, name), spikes in turn.spikes.items():
            fired[12 * k + phase, name] = np.flatnonzero(spikes).tolist()
        for phase in range(12):
            fired[12 * k + phase, f"g{(phase + 1) % 12}"] = [0]
    names = [population.name for population in circuit.populations]
    found = {name: np.zeros((len(circuit.projections), 12), int) for name in ("operations", "updates", "changes")}
    found |= {name: np.zeros((len(names), 12), int) for name in ("spikes", "active", "inactive")}
    for (step, name), neurons in fired.items():
        found["spikes"][names.index(name), step % 12] += len(neurons)
    # the lead-in reaches the first step of all
    fired |= {(-2, "kick"): [0], (-1, "g0"): [0]}
    reached = set()
    for (step, name), neurons in fired.items():
        for place, projection in enumerate(circuit.projections):
            if projection.source != name:
                continue
            for target in (target for neuron in neurons for target in synapses(circuit, projection, neuron)):
                reached.add((step + 1 + projection.delay, projection.target, target))
                if step < 0:
                    continue
                found["operations"][place, step % 12] += 1
                if projection.kind == "plastic":
                    found["updates"][place, step % 12] += 1
                    found["changes"][place, step % 12] += target in fired.get((step, projection.target), [])
    for place, population in enumerate(circuit.populations):
        if population.role != "source":
            for step, neuron in itertools.product(range(12 * N_TURNS), range(population.size)):
                active = (step, population.name, neuron) in reached
                found["active" if active else "inactive"][place, step % 12] += 1
    return found


@pytest.mark.parametrize("counted", ["spikes", "operations", "active", "inactive", "updates", "changes"])
def test_counts_of_nbp_are_those_of_the_oracle(counted, training, expected):
    _, circuit, recording = training
    counts = count(recording, circuit)
    assert (counts.mode, counts.n_samples, counts.steps) == ("training", N_TURNS, 12)
    assert [(p.source, p.target) for p in counts.pathways] == [(p.source, p.target) for p in circuit.projections]
    assert [p.kind == "learned" for p in counts.pathways] == [p.kind == "plastic" for p in circuit.projections]
    assert expected[counted].sum() > N_TURNS, "the trial must have something to count"
    np.testing.assert_array_equal(getattr(counts, counted), expected[counted])


def test_only_coincidences_change_weights(training):
    _, circuit, recording = training
    counts = count(recording, circuit)
    phases = np.flatnonzero(counts.changes.sum(axis=0)).tolist()
    assert phases == [5, 7, 9, 11]
    assert np.all(counts.changes <= counts.updates) and counts.changes.sum() < counts.updates.sum()


def test_the_last_epoch_is_counted(training):
    _, circuit, recording = training
    columns = ("population", "neuron", "step", "epoch")
    early = {name: getattr(recording, name)[recording.step < 12 * 5] for name in columns}
    early["epoch"] = early["epoch"] - 1
    both = replace(recording, **{name: np.concatenate([early[name], getattr(recording, name)]) for name in columns})
    assert len(both.step) > len(recording.step)
    np.testing.assert_array_equal(count(both, circuit).spikes, count(recording, circuit).spikes)


def test_inference_is_the_forward_part_of_training(digits):
    images, targets, _ = digits
    # weights that stay as they are
    parameters = NBP(**DIGITS, eta_plus=0, eta_minus=0)
    weights = restless_weights(parameters)
    circuit, small = training_circuit(parameters), inference_circuit(parameters)
    counts = count(recorded(small, parameters, weights, input=images), small)
    assert (counts.mode, counts.steps, counts.phases) == ("inference", 4, ("0", "1", "2", "3"))
    assert counts.spikes.sum() > 10 * N_TURNS
    assert not counts.updates.any() and not counts.changes.any()
    taken = count(as_inference(recorded(circuit, parameters, weights, input=images, target=targets), small), small)
    assert taken.n_samples == counts.n_samples
    for name in COUNTED:
        np.testing.assert_array_equal(getattr(taken, name), getattr(counts, name), name)


# counts of SSNN-BP


def brute_force(recording, sizes, learns, decays):
    """Counts by loops over steps, spikes and synapses: spikes, operations, active neurons, updates."""
    fired = {}
    for population, neuron, step in zip(recording.population, recording.neuron, recording.step, strict=True):
        fired.setdefault((int(step), recording.populations[population]), []).append(int(neuron))
    layers, n_steps = list(sizes), int(recording.step.max()) // recording.period * recording.period + recording.period
    spikes = dict.fromkeys(recording.populations, 0)
    operations, active, updates = {}, {}, {}
    for step in range(n_steps):
        now = {name: fired.get((step, name), []) for name in recording.populations}
        reached = {layer: set() for layer in layers}
        for name, neurons in now.items():
            spikes[name] += len(neurons)

        def send(source, target, at, now=now, reached=reached):
            for neuron in now[source]:
                targets = {k for k in range(sizes[target]) if source != target or k != neuron}
                reached[target] |= targets
                operations[source, target, at] = operations.get((source, target, at), 0) + len(targets)

        for place, (before, behind) in enumerate(itertools.pairwise(layers)):
            send(before, behind, "forward")
            for sign in ("plus", "minus"):
                if place and learns:
                    send(f"{behind} {sign}", before, "backward")
                updates[before] = updates.get(before, 0) + len(now[before]) * len(now[f"{behind} {sign}"])
        send(layers[-1], layers[-1], "forward")
        for layer in layers[1:]:
            active[layer] = active.get(layer, 0) + len(reached[layer])
    if decays:
        for before, behind in itertools.pairwise(layers):
            updates[before] += sizes[before] * sizes[behind] * (n_steps // recording.period)
    return spikes, operations, active, updates, n_steps


def assert_counts_equal_brute_force(recording, sizes, parameters):
    for learns in (True, False):
        spikes, operations, active, updates, n_steps = brute_force(recording, sizes, learns, parameters.weight_decay > 0)
        counts = count_ssnn_bp(recording, parameters, learns)
        assert counts.n_samples * counts.steps == n_steps
        assert counts.mode == ("training" if learns else "inference")
        at = {"forward": 0, "backward": 1}
        found = {
            (pathway.source, pathway.target, phase): row[place]
            for pathway, row in zip(counts.pathways, counts.operations, strict=True)
            for phase, place in at.items()
            if place < len(row) and row[place]
        }
        assert found == {key: n for key, n in operations.items() if n}
        for place, name in enumerate(counts.populations):
            assert counts.spikes[place].sum() == spikes[name]
            assert counts.spikes[place, 0] == (spikes[name] if name in sizes else 0)
        for place, name in enumerate(list(sizes)[1:], 1):
            neurons = counts.active[place, 0], counts.inactive[place, 0]
            assert neurons == (active[name], n_steps * sizes[name] - active[name])
        if learns:
            rows = zip(counts.pathways, counts.updates, strict=True)
            assert {p.source: row[1] for p, row in rows if row.any()} == {name: n for name, n in updates.items() if n}
        else:
            assert not counts.updates.any() and set(counts.populations) == set(sizes)


def test_counts_of_ssnn_bp_are_those_of_its_recording():
    # a network that other tests build too; T is set at run time
    parameters = SSNN(n_in=64, hidden=(20,), n_out=10, steps=6)
    dataset = datasets.load("digits")
    images = dataset.train.images.reshape(-1, 64)[:12]
    with simulator(SSNNModel(parameters, learns=True)) as ready:
        model = ready.model
        stimuli = model.stimuli(images, encoding.one_hot(dataset.train.labels[:12], 10))
        result = ready.run(initial_weights(parameters, 0), stimuli, np.arange(12), noise_seed=1, n_recorded=12)
    recording = recording_of(result.recorded, model.populations, parameters.steps, 1)
    counts = count_ssnn_bp(recording, parameters)
    assert counts.changes.sum() > 0 and counts.n_samples == 12
    assert_counts_equal_brute_force(recording, dict(zip(parameters.layers, parameters.sizes, strict=True)), parameters)


@pytest.mark.parametrize("weight_decay", [0.0, 0.1])
def test_counts_of_a_deeper_network_with_sparse_spikes(weight_decay):
    sizes = {"input": 5, "hidden1": 4, "hidden2": 3, "output": 2}
    parameters = SSNN(n_in=5, hidden=(4, 3), n_out=2, steps=4, weight_decay=weight_decay)
    rng = np.random.default_rng(0)
    streams = [(f"{layer} {sign}", n) for layer, n in list(sizes.items())[1:] for sign in ("plus", "minus")]
    spikes = [("output", int(rng.integers(2)), step) for step in range(4 * 6)]
    for name, size in (*list(sizes.items())[:-1], *streams):
        spikes += [(name, k, step) for step, k in np.argwhere(rng.random((4 * 6, size)) < 0.15).tolist()]
    recording = composite_recording(spikes, sizes, 4)
    assert (count_ssnn_bp(recording, parameters).inactive[1:4] > 0).any(), "some neurons must stay without a spike"
    assert_counts_equal_brute_force(recording, sizes, parameters)


# energy and latency


def by_hand(**changes):
    """Two samples of one step: 10 spikes from a to the 5 synapses of each axon onto b, which learn, and 3 onto one each."""
    counts = Counts(
        mode="training",
        origin="hand",
        populations=("a", "b"),
        phases=("0",),
        n_samples=2,
        steps=7,
        pathways=(Pathway("a", "b", "learned", 5), Pathway("b", "b", "fixed", 1)),
        spikes=np.array([[10], [3]]),
        travels=np.array([[10], [3]]),
        active=np.array([[0], [4]]),
        inactive=np.array([[0], [6]]),
        updates=np.array([[50], [0]]),
        changes=np.array([[8], [0]]),
    )
    return replace(counts, **changes)


def test_energy_and_latency_by_hand():
    # one core: one message for each spike and pathway, no hop
    found = energy(by_hand(), cores=1)
    parts = {
        "spikes": 13 * 1.7,
        "synaptic operations": 53 * 23.6,
        "neuron updates": 4 * 81 + 6 * 52,
        "weight updates": 50 * 120,
    }
    assert found.parts == pytest.approx({name: value * 1e-12 / 2 for name, value in parts.items()})
    assert found.total == pytest.approx(sum(parts.values()) * 1e-12 / 2)
    # the sender pays for messages, the receiver for synapses
    np.testing.assert_allclose(found.joules[0, :, 0] * 2e12, [17, 3 * 1.7])
    np.testing.assert_allclose(found.joules[1:, 0, 0], 0)
    seconds = (53 * 3.5 + 50 * 6.1 + 4 * 8.4 + 6 * 5.3) * 1e-9 / 2
    assert found.latency == pytest.approx(seconds + 7 * 113e-9)
    assert found.energy_delay == pytest.approx(found.total * found.latency)
    # 128 cores: 32 tiles, and a message for each of 5 targets
    spread = energy(by_hand(), cores=128)
    hops = mean_hops(128)
    message = 1.7 + 3 * hops[0] + 4 * hops[1]
    assert spread.parts["spikes"] == pytest.approx((10 * 5 + 3) * message * 1e-12 / 2)
    assert spread.latency == pytest.approx(seconds / 128 + 7 * 465e-9)
    assert energy(by_hand(), cores=3).parts["spikes"] == pytest.approx((10 * 3 + 3) * 1.7e-12 / 2)


def test_hops_are_the_mean_over_pairs_of_tiles():
    for cores, columns, rows in ((128, 8, 4), (96, 6, 4), (8, 1, 2), (4, 1, 1)):
        pairs = itertools.product(itertools.product(range(columns), range(rows)), repeat=2)
        distances = np.array([(abs(a - c), abs(b - d)) for (a, b), (c, d) in pairs])
        np.testing.assert_allclose(mean_hops(cores), distances.mean(axis=0))


def test_a_barrier_takes_longer_with_more_tiles():
    times = [barrier_time(Constants(), cores) for cores in (1, 4, 5, 64, 128)]
    assert times[0] == times[1] == 113e-9 and times[-1] == pytest.approx(465e-9)
    assert times[1] < times[2] < times[3] < times[4]


#: The part of the energy that each constant belongs to; None for times.
PART = {
    "within_tile_energy": "spikes",
    "hop_east_west_energy": "spikes",
    "hop_north_south_energy": "spikes",
    "operation_energy": "synaptic operations",
    "active_energy": "neuron updates",
    "inactive_energy": "neuron updates",
    "update_energy": "weight updates",
}


@pytest.mark.parametrize("name", [item.name for item in fields(Constants)])
def test_a_constant_of_a_file_changes_its_part_alone(name, training, tmp_path):
    _, circuit, recording = training
    counts = count(recording, circuit)
    value = getattr(Constants(), name)
    (tmp_path / "constants.toml").write_text(f"{name} = {2 * value!r}\n")
    constants = read_constants(tmp_path / "constants.toml")
    assert constants == replace(Constants(), **{name: 2 * value})
    before, after = energy(counts), energy(counts, constants)
    for part in PARTS:
        assert (after.parts[part] != before.parts[part]) == (part == PART.get(name)), part
    assert (after.latency != before.latency) == (name not in PART)
    # with this constant alone, all that is left doubles
    none = dict.fromkeys((item.name for item in fields(Constants)), 0.0)
    once, twice = (energy(counts, Constants(**none | {name: factor * value})) for factor in (1, 2))
    assert once.total + once.latency > 0
    assert twice.total == pytest.approx(2 * once.total, rel=1e-12)
    assert twice.latency == pytest.approx(2 * once.latency, rel=1e-12)
    # and what a constant adds to the whole is what it is alone
    assert after.total - before.total == pytest.approx(once.total, rel=1e-6, abs=1e-18)
    assert after.latency - before.latency == pytest.approx(once.latency, rel=1e-6, abs=1e-18)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("update = 1e-12", "'update'"),
        ("update_energy = -1.0", "update_energy = -1.0"),
        ("update_energy = nan", "update_energy = nan"),
        ("update_energy = inf", "update_energy = inf"),
        ("update_energy = true", "update_energy = True"),
        ("update_energy = '120 pJ'", "update_energy = '120 pJ'"),
        ("update_energy = ", "no TOML"),
        (b"\xff\xfe", "no TOML"),
        (None, "cannot be read"),
    ],
)
def test_bad_constants_are_refused_in_one_sentence(text, words, tmp_path):
    path = tmp_path / "constants.toml"
    if text is not None:
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(DataError) as caught:
        read_constants(path)
    assert words in str(caught.value) and str(path) in str(caught.value)


@pytest.mark.parametrize("cores", [0, 129])
def test_the_chip_has_128_cores(cores):
    with pytest.raises(ParameterError, match=f"cores = {cores}"):
        energy(by_hand(), cores=cores)


# runs, tables and the figure


def test_runs_without_what_is_counted_are_refused(tmp_path, training):
    parameters, _, recording = training
    with pytest.raises(RunError, match="nothing to count"):
        account([])
    with pytest.raises(RunError, match="ANN"):
        account([ann_run(tmp_path / "ann").path])
    run = composite_run(tmp_path / "composite")
    (run.path / "raster.npz").unlink()
    with pytest.raises(RunError, match="no recorded spikes"):
        account([run.path])
    other = run_of(tmp_path / "other", replace(parameters, hidden=(61,)), recording)
    with pytest.raises(RunError, match="other: The recording is not of the run's network"):
        account([other.path])
    run = composite_run(tmp_path / "steps")
    run.save_spikes(replace(run.load_spikes("raster"), period=5), "raster")
    with pytest.raises(RunError, match="steps: The recording is not of the run's network"):
        account([run.path])
    nothing = replace(recording, **{name: [] for name in ("population", "neuron", "step", "epoch")})
    with pytest.raises(RunError, match="empty holds no recorded spikes"):
        account([run_of(tmp_path / "empty", parameters, nothing).path])


def test_seeds_are_pooled_and_whole_recordings_preferred(tmp_path, training):
    parameters, circuit, recording = training
    first = recording.step < 12 * 10
    columns = ("population", "neuron", "step", "epoch")
    part = replace(recording, **{name: getattr(recording, name)[first] for name in columns})
    whole = run_of(tmp_path / "0", parameters, recording)
    whole.save_spikes(part, "raster")
    raster = run_of(tmp_path / "1", parameters, part, seed=1, name="raster")
    both, inference = account([whole.path, raster.path])
    assert (both.counts.mode, inference.counts.mode) == ("training", "inference")
    assert both.counts.n_samples == inference.counts.n_samples == N_TURNS + 10
    one, other = (count(spikes, circuit) for spikes in (recording, part))
    np.testing.assert_array_equal(both.counts.spikes, one.spikes + other.spikes)
    mean = (N_TURNS * energy(one).total + 10 * energy(other).total) / (N_TURNS + 10)
    assert both.energy.total == pytest.approx(mean)
    assert both.measured is None, "a circuit of this size was not measured"


def test_a_recording_of_the_inference_circuit_is_counted_as_it_is(tmp_path, training):
    parameters, _, recording = training
    small = inference_circuit(parameters)
    forward = as_inference(recording, small)
    (found,) = account([run_of(tmp_path / "run", parameters, forward).path])
    assert found.counts.mode == "inference" and found.counts.origin == "recorded turns"
    np.testing.assert_array_equal(found.counts.spikes, count(forward, small).spikes)


def published_account():
    """nBP of the published size, each neuron that may fire doing so with probability 0.2."""
    circuit = training_circuit(NBP())
    rng = np.random.default_rng(0)
    names = [population.name for population in circuit.populations]
    columns = [
        (names.index(name), neuron, step)
        for step in range(2 * 12)
        for name in circuit.firing[step % 12]
        for neuron in np.flatnonzero(rng.random(circuit[name].size) < (1 if name.startswith("g") else 0.2))
    ]
    sizes = tuple(population.size for population in circuit.populations)
    return NBP(), Recording(tuple(names), sizes, *zip(*columns, strict=True), np.zeros(len(columns)), 12)


def test_measured_values_stand_beside_the_published_circuit(tmp_path):
    entries = account([run_of(tmp_path / "run", *published_account()).path])
    assert [entry.measured for entry in entries] == [PUBLISHED["training"], PUBLISHED["inference"]]
    assert PUBLISHED["training"].energy_delay == pytest.approx(0.885e-6)
    for entry in entries:
        assert entry.energy.total < entry.measured.energy and entry.energy.latency < entry.measured.latency
    text = markdown(entries)
    assert "| nBP, training, measured on Loihi (Renner et al. 2024) | – | – | – | – | 590 | 1500 | 885 |" in text
    assert "static power" in text and "x86" in text
    figure = plot_energy(entries)
    lines = [[line.get_ydata()[0] for line in row.axes[0].lines] for row in figure.subfigs]
    np.testing.assert_allclose(lines, [[590], [2.5]])


@pytest.fixture(scope="module")
def drawn(tmp_path_factory, training):
    folder = tmp_path_factory.mktemp("energy")
    parameters, _, recording = training
    runs = [run_of(folder / "nbp", parameters, recording).path, composite_run(folder / "ssnn").path]
    draw(runs, folder / "out", cores=64)
    return account(runs, cores=64), folder / "out"


def test_the_table_adds_up_to_the_model(drawn):
    accounts, out = drawn
    assert sorted(path.name for path in out.iterdir()) == ["energy.csv", "energy.md", "energy.pdf", "energy.png"]
    frame = pandas.read_csv(out / "energy.csv")
    assert set(zip(frame["run"], frame["mode"], strict=True)) == set(
        itertools.product(("nBP", "SSNN-BP"), ("training", "inference"))
    )
    for entry in accounts:
        rows, counts = frame[(frame["run"] == entry.label) & (frame["mode"] == entry.counts.mode)], entry.counts
        assert (rows["samples"] == counts.n_samples).all()
        for part, joules in entry.energy.parts.items():
            assert rows[f"{part} [J]"].sum() == pytest.approx(joules)
        totals = {
            "spikes": counts.spikes,
            "messages": counts.messages(64),
            "active neuron updates": counts.active,
            "inactive neuron updates": counts.inactive,
            "weight updates": counts.updates,
            "weight changes": counts.changes,
        }
        for name, counted in totals.items():
            assert rows[name].sum() == pytest.approx(counted.sum() / counts.n_samples), name
        for kind in ("learned", "fixed"):
            chosen = [row.sum() for p, row in zip(counts.pathways, counts.operations, strict=True) if p.kind == kind]
            assert rows[f"{kind} operations"].sum() == pytest.approx(sum(chosen) / counts.n_samples)


def test_bars_add_up_and_no_label_lies_on_another(drawn):
    from matplotlib.style import context

    from brianprop.analysis.figures.output import STYLE

    accounts, _ = drawn
    with context(STYLE):
        figure = plot_energy(accounts)
        figure.draw_without_rendering()
    assert len(figure.subfigs) == 4
    for row, entry in zip(figure.subfigs, accounts, strict=True):
        for axes in row.axes:
            assert sum(bar.get_height() for bar in axes.patches) == pytest.approx(1e6 * entry.energy.total)
            labels = [label.get_window_extent() for label in axes.get_xticklabels()]
            for first, second in itertools.pairwise(labels):
                assert first.x1 < second.x0
    texts = [text for row in figure.subfigs for axes in row.axes for text in (axes.xaxis.label, axes.yaxis.label)]
    texts += [row._suptitle for row in figure.subfigs]
    boxes = [text.get_window_extent() for text in texts if text.get_text()]
    boxes += [axes.get_window_extent() for row in figure.subfigs for axes in row.axes] + [figure.legends[0].get_window_extent()]
    for first, second in itertools.combinations(boxes, 2):
        assert not first.overlaps(second)


def test_the_figure_is_not_blank(drawn):
    from matplotlib.image import imread

    _, out = drawn
    image = imread(out / "energy.png")[..., :3]
    assert 0.02 < np.mean(image.min(axis=-1) < 0.9) < 0.9
    assert (out / "energy.pdf").read_bytes().startswith(b"%PDF")


def test_a_figure_of_nothing_but_zeros_can_be_drawn():
    counts = by_hand()
    free = energy(counts, Constants(**dict.fromkeys((item.name for item in fields(Constants)), 0.0)))
    assert free.total == 0 and free.latency == 0
    figure = plot_energy([Account("none", counts, free, None)])
    figure.draw_without_rendering()
    assert all(math.isfinite(limit) for axes in figure.subfigs[0].axes for limit in axes.get_ylim())


def test_an_unknown_system_is_taken_for_no_other(tmp_path, training):
    parameters, _, recording = training
    run = run_of(tmp_path / "run", parameters, recording)
    config = json.loads((run.path / "config.json").read_text())
    (run.path / "config.json").write_text(json.dumps(config | {"system": "other"}))
    for show in (account, draw_figures):
        with pytest.raises(RunError, match="names the system 'other', but this version knows nbp, ssnn-bp, ann"):
            show([run.path])


def quick(accounts):
    from matplotlib.figure import Figure

    return Figure(figsize=(1, 1))


def test_files_go_where_the_figures_are_unless_told(tmp_path, training, monkeypatch):
    monkeypatch.setattr("brianprop.analysis.energy.report.plot_energy", quick)
    parameters, _, recording = training
    run = run_of(tmp_path / "run", parameters, recording)
    written = draw([run.path], constants=Constants(update_energy=0.0))
    assert {path.parent for path in written} == {run.path / "figures"}
    assert (pandas.read_csv(run.path / "figures" / "energy.csv")["weight updates [J]"] == 0).all()
    (tmp_path / "file").touch()
    with pytest.raises(RunError, match="Cannot make the folder"):
        draw([run.path], tmp_path / "file")


def test_the_command_line(tmp_path, training, monkeypatch, capsys):
    monkeypatch.setattr("brianprop.analysis.energy.report.plot_energy", quick)
    parameters, _, recording = training
    run, constants, out = run_of(tmp_path / "run", parameters, recording), tmp_path / "constants.toml", tmp_path / "out"
    constants.write_text("update_energy = 0\noperation_energy = 1e-12\n")
    assert main(["energy", str(run.path), "--constants", str(constants), "--cores", "8", "--out", str(out)]) == 0
    (entry, inference) = account([run.path], read_constants(constants), 8)
    printed = capsys.readouterr().out
    assert markdown([entry, inference], 8) in printed and str(out / "energy.pdf") in printed
    assert pandas.read_csv(out / "energy.csv")["synaptic operations [J]"].sum() == pytest.approx(
        1e-12 * sum(found.counts.operations.sum() / found.counts.n_samples for found in (entry, inference))
    )
    constants.write_text("update_energy = -1\n")
    assert main(["energy", str(run.path), "--constants", str(constants)]) == 2
    assert capsys.readouterr().err == (
        f"brianprop: The constants {constants} do not hold: parameter update_energy = -1 must be at least 0.\n"
    )
    assert main(["energy", str(run.path), "--cores", "129"]) == 2
    assert "cores = 129" in capsys.readouterr().err
