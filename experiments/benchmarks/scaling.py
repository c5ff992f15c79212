"""How the time of the dense nBP circuit grows with the sizes of its layers."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable

import numpy as np

from brianprop.analysis.figures.speed import Spread, affine, slope
from brianprop.experiments.benchmarks.timing import Timed, interleaved, sample_order
from brianprop.experiments.data import encoding
from brianprop.experiments.data.dataset import Part
from brianprop.models.circuit import Circuit
from brianprop.models.model import Result
from brianprop.models.nbp.circuit import matrices, training_circuit
from brianprop.models.nbp.model import GatedModel, GatedResult
from brianprop.models.nbp.parameters import NBP, initial_weights
from brianprop.models.simulation import simulator

__all__ = ["HIDDEN_SIZES", "fits", "measure_scaling", "plastic_synapses", "resized", "synapses_touched"]

#: Sizes of the scaling figure. Inputs are squares, so that images can be resized.
HIDDEN_SIZES = (100, 200, 400, 800, 1600, 3200)

INPUT_SIZES = (100, 196, 400, 784, 1600, 3136)

FIXED_SIZE = 400

#: Samples of a run whose spikes are recorded, to count the synapses that carry them.
COUNTED_SAMPLES = 50


def synapses_touched(circuit: Circuit, result: Result, samples: int) -> float:
    """Synapses that carry a spike, per sample: the sum over recorded spikes of the neuron's outgoing synapses.

    Parameters
    ----------
    circuit : Circuit
    result : Result
        Of a run whose first samples were recorded.
    samples : int
        How many were recorded.
    """
    fan_out = np.zeros(len(circuit.populations))
    number = {population.name: i for i, population in enumerate(circuit.populations)}
    for projection in circuit.projections:
        fan_out[number[projection.source]] += circuit.synapse_count(projection) / circuit[projection.source].size
    population, _, step = result.recorded
    return float(np.sum(fan_out[population[step >= 0]]) / samples)


def plastic_synapses(circuit: Circuit) -> int:
    """Number of learned synapses of a circuit; a weight matrix counts once for each projection that holds it."""
    return sum(circuit.synapse_count(projection) for projection in circuit.projections if projection.plastic)


def resized(images: np.ndarray, shape: tuple[int, int], n_in: int) -> np.ndarray:
    """Resize images by the nearest pixel, which keeps the share of bright pixels.

    Parameters
    ----------
    images : array of shape (n, rows * cols)
    shape : tuple of int
        Rows and columns.
    n_in : int
        Pixels of the resized images, a square number.

    Returns
    -------
    array of shape (n, n_in)
    """
    side = math.isqrt(n_in)
    rows, columns = ((np.arange(side) + 0.5) * old // side for old in shape)
    return images.reshape(-1, *shape)[:, rows.astype(int)[:, None], columns.astype(int)].reshape(len(images), n_in)


def measure_scaling(
    train: Part,
    shape: tuple[int, int],
    n_samples: int,
    repeats: int,
    seed: int,
    message: Callable[[str], None] = print,
) -> list[dict]:
    """Time the dense training circuit over the sizes of its hidden and of its input layer, after one pass of training.

    Parameters
    ----------
    train : Part
        Binary images (n, rows * cols) and their labels.
    shape : tuple of int
        Rows and columns of the images.
    n_samples : int
        Samples of a pass.
    repeats : int
        Number of rounds.
    seed : int
        Of the initial weights and the order of the samples.
    message : callable
        Called with lines of text on the way.

    Returns
    -------
    list of dict
        Rows with varied ("n_hid" or "n_in"), n_in, n_hid; rounds, median, low, high [us per sample] and runs; touched
        [synapses per sample] and ns_per_synapse.
    """
    sizes = dict.fromkeys([(FIXED_SIZE, n) for n in HIDDEN_SIZES] + [(n, FIXED_SIZE) for n in INPUT_SIZES])
    order = sample_order(len(train.labels), n_samples, seed)
    # stimuli of the samples of one pass only: all simulators stay open, and each holds its own
    labels = train.labels[order]
    n_out = int(train.labels.max()) + 1
    cases, touched = {}, {}
    for n_in, n_hid in sizes:
        parameters = NBP(n_in=n_in, hidden=(n_hid,), n_out=n_out)
        circuit = training_circuit(parameters)
        message(f"Preparing the size {n_in}-{n_hid}-{n_out} ...")
        model = GatedModel(circuit, parameters, seed)
        simulated = simulator(model, message=message)
        values = {"input": resized(train.images[order], shape, n_in), "target": encoding.one_hot(labels, n_out)}
        stimuli, samples = model.stimuli(values), np.arange(len(order))
        passed = simulated.run(matrices(circuit, initial_weights(parameters, seed)), stimuli, samples)
        assert isinstance(passed, GatedResult)
        trained, counted = passed.matrices, samples[:COUNTED_SAMPLES]
        recorded = simulated.run(trained, stimuli, counted, n_recorded=len(counted))
        touched[n_in, n_hid] = synapses_touched(circuit, recorded, len(counted))

        def run(passes, simulated=simulated, trained=trained, stimuli=stimuli, samples=samples) -> float:
            return sum(simulated.run(trained, stimuli, samples).seconds for _ in range(passes))

        cases[n_in, n_hid] = Timed(run, len(samples))
    message(f"Timing {repeats} rounds of {len(cases)} sizes ...")
    rows = []
    for (n_in, n_hid), rounds in interleaved(cases, repeats).items():
        spread = Spread.of(rounds)
        for varied, other in (("n_hid", n_in), ("n_in", n_hid)):
            if other == FIXED_SIZE:
                rows.append(
                    {
                        "varied": varied,
                        "n_in": n_in,
                        "n_hid": n_hid,
                        **dataclasses.asdict(spread),
                        "touched": touched[n_in, n_hid],
                        "ns_per_synapse": 1000 * spread.median / touched[n_in, n_hid],
                        "rounds": rounds,
                    }
                )
    return rows


def fits(scaling: list[dict]) -> list[dict]:
    """Fit the growth of time: exponents over neurons and over synapses touched, constant, and cost per synapse.

    Parameters
    ----------
    scaling : list of dict
        As `measure_scaling` returns.

    Returns
    -------
    list of dict
        Rows with quantity, value and unit.
    """
    rows = []
    for varied in ("n_hid", "n_in"):
        family = [row for row in scaling if row["varied"] == varied]
        us, touched = [row["median"] for row in family], [row["touched"] for row in family]
        constant, cost = affine(touched, us)
        for quantity, value, unit in (
            (f"slope over {varied}", slope([row[varied] for row in family], us), "exponent"),
            (f"slope over synapses touched by {varied}", slope(touched, us), "exponent"),
            (f"constant over {varied}", constant, "us per sample"),
            (f"cost over {varied}", 1000 * cost, "ns per synapse"),
        ):
            rows.append({"quantity": quantity, "value": value, "unit": unit})
    return rows
