"""Generated files of code, joined into few translation units.

Brian2 writes one file for each piece of code, about forty for a circuit. Each includes much of the standard library, and the
compiler spends most of its time in these headers. Files that are joined share them.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

__all__ = ["CODE_PER_UNIT", "ONCE", "divide", "join", "joinable"]

#: Files of code per unit. With more files, more of them share the headers; with fewer, more cores can compile in parallel.
CODE_PER_UNIT = 20

#: Files of a project with code that runs once, in an order in which one unit can include them.
ONCE = ("objects.cpp", "network.cpp", "run.cpp", "synapses_classes.cpp", "main.cpp")

#: Declaration of a function that the code of another file calls.
DECLARATION = re.compile(r"^[ \t]*void (\w+)\(\);", re.MULTILINE)

#: A type that files of several pieces of code name.
TYPE = re.compile(r"^namespace \w+ \{ struct \w+; \}$")

#: A macro. Those of Brian2 are in all files; one that a function of the user brings with it would be seen by other files too.
MACRO = re.compile(r"^[ \t]*#[ \t]*(?:define|undef)\b.*", re.MULTILINE)


def _namespace(file: Path) -> tuple[str, ...]:
    """The piece of code that a file belongs to, followed by ``before_run`` or ``after_run`` for code that runs then."""
    name, when = file.stem, ()
    for prefix in ("before_run", "after_run"):
        if name.startswith(f"{prefix}_"):
            name, when = name.removeprefix(f"{prefix}_"), (prefix,)
            break
    return (name, *when)


def divide(files: Iterable[Path], n_per_unit: int = CODE_PER_UNIT) -> list[list[Path]]:
    """Divide files of code among units of about `n_per_unit` files. The files of one piece of code stay together."""
    pieces = [list(parts) for _, parts in itertools.groupby(sorted(files, key=_namespace), lambda file: _namespace(file)[0])]
    n_units = -(-sum(map(len, pieces)) // n_per_unit)
    return [list(itertools.chain.from_iterable(pieces[number::n_units])) for number in range(n_units)]


def joinable(files: Iterable[Path]) -> list[Path]:
    """Those files of code that can share a unit: they define the same macros, and declare only functions of other files."""
    texts = {file: file.read_text() for file in files}
    functions = {name for file in texts for name in DECLARATION.findall(file.with_suffix(".h").read_text())}
    macros = {file: set(MACRO.findall(text)) for file, text in texts.items()}
    common = set.intersection(*macros.values()) if macros else set()
    return [file for file in texts if macros[file] == common and functions.issuperset(DECLARATION.findall(texts[file]))]


def join(files: Sequence[Path], included: Iterable[str] = ()) -> str:
    """Join generated files of code into the text of one translation unit.

    Each file gets its own namespace, since all define helper functions of the same names. The functions that its header
    declares stay visible to the rest of the program.

    Parameters
    ----------
    files : sequence of Path
        Sources that each have a header of the same name beside them.
    included : iterable of str
        Sources that the unit includes as they are, before all else.

    Returns
    -------
    str
    """
    includes: dict[str, None] = {}
    declarations: dict[str, None] = {}
    bodies = []
    for file in sorted(files, key=_namespace):
        text = []
        for line in file.read_text().splitlines():
            if line.lstrip().startswith("#include"):
                includes[line.strip()] = None
            elif DECLARATION.match(line) or TYPE.match(line):  # inside the namespace, it would declare another one
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
    return "\n".join([*(f'#include "{name}"' for name in included), *ordered, *declarations, *bodies])
