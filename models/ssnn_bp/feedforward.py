"""The forward part of SSNN-BP as layers, see `models.feedforward`.

A composite neuron fires with probability u / theta, that is where u - theta U > 0. The output layer is its membrane V, which
decides by softmax(V); the race of the output neurons is left to who reads it.
"""

from __future__ import annotations

import numpy as np

from brianprop.models.errors import ParameterError
from brianprop.models.feedforward import Layer
from brianprop.models.model import Weights
from brianprop.models.ssnn_bp.parameters import SSNN

__all__ = ["feedforward"]


def feedforward(parameters: SSNN, weights: Weights) -> tuple[Layer, ...]:
    """The layers of the network that answers.

    Raises
    ------
    ParameterError
        When hidden neurons average their drive over a turn, which is a memory.
    """
    name = "hidden_drive" if parameters.answer_drive is None else "answer_drive"
    if getattr(parameters, name) == "mean":
        raise ParameterError(
            f"Parameter {name} = 'mean' lets hidden neurons average their drive over a turn, which layers without memory do "
            "not hold; train with 'memoryless'."
        )
    layers = []
    for number, (layer, size) in enumerate(zip(parameters.layers[1:], parameters.sizes[1:], strict=True), 1):
        fires = layer != "output"
        layers.append(
            Layer(
                layer,
                f"W{number}",
                weights[f"W{number}"].astype(float),
                np.asarray(weights.get(f"b{number}", np.zeros(size)), float),
                np.zeros(size) if fires else None,
                parameters.theta if fires else 0.0,
            )
        )
    return tuple(layers)
