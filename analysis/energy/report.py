"""The tables and the figure of energy and latency, written to files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from brianprop.analysis.energy.accounts import Account, account
from brianprop.analysis.energy.chip import CORES, Measured
from brianprop.analysis.energy.constants import Constants
from brianprop.analysis.energy.cost import PARTS, Energy
from brianprop.analysis.energy.counts import FIXED, LEARNED
from brianprop.analysis.energy.figure import plot_energy
from brianprop.analysis.figures.output import make_folder, write_figures
from brianprop.models.files import write_text

if TYPE_CHECKING:
    import pandas

__all__ = ["draw", "markdown", "table"]

#: The limits of the model; written below every table.
CAVEAT = (
    "The model multiplies counted operations by the energies and times that Davies et al. (2018, Table 2) give for single "
    "operations. It leaves out static power, the embedded x86 processors, input and output, and waiting for the busiest core, "
    "so it must come out below what was measured."
)


def draw(
    run_paths: Sequence[Path], out: Path | None = None, constants: Constants | None = None, cores: int = CORES
) -> list[Path]:
    """Write the tables energy.csv and energy.md and the figure energy.png and energy.pdf.

    Parameters
    ----------
    run_paths, constants, cores
        See `account`.
    out : path-like, optional
        Folder for the files, by default ``figures`` in the first run directory.

    Returns
    -------
    list of pathlib.Path
        The files written.

    Raises
    ------
    RunError
        As `account` does, or if a file cannot be written.
    ParameterError
        As `account` does.
    """
    accounts = account(run_paths, constants, cores)
    folder = Path(run_paths[0]) / "figures" if out is None else Path(out)
    make_folder(folder)
    texts = {
        "energy.csv": table(accounts, cores).to_csv(index=False, lineterminator="\n"),
        "energy.md": markdown(accounts, cores),
    }
    written = [write_text(folder / name, text) for name, text in texts.items()]
    return written + write_figures({"energy": lambda: plot_energy(accounts)}, folder)


def table(accounts: Sequence[Account], cores: int = CORES) -> pandas.DataFrame:
    """Counts and energies of a sample by population and phase.

    Returns
    -------
    DataFrame
        One row per account, population and phase in which anything happens: ``run``, ``mode``, ``samples`` counted,
        ``population``, ``phase``; counts per sample, of which ``spikes`` and ``messages`` are those that the population sends
        and all others happen in its cores; and energies per sample, columns ``... [J]``.
    """
    import pandas

    rows = []
    for entry in accounts:
        counts, joules = entry.counts, entry.energy.joules
        operations = counts.operations
        columns = {
            "spikes": counts.spikes,
            "messages": counts.of_population("source", counts.messages(cores)),
            "learned operations": counts.of_population("target", operations, LEARNED),
            "fixed operations": counts.of_population("target", operations, FIXED),
            "active neuron updates": counts.active,
            "inactive neuron updates": counts.inactive,
            "weight updates": counts.of_population("target", counts.updates),
            "weight changes": counts.of_population("target", counts.changes),
        }
        for row_of_counts, population in enumerate(counts.populations):
            for column, phase in enumerate(counts.phases):
                values = {name: array[row_of_counts, column] / counts.n_samples for name, array in columns.items()}
                if any(values.values()):
                    row = {"run": entry.label, "mode": counts.mode, "samples": counts.n_samples}
                    row |= {"population": population, "phase": phase, **values}
                    row |= {f"{part} [J]": joules[number, row_of_counts, column] for number, part in enumerate(PARTS)}
                    rows.append(row)
    return pandas.DataFrame(rows)


def markdown(accounts: Sequence[Account], cores: int = CORES) -> str:
    """Counts, energies and latencies of a sample as Markdown, with the measured values where there are any."""
    columns = [
        *("spikes", "messages", "learned operations", "fixed operations", "active neuron updates", "inactive neuron updates"),
        *("weight updates", "weight changes"),
    ]
    lines = ["Counts per sample", "", "| | " + " | ".join(columns) + " |", "|---|" + "---|" * len(columns)]
    frame = table(accounts, cores)
    for entry in accounts:
        values = frame.loc[(frame["run"] == entry.label) & (frame["mode"] == entry.counts.mode), columns].sum()
        lines.append(f"| {entry.title} | " + " | ".join(f"{values[name]:,.1f}" for name in columns) + " |")
    titles = [*(f"{part} (µJ)" for part in PARTS), "energy (µJ)", "latency (µs)", "energy-delay product (nJ s)"]
    lines += ["", "Energy and latency per sample", "", "| | " + " | ".join(titles) + " |", "|---|" + "---|" * len(titles)]

    def totals(values: Energy | Measured, joules: float) -> list[str]:
        return [f"{1e6 * joules:.4g}", f"{1e6 * values.latency:.4g}", f"{1e9 * values.energy_delay:.3g}"]

    for entry in accounts:
        parts = [f"{1e6 * joules:.4g}" for joules in entry.energy.parts.values()]
        lines.append(f"| {entry.title} | " + " | ".join([*parts, *totals(entry.energy, entry.energy.total)]) + " |")
        if entry.measured:
            cells = ["–"] * len(PARTS) + totals(entry.measured, entry.measured.energy)
            lines.append(f"| {entry.title}, measured on Loihi (Renner et al. 2024) | " + " | ".join(cells) + " |")
    lines += ["", *(f"{entry.title}: {entry.counts.n_samples:,} samples, {entry.counts.origin}.  " for entry in accounts)]
    lines += [f"{cores} cores. {CAVEAT}"]
    return "\n".join(lines) + "\n"
