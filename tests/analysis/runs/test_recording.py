"""Selections and counts of recorded spikes, against lists of spikes."""

import numpy as np
import pytest

from brianprop.analysis.runs import Recording

#: Population, neuron, step, epoch.
SPIKES = [("x", 0, -1, 1), ("x", 1, 0, 1), ("h", 2, 2, 1), ("x", 1, 3, 1), ("x", 0, 3, 2), ("h", 0, 7, 2)]


def recording(spikes=SPIKES):
    names, neuron, step, epoch = zip(*spikes, strict=True) if spikes else ((), (), (), ())
    return Recording(("x", "h"), (2, 3), ["xh".index(name) for name in names], neuron, step, epoch, 3)


def spikes_of(chosen: Recording) -> list:
    columns = (chosen.population, chosen.neuron, chosen.step, chosen.epoch)
    return [(chosen.populations[number], *map(int, rest)) for number, *rest in zip(*columns, strict=True)]


def test_spikes_are_selected_by_population_and_condition():
    whole = recording()
    assert spikes_of(whole.of("x")) == [spike for spike in SPIKES if spike[0] == "x"]
    assert spikes_of(whole.of("absent")) == [] and not whole.is_of("absent").any()
    assert spikes_of(whole.where(whole.phase == 0)) == [spike for spike in SPIKES if spike[2] % 3 == 0]
    assert spikes_of(whole.last_epoch()) == SPIKES[4:]
    assert spikes_of(whole.where(whole.epoch < 2).followed_by(whole.last_epoch())) == SPIKES
    assert whole.size("h") == 3
    with pytest.raises(ValueError):
        whole.size("absent")


def test_samples_and_phases_count_from_the_first_step_after_the_lead_in():
    whole = recording()
    assert list(whole.sample) == [-1, 0, 0, 1, 1, 2] and list(whole.phase) == [2, 0, 2, 0, 0, 1]
    assert whole.n_samples == 3 and recording([]).n_samples == 0 and recording(SPIKES[:1]).n_samples == 0


def test_spikes_per_step_leave_the_lead_in_out():
    np.testing.assert_array_equal(recording().spikes_per_step("x"), [[1, 0, 0], [2, 0, 0], [0, 0, 0]])
    assert recording([]).spikes_per_step("x").shape == (0, 3)
