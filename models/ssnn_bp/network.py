"""The Brian2 objects of an SSNN-BP network: one group per layer, one crossbar between two layers, lateral inhibition, monitors.

Layers are counted from the input, layer 0. The crossbar ``W1`` leads to layer 1, ``W2`` to layer 2, and so on.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, cast

from brianprop.models.dense import any_order, dense_codeobj_class, only_where, silent_where_zero
from brianprop.models.equations import expose_to_synapses, per_neuron, read_from_targets, shared_dependents
from brianprop.models.ssnn_bp import equations
from brianprop.models.ssnn_bp.parameters import SSNN

__all__ = ["SIGNS", "NetworkBuilder", "monitor_names", "weight_names"]

#: Signs of the two streams of error or gradient spikes of a layer.
SIGNS = ("plus", "minus")


def weight_names(parameters: SSNN) -> tuple[str, ...]:
    """Names of the crossbars and of their weights: ``W1``, ``W2``, ..."""
    return tuple(f"W{layer}" for layer in range(1, len(parameters.sizes)))


def monitor_names(parameters: SSNN, learns: bool) -> tuple[str, ...]:
    """Names of the monitors: ``input_spikes``, ``hidden1_spikes``, ..., then ``hidden1_plus_spikes``, ... where it learns."""
    streams = [f"{name}_{sign}" for name in parameters.layers[1:] for sign in SIGNS] if learns else []
    return tuple(f"{name}_spikes" for name in (*parameters.layers, *streams))


class NetworkBuilder:
    """Makes the Brian2 objects of one network, or of several side by side.

    Parameters
    ----------
    parameters : SSNN
    learns : bool
        Whether the backward part and the updates are built.
    stimulus, codegen, replicas, per_network, clock
        See `models.model.Model.create`.
    """

    def __init__(
        self, parameters: SSNN, learns: bool, stimulus, codegen: str, replicas: int, per_network: Collection[str], clock=None
    ):
        import brian2 as b2

        self.parameters, self.learns, self.replicas = parameters, learns, replicas
        self.learns_biases = learns and parameters.biases
        self.drops = learns and parameters.dropout > 0
        self.decays = learns and parameters.weight_decay > 0
        self.n_hidden = len(parameters.hidden)
        self.per_network = [name.partition(".")[::2] for name in sorted(per_network)]
        self.clock = clock or b2.Clock(parameters.dt * b2.second, name="steps")
        self.dense = dense_codeobj_class() if codegen == "dense" else None
        self.namespace = {
            "stimulus": stimulus,
            "n_in": replicas * parameters.n_in,
            "n_bytes": replicas * parameters.n_bytes,
        }
        #: Equations that neurons have in addition in a network that learns.
        self.learning = (equations.ANNEALING + (equations.LEARNED_BIAS if self.learns_biases else "")) if learns else ""

    def build(self, network_name: str) -> dict[str, Any]:
        """The Brian2 objects by name: groups by layer, crossbars as ``W1``, ``W2``, ..., the Network as ``network``."""
        import brian2 as b2

        hidden = range(1, self.n_hidden + 1)
        groups = [self._input(), *(self._hidden(layer) for layer in hidden), self._output()]
        objects: dict[str, Any] = {group.name: group for group in groups}
        for layer, name in enumerate(weight_names(self.parameters), 1):
            objects[name] = self._crossbar(layer, groups[layer - 1], groups[layer])
        objects["lateral"] = self._lateral(groups[-1])
        objects |= self._monitors(objects)
        network = b2.Network(*objects.values(), name=network_name)
        network.schedule = self._schedule()
        return objects | {"network": network}

    def _schedule(self) -> list[str]:
        """The slots of one time step, in order; see `models.ssnn_bp.model`."""
        hidden = range(1, self.n_hidden + 1)
        forward = [slot for layer in hidden for slot in (f"forward_{layer}", f"fire_{layer}")]
        backward = [slot for layer in reversed(hidden) for slot in (f"backward_{layer}", f"gradient_{layer}")]
        return [
            *("start", "groups", "input", *forward, f"forward_{self.n_hidden + 1}"),
            *("race", "inhibit", "win", "error", *backward, "update", "end"),
        ]

    # -- neurons -------------------------------------------------------------------------------------------------------

    def _group(self, layer: int, model: str, **options):
        """The neurons of a layer."""
        import brian2 as b2

        name = self.parameters.layers[layer]
        exposed = [constant for owner, constant in self.per_network if owner == f"W{layer}"]
        return b2.NeuronGroup(
            self.replicas * self.parameters.sizes[layer],
            per_neuron(model, self._differing(name)) + expose_to_synapses(exposed),
            name=name,
            method="euler",
            namespace=self.namespace,
            clock=self.clock,
            codeobj_class=self.dense,
            **options,
        )

    def _differing(self, owner: str) -> set[str]:
        """The constants of an object that differ between the networks."""
        return {constant for name, constant in self.per_network if name == owner}

    def _input(self):
        events = self.parameters.events
        group = self._group(
            0,
            equations.EVENTS if events else equations.BERNOULLI,
            threshold=equations.EVENTS_THRESHOLD if events else equations.BERNOULLI_THRESHOLD,
            reset="s = 1",
        )
        if not events:
            silent_where_zero(group, "spike", "p")
        code = equations.EVENTS_STEP if events else equations.BERNOULLI_SAMPLE
        group.run_regularly(code, when="groups", order=1, name="input_sample", codeobj_class=self.dense)
        return _fire_in(group, "input")

    def _hidden(self, layer: int):
        gradient = equations.DROPOUT_GRADIENT if self.drops else equations.COMPOSITE_GRADIENT
        group = self._group(
            layer,
            equations.COMPOSITE + (equations.DROPOUT if self.drops else "") + self.learning,
            threshold=equations.DROPOUT_THRESHOLD if self.drops else equations.COMPOSITE_THRESHOLD,
            reset="s = 1",
            events=dict(gradient) if self.learns else {},  # a copy, since Brian2 adds to it
        )
        if self.drops:
            name = f"{group.name}_dropout"
            group.run_regularly(equations.DROPOUT_DRAW, when="groups", order=1, name=name, codeobj_class=self.dense)
        self._add_streams(group, f"gradient_{layer}")
        for sign in SIGNS if self.learns else ():
            silent_where_zero(group, sign, "q")
        return _fire_in(group, f"fire_{layer}")

    def _output(self):
        events = {"race": equations.COMPETITOR_RUNS, "read": equations.COMPETITOR_READ}
        group = self._group(
            self.n_hidden + 1,
            equations.COMPETITOR + ("" if self.learns else equations.WINNING) + self.learning,
            threshold=equations.COMPETITOR_THRESHOLD,
            reset=equations.COMPETITOR_RESET,
            events=events | (equations.COMPETITOR_ERROR if self.learns else {}),
        )
        group.run_regularly(equations.COMPETITOR_RACE, when="race", order=-1, codeobj_class=self.dense)
        if not self.learns:
            group.run_regularly(equations.WINNING_SUM, when="win", codeobj_class=self.dense)
        group.set_event_schedule("race", when="race")
        group.set_event_schedule("read", when="end", order=-1)
        self._add_streams(group, "error")
        return _fire_in(group, "win")

    def _add_streams(self, group, slot: str) -> None:
        """Draw both streams of error or gradient spikes of a layer in a slot of the schedule, and update its biases by them."""
        for sign in SIGNS if self.learns else ():
            group.set_event_schedule(sign, when=slot)
            if self.learns_biases:
                group.run_on_event(sign, equations.BIAS_UPDATE[sign], when="update")

    # -- synapses ------------------------------------------------------------------------------------------------------

    def _crossbar(self, layer: int, pre_group, post_group):
        """The crossbar that leads to a layer."""
        import brian2 as b2

        parameters, name = self.parameters, f"W{layer}"
        model = equations.crossbar_model(self.learns, self.decays, parameters.options)
        dependents = shared_dependents(self.learning, self._differing(post_group.name))
        pathways = equations.crossbar_pathways(layer > 1, self.learns, parameters.options)
        forward = {"forward": pathways.pop("forward")}
        synapses = b2.Synapses(
            pre_group,
            post_group,
            read_from_targets(model, self._differing(name), dependents),
            on_pre=forward,
            on_post=pathways or None,
            on_event=cast(Any, {"forward": "spike"} | {pathway: pathway.partition("_")[2] for pathway in pathways}),
            # one delay for all synapses: otherwise Brian2 stores one for each, and its queue is slower
            delay=dict.fromkeys([*forward, *pathways], 0 * b2.second),
            clock=self.clock,
            codeobj_class=self.dense,
            name=name,
        )
        self._connect(synapses, *parameters.sizes[layer - 1 : layer + 1])
        synapses.forward.when = f"forward_{layer}"
        if self.dense and not self.decays:
            any_order(synapses.forward)  # equal up to rounding, which makes no difference in a random process
        for pathway_name in pathways:
            pathway = getattr(synapses, pathway_name)
            pathway.when = f"backward_{layer - 1}" if pathway_name.startswith("back") else "update"
            if pathway_name.startswith("learn") and self.dense:
                only_where(pathway, "s_pre")
        if self.decays:
            synapses.run_regularly(
                equations.CROSSBAR_DECAY, when="update", order=1, name=f"{name}_decay", codeobj_class=self.dense
            )
        return synapses

    def _lateral(self, output):
        """Inhibition of the output neurons by the winner, and where the network only answers, the sums for the softmax."""
        import brian2 as b2

        pathways = {"inhibit": equations.LATERAL} | ({} if self.learns else {"compare": equations.WINNING_LATERAL})
        synapses = b2.Synapses(
            output,
            output,
            on_pre=pathways,
            on_event=cast(Any, dict.fromkeys(pathways, "race")),
            delay=dict.fromkeys(pathways, 0 * b2.second),
            clock=self.clock,
            codeobj_class=self.dense,
            name="lateral",
        )
        self._connect(synapses, self.parameters.n_out, self.parameters.n_out)
        for pathway in pathways:
            getattr(synapses, pathway).when = "inhibit"
        return synapses

    def _connect(self, synapses, n_pre: int, n_post: int) -> None:
        """Connect all neurons to all within each network."""
        if self.replicas == 1:
            synapses.connect()
        else:
            synapses.connect(j=f"k for k in range(i // {n_pre} * {n_post}, (i // {n_pre} + 1) * {n_post})")

    def _monitors(self, objects: dict[str, Any]) -> dict[str, Any]:
        import brian2 as b2

        answers = ["wins", "V_sum"] + ([] if self.learns else ["rate"])
        monitors = {"answers": b2.EventMonitor(objects["output"], "read", variables=answers, when="end", name="answers")}
        for name in monitor_names(self.parameters, self.learns):
            layer, *sign = name.removesuffix("_spikes").split("_")
            event = sign[0] if sign else "spike"
            monitors[name] = b2.EventMonitor(objects[layer], event, when="end", order=1, name=name)
        return monitors


def _fire_in(group, slot: str):
    """Let a group fire in a slot of the schedule, with its reset immediately after."""
    group.thresholder["spike"].when = slot
    group.resetter["spike"].when, group.resetter["spike"].order = slot, 1
    return group
