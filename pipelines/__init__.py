"""The stages of dvc.yaml: each file is one, run as a module."""

import sys
from pathlib import Path


def stage_folder() -> Path:
    """Return the folder with a stage's params.yaml and data: this one, or a study's, its argument."""
    return Path(sys.argv[1]) if len(sys.argv) > 1 else Path()
