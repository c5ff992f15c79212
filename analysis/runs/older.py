"""What older versions of brianprop wrote, in the form of this one."""

from __future__ import annotations

from typing import Any

__all__ = ["upgrade_hidden"]


def upgrade_hidden(system: object, values: Any) -> None:
    """Make the sizes of the hidden layers of nBP and of the ANN a list with the name `hidden`, in place.

    In config.json its name was `n_hid` once. nBP had one such layer, and its size was a number, in plans of sweeps too.

    Parameters
    ----------
    system : str
    values : dict
        Parameters of config.json, or settings of a plan. What is no dict is left as it is, for others to refuse.
    """
    if system not in ("nbp", "ann") or not isinstance(values, dict):
        return
    if "n_hid" in values and "hidden" not in values:
        values["hidden"] = values.pop("n_hid")
    if "hidden" in values and not isinstance(values["hidden"], list):
        values["hidden"] = [values["hidden"]]
