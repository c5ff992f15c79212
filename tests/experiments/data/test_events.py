"""Events: the bytes of N-MNIST's format, what is refused and in which words, and bins."""

import numpy as np
import pytest

from brianprop.experiments.data.events import TIME_LIMIT, Events, Recordings, bin_events
from brianprop.experiments.data.events import read as read_events
from brianprop.experiments.data.nmnist import SIDE
from brianprop.models.errors import DataError, ParameterError

from .recording_files import LAST, OVERFLOW, encode

FIELDS = ("x", "y", "t", "polarity")


def read(source, name=None):
    return read_events(source, SIDE, SIDE, name)


def events_at(t, x=None, y=None, polarity=None, width=SIDE, height=SIDE):
    """Events at these times; all else is 0 unless given."""
    n = len(t)
    rest = [np.zeros(n, np.uint8) if values is None else np.array(values, np.uint8) for values in (x, y, polarity)]
    return Events(rest[0], rest[1], np.array(t, np.int64), rest[2], width, height)


def random_events(seed, n=500, longest=LAST):
    rng = np.random.default_rng(seed)
    t = np.sort(rng.integers(0, longest + 1, n))
    return events_at(t, rng.integers(0, SIDE, n), rng.integers(0, SIDE, n), rng.integers(0, 2, n))


def assert_same(one, other):
    for name in FIELDS:
        first, second = getattr(one, name), getattr(other, name)
        assert first.dtype == second.dtype, name
        np.testing.assert_array_equal(first, second)
    assert (one.width, one.height) == (other.width, other.height)


def record(x, y, t, polarity):
    return bytes([x, y]) + (polarity << 23 | t).to_bytes(3, "big")


def slow_read(content):
    """The format, record by record: (x, y, t, polarity)."""
    found, late = [], 0
    for place in range(0, len(content), 5):
        x, y, *rest = content[place : place + 5]
        word = int.from_bytes(rest, "big")
        if y == 240:
            late += 2**13
        else:
            found.append((x, y, word % 2**23 + late, word >> 23))
    return found


# ------------------------------------------------------------------------------------------------------------- format


def test_the_bits_of_a_record():
    content = bytes([7, 33, 0b1000_0001, 0x02, 0x03, 33, 0, 0b0111_1111, 0xFF, 0xFE])
    events = read(content)
    assert_same(events, events_at([0x010203, 0x7FFFFE], [7, 33], [33, 0], [1, 0]))
    assert (events.width, events.height, len(events)) == (34, 34, 2)
    assert encode(events) == content


def test_a_mark_delays_all_later_events():
    marks = [record(5, 240, 3, 1), record(0, 240, LAST, 0), record(0, 240, 0, 0)]
    content = record(1, 2, 8000, 0) + marks[0] + record(3, 4, 10, 1) + marks[1] + marks[2] + record(5, 6, 11, 0) + marks[0]
    assert_same(read(content), events_at([8000, 2**13 + 10, 3 * 2**13 + 11], [1, 3, 5], [2, 4, 6], [0, 1, 0]))


def test_marks_are_written_as_few_as_needed_directly_before_the_event_that_needs_them():
    mark = record(0, 240, 0, 0)
    events = events_at([LAST, LAST + 1, LAST + OVERFLOW, LAST + 3 * OVERFLOW + 1])
    parts = [record(0, 0, LAST, 0), mark, record(0, 0, LAST + 1 - OVERFLOW, 0), record(0, 0, LAST, 0)]
    assert encode(events) == b"".join([*parts, mark * 3, record(0, 0, LAST + 1 - OVERFLOW, 0)])


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("longest", [0, 300_000, LAST, LAST + 5 * OVERFLOW, 2**28])
def test_what_is_written_is_read_again(seed, longest):
    events = random_events(seed, n=1 + 25 * seed, longest=longest)
    content = encode(events)
    assert_same(read(content), events)
    assert slow_read(content) == list(zip(*(getattr(events, name).tolist() for name in FIELDS), strict=True))
    if longest <= LAST:
        assert len(content) == 5 * len(events)


@pytest.mark.parametrize("seed", range(20))
def test_a_file_of_any_marks_reads_as_record_by_record(seed):
    rng = np.random.default_rng(seed)
    late, parts = 0, []
    for t in np.sort(rng.integers(0, 2**20, 200)).tolist():
        # marks wherever they leave the time of the next event in range
        while late + OVERFLOW <= t and rng.random() < 0.3:
            parts.append(record(int(rng.integers(256)), 240, int(rng.integers(2**23)), int(rng.integers(2))))
            late += OVERFLOW
        parts.append(record(int(rng.integers(SIDE)), int(rng.integers(SIDE)), t - late, int(rng.integers(2))))
    content = b"".join(parts)
    events = read(content)
    assert late > 0
    assert list(zip(*(getattr(events, name).tolist() for name in FIELDS), strict=True)) == slow_read(content)


def test_a_path_and_its_content_read_alike(tmp_path):
    events = random_events(1)
    path = tmp_path / "00002.bin"
    path.write_bytes(encode(events))
    for source in (path, str(path)):
        assert_same(read(source), events)


def test_coordinates_of_16_bits_are_written_too():
    events = random_events(2)
    wide = Events(events.x.astype(np.uint16), events.y.astype(np.uint16), events.t, events.polarity, SIDE, SIDE)
    assert encode(wide) == encode(events)


GOOD = record(1, 2, 30, 0)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty; replace it"),
        (record(0, 240, 0, 0) * 2, "holds 2 marks of overflows and no event; replace it"),
        (GOOD + GOOD[:3], "is truncated: its last event, at byte 5, has 3 bytes and not 5; replace it"),
        (GOOD + record(34, 0, 40, 0), "the event at byte 5 lies at x = 34, y = 0, outside of 34 x 34 pixels; replace it"),
        (record(0, 240, 0, 0) + record(3, 34, 40, 0), "the event at byte 5 lies at x = 3, y = 34, outside of 34 x 34 pixels"),
    ],
)
def test_a_damaged_file_is_named(tmp_path, content, message):
    path = tmp_path / "00002.bin"
    path.write_bytes(content)
    with pytest.raises(DataError, match=f"^File {path} (is damaged: )?{message}") as caught:
        read(path)
    assert "\n" not in str(caught.value)
    with pytest.raises(DataError, match=f"^File Train.zip:2 (is damaged: )?{message}"):
        read(content, "Train.zip:2")


def test_equal_times_are_no_fault():
    assert read(GOOD * 3).t.tolist() == [30, 30, 30]


def test_a_file_that_cannot_be_read(tmp_path):
    with pytest.raises(DataError, match=f"^File {tmp_path}/00001.bin cannot be read .No such file or directory.; make it"):
        read(tmp_path / "00001.bin")


# ------------------------------------------------------------------------------------------------------------- events


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"x": np.zeros(2, np.int64)}, r"Array x of events is int64 of shape \(2,\); give an array of uint8 or uint16"),
        ({"y": np.zeros(3, np.uint8)}, r"Array y of events is uint8 of shape \(3,\); give .* the same n"),
        ({"t": np.zeros(2)}, r"Array t of events is float64 of shape \(2,\); give an array of int64"),
        ({"t": np.int64(3)}, "Array x of events"),
        ({"polarity": [0, 1]}, r"Array polarity of events is list of shape \(2,\)"),
        ({"x": np.array([3, 34], np.uint8)}, "Event 1 lies at x = 34, y = 0, outside of 34 x 34 pixels; correct it"),
        ({"polarity": np.array([2, 1], np.uint8)}, "Event 0 has polarity 2 and not 0 or 1"),
        ({"t": np.array([-1, 0])}, "Event 0 is at -1 us and not from 0 to less than 68719476736 us"),
        ({"t": np.array([0, TIME_LIMIT])}, "Event 1 is at 68719476736 us and not from 0"),
        ({"t": np.array([5, 4])}, "Event 1 is at 4 us, earlier than the one before it at 5 us"),
    ],
)
def test_impossible_events_are_refused(change, message):
    arrays = {"x": np.zeros(2, np.uint8), "y": np.zeros(2, np.uint8), "t": np.zeros(2, np.int64)}
    with pytest.raises(DataError, match=message):
        Events(**{**arrays, "polarity": np.zeros(2, np.uint8), **change}, width=SIDE, height=SIDE)


def test_events_are_read_only_and_leave_the_arrays_given_alone():
    t = np.arange(3)
    events = Events(np.zeros(3, np.uint8), np.zeros(3, np.uint8), t, np.zeros(3, np.uint8), SIDE, SIDE)
    for name in FIELDS:
        with pytest.raises(ValueError, match="read-only"):
            getattr(events, name)[0] = 1
    t[0] = 0
    assert t.flags.writeable


# --------------------------------------------------------------------------------------------------------------- bins


def slow_bins(events, steps, duration):
    frames = np.zeros((steps, 2, events.height, events.width), np.uint8)
    for x, y, t, polarity in zip(*(getattr(events, name).tolist() for name in FIELDS), strict=True):
        for step in range(steps):
            # the bin [step, step + 1) * duration / steps, without division
            if step * duration <= t * steps < (step + 1) * duration:
                frames[step, polarity, y, x] = 1
    return frames.reshape(steps, -1)


@pytest.mark.parametrize(("steps", "seed"), [(1, 0), (3, 1), (7, 2), (20, 3)])
def test_bins_are_equal_parts(steps, seed):
    events = random_events(seed, longest=1000)  # many events share a bin, some its very border
    frames = bin_events(events, steps)
    assert frames.dtype == np.uint8
    np.testing.assert_array_equal(frames, slow_bins(events, steps, int(events.t[-1]) + 1))


def test_the_order_of_input_neurons_is_polarity_y_x():
    events = events_at([0, 5, 9], [2, 0, 1], [1, 0, 1], [0, 1, 1], width=3, height=2)
    frames = bin_events(events, 2)
    assert np.argwhere(frames).tolist() == [[0, 5], [1, 6], [1, 6 + 3 + 1]]
    assert frames.shape == (2, 12)


def test_events_on_the_border_begin_the_next_bin():
    events = events_at([99, 100, 199, 200, 299], range(5))
    # the recording lasts 300 us
    assert [np.flatnonzero(frame).tolist() for frame in bin_events(events, 3)] == [[0], [1, 2], [3, 4]]
    events = events_at([99, 100, 199, 200, 299, 300], range(6))
    # 301 us: thirds end before 100.33 and 200.67
    assert [np.flatnonzero(frame).tolist() for frame in bin_events(events, 3)] == [[0, 1], [2, 3], [4, 5]]


def test_events_that_a_file_holds_out_of_order_are_put_in_order():
    events = read(record(1, 2, 30, 0) + record(3, 4, 29, 1) + record(5, 6, 30, 1))
    assert events.t.tolist() == [29, 30, 30]
    assert events.x.tolist() == [3, 1, 5] and events.polarity.tolist() == [1, 0, 1]


def test_several_events_of_a_neuron_in_one_bin_are_one_spike():
    frames = bin_events(events_at([1, 1, 2, 8]), 2)
    assert frames.sum() == 2 and frames[:, 0].tolist() == [1, 1]


def test_a_recording_without_events_has_silent_bins():
    assert bin_events(events_at([]), 4).shape == (4, 2 * SIDE * SIDE)


def test_the_longest_recording_is_binned_without_overflow():
    frames = bin_events(events_at([0, TIME_LIMIT - 1], [0, 1]), 1000)
    assert np.argwhere(frames).tolist() == [[0, 0], [999, 1]]


def test_bins_that_cannot_be():
    with pytest.raises(ParameterError, match="steps = 0 must be at least 1"):
        bin_events(events_at([0]), 0)


# --------------------------------------------------------------------------------------------------------- recordings


def test_recordings_are_made_when_asked_for():
    asked = []

    def get(number):
        asked.append(number)
        return events_at([number])

    recordings = Recordings(get, range(10), SIDE, SIDE)
    part = recordings[6:][::-2]
    assert (len(recordings), len(part), asked) == (10, 2, [])
    assert (part.width, part.height, part.n_in, part.image_shape) == (SIDE, SIDE, 2 * SIDE * SIDE, (2 * SIDE, SIDE))
    assert [int(events.t[0]) for events in part] == [9, 7] == asked
    assert recordings[-1].t[0] == recordings[np.int64(9)].t[0] == 9
    with pytest.raises(IndexError):
        recordings[10]
