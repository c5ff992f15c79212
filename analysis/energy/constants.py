"""Energy and time of single operations of the chip, as published or from a file of the user."""

from __future__ import annotations

import os
from dataclasses import dataclass, fields

from brianprop.analysis.toml_files import read_toml
from brianprop.models.errors import DataError, ParameterError, did_you_mean, reason
from brianprop.models.parameters import Checked

__all__ = ["Constants", "read_constants"]


@dataclass(frozen=True)
class Constants(Checked):
    """Energy [J] and time [s] of single operations of the chip.

    All defaults are from Table 2 of Davies et al. 2018 (pre-silicon SDF and SPICE simulations): published costs of an operation
    of the chip, not measurements of the circuits here.

    Raises
    ------
    ParameterError
        If a value is negative or no finite number.
    """

    within_tile_energy: float = 1.7e-12
    """Within-tile spike energy [J]."""
    hop_east_west_energy: float = 3.0e-12
    """Energy per tile hop, E-W [J]."""
    hop_north_south_energy: float = 4.0e-12
    """Energy per tile hop, N-S [J]."""
    operation_energy: float = 23.6e-12
    """Energy per synaptic spike operation, the published minimum [J]."""
    operation_time: float = 3.5e-9
    """Time per synaptic spike operation, the published maximum [s]."""
    update_energy: float = 120e-12
    """Energy per synaptic update, of pairwise STDP [J]."""
    update_time: float = 6.1e-9
    """Time per synaptic update, of pairwise STDP [s]."""
    active_energy: float = 81e-12
    """Energy per neuron update, active [J]."""
    active_time: float = 8.4e-9
    """Time per neuron update, active [s]."""
    inactive_energy: float = 52e-12
    """Energy per neuron update, inactive [J]."""
    inactive_time: float = 5.3e-9
    """Time per neuron update, inactive [s]."""
    barrier_1_tile_time: float = 113e-9
    """Mesh-wide barrier synchronisation of 1 tile [s]."""
    barrier_32_tiles_time: float = 465e-9
    """The same of 32 tiles [s]."""

    def __post_init__(self):
        self._require_numbers()
        for item in fields(self):
            self._require(item.name, getattr(self, item.name) >= 0, "at least 0")


def read_constants(path: str | os.PathLike) -> Constants:
    """Read constants from a TOML file of lines ``name = value`` [J] or [s]; those that it does not name keep their defaults.

    Raises
    ------
    DataError
        If the file cannot be read, is no TOML, has an unknown name or a value that is no finite number of at least 0.
    """
    try:
        values = read_toml(path)
    except OSError as error:
        raise DataError(f"The constants {path} cannot be read ({reason(error)}); choose another --constants.") from error
    except ValueError as error:
        raise DataError(
            f"The constants {path} are no TOML ({error}); write lines such as 'update_energy = 120e-12'."
        ) from error
    known = [item.name for item in fields(Constants)]
    for name in values:
        if name not in known:
            raise DataError(
                f"The constants {path} name {name!r}, which is unknown; use some of {', '.join(known)}."
                f"{did_you_mean(name, known)}"
            )
    try:
        return Constants(**values)
    except ParameterError as error:
        raise DataError(f"The constants {path} do not hold: {str(error)[0].lower()}{str(error)[1:]}") from error
