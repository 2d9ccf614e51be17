"""Memory of this process: keep freed memory for the next training step; measure peak memory."""

from __future__ import annotations

import ctypes
import resource
from contextlib import suppress
from pathlib import Path

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
"""Parameters of glibc's mallopt(3)."""

LARGEST_BLOCK, LARGEST_REST = 2**30, 2**31 - 1
"""Bytes of a block that is still taken from the heap, and of free heap that stays with the process."""

CLEAR_REFS, STATUS = Path("/proc/self/clear_refs"), Path("/proc/self/status")

KIB = 1024
"""The unit of Linux for resident memory."""


def keep_freed_memory() -> bool:
    """Let the C library keep freed blocks of up to 1 GiB instead of giving them back to the system.

    Every training step takes the same memory again. Pages that were given back in between would have to be
    zeroed each time: a tenth of a step at the paper's widths. Holds for the whole process.

    Returns
    -------
    bool
        Whether this C library can: glibc. Others are left as they are.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return False
    return bool(mallopt(M_MMAP_THRESHOLD, LARGEST_BLOCK)) and bool(mallopt(M_TRIM_THRESHOLD, LARGEST_REST))


def forget_peak_memory() -> bool:
    """Let `peak_memory` begin anew.

    Returns
    -------
    bool
        Whether this system can: Linux. Elsewhere the peak stays that of the process's whole life.
    """
    try:
        CLEAR_REFS.write_text("5")  # proc(5): resets the peak of resident memory
    except OSError:
        return False
    return True


def peak_memory() -> int:
    """Return the most resident memory that this process had, in bytes.

    On Linux by /proc: the peak of getrusage(2) begins with that of the process that started this one.
    """
    with suppress(OSError):
        for line in STATUS.read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * KIB
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * KIB
