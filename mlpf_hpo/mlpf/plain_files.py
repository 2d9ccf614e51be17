"""How Lightning writes the checkpoints of trials."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import torch
from pytorch_lightning.plugins.io import TorchCheckpointIO


class PlainFiles(TorchCheckpointIO):
    """Writes Lightning's checkpoints where they belong.

    Lightning writes to the system's temporary folder and moves the file: a full disk on either side would
    leave it behind, and a copy between the two may stand half-written.
    """

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None) -> None:
        """Write a checkpoint; what the file system refuses is an `OSError`."""
        stream = io.BytesIO()
        torch.save(checkpoint, stream)
        Path(path).write_bytes(stream.getvalue())
