"""The estimators: the conventions of scikit-learn, own arrays, run directories, and equality with the command line."""

import pickle
import subprocess
import sys
import tempfile

import numpy as np
import pytest
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from brianprop import ANNClassifier, BrianpropError, Events, NBPClassifier, Run, SSNNClassifier
from brianprop.experiments.cli.main import main
from brianprop.experiments.data import images as datasets
from brianprop.experiments.data.events import bin_events
from brianprop.experiments.estimators.classifier import OF_ARRAYS
from brianprop.experiments.training import circuit
from brianprop.experiments.training.systems import options_of
from brianprop.experiments.training.values import option_types
from brianprop.models.errors import DataError, ParameterError, RunError
from tests.conftest import DIGITS
from tests.experiments.estimators.oracles import OracleSimulator

ESTIMATORS = (NBPClassifier, SSNNClassifier, ANNClassifier)

LEVELS = tuple(level / 8 for level in range(8))
NBP = NBPClassifier(hidden=(30,), epochs=12, binarise=LEVELS, error="margin", o_lower=-0.3, o_upper=0.3)
SSNN = SSNNClassifier(hidden=(20,), epochs=3, steps=5, biases=True)
ANN = ANNClassifier(hidden=(20,), epochs=20, biases=True)

#: Checks of scikit-learn that cannot hold for networks whose answers are drawn, by their names.
DRAWN = {
    "check_methods_subset_invariance": "answers are drawn, one sample after another, so they depend on the samples before",
    "check_methods_sample_order_invariance": "answers are drawn, one sample after another, so they depend on the order",
    "check_classifiers_train": "in 5 time steps, the mean of a pixel's spikes has an s.d. of 0.2: too much for two pixels",
}


@pytest.fixture
def oracles(monkeypatch):
    """The oracles in the place of the circuits."""
    monkeypatch.setattr(circuit, "simulator", OracleSimulator)


@parametrize_with_checks([NBP])
def test_conventions_of_scikit_learn(estimator, check, oracles):
    check(estimator)


@pytest.mark.slow
@parametrize_with_checks([SSNN, ANN], expected_failed_checks=lambda estimator: DRAWN if estimator is SSNN else {})
def test_conventions_of_scikit_learn_for_the_others(estimator, check, oracles):
    """Which have nearly all of their code in common with the first."""
    check(estimator)


@pytest.mark.usefixtures("oracles")
@pytest.mark.parametrize(("kind", "parameters"), [(SSNNClassifier, {"steps": 5}), (ANNClassifier, {})])
def test_probabilities(kind, parameters):
    images, labels = digits_of("train", 40)
    for classes in (2, 3):
        fitted = kind(hidden=(8,), epochs=2, **parameters).fit(images, labels % classes)
        probabilities, decision = fitted.predict_proba(images), fitted.decision_function(images)
        assert probabilities.shape == (40, classes)
        np.testing.assert_allclose(probabilities.sum(axis=1), 1)
        np.testing.assert_array_equal(probabilities.argmax(axis=1), fitted.predict(images))
        assert decision.shape == ((40,) if classes == 2 else (40, 3))


@pytest.mark.slow
@parametrize_with_checks([NBPClassifier(hidden=(4,), epochs=1, device="numpy", binarise=LEVELS)])
def test_conventions_of_scikit_learn_in_brian2(estimator, check):
    """Without oracles. One epoch is too short for the accuracies that a check asks for."""
    if check.func.__name__ == "check_classifiers_train":
        pytest.skip("needs some epochs, which take minutes in the runtime")
    check(estimator)


@pytest.mark.parametrize("kind", ESTIMATORS)
def test_every_option_is_a_parameter(kind):
    """But those that say where data come from and where the run goes, and how many networks are trained."""
    given = {"dataset", "data_dir", "samples", "test_samples", "record_spikes"}
    options = set(option_types(options_of(kind.system))) | {"seed"}
    assert set(kind().get_params()) - set(OF_ARRAYS) == options - given
    assert all(f"\n{name} : " in kind.__doc__ for name in kind().get_params())


@pytest.mark.parametrize("wrong", [{"hiden": (3,)}, {"rules": None}, {"out": "run"}])
def test_unknown_parameters_are_refused(wrong):
    with pytest.raises(TypeError, match=next(iter(wrong))):
        NBPClassifier(**wrong)


def assert_same_weights(one, other):
    assert set(one) == set(other)
    for name in one:
        np.testing.assert_array_equal(one[name], other[name])


def digits_of(split, n=None):
    """The first digits of a split, uint8 of shape (n, 8, 8), and their labels."""
    part = getattr(datasets.load("digits"), split)[:n]
    return part.images, part.labels


COMMON = {"epochs": 2, "hidden": DIGITS["hidden"], "seed": 3}


@pytest.mark.parametrize(
    ("kind", "parameters", "words"),
    [
        (NBPClassifier, {"binarise": (0.3,), "jitter": 1, "flip": True}, ["--binarise", "0.3", "--jitter", "1", "--flip"]),
        (NBPClassifier, {"binarise": (0.3,), "input_dropout": 0.2}, ["--binarise", "0.3", "--input-dropout", "0.2"]),
        (NBPClassifier, {"binarise": (0.3,), "elastic": 1.0}, ["--binarise", "0.3", "--elastic", "1"]),
        (SSNNClassifier, {"steps": 5}, ["--steps", "5"]),
        (ANNClassifier, {"dropout": 0.1, "crop": 1}, ["--dropout", "0.1", "--crop", "1"]),
    ],
)
def test_equals_the_command_line(kind, parameters, words, tmp_path):
    """Weights, metrics and answers, bit for bit: fitted here, by the command line, and gone to a run directory and back."""
    common = [
        "--epochs",
        "2",
        "--hidden",
        "60",
        "--seed",
        "3",
        "--samples",
        "100",
        "--validation",
        "1400",
        "--test-samples",
        "60",
    ]
    assert main(["train", kind.system, *common, *words, "--out", str(tmp_path / "run")]) == 0
    images, labels = digits_of("train")
    fitted = kind(**COMMON, **parameters, validation=1400).fit(images, labels)
    run = Run.open(tmp_path / "run")
    opened = run.classifier()
    assert_same_weights(fitted.weights_, run.load_weights())
    saved = fitted.save(tmp_path / "saved")
    assert saved.finished
    assert [row | {"seconds": 0} for row in run.metrics() if row["split"] != "test"] == [
        row | {"seconds": 0} for row in fitted.history_
    ]
    copied = opened.save(tmp_path / "copied")
    for name in ("metrics.csv", "weights.npz", "images.npz", "predictions.npz", "checkpoints/epoch_0000.npz"):
        assert (copied.path / name).read_bytes() == (run.path / name).read_bytes()
    test, answers = digits_of("test", 60)[0], run.load_images()
    for classifier in (fitted, opened, Run.open(tmp_path / "saved").classifier(), pickle.loads(pickle.dumps(fitted))):
        found = classifier.answers(test)
        for name, array in found.items():
            np.testing.assert_array_equal(array[: len(answers["target"])], answers[name])
        np.testing.assert_array_equal(classifier.predict(test), fitted.predict(test))


@pytest.mark.usefixtures("oracles")
def test_epochs_of_nbp_one_by_one_are_the_same_as_all_at_once():
    images, labels = digits_of("train", 60)
    whole = NBPClassifier(hidden=(20,), epochs=3).fit(images, labels)
    parts = NBPClassifier(hidden=(20,), epochs=3)
    for _ in range(3):
        parts.partial_fit(images, labels, classes=range(10))
    assert_same_weights(whole.weights_, parts.weights_)
    assert [row["epoch"] for row in parts.history_] == [1, 2, 3]
    longer = NBPClassifier(hidden=(20,), epochs=2).fit(images, labels).partial_fit(images, labels)
    assert_same_weights(whole.weights_, longer.weights_)


@pytest.mark.usefixtures("oracles")
@pytest.mark.parametrize("kind", [SSNNClassifier, ANNClassifier])
def test_learning_rates_stay_where_the_end_is_not_known(kind):
    images, labels = digits_of("train", 60)
    whole = kind(hidden=(20,), epochs=3, annealed=False).fit(images, labels)
    parts = kind(hidden=(20,))
    for _ in range(3):
        parts.partial_fit(images, labels, classes=range(10))
    assert_same_weights(whole.weights_, parts.weights_)
    falling = kind(hidden=(20,), epochs=3).fit(images, labels)
    assert np.any(falling.weights_["W1"] != parts.weights_["W1"])


@pytest.mark.usefixtures("oracles")
def test_images_of_any_form_are_the_same_images():
    images, labels = digits_of("train", 60)
    flat = images.reshape(60, 64)
    expected = NBPClassifier(hidden=(20,), epochs=1).fit(images, labels)
    forms = {
        "rows": flat,
        "list": [image.tolist() for image in images],
        "floats": images / 255,
        "floats from -1 to 1": images / 127.5 - 1,
        "whole numbers": flat.astype(int),
    }
    for name, form in forms.items():
        ranges = {"floats": (0, 1), "floats from -1 to 1": (-1, 1), "whole numbers": (0, 255), "list": (0, 255)}
        found = NBPClassifier(hidden=(20,), epochs=1, pixel_range=ranges.get(name)).fit(form, labels)
        assert_same_weights(found.weights_, expected.weights_)
        np.testing.assert_array_equal(found.decision_function(form), expected.decision_function(images))
    black_and_white = images > 127
    found = NBPClassifier(hidden=(20,), epochs=1).fit(black_and_white, labels)
    assert_same_weights(found.weights_, expected.weights_)
    # without pixel_range, black and white are the extremes of the training data
    assert NBPClassifier(hidden=(20,), epochs=1).fit(images[:, 2:] / 7 + 3, labels).pixel_range_ == (3, 255 / 7 + 3)


@pytest.mark.usefixtures("oracles")
def test_labels_of_any_type(tmp_path):
    images, labels = digits_of("train", 60)
    names = np.array(["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"])
    for y in (names[labels], names[labels].astype(object), labels + 0.0, labels % 2 == 0, -labels):
        fitted = ANNClassifier(hidden=(20,), epochs=3).fit(images, y)
        assert fitted.classes_.tolist() == sorted(set(y.tolist()))
        assert fitted.score(images, y) > 0.3
        opened = fitted.save(tmp_path / f"run{len(list(tmp_path.iterdir()))}").classifier()
        np.testing.assert_array_equal(opened.predict(images), fitted.predict(images))


@pytest.mark.usefixtures("oracles")
def test_the_tools_of_scikit_learn():
    images, labels = digits_of("train", 90)
    images = images.reshape(90, 64) / 16
    pipeline = make_pipeline(MinMaxScaler(), NBPClassifier(hidden=(20,), epochs=2, pixel_range=(0, 1)))
    assert cross_val_score(pipeline, images, labels, cv=3).shape == (3,)
    grid = {"hidden": [(10,), 12, [8, 8]], "eta_plus": np.array([2, 4])}
    search = GridSearchCV(NBPClassifier(epochs=2), grid, cv=2).fit(images, labels)
    assert not np.isnan(search.cv_results_["mean_test_score"]).any() and len(search.cv_results_["params"]) == 6


def recordings(rng, labels, n_steps=4):
    """Events of a sensor of 3 x 2 pixels, whose place tells the class; and the same as 0 and 1 in time steps."""
    events = []
    for label in labels:
        n = rng.integers(20, 40)
        x, y = rng.integers(0, 3, n), np.where(rng.random(n) < 0.9, label, rng.integers(0, 2, n))
        t = np.sort(rng.integers(0, 1000, n))
        events.append(Events(x.astype(np.uint8), y.astype(np.uint8), t, rng.integers(0, 2, n).astype(np.uint8), 3, 2))
    return events, np.array([bin_events(event, n_steps) for event in events])


def test_events_are_recordings_or_spikes(tmp_path):
    labels = np.arange(40) % 2
    events, frames = recordings(np.random.default_rng(0), labels)
    fitted = [
        ANNClassifier(hidden=(8,), epochs=5, events=True, steps=4).fit(form, labels)
        for form in (events, frames, frames.reshape(40, 4, 2, 2, 3), frames.reshape(40, 4, 4, 3))
    ]
    assert [one.image_shape_ for one in fitted] == [(4, 3), (1, 12), (4, 3), (4, 3)]
    for one in fitted:
        assert_same_weights(one.weights_, fitted[0].weights_)
        np.testing.assert_array_equal(one.predict_proba(events), fitted[0].predict_proba(frames))
    assert fitted[0].score(events, labels) > 0.9
    opened = fitted[0].save(tmp_path / "run").classifier()
    assert opened.events and opened.steps == 4
    np.testing.assert_array_equal(opened.predict_proba(events), fitted[0].predict_proba(events))


def test_a_spiking_network_takes_events():
    labels = np.arange(12) % 2
    events, frames = recordings(np.random.default_rng(0), labels)
    options = {"hidden": (4,), "epochs": 1, "steps": 4, "events": True, "device": "numpy"}
    of_events, of_frames = (SSNNClassifier(**options).fit(form, labels) for form in (events, frames))
    assert of_events.trained_.parameters().events
    assert_same_weights(of_events.weights_, of_frames.weights_)


IMAGES, LABELS = np.zeros((6, 4, 4), np.uint8), np.arange(6) % 2
EVENTS = {"events": True, "steps": 4}


@pytest.mark.parametrize(
    ("kind", "parameters", "X", "y", "words"),
    [
        (NBPClassifier, {"hidden": (0,)}, IMAGES, LABELS, "hidden"),
        (NBPClassifier, {"theta": "high"}, IMAGES, LABELS, "theta = 'high'"),
        (NBPClassifier, {"device": "abacus"}, IMAGES, LABELS, "device = 'abacus'"),
        (NBPClassifier, {"crop": 2}, IMAGES, LABELS, "crop = 2"),
        (NBPClassifier, {"jitter": 1}, IMAGES.reshape(6, 16), LABELS, "jitter = 1 .* image_shape"),
        (NBPClassifier, {"flip": True}, IMAGES.reshape(6, 16), LABELS, "flip = True .* image_shape"),
        (NBPClassifier, {"elastic": 1.0}, IMAGES.reshape(6, 16), LABELS, "elastic = 1.0 .* image_shape"),
        (NBPClassifier, {"input_dropout": 1.0}, IMAGES, LABELS, "input_dropout = 1.0 must be at least 0 and less than 1"),
        (NBPClassifier, {"image_shape": (3, 5)}, IMAGES.reshape(6, 16), LABELS, r"image_shape = \(3, 5\)"),
        (NBPClassifier, {"pixel_range": (1, 0)}, IMAGES, LABELS, r"pixel_range = \(1, 0\)"),
        (NBPClassifier, {"validation": 6}, IMAGES, LABELS, "validation = 6"),
        (NBPClassifier, {}, IMAGES, LABELS * 0, "one class, .*0"),
        (NBPClassifier, {}, IMAGES[:5], LABELS, "inconsistent"),
        (SSNNClassifier, {"steps": 0}, IMAGES, LABELS, "steps = 0"),
        (SSNNClassifier, EVENTS, np.zeros((6, 5, 3)), LABELS, "steps = 4"),
        (SSNNClassifier, EVENTS, np.full((6, 4, 3), 2), LABELS, "0 and 1"),
        (SSNNClassifier, EVENTS, np.zeros((6, 4, 3)), LABELS[:5], "6 recordings and 5 labels"),
        (SSNNClassifier, EVENTS | {"crop": 1}, np.zeros((6, 4, 3)), LABELS, "crop"),
    ],
)
def test_bad_input_is_named_before_anything_is_built(kind, parameters, X, y, words, monkeypatch):
    monkeypatch.setattr(circuit, "simulator", None)
    with pytest.raises((ParameterError, ValueError), match=words):
        kind(**parameters).fit(X, y)


@pytest.mark.usefixtures("oracles")
def test_what_a_trained_network_refuses(tmp_path):
    images, labels = digits_of("train", 40)
    fitted = NBPClassifier(hidden=(20,), epochs=1).fit(images, labels)
    with pytest.raises(DataError, match=r"\(4, 16\)"):
        fitted.predict(images.reshape(40, 4, 16))
    with pytest.raises(ValueError, match="63 features"):
        fitted.predict(images.reshape(40, 64)[:, 1:])
    with pytest.warns(UserWarning, match="nearly black"):
        fitted.predict(images / 255)
    with pytest.warns(UserWarning, match="clipped"):
        NBPClassifier(hidden=(20,), epochs=1).fit(images / 255, labels).predict(images)
    with pytest.raises(DataError, match="'x'"):
        ANNClassifier().partial_fit(images, np.full(40, "x"), classes=["a", "b"])
    run = fitted.save(tmp_path / "run")
    with pytest.raises(RunError, match="exists already"):
        fitted.save(tmp_path / "run")
    with pytest.raises(RunError, match=r"of the system nbp, not ann"):
        ANNClassifier.from_run(run)
    assert main(["evaluate", str(run.path)]) == 2


def test_a_run_of_arrays_says_how_to_use_it(tmp_path, capsys):
    ANNClassifier(hidden=(4,), epochs=1).fit(IMAGES, LABELS).save(tmp_path / "run")
    assert main(["evaluate", str(tmp_path / "run")]) == 2
    assert "classifier()" in capsys.readouterr().err


def test_an_interrupted_fit_leaves_no_files(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    seen = []

    class Interrupted(OracleSimulator):
        def _run(self, *_):
            seen.extend(path.name for path in tmp_path.iterdir())
            raise KeyboardInterrupt

    monkeypatch.setattr(circuit, "simulator", Interrupted)
    classifier = NBPClassifier(hidden=(4,), epochs=1)
    with pytest.raises(KeyboardInterrupt):
        classifier.fit(IMAGES, LABELS)
    assert seen and not list(tmp_path.iterdir())
    assert not hasattr(classifier, "trained_")


def test_simulations_remove_their_files(tmp_path, monkeypatch):
    """Of Brian2's standalone mode, whose runs read and write files; without waiting for the garbage collection."""
    closed = []

    class Watched(OracleSimulator):
        def close(self):
            closed.append(self.model.name)

    monkeypatch.setattr(circuit, "simulator", Watched)
    NBPClassifier(hidden=(4,), epochs=1).fit(IMAGES, LABELS).predict(IMAGES)
    assert sorted(closed) == ["nbp-inference", "nbp-inference", "nbp-training"]


def test_the_package_loads_fast():
    code = "import sys, brianprop; print(len({'numpy', 'sklearn', 'brian2'} & set(sys.modules)), *dir(brianprop))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded, *names = done.stdout.split()
    assert loaded == "0" and {"NBPClassifier", "Run", "__version__"} <= set(names)


def test_the_top_of_the_package():
    import brianprop

    for name in brianprop.__all__:
        assert getattr(brianprop, name)
    with pytest.raises(AttributeError, match="Nothing"):
        _ = brianprop.Nothing
    assert issubclass(ParameterError, BrianpropError) and issubclass(DataError, ValueError)
