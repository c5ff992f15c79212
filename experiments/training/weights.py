"""Initial weights that are read from a file (``--init-weights``)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from brianprop.analysis.runs.npz import DamagedError, read_npz
from brianprop.models.errors import DataError
from brianprop.models.model import Weights
from brianprop.models.weights import layout_fault, taken, value_fault

__all__ = ["read_weights"]


def read_weights(path: Path, parameters: Any) -> Weights:
    """Read the weights that a training starts from.

    Parameters
    ----------
    path : Path
        An .npz file.
    parameters : dataclass
        Parameters of the network; their property ``arrays`` describes the arrays that it takes, see `models.weights`.

    Returns
    -------
    dict of arrays
        In the types of the network.

    Raises
    ------
    DataError
        When the file cannot be read; when an array is missing, unknown, or of the wrong shape or type; or when a value is not
        finite, beyond the bound of the weights or off their grid.
    """
    wanted = parameters.arrays
    arrays = ", ".join(f"{name} {array.shape}" for name, array in wanted.items() if array.needed)
    remedy = f"give an .npz file with the arrays {arrays}"
    if not Path(path).exists():
        raise DataError(f"--init-weights {path} does not exist; {remedy}.")
    try:
        found = read_npz(path, lambda headers: layout_fault(headers, wanted, stored=False))
    except DamagedError as error:
        raise DataError(f"--init-weights {path} cannot be taken, since {error}; {remedy}.") from error
    if fault := value_fault(found, wanted, stored=False):
        raise DataError(f"--init-weights {path} cannot be taken, since {fault}; {remedy} that the network can hold.")
    return taken(found, wanted)
