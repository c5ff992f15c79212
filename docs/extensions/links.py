"""Links of the site: to files of the repository that have no page here, and a check that all internal ones lead somewhere."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urldefrag, urlsplit

from sphinx.application import Sphinx
from sphinx.util import logging

SOURCE = "https://github.com/brianprop/brianprop/blob/main/"

logger = logging.getLogger(__name__)


def to_repository(_app: Sphinx, _name: str, source: list[str]) -> None:
    """Let links of a page to files outside of docs/ lead to the repository. Images are copied into the site as they are."""
    source[0] = re.sub(r"(?<!!)(\[[^]]*\])\(\.\./([^)]+)\)", rf"\1({SOURCE}\2)", source[0])


class Page(HTMLParser):
    """The links of a page, and the names of the places in it that a link may lead to."""

    def __init__(self, path: Path):
        super().__init__()
        self.links: list[str] = []
        self.places: set[str] = set()
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attrs):
        for name, value in attrs:
            if name in ("href", "src") and value and tag != "link":
                self.links.append(value)
            if name == "id" or (name == "name" and tag == "a"):
                self.places.add(value)


def broken(folder: Path) -> list[str]:
    """Every link in a built site to a page, a file or a place in a page that is not there, as ``page: link``."""
    pages = {path.resolve(): Page(path) for path in folder.rglob("*.html")}
    faults = []
    for path, page in pages.items():
        for link in page.links:
            address, place = urldefrag(link)
            if urlsplit(address).scheme or address.startswith("//"):
                continue
            target = (path.parent / unquote(urlsplit(address).path)).resolve() if address else path
            # a place in a script or a page without places is left to the browser
            found = target.exists() and (not place or target not in pages or unquote(place) in pages[target].places)
            if not found:
                faults.append(f"{path.relative_to(folder.resolve())}: {link}")
    return sorted(set(faults))


def check(app: Sphinx, error: Exception | None) -> None:
    """Warn of every broken link, which ends a build with -W."""
    if error is None and app.builder.format == "html":
        for fault in broken(Path(app.outdir)):
            logger.warning("broken link in %s", fault)


def setup(app: Sphinx) -> dict[str, bool]:
    app.connect("source-read", to_repository)
    app.connect("build-finished", check)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
