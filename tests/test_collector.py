"""The garbage collector is paused where models are loaded, and only there."""

from __future__ import annotations

import gc
import subprocess
import sys
import weakref

import pytest

from mlpf_hpo.collector import collector_paused


@pytest.fixture(autouse=True)
def nothing_frozen() -> None:
    """Undo what a training in this process froze."""
    gc.unfreeze()


def test_it_rests_inside_and_works_again_after_whatever_happens() -> None:
    assert gc.isenabled()
    with collector_paused():
        assert not gc.isenabled()
        with collector_paused():
            assert not gc.isenabled()
        assert not gc.isenabled(), "the outer pause goes on"
    assert gc.isenabled()
    with pytest.raises(ZeroDivisionError), collector_paused():
        1 / 0  # noqa: B018
    assert gc.isenabled()


def test_who_had_it_off_keeps_it_off() -> None:
    gc.disable()
    try:
        with collector_paused():
            pass
        assert not gc.isenabled()
    finally:
        gc.enable()


class Knot:
    """Refers to itself: only a search finds that nobody else does."""

    def __init__(self) -> None:
        self.itself = self


def test_what_was_made_meanwhile_is_old_but_still_found_when_it_is_garbage() -> None:
    gc.collect()
    with collector_paused():
        kept, lost = [Knot() for _ in range(5000)], weakref.ref(Knot())
    assert gc.get_count()[0] < len(kept)
    young = {id(value) for generation in (0, 1) for value in gc.get_objects(generation)}
    assert not young & set(map(id, kept))
    assert lost() is not None
    gc.collect()
    assert lost() is None


def test_what_somebody_froze_stays_frozen() -> None:
    knot = Knot()
    gc.freeze()
    try:
        with collector_paused():
            pass
        assert not any(found is knot for found in gc.get_objects()), "a search looks through it again"
    finally:
        gc.unfreeze()
    assert any(found is knot for found in gc.get_objects())


def test_who_asks_for_a_champion_waits_for_no_search_for_garbage() -> None:
    code = """
import gc
found = []
gc.callbacks.append(lambda phase, info: found.append(info["generation"]))
from mlpf_hpo.registry.load import load_registered
print(found.count(2), gc.isenabled())
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout == "0 True\n", done.stderr


def test_a_stage_collects_rarely_and_ends_without_a_search_but_with_what_is_registered_for_the_end() -> None:
    code = """
import atexit, gc
from mlpf_hpo import console
class Knot:
    def __init__(self): self.itself = self
    def __del__(self): print("found")
def main():
    print(gc.get_threshold()[0] > 700)
    atexit.register(print, "end")
    Knot()
console.run(main)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout == "True\nend\n", done.stderr
