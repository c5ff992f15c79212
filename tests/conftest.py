"""What the tests share: data on disk, small circuits, and the digits as a circuit sees them."""

import csv
import gc
import os
import shlex
import shutil
import signal
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

from brianprop.analysis.runs import Recording, Run, as_json
from brianprop.analysis.systems import SYSTEMS
from brianprop.experiments.data import encoding
from brianprop.experiments.data import images as datasets
from brianprop.experiments.training.commands import evaluate
from brianprop.experiments.training.data import load_data
from brianprop.models import ann
from brianprop.models.ann import ANN
from brianprop.models.nbp.parameters import NBP, initial_weights
from brianprop.models.simulation.compiler import compiler, instruction_set
from brianprop.models.ssnn_bp import parameters as ssnn_bp
from brianprop.models.ssnn_bp.parameters import SSNN

#: The compiler that was named before the tests.
COMPILER = os.environ.get("CXX", "")

#: One size for all tests on the digits, so that they share builds.
DIGITS = {"n_in": 64, "hidden": (60,), "n_out": 10}


def _data_folder() -> Path | None:
    beside = Path(__file__).resolve().parents[2] / "shared" / "data"
    for folder in (os.environ.get("BRIANPROP_DATA"), beside):
        if folder and (Path(folder) / "mnist").is_dir():
            return Path(folder)
    return None


def pytest_configure():
    """Tests that send signals hold also where these are ignored, as after ``nohup`` or in the background of a script."""
    for number in (signal.SIGINT, signal.SIGHUP):
        if signal.getsignal(number) == signal.SIG_IGN:
            signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)


def pytest_runtest_setup(item: pytest.Item):
    """Tests of the circuits get the compiler that users get, and slow ones too; the others one without optimisation.

    Each set of files has builds of its own, so that nothing depends on which file runs first. A compiler that $CXX named before
    the tests is used for all.
    """
    optimised = "models" in item.path.relative_to(Path(__file__).parent).parts or item.get_closest_marker("slow")
    wanted = COMPILER if COMPILER or optimised else f"sh {shlex.quote(str(Path(__file__).with_name('quick_compiler.sh')))}"
    if os.environ.get("CXX", "") != wanted:
        os.environ.pop("CXX", None)
        if wanted:
            os.environ["CXX"] = wanted
        compiler.cache_clear()
        instruction_set.cache_clear()


def pytest_collection_finish():
    """What libraries hold is left out of garbage collections: the runtime asks for three in each of its many short runs."""
    import brian2  # noqa: F401 - nearly all workers need it

    gc.collect()
    gc.freeze()


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
    images = encoding.binarise(dataset.train.images, [0.5])
    return images, encoding.one_hot(dataset.train.labels, 10), dataset.train.labels


@pytest.fixture(scope="session")
def mnist(data_dir):
    """MNIST cropped to 20 x 20 and binarised: images (n, 400), targets (n, 10), labels (n,)."""
    train = load_data("mnist", data_dir).parts["train"]
    return train.images, encoding.one_hot(train.labels, 10), train.labels


class Handler(SimpleHTTPRequestHandler):
    """Serves files, notes what is requested and prints nothing."""

    def do_GET(self):
        self.server.requested.append(self.path)
        super().do_GET()

    def log_message(self, *_):
        pass


@pytest.fixture
def mirror(tmp_path, monkeypatch):
    """Serve ``served`` in `tmp_path` at this computer's own address; gives the server, with `url` and what was `requested`."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(tmp_path / "served")))
    server.requested, server.url = [], f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=partial(server.serve_forever, poll_interval=0.01))
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def restless_weights(parameters: NBP, seed: int = 0) -> dict[str, np.ndarray]:
    """Initial weights on the grid that drive many neurons across all three thresholds."""
    weights = initial_weights(parameters, seed)
    rng = np.random.default_rng(seed)
    return {
        name: np.clip(weight + 2 * rng.integers(-20, 30, weight.shape), -parameters.w_max, parameters.w_max).astype(np.int32)
        for name, weight in weights.items()
    }


def comparable_metrics(run: Run) -> list[dict]:
    """Metrics without the times."""
    return [{name: value for name, value in row.items() if name != "seconds"} for row in run.metrics()]


def assert_same_run(one: Run, other: Run):
    """Equal metrics and equal weights, bit for bit."""
    assert comparable_metrics(one) == comparable_metrics(other)
    first, second = one.load_weights(), other.load_weights()
    assert set(first) == set(second)
    for name in first:
        np.testing.assert_array_equal(first[name], second[name])


def assert_predictions_are_those_of_the_metrics(run: Run):
    """The answers to all test images, kept by the run, give the accuracies of its last row; `evaluate` makes the same again."""
    last, kept = run.metrics()[-1], run.load_predictions()
    assert last["split"] == "test" and kept is not None and len(kept["target"]) == last["samples"]
    assert tuple(kept) == ("target", *SYSTEMS[run.system].readouts)
    for name in SYSTEMS[run.system].readouts:
        column = f"accuracy_{name}" if f"accuracy_{name}" in last else "accuracy"
        assert np.mean(kept[name] == kept["target"]) == pytest.approx(last[column], abs=1e-12)
    data = (run.path / "predictions.npz").read_bytes()
    (run.path / "predictions.npz").unlink()
    assert run.finished and run.load_predictions() is None
    evaluate(run.path, epoch=run.epochs)  # a checkpoint that is named adds nothing
    assert run.load_predictions() is None
    table = run.path.with_suffix(".csv")
    evaluate(run.path, predictions=table)
    assert (run.path / "predictions.npz").read_bytes() == data
    rows, classes = list(csv.DictReader(table.open())), run.config["dataset"]["classes"]
    assert [int(row["image"]) for row in rows] == list(range(len(rows)))
    for column, name in (("label", "target"), *((f"answer_{readout}", readout) for readout in SYSTEMS[run.system].readouts)):
        assert [row[column] for row in rows] == [str(classes[index]) for index in kept[name]]
    images = run.load_images()
    assert images is not None
    for name in SYSTEMS[run.system].answers:
        for number, values in enumerate(images[name]):
            assert [float(rows[number][f"{name}_{label}"]) for label in classes] == values.tolist()


def back_to(run: Run, path: Path, epoch: int) -> Run:
    """A copy of a finished run as a kill would leave it between the metrics of the epoch after `epoch` and its checkpoint."""
    shutil.copytree(run.path, path)
    for later in range(epoch + 1, run.config["training"]["epochs"] + 1):
        (path / "checkpoints" / f"epoch_{later:04d}.npz").unlink()
    for name in ("weights.npz", "images.npz"):
        (path / name).unlink()
    copied = Run.open(path)
    copied.truncate_metrics(epoch + 1)
    return copied


def composite_recording(spikes: list[tuple[str, int, int]], sizes: dict[str, int], period: int, epoch: int = 2) -> Recording:
    """A recording of SSNN-BP from (population, neuron, step); `sizes` are those of the layers."""
    layers = list(sizes)
    populations = [*layers, *(f"{layer} {sign}" for layer in layers[1:] for sign in ("plus", "minus"))]
    names, neuron, step = zip(*spikes, strict=True)
    return Recording(
        tuple(populations),
        tuple(sizes[name.partition(" ")[0]] for name in populations),
        [populations.index(name) for name in names],
        neuron,
        step,
        np.full(len(step), epoch),
        period,
    )


def composite_run(path: Path, *, seed: int = 0, accuracy: float = 0.5, epochs: int = 2, turns: int = 6, **settings) -> Run:
    """A finished run of SSNN-BP with made-up spikes and scores: test accuracy `accuracy` by spikes, 0.1 more by rates."""
    parameters = SSNN(n_in=16, n_out=3, **{"hidden": (5,), "steps": 4} | settings)
    config = {
        "system": "ssnn-bp",
        "dataset": {"name": "digits", "classes": ["A", "B", "C"], "image_shape": [4, 4]},
        "parameters": as_json(parameters),
        "training": {"epochs": epochs, "seed": seed},
    }
    run = Run.create(path, config, {})
    rng = np.random.default_rng(seed)
    run.save_checkpoint(0, ssnn_bp.initial_weights(parameters, seed))
    for epoch in range(1, epochs + 1):
        scores = {
            "accuracy_spikes": accuracy,
            "accuracy_rates": accuracy + 0.1,
            "loss": 1 / epoch,
            "samples": 10,
            "seconds": 1.0,
        }
        run.append_metrics([{"epoch": epoch, "split": split, **scores} for split in ("train", "validation", "test")])
        run.save_checkpoint(epoch, ssnn_bp.initial_weights(parameters, seed + epoch))
    run.save_weights(ssnn_bp.initial_weights(parameters, seed + epochs))
    sizes = dict(zip(parameters.layers, parameters.sizes, strict=True))
    spikes = [
        (name, int(n), t) for t in range(turns * parameters.steps) for name in sizes for n in rng.integers(sizes[name], size=1)
    ]
    spikes += [("output plus", 1, t) for t in range(turns * parameters.steps) if rng.random() < 0.3]
    spikes += [("hidden1 minus", int(rng.integers(5)), t) for t in range(turns * parameters.steps) if rng.random() < 0.3]
    run.save_spikes(composite_recording(spikes, sizes, parameters.steps), "raster")
    target = np.arange(10) % 3
    run.save_predictions({"target": target, "spikes": rng.permutation(target), "rates": rng.permutation(target)})
    counts = rng.multinomial(parameters.steps, [0.5, 0.3, 0.2], 6)
    run.save_images(
        {
            "images": rng.integers(0, 256, (6, 16), dtype=np.uint8),
            "target": np.array([0, 1, 2, 0, 1, 2]),
            "counts": counts,
            "membrane": rng.normal(0, 1, (6, 3)),
            "rates": counts / parameters.steps,
        }
    )
    return run


def ann_run(path: Path, *, seed: int = 0, accuracy: float = 0.8, epochs: int = 2, **settings) -> Run:
    """A finished run of the ANN with made-up scores."""
    parameters = ANN(n_in=16, hidden=(5,), n_out=3, **settings)
    config = {
        "system": "ann",
        "dataset": {"name": "digits", "classes": ["A", "B", "C"], "image_shape": [4, 4]},
        "parameters": as_json(parameters),
        "training": {"epochs": epochs, "seed": seed},
    }
    run = Run.create(path, config, {})
    for epoch in range(epochs + 1):
        run.save_checkpoint(epoch, ann.initial_weights(parameters, seed + epoch))
        scores = {"accuracy": accuracy, "loss": 1.0, "samples": 10, "seconds": 1.0}
        if epoch:
            run.append_metrics([{"epoch": epoch, "split": split, **scores} for split in ("train", "validation", "test")])
    run.save_weights(ann.initial_weights(parameters, seed + epochs))
    rng = np.random.default_rng(seed)
    images = rng.integers(0, 256, (6, 16), dtype=np.uint8)
    run.save_predictions({"target": np.arange(10) % 3, "rates": np.arange(10) % 3})
    run.save_images({"images": images, "target": np.arange(6) % 3, "rates": rng.dirichlet([1, 1, 1], 6)})
    return run
