"""What does not fit into memory is refused with its estimate, before anything is built or written."""

import pytest

from brianprop.experiments.cli.main import main
from brianprop.experiments.training.commands import train
from brianprop.experiments.training.nbp import TrainNBP
from brianprop.experiments.training.ssnn_bp import TrainSSNN
from brianprop.models import memory
from brianprop.models.errors import BuildError


def refused(words, capsys):
    """Run a command that must be refused; gives the sentence."""
    capsys.readouterr()
    assert main(words) == 2
    error = capsys.readouterr().err
    assert error.startswith("brianprop: ") and error.count("\n") == 1
    return error


@pytest.fixture
def little(monkeypatch):
    """A machine with 64 MiB free, on which nothing may be built."""
    monkeypatch.setattr(memory, "available", lambda: 2**26)
    monkeypatch.setattr("brianprop.experiments.training.circuit.simulator", lambda *_, **__: pytest.fail("something was built"))


@pytest.mark.parametrize(
    "words",
    [
        ["ann", "--hidden", "2000000000"],
        ["ann", "--hidden", "50000", "50000"],
        ["ssnn-bp", "--hidden", "100000"],
        ["ssnn-bp", "--steps", "10000000"],
        ["nbp", "--hidden", "100000"],
        ["nbp", "--replicas", "100000"],
        ["ssnn-bp", "--replicas", "100000"],
        ["nbp", "--binarise", *(str(k / 1000) for k in range(1000))],
    ],
)
def test_what_does_not_fit_into_memory_is_refused_with_its_estimate(words, little, tmp_path, capsys):
    error = refused(["train", *words, "--out", str(tmp_path / "out")], capsys)
    assert "iB of memory" in error and "64.0 MiB are free" in error
    assert not (tmp_path / "out").exists()


def test_a_billion_steps_are_refused(tmp_path, capsys):
    assert "steps" in refused(["train", "ssnn-bp", "--steps", "1000000000", "--out", str(tmp_path / "out")], capsys)
    assert "steps" in refused(["train", "ann", "--steps", "0", "--out", str(tmp_path / "out")], capsys)


def test_turns_that_32_bits_do_not_count_are_refused(tmp_path, capsys):
    assert "epochs" in refused(["train", "ssnn-bp", "--epochs", "2000000", "--out", str(tmp_path / "out")], capsys)


@pytest.fixture
def begun(tmp_path):
    """A run of nBP and one of SSNN-BP before their first epoch."""

    def stop(*_, **__):
        raise BuildError("enough")

    found = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("brianprop.experiments.training.circuit.simulator", stop)
        for kind in (TrainNBP, TrainSSNN):
            with pytest.raises(BuildError):
                train(kind(tmp_path / kind.system, epochs=1), lambda line: None)
            found[kind.system] = tmp_path / kind.system
    return found


@pytest.mark.parametrize("system", ["nbp", "ssnn-bp"])
def test_evaluation_needs_an_image_for_each_copy_and_memory_for_all(system, begun, monkeypatch, capsys):
    words = ["evaluate", str(begun[system]), "--epoch", "0", "--replicas"]
    monkeypatch.setattr("brianprop.experiments.training.circuit.simulator", lambda *_, **__: pytest.fail("something was built"))
    assert "297 test images" in refused([*words, "100000"], capsys)
    monkeypatch.setattr(memory, "available", lambda: 2**26)
    assert "MiB are free" in refused([*words, "297"], capsys)
    monkeypatch.setattr(memory, "available", lambda: 2**18)
    assert "MiB are free" in refused(words[:-1], capsys)
    assert "MiB are free" in refused(["resume", str(begun[system])], capsys)
