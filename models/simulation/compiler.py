"""The C++ compiler, and few translation units out of the many files that Brian2 generates.

Brian2 writes one file for each piece of code, some forty for a circuit. Each includes much of the standard library, and a
compiler spends most of its time in these headers. Files that are joined share them.
"""

from __future__ import annotations

import contextlib
import hashlib
import itertools
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

from brianprop.models.errors import BuildError

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

#: Flags of every compilation. The code of a step is compiled with -O3, what runs once with -O1.
FLAGS = ("-w", "-I.", "-ffast-math", "-fno-finite-math-only", "-march=native", "-std=c++17")

#: Pieces of code in a unit: more of them share the headers, fewer are compiled on more cores.
CODE_PER_UNIT = 20

#: A function that the code of another file calls.
DECLARATION = re.compile(r"^[ \t]*void (\w+)\(\);", re.MULTILINE)

#: Files of a project that hold what runs once, in the order in which one unit can include them.
ONCE = ("objects.cpp", "network.cpp", "run.cpp", "synapses_classes.cpp", "main.cpp")


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


def _place(file: Path) -> tuple[str, ...]:
    """The piece of code that a file belongs to, and for what runs before or after it the namespace inside that of the piece."""
    when, name = re.fullmatch(r"(?:(before|after)_run_)?(.*)", file.stem).groups()
    return (name, f"{when}_run") if when else (name,)


def divide(files: Iterable[Path], n_per_unit: int) -> list[list[Path]]:
    """Divide files of code among units of about `n_per_unit` files; what belongs to one piece of code stays together."""
    pieces = [list(parts) for _, parts in itertools.groupby(sorted(files, key=_place), lambda file: _place(file)[0])]
    n_units = -(-sum(map(len, pieces)) // n_per_unit)
    return [list(itertools.chain.from_iterable(pieces[number::n_units])) for number in range(n_units)]


@cache
def processor() -> str:
    """Name of the processor, for records; `instruction_set` says what binaries are compiled for."""
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


@cache
def instruction_set() -> str:
    """Digest of what ``-march=native`` stands for on this machine: the macros that the compiler defines, one per extension.

    The name of a processor does not tell: two of the same name may differ in their vector instructions.

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

    Each file keeps a namespace of its own, since all of them define helpers of the same names. What the file's header declares
    stays visible to the rest of the program.

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
    for file in sorted(files, key=_place):
        text = []
        for line in file.read_text().splitlines():
            if line.lstrip().startswith("#include"):
                includes[line.strip()] = None
            elif DECLARATION.match(line):  # in the namespace, it would speak of another function
                declarations[line.strip()] = None
            else:
                text.append(line)
        # what runs before or after the steps sees the kernels of the code that runs in each
        name, *inner = _place(file)
        space = [f"unit_{name}", *inner]
        body = "\n".join([*(f"namespace {part} {{" for part in space), *text, "}" * len(space)])
        declared = DECLARATION.findall(file.with_suffix(".h").read_text())
        defined = [one for one in declared if re.search(rf"^[ \t]*void {one}\(\)", body, re.MULTILINE)]
        bodies += [body, *(f"void {one}() {{ {'::'.join(space)}::{one}(); }}" for one in defined)]
    # the headers of code come last, and that of the objects first: others need what it declares
    ordered = sorted(includes, key=lambda line: ("code_objects/" in line, '"objects.h"' not in line))
    unit.write_text("\n".join([*(f'#include "{name}"' for name in included), *ordered, *declarations, *bodies]))


def in_parallel(commands: Sequence[Sequence[str]], folder: Path, remedy: str) -> None:
    """Run commands in a folder, as many at a time as there are processors that this process may use.

    Raises
    ------
    BuildError
        Where one fails: its first lines that speak of an error, and the remedy.
    """
    from joblib import cpu_count

    def run(command: Sequence[str]) -> None:
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, errors="replace")
        if done.returncode:
            lines = [line.strip() for line in (done.stderr + done.stdout).splitlines() if line.strip()]
            # what comes before are files that include one another; where no line says so, the message is in another language
            start = next(
                (k for k, line in enumerate(lines) if re.search(r"\b(error|fatal|undefined)\b", line, re.IGNORECASE)), 0
            )
            said = " / ".join(lines[start : start + 2])[:400] or f"status {done.returncode}, no message"
            raise BuildError(f"The generated code does not compile with {command[0]}: {said}; {remedy}")

    with ThreadPoolExecutor(cpu_count()) as pool:
        for _ in pool.map(run, commands):
            pass


def compile_cpp(folder: Path, hot: Iterable[str]) -> None:
    """Compile the C++ project in a folder to ``main``.

    Parameters
    ----------
    folder : Path
    hot : iterable of str
        Names of the pieces of code that run in each step. All others run once.

    Raises
    ------
    BuildError
        With the message of the compiler.
    """
    command, always, chosen = compiler()[0], flags(), set(hot)
    code = sorted((folder / "code_objects").glob("*.cpp"))
    steps = [path for path in code if path.stem in chosen]
    units = {"unit_once.cpp": "-O1"} | ({"runs.cpp": "-O3"} if (folder / "runs.cpp").exists() else {})
    for number, part in enumerate(divide(steps, CODE_PER_UNIT)):
        join(part, folder / f"unit_step{number}.cpp")
        units[f"unit_step{number}.cpp"] = "-O3"
    library = sorted(str(path.relative_to(folder)) for path in folder.glob("brianlib/*.cpp"))
    join([path for path in code if path.stem not in chosen], folder / "unit_once.cpp", [*ONCE, *library])
    remedy = "check the compiler, $CXX, $CXXFLAGS and $LDFLAGS, and that the disk is not full."
    in_parallel([[*command, *always, level, "-c", unit] for unit, level in units.items()], folder, remedy)
    objects = [str(Path(unit).with_suffix(".o")) for unit in units]
    in_parallel([[*command, *objects, "-o", "main", *link_flags()]], folder, remedy)
    for path in [*folder.glob("*.o"), *folder.glob("unit_*.cpp")]:
        path.unlink()
