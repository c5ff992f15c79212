"""A device of the tests: the oracles in NumPy in the place of the circuits, which other tests show to be equal to them.

It needs neither a build nor Brian2, so that the estimators can be tried on many shapes of data.
"""

import dataclasses

import numpy as np

from brianprop.models.nbp import oracle
from brianprop.models.nbp.circuit import matrices, weights_of
from brianprop.models.nbp.model import GatedModel, GatedResult
from brianprop.models.simulation.simulator import Simulator
from brianprop.models.ssnn_bp.model import SSNNModel, SSNNResult
from brianprop.models.ssnn_bp.oracle import present, scaling

NOTHING = tuple(np.zeros(0, int) for _ in range(3))


class OracleSimulator(Simulator):
    """Runs a model of nBP or SSNN-BP, as the function `brianprop.models.simulation.simulator` would."""

    def __init__(self, model, **_options):
        super().__init__(model, "stock")

    def _run(self, weights, stimuli, samples, noise_seed, n_recorded, first, progress):
        run = {GatedModel: _nbp, SSNNModel: _ssnn_bp}[type(self.model)]
        return run(self.model, weights, stimuli.rows[samples], noise_seed, first)


def _nbp(model, weights, rows, _noise_seed, _first):
    circuit, rules = model.circuit, model.rules
    start, n_in = circuit.offsets["input"], circuit["input"].size
    images = rows[:, start : start + n_in].astype(bool)
    learned = {name: matrix.astype(np.int64) for name, matrix in weights_of(circuit, weights).items()}
    if not circuit.reinforced:
        spikes, drive = oracle.infer(learned, images, int(rules.theta))
    else:
        start, n_out = circuit.offsets["target"], circuit["target"].size
        targets = rows[:, start : start + n_out].astype(bool)
        options = {name: getattr(rules, name) for name in ("theta", "eta_plus", "eta_minus", "w_max", "order", "error")}
        boxes = {f"{layer}_box": (getattr(rules, f"{layer}_lower"), getattr(rules, f"{layer}_upper")) for layer in "ho"}
        turns = [oracle.train_turn(learned, *sample, **options, **boxes) for sample in zip(images, targets, strict=True)]
        drive = np.array([turn.drive for turn in turns])
        spikes = drive > rules.theta / 2
    after = matrices(circuit, learned)
    return GatedResult(NOTHING, 0.0, after, drive + rules.theta / 2, spikes)


def _ssnn_bp(model, weights, rows, noise_seed, first):
    parameters, rng = model.parameters, np.random.default_rng(noise_seed)
    options = {"steps": parameters.steps, "theta": parameters.theta, "rng": rng}
    pixels = rows[:, : parameters.n_in] / 255
    learned = {name: w.astype(float) for name, w in weights.items()}
    if not model.learns:
        turns = present(learned, pixels, **options)
        return SSNNResult(NOTHING, 0.0, weights, turns.counts["output"], turns.membrane, turns.rates)
    labels = rows[:, parameters.n_in :].argmax(axis=1)
    full = scaling(parameters.learning_rates, parameters.steps, parameters.theta, parameters.gain)
    for number, (sample, label) in enumerate(zip(pixels, labels, strict=True)):
        share = 1 - (first + number) / model.n_total if parameters.annealed else 1
        constants = dataclasses.replace(
            full, **{name: [share * eta for eta in getattr(full, name)] for name in ("eta", "eta_bias")}
        )
        turn = present(learned, sample[np.newaxis], label[np.newaxis], constants=constants, **options)
        learned = {name: w + turn.updates[name][0] for name, w in learned.items()}
    learned = {name: w.astype(np.float32) for name, w in learned.items()}
    empty = np.zeros((len(rows), parameters.n_out))
    return SSNNResult(NOTHING, 0.0, learned, empty.astype(int), empty, None)
