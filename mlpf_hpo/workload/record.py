"""The benchmark's run in MLflow: score, other measurements, and the whole report."""

from __future__ import annotations

from pathlib import Path

from mlpf_hpo.hardware.host import describe_host
from mlpf_hpo.space import stable_hash
from mlpf_hpo.tracking import links
from mlpf_hpo.tracking.client import connect
from mlpf_hpo.tracking.writer import RunWriter
from mlpf_hpo.workload.benchmark import BenchmarkResult
from mlpf_hpo.workload.report import REPORT_FILE


def record_benchmark(result: BenchmarkResult, events: Path) -> str:
    """Log a benchmark to `mlpf/benchmark` and return the link of its run.

    The same benchmark on the same machine is logged to the same run, so that its history shows the spread.
    """
    host, report = describe_host(), result.report
    run_info, app = report["run_info"], report["app"]
    writer = RunWriter(connect())
    kernels = report["hardware"]["cpu_kernels"]
    what = [
        run_info,
        report["configuration"],
        app["bmkdata_checksum"],
        app["bmk_checksum"],
        host.hardware_id,
        kernels,
    ]
    identity = stable_hash(what, length=8)
    run_id = writer.open_parent(
        "benchmark",
        identity,
        name=f"benchmark-{host.hardware_label}-{identity}",
        tags={**host.tags(), "cpu_kernels": kernels, "log": report["report"]["log"][:500]},
        params=run_info,
        note=f"Throughput of a fixed configuration; {REPORT_FILE} has the whole report.",
        digest=app["bmkdata_checksum"],
        dataset_path=events,
        host=host.record(),
    )
    measured = {
        name: float(value)
        for name, value in report["measurements"].items()
        if isinstance(value, bool | int | float)
    }
    writer.summary(run_id, {**report["report"]["wl-scores"], **measured})
    writer.client.log_dict(run_id, report, REPORT_FILE)
    writer.close(run_id, "finished" if result.exit_status == 0 else "failed")
    return links.run_link(writer.experiment_id("benchmark"), run_id)
