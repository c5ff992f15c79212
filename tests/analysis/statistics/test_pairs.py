"""Pairs of kinds of runs: what is compared with what, and what is not."""

import math

import numpy as np
import pandas
import pytest
from conftest import ann_run, composite_run

from brianprop.analysis.statistics import report
from brianprop.analysis.statistics.pairs import compared
from brianprop.experiments.cli.main import main
from brianprop.models.errors import ParameterError, RunError


@pytest.fixture
def short(tmp_path):
    """Three seeds of T = 4."""
    return [composite_run(tmp_path / f"T4-{seed}", seed=seed, accuracy=0.5 + seed / 10) for seed in range(3)]


@pytest.fixture
def long(tmp_path):
    """Three seeds of T = 8, better by 1, 2 and 3 points."""
    return [composite_run(tmp_path / f"T8-{seed}", seed=seed, steps=8, accuracy=0.51 + 0.11 * seed) for seed in range(3)]


def paths(*runs):
    return [run.path for run in runs]


def answer(run, wrong, target=None, readouts=("spikes", "rates")):
    """Store answers that are wrong for some of the images."""
    target = np.arange(10) % 3 if target is None else target
    given = np.where(np.isin(np.arange(len(target)), wrong), (target + 1) % 3, target)
    run.save_predictions({"target": target} | dict.fromkeys(readouts, given))


def test_over_the_seeds_that_both_have(short, long):
    found = compared(paths(*short, *long)).seeds
    assert list(found["reading A"]) == list(found["reading B"]) == ["spikes", "rates"]
    assert list(found.A) == ["SSNN-BP, T = 4"] * 2 and list(found.B) == ["SSNN-BP, T = 8"] * 2
    spikes = found.iloc[0]
    # differences -1, -2, -3, and the distribution of t with two degrees of freedom
    t = 2 * math.sqrt(3)
    assert spikes.test == "paired t" and spikes.paired and spikes["n A"] == spikes["n B"] == 3
    assert (spikes.difference, spikes.sd, spikes.p) == pytest.approx((-2, 1, 1 - t / math.sqrt(t**2 + 2)))
    assert found["p Holm"].tolist() == pytest.approx([2 * spikes.p] * 2)
    # a seed that one kind alone has does not count
    fewer = compared(paths(*short, *long[:2])).seeds.iloc[0]
    assert (fewer["n A"], fewer.difference) == (2, pytest.approx(-1.5))
    assert fewer.p == pytest.approx(1 - 2 / math.pi * math.atan(3))


def test_other_seeds_are_compared_unpaired_and_one_seed_not_at_all(short, tmp_path):
    anns = [ann_run(tmp_path / f"ann{seed}", seed=seed, accuracy=0.8 + seed / 100) for seed in (3, 4)]
    found = compared(paths(*short, *anns)).seeds
    # the ANN has one accuracy, with which both readings are compared
    assert list(zip(found["reading A"], found["reading B"], strict=True)) == [("spikes", "accuracy"), ("rates", "accuracy")]
    assert list(found.test) == ["Welch's t"] * 2 and not found.paired.any() and found.p.notna().all()
    assert (found["n A"].tolist(), found["n B"].tolist()) == ([3, 3], [2, 2])
    assert "| Welch's t, unpaired | 3 and 2 |" in report.markdown(compared(paths(*short, *anns)))
    for one in ([anns[0]], [ann_run(tmp_path / "shared", seed=1, accuracy=0.8)]):
        single = compared(paths(*short, *one))
        assert single.seeds.p.isna().all() and single.seeds["p Holm"].isna().all() and single.seeds.low.isna().all()
        assert "| none: one seed |" in report.markdown(single)
    assert single.seeds.difference.iloc[0] == pytest.approx(-20)  # of seed 1, which both have


def test_over_images(short, long):
    for run, wrong in zip(short, ([0, 1, 2, 3, 4, 5], [], [7]), strict=True):
        answer(run, wrong)
    for run in long:
        answer(run, [5, 6])
    found = compared(paths(*short, *long))
    spikes = found.images[found.images["reading A"] == "spikes"]
    assert spikes.seed.tolist() == [0, 1, 2] and spikes.images.tolist() == [10] * 3
    assert spikes["only A"].tolist() == [1, 2, 2] and spikes["only B"].tolist() == [5, 0, 1]
    # two-sided: 2 (1 + 6) / 2^6, 2 / 2^2, 2 (1 + 3) / 2^3
    assert spikes.p.tolist() == pytest.approx([14 / 64, 0.5, 1])
    assert not found.lacking and not found.commands
    text = report.markdown(found)
    assert "| SSNN-BP, T = 4 | SSNN-BP, T = 8 | spikes | 0 | 10 | 1 | 5 | 0.22 | 1 |" in text


def test_what_cannot_be_compared_over_images_is_named(short, long, tmp_path):
    (short[0].path / "predictions.npz").unlink()
    answer(long[1], [], target=np.zeros(10, int))
    found = compared(paths(*short, *long))
    pair = "SSNN-BP, T = 4", "SSNN-BP, T = 8"
    assert found.lacking == {pair: "no predictions.npz (seed 0); other test images (seed 1)"}
    assert found.images.seed.tolist() == [2, 2]
    assert found.commands == (f"brianprop evaluate {short[0].path}",)
    assert f"- {pair[0]} and {pair[1]}: no predictions.npz (seed 0)" in report.markdown(found)
    (short[0].path / "weights.npz").unlink()
    assert compared(paths(*short, *long)).commands == (f"brianprop resume {short[0].path}",)
    assert compared(paths(*short, *long), split="validation").lacking == {pair: "answers to validation images are not stored"}
    first = compared(paths(*short, *long), epoch=1)
    assert first.images.empty and first.lacking == {pair: "answers are stored of the last epoch only, 2 (seeds 0, 1, 2)"}
    apart = [ann_run(tmp_path / "ann", seed=9)]
    assert list(compared(paths(*short, *apart)).lacking.values()) == ["no seed in common"]


def test_against_a_baseline(short, long, tmp_path):
    third = [composite_run(tmp_path / f"T16-{seed}", seed=seed, steps=16, accuracy=0.5 + seed**2 / 10) for seed in range(3)]
    everything = paths(*short, *long, *third)
    every = compared(everything).seeds
    assert len(every.groupby(["A", "B"])) == 3
    chosen = compared(everything, baseline=long[2].path).seeds
    assert set(chosen.B) == {"SSNN-BP, T = 8"} and set(chosen.A) == {"SSNN-BP, T = 4", "SSNN-BP, T = 16"}
    # fewer comparisons, a milder correction
    assert chosen["p Holm"].min() < every["p Holm"].min()
    with pytest.raises(RunError, match=r"baseline .*nowhere is none of the runs"):
        compared(everything, baseline=tmp_path / "nowhere")


def test_one_kind_of_runs_has_nothing_to_compare(short):
    found = compared(paths(*short))
    assert found.seeds.empty and report.markdown(found) == "" and report.advice(found) == ""


def test_an_epoch_that_a_run_lacks_is_named(short, long):
    with pytest.raises(ParameterError, match="T4-0 has no scores of the split test after epoch 7"):
        compared(paths(*short, *long), epoch=7)


def test_commands_show_and_write_the_comparisons(short, long, tmp_path, capsys):
    (short[0].path / "predictions.npz").unlink()
    runs = [str(path) for path in paths(*short, *long)]
    assert main(["table", *runs]) == 0
    shown = capsys.readouterr().out
    assert "| SSNN-BP, T = 4: epoch 2 | 3 | 60.00 ± 10.00 [35.16, 84.84] |" in shown
    assert "| spikes | paired t | 3 | -2.00 [-4.48, 0.48] | 0.074 |" in shown
    assert f"store the answers:\nbrianprop evaluate {short[0].path}\n" in shown
    assert main(["compare", *runs, "--out", str(tmp_path / "out")]) == 0
    assert "| spikes | paired t | 3 | -2.00 [-4.48, 0.48] | 0.074 |" in capsys.readouterr().out
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert {"accuracy.md", "accuracy.csv", "pairs.md", "pairs.csv", "mcnemar.csv", "compare.csv"} <= names
    table = pandas.read_csv(tmp_path / "out" / "pairs.csv")
    assert table.difference.tolist() == pytest.approx([-2, -2]) and table["p Holm"].notna().all()
    # no path gets into a file
    assert all(str(tmp_path) not in path.read_text() for path in (tmp_path / "out").glob("*.[cm]*"))
