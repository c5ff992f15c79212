"""Files of recordings in the format of N-MNIST, written for the tests."""

import numpy as np

#: The largest time that a record holds, and what a mark of an overflow adds to the times of later records [us].
LAST, OVERFLOW = 2**23 - 1, 2**13


def encode(events) -> bytes:
    """The content of a file with these events; each has as few marks of overflows before it as it needs."""
    marks = np.maximum(-((LAST - events.t) // OVERFLOW), 0)
    time = events.t - marks * OVERFLOW
    records = np.zeros((len(events) + marks[-1], 5), np.uint8)
    records[:, 1] = 240
    fields = (events.x, events.y, events.polarity << 7 | time >> 16, time >> 8 & 0xFF, time & 0xFF)
    records[np.arange(len(events)) + marks] = np.stack(fields, axis=1)
    return records.tobytes()
