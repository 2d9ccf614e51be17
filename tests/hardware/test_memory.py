"""The kernel's own count of pages shows whether memory stays with the process."""

from __future__ import annotations

import subprocess
import sys

import pytest

FAULTS = """
import resource, sys, torch
from mlpf_hpo.hardware.memory import keep_freed_memory
if sys.argv[1] == "keep" and not keep_freed_memory():
    sys.exit("no mallopt")
for _ in range(40):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    block = torch.ones(10_000_000)
    del block
    last = resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
print(last)
"""


@pytest.mark.parametrize(("what", "anew"), [("keep", False), ("leave", True)])
def test_pages_of_a_freed_block_are_not_taken_anew(what: str, anew: bool) -> None:
    command = [sys.executable, "-c", FAULTS, what]
    end = subprocess.run(command, capture_output=True, text=True, check=False)
    if "no mallopt" in end.stderr:
        pytest.skip("this C library has no mallopt")
    assert (int(end.stdout) > 1000) is anew, end


# In a process of its own: one that has trained keeps what it freed.
PEAK = """
from mlpf_hpo.hardware.memory import forget_peak_memory, peak_memory

def take(megabytes):
    block = bytearray(megabytes * 10**6)
    block[::4096] = b"x" * len(block[::4096])  # touches every page

take(300)
print(peak_memory())
print(int(forget_peak_memory()))
print(peak_memory())
take(100)
print(peak_memory())
"""


def test_the_peak_is_that_since_it_was_forgotten() -> None:
    end = subprocess.run([sys.executable, "-c", PEAK], capture_output=True, text=True, check=True)
    before, forgets, resting, after = map(int, end.stdout.split())
    if not forgets:
        pytest.skip("this system does not forget")
    assert resting < before - 200e6
    assert after - resting == pytest.approx(100e6, rel=0.2)
