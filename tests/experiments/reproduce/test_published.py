"""The numbers in the pages are those of the published runs."""

import csv
import re
from pathlib import Path

import pytest
from cogapp import Cog

from brianprop.experiments.reproduce import published
from brianprop.experiments.reproduce.published import best_of_test, cells, of_sweep, show
from brianprop.models.errors import ParameterError

ROOT = Path(__file__).parents[3]
PAGES = ("README.md", "docs/results.md", "docs/sweep-results.md", "docs/gpu.md", "docs/performance.md")


def same(path):
    return Cog().main(["cog", "--check", str(path)]) == 0


@pytest.mark.parametrize("page", PAGES)
def test_pages_say_what_was_published(page, tmp_path):
    assert same(ROOT / page), "make results"
    text = (ROOT / page).read_text()
    start, end = re.search(r"(?<=\| )[\d.,]+(?= [±(])", text).span()
    changed = tmp_path / "page.md"
    changed.write_text(text[:start] + "11.11" + text[end:])
    assert not same(changed)


@pytest.mark.parametrize("page", PAGES)
def test_no_mean_and_spread_is_written_by_hand(page):
    outside = re.sub(r"<!-- \[\[\[cog.*?\[\[\[end\]\]\] -->", "", (ROOT / page).read_text(), flags=re.DOTALL)
    assert not re.findall(r"\d ± \d", outside)


def test_cells():
    exact, spikes = cells("nbp-mnist/seed* exact spikes @60")
    assert (exact, spikes) == tuple(cells("nbp-mnist/seed* exact @60") + cells("nbp-mnist/seed* spikes @60"))
    assert exact != cells("nbp-mnist/seed* exact @60 on validation")[0]
    assert cells("96.3 / 97.5, by hand") == ["96.3 / 97.5, by hand"]
    assert re.fullmatch(r"[\d.]+ \([\d.]+ to [\d.]+\)", *cells("speed/benchmark.csv | dense, training, trained | median"))
    assert cells("nbp-mnist/figures/energy.md | nBP, training | energy (µJ)") == ["55.8"]


def test_the_best_epoch_of_the_test_images():
    files = ROOT.glob("results/published/nbp-mnist/seed*/metrics.csv")
    rows = [list(csv.DictReader(path.read_text().splitlines())) for path in files]
    best = [max(float(row["accuracy_spikes"]) for row in of_run if row["split"] == "test") for of_run in rows]
    assert best_of_test("nbp-mnist/seed*", "spikes") == f"{100 * sum(best) / 3:.2f}"


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        ("nbp-mnist/sead* spikes", "No published run is called nbp-mnist/sead"),
        ("nbp-mnist/seed* rates", "have no accuracy_rates; they have n, accuracy_exact_mean"),
        ("nbp-mnist/seed* spikes @61", "Epoch 61 is not in every run"),
        ("speed/benchmark.csv | dense, learning | median", "has no line 'dense, learning'"),
        ("nbp-mnist/figures/energy.md | nBP, training | costs", "has no row 'nBP, training' with a column 'costs'"),
        ("nbp-mnist/none.md | a | b", "no published file nbp-mnist/none.md"),
    ],
)
def test_what_is_not_published_is_named(wanted, message):
    with pytest.raises(ParameterError, match=message):
        cells(wanted)


def test_rows_are_as_long_as_the_head():
    with pytest.raises(ParameterError, match="The row 'a' has 1 cells, but the table has 2 columns"):
        show(["", "spikes", "membrane"], {"a": ["nbp-mnist/seed* spikes"]})


def test_tables_of_sweeps(tmp_path, monkeypatch):
    folder = tmp_path / "sweeps" / "both"
    folder.mkdir(parents=True)
    lines = ["bits,p,seed,test_accuracy"]
    lines += [
        f"{bits},{p},{seed},{value}"
        for bits, p, seed, value in [
            (8, 0.0, 0, 0.90),
            (8, 0.0, 1, 0.94),
            (8, 0.1, 0, 0.5),
            (8, 0.1, 1, 0.5),
            (4, 0.0, 0, 0.2),
            (4, 0.0, 1, 0.2),
            (4, 0.1, 0, 0.1),
            (4, 0.1, 1, 0.1),
        ]
    ]
    (folder / "table.csv").write_text("\n".join(lines))
    monkeypatch.setattr(published, "PUBLISHED", tmp_path)
    # the s.d. of two values is their distance divided by the root of 2
    rows = "| 8 | 92.00 ± 2.83 | 50.00 ± 0.00 |\n| 4 | 20.00 ± 0.00 | 10.00 ± 0.00 |\n"
    assert (
        of_sweep("both", "bits", {"": "test_accuracy"}, across="p") == "| bits | p 0.0 | p 0.1 |\n| --- | --- | --- |\n" + rows
    )
    (folder / "table.csv").write_text("\n".join(line for line in lines if ",0.1," not in line))
    assert "| 8 | 92.00 ± 2.83 |\n" in of_sweep("both", "bits", {"spikes": "test_accuracy"})
    with pytest.raises(ParameterError, match=r"has no column 'test_loss'; its table\.csv has bits, p, seed, test_accuracy"):
        of_sweep("both", "bits", {"": "test_loss"})
    with pytest.raises(ParameterError, match="No published sweep is called none"):
        of_sweep("none", "bits", {})
