"""N-MNIST and subsets of it: recordings of an event camera, found as archives or folders, and read one by one.

Source: G. Orchard, A. Jayawant, G. K. Cohen, N. Thakor, "Converting static image datasets to spiking neuromorphic datasets
using saccades", Frontiers in Neuroscience 9:437 (2015), under the licence CC BY-SA 4.0. An event camera of 34 x 34 pixels
looked at each image of MNIST in three saccades. A recording has the number of its image in MNIST, counted from 1: Train.zip
holds Train/5/00001.bin, Train/0/00002.bin and so on. A subset is laid out in the same way; only the whole set is downloaded.
"""

from __future__ import annotations

import lzma
import re
import struct
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np

from brianprop.experiments.data.dataset import Dataset, Part
from brianprop.experiments.data.downloads import (
    data_folder,
    download,
    download_folder,
    exists,
    locate,
    names_in,
    retrieve,
)
from brianprop.experiments.data.events import Events, Recordings, read
from brianprop.models.errors import DataError

__all__ = ["NAME", "NAMES", "SIDE", "SUBSET", "find", "load", "pictured"]

#: Names of the whole set, and of a part of it that a data folder holds.
NAME, SUBSET = NAMES = ("n-mnist", "n-mnist-subset")

#: Rows and columns of the sensor [pixels].
SIDE = 34

#: Subfolders of a data folder that are searched, by the name of the data set.
FOLDERS = {NAME: ("nmnist", "N-MNIST"), SUBSET: ("nmnist-subset", "N-MNIST-subset")}

#: Bytes of a recording, at most: 13 million events. Recordings of N-MNIST have about 20 kB.
LARGEST = 2**26

#: Recordings of the whole set, by part.
WHOLE = {"Train": 60_000, "Test": 10_000}
DIGITS = 10

#: MD5 of the archives, checked once after the download: to hash a gigabyte at every start would take seconds.
MD5 = {"Train": "20959b8e626244a1b502305a9e6e2031", "Test": "69ca8762b2fe404d9b9bad1103e97832"}

#: Public mirrors, tried in this order: the addresses of both archives (doi:10.17632/468j46mzdv.1).
MIRRORS = (
    {
        "Train": "https://data.mendeley.com/public-files/datasets/468j46mzdv/files/"
        "39c25547-014b-4137-a934-9d29fa53c7a0/file_downloaded",
        "Test": "https://data.mendeley.com/public-files/datasets/468j46mzdv/files/"
        "05a4d654-7e03-4c15-bdfa-9bb2bcbea494/file_downloaded",
    },
)

#: What zipfile raises for an archive that is damaged, encrypted, or compressed by an unknown method.
DAMAGE = (zipfile.BadZipFile, zlib.error, lzma.LZMAError, struct.error, EOFError, OSError, RuntimeError, ValueError)


def load(data_dir: Path | None = None, name: str = NAME) -> Dataset:
    """Find N-MNIST, or download it, or find a subset; list the recordings, each of which is read when it is asked for.

    The whole set is searched as Train.zip and Test.zip, or as the folders Train and Test, in the subfolders ``nmnist``,
    ``N-MNIST`` and the like of ``data_dir`` or else of $BRIANPROP_DATA, in this folder itself if it holds both parts, and in
    the cache. A subset is searched in the subfolders ``nmnist-subset`` and the like only. An archive is preferred to a folder
    beside it. With ``data_dir`` nothing else is searched and nothing downloaded.

    Parameters
    ----------
    data_dir : Path, optional
        A folder of data sets.
    name : {"n-mnist", "n-mnist-subset"}

    Returns
    -------
    Dataset
        Recordings in the order of their file names, which is the order of MNIST.

    Raises
    ------
    DataError
        When the data are missing, an archive is damaged, a digit has no recordings, the whole set is not complete, or a subset
        is; later, when a damaged recording is asked for.
    """
    folder = _found(data_dir, name)
    train, test = (_part(folder, part, name) for part in WHOLE)
    whole = (len(train), len(test)) == tuple(WHOLE.values())
    if name == NAME and not whole:
        raise DataError(
            f"{folder} holds {len(train)} recordings for training and {len(test)} for the test, but N-MNIST has "
            f"{WHOLE['Train']} and {WHOLE['Test']}; complete it, or put them into a folder {FOLDERS[SUBSET][0]} of a data "
            f"folder and use the data set {SUBSET}."
        )
    if name == SUBSET and whole:
        raise DataError(
            f"{folder} holds all recordings of N-MNIST and no subset; rename the folder to {FOLDERS[NAME][0]} and use the data "
            f"set {NAME}."
        )
    return Dataset(name, train, test, np.arange(DIGITS, dtype=np.int64), str(folder))


def find(data_dir: Path | None = None, name: str = NAME) -> str | None:
    """Where `load` would find a data set without a download: a folder that holds both parts, or None. No recording is read."""
    folder = _locate(data_dir, name)
    return str(folder) if folder is not None and all(_source(folder, part) for part in WHOLE) else None


def pictured(mnist: Dataset, data_dir: Path | None = None) -> Dataset:
    """The images of MNIST that the recordings of the subset show, in the order of the recordings.

    Parameters
    ----------
    mnist : Dataset
        All of MNIST, in its original order.
    data_dir : Path, optional
        Where to look for the subset, see `load`.

    Raises
    ------
    DataError
        As `load` does, and when a recording has no number of an image, or an image is of another digit than its recording.
    """
    folder = _found(data_dir, SUBSET)

    def chosen(name: str, images: Part) -> Part:
        members, _ = _members(folder, name, SUBSET)
        for file, digit, path in members:
            number = file.removesuffix(".bin")
            if not (number.isascii() and number.isdigit() and 1 <= int(number) <= len(images)):
                raise DataError(
                    f"Recording {path} in {folder} has no number of an image of MNIST, from 1 to {len(images)}; give it the "
                    "number that it has in N-MNIST."
                )
            if images.labels[int(number) - 1] != digit:
                raise DataError(
                    f"Recording {path} in {folder} is said to be a {digit}, but image {int(number)} of MNIST is a "
                    f"{images.labels[int(number) - 1]}; give it the number and the digit that it has in N-MNIST."
                )
        rows = np.array([int(file.removesuffix(".bin")) - 1 for file, _, _ in members])
        return Part(images.images[rows], images.labels[rows])

    train, test = chosen("Train", mnist.train), chosen("Test", mnist.test)
    return Dataset(SUBSET, train, test, mnist.classes, f"images of MNIST with the numbers of the recordings of {SUBSET}")


def _found(data_dir: Path | None, name: str) -> Path:
    """The folder that holds a data set, after a download if need be."""
    folder = _locate(data_dir, name)
    if folder is not None:
        return folder
    if name == SUBSET:
        raise DataError(
            f"Data set {SUBSET} is not in {data_folder(data_dir) or 'a folder that BRIANPROP_DATA names'}: put a folder "
            f"{FOLDERS[SUBSET][0]} there, with recordings Train/DIGIT/NUMBER.bin and Test/DIGIT/NUMBER.bin, or use {NAME}."
        )
    if data_dir is not None:
        raise DataError(
            f"Data set N-MNIST is not in {data_dir}: put Train.zip and Test.zip, or the folders Train and Test that they hold, "
            f"there or into its subfolder {FOLDERS[NAME][0]}, leave --data-dir away so that it is downloaded, or use emulated "
            "events."
        )
    return _download()


def _source(folder: Path, part: str) -> Path | None:
    """The archive or the folder of one part; None if there is neither."""
    # tonic writes the names of the archives in lower case
    for path in (folder / f"{part}.zip", folder / f"{part.lower()}.zip"):
        if exists(path) and path.is_file():
            return path
    unpacked = folder / part
    return unpacked if exists(unpacked) and unpacked.is_dir() else None


def _locate(data_dir: Path | None, name: str) -> Path | None:
    # a folder that holds Train alone may be any other data set, and Train and Test say nothing of a subset
    itself = all if name == NAME else None
    return locate(name, data_dir, FOLDERS[name], lambda folder: [_source(folder, part) for part in WHOLE], itself=itself)


def _part(folder: Path, part: str, name: str) -> Part:
    """The recordings of one part, and their labels."""
    members, get = _members(folder, part, name)
    labels = np.array([digit for _, digit, _ in members], np.int64)
    return Part(Recordings(lambda number: get(members[number][2]), range(len(members)), SIDE, SIDE), labels)


def _members(folder: Path, part: str, name: str) -> tuple[list[tuple[str, int, str]], Callable[[str], Events]]:
    """File name, digit and path of each recording of one part, and a function that reads a path."""
    source = _source(folder, part)
    if source is None:
        raise DataError(f"Neither {part}.zip nor a folder {part} is in {folder}; put that of {name} there.")
    names, get = _archive(source) if source.is_file() else _folder(source)
    # hidden files such as __MACOSX/Train/0/._00002.bin are no recordings
    pattern = re.compile(rf"(?:.*/)?{part}/([0-9])/([^/.][^/]*\.bin)")
    members = sorted((match[2], int(match[1]), match[0]) for match in map(pattern.fullmatch, names) if match)
    if not members:
        raise DataError(f"{source} holds no recordings {part}/0/*.bin to {part}/9/*.bin; replace it by that of {name}.")
    for digit in sorted(set(range(DIGITS)) - {digit for _, digit, _ in members})[:1]:
        raise DataError(f"{source} holds no recordings {part}/{digit}/*.bin; put them there or replace it by that of {name}.")
    return members, get


def _folder(path: Path) -> tuple[list[str], Callable[[str], Events]]:
    """The names of the files of a folder, such as Train/5/00001.bin, and a function that reads one."""
    names = [f"{path.name}/{digit}/{file}" for digit in range(DIGITS) for file in names_in(path / str(digit))]

    def get(name: str) -> Events:
        file = path.parent / name
        try:
            _require_small(file.stat().st_size, str(file))
        except OSError as error:
            raise DataError(f"File {file} cannot be read ({error.strerror}); make it readable or replace it.") from error
        return read(file, SIDE, SIDE)

    return names, get


def _archive(path: Path) -> tuple[list[str], Callable[[str], Events]]:
    """The names of the members of an archive, and a function that reads one."""
    try:
        archive = zipfile.ZipFile(path)
    except DAMAGE as error:
        raise DataError(f"Archive {path} cannot be read ({error}); make it readable or replace it.") from error

    def get(name: str) -> Events:
        _require_small(archive.getinfo(name).file_size, f"{name} in {path}")
        try:
            content = archive.read(name)
        except DAMAGE as error:
            raise DataError(f"File {name} in {path} cannot be read ({error}); replace the archive.") from error
        return read(content, SIDE, SIDE, f"{name} in {path}")

    return archive.namelist(), get


def _require_small(size: int, name: str) -> None:
    """Refuse a file that would fill the memory and is no recording."""
    if size > LARGEST:
        raise DataError(f"File {name} has {size} bytes, but no recording of N-MNIST has more than {LARGEST}; replace it.")


def _download() -> Path:
    """Download the archives that the cache lacks, each from the first mirror that gives it right; returns the folder."""
    folder = download_folder(NAME)
    download(
        "N-MNIST",
        folder,
        MIRRORS,
        list(WHOLE),
        lambda part: _source(folder, part) is not None,
        lambda mirror, part: retrieve(mirror[part], folder, f"{part}.zip", MD5[part]),
        f"put Train.zip and Test.zip into the subfolder {FOLDERS[NAME][0]} of a folder, and name that folder with --data-dir "
        "or BRIANPROP_DATA, or use emulated events",
    )
    return folder
