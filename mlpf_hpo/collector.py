"""Python's cyclic garbage collector where many objects are made and none is freed: paused, or rarely used."""

from __future__ import annotations

import atexit
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


RARELY = 10_000
"""Objects made and not freed between two searches of the collector; Python's own number is 700."""


def collect_rarely() -> None:
    """Make the collector of a whole process search less often, and not at the end.

    Of what a command or a stage takes, a third was searches for garbage: through the modules that it imports
    while it imports them, and again through all of them before it ends, when the system takes the memory back
    anyway. What is registered to run at the end still runs.
    """
    gc.set_threshold(RARELY, *gc.get_threshold()[1:])
    atexit.register(gc.freeze)
