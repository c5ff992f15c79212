"""All figures of a run, written as PNG and PDF."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from analysis import accuracy, connectivity, images, raster, weights
from analysis.runs import Run, atomic_write
from models.circuit import Circuit
from models.errors import RunError
from models.nbp import NBP, training_circuit

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["STYLE", "circuit_of", "draw"]

#: The Matplotlib style of all figures.
STYLE = Path(__file__).with_name("style.mplstyle")

#: The date would make equal figures differ.
METADATA = {"png": {"Software": None}, "pdf": {"CreationDate": None}}


class _MissingError(Exception):
    """The run does not hold what a figure shows."""


def circuit_of(run: Run) -> Circuit:
    """The circuit that a run trained.

    Raises
    ------
    RunError
        If the configuration names an unknown system or parameter.
    """
    system, parameters = run.config.get("system"), run.config.get("parameters")
    if system != "nbp":
        raise RunError(f"{run.path / 'config.json'} names the system {system!r}; the figures know 'nbp'.")
    try:
        return training_circuit(NBP(**parameters))
    except TypeError as error:
        raise RunError(
            f"{run.path / 'config.json'} does not fit this version ({error}); use the version that wrote it."
        ) from error


def draw(run_paths: Sequence[Path], out: Path | None = None) -> list[Path]:
    """Write every figure for which the runs hold the data; a line on standard output names each one that is left out.

    Parameters
    ----------
    run_paths : sequence of path-like
        Run directories. The accuracy shows all of them, the other figures the first.
    out : path-like, optional
        Folder for the figures, by default ``figures`` in the first run directory.

    Returns
    -------
    list of pathlib.Path
        The files written.

    Raises
    ------
    RunError
        If a run cannot be read or a file cannot be written.
    """
    import matplotlib.style

    runs = [Run.open(path) for path in run_paths]
    if not runs:
        raise RunError("There is nothing to draw, since no run directory was given; give at least one.")
    first, circuit = runs[0], circuit_of(runs[0])
    folder = first.path / "figures" if out is None else Path(out)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RunError(f"Cannot make the folder {folder}: {error.strerror}; choose another --out.") from error
    figures: dict[str, Callable[[], Figure]] = {
        "raster": lambda: _raster(first, circuit),
        "accuracy": lambda: _accuracy(runs),
        "functional": lambda: connectivity.plot_functional(circuit),
        "anatomy": lambda: connectivity.plot_anatomy(circuit),
        "weights": lambda: _weights(first),
        "images": lambda: _images(first),
    }
    written = []
    with matplotlib.style.context(STYLE):
        for name, make in figures.items():
            try:
                figure = make()
            except _MissingError as error:
                print(f"{name}: left out, since {error}")
                continue
            written += [_save(figure, folder / f"{name}.{suffix}") for suffix in ("png", "pdf")]
    return written


def _save(figure: Figure, path: Path) -> Path:
    kind = path.suffix[1:]
    atomic_write(path, lambda file: figure.savefig(file, format=kind, metadata=METADATA[kind]))
    return path


def _raster(run: Run, circuit: Circuit) -> Figure:
    recording = run.load_spikes("raster") or run.load_spikes()
    if recording is None or not len(recording.step):
        raise _MissingError(f"{run.path} holds no spikes (raster.npz or spikes.npz)")
    return raster.plot_raster(recording, circuit)


def _accuracy(runs: Sequence[Run]) -> Figure:
    frames = [frame for frame in (run.metrics_frame() for run in runs) if len(frame)]
    if not frames:
        raise _MissingError(f"{runs[0].path} has no finished epoch (metrics.csv)")
    return accuracy.plot_accuracy(frames)


def _weights(run: Run) -> Figure:
    final = run.load_weights() if (run.path / "weights.npz").is_file() else run.load_checkpoint()[1]
    if not final:
        raise _MissingError(f"{run.path} holds no weights (weights.npz or checkpoints)")
    initial = run.load_checkpoint(0)[1] if 0 in run.checkpoints else {}
    parameters = run.config["parameters"]
    return weights.plot_weights(initial, final, bound=parameters["w_max"], step=parameters["w_step"])


def _images(run: Run) -> Figure:
    arrays = run.load_images()
    if arrays is None or not len(arrays["images"]):
        raise _MissingError(f"{run.path} holds no test images (images.npz)")
    dataset = run.config["dataset"]
    return images.plot_images(arrays, dataset["image_shape"], dataset["classes"])
