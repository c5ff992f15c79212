"""SSNN-BP: backpropagation with stochastic composite neurons that carry activations and signed gradients at the same time.

Source: A. Biswas, V. Saraswat, U. Ganguly, "A temporally and spatially local spike-based backpropagation algorithm to enable
training in hardware", Neuromorphic Computing and Engineering (2023), arXiv:2207.09755. The authors published no code. From the
paper are: composite neurons, a stream of spikes for each sign of the gradient, updates by the coincidence of two spikes in one
time step, softmax and cross-entropy by an output layer in which the winner inhibits the rest. The order of events within a
step, the scaling of steps and gradients, and the annealing are our reconstruction.

What happens within one time step, in this order (slots of the network's schedule in brackets)::

    1  [input]             input spikes               s_i ~ Bernoulli(pixel_i)
    2  [forward_l, fire_l] composite neurons, by layer u_j = sum_i w_ij s_i,  s_j ~ Bernoulli(clip(u_j / theta, 0, 1))
    3  [forward_out]       output membrane            V_k = sum_j w_jk s_j, of this step or as running mean
    4  [race .. win]       one winner                 P(k wins) = softmax(V)_k
    5  [error]             error spikes               e+ = target and not won,  e- = won and not target
    6  [backward_l]        backward drive             B_j = sum_k w_jk (e+_k - e-_k), weights from before this step's updates
    7  [gradient_l]        gradient spikes            gate [0 < u_j < theta], probability c |B_j|, on the stream of sign(B_j)
    8  [update]            updates                    w_ij += eta s_i (d+_j - d-_j), by coincidence

It learns what a network of clipped ReLUs learns by gradient descent on the cross-entropy, one sample at a time. With
activations h = clip(u, 0, theta), spike rates h / theta and weights V_l = w_l / f_l, where f_l is 1 behind the input and theta
behind composite neurons: the gradient streams have the mean gain_l delta_l with c_l = gain_l / (theta gain_(l+1)), where the
error's own gain is 1; hence eta_l = rate_l f_l^2 / (T gain_l) gives the mean update -rate_l dL/dV_l f_l of T steps. A bias
acts in every step: its eta is rate_l / (T gain_l). With dropout p, weights behind hidden neurons act as w / (1 - p) in both
directions, and their steps take the same factor.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from brianprop.models import neurons as equations
from brianprop.models.dense.generator import any_order, dense_codeobj_class, only_where, silent_where_zero
from brianprop.models.errors import ParameterError
from brianprop.models.model import Model, Result, Stimuli, Weights, recorded_spikes
from brianprop.models.neurons import dependent, individual
from brianprop.models.parameters import Checked, fits_single
from brianprop.models.plasticity import CROSSBAR_DECAY, crossbar_model, crossbar_pathways, of_targets
from brianprop.models.weights import Array, require

__all__ = ["SSNN", "SSNNModel", "SSNNResult", "SSNNRules", "initial_weights", "pack", "unpack"]

#: Whole numbers that single precision counts up to; and levels of a weight that it tells apart with room for rounding.
MOST_STEPS, MOST_LEVELS = 2**24, 2**20

DRIVE = Literal["memoryless", "mean"]

#: Layer and sign of each stream of error or gradient spikes that is recorded, as ``hidden1 plus``.
SIGNS = ("plus", "minus")


@dataclass(frozen=True)
class SSNNRules(Checked):
    """Parameters of SSNN-BP that do not depend on the data.

    Raises
    ------
    ParameterError
        When a value is not finite, out of range, or contradicts another.
    """

    steps: int = 20
    """Time steps T of a presentation: the length of the spike trains."""
    theta: float = 2.0
    """Drive at which a hidden neuron fires in every step."""
    rate_hidden: float = 0.05
    """Learning rate of the hidden layers, as of the equivalent ANN."""
    rate_out: float = 0.1
    """Learning rate of the output layer, as of the equivalent ANN."""
    gain: float = 1.0
    """Gradient spikes per unit of gradient: more of them, each with a smaller step."""
    hidden_drive: DRIVE = "memoryless"
    """Whether the drive of hidden neurons lasts one step or is the mean since the sample began."""
    output_drive: DRIVE = "memoryless"
    """The same for the membrane of the output layer: its mean is an integrating output."""
    backward_drive: DRIVE = "memoryless"
    """The same for the backward drive of hidden neurons."""
    answer_drive: DRIVE | None = None
    """Drive of hidden and output neurons of the network that answers (default: as while learning)."""
    biases: bool = False
    """Whether neurons have biases, learned like weights from a neuron that fires in every step."""
    annealed: bool = True
    """Whether learning rates fall linearly to 0 over the whole training."""
    dropout: float = 0.0
    """Share of the hidden neurons left out of a presentation."""
    weight_decay: float = 0.0
    """Weight decay, once per sample: w falls by the learning rate times this times w."""
    w_max: float = math.inf
    """Bound of the weights."""
    levels: int | None = None
    """Number of levels of a weight from -w_max to w_max (default: continuous); updates are rounded to levels at random."""
    update_noise: float = 0.0
    """S.d. of an update from pulse to pulse, relative to its size."""
    asymmetry: float = 0.0
    """Updates upwards are larger by this share, those downwards smaller."""
    soft_bounds: bool = False
    """Whether updates become smaller near the bound that they move to."""
    dt: float = 2.0**-10
    """Time step [s]; a power of two keeps dt / dt exact."""

    def __post_init__(self):
        self._require_numbers(infinite=("w_max",))
        choices = get_args(DRIVE)
        for name in ("hidden_drive", "output_drive", "backward_drive"):
            self._require(name, getattr(self, name) in choices, f"one of {', '.join(choices)}")
        self._require("answer_drive", self.answer_drive in (None, *choices), f"one of {', '.join(choices)}")
        self._require("steps", 1 <= self.steps <= MOST_STEPS, f"from 1 to {MOST_STEPS}, up to which single precision counts")
        for name in ("theta", "gain", "dt", "w_max"):
            self._require(name, getattr(self, name) > 0, "greater than 0")
        for name in ("rate_hidden", "rate_out", "weight_decay", "update_noise"):
            self._require(name, getattr(self, name) >= 0, "at least 0")
        self._require("dropout", 0 <= self.dropout < 1, "at least 0 and less than 1")
        self._require("asymmetry", -1 <= self.asymmetry <= 1, "from -1 to 1")
        most = f"from 2 to {MOST_LEVELS}, which single precision tells apart"
        self._require("levels", self.levels is None or 2 <= self.levels <= MOST_LEVELS, most)
        for name in ("levels", "soft_bounds"):
            if getattr(self, name) and math.isinf(self.w_max):
                raise ParameterError(f"Parameter {name} = {getattr(self, name)!r} needs finite weights; set --w-max.")

    @property
    def level(self) -> float:
        """Distance of two levels of a weight; 0 for continuous ones."""
        return 2 * self.w_max / (self.levels - 1) if self.levels else 0.0

    @property
    def options(self) -> frozenset[str]:
        """Options of the resistive device that are in use (see `models.plasticity.crossbar_model`)."""
        return frozenset(name for name in ("asymmetry", "soft_bounds", "update_noise", "levels") if getattr(self, name))


@dataclass(frozen=True)
class SSNN(SSNNRules):
    """The rules and the layer sizes: all that decides a network.

    Raises
    ------
    ParameterError
        When a value is not finite, out of range, or contradicts another.
    """

    n_in: int = 784
    """Input neurons: the pixels of an image."""
    hidden: tuple[int, ...] = (200,)
    """Hidden neurons of each layer."""
    n_out: int = 10
    """Output neurons, one per class."""
    events: bool = False
    """Whether input spikes are given, for every step, as those of an event camera are, and not drawn from grey values."""

    def __post_init__(self):
        if isinstance(self.hidden, list):  # JSON gives lists
            object.__setattr__(self, "hidden", tuple(self.hidden))
        super().__post_init__()
        for name in ("n_in", "n_out"):
            self._require(name, getattr(self, name) >= 1, "at least 1")
        self._require("hidden", len(self.hidden) >= 1 and all(size >= 1 for size in self.hidden), "sizes of at least 1")
        steps = [*self.weight_steps, *self.bias_steps]
        rates = [rate for rate in self.learning_rates if rate]
        if not all(map(fits_single, [*steps, *self.gradient_gains])) or sum(step != 0 for step in steps) != 2 * len(rates):
            raise ParameterError(
                f"Parameters theta = {self.theta!r}, gain = {self.gain!r}, rate_hidden = {self.rate_hidden!r} and rate_out = "
                f"{self.rate_out!r} give steps that single precision does not hold; choose them closer to 1."
            )

    @property
    def n_bytes(self) -> int:
        """Bytes of a sample: one for each pixel, or for events one bit for each step, of which eight fill a byte."""
        return self.n_in * (math.ceil(self.steps / 8) if self.events else 1)

    @property
    def sizes(self) -> tuple[int, ...]:
        """Neurons of every layer, input and output included."""
        return (self.n_in, *self.hidden, self.n_out)

    @property
    def arrays(self) -> dict[str, Array]:
        """What its weights must be; see `initial_weights`."""
        found = {}
        # weight decay moves weights off their levels
        on_levels = bool(self.levels) and not self.weight_decay
        grid = (-self.w_max, self.level) if on_levels else None
        words = f"{self.levels} levels from -{self.w_max} to {self.w_max}"
        for place, shape in enumerate(itertools.pairwise(self.sizes), 1):
            found[f"W{place}"] = Array(shape, np.float32, self.w_max, "w_max", grid, words)
            if self.biases:
                found[f"b{place}"] = Array(shape[1:], np.float32)
        return found

    @property
    def layers(self) -> tuple[str, ...]:
        """Names of the layers."""
        return ("input", *(f"hidden{place + 1}" for place in range(len(self.hidden))), "output")

    @property
    def learning_rates(self) -> tuple[float, ...]:
        """Learning rate of each weight matrix, as of the equivalent ANN."""
        return (self.rate_hidden,) * len(self.hidden) + (self.rate_out,)

    @property
    def weight_steps(self) -> tuple[float, ...]:
        """Step eta of one coincidence, for each weight matrix, at the start of the training."""
        last = len(self.hidden)
        hidden = self.theta**2 / (1 - self.dropout)  # behind hidden neurons
        return tuple(
            rate * (hidden if place else 1) / (self.steps * (1 if place == last else self.gain))
            for place, rate in enumerate(self.learning_rates)
        )

    @property
    def bias_steps(self) -> tuple[float, ...]:
        """The same for the biases."""
        last = len(self.hidden)
        return tuple(
            rate / (self.steps * (1 if place == last else self.gain)) for place, rate in enumerate(self.learning_rates)
        )

    @property
    def gradient_gains(self) -> tuple[float, ...]:
        """c of each hidden layer: gradient spikes per step and unit of backward drive."""
        last, unit = len(self.hidden) - 1, self.theta * (1 - self.dropout)
        return tuple((self.gain if place == last else 1.0) / unit for place in range(len(self.hidden)))


def pack(frames: np.ndarray) -> np.ndarray:
    """Events as bytes: bit ``step % 8`` of byte ``step // 8 * n_in + i`` says whether input neuron i fires in a step.

    Parameters
    ----------
    frames : array of 0 and 1 of shape (n_samples, T, n_in)

    Returns
    -------
    uint8 array of shape (n_samples, ceil(T / 8) * n_in)
    """
    return np.packbits(frames, axis=1, bitorder="little").reshape(len(frames), -1)


def unpack(packed: np.ndarray, steps: int) -> np.ndarray:
    """The frames that `pack` was given, uint8 of shape (n_samples, T, n_in); `steps` is T."""
    n_samples = len(packed)
    return np.unpackbits(packed.reshape(n_samples, math.ceil(steps / 8), -1), axis=1, count=steps, bitorder="little")


def initial_weights(parameters: SSNN, seed: int) -> dict[str, np.ndarray]:
    """Draw W1, W2, ... of shape (n_pre, n_post); with biases also b1, b2, ..., which are 0.

    Normal with s.d. sqrt(2 / n_pre) behind the input (K. He et al., ICCV 2015) and theta times that behind hidden neurons,
    whose activation is theta times their spike rate; clipped to w_max and rounded to levels, where there are any. The same seed
    gives the same weights.
    """
    rng = np.random.default_rng([seed, 0])
    weights = {}
    for place, (n_pre, n_post) in enumerate(zip(parameters.sizes, parameters.sizes[1:], strict=False)):
        drawn = rng.normal(0.0, math.sqrt(2 / n_pre) * (parameters.theta if place else 1.0), (n_pre, n_post))
        drawn = np.clip(drawn, -parameters.w_max, parameters.w_max)
        if parameters.levels:
            drawn = np.rint((drawn + parameters.w_max) / parameters.level) * parameters.level - parameters.w_max
        weights[f"W{place + 1}"] = drawn.astype(np.float32)
        if parameters.biases:
            weights[f"b{place + 1}"] = np.zeros(n_post, dtype=np.float32)
    return weights


@dataclass(frozen=True)
class SSNNResult(Result):
    """What one run of the network gave.

    Attributes
    ----------
    weights : dict of arrays
        As `initial_weights` names and shapes them, after the run.
    counts : int array of shape (n_samples, n_out)
        Output spikes of each sample: T in all, one per step.
    membrane : float array of shape (n_samples, n_out)
        Mean of V over the steps of each sample.
    rates : float array of shape (n_samples, n_out), or None
        Mean over the steps of softmax(V), the expected rate of output spikes; without learning only.
    """

    weights: Weights
    counts: np.ndarray
    membrane: np.ndarray
    rates: np.ndarray | None


@dataclass(frozen=True)
class _Together:
    """How several networks share Brian2 objects, see `models.model.Model.create`."""

    replicas: int
    own: frozenset[str]
    homes: dict[str, str]

    def _own(self, owner: str) -> set[str]:
        return {name.partition(".")[2] for name in self.own if name.partition(".")[0] == owner}

    def neurons(self, name: str, model: str) -> str:
        """The equations of a group."""
        kept = sorted(
            f"own_{constant}" for synapses, home in self.homes.items() if home == name for constant in self._own(synapses)
        )
        return individual(model, self._own(name)) + "".join(f"{constant} : 1 (constant)\n" for constant in kept)

    def synapses(self, name: str, model: str, learning: str) -> str:
        """The model of a crossbar onto neurons whose own equations are among others those of `learning`."""
        return of_targets(model, self._own(name), dependent(learning, self._own(self.homes[name])))

    def connect(self, synapses, n_before: int, n_behind: int) -> None:
        """Connect all neurons to all, within each network."""
        if self.replicas == 1:
            synapses.connect()
        else:
            synapses.connect(j=f"k for k in range(i // {n_before} * {n_behind}, (i // {n_before} + 1) * {n_behind})")


class SSNNModel(Model):
    """The network, ready for `models.simulation.simulator`.

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
        self.learned = tuple(f"W{place + 1}" for place in range(len(parameters.hidden) + 1))
        streams = [f"{layer}_{sign}" for layer in parameters.layers[1:] for sign in SIGNS] if learns else []
        self.monitors = tuple(f"{name}_spikes" for name in (*parameters.layers, *streams))
        n_in, n_out = parameters.n_in, parameters.n_out
        self.segments = (n_in,) * (parameters.n_bytes // n_in) + ((n_out,) if learns else ())
        self.groups = dict(zip(parameters.layers, parameters.sizes, strict=True))
        self.events = {name: self.groups[name.partition("_")[0]] for name in self.monitors} | {"answers": n_out}
        self.homes = dict(zip(self.learned, parameters.layers[1:], strict=True))

    @property
    def populations(self) -> tuple[tuple[str, int], ...]:
        """Names and sizes of what is recorded: the layers, and the signed streams of error and gradient spikes."""
        sizes = dict(zip(self.parameters.layers, self.parameters.sizes, strict=True))
        names = [name.removesuffix("_spikes") for name in self.monitors]
        return tuple((name.replace("_", " "), sizes[name.partition("_")[0]]) for name in names)

    def stimuli(self, images: np.ndarray, targets: np.ndarray | None = None) -> Stimuli:
        """Grey values of shape (n_samples, n_in), uint8, and for learning one-hot targets (n_samples, n_out).

        Of events, images are what `pack` makes of them, of shape (n_samples, ceil(T / 8) * n_in).

        Raises
        ------
        ParameterError
            When the shapes do not fit the network.
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
        if not np.isin(targets, (0, 1)).all():
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

    def create(self, stimulus, codegen, network_name="network", replicas=1, own=(), clock=None):
        """See `models.model.Model.create`; groups are named by layer, crossbars W1, W2, ..."""
        import brian2 as b2

        parameters = self.parameters
        dense = dense_codeobj_class() if codegen == "dense" else None
        clock = clock or b2.Clock(parameters.dt * b2.second, name="steps")
        together = _Together(replicas, frozenset(own), self.homes)
        common = {
            "method": "euler",
            "namespace": {
                "stimulus": stimulus,
                "n_in": replicas * parameters.n_in,
                "n_bytes": replicas * parameters.n_bytes,
            },
            "clock": clock,
            "codeobj_class": dense,
        }
        hidden = range(1, len(parameters.hidden) + 1)
        groups = [
            self._input(together, **common),
            *(self._composite(place, together, **common) for place in hidden),
            self._output(together, **common),
        ]
        objects = {group.name: group for group in groups}
        for place in range(len(groups) - 1):
            objects[f"W{place + 1}"] = self._crossbar(place + 1, together, groups[place], groups[place + 1], clock, dense)

        output = groups[-1]
        lateral = {"inhibit": equations.LATERAL} | ({} if self.learns else {"compare": equations.WINNING_LATERAL})
        objects["lateral"] = b2.Synapses(
            output,
            output,
            on_pre=lateral,
            on_event=dict.fromkeys(lateral, "race"),
            delay=dict.fromkeys(lateral, 0 * b2.second),
            clock=clock,
            codeobj_class=dense,
            name="lateral",
        )
        together.connect(objects["lateral"], parameters.n_out, parameters.n_out)
        for pathway in lateral:
            getattr(objects["lateral"], pathway).when = "inhibit"

        answers = ["wins", "V_sum"] + ([] if self.learns else ["rate"])
        objects["answers"] = b2.EventMonitor(output, "read", variables=answers, when="end", name="answers")
        for monitor in self.monitors:
            layer, *sign = monitor.removesuffix("_spikes").split("_")
            event = sign[0] if sign else "spike"
            objects[monitor] = b2.EventMonitor(objects[layer], event, when="end", order=1, name=monitor)
        network = b2.Network(*objects.values(), name=network_name)
        forward = [slot for place in hidden for slot in (f"forward_{place}", f"fire_{place}")]
        backward = [slot for place in reversed(hidden) for slot in (f"backward_{place}", f"gradient_{place}")]
        network.schedule = [
            *("start", "groups", "input", *forward, f"forward_{len(groups) - 1}"),
            *("race", "inhibit", "win", "error", *backward, "update", "end"),
        ]
        return objects | {"network": network}

    def _input(self, together: _Together, **common):
        import brian2 as b2

        events = self.parameters.events
        group = b2.NeuronGroup(
            together.replicas * self.parameters.n_in,
            together.neurons("input", equations.EVENTS if events else equations.BERNOULLI),
            threshold=equations.EVENTS_THRESHOLD if events else equations.BERNOULLI_THRESHOLD,
            reset="s = 1",
            name="input",
            **common,
        )
        if not events:
            silent_where_zero(group, "spike", "p")
        code = equations.EVENTS_STEP if events else equations.BERNOULLI_SAMPLE
        group.run_regularly(code, when="groups", order=1, name="input_sample", codeobj_class=common["codeobj_class"])
        return _fires(group, "input")

    def _composite(self, place: int, together: _Together, **common):
        import brian2 as b2

        drops = self.learns and self.parameters.dropout > 0
        gradient = equations.DROPOUT_GRADIENT if drops else equations.COMPOSITE_GRADIENT
        model = equations.COMPOSITE + (equations.DROPOUT if drops else "")
        name = self.parameters.layers[place]
        group = b2.NeuronGroup(
            together.replicas * self.parameters.sizes[place],
            together.neurons(name, model + self._learning),
            threshold=equations.DROPOUT_THRESHOLD if drops else equations.COMPOSITE_THRESHOLD,
            reset="s = 1",
            events=dict(gradient) if self.learns else {},  # a copy, since Brian2 adds to it
            name=name,
            **common,
        )
        if drops:
            group.run_regularly(
                equations.DROPOUT_DRAW,
                when="groups",
                order=1,
                name=f"{group.name}_dropout",
                codeobj_class=common["codeobj_class"],
            )
        self._signs(group, f"gradient_{place}")
        for sign in SIGNS if self.learns else ():
            silent_where_zero(group, sign, "q")
        return _fires(group, f"fire_{place}")

    def _output(self, together: _Together, **common):
        import brian2 as b2

        model = equations.COMPETITOR + ("" if self.learns else equations.WINNING)
        events = {"race": equations.COMPETITOR_RUNS, "read": equations.COMPETITOR_READ}
        group = b2.NeuronGroup(
            together.replicas * self.parameters.n_out,
            together.neurons("output", model + self._learning),
            threshold=equations.COMPETITOR_THRESHOLD,
            reset=equations.COMPETITOR_RESET,
            events=events | (equations.COMPETITOR_ERROR if self.learns else {}),
            name="output",
            **common,
        )
        group.run_regularly(equations.COMPETITOR_RACE, when="race", order=-1, codeobj_class=common["codeobj_class"])
        if not self.learns:
            group.run_regularly(equations.WINNING_SUM, when="win", codeobj_class=common["codeobj_class"])
        group.set_event_schedule("race", when="race")
        group.set_event_schedule("read", when="end", order=-1)
        self._signs(group, "error")
        return _fires(group, "win")

    @property
    def _learning(self) -> str:
        """What the neurons of a network that learns have besides."""
        biases = equations.LEARNED_BIAS if self._learns_biases else ""
        return equations.ANNEALING + biases if self.learns else ""

    def _drive(self, learning: DRIVE) -> DRIVE:
        """The forward drive of neurons that have the given one while the network learns."""
        return learning if self.learns else self.parameters.answer_drive or learning

    @property
    def _learns_biases(self) -> bool:
        return self.learns and self.parameters.biases

    def _signs(self, group, slot: str) -> None:
        """Let the two streams of a layer be drawn in a slot of the schedule, and its biases learn from them."""
        for sign in SIGNS if self.learns else ():
            group.set_event_schedule(sign, when=slot)
            if self._learns_biases:
                group.run_on_event(sign, equations.BIAS_UPDATE[sign], when="update")

    def _crossbar(self, place: int, together: _Together, before, behind, clock, dense):
        """The synapses between two layers; `place` counts from 1."""
        import brian2 as b2

        parameters, learns = self.parameters, self.learns
        decays = learns and parameters.weight_decay > 0
        pathways = crossbar_pathways(place > 1, learns, parameters.options)
        forward = {"forward": pathways.pop("forward")}
        synapses = b2.Synapses(
            before,
            behind,
            together.synapses(f"W{place}", crossbar_model(learns, decays, parameters.options), self._learning),
            on_pre=forward,
            on_post=pathways or None,
            on_event={"forward": "spike"} | {name: name.partition("_")[2] for name in pathways},
            # one delay for all synapses: without these words Brian2 keeps one for each, and its queue is slower
            delay=dict.fromkeys([*forward, *pathways], 0 * b2.second),
            clock=clock,
            codeobj_class=dense,
            name=f"W{place}",
        )
        together.connect(synapses, *parameters.sizes[place - 1 : place + 1])
        synapses.forward.when = f"forward_{place}"
        if dense and not decays:
            any_order(synapses.forward)  # up to rounding, which chance makes irrelevant
        for name in pathways:
            pathway = getattr(synapses, name)
            pathway.when = f"backward_{place - 1}" if name.startswith("back") else "update"
            if name.startswith("learn") and dense:
                only_where(pathway, "s_pre")
        if decays:
            synapses.run_regularly(CROSSBAR_DECAY, when="update", order=1, name=f"{synapses.name}_decay", codeobj_class=dense)
        return synapses

    def phases(self) -> dict[str, tuple[int, ...]]:
        """The sample and the mask of dropout come in the first step, answers and weight decay in the last."""
        first, last = set() if self.parameters.events else {"input_sample"}, {"output_read_thresholder", "answers"}
        if self.learns and self.parameters.dropout:
            first |= {f"{layer}_dropout" for layer in self.parameters.layers[1:-1]}
        if self.learns and self.parameters.weight_decay:
            last |= {f"{name}_decay" for name in self.learned}
        # in order, since sets have another one in each process, and the generated code would too
        return dict.fromkeys(sorted(first), (0,)) | dict.fromkeys(sorted(last), (-1,))

    def require_weights(self, weights: Weights) -> None:
        # biases may be given that are not learned
        biases = {
            f"b{place}": Array((size,), np.float32, needed=False) for place, size in enumerate(self.parameters.sizes[1:], 1)
        }
        require(f"network {self.name}", weights, biases | self.parameters.arrays)

    def constants(self, *, n_turns, first):
        parameters, learns = self.parameters, self.learns
        last = len(parameters.hidden)
        found: dict[str, float] = {}
        annealing = {"n_before": first, "n_total": self.n_total, "annealed": float(parameters.annealed)}
        for place, name in enumerate(parameters.layers):
            group: dict[str, float] = {"T": parameters.steps}
            if place:
                group["scale"] = 1 / (1 - parameters.dropout) if learns and place > 1 else 1.0
                if learns:
                    group |= annealing
                if self._learns_biases:
                    group["eta_b"] = parameters.bias_steps[place - 1]
            if 0 < place <= last:
                group |= {
                    "theta": parameters.theta,
                    "c": parameters.gradient_gains[place - 1],
                    "mean_u": int(self._drive(parameters.hidden_drive) == "mean"),
                    "mean_B": int(parameters.backward_drive == "mean"),
                }
                if learns and parameters.dropout:
                    group["dropout"] = parameters.dropout
            if place > last:
                group["mean_V"] = int(self._drive(parameters.output_drive) == "mean")
            found |= {f"{name}.{variable}": value for variable, value in group.items()}
        for place, name in enumerate(self.learned):
            crossbar: dict[str, float] = {"w_max": parameters.w_max}
            if learns:
                crossbar["eta_0"] = parameters.weight_steps[place]
                crossbar |= {name: getattr(parameters, name) for name in parameters.options & {"asymmetry", "update_noise"}}
                if parameters.levels:
                    crossbar["level"] = parameters.level
                if parameters.weight_decay:
                    crossbar |= {"weight_decay": parameters.weight_decay, "rate_0": parameters.learning_rates[place]}
            found |= {f"{name}.{variable}": value for variable, value in crossbar.items()}
        return found

    def arrays(self, weights: Weights, codegen: str) -> dict[str, np.ndarray]:
        layers = list(zip(self.parameters.layers, self.parameters.sizes, strict=True))[1:]
        biases = {f"{name}.b": weights.get(f"b{place}", np.zeros(size)) for place, (name, size) in enumerate(layers, 1)}
        return biases | {f"{name}.w": weights[name].ravel() for name in self.learned}

    def result(self, read, n_turns: int, seconds: float) -> SSNNResult:
        parameters = self.parameters
        weights = {}
        for place, (n_pre, n_post) in enumerate(zip(parameters.sizes, parameters.sizes[1:], strict=False)):
            weights[f"W{place + 1}"] = read(f"W{place + 1}.w").reshape(n_pre, n_post).astype(np.float32)
            if parameters.biases:
                weights[f"b{place + 1}"] = read(f"{parameters.layers[place + 1]}.b").astype(np.float32)

        def answer(name):
            return read(f"answers.{name}").reshape(n_turns, parameters.n_out)

        parts = []
        for place, name in enumerate(self.monitors):
            neuron = read(f"{name}.i").astype(np.int64)
            step = np.rint(read(f"{name}.t") / self.dt).astype(np.int64)
            parts.append((np.full(len(neuron), place), neuron, step))
        return SSNNResult(
            recorded_spikes(parts),
            seconds,
            weights,
            np.rint(answer("wins")).astype(np.int32),
            answer("V_sum") / parameters.steps,
            None if self.learns else answer("rate") / parameters.steps,
        )


def _fires(group, slot: str):
    """Let a group fire in a slot of the schedule, and its reset follow at once."""
    group.thresholder["spike"].when = slot
    group.resetter["spike"].when, group.resetter["spike"].order = slot, 1
    return group
