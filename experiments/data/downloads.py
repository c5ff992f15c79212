"""Find data sets on this machine, and download them from public mirrors into the cache."""

from __future__ import annotations

import errno
import os
import re
import shutil
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar, cast

from brianprop.models.cache import cache_root, exclusive, folder_of
from brianprop.models.errors import DataError, reason

__all__ = ["INNER", "data_folder", "download", "download_folder", "exists", "locate", "names_in", "retrieve"]

Mirror = TypeVar("Mirror")

#: Decides from the paths of the files of a data set, None for each that is missing, whether a folder holds it.
Enough = Callable[[Sequence[Path | None]], bool]

#: Seconds without an answer after which a mirror has failed.
TIMEOUT = 30

#: Subfolders of the folder of a data set that may hold its files: itself, or those of torchvision and of EMNIST's archive.
INNER = ("", "raw", "gzip")


def data_folder(data_dir: Path | None) -> Path | None:
    """The folder of data sets: `data_dir`, or else $BRIANPROP_DATA; None if neither is given."""
    if data_dir:
        return folder_of(data_dir, "the data folder")
    named = os.environ.get("BRIANPROP_DATA")
    return folder_of(named, "BRIANPROP_DATA") if named else None


def download_folder(name: str) -> Path:
    """The folder of the cache for the downloaded files of a data set."""
    return cache_root() / "downloads" / name


def locate(
    name: str,
    data_dir: Path | None,
    names: Sequence[str],
    parts: Callable[[Path], Sequence[Path | None]],
    others: Sequence[Path] = (),
    itself: Enough | None = any,
) -> Path | None:
    """The first folder that holds a data set, or some of its files; the folder of the cache only if it is complete.

    Parameters
    ----------
    name : str
        Name of the data set in the cache, see `download_folder`.
    data_dir : Path, optional
        Where to look; nothing else is searched then.
    names : sequence of str
        Names of subfolders of the `data_folder` that are searched, and their subfolders `INNER`. Case, hyphens and underscores
        do not matter, so that MNIST of torchvision and NMNIST of tonic are found.
    parts : callable
        Takes a folder; returns the paths of all files of the data set there, None for each that is missing.
    others : sequence of Path
        Folders that are searched before the cache.
    itself : callable, optional
        Takes the paths that `parts` found in the data folder itself, and decides whether they are this data set; None if the
        data folder itself is not searched.

    Returns
    -------
    Path or None

    Raises
    ------
    DataError
        When a folder cannot be read.
    """
    folder_of_sets = data_folder(data_dir)
    searched: list[tuple[Path, Enough]] = [(folder, any) for folder in _subfolders(folder_of_sets, names)]
    if folder_of_sets and itself:
        searched += [(folder_of_sets / inner, itself) for inner in INNER]
    if data_dir is None:
        searched += [*((folder, any) for folder in others), (download_folder(name), all)]
    # some of the files are enough outside of the cache: the reader then names a missing one, instead of a silent download
    return next((folder for folder, enough in searched if enough(parts(folder))), None)


def exists(path: Path) -> bool:
    """Whether a file or folder exists.

    Raises
    ------
    DataError
        When there is no permission to look.
    """
    try:
        path.stat()
    except PermissionError as error:
        raise DataError(
            f"{path} cannot be read ({reason(error)}); change the permissions of its folder or name another folder."
        ) from error
    except OSError:
        return False
    return True


def names_in(folder: Path) -> list[str]:
    """Sorted names of the entries of a folder; empty if it is no folder. Raises DataError without permission to read it."""
    try:
        return sorted(os.listdir(folder))
    except PermissionError as error:
        raise DataError(f"{folder} cannot be read ({reason(error)}); change its permissions or name another folder.") from error
    except OSError:
        return []


def _subfolders(folder: Path | None, names: Sequence[str]) -> list[Path]:
    """Subfolders that may hold a data set of these names; exact names come first."""
    if folder is None:
        return []
    present = names_in(folder)
    wanted = {_plain(name) for name in names}
    ordered = [*(name for name in names if name in present), *(name for name in present if _plain(name) in wanted)]
    return [folder / name / inner for name in dict.fromkeys(ordered) for inner in INNER]


def _plain(name: str) -> str:
    """A name in lower case, letters and digits only."""
    return re.sub(r"[^a-z0-9]", "", name.lower())


def download(
    name: str,
    folder: Path,
    mirrors: Sequence[Mirror],
    files: Sequence[str],
    present: Callable[[str], bool],
    fetch: Callable[[Mirror, str], object],
    remedy: str,
) -> None:
    """Fetch the missing files, each from the first mirror that has it in its published form; one process at a time.

    Parameters
    ----------
    name : str
        Name of the data set in messages.
    folder : Path
        Where the files go.
    mirrors : sequence
        Mirrors, in the order in which they are tried.
    files : sequence of str
        Names of all files.
    present : callable
        Whether a file is there already.
    fetch : callable
        Fetches a file from a mirror by `retrieve`; raises a DataError if it is not the published one.
    remedy : str
        What the user can do if all mirrors fail.

    Raises
    ------
    DataError
        When all mirrors fail or the folder cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with exclusive(folder.with_name(f".{folder.name}.lock")):
            # only now: another process may have fetched files while this one waited for the lock
            missing = [file for file in files if not present(file)]
            problem = _try_mirrors(mirrors, missing, fetch)
    except OSError as error:
        # pooch raises a PermissionError of its own, with a text of several lines and without strerror
        why = error.strerror or "no permission to write"
        raise DataError(
            f"Data set {name} cannot be downloaded into {folder} ({why}); make room there, or set "
            "BRIANPROP_CACHE to a folder that can be written."
        ) from error
    if missing:
        raise DataError(f"Data set {name} cannot be downloaded ({_reason(problem)}): {remedy}.") from problem


def _try_mirrors(mirrors: Sequence[Mirror], missing: list[str], fetch: Callable[[Mirror, str], object]) -> Exception | None:
    """Remove from `missing` each file that a mirror gave; returns why the last mirror failed."""
    import requests

    problem = None
    # a mirror that failed once is not asked for further files, to spare the user several timeouts in a row
    for mirror in mirrors:
        try:
            for file in tuple(missing):
                fetch(mirror, file)
                missing.remove(file)
        except (DataError, requests.RequestException) as error:
            problem = error
        else:
            break
    return problem


def retrieve(url: str, folder: Path, file: str, md5: str | None = None) -> Path:
    """Download one file, unless the folder holds it with this MD5. Raises DataError if the MD5 of the download is another.

    Parameters
    ----------
    url : str
    folder : Path
    file : str
        Name of the file in the folder.
    md5 : str, optional
        Where it is known.
    """
    import pooch

    def fetch(address: str, output: Any, _: Any) -> None:
        _transfer(address, Path(output), folder / file)

    logger = pooch.get_logger()
    level = logger.level
    # below this level, pooch recommends to note the hash of the gzip file, which differs between mirrors
    logger.setLevel("WARNING")
    try:
        return Path(pooch.retrieve(url, known_hash=md5 and f"md5:{md5}", fname=file, path=folder, downloader=cast(Any, fetch)))
    except ValueError as error:
        # pooch has deleted the file
        raise DataError(f"File {url} is not the published one: its MD5 is not {md5}; try again later.") from error
    finally:
        logger.setLevel(level)


def _transfer(url: str, output: Path, target: Path) -> None:
    """Download an address into the file `output`; first prints address, size and `target`, where the file will be."""
    import requests
    from tqdm import tqdm

    # without compression for the transfer, which would change the size
    with requests.get(url, stream=True, timeout=TIMEOUT, headers={"Accept-Encoding": "identity"}) as response:
        response.raise_for_status()
        length = response.headers.get("Content-Length", "")
        size = int(length) if length.isdigit() else None
        words = "size unknown" if size is None else f"{size:,} bytes"
        print(f"Downloading {url} ({words}) to {target}", file=sys.stderr)
        if size is not None and size > shutil.disk_usage(output.parent).free:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(target))
        options = {"unit": "B", "unit_scale": True, "leave": False, "disable": None}
        with output.open("wb") as file, tqdm(total=size, **options) as bar:
            for block in response.iter_content(2**16):
                file.write(block)
                bar.update(len(block))


def _reason(problem: Exception | None) -> str:
    """The reason in a few words, since the texts of nested HTTP errors have several lines."""
    if isinstance(problem, DataError):
        return "its mirrors sent something else"
    response = getattr(problem, "response", None)
    return f"HTTP status {response.status_code}" if response is not None else "no connection to its mirrors"
