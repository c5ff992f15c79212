"""From a model to a generated project: Brian2's global state, its devices, and the loop over turns."""

from __future__ import annotations

import contextlib
import gc
import importlib
import itertools
import logging
import re
import shutil
from pathlib import Path

import numpy as np

from brianprop.models.dense import DenseError, add_sources, dense_codeobj_class
from brianprop.models.errors import BuildError
from brianprop.models.model import Model
from brianprop.models.simulation import cuda

__all__ = ["CUDA", "add_cpp_sources", "brian2_device", "generate", "stimulus_function"]

#: The value of `codegen` where Brian2CUDA makes the code.
CUDA = "cuda"

#: C++ code that maps the stimuli into memory and seeds the random numbers, by Brian2's device.
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
    {after}
}}
"""


def _code_of(network, name: str) -> list[str]:
    """Names of the code objects of the object of that name in the network."""
    return [code.name for item in network.sorted_objects if item.name == name for code in item._code_objects]


def _locate_byte(model: Model) -> str:
    """C++ code that finds where byte `i` of the row of all networks is: byte `k` in the row of network number `own`."""
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


def stimulus_function(model: Model, rows: np.ndarray, order: np.ndarray):
    """The Brian2 function ``stimulus(turn, i)``.

    Brian2 has no arrays of uint8: bytes are stored as int8, and for its runtime as int32.

    Parameters
    ----------
    model : Model
    rows : int8 or uint8 array of shape (n_rows, width)
        Rows of the stimuli. A standalone binary maps rows and order from files instead.
    order : int32 array
        Row number of each turn, with the lead-in first.

    Returns
    -------
    brian2.Function
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
            {_locate_byte(model)}
            return static_cast<uint8_t>({body.format(rows="_namespace_stimulus_rows", order="_namespace_stimulus_order")});
        }}
        """,
        namespace={"_stimulus_rows": rows.view(np.int8).ravel(), "_stimulus_order": order},
    )
    function.implementations.add_implementation(
        "cuda",
        f"""
        static inline __device__ int stimulus(const int64_t turn, const int64_t i) {{
            {_locate_byte(model)}
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
def brian2_device(device: str, single_precision: bool = False):
    """Set Brian2's global state (device, preferences) while the block runs, and restore it afterwards.

    Parameters
    ----------
    device : {"cpp_standalone", "cuda_standalone", "numpy", "cython"}
    single_precision : bool
        Whether floating point variables are float32 (standalone devices only).

    Raises
    ------
    BuildError
        When Brian2 cannot be imported.
    """
    try:
        import brian2 as b2
    except Exception as error:
        raise BuildError(f"Brian2 cannot be imported ({error}); install the versions of setup.cfg ('make install').") from error
    # Brian2 adds numbers to names that are still in use: without the objects of earlier builds, equal circuits give equal code
    gc.collect()
    wanted: dict[str, object] = {}
    if device == "cuda_standalone":
        importlib.import_module("brian2cuda")  # makes its device and preferences known

        logging.getLogger("brian2.brian2cuda").setLevel(logging.ERROR)  # it logs every preference
        wanted |= cuda.preferences(cuda.architectures())
    elif device == "cpp_standalone":
        wanted["codegen.cpp.headers"] = ['"turns.h"']
    else:
        wanted["codegen.target"] = device
    standalone = device in STANDALONE
    if standalone:
        wanted["core.default_float_dtype"] = np.float32 if single_precision else np.float64
    # the user's preferences are meant for other simulations: they would change the code, or keep it from compiling
    kept = {name: b2.prefs[name] for name in b2.prefs}
    try:
        b2.prefs.reset_to_defaults()
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


def generate(folder: Path, model: Model, codegen: str) -> dict:
    """Generate the standalone project of a model in `folder`.

    Returns
    -------
    dict
        For the manifest: ``arrays`` (file, type and size by ``object.variable``), ``bytes_per_synapse`` (by name of the
        Synapses object) and ``hot`` (names of the pieces of code that run in each step).

    Raises
    ------
    BuildError
        When the code cannot be generated.
    """
    target = "cuda_standalone" if codegen == CUDA else "cpp_standalone"
    with brian2_device(target, model.single_precision(codegen)) as b2:
        device, clock = b2.device, None
        stimulus = stimulus_function(model, np.zeros((1, model.width), dtype=np.int8), np.zeros(1, dtype=np.int32))
        if codegen == CUDA:  # its synapses compute delays in steps of the default clock, whatever their own clock is
            clock = device.defaultclock
            setattr(clock, "dt", model.dt * b2.second)  # noqa: B010 - Brian2 types it as an empty class
        try:
            objects = model.create(stimulus, codegen, clock=clock)
        except DenseError as error:
            raise BuildError(str(error)) from error
        network = objects["network"]
        network.run(0 * b2.second, namespace={})  # adds every code object; the loop below runs the turns
        variables = {
            name: device.get_array_name(objects[model.sources].variables[name])
            for name in ("n_turns", "n_recorded", "noise_seed")
        }
        period = model.period
        if isinstance(period, str):  # name of a variable that is set when the binary runs
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
        # dense pathways do not use their queues; Brian2's own pathways need theirs
        idle = [
            f"_run_{name}"
            for name, code in device.code_objects.items()
            if dense and name.endswith("_push_spikes") and type(code) is dense_codeobj_class()
        ]
        # Brian2 calls these after its own run, which is over before the first turn
        after = [arguments[0].name for kind, arguments in device.main_queue if dense and kind == "after_run_code_object"]
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
            after=" ".join(f"_after_run_{name}();" for name in after),
            by_phase="true" if dense else "false",
            own_loop="false" if codegen == CUDA else "true",  # Brian2CUDA advances its ring buffers in Brian2's loop
            **variables,
        )
        if codegen == CUDA:
            # before the end of the run of length 0, after which the random numbers are freed
            lines = next(arguments[1] for kind, arguments in device.main_queue if kind == "run_network")
            lines.insert(lines.index("random_number_buffer.run_finished();"), loop)
            added = cuda.add_gpu_sources(folder)
        else:
            device.insert_code("main", loop)
            added = add_cpp_sources(folder)
        device.build(directory=str(folder), compile=False, run=False, with_output=False, additional_source_files=added)
        if codegen == CUDA:
            cuda.mend(folder)
        check_files(folder / ("objects.cu" if codegen == CUDA else "objects.cpp"))
        arrays = _array_files(device, objects)
        per_synapse = {name: _bytes_per_synapse(objects[name]) for name in model.learned}
    # all other code does nothing or runs once, and needs no optimisation
    hot = [name for name in running if f"_run_{name}" not in idle]
    return {"arrays": arrays, "bytes_per_synapse": per_synapse, "hot": hot}


def add_cpp_sources(folder: Path) -> list[str]:
    """Copy the C++ files that a project needs into its folder. Returns the names of the sources to compile."""
    shutil.copy(Path(__file__).with_name("turns.h"), folder / "turns.h")
    return add_sources(folder)


#: Lines of generated code that read or write the files of arrays. By itself, the program continues after an error in them.
READ_OR_WRITTEN = re.compile(r"^([ \t]*)((?:f_static_array|outfile)\w*)\.(read|write)\((.*)\);$", re.MULTILINE)
CLOSED = re.compile(r"^(\s*)(outfile\w+)\.close\(\);$", re.MULTILINE)
NOT_OPENED = re.compile(r"^(\s*)std::cout << \"(Error (?:opening|writing)[^\"]*)\" << endl;$", re.MULTILINE)
FAILS = 'std::cerr << "{}" << std::endl; std::exit(3);'


def check_files(path: Path) -> None:
    """Change a generated program so that it ends with an error where a file of an array cannot be read or written completely.

    Parameters
    ----------
    path : Path
        The generated source that defines the arrays.

    Raises
    ------
    BuildError
        Where this source does not have the expected form.
    """
    text, n_files = READ_OR_WRITTEN.subn(
        lambda match: f"{match[0]}\n{match[1]}if (!{match[2]}) {{ {FAILS.format(f'cannot {match[3]} {match[2]}')} }}",
        path.read_text(),
    )
    text, n_closed = CLOSED.subn(
        lambda match: f"{match[0]}\n{match[1]}if (!{match[2]}) {{ {FAILS.format(f'cannot write {match[2]}')} }}", text
    )
    text, n_opened = NOT_OPENED.subn(lambda match: match[1] + FAILS.format(match[2]), text)
    if not n_files or not n_closed or not n_opened:
        raise BuildError(f"{path.name} of this version of Brian2 is not as expected; install the versions of setup.cfg.")
    path.write_text(text)


def _array_files(device, objects) -> dict[str, dict]:
    """File name, type and size of every array of the project, by ``object.variable``. The size is None for arrays that grow."""
    from brian2.core.variables import DynamicArrayVariable

    arrays = {}
    for name, item in objects.items():
        for variable in getattr(item, "variables", {}).values():
            if variable in device.arrays and variable.owner.name == name:
                arrays[f"{name}.{variable.name}"] = {
                    "file": device.get_array_filename(variable),
                    "dtype": np.dtype(variable.dtype).str,
                    "size": None if isinstance(variable, DynamicArrayVariable) else int(variable.size),
                }
    return arrays


def _bytes_per_synapse(synapses) -> int:
    """Memory per synapse in the running binary [bytes]: indices of its two neurons, and all variables of the synapses."""
    growing = set(synapses._registered_variables) | {synapses.variables[name] for name in ("_synaptic_pre", "_synaptic_post")}
    return sum(np.dtype(variable.dtype).itemsize for variable in growing)
