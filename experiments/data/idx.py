"""Image data sets in the format of MNIST: four IDX files, plain or gzipped, in one folder.

An IDX file is a big-endian header (a magic number, then a 32-bit length per dimension) and then the bytes of the array.
"""

from __future__ import annotations

import gzip
import hashlib
import math
import zlib
from collections.abc import Callable, Collection, Mapping
from io import BufferedIOBase
from pathlib import Path
from types import MappingProxyType

import numpy as np

from brianprop.experiments.data import payloads
from brianprop.experiments.data.dataset import Dataset, Part
from brianprop.experiments.data.downloads import INNER, exists
from brianprop.models.errors import DataError, reason

__all__ = ["FILES", "file_in", "holding", "inside", "is_complete", "read", "read_folder"]

#: The four files of a data set, and the number of dimensions of each.
FILES = {
    "train-images-idx3-ubyte": 3,
    "train-labels-idx1-ubyte": 1,
    "t10k-images-idx3-ubyte": 3,
    "t10k-labels-idx1-ubyte": 1,
}

#: Types of an IDX file, by the third byte of its magic number.
IDX_TYPES = {0x08: "uint8", 0x09: "int8", 0x0B: "int16", 0x0C: "int32", 0x0D: "float32", 0x0E: "float64"}

#: First bytes of a gzip file.
GZIP = b"\x1f\x8b"

#: What a file of another format is, by its first bytes.
OTHER_FORMATS = {
    GZIP: "is gzip data without the suffix .gz",
    b"PK": "is a zip archive",
    b"\x89PNG": "is a PNG image",
    b"\x93NUM": "is an array of NumPy",
    b"\x89HDF": "is an HDF5 file",
    b"<": "is a web page",
}

#: Largest number of bytes that one byte of gzip data can hold, a little more than the 1032 of deflate.
GZIP_RATIO = 1040

#: Bytes that are read at a time, and bytes of a file from which on the free memory is checked first.
BLOCK, LARGE = 2**20, 2**28


def file_in(folder: Path, stem: str) -> Path | None:
    """Path of one of the four files in a folder; plain before gzipped, with a hyphen or a dot before ``idx``."""
    spellings = (stem, stem.replace("-idx", ".idx"))
    paths = [folder / f"{spelling}{suffix}" for suffix in ("", ".gz") for spelling in spellings]
    return next((path for path in paths if exists(path) and path.is_file()), None)


def inside(folder: Path) -> Path:
    """The folder that holds the four files: a folder itself, or its subfolder where torchvision puts them."""
    inner = (folder / name for name in INNER)
    return next((candidate for candidate in inner if any(holding(FILES)(candidate))), folder)


def holding(stems: Collection[str]) -> Callable[[Path], list[Path | None]]:
    """A function that finds these files in a folder, as `experiments.data.downloads.locate` takes it."""
    return lambda folder: [file_in(folder, stem) for stem in stems]


def is_complete(folder: Path | None, stems: Collection[str] = FILES) -> bool:
    """Whether a folder holds all these files."""
    return folder is not None and all(holding(stems)(folder))


def read_folder(
    name: str,
    folder: Path,
    names: Mapping[str, str] = MappingProxyType({}),
    sha256: Mapping[str, str] = MappingProxyType({}),
) -> Dataset:
    """Read the four files of a folder, check that they fit each other, and map labels to class indices.

    Parameters
    ----------
    name : str
        Of the data set.
    folder : Path
    names : dict of str, optional
        Names of the files in this folder, by their usual names; the usual names by default.
    sha256 : dict of str, optional
        SHA-256 of the payloads by their usual names, where they are known.

    Raises
    ------
    DataError
        When a file is missing, unreadable, truncated, damaged, not what it should be, or does not fit the others.
    """
    arrays, paths = {}, {}
    for stem, dimensions in FILES.items():
        path = file_in(folder, names.get(stem, stem))
        if path is None:
            raise DataError(f"File {names.get(stem, stem)} (plain or .gz) is missing in {folder}; put it there.")
        arrays[stem] = read(path, dimensions, sha256.get(stem))
        paths[stem] = path
    train_images, train_labels, test_images, test_labels = arrays.values()
    for images, labels in (tuple(FILES)[:2], tuple(FILES)[2:]):
        if len(arrays[images]) != len(arrays[labels]):
            raise DataError(
                f"File {paths[images]} holds {len(arrays[images])} images but {paths[labels].name} beside it holds "
                f"{len(arrays[labels])} labels; replace the one that does not belong."
            )
    if train_images.shape[1:] != test_images.shape[1:]:
        sizes = [" x ".join(map(str, images.shape[1:])) for images in (train_images, test_images)]
        raise DataError(
            f"Folder {folder} holds training images of {sizes[0]} pixels but test images of {sizes[1]}; replace the "
            "ones that do not belong."
        )
    classes = np.unique(train_labels)
    unknown = np.setdiff1d(test_labels, classes)
    if unknown.size:
        raise DataError(
            f"File {paths['t10k-labels-idx1-ubyte']} holds label {unknown[0]}, which no training image has; replace "
            "the file, or leave out the test images of that class."
        )
    return Dataset(
        name=name,
        train=Part(train_images, np.searchsorted(classes, train_labels).astype(np.int64)),
        test=Part(test_images, np.searchsorted(classes, test_labels).astype(np.int64)),
        classes=classes.astype(np.int64),
        origin=str(folder),
    )


def read(path: Path, dimensions: int, sha256: str | None) -> np.ndarray:
    """Read one IDX file of unsigned bytes.

    If its SHA-256 is known, a gzipped payload is kept unzipped in the cache, since to unzip MNIST takes several times as long
    as to hash it. Later starts read it from there, and check its hash, as long as path, size and time of change of the file
    are those of the file that was once checked: a file that is damaged later is noticed.

    Parameters
    ----------
    path : Path
    dimensions : int
        3 for images, 1 for labels.
    sha256 : str or None
        Of the payload, where it is known.

    Returns
    -------
    ndarray of uint8
        Read-only.

    Raises
    ------
    DataError
        When the file is unreadable, truncated, damaged, or not what it should be.
    """
    zipped = path.suffix == ".gz"
    try:
        state = path.stat()
        if sha256 and zipped and payloads.marked(sha256, path, state) and (payload := payloads.recall(sha256)) is not None:
            return _array(payload, path, dimensions)
        payload = _payload(path, dimensions, state.st_size)
    except OSError as error:
        raise DataError(f"File {path} cannot be read ({reason(error)}); make it readable or replace it.") from error
    array = _array(payload, path, dimensions)
    if sha256:
        actual = hashlib.sha256(payload).hexdigest()
        if actual != sha256:
            raise DataError(
                f"File {path} is not the published one: the SHA-256 of its payload is {actual}, not {sha256}; "
                "replace it by the original, delete it if it was downloaded into the cache, or name its folder as the "
                "data set if it is meant to differ."
            )
        if zipped:
            payloads.keep(sha256, payload)
            payloads.mark(sha256, path, state)
    return array


def _payload(path: Path, dimensions: int, size: int) -> bytearray:
    """Read the payload of a file of `size` bytes, unzipped, as far as its header says."""
    with path.open("rb") as file:
        if path.suffix != ".gz":
            return _read_payload(file, path, dimensions, size)
        magic = file.read(4)
        file.seek(0)
        if not magic.startswith(GZIP):
            raise DataError(
                f"File {path} is not gzip data (it starts with {magic.hex() or 'nothing'}); take the suffix .gz off "
                "if it is plain, else replace it."
            )
        return _unzip(file, path, dimensions, size)


def _unzip(file: BufferedIOBase, path: Path, dimensions: int, size: int) -> bytearray:
    try:
        with gzip.GzipFile(fileobj=file) as unzipped:
            return _read_payload(unzipped, path, dimensions, GZIP_RATIO * size)
    except EOFError as error:
        raise DataError(f"File {path} is truncated: its gzip data end early; replace it.") from error
    except (gzip.BadGzipFile, zlib.error) as error:
        raise DataError(f"File {path} holds damaged gzip data ({error}); replace it.") from error


def _read_payload(file: BufferedIOBase, path: Path, dimensions: int, most: int) -> bytearray:
    """Read a payload of at most `most` bytes; a header that promises more than that, or than the free memory, is refused."""
    header = _header(file, path, dimensions)
    shape = _shape(header, path, dimensions)
    expected = len(header) + math.prod(shape)
    promise = f"its header says {_words(shape)}, which take {expected} bytes"
    if expected > most:
        raise DataError(f"File {path} is truncated: {promise}, but it holds {most} at most; replace it.")
    if expected > LARGE and expected > (free := _free_memory()):
        raise DataError(f"File {path} is too large: {promise}, but {free} bytes of memory are free; take fewer of them.")
    payload = bytearray(expected)
    payload[: len(header)] = header
    view, done = memoryview(payload), len(header)
    while done < expected:
        count = file.readinto(view[done : done + BLOCK])
        if not count:
            raise DataError(f"File {path} is truncated: {promise}, but it holds {done}; replace it.")
        done += count
    if file.read(1):
        raise DataError(f"File {path} is too long: {promise}, but it holds more; replace it.")
    return payload


def _header(file: BufferedIOBase, path: Path, dimensions: int) -> bytes:
    """Read the header of an IDX file and check that it announces unsigned bytes of this number of dimensions."""
    magic = file.read(4)
    length, what = 4 + 4 * dimensions, "images" if dimensions == 3 else "labels"
    if len(magic) == 4 and (magic[:2] != b"\0\0" or magic[2] not in IDX_TYPES):
        description = next(
            (words for start, words in OTHER_FORMATS.items() if magic.startswith(start)), f"starts with {magic.hex()}"
        )
        raise DataError(f"File {path} is no IDX file, since it {description}; put the IDX file of the {what} there.")
    n_lengths = magic[3] if len(magic) == 4 else dimensions
    lengths = file.read(4 * n_lengths)
    if len(magic) == 4 and (IDX_TYPES[magic[2]], n_lengths) != ("uint8", dimensions):
        sizes = [int.from_bytes(lengths[i : i + 4], "big") for i in range(0, len(lengths), 4)]
        wanted = "n x rows x columns, grey values from 0 to 255" if dimensions == 3 else "n, one number for each image"
        raise DataError(
            f"File {path} holds {IDX_TYPES[magic[2]]} of shape {' x '.join(map(str, sizes)) or '()'}, but {what} are read as "
            f"uint8 of shape {wanted}; convert it or put another there."
        )
    if len(magic) + len(lengths) < length:
        raise DataError(
            f"File {path} is truncated: {len(magic) + len(lengths)} bytes are less than the header of IDX {what}, {length} "
            "bytes; replace it."
        )
    return magic + lengths


def _shape(header: bytes | bytearray, path: Path, dimensions: int) -> tuple[int, ...]:
    """The shape in a header; raises DataError for an empty array."""
    shape = tuple(int.from_bytes(header[4 * i : 4 * i + 4], "big") for i in range(1, dimensions + 1))
    if not math.prod(shape):
        what = "images" if dimensions == 3 else "labels"
        raise DataError(f"File {path} is empty: its header says {' x '.join(map(str, shape))} {what}; replace it.")
    return shape


def _words(shape: tuple[int, ...]) -> str:
    return f"{shape[0]} images of {shape[1]} x {shape[2]} pixels" if len(shape) == 3 else f"{shape[0]} labels"


def _free_memory() -> int:
    import psutil

    return psutil.virtual_memory().available


def _array(payload: bytes | bytearray, path: Path, dimensions: int) -> np.ndarray:
    """The array of a payload whose length was checked: read-only, without a copy."""
    shape = _shape(payload, path, dimensions)
    array = np.frombuffer(payload, np.uint8, offset=4 + 4 * dimensions).reshape(shape)
    array.flags.writeable = False
    return array
