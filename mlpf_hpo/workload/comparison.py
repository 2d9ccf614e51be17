"""Results of benchmarks side by side: what there is to compare in each report."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mlpf_hpo.errors import MissingInputError
from mlpf_hpo.workload.report import REPORT_FILE, read_report


@dataclass(frozen=True)
class Result:
    """One score of one report; values that the report does not have are None.

    Attributes
    ----------
    path : Path
        The report.
    key : str
        What was measured: the workload.
    machine : str
        Label of the hardware.
    copies, threads : int
        Copies, and threads of each.
    score, low, high : float
        Events per second over all copies; by the slowest and the fastest epoch of each copy.
    events_per_joule : float or None
        Events per second and watt.
    fraction_of_peak : float or None
        Of the rate of a matrix product on the same processors.
    cpu_fraction : float or None
        Share of their processor time that copies got.
    contended : bool
        Whether others had the processors.
    log : str
        ``ok``, or what failed.
    data, code : str
        Checksums of the events and of the program.
    """

    path: Path
    key: str
    machine: str
    copies: int
    threads: int
    score: float
    low: float
    high: float
    events_per_joule: float | None
    fraction_of_peak: float | None
    cpu_fraction: float | None
    contended: bool
    log: str
    data: str
    code: str

    @property
    def cores(self) -> int:
        """Cores that were loaded."""
        return self.copies * self.threads

    @property
    def per_core(self) -> float:
        """Events per second and core."""
        return self.score / self.cores

    @property
    def setting(self) -> str:
        """How the machine was loaded."""
        return f"{self.copies} x {self.threads}"


def read_results(paths: Sequence[Path]) -> list[Result]:
    """Return the results of reports; a folder stands for every report in it.

    Raises
    ------
    MissingInputError
        If there is no report, or a folder has none.
    DataError
        If a file is no report.
    """
    files = []
    for path in paths:
        inside = sorted(path.rglob(REPORT_FILE)) if path.is_dir() else [path]
        if not inside:
            raise MissingInputError(
                f"{path}: no {REPORT_FILE} in this folder; `mlpf-hpo benchmark` writes it"
            )
        files += inside
    return [result for file in dict.fromkeys(files) for result in _results(file)]


def differences(results: Sequence[Result]) -> list[str]:
    """Return why scores under one key must not be compared, as sentences."""
    found = []
    for key in dict.fromkeys(result.key for result in results):
        own = [result for result in results if result.key == key]
        for what, values in (
            ("on different events", {result.data for result in own}),
            ("by different versions of the program", {result.code for result in own}),
        ):
            if len(values) > 1:
                found.append(
                    f"Scores of {key} were measured {what}: differences are not of the hardware alone."
                )
        flagged = sum(result.contended for result in own)
        if flagged:
            found.append(
                f"{flagged} of {len(own)} results of {key} are contended: others had the processors."
            )
    return found


def _results(path: Path) -> list[Result]:
    """Return a result for each score in a report."""
    report = read_report(path)
    run, app, measured = report["run_info"], report["app"], report.get("measurements", {})
    hardware = report.get("hardware", {})
    joules = measured.get("joules_per_event")
    results = []
    for key, score in report["report"]["wl-scores"].items():
        rates = [copy["events_per_second"] for copy in measured.get("per_copy", ())]
        low = sum(rate["min"] for rate in rates) if rates else score
        high = sum(rate["max"] for rate in rates) if rates else score
        results.append(
            Result(
                path=path,
                key=key,
                machine=hardware.get("hardware_label", "unknown machine"),
                copies=run["copies"],
                threads=run["threads_per_copy"],
                score=float(score),
                low=min(low, score),
                high=max(high, score),
                events_per_joule=1 / joules if joules else None,
                fraction_of_peak=measured.get("fraction_of_gemm_peak"),
                cpu_fraction=measured.get("cpu_fraction"),
                contended=bool(measured.get("contended")),
                log=report["report"].get("log", "ok"),
                data=app.get("bmkdata_checksum", ""),
                code=app.get("bmk_checksum", ""),
            )
        )
    return results
