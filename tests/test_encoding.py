"""Crop, binarise, one-hot: exact thresholds and clear refusals."""

import numpy as np
import pytest

from experiments.encoding import binarise, crop, default_crop, one_hot
from models.errors import DataError, ParameterError

#: One image of 16 x 16 pixels that holds every brightness once.
ALL_VALUES = np.arange(256, dtype=np.uint8).reshape(1, 16, 16)


def test_crop_takes_the_border_off_all_four_sides():
    images = np.arange(2 * 5 * 6, dtype=np.uint8).reshape(2, 5, 6)
    np.testing.assert_array_equal(crop(images, 0), images)
    np.testing.assert_array_equal(crop(images, 2), [[[14, 15]], [[44, 45]]])
    assert crop(np.zeros((3, 28, 28), np.uint8), 4).shape == (3, 20, 20)


@pytest.mark.parametrize("pixels", [-1, 3, 14])
def test_crop_refuses_what_leaves_nothing(pixels):
    with pytest.raises(ParameterError, match=rf"crop = {pixels} must be from 0 to 2, .* 5 x 6 .*--crop"):
        crop(np.zeros((1, 5, 6), np.uint8), pixels)


def test_only_mnist_is_cropped_unasked():
    names = ("mnist", "fashion-mnist", "digits", "./mnist")
    assert [default_crop(name) for name in names] == [4, 0, 0, 0]


@pytest.mark.parametrize(
    ("level", "lowest"),
    [
        (0, 1),
        (0.5, 128),  # 127.5: half of full scale lies between two values
        (0.2, 52),  # 51 is 0.2 exactly, and does not exceed it
        (0.6, 154),  # 153 is 0.6 exactly; the double nearest to 0.6 is less, and yet nothing changes
        (0.999, 255),
        (np.float32(0.6), 154),
        (np.float64(0.5), 128),
    ],
)
def test_a_pixel_spikes_if_it_exceeds_the_level(level, lowest):
    spikes = binarise(ALL_VALUES, level)
    assert spikes.dtype == np.uint8
    np.testing.assert_array_equal(spikes, [[int(value >= lowest) for value in range(256)]])


def test_a_level_that_is_a_value_is_not_exceeded_by_it():
    lowest = [256 - binarise(ALL_VALUES, value / 255).sum(dtype=int) for value in range(255)]
    assert lowest == list(range(1, 256))


def test_pixels_are_laid_out_row_by_row_even_after_a_crop():
    images = np.zeros((2, 4, 5), np.uint8)
    images[0, 1, 3] = images[1, 2, 1] = 255
    np.testing.assert_array_equal(binarise(crop(images, 1), 0.5), [[0, 0, 1, 0, 0, 0], [0, 0, 0, 1, 0, 0]])


def test_no_images_give_no_rows():
    assert binarise(np.zeros((0, 4, 5), np.uint8), 0.5).shape == (0, 20)


@pytest.mark.parametrize("level", [-0.1, 1, 128, float("nan"), float("inf")])
def test_binarise_refuses_a_level_out_of_range(level):
    with pytest.raises(ParameterError, match=rf"binarise = {level} must be .*--binarise"):
        binarise(ALL_VALUES, level)


def test_one_hot():
    targets = one_hot(np.array([2, 0, 2]), 4)
    assert targets.dtype == np.uint8
    np.testing.assert_array_equal(targets, [[0, 0, 1, 0], [1, 0, 0, 0], [0, 0, 1, 0]])
    assert one_hot(np.array([], dtype=np.int64), 4).shape == (0, 4)


@pytest.mark.parametrize("label", [-1, 4])
def test_one_hot_refuses_what_is_no_class_index(label):
    with pytest.raises(DataError, match=f"Label {label} is none of the class indices 0 to 3"):
        one_hot(np.array([0, label]), 4)
