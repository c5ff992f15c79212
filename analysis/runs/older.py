"""What older versions of brianprop wrote, in the form of this one."""

from __future__ import annotations

from typing import Any

__all__ = ["upgrade_hidden"]


def upgrade_hidden(system: object, values: Any) -> None:
    """Make the sizes of the hidden layers of nBP a list, in place.

    There was one such layer once, and its size was a number, `n_hid` in config.json and `hidden` in plans of sweeps.

    Parameters
    ----------
    system : str
    values : dict
        Parameters of config.json, or settings of a plan. What is no dict is left as it is, for others to refuse.
    """
    if system != "nbp" or not isinstance(values, dict):
        return
    if "n_hid" in values and "hidden" not in values:
        values["hidden"] = values.pop("n_hid")
    if "hidden" in values and not isinstance(values["hidden"], list):
        values["hidden"] = [values["hidden"]]
