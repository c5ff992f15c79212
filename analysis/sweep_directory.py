"""The sweep directory: what a sweep leaves on disk, read and written in this one place.

::

    SWEEP/
      sweep.json          what the sweep is and all its points, each with the key of its run
      points/KEY/         finished runs (see `analysis.runs`), each with point.json: the digests of its files
      unfinished/KEY/     runs that are being written, or were when something was killed
      failures/KEY.json   why a run has failed, until it succeeds
      damaged/            finished runs that were found damaged, out of the way of new ones
      locks/              one file per run, held by the process that writes it; sweep.lock
      table.csv           one row per point (table.parquet too where pyarrow is installed)
      figures/            made by `analysis.responses`

A key is made of all that decides a run, so equal points share one run, and a run that is finished is never repeated. A run
moves to ``points`` in one step when it is whole: what lies there was not changed since, or can be seen to have been.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import math
import os
import shutil
import tarfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from analysis.groups import joined
from analysis.runs import INFINITE, Run, cannot_write, write_text
from models.errors import RunError

if TYPE_CHECKING:
    import pandas
    import xarray

__all__ = ["FORMAT", "SAMPLE", "SEED", "PointEntry", "PointStore", "Status", "SweepDirectory", "cell", "short"]

#: Version of the layout above; a reader refuses any other.
FORMAT = 1

#: Axes that every sweep may have besides those of its parameters.
SAMPLE, SEED = "sample", "seed"

MANIFEST = "point.json"


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

    def finished(self, key: str) -> Path:
        """Where the run is when it is finished."""
        return self.path / "points" / key

    def unfinished(self, key: str) -> Path:
        """Where it is until then."""
        return self.path / "unfinished" / key

    def started(self, key: str) -> Path:
        """A file that is there while the run is written, and after a kill."""
        return self.path / "unfinished" / f"{key}.started"

    @contextlib.contextmanager
    def lock(self, key: str, wait: bool = True) -> Iterator[bool]:
        """Hold a run for writing; ends with the block or with the process. Gives whether it is held: not where `wait` is off
        and another process holds it."""
        from filelock import FileLock, Timeout

        self._folder("locks")
        lock = FileLock(self.path / "locks" / f"{key}.lock", timeout=-1 if wait else 0, is_singleton=False)
        try:
            lock.acquire()
        except Timeout:
            yield False
            return
        except OSError as error:
            raise cannot_write(self.path / "locks" / f"{key}.lock", error) from error
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
            manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
            expected = dict(manifest["sha256"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            return f"{MANIFEST} cannot be read ({error})"
        if manifest.get("key") != key:
            return f"{MANIFEST} is that of {manifest.get('key')!r}"
        # from before they are read: what is written meanwhile counts as written since
        states = [_state(folder / name) for name in (MANIFEST, *expected)]
        if states == self._whole.get(key):
            return None
        for name, digest in expected.items():
            try:
                found = hashlib.sha256((folder / name).read_bytes()).hexdigest()
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
        folder = self.path / name
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
        if store.path.is_dir() and not (store.path / "sweep.json").exists():
            strange = [entry.name for entry in store.path.iterdir() if entry.name != "locks" and not entry.name.startswith(".")]
            if strange:
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
        try:
            plan = json.loads(place.read_text(encoding="utf-8"))
            if plan["format"] != FORMAT:
                raise RunError(
                    f"{place} has format {plan['format']!r}, but this version reads format {FORMAT}; use the version of "
                    "brianprop that wrote it."
                )
            return cls(path, plan)
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise RunError(
                f"{place} is damaged ({error!r}); start the same sweep with another --out and move the folder 'points' there."
            ) from error

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
        try:
            return str(json.loads((self.path / "failures" / f"{key}.json").read_text(encoding="utf-8"))["reason"])
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError) as error:
            return f"unknown, since its record cannot be read ({error})"

    def record_failure(self, key: str, failure: Mapping[str, Any]) -> None:
        """Keep why a run has failed: ``reason``, and what else may help."""
        self._folder("failures")
        text = json.dumps({"point": self.words(key), **failure}, indent=1, ensure_ascii=False) + "\n"
        write_text(self.path / "failures" / f"{key}.json", text)

    def forget_failure(self, key: str) -> None:
        """Remove the record of a failure, if there is one."""
        with contextlib.suppress(OSError):
            (self.path / "failures" / f"{key}.json").unlink(missing_ok=True)

    # results

    def runs(self) -> dict[str, Run]:
        """Every finished run by its key.

        Raises
        ------
        RunError
            If one is damaged.
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
        return found

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
        best = (min if objective["metric"] == "loss" else max)(course, key=course.get)
        return found | {
            "best_epoch": best,
            "objective": course[last if objective["epoch"] == "last" else best],
            "seconds": math.fsum(row["seconds"] for row in rows),
            "commit": run.environment.get("commit"),
        }


def _digests(folder: Path) -> dict[str, str]:
    """SHA-256 of every file of a run, by its path in it; without what was not forced to disk as part of it."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
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
