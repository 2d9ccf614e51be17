"""The data of a training as one digest; whoever plans trainings needs no PyTorch for it."""

from __future__ import annotations

from pathlib import Path

from mlpf_hpo.events.store import EventStore
from mlpf_hpo.space import stable_hash


def sample_digest(train: Path, validation: Path) -> str:
    """Compare both stores with their checksums; return one digest of them: the data of a training.

    Whoever starts trainings calls this once: the trainings open the stores without reading them through.

    Raises
    ------
    MissingInputError, DataError
        If a store is not there, or damaged; the message names the file.
    """
    stores = [EventStore.open(train), EventStore.open(validation)]
    for store in stores:
        store.verify()
    return stable_hash([store.digest for store in stores], length=16)
