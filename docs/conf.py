"""How Sphinx builds these pages."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "src"))

import mailroot  # found through the line above

project = "Mailroot"
author = "The Mailroot authors"
copyright = "the Mailroot authors"
version = release = mailroot.__version__

extensions = ["myst_parser"]
source_suffix = {".md": "markdown"}
exclude_patterns = ["_build"]
myst_enable_extensions = ["deflist", "colon_fence"]
myst_heading_anchors = 3

html_theme = "furo"
html_title = f"Mailroot {release}"
html_copy_source = False
nitpicky = True
