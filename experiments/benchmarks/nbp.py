"""How fast nBP runs: Brian2's own templates, dense ones and a hand-written kernel side by side, and what a run costs.

All ways of computing start from the same weights, see the same samples and must give the same answers. They take turns
within each round, so that whatever else the machine does hits all of them alike, and ratios are taken within a round.
"""

from __future__ import annotations

import contextlib
import copy
import csv
import dataclasses
import io
import json
import math
import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

import brianprop
from brianprop.analysis.figures.speed import CHIP, Spread, affine, draw, ratio, slope
from brianprop.analysis.runs.run import as_json
from brianprop.experiments.benchmarks.kernels import Kernel
from brianprop.experiments.data import encoding
from brianprop.experiments.data import images as datasets
from brianprop.experiments.environment import describe
from brianprop.experiments.training.loop import Part, load_data
from brianprop.experiments.training.nbp import NBPSystem
from brianprop.models.circuit import Circuit
from brianprop.models.errors import ParameterError, RunError
from brianprop.models.files import write_text
from brianprop.models.model import Model, Result
from brianprop.models.nbp.circuit import inference_circuit, matrices, training_circuit, weights_of
from brianprop.models.nbp.model import GatedModel, GatedResult
from brianprop.models.nbp.parameters import NBP, initial_weights
from brianprop.models.simulation import Simulator, simulator
from brianprop.models.simulation.scratch import Scratch

__all__ = ["BenchmarkNBP", "benchmark", "group", "profile", "synapses_touched"]

#: A timed run is repeated until it has lasted this long [s], for the clock and the scheduler to matter little.
LEAST_SECONDS = 0.2

VARIANTS = ("stock", "dense", "kernel")

#: Sizes of the scaling figure. Inputs are squares, so that images can be resized.
HIDDEN_SIZES = (100, 200, 400, 800, 1600, 3200)
INPUT_SIZES = (100, 196, 400, 784, 1600, 3136)
FIXED_SIZE = 400

#: Layer sizes of the chip's published times.
CHIP_SIZES = NBP().sizes

#: Turns whose spikes are recorded to count the synapses that they touch.
COUNTED_TURNS = 50

#: Part of the profile by the name of a code object; the first pattern that is found counts.
PARTS = {
    r"push_spikes": "spike queue",
    r"^plastic_x_.*propagate": "propagation W1",
    r"^plastic_h_.*propagate": "propagation W2",
    r"^plastic_o.*propagate": "propagation W2ᵀ",
    r"^plastic_.*learn": "learning",
    r"^plastic_.*pre": "propagation and learning",
    r"^(fixed|stimulus)": "fixed arrows",
    r"^(answers|readout)": "readout",
    r"stateupdater": "neurons",
    r"thresholder": "thresholds",
    r"resetter": "resets",
}
#: What remains of the loop once the parts are subtracted.
REST = "dispatch and rest"


@dataclass(frozen=True)
class BenchmarkNBP:
    """Time the nBP circuit: stock and dense code, a hand-written kernel, growth with size, memory, start-up."""

    out: Path
    """New folder for the tables and figures."""
    dataset: str | None = None
    """digits, mnist, fashion-mnist, or a folder with the four IDX files (default: mnist if it is found, else digits)."""
    data_dir: Path | None = None
    """Where to look for mnist and fashion-mnist (else $BRIANPROP_DATA, system packages, download)."""
    hidden: int = 400
    """Number of hidden neurons."""
    samples: int = 2000
    """Samples of one timed pass; fast variants make several passes until 0.2 s are over."""
    repeats: int = 5
    """Rounds: each times every variant once."""
    seed: int = 0
    """Seed of the initial weights and the order of the samples."""
    scaling: bool = True
    """Time dense code over layer sizes from 100 to 3200; each size needs a build."""
    profile: bool = True
    """Divide the time of a sample among the parts of the circuit."""
    resources: bool = True
    """Measure memory, build time and start-up; needs a build."""

    def __post_init__(self):
        for name, least in (("hidden", 1), ("samples", 1), ("repeats", 1), ("seed", 0)):
            if getattr(self, name) < least:
                raise ParameterError(f"Parameter {name} = {getattr(self, name)!r} must be at least {least}; set --{name}.")


Weights = dict[str, np.ndarray]


@dataclass(frozen=True)
class Timed:
    """One way of computing one pass.

    Attributes
    ----------
    run : callable
        Takes a number of passes; gives the seconds that their loops took.
    samples : int
        Samples of one pass.
    """

    run: Callable[[int], float]
    samples: int

    def passes(self) -> int:
        """Number of passes that fill the least time; runs once, which also warms the caches."""
        return max(1, math.ceil(LEAST_SECONDS / self.run(1)))

    def microseconds(self, passes: int) -> float:
        """Time per sample [us]."""
        return 1e6 * self.run(passes) / (passes * self.samples)


def interleaved(cases: dict, repeats: int) -> dict:
    """Time per sample [us] of each case in each round; every round runs all cases, one after another.

    Parameters
    ----------
    cases : dict of Timed
    repeats : int
        Number of rounds.

    Returns
    -------
    dict of list of float, by the same keys
    """
    passes = {key: case.passes() for key, case in cases.items()}
    rounds = {key: [] for key in cases}
    for _ in range(repeats):
        for key, case in cases.items():
            rounds[key].append(case.microseconds(passes[key]))
    return rounds


class Bench:
    """Both circuits and the kernel at one size, with one data set, in every variant."""

    def __init__(self, parameters: NBP, train: Part, seed: int, variants: tuple[str, ...], message):
        self.parameters, self.train = parameters, train
        self.targets = encoding.one_hot(train.labels, parameters.n_out)
        self.circuits = {"training": training_circuit(parameters), "inference": inference_circuit(parameters)}
        self.simulators: dict[tuple[str, str], Simulator] = {
            (kind, codegen): simulator(GatedModel(circuit, parameters, seed), codegen=codegen, message=message)
            for kind, circuit in self.circuits.items()
            for codegen in variants
            if codegen != "kernel"
        }
        self.kernel = Kernel(parameters) if "kernel" in variants else None
        self.stimuli = {
            kind: NBPSystem.stimuli(GatedModel(circuit, parameters), train.images, self.targets)
            for kind, circuit in self.circuits.items()
        }

    def run(
        self, kind: str, variant: str, weights: Weights, order: np.ndarray, n_recorded: int = 0
    ) -> tuple[Weights, np.ndarray, float, GatedResult | None]:
        """One pass: weights afterwards, output spikes, seconds of the loop, and what a circuit gave besides."""
        if variant == "kernel":
            if kind == "training":
                answers = self.kernel.train(weights, self.train.images, self.targets, order)
            else:
                answers = self.kernel.infer(weights, self.train.images, order)
            return answers.weights, answers.spikes, answers.seconds, None
        circuit = self.circuits[kind]
        result = self.simulators[kind, variant].run(
            matrices(circuit, weights), self.stimuli[kind], order, n_recorded=n_recorded
        )
        return weights_of(circuit, result.matrices), result.spikes, result.seconds, result

    def timed(self, kind: str, variant: str, weights: Weights, order: np.ndarray) -> Timed:
        """The pass as something to time."""

        def run(passes: int) -> float:
            if kind == "inference":
                # nothing changes from pass to pass: one long run
                return self.run(kind, variant, weights, np.tile(order, passes))[2]
            return sum(self.run(kind, variant, weights, order)[2] for _ in range(passes))

        return Timed(run, len(order))


def synapses_touched(circuit: Circuit, result: GatedResult, turns: int) -> float:
    """Synapses that carry a spike, per turn: the sum over recorded spikes of the neuron's outgoing synapses.

    Parameters
    ----------
    circuit : Circuit
    result : GatedResult
        Of a run that recorded its first `turns` turns.
    turns : int
    """
    fan_out = np.zeros(len(circuit.populations))
    places = {population.name: place for place, population in enumerate(circuit.populations)}
    for projection in circuit.projections:
        fan_out[places[projection.source]] += circuit.synapse_count(projection) / circuit[projection.source].size
    population, _, step = result.recorded
    return float(np.sum(fan_out[population[step >= 0]]) / turns)


def plastic_synapses(circuit: Circuit) -> int:
    """Number of learned synapses of a circuit, all copies of a matrix counted."""
    return sum(circuit.synapse_count(projection) for projection in circuit.projections if projection.plastic)


# ---------------------------------------------------------------------------------------------------------------------
# Looking into a running binary
# ---------------------------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def _environment(**values: str) -> Iterator[None]:
    """Environment variables for the length of a block."""
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def observe(simulated: Simulator, run: Callable[[Simulator], Result], keep: Path) -> tuple[Result, dict[str, int]]:
    """Run a model and look at what its binary leaves in its results directory, which is removed after a run.

    Parameters
    ----------
    simulated : Simulator
        Of C++ standalone.
    run : callable
        Runs the simulator that it is given.
    keep : Path
        An empty folder; profile.csv is copied there, if the binary wrote one.

    Returns
    -------
    tuple of the Result and a dict of the sizes of all files [bytes] by name
    """
    # a script in place of the binary: it sees the results directory before it goes
    script = keep / "main"
    script.write_text(
        "#!/bin/sh\n"
        f"here='{keep}'\n"
        f"cd '{simulated.folder}' && ./main \"$@\" || exit $?\n"
        'ls -ln "$2" > "$here/sizes"\n'
        'if [ -e "$2/profile.csv" ]; then cp "$2/profile.csv" "$here"; fi\n'
    )
    script.chmod(0o755)
    observed = copy.copy(simulated)
    observed.folder = keep
    result = run(observed)
    lines = [line.split(None, 8) for line in (keep / "sizes").read_text().splitlines()]
    return result, {words[8]: int(words[4]) for words in lines if len(words) == 9}


def group(timed: dict[str, float], total: float, patterns: dict[str, str] = PARTS) -> dict[str, float]:
    """Sum times of code objects by part of the circuit.

    Parameters
    ----------
    timed : dict of float
        Time of each code object by its name, such as ``plastic_x_h_propagate_codeobject``.
    total : float
        Time of the whole loop, in the same unit.
    patterns : dict of str
        Part of the circuit by a pattern of the name; the first that is found counts.

    Returns
    -------
    dict of float
        Time by part; the values add up to `total`.
    """
    parts: dict[str, float] = {}
    for name, value in timed.items():
        part = next((part for pattern, part in patterns.items() if re.search(pattern, name)), REST)
        parts[part] = parts.get(part, 0.0) + value
    parts[REST] = parts.get(REST, 0.0) + total - sum(timed.values())
    return parts


def profile(
    model: Model, run: Callable[[Simulator], Result], patterns: dict[str, str] = PARTS, message=print
) -> dict[str, float]:
    """Time of each part of the dense code of a model [s], from a run whose loop reads the clock around every code object.

    Parameters
    ----------
    model : Model
    run : callable
        Runs the simulator that it is given.
    patterns : dict of str
        As for `group`.

    Returns
    -------
    dict of float
        The values add up to the time of the loop, which is longer than without the clock. Empty where the code generation
        in use offers no profile.
    """
    with (
        _environment(BRIANPROP_PROFILE="1"),
        simulator(model, message=message) as profiled,
        Scratch() as folder,
    ):
        result, _ = observe(profiled, run, folder)
        try:
            rows = list(csv.reader((folder / "profile.csv").read_text().splitlines()))
        except FileNotFoundError:
            return {}
    return group({name: float(seconds) for name, seconds, _ in rows}, result.seconds, patterns)


class PeakMemory:
    """Largest resident memory of a running binary, read from /proc while a block runs.

    Attributes
    ----------
    peak : int
        In bytes; 0 where the system has no /proc or the binary was not seen.
    """

    def __init__(self, binary: Path):
        self.peak = 0
        self._binary = str(binary.resolve())
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> PeakMemory:
        self._thread.start()
        return self

    def __exit__(self, *exception) -> None:
        self._done.set()
        self._thread.join()

    def _watch(self) -> None:
        # The usage of finished children will not do: it also counts what the parent held when it forked.
        process = None
        while not self._done.wait(0.005):
            if process is None:
                process = next((path for path in Path("/proc").glob("[0-9]*") if self._runs(path)), None)
            if process is not None:
                try:
                    found = re.search(r"VmHWM:\s*(\d+) kB", (process / "status").read_text())
                except OSError:
                    process = None
                    continue
                if found:
                    self.peak = max(self.peak, 1024 * int(found[1]))

    def _runs(self, process: Path) -> bool:
        try:
            return os.readlink(process / "exe") == self._binary
        except OSError:
            return False


# ---------------------------------------------------------------------------------------------------------------------
# The measurements
# ---------------------------------------------------------------------------------------------------------------------


def measure_speed(bench: Bench, states: dict[str, Weights], order: np.ndarray, repeats: int, message) -> list[dict]:
    """Time every variant of both circuits from every state of the weights.

    Returns
    -------
    list of dict
        With circuit, weights, variant, rounds [us per sample], median, low, high, runs, and ``wrong``, the share of samples
        whose output spikes are not the target.

    Raises
    ------
    RunError
        If the variants do not agree on a weight or a spike.
    """
    cases, wrong = {}, {}
    for kind in bench.circuits:
        for state, weights in states.items():
            outcomes = {variant: bench.run(kind, variant, weights, order) for variant in VARIANTS}
            learned, spikes, *_ = outcomes["kernel"]
            for variant, (others, answers, *_) in outcomes.items():
                same = all(np.array_equal(learned[name], others[name]) for name in ("W1", "W2"))
                if not same or not np.array_equal(spikes, answers):
                    raise RunError(
                        f"The {variant} variant and the kernel disagree in {kind} from {state} weights; please report this "
                        "as a bug."
                    )
            wrong[kind, state] = float(np.mean(np.any(spikes != bench.targets[order], axis=1)))
            cases |= {(kind, state, variant): bench.timed(kind, variant, weights, order) for variant in VARIANTS}
    message(f"Timing {repeats} rounds of {len(cases)} cases; all variants agree on every weight and spike ...")
    return speed_rows(interleaved(cases, repeats), wrong)


def speed_rows(rounds: dict, wrong: dict) -> list[dict]:
    """Rows of the times: circuit, weights, variant, rounds [us per sample], median, low, high, runs, wrong.

    Parameters
    ----------
    rounds : dict of list of float
        What `interleaved` returns, by circuit, weights and variant.
    wrong : dict of float
        Share of wrong answers by circuit and weights.
    """
    return [
        {
            **dict(zip(("circuit", "weights", "variant"), key, strict=True)),
            "rounds": times,
            **dataclasses.asdict(Spread.of(times)),
            "wrong": wrong[key[:2]],
        }
        for key, times in rounds.items()
    ]


def ratios(speed: list[dict], chip: bool = True) -> list[dict]:
    """Ratios of the variants within each round: stock / dense, dense / kernel, and chip / dense.

    Parameters
    ----------
    speed : list of dict
        As `speed_rows` returns.
    chip : bool
        Whether to compare with the chip: only at the size that it was measured with.
    """
    rounds = {(row["circuit"], row["weights"], row["variant"]): row["rounds"] for row in speed}
    for circuit, weights, variant in list(rounds):
        rounds[circuit, weights, "chip"] = [CHIP[circuit]] * len(rounds[circuit, weights, variant])
    return [
        {
            "circuit": circuit,
            "weights": weights,
            "ratio": f"{above} / {below}",
            **dataclasses.asdict(ratio(rounds[circuit, weights, above], rounds[circuit, weights, below])),
        }
        for circuit, weights in dict.fromkeys((row["circuit"], row["weights"]) for row in speed)
        for above, below in (("stock", "dense"), ("dense", "kernel"), *([("chip", "dense")] if chip else []))
    ]


def resized(images: np.ndarray, shape: tuple[int, int], n_in: int) -> np.ndarray:
    """Images of another size by the nearest pixel, so that the share of bright pixels stays.

    Parameters
    ----------
    images : array of shape (n, rows * cols)
    shape : tuple of int
        Rows and columns.
    n_in : int
        Pixels wanted, a square number.
    """
    side = math.isqrt(n_in)
    rows, columns = ((np.arange(side) + 0.5) * old // side for old in shape)
    return images.reshape(-1, *shape)[:, rows.astype(int)[:, None], columns.astype(int)].reshape(len(images), n_in)


def measure_scaling(train: Part, shape: tuple[int, int], settings: BenchmarkNBP, message) -> list[dict]:
    """Time the dense training circuit over the sizes of its hidden and of its input layer, after one pass of training.

    Returns
    -------
    list of dict
        With varied (n_hid or n_in), n_in, n_hid, rounds and spread [us per sample], touched [synapses per sample] and
        ns_per_synapse.
    """
    sizes = dict.fromkeys([(FIXED_SIZE, n) for n in HIDDEN_SIZES] + [(n, FIXED_SIZE) for n in INPUT_SIZES])
    order = _order(len(train.labels), settings.samples, settings.seed)
    # the samples of a pass are all that is needed: small stimuli let all sizes stay open
    labels = train.labels[order]
    n_out = int(train.labels.max()) + 1
    cases, touched = {}, {}
    for n_in, n_hid in sizes:
        parameters = NBP(n_in=n_in, n_hid=n_hid, n_out=n_out)
        circuit = training_circuit(parameters)
        message(f"Preparing the size {n_in}-{n_hid}-{n_out} ...")
        simulated = simulator(GatedModel(circuit, parameters, settings.seed), message=message)
        values = {"input": resized(train.images[order], shape, n_in), "target": encoding.one_hot(labels, n_out)}
        stimuli, samples = simulated.model.stimuli(values), np.arange(len(order))
        start = matrices(circuit, initial_weights(parameters, settings.seed))
        trained = simulated.run(start, stimuli, samples).matrices
        counted = samples[:COUNTED_TURNS]
        result = simulated.run(trained, stimuli, counted, n_recorded=len(counted))
        touched[n_in, n_hid] = synapses_touched(circuit, result, len(counted))

        def run(passes, simulated=simulated, trained=trained, stimuli=stimuli, samples=samples) -> float:
            return sum(simulated.run(trained, stimuli, samples).seconds for _ in range(passes))

        cases[n_in, n_hid] = Timed(run, len(samples))
    message(f"Timing {settings.repeats} rounds of {len(cases)} sizes ...")
    rows = []
    for (n_in, n_hid), rounds in interleaved(cases, settings.repeats).items():
        spread = Spread.of(rounds)
        for varied, other in (("n_hid", n_in), ("n_in", n_hid)):
            if other == FIXED_SIZE:
                rows.append(
                    {
                        "varied": varied,
                        "n_in": n_in,
                        "n_hid": n_hid,
                        **dataclasses.asdict(spread),
                        "touched": touched[n_in, n_hid],
                        "ns_per_synapse": 1000 * spread.median / touched[n_in, n_hid],
                        "rounds": rounds,
                    }
                )
    return rows


def fits(scaling: list[dict]) -> list[dict]:
    """How time grows: exponents over neurons and over synapses touched, and constant and cost per synapse.

    Parameters
    ----------
    scaling : list of dict
        As `measure_scaling` returns.
    """
    found = []
    for varied in ("n_hid", "n_in"):
        family = [row for row in scaling if row["varied"] == varied]
        us, touched = [row["median"] for row in family], [row["touched"] for row in family]
        constant, cost = affine(touched, us)
        for quantity, value, unit in (
            (f"slope over {varied}", slope([row[varied] for row in family], us), "exponent"),
            (f"slope over synapses touched by {varied}", slope(touched, us), "exponent"),
            (f"constant over {varied}", constant, "us per sample"),
            (f"cost over {varied}", 1000 * cost, "ns per synapse"),
        ):
            found.append({"quantity": quantity, "value": value, "unit": unit})
    return found


def measure_resources(bench: Bench, weights: Weights, settings: BenchmarkNBP, dataset: str, message) -> list[dict]:
    """Memory of the running binary, build time, start-up; each with quantity, circuit, value and unit."""
    circuit, simulated = bench.circuits["training"], bench.simulators["training", "dense"]
    start = matrices(circuit, weights)
    found = []

    def add(quantity: str, value: float, unit: str, circuit: str = "training") -> None:
        found.append({"quantity": quantity, "circuit": circuit, "value": value, "unit": unit})

    everything = np.arange(len(bench.train.labels))
    message("Measuring memory with the whole training set ...")
    small = peak_memory(simulated, lambda: simulated.run(start, bench.stimuli["training"], everything))
    if small:
        add("peak memory", small / 2**20, "MiB")
    with Scratch() as folder:
        _, sizes = observe(simulated, lambda one: one.run(start, bench.stimuli["training"], everything[:1]), folder)
    held = sum(size for name, size in sizes.items() if re.match(r"_(dynamic_)?array_plastic_", name))
    add("state per plastic synapse", held / plastic_synapses(circuit), "bytes")
    if settings.scaling and small:
        # on data of the same size, so that only the synapses differ
        large = dataclasses.replace(bench.parameters, n_hid=max(HIDDEN_SIZES))
        grown = training_circuit(large)
        with simulator(GatedModel(grown, large, settings.seed), message=message) as other:
            values = matrices(grown, initial_weights(large, settings.seed))
            few = everything[: settings.samples]
            peak = {
                one: peak_memory(one, lambda one=one, w=w: one.run(w, bench.stimuli["training"], few))
                for one, w in ((simulated, start), (other, values))
            }
        growth = peak[other] - peak[simulated]
        add("growth of memory per plastic synapse", growth / (plastic_synapses(grown) - plastic_synapses(circuit)), "bytes")
    message("Measuring the build and the start-up ...")
    with Scratch() as folder, _environment(BRIANPROP_CACHE=str(folder)):
        for kind, one in bench.circuits.items():
            with simulator(GatedModel(one, bench.parameters, settings.seed)) as built:
                add("build", built.build_seconds, "s", kind)
    add("cached start", _startup(settings, dataset), "s")
    return found


def peak_memory(simulated: Simulator, run: Callable[[], Result]) -> int:
    """Largest resident memory [bytes] of the binary of a simulator while it runs; 0 where the system does not tell."""
    with PeakMemory(simulated.folder / "main") as memory:
        run()
    return memory.peak


def _startup(settings: BenchmarkNBP, dataset: str) -> float:
    """Wall time of a fresh process that trains on one sample with everything cached [s]; the best of three."""
    command = [sys.executable, "-m", "brianprop", "train", "nbp", "--dataset", dataset, "--hidden", str(settings.hidden)]
    command += ["--samples", "1", "--test-samples", "1", "--validation", "1", "--epochs", "1"]
    if settings.data_dir is not None:
        command += ["--data-dir", str(settings.data_dir.absolute())]
    root = str(Path(brianprop.__file__).parent.parent)
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([root, *os.environ.get("PYTHONPATH", "").split(os.pathsep)])}
    times = []
    with Scratch() as folder:
        for trial in range(4):
            start = time.perf_counter()
            done = subprocess.run(
                [*command, "--out", str(folder / str(trial))], env=environment, capture_output=True, text=True
            )
            times.append(time.perf_counter() - start)
            if done.returncode:
                raise RunError(f"The start-up trial failed: {done.stderr.strip()[-300:]}; run 'brianprop train nbp' by itself.")
    # the first one fills the caches of data and builds
    return min(times[1:])


def _order(n: int, samples: int, seed: int) -> np.ndarray:
    """Samples of a pass in random order; more than there are means several presentations."""
    return np.resize(np.random.default_rng(seed).permutation(n), samples)


# ---------------------------------------------------------------------------------------------------------------------
# The command
# ---------------------------------------------------------------------------------------------------------------------


def benchmark(settings: BenchmarkNBP, message: Callable[[str], None] = print) -> Path:
    """Measure, print a table, and write benchmark.csv, benchmark.json and figures into a new folder.

    Parameters
    ----------
    settings : BenchmarkNBP
    message : callable
        Called with each line of text.

    Returns
    -------
    pathlib.Path
        The folder.

    Raises
    ------
    RunError
        If the folder holds files, cannot be written, or the variants disagree.
    DataError, ParameterError, BuildError
        As `experiments.training.loop.load_data` and `models.simulation.simulator` do.
    """
    out = settings.out
    prepare(out)
    dataset = settings.dataset or default_dataset(settings.data_dir, message)
    data = load_data(dataset, settings.data_dir, validation=0, test_samples=1)
    train = data.parts["train"]
    parameters = NBP(n_in=train.images.shape[1], n_hid=settings.hidden, n_out=len(data.classes))
    bench = Bench(parameters, train, settings.seed, VARIANTS, message)

    message(f"Training one epoch of {len(train.labels)} samples ...")
    initial = initial_weights(parameters, settings.seed)
    epoch = _order(len(train.labels), len(train.labels), settings.seed)
    states = {"initial": initial, "trained": bench.run("training", "dense", initial, epoch)[0]}
    order = _order(len(train.labels), settings.samples, settings.seed + 1)
    speed = measure_speed(bench, states, order, settings.repeats, message)
    found = {
        "settings": as_json(settings),
        "environment": describe(),
        "dataset": {"name": dataset, "origin": data.origin, "training samples": len(train.labels)},
        "sizes": parameters.sizes,
        "chip": CHIP,
        "speed": speed,
        "ratios": ratios(speed, parameters.sizes == CHIP_SIZES),
        "profile": {},
        "resources": [],
        "scaling": [],
        "fits": [],
    }
    if settings.profile:
        message("Measuring the parts of the circuit ...")
        circuit = bench.circuits["training"]
        values, stimuli = matrices(circuit, states["trained"]), bench.stimuli["training"]
        model = GatedModel(circuit, parameters, settings.seed)
        parts = profile(model, lambda one: one.run(values, stimuli, order), message=message)
        found["profile"] = {name: 1e6 * seconds / len(order) for name, seconds in parts.items()}
    if settings.scaling:
        found["scaling"] = measure_scaling(train, data.image_shape, settings, message)
        found["fits"] = fits(found["scaling"])
    if settings.resources:
        found["resources"] = measure_resources(bench, states["trained"], settings, dataset, message)
    finish(out, found, "-".join(map(str, parameters.sizes.values())), "of the samples with an error", message)
    return out


def prepare(out: Path) -> None:
    """Make the folder of a benchmark. Raises RunError if it holds files or cannot be made."""
    try:
        if out.exists() and (not out.is_dir() or any(out.iterdir())):
            raise RunError(f"{out} exists already; choose another --out.")
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RunError(f"Cannot make the folder {out}: {error.strerror}; choose another --out.") from error


def default_dataset(data_dir: Path | None, message) -> str:
    """MNIST where it is found, else the digits."""
    if datasets.find("mnist", data_dir):
        return "mnist"
    message("MNIST is not found: timing on the digits; set --data-dir or --dataset mnist for the paper's size.")
    return "digits"


def finish(out: Path, found: dict, size: str, wrong: str, message: Callable[[str], None]) -> None:
    """Write benchmark.csv, benchmark.json and the figures, and print the table.

    Parameters
    ----------
    out : Path
        The folder.
    found : dict
        Everything that was found, as JSON can hold it.
    size : str
        Layer sizes.
    wrong : str
        Behind a percentage: of what it is the share that is wrong.
    message : callable
        Called with each line of text.
    """
    rows = table(found, size)
    text = io.StringIO()
    writer = csv.DictWriter(text, fieldnames=list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_text(out / "benchmark.csv", text.getvalue())
    write_text(out / "benchmark.json", json.dumps(found, indent=1, ensure_ascii=False))
    for line in lines(found, rows, wrong):
        message(line)
    draw(out)


def table(found: dict, size: str) -> list[dict]:
    """All numbers of a benchmark as rows: quantity, circuit, weights, size, unit, median, low, high, runs."""
    rows = []

    def add(quantity, circuit, weights, unit, spread, size=size):
        numbers = {name: spread[name] for name in ("median", "low", "high", "runs")}
        rows.append({"quantity": quantity, "circuit": circuit, "weights": weights, "size": size, "unit": unit, **numbers})

    def once(value):
        return dataclasses.asdict(Spread(value, value, value, 1))

    for circuit, value in found.get("chip", {}).items():
        add("chip (published)", circuit, "", "us per sample", once(value), "400-400-10")
    for row in found["speed"]:
        add(row["variant"], row["circuit"], row["weights"], "us per sample", row)
    for row in found["ratios"]:
        add(row["ratio"], row["circuit"], row["weights"], "times", row)
    for part, value in found["profile"].items():
        add(f"profile: {part}", "training", "trained", "us per sample", once(value))
    for entry in found["resources"]:
        add(entry["quantity"], entry["circuit"], "", entry["unit"], once(entry["value"]))
    for row in found.get("scaling", ()):
        grown = f"{row['n_in']}-{row['n_hid']}-{found['sizes']['out']}"
        add(f"dense over {row['varied']}", "training", "one pass", "us per sample", row, grown)
        add(f"dense over {row['varied']}", "training", "one pass", "synapses touched per sample", once(row["touched"]), grown)
        add(f"dense over {row['varied']}", "training", "one pass", "ns per synapse", once(row["ns_per_synapse"]), grown)
    for entry in found.get("fits", ()):
        add(entry["quantity"], "training", "one pass", entry["unit"], once(entry["value"]), "")
    return rows


def lines(found: dict, rows: list[dict], wrong: str) -> Iterator[str]:
    """The table for the terminal."""
    environment = found["environment"]
    shares = {row["weights"]: row["wrong"] for row in found["speed"] if row["circuit"] == "training"}
    yield f"{environment['processor']}, {environment['cores']} cores; {environment['compiler']['version']}"
    yield "; ".join(f"{state} weights: {share:.1%} {wrong}" for state, share in shares.items())
    yield f"{'quantity':36} {'circuit':9} {'weights':8} {'size':12} {'median':>9} {'low':>9} {'high':>9}  unit"
    for row in rows:
        numbers = " ".join(
            f"{row[name]:9.4g}" if row[name] < 1e4 else f"{row[name]:9.0f}" for name in ("median", "low", "high")
        )
        yield f"{row['quantity']:36} {row['circuit']:9} {row['weights']:8} {row['size']:12} {numbers}  {row['unit']}"
