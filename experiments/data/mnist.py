"""MNIST and Fashion-MNIST: 28 x 28 pixels, 60,000 images to train on and 10,000 for the test.

Sources: Y. LeCun, L. Bottou, Y. Bengio, P. Haffner, "Gradient-based learning applied to document recognition", Proceedings of
the IEEE 86, 2278 (1998). H. Xiao, K. Rasul, R. Vollgraf, arXiv:1708.07747 (2017).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from brianprop.experiments.data.dataset import Dataset, ImageSet
from brianprop.experiments.data.downloads import download, download_folder, locate, retrieve
from brianprop.experiments.data.idx import FILES, file_in, holding, is_complete, read, read_folder
from brianprop.models.errors import DataError

__all__ = ["FASHION_MNIST", "MNIST", "PublishedIDX"]


@dataclass(eq=False)
class PublishedIDX(ImageSet):
    """A data set of four IDX files with published addresses.

    Attributes
    ----------
    name : str
        Also of the subfolder of a data folder that is searched.
    sha256 : dict of str
        Of the payloads, by the names of the files. The gzip wrappers differ from mirror to mirror; the payloads do not.
    mirrors : sequence of str
        Addresses of folders, tried in this order. They need not be trusted: every payload is checked.
    installed : Path, optional
        Where the package manager of a system puts the data set.
    crop : int
        See `ImageSet`.
    """

    name: str
    sha256: Mapping[str, str]
    mirrors: Sequence[str]
    installed: Path | None = None
    crop: int = 0
    checked = True

    def find(self, data_dir: Path | None) -> str | None:
        folder = self._locate(data_dir)
        return str(folder) if is_complete(folder) else None

    def load(self, data_dir: Path | None) -> Dataset:
        folder = self._locate(data_dir)
        if folder is None and data_dir is not None:
            raise DataError(
                f"Data set {self.name} is not in {data_dir}: put {', '.join(FILES)} (plain or .gz) there or into its "
                f"subfolder {self.name}, or leave --data-dir away so that it is downloaded."
            )
        return read_folder(self.name, folder or self._download(), sha256=self.sha256)

    def _locate(self, data_dir: Path | None) -> Path | None:
        others = [self.installed] if self.installed else []
        return locate(self.name, data_dir, [self.name], holding(FILES), others)

    def _download(self) -> Path:
        """Download what the cache lacks, each file from the first mirror that gives it right; returns the folder."""
        folder = download_folder(self.name)

        def fetch(mirror: str, stem: str) -> None:
            path = retrieve(f"{mirror}{stem}.gz", folder, f"{stem}.gz")
            try:
                read(path, FILES[stem], self.sha256[stem])
            except DataError:
                path.unlink(missing_ok=True)
                raise

        files = ", ".join(f"{stem}.gz" for stem in FILES)
        download(
            self.name,
            folder,
            self.mirrors,
            tuple(FILES),
            lambda stem: file_in(folder, stem) is not None,
            fetch,
            f"put {files} into a folder, and name the folder with --data-dir or BRIANPROP_DATA",
        )
        return folder


#: Renner et al. 2024 cut the images to 20 x 20 pixels: the border of MNIST is empty.
MNIST = PublishedIDX(
    name="mnist",
    sha256={
        "train-images-idx3-ubyte": "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
        "train-labels-idx1-ubyte": "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
        "t10k-images-idx3-ubyte": "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
        "t10k-labels-idx1-ubyte": "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
    },
    mirrors=(
        "https://ossci-datasets.s3.amazonaws.com/mnist/",
        "https://storage.googleapis.com/cvdf-datasets/mnist/",
    ),
    crop=4,
)

FASHION_MNIST = PublishedIDX(
    name="fashion-mnist",
    sha256={
        "train-images-idx3-ubyte": "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
        "train-labels-idx1-ubyte": "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
        "t10k-images-idx3-ubyte": "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
        "t10k-labels-idx1-ubyte": "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
    },
    mirrors=(
        "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
        "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/",
    ),
    # Debian's package dataset-fashion-mnist
    installed=Path("/usr/share/datasets/fashion-mnist"),
)
