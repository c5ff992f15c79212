"""Weights out of files: what the network cannot have is refused, wherever they come from."""

import numpy as np
import pytest

from brianprop.analysis.runs import Run, as_json
from brianprop.experiments.training.weights import read_weights
from brianprop.models import ann
from brianprop.models.ann import ANN
from brianprop.models.errors import DataError, RunError
from brianprop.models.nbp import parameters as nbp
from brianprop.models.nbp.parameters import NBP
from brianprop.models.ssnn_bp import parameters as ssnn_bp
from brianprop.models.ssnn_bp.parameters import SSNN
from brianprop.models.weights import layout_fault, value_fault

NETWORKS = {"nbp": NBP(n_in=6, hidden=(4,), n_out=3), "ssnn-bp": SSNN(n_in=6, hidden=(4,), n_out=3), "ann": ANN(6, (4,), 3)}
DRAW = {"nbp": nbp.initial_weights, "ssnn-bp": ssnn_bp.initial_weights, "ann": ann.initial_weights}


FAULTS = {
    "transposed": (lambda w: w | {"W1": w["W1"].T}, "shape"),
    "another layer": (lambda w: w | {"W2": w["W2"][:-1]}, "shape"),
    "NaN": (lambda w: w | {"W1": np.where(w["W1"] == w["W1"][0, 0], np.nan, w["W1"])}, "finite"),
    "infinite": (lambda w: w | {"W2": w["W2"] * np.inf}, "finite"),
    "1e300": (lambda w: w | {"W1": np.full_like(w["W1"], 1e300, dtype=float)}, "exceeds"),
    "complex": (lambda w: w | {"W1": w["W1"].astype(complex)}, "complex"),
    "text": (lambda w: w | {"W1": w["W1"].astype(str)}, "real numbers"),
    "bool": (lambda w: w | {"W1": w["W1"] > 0}, "bool"),
    "missing": (lambda w: {"W1": w["W1"]}, "lacks W2"),
    "extra": (lambda w: w | {"W3": w["W2"]}, "holds W3"),
    "biases": (lambda w: w | {"b1": w["W1"][0]}, "holds b1"),
}
NBP_FAULTS = {
    "a million": (lambda w: w | {"W1": np.full_like(w["W1"], 10**6)}, "w_max"),
    "halves": (lambda w: w | {"W2": w["W2"] + 0.5}, "w_step"),
    "odd": (lambda w: w | {"W2": w["W2"] // 2 * 2 + 1}, "w_step"),
    "a copy of another shape": (lambda w: w | {"x>h_lt": w["W2"]}, "shape"),
    "a copy of nothing": (lambda w: w | {"x>o": w["W2"]}, "holds x>o"),
}


@pytest.mark.parametrize(
    ("system", "fault"),
    [(system, fault) for system in NETWORKS for fault in (*FAULTS, *(NBP_FAULTS if system == "nbp" else ()))],
)
def test_wrong_weights_are_refused_everywhere(system, fault, tmp_path):
    parameters = NETWORKS[system]
    weights = DRAW[system](parameters, 0)
    change, word = (FAULTS | NBP_FAULTS)[fault]
    with np.errstate(all="ignore"):
        wrong = change(weights)
    np.savez(tmp_path / "given.npz", **weights)
    assert all(np.array_equal(array, weights[name]) for name, array in read_weights(tmp_path / "given.npz", parameters).items())
    np.savez(tmp_path / "given.npz", **wrong)
    with pytest.raises(DataError, match=word):
        read_weights(tmp_path / "given.npz", parameters)
    training = {"epochs": 1, "seed": 0}
    run = Run.create(tmp_path / "run", {"system": system, "parameters": as_json(parameters), "training": training}, {})
    run.save_weights(weights)
    assert run.load_weights().keys() == weights.keys()
    run.save_weights(wrong)
    run.save_checkpoint(1, wrong)
    for load in (run.load_weights, lambda: run.load_checkpoint(1)):
        with pytest.raises(RunError, match=r"is damaged \(.*; "):
            load()
    with pytest.warns(UserWarning, match="epoch_0001"):
        assert run.load_checkpoint() == (0, {})


def test_stored_weights_have_the_very_type(tmp_path):
    for system, parameters in NETWORKS.items():
        weights = DRAW[system](parameters, 0)
        wider = {name: array.astype(np.float64) for name, array in weights.items()}
        assert layout_fault(weights, parameters.arrays) is None and value_fault(weights, parameters.arrays) is None
        assert "float64" in layout_fault(wider, parameters.arrays)
        assert layout_fault(wider, parameters.arrays, stored=False) is None


@pytest.mark.parametrize("w_max", [0.1, 0.7, 4.0])
def test_levels_and_bounds_are_those_of_single_precision(w_max):
    parameters = SSNN(n_in=60, hidden=(40,), n_out=3, w_max=w_max, levels=33)
    weights = ssnn_bp.initial_weights(parameters, 0)
    for stored in (True, False):
        assert value_fault(weights, parameters.arrays, stored) is None
    off = {name: array * np.float32(0.99) for name, array in weights.items()}
    assert "levels" in value_fault(off, parameters.arrays, stored=False)
    beyond = {name: np.full_like(array, 1.01 * w_max) for name, array in weights.items()}
    assert "w_max" in value_fault(beyond, parameters.arrays)


def test_copies_that_have_drifted_are_taken_as_initial_weights(tmp_path):
    weights = DRAW["nbp"](NETWORKS["nbp"], 0)
    weights |= {"x>h_lt": weights["W1"] * 0 + 2, "o>d1": weights["W2"].T * 0 + 4}
    np.savez(tmp_path / "given.npz", **weights)
    assert set(read_weights(tmp_path / "given.npz", NETWORKS["nbp"])) == set(weights)
