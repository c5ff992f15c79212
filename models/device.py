"""Brian2's devices: preferences, builds, the build cache, runs and their results. No other file knows of them.

A `Simulator` holds one circuit ready to run. On C++ standalone its binary is compiled once per configuration and kept in a
content-addressed cache; every run of it is a process of its own that reads weights and samples from files, so epochs need no
recompiling and parallel runs cannot disturb each other.
"""

from __future__ import annotations

import contextlib
import gc
import hashlib
import json
import math
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib import metadata
from pathlib import Path

import numpy as np

from models.builder import create, fixed_synapses, neuron_values, pack, phases_of, plastic_blocks, unpack
from models.cache import cache_root
from models.circuit import Circuit
from models.codegen.dense import HEADERS, dense_codeobj_class, dense_supported
from models.errors import BuildError, ParameterError, RunError
from models.nbp import NBP

__all__ = ["CODEGENS", "DEVICES", "Result", "Simulator", "Stimuli", "compiler", "simulator"]

DEVICES = ("cpp_standalone", "cython", "numpy")
CODEGENS = ("dense", "stock")

Matrices = dict[tuple[str, str], np.ndarray]


@dataclass(frozen=True)
class Result:
    """What one run of a circuit gave.

    Attributes
    ----------
    matrices : dict from (source, target) to int array
        Every learned matrix after the run.
    drive : float array of shape (n_samples, n_out)
        Membrane of the readout population in the readout phase.
    spikes : bool array of shape (n_samples, n_out)
        Whether the readout population fired in that phase.
    recorded : tuple of three int arrays of shape (n_spikes,)
        Population (index into ``circuit.populations``), neuron in the population, time step since the first turn began
        (negative in the lead-in), sorted by step, population and neuron.
    seconds : float
        Wall time of the simulation loop alone.
    """

    matrices: Matrices
    drive: np.ndarray
    spikes: np.ndarray
    recorded: tuple[np.ndarray, np.ndarray, np.ndarray]
    seconds: float


class Stimuli:
    """What the sources of a circuit send: one row of 0 and 1 per sample, and a last row for the lead-in with the kick.

    Parameters
    ----------
    circuit : Circuit
    values : dict from source population to array of shape (n_samples, size)

    Raises
    ------
    ParameterError
        When a source has no values or values of another width.
    """

    def __init__(self, circuit: Circuit, values: dict[str, np.ndarray]):
        names = {population.name for population in circuit.sources} - {"kick"}
        if not names or names != set(values):
            raise ParameterError(
                f"Stimuli given for {', '.join(sorted(values)) or 'nothing'}, but the sources of the circuit {circuit.name} "
                f"are {', '.join(sorted(names)) or 'none'}; give an array for each."
            )
        self.n_samples = len(next(iter(values.values())))
        columns = []
        for population in circuit.sources:
            if population.name == "kick":
                part = np.zeros((self.n_samples + 1, 1), dtype=np.int8)
                part[-1] = 1
            else:
                given = values[population.name]
                if given.shape != (self.n_samples, population.size):
                    raise ParameterError(
                        f"Stimuli of {population.name} have shape {given.shape}, but the circuit {circuit.name} needs "
                        f"({self.n_samples}, {population.size}); match the layer sizes to the data."
                    )
                part = np.concatenate([given.astype(np.int8), np.zeros((1, population.size), dtype=np.int8)])
            columns.append(part)
        self.rows = np.ascontiguousarray(np.concatenate(columns, axis=1))
        self._file: Path | None = None

    def order(self, samples: np.ndarray) -> np.ndarray:
        """Rows in the order of the turns, the lead-in first; int32 of shape (n_turns + 1,)."""
        return np.concatenate([[self.n_samples], samples]).astype(np.int32)

    def file(self, folder: Path) -> Path:
        """The rows as a file, written on first use."""
        if self._file is None or not self._file.exists():
            self._file = Path(tempfile.mkstemp(dir=folder, prefix="stimuli-")[1])
            self.rows.tofile(self._file)
        return self._file


Progress = Callable[[int], None]


class Simulator:
    """One circuit, ready to run; made by `simulator`."""

    def __init__(self, circuit: Circuit, parameters: NBP, seed: int, codegen: str):
        self.circuit, self.parameters, self.seed, self.codegen = circuit, parameters, seed, codegen
        self.build_seconds = 0.0

    def run(
        self,
        matrices: Matrices,
        stimuli: Stimuli,
        samples: np.ndarray,
        *,
        noise_seed: int = 0,
        n_recorded: int = 0,
        progress: Progress | None = None,
    ) -> Result:
        """Run one turn per entry of `samples`.

        Parameters
        ----------
        matrices : dict from (source, target) to array
            Weights of every learned projection at the start.
        stimuli : Stimuli
        samples : int array of shape (n_turns,)
            Rows of the stimuli, in the order of their presentation.
        noise_seed : int
            Seed of the random numbers, where the circuit draws any.
        n_recorded : int
            Number of turns, from the first, whose spikes are recorded.
        progress : callable, optional
            Called with the number of turns done.
        """
        raise NotImplementedError

    def close(self) -> None:
        """Remove temporary files."""

    def __enter__(self) -> Simulator:
        return self

    def __exit__(self, *exception) -> None:
        self.close()

    def _values(self, matrices: Matrices, n_turns: int, n_recorded: int, noise_seed: int) -> dict[str, np.ndarray | float]:
        """Every variable that is set before a run, as ``object.variable``."""
        parameters = self.parameters
        values: dict[str, np.ndarray | float] = {
            f"neurons.{name}": value for name, value in neuron_values(self.circuit, parameters, self.seed).items()
        }
        values |= {"neurons.tau_m": parameters.tau_m, "neurons.tau_s": parameters.tau_s}
        values |= {"sources.n_turns": n_turns, "sources.n_recorded": n_recorded, "sources.noise_seed": noise_seed}
        for name, fixed in fixed_synapses(self.circuit, self.codegen).items():
            values[f"{name}.w"] = fixed.w
        for block in plastic_blocks(self.circuit):
            values[f"{block.name}.w"] = pack(block, matrices).ravel().astype(float)
            if self.circuit.reinforced:
                for name in ("w_max", "eta_plus", "eta_minus"):
                    values[f"{block.name}.{name}"] = float(getattr(parameters, name))
            if parameters.weight_noise:
                values[f"{block.name}.weight_noise"] = float(parameters.weight_noise)
        return values

    def _result(self, read: Callable[[str], np.ndarray], n_turns: int, seconds: float) -> Result:
        """Collect the results; `read` gives the final value of a variable by its name ``object.variable``."""
        circuit = self.circuit
        matrices: Matrices = {}
        for block in plastic_blocks(circuit):
            shape = tuple(sum(circuit[name].size for name in side) for side in (block.sources, block.targets))
            weights = read(f"{block.name}.w").reshape(shape)
            whole = np.rint(weights).astype(np.int32)
            if not np.array_equal(whole, weights):
                raise RunError(f"The weights of {block.name} are no longer whole numbers; choose dt and tau as powers of two.")
            matrices |= unpack(circuit, block, whole)
        n_out = circuit[circuit.readout].size
        drive, spike = (read(f"answers.{name}").reshape(n_turns, n_out) for name in ("drive", "spike"))
        return Result(matrices, drive.astype(float), spike > 0.5, self._recorded(read), seconds)

    def _recorded(self, read) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        circuit = self.circuit
        places = {population.name: place for place, population in enumerate(circuit.populations)}
        columns = []
        for monitor, group in (("source_spikes", circuit.sources), ("neuron_spikes", circuit.neurons)):
            index = read(f"{monitor}.i").astype(np.int64)
            step = np.rint(read(f"{monitor}.t") / self.parameters.dt).astype(np.int64) - circuit.lead
            starts = np.array([circuit.offsets[p.name] for p in group])
            which = np.searchsorted(starts, index, side="right") - 1
            population = np.array([places[p.name] for p in group])[which]
            columns.append((population, index - starts[which], step))
        population, neuron, step = (np.concatenate(parts) for parts in zip(*columns, strict=True))
        order = np.lexsort((neuron, population, step))
        return population[order].astype(np.int16), neuron[order].astype(np.int32), step[order]


def simulator(
    circuit: Circuit,
    parameters: NBP,
    *,
    device: str = "cpp_standalone",
    codegen: str = "dense",
    seed: int = 0,
    message: Callable[[str], None] = lambda text: None,
) -> Simulator:
    """Make a circuit ready to run: on C++ standalone, find its binary in the build cache or build it.

    Parameters
    ----------
    circuit : Circuit
    parameters : NBP
    device : {"cpp_standalone", "cython", "numpy"}
        C++ standalone, or Brian2's runtime with either code generation target, for debugging.
    codegen : {"dense", "stock"}
        Which templates make the C++ code: those of `models.codegen.dense`, which are faster, or Brian2's own. The spikes and
        weights are the same, bit for bit. The runtime always uses Brian2's own.
    seed : int
        Seed of drawn thresholds (``theta_spread``).
    message : callable
        Called with a line of text before a long build.

    Raises
    ------
    ParameterError
        For an unknown device.
    BuildError
        When there is no C++ compiler or the generated code does not compile.
    """
    if device not in DEVICES:
        raise ParameterError(f"Device {device!r} is unknown; use one of {', '.join(DEVICES)}.")
    if codegen not in CODEGENS:
        raise ParameterError(f"Code generation {codegen!r} is unknown; use one of {', '.join(CODEGENS)}.")
    if device == "cpp_standalone":
        return _CppSimulator(circuit, parameters, seed, codegen if dense_supported() else "stock", message)
    return _RuntimeSimulator(circuit, parameters, seed, device)


# ---------------------------------------------------------------------------------------------------------------------
# C++ standalone
# ---------------------------------------------------------------------------------------------------------------------


@cache
def compiler() -> tuple[str, str]:
    """Path and version of the C++ compiler ($CXX, else g++). Raises BuildError where there is none, or no make."""
    name = os.environ.get("CXX", "g++")
    path = shutil.which(name)
    if path is None:
        raise BuildError(f"No C++ compiler: {name!r} is not on PATH; install g++ (Debian: apt install g++ make) or set $CXX.")
    if shutil.which("make") is None:
        raise BuildError("The program make is not on PATH; install it (Debian: apt install make).")
    done = subprocess.run([path, "--version"], capture_output=True, text=True)
    if done.returncode:
        raise BuildError(f"The C++ compiler {path} does not run ({done.stderr.strip()[:200]}); install g++ or set $CXX.")
    return path, done.stdout.splitlines()[0]


@cache
def processor() -> str:
    """Model name of the processor: binaries are compiled for it (-march=native)."""
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


@cache
def _sources_digest() -> str:
    """Digest of the files that decide the generated code."""
    digest = hashlib.sha256()
    folder = Path(__file__).parent
    for path in sorted(folder.rglob("*")):
        if path.suffix in (".py", ".h", ".cpp"):
            digest.update(str(path.relative_to(folder)).encode() + path.read_bytes())
    return digest.hexdigest()


def _single_precision(circuit: Circuit, parameters: NBP, codegen: str) -> bool:
    """Whether float32 holds every state and every sum exactly, in any order: halves below 2^23, as in the Loihi setting."""
    loihi = parameters.tau_m == parameters.tau_s == parameters.dt and math.frexp(parameters.dt)[0] == 0.5
    fixed = [parameters.theta, *(population.bias for population in circuit.populations)]
    fixed += [projection.weight for projection in circuit.projections if not projection.plastic]
    largest = max(population.size for population in circuit.populations) * parameters.w_max - 4 * parameters.bias
    exact = all(2 * value == round(2 * value) for value in fixed) and largest + 16 * max(map(abs, fixed)) < 2**23
    return codegen == "dense" and loihi and not parameters.weight_noise and not parameters.theta_spread and exact


def _structure(circuit: Circuit, parameters: NBP, codegen: str) -> dict:
    """All that decides the generated code: what is not here is set when the binary runs."""
    return {
        "circuit": [
            circuit.name,
            circuit.period,
            circuit.lead,
            circuit.reinforced,
            circuit.readout,
            circuit.readout_phase,
        ],
        "populations": [(p.name, p.size, p.role, p.send_phase) for p in circuit.populations],
        "projections": [(p.source, p.target, p.connectivity, p.delay, p.plastic) for p in circuit.projections],
        "order": parameters.order,
        "noisy": parameters.weight_noise > 0,
        "dt": parameters.dt,
        "codegen": codegen,
        "single_precision": _single_precision(circuit, parameters, codegen),
        "sources": _sources_digest(),
        "packages": [metadata.version("brian2"), metadata.version("numpy")],
        "compiler": compiler(),
        "processor": processor(),
        "flags": os.environ.get("CXXFLAGS", ""),
    }


class _CppSimulator(Simulator):
    def __init__(self, circuit, parameters, seed, codegen, message):
        super().__init__(circuit, parameters, seed, codegen)
        self.folder = _cached_build(circuit, parameters, codegen, message)
        manifest = json.loads((self.folder / "manifest.json").read_text())
        self._arrays = {name: (entry["file"], np.dtype(entry["dtype"])) for name, entry in manifest["arrays"].items()}
        self.build_seconds = manifest["build_seconds"]
        # removed by close, and at the latest with this object
        self._temporary = tempfile.TemporaryDirectory(prefix="brianprop-", ignore_cleanup_errors=True)
        self._scratch = Path(self._temporary.name)

    def close(self):
        self._temporary.cleanup()

    def run(self, matrices, stimuli, samples, *, noise_seed=0, n_recorded=0, progress=None):
        samples = np.asarray(samples)
        results = Path(tempfile.mkdtemp(dir=self._scratch, prefix="run-"))
        try:
            arguments = []
            for name, value in self._values(matrices, len(samples), n_recorded, noise_seed).items():
                if np.ndim(value):
                    file = results / f"{name}.in"
                    value.astype(self._arrays[name][1]).tofile(file)
                    arguments.append(f"{name}={file}")
                else:
                    arguments.append(f"{name}={value!r}")
            (results / "rows").symlink_to(stimuli.file(self._scratch))
            stimuli.order(samples).tofile(results / "order")
            self._execute(results, arguments, progress)
            seconds = float((results / "loop_seconds.txt").read_text())
            return self._result(lambda name: self._read(results, name), len(samples), seconds)
        except OSError as error:
            raise RunError(
                f"Cannot write to {error.filename or results} ({error.strerror}); free space or set $TMPDIR."
            ) from error
        finally:
            shutil.rmtree(results, ignore_errors=True)

    def _execute(self, results: Path, arguments: list[str], progress: Progress | None) -> None:
        with (results / "stderr.txt").open("w+") as errors:
            process = subprocess.Popen(
                [self.folder / "main", "--results_dir", f"{results}/", *arguments],
                cwd=self.folder,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
            )
            try:
                for line in process.stdout:
                    word, _, number = line.partition(" ")
                    if word == "turns" and progress:
                        progress(int(number))
                    elif word != "turns":
                        errors.write(line)
                code = process.wait()
            except BaseException:
                process.kill()
                process.wait()
                raise
            if code:
                errors.seek(0)
                words = errors.read().strip()[-300:] or "no message"
                raise RunError(
                    f"The simulation {self.folder / 'main'} ended with status {code}: {words}; if it was killed, free memory "
                    "and run it again."
                )

    def _read(self, results: Path, name: str) -> np.ndarray:
        file, dtype = self._arrays[name]
        path = results / file
        if not path.exists():
            # Brian2 leaves out the file of a monitor that recorded nothing
            return np.empty(0, dtype)
        return np.fromfile(path, dtype)


def _cached_build(circuit: Circuit, parameters: NBP, codegen: str, message) -> Path:
    """The folder of a finished build, made if it is missing. Processes that need the same build wait for one another."""
    from filelock import FileLock

    structure = json.dumps(_structure(circuit, parameters, codegen), sort_keys=True)
    key = hashlib.sha256(structure.encode()).hexdigest()[:20]
    builds = cache_root() / "builds"
    folder = builds / key
    if (folder / "manifest.json").exists() and os.access(folder / "main", os.X_OK):
        return folder
    try:
        builds.mkdir(parents=True, exist_ok=True)
        with FileLock(builds / f"{key}.lock"):
            if (folder / "manifest.json").exists() and os.access(folder / "main", os.X_OK):
                return folder
            message(f"Building the circuit {circuit.name} (once per configuration) ...")
            unfinished = Path(tempfile.mkdtemp(dir=builds, prefix=f"{key}-"))
            try:
                _build(unfinished, circuit, parameters, codegen, structure)
                shutil.rmtree(folder, ignore_errors=True)
                unfinished.rename(folder)
            except BaseException:
                shutil.rmtree(unfinished, ignore_errors=True)
                raise
    except OSError as error:
        raise BuildError(
            f"Cannot write the build cache {builds} ({error.strerror}); free space or set $BRIANPROP_CACHE to another folder."
        ) from error
    return folder


MAIN_LOOP = """
{{
    brianprop::Mapped<int8_t> rows(brian::_stimulus_rows, results_dir + "rows");
    brianprop::Mapped<int32_t> order(brian::_stimulus_order, results_dir + "order");
    brian::_random_generators[0].seed({noise_seed}[0]);
    brianprop::Turns turns;
    turns.dt = {dt!r};
    turns.lead = {lead};
    turns.period = {period};
    turns.turns = {n_turns}[0];
    turns.recorded = {n_recorded}[0];
    turns.monitors = {{{monitors}}};
    turns.by_phase = {by_phase};
    turns.names = {{{names}}};
    turns.idle = {{{idle}}};
    turns.phased = {{{phased}}};
    brianprop::run_turns({network}, turns, results_dir);
}}
"""


def _code_of(network, name: str) -> list[str]:
    """Names of the code objects of an object of the network."""
    return [code.name for item in network.sorted_objects if item.name == name for code in item._code_objects]


def _stimulus(width: int, rows: np.ndarray, order: np.ndarray):
    """The function ``stimulus(turn, i)``; the standalone binary maps rows and order from files instead."""
    import brian2 as b2

    function = b2.Function(
        lambda turn, i: rows[order[turn + 1], i].astype(np.int32),
        arg_units=[1, 1],
        return_unit=1,
        arg_names=["turn", "i"],
        arg_types=["integer", "integer"],
        return_type="integer",
        auto_vectorise=False,
    )
    function.implementations.add_implementation(
        "cpp",
        f"""
        static inline int stimulus(const int64_t turn, const int64_t i) {{
            return _namespace_stimulus_rows[(int64_t)_namespace_stimulus_order[turn + 1] * {width} + i];
        }}
        """,
        namespace={"_stimulus_rows": rows.ravel(), "_stimulus_order": order},
    )
    function.implementations.add_implementation(
        "cython",
        f"""
        cdef int stimulus(long turn, long i):
            global _namespace_stimulus_rows
            global _namespace_stimulus_order
            return _namespace_stimulus_rows[_namespace_stimulus_order[turn + 1] * {width} + i]
        """,
        # Brian2's Cython target knows no int8
        namespace={"_stimulus_rows": rows.ravel().astype(np.int32), "_stimulus_order": order},
    )
    return function


@contextlib.contextmanager
def _brian2(device: str, single_precision: bool = False):
    """Brian2's global state for the length of a block: device, preferences; put back afterwards."""
    try:
        import brian2 as b2
    except Exception as error:
        raise BuildError(f"Brian2 cannot be imported ({error}); install the versions of setup.cfg ('make install').") from error
    # Brian2 numbers names that living objects hold: without those of earlier builds, equal circuits give equal code
    gc.collect()
    kept = {name: b2.prefs[name] for name in ("codegen.target", "codegen.cpp.headers", "core.default_float_dtype")}
    try:
        if device == "cpp_standalone":
            b2.set_device("cpp_standalone", build_on_run=False)
            b2.device.reinit()
            b2.device.activate(build_on_run=False)
            b2.prefs["codegen.cpp.headers"] = ['"turns.h"']
            b2.prefs["core.default_float_dtype"] = np.float32 if single_precision else np.float64
        else:
            b2.set_device("runtime")
            b2.prefs["codegen.target"] = device
        yield b2
    finally:
        if device == "cpp_standalone":
            b2.device.reinit()
        b2.set_device("runtime")
        for name, value in kept.items():
            b2.prefs[name] = value


def _build(folder: Path, circuit: Circuit, parameters: NBP, codegen: str, structure: str) -> None:
    """Generate and compile the standalone project of a circuit in `folder`."""
    import time

    start = time.perf_counter()
    with _brian2("cpp_standalone", _single_precision(circuit, parameters, codegen)) as b2:
        device = b2.device
        width = sum(population.size for population in circuit.sources)
        stimulus = _stimulus(width, np.zeros((1, width), dtype=np.int8), np.zeros(1, dtype=np.int32))
        # whole-number weights as int16 halve the memory that the largest loop reads
        small = _single_precision(circuit, parameters, codegen) and parameters.w_max < 2**15
        objects = create(circuit, parameters, stimulus, codegen, np.dtype(np.int16) if small else None)
        network = objects["network"]
        network.run(0 * b2.second, namespace={})  # adds every code object; the turns are run by the loop below
        variables = {
            name: device.get_array_name(objects["sources"].variables[name]) for name in ("n_turns", "n_recorded", "noise_seed")
        }
        monitors = [f"_run_{name}" for part in ("neuron_spikes", "source_spikes") for name in _code_of(network, part)]
        phased = [
            f"{{_run_{name}, {sum(1 << phase for phase in phases)}ULL}}"
            for part, phases in phases_of(circuit).items()
            for name in _code_of(network, part)
        ]
        dense = codegen == "dense"
        running = [code.name for item in network.sorted_objects for code in item._code_objects]
        # the queues of dense pathways do nothing; a noisy pathway is Brian2's own and needs its queue
        idle = [
            f"_run_{name}"
            for name, code in device.code_objects.items()
            if dense and name.endswith("_push_spikes") and type(code) is dense_codeobj_class()
        ]
        device.insert_code(
            "main",
            MAIN_LOOP.format(
                network=network.name,
                dt=parameters.dt,
                lead=circuit.lead,
                period=circuit.period,
                monitors=", ".join(monitors),
                idle=", ".join(idle),
                names=", ".join(f'{{_run_{name}, "{name}"}}' for name in running),
                phased=", ".join(phased) if dense else "",
                by_phase="true" if dense else "false",
                **variables,
            ),
        )
        for header in HEADERS:
            shutil.copy(header, folder / header.name)
        device.build(directory=str(folder), compile=False, run=False, with_output=False)
        arrays = _array_files(device, objects)
        per_synapse = {block.name: _bytes_per_synapse(objects[block.name]) for block in plastic_blocks(circuit)}
    _compile(folder)
    manifest = {
        "structure": json.loads(structure),
        "arrays": arrays,
        "bytes_per_synapse": per_synapse,
        "build_seconds": time.perf_counter() - start,
    }
    (folder / "manifest.json").write_text(json.dumps(manifest, indent=1))


def _array_files(device, objects) -> dict[str, dict[str, str]]:
    """File name and type of every array of the project, by ``object.variable``."""
    arrays = {}
    for name, item in objects.items():
        for variable in getattr(item, "variables", {}).values():
            if variable in device.arrays and variable.owner.name == name:
                arrays[f"{name}.{variable.name}"] = {
                    "file": device.get_array_filename(variable),
                    "dtype": np.dtype(variable.dtype).str,
                }
    return arrays


def _bytes_per_synapse(synapses) -> int:
    """What the running binary holds for each synapse: its two ends, and all variables that grow with the synapses."""
    growing = set(synapses._registered_variables) | {synapses.variables[name] for name in ("_synaptic_pre", "_synaptic_post")}
    return sum(np.dtype(variable.dtype).itemsize for variable in growing)


def _compile(folder: Path) -> None:
    """Compile with every core and a precompiled header, then drop what a finished binary does not need."""
    path, _ = compiler()
    text = (folder / "makefile").read_text()
    flags = next(line.partition("=")[2] for line in text.splitlines() if line.startswith("OPTIMISATIONS"))
    flags = f"{flags} {os.environ.get('CXXFLAGS', '')} -w -I."
    # Every generated file includes objects.h and much of the standard library: parse them once.
    header = subprocess.run(
        f"{path} {flags} -x c++-header objects.h -o objects.h.gch",
        shell=True,
        cwd=folder,
        capture_output=True,
        text=True,
    )
    # An up-to-date dependency file keeps make from preprocessing every source once more.
    (folder / "make.deps").write_text("")
    made = subprocess.run(
        ["make", f"-j{os.cpu_count() or 1}", f"CXX={path}", f"CXXFLAGS=-c {flags} -include objects.h"],
        cwd=folder,
        capture_output=True,
        text=True,
    )
    if made.returncode or header.returncode:
        lines = [line for line in (header.stderr + made.stderr).splitlines() if "error" in line.lower()]
        raise BuildError(
            f"The generated C++ does not compile with {path}: {(lines or ['no message'])[0]}; check the compiler and that "
            "the disk is not full."
        )
    for path in [*folder.rglob("*.o"), *folder.rglob("*.gch")]:
        path.unlink()


# ---------------------------------------------------------------------------------------------------------------------
# Brian2's runtime, for debugging
# ---------------------------------------------------------------------------------------------------------------------


class _RuntimeSimulator(Simulator):
    def __init__(self, circuit, parameters, seed, target):
        super().__init__(circuit, parameters, seed, "stock")
        self._target = target

    def run(self, matrices, stimuli, samples, *, noise_seed=0, n_recorded=0, progress=None):
        import time

        samples = np.asarray(samples)
        with _brian2(self._target) as b2:
            stimulus = _stimulus(stimuli.rows.shape[1], stimuli.rows, stimuli.order(samples))
            objects = create(self.circuit, self.parameters, stimulus, network_name="network*")
            for name, value in self._values(matrices, len(samples), n_recorded, noise_seed).items():
                owner, variable = name.split(".")
                objects[owner].variables[variable].set_value(value)
            b2.seed(noise_seed)
            start = time.perf_counter()
            network, dt = objects["network"], self.parameters.dt * b2.second
            monitors = objects["neuron_spikes"], objects["source_spikes"]
            if n_recorded <= 0:
                for monitor in monitors:
                    monitor.active = False
            network.run(self.circuit.lead * dt, namespace={})
            done = 0
            while done < len(samples):
                chunk = min(len(samples) - done, 16)
                if done < n_recorded:
                    chunk = min(chunk, n_recorded - done)
                network.run(chunk * self.circuit.period * dt, namespace={})
                done += chunk
                if done == n_recorded:
                    for monitor in monitors:
                        monitor.active = False
                if progress:
                    progress(done)
            seconds = time.perf_counter() - start

            def read(name):
                owner, variable = name.split(".")
                return np.array(objects[owner].variables[variable].get_value())

            return self._result(read, len(samples), seconds)


if sys.platform == "win32":  # the build steps above are those of a POSIX system
    raise BuildError("Brianprop builds on Linux and macOS; on Windows use the Windows Subsystem for Linux (WSL).")
