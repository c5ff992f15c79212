"""Archives of arrays, read with suspicion: what the headers claim is checked before anything is allocated."""

from __future__ import annotations

import math
import os
import zipfile
from collections.abc import Callable, Mapping
from typing import BinaryIO, NamedTuple

import numpy as np

from brianprop.models.errors import BrianpropError
from brianprop.models.memory import require_memory

__all__ = ["DamagedError", "Header", "read_npz"]

#: Readers of the versions of a header that plain arrays have.
HEADERS = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}


class DamagedError(ValueError):
    """An archive cannot be read or does not hold what it must; the message says why, without the name of the file."""


class Header(NamedTuple):
    """What an array is before it is read."""

    shape: tuple[int, ...]
    dtype: np.dtype

    @property
    def n_bytes(self) -> int:
        return math.prod(self.shape) * self.dtype.itemsize


def read_npz(
    path: str | os.PathLike, fault: Callable[[Mapping[str, Header]], str | None] = lambda headers: None
) -> dict[str, np.ndarray]:
    """All arrays of an .npz file, read now, so that damage shows here and not later.

    Parameters
    ----------
    path : path-like
    fault : callable
        Says of the headers by name what is wrong with them, or None; called before an array is read.

    Raises
    ------
    DamagedError
        When the file is no such archive or damaged, an array holds objects (which could run code), or `fault` says so.
    ParameterError
        When the arrays do not fit into memory.
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
            found = {}
            for name, member in zip(headers, members, strict=True):
                with archive.open(member) as file:
                    found[name] = np.lib.format.read_array(file, allow_pickle=False)
            return found
    except (DamagedError, BrianpropError):
        raise
    except Exception as error:  # damage can make the readers of archives and headers raise almost anything
        raise DamagedError(str(error) or type(error).__name__) from error


def _header(file: BinaryIO, name: str, size: int) -> Header:
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
