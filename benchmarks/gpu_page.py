"""The page of training on a GPU, from what `benchmarks.gpu` measured on one.

python -m benchmarks.gpu_page RESULTS.json [--out docs/performance-gpu.md]
"""

from __future__ import annotations

from typing import Any

from benchmarks.gpu import PRECISIONS
from benchmarks.pages import page_command, read_json, table
from mlpf_hpo import console
from mlpf_hpo.errors import DataError
from mlpf_hpo.files import write_text

AGAIN = "measure with: python -m benchmarks.gpu --json FILE"

HEAD = """# How fast it trains on a GPU

Written by `python -m benchmarks.gpu_page` from the numbers of `python -m benchmarks.gpu` on one {device}, in
{seconds:.0f} s; each comparison in turns. Networks at the paper's widths (`paper`) and at the defaults of
`params.yaml` (`default`).
"""

QUICK = "\n**Measured with `--quick`: small events. Not for quoting.**\n"

LEFT_OUT = "\nNot measured, as time ran out: {parts}.\n"


def page(results: dict[str, Any]) -> str:
    """Return the page.

    Raises
    ------
    DataError
        If nothing was measured on a GPU.
    """
    if not results.get("device"):
        raise DataError(f"these numbers are of no GPU, which the page is about; {AGAIN}, where there is one")
    text = HEAD.format(device=results["device"], seconds=results["seconds"])
    text += QUICK if results["quick"] else ""
    left_out = results["left_out"]
    text += LEFT_OUT.format(parts=", ".join(left_out)) if left_out else ""
    sections = {
        "precision": _precision,
        "padded": _padded,
        "trials": _trials,
        "graphs": _graphs,
        "compile": _compile,
    }
    for part, section in sections.items():
        if any(key.startswith(f"{part}.") for key in results):
            text += section(results)
    return text


def _precision(results: dict[str, Any]) -> str:
    rows = [
        [
            case,
            name,
            f"{results[f'{key}.step_ms']:.2f}",
            f"{results[f'{key}.elements_per_second']:,.0f}",
            f"{results[f'{key}.gemm_flops'] / 1e12:.1f}",
            f"{results[f'{key}.share_of_peak']:.1%}",
        ]
        for case in ("paper", "default")
        for name in PRECISIONS
        for key in [f"precision.{case}.{name}"]
    ]
    head = "| widths | products | step, ms | elements/s | square products, TFLOP/s | share of these |"
    return f"\n## Precision\n\n{table(head, rows)}"


def _padded(results: dict[str, Any]) -> str:
    rows = [
        [name, f"{results[key]:.2f}", f"{results.get(f'padded.{name}.peak_mib', float('nan')):,.0f}"]
        for key in sorted(results)
        if key.startswith("padded.") and key.endswith(".step_ms")
        for name in [key.split(".")[1]]
    ]
    return f"\n## Ragged against padded\n\n{table('| events | step, ms | peak memory, MiB |', rows)}"


def _trials(results: dict[str, Any]) -> str:
    counts = sorted(int(key.split(".")[1]) for key in results if key.endswith(".steps_per_second"))
    rows = [
        [
            str(n),
            f"{results[f'trials.{n}.steps_per_second']:.1f}",
            f"{results[f'trials.{n}.gain']:.2f}",
            _joules(results[f"trials.{n}.joules_per_step"]),
        ]
        for n in counts
    ]
    head = "| trials at once | steps/s together | over one | joules a step |"
    return f"\n## Several trials at once\n\n{table(head, rows)}"


def _joules(joules: float | None) -> str:
    return "no meter" if joules is None else f"{joules:.2f}"


def _graphs(results: dict[str, Any]) -> str:
    if "graphs.reason" in results:
        return f"\n## CUDA graphs\n\nA step cannot be captured: {results['graphs.reason']}.\n"
    return (
        f"\n## CUDA graphs\n\nLaunched {results['graphs.launched_ms']:.2f} ms, replayed "
        f"{results['graphs.replayed_ms']:.2f} ms: {results['graphs.speedup']:.2f} times as fast.\n"
    )


def _compile(results: dict[str, Any]) -> str:
    if "compile.reason" in results:
        return f"\n## torch.compile\n\nNot measured: {results['compile.reason']}.\n"
    return (
        f"\n## torch.compile\n\nWithout {results['compile.without_ms']:.2f} ms, with "
        f"{results['compile.with_ms']:.2f} ms, after {results['compile.seconds']:.0f} s of compiling.\n"
    )


def main() -> None:
    """Write the page."""
    options = page_command(__doc__, "docs/performance-gpu.md")
    text = page(read_json(options.results, AGAIN))
    write_text(options.out, text)


if __name__ == "__main__":
    console.run(main)
