"""Where the time of a training step goes, by kind of operation, beside the limits of the roofline.

torch.profiler tells the time of every operation and the shapes of what it reads. A matrix product does 2
operations per multiply-add; element-wise work and the layer norm are counted as one per number of the largest
tensor that they read. Each reads its inputs once and writes once. Products that the kernels make themselves
on some processors are the library's here: within kernels nothing tells of them. The profiler's times are the
wall's, of which the part counts in which the process had a processor in that step: others may be at work.
"""

from __future__ import annotations

import math
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from ctypes import CFUNCTYPE, POINTER, c_int, c_void_p, cast
from typing import Any
from unittest import mock

from torch.profiler import ProfilerActivity, profile, record_function

from benchmarks.cases import CALM, LARGEST, batch_of, laptop_module, paper_module, ragged_step
from benchmarks.clock import DEVICE, Step
from mlpf_hpo.config import Params
from mlpf_hpo.hardware.roofline import measure_roofline
from mlpf_hpo.mlpf.dropout import Dropout
from mlpf_hpo.mlpf.heads import Heads
from mlpf_hpo.mlpf.layers import GraphLayer
from mlpf_hpo.mlpf.native import choice as native_choice
from mlpf_hpo.mlpf.native import heads as native_heads
from mlpf_hpo.mlpf.native import step as native_step
from mlpf_hpo.mlpf.native.kernels import ARGUMENTS, kernels, matrix_product
from mlpf_hpo.mlpf.native.structures import Multiplier

SCOPES: dict[tuple[type, str], str] = {
    (GraphLayer, "forward"): "graph layer",
    (Heads, "forward"): "heads",
    (Dropout, "forward"): "dropout",
}
"""Parts of the network -> what the profiler is told of them."""

KERNEL, PRODUCT = "kernel in C: ", "product in C: "
"""What the profiler is told of these begins so; a product's rows, columns and length of sums follow."""

OF_KERNELS = {f"{KERNEL}layer": "layer_products", f"{KERNEL}heads": "head_products"}
"""How kernels' names begin -> the kind of the products that they ask for."""

SGEMM = CFUNCTYPE(None, *[c_void_p] * 13)

PRODUCTS = {"mm", "addmm"}
BATCHED_PRODUCTS = {"bmm", "baddbmm"}
LAYER_NORM = {"native_layer_norm", "native_layer_norm_backward"}
SUMS = {"sum"}
"""What leaves far less than it reads."""

POINTWISE = SUMS | {
    *("add", "sub", "mul", "div", "neg", "abs", "pow", "exp", "sqrt", "rsqrt", "sigmoid", "sigmoid_backward"),
    *("maximum", "clamp", "clamp_min", "lerp", "where", "ge", "le", "gt", "lt", "bitwise_and", "masked_fill"),
    *("huber_loss", "huber_loss_backward", "sgn", "mse_loss", "mse_loss_backward"),
    *("_log_softmax", "_log_softmax_backward_data"),
}
MOVES = {
    *(
        "copy",
        "cat",
        "index",
        "index_select",
        "index_copy",
        "sort",
        "argmax",
        "fill",
        "zero",
        "stack",
        "repeat",
    ),
    *("gather", "scatter", "index_put", "constant_pad_nd"),
}

ARITHMETIC = ("head_products", "layer_products", "bin_products", "pointwise", "layer_norm")
"""Kinds whose operations and bytes are counted; of the others only the time is told."""

FLOAT_BYTES = 4


def operations(quick: bool) -> dict[str, float]:
    """Measure the limits, and a step at the paper's widths and at the defaults; nothing on a GPU."""
    if DEVICE != "cpu":
        return {}
    limits = measure_roofline()
    laptop = laptop_module()
    cases = {
        "paper": (ragged_step(paper_module(), batch_of([LARGEST // 4 if quick else LARGEST])), 5),
        "default": (ragged_step(laptop, batch_of([CALM] * Params().training.batch_events)), 50),
    }
    found = {
        "roofline.gemm_flops": limits.gemm_flops,
        "roofline.triad_bytes_per_second": limits.triad_bytes_per_second,
    }
    for case, (step, rounds) in cases.items():
        for name, value in profiled(step, 1 if quick else rounds).items():
            found[f"operations.{case}.{name}"] = value
    return found


def profiled(step: Step, rounds: int) -> dict[str, float]:
    """Return seconds, operations and bytes by kind, `KIND.seconds` and so on: means of some steps.

    The kinds are those of `kind_of`; `rest` is what no operation accounts for, Python above all.
    """
    step()
    found: dict[str, float] = defaultdict(float)
    for _ in range(rounds):
        for name, value in _profile(step).items():
            found[name] += value / rounds
    return dict(found)


def _profile(step: Step) -> dict[str, float]:
    with ExitStack() as stack:
        for (part, way), scope in SCOPES.items():
            stack.enter_context(mock.patch.object(part, way, _told(getattr(part, way), scope)))
        if (library := kernels()) is not None:
            kernels_told, product = _ToldKernels(library), _told_product()
            stack.enter_context(mock.patch.object(native_choice, "kernels", return_value=kernels_told))
            for module in (native_step, native_heads):
                address = cast(product, c_void_p).value
                told = Multiplier(address, 0)
                stack.enter_context(mock.patch.object(module, "multiplier", return_value=told))
        with profile(activities=[ProfilerActivity.CPU], record_shapes=True) as profiler:
            wall, used = time.perf_counter(), time.process_time()
            step()
            had = (time.process_time() - used) / (time.perf_counter() - wall)
    events = profiler.events()
    found: dict[str, float] = defaultdict(float)
    scopes = {e.sequence_nr: s for e in events if e.sequence_nr >= 0 and (s := scope_of(e, {}))}
    for event in events:
        kind = kind_of(event, scopes)
        found[f"{kind}.seconds"] += 1e-6 * event.self_cpu_time_total
        if kind in ARITHMETIC:
            flop, moved = arithmetic_of(event)
            found[f"{kind}.flop"] += flop
            found[f"{kind}.bytes"] += moved
    begin = min(e.time_range.start for e in events)
    found["step_seconds"] = 1e-6 * (max(e.time_range.end for e in events) - begin)
    told = sum(value for name, value in found.items() if name.endswith(".seconds") and name != "rest.seconds")
    found["rest.seconds"] = found["step_seconds"] - told
    return {name: value * had if name.endswith("seconds") else value for name, value in found.items()}


def _told(plain: Callable[..., Any], scope: str) -> Callable[..., Any]:
    """Return a function that tells the profiler where it is."""

    def told(*arguments: Any) -> Any:
        with record_function(scope):
            return plain(*arguments)

    return told


class _ToldKernels:
    """The kernels, each of which tells the profiler its name."""

    def __init__(self, library: Any) -> None:
        for name in ARGUMENTS:
            setattr(self, name, _told(getattr(library, name), f"{KERNEL}{name}"))


def _told_product() -> Any:
    """Return a matrix product for the kernels that tells the profiler its size."""
    plain = SGEMM(matrix_product() or 0)

    def told(*arguments: int) -> None:
        columns, rows, inner = (cast(one, POINTER(c_int)).contents.value for one in arguments[2:5])
        with record_function(f"{PRODUCT}{rows} {columns} {inner}"):
            plain(*arguments)

    return SGEMM(told)


def kind_of(event: Any, scopes: dict[int, str]) -> str:
    """Return what kind of operation an event of the profiler is.

    Parameters
    ----------
    event : FunctionEvent
        An operation, or what stands around one.
    scopes : mapping
        Sequence number of a forward operation, which its backward shares -> scope.
    """
    name, scope = operation(event), scope_of(event, scopes)
    if any(e.name.startswith("Optimizer.step") for e in _upwards(event)):
        return "optimiser"
    if event.name.startswith(KERNEL):
        return "kernels"
    if event.name.startswith(PRODUCT):
        caller = next(e.name for e in _upwards(event) if e.name.startswith(KERNEL))
        return next(kind for begin, kind in OF_KERNELS.items() if caller.startswith(begin))
    if scope == "dropout":
        return "masks"
    if name in PRODUCTS | BATCHED_PRODUCTS:
        in_bins = "bin_products" if name in BATCHED_PRODUCTS else "layer_products"
        return {"heads": "head_products", "graph layer": in_bins}.get(scope, "rest")
    for kind, names in (("layer_norm", LAYER_NORM), ("pointwise", POINTWISE), ("moves", MOVES)):
        if name in names:
            return kind
    return "rest"


def scope_of(event: Any, scopes: dict[int, str]) -> str:
    """Return the innermost part of the network that an event belongs to, or nothing."""
    for e in _upwards(event):
        if e.name in SCOPES.values():
            return str(e.name)
        if e.name.endswith(("Backward", "Backward0")) and e.sequence_nr in scopes:
            return scopes[e.sequence_nr]
    return ""


def operation(event: Any) -> str:
    """Return the name of PyTorch's operation, in place or not, or nothing where it is none."""
    name = str(event.name)
    return name.removeprefix("aten::").rstrip("_") if name.startswith("aten::") else ""


def arithmetic_of(event: Any) -> tuple[float, float]:
    """Return the floating-point operations of an event, and the bytes that it reads and writes."""
    if event.name.startswith(PRODUCT):
        m, n, k = map(int, event.name.removeprefix(PRODUCT).split())
        return 2.0 * m * n * k, FLOAT_BYTES * float(m * n + m * k + k * n)
    name = operation(event)
    shapes: Sequence[Sequence[int]] = [shape for shape in event.input_shapes or [] if shape]
    if name in PRODUCTS | BATCHED_PRODUCTS:
        n_added = int("add" in name)  # then the factors; a place for the result may follow
        added, (a, b) = shapes[:n_added], shapes[n_added : n_added + 2]
        out = [*a[:-1], b[-1]]
        flop = 2.0 * math.prod(out) * a[-1]
        return flop, FLOAT_BYTES * float(sum(map(math.prod, (*added, a, b, out))))
    if name in POINTWISE | LAYER_NORM and shapes:
        largest = max(map(math.prod, shapes))
        written = 0 if name in SUMS else largest
        return float(largest), FLOAT_BYTES * float(sum(map(math.prod, shapes)) + written)
    return 0.0, 0.0


def _upwards(event: Any) -> Iterator[Any]:
    """Yield an event and all that it is part of."""
    while event is not None:
        yield event
        event = event.cpu_parent
