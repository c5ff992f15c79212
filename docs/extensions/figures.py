"""Pictures of the gallery: the figures of this project are Matplotlib's `Figure`, not windows of pyplot."""

from __future__ import annotations

from matplotlib.figure import Figure
from sphinx_gallery.scrapers import figure_rst


def scrape(_block, block_vars: dict, gallery_conf: dict) -> str:
    """Write the figures that a block of a script has made, those that its variables hold, and return how they are shown."""
    names = block_vars["example_globals"]
    shown = names.setdefault("_shown", [])
    paths = []
    for figure in [value for value in names.values() if isinstance(value, Figure)]:
        if not any(figure is other for other in shown):
            shown.append(figure)
            path = next(block_vars["image_path_iterator"])
            figure.savefig(path, dpi=160)
            paths.append(path)
    return figure_rst(paths, gallery_conf["src_dir"])
