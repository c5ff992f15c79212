"""Archives of arrays that may be damaged or malicious: the headers are checked before memory is allocated."""

from __future__ import annotations

import math
import os
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import IO

import numpy as np

from brianprop.models.errors import BrianpropError
from brianprop.models.memory import require_memory

__all__ = ["DamagedError", "Header", "read_npz"]

#: Readers of the versions of a header that plain arrays have.
HEADERS = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}


class DamagedError(ValueError):
    """An archive cannot be read or does not hold what it must. The message gives the reason without the name of the file."""


@dataclass
class Header:
    """Shape and type of an array, known before its data are read."""

    shape: tuple[int, ...]
    dtype: np.dtype

    @property
    def n_bytes(self) -> int:
        """Size of the data [bytes]."""
        return math.prod(self.shape) * self.dtype.itemsize


def read_npz(
    path: str | os.PathLike, fault: Callable[[Mapping[str, Header]], str | None] = lambda headers: None
) -> dict[str, np.ndarray]:
    """Read all arrays of an .npz file at once, so that damage shows here and not later.

    Parameters
    ----------
    path : path-like
    fault : callable
        Gets the headers by name before an array is read; gives what is wrong with them in a few words, or None.

    Raises
    ------
    DamagedError
        If the file is no such archive or damaged, an array holds objects (which could run code), or `fault` finds one.
    ParameterError
        If the arrays do not fit into memory.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
            headers: dict[str, Header] = {}
            for member in members:
                name = member.filename.removesuffix(".npy")
                if name == member.filename or name in headers:
                    raise DamagedError(f"its member {member.filename} is no array or there twice")
                with archive.open(member) as file:
                    headers[name] = _header(file, name, member.file_size)
            if words := fault(headers):
                raise DamagedError(words)
            require_memory(sum(header.n_bytes for header in headers.values()), str(path), "free some, or take another file")
            arrays = {}
            for name, member in zip(headers, members, strict=True):
                with archive.open(member) as file:
                    arrays[name] = np.lib.format.read_array(file, allow_pickle=False)
            return arrays
    except (DamagedError, BrianpropError):
        raise
    except Exception as error:  # on damaged files the readers of archives and headers raise almost anything
        raise DamagedError(str(error) or type(error).__name__) from error


def _header(file: IO[bytes], name: str, size: int) -> Header:
    version = np.lib.format.read_magic(file)
    if version not in HEADERS:
        raise DamagedError(f"{name} has a header of the unknown version {version}")
    shape, _, dtype = HEADERS[version](file)
    header = Header(shape, dtype)
    if dtype.hasobject:
        raise DamagedError(f"{name} holds Python objects and no numbers")
    if min(shape, default=0) < 0 or file.tell() + header.n_bytes != size:
        raise DamagedError(f"{name} claims the shape {shape}, but its data are of another size")
    return header
