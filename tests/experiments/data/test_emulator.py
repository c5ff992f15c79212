"""The emulated event camera: against its pixel written out step by step, against what motion must give, and its seeds."""

import dataclasses
from itertools import pairwise

import numpy as np
import pytest
from scipy.ndimage import map_coordinates

from brianprop.experiments.data import frames as event_frames
from brianprop.experiments.data import images as datasets
from brianprop.experiments.data.dataset import Dataset, Part
from brianprop.experiments.data.emulator import Camera, _thresholds, emulate, emulate_all
from brianprop.experiments.data.events import bin_events, read
from brianprop.experiments.data.nmnist import SIDE
from brianprop.models.errors import DataError, ParameterError

from .recording_files import encode

#: Equal pixels and no noise.
IDEAL = Camera(mismatch=0, noise=0)


def random_image(seed, shape=(28, 28)):
    """Patches of different grey, as uint8."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 256, (-(-shape[0] // 4), -(-shape[1] // 4)))
    return np.kron(coarse, np.ones((4, 4)))[: shape[0], : shape[1]].astype(np.uint8)


def logarithms(image, camera):
    """Logarithm of intensity at the ends of all intervals, from a field so wide that its border plays no part."""
    rows, cols = image.shape
    field = np.zeros((SIDE + 20, SIDE + 20))
    top, left = 10 + (SIDE - rows) // 2, 10 + (SIDE - cols) // 2
    field[top : top + rows, left : left + cols] = image
    if camera.negative:
        field = 255 - field
    y, x = np.mgrid[10 : SIDE + 10, 10 : SIDE + 10].astype(float)
    frames = [map_coordinates(field, [y - down, x - right], order=1) for down, right in camera.path]
    # rounded, so that a pixel that returns to a grey value is at it exactly
    return np.log(np.round(np.array(frames) * 2**20) / 2**20 + camera.dark)


def slow_pixel(levels, threshold, interval):
    """One pixel as its data sheet has it: (ON, time [us]) while the change since the reference reaches the threshold."""
    reference, events = 0, []  # in thresholds
    for start, (before, after) in enumerate(pairwise(levels - levels[0])):
        while abs(after - reference * threshold) >= threshold:
            reference += 1 if after > reference * threshold else -1
            crossing = (reference * threshold - before) / (after - before)
            events.append((int(after > before), (start + crossing) * interval))
    return events


def assert_same(one, other):
    for name in ("x", "y", "t", "polarity"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))


def net(events, before):
    """ON minus OFF events of every pixel earlier than a time."""
    early = events.t < before
    found = np.zeros((SIDE, SIDE), int)
    np.add.at(found, (events.y[early], events.x[early]), 2 * events.polarity[early].astype(int) - 1)
    return found


# ------------------------------------------------------------------------------------------------------------- motion


def test_the_saccades_are_those_of_the_authors():
    """gorchard/event-Python, stabilize: x 0, 3.5, 7, 0 and y 0, 7, 0, 0 at 0, 105, 210 and 315 ms, linear between."""
    camera = Camera()
    assert camera.duration == 315_000
    path = camera.path - camera.path[0]
    ms = np.arange(len(path)) * 5
    np.testing.assert_allclose(path[:, 0], np.interp(ms, [0, 105, 210, 315], [0, 7, 0, 0]), atol=1e-12)
    np.testing.assert_allclose(path[:, 1], np.interp(ms, [0, 105, 210, 315], [0, 3.5, 7, 0]), atol=1e-12)
    # in the middle of the sensor, and back where it began to the last bit
    assert camera.path.max(axis=0).tolist() == [3.5, 3.5] and camera.path.min(axis=0).tolist() == [-3.5, -3.5]
    assert camera.path[0].tolist() == camera.path[-1].tolist()


def test_nothing_moves_and_nothing_happens():
    still = dataclasses.replace(IDEAL, base=0, altitude=0)
    for image in (random_image(0), random_image(1, (34, 34)), np.zeros((28, 28), np.uint8)):
        events = emulate(image, still, seed=0)
        assert (len(events), events.width, events.height) == (0, 34, 34)
        assert len(emulate(image, dataclasses.replace(still, mismatch=0.2), seed=0)) == 0
    assert len(emulate(np.zeros((28, 28)), IDEAL, seed=0)) == 0
    assert len(emulate(random_image(0), IDEAL, seed=0)) > 0


def test_a_vertical_edge_is_on_where_it_brightens_and_off_where_it_darkens():
    camera = dataclasses.replace(IDEAL, altitude=0)
    bar = np.zeros((34, 34), np.uint8)
    bar[:, 10:24] = 255
    events = emulate(bar, camera, seed=0)
    # 7 pixels to the right in two saccades, 3.5 before to 3.5 after the middle; then back
    right = events.t < 210_000
    on = events.polarity == 1
    leading, trailing = set(range(20, 28)), set(range(6, 14))
    assert set(events.x[right & on].tolist()) == set(events.x[~right & ~on].tolist()) == leading
    assert set(events.x[right & ~on].tolist()) == set(events.x[~right & on].tolist()) == trailing
    for row in range(34):
        of_row = [getattr(events, name)[events.y == row] for name in ("x", "t", "polarity")]
        of_first = [getattr(events, name)[events.y == 0] for name in ("x", "t", "polarity")]
        for one, other in zip(of_row, of_first, strict=True):
            np.testing.assert_array_equal(one, other)
    # a pixel takes 30 ms: whole columns, seen from dark to bright, follow each other at that distance
    first = np.array([events.t[right & on & (events.x == column)].min() for column in range(21, 27)])
    assert np.abs(np.diff(first) - 30_000).max() <= 1
    # each sees the full contrast, log(340 / 85) = 4.6 thresholds
    assert [np.count_nonzero(right & on & (events.x == column)) for column in range(21, 27)] == [4 * 34] * 6


def test_a_dark_edge_is_the_opposite():
    camera = dataclasses.replace(IDEAL, altitude=0)
    bar = np.full((34, 34), 255, np.uint8)
    bar[:, 10:24] = 0
    events = emulate(bar, camera, seed=0)
    inside = (events.t < 210_000) & (events.x > 4) & (events.x < 29)  # beyond, black comes in from outside
    assert set(events.x[inside & (events.polarity == 0)].tolist()) == set(range(20, 28))
    assert set(events.x[inside & (events.polarity == 1)].tolist()) == set(range(6, 14))


@pytest.mark.data
def test_off_runs_ahead_of_a_digit_in_real_recordings_and_in_negatives(data_dir):
    """Each saccade moves a digit along a known way; of its events, which polarity lies ahead on that way?"""
    if not (data_dir / "nmnist-subset").is_dir():
        pytest.skip("no recordings: put nmnist-subset into the data folder")

    def lead(events):
        """Pixels by which ON events lie ahead of OFF events, in the middle of each saccade."""
        found = []
        for saccade, way in enumerate(np.array([[3.5, 7], [3.5, -7], [-7, 0]])):
            part = np.abs(events.t / 105_000 - saccade - 0.5) < 0.3
            ahead = (np.stack([events.x, events.y], axis=1)[part] @ way) / np.linalg.norm(way)
            on = events.polarity[part] == 1
            found.append(ahead[on].mean() - ahead[~on].mean())
        return found

    leads = {
        name: np.mean([lead(events) for events in event_frames.load(name, data_dir).train.images[:40]], axis=0)
        for name in ("n-mnist-subset", "emulated-n-mnist-subset", "emulated-negative-n-mnist-subset")
    }
    assert np.all(leads["emulated-n-mnist-subset"] > 1)
    assert np.all(leads["emulated-negative-n-mnist-subset"] < -1) and np.all(leads["n-mnist-subset"] < -1)


@pytest.mark.parametrize(("shape", "y", "x"), [((1, 1), 16, 16), ((2, 5), 16, 16), ((5, 2), 16, 16), ((3, 3), 16, 16)])
def test_images_are_centred(shape, y, x):
    image = np.zeros(shape)
    image[(shape[0] - 1) // 2, (shape[1] - 1) // 2] = 255
    events = emulate(image, IDEAL, seed=0)
    # 3.5 pixels either way, and half a pixel is still bright enough
    assert (events.x.min(), events.x.max()) == (x - 4, x + 4)
    assert (events.y.min(), events.y.max()) == (y - 4, y + 4)


# ------------------------------------------------------------------------------------------------------------- pixels


@pytest.mark.parametrize(
    "camera",
    [
        IDEAL,
        Camera(noise=0, mismatch=0.3, threshold=0.1),
        Camera(noise=0, dark=5, threshold=0.77, base=3, altitude=5, frames=6, interval=1_700),
        Camera(noise=0, mismatch=0, threshold=3),
        Camera(noise=0, mismatch=0.1, threshold=0.28, negative=True),
    ],
)
@pytest.mark.parametrize("shape", [(28, 28), (34, 34), (8, 8), (9, 30)])
def test_every_event_is_that_of_the_pixel_written_out(camera, shape):
    image = random_image(3, shape)
    events = emulate(image, camera, seed=4)
    levels = logarithms(image, camera)
    thresholds = _thresholds(camera, 4)
    for y, x in np.ndindex(SIDE, SIDE):
        mine = (events.y == y) & (events.x == x)
        expected = slow_pixel(levels[:, y, x], thresholds[y, x], camera.interval)
        assert events.polarity[mine].tolist() == [on for on, _ in expected]
        # the microsecond in which the crossing is; where the change is slow, rounding errors of the level move it further
        late = np.array([time for _, time in expected]) - events.t[mine]
        assert np.all((late > -1e-3) & (late < 1 + 1e-3))
    assert (camera.threshold == 3) == (len(events) == 0)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("mismatch", [0, 0.1])
def test_on_minus_off_reconstructs_the_change_within_one_threshold(seed, mismatch):
    camera = Camera(noise=0, mismatch=mismatch)
    image = random_image(seed)
    events = emulate(image, camera, seed=seed)
    thresholds = _thresholds(camera, seed) if mismatch else np.full((SIDE, SIDE), 0.3)
    levels = logarithms(image, camera)
    for end in range(1, len(levels)):
        rest = thresholds * net(events, before=end * camera.interval) - (levels[end] - levels[0])
        assert np.all(np.abs(rest) < thresholds + 1e-9)
    assert np.abs(net(events, before=105_000)).max() >= 3
    # the image returns to where it was, and so does every pixel
    assert not net(events, before=camera.duration).any()


def test_events_of_one_interval_are_spread_over_it():
    events = emulate(random_image(5), dataclasses.replace(IDEAL, threshold=0.05), seed=0)
    share = events.t % 5_000
    assert len(events) > 20_000
    assert (share.min(), share.max()) == (0, 4_999)
    assert np.all(np.bincount(share // 1_000, minlength=5) > 0.15 * len(events))


def test_thresholds_differ_between_pixels_as_they_should():
    camera = Camera(threshold=0.2, mismatch=0.1)
    deviation = np.log(_thresholds(camera, 0) / 0.2)
    # 1156 pixels: five standard errors
    assert abs(deviation.mean()) < 5 * 0.1 / np.sqrt(1156)
    assert abs(deviation.std() / 0.1 - 1) < 5 / np.sqrt(2 * 1156)
    np.testing.assert_array_equal(_thresholds(dataclasses.replace(camera, mismatch=0), 0), np.full((34, 34), 0.2))
    assert not np.array_equal(_thresholds(camera, 0), _thresholds(camera, 1))


def test_noise_is_poisson_over_pixels_time_and_polarity():
    camera = Camera(noise=2.0, frames=10, interval=10_000)
    recordings = [emulate(np.zeros((8, 8)), camera, seed=3, recording=number) for number in range(100)]
    counts = np.array([len(events) for events in recordings])
    mean = 2.0 * 1156 * 0.3
    assert abs(counts.mean() - mean) < 5 * np.sqrt(mean / 100)
    assert 0.5 < counts.var() / mean < 1.6
    total = counts.sum()
    joined = {name: np.concatenate([getattr(events, name) for events in recordings]) for name in ("x", "y", "t", "polarity")}
    assert abs(joined["polarity"].mean() - 0.5) < 5 * 0.5 / np.sqrt(total)
    for values, bins in ((joined["x"], 34), (joined["y"], 34), (joined["t"] // 30_000, 10)):
        per_bin = np.bincount(values, minlength=bins)
        assert len(per_bin) == bins
        assert np.all(np.abs(per_bin - total / bins) < 6 * np.sqrt(total / bins))


def test_noise_is_added_and_moves_no_reference():
    image = random_image(6)
    quiet = emulate(image, Camera(noise=0), seed=1)
    loud = emulate(image, Camera(noise=1), seed=1)
    # every event without noise is there with it
    key = [[*zip(events.t, events.y, events.x, events.polarity, strict=True)] for events in (quiet, loud)]
    assert set(key[0]) <= set(key[1])
    assert 200 < len(loud) - len(quiet) < 550  # 364 expected


# --------------------------------------------------------------------------------------------------- seeds and format


def test_seeds_decide_thresholds_and_noise():
    image, camera = random_image(7), Camera(noise=1)
    assert_same(emulate(image, camera, 5), emulate(image, camera, 5, recording=0))
    one, other = emulate(image, camera, 5, recording=1), emulate(image, camera, 5, recording=2)
    assert encode(one) != encode(other)
    # without noise the recordings of one camera are alike, those of two cameras are not
    quiet = dataclasses.replace(camera, noise=0)
    assert_same(emulate(image, quiet, 5, recording=1), emulate(image, quiet, 5, recording=2))
    assert encode(emulate(image, quiet, 5)) != encode(emulate(image, quiet, 6))
    # and without mismatch nothing is left to chance
    ideal = dataclasses.replace(quiet, mismatch=0)
    assert_same(emulate(image, ideal, 5), emulate(image, ideal, 6))


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("camera", [Camera(), Camera(noise=5, threshold=0.05), Camera(frames=200, interval=20_000)])
def test_what_is_made_survives_the_format(seed, camera):
    events = emulate(random_image(seed), camera, seed)
    again = read(encode(events), SIDE, SIDE)
    assert_same(events, again)
    assert again.t.dtype == events.t.dtype and again.x.dtype == events.x.dtype == np.uint8
    assert encode(again) == encode(events)
    assert events.t[-1] < camera.duration
    # 12 s: beyond the 23 bits of a time
    assert (len(encode(events)) > 5 * len(events)) == (camera.frames == 200)


def test_values_count_and_not_their_type():
    image = random_image(8)
    for other in (image.astype(float), image.astype(np.int64), image.astype(np.float32), image.tolist()):
        assert_same(emulate(other, Camera(), 0), emulate(image, Camera(), 0))


# ------------------------------------------------------------------------------------------------------------ data set


@pytest.fixture
def small():
    """Five training and three test images."""
    images = np.stack([random_image(seed, (10, 12)) for seed in range(8)])
    labels = np.array([1, 0, 2, 1, 0, 2, 1, 0])
    return Dataset("small", Part(images[:5], labels[:5]), Part(images[5:], labels[5:]), np.array([3, 5, 9]), "/somewhere/small")


def test_a_data_set_is_recorded_image_by_image_in_any_order(small):
    camera = Camera(noise=3)
    made = emulate_all(small, camera, seed=9)
    assert (made.name, made.origin) == ("emulated-small", "/somewhere/small")
    assert (len(made.train), len(made.test)) == (5, 3)
    np.testing.assert_array_equal(made.classes, small.classes)
    for part, images in ((made.train, small.train), (made.test, small.test)):
        np.testing.assert_array_equal(part.labels, images.labels)
    backwards = [encode(events) for events in made.train.images[::-1]]
    forwards = [encode(events) for events in emulate_all(small, camera, seed=9).train.images]
    assert forwards == backwards[::-1]
    assert len(set(forwards)) == 5
    assert forwards == [encode(emulate(image, camera, 9, number)) for number, image in enumerate(small.train.images)]
    # test images go on counting, so that no two recordings share their noise
    tested = [encode(emulate(image, camera, 9, 5 + number)) for number, image in enumerate(small.test.images)]
    assert [encode(events) for events in made.test.images] == tested
    other = emulate_all(small, camera, seed=10)
    assert encode(other.train.images[0]) != forwards[0]


def test_a_folder_is_named_as_it_was_asked_for(small):
    assert emulate_all(dataclasses.replace(small, name="/data/mine"), IDEAL, 0).name == "emulated-/data/mine"


def test_digits_are_recorded_and_binned():
    made = emulate_all(datasets.load("digits"), Camera(), seed=0)
    assert made.name == "emulated-digits"
    part = made.test.images[:4]
    frames = np.array([bin_events(events, 20) for events in made.test.images[:4]])
    for found, events in zip(frames, part, strict=True):
        np.testing.assert_array_equal(found, bin_events(events, 20))
        assert np.all(found.any(axis=1))


@pytest.mark.data
def test_mnist_gives_about_as_many_events_as_the_published_recordings(data_dir):
    made = emulate_all(datasets.load("mnist", data_dir), Camera(), seed=0)
    counts = np.array([len(events) for events in made.train.images[:100]])
    on = np.mean([events.polarity.mean() for events in made.train.images[:20]])
    assert 3_600 < counts.mean() < 4_700
    assert counts.min() > 1_000
    assert 0.48 < on < 0.52


# ------------------------------------------------------------------------------------------------------------ refusals


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"threshold": 0}, "threshold = 0 must be greater than 0"),
        ({"threshold": float("nan")}, "threshold = nan is not a finite number"),
        ({"dark": -1.0}, "dark = -1.0 must be greater than 0"),
        ({"mismatch": -0.1}, "mismatch = -0.1 must be at least 0"),
        ({"noise": float("inf")}, "noise = inf is not a finite number"),
        ({"base": -1}, "base = -1 must be at least 0"),
        ({"altitude": "7"}, "altitude = '7' is not a finite number"),
        ({"frames": 0}, "frames = 0 must be at least 1"),
        ({"frames": 2.5}, "frames = 2.5 must be a whole number"),
        ({"negative": 1}, "negative = 1 must be true or false"),
        ({"interval": 0}, "interval = 0 must be at least 1"),
        ({"frames": 7}, "frames = 7 must be so many that the image moves at most 1 pixel from frame to frame"),
        ({"altitude": 60}, "frames = 21 must be so many"),
    ],
)
def test_cameras_that_cannot_be(options, message):
    with pytest.raises(ParameterError, match=f"^Parameter {message}"):
        Camera(**options)


def test_one_pixel_from_frame_to_frame_is_allowed():
    assert len(Camera(frames=7, altitude=0, base=7).path) == 22


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (
            np.zeros((28, 28, 3)),
            r"image of shape \(28, 28, 3\) does not fit the sensor; give rows x columns of at most 34 x 34",
        ),
        (np.zeros((35, 3)), r"image of shape \(35, 3\) does not fit"),
        (np.zeros((3, 35)), r"image of shape \(3, 35\) does not fit"),
        (np.zeros((0, 5)), r"image of shape \(0, 5\) does not fit"),
        (np.full((3, 3), -1), "grey values from -1 to -1 cannot be shown; scale it to 0 to 255"),
        (np.full((3, 3), 255.5), "grey values from 255.5 to 255.5 cannot be shown"),
        (np.array([[1.0, np.nan]]), "grey values from nan to nan cannot be shown"),
    ],
)
def test_images_that_cannot_be_shown(image, message):
    with pytest.raises(DataError, match=message):
        emulate(image, IDEAL, 0)


def test_seeds_that_cannot_be():
    with pytest.raises(ParameterError, match="seed = -1 must be at least 0"):
        emulate(np.zeros((3, 3)), Camera(), -1)
    with pytest.raises(ParameterError, match="recording = -2 must be at least 0"):
        emulate(np.zeros((3, 3)), Camera(), 0, -2)
