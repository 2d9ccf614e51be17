"""Pause of Python's cyclic garbage collector, where many objects are made and none is freed."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def collector_paused() -> Iterator[None]:
    """Make no search for garbage; usable as a decorator too.

    Importing MLflow and scikit-learn makes a million objects that all stay. They grow so fast that the
    collector looks through all of them again and again: a quarter of the time that loading a model takes in
    a new process.
    """
    if not gc.isenabled():
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        if gc.get_freeze_count() == 0:
            # Freezing and thawing makes all that is new old at once. Else the very next search, which is
            # meant for a few hundred young objects, would look through everything made meanwhile.
            gc.freeze()
            gc.unfreeze()
        gc.enable()
