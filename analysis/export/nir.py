"""The part of a trained network that answers, as a graph of the Neuromorphic Intermediate Representation (NIR).

Source: J. E. Pedersen et al., "Neuromorphic intermediate representation: A unified instruction set for interoperable
brain-inspired computing", Nature Communications 15, 8122 (2024), doi 10.1038/s41467-024-52259-9.

Each layer is an ``Affine`` node, which holds its weights, and a ``CubaLIF`` node. With time constants of one time step, r = 1
and v_leak = 0, the membrane is what arrives in this very step, and nothing outlasts it. See docs/nir.md.
"""

from __future__ import annotations

import io
import json
import math
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from brianprop.analysis.runs.run import Run
from brianprop.analysis.systems import SYSTEMS
from brianprop.models.errors import ParameterError, RunError
from brianprop.models.feedforward import Layer
from brianprop.models.files import atomic_write

if TYPE_CHECKING:
    import nir

__all__ = ["DT", "graph_of", "to_nir", "write_nir"]

#: Time step of the graph [s]: the one that snnTorch assumes of every graph.
DT = 1e-4


class _Fitted(Protocol):
    """A fitted estimator of `brianprop`."""

    @property
    def trained_(self) -> Any: ...


def to_nir(network: Run | str | os.PathLike | _Fitted, *, dt: float = DT, drive: bool = False) -> nir.NIRGraph:
    """The part of a trained network that answers, as a graph of NIR.

    Parameters
    ----------
    network : Run, path-like or estimator
        A finished run, its directory, or a fitted estimator.
    dt : float
        Time step [s] for which the time constants are made. A simulator must run the graph with this step.
    drive : bool
        Whether the output is the membrane of the output neurons in place of their spikes. That of SSNN-BP always is.

    Returns
    -------
    nir.NIRGraph
        ``input`` of shape (n_in,), or (n_in + random numbers of each step,) for SSNN-BP; ``output`` of shape (n_out,).

    Raises
    ------
    ParameterError
        If `dt` is no time, or the network has what the graph cannot hold, such as a memory or noise on its weights.
    RunError
        If the run cannot be read, its system has no spiking layers, or NIR is not installed.
    """
    trained = getattr(network, "trained_", None)
    if trained is None:
        if hasattr(network, "fit"):
            raise RunError(f"This {type(network).__name__} has learned nothing yet; call fit first.")
        trained = network if isinstance(network, Run) else Run.open(network)  # type: ignore[arg-type]
    weights = trained.load_weights() if isinstance(trained, Run) else trained.weights
    config = trained.config
    layers = SYSTEMS[config["system"]].feedforward(trained.parameters(), weights, config["training"]["seed"])
    graph = graph_of(layers, dt=dt, drive=drive)
    graph.metadata.update(_metadata(config, layers))
    return graph


def write_nir(run: Run, out: Path, *, dt: float = DT, drive: bool = False) -> None:
    """Write the graph of a run into a file; arguments as of `to_nir`."""
    graph = to_nir(run, dt=dt, drive=drive)
    import nir

    # written at once, since HDF5 crashes on a full disk
    memory: Any = io.BytesIO()
    nir.write(memory, graph)
    atomic_write(out, lambda file: file.write(memory.getbuffer()))


def graph_of(layers: Sequence[Layer], *, dt: float = DT, drive: bool = False) -> nir.NIRGraph:
    """Layers as a graph; arguments as of `to_nir`.

    Random numbers stand behind the inputs: first those of the first layer, then those of the second. Each layer after the first
    that draws some takes them by an ``Affine`` node of its own.
    """
    if not math.isfinite(dt) or not dt > 0:
        raise ParameterError(f"dt = {dt!r} must be a number of seconds greater than 0.")
    try:
        import nir
    except ImportError as error:
        raise RunError("nir is not installed; use pip install 'brianprop[nir]'.") from error
    draws = [layer.bias.size if layer.noise else 0 for layer in layers]
    n_in = layers[0].weights.shape[0]
    width = n_in + sum(draws)
    nodes: dict[str, nir.NIRNode] = {"input": nir.Input({"input": np.array([width])})}
    edges, source, first_draw = [], "input", n_in
    for layer, n_draws in zip(layers, draws, strict=True):
        weights = layer.weights.T
        noise = np.zeros((layer.bias.size, width))
        noise[np.arange(n_draws), first_draw + np.arange(n_draws)] = -layer.noise
        first_draw += n_draws
        if source == "input":
            weights = np.concatenate([weights, noise[:, n_in:]], axis=1)
        nodes[layer.matrix] = nir.Affine(_single(weights), _single(layer.bias))
        edges.append((source, layer.matrix))
        targets = [layer.matrix]
        if n_draws and source != "input":
            name = f"noise_{layer.name}"
            nodes[name] = nir.Affine(_single(noise), np.zeros(layer.bias.size, np.float32))
            edges.append(("input", name))
            targets.append(name)
        source = layer.matrix
        if layer.threshold is not None and not (drive and layer is layers[-1]):
            nodes[layer.name] = _neurons(layer.threshold, dt)
            edges += [(target, layer.name) for target in targets]
            source = layer.name
    nodes["output"] = nir.Output({"output": np.array([layers[-1].bias.size])})
    edges.append((source, "output"))
    return nir.NIRGraph(nodes, edges, metadata={"dt": dt})


def _neurons(threshold: np.ndarray, dt: float) -> nir.CubaLIF:
    import nir

    ones = np.ones(threshold.shape, np.float32)
    return nir.CubaLIF(
        tau_syn=dt * ones,
        tau_mem=dt * ones,
        r=ones,
        v_leak=0 * ones,
        v_threshold=_single(threshold),
        v_reset=0 * ones,
        w_in=ones,
    )


def _single(array: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(array, np.float32)


def _metadata(config: Mapping[str, Any], layers: Sequence[Layer]) -> dict[str, Any]:
    """What a reader of the file needs to know of the network, besides dt."""
    from brianprop import __version__

    found: dict[str, Any] = {
        "made_by": f"brianprop {__version__}",
        "system": config["system"],
        "noise": json.dumps({layer.name: layer.bias.size for layer in layers if layer.noise}),
        "parameters": json.dumps(config["parameters"]),
    }
    # how images become inputs, and what the outputs mean
    dataset, known = config["dataset"], ("image_shape", "crop", "binarise", "pixel_range", "classes")
    return found | {"dataset": json.dumps({name: dataset[name] for name in known if name in dataset})}
