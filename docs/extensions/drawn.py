"""Pages that are scripts: their blocks of Python draw their pictures anew, and print what the page says."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from sphinx.application import Sphinx
from sphinx.errors import ExtensionError
from sphinx.util import logging

#: Pages whose blocks, one after the other, are a script that writes pictures into the folder figures.
PAGES = ("tutorial",)

logger = logging.getLogger(__name__)


def blocks(text: str, language: str) -> str:
    """All fenced blocks of a language."""
    return "".join(re.findall(rf"^```{language}\n(.*?)^```$", text, flags=re.MULTILINE | re.DOTALL))


def draw(app: Sphinx) -> None:
    """Run the scripts of the pages."""
    for page in PAGES:
        text = (Path(app.srcdir) / f"{page}.md").read_text(encoding="utf-8")
        done = subprocess.run(
            [sys.executable, "-c", blocks(text, "python")], cwd=Path(app.srcdir) / "figures", capture_output=True, text=True
        )
        if done.returncode:
            raise ExtensionError(f"the script of {page}.md fails:\n{done.stderr[-2000:]}")
        if done.stdout != blocks(text, "text"):
            logger.warning("the script of %s.md prints something else than the page says:\n%s", page, done.stdout)


def setup(app: Sphinx) -> dict[str, bool]:
    app.connect("builder-inited", draw)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
