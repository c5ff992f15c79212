"""N-MNIST: recordings of an event camera, found as archives or folders, or downloaded, and read one by one.

Source: G. Orchard, A. Jayawant, G. K. Cohen, N. Thakor, "Converting static image datasets to spiking neuromorphic datasets
using saccades", Frontiers in Neuroscience 9:437 (2015), under the licence CC BY-SA 4.0. An event camera of 34 x 34 pixels
looked at each image of MNIST in three saccades. A recording has the number of its image in MNIST, counted from 1: Train.zip
holds Train/5/00001.bin, Train/0/00002.bin and so on.
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
from brianprop.experiments.data.downloads import download, download_folder, exists, locate, names_in, retrieve
from brianprop.experiments.data.events import Events, Recordings, read
from brianprop.models.errors import DataError, reason

__all__ = ["NAME", "SIDE", "find", "load"]

NAME = "n-mnist"

#: Rows and columns of the sensor [pixels].
SIDE = 34

#: Subfolders of a data folder that are searched.
FOLDERS = ("nmnist", "N-MNIST")

#: Bytes of a recording, at most: 13 million events. Recordings of N-MNIST have about 20 kB.
LARGEST = 2**26

ARCHIVES = ("Train", "Test")
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


def load(data_dir: Path | None = None) -> Dataset:
    """Find N-MNIST, or download it, and list its recordings; each is read when it is asked for.

    It is searched as Train.zip and Test.zip, or as the folders Train and Test, in the subfolders ``nmnist``, ``N-MNIST`` and
    the like of ``data_dir`` or else of $BRIANPROP_DATA, in this folder itself if it holds both parts, and in the cache. An
    archive is preferred to a folder beside it, since an incomplete archive is noticed. With ``data_dir`` nothing else is
    searched and nothing downloaded.

    Parameters
    ----------
    data_dir : Path, optional
        A folder of data sets.

    Returns
    -------
    Dataset
        Recordings in the order of their file names, which is the order of MNIST.

    Raises
    ------
    DataError
        When the data are missing, an archive is damaged, or a digit has no recordings; later, when a damaged recording is
        asked for.
    """
    folder = _locate(data_dir)
    if folder is None and data_dir is not None:
        raise DataError(
            f"Data set N-MNIST is not in {data_dir}: put Train.zip and Test.zip, or the folders Train and Test that they hold, "
            f"there or into its subfolder {FOLDERS[0]}, leave --data-dir away so that it is downloaded, or use emulated events."
        )
    folder = folder or _download()
    train, test = (_part(folder, name) for name in ARCHIVES)
    return Dataset(NAME, train, test, np.arange(DIGITS, dtype=np.int64), str(folder))


def find(data_dir: Path | None = None) -> str | None:
    """Where `load` would find N-MNIST without a download: a folder that holds both parts, or None."""
    folder = _locate(data_dir)
    return str(folder) if folder is not None and all(_source(folder, part) for part in ARCHIVES) else None


def _source(folder: Path, part: str) -> Path | None:
    """The archive or the folder of one part; None if there is neither."""
    # tonic writes the names of the archives in lower case
    for path in (folder / f"{part}.zip", folder / f"{part.lower()}.zip"):
        if exists(path) and path.is_file():
            return path
    unpacked = folder / part
    return unpacked if exists(unpacked) and unpacked.is_dir() else None


def _locate(data_dir: Path | None) -> Path | None:
    # a folder that holds Train alone may be any other data set
    return locate(NAME, data_dir, FOLDERS, lambda folder: [_source(folder, part) for part in ARCHIVES], itself=all)


def _part(folder: Path, part: str) -> Part:
    """The recordings of one part, and their labels."""
    source = _source(folder, part)
    if source is None:
        raise DataError(f"Neither {part}.zip nor a folder {part} is in {folder}; put the archive of N-MNIST there.")
    names, get = _archive(source) if source.is_file() else _folder(source)
    # hidden files such as __MACOSX/Train/0/._00002.bin are no recordings
    pattern = re.compile(rf"(?:.*/)?{part}/([0-9])/([^/.][^/]*\.bin)")
    members = sorted((match[2], int(match[1]), match[0]) for match in map(pattern.fullmatch, names) if match)
    if not members:
        raise DataError(f"{source} holds no recordings {part}/0/*.bin to {part}/9/*.bin; replace it by that of N-MNIST.")
    labels = np.array([digit for _, digit, _ in members], np.int64)
    for digit in np.setdiff1d(np.arange(DIGITS), labels)[:1]:
        raise DataError(f"{source} holds no recordings {part}/{digit}/*.bin; put them there or replace it by that of N-MNIST.")
    return Part(Recordings(lambda number: get(members[number][2]), range(len(members)), SIDE, SIDE), labels)


def _folder(path: Path) -> tuple[list[str], Callable[[str], Events]]:
    """The names of the files of a folder, such as Train/5/00001.bin, and a function that reads one."""
    names = [f"{path.name}/{digit}/{file}" for digit in range(DIGITS) for file in names_in(path / str(digit))]

    def get(name: str) -> Events:
        file = path.parent / name
        try:
            _require_small(file.stat().st_size, str(file))
        except OSError as error:
            raise DataError(f"File {file} cannot be read ({reason(error)}); make it readable or replace it.") from error
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
        ARCHIVES,
        lambda part: _source(folder, part) is not None,
        lambda mirror, part: retrieve(mirror[part], folder, f"{part}.zip", MD5[part]),
        f"put Train.zip and Test.zip into the subfolder {FOLDERS[0]} of a folder, and name that folder with --data-dir or "
        "BRIANPROP_DATA, or use emulated events",
    )
    return folder
