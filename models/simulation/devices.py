"""The choice of a device, and what each device needs."""

from __future__ import annotations

from pathlib import Path

from brianprop.models.cache import private_folder
from brianprop.models.dense import dense_supported
from brianprop.models.errors import ParameterError, did_you_mean
from brianprop.models.model import Model
from brianprop.models.simulation import builds, cuda
from brianprop.models.simulation.compiler import compiler
from brianprop.models.simulation.generate import CUDA
from brianprop.models.simulation.runtime import RuntimeSimulator
from brianprop.models.simulation.simulator import Simulator
from brianprop.models.simulation.standalone import StandaloneSimulator
from brianprop.models.simulation.waiting import Message, silent

__all__ = ["CODEGENS", "DEVICES", "build", "codegen_used", "is_built", "require", "simulator", "sources"]

DEVICES = ("cpp_standalone", "cuda", "cython", "numpy")
CODEGENS = ("dense", "stock")

#: Devices whose code is compiled before it runs.
COMPILED = ("cpp_standalone", "cuda")


def simulator(
    model: Model,
    *,
    device: str = "cpp_standalone",
    codegen: str = "dense",
    message: Message = silent,
) -> Simulator:
    """Make a model ready to run: on C++ standalone, find its binary in the build cache or build it.

    Parameters
    ----------
    model : Model
        Such as `models.nbp.model.GatedModel` or `models.ssnn_bp.model.SSNNModel`.
    device : {"cpp_standalone", "cuda", "cython", "numpy"}
        C++ standalone, a GPU by Brian2CUDA, or Brian2's runtime with either code generation target, for debugging.
    codegen : {"dense", "stock"}
        Which templates make the C++ code: those of `models.dense`, which are faster, or Brian2's own. Without random numbers,
        spikes and weights are the same, bit for bit. The runtime always uses Brian2's own, a GPU those of Brian2CUDA.
    message : callable
        Called with lines of text about a long build; on a terminal a clock runs too. By default nothing is shown.

    Raises
    ------
    ParameterError
        For an unknown device.
    BuildError
        When there is no compiler or no GPU, or the generated code does not compile.
    """
    if device not in DEVICES:
        raise ParameterError(f"Device {device!r} is unknown; use one of {', '.join(DEVICES)}.{did_you_mean(device, DEVICES)}")
    if codegen not in CODEGENS:
        raise ParameterError(
            f"Code generation {codegen!r} is unknown; use one of {', '.join(CODEGENS)}.{did_you_mean(codegen, CODEGENS)}"
        )
    require(device)
    if device in COMPILED:
        return StandaloneSimulator(model, _templates(device, codegen), message)
    if model.replicas > 1:
        raise ParameterError(
            f"Device {device!r} runs one network, not {model.replicas} side by side; use cpp_standalone or cuda for that."
        )
    return RuntimeSimulator(model, device)


def require(device: str) -> None:
    """Make sure that everything a device needs is present, before a run directory is made or a long build begins.

    Raises
    ------
    BuildError
        With what is missing: a C++ compiler, or for ``cuda`` the package, nvcc, cuRAND or a GPU.
    """
    if device == "cpp_standalone":
        compiler()
    elif device == "cuda":
        _require_cuda()
        cuda.gpu()
        compiler()


def _require_cuda() -> None:
    cuda.package_version()
    cuda.nvcc()
    cuda.curand()


def build(model: Model, device: str = "cpp_standalone", codegen: str = "dense", message: Message = silent) -> Path:
    """Build a model without running it, for example on a machine of a cluster that has compilers but no GPU.

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
        As `simulator` does. For ``cuda``, a GPU is needed only if no compute capabilities are named.
    """
    if device == "cuda":
        _require_cuda()
    return builds.cached_build(model, _templates(device, codegen), message)


def is_built(model: Model, device: str = "cpp_standalone", codegen: str = "dense") -> bool:
    """Whether the binary of a model is in the cache of this machine."""
    return builds.is_built(model, _templates(device, codegen))


def sources(
    model: Model,
    device: str = "cpp_standalone",
    codegen: str = "dense",
    message: Message = silent,
) -> tuple[str, bytes]:
    """The generated project of a model, to be compiled on another machine; see `models.simulation.builds.sources`."""
    return builds.sources(model, _templates(device, codegen), message)


def codegen_used(device: str, codegen: str) -> str:
    """The code that runs where `codegen` was asked for: ``dense`` or ``stock``; the latter where dense code does not work.

    A GPU has templates of its own, whatever was asked for.
    """
    if device == "cuda":
        return codegen
    works = device == "cpp_standalone" and codegen == "dense" and dense_supported(lambda: private_folder("selftests"))
    return "dense" if works else "stock"


def _templates(device: str, codegen: str) -> str:
    """Which templates make the code of a compiled device: ``dense``, ``stock`` or ``cuda``."""
    return CUDA if device == "cuda" else codegen_used(device, codegen)
