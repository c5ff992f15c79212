"""Event files: TensorBoard's own reader finds what metrics.csv holds."""

import sys

import pytest
from conftest import ann_run

from brianprop.analysis.export import export
from brianprop.analysis.runs import Run
from brianprop.experiments.cli.main import main


def read(folder):
    """By tag, steps and values of an event file."""
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    found = accumulator.EventAccumulator(str(folder))
    found.Reload()
    return {tag: [(event.step, event.value) for event in found.Scalars(tag)] for tag in found.Tags()["scalars"]}, found


def test_tensorboard_reads_the_metrics_of_each_split(tmp_path, capsys):
    pytest.importorskip("tensorboardX")
    run = ann_run(tmp_path / "run")
    out = tmp_path / "below" / "events"
    assert main(["export", str(run.path), "--to", "tensorboard", "--out", str(out)]) == 0
    assert capsys.readouterr().out == f"{out}\n"
    rows = run.metrics()
    splits = {row["split"] for row in rows}
    assert len(splits) > 1 and {path.name for path in out.iterdir()} == splits
    for split in splits:
        tags, found = read(out / split)
        wanted = {name: [] for name in rows[0] if name.startswith("accuracy") or name in ("loss", "seconds")}
        for row in rows:
            if row["split"] == split:
                for name, values in wanted.items():
                    values.append((row["epoch"], pytest.approx(row[name], rel=1e-6)))
        assert tags == wanted
        times = [event.wall_time for event in found.Scalars("loss")]
        assert times == sorted(times) and times[-1] <= (run.path / "metrics.csv").stat().st_mtime + 1e-3


def test_a_later_export_replaces_an_earlier_one(tmp_path):
    pytest.importorskip("tensorboardX")
    run = ann_run(tmp_path / "run")
    out = export(run.path, "tensorboard")
    assert out == run.path / "tensorboard"
    last = {**run.metrics()[0], "epoch": 99}
    run.append_metrics([last])
    export(run.path, "tensorboard")
    assert len(list((out / last["split"]).iterdir())) == 1
    tags, _ = read(out / last["split"])
    assert tags["loss"][-1] == (99, pytest.approx(last["loss"]))


def test_what_cannot_be_written_is_named(tmp_path, capsys, monkeypatch):
    pytest.importorskip("tensorboardX")
    run = ann_run(tmp_path / "run")
    empty = Run.create(tmp_path / "empty", run.config, {})
    assert main(["export", str(empty.path), "--to", "tensorboard"]) == 2
    assert "no epoch is finished" in capsys.readouterr().err
    (tmp_path / "file").write_text("")
    assert main(["export", str(run.path), "--to", "tensorboard", "--out", str(tmp_path / "file")]) == 2
    assert f"Cannot write {tmp_path / 'file'}" in capsys.readouterr().err
    monkeypatch.setitem(sys.modules, "tensorboardX", None)
    assert main(["export", str(run.path), "--to", "tensorboard"]) == 2
    assert "tensorboardX is not installed; use pip install 'brianprop[tensorboard]'" in capsys.readouterr().err
