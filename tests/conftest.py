"""What the tests share: data on disk, small circuits, and the digits as a circuit sees them."""

import os
from pathlib import Path

import numpy as np
import pytest

from experiments import datasets, encoding
from experiments.train import load_data
from models.nbp import NBP, initial_weights

#: One size for all tests on the digits, so that they share builds.
DIGITS = {"n_in": 64, "n_hid": 60, "n_out": 10}


def _data_folder() -> Path | None:
    beside = Path(__file__).resolve().parents[2] / "shared" / "data"
    for folder in (os.environ.get("BRIANPROP_DATA"), beside):
        if folder and (Path(folder) / "mnist").is_dir():
            return Path(folder)
    return None


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """A folder with mnist/, fashion-mnist/ and emnist-letters-subset/: $BRIANPROP_DATA or ../shared/data."""
    folder = _data_folder()
    if folder is None:
        pytest.skip("no data sets: set BRIANPROP_DATA to a folder that holds mnist/")
    return folder


@pytest.fixture(scope="session")
def digits():
    """The digits, binarised: images (1500, 64) of 0 and 1, one-hot targets (1500, 10), labels (1500,)."""
    dataset = datasets.load("digits")
    images = encoding.binarise(dataset.train_images, 0.5)
    return images, encoding.one_hot(dataset.train_labels, 10), dataset.train_labels


@pytest.fixture(scope="session")
def mnist(data_dir):
    """MNIST cropped to 20 x 20 and binarised: images (n, 400), targets (n, 10), labels (n,)."""
    train = load_data("mnist", data_dir).parts["train"]
    return train.images, encoding.one_hot(train.labels, 10), train.labels


def restless_weights(parameters: NBP, seed: int = 0) -> dict[str, np.ndarray]:
    """Initial weights on the grid that drive many neurons across all three thresholds."""
    weights = initial_weights(parameters, seed)
    rng = np.random.default_rng(seed)
    return {
        name: np.clip(weight + 2 * rng.integers(-20, 30, weight.shape), -parameters.w_max, parameters.w_max).astype(np.int32)
        for name, weight in weights.items()
    }
