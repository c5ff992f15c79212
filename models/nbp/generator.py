"""The circuit of nBP from its layer sizes and a schedule: every arrow, delay, gate and silence follows from the phases.

A spike that is sent in phase p by an arrow of delay d arrives in phase p + 1 + d; so the delay of every arrow is a difference
of two phases, less 1. The gating neuron g_p opens layers in phase p.

The names of the populations are those of `models.nbp.layers`. With one hidden layer the circuit is the published one, arrow for
arrow.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from brianprop.models.nbp.layers import Layers
from brianprop.models.nbp.schedule import Schedule

__all__ = ["Arrow", "inference_arrows", "training_arrows"]


@dataclass(frozen=True)
class Arrow:
    """One arrow: what it means, steps beyond the one that every spike takes, and both ends."""

    kind: str
    delay: int
    source: str
    target: str


@dataclass
class _Table:
    """Arrows as they are added, and when each population may fire and is opened."""

    schedule: Schedule
    arrows: dict[Arrow, None] = field(default_factory=dict)
    firing: dict[str, set[int]] = field(default_factory=dict)

    def fires(self, population: str, *phases: int) -> None:
        self.firing.setdefault(population, set()).update(phases)

    def between(self, kind: str, source: str, sent: int, target: str, arrives: int) -> None:
        """An arrow that carries what a population sends in one phase to another population in a later one."""
        self.arrows[Arrow(kind, arrives - sent - 1, source, target)] = None

    def opens(self, kind: str, phase: int, *targets: str) -> None:
        """The gating neuron of a phase acts on populations in it."""
        for target in targets:
            self.arrows[Arrow(kind, 0, f"g{phase}", target)] = None


def training_arrows(
    schedule: Schedule, error: str, edges: frozenset[str], silence: str, feedback: str
) -> tuple[list[Arrow], dict[int, tuple[str, ...]]]:
    """All arrows of the training circuit but the chain, and the firing table.

    Parameters
    ----------
    schedule : Schedule
    error : {"box", "margin"}
        How the errors of the output come about.
    edges : frozenset of {"h_lower", "h_upper", "o_lower", "o_upper", "h_dead"}
        Edges of the boxes that have arrows of their own, since they lie elsewhere than at 0 and theta; and that of the hidden
        gradient, where it lies elsewhere than at 0.
    silence : {"published", "complete"}
        Which learned packets that reach a closed layer are cancelled: all of them, or those of the published circuit (L = 2).
    feedback : {"transpose", "random"}
        Whether transposed copies of the weights carry the gradient back, which learn as these do, or matrices that do not
        learn.

    Returns
    -------
    arrows : list of Arrow
    firing : dict of int to tuple of str
        The populations, the chain left out, that may fire in each phase.
    """
    table, layers, last = _Table(schedule), Layers(schedule.n_layers), schedule.n_layers
    for (source, target), name in layers.matrices(feedback).items():
        table.arrows[Arrow("plastic" if "W" in name else "feedback", 0, source, target)] = None
    _forward(table, layers, edges)
    _error(table, layers, error)
    for layer in range(last, 0, -1):
        _replay(table, layers, layer, learned_feedback=feedback == "transpose", dead="h_dead" in edges)
        if layer < last:
            _hidden_gradient(table, layers, layer)
    _silence(table, layers, silence)
    phases = {phase: tuple(name for name, when in table.firing.items() if phase in when) for phase in range(schedule.period)}
    return list(table.arrows), phases


def _forward(table: _Table, layers: Layers, edges: frozenset[str]) -> None:
    """The input, the activities of all layers at three thresholds, and their memories."""
    phase, last = table.schedule.forward, layers.n_layers
    table.between("copy", "input", phase[0] - 1, "x", phase[0])
    table.fires("input", phase[0] - 1)
    table.opens("gate", phase[0], "x")
    table.fires("x", phase[0])
    for layer in range(1, last + 1):
        name, lower, upper = layers.edges(layer)
        table.opens("gate", phase[layer], name, lower)
        table.opens("gate_high", phase[layer], upper)
        table.opens("lower", phase[layer], lower)
        for kind, target in (("lower", lower), ("upper", upper)):
            kind = f"{'o' if layer == last else 'h'}_{kind}"
            if kind in edges:
                table.opens(kind, phase[layer], target)
        for target in (name, lower, upper):
            table.fires(target, phase[layer])
    for layer in layers.hidden:
        remembered = phase[layer] + 1
        table.between("copy", layers.activity(layer), phase[layer], layers.memory(layer), remembered)
        table.opens("gate", remembered, layers.memory(layer))
        table.fires(layers.memory(layer), remembered)
    # x is remembered just before it is needed
    remembered = table.schedule.p(1) - 1
    table.between("copy", "x", phase[0], "m_x", remembered)
    table.opens("gate", remembered, "m_x")
    table.fires("m_x", remembered)


def _error(table: _Table, layers: Layers, error: str) -> None:
    """The target, and the two signs of the output's error."""
    sent, compared = table.schedule.forward[-1], table.schedule.error
    name, lower, upper = layers.edges(layers.n_layers)
    positive, negative = layers.errors
    table.between("copy", "target", sent - 1, "t", sent)
    table.fires("target", sent - 1)
    table.opens("gate", sent, "t")
    table.fires("t", sent)
    table.between("copy", "t", sent, positive, compared)
    table.between("inhibit", "t", sent, negative, compared)
    table.between("inhibit", upper, sent, negative if error == "box" else positive, compared)
    if error == "box":
        # published: positive = t AND NOT o AND o_lt, negative = o AND NOT t AND o_lt AND NOT o_gt
        table.between("copy", name, sent, negative, compared)
        table.between("inhibit", name, sent, positive, compared)
        for target in (positive, negative):
            table.between("gate_one", lower, sent, target, compared)
    else:
        # an output learns until its drive has passed the margin: positive = t AND NOT o_gt, negative = o_lt AND NOT t
        table.between("copy", lower, sent, negative, compared)
        table.opens("gate", compared, positive, negative)
    table.fires(positive, compared)
    table.fires(negative, compared)


def _replay(table: _Table, layers: Layers, layer: int, learned_feedback: bool, dead: bool) -> None:
    """W^l learns: the layer below replays its activity while layer l fires its gradient, first one sign and then the other."""
    schedule, last, below = table.schedule, layers.n_layers, layers.activity(layer - 1)
    remembered = schedule.p(1) - 1 if layer == 1 else schedule.forward[layer - 1] + 1
    for phase in (schedule.p(layer), schedule.n(layer)):
        # the gradient of the layer below is the far end of the transposed weights, which learn with W^l
        replayed = (below, layers.gradient(layer - 1)) if layer > 1 and learned_feedback else (below,)
        for target in replayed:
            table.between("copy", layers.memory(layer - 1), remembered, target, phase)
            table.opens("gate", phase, target)
            table.fires(target, phase)
        if layer > 1:
            # what comes back along the transposes, in the step after
            table.opens("gate", phase + 1, layers.gradient(layer - 1))
            table.opens("lower", phase + 1, layers.gradient(layer - 1))
            if dead:
                table.opens("h_dead", phase + 1, layers.gradient(layer - 1))
            table.fires(layers.gradient(layer - 1), phase + 1)
    negative = () if layer == 1 else (layers.negative(layer),)
    for phase in (schedule.p(layer), schedule.n(layer)):
        for target in (*layers.edges(layer), *negative):
            table.fires(target, phase)
    if layer == last:
        positive_part, negative_part = layers.errors
        for phase, onto, onto_negative in (
            (schedule.p(layer), positive_part, negative_part),
            (schedule.n(layer), negative_part, positive_part),
        ):
            table.opens("gate", phase, *layers.edges(layer), *negative)
            for target in layers.edges(layer):
                table.between("copy", onto, schedule.error, target, phase)
            for target in negative:
                table.between("copy", onto_negative, schedule.error, target, phase)


def _hidden_gradient(table: _Table, layers: Layers, layer: int) -> None:
    """The gradient of a hidden layer, in two signs, goes through the box onto the layer itself."""
    schedule = table.schedule
    _, lower, upper = layers.edges(layer)
    gradient, box = layers.gradient(layer), layers.box(layer)
    negative = () if layer == 1 else (layers.negative(layer),)
    signs = schedule.p(layer + 1) + 1, schedule.n(layer + 1) + 1
    gated = schedule.p(layer) - 1
    table.between("copy", lower, schedule.forward[layer], box, gated)
    table.between("inhibit", upper, schedule.forward[layer], box, gated)
    table.opens("gate", gated, box)
    table.fires(box, gated)
    for phase, onto, onto_negative in (
        (schedule.p(layer), signs[0], signs[1]),
        (schedule.n(layer), signs[1], signs[0]),
    ):
        for target in layers.edges(layer):
            table.between("copy", gradient, onto, target, phase)
            table.between("gate_one", box, gated, target, phase)
        for target in negative:
            table.between("copy", gradient, onto_negative, target, phase)
            table.between("gate_one", box, gated, target, phase)


def _silence(table: _Table, layers: Layers, silence: str) -> None:
    """Cancel the learned packets that reach closed layers: each is silenced in the phase in which such a packet arrives."""
    period = table.schedule.period
    for source, target in layers.matrices():
        for phase in sorted(table.firing[source]):
            arrives = (phase + 1) % period
            if arrives not in table.firing[target]:
                table.opens("silence", arrives, target)
    if silence == "published":
        # the published circuit leaves these two out, and has one that nothing asks for
        spared = {(0, name) for name in layers.edges(1)} | {(table.schedule.p(1) + 1, name) for name in layers.edges(2)}
        for phase, target in spared:
            table.arrows.pop(Arrow("silence", 0, f"g{phase}", target))
        table.opens("silence", table.schedule.error, layers.negative(2))


def inference_arrows(n_layers: int) -> tuple[list[Arrow], dict[int, tuple[str, ...]]]:
    """The arrows of the forward pass alone, but for the chain, and the firing table: L + 2 phases."""
    layers = Layers(n_layers)
    table = _Table(Schedule(tuple(range(1, n_layers + 2)), n_layers + 2, (0,) * n_layers, (0,) * n_layers, n_layers + 2))
    table.between("copy", "input", 0, "x", 1)
    table.fires("input", 0)
    for layer in range(n_layers + 1):
        name = layers.activity(layer)
        if layer:
            table.arrows[Arrow("plastic", 0, layers.activity(layer - 1), name)] = None
        table.opens("gate", layer + 1, name)
        table.fires(name, layer + 1)
    table.opens("silence", 0, "o")
    phases = {phase: tuple(name for name, when in table.firing.items() if phase in when) for phase in range(n_layers + 2)}
    return list(table.arrows), phases
