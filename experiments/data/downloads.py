"""Where data sets are searched, and downloads from public mirrors into the cache."""

from __future__ import annotations

import errno
import os
import re
import shutil
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

from brianprop.models.cache import cache_root, exclusive, folder_of
from brianprop.models.errors import DataError

__all__ = ["INNER", "data_folder", "download", "download_folder", "locate", "names_in", "readable", "retrieve"]

Mirror = TypeVar("Mirror")

#: Seconds after which a mirror that says nothing has failed.
TIMEOUT = 30

#: Where the files lie in the folder of a data set: in itself, or as torchvision and the archives of EMNIST put them.
INNER = ("", "raw", "gzip")


def data_folder(data_dir: Path | None) -> Path | None:
    """The folder of data sets that is named, by `data_dir` or else by $BRIANPROP_DATA."""
    if data_dir:
        return folder_of(data_dir, "the data folder")
    named = os.environ.get("BRIANPROP_DATA")
    return folder_of(named, "BRIANPROP_DATA") if named else None


def download_folder(name: str) -> Path:
    """Where the cache holds what was downloaded of a data set."""
    return cache_root() / "downloads" / name


def locate(
    name: str,
    data_dir: Path | None,
    names: Sequence[str],
    parts: Callable[[Path], Sequence[Path | None]],
    others: Sequence[Path] = (),
    itself: Callable[[Sequence[Path | None]], bool] | None = any,
) -> Path | None:
    """Return the first folder that holds a data set, or a part of it; of the cache only if it is complete.

    Parameters
    ----------
    name : str
        That of `download_folder`.
    data_dir : Path, optional
        Where to look; nothing else is searched then.
    names : sequence of str
        Of subfolders of the `data_folder`: a subfolder counts if its name has the same letters and digits, so that MNIST of
        torchvision and NMNIST of tonic are found. Each, and its own subfolders `INNER`, is searched.
    parts : callable
        Gives the paths of all parts of the data set in a folder, None for those that it lacks.
    others : sequence of Path
        Folders that are searched before the cache.
    itself : callable, optional
        Says of the parts in the data folder itself whether they are this data set; None if they never are.

    Raises
    ------
    DataError
        When a folder cannot be read.
    """
    place = data_folder(data_dir)
    searched = [(folder, any) for folder in _subfolders(place, names)]
    if place and itself:
        searched += [(place / inner, itself) for inner in INNER]
    if data_dir is None:
        searched += [*((folder, any) for folder in others), (download_folder(name), all)]
    # a part counts: the reader then names the missing one, which beats a silent download
    return next((folder for folder, enough in searched if enough(parts(folder))), None)


def readable(path: Path) -> bool:
    """Whether there is a file or folder.

    Raises
    ------
    DataError
        When its folder may not be read, so that nobody can tell.
    """
    try:
        path.stat()
    except PermissionError as error:
        raise DataError(
            f"{path} cannot be read ({error.strerror}); change the permissions of its folder or name another folder."
        ) from error
    except OSError:
        return False
    return True


def names_in(folder: Path) -> list[str]:
    """What is in a folder, in order; nothing where it is none. Raises DataError where it may not be read."""
    try:
        return sorted(os.listdir(folder))
    except PermissionError as error:
        raise DataError(
            f"{folder} cannot be read ({error.strerror}); change its permissions or name another folder."
        ) from error
    except OSError:
        return []


def _subfolders(place: Path | None, names: Sequence[str]) -> list[Path]:
    """The folders of a data folder in which a data set of these names may lie; exact names come first."""
    if place is None:
        return []
    found = names_in(place)
    wanted = {_plain(name) for name in names}
    ordered = [*(name for name in names if name in found), *(name for name in found if _plain(name) in wanted)]
    return [place / name / inner for name in dict.fromkeys(ordered) for inner in INNER]


def _plain(name: str) -> str:
    """A name without case, hyphens and underscores."""
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
    """Fetch the files that lack, each from the first mirror that gives it right. One process at a time does so.

    Parameters
    ----------
    name : str
        The data set, for messages.
    folder : Path
        Where the files go.
    mirrors : sequence
        What `fetch` takes, in the order in which they are tried.
    files : sequence of str
        All files.
    present : callable
        Whether a file is there.
    fetch : callable
        Fetches one file from a mirror by `retrieve`; raises a DataError where it is not what it should be.
    remedy : str
        What to do where all mirrors fail.

    Raises
    ------
    DataError
        When all mirrors fail or the folder cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with exclusive(folder.with_name(f".{folder.name}.lock")):
            # the process before this one may have fetched them
            lacking = [file for file in files if not present(file)]
            problem = _try_mirrors(mirrors, lacking, fetch)
    except OSError as error:
        # pooch words a refusal anew, over several lines and without strerror
        reason = error.strerror or "no permission to write"
        raise DataError(
            f"Data set {name} cannot be downloaded into {folder} ({reason}); make room there, or set "
            "BRIANPROP_CACHE to a folder that can be written."
        ) from error
    if lacking:
        raise DataError(f"Data set {name} cannot be downloaded ({_reason(problem)}): {remedy}.") from problem


def _try_mirrors(mirrors: Sequence[Mirror], lacking: list[str], fetch: Callable[[Mirror, str], object]) -> Exception | None:
    """Take from `lacking` what a mirror gives; returns why the last one failed."""
    import requests

    problem = None
    # a mirror that fails once is not asked again: four timeouts in a row would try anyone's patience
    for mirror in mirrors:
        try:
            for file in tuple(lacking):
                fetch(mirror, file)
                lacking.remove(file)
        except (DataError, requests.RequestException) as error:
            problem = error
        else:
            break
    return problem


def retrieve(url: str, folder: Path, file: str, md5: str | None = None) -> Path:
    """Download one file unless the folder holds it with this MD5; raises DataError where it has another."""
    import pooch

    def fetch(address: str, output: str, _) -> None:
        _transfer(address, Path(output), folder / file)

    logger = pooch.get_logger()
    level = logger.level
    # pooch would recommend to note the hash of the gzip wrapper, which differs from mirror to mirror
    logger.setLevel("WARNING")
    try:
        return Path(pooch.retrieve(url, known_hash=md5 and f"md5:{md5}", fname=file, path=folder, downloader=fetch))
    except ValueError as error:
        # pooch has deleted it
        raise DataError(f"File {url} is not the published one: its MD5 is not {md5}; try again later.") from error
    finally:
        logger.setLevel(level)


def _transfer(url: str, output: Path, target: Path) -> None:
    """Download an address into a file, and say before that what is downloaded, how large it is and where it will be."""
    import requests
    from tqdm import tqdm

    # as it is: data that the server packs for the transfer have another size
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
    """Say why in a few words: the exceptions of HTTP libraries nest, and their text runs over lines."""
    if isinstance(problem, DataError):
        return "its mirrors sent something else"
    response = getattr(problem, "response", None)
    return f"HTTP status {response.status_code}" if response is not None else "no connection to its mirrors"
