"""Settings of the documentation site, which `make docs` builds."""

import sys
from pathlib import Path

import brianprop

sys.path.append(str(Path(__file__).parent / "extensions"))

project = "Brianprop"
author = "The Brianprop developers"
copyright = author
version = release = brianprop.__version__

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "numpydoc",
    "sphinx_copybutton",
    "sphinx_gallery.gen_gallery",
    "docstrings",
    "drawn",
    "links",
]
exclude_patterns = ["build", "extensions", "templates", "gallery", "**/*.py", "**/*.md5", "**/*.ipynb"]
templates_path = ["templates"]

# Markdown: links to headings, written as on GitHub
myst_heading_anchors = 4

# API: every module, with its members as __all__ names them
autosummary_generate = True
autodoc_default_options = {"members": True, "show-inheritance": True, "member-order": "bysource"}
autodoc_typehints = "none"  # the docstrings give types, with shapes and units
autodoc_preserve_defaults = True
numpydoc_show_class_members = False  # autodoc shows them
default_role = "py:obj"
add_module_names = False
toc_object_entries = False

sphinx_gallery_conf = {
    "examples_dirs": "gallery",
    "gallery_dirs": "examples",
    "image_scrapers": ("figures.scrape",),
    "within_subsection_order": "FileNameSortKey",
    "download_all_examples": False,
    "capture_repr": (),
    "show_memory": False,
    "show_signature": False,
    "min_reported_time": 10**6,  # seconds of one machine say nothing about another
    "copyfile_regex": r".*\.rst",
}

html_theme = "furo"
html_title = f"Brianprop {version}"
html_show_copyright = False
html_show_sourcelink = False
html_theme_options = {
    "source_repository": "https://github.com/brianprop/brianprop/",
    "source_branch": "main",
    "source_directory": "docs/",
    "light_css_variables": {"color-brand-primary": "#0063a8", "color-brand-content": "#0063a8"},
    "dark_css_variables": {"color-brand-primary": "#6cb8f0", "color-brand-content": "#6cb8f0"},
}
html_static_path = ["static"]
html_css_files = ["site.css"]
