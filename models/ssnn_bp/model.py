"""SSNN-BP: backpropagation with stochastic composite neurons that carry activations and signed gradients at the same time.

Source: A. Biswas, V. Saraswat, U. Ganguly, "A temporally and spatially local spike-based backpropagation algorithm to enable
training in hardware", Neuromorphic Computing and Engineering (2023), arXiv:2207.09755. The authors published no code. From the
paper are: composite neurons, a stream of spikes for each sign of the gradient, updates by the coincidence of two spikes in one
time step, softmax and cross-entropy by an output layer in which the winner inhibits the rest. The order of events within a
step, the scaling of steps and gradients, and the annealing are our reconstruction.

Order of events within one time step (slots of the network's schedule in brackets)::

    1  [input]             input spikes               s_i ~ Bernoulli(pixel_i)
    2  [forward_l, fire_l] composite neurons, by layer u_j = sum_i w_ij s_i,  s_j ~ Bernoulli(clip(u_j / theta, 0, 1))
    3  [forward_out]       output membrane            V_k = sum_j w_jk s_j, of this step or as running mean
    4  [race .. win]       one winner                 P(k wins) = softmax(V)_k
    5  [error]             error spikes               e+ = target and not won,  e- = won and not target
    6  [backward_l]        backward drive             B_j = sum_k w_jk (e+_k - e-_k), weights from before this step's updates
    7  [gradient_l]        gradient spikes            gate [0 < u_j < theta], probability c |B_j|, on the stream of sign(B_j)
    8  [update]            updates                    w_ij += eta s_i (d+_j - d-_j), by coincidence

It learns what a network of clipped ReLUs learns by gradient descent on the cross-entropy, one sample at a time. The constants
c_l and eta_l that make it so are `SSNN.gradient_gains`, `weight_steps` and `bias_steps` of `models.ssnn_bp.parameters`;
`models.ssnn_bp.oracle` derives them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from brianprop.models.errors import ParameterError
from brianprop.models.model import Model, Read, Result, Stimuli, Weights, recorded_spikes
from brianprop.models.ssnn_bp.network import NetworkBuilder, monitor_names, weight_names
from brianprop.models.ssnn_bp.parameters import DRIVE, SSNN
from brianprop.models.weights import Array, require

__all__ = ["SSNNModel", "SSNNResult"]


@dataclass(frozen=True)
class SSNNResult(Result):
    """The results of one run of an SSNN-BP network.

    Attributes
    ----------
    weights : dict of arrays
        Weights after the run, with names and shapes as in `models.ssnn_bp.parameters.initial_weights`.
    counts : int array of shape (n_samples, n_out)
        Output spikes of each sample: T in all, one per step.
    membrane : float array of shape (n_samples, n_out)
        Mean of V over the steps of each sample.
    rates : float array of shape (n_samples, n_out), or None
        Mean over the steps of softmax(V), the expected rate of output spikes; None where the network learns.
    """

    weights: Weights
    counts: np.ndarray
    membrane: np.ndarray
    rates: np.ndarray | None


class SSNNModel(Model):
    """An SSNN-BP network, for `models.simulation.simulator`.

    Parameters
    ----------
    parameters : SSNN
    learns : bool
        Whether the backward part and the updates are built; without them the network only answers.
    n_total : int
        Samples of the whole training, all epochs together, over which learning rates fall to 0.
    """

    sources = "input"
    period = "input.T"
    lead = 0
    answers = ("counts", "membrane", "rates")

    def __init__(self, parameters: SSNN, learns: bool, n_total: int = 1):
        self.parameters, self.learns, self.n_total = parameters, learns, n_total
        self.name, self.dt = "ssnn-bp-training" if learns else "ssnn-bp-inference", parameters.dt
        self.width = parameters.n_bytes + (parameters.n_out if learns else 0)
        self.learned = weight_names(parameters)
        self.monitors = monitor_names(parameters, learns)
        n_in, n_out = parameters.n_in, parameters.n_out
        self.segments = (n_in,) * (parameters.n_bytes // n_in) + ((n_out,) if learns else ())
        self.groups = dict(zip(parameters.layers, parameters.sizes, strict=True))
        self.events = {name: self.groups[name.partition("_")[0]] for name in self.monitors} | {"answers": n_out}
        self.target_groups = dict(zip(self.learned, parameters.layers[1:], strict=True))

    @property
    def turn_steps(self) -> int:
        return self.parameters.steps

    @property
    def populations(self) -> tuple[tuple[str, int], ...]:
        """Names and sizes of what is recorded: the layers, and the signed streams of error and gradient spikes."""
        return tuple((name.removesuffix("_spikes").replace("_", " "), self.events[name]) for name in self.monitors)

    def stimuli(self, images: np.ndarray, targets: np.ndarray | None = None) -> Stimuli:
        """The rows that the network reads, one per sample: its input, followed by its target if it learns.

        Parameters
        ----------
        images : uint8 array of shape (n_samples, n_bytes)
            Grey values, one byte per input neuron; or input events as `models.ssnn_bp.parameters.pack` packs them,
            ceil(T / 8) bytes per input neuron.
        targets : array of 0 and 1 of shape (n_samples, n_out), optional
            One-hot targets; needed to learn.

        Raises
        ------
        ParameterError
            When a shape does not fit the network, or targets hold other numbers.
        """
        parameters = self.parameters
        if images.ndim != 2 or images.shape[1] != parameters.n_bytes:
            raise ParameterError(
                f"Images have shape {images.shape}, but the network needs (n, {parameters.n_bytes}); match the sizes to the "
                "data."
            )
        if not self.learns:
            return Stimuli(images)
        if targets is None or targets.shape != (len(images), parameters.n_out):
            raise ParameterError(
                f"Targets have shape {None if targets is None else targets.shape}, but the network needs ({len(images)}, "
                f"{parameters.n_out}); give one-hot targets."
            )
        if np.any((targets != 0) & (targets != 1)):
            raise ParameterError("Targets hold other numbers than 0 and 1; give one-hot targets.")
        return Stimuli(np.concatenate([images, targets.astype(np.uint8)], axis=1))

    def structure(self) -> dict:
        parameters = self.parameters
        return {
            "system": "ssnn-bp",
            "sizes": parameters.sizes,
            "bytes": self.width,
            "events": parameters.events,
            "learns": self.learns,
            "biases": parameters.biases,
            "dropout": parameters.dropout > 0,
            "decays": parameters.weight_decay > 0,
            "options": sorted(parameters.options),
            "dt": parameters.dt,
        }

    def single_precision(self, codegen: str) -> bool:
        return codegen != "stock"

    def create(self, stimulus, codegen, network_name="network", replicas=1, per_network=(), clock=None):
        return NetworkBuilder(self.parameters, self.learns, stimulus, codegen, replicas, per_network, clock).build(network_name)

    def phases(self) -> dict[str, tuple[int, ...]]:
        """Input and dropout masks are set in the first step of a sample; answers are read, and weights decay, in the last."""
        phases: dict[str, tuple[int, ...]] = {}
        first, last = set() if self.parameters.events else {"input_sample"}, {"output_read_thresholder", "answers"}
        if self.learns and self.parameters.dropout:
            first |= {f"{layer}_dropout" for layer in self.parameters.layers[1:-1]}
        if self.learns and self.parameters.weight_decay:
            last |= {f"{name}_decay" for name in self.learned}
        # sorted, since the order of a set differs between processes, and so would the generated code
        phases |= dict.fromkeys(sorted(first), (0,))
        return phases | dict.fromkeys(sorted(last), (-1,))

    def require_weights(self, weights: Weights) -> None:
        # biases may be given even where they are not learned
        biases = {
            f"b{layer}": Array((size,), np.float32, needed=False) for layer, size in enumerate(self.parameters.sizes[1:], 1)
        }
        require(f"network {self.name}", weights, biases | self.parameters.arrays)

    def constants(self, first: int) -> dict[str, float]:
        objects = {name: self._layer_constants(layer, first) for layer, name in enumerate(self.parameters.layers)}
        objects |= {name: self._crossbar_constants(layer) for layer, name in enumerate(self.learned, 1)}
        return {f"{owner}.{name}": value for owner, constants in objects.items() for name, value in constants.items()}

    def _layer_constants(self, layer: int, first: int) -> dict[str, float]:
        parameters, learns = self.parameters, self.learns
        constants: dict[str, float] = {"T": parameters.steps}
        if layer == 0:
            return constants
        constants["scale"] = 1 / (1 - parameters.dropout) if learns and layer > 1 else 1.0
        if learns:
            constants |= {"n_before": first, "n_total": self.n_total, "annealed": float(parameters.annealed)}
            if parameters.biases:
                constants["eta_b"] = parameters.bias_steps[layer - 1]
        if layer > len(parameters.hidden):
            return constants | {"mean_V": int(self._drive(parameters.output_drive) == "mean")}
        constants |= {
            "theta": parameters.theta,
            "c": parameters.gradient_gains[layer - 1],
            "mean_u": int(self._drive(parameters.hidden_drive) == "mean"),
            "mean_B": int(parameters.backward_drive == "mean"),
        }
        return constants | ({"dropout": parameters.dropout} if learns and parameters.dropout else {})

    def _crossbar_constants(self, layer: int) -> dict[str, float]:
        """Constants of the crossbar that leads to a layer."""
        parameters = self.parameters
        constants: dict[str, float] = {"w_max": parameters.w_max}
        if self.learns:
            constants["eta_0"] = parameters.weight_steps[layer - 1]
            constants |= {name: getattr(parameters, name) for name in parameters.options & {"asymmetry", "update_noise"}}
            if parameters.levels:
                constants["level"] = parameters.level
            if parameters.weight_decay:
                constants |= {"weight_decay": parameters.weight_decay, "rate_0": parameters.learning_rates[layer - 1]}
        return constants

    def _drive(self, learning: DRIVE) -> DRIVE:
        """The forward drive of neurons whose drive in a network that learns is `learning`."""
        return learning if self.learns else self.parameters.answer_drive or learning

    def initial_state(self, weights: Weights, codegen: str) -> dict[str, np.ndarray]:
        layers = zip(self.parameters.layers[1:], self.parameters.sizes[1:], strict=True)
        biases = {f"{name}.b": weights.get(f"b{layer}", np.zeros(size)) for layer, (name, size) in enumerate(layers, 1)}
        return biases | {f"{name}.w": weights[name].ravel() for name in self.learned}

    def result(self, read: Read, n_turns: int, seconds: float) -> SSNNResult:
        parameters, sizes = self.parameters, self.parameters.sizes
        weights = {}
        for layer, name in enumerate(self.learned, 1):
            weights[name] = read(f"{name}.w").reshape(sizes[layer - 1], sizes[layer]).astype(np.float32)
            if parameters.biases:
                weights[f"b{layer}"] = read(f"{parameters.layers[layer]}.b").astype(np.float32)

        def answer(name: str) -> np.ndarray:
            return read(f"answers.{name}").reshape(n_turns, parameters.n_out)

        parts = []
        for population, name in enumerate(self.monitors):
            neuron = read(f"{name}.i").astype(np.int64)
            step = np.rint(read(f"{name}.t") / self.dt).astype(np.int64)
            parts.append((np.full(len(neuron), population), neuron, step))
        return SSNNResult(
            recorded_spikes(parts),
            seconds,
            weights,
            np.rint(answer("wins")).astype(np.int32),
            answer("V_sum") / parameters.steps,
            None if self.learns else answer("rate") / parameters.steps,
        )
