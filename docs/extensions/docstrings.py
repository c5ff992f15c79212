"""Docstrings as the reference shows them: without what autosummary shows anyway, with links as they are written."""

from __future__ import annotations

import re
from inspect import isfunction
from typing import Any, get_origin

from docutils.nodes import Element
from sphinx.addnodes import pending_xref
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment

#: A line of the list of files in the docstring of a package: ``name.py   what it is for``.
ENTRY = re.compile(r"[\w./,]+(?: [\w./]+,?)* {2,}\S.*")


def without_lists_of_files(_app: Sphinx, what: str, _name: str, module: Any, _options, lines: list[str]) -> None:
    """Take the list of files out of the docstring of a package, below which stands a table of its modules."""
    if what == "module" and hasattr(module, "__path__"):
        lines[:] = [line for line in lines if not ENTRY.fullmatch(line)]


def not_ours(_app: Sphinx, _what: str, _name: str, member: Any, _skip: bool, _options) -> bool | None:
    """Leave out names of types such as ``dict[str, int]``, which numpydoc takes for classes, and methods that others add."""
    added = isfunction(member) and not member.__module__.startswith("brianprop")
    return True if get_origin(member) or added else None


def within_the_package(app: Sphinx, env: BuildEnvironment, node: pending_xref, shown: Element) -> Element | None:
    """Resolve a name that is written without ``brianprop.``, such as ``models.circuit.Circuit``."""
    if node.get("refdomain") != "py":
        return None
    target, page = "brianprop." + node["reftarget"], node["refdoc"]
    return env.domains["py"].resolve_xref(env, page, app.builder, node["reftype"], target, node, shown)


def setup(app: Sphinx) -> dict[str, bool]:
    # before numpydoc, which is connected with the usual priority of 500
    app.connect("autodoc-process-docstring", without_lists_of_files, priority=400)
    app.connect("autodoc-skip-member", not_ours)
    app.connect("missing-reference", within_the_package)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
