"""Parameters: every one is of its type, in its range, and what the simulated code holds."""

import dataclasses
import math

import numpy as np
import pytest

from brianprop.models import ann
from brianprop.models.ann import ANN
from brianprop.models.errors import ParameterError
from brianprop.models.nbp import parameters as nbp
from brianprop.models.nbp.circuit import training_circuit
from brianprop.models.nbp.model import GatedModel
from brianprop.models.nbp.parameters import NBP
from brianprop.models.ssnn_bp import parameters as ssnn_bp
from brianprop.models.ssnn_bp.parameters import SSNN

NETWORKS = {"nbp": NBP(n_in=6, hidden=(4,), n_out=3), "ssnn-bp": SSNN(n_in=6, hidden=(4,), n_out=3), "ann": ANN(6, (4,), 3)}
DRAW = {"nbp": nbp.initial_weights, "ssnn-bp": ssnn_bp.initial_weights, "ann": ann.initial_weights}


WRONG = {"int": (2.5, 2.0, math.nan, math.inf, "3", None, True, 2**31, 10**400, [1]), "bool": (1, "yes", None)}
WRONG["float"] = (math.nan, -math.inf, "3", None, True, 1e39, 1e-39, 10**400, 1j)


@pytest.mark.parametrize(
    ("system", "name", "value"),
    [
        (system, item.name, value)
        for system, network in NETWORKS.items()
        for item in dataclasses.fields(network)
        for kind in [item.type.removesuffix(" | None")]
        for value in WRONG.get(kind.removeprefix("tuple[").partition(",")[0], ("nosuch", 3, []))
        if not (value is None and kind != item.type)
    ],
    ids=str,
)
def test_every_parameter_is_of_its_type_and_fits_into_32_bits(system, name, value):
    old = getattr(NETWORKS[system], name)
    wrong = (value,) * len(old) if isinstance(old, tuple) else value
    with pytest.raises(ParameterError, match=name):
        dataclasses.replace(NETWORKS[system], **{name: wrong})


@pytest.mark.parametrize(
    ("system", "change", "word"),
    [
        ("nbp", {"w_max": 4 * 10**9, "w_init_max": 4 * 10**9}, "w_max"),
        ("nbp", {"theta": 1e30}, "theta"),
        ("ssnn-bp", {"w_max": 4.0, "levels": 2.5}, "levels"),
        ("ssnn-bp", {"w_max": 4.0, "levels": 2**21}, "levels"),
        ("ssnn-bp", {"steps": 2**24 + 1}, "steps"),
        ("ssnn-bp", {"theta": 1e25}, "theta"),
        ("ssnn-bp", {"rate_hidden": 1e-37, "gain": 1e10}, "gain"),
        ("ssnn-bp", {"hidden": 4}, "hidden"),
        ("ann", {"hidden": 4}, "hidden"),
    ],
)
def test_parameters_that_the_code_cannot_hold_are_refused(system, change, word):
    with pytest.raises(ParameterError, match=word):
        dataclasses.replace(NETWORKS[system], **change)


def test_the_largest_weights_are_drawn_as_they_are():
    largest = 2**31 - 2
    parameters = NBP(n_in=6, hidden=(4,), n_out=3, theta=2.0**40, w_max=largest, w_init_max=largest)
    drawn = nbp.initial_weights(parameters, 0)
    assert max(array.max() for array in drawn.values()) == largest and min(array.min() for array in drawn.values()) == -largest


def exact_in_single(parameters):
    """Whether float32 holds every sum of a circuit: all that arrives at a neuron in one step, and an update of a weight."""
    circuit = training_circuit(parameters)
    sizes = {population.name: population.size for population in circuit.populations}
    sums, halves = [parameters.w_max + parameters.eta_plus + parameters.eta_minus], True
    for population in circuit.populations:
        arriving = [projection for projection in circuit.projections if projection.target == population.name]
        fixed = [parameters.theta, population.bias, *(projection.weight for projection in arriving if not projection.plastic)]
        plastic = sum(sizes[projection.source] * parameters.w_max for projection in arriving if projection.plastic)
        sums.append(plastic + sum(map(abs, fixed)))
        halves &= all(float(2 * value).is_integer() for value in fixed)
    return halves and all(float(np.float32(value - half)) == value - half for value in sums for half in (0, 0.5))


@pytest.mark.parametrize("exponent", range(8, 31))
def test_single_precision_is_used_only_where_it_is_exact(exponent):
    used = []
    for change in (
        {"w_max": 2**exponent},
        {"w_max": 2**exponent - 2, "w_init_max": 2},
        {"eta_plus": 2**exponent},
        {"eta_minus": 2**exponent},
        {"bias": -(2.0**exponent)},
        {"silence": -(2.0**exponent)},
        {"theta": 2.0**exponent + 0.25, "margin": 8.0},
        {"theta": 2.0**exponent},
        {"o_lower": -(2.0 ** (exponent - 8))},
        {"n_in": 2**14, "w_max": 2 ** min(exponent, 16)},
        {"n_in": 1, "hidden": (1,), "n_out": 1, "w_max": 2**exponent, "w_init_max": 0, "eta_minus": 2**exponent},
    ):
        parameters = NBP(**{"n_in": 6, "hidden": (4,), "n_out": 3, "w_init_max": 0} | change)
        model = GatedModel(training_circuit(parameters), parameters)
        if model.single_precision("dense"):
            used.append(change)
            assert exact_in_single(parameters), change
        assert not model.single_precision("stock")
    assert used or exponent > 20  # the default is among those that are exact


@pytest.mark.parametrize("change", [{"tau_m": 2.0**-9}, {"dt": 1e-3, "tau_m": 1e-3, "tau_s": 1e-3}])
def test_single_precision_is_not_used_where_values_are_real(change):
    parameters = dataclasses.replace(NETWORKS["nbp"], **change)
    assert not GatedModel(training_circuit(parameters), parameters).single_precision("dense")
    assert GatedModel(training_circuit(NETWORKS["nbp"]), NETWORKS["nbp"]).single_precision("dense")
