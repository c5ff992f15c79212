"""What Brian2CUDA needs to build and run with current CUDA: the compiler, the GPU, preferences, and corrected sources.

Source: D. Alevi, M. Stimberg, H. Sprekeler, K. Obermayer, M. Augustin, "Brian2CUDA: flexible and efficient simulation of
spiking neural network models on GPUs", Frontiers in Neuroinformatics 16:883700 (2022).
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from functools import cache
from importlib import metadata
from pathlib import Path

from brianprop.models.dense import units
from brianprop.models.errors import BuildError
from brianprop.models.simulation.compiler import compiler, flags, in_parallel
from brianprop.models.simulation.waiting import Progress

__all__ = [
    "ARCHITECTURES",
    "add_gpu_sources",
    "architectures",
    "compile_cuda",
    "curand",
    "gpu",
    "mend",
    "nvcc",
    "package_version",
    "preferences",
]

#: Environment variable with the compute capabilities to compile for, such as ``80,90``, instead of that of this machine's GPU.
ARCHITECTURES = "BRIANPROP_CUDA_ARCHITECTURES"

#: Usual folder of the toolkit, where it is not on PATH.
STANDARD_PLACE = "/usr/local/cuda"

#: Alternative where there is no CUDA, for messages.
OTHERWISE = "or use --device cpp_standalone"


def package_version() -> str:
    """Version of Brian2CUDA. Raises BuildError where it is not installed."""
    try:
        return metadata.version("brian2cuda")
    except metadata.PackageNotFoundError:
        raise BuildError(
            "The package brian2cuda is not installed; install it on Python 3.12 with 'pip install brianprop[cuda]', "
            f"{OTHERWISE}."
        ) from None


@cache
def nvcc() -> tuple[str, str]:
    """Path and version of CUDA's compiler. Raises BuildError where there is none."""
    path = shutil.which("nvcc", path=os.pathsep.join([os.environ.get("PATH", ""), f"{STANDARD_PLACE}/bin"]))
    if path is None:
        raise BuildError(f"CUDA's compiler nvcc is not on PATH; install the CUDA toolkit 12 or 13, {OTHERWISE}.")
    done = subprocess.run([path, "--version"], capture_output=True, text=True)
    if done.returncode:
        raise BuildError(f"CUDA's compiler {path} does not run ({done.stderr.strip()[:200]}); install it anew, {OTHERWISE}.")
    return os.path.realpath(path), done.stdout.strip().splitlines()[-1]


@cache
def gpu() -> tuple[str, str]:
    """Name and compute capability (such as ``90``) of the GPU that is used: the first of $CUDA_VISIBLE_DEVICES, or the first.

    Raises
    ------
    BuildError
        Where there is none.
    """
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    which = [] if visible is None else ["--id=" + visible.split(",")[0]]
    query = ["nvidia-smi", "--query-gpu=name,compute_cap", "--format=csv,noheader", *which]
    try:
        done = subprocess.run(query, capture_output=True, text=True, timeout=60)
        said = (done.stdout + done.stderr).strip()
    except (OSError, subprocess.TimeoutExpired) as error:
        done, said = None, str(error)
    found = re.match(r"(.+), (\d+)\.(\d+)$", said.splitlines()[0]) if said and done and not done.returncode else None
    if found is None:
        raise BuildError(
            f"There is no NVIDIA GPU to run on (nvidia-smi: {said[:200] or 'nothing'}); choose a machine with one and look at "
            f"$CUDA_VISIBLE_DEVICES, {OTHERWISE}."
        )
    return found[1], found[2] + found[3]


@cache
def curand() -> tuple[Path, Path] | None:
    """Folder of the headers and file of the library of cuRAND from NVIDIA's Python package; None where the toolkit has it.

    Raises
    ------
    BuildError
        When it is nowhere.
    """
    roots = [Path(nvcc()[0]).parents[1], Path(STANDARD_PLACE), Path("/usr")]
    roots += [Path(os.environ[name]) for name in ("CUDA_PATH", "CUDA_HOME") if os.environ.get(name)]
    if any((root / "include" / "curand.h").exists() for root in roots):
        return None
    for file in (metadata.files("nvidia-curand") or []) if _installed("nvidia-curand") else []:
        if file.name.startswith("libcurand.so"):
            library = Path(str(file.locate()))
            return library.parents[1] / "include", library
    raise BuildError(
        f"The CUDA toolkit of {nvcc()[0]} has no cuRAND (curand.h); install it, or 'pip install nvidia-curand' for CUDA 13, "
        f"{OTHERWISE}."
    )


def _installed(package: str) -> bool:
    try:
        return bool(metadata.version(package))
    except metadata.PackageNotFoundError:
        return False


def architectures() -> tuple[str, ...]:
    """Compute capabilities to compile for, such as ``("80", "90")``: those of $BRIANPROP_CUDA_ARCHITECTURES, or of the GPU.

    Raises
    ------
    BuildError
        When the variable holds anything else, or is not set and there is no GPU.
    """
    text = os.environ.get(ARCHITECTURES)
    if not text:
        return (gpu()[1],)
    chosen = tuple(word.strip().replace(".", "") for word in text.split(","))
    if not all(re.fullmatch(r"\d{2,3}", word) for word in chosen):
        raise BuildError(f"${ARCHITECTURES} = {text!r} must name compute capabilities, such as 80,90; set it anew.")
    return chosen


def preferences(chosen: tuple[str, ...]) -> dict[str, object]:
    """Brian2's preferences that generate code for some compute capabilities; `compile_cuda` compiles it."""
    backend = {
        "detect_gpus": False,
        "gpu_id": 0,
        "compute_capability": float(f"{chosen[0][:-1]}.{chosen[0][-1]}"),
        "detect_cuda": False,
        "cuda_path": STANDARD_PLACE,
        "cuda_runtime_version": 0.0,
    }
    found: dict[str, object] = {f"devices.cuda_standalone.cuda_backend.{name}": value for name, value in backend.items()}
    return found | {"codegen.cpp.headers": ['"stimuli.h"', '"turns.h"']}


def add_gpu_sources(folder: Path) -> list[str]:
    """Copy the files that a project needs into its folder. Returns the names of the sources to compile."""
    here = Path(__file__).parent
    for file in (here / "turns.h", *(here / "gpu").iterdir()):
        shutil.copy(file, folder / file.name)
    return ["stimuli.cu"]


#: Files of code per unit: the headers of each unit cost about ten seconds.
CODE_PER_UNIT = 12


def build_flags() -> tuple[list[str], list[str], list[str]]:
    """Flags for nvcc: those of all calls, those to compile a unit, and those to link.

    They differ from those of Brian2CUDA 1.0b1 in three ways. Its C++11 is too old for the headers of CUDA 12 and 13. A header
    of Thrust has to be included, which other headers once did. Its ``-use_fast_math`` makes dt / tau inexact.
    """
    apart = curand()
    # nvcc takes a program, not a command, and ccache does not work below nvcc
    host = [word for word in compiler()[0] if "ccache" not in Path(word).name]
    generate = [word for one in architectures() for word in ("-gencode", f"arch=compute_{one},code=sm_{one}")]
    always = ["-ccbin", host[0], "-w", "-std=c++17", "-I.", *generate, *([f"-I{apart[0]}"] if apart else [])]
    passed = " ".join(["-O3", *host[1:], *(flag for flag in flags() if flag not in ("-ffast-math", "-I."))])
    libraries = ["-lcurand", *(["-L.", "-Xlinker", f"-rpath={apart[1].parent}"] if apart else [])]
    return always, ["-include", "thrust/pair.h", "-Xcompiler", passed, "-dc"], libraries


def compile_cuda(folder: Path, progress: Progress = lambda done, total: None) -> None:
    """Compile the CUDA project in a folder to ``main``.

    Parameters
    ----------
    folder : Path
    progress : callable
        Called with the number of units that are compiled, and of all.

    Raises
    ------
    BuildError
        With the message of the compiler.
    """
    apart = curand()
    if apart and not (folder / "libcurand.so").exists():
        # the library of a Python package lacks the name that the linker looks for
        (folder / "libcurand.so").symlink_to(apart[1])
    for number, part in enumerate(units.divide((folder / "code_objects").glob("*.cu"), CODE_PER_UNIT)):
        (folder / f"unit_{number}.cu").write_text(units.join(part))
    sources = sorted(path.name for path in folder.glob("*.cu"))
    nvcc_flags, compile_flags, libraries = build_flags()
    remedy = "check that this nvcc works with this g++, $CXX and $CXXFLAGS, and that the disk is not full."
    commands = [[nvcc()[0], *nvcc_flags, *compile_flags, name, "-o", f"{name[:-3]}.o"] for name in sources]
    in_parallel(commands, folder, remedy, progress)
    objects = [f"{name[:-3]}.o" for name in sources]
    in_parallel([[nvcc()[0], *nvcc_flags, *objects, "-o", "main", *libraries]], folder, remedy)
    for path in [*folder.glob("*.o"), *folder.glob("unit_*.cu")]:
        path.unlink()


#: Corrections of the generated sources of Brian2CUDA 1.0b1, by file: a pattern and its replacement.
MENDED = {
    # values may be names of files, whose capitals would be lost
    "objects.cu": {
        r"std::for_each\(s_value\.begin\(\).*?\}\);": 'if (s_value == "True" || s_value == "False") s_value[0] += 32;'
    },
    # counts all pairs of neurons in a tree, which takes minutes and tens of GiB for many networks; not needed with atomics
    "code_objects/*_synapses_create_*.cu": {
        r"std::map<std::pair<int32_t, int32_t>, int32_t> source_target_count;.*?(?=[ \t]*// copy changed host data)": ""
    },
}
#: Corrections of the code of every pathway.
PATHWAYS = {
    # the loop variable is called j, which is the name of the target neuron in the code of synapses; ...
    "for(int j = tid; j < num_synapses; j+=_threads_per_block)": (
        "for (int _place = tid; _place < num_synapses; _place += _threads_per_block)"
    ),
    "propagating_synapses[j];": "propagating_synapses[_place];",
    # ... and all neurons that spike in a step would draw the same random numbers
    "_vectorisation_idx = j;": "_vectorisation_idx = _idx;",
    "for (int j = syn_in_bundle_idx; j < bundle_size; j+=threads_per_bundle)": (
        "for (int _place = syn_in_bundle_idx; _place < bundle_size; _place += threads_per_bundle)"
    ),
    "synapse_bundle[j];": "synapse_bundle[_place];",
}
#: Integer division, such as that of time steps by steps per sample: in single precision it is wrong from 2^24 steps on.
DIVISION = "1.0f*x/y", "1.0*x/y"


def mend(folder: Path) -> None:
    """Correct the generated sources of a project. Raises BuildError where they do not have the expected form."""
    for pattern, changes in MENDED.items():
        for path in folder.glob(pattern):
            _change(path, changes)
    for path in folder.glob("code_objects/*.cu"):
        path.write_text(path.read_text().replace(*DIVISION))
        if "propagating_synapses" in path.read_text():
            _change(path, {re.escape(text): replacement for text, replacement in PATHWAYS.items()})


def _change(path: Path, changes: dict[str, str]) -> None:
    text = path.read_text()
    for pattern, replacement in changes.items():
        text, n_matches = re.subn(pattern, lambda match, new=replacement: new, text, flags=re.DOTALL)
        if n_matches != 1:
            raise BuildError(
                f"{path.name} of Brian2CUDA {package_version()} is not as expected; install brian2cuda 1.0b1, {OTHERWISE}."
            )
    path.write_text(text)
