"""Crop, binarise, one-hot: exact thresholds and clear refusals."""

import numpy as np
import pytest

from brianprop.experiments.data.encoding import binarise, crop, distort, grey, mirror, one_hot, shift
from brianprop.experiments.data.images import default_crop
from brianprop.models.errors import DataError, ParameterError

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
    spikes = binarise(ALL_VALUES, [level])
    assert spikes.dtype == np.uint8
    np.testing.assert_array_equal(spikes, [[int(value >= lowest) for value in range(256)]])


def test_a_level_that_is_a_value_is_not_exceeded_by_it():
    lowest = [256 - binarise(ALL_VALUES, [value / 255]).sum(dtype=int) for value in range(255)]
    assert lowest == list(range(1, 256))


def test_pixels_are_laid_out_row_by_row_even_after_a_crop():
    images = np.zeros((2, 4, 5), np.uint8)
    images[0, 1, 3] = images[1, 2, 1] = 255
    np.testing.assert_array_equal(binarise(crop(images, 1), [0.5]), [[0, 0, 1, 0, 0, 0], [0, 0, 0, 1, 0, 0]])


def test_no_images_give_no_rows():
    assert binarise(np.zeros((0, 4, 5), np.uint8), [0.5, 0.75]).shape == (0, 40)


@pytest.mark.parametrize(
    ("levels", "named"),
    [([level], level) for level in (-0.1, 1, 128, float("nan"), float("inf"))]
    + [([], "None"), ([0.75, 0.25], "0.75 0.25"), ([0.5, 0.5], "0.5 0.5"), ([0.5, 1], "0.5 1")],
)
def test_binarise_refuses_levels_out_of_range_or_order(levels, named):
    with pytest.raises(ParameterError, match=rf"binarise = {named} must be .*--binarise"):
        binarise(ALL_VALUES, levels)


def test_a_thermometer_code_has_the_pixels_of_each_level_one_after_the_other():
    images = np.array([[[0, 100, 250]], [[60, 130, 200]]], np.uint8)
    levels = [0.2, 0.5, 0.9]
    expected = np.concatenate([binarise(images, [level]) for level in levels], axis=1)
    np.testing.assert_array_equal(expected, [[0, 1, 1, 0, 0, 1, 0, 0, 1], [1, 1, 1, 0, 1, 1, 0, 0, 0]])
    np.testing.assert_array_equal(binarise(images, levels), expected)
    np.testing.assert_array_equal(grey(images, levels), 255 * expected)


def test_shift_moves_each_image_and_brings_in_darkness():
    rng = np.random.default_rng(0)
    levels, rows, cols = 2, 4, 5
    by = np.array([(down, right) for down in range(-5, 6) for right in range(-6, 7)])
    images = rng.integers(1, 256, (len(by), levels, rows, cols)).astype(np.uint8)
    moved = shift(images.reshape(len(by), -1), (levels, rows, cols), by).reshape(images.shape)
    for image, found, (down, right) in zip(images, moved, by, strict=True):
        for row in range(rows):
            for col in range(cols):
                inside = 0 <= row - down < rows and 0 <= col - right < cols
                expected = image[:, row - down, col - right] if inside else 0
                np.testing.assert_array_equal(found[:, row, col], expected)


def test_mirror_turns_the_chosen_images_and_leaves_its_input_alone():
    images = np.random.default_rng(1).integers(0, 256, (4, 2 * 3 * 5)).astype(np.uint8)
    before, chosen = images.copy(), np.array([False, True, True, False])
    found = mirror(images, (2, 3, 5), chosen)
    np.testing.assert_array_equal(images, before)
    for image, other, turned in zip(images, found, chosen, strict=True):
        grid = image.reshape(2, 3, 5)
        np.testing.assert_array_equal(other.reshape(2, 3, 5), np.flip(grid, axis=2) if turned else grid)


def test_one_hot():
    targets = one_hot(np.array([2, 0, 2]), 4)
    assert targets.dtype == np.uint8
    np.testing.assert_array_equal(targets, [[0, 0, 1, 0], [1, 0, 0, 0], [0, 0, 1, 0]])
    assert one_hot(np.array([], dtype=np.int64), 4).shape == (0, 4)


@pytest.mark.parametrize("label", [-1, 4])
def test_one_hot_refuses_what_is_no_class_index(label):
    with pytest.raises(DataError, match=f"Label {label} is none of the class indices 0 to 3"):
        one_hot(np.array([0, label]), 4)


def test_distort_displaces_the_levels_alike_by_as_many_pixels_as_it_is_told():
    n, rows, cols = 2500, 21, 30
    place = np.arange(1, rows * cols + 1)  # tells where a pixel came from
    images = np.tile(np.concatenate([place, -place]), (n, 1))
    distorted = distort(images, (2, rows, cols), 2.0, np.random.default_rng(5)).reshape(n, 2, rows, cols)
    np.testing.assert_array_equal(distorted[:, 0], -distorted[:, 1])
    from_row, from_col = np.divmod(distorted[:, 0, 10, 15] - 1, cols)
    for displacement in (10 - from_row, 15 - from_col):
        # rounding adds 1/12; five standard errors of the variance of n normal numbers: one in two million such tests fails
        assert np.var(displacement) == pytest.approx(4 + 1 / 12, rel=5 * np.sqrt(2 / n))
        assert abs(np.mean(displacement)) < 5 * np.sqrt(4.1 / n)
    assert np.all(np.abs(np.diff(distorted[0, 0, 8:12, 8:20], axis=1)) < 3 * cols)  # neighbours come from neighbours
    assert np.mean(distorted[:, 0, 0, 15] == 0) == pytest.approx(0.4, abs=0.05)  # from beyond the upper edge
    # image by image: no image depends on those beside it
    first = distort(images[:3], (2, rows, cols), 2.0, np.random.default_rng(5))
    np.testing.assert_array_equal(first, distorted[:3].reshape(3, -1))
