"""Digest of the event stores of a training; needs no PyTorch."""

from __future__ import annotations

from pathlib import Path

from mlpf_hpo.events.store import EventStore
from mlpf_hpo.space import stable_hash


def sample_digest(train: Path, validation: Path) -> str:
    """Compare both stores with their checksums; return one digest of them: the data of a training.

    The process that starts trainings calls this once: trainings open the stores without reading all of them.

    Raises
    ------
    MissingInputError, DataError
        If a store is not there, or damaged; the message names the file.
    """
    stores = [EventStore.open(train), EventStore.open(validation)]
    for store in stores:
        store.verify()
    return stable_hash([store.digest for store in stores], length=16)
