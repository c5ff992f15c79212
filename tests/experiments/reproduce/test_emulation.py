"""The emulated camera against real recordings: how events are counted, and how the threshold is found."""

import dataclasses

import numpy as np
import pytest

from brianprop.experiments.data.emulator import CAMERAS, EMULATED, NEGATIVE, emulate
from brianprop.experiments.data.events import Events
from brianprop.experiments.reproduce.emulation import THRESHOLDS, count, tune
from brianprop.models.errors import DataError


def test_the_thirds_of_a_recording_are_its_saccades():
    t = np.array([0, 10, 99, 100, 101, 199, 200, 250, 299])
    polarity = np.array([0, 1, 1, 0, 0, 1, 1, 1, 1], np.uint8)
    x = np.zeros(9, np.uint8)
    assert count(Events(x, x, t, polarity, 34, 34)).tolist() == [[1, 2], [2, 1], [0, 3]]


@pytest.mark.parametrize("prefix", [EMULATED, NEGATIVE])
def test_the_threshold_gives_the_number_of_events(prefix):
    images = [np.kron(np.eye(7)[:, ::step], np.full((3, 3), 255)) for step in (1, -1)]
    camera = dataclasses.replace(CAMERAS[prefix], threshold=0.31)
    events = float(np.mean([len(emulate(image, camera, 0, number)) for number, image in enumerate(images)]))
    threshold, ratios = tune(images, events, prefix)
    assert threshold == 0.31
    assert len(ratios) == len(THRESHOLDS) and ratios[THRESHOLDS.index(0.31)] == 1 and ratios == sorted(ratios, reverse=True)
    for wrong in (0.3, 3):
        with pytest.raises(DataError, match=r"have .* events, which no threshold of the emulated camera from 0.25 to 0.35"):
            tune(images, wrong * events, prefix)
