"""A small interpreter of the NIR nodes that matter here, from NIR's documentation: the oracle of the tests.

Affine: y = W x + b. CubaLIF, integrated by forward Euler::

    tau_syn dI/dt = -I + w_in S        tau_mem dv/dt = (v_leak - v) + r I
    z = 1 where v > v_threshold, and there v = v_reset

What several edges bring to a node is added up. A step of the input passes through all nodes within the same step.
"""

import operator

import nir
import numpy as np


def simulate(graph: nir.NIRGraph, inputs: np.ndarray, dt: float, fires=operator.gt) -> dict[str, np.ndarray]:
    """The outputs of all nodes for inputs of shape (n_steps, n_in): arrays of shape (n_steps, size of the node), by name.

    `fires` compares membranes and thresholds: simulators use > or >=.
    """
    order, nodes = [], dict(graph.nodes)
    while nodes:
        ready = [name for name in nodes if not any(target == name and source in nodes for source, target in graph.edges)]
        assert ready, "the graph has a loop"
        order += ready
        for name in ready:
            del nodes[name]
    outputs = {name: [] for name in order}
    state = {name: (0.0, np.array(node.v_leak)) for name, node in graph.nodes.items() if isinstance(node, nir.CubaLIF)}
    for given in inputs:
        for name in order:
            node, sources = graph.nodes[name], [source for source, target in graph.edges if target == name]
            x = sum(outputs[source][-1] for source in sources) if sources else given
            assert x.shape == tuple(node.input_type["input"])
            if isinstance(node, nir.Affine):
                x = node.weight @ x + node.bias
            elif isinstance(node, nir.CubaLIF):
                current, v = state[name]
                current = current + dt / node.tau_syn * (-current + node.w_in * x)
                v = v + dt / node.tau_mem * (node.v_leak - v + node.r * current)
                x = fires(v, node.v_threshold).astype(float)
                state[name] = current, np.where(x > 0, node.v_reset, v)
            else:
                assert isinstance(node, (nir.Input, nir.Output)), f"{name} is a {type(node).__name__}"
            outputs[name].append(x)
    return {name: np.array(steps) for name, steps in outputs.items()}
