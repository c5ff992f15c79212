"""The documentation: its scripts run and print what it says, its commands exist, its links lead somewhere."""

import contextlib
import io
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from brianprop.experiments.cli.main import main
from brianprop.experiments.sweeps import COMMANDS as SWEEP_COMMANDS

ROOT = Path(__file__).resolve().parents[1]
PAGES = sorted([*(ROOT / "docs").glob("*.md"), *ROOT.glob("*.md")])

#: Addresses under which a package index finds the files of this repository: pages, and pictures.
OURS = re.compile(r"https://(?:github\.com/brianprop/brianprop/blob|raw\.githubusercontent\.com/brianprop/brianprop)/main/")


def sections(page: Path) -> dict[str, str]:
    """The text below each heading of the second level, by heading."""
    parts = re.split(r"^## (.+)$", page.read_text(), flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def blocks(text: str, language: str) -> list[str]:
    """The fenced blocks of a language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", text, flags=re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize(
    ("page", "section"),
    [
        ("circuits.md", "A gated circuit as data"),
        ("circuits.md", "Dense code in any Brian2 script"),
        ("brian2-device.md", "How to use it"),
        ("python.md", "An estimator"),
        ("tutorial.md", None),
    ],
)
def test_scripts_run_and_print_what_is_written(page, section, tmp_path):
    text = (ROOT / "docs" / page).read_text() if section is None else sections(ROOT / "docs" / page)[section]
    script, expected = "".join(blocks(text, "python")), "".join(blocks(text, "text"))
    assert script and expected
    (tmp_path / "script.py").write_text(script)
    # what the scripts print does not depend on how well their dozens of files are optimised
    (tmp_path / "brian_preferences").write_text(f"codegen.cpp.extra_compile_args_gcc = {['-w', '-O0', '-std=c++17']}\n")
    done = subprocess.run(
        [sys.executable, "script.py"],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout == expected
    assert all((tmp_path / name).exists() for name in re.findall(r"\]\(figures/([^)]+)\)", text))


def test_a_run_prints_what_the_readme_says(tmp_path, monkeypatch, capsys):
    """To the digit but for the time that it takes, and without the lines about a build."""
    (block,) = (block for block in blocks((ROOT / "README.md").read_text(), "") if block.startswith("$ "))
    command, _, expected = block.partition("\n")
    monkeypatch.chdir(tmp_path)
    assert main(command.split()[2:]) == 0
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith(("epoch", "Finished"))]
    times = re.compile(r"[0-9.]+ s \(\d+ us/sample\)")
    assert [times.sub("", line) for line in lines] == [times.sub("", line) for line in expected.splitlines()]


def anchors(page: Path) -> set[str]:
    """The fragments of a page's address that lead to its headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(), flags=re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading).lower().replace(" ", "-") for heading in headings}


def links(page: Path) -> list[tuple[str, str]]:
    """The links and pictures of a page, each as an address and a fragment."""
    return re.findall(r"\]\(([^)#\s]*)(?:#([^)\s]+))?\)", page.read_text())


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page):
    for link, fragment in links(page):
        folder, path = (ROOT, OURS.sub("", link)) if OURS.match(link) else (page.parent, link)
        if "://" in path:
            continue
        target = folder / path if path else page
        assert target.exists(), link
        assert not fragment or fragment in anchors(target), fragment


def test_the_readme_works_on_a_package_index():
    """There, nothing but the README is at hand."""
    found = links(ROOT / "README.md")
    assert [link for link, fragment in found if link and "://" not in link] == []
    assert sum(bool(OURS.match(link)) for link, _ in found) > 20


def test_every_page_is_in_the_contents_of_the_site():
    text = (ROOT / "docs" / "index.md").read_text()
    listed = set("".join(blocks(text, r"\{toctree\}")).split())
    assert {page.stem for page in (ROOT / "docs").glob("*.md")} - {"index"} <= listed


def help_of(*command: str) -> str:
    """What ``brianprop COMMAND --help`` prints."""
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed), contextlib.suppress(SystemExit):
        main([*command, "--help"])
    return printed.getvalue()


def commands(*above: str) -> dict[tuple[str, ...], set[str]]:
    """Every command that does something, with its options."""
    text = help_of(*above)
    usage = re.search(r"\{([a-z0-9,\s-]+)\}\s*$", text.partition("\n\n")[0])
    if usage is None:
        return {above: set(re.findall(r"--[a-z][a-z-]*", text))}
    return {name: found for word in usage[1].split(",") for name, found in commands(*above, word.strip()).items()}


@pytest.fixture(scope="module")
def known() -> dict[tuple[str, ...], set[str]]:
    return commands()


def test_every_command_is_described(known):
    assert ("train", "nbp") in known and ("info",) in known  # the commands are found at all
    page = (ROOT / "docs" / "command-line.md").read_text()
    described = {tuple(words.split()) for words in re.findall(r"^##+ `brianprop ([a-z0-9 -]+)`$", page, flags=re.MULTILINE)}
    assert set(known) <= described
    groups = {name[:length] for name in known for length in range(1, len(name))}
    assert described <= set(known) | groups


def test_every_option_that_is_named_exists(known):
    """Below the heading of a command, each option is one of that command, or of all commands of that group."""
    page = (ROOT / "docs" / "command-line.md").read_text()
    parts = re.split(r"^##+ (.+)$", page, flags=re.MULTILINE)
    for heading, text in zip(parts[1::2], parts[2::2], strict=True):
        named = re.fullmatch(r"`brianprop ([a-z0-9 -]+)`", heading)
        options = [found for name, found in known.items() if named and name[: len(named[1].split())] == tuple(named[1].split())]
        allowed = set.intersection(*options) if options else set.union(*known.values())
        lines = [line for line in text.splitlines() if not line.startswith("    brianprop")]
        unknown = set(re.findall(r"--[a-z][a-z-]*", "\n".join(lines))) - allowed
        assert not unknown, f"{heading}: {unknown}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_command_lines_name_options_that_exist(page, known):
    """In fenced and indented blocks line by line, and in code within a sentence, which may go over two lines."""
    text = page.read_text()
    fenced = r"^```.*?^```$"
    lines = re.findall(r"^ *(brianprop [a-z].*)$", text, flags=re.MULTILINE)
    lines += re.findall(r"`(brianprop [a-z][^`]*)`", re.sub(fenced, "", text, flags=re.MULTILINE | re.DOTALL))
    for line in lines:
        words = line.split("#")[0].split()
        if page.name == "systems.md" and "delta" in words:
            continue  # tests/test_systems.py runs these lines, with the system that the page adds
        if words[1] == "sweep" and words[2:] and words[2] not in SWEEP_COMMANDS:
            words.insert(2, "run")  # the short form
        options = [found for name, found in known.items() if tuple(words[1 : 1 + len(name)]) == name]
        named = {word for word in words if word.startswith("--")} - {"--help", "--debug"}
        assert not named or (options and named <= options[0]), line


def test_every_promise_names_a_test_that_there_is():
    named = set(re.findall(r"\btest_\w+", (ROOT / "docs" / "reliability.md").read_text()))
    sources = {path.stem: path.read_text() for path in (ROOT / "tests").rglob("test_*.py")}
    defined = {name for text in sources.values() for name in re.findall(r"^def (test_\w+)", text, re.MULTILINE)}
    # a name may be cut short with an ellipsis
    missing = {name for name in named if name not in sources and not any(one.startswith(name) for one in defined)}
    assert len(named) > 60 and not missing
