"""The sweep directory: what a sweep leaves on disk, read and written in this one place.

::

    SWEEP/
      sweep.json          what the sweep is and all its points, each with the key of its run
      points/KEY/         finished runs (see `analysis.runs.run`), each with point.json: the checksums of its files
      unfinished/KEY/     runs that are being written, or were being written when their process was killed
      failures/KEY.json   why a run failed, until it succeeds
      damaged/            finished runs that were found damaged, moved out of the way
      locks/              one file per run, held by the process that writes it; sweep.lock
      table.csv           one row per point (table.parquet too where pyarrow is installed)
      figures/            made by `analysis.figures.sweep`

For keys and checksums see `analysis.sweeps.store`.

A sweep directory may come from somebody else. Everything that is read from it is checked, no name in it leads out of it, and
symbolic links in it are refused.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import reprlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from brianprop.analysis.runs.older import upgrade_hidden
from brianprop.analysis.runs.run import Run
from brianprop.analysis.runs.values import cell
from brianprop.analysis.sweeps.plan import SAMPLE, SEED, check_plan, misfit, read_json
from brianprop.analysis.sweeps.point import Point
from brianprop.analysis.sweeps.results import option_cell, results_of
from brianprop.analysis.sweeps.store import FORMAT, PointStore
from brianprop.models.errors import RunError
from brianprop.models.files import cannot_write, write_text

if TYPE_CHECKING:
    import pandas
    import xarray

__all__ = ["Status", "SweepDirectory"]


@dataclass(frozen=True)
class Status:
    """How far a sweep is: the keys of its runs by their state, in the order of the points.

    Attributes
    ----------
    finished, waiting : tuple of str
    running : tuple of str
        Being written by a process of this machine, or of a machine that shares its file locks.
    interrupted : tuple of str
        Begun by a process that was killed.
    failed : dict of str
        The reason by key.
    """

    finished: tuple[str, ...]
    running: tuple[str, ...]
    interrupted: tuple[str, ...]
    failed: Mapping[str, str]
    waiting: tuple[str, ...]


class SweepDirectory(PointStore):
    """A sweep directory; use `SweepDirectory.create` and `SweepDirectory.open`.

    Attributes
    ----------
    path : pathlib.Path
    plan : dict
        What sweep.json holds: ``sweep`` (its description), ``objective``, ``system``, ``id`` and ``points``.
    points : tuple of Point
    """

    def __init__(self, path: Path, plan: dict):
        super().__init__(path)
        self.plan = plan
        self.points = tuple(Point(entry["key"], entry["axes"], entry["settings"]) for entry in plan["points"])
        self._words = {point.key: point.words for point in reversed(self.points)}
        self._settings = {point.key: point.settings for point in self.points}
        self._data = {entry["key"]: entry["data"] for entry in plan["points"]}
        self._fitting: set[str] = set()  # keys whose runs were found to have the settings of their points

    @classmethod
    def create(cls, path: str | os.PathLike, plan: dict) -> SweepDirectory:
        """Make a sweep directory, or extend an existing one that holds this sweep or a part of it.

        Parameters
        ----------
        path : path-like
            A path that does not exist yet, an empty folder, or a sweep directory.
        plan : dict
            What sweep.json shall hold, without format and id.

        Raises
        ------
        RunError
            If the folder holds something else, or a sweep with a point that the plan lacks, or cannot be written.
        """
        store = PointStore(path)
        try:
            strange = [name for name in os.listdir(store.path) if not _precedes_plan(name)] if store.path.is_dir() else []
        except OSError as error:
            raise cannot_write(store.path, error) from error
        # only now is the plan looked for: another process may be making this sweep directory
        if strange and not (store.path / "sweep.json").is_file():
            raise RunError(f"{store.path} exists already and is no sweep (it holds {strange[0]}); choose another --out.")
        with store.lock("sweep"):
            identity = hashlib.sha256(os.urandom(16)).hexdigest()[:16]
            if (store.path / "sweep.json").exists():
                old = cls.open(path)
                kept = {entry["key"] for entry in plan["points"]}
                lost = [point for point in old.points if point.key not in kept]
                if lost:
                    point = lost[0]
                    of_system = plan["points"] if old.plan["system"] == plan["system"] else []
                    raise RunError(
                        f"{store.path} holds another sweep: {point.difference(old._data[point.key], of_system)}; choose "
                        f"another --out, or use 'brianprop sweep resume {store.path}' to go on with that one."
                    )
                identity = old.plan["id"]
            plan = {"format": FORMAT, "id": identity, **plan}
            text = json.dumps(plan, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
            if not (store.path / "sweep.json").exists() or text != (store.path / "sweep.json").read_text(encoding="utf-8"):
                write_text(store.path / "sweep.json", text)
        return cls(store.path, plan)

    @classmethod
    def open(cls, path: str | os.PathLike) -> SweepDirectory:
        """Open an existing sweep directory.

        Raises
        ------
        RunError
            If there is none, its description is damaged, or its format is unknown.
        """
        path = Path(path)
        file = path / "sweep.json"
        if not file.is_file():
            raise RunError(f"{path} is no sweep directory, since it holds no sweep.json; give the --out of 'brianprop sweep'.")
        PointStore(path).inside("sweep.json")
        try:
            plan = read_json(file)
            if plan.get("format") != FORMAT:
                raise RunError(
                    f"{file} has format {reprlib.repr(plan.get('format'))}, but this version reads format {FORMAT}; use the "
                    "version of brianprop that wrote it."
                )
            check_plan(plan)
            for point in plan["points"]:
                upgrade_hidden(plan["system"], point["settings"])
        except (OSError, ValueError) as error:
            raise RunError(
                f"{file} is damaged ({error}); start the same sweep with another --out and move the folder 'points' there."
            ) from error
        return cls(path, plan)

    @property
    def keys(self) -> tuple[str, ...]:
        """Keys of the runs of the sweep, each once."""
        return tuple(dict.fromkeys(point.key for point in self.points))

    @property
    def axes(self) -> tuple[str, ...]:
        """Names of the axes with more than one value, without sample and seed."""
        names = dict.fromkeys(name for point in self.points for name in point.axes if name != SAMPLE)
        return tuple(name for name in names if len({_hashable(point.axes[name]) for point in self.points}) > 1)

    @property
    def sampled(self) -> bool:
        """Whether some axes were sampled."""
        return any(SAMPLE in point.axes for point in self.points)

    def words(self, key: str) -> str:
        """The point of a run as text; see `Point.words`."""
        return self._words[key]

    def status(self) -> Status:
        """The state of every run of the sweep."""
        finished, running, interrupted, waiting, failed = [], [], [], [], {}
        for key in self.keys:
            if self.finished(key).is_dir():
                finished.append(key)
                continue
            begun = self.started(key).exists()
            reason = self.failure(key)
            if begun:
                with self.lock(key, wait=False) as held:
                    (interrupted if held else running).append(key)
            elif reason is not None:
                failed[key] = reason
            else:
                waiting.append(key)
        return Status(tuple(finished), tuple(running), tuple(interrupted), failed, tuple(waiting))

    # failures

    def failure(self, key: str) -> str | None:
        """Why a run failed, or None if it did not."""
        file = self.inside("failures", f"{key}.json")
        try:
            reason = read_json(file).get("reason")
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:
            return f"unknown, since its record cannot be read ({error})"
        # it may quote a compiler, but must not send control characters to a terminal
        return "".join(letter if letter.isprintable() or letter == "\n" else "?" for letter in str(reason))

    def record_failure(self, key: str, failure: Mapping[str, Any]) -> None:
        """Record why a run failed: its ``reason``, and further entries that may help."""
        self._folder("failures")
        text = json.dumps({"point": self.words(key), **failure}, indent=1, ensure_ascii=False) + "\n"
        write_text(self.inside("failures", f"{key}.json"), text)

    def forget_failure(self, key: str) -> None:
        """Remove the record of a failure, if there is one."""
        with contextlib.suppress(OSError):
            self.inside("failures", f"{key}.json").unlink(missing_ok=True)

    # results

    def runs(self) -> dict[str, Run]:
        """Every finished run by its key.

        Raises
        ------
        RunError
            If one is damaged, or one is a copy of another.
        """
        runs = {}
        for key in self.keys:
            if not self.finished(key).is_dir():
                continue
            if fault := self.damage(key):
                raise RunError(
                    f"The run {self.finished(key)} ({self.words(key)}) is damaged, since {fault}; "
                    f"'brianprop sweep resume {self.path}' sets it aside and runs it again."
                )
            runs[key] = Run.open(self.finished(key))
        self._require_no_copies(runs)
        return runs

    def _require_no_copies(self, runs: Mapping[str, Run]) -> None:
        """Make sure that no run was copied to the place of another point: equal runs differ in the times in their metrics."""
        seen: dict[str, str] = {}
        for key, run in runs.items():
            content = json.dumps([run.config, run.metrics()], sort_keys=True)
            if (other := seen.setdefault(content, key)) != key:
                raise RunError(
                    f"{self.finished(other)} and {self.finished(key)} are copies of one run, which counts once; remove the one "
                    f"that is not as 'brianprop sweep' wrote it, and use 'brianprop sweep resume {self.path}'."
                )

    def damage(self, key: str) -> str | None:
        """What is wrong with a finished run: as `PointStore.damage`, and also whether it belongs to another point."""
        fault = super().damage(key)
        if fault is not None or not self.finished(key).is_dir():
            return fault
        if key not in self._fitting:
            try:
                config = Run.open(self.finished(key)).config
                fault = misfit(config, self.plan["system"], self._settings[key], self._data[key])
            except RunError as error:
                return str(error).rstrip(".")
            if fault is None:
                self._fitting.add(key)
        return fault

    def table(self) -> pandas.DataFrame:
        """One row per point whose run is finished, in the order of the sweep.

        Columns: ``point``, the key of the run; ``system``; every axis and every option, without paths; ``seed``; every metric
        after the last epoch as SPLIT_METRIC; ``best_epoch``, the epoch with the best objective on its split; ``objective``;
        ``seconds``, the wall time of learning and answering; and ``commit``, the version of the program.

        Raises
        ------
        RunError
            If a run cannot be read.
        """
        import pandas

        results = {key: results_of(run, self.plan["objective"], self.path) for key, run in self.runs().items()}
        rows = [
            {
                "point": point.key,
                "system": self.plan["system"],
                **{name: cell(value) for name, value in point.axes.items() if name not in point.settings},
                **{name: option_cell(name, value) for name, value in point.settings.items() if name not in (SEED, "data_dir")},
                SEED: point.settings[SEED],
                **results[point.key],
            }
            for point in self.points
            if point.key in results
        ]
        return pandas.DataFrame(rows)

    def places(self, table: pandas.DataFrame) -> pandas.DataFrame:
        """The objective at each place of the sweep over its seeds, the best place first.

        A place with unfinished seeds comes after all complete ones: its finished seeds may be the lucky ones.

        Parameters
        ----------
        table : DataFrame
            As `SweepDirectory.table` gives it.

        Returns
        -------
        DataFrame
            ``place``, as text; ``mean`` and ``sd``, the sample standard deviation, NaN for one seed; ``n``, the number of
            finished seeds; and ``planned``, the number of all seeds of the place.
        """
        import pandas

        scores = {(row["point"], row[SEED]): row["objective"] for _, row in table.iterrows()}
        points_at: dict[str, list[Point]] = {}
        for point in self.points:
            points_at.setdefault(json.dumps(point.axes, sort_keys=True), []).append(point)
        rows = []
        for points in points_at.values():
            values = [scores[at] for point in points if (at := (point.key, point.settings[SEED])) in scores]
            series = pandas.Series(values, dtype=float)
            if values:
                row = {"mean": series.mean(skipna=False), "sd": series.std(ddof=1, skipna=False)}
                rows.append({"place": points[0].place, **row, "n": len(values), "planned": len(points)})
        frame = pandas.DataFrame(rows, columns=["place", "mean", "sd", "n", "planned"])
        sign = 1 if self.plan["objective"]["metric"] == "loss" else -1
        ranked = frame.assign(lacks=frame.n < frame.planned, worth=sign * frame["mean"])
        order = ranked.sort_values(["lacks", "worth"], kind="stable")
        return frame.loc[order.index].reset_index(drop=True)

    def dataset(self) -> xarray.Dataset:
        """The metrics of `table` with named dimensions: one for each axis, or ``sample`` for sampled axes, and ``seed``.

        Points that are not finished are NaN.

        Raises
        ------
        RunError
            If xarray is not installed, nothing is finished, or a run cannot be read.
        """
        try:
            import xarray  # noqa: F401  DataFrame.to_xarray needs it
        except ImportError as error:
            raise RunError("xarray is not installed; use pip install 'brianprop[xarray]'.") from error
        frame = self.table()
        if frame.empty:
            raise RunError(f"No point of {self.path} is finished; use 'brianprop sweep resume {self.path}'.")
        drawn = self._drawn
        crossed = [name for name in self.axes if name not in drawn]
        index = [*crossed, *([SAMPLE] if self.sampled else []), SEED]
        metrics = [name for name in frame if name.startswith(("train_", "validation_", "test_"))]
        dataset = frame.set_index(index)[[*metrics, "best_epoch", "objective", "seconds"]].to_xarray()
        if drawn:
            places = frame.drop_duplicates(SAMPLE).set_index(SAMPLE)
            dataset = dataset.assign_coords({name: (SAMPLE, places.loc[dataset[SAMPLE].values, name]) for name in drawn})
        commits = sorted({str(commit) for commit in frame["commit"]})
        return dataset.assign_attrs(system=self.plan["system"], commit=", ".join(commits), **self.plan["objective"])

    @property
    def _drawn(self) -> list[str]:
        """Names of the sampled axes."""
        described = self.plan["sweep"]["axes"]
        return [name for name in self.axes if described[name]["sampled"]]


def _precedes_plan(name: str) -> bool:
    """Whether a file of this name may lie in a sweep directory before sweep.json does."""
    return name == "locks" or name.startswith(".")


def _hashable(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value
