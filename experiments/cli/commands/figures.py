"""Commands that show runs: ``figures``, ``compare``, ``table``, ``energy``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import tyro

from brianprop.analysis.energy.chip import CORES

__all__ = ["Compare", "Energy", "Figures", "Table"]


@dataclass(frozen=True)
class Figures:
    """Draw the figures of one run, and the accuracy of several: mean over seeds, and other systems and settings beside."""

    runs: tyro.conf.Positional[tuple[Path, ...]]
    """Run directories; the first gives all figures but that of the accuracy."""
    out: Path | None = None
    """Folder for the figures (default: figures in the first run directory)."""
    raster: bool = False
    """Draw nothing but the raster."""
    film: bool = False
    """Draw a film of one turn through the circuit of nBP, phase by phase (film.gif), and nothing else but what is asked for."""
    populations: tuple[str, ...] = ()
    """Populations of the raster, from top to bottom, such as h o d1 (default: all). Of SSNN-BP, layers such as hidden1."""
    turns: str | None = None
    """Turns of the raster: 21:24 for 21, 22 and 23, as Python counts, or one number (default: turns with errors)."""
    phases: str | None = None
    """Phases of the turns in the raster, such as 2:7 (default: all). Of SSNN-BP, time steps of a turn."""

    def __call__(self) -> None:
        from brianprop.analysis.figures.draw import draw
        from brianprop.analysis.figures.selection import Selection, span_of

        selection = Selection(self.populations or None, span_of(self.turns, "turns"), span_of(self.phases, "phases"))
        chosen = None if selection == Selection() else selection
        only = [name for name, wanted in (("raster", self.raster), ("film", self.film)) if wanted]
        for path in draw(list(self.runs), self.out, chosen, only):
            print(path)


@dataclass(frozen=True)
class Compare:
    """Compare runs of different systems and settings on one data set: statistics, and figures over many runs of SSNN-BP.

    Written to --out:
    accuracy.md and .csv, mean, spread and confidence interval over seeds of each kind of runs;
    pairs.md and .csv, every kind against every other over the seeds that both have: Student's paired t, Wilcoxon, effect size;
    mcnemar.csv, the same over the test images, by McNemar; it is in pairs.md too;
    compare.csv, a row for each run with all its values;
    and as PNG and PDF, for runs of SSNN-BP with those of the ANN as a band:
    length, the accuracy against the number T of time steps;
    activity, the spikes and weight updates per sample against T, from the first samples of one epoch;
    step, the accuracy against the size of an update and against the number of levels of a weight.
    A figure that would show fewer than two values is left out. Runs that differ in more than the seed get lines of their own.
    """

    runs: tyro.conf.Positional[tuple[Path, ...]]
    """Run directories, finished ones."""
    out: Path
    """Folder for the figures."""
    split: Literal["train", "validation", "test"] = "test"
    """Images for the accuracy after the last epoch."""
    baseline: Path | None = None
    """One of the runs: compare all other kinds of runs with its kind only (default: all with one another)."""

    def __call__(self) -> None:
        from brianprop.analysis.figures.comparison import compare

        for path in compare(list(self.runs), self.out, self.split, self.baseline):
            if path.suffix == ".md":
                print(path.read_text(encoding="utf-8"))
            print(path)


@dataclass(frozen=True)
class Energy:
    """Model the energy and latency of a sample on Loihi, from recorded spikes, and show where the energy goes.

    Counts of spikes, synaptic operations, neuron updates and weight updates times the energies that were published for single
    operations of the chip (Davies et al. 2018, Table 2). Static power and the embedded x86 processors are left out, so the
    model comes out below a measurement. Written to --out: energy.csv, by population and phase; energy.md; energy.png and .pdf.
    """

    runs: tyro.conf.Positional[tuple[Path, ...]]
    """Run directories of nBP or SSNN-BP; those that differ in their seed only are pooled."""
    constants: Path | None = None
    """TOML file with other energies [J] and times [s]: lines such as 'update_energy = 120e-12'."""
    cores: int = CORES
    """Neuromorphic cores that share the work."""
    out: Path | None = None
    """Folder for the files (default: figures in the first run directory)."""

    def __call__(self) -> None:
        from brianprop.analysis.energy.constants import read_constants
        from brianprop.analysis.energy.report import draw

        constants = None if self.constants is None else read_constants(self.constants)
        for path in draw(list(self.runs), self.out, constants, self.cores):
            if path.suffix == ".md":
                print(path.read_text(encoding="utf-8"))
            print(path)


@dataclass(frozen=True)
class Table:
    """Accuracy over several runs as Markdown: mean, spread and confidence interval over seeds, and tests between kinds of runs.

    Kinds of runs, which differ in more than their seed, are compared two by two, after the last epoch or the last of --epochs:
    over the seeds that both have by Student's paired t test and Wilcoxon's, with the effect size, or unpaired where they share
    none; and over test images by McNemar's test, where the runs have stored their answers.
    """

    runs: tyro.conf.Positional[tuple[Path, ...]]
    """Run directories; those that differ in more than their seed get rows of their own."""
    epochs: tuple[int, ...] = ()
    """Epochs to report (default: the last that all runs of a kind have); a checkpoint chosen on validation is added."""
    split: Literal["train", "validation", "test"] = "test"
    """Images that the accuracy is reported on."""
    baseline: Path | None = None
    """One of the runs: compare all other kinds of runs with its kind only (default: all with one another)."""

    def __call__(self) -> None:
        from brianprop.analysis.statistics import pairs, report
        from brianprop.analysis.tables import markdown, table

        print(markdown(table(list(self.runs), self.epochs, self.split)))
        epoch = self.epochs[-1] if self.epochs else None
        found = pairs.compared(list(self.runs), epoch, self.split, self.baseline)
        for part in (report.markdown(found), report.advice(found)):
            if part:
                print(f"\n{part}", end="")
