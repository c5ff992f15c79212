"""The build cache: what is damaged, foreign or made for another machine is never run."""

import contextlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from brianprop.models.cache import private_folder
from brianprop.models.errors import BuildError, RunError
from brianprop.models.nbp.circuit import matrices, training_circuit
from brianprop.models.nbp.model import GatedModel
from brianprop.models.nbp.parameters import NBP, initial_weights
from brianprop.models.simulation import builds, simulator
from brianprop.models.simulation import compiler as compilers
from brianprop.models.simulation.scratch import Scratch

PARAMETERS = NBP(n_in=4, hidden=(3,), n_out=2)
MODEL = GatedModel(training_circuit(PARAMETERS), PARAMETERS)
STIMULI = MODEL.stimuli({"input": np.eye(4, dtype=np.uint8), "target": np.eye(2, dtype=np.uint8)[[0, 1, 0, 1]]})
WEIGHTS = matrices(MODEL.circuit, initial_weights(PARAMETERS, 0))

as_root = pytest.mark.skipif(not hasattr(os, "getuid") or os.getuid() != 0, reason="needs root, to mount or to be another user")


def run(ready, n_recorded=4, n_turns=4):
    return ready.run(WEIGHTS, STIMULI, np.arange(n_turns) % 4, n_recorded=n_recorded)


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """A cache with one build, and what a run of it gives."""
    folder = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BRIANPROP_CACHE", str(folder))
        builds.sources(MODEL, "dense")  # kept, since to generate them takes longer than all else in a test
        with simulator(MODEL) as ready:
            return folder, run(ready)


@pytest.fixture
def cache(built, tmp_path, monkeypatch):
    """A copy of that cache; a build that must be made anew is copied from the whole one."""
    folder = tmp_path / "cache"
    shutil.copytree(built[0], folder)
    (folder / "builds").chmod(0o700)
    monkeypatch.setenv("BRIANPROP_CACHE", str(folder))
    (whole,) = (path for path in (built[0] / "builds").iterdir() if path.is_dir())

    def compiled(project, codegen, generated, progress):
        shutil.rmtree(project)
        shutil.copytree(whole, project)

    monkeypatch.setattr(builds, "_compile", compiled)
    return folder / "builds" / whole.name


def assert_same(one, other):
    for pair, matrix in other.matrices.items():
        np.testing.assert_array_equal(one.matrices[pair], matrix)
    for column, expected in zip(one.recorded, other.recorded, strict=True):
        np.testing.assert_array_equal(column, expected)


def names(word):
    def find(folder):
        for path in (folder / "static_arrays").glob(f"*{word}*"):
            return path
        return pytest.skip(f"this version of Brian2 keeps no file {word}")

    return find


FILES = {word: names(word) for word in ("fixed_targets", "fixed_delay", "sources_send_phase", "stimulus_targets")} | {
    "main": lambda folder: folder / "main",
    "manifest.json": lambda folder: folder / "manifest.json",
}


def flip(path):
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


DAMAGE = {
    "removed": Path.unlink,
    "empty": lambda path: path.write_bytes(b""),
    "halved": lambda path: path.write_bytes(path.read_bytes()[: path.stat().st_size // 2]),
    "longer": lambda path: path.write_bytes(path.read_bytes() + b"\0"),
    "flipped": flip,
    "a link": lambda path: (path.rename(f"{path}.away"), path.symlink_to(f"{path}.away")),
}


@pytest.mark.parametrize("damage", DAMAGE)
@pytest.mark.parametrize("file", FILES)
def test_a_damaged_build_is_made_anew_with_one_line(file, damage, cache, built):
    DAMAGE[damage](FILES[file](cache))
    if (file, damage) in {("manifest.json", "a link"), ("manifest.json", "longer")}:
        pytest.skip("the manifest says of itself all that it must: it reads the same")
    if damage == "flipped":  # once for each file, the code is generated anew too
        shutil.rmtree(cache.parents[1] / "sources")
    said = []
    with simulator(MODEL, message=said.append) as ready:
        assert_same(run(ready), built[1])
    (line,) = [line for line in said if "damaged" in line]
    assert FILES[file](cache).name in line and said[-1].startswith("Built in ")
    before = len(said)
    with simulator(MODEL, message=said.append):
        pass
    assert len(said) == before


def test_a_sound_build_is_taken_without_a_word(cache, built):
    said = []
    with simulator(MODEL, message=said.append) as ready:
        assert ready.folder == cache
        assert_same(run(ready), built[1])
    assert not said


@pytest.mark.parametrize("change", [Path.unlink, lambda path: path.write_bytes(path.read_bytes()[:-4])])
def test_a_program_that_cannot_read_its_arrays_fails(change, cache):
    with simulator(MODEL) as ready:
        change(names("fixed_targets")(cache))
        with pytest.raises(RunError, match="static"):
            run(ready)


@pytest.mark.parametrize(
    ("script", "words"),
    [
        ("kill -ILL $$", "SIGILL: it holds an instruction that this processor lacks; set .BRIANPROP_CACHE"),
        ("kill -KILL $$", "SIGKILL: it was killed, most likely since memory ran out"),
        ("kill -SEGV $$", "SIGSEGV: it read memory that is not its own"),
        ("echo 'Error opening static array x.'", "Error opening static array x"),
        ("echo 'cannot write y' >&2; exit 3", "status 3: cannot write y"),
        ("exit 0", "loop_seconds"),
        ("touch $2/loop_seconds.txt", "cannot be read"),
    ],
)
def test_what_ends_a_program_is_said(script, words, cache):
    with simulator(MODEL) as ready:
        (ready.folder / "main").write_text(f"#!/bin/sh\n{script}\n")
        with pytest.raises(RunError, match=words):
            run(ready)


@pytest.mark.parametrize("lost", ["neuron_spikes.i", "plastic_x_h.w", "answers.drive"])
def test_results_of_another_size_than_their_count_fail(lost, cache, monkeypatch):
    with simulator(MODEL) as ready:
        execute = ready._execute

        def shorten(results, *arguments):
            execute(results, *arguments)
            path = results / ready._arrays[lost][0]
            path.write_bytes(path.read_bytes()[:-4])

        monkeypatch.setattr(ready, "_execute", shorten)
        with pytest.raises(RunError, match=f"values of {lost}; free space"):
            run(ready)


@contextlib.contextmanager
def mounted(folder, options):
    folder.mkdir()
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", folder], capture_output=True)
    if done.returncode:
        pytest.skip("cannot mount a tmpfs here")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", folder], check=True)


@as_root
@pytest.mark.parametrize("size", [40, 80, 120, 160, 200, 240])
def test_a_full_disk_loses_no_spikes_in_silence(size, cache, tmp_path, monkeypatch):
    # from too small for the input to large enough for all: each run is whole or fails
    with simulator(MODEL) as ready:
        expected = run(ready, 300, 300)
    with mounted(tmp_path / "small", f"size={size}k") as disk:
        monkeypatch.setattr("tempfile.tempdir", str(disk))
        try:
            with simulator(MODEL) as ready:
                assert_same(run(ready, 300, 300), expected)
        except RunError as error:
            assert "space" in str(error) or "full" in str(error)


@as_root
def test_a_cache_that_runs_no_programs_is_refused_before_the_build(tmp_path, monkeypatch):
    monkeypatch.setattr(builds, "generate", None)
    with mounted(tmp_path / "noexec", "noexec") as disk:
        monkeypatch.setenv("BRIANPROP_CACHE", str(disk))
        with pytest.raises(BuildError, match=r"noexec.*BRIANPROP_CACHE"):
            simulator(MODEL)


@as_root
def test_a_folder_of_another_user_is_not_used(tmp_path, monkeypatch):
    monkeypatch.setenv("BRIANPROP_CACHE", str(tmp_path))
    (tmp_path / "builds").mkdir()
    os.chown(tmp_path / "builds", 12345, 12345)
    with pytest.raises(BuildError, match=r"not a folder of this user.*BRIANPROP_CACHE"):
        private_folder("builds")
    (tmp_path / "builds").rmdir()
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "builds").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(BuildError, match="not a folder of this user"):
        private_folder("builds")


@as_root
def test_users_of_one_cache_have_folders_of_their_own(tmp_path, monkeypatch):
    shared = tmp_path / "shared"
    shared.mkdir()
    os.chown(shared, 12345, 12345)
    shared.chmod(0o777)
    monkeypatch.setenv("BRIANPROP_CACHE", str(shared))
    mine = private_folder("builds")
    assert mine == shared / "user0" / "builds" and mine.stat().st_mode & 0o777 == 0o700
    # what others may write is closed again
    mine.chmod(0o777)
    assert private_folder("builds").stat().st_mode & 0o022 == 0


# ---------------------------------------------------------------------------------------------------------------------
# What decides a binary
# ---------------------------------------------------------------------------------------------------------------------

GENERATE = """
import sys
from pathlib import Path
from brianprop.models.simulation import builds
from brianprop.models.simulation.generate import generate
from tests.models.test_builds import MODEL
from brianprop.models.ssnn_bp.model import SSNNModel
from brianprop.models.ssnn_bp.parameters import SSNN
for number, model in enumerate([MODEL, SSNNModel(SSNN(n_in=4, hidden=(3,), n_out=2, dropout=0.5, weight_decay=1e-9), True, 9)]):
    folder = Path(sys.argv[1], str(number))
    folder.mkdir()
    generate(folder, model, "dense")
    print(builds._digest_of_project(folder))
"""


def test_code_depends_on_neither_preferences_nor_hashes(tmp_path):
    home, digests = Path(__file__).parents[2], []
    texts = (None, "devices.cpp_standalone.openmp_threads = 2\ncodegen.cpp.extra_compile_args_gcc = ['-O0']\n")
    for seed, preferences in enumerate(texts):
        place = tmp_path / str(seed)
        (place / "out").mkdir(parents=True)
        if preferences:
            (place / "brian_preferences").write_text(preferences)
        environment = os.environ | {"PYTHONHASHSEED": str(seed + 1), "PYTHONPATH": str(home)}
        command = [sys.executable, "-c", GENERATE, place / "out"]
        done = subprocess.run(command, cwd=place, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        digests.append(done.stdout)
    assert digests[0] == digests[1]


@pytest.fixture
def fresh_compiler():
    """Compilers are looked at anew, before and after."""

    def forget():
        compilers.compiler.cache_clear()
        compilers.instruction_set.cache_clear()

    forget()
    yield forget
    forget()


def shim(path, text):
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


@pytest.mark.parametrize("command", ["", "g++ -m64", "{wrapper} g++"])
def test_the_compiler_may_be_a_command(command, tmp_path, monkeypatch, fresh_compiler):
    wrapper = shim(tmp_path / "ccache", 'exec "$@"')
    monkeypatch.setenv("CXX", command.format(wrapper=wrapper))
    words, version = compilers.compiler()
    assert words[1:] == tuple(command.split()[1:]) and "g++" in version
    (tmp_path / "x.cpp").write_text("int main() { return 0; }\n")
    compilers.in_parallel([[*words, "x.cpp", "-o", "x"]], tmp_path, "")
    assert subprocess.run([tmp_path / "x"]).returncode == 0


@pytest.mark.parametrize(
    ("command", "words"),
    [("no-such-compiler", "not on PATH"), ("'g++", "cannot be read"), ("{broken}", "does not run .*kaputt")],
)
def test_a_compiler_that_is_none_is_said(command, words, tmp_path, monkeypatch, fresh_compiler):
    broken = shim(tmp_path / "broken", "echo kaputt >&2; exit 1")
    monkeypatch.setenv("CXX", command.format(broken=broken))
    with pytest.raises(BuildError, match=words):
        compilers.compiler()


@pytest.mark.parametrize(
    "said", ["x.cpp:1:1: Fehler: unbekannt", "x.cpp:1:1: error: unknown", "ld: undefined reference to `f'"]
)
def test_the_compilers_own_message_is_shown(said, tmp_path):
    script = shim(tmp_path / "c++", f'echo "{said.replace("`", chr(92) + "`")}" >&2; exit 1')
    with pytest.raises(BuildError) as caught:
        compilers.in_parallel([[str(script)]], tmp_path, "look there.")
    assert said in str(caught.value) and str(caught.value).endswith("look there.")


def test_processors_of_one_name_with_other_instructions_have_other_builds(tmp_path, monkeypatch, fresh_compiler):
    keys = []
    for macros in ("__AVX2__", "__AVX2__ __AVX512F__", "__AVX2__"):
        lines = "; ".join(f'echo "#define {one} 1"' for one in macros.split())
        monkeypatch.setenv("CXX", str(shim(tmp_path / "g++", f'case "$*" in *-dM*) {lines};; *) echo "g++ 1.0";; esac')))
        fresh_compiler()
        keys.append(builds._key("dense", "code"))
    assert keys[0] == keys[2] != keys[1]


# ---------------------------------------------------------------------------------------------------------------------
# What is left behind
# ---------------------------------------------------------------------------------------------------------------------


def test_scratch_of_a_killed_process_goes_at_the_next_start(tmp_path):
    code = "import sys, time; from pathlib import Path; from brianprop.models.simulation.scratch import Scratch\n"
    code += "scratch = Scratch(Path(sys.argv[1])); print(scratch.path, flush=True); time.sleep(60)"
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2] / ".package")}
    command = [sys.executable, "-c", code, tmp_path]
    process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
    path = Path(process.stdout.readline().strip())
    with Scratch(tmp_path):
        assert path.is_dir()  # its process lives
    process.kill()
    process.wait()
    assert path.is_dir()
    with Scratch(tmp_path) as mine:
        assert not path.exists() and mine.is_dir()
    assert not list(tmp_path.iterdir())


def test_a_build_that_fails_leaves_nothing(tmp_path, monkeypatch):
    monkeypatch.setenv("BRIANPROP_CACHE", str(tmp_path))
    monkeypatch.setattr(builds, "generate", lambda *arguments: {"hot": []})

    def fail(*arguments):
        raise BuildError("no")

    monkeypatch.setattr(builds, "_compile", fail)
    with pytest.raises(BuildError, match=r"^no$"):
        simulator(MODEL)
    assert [path.suffix for path in (tmp_path / "builds").iterdir()] == [".lock"]


def test_runs_leave_neither_files_nor_descriptors(cache, tmp_path, monkeypatch):
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(temporary))
    counts = []
    for _ in range(4):
        with simulator(MODEL) as ready:
            stimuli = MODEL.stimuli({"input": np.eye(4, dtype=np.uint8), "target": np.eye(2, dtype=np.uint8)[[0, 1, 0, 1]]})
            for _ in range(2):
                ready.run(WEIGHTS, stimuli, np.arange(4))
            assert len(list(temporary.iterdir())) == 1
        del ready, stimuli
        assert not list(temporary.iterdir())
        counts.append(len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else 0)
    assert len(set(counts)) == 1


def test_the_manifest_holds_what_a_run_reads(cache):
    files = json.loads((cache / "manifest.json").read_text())["files"]
    assert "main" in files
    assert set(files) - {"main"} == {f"static_arrays/{one.name}" for one in (cache / "static_arrays").iterdir()}


def test_what_all_projects_share_is_compiled_once_and_anew_where_it_changed_or_is_damaged(tmp_path, monkeypatch):
    monkeypatch.setenv("BRIANPROP_CACHE", str(tmp_path / "cache"))
    compiled = []

    def in_parallel(commands, *rest):
        compiled.append([words[-1] for words in commands if words[-2] == "-c"])
        real(commands, *rest)

    real = compilers.in_parallel
    monkeypatch.setattr(compilers, "in_parallel", in_parallel)

    def answer(name: str, value: int) -> int:
        project = tmp_path / name
        (project / "code_objects").mkdir(parents=True)
        for file in ("objects", "network", "run", "synapses_classes"):
            (project / f"{file}.cpp").touch()
        (project / "main.cpp").write_text("int answer();\nint main() { return answer(); }\n")
        (project / "runs.h").write_text(f"#define ANSWER {value}\n")
        (project / "runs.cpp").write_text('#include "runs.h"\nint answer() { return ANSWER; }\n')
        compilers.compile_cpp(project, [])
        return subprocess.run([project / "main"]).returncode

    assert answer("first", 7) == 7
    assert answer("second", 7) == 7
    assert answer("other header", 8) == 8
    for kept in (tmp_path / "cache" / "objects").iterdir():
        data = bytearray(kept.read_bytes())
        data[-1] ^= 1
        kept.write_bytes(data)
    assert answer("damaged", 7) == 7
    assert answer("mended", 7) == 7
    assert ["runs.cpp" in units for units in compiled[::2]] == [True, False, True, True, False]
