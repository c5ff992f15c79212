"""Three parts of EMNIST, and folders that hold a subset of one of them.

Source: G. Cohen, S. Afshar, J. Tapson, A. van Schaik, arXiv:1702.05373 (2017). The files of the official archive have names
of their own, and their images are transposed.
"""

from __future__ import annotations

import dataclasses
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from brianprop.experiments.data.dataset import Dataset, ImageSet, Part
from brianprop.experiments.data.downloads import data_folder, download, download_folder, locate, retrieve
from brianprop.experiments.data.idx import FILES, holding, is_complete, read_folder
from brianprop.models.errors import DataError
from brianprop.models.files import atomic_write

__all__ = ["PARTS", "SUBSETS"]

#: The official archive, half a gigabyte with all parts of EMNIST, and its MD5.
ARCHIVE = "https://biometrics.nist.gov/cs_links/EMNIST/gzip.zip"
MD5 = "58c8d27c78d21e728a6bc7b3cc06412e"

#: Subfolder of a data folder and of the cache that may hold files of all parts.
FOLDER = "emnist"


@dataclass(eq=False)
class EMNISTPart(ImageSet):
    """One part: the files of the official archive, or the usual four files with upright images in a folder of its name.

    Attributes
    ----------
    name : str
    labels : sequence of int
        All labels in the files.
    """

    name: str
    labels: Sequence[int]

    @property
    def official(self) -> dict[str, str]:
        """Names of the files in the official archive, by the usual names."""
        return {stem: f"{self.name}-{stem.replace('t10k', 'test')}" for stem in FILES}

    def find(self, data_dir: Path | None) -> str | None:
        folder, names = self._locate(data_dir)
        return str(folder) if is_complete(folder, names.values()) else None

    def load(self, data_dir: Path | None) -> Dataset:
        folder, names = self._locate(data_dir)
        if folder is None:
            if data_dir is not None:
                raise DataError(
                    f"Data set {self.name} is not in {data_dir}: take {self._archived} out of {ARCHIVE} into that folder, or "
                    "leave --data-dir away so that it is downloaded."
                )
            folder = self._download()
        dataset, labels = read_folder(self.name, folder, names), self.labels
        if not np.array_equal(dataset.classes, labels):
            raise DataError(
                f"Folder {folder} holds the labels {dataset.classes[0]} to {dataset.classes[-1]} of {len(dataset.classes)} "
                f"classes, but {self.name} has {labels[0]} to {labels[-1]}; replace the files, or name the folder itself as "
                "the data set."
            )
        if names != self.official:
            return dataset
        upright = [Part(part.images.transpose(0, 2, 1), part.labels) for part in (dataset.train, dataset.test)]
        return dataclasses.replace(dataset, train=upright[0], test=upright[1])

    @property
    def _archived(self) -> str:
        return ", ".join(f"{stem}.gz" for stem in self.official.values())

    def _locate(self, data_dir: Path | None) -> tuple[Path | None, dict[str, str]]:
        """Folder of the files, or None, and the names of the files there."""
        # the usual names say nothing of what is in the files: they count in a folder of the right name only
        usual = {stem: stem for stem in FILES}
        for names, subfolders, itself in ((usual, [self.name], None), (self.official, [self.name, FOLDER], any)):
            folder = locate(FOLDER, data_dir, subfolders, holding(names.values()), itself=itself)
            if folder is not None:
                return folder, names
        return None, self.official

    def _download(self) -> Path:
        """Download the archive and take the four files of this part out of it; returns the folder."""
        folder, official = download_folder(FOLDER), self.official

        def fetch(mirror: str, file: str) -> None:
            with zipfile.ZipFile(retrieve(mirror, folder, file, MD5)) as members:
                for stem in official.values():
                    content = members.read(f"gzip/{stem}.gz")
                    atomic_write(folder / f"{stem}.gz", lambda file, content=content: file.write(content))

        download(
            self.name,
            folder,
            [ARCHIVE],
            ["gzip.zip"],
            lambda _: is_complete(folder, official.values()),
            fetch,
            f"take {self._archived} out of the archive {ARCHIVE} into a folder, and name it with --data-dir or BRIANPROP_DATA",
        )
        return folder


@dataclass(eq=False)
class Subset(ImageSet):
    """Some images of a part: a folder of its name in a data folder, with the usual four files and upright images.

    Attributes
    ----------
    name : str
    part : str
        Name of the part.
    """

    name: str
    part: str

    def find(self, data_dir: Path | None) -> str | None:
        folder = self._folder(data_dir)
        return str(folder) if is_complete(folder) else None

    def load(self, data_dir: Path | None) -> Dataset:
        folder = self._folder(data_dir)
        if folder is None or not folder.is_dir():
            raise DataError(
                f"Data set {self.name} is not in {folder.parent if folder else 'a folder that BRIANPROP_DATA names'}: put a "
                f"folder of that name with the four IDX files there, or use {self.part}."
            )
        return read_folder(self.name, folder)

    def _folder(self, data_dir: Path | None) -> Path | None:
        folder = data_folder(data_dir)
        return folder and folder / self.name


PARTS = (
    EMNISTPart("emnist-letters", range(1, 27)),
    EMNISTPart("emnist-balanced", range(47)),
    EMNISTPart("emnist-digits", range(10)),
)
SUBSETS = tuple(Subset(f"{part.name}-subset", part.name) for part in PARTS)
