"""The image data sets: those that are known by name, and any folder in the format of MNIST."""

from __future__ import annotations

from pathlib import Path

from brianprop.experiments.data.dataset import Dataset
from brianprop.experiments.data.digits import DIGITS
from brianprop.experiments.data.downloads import exists
from brianprop.experiments.data.emnist import PARTS, SUBSETS
from brianprop.experiments.data.idx import inside, is_complete, read_folder
from brianprop.experiments.data.mnist import FASHION_MNIST, MNIST
from brianprop.models.cache import folder_of
from brianprop.models.errors import DataError, did_you_mean

__all__ = ["CHECKED", "NAMES", "default_crop", "find", "known", "load"]

#: A new data set is a file of its own, such as `mnist`, and an entry of this list.
SETS = (DIGITS, MNIST, FASHION_MNIST, *PARTS)

#: Names of data sets that anyone can load; any folder with the four IDX files works too.
NAMES = tuple(image_set.name for image_set in SETS)

BY_NAME = {image_set.name: image_set for image_set in (*SETS, *SUBSETS)}

#: Data sets whose files are checked against published SHA-256 wherever they are found.
CHECKED = frozenset(name for name, image_set in BY_NAME.items() if image_set.checked)


def load(name: str, data_dir: Path | None = None) -> Dataset:
    """Read a data set, and download it where it is known and found nowhere.

    The files are searched in ``data_dir``, $BRIANPROP_DATA, the system's packages and the cache; of the first two, in the
    subfolder with the name of the data set, such as ``MNIST/raw`` of torchvision, and in the folder itself. With ``data_dir``
    nothing else is searched and nothing downloaded. What the files of a data set are, and how they are checked, is documented
    in the file of each data set.

    Parameters
    ----------
    name : str
        One of `NAMES`; or one of EMNIST's parts with ``-subset`` behind it, for a folder of that name in a data folder; or a
        folder that holds the four IDX files, each plain or with the suffix .gz.
    data_dir : Path, optional
        Where to look for a data set that is named.

    Raises
    ------
    DataError
        When files are missing, unreadable, truncated, damaged, not what they should be, or do not fit each other.
    """
    if name in BY_NAME:
        return BY_NAME[name].load(data_dir)
    folder = folder_of(name, "--dataset")
    if not (exists(folder) and folder.is_dir()):
        raise DataError(
            f"Data set {name!r} is neither one of {', '.join(NAMES)} nor a folder; name one of these, or a "
            f"folder that holds the four IDX files.{did_you_mean(name, BY_NAME)}"
        )
    return read_folder(name, inside(folder))


def known(name: str) -> bool:
    """Whether a name is that of a data set, so that it is no folder."""
    return name in BY_NAME


def find(name: str, data_dir: Path | None = None) -> str | None:
    """Where `load` would find a data set without a download.

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
    if name in BY_NAME:
        return BY_NAME[name].find(data_dir)
    folder = inside(folder_of(name, "--dataset"))
    return str(folder) if is_complete(folder) else None


def default_crop(name: str) -> int:
    """Pixels to cut off each side of a data set's images where nothing else is asked."""
    return BY_NAME[name].crop if name in BY_NAME else 0
