"""Settings of Sphinx: the pages of this folder as a site that needs no network."""

from __future__ import annotations

import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE.parent), str(HERE / "extensions")]

from mlpf_hpo import __version__  # noqa: E402

project = "mlpf_hpo"
version = release = __version__
language = "en"

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "myst_parser",
    "sphinx_design",
    "sphinx_copybutton",
    "paths_as_links",
    "command_reference",
    "parameter_reference",
    "public_names",
    "concepts",
]
exclude_patterns = ["extensions", "_build"]
source_suffix = {".md": "markdown"}

myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 4

# Docstrings are NumPy's; types stand in signatures, and in the text where these say less.
napoleon_google_docstring = False
napoleon_use_rtype = False
autodoc_typehints = "signature"
autodoc_member_order = "bysource"
autodoc_default_options = {
    "members": True,
    # scikit-learn puts these on every estimator.
    "exclude-members": "set_fit_request, set_predict_request, set_score_request",
}

html_theme = "furo"
html_title = "mlpf_hpo"
html_static_path = ["static"]
html_css_files = ["site.css"]
html_show_sourcelink = False
html_copy_source = False
html_show_copyright = False
copybutton_prompt_text = r"\$ |>>> |\.\.\. "
copybutton_prompt_is_regexp = True
