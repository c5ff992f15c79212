"""The sweep directory: what a sweep leaves on disk, read and written in this one place.

::

    SWEEP/
      sweep.json          what the sweep is and all its points, each with the key of its run
      points/KEY/         finished runs (see `analysis.runs.run`), each with point.json: the digests of its files
      unfinished/KEY/     runs that are being written, or were when something was killed
      failures/KEY.json   why a run has failed, until it succeeds
      damaged/            finished runs that were found damaged, out of the way of new ones
      locks/              one file per run, held by the process that writes it; sweep.lock
      table.csv           one row per point (table.parquet too where pyarrow is installed)
      figures/            made by `analysis.figures.sweep`

A key is made of all that decides a run, so equal points share one run, and a run that is finished is never repeated. A run
moves to ``points`` in one step when it is whole: what lies there was not changed since, or can be seen to have been.

A sweep directory may come from somebody else. All that is read of it is checked, no name in it leads out of it, and symbolic
links in it are refused.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import math
import os
import reprlib
import shutil
import tarfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from brianprop.analysis.groups import joined
from brianprop.analysis.runs.run import INFINITE, Run
from brianprop.analysis.runs.sweep_plan import SAMPLE, SEED, check_plan, misfit, read_json
from brianprop.models.errors import RunError
from brianprop.models.files import cannot_write, write_text

if TYPE_CHECKING:
    import pandas
    import xarray

__all__ = [
    "FORMAT",
    "SAMPLE",
    "SEED",
    "PointEntry",
    "PointStore",
    "Status",
    "SweepDirectory",
    "cell",
    "has_links",
    "report",
    "short",
]

#: Version of the layout above; a reader refuses any other.
FORMAT = 1

MANIFEST = "point.json"

#: What every finished run has.
ESSENTIAL = ("config.json", "metrics.csv")


@dataclass(frozen=True)
class PointEntry:
    """One point of a sweep.

    Attributes
    ----------
    key : str
        Name of its run.
    axes : dict
        Its place: a value for each axis.
    settings : dict
        Every option of its run, as JSON holds them.
    """

    key: str
    axes: Mapping[str, Any]
    settings: Mapping[str, Any]

    @property
    def place(self) -> str:
        """Its place on the axes as text, without the seed."""
        return ", ".join(f"{name} = {short(value)}" for name, value in self.axes.items())

    @property
    def words(self) -> str:
        """Its place as text."""
        places = {name: value for name, value in self.axes.items() if name != SAMPLE} | {SEED: self.settings[SEED]}
        return ", ".join(f"{name} = {short(value)}" for name, value in places.items())


@dataclass(frozen=True)
class Status:
    """How far a sweep is; keys of runs, each in the order of the points.

    Attributes
    ----------
    finished, waiting : tuple of str
    running : tuple of str
        Written by a process of this machine, or of one that shares its locks.
    interrupted : tuple of str
        Begun, and given up without a word: killed.
    failed : dict of str
        The reason by key.
    """

    finished: tuple[str, ...]
    running: tuple[str, ...]
    interrupted: tuple[str, ...]
    failed: Mapping[str, str]
    waiting: tuple[str, ...]


class PointStore:
    """Runs by key: finished ones and those that are being written.

    Parameters
    ----------
    path : path-like
        A sweep directory, or a folder of a machine that has no access to it.
    """

    def __init__(self, path: str | os.PathLike):
        self.path = Path(path)
        # of each run that was found whole, what its files were then: hashing thousands takes a while
        self._whole: dict[str, list[tuple[int, ...]]] = {}

    def inside(self, *names: str) -> Path:
        """A path in this folder. Raises RunError if a part of it is a symbolic link."""
        place = self.path
        for name in names:
            place = place / name
            if place.is_symlink():
                raise RunError(
                    f"{place} is a symbolic link, which may lead out of the sweep directory; remove it, or replace it by what "
                    "it leads to."
                )
        return place

    def finished(self, key: str) -> Path:
        """Where the run is when it is finished."""
        return self.inside("points", key)

    def unfinished(self, key: str) -> Path:
        """Where it is until then."""
        return self.inside("unfinished", key)

    def started(self, key: str) -> Path:
        """A file that is there while the run is written, and after a kill."""
        return self.inside("unfinished", f"{key}.started")

    @contextlib.contextmanager
    def lock(self, key: str, wait: bool = True) -> Iterator[bool]:
        """Hold a run for writing; ends with the block or with the process. Gives whether it is held: not where `wait` is off
        and another process holds it."""
        from filelock import FileLock, Timeout

        self._folder("locks")
        place = self.inside("locks", f"{key}.lock")
        lock = FileLock(place, timeout=-1 if wait else 0, is_singleton=False)
        try:
            lock.acquire()
        except Timeout:
            yield False
            return
        except OSError as error:
            raise cannot_write(place, error) from error
        try:
            yield True
        finally:
            lock.release()

    @contextlib.contextmanager
    def attempt(self, key: str) -> Iterator[bool]:
        """Mark that a run, whose lock is held, is written in this block; gives whether an earlier attempt was killed."""
        folder, mark = self._folder("unfinished"), self.started(key)
        try:
            killed = mark.exists()
            mark.touch()
        except OSError as error:
            raise cannot_write(folder, error) from error
        try:
            yield killed
        finally:
            mark.unlink(missing_ok=True)

    def commit(self, key: str) -> None:
        """Make an unfinished run, whose lock is held, a finished one, in one step.

        Raises
        ------
        RunError
            If it cannot be written.
        """
        folder, place = self.unfinished(key), self.finished(key)
        manifest = {"format": FORMAT, "key": key, "sha256": _digests(folder)}
        text = json.dumps(manifest, indent=1) + "\n"
        write_text(folder / MANIFEST, text)
        self._folder("points")
        try:
            os.replace(folder, place)
        except OSError as error:
            raise cannot_write(place, error) from error

    def damage(self, key: str) -> str | None:
        """What is wrong with a finished run, in a few words; None where it is whole, and where there is none.

        Its files must be those that were committed; what was added later, such as figures, does not matter. A run that this
        object has found whole is hashed again only where one of its files was written since.
        """
        folder = self.finished(key)
        if not os.path.lexists(folder):
            return None
        try:
            manifest = read_json(folder / MANIFEST)
            expected = _digests_of(manifest)
        except (OSError, ValueError) as error:
            return f"{MANIFEST} cannot be read ({error})"
        if manifest.get("key") != key:
            return f"{MANIFEST} is that of {reprlib.repr(manifest.get('key'))}"
        for name in expected:
            if what := _irregular(folder, name):
                return what
        # from before they are read: what is written meanwhile counts as written since
        states = [_state(folder / name) for name in (MANIFEST, *expected)]
        if states == self._whole.get(key):
            return None
        for name, digest in expected.items():
            try:
                found = _digest(folder / name)
            except OSError as error:
                return f"{name} cannot be read ({error.strerror})"
            if found != digest:
                return f"{name} has changed"
        self._whole[key] = states
        return None

    def set_aside(self, key: str) -> Path:
        """Move a damaged run, whose lock is held, out of the way; gives its new place."""
        folder = self._folder("damaged")
        number = 0
        while os.path.lexists(place := folder / f"{key}-{number}"):
            number += 1
        try:
            os.replace(self.finished(key), place)
        except OSError as error:
            raise cannot_write(place, error) from error
        return place

    def pack(self, key: str) -> bytes:
        """A finished run as a tar file."""
        text = io.BytesIO()
        with tarfile.open(fileobj=text, mode="w") as archive:
            archive.add(self.finished(key), arcname=".")
        return text.getvalue()

    def take(self, key: str, archive: bytes) -> None:
        """Make what `pack` gave elsewhere a finished run here, whose lock is held.

        Raises
        ------
        RunError
            If it arrived damaged or cannot be written.
        """
        self._folder("unfinished")
        folder = self.unfinished(key)
        shutil.rmtree(folder, ignore_errors=True)
        try:
            with tarfile.open(fileobj=io.BytesIO(archive)) as files:
                files.extraction_filter = getattr(tarfile, "data_filter", None)  # Python 3.11.4 brought filters
                files.extractall(folder)
        except OSError as error:
            raise cannot_write(folder, error) from error
        except tarfile.TarError as error:
            raise RunError(f"The run {key} arrived damaged ({error}); use 'brianprop sweep resume {self.path}'.") from error
        self.commit(key)

    def _folder(self, name: str) -> Path:
        folder = self.inside(name)
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise cannot_write(folder, error) from error
        return folder


class SweepDirectory(PointStore):
    """A sweep directory; use `SweepDirectory.create` and `SweepDirectory.open`.

    Attributes
    ----------
    path : pathlib.Path
    plan : dict
        What sweep.json holds: ``sweep`` as it was described, ``objective``, ``system``, an ``id`` and the ``points``.
    points : tuple of PointEntry
    """

    def __init__(self, path: Path, plan: dict):
        super().__init__(path)
        self.plan = plan
        self.points = tuple(PointEntry(entry["key"], entry["axes"], entry["settings"]) for entry in plan["points"])
        self._words = {point.key: point.words for point in reversed(self.points)}
        self._settings = {point.key: point.settings for point in self.points}
        self._data = {entry["key"]: entry["data"] for entry in plan["points"]}
        self._fitting: set[str] = set()  # keys of runs that were found to be those of their points

    @classmethod
    def create(cls, path: str | os.PathLike, plan: dict) -> SweepDirectory:
        """Make a sweep directory, or give an existing one that holds this sweep or a part of it.

        Parameters
        ----------
        path : path-like
            A path that does not exist yet, an empty folder, or a sweep directory.
        plan : dict
            Without format and id.

        Raises
        ------
        RunError
            If the folder holds something else, or a point that the plan has not; or cannot be written.
        """
        store = PointStore(path)
        try:
            strange = [] if not store.path.is_dir() else [name for name in os.listdir(store.path) if not _own_to_start(name)]
        except OSError as error:
            raise cannot_write(store.path, error) from error
        # in this order: another sweep may have made it meanwhile
        if strange and not (store.path / "sweep.json").is_file():
            raise RunError(f"{store.path} exists already and is no sweep (it holds {strange[0]}); choose another --out.")
        with store.lock("sweep"):
            identity = hashlib.sha256(os.urandom(16)).hexdigest()[:16]
            if (store.path / "sweep.json").exists():
                old = cls.open(path)
                kept = {entry["key"] for entry in plan["points"]}
                lost = [point for point in old.points if point.key not in kept]
                if lost:
                    raise RunError(
                        f"{store.path} holds another sweep, with a point {lost[0].words} that this one has not; choose another "
                        f"--out, or use 'brianprop sweep resume {store.path}' to go on with that one."
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
        place = path / "sweep.json"
        if not place.is_file():
            raise RunError(f"{path} is no sweep directory, since it holds no sweep.json; give the --out of 'brianprop sweep'.")
        PointStore(path).inside("sweep.json")
        try:
            plan = read_json(place)
            if plan.get("format") != FORMAT:
                raise RunError(
                    f"{place} has format {reprlib.repr(plan.get('format'))}, but this version reads format {FORMAT}; use the "
                    "version of brianprop that wrote it."
                )
            check_plan(plan)
        except (OSError, ValueError) as error:
            raise RunError(
                f"{place} is damaged ({error}); start the same sweep with another --out and move the folder 'points' there."
            ) from error
        return cls(path, plan)

    @property
    def keys(self) -> tuple[str, ...]:
        """The runs of the sweep, each once."""
        return tuple(dict.fromkeys(point.key for point in self.points))

    @property
    def axes(self) -> tuple[str, ...]:
        """Names of the axes that have more than one value, without sample and seed."""
        names = dict.fromkeys(name for point in self.points for name in point.axes if name != SAMPLE)
        return tuple(name for name in names if len({_hashable(point.axes[name]) for point in self.points}) > 1)

    @property
    def sampled(self) -> bool:
        """Whether some axes were sampled."""
        return any(SAMPLE in point.axes for point in self.points)

    def words(self, key: str) -> str:
        """Where a run lies, as text."""
        return self._words[key]

    def status(self) -> Status:
        """Look at every run of the sweep."""
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
        """Why a run has failed; None where it has not."""
        place = self.inside("failures", f"{key}.json")
        try:
            reason = read_json(place).get("reason")
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:
            return f"unknown, since its record cannot be read ({error})"
        # it may hold what a compiler said, but no commands to a terminal
        return "".join(letter if letter.isprintable() or letter == "\n" else "?" for letter in str(reason))

    def record_failure(self, key: str, failure: Mapping[str, Any]) -> None:
        """Keep why a run has failed: ``reason``, and what else may help."""
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
            If one is damaged, or two are copies of one run.
        """
        found = {}
        for key in self.keys:
            if not self.finished(key).is_dir():
                continue
            if what := self.damage(key):
                raise RunError(
                    f"The run {self.finished(key)} ({self.words(key)}) is damaged, since {what}; "
                    f"'brianprop sweep resume {self.path}' sets it aside and runs it again."
                )
            found[key] = Run.open(self.finished(key))
        self._require_no_copies(found)
        return found

    def _require_no_copies(self, runs: Mapping[str, Run]) -> None:
        """Make sure that no run stands for two points; the times in its metrics tell two runs apart, however equal they are."""
        seen: dict[str, str] = {}
        for key, run in runs.items():
            content = json.dumps([run.config, run.metrics()], sort_keys=True)
            if (other := seen.setdefault(content, key)) != key:
                raise RunError(
                    f"{self.finished(other)} and {self.finished(key)} are copies of one run, which counts once; remove the one "
                    f"that is not as 'brianprop sweep' wrote it, and use 'brianprop sweep resume {self.path}'."
                )

    def damage(self, key: str) -> str | None:
        """What is wrong with a finished run: as `PointStore.damage`, and where it is that of another point."""
        what = super().damage(key)
        if what is not None or not self.finished(key).is_dir():
            return what
        if key not in self._fitting:
            try:
                config = Run.open(self.finished(key)).config
                what = misfit(config, self.plan["system"], self._settings[key], self._data[key])
            except RunError as error:
                return str(error).rstrip(".")
            if what is None:
                self._fitting.add(key)
        return what

    def table(self) -> pandas.DataFrame:
        """One row per point whose run is finished, in the order of the sweep.

        Columns: ``point``, the key of the run; ``system``; every axis and every option, without paths; ``seed``; every metric
        after the last epoch as SPLIT_METRIC; ``best_epoch``, that with the best objective on its split; ``objective``;
        ``seconds``, the wall time of learning and answering; and ``commit``, that of the program.

        Raises
        ------
        RunError
            If a run cannot be read.
        """
        import pandas

        found = self.runs()
        results = {key: self._results(run) for key, run in found.items()}
        rows = [
            {
                "point": point.key,
                "system": self.plan["system"],
                **{name: cell(value) for name, value in point.axes.items() if name not in point.settings},
                **{name: cell(_name(name, value)) for name, value in point.settings.items() if name not in (SEED, "data_dir")},
                SEED: point.settings[SEED],
                **results[point.key],
            }
            for point in self.points
            if point.key in results
        ]
        return pandas.DataFrame(rows)

    def places(self, table: pandas.DataFrame) -> pandas.DataFrame:
        """The objective at each place of the sweep over its seeds, the best place first.

        A place that lacks seeds comes after all that have theirs: of few seeds the luckiest may be left.

        Parameters
        ----------
        table : DataFrame
            Of `table`.

        Returns
        -------
        DataFrame
            ``place``, as text; ``mean`` and ``sd``, the sample standard deviation, NaN for one seed; ``n``, the number of seeds
            that they are of; and ``planned``, that of the seeds of the sweep there.
        """
        import pandas

        scores = {(row["point"], row[SEED]): row["objective"] for _, row in table.iterrows()}
        found: dict[str, list[PointEntry]] = {}
        for point in self.points:
            found.setdefault(json.dumps(point.axes, sort_keys=True), []).append(point)
        rows = []
        for points in found.values():
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
        """The metrics of the `table` with named axes: one for each axis of the sweep or for its samples, and one for the seeds.

        What is not finished is NaN.

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
        """Axes that were sampled."""
        described = self.plan["sweep"]["axes"]
        return [name for name in self.axes if described[name]["sampled"]]

    def _results(self, run: Run) -> dict[str, Any]:
        objective, rows = self.plan["objective"], run.metrics()
        if not rows:
            raise RunError(
                f"{run.path} has no finished epoch; 'brianprop sweep resume {self.path}' runs what is damaged again."
            )
        last = max(row["epoch"] for row in rows)
        found = {
            f"{row['split']}_{name}": value
            for row in rows
            if row["epoch"] == last
            for name, value in row.items()
            if name not in ("epoch", "split", "samples", "seconds")
        }
        course = {row["epoch"]: row[objective["metric"]] for row in rows if row["split"] == objective["split"]}
        if not course:
            raise RunError(
                f"{run.path} has no scores of the split {objective['split']}, which the objective is of; sweep with another "
                "objective."
            )
        # of equal ones the first; what is not a number is never the best
        known = {epoch: value for epoch, value in course.items() if not math.isnan(value)} or course
        best = (min if objective["metric"] == "loss" else max)(known, key=known.get)
        if last not in course:
            raise RunError(f"{run.path} has no scores of the split {objective['split']} after its epoch {last}; run it again.")
        return found | {
            "best_epoch": best,
            "objective": course[last if objective["epoch"] == "last" else best],
            "seconds": math.fsum(row["seconds"] for row in rows),
            "commit": run.environment.get("commit"),
        }


#: Places that `report` lists.
LISTED = 5


def report(directory: SweepDirectory) -> Iterator[str]:
    """How far a sweep is, in lines: counts, what was interrupted, has failed or is damaged, and the best places.

    Raises
    ------
    RunError
        If a run cannot be read.
    """
    status = directory.status()
    for name in ("finished", "running", "interrupted", "failed", "waiting"):
        yield f"{name:12} {len(getattr(status, name))}"
    for key in status.interrupted:
        yield f"interrupted  {directory.words(key)}"
    for key, reason in status.failed.items():
        yield f"failed       {directory.words(key)}: {reason}"
    damaged = {key: what for key in status.finished if (what := directory.damage(key))}
    for key, what in damaged.items():
        yield f"damaged      {directory.words(key)}: {what}; 'brianprop sweep resume {directory.path}' runs it again"
    if not status.finished or damaged:
        return
    objective = directory.plan["objective"]
    yield f"{'best places':12} {objective['split']} {objective['metric']}, mean over seeds ± standard deviation"
    places = directory.places(directory.table())
    complete, lacking = places[places.n == places.planned][:LISTED], places[places.n < places.planned]
    # beside the best complete ones at least one that lacks seeds
    shown = [*complete.itertuples(), *lacking[: max(1, LISTED - len(complete))].itertuples()]
    for number, row in enumerate(shown, 1):
        spread = f" ± {row.sd:.4g}" if row.n > 1 else ""
        lacks = f"incomplete, {row.n} of {row.planned}" if row.n < row.planned else str(row.n)
        yield f"{number:<12} {row.mean:.4g}{spread} (n = {lacks}){f' at {row.place}' if row.place else ''}"


def _digests_of(manifest: Mapping[str, Any]) -> dict[str, str]:
    """The digests of the files of a run by their path in it. Raises ValueError with a few words."""
    digests = manifest.get("sha256")
    if not isinstance(digests, dict) or not all(isinstance(digest, str) for digest in digests.values()):
        raise ValueError("sha256 must be an object of digests")
    for name in digests:
        if not name.isprintable() or os.path.isabs(name) or not {"", ".", ".."}.isdisjoint(name.split("/")):
            raise ValueError(f"the name {reprlib.repr(name)} leads out of the run")
    if missing := [name for name in ESSENTIAL if name not in digests]:
        raise ValueError(f"it does not name {missing[0]}")
    return digests


def _irregular(folder: Path, name: str) -> str | None:
    """What keeps a file of a run from being read: it is missing, or it or a folder above it is a link or no file."""
    place = folder
    for part in name.split("/"):
        place = place / part
        if place.is_symlink():
            return f"{place.relative_to(folder)} is a symbolic link"
    if not os.path.lexists(place):
        return f"{name} cannot be read (No such file or directory)"
    return None if place.is_file() else f"{name} is no regular file"


def has_links(folder: Path) -> bool:
    """Whether a folder, or anything below it, is a symbolic link."""
    return folder.is_symlink() or any(path.is_symlink() for path in folder.rglob("*"))


def _own_to_start(name: str) -> bool:
    """Whether a file may be in a sweep directory before its plan is."""
    return name == "locks" or name.startswith(".")


def _digest(path: Path) -> str:
    """SHA-256 of a file, of any size."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _digests(folder: Path) -> dict[str, str]:
    """SHA-256 of every file of a run, by its path in it; without what was not forced to disk as part of it."""
    return {
        str(path.relative_to(folder)): _digest(path)
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name not in ("lock", MANIFEST)
    }


def _state(path: Path) -> tuple[int, ...]:
    """What of a file changes when it is written or replaced; empty where there is none."""
    try:
        found = path.stat()
    except OSError:
        return ()
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns


def _name(option: str, value: Any) -> Any:
    """An option without the path of a machine: a table may be published."""
    return Path(value).name if option in ("dataset", "init_weights") and value else value


def cell(value: Any) -> Any:
    """A value as a cell of a table: sizes of several layers as 200-100."""
    if isinstance(value, list):
        return joined(value)
    return math.inf if value == INFINITE else value


def _hashable(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def short(value: Any) -> str:
    """A value as text."""
    return f"{value:.4g}" if isinstance(value, float) else str(cell(value))
