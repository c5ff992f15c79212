"""Answers to images of a file, by ``brianprop predict``."""

import csv
import gzip

import numpy as np
import pytest

from brianprop.analysis.runs import Run
from brianprop.experiments.cli.main import main
from brianprop.experiments.data import images as datasets


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    path = tmp_path_factory.mktemp("predict") / "run"
    assert main(["train", "ann", "--out", str(path), "--epochs", "1", "--hidden", "9", "--samples", "400", "--crop", "1"]) == 0
    return Run.open(path)


def idx_of(images):
    return bytes([0, 0, 8, 3]) + b"".join(size.to_bytes(4, "big") for size in images.shape) + images.tobytes()


@pytest.mark.parametrize("kind", ["images.npz", "X.npz", "flat.npz", "any.npz", "images.npy", "idx", "idx.gz"])
def test_the_answers_are_those_of_the_test(run, tmp_path, kind, capsys):
    test = datasets.load("digits").test
    file, out = tmp_path / kind, tmp_path / "answers.csv"
    labels = kind in ("images.npz", "X.npz")
    if kind == "images.npz":
        np.savez_compressed(file, images=test.images, labels=test.labels)
    elif kind == "X.npz":
        np.savez(file, y=test.labels, X=test.images)
    elif kind == "flat.npz":
        np.savez(file, X=test.images.reshape(len(test.images), -1))
    elif kind == "any.npz":
        np.savez(file, test.images)
    elif kind == "images.npy":
        np.save(file, test.images)
    else:
        file.write_bytes(idx_of(test.images) if kind == "idx" else gzip.compress(idx_of(test.images)))
    assert main(["predict", str(run.path), str(file), "--out", str(out)]) == 0
    rows, kept = list(csv.DictReader(out.open())), run.load_predictions()
    assert [int(row["answer_rates"]) for row in rows] == kept["rates"].tolist()
    assert ("label" in rows[0]) == labels
    if labels:
        assert [int(row["label"]) for row in rows] == kept["target"].tolist()
        assert f"({100 * run.metrics()[-1]['accuracy']:.2f} % right)" in capsys.readouterr().out
    for row, rates in zip(rows, run.load_images()["rates"], strict=False):
        assert [float(row[f"rates_{digit}"]) for digit in range(10)] == rates.tolist()


@pytest.mark.parametrize(
    ("arrays", "words"),
    [
        (None, "There is no file"),
        (b"PK nonsense", "is no IDX file"),
        ({"a": np.zeros((2, 8, 8)), "b": np.zeros(2)}, "holds a, b; name the array of the images images, X or x"),
        ({"images": np.zeros((2, 7, 7))}, "49 features"),
        ({"images": np.zeros(3)}, "holds float64 of shape (3,)"),
        ({"images": np.full((2, 8, 8), np.nan)}, "NaN"),
        ({"images": np.zeros((2, 8, 8)), "labels": np.zeros(3)}, "labels of shape (3,)"),
        ({"images": np.array(["a"])}, "holds <U1 of shape (1,)"),
    ],
)
def test_a_file_that_cannot_be_answered_is_one_sentence(run, tmp_path, arrays, words, capsys):
    file = tmp_path / "file.npz"
    if isinstance(arrays, bytes):
        file.write_bytes(arrays)
    elif arrays is not None:
        np.savez(file, **arrays)
    assert main(["predict", str(run.path), str(file), "--out", str(tmp_path / "answers.csv")]) == 2
    message = capsys.readouterr().err
    assert words in message and str(file) in message and message.count("\n") == 1
    assert not (tmp_path / "answers.csv").exists()


def test_where_no_table_can_be_written_is_said_first(run, tmp_path, capsys):
    for command in (["predict", str(run.path), "nothing.npz", "--out"], ["evaluate", "nothing", "--predictions"]):
        for out in (tmp_path, tmp_path / "nowhere" / "answers.csv"):
            assert main([*command, str(out)]) == 2
            assert "give the path of a CSV file in a folder that exists" in capsys.readouterr().err
    assert main(["predict", str(run.path), "nothing.npz", "--out", str(tmp_path / "a.csv"), "--device", "numpy"]) == 2
    assert "which no device simulates; leave --device away" in capsys.readouterr().err
