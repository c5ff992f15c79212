"""The C++ compiler, and how the many files that Brian2 generates are joined into few translation units.

Brian2 writes one file for each piece of code, about forty for a circuit. Each includes much of the standard library, and the
compiler spends most of its time in these headers. Files that are joined share them.
"""

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
from brianprop.models.errors import BuildError
from brianprop.models.files import atomic_write
from brianprop.models.simulation.waiting import Progress

__all__ = [
    "CODE_PER_UNIT",
    "FLAGS",
    "compile_cpp",
    "compiler",
    "divide",
    "flags",
    "in_parallel",
    "instruction_set",
    "join",
    "link_flags",
    "processor",
]

#: Flags of every compilation. Code that runs in each step is compiled with -O3, code that runs once with -O1.
FLAGS = ("-w", "-I.", "-ffast-math", "-fno-finite-math-only", "-march=native", "-std=c++17")

#: Files of code per unit. With more files, more of them share the headers; with fewer, more cores can compile in parallel.
CODE_PER_UNIT = 20

#: Declaration of a function that the code of another file calls.
DECLARATION = re.compile(r"^[ \t]*void (\w+)\(\);", re.MULTILINE)

#: Files of a project with code that runs once, in an order in which one unit can include them.
ONCE = ("objects.cpp", "network.cpp", "run.cpp", "synapses_classes.cpp", "main.cpp")

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


def _namespace(file: Path) -> tuple[str, ...]:
    """The piece of code that a file belongs to, followed by ``before_run`` or ``after_run`` for code that runs then."""
    name, when = file.stem, ()
    for prefix in ("before_run", "after_run"):
        if name.startswith(f"{prefix}_"):
            name, when = name.removeprefix(f"{prefix}_"), (prefix,)
            break
    return (name, *when)


def divide(files: Iterable[Path], n_per_unit: int) -> list[list[Path]]:
    """Divide files of code among units of about `n_per_unit` files. The files of one piece of code stay together."""
    pieces = [list(parts) for _, parts in itertools.groupby(sorted(files, key=_namespace), lambda file: _namespace(file)[0])]
    n_units = -(-sum(map(len, pieces)) // n_per_unit)
    return [list(itertools.chain.from_iterable(pieces[number::n_units])) for number in range(n_units)]


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


def join(files: Sequence[Path], unit: Path, included: Iterable[str] = ()) -> None:
    """Join generated files of code into one translation unit.

    Each file gets its own namespace, since all define helper functions of the same names. The functions that its header
    declares stay visible to the rest of the program.

    Parameters
    ----------
    files : sequence of Path
        Sources that each have a header of the same name beside them.
    unit : Path
        The file to write.
    included : iterable of str
        Sources that the unit includes as they are, before all else.
    """
    includes: dict[str, None] = {}
    declarations: dict[str, None] = {}
    bodies = []
    for file in sorted(files, key=_namespace):
        text = []
        for line in file.read_text().splitlines():
            if line.lstrip().startswith("#include"):
                includes[line.strip()] = None
            elif DECLARATION.match(line):  # inside the namespace, it would declare another function
                declarations[line.strip()] = None
            else:
                text.append(line)
        # code that runs before or after the steps must see the kernels of the code that runs in each step
        name, *inner = _namespace(file)
        space = [f"unit_{name}", *inner]
        body = "\n".join([*(f"namespace {part} {{" for part in space), *text, "}" * len(space)])
        declared = DECLARATION.findall(file.with_suffix(".h").read_text())
        defined = [one for one in declared if re.search(rf"^[ \t]*void {one}\(\)", body, re.MULTILINE)]
        bodies += [body, *(f"void {one}() {{ {'::'.join(space)}::{one}(); }}" for one in defined)]
    # headers of code objects come last, and objects.h first, since others need its declarations
    ordered = sorted(includes, key=lambda line: ("code_objects/" in line, '"objects.h"' not in line))
    unit.write_text("\n".join([*(f'#include "{name}"' for name in included), *ordered, *declarations, *bodies]))


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
    steps = [path for path in code if path.stem in chosen]
    units = {"unit_once.cpp": "-O1"} | {name: "-O3" for name in SHARED if (folder / name).exists()}
    for number, part in enumerate(divide(steps, CODE_PER_UNIT)):
        join(part, folder / f"unit_step{number}.cpp")
        units[f"unit_step{number}.cpp"] = "-O3"
    library = sorted(str(path.relative_to(folder)) for path in folder.glob("brianlib/*.cpp"))
    join([path for path in code if path.stem not in chosen], folder / "unit_once.cpp", [*ONCE, *library])
    remedy = "check the compiler, $CXX, $CXXFLAGS and $LDFLAGS, and that the disk is not full."
    commands = {unit: [*command, *always, level, "-c", unit] for unit, level in units.items()}
    objects = {unit: folder / Path(unit).with_suffix(".o") for unit in units}
    missing: dict[str, Path] = {}
    for unit in set(SHARED).intersection(units):
        kept = _shared_object(folder / unit, commands[unit])
        if (code_of_unit := _kept_object(kept)) is None:
            missing[unit] = kept
        else:
            objects[unit].write_bytes(code_of_unit)
            del commands[unit]
    in_parallel(list(commands.values()), folder, remedy, progress)
    for unit, kept in missing.items():
        _keep_object(kept, objects[unit].read_bytes())
    in_parallel([[*command, *(path.name for path in objects.values()), "-o", "main", *link_flags()]], folder, remedy)
    for path in [*folder.glob("*.o"), *folder.glob("unit_*.cpp")]:
        path.unlink()
