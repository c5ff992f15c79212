"""Figures in one style, written as PNG and PDF."""

from __future__ import annotations

import contextlib
import gc
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from brianprop.models.errors import RunError, reason
from brianprop.models.files import atomic_write

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["STYLE", "NothingToShowError", "make_folder", "styled", "write_figures"]

#: The Matplotlib style of all figures.
STYLE = Path(__file__).with_name("style.mplstyle")

#: Metadata by file type: without the date, which would make equal figures differ.
METADATA = {"png": {"Software": None}, "pdf": {"CreationDate": None}}


class NothingToShowError(Exception):
    """The runs do not hold what a figure shows, or do not differ in it."""


def make_folder(folder: Path) -> None:
    """Make a folder for results where there is none. Raises RunError if it cannot be made."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RunError(f"Cannot make the folder {folder}: {reason(error)}; choose another --out.") from error


def _matplotlib_style() -> ModuleType:
    """The module matplotlib.style. Raises RunError if a setting of the user prevents its import."""
    try:
        import matplotlib.style
    except ValueError:
        # MPLBACKEND may name a backend that is not installed here, such as that of a notebook; files need none
        for name in [name for name in sys.modules if name.partition(".")[0] == "matplotlib"]:
            del sys.modules[name]  # left over from the failed import
        with _without("MPLBACKEND"):
            try:
                import matplotlib.style
            except (ValueError, OSError) as error:
                reason = " ".join(str(error).split())
                raise RunError(
                    f"Matplotlib cannot be imported ({reason}); mend its file matplotlibrc here, at $MATPLOTLIBRC or in "
                    "~/.config/matplotlib."
                ) from error
    return matplotlib.style


def styled() -> AbstractContextManager:
    """Use the style of the project for the length of a block.

    It is without the settings of the user, so that equal runs give equal figures on every machine.

    Raises
    ------
    RunError
        If Matplotlib cannot be imported, since its settings are damaged.
    """
    return _matplotlib_style().context(STYLE, after_reset=True)


@contextlib.contextmanager
def _without(variable: str) -> Iterator[None]:
    """Take a variable out of the environment for the length of a block."""
    value = os.environ.pop(variable, None)
    try:
        yield
    finally:
        if value is not None:
            os.environ[variable] = value


@contextlib.contextmanager
def _uncollected() -> Iterator[None]:
    """No garbage collection in a block: each would go through the many thousand objects of a figure, a tenth of the time."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def write_figures(figures: Mapping[str, Callable[[], Figure]], folder: Path) -> list[Path]:
    """Draw figures. A line on standard output names each figure that is left out since there is nothing to show.

    Parameters
    ----------
    figures : mapping of callable
        The function that draws each figure, by the name of its files. A NothingToShowError leaves the figure out.
    folder : pathlib.Path
        Made where there is none.

    Returns
    -------
    list of pathlib.Path
        The files written, PNG and PDF of each figure.

    Raises
    ------
    RunError
        If the folder cannot be made or a file cannot be written.
    """
    make_folder(folder)
    written = []
    with styled(), _uncollected():
        for name, plot in figures.items():
            try:
                figure = plot()
            except NothingToShowError as error:
                print(f"{name}: left out, since {error}")
                continue
            _lay_out(figure)
            for kind, metadata in METADATA.items():
                path = folder / f"{name}.{kind}"
                atomic_write(path, partial(figure.savefig, format=kind, metadata=metadata))
                written.append(path)
    return written


def _lay_out(figure: Figure) -> None:
    """Place everything once, at the resolution of the PNG. Otherwise each file would need a layout, and a drawing before it."""
    from matplotlib import rcParams

    engine = figure.get_layout_engine()
    if engine is not None:
        figure.set_dpi(rcParams["savefig.dpi"])
        engine.execute(figure)
        figure.set_layout_engine(None)
