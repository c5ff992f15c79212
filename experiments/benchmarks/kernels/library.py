"""Compile and load the C++ source of a kernel, and hand NumPy arrays to it."""

from __future__ import annotations

import ctypes
import hashlib
import math
import os
import shlex
from pathlib import Path

import numpy as np
from numpy.typing import DTypeLike

from brianprop.models.cache import private_folder
from brianprop.models.simulation.compiler import compiler, in_parallel, instruction_set
from brianprop.models.simulation.scratch import Scratch

__all__ = ["CACHE_LINE", "aligned_zeros", "load", "padded", "pointer"]

#: Bytes of a cache line, and of a vector of the kernels.
CACHE_LINE = 64

#: Those of the circuits, except -ffast-math: a shared library that is linked with it makes the whole process that loads it
#: flush subnormal numbers to zero.
FLAGS = ("-O3", "-march=native", "-std=c++17", "-shared", "-fPIC")


def load(source: str) -> ctypes.CDLL:
    """Load a kernel, compiled first unless the cache holds it.

    Parameters
    ----------
    source : str
        Name of a C++ file in this folder.

    Raises
    ------
    BuildError
        When there is no C++ compiler, it fails, or the cache folder cannot be written.
    """
    code = Path(__file__).with_name(source).read_text()
    command, version = compiler()
    flags = [*FLAGS, *shlex.split(os.environ.get("CXXFLAGS", ""))]
    key = hashlib.sha256(repr((code, flags, command, version, instruction_set())).encode()).hexdigest()[:20]
    library = private_folder("kernels") / f"{key}.so"
    if not library.exists():
        with Scratch(library.parent) as folder:
            (folder / "kernel.cpp").write_text(code)
            in_parallel([[*command, *flags, "kernel.cpp", "-o", "kernel.so"]], folder, "check $CXX and $CXXFLAGS.")
            (folder / "kernel.so").replace(library)
    return ctypes.CDLL(str(library))


def padded(n: int, multiple: int) -> int:
    """The smallest multiple that is at least n."""
    return -(-n // multiple) * multiple


def aligned_zeros(shape: tuple[int, ...], dtype: DTypeLike) -> np.ndarray:
    """Zeros whose first number starts a cache line."""
    size, itemsize = math.prod(shape), np.dtype(dtype).itemsize
    room = np.zeros(size + CACHE_LINE // itemsize, dtype)
    start = -room.ctypes.data % CACHE_LINE // itemsize
    return room[start : start + size].reshape(shape)


def pointer(array: np.ndarray) -> ctypes.c_void_p:
    """The address of the first number of a contiguous array."""
    return ctypes.c_void_p(array.ctypes.data)
