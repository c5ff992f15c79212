"""A run directory without its arrays: configuration, environment, lock and metrics. See `analysis.runs.run` for the layout."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from brianprop.analysis.runs import checks
from brianprop.analysis.runs.json_files import RESTORE, Section, read_json
from brianprop.analysis.runs.lock import locked
from brianprop.analysis.runs.metrics import read_metrics, write_json_lines, write_metrics
from brianprop.analysis.runs.older import upgrade_hidden
from brianprop.analysis.runs.vacancy import require_vacant
from brianprop.analysis.runs.values import from_json
from brianprop.analysis.systems import SYSTEMS
from brianprop.models.errors import ParameterError, RunError, reason
from brianprop.models.files import cannot_write, write_text

if TYPE_CHECKING:
    import pandas

__all__ = ["FORMAT", "RunDirectory"]

#: Version of the layout of a run directory; a reader refuses any other.
FORMAT = 1


class RunDirectory:
    """What every run directory has; use `analysis.runs.run.Run`, which adds the arrays."""

    def __init__(self, path: Path, config: dict, environment: dict):
        self.path = path
        self.config = Section(config, path / "config.json")
        self.environment = environment

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str(self.path)!r})"

    @classmethod
    def create(cls, path: str | os.PathLike, config: dict, environment: dict) -> Self:
        """Make a run directory, with its parents.

        Parameters
        ----------
        path : path-like
            A path that does not exist yet, or an empty folder.
        config, environment : dict
            What JSON can hold; the format number is added to `config`.

        Raises
        ------
        RunError
            If the path exists and is not an empty folder, or cannot be written.
        """
        path = Path(path)
        require_vacant(path)
        try:
            path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise cannot_write(path, error) from error
        run = cls(path, {"format": FORMAT, **config}, dict(environment))
        with run.lock():
            require_vacant(path)  # again: another process may have been quicker
            run._write_json("environment.json", run.environment)
            run._write_json("config.json", run.config)
        return run

    @classmethod
    def open(cls, path: str | os.PathLike) -> Self:
        """Open an existing run directory.

        Raises
        ------
        RunError
            If there is no such folder, it cannot be read, it holds no run, its format is unknown, or a JSON file is damaged
            or holds an impossible value.
        """
        path = Path(path)
        try:
            is_folder, is_run = path.is_dir(), (path / "config.json").is_file()
        except OSError as error:
            raise RunError(f"{path} cannot be read ({reason(error)}); give a run directory that you may read.") from error
        if not is_folder:
            raise RunError(f"There is no run directory {path}; give the folder that 'brianprop train --out' made.")
        if not is_run:
            raise RunError(
                f"{path} is no run directory, since it holds no config.json; give the folder that 'brianprop train --out' made."
            )
        config = read_json(path / "config.json")
        if config.get("format") != FORMAT:
            raise RunError(
                f"{path / 'config.json'} has format {config.get('format')!r}, but this version reads format {FORMAT}; "
                f"use the version of brianprop that wrote the run."
            )
        upgrade_hidden(config.get("system"), config.get("parameters"))
        environment = path / "environment.json"
        run = cls(path, config, read_json(environment) if environment.is_file() else {})
        if not isinstance(run.environment.get("versions", {}), dict):
            raise RunError(f"{environment} holds versions that are no JSON object; {RESTORE}.")
        _ = run.system  # raises RunError if it is unknown
        checks.require_entries(run.config, path / "config.json")
        if "parameters" in run.config:
            checks.require_sizes(run.config, path / "config.json", run.parameters())
        return run

    def lock(self) -> AbstractContextManager[None]:
        """Hold the run for writing, see `analysis.runs.lock.locked`."""
        return locked(self.path)

    @property
    def system(self) -> str:
        """The system that was trained, a key of `analysis.systems.SYSTEMS`.

        Raises
        ------
        RunError
            If this version does not know it.
        """
        system = self.config.get("system")
        if not isinstance(system, str) or system not in SYSTEMS:
            raise RunError(
                f"{self.path / 'config.json'} names the system {checks.shown(system)}, but this version knows "
                f"{', '.join(SYSTEMS)}; use the version that wrote it."
            )
        return system

    def parameters(self) -> Any:
        """The parameters of the run as an instance of its system's dataclass.

        Raises
        ------
        RunError
            If the configuration lacks parameters, or has one that the system does not know or whose value it refuses.
        """
        file = self.path / "config.json"
        try:
            values = {name: from_json(value) for name, value in self.config["parameters"].items()}
            return SYSTEMS[self.system].parameters(**values)
        except (TypeError, KeyError, AttributeError) as error:
            raise RunError(f"{file} does not fit this version ({error}); use the version that wrote it.") from error
        except ParameterError as error:
            raise RunError(f"{file} holds what cannot be right: {error}") from error

    @property
    def epochs(self) -> int:
        """Number of epochs that the training shall have."""
        return self.config["training"]["epochs"]

    @property
    def scored_epochs(self) -> int:
        """Number of epochs, counted from the first without a gap, of which metrics.csv has the rows of all splits.

        Raises
        ------
        RunError
            If metrics.csv is damaged.
        """
        dataset = self.config.get("dataset", {})
        splits = {"train"} | {name for name, n in (("validation", "validation"), ("test", "test_samples")) if dataset.get(n)}
        scored: dict[int, set[str]] = {}
        for row in self.metrics():
            scored.setdefault(row["epoch"], set()).add(row["split"])
        epoch = 0
        while splits <= scored.get(epoch + 1, set()):
            epoch += 1
        return epoch

    def append_metrics(self, rows: list[dict]) -> None:
        """Add rows to metrics.csv.

        Numbers are written in full precision, so equal runs give equal files but for the column ``seconds``.

        Parameters
        ----------
        rows : list of dict
            Each with the `analysis.systems.system.System.columns` as keys.

        Raises
        ------
        ValueError
            If a row has other keys.
        RunError
            If the present file is damaged or the new one cannot be written.
        """
        columns = SYSTEMS[self.system].columns
        for row in rows:
            if set(row) != set(columns):
                raise ValueError(f"a row of metrics has the columns {sorted(row)} instead of {sorted(columns)}")
        self._write_metrics(self.metrics() + rows)

    def metrics(self) -> list[dict]:
        """Rows of metrics.csv with typed values; an empty list if there is none yet.

        Raises
        ------
        RunError
            If the file is damaged.
        """
        path, columns = self.path / "metrics.csv", SYSTEMS[self.system].columns
        if not path.is_file():
            return []
        remedy = f"remove it and use 'brianprop resume {self.path}', which trains again what it lacks"
        return read_metrics(path, columns, remedy)

    def metrics_frame(self) -> pandas.DataFrame:
        """Metrics as a table, one row per epoch and split."""
        import pandas

        return pandas.DataFrame(self.metrics(), columns=list(SYSTEMS[self.system].columns))

    def truncate_metrics(self, epoch: int) -> None:
        """Drop the rows of epochs after `epoch`.

        A run killed between its metrics and its checkpoint repeats the epoch; its rows must not stand twice.
        """
        rows = self.metrics()
        kept = [row for row in rows if row["epoch"] <= epoch]
        if len(kept) < len(rows):
            self._write_metrics(kept)

    def _write_metrics(self, rows: list[dict]) -> None:
        write_metrics(self.path / "metrics.csv", SYSTEMS[self.system].columns, rows)
        write_json_lines(self.path / "metrics.jsonl", rows)

    def _write_json(self, name: str, value: Mapping) -> None:
        write_text(self.path / name, json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n")
