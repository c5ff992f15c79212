"""Samples per second of 1,024 networks on a GPU alone, as in replicas.csv: python measure.py {ssnn-bp,nbp}."""

import sys
from pathlib import Path

from brianprop.experiments.benchmarks.replicas import measure, workload
from brianprop.experiments.training.data import load_data
from brianprop.experiments.training.systems import options_of, trainer_of
from brianprop.models.simulation import simulator
from brianprop.models.simulation.replicas import Replicas

SYSTEM, COUNT = sys.argv[1], 1024
data = load_data("mnist", None, grey=trainer_of(SYSTEM).grey, binarise=options_of(SYSTEM)(Path()).binarise)
work = workload(SYSTEM, data, 400)
with simulator(Replicas([work.model] * COUNT), device="cuda") as simulated:
    for number in range(2):
        print(SYSTEM, round(measure(work, simulated, COUNT, 20 * COUNT, 1000 * number)), "samples per second", flush=True)
