"""Roofline of a machine, measured: the rates of a matrix product and of a memory triad.

Both limits of the roofline model (Williams, Waterman, Patterson, CACM 52 (2009) 65) are measured in the
process that wants to compare itself with them, with its threads, precision and neighbours. The best
of many repetitions counts: disturbances only ever slow a run down.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

MIB = 2**20
TRIAD_MIB = (64, 128)
"""Smallest and largest array of the triad; three of them are allocated by every copy of a benchmark."""

GEMM_SIZES = {"cpu": (256, 512, 1024, 2048), "cuda": (4096, 8192)}
"""Orders of the square matrices tried; small ones suit one core, large ones many cores or a GPU."""

SHORT_GEMM_SIZES, SHORT_SECONDS = {"cpu": (512, 1024), "cuda": (4096,)}, 0.05
"""For a measurement that every trial makes: a tenth of a second on one core."""

GEMM_DTYPES = {"32": torch.float32, "bf16-mixed": torch.bfloat16, "16-mixed": torch.float16}
"""Lightning's name of a precision -> type of its matrix products."""

_MINIMUM_REPETITIONS = 3
_PATIENCE = 4.0
"""A larger product is tried only if its repetitions promise to take less than this many budgets."""

_measured_peaks: dict[tuple[str, str, int], float] = {}
"""Device, precision, threads -> FLOP/s."""

_LAST_LEVEL_CACHE = Path("/sys/devices/system/cpu/cpu0/cache/index3/size")


@dataclass(frozen=True)
class Roofline:
    """The two limits of a machine as one process saw them.

    Attributes
    ----------
    gemm_flops : float
        Floating-point operations per second of the best square matrix product; 2 n^3 operations each.
    gemm_order : int
        Order n of that product.
    gemm_dtype : str
        Type of its numbers, like ``"float32"``.
    triad_bytes_per_second : float
        Memory rate of ``a = b + s c``, two reads and one write counted (McCalpin's STREAM).
    triad_array_bytes : int
        Size of each of its three arrays.
    threads : int
        CPU threads that torch used.
    device : str
        ``"cpu"`` or the GPU's torch name.
    """

    gemm_flops: float
    gemm_order: int
    gemm_dtype: str
    triad_bytes_per_second: float
    triad_array_bytes: int
    threads: int
    device: str

    @property
    def ridge(self) -> float:
        """Operations per byte above which arithmetic, not memory, is the limit."""
        return self.gemm_flops / self.triad_bytes_per_second


def measure_roofline(device: str = "cpu", precision: str = "32", seconds: float = 0.5) -> Roofline:
    """Measure both limits on one device with the threads that torch has now.

    Parameters
    ----------
    device : str
        ``"cpu"``, ``"cuda"`` or ``"cuda:0"``.
    precision : str
        Key of `GEMM_DTYPES`: the type of the matrix products.
    seconds : float
        Time spent on each limit, after a warm-up; at least three repetitions are done whatever they take.
    """
    dtype = GEMM_DTYPES[precision]
    array_bytes = triad_array_bytes()
    gemm_flops, order = gemm_peak(device, dtype, seconds)
    return Roofline(
        gemm_flops=gemm_flops,
        gemm_order=order,
        gemm_dtype=str(dtype).removeprefix("torch."),
        triad_bytes_per_second=memory_triad(device, array_bytes, seconds),
        triad_array_bytes=array_bytes,
        threads=torch.get_num_threads(),
        device=device,
    )


def gemm_peak(
    device: str, dtype: torch.dtype = torch.float32, seconds: float = 0.5, sizes: Sequence[int] | None = None
) -> tuple[float, int]:
    """Return the best rate of a square matrix product in FLOP/s, and the order that reached it.

    Orders are tried from the smallest. Where a precision has no fast kernel (bf16 on most CPUs) the large
    ones are left out, for they would take minutes.
    """
    target = torch.device(device)
    orders = sorted(sizes or GEMM_SIZES[target.type])
    rates: dict[int, float] = {}
    for order in orders:
        if rates and 2.0 * order**3 * (_MINIMUM_REPETITIONS + 1) > max(rates.values()) * _PATIENCE * seconds:
            break
        generator = torch.Generator(device=target).manual_seed(order)
        a = torch.rand((order, order), generator=generator, device=target).to(dtype)
        b = torch.rand((order, order), generator=generator, device=target).to(dtype)
        result = torch.empty_like(a)

        def product(a: torch.Tensor = a, b: torch.Tensor = b, result: torch.Tensor = result) -> None:
            torch.mm(a, b, out=result)

        rates[order] = 2.0 * order**3 / _best_time(product, target, seconds / len(orders))
    best = max(rates, key=rates.__getitem__)
    return rates[best], best


def process_gemm_peak(device: str, precision: str) -> float:
    """Return the best rate of a square matrix product in FLOP/s, measured once in this process, and shortly.

    The device is ``"cpu"`` or ``"cuda"``, the precision a key of `GEMM_DTYPES`.
    """
    case = (device, precision, torch.get_num_threads())
    if case not in _measured_peaks:
        sizes = SHORT_GEMM_SIZES[device]
        _measured_peaks[case], _ = gemm_peak(device, GEMM_DTYPES[precision], SHORT_SECONDS, sizes)
    return _measured_peaks[case]


def memory_triad(device: str, array_bytes: int, seconds: float = 0.5) -> float:
    """Return the rate of ``a = b + 0.5 c`` on float32 arrays in bytes per second."""
    target = torch.device(device)
    n = max(array_bytes // 4, 1)
    b = torch.ones(n, device=target)
    c = torch.ones(n, device=target)
    a = torch.empty(n, device=target)
    return 3.0 * 4.0 * n / _best_time(lambda: torch.add(b, c, alpha=0.5, out=a), target, seconds)


def triad_array_bytes() -> int:
    """Return an array size that caches do not hold: four times the last level, within `TRIAD_MIB`.

    The upper bound keeps many copies on one machine within 2 GB each.
    """
    try:
        cache = int(_LAST_LEVEL_CACHE.read_text().strip().removesuffix("K")) * 1024
    except (ValueError, OSError):
        cache = 0
    smallest, largest = TRIAD_MIB
    return min(max(4 * cache, smallest * MIB), largest * MIB)


def _best_time(work: Callable[[], object], device: torch.device, seconds: float) -> float:
    """Return the shortest time of one call within a time budget, in seconds."""
    with torch.inference_mode():
        work()
        _synchronise(device)
        best, repetitions, end = float("inf"), 0, time.perf_counter() + seconds
        while repetitions < _MINIMUM_REPETITIONS or time.perf_counter() < end:
            start = time.perf_counter()
            work()
            _synchronise(device)
            best = min(best, time.perf_counter() - start)
            repetitions += 1
    return best


def _synchronise(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
