"""Spikes and updates of SSNN-BP, counted from planted spikes, and its answer."""

import numpy as np
from conftest import composite_recording

from brianprop.analysis.activity import answer, count, layers_of, signed_streams, words

SIZES = {"input": 4, "hidden1": 3, "output": 2}

#: Two turns of three steps.
SPIKES = [
    *(("output", 0, step) for step in range(6)),
    *(("input", neuron, 1) for neuron in (0, 2, 3)),
    ("input", 1, 2),
    ("input", 1, 4),
    ("hidden1", 0, 1),
    ("hidden1", 2, 1),
    ("hidden1", 1, 5),
    ("output plus", 1, 1),
    ("output minus", 0, 1),
    ("output plus", 1, 3),
    ("hidden1 plus", 2, 1),
    ("hidden1 minus", 0, 1),
    ("hidden1 plus", 0, 2),
    ("hidden1 minus", 1, 5),  # no input fires in this step
]


def test_spikes_and_coincidences_are_counted_by_turn():
    recording = composite_recording([SPIKES[k] for k in np.random.default_rng(0).permutation(len(SPIKES))], SIZES, 3)
    activity = count(recording)
    assert recording.n_samples == 2
    assert {name: found.tolist() for name, found in activity.spikes.items()} == {
        "input": [4, 1],
        "hidden1": [2, 1],
        "output": [3, 3],
        "hidden1 plus": [2, 0],
        "hidden1 minus": [1, 1],
        "output plus": [1, 1],
        "output minus": [1, 0],
    }
    # W1: step 1, 3 inputs x 2 gradient spikes; step 2, 1 x 1. W2: step 1, 2 hidden x 2 errors; step 3, no hidden spike
    assert {name: found.tolist() for name, found in activity.updates.items()} == {"W1": [7, 0], "W2": [4, 0]}


def test_every_layer_has_its_matrix():
    sizes = {"input": 2, "hidden1": 2, "hidden2": 2, "output": 2}
    spikes = [("output", 0, 0), ("hidden1", 0, 0), ("hidden1", 1, 0), ("hidden2 minus", 1, 0)]
    recording = composite_recording(spikes, sizes, 1)
    assert layers_of(recording) == ["input", "hidden1", "hidden2", "output"]
    assert {name: found.tolist() for name, found in count(recording).updates.items()} == {"W1": [0], "W2": [2], "W3": [0]}


def test_words():
    assert [words(name) for name in ("input", "hidden1", "hidden12")] == ["input", "hidden 1", "hidden 12"]
    assert signed_streams("output") == ["output plus", "output minus"]


def test_the_answer_is_the_largest_count_and_of_several_the_largest_membrane():
    counts = np.array([[1, 4, 1], [3, 0, 3], [2, 2, 2]])
    membrane = np.array([[9.0, -5.0, 9.0], [-3.0, 8.0, -2.0], [0.0, 1.0, -1.0]])
    assert answer(counts, membrane).tolist() == [1, 2, 1]
