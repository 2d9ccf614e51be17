"""An installed package that adds to this one: a folder on the path with entry points, as installed."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path


def distribution(folder: Path, group: str, points: Mapping[str, str], source: str) -> Path:
    """Make a package whose one module holds `source` and is what `points` (name -> object) refer to."""
    (module,) = {reference.partition(":")[0] for reference in points.values()}
    (folder / f"{module}.py").write_text(source)
    information = folder / f"{module}-1.0.dist-info"
    information.mkdir()
    (information / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {module}\nVersion: 1.0\n")
    lines = [f"{name} = {reference}" for name, reference in points.items()]
    (information / "entry_points.txt").write_text("\n".join([f"[{group}]", *lines, ""]))
    return folder
