"""Brian2's devices: preferences, builds, the build cache, runs and their results. No other file knows of them.

A `Simulator` holds one circuit ready to run. On C++ standalone its binary is compiled once per configuration and kept in a
content-addressed cache; every run of it is a process of its own that reads weights and samples from files, so epochs need no
recompiling and parallel runs cannot disturb each other.
"""

from __future__ import annotations

import contextlib
import gc
import hashlib
import io
import itertools
import json
import logging
import math
import os
import platform
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zlib
from collections.abc import Callable
from functools import cache
from importlib import metadata
from pathlib import Path

import numpy as np

from models.cache import cache_root
from models.codegen import cuda
from models.codegen.dense import add_sources, dense_codeobj_class, dense_supported
from models.errors import BuildError, ParameterError, RunError
from models.model import Model, Result, Stimuli, Weights
from models.simulation.compiler import compile_cpp, compiler, flags, link_flags

__all__ = [
    "CODEGENS",
    "DEVICES",
    "Simulator",
    "build",
    "compiler",
    "is_built",
    "keep_sources",
    "require",
    "simulator",
    "sources",
]

DEVICES = ("cpp_standalone", "cuda", "cython", "numpy")
CODEGENS = ("dense", "stock")

#: What stands for `CODEGENS` where Brian2CUDA makes the code.
CUDA = "cuda"

Progress = Callable[[int], None]


class Simulator:
    """One model, ready to run; made by `simulator`."""

    def __init__(self, model: Model, codegen: str):
        self.model, self.codegen = model, codegen
        self.build_seconds = 0.0

    def run(
        self,
        weights: Weights,
        stimuli: Stimuli,
        samples: np.ndarray,
        *,
        noise_seed: int = 0,
        n_recorded: int = 0,
        first: int = 0,
        progress: Progress | None = None,
    ) -> Result:
        """Run one turn per entry of `samples`.

        Parameters
        ----------
        weights : dict of arrays
            The learned weights at the start, as the model names them.
        stimuli : Stimuli
        samples : int array of shape (n_turns,)
            Rows of the stimuli, in the order of their presentation. Of `models.replicas.Replicas` weights are a list, samples
            have the shape (n_networks, n_turns), and a list of results comes back.
        noise_seed : int
            Seed of the random numbers, where the model draws any.
        n_recorded : int
            Number of turns, from the first, whose spikes are recorded.
        first : int
            Number of samples that were learned before these, where the step of learning depends on it.
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

    def _values(self, weights: Weights, n_turns: int, n_recorded: int, noise_seed: int, first: int) -> dict:
        """Every variable that is set before a run, as ``object.variable``."""
        counts = {"n_turns": n_turns, "n_recorded": n_recorded, "noise_seed": noise_seed}
        own = self.model.arrays(weights, self.codegen) | self.model.constants(n_turns=n_turns, first=first)
        return own | {f"{self.model.sources}.{name}": value for name, value in counts.items()}


def simulator(
    model: Model,
    *,
    device: str = "cpp_standalone",
    codegen: str = "dense",
    message: Callable[[str], None] = lambda text: None,
) -> Simulator:
    """Make a model ready to run: on C++ standalone, find its binary in the build cache or build it.

    Parameters
    ----------
    model : Model
        Such as `models.nbp_model.NBPModel` or `models.ssnn_bp.SSNNModel`.
    device : {"cpp_standalone", "cuda", "cython", "numpy"}
        C++ standalone, a GPU by Brian2CUDA, or Brian2's runtime with either code generation target, for debugging.
    codegen : {"dense", "stock"}
        Which templates make the C++ code: those of `models.codegen.dense`, which are faster, or Brian2's own. Without random
        numbers spikes and weights are the same, bit for bit. The runtime always uses Brian2's own, a GPU those of Brian2CUDA.
    message : callable
        Called with a line of text before a long build.

    Raises
    ------
    ParameterError
        For an unknown device.
    BuildError
        When there is no compiler or no GPU, or the generated code does not compile.
    """
    if device not in DEVICES:
        raise ParameterError(f"Device {device!r} is unknown; use one of {', '.join(DEVICES)}.")
    if codegen not in CODEGENS:
        raise ParameterError(f"Code generation {codegen!r} is unknown; use one of {', '.join(CODEGENS)}.")
    require(device)
    if device in ("cuda", "cpp_standalone"):
        return _Standalone(model, _templates(device, codegen), message)
    if model.replicas > 1:
        raise ParameterError(
            f"Device {device!r} runs one network, not {model.replicas} side by side; use cpp_standalone or cuda for that."
        )
    return _RuntimeSimulator(model, device)


def require(device: str) -> None:
    """Make sure that all that a device needs is there, before a run directory is made or a long build begins.

    Raises
    ------
    BuildError
        Names what is missing: a C++ compiler, or for ``cuda`` the package, nvcc, cuRAND or a GPU.
    """
    if device == "cpp_standalone":
        compiler()
    elif device == "cuda":
        cuda.package_version(), cuda.nvcc(), cuda.curand(), cuda.gpu(), compiler()


def build(model: Model, device: str = "cpp_standalone", codegen: str = "dense", message=lambda text: None) -> Path:
    """Build a model without running it, such as on the machine of a cluster that has compilers but no GPU.

    Parameters
    ----------
    model, device, codegen, message
        See `simulator`. For ``cuda``, $BRIANPROP_CUDA_ARCHITECTURES names the compute capabilities of the machines to run on.

    Returns
    -------
    Path
        The folder of the binary in the build cache.

    Raises
    ------
    BuildError
        As `simulator` does, but without a GPU only if no architectures are named.
    """
    if device == "cuda":
        cuda.package_version(), cuda.nvcc(), cuda.curand()
    return _cached_build(model, _templates(device, codegen), message)


# ---------------------------------------------------------------------------------------------------------------------
# C++ standalone, and CUDA as a variety of it
# ---------------------------------------------------------------------------------------------------------------------


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
    """Digest of the files that decide the generated code: all of models but what runs without Brian2."""
    digest = hashlib.sha256()
    folder = Path(__file__).parent
    for path in sorted(folder.rglob("*")):
        if path.suffix in (".py", ".h", ".cpp", ".cu") and path.name not in ("ann.py", "reference.py"):
            digest.update(str(path.relative_to(folder)).encode() + path.read_bytes())
    return digest.hexdigest()


def _code(model: Model, codegen: str) -> dict:
    """All that decides the generated code: what is not here is set when the binary runs."""
    packages = [metadata.version("brian2"), metadata.version("numpy")]
    found = {"model": model.structure(), "codegen": codegen, "sources": _sources_digest(), "packages": packages}
    if codegen == CUDA:
        packages.append(cuda.package_version())
        found["architectures"] = cuda.architectures()
    return found


def _structure(model: Model, codegen: str) -> dict:
    """All that decides the binary: the generated code and what compiles it."""
    return _code(model, codegen) | {
        "compiler": [compiler(), cuda.nvcc()] if codegen == CUDA else compiler(),
        "processor": processor(),
        "flags": [flags(), link_flags()],
    }


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:20]


#: File of the generated project that holds what `_generate` returns.
GENERATED = "generated.json"


def _templates(device: str, codegen: str) -> str:
    """Whose templates make the code of a standalone device."""
    return CUDA if device == "cuda" else codegen if dense_supported() else "stock"


def sources(
    model: Model,
    device: str = "cpp_standalone",
    codegen: str = "dense",
    message: Callable[[str], None] = lambda text: None,
) -> tuple[str, bytes]:
    """The generated C++ project of a model, to be compiled elsewhere: another machine needs another binary of the same code.

    Parameters
    ----------
    model, device, codegen, message
        See `simulator`.

    Returns
    -------
    name : str
        The same for the same generated code.
    archive : bytes
        A tar file, for `keep_sources`.

    Raises
    ------
    BuildError
        When the code cannot be generated or the cache cannot be written.
    """
    codegen = _templates(device, codegen)
    name = _digest(json.dumps(_code(model, codegen), sort_keys=True))
    path = _sources_file(name)
    if path.is_file():
        return name, path.read_bytes()
    message(f"Generating the code of the circuit {model.name} ...")
    with tempfile.TemporaryDirectory(prefix="brianprop-") as folder:
        (Path(folder) / GENERATED).write_text(json.dumps(_generate(Path(folder), model, codegen)))
        text = io.BytesIO()
        with tarfile.open(fileobj=text, mode="w:gz") as archive:
            archive.add(folder, arcname=".")
    keep_sources(name, text.getvalue())
    return name, text.getvalue()


def is_built(model: Model, device: str = "cpp_standalone", codegen: str = "dense") -> bool:
    """Whether the binary of a model is in the cache of this machine."""
    try:
        structure = _structure(model, _templates(device, codegen))
    except BuildError:  # there is no compiler
        return False
    return _is_whole(cache_root() / "builds" / _digest(json.dumps(structure, sort_keys=True)))


def keep_sources(name: str, archive: bytes) -> None:
    """Keep what `sources` gave in the cache of this machine, where the next build of that code finds it.

    Raises
    ------
    BuildError
        When the cache cannot be written.
    """
    path = _sources_file(name)
    if path.is_file():
        return
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as file:
            try:
                file.write(archive)
                file.flush()
                os.replace(file.name, path)
            except BaseException:
                os.unlink(file.name)
                raise
    except OSError as error:
        raise BuildError(
            f"Cannot write the build cache {path.parent} ({error.strerror}); free space or set $BRIANPROP_CACHE to another "
            "folder."
        ) from error


def _sources_file(name: str) -> Path:
    return cache_root() / "sources" / f"{name}.tar.gz"


def _unpack(model: Model, codegen: str, folder: Path) -> dict | None:
    """Unpack kept sources of a model, if there are any that can be read; gives what `_generate` gave."""
    path = _sources_file(_digest(json.dumps(_code(model, codegen), sort_keys=True)))
    try:
        with tarfile.open(path) as archive:
            archive.extraction_filter = getattr(tarfile, "data_filter", None)  # Python 3.11.4 brought filters
            archive.extractall(folder)
        return json.loads((folder / GENERATED).read_text())
    except FileNotFoundError:
        return None
    except (tarfile.TarError, EOFError, zlib.error, ValueError):
        path.unlink(missing_ok=True)  # damaged: generated anew, here and where it is asked for again
        return None


class _Standalone(Simulator):
    def __init__(self, model, codegen, message):
        super().__init__(model, codegen)
        self.folder = _cached_build(model, codegen, message)
        manifest = json.loads((self.folder / "manifest.json").read_text())
        self._arrays = {name: (entry["file"], np.dtype(entry["dtype"])) for name, entry in manifest["arrays"].items()}
        self.build_seconds = manifest["build_seconds"]
        # removed by close, and at the latest with this object
        self._temporary = tempfile.TemporaryDirectory(prefix="brianprop-", ignore_cleanup_errors=True)
        self._scratch = Path(self._temporary.name)

    def close(self):
        self._temporary.cleanup()

    def run(self, weights, stimuli, samples, *, noise_seed=0, n_recorded=0, first=0, progress=None):
        samples = np.asarray(samples)
        n_turns = samples.shape[-1]
        results = Path(tempfile.mkdtemp(dir=self._scratch, prefix="run-"))
        try:
            arguments = []
            for name, value in self._values(weights, n_turns, n_recorded, noise_seed, first).items():
                if np.ndim(value) or not math.isfinite(value):  # Brian2 takes what begins with a letter for a file
                    file = results / f"{name}.in"
                    np.asarray(value).astype(self._arrays[name][1]).tofile(file)
                    arguments.append(f"{name}={file}")
                else:
                    arguments.append(f"{name}={value!r}")
            (results / "rows").symlink_to(stimuli.file(self._scratch))
            stimuli.order(samples).tofile(results / "order")
            self._execute(results, arguments, progress)
            seconds = float((results / "loop_seconds.txt").read_text())
            return self.model.result(self._reader(results), n_turns, seconds)
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

    def _reader(self, results: Path) -> Callable[[str], np.ndarray]:
        """Gives the final value of a variable, for `models.model.Model.result`."""
        if self.codegen != CUDA:
            return lambda name: self._read(results, name)
        orders: dict[str, np.ndarray] = {}

        def read_sorted(name):
            values, owner = self._read(results, name), name.partition(".")[0]
            if owner not in self.model.events:
                return values
            if owner not in orders:  # the spikes of a step come in any order
                orders[owner] = np.lexsort([self._read(results, f"{owner}.{key}") for key in ("i", "t")])
            return values[orders[owner]]

        return read_sorted

    def _read(self, results: Path, name: str) -> np.ndarray:
        file, dtype = self._arrays[name]
        path = results / file
        if not path.exists():
            # Brian2 leaves out the file of a monitor that recorded nothing
            return np.empty(0, dtype)
        return np.fromfile(path, dtype)


def _cached_build(model: Model, codegen: str, message) -> Path:
    """The folder of a finished build, made if it is missing. Processes that need the same build wait for one another."""
    from filelock import FileLock

    structure = json.dumps(_structure(model, codegen), sort_keys=True)
    key = _digest(structure)
    builds = cache_root() / "builds"
    folder = builds / key
    if _is_whole(folder):
        return folder
    try:
        builds.mkdir(parents=True, exist_ok=True)
        with FileLock(builds / f"{key}.lock"):
            if _is_whole(folder):
                return folder
            message(f"Building the circuit {model.name} (once per configuration) ...")
            unfinished = Path(tempfile.mkdtemp(dir=builds, prefix=f"{key}-"))
            try:
                _build(unfinished, model, codegen, structure)
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


def _is_whole(folder: Path) -> bool:
    """Whether a folder holds a finished build."""
    return (folder / "manifest.json").exists() and os.access(folder / "main", os.X_OK)


#: How the stimuli come to the generated code, and how its random numbers start.
PREPARED = {
    "cpp_standalone": """
    brianprop::Mapped<int8_t> rows(brian::_stimulus_rows, results_dir + "rows");
    brianprop::Mapped<int32_t> order(brian::_stimulus_order, results_dir + "order");
    brian::_random_generators[0].seed({noise_seed}[0]);
    """,
    "cuda_standalone": """
    int8_t *on_host = nullptr;
    int32_t *order_on_host = nullptr;
    brianprop::Mapped<int8_t> rows(on_host, results_dir + "rows");
    brianprop::Mapped<int32_t> order(order_on_host, results_dir + "order");
    brianprop::upload_stimuli(on_host, rows.size(), order_on_host, order.size());
    random_number_buffer.set_seed({noise_seed}[0]);
    """,
}

MAIN_LOOP = """
{{
    {prepared}
    brianprop::Turns turns;
    turns.dt = {dt!r};
    turns.lead = {lead};
    turns.period = {period};
    turns.turns = {n_turns}[0];
    turns.recorded = {n_recorded}[0];
    turns.monitors = {{{monitors}}};
    turns.by_phase = {by_phase};
    turns.own_loop = {own_loop};
    turns.names = {{{names}}};
    turns.idle = {{{idle}}};
    turns.phased = {{{phased}}};
    brianprop::run_turns({network}, turns, results_dir);
}}
"""


def _code_of(network, name: str) -> list[str]:
    """Names of the code objects of an object of the network."""
    return [code.name for item in network.sorted_objects if item.name == name for code in item._code_objects]


def _place(model: Model) -> str:
    """C++ code that finds, of byte `i` of the row of all networks, the byte `k` of the row of network `own`."""
    if model.replicas == 1:
        return "const int64_t k = i, own = 0;"
    lines, start = [], 0
    for size, alike in itertools.groupby(model.segments):
        stop = start + size * len(list(alike))
        every = model.replicas * size  # bytes of one segment of all networks
        lines.append(
            f"if (i < {model.replicas * stop}) {{ const int64_t rest = i - {model.replicas * start}; "
            f"own = rest % {every} / {size}; k = {start} + rest / {every} * {size} + rest % {size}; }}"
        )
        start = stop
    return "int64_t k = 0, own = 0; " + " else ".join(lines)


def _stimulus(model: Model, rows: np.ndarray, order: np.ndarray):
    """The function ``stimulus(turn, i)``; the standalone binary maps rows and order from files instead.

    Brian2 has no arrays of uint8: bytes are kept as int8, and as int32 where its runtime reads them.
    """
    import brian2 as b2

    width, body = model.width, f"{{rows}}[(int64_t){{order}}[(turn + 1) * {model.replicas} + own] * {model.width} + k]"

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
            {_place(model)}
            return static_cast<uint8_t>({body.format(rows="_namespace_stimulus_rows", order="_namespace_stimulus_order")});
        }}
        """,
        namespace={"_stimulus_rows": rows.ravel(), "_stimulus_order": order},
    )
    function.implementations.add_implementation(
        "cuda",
        f"""
        static inline __device__ int stimulus(const int64_t turn, const int64_t i) {{
            {_place(model)}
            return {body.format(rows="brianprop::stimulus_rows", order="brianprop::stimulus_order")};
        }}
        """,
    )
    function.implementations.add_implementation(
        "cython",
        f"""
        cdef int stimulus(long turn, long i):
            global _namespace_stimulus_rows
            global _namespace_stimulus_order
            return _namespace_stimulus_rows[_namespace_stimulus_order[turn + 1] * {width} + i]
        """,
        namespace={"_stimulus_rows": rows.ravel().astype(np.int32), "_stimulus_order": order},
    )
    return function


STANDALONE = ("cpp_standalone", "cuda_standalone")


@contextlib.contextmanager
def _brian2(device: str, single_precision: bool = False):
    """Brian2's global state for the length of a block: device, preferences; put back afterwards."""
    try:
        import brian2 as b2
    except Exception as error:
        raise BuildError(f"Brian2 cannot be imported ({error}); install the versions of setup.cfg ('make install').") from error
    # Brian2 numbers names that living objects hold: without those of earlier builds, equal circuits give equal code
    gc.collect()
    wanted: dict[str, object] = {}
    if device == "cuda_standalone":
        import brian2cuda  # noqa: F401 - makes its device and preferences known

        logging.getLogger("brian2.brian2cuda").setLevel(logging.ERROR)  # it says every preference, under a name of Brian2's
        wanted |= cuda.preferences(cuda.architectures())
    elif device == "cpp_standalone":
        wanted["codegen.cpp.headers"] = ['"turns.h"']
    else:
        wanted["codegen.target"] = device
    standalone = device in STANDALONE
    if standalone:
        wanted["core.default_float_dtype"] = np.float32 if single_precision else np.float64
    kept = {name: b2.prefs[name] for name in wanted}
    try:
        b2.set_device(device, build_on_run=False) if standalone else b2.set_device("runtime")
        if standalone:
            b2.device.reinit()
            b2.device.activate(build_on_run=False)
        for name, value in wanted.items():
            b2.prefs[name] = value
        yield b2
    finally:
        if standalone:
            b2.device.reinit()
        b2.set_device("runtime")
        for name, value in kept.items():
            b2.prefs[name] = value


def _build(folder: Path, model: Model, codegen: str, structure: str) -> None:
    """Generate and compile the standalone project of a model in `folder`."""
    import time

    start = time.perf_counter()
    generated = _unpack(model, codegen, folder) or _generate(folder, model, codegen)
    cuda.compile_cuda(folder) if codegen == CUDA else compile_cpp(folder, generated["hot"])
    manifest = {"structure": json.loads(structure), **generated, "build_seconds": time.perf_counter() - start}
    (folder / "manifest.json").write_text(json.dumps(manifest, indent=1))


def _generate(folder: Path, model: Model, codegen: str) -> dict:
    """Generate the standalone project of a model in `folder`; gives what the manifest says of arrays and synapses."""
    target = "cuda_standalone" if codegen == CUDA else "cpp_standalone"
    with _brian2(target, model.single_precision(codegen)) as b2:
        device, clock = b2.device, None
        stimulus = _stimulus(model, np.zeros((1, model.width), dtype=np.int8), np.zeros(1, dtype=np.int32))
        if codegen == CUDA:  # whose arrows look at the time of the default clock for their delays, whatever theirs is
            clock = device.defaultclock
            clock.dt = model.dt * b2.second
        objects = model.create(stimulus, codegen, clock=clock)
        network = objects["network"]
        network.run(0 * b2.second, namespace={})  # adds every code object; the turns are run by the loop below
        variables = {
            name: device.get_array_name(objects[model.sources].variables[name])
            for name in ("n_turns", "n_recorded", "noise_seed")
        }
        period = model.period
        if isinstance(period, str):  # a variable that is set when the binary runs
            owner, _, name = period.partition(".")
            period = f"{device.get_array_name(objects[owner].variables[name])}[0]"
        monitors = [f"_run_{name}" for part in model.monitors for name in _code_of(network, part)]
        phased = [
            f"{{_run_{name}, {{{', '.join(map(str, phases))}}}}}"
            for part, phases in model.phases().items()
            for name in _code_of(network, part)
        ]
        dense = codegen == "dense"
        running = [code.name for item in network.sorted_objects for code in item._code_objects]
        # the queues of dense pathways do nothing; one of Brian2's own pathways needs its queue
        idle = [
            f"_run_{name}"
            for name, code in device.code_objects.items()
            if dense and name.endswith("_push_spikes") and type(code) is dense_codeobj_class()
        ]
        loop = MAIN_LOOP.format(
            prepared=PREPARED[target].format(**variables),
            network=network.name,
            dt=model.dt,
            lead=model.lead,
            period=period,
            monitors=", ".join(monitors),
            idle=", ".join(idle),
            names=", ".join(f'{{_run_{name}, "{name}"}}' for name in running),
            phased=", ".join(phased) if dense else "",
            by_phase="true" if dense else "false",
            own_loop="false" if codegen == CUDA else "true",  # Brian2CUDA turns its rings of spikes in Brian2's
            **variables,
        )
        if codegen == CUDA:
            # before the end of the run of no length, after which its random numbers are gone
            lines = next(arguments[1] for kind, arguments in device.main_queue if kind == "run_network")
            lines.insert(lines.index("random_number_buffer.run_finished();"), loop)
            added = cuda.add_gpu_sources(folder)
        else:
            device.insert_code("main", loop)
            added = add_sources(folder)
        device.build(directory=str(folder), compile=False, run=False, with_output=False, additional_source_files=added)
        if codegen == CUDA:
            cuda.mend(folder)
        arrays = _array_files(device, objects)
        per_synapse = {name: _bytes_per_synapse(objects[name]) for name in model.learned}
    # what does nothing, or runs once, needs no optimisation
    hot = [name for name in running if f"_run_{name}" not in idle]
    return {"arrays": arrays, "bytes_per_synapse": per_synapse, "hot": hot}


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


# ---------------------------------------------------------------------------------------------------------------------
# Brian2's runtime, for debugging
# ---------------------------------------------------------------------------------------------------------------------


class _RuntimeSimulator(Simulator):
    def __init__(self, model, target):
        super().__init__(model, "stock")
        self._target = target

    def run(self, weights, stimuli, samples, *, noise_seed=0, n_recorded=0, first=0, progress=None):
        import time

        samples, model = np.asarray(samples), self.model
        with _brian2(self._target) as b2:
            stimulus = _stimulus(model, stimuli.rows, stimuli.order(samples))
            objects = model.create(stimulus, "stock", network_name="network*")
            for name, value in self._values(weights, len(samples), n_recorded, noise_seed, first).items():
                owner, variable = name.split(".")
                objects[owner].variables[variable].set_value(value)
            b2.seed(noise_seed)
            start = time.perf_counter()
            network, dt, period = objects["network"], model.dt * b2.second, model.period
            if isinstance(period, str):
                owner, _, name = period.partition(".")
                period = int(np.asarray(objects[owner].variables[name].get_value()).item())
            monitors = [objects[name] for name in model.monitors]
            if n_recorded <= 0:
                for monitor in monitors:
                    monitor.active = False
            network.run(model.lead * dt, namespace={})
            done = 0
            while done < len(samples):
                chunk = min(len(samples) - done, 16)
                if done < n_recorded:
                    chunk = min(chunk, n_recorded - done)
                network.run(chunk * period * dt, namespace={})
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

            return self.model.result(read, len(samples), seconds)


if sys.platform == "win32":  # the build steps above are those of a POSIX system
    raise BuildError("Brianprop builds on Linux and macOS; on Windows use the Windows Subsystem for Linux (WSL).")
