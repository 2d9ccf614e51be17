"""Sphinx: `{public-names}` stands for the documentation of every name that `import mlpf_hpo` gives."""

from __future__ import annotations

import inspect
from typing import Any

from generated_markdown import markdown_directive
from sphinx.application import Sphinx

import mlpf_hpo

GROUPS = {
    "curves": "Learning curves",
    "predictors": "Predictors",
    "registry": "The registry",
    "search": "Schedulers and replay",
    "space": "Search spaces",
    "target_metric": "Search spaces",
    "tuning": "Campaigns and searches",
    "events": "MLPF",
    "mlpf": "MLPF",
}
"""Heading by folder; names of a folder that is not here stand under its own name."""


def reference() -> str:
    """Return a section per group of names."""
    groups: dict[str, list[str]] = {}
    for name in mlpf_hpo.__all__:
        home = inspect.getmodule(getattr(mlpf_hpo, name)).__name__.split(".")[1]  # type: ignore[union-attr]
        groups.setdefault(GROUPS.get(home, home), []).append(name)
    order = {title: i for i, title in enumerate(dict.fromkeys(GROUPS.values()))}
    lines = []
    for title, names in sorted(groups.items(), key=lambda item: order.get(item[0], len(order))):
        lines += [f"## {title}\n", *(entry(name) for name in names)]
    return "\n".join(lines)


def entry(name: str) -> str:
    """Return the directive that documents a name."""
    is_class = inspect.isclass(getattr(mlpf_hpo, name))
    directive = f".. auto{'class' if is_class else 'function'}:: mlpf_hpo.{name}"
    return f"```{{eval-rst}}\n{directive}\n```\n"


def setup(app: Sphinx) -> dict[str, Any]:
    """Register with Sphinx."""
    app.add_directive("public-names", markdown_directive(reference))
    return {"parallel_read_safe": True}
