"""The C++ compiler, and the units, flags and commands of a generated project."""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import json
import os
import platform
import re
import shlex
import shutil
import subprocess
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path

from brianprop.models.cache import private_folder
from brianprop.models.dense import units
from brianprop.models.errors import BuildError
from brianprop.models.files import atomic_write
from brianprop.models.simulation.waiting import Progress

__all__ = [
    "FLAGS",
    "ONCE",
    "STEPS",
    "compile_cpp",
    "compiler",
    "flags",
    "in_parallel",
    "instruction_set",
    "link_flags",
    "processor",
]

#: Optimisation of the code that runs in each step, and of the code that runs once: -Og compiles as fast as -O0.
STEPS, ONCE = "-O3", "-Og"

#: Flags of every compilation.
FLAGS = ("-w", "-I.", "-ffast-math", "-fno-finite-math-only", "-march=native", "-std=c++17")

#: Sources that are the same in all projects.
SHARED = ("runs.cpp",)

#: A header beside the source that includes it.
INCLUDED = re.compile(r'^[ \t]*#include "([^"]+)"', re.MULTILINE)


@cache
def compiler() -> tuple[tuple[str, ...], str]:
    """Command and version of the C++ compiler: the words of $CXX, such as ``ccache g++``, else g++.

    Raises
    ------
    BuildError
        Where there is none, or it does not run.
    """
    try:
        words = shlex.split(os.environ.get("CXX", "")) or ["g++"]
    except ValueError as error:
        raise BuildError(f"$CXX = {os.environ['CXX']!r} cannot be read ({error}); set it to a command such as g++.") from None
    path = shutil.which(words[0])
    if path is None:
        raise BuildError(f"No C++ compiler: {words[0]!r} is not on PATH; install g++ (Debian: apt install g++) or set $CXX.")
    command = (path, *words[1:])
    done = subprocess.run([*command, "--version"], capture_output=True, text=True, errors="replace")
    if done.returncode or not done.stdout:
        said = (done.stderr or done.stdout).strip()[:200] or f"status {done.returncode}"
        raise BuildError(f"The C++ compiler {shlex.join(command)} does not run ({said}); install g++ or set $CXX.")
    return command, done.stdout.splitlines()[0]


def flags() -> list[str]:
    """Flags of a compilation: `FLAGS` and those of $CXXFLAGS."""
    return [*FLAGS, *shlex.split(os.environ.get("CXXFLAGS", ""))]


def link_flags() -> list[str]:
    """Flags for the linker: those of $LDFLAGS."""
    return shlex.split(os.environ.get("LDFLAGS", ""))


@cache
def processor() -> str:
    """Name of the processor, for records. Binaries are compiled for `instruction_set`."""
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


@cache
def instruction_set() -> str:
    """Digest of the instruction set that ``-march=native`` means on this machine.

    It is computed from the macros that the compiler defines, one per extension. The name of the processor is not enough: two of
    the same name may differ in their vector instructions.

    Raises
    ------
    BuildError
        Where the compiler does not take the flags.
    """
    command = [*compiler()[0], *flags(), "-dM", "-E", "-x", "c++", os.devnull]
    done = subprocess.run(command, capture_output=True, text=True, errors="replace")
    if done.returncode:
        said = done.stderr.strip()[:200] or f"status {done.returncode}"
        raise BuildError(f"The C++ compiler does not take {shlex.join(command[1:-5])} ({said}); look at $CXX and $CXXFLAGS.")
    return hashlib.sha256("\n".join(sorted(done.stdout.splitlines())).encode()).hexdigest()[:20]


def in_parallel(
    commands: Sequence[Sequence[str]], folder: Path, remedy: str, progress: Progress = lambda done, total: None
) -> None:
    """Run commands in a folder in parallel, one per processor that this process may use.

    Parameters
    ----------
    commands : sequence of sequences of str
    folder : Path
    remedy : str
        The end of the sentence that says that a command has failed.
    progress : callable
        Called with the number of commands that have ended, and of all.

    Raises
    ------
    BuildError
        When a command fails, with the first lines of its output that mention an error, and the remedy.
    """
    from joblib import cpu_count

    ended = itertools.count(1)

    def run(command: Sequence[str]) -> None:
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, errors="replace")
        if done.returncode:
            lines = [line.strip() for line in (done.stderr + done.stdout).splitlines() if line.strip()]
            # earlier lines only list files that include one another; no line matches where messages are in another language
            start = next(
                (k for k, line in enumerate(lines) if re.search(r"\b(error|fatal|undefined)\b", line, re.IGNORECASE)), 0
            )
            said = " / ".join(lines[start : start + 2])[:400] or f"status {done.returncode}, no message"
            raise BuildError(f"The generated code does not compile with {command[0]}: {said}; {remedy}")
        progress(next(ended), len(commands))

    with ThreadPoolExecutor(cpu_count()) as pool:
        progress(0, len(commands))
        for _ in pool.map(run, commands):
            pass


def _shared_object(source: Path, command: Sequence[str]) -> Path:
    """Where the object file of a source that is the same in all projects is kept in the cache, after a digest of it.

    The name follows from the command, the compiler, the instruction set, and the text of the source and its headers.
    """
    digest = hashlib.sha256(json.dumps([*command, *compiler(), instruction_set()]).encode())
    texts: dict[Path, bytes] = {}
    wanted = [source]
    while wanted:
        path = wanted.pop()
        if path not in texts and path.is_file():  # headers of the system come with the compiler
            texts[path] = path.read_bytes()
            wanted += [path.parent / name for name in INCLUDED.findall(texts[path].decode())]
    for path in sorted(texts):
        digest.update(path.name.encode() + b"\0" + texts[path] + b"\0")
    return private_folder("objects") / f"{source.stem}-{digest.hexdigest()[:20]}"


def _kept_object(path: Path) -> bytes | None:
    """The object file that `_keep_object` wrote; None if there is none, or it is damaged."""
    with contextlib.suppress(FileNotFoundError):
        data = path.read_bytes()
        digest, code = data[: hashlib.sha256().digest_size], data[hashlib.sha256().digest_size :]
        return code if hashlib.sha256(code).digest() == digest else None
    return None


def _keep_object(path: Path, code: bytes) -> None:
    atomic_write(path, lambda file: file.write(hashlib.sha256(code).digest() + code))


def compile_cpp(folder: Path, hot: Iterable[str], progress: Progress = lambda done, total: None) -> None:
    """Compile the C++ project in a folder to ``main``.

    What is the same in all projects is compiled once for each compiler, and kept in the cache.

    Parameters
    ----------
    folder : Path
    hot : iterable of str
        Names of the pieces of code that run in each step. All others run once.
    progress : callable
        Called with the number of units that are compiled, and of all.

    Raises
    ------
    BuildError
        With the message of the compiler.
    """
    command, always, chosen = compiler()[0], flags(), set(hot)
    code = sorted((folder / "code_objects").glob("*.cpp"))
    once = [path for path in code if path.stem not in chosen]
    library = sorted(str(path.relative_to(folder)) for path in folder.glob("brianlib/*.cpp"))
    joined = {"unit_once.cpp": units.join(once, [*units.ONCE, *library])}
    for number, part in enumerate(units.divide([path for path in code if path.stem in chosen])):
        joined[f"unit_step{number}.cpp"] = units.join(part)
    for name, text in joined.items():
        (folder / name).write_text(text)
    remedy = "check the compiler, $CXX, $CXXFLAGS and $LDFLAGS, and that the disk is not full."
    sources = [*joined, *(name for name in SHARED if (folder / name).exists())]
    commands = {name: [*command, *always, ONCE if name == "unit_once.cpp" else STEPS, "-c", name] for name in sources}
    objects = {name: folder / Path(name).with_suffix(".o") for name in sources}
    missing: dict[str, Path] = {}
    for name in set(SHARED).intersection(sources):
        kept = _shared_object(folder / name, commands[name])
        if (compiled := _kept_object(kept)) is None:
            missing[name] = kept
        else:
            objects[name].write_bytes(compiled)
            del commands[name]
    in_parallel(list(commands.values()), folder, remedy, progress)
    for name, kept in missing.items():
        _keep_object(kept, objects[name].read_bytes())
    in_parallel([[*command, *(path.name for path in objects.values()), "-o", "main", *link_flags()]], folder, remedy)
    for path in [*folder.glob("*.o"), *folder.glob("unit_*.cpp")]:
        path.unlink()
