"""The package of somebody else's in tests/extension_package, installed as pip leaves it."""

from __future__ import annotations

import shutil
from pathlib import Path

PACKAGE = Path(__file__).parent / "extension_package"


def install(folder: Path) -> Path:
    """Install the package into a folder, and return the folder."""
    shutil.copytree(PACKAGE / "mlpf_extension", folder / "mlpf_extension")
    about = folder / "mlpf_extension-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: mlpf-extension\nVersion: 1.0\n")
    shutil.copy(PACKAGE / "entry_points.txt", about)
    return folder
