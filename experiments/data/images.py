"""Images and labels: scikit-learn's digits, MNIST, Fashion-MNIST, EMNIST Letters, and any folder in MNIST's IDX format.

Sources
-------
MNIST: Y. LeCun, L. Bottou, Y. Bengio, P. Haffner, "Gradient-based learning applied to document recognition",
Proceedings of the IEEE 86, 2278 (1998). Fashion-MNIST: H. Xiao, K. Rasul, R. Vollgraf, arXiv:1708.07747 (2017). EMNIST:
G. Cohen, S. Afshar, J. Tapson, A. van Schaik, arXiv:1702.05373 (2017). Digits: E. Alpaydin, C. Kaynak, "Optical
Recognition of Handwritten Digits", UCI Machine Learning Repository (1998), the test part, which scikit-learn carries.

IDX is a big-endian header (magic number, then one 32-bit length per dimension) and then the bytes of the array.
"""

from __future__ import annotations

import contextlib
import dataclasses
import gzip
import hashlib
import importlib.util
import math
import os
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import BinaryIO

import numpy as np

from brianprop.experiments.data.downloads import INNER, data_folder, download, download_folder, locate, readable, retrieve
from brianprop.models.cache import cache_root, folder_of
from brianprop.models.errors import DataError, ParameterError
from brianprop.models.files import atomic_write

__all__ = ["NAMES", "Dataset", "Split", "Splits", "find", "known", "load", "split"]

#: Parts of EMNIST, and the labels that the files of each hold. They are named otherwise, and their images are transposed.
EMNIST = {"emnist-letters": range(1, 27), "emnist-balanced": range(47), "emnist-digits": range(10)}
#: The official archive, half a gigabyte with all of EMNIST in it, and its MD5.
EMNIST_ARCHIVE = "https://biometrics.nist.gov/cs_links/EMNIST/gzip.zip"
EMNIST_MD5 = "58c8d27c78d21e728a6bc7b3cc06412e"
#: Where its files are searched together, in a data folder and in the cache.
EMNIST_FOLDER = "emnist"
#: Behind the name of a part: a folder of other files, upright and under the usual names, that hold some of it.
SUBSET = "-subset"

#: Data sets that are known by name; any folder with the four IDX files works too.
NAMES = ("digits", "mnist", "fashion-mnist", *EMNIST)

#: The four files of a data set, and how many dimensions each has.
FILES = {
    "train-images-idx3-ubyte": 3,
    "train-labels-idx1-ubyte": 1,
    "t10k-images-idx3-ubyte": 3,
    "t10k-labels-idx1-ubyte": 1,
}

#: SHA-256 of the payloads. The gzip wrappers differ from mirror to mirror; what is inside does not.
SHA256 = {
    "mnist": {
        "train-images-idx3-ubyte": "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
        "train-labels-idx1-ubyte": "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
        "t10k-images-idx3-ubyte": "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
        "t10k-labels-idx1-ubyte": "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
    },
    "fashion-mnist": {
        "train-images-idx3-ubyte": "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
        "train-labels-idx1-ubyte": "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
        "t10k-images-idx3-ubyte": "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
        "t10k-labels-idx1-ubyte": "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
    },
}

#: Public mirrors, tried in this order. A mirror need not be trusted: every payload is checked.
MIRRORS = {
    "mnist": (
        "https://ossci-datasets.s3.amazonaws.com/mnist/",
        "https://storage.googleapis.com/cvdf-datasets/mnist/",
    ),
    "fashion-mnist": (
        "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
        "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/",
    ),
}

#: Types of an IDX file, by the third byte of its magic number.
IDX_TYPES = {0x08: "uint8", 0x09: "int8", 0x0B: "int16", 0x0C: "int32", 0x0D: "float32", 0x0E: "float64"}

#: First bytes of a gzip file.
GZIP = b"\x1f\x8b"

#: What other files say, by their first bytes.
OTHER_FORMATS = {
    GZIP: "is gzip data without the suffix .gz",
    b"PK": "is a zip archive",
    b"\x89PNG": "is a PNG image",
    b"\x93NUM": "is an array of NumPy",
    b"\x89HDF": "is an HDF5 file",
    b"<": "is a web page",
}

#: Bytes that one byte of gzip data can hold at most, a little more than deflate's 1032.
GZIP_RATIO = 1040

#: Bytes that are read at once, and bytes from which on free memory is asked for.
BLOCK, LARGE = 2**20, 2**28

#: Where a system's package manager puts a data set: Debian's package dataset-fashion-mnist.
SYSTEM_FOLDERS = {"fashion-mnist": Path("/usr/share/datasets/fashion-mnist")}

#: scikit-learn's digits as we keep them: 1797 images of 8 x 8 bytes, then 1797 labels; the first 1500 train.
DIGITS_SHA256 = "c522b914135f440538a7cda9e25efdcc6702c387017afeaf4c3c25162511355a"
DIGITS_COUNT, DIGITS_SIDE, DIGITS_TRAIN = 1797, 8, 1500


@dataclass(frozen=True)
class Dataset:
    """Images and class indices, for training and for the test.

    Attributes
    ----------
    name : str
        As it was asked for: one of `NAMES`, or a folder.
    train_images, test_images : ndarray of uint8, shape (n, rows, cols)
        Brightness from 0 to 255. Read-only.
    train_labels, test_labels : ndarray of int64, shape (n,)
        Class indices from 0 to len(classes) - 1.
    classes : ndarray of int64, shape (n_classes,)
        The sorted distinct labels of the training set: the label in the file is ``classes[index]``.
    origin : str
        The folder that the files were read from, or "scikit-learn".
    """

    name: str
    train_images: np.ndarray
    train_labels: np.ndarray
    test_images: np.ndarray
    test_labels: np.ndarray
    classes: np.ndarray
    origin: str


@dataclass(frozen=True)
class Split:
    """One part of a data set.

    Attributes
    ----------
    images : ndarray of uint8, shape (n, rows, cols)
    labels : ndarray of int64, shape (n,)
        Class indices.
    """

    images: np.ndarray
    labels: np.ndarray


@dataclass(frozen=True)
class Splits:
    """Training, validation and test part. The validation part may be empty."""

    train: Split
    validation: Split
    test: Split


def load(name: str, data_dir: Path | None = None) -> Dataset:
    """Read a data set, and download it where it is known and found nowhere.

    ``mnist`` and ``fashion-mnist`` are searched in ``data_dir``, $BRIANPROP_DATA, the system's packages and the cache; of the
    first two, in the subfolder of that name, such as ``MNIST/raw`` of torchvision, and in the folder itself. Their payloads
    are checked against known SHA-256 wherever they come from. With ``data_dir`` nothing else is searched and nothing
    downloaded.
    The parts of EMNIST, `EMNIST`, are searched in the first two places and the cache: the files of the official archive, whose
    images are turned upright, or in a subfolder of the part's name the usual four files with upright images. The archive
    is downloaded and checked as a whole. A part with `SUBSET` behind its name is a folder with the usual four files, which
    hold some of it.

    Parameters
    ----------
    name : str
        One of `NAMES`, or a folder that holds the four IDX files, each plain or with the suffix .gz.
    data_dir : Path, optional
        Where to look for a data set that is named.

    Returns
    -------
    Dataset

    Raises
    ------
    DataError
        When files are missing, unreadable, truncated, damaged, not what they should be, or do not fit each other.
    """
    if name == "digits":
        return _digits()
    if name in EMNIST:
        return _emnist(name, data_dir)
    if name.removesuffix(SUBSET) in EMNIST:
        place = data_folder(data_dir)
        if place is None or not (place / name).is_dir():
            raise DataError(
                f"Data set {name} is not in {place or 'a folder that BRIANPROP_DATA names'}: put a folder of that name with "
                f"the four IDX files there, or use {name.removesuffix(SUBSET)}."
            )
        return _read_folder(name, place / name)
    if name not in SHA256:
        folder = folder_of(name, "--dataset")
        if not (readable(folder) and folder.is_dir()):
            raise DataError(
                f"Data set {name!r} is neither one of {', '.join(NAMES)} nor a folder; name one of these, or a "
                "folder that holds the four IDX files."
            )
        return _read_folder(name, _inside(folder))
    folder = _locate(name, data_dir)
    if folder is None and data_dir is not None:
        raise DataError(
            f"Data set {name} is not in {data_dir}: put {', '.join(FILES)} (plain or .gz) there or into its "
            f"subfolder {name}, or leave --data-dir away so that it is downloaded."
        )
    return _read_folder(name, folder or _download(name))


def known(name: str) -> bool:
    """Whether `load` knows a data set by its name, so that it is no folder."""
    return name in NAMES or name.removesuffix(SUBSET) in EMNIST


def find(name: str, data_dir: Path | None = None) -> str | None:
    """Say where `load` would find a data set without downloading it.

    Parameters
    ----------
    name : str
    data_dir : Path, optional
        As for `load`.

    Returns
    -------
    str or None
        A folder that holds all four files, or "scikit-learn"; None where there is none. The files are not read.
    """
    if name == "digits":
        return "scikit-learn" if importlib.util.find_spec("sklearn") else None
    if name in EMNIST:
        place = _locate_emnist(name, data_dir)
        return str(place[0]) if place and all(_file(place[0], stem) for stem in place[1].values()) else None
    folder = _locate(name, data_dir) if name in SHA256 else _inside(folder_of(name, "--dataset"))
    return str(folder) if folder is not None and all(_file(folder, stem) for stem in FILES) else None


def split(
    dataset: Dataset, samples: int | None = None, validation: int | None = None, test_samples: int | None = None
) -> Splits:
    """Divide a data set. Choices are made on the validation part, never on the test part.

    Parameters
    ----------
    dataset : Dataset
    samples : int, optional
        Number of images to train on, the first of those that validation leaves; all of these by default.
    validation : int, optional
        Number of images of the training set, its last, to validate on; a twelfth of it by default, and none with 0.
    test_samples : int, optional
        Number of images to test on, the first of the test set; all by default.

    Returns
    -------
    Splits
        Views of the data set's arrays.

    Raises
    ------
    ParameterError
        When a number is out of range or the numbers exceed what there is.
    """
    n_train, n_test = len(dataset.train_images), len(dataset.test_images)
    if validation is None:
        validation = n_train // 12
    if not 0 <= validation < n_train:
        raise ParameterError(
            f"Parameter validation = {validation!r} must be from 0 to {n_train - 1}, so that some of the {n_train} "
            f"training images of {dataset.name} remain to train on; set --validation."
        )
    left = n_train - validation
    if samples is None:
        samples = left
    if not 1 <= samples <= left:
        raise ParameterError(
            f"Parameter samples = {samples!r} must be from 1 to {left}, since {dataset.name} has {n_train} training "
            f"images and {validation} of them are for validation; set --samples or --validation."
        )
    if test_samples is None:
        test_samples = n_test
    if not 1 <= test_samples <= n_test:
        raise ParameterError(
            f"Parameter test_samples = {test_samples!r} must be from 1 to {n_test}, the number of test images of "
            f"{dataset.name}; set --test-samples."
        )
    return Splits(
        train=Split(dataset.train_images[:samples], dataset.train_labels[:samples]),
        validation=Split(dataset.train_images[left:], dataset.train_labels[left:]),
        test=Split(dataset.test_images[:test_samples], dataset.test_labels[:test_samples]),
    )


def _file(folder: Path, stem: str) -> Path | None:
    """Return the path of one of the four files, plain before gzip, with a hyphen or a dot before ``idx``."""
    spellings = (stem, stem.replace("-idx", ".idx"))
    paths = [folder / f"{spelling}{suffix}" for suffix in ("", ".gz") for spelling in spellings]
    return next((path for path in paths if readable(path) and path.is_file()), None)


def _inside(folder: Path) -> Path:
    """The folder with the four files: one that was named, or its subfolder where torchvision put them."""
    inner = (folder / name for name in INNER)
    return next((place for place in inner if any(_file(place, stem) for stem in FILES)), folder)


def _holding(stems: Collection[str]) -> Callable[[Path], list[Path | None]]:
    """What finds files in a folder, as `experiments.data.downloads.locate` takes it."""
    return lambda folder: [_file(folder, stem) for stem in stems]


def _locate(name: str, data_dir: Path | None) -> Path | None:
    others = [SYSTEM_FOLDERS[name]] if name in SYSTEM_FOLDERS else []
    return locate(name, data_dir, [name], _holding(FILES), others)


def _read_folder(name: str, folder: Path, names: Mapping[str, str] = MappingProxyType({})) -> Dataset:
    """Read the four files of a folder, check that they fit each other, and map labels to class indices.

    `names` are those of the files, where they are not the usual ones.
    """
    arrays, paths = {}, {}
    for stem, dimensions in FILES.items():
        path = _file(folder, names.get(stem, stem))
        if path is None:
            raise DataError(f"File {names.get(stem, stem)} (plain or .gz) is missing in {folder}; put it there.")
        arrays[stem] = _read(path, dimensions, SHA256.get(name, {}).get(stem))
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
    strangers = np.setdiff1d(test_labels, classes)
    if strangers.size:
        raise DataError(
            f"File {paths['t10k-labels-idx1-ubyte']} holds label {strangers[0]}, which no training image has; replace "
            "the file, or leave out the test images of that class."
        )
    return Dataset(
        name=name,
        train_images=train_images,
        train_labels=np.searchsorted(classes, train_labels).astype(np.int64),
        test_images=test_images,
        test_labels=np.searchsorted(classes, test_labels).astype(np.int64),
        classes=classes.astype(np.int64),
        origin=str(folder),
    )


def _emnist_files(name: str) -> dict[str, str]:
    """The names of the files in the official archive, by those of the usual four."""
    return {stem: f"{name}-{stem.replace('t10k', 'test')}" for stem in FILES}


def _locate_emnist(name: str, data_dir: Path | None) -> tuple[Path, dict[str, str]] | None:
    """Return the folder of a part of EMNIST, or of some of it, and the names of its files."""
    # the usual names say nothing of what is in the files: they count in a folder of the right name only
    usual, official = {stem: stem for stem in FILES}, _emnist_files(name)
    for names, subfolders, itself in ((usual, [name], None), (official, [name, EMNIST_FOLDER], any)):
        folder = locate(EMNIST_FOLDER, data_dir, subfolders, _holding(names.values()), itself=itself)
        if folder is not None:
            return folder, names
    return None


def _emnist(name: str, data_dir: Path | None) -> Dataset:
    found = _locate_emnist(name, data_dir)
    official = _emnist_files(name)
    if found is None:
        files = ", ".join(f"{stem}.gz" for stem in official.values())
        if data_dir is not None:
            raise DataError(
                f"Data set {name} is not in {data_dir}: take {files} out of {EMNIST_ARCHIVE} into that folder, or leave "
                "--data-dir away so that it is downloaded."
            )
        found = _download_emnist(name, files), official
    folder, names = found
    dataset, labels = _read_folder(name, folder, names), EMNIST[name]
    if not np.array_equal(dataset.classes, labels):
        raise DataError(
            f"Folder {folder} holds the labels {dataset.classes[0]} to {dataset.classes[-1]} of {len(dataset.classes)} "
            f"classes, but {name} has {labels[0]} to {labels[-1]}; replace the files, or name the folder itself as the data "
            "set."
        )
    if names != official:
        return dataset
    upright = {part: getattr(dataset, part).transpose(0, 2, 1) for part in ("train_images", "test_images")}
    return dataclasses.replace(dataset, **upright)


def _download_emnist(name: str, files: str) -> Path:
    """Download the archive of all of EMNIST and take the four files of one part out of it."""
    folder = download_folder(EMNIST_FOLDER)

    def fetch(mirror: str, file: str) -> None:
        with zipfile.ZipFile(retrieve(mirror, folder, file, EMNIST_MD5)) as members:
            for stem in _emnist_files(name).values():
                content = members.read(f"gzip/{stem}.gz")
                atomic_write(folder / f"{stem}.gz", lambda file, content=content: file.write(content))

    remedy = f"take {files} out of the archive {EMNIST_ARCHIVE} into a folder, and name it with --data-dir or BRIANPROP_DATA"
    download(
        name,
        folder,
        [EMNIST_ARCHIVE],
        ["gzip.zip"],
        lambda _: all(_holding(_emnist_files(name).values())(folder)),
        fetch,
        remedy,
    )
    return folder


def _digits() -> Dataset:
    """Read scikit-learn's digits, brightness 0..16 scaled to 0..255."""
    payload = _recall(DIGITS_SHA256)
    if payload is None:
        payload = _digits_from_scikit_learn()
        # importing scikit-learn takes seconds, reading the copy a millisecond
        _keep(DIGITS_SHA256, payload)
    values = np.frombuffer(payload, np.uint8)
    images = values[:-DIGITS_COUNT].reshape(DIGITS_COUNT, DIGITS_SIDE, DIGITS_SIDE)
    labels = values[-DIGITS_COUNT:].astype(np.int64)
    return Dataset(
        name="digits",
        train_images=images[:DIGITS_TRAIN],
        train_labels=labels[:DIGITS_TRAIN],
        test_images=images[DIGITS_TRAIN:],
        test_labels=labels[DIGITS_TRAIN:],
        classes=np.arange(10, dtype=np.int64),
        origin="scikit-learn",
    )


def _digits_from_scikit_learn() -> bytes:
    try:
        from sklearn.datasets import load_digits
    except ImportError as error:
        raise DataError(
            f"Data set digits comes with scikit-learn, which cannot be imported ({error}); run 'pip install scikit-learn'."
        ) from error
    bunch = load_digits()
    images = bunch.images.astype(int) * 255 // 16
    payload = b"".join(array.astype(np.uint8).tobytes() for array in (images, bunch.target))
    if hashlib.sha256(payload).hexdigest() != DIGITS_SHA256:
        raise DataError("The digits of this scikit-learn are not the published 1797; install scikit-learn from PyPI.")
    return payload


def _read(path: Path, dimensions: int, sha256: str | None) -> np.ndarray:
    """Read one IDX file and check its payload where the SHA-256 is known.

    Unzipping MNIST takes several times as long as hashing it, so a payload of known hash is kept unzipped in the cache,
    and hashed at every start. It stands for a file only as long as that file, whose own payload was once checked, keeps
    its path, size and time of change: a file that is damaged later is noticed.
    """
    try:
        state = path.stat()
        vouched = None
        if sha256 is not None and path.suffix == ".gz":
            identity = b"\0".join([os.fsencode(path), b"%d %d" % (state.st_size, state.st_mtime_ns)])
            vouched = f"{sha256}.{hashlib.sha256(identity).hexdigest()}"
            if (_payload_folder() / vouched).exists() and (payload := _recall(sha256)) is not None:
                return _parse(payload, path, dimensions)
        payload = _payload(path, dimensions, state.st_size)
    except OSError as error:
        raise DataError(f"File {path} cannot be read ({error.strerror}); make it readable or replace it.") from error
    array = _parse(payload, path, dimensions)
    if sha256 is not None:
        found = hashlib.sha256(payload).hexdigest()
        if found != sha256:
            raise DataError(
                f"File {path} is not the published one: the SHA-256 of its payload is {found}, not {sha256}; "
                "replace it by the original, delete it if it was downloaded into the cache, or name its folder as the "
                "data set if it is meant to differ."
            )
        if vouched is not None:
            _keep(sha256, payload)
            _keep(vouched, b"")
    return array


def _payload(path: Path, dimensions: int, size: int) -> bytearray:
    """Read a file of `size` bytes, unzipped, as far as its header says."""
    with path.open("rb") as file:
        if path.suffix != ".gz":
            return _take(file, path, dimensions, size)
        magic = file.read(4)
        file.seek(0)
        if not magic.startswith(GZIP):
            raise DataError(
                f"File {path} is not gzip data (it starts with {magic.hex() or 'nothing'}); take the suffix .gz off "
                "if it is plain, else replace it."
            )
        return _unzip(file, path, dimensions, size)


def _unzip(file: BinaryIO, path: Path, dimensions: int, size: int) -> bytearray:
    try:
        with gzip.GzipFile(fileobj=file) as unzipped:
            return _take(unzipped, path, dimensions, GZIP_RATIO * size)
    except EOFError as error:
        raise DataError(f"File {path} is truncated: its gzip data end early; replace it.") from error
    except (gzip.BadGzipFile, zlib.error) as error:
        raise DataError(f"File {path} holds damaged gzip data ({error}); replace it.") from error


def _take(file: BinaryIO, path: Path, dimensions: int, most: int) -> bytearray:
    """Read an IDX payload; no memory is taken for a header that promises more than `most` bytes, or than there is memory."""
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


def _header(file: BinaryIO, path: Path, dimensions: int) -> bytes:
    """Read the header of an IDX file and make sure that unsigned bytes of so many dimensions follow."""
    magic = file.read(4)
    length, what = 4 + 4 * dimensions, "images" if dimensions == 3 else "labels"
    if len(magic) == 4 and (magic[:2] != b"\0\0" or magic[2] not in IDX_TYPES):
        found = next((words for start, words in OTHER_FORMATS.items() if magic.startswith(start)), f"starts with {magic.hex()}")
        raise DataError(f"File {path} is no IDX file, since it {found}; put the IDX file of the {what} there.")
    n_lengths = magic[3] if len(magic) == 4 else dimensions
    lengths = file.read(4 * n_lengths)
    if len(magic) == 4 and (IDX_TYPES[magic[2]], n_lengths) != ("uint8", dimensions):
        sizes = [int.from_bytes(lengths[place : place + 4], "big") for place in range(0, len(lengths), 4)]
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
    """The shape that a header says; raises DataError where nothing is in it."""
    shape = tuple(int.from_bytes(header[4 * place : 4 * place + 4], "big") for place in range(1, dimensions + 1))
    if not math.prod(shape):
        what = "images" if dimensions == 3 else "labels"
        raise DataError(f"File {path} is empty: its header says {' x '.join(map(str, shape))} {what}; replace it.")
    return shape


def _words(shape: tuple[int, ...]) -> str:
    return f"{shape[0]} images of {shape[1]} x {shape[2]} pixels" if len(shape) == 3 else f"{shape[0]} labels"


def _free_memory() -> int:
    import psutil

    return psutil.virtual_memory().available


def _parse(payload: bytes | bytearray, path: Path, dimensions: int) -> np.ndarray:
    """The array of an IDX payload whose length was checked; it is read-only and shares the payload's memory."""
    shape = _shape(payload, path, dimensions)
    array = np.frombuffer(payload, np.uint8, offset=4 + 4 * dimensions).reshape(shape)
    array.flags.writeable = False
    return array


def _payload_folder() -> Path:
    return cache_root() / "payloads"


def _recall(sha256: str) -> bytes | None:
    """Return a payload from the cache, or None where it is not there, unreadable or damaged."""
    try:
        payload = (_payload_folder() / sha256).read_bytes()
    except OSError:
        return None
    return payload if hashlib.sha256(payload).hexdigest() == sha256 else None


def _keep(name: str, content: bytes) -> None:
    """Put a file into the cache of payloads in one move; a cache that cannot be written only costs time."""
    folder = _payload_folder()
    with contextlib.suppress(OSError):
        folder.mkdir(parents=True, exist_ok=True)
        descriptor, temporary = tempfile.mkstemp(dir=folder, suffix=".part")
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(content)
            os.replace(temporary, folder / name)
        except BaseException:
            os.unlink(temporary)
            raise


def _download(name: str) -> Path:
    """Download what the cache lacks of a named data set, each file from the first mirror that gives it right."""
    folder = download_folder(name)

    def fetch(mirror: str, stem: str) -> None:
        path = retrieve(f"{mirror}{stem}.gz", folder, f"{stem}.gz")
        try:
            _read(path, FILES[stem], SHA256[name][stem])
        except DataError:
            path.unlink(missing_ok=True)
            raise

    download(
        name,
        folder,
        MIRRORS[name],
        tuple(FILES),
        lambda stem: _file(folder, stem) is not None,
        fetch,
        f"put {', '.join(f'{stem}.gz' for stem in FILES)} into a folder, and name the folder with --data-dir or BRIANPROP_DATA",
    )
    return folder
