"""The emulated event camera against real recordings of the same digits: their events, and what networks learn from them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from brianprop.analysis.figures.events import plot_events
from brianprop.analysis.figures.output import write_figures
from brianprop.analysis.intervals import intervals
from brianprop.analysis.runs.run import Run
from brianprop.experiments.data import frames, nmnist
from brianprop.experiments.data import images as datasets
from brianprop.experiments.data.emulator import CAMERAS, EMULATED, NEGATIVE, emulate
from brianprop.experiments.data.events import Events, Recordings
from brianprop.experiments.training.data import load_data
from brianprop.experiments.training.options import Message
from brianprop.experiments.training.systems import trainer_of
from brianprop.models.errors import DataError

if TYPE_CHECKING:
    import pandas

__all__ = ["THRESHOLDS", "against_reality", "count", "tune"]

#: Thresholds among which that of a camera is chosen.
THRESHOLDS = tuple(hundredths / 100 for hundredths in range(25, 36))

#: Names of the recordings in tables and figures, by their data set; the real ones come first.
TITLES = {
    nmnist.SUBSET: "real",
    f"{EMULATED}{nmnist.SUBSET}": "emulated",
    f"{NEGATIVE}{nmnist.SUBSET}": "emulated, negative",
}

#: Length of an interval of the rate of events, and of the longest recording that is drawn [us].
INTERVAL, LONGEST = 5_000, 320_000

SACCADES, POLARITIES = 3, 2


def count(events: Events) -> np.ndarray:
    """Events by saccade and polarity.

    The thirds of a recording count as its saccades; a network sees equal parts of a recording too.

    Parameters
    ----------
    events : Events
        At least one.

    Returns
    -------
    int array of shape (3, 2)
        OFF before ON.
    """
    saccade = SACCADES * events.t // (events.t[-1] + 1)
    kind = saccade * POLARITIES + events.polarity
    return np.bincount(kind, minlength=SACCADES * POLARITIES).reshape(SACCADES, POLARITIES)


def tune(images: Sequence[np.ndarray], events: float, prefix: str) -> tuple[float, list[float]]:
    """Choose the threshold of an emulated camera so that images give a mean number of events.

    Parameters
    ----------
    images : sequence of ndarray
        Of MNIST.
    events : float
        Mean number of events of real recordings of these images.
    prefix : str
        Of the camera, see `experiments.data.emulator.CAMERAS`.

    Returns
    -------
    threshold : float
        Of `THRESHOLDS`, the one whose number is nearest.
    ratios : list of float
        For each of `THRESHOLDS` the mean number of emulated events over that of real ones.

    Raises
    ------
    DataError
        When the nearest is the least or the largest threshold, so that another may be nearer.
    """
    ratios = []
    for threshold in THRESHOLDS:
        camera = replace(CAMERAS[prefix], threshold=threshold)
        sent = [len(emulate(image, camera, frames.CAMERA_SEED, number)) for number, image in enumerate(images)]
        ratios.append(float(np.mean(sent)) / events)
    best = int(np.argmin(np.abs(np.array(ratios) - 1)))
    if best in (0, len(THRESHOLDS) - 1):
        raise DataError(
            f"Real recordings of {nmnist.SUBSET} have {events:.0f} events, which no threshold of the emulated camera from "
            f"{THRESHOLDS[0]} to {THRESHOLDS[-1]} comes near; see that the folder holds recordings of N-MNIST."
        )
    return THRESHOLDS[best], ratios


def against_reality(
    runs: Sequence[Run], folder: Path, data_dir: Path | None, message: Message
) -> dict[str, pandas.DataFrame | list[Path]]:
    """Compare recordings, tune the cameras, and let all networks answer to all test recordings; draws the figure.

    Parameters
    ----------
    runs : sequence of Run
        Finished runs of one system on the data sets of `TITLES`, with several seeds.
    folder : Path
        Of the experiment; the figure goes into its subfolder ``figures``.
    data_dir : Path, optional
        Where to look for the recordings and MNIST.
    message : callable
        Called with a line of text on the progress.

    Returns
    -------
    dict
        Tables by name: ``events``, ``tuning``, ``transfer``, ``intervals``; and ``figures``, the paths of the figure.

    Raises
    ------
    DataError
        As the data sets do, and as `tune` does.
    """
    import pandas

    n = min(run.config["dataset"]["samples"] for run in runs)
    message(f"Counting and tuning on {n} training recordings ...")
    counts, rates = {}, {}
    for name, title in TITLES.items():
        counts[title], rates[title] = _counted(frames.load(name, data_dir).train.images[:n])
    real = counts["real"].sum(axis=(1, 2)).mean()
    images = nmnist.pictured(datasets.load("mnist", data_dir), data_dir).train.images[:n]
    tuned, ratios = {}, {}
    for prefix in (EMULATED, NEGATIVE):
        title = TITLES[f"{prefix}{nmnist.SUBSET}"]
        threshold, ratios[title] = tune(images, real, prefix)
        tuned[title] = f"tuned: {threshold:g}, used: {CAMERAS[prefix].threshold:g}"
    answers = _answers(runs, data_dir, message)
    means = {
        (learned, shown): pandas.DataFrame(
            [scores for (of, _, to), (scores, _) in answers.items() if (of, to) == (learned, shown)]
        )
        for learned in TITLES.values()
        for shown in TITLES.values()
    }
    # the first readout of a system is the one that a chip would have
    readout = next(iter(means["real", "real"]))
    written = write_figures(
        {
            "events": lambda: plot_events(
                counts,
                rates,
                INTERVAL / 1000,
                THRESHOLDS,
                ratios,
                {learned: [100 * value for value in means[learned, "real"][readout]] for learned in TITLES.values()},
            )
        },
        folder / "figures",
    )
    return {
        "events": _events_table(counts, tuned),
        "tuning": pandas.DataFrame(ratios, index=pandas.Index(THRESHOLDS, name="threshold")).round(4),
        "transfer": pandas.DataFrame.from_dict(
            {
                f"learned from {learned}": {"n": len(means[learned, learned])}
                | {
                    f"{shown}, {name.removeprefix('accuracy_')}_{what}": getattr(100 * means[learned, shown][name], of)()
                    for shown in TITLES.values()
                    for name in means[learned, shown]
                    for what, of in (("mean", "mean"), ("sd", "std"))
                }
                for learned in TITLES.values()
            },
            orient="index",
        ),
        "intervals": intervals(
            {
                f"learned from {learned}, seed {seed}, answers to {shown}, {name.removeprefix('accuracy_')}": (
                    accuracy,
                    samples,
                )
                for (learned, seed, shown), (scores, samples) in answers.items()
                for name, accuracy in scores.items()
            }
        ),
        "figures": written,
    }


def _counted(recordings: Recordings) -> tuple[np.ndarray, np.ndarray]:
    """Counts of all recordings, shape (n, 3, 2), and mean events per millisecond in each interval."""
    counts, rate = [], np.zeros(LONGEST // INTERVAL)
    for events in recordings:
        counts.append(count(events))
        rate += np.histogram(events.t, len(rate), (0, LONGEST))[0]
    return np.array(counts), rate / len(recordings) / (INTERVAL / 1000)


def _answers(
    runs: Sequence[Run], data_dir: Path | None, message: Message
) -> dict[tuple[str, int, str], tuple[dict[str, float], int]]:
    """Accuracies of every network on the test recordings of every data set, and their number.

    By what it learned from, its seed, and what it answers to.
    """
    found = {}
    for name, shown in TITLES.items():
        for run in runs:
            trainer, data = trainer_of(run.system), run.config["dataset"]
            message(f"Answers of {run.path.name} to {shown} recordings ...")
            parts = load_data(
                name,
                data_dir,
                samples=1,
                validation=0,
                test_samples=data["test_samples"],
                binarise=None,
                grey=trainer.grey,
                steps=data["steps"],
                events=trainer.events,
                message=message,
            ).parts
            settings = run.config["training"]
            with closing(trainer(run.parameters(), settings, {"test": parts["test"]}, message)) as network:
                scores, _ = network.score(run.load_weights(), "test", settings["epochs"])
            accuracies = {key: value for key, value in scores.items() if key.startswith("accuracy")}
            found[TITLES[data["name"]], settings["seed"], shown] = (accuracies, len(parts["test"]))
    return found


def _events_table(counts: Mapping[str, np.ndarray], tuned: Mapping[str, str]) -> pandas.DataFrame:
    """Mean and s.d. of events by recording, polarity and saccade, a column for each kind of recordings."""
    import pandas

    columns = {}
    for name, count in counts.items():
        total = count.sum(axis=(1, 2))
        rows = {"recording": total}
        rows |= {polarity: count[:, :, number].sum(axis=1) for number, polarity in enumerate(("OFF", "ON"))}
        rows |= {f"saccade {number + 1}": count[:, number].sum(axis=1) for number in range(SACCADES)}
        columns[name] = {row: f"{values.mean():.0f} ± {values.std(ddof=1):.0f}" for row, values in rows.items()}
        correlation = np.corrcoef(total, counts["real"].sum(axis=(1, 2)))[0, 1]
        columns[name]["correlation with real, over recordings"] = f"{correlation:.2f}"
        columns[name]["threshold"] = tuned.get(name, "")
    return pandas.DataFrame(columns)
