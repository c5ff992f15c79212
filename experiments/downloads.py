"""Where data sets are searched, and downloads from public mirrors into the cache."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

from models.cache import cache_root
from models.errors import DataError

__all__ = ["data_folder", "download", "download_folder", "locate", "retrieve"]

Mirror = TypeVar("Mirror")

#: Seconds after which a mirror that says nothing has failed.
TIMEOUT = 30


def data_folder(data_dir: Path | None) -> Path | None:
    """The folder of data sets that is named, by `data_dir` or else by $BRIANPROP_DATA."""
    place = data_dir or os.environ.get("BRIANPROP_DATA")
    return Path(place).expanduser().absolute() if place else None


def download_folder(name: str) -> Path:
    """Where the cache holds what was downloaded of a data set."""
    return cache_root() / "downloads" / name


def locate(
    name: str,
    data_dir: Path | None,
    subfolders: Sequence[str],
    parts: Callable[[Path], Sequence[Path | None]],
    others: Sequence[Path] = (),
) -> Path | None:
    """Return the first folder that holds a data set, or a part of it; of the cache only if it is complete.

    Parameters
    ----------
    name : str
        That of `download_folder`.
    data_dir : Path, optional
        Where to look; nothing else is searched then.
    subfolders : sequence of str
        Of the `data_folder`, an empty one for this itself.
    parts : callable
        Gives the paths of all parts of the data set in a folder, None for those that it lacks.
    others : sequence of Path
        Folders that are searched before the cache.
    """
    place = data_folder(data_dir)
    folders = [place / subfolder for subfolder in subfolders] if place else []
    for folder in [*folders, *(others if data_dir is None else ())]:
        # a part counts: the reader then names the missing one, which beats a silent download
        if any(parts(folder)):
            return folder
    downloaded = download_folder(name)
    return downloaded if data_dir is None and all(parts(downloaded)) else None


def download(
    name: str,
    folder: Path,
    mirrors: Sequence[Mirror],
    lacking: Sequence[str],
    fetch: Callable[[Mirror, str], object],
    remedy: str,
) -> None:
    """Fetch the files that lack, each from the first mirror that gives it right.

    Parameters
    ----------
    name : str
        The data set, for messages.
    folder : Path
        Where the files go, for messages.
    mirrors : sequence
        What `fetch` takes, in the order in which they are tried.
    lacking : sequence of str
        Files.
    fetch : callable
        Fetches one file from a mirror by `retrieve`; raises a DataError where it is not what it should be.
    remedy : str
        What to do where all mirrors fail.

    Raises
    ------
    DataError
        When all mirrors fail or the folder cannot be written.
    """
    import requests

    lacking = list(lacking)
    problem = None
    # a mirror that fails once is not asked again: four timeouts in a row would try anyone's patience
    for mirror in mirrors:
        try:
            for file in tuple(lacking):
                fetch(mirror, file)
                lacking.remove(file)
        except (DataError, requests.RequestException) as error:
            problem = error
        except OSError as error:
            # pooch words a refusal anew, over several lines and without strerror
            reason = error.strerror or "no permission to write"
            raise DataError(
                f"Data set {name} cannot be downloaded into {folder} ({reason}); make room there, or set "
                "BRIANPROP_CACHE to a folder that can be written."
            ) from error
        else:
            return
    raise DataError(f"Data set {name} cannot be downloaded ({_reason(problem)}): {remedy}.") from problem


def retrieve(url: str, folder: Path, file: str, md5: str | None = None) -> Path:
    """Download one file unless the folder holds it with this MD5; raises DataError where it has another."""
    import pooch

    logger = pooch.get_logger()
    level = logger.level
    # pooch would recommend to note the hash of the gzip wrapper, which differs from mirror to mirror
    logger.setLevel("WARNING")
    print(f"Downloading {url}", file=sys.stderr)
    downloader = pooch.HTTPDownloader(progressbar=sys.stderr.isatty(), timeout=TIMEOUT)
    try:
        return Path(pooch.retrieve(url, known_hash=md5 and f"md5:{md5}", fname=file, path=folder, downloader=downloader))
    except ValueError as error:
        # pooch has deleted it
        raise DataError(f"File {url} is not the published one: its MD5 is not {md5}; try again later.") from error
    finally:
        logger.setLevel(level)


def _reason(problem: Exception | None) -> str:
    """Say why in a few words: the exceptions of HTTP libraries nest, and their text runs over lines."""
    if isinstance(problem, DataError):
        return "its mirrors sent something else"
    response = getattr(problem, "response", None)
    return f"HTTP status {response.status_code}" if response is not None else "no connection to its mirrors"
