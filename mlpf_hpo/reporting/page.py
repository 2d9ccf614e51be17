"""Pages from templates: each one file that works offline, on a phone, in light and dark."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

TEMPLATES = Path(__file__).parent / "templates"


def render_page(template: str, folder: Path = TEMPLATES, **values: Any) -> str:
    """Return the page of a template as HTML; all values but `Markup` are escaped.

    The template lies in `folder` and extends ``page.html``, which needs a `title`; ``page.html`` and
    ``parts.html`` are always those of this package.

    Raises
    ------
    jinja2.TemplateError
        If the template is not there, or names a value that is not given.
    """
    environment = Environment(
        loader=FileSystemLoader([TEMPLATES, folder]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    return environment.get_template(template).render(values)
