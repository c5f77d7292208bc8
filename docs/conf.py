"""Sphinx's settings: `make docs` builds the site of this folder into docs/_build."""

from __future__ import annotations

import os
import sys
from importlib.metadata import version as version_of
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent)]

import blocks  # noqa: E402, of this folder
import docstrings  # noqa: E402, of this folder

# The one place that knows where the project lives, "owner/name". GitHub's workflows set the variable;
# without it, as on a laptop, files of the repository are named but not linked, and Colab is not offered.
REPOSITORY = os.environ.get("GITHUB_REPOSITORY", "")

project = "savings_gym"
author = "savings_gym contributors"
copyright = author  # noqa: A001, Sphinx's name
release = version = version_of(project)

extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx_copybutton"]
exclude_patterns = ["_build"]

myst_enable_extensions = ["dollarmath", "amsmath", "colon_fence", "deflist"]
myst_heading_anchors = 3

nb_execution_mode = "cache"  # notebooks are committed without outputs, and run again if a cell has changed
nb_execution_raise_on_error = True
nb_execution_timeout = 600

default_role = "literal"
autodoc_member_order = "bysource"
autodoc_typehints_format = "short"
napoleon_google_docstring = True
napoleon_numpy_docstring = False
napoleon_use_ivar = True  # attributes of dataclasses are documented once
python_maximum_signature_line_length = 100

html_theme = "furo"
html_theme_options = {
    mode: {"code-font-size": "75%"}  # lines of 97 characters fit
    for mode in ("light_css_variables", "dark_css_variables")
}
html_title = f"{project} {release}"
html_copy_source = False
html_show_sphinx = False
copybutton_prompt_text = "$ "


def setup(app: Any) -> None:
    """Fill the pages from the repository, and make reStructuredText of docstrings."""
    pages = blocks.Pages(HERE, REPOSITORY)
    app.connect("source-read", lambda _, name, source: pages.fill(name, source))
    app.connect("autodoc-process-docstring", docstrings.prepare, priority=400)  # before napoleon
