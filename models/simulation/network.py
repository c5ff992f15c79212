"""A model as a Brian2 network for the device that the user has chosen, to add monitors or anything else to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from brianprop.models.model import Model, Stimuli, Weights
from brianprop.models.simulation.generate import stimulus_function
from brianprop.models.simulation.simulator import Simulator

if TYPE_CHECKING:
    import brian2

    from brianprop.models.simulation.replicas import ReplicaStimuli

__all__ = ["create", "duration"]


def create(
    model: Model,
    weights: Weights,
    stimuli: Stimuli | ReplicaStimuli,
    samples: np.ndarray | None = None,
    *,
    noise_seed: int = 0,
    first: int = 0,
) -> brian2.Network:
    """The Brian2 objects of a model with all their values, ready to run on the present device of Brian2.

    The code is made by Brian2's own templates. ``network["neurons"]`` and so on are the objects; monitors and other objects are
    added by ``network.add``. The random numbers of Brian2 are seeded.

    Parameters
    ----------
    model : Model
        Such as `models.nbp.model.GatedModel` or `models.ssnn_bp.model.SSNNModel`.
    weights, stimuli, noise_seed, first
        See `models.simulation.simulator.Simulator.run`.
    samples : int array of shape (n_turns,), optional
        Rows of the stimuli, in the order of the turns (default: each row once).

    Returns
    -------
    brian2.Network
        To be run for the time that `duration` gives.

    Raises
    ------
    ParameterError
        Where weights, stimuli or samples do not fit the model, or a number is out of its range.
    """
    import brian2 as b2

    samples = np.arange(stimuli.counts[0]) if samples is None else samples
    simulator = Simulator(model, "stock")
    samples = simulator.checked(stimuli, samples, noise_seed=noise_seed, first=first)
    model.require_weights(weights)
    stimulus = stimulus_function(model, stimuli.rows, stimuli.order(samples))
    objects = model.create(stimulus, "stock", network_name="network*")
    for name, value in simulator.values(weights, len(samples), len(samples), noise_seed, first).items():
        owner, variable = name.split(".")
        objects[owner].variables[variable].set_value(value)
    b2.seed(noise_seed)
    return objects["network"]


def duration(model: Model, n_turns: int) -> Any:
    """The time of a number of turns, with the lead-in before them, as a quantity of Brian2."""
    import brian2 as b2

    return (model.lead + n_turns * model.turn_steps) * model.dt * b2.second
