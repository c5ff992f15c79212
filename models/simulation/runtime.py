"""Brian2's runtime: NumPy or Cython code, for debugging."""

from __future__ import annotations

import time

import numpy as np

from brianprop.models.model import Model
from brianprop.models.simulation.generate import brian2_device
from brianprop.models.simulation.network import create
from brianprop.models.simulation.simulator import Simulator

__all__ = ["RuntimeSimulator"]


#: Time between two calls of `progress` [s].
REPORT = 0.2


class RuntimeSimulator(Simulator):
    """A model in Brian2's runtime.

    Parameters
    ----------
    model : Model
    target : {"numpy", "cython"}
        Code generation target.
    """

    def __init__(self, model: Model, target: str):
        super().__init__(model, "stock")
        self._target = target

    def _run(self, weights, stimuli, samples, noise_seed, n_recorded, first, progress):
        model = self.model
        with brian2_device(self._target) as b2:
            network = create(model, weights, stimuli, samples, noise_seed=noise_seed, first=first)
            start = time.perf_counter()
            dt, period = model.dt * b2.second, model.turn_steps
            monitors = [network[name] for name in model.monitors]
            recorded = min(max(n_recorded, 0), len(samples))
            if not recorded:
                for monitor in monitors:
                    monitor.active = False
            done = 0
            # not turn by turn: Brian2 generates the code anew for each run
            for turns in filter(None, (recorded, len(samples) - recorded)):
                lead = 0 if done else model.lead
                steps = lead + turns * period

                def report(elapsed, completed, begun, duration, before=done, lead=lead, steps=steps):
                    if progress:
                        progress(before + max(0, int(completed * steps + 0.5) - lead) // period)

                network.run(steps * dt, report=report, report_period=REPORT * b2.second, namespace={})
                done += turns
                for monitor in monitors:
                    monitor.active = False
            seconds = time.perf_counter() - start

            def read(name: str) -> np.ndarray:
                owner, variable = name.split(".")
                return np.array(network[owner].variables[variable].get_value())

            return self.model.result(read, len(samples), seconds)
