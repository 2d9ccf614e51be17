"""Status of a project: stages, runs, champion and links. Reads, never writes."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlpf_hpo.errors import MlpfHpoError
from mlpf_hpo.reporting.stages import UP_TO_DATE, stage_states

if TYPE_CHECKING:
    from mlpf_hpo.tracking.overview import Overview

REPORT = Path("report/index.html")


@dataclass(frozen=True)
class Status:
    """How things stand: what MLflow holds, the state of each stage, the page of the report if there is one.

    `problems` says what could not be found out, and why; `waiting` what waits for an MLflow that was away.
    Where `reached` is false, MLflow did not answer: that no runs are named does not mean that there are none.
    """

    tracking_uri: str
    on_record: Overview
    stages: dict[str, str]
    problems: tuple[str, ...]
    report: str
    waiting: tuple[str, ...] = ()
    reached: bool = True

    def record(self) -> dict[str, Any]:
        """Return everything, as JSON can hold it."""
        return asdict(self)

    def text(self) -> str:
        """Return everything for people."""
        lines = [
            *_stages(self),
            *_runs(self),
            *(f"waits for MLflow: {entry}" for entry in self.waiting),
            *(
                f"{one.model}@{one.alias}: version {one.version}, {one.predictor}, fitted on {one.source}"
                for one in self.on_record.champions
            ),
            *([f"report: {self.report}"] if self.report else []),
            "MLflow: `make ui` serves it and prints links; best trials: `mlpf-hpo runs best`",
            *(f"not known: {problem}" for problem in self.problems),
        ]
        return "\n".join(lines)


def gather(root: Path) -> Status:
    """Read the status of a project's folder; DVC answers while MLflow is imported, which takes longer."""
    problems: list[str] = []

    def asked(question: Callable[[], Any]) -> Any:
        try:
            return question()
        except MlpfHpoError as error:
            problems.append(str(error))
            return None

    with ThreadPoolExecutor(max_workers=1) as pool:
        found = pool.submit(asked, lambda: stage_states(root))
        from mlpf_hpo.reporting.champion_state import champion_state
        from mlpf_hpo.tracking import catch_up
        from mlpf_hpo.tracking.client import connect_to_read, is_there, tracking_uri
        from mlpf_hpo.tracking.overview import Overview, overview

        on_record = asked(lambda: overview(connect_to_read()) if is_there() else Overview())
    stages = found.result() or {}
    if on_record is not None and stages.get("champion") == UP_TO_DATE:
        stages["champion"] = champion_state(root, on_record.champions)
    report = root / REPORT
    return Status(
        tracking_uri=tracking_uri(),
        on_record=on_record or Overview(),
        stages=stages,
        problems=tuple(problems),
        report=report.resolve().as_uri() if report.is_file() else "",
        waiting=tuple(catch_up.describe_unsent(catch_up.journal_folder())),
        reached=on_record is not None,
    )


def _stages(status: Status) -> list[str]:
    width = max(map(len, status.stages), default=0)
    done = bool(status.stages) and set(status.stages.values()) == {UP_TO_DATE}
    return [
        "stages: all up to date" if done else "stages",
        *(f"  {name:<{width}}  {state}" for name, state in status.stages.items()),
    ]


def _runs(status: Status) -> list[str]:
    from mlpf_hpo.tracking.client import nothing_yet

    lines = [f"runs in {status.tracking_uri}"]
    for work in status.on_record.work:
        counts = ", ".join(f"{n} {state}" for state, n in work.trials.items()) or "no trials"
        lines.append(f"  {work.name}: {counts}")
        if work.running:
            lines.append(f"    {work.state}")
    if not status.reached:
        return [*lines, "  not known, see below"]
    return lines if len(lines) > 1 else [*lines, f"  none{nothing_yet()}"]
