"""Brian2's runtime: NumPy or Cython code, for debugging."""

from __future__ import annotations

import time

import numpy as np

from brianprop.models.model import Model
from brianprop.models.simulation.generate import brian2_device
from brianprop.models.simulation.network import create
from brianprop.models.simulation.simulator import Simulator

__all__ = ["RuntimeSimulator"]


#: Turns between two calls of `progress`.
REPORT = 16


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
            if n_recorded <= 0:
                for monitor in monitors:
                    monitor.active = False
            network.run(model.lead * dt, namespace={})
            done = 0
            while done < len(samples):
                chunk = min(len(samples) - done, REPORT)
                if done < n_recorded:
                    chunk = min(chunk, n_recorded - done)
                network.run(chunk * period * dt, namespace={})
                done += chunk
                if done == n_recorded:
                    for monitor in monitors:
                        monitor.active = False
                if progress:
                    progress(done)
            seconds = time.perf_counter() - start

            def read(name: str) -> np.ndarray:
                owner, variable = name.split(".")
                return np.array(network[owner].variables[variable].get_value())

            return self.model.result(read, len(samples), seconds)
