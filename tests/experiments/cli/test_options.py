"""What commands say before they run: help, unknown words, values that cannot be read, how to go on after an interruption."""

import json
import re

import numpy as np
import pytest
from conftest import ann_run

from brianprop.experiments.cli.main import main
from brianprop.experiments.cli.parser import COMMANDS, parse
from brianprop.models.errors import ParameterError, reason

#: Every command with options of its own.
LEAVES = [
    *(["train", system] for system in ("nbp", "ssnn-bp", "ann")),
    *(["sweep", word] for word in ("run", "resume", "status", "table", "figures", "presets")),
    *(["benchmark", word] for word in ("nbp", "ssnn-bp", "replicas", "brian2")),
    *([command] for command in COMMANDS if command not in ("train", "sweep", "benchmark")),
]


def help_of(words, capsys):
    with pytest.raises(SystemExit) as end:
        parse([*words, "--help"])
    assert end.value.code == 0
    return capsys.readouterr().out


@pytest.mark.parametrize("words", [[], ["train"], ["sweep"], ["benchmark"], *LEAVES], ids=" ".join)
def test_help_says_nothing_empty_and_fits_the_terminal(words, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "90")
    text = help_of(words, capsys)
    for empty in ("None", "(default: )", "default: True", "default: False", "(default: ())"):
        assert empty not in text
    flowing = " ".join(text.replace("│", " ").split())
    assert not re.search(r"\(default: [^)]*\)\.? \(default: ", flowing)
    # only a flag that is on can be switched off
    assert len(re.findall(r"--([a-z-]+), --no-\1", flowing)) == flowing.count("(default: --")
    _, named, positional = flowing.partition("positional arguments")
    assert not named or not re.match(r"[ ─╮]*\[*(PATH|STR|INT)", positional)
    assert max(len(line) for line in text.splitlines() if not line.startswith("{")) <= 90


def test_what_help_leaves_out_is_still_read():
    settings = parse(["train", "ann", "--out", "r", "--no-biases", "--crop", "None", "--shuffle"]).settings
    assert (settings.biases, settings.crop, settings.shuffle) == (False, None, True)
    assert parse(["sweep", "FILE", "--out", "r", "--shared-files", "False"]).command.shared_files is False
    assert parse(["train", "ann", "--out", "r", "--clip", "3"]).settings.clip == 3.0


def test_version(capsys):
    assert main(["--version"]) == 0
    assert re.fullmatch(r"brianprop \d+\.\d+\S*\n", capsys.readouterr().out)


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        (["tran"], "train"),
        (["train", "npb"], "nbp"),
        (["benchmark", "ssnnbp"], "ssnn-bp"),
        (["train", "ann", "--dataset", "mnsit", "--out", "OUT"], "mnist"),
        (["train", "nbp", "--dataset", "fashion_mnist", "--out", "OUT"], "fashion-mnist"),
        (["reproduce", "nbp-mnst"], "nbp-mnist"),
        (["sweep", "statsu", "--out", "OUT"], "status"),
        (["sweep", "lesion", "--out", "OUT"], "lesions"),
        (["sweep", "nbp", "--out", "OUT", "--set", "hiden=3"], "hidden"),
        (["sweep", "nbp", "--out", "OUT", "--axis", "theta=1,2", "--objective", "accuracy_membrain"], "accuracy_membrane"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_slip_is_met_with_what_was_meant(tmp_path, words, meant, capsys):
    assert main([word.replace("OUT", str(tmp_path / "out")) for word in words]) == 2
    assert capsys.readouterr().err.endswith(f" Did you mean {meant}?\n")
    assert not (tmp_path / "out").exists()


def test_what_is_like_nothing_gets_no_proposal(capsys):
    assert main(["zzz"]) == 2
    assert "Did you mean" not in capsys.readouterr().err


@pytest.mark.parametrize(("option", "words"), [("--seed", "'x' is not a whole number"), ("--clip", "'x' is not a number")])
def test_a_number_that_is_none(option, words, capsys):
    with pytest.raises(SystemExit):
        parse(["train", "ann", "--out", "r", option, "x"])
    text = "".join(capsys.readouterr())
    assert words in text and "literal" not in text and "convert" not in text


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        (["table", "RUN", "--epochs", "a"], "'a' is not a whole number; write several with spaces between them"),
        (["train", "nbp", "--out", "r", "--hidden", "400", "x"], "'x' is not a whole number; write several"),
        (["train", "nbp", "--out", "r", "--hidden", "400,300"], "'400,300' is not a whole number; write several"),
        (["train", "nbp", "--out", "r", "--binarise", "0.3", "q"], "'q' is not a number; write several"),
        (["train", "ann", "--out", "r", "--binarise", "0.3", "q"], "'q' is not a number; write several"),  # or None
        (["train", "nbp", "--out", "r", "--crop", "1.5"], "'1.5' is not a whole number"),
        (["evaluate", "RUN", "--epoch", ""], "'' is not a whole number"),
        (["benchmark", "replicas", "--out", "r", "--replicas", "1", "b"], "'b' is not a whole number; write several"),
        (["export", "RUN", "--to", "nir", "--dt", "1e"], "'1e' is not a number"),
    ],
    ids=" ".join,
)
def test_a_word_that_is_no_number_is_named_with_its_option(words, wanted, capsys):
    with pytest.raises(SystemExit) as end:
        parse(words)
    text = " ".join("".join(capsys.readouterr()).replace("│", " ").split())
    (*_, option) = (word for word in words if word.startswith("--"))
    assert end.value.code == 2 and f"Error parsing {option}: {wanted}" in text
    assert "valid parse" not in text and "NoneType" not in text


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (["reproduce", "nbp-mnist", "--seeds", "1", "b"], "'b' after '--seeds 1'"),
        (["train", "nbp", "--epochs", "3", "4", "--out", "r"], "'4' after '--epochs 3'"),
        (["train", "ann", "--out", "r", "--no-shuffle", "yes"], "'yes' after '--no-shuffle'"),
        (["resume", "one", "two"], "The word 'two' belongs"),
    ],
    ids=" ".join,
)
def test_a_word_that_belongs_to_nothing_is_named_with_what_stands_before_it(words, named, capsys):
    assert main(words) == 2
    assert named in capsys.readouterr().err


def test_an_unknown_option_is_met_with_proposals(capsys):
    with pytest.raises(SystemExit) as end:
        parse(["train", "nbp", "--out", "r", "--hiden", "3"])
    assert end.value.code == 2 and "--hidden" in "".join(capsys.readouterr())


def test_lists_and_none_are_read_as_before():
    settings = parse(["train", "nbp", "--out", "r", "--hidden", "--binarise", "0.2", "1", "--crop", "None"]).settings
    assert (settings.hidden, settings.binarise, settings.crop) == ((), (0.2, 1.0), None)
    assert parse(["train", "ann", "--out", "r", "--binarise", "None"]).settings.binarise is None
    assert parse(["train", "ann", "--out", "r", "--crop", "3", "--hidden", "5", "6"]).settings.hidden == (5, 6)
    assert parse(["table", "a", "b", "--epochs", "1", "10"]).epochs == (1, 10)


def test_two_sizes_of_a_reproduction_are_refused(tmp_path):
    with pytest.raises(ParameterError, match="--quick and --smallest"):
        parse(["reproduce", "all", "--quick", "--smallest", "--out", str(tmp_path / "out")])()
    assert not (tmp_path / "out").exists()


def test_the_command_that_goes_on_names_what_was_begun(tmp_path):
    out = tmp_path / "a run"
    command = parse(["train", "ann", "--out", str(out)])
    assert command.going_on() is None
    ann_run(out)
    assert command.going_on() == f"brianprop resume '{out}'"
    sweep = parse(["sweep", "ann", "--out", str(out)])
    assert sweep.going_on() is None
    (out / "sweep.json").write_text("{}")
    assert sweep.going_on() == f"brianprop sweep resume '{out}'"
    assert parse(["sweep", "status", str(out)]).going_on() is None


@pytest.mark.parametrize(
    ("table", "name", "value"), [("dataset", "name", "mnsit"), ("dataset", "crop", 9), ("dataset", "samples", 99999)]
)
def test_a_value_of_config_json_that_cannot_be_names_the_file(tmp_path, table, name, value, capsys):
    run = tmp_path / "run"
    assert main(["train", "ann", "--out", str(run), "--epochs", "1", "--hidden", "3", "--samples", "20"]) == 0
    config = json.loads((run / "config.json").read_text())
    config[table][name] = value
    (run / "config.json").write_text(json.dumps(config))
    for command in ("evaluate", "resume"):
        if command == "resume":
            (run / "weights.npz").unlink()
        capsys.readouterr()
        assert main([command, str(run)]) == 2
        message = capsys.readouterr().err
        assert str(run / "config.json") in message and str(value) in message
        assert f"set --{name}" not in message


def test_a_reason_is_never_empty():
    assert reason(OSError(2, "No such file")) == "No such file"
    assert reason(OSError("gone")) == "gone"
    assert reason(OSError()) == "OSError"


def write_idx(folder, images, labels):
    """The four files of a data set, with the same images for training and for the test."""
    folder.mkdir()
    for part in ("train", "t10k"):
        for name, array in ((f"{part}-images-idx3-ubyte", images), (f"{part}-labels-idx1-ubyte", labels)):
            header = bytes([0, 0, 8, array.ndim]) + b"".join(size.to_bytes(4, "big") for size in array.shape)
            (folder / name).write_bytes(header + array.astype(np.uint8).tobytes())


def test_a_run_is_evaluated_where_its_data_lie_now(tmp_path, capsys):
    rng = np.random.default_rng(0)
    images, labels = rng.integers(0, 256, (30, 4, 4)), np.arange(30) % 3
    here, there, other = tmp_path / "here", tmp_path / "there", tmp_path / "other"
    write_idx(here, images, labels)
    write_idx(other, 255 - images, labels)
    run = str(tmp_path / "run")
    assert main(["train", "ann", "--dataset", str(here), "--out", run, "--epochs", "1", "--hidden", "3"]) == 0
    capsys.readouterr()
    assert main(["evaluate", run]) == 0
    told = capsys.readouterr().out.rpartition("seconds")[0]
    here.rename(there)
    assert main(["evaluate", run]) == 2
    message = capsys.readouterr().err
    assert str(tmp_path / "run" / "config.json") in message and "--data-dir and --dataset" in message
    assert main(["evaluate", run, "--dataset", str(there)]) == 0
    assert capsys.readouterr().out.rpartition("seconds")[0] == told
    assert main(["evaluate", run, "--dataset", str(other)]) == 2
    assert f"found in {other} differs from that of the run" in capsys.readouterr().err
    assert main(["evaluate", run, "--dataset", "digits"]) == 2
