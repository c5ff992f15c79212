"""What the estimators share: learning from arrays by the trainer of a system, answers, and run directories."""

from __future__ import annotations

import contextlib
import dataclasses
import inspect
import os
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, column_or_1d, validate_data

from brianprop.analysis.runs import Run
from brianprop.analysis.runs.values import from_json
from brianprop.experiments.data.dataset import Dataset, Part, divide
from brianprop.experiments.estimators.options import described
from brianprop.experiments.estimators.samples import GREY, flat_images, grey_values, packed_events, range_of
from brianprop.experiments.estimators.trained import Trained
from brianprop.experiments.training.commands import begin, carry_on, prepared, require_fit
from brianprop.experiments.training.data import ARRAYS, Data, data_of_events, data_of_images
from brianprop.experiments.training.options import Message, TrainOptions
from brianprop.experiments.training.systems import options_of, trainer_of
from brianprop.experiments.training.values import settings_of
from brianprop.models.errors import DataError, ParameterError, RunError
from brianprop.models.simulation import codegen_used, silent
from brianprop.models.simulation.scratch import Scratch

__all__ = ["Classifier"]

#: Parameters of an estimator that are no options of a training.
OF_ARRAYS = ("image_shape", "pixel_range", "verbose", "events")


class Classifier(ClassifierMixin, BaseEstimator):
    """Base of the estimators; each names its system, its parameters and the answer that decides.

    Attributes
    ----------
    system : str
        Name of the system in `analysis.systems.SYSTEMS`.
    options : type
        The dataclass of the parameters, see `experiments.estimators.options`.
    answer : str
        The array of the answers, of shape (n, n_classes), whose largest value in a row is the predicted class.
    """

    system: ClassVar[str]
    options: ClassVar[type]
    answer: ClassVar[str]

    image_shape: tuple[int, int] | None
    pixel_range: tuple[float, float] | None
    verbose: bool
    classes_: np.ndarray
    trained_: Trained
    n_features_in_: int
    image_shape_: tuple[int, int]
    pixel_range_: tuple[float, float]

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        cls.__doc__ = inspect.cleandoc(cls.__doc__ or "").replace("PARAMETERS", described(cls.options))

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        return tags

    def fit(self, X: Any, y: Any) -> Self:
        """Learn from samples, ``epochs`` times from each. Equals ``brianprop train`` with the same data, seed and options.

        Parameters
        ----------
        X : array of shape (n, pixels) or (n, rows, cols), or data frame
            Images: uint8 from 0 to 255, or other numbers, which are scaled, see ``pixel_range``. With ``events``: spikes or
            recordings, see `experiments.estimators.samples.packed_events`.
        y : array of shape (n,)
            Labels of any type.

        Returns
        -------
        self

        Raises
        ------
        ParameterError, DataError, BuildError
            One sentence that names the value, the place and the remedy. A DataError is a ValueError too.
        """
        samples, y = self._samples(X, y, first=True)
        self.classes_, labels = np.unique(y, return_inverse=True)
        if len(self.classes_) < 2:
            raise DataError(f"y holds samples of one class, {self.classes_[0]!r}; give samples of at least two classes.")
        self._learn(Part(samples, labels.astype(np.int64)))
        return self

    def partial_fit(self, X: Any, y: Any, classes: Any = None) -> Self:
        """Learn from samples, once from each, after what was learned before.

        The learning rates do not fall, since nobody knows when the training will end.

        Parameters
        ----------
        X, y
            See `fit`. Without ``pixel_range``, that of the first call stays.
        classes : array, optional
            All labels that will ever be in y; needed in the first call.

        Returns
        -------
        self
        """
        first = not hasattr(self, "trained_")
        if first and classes is None:
            raise DataError("classes must be passed on the first call to partial_fit; give all labels that will ever be in y.")
        if classes is not None:
            classes = np.unique(column_or_1d(classes))
            if first and len(classes) < 2:
                raise DataError(f"classes holds one class, {classes[0]!r}; give at least two classes.")
            if not first and not np.array_equal(classes, self.classes_):
                raise DataError(
                    f"classes={classes} is not the same as on last call to partial_fit, {self.classes_}; leave it away."
                )
        samples, y = self._samples(X, y, first)
        if first:
            self.classes_ = np.asarray(classes)
        if len(unknown := np.setdiff1d(y, self.classes_)):
            raise DataError(f"y holds the label {unknown[0]!r}, which is none of the classes {self.classes_}; give only these.")
        labels = np.searchsorted(self.classes_, y).astype(np.int64)
        self._learn(Part(samples, labels), None if first else self.trained_, validation=0)
        return self

    def predict(self, X: Any) -> np.ndarray:
        """The labels of samples: those of the largest of the answers that `decision_function` tells.

        Parameters
        ----------
        X
            See `fit`.

        Returns
        -------
        array of shape (n,)
        """
        answers = self.answers(X)[self.answer]
        return self.classes_[np.argmax(answers, axis=1)]

    def decision_function(self, X: Any) -> np.ndarray:
        """What decides, one number for each class; the largest wins.

        Parameters
        ----------
        X
            See `fit`.

        Returns
        -------
        float array of shape (n, n_classes), or (n,) for two classes
            For two classes, by how much the second exceeds the first.
        """
        answers = self.answers(X)[self.answer].astype(float)
        return answers[:, 1] - answers[:, 0] if len(self.classes_) == 2 else answers

    def answers(self, X: Any) -> dict[str, np.ndarray]:
        """All that the output neurons tell of each sample.

        Parameters
        ----------
        X
            See `fit`.

        Returns
        -------
        dict of arrays of shape (n, n_classes)
            By name, as in images.npz of a run, see the answers of the system in `analysis.systems`.
        """
        check_is_fitted(self, "trained_")
        samples, _ = self._samples(X)
        trained = self.trained_
        parameters, settings = trained.parameters(), dict(trained.config["training"])
        if "device" in settings:  # as it is set now, which may differ from where the network was trained
            now = self.get_params(deep=False)
            settings |= {"device": now["device"], "codegen": codegen_used(now["device"], now["codegen"])}
        parts = {"test": self._data({"test": Part(samples, np.zeros(len(samples), np.int64))}).parts["test"]}
        kind = trainer_of(self.system)
        require_fit(kind, parameters, settings, parts, learns=False)
        with contextlib.closing(kind(parameters, settings, parts, self._message)) as trainer:
            found = trainer.images(trained.weights, trained.epochs, len(samples))
        return {name: array for name, array in found.items() if name not in ("images", "target")}

    @property
    def history_(self) -> list[dict]:
        """The accuracies and the loss of each epoch: a dict per epoch and split, such as ``pandas.DataFrame`` takes."""
        return self.trained_.metrics

    @property
    def weights_(self) -> dict[str, np.ndarray]:
        """The learned weights W1, W2, ... of shape (n_pre, n_post), and biases b1, b2, ... where there are any."""
        return self.trained_.weights

    def save(self, path: str | os.PathLike) -> Run:
        """Make a run directory, as ``brianprop train`` does; `analysis.runs.Run.classifier` gives the estimator back.

        Parameters
        ----------
        path : path-like
            A path that does not exist yet, or an empty folder.

        Raises
        ------
        RunError
            If the path is taken or cannot be written.
        """
        check_is_fitted(self, "trained_")
        return self.trained_.write(Path(path))

    @classmethod
    def from_run(cls, run: Run) -> Self:
        """The estimator that a run directory holds; use `analysis.runs.Run.classifier`.

        Raises
        ------
        RunError
            When the run is not of this system or not finished, or a file is damaged.
        """
        if run.system != cls.system:
            raise RunError(f"{run.path} is a run of the system {run.system}, not {cls.system}; use Run.open(...).classifier().")
        trained = Trained.of(run)
        estimator = cls(**cls._parameters_of(trained))
        data, events = trained.config["dataset"], getattr(estimator, "events", False)
        rows, cols = (size + 2 * data["crop"] for size in data["image_shape"])
        estimator.trained_, estimator.classes_ = trained, np.array(data["classes"])
        estimator.image_shape_ = (rows, cols)
        estimator.n_features_in_ = rows * cols
        if not events:
            estimator.image_shape = (rows, cols)
            estimator.pixel_range_ = tuple(data.get("pixel_range", GREY))
        return estimator

    @classmethod
    def _parameters_of(cls, trained: Trained) -> dict[str, Any]:
        """The parameters of the estimator that would train what a run directory holds."""
        data = trained.config["dataset"]
        found = trained.config["parameters"] | trained.config["training"]
        found |= {name: data[name] for name in ("crop", "binarise", "validation")}
        if isinstance(found["binarise"], (int, float)):
            found["binarise"] = [found["binarise"]]
        found |= {"pixel_range": data["pixel_range"]} if data.get("pixel_range") else {}
        names = cls._get_param_names()
        return {name: from_json(value) for name, value in found.items() if name in names}

    @property
    def _message(self) -> Message:
        return print if self.verbose else silent

    def _option_class(self) -> type[TrainOptions]:
        """The options of the training."""
        return options_of(self.system)

    def _settings(self, out: Path = Path(), **changed: Any) -> TrainOptions:
        """The parameters as options of a training. Raises ParameterError where one is wrong."""
        values = {name: value for name, value in self.get_params(deep=False).items() if name not in OF_ARRAYS}
        values = {name: _plain(value) for name, value in (values | changed).items()}
        return settings_of(self._option_class(), values | {"dataset": ARRAYS}, out)

    def _samples(self, X: Any, y: Any = None, first: bool | None = None) -> tuple[np.ndarray, Any]:
        """Samples as bytes, and labels. `first` is None without labels; True where the samples decide what later ones must be.

        Returns
        -------
        samples : uint8 array
            Grey values of shape (n, rows, cols), or packed events of shape (n, n_bytes).
        labels : array of shape (n,), or None
        """
        if getattr(self, "events", False):
            return self._events(X, y, first)
        flat, shape = flat_images(X)
        images: Any  # scikit-learn's types say less
        if first is None:
            images = validate_data(self, flat, reset=False)
        else:
            images, y = validate_data(self, flat, y, reset=first)
            check_classification_targets(y)
        if shape is None:
            shape = self._shape_of(images.shape[1]) if first else self.image_shape_
        if first:
            self.image_shape_ = shape
            self.pixel_range_ = range_of(images, self.pixel_range)
        elif shape != self.image_shape_:
            raise DataError(
                f"Images have {shape} rows and columns, but {self.image_shape_} in the training data; give the same."
            )
        return grey_values(images, self.pixel_range_).reshape(len(images), *shape), y

    def _shape_of(self, n_pixels: int) -> tuple[int, int]:
        """Rows and columns of images that are given as rows of pixels."""
        given = _plain(self.image_shape)
        if given is None:
            settings = self._settings()
            for name in ("crop", "jitter", "flip", "elastic"):
                if getattr(settings, name, 0):
                    raise ParameterError(
                        f"Parameter {name} = {getattr(settings, name)} needs to know the rows and columns of images; give X of "
                        "shape (n, rows, cols), or set image_shape."
                    )
            return (1, n_pixels)
        whole = isinstance(given, (list, tuple)) and len(given) == 2 and all(isinstance(size, int) for size in given)
        if not whole or min(given) < 1 or given[0] * given[1] != n_pixels:
            raise ParameterError(
                f"Parameter image_shape = {given!r} must be rows and columns whose product is {n_pixels}, the number of pixels "
                "of an image in X."
            )
        return (given[0], given[1])

    def _events(self, X: Any, y: Any, first: bool | None) -> tuple[np.ndarray, Any]:
        """As `_samples`, for events."""
        settings = self._settings()
        if settings.crop or settings.binarise is not None:
            raise ParameterError("Events are neither cropped nor binarised; leave crop and binarise away.")
        packed, shape = packed_events(X, settings.bins or 0)
        if first is not None:
            y = column_or_1d(y, warn=True)
            check_classification_targets(y)
            if len(y) != len(packed):
                raise DataError(f"There are {len(packed)} recordings and {len(y)} labels; give a label for each recording.")
        if first:
            self.image_shape_, self.n_features_in_ = shape, shape[0] * shape[1]
        elif shape[0] * shape[1] != self.n_features_in_:
            raise DataError(
                f"Events have {shape[0] * shape[1]} inputs, but {self.n_features_in_} in the training data; give the same."
            )
        return packed, y

    def _data(self, splits: dict[str, Part]) -> Data:
        """Encode the samples of some splits."""
        settings, kind = self._settings(), trainer_of(self.system)
        classes = [_in_json(label) for label in self.classes_]
        if getattr(self, "events", False):
            return data_of_events(
                ARRAYS, splits, classes, self.image_shape_, settings.bins or 0, kind.events or "frames", ARRAYS
            )
        data = data_of_images(ARRAYS, splits, classes, settings.crop or 0, settings.binarise, kind.grey, ARRAYS)
        return dataclasses.replace(data, pixel_range=self.pixel_range_)

    def _learn(self, samples: Part, before: Trained | None = None, **changed: Any) -> None:
        """Train for some epochs, or for one epoch after those of `before`."""
        if changed:
            changed["epochs"] = 1 if before is None else before.epochs + 1
            changed |= {"annealed": False} if "annealed" in self._get_param_names() else {}
        with Scratch() as folder:
            settings = self._settings(folder / "run", **changed)
            splits = divide(Dataset(ARRAYS, samples, samples[:0], self.classes_, ARRAYS), validation=settings.validation)
            data, parameters, weights = prepared(settings, self._message, data=self._data(splits))
            run = begin(settings, data, parameters)
            with run.lock():
                if before is None:
                    run.save_checkpoint(0, weights)
                else:
                    before.write_epochs(run)
                carry_on(run, data.parts, self._message, bar=self.verbose)
            self.trained_ = Trained.of(run)


def _plain(value: Any) -> Any:
    """Scalars and arrays of NumPy, as searches over parameters give them, in the types of Python."""
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray):
        return value.tolist()
    return type(value)(map(_plain, value)) if type(value) in (list, tuple) else value


def _in_json(label: Any) -> Any:
    """A label as config.json holds it: a whole number or text. Equal labels of other types stay equal."""
    label = _plain(label)
    if isinstance(label, (int, float)) and label == int(label):
        return int(label)
    return str(label)
