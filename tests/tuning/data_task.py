"""A task that reads a number from its data and keeps its epochs in a file, as others keep checkpoints."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from mlpf_hpo.tuning.task import TaskResources
from mlpf_hpo.tuning.trial_reports import EpochReport, TrialEnd

NUMBER, TRAINED = "number.txt", "trained"

FREE = 3


@dataclass(frozen=True)
class DataTask:
    """Losses that fall to the number in `number.txt`; epochs after `FREE` wait for the file `gate`."""

    dataset_path: Path
    gate: Path | None = None

    name = "kept"
    keeps_checkpoints = False
    data_digest = "seven"
    resources = TaskResources()

    @property
    def constants(self) -> dict[str, Any]:
        return {"task": self.name}

    def direction(self, metric: str) -> Any:
        return {"val/loss": "min"}.get(metric)

    def check(self, space: Any) -> None:
        """Take any space."""

    def train(self, trial: Any, max_epochs: int, checkpoint_dir: Path, report: Any) -> TrialEnd:
        number = float((self.dataset_path / NUMBER).read_text())
        checkpoint_dir.mkdir(parents=True, exist_ok=True)
        kept = checkpoint_dir / TRAINED
        done = kept.read_text().splitlines() if kept.exists() else []
        for epoch in range(1, max_epochs + 1):
            if epoch > len(done):
                while epoch > FREE and self.gate is not None and not self.gate.exists():
                    time.sleep(0.05)
                done.append(f"{epoch} {__file__}")
                kept.with_suffix(".tmp").write_text("\n".join(done))
                kept.with_suffix(".tmp").replace(kept)  # whole, also when the worker is killed
            report(EpochReport(epoch, {"val/loss": number + trial.configuration["x"] / epoch}, 1000 * epoch))
        return TrialEnd("finished", max_epochs)


class MovableTask(DataTask):
    """Takes its data from another folder."""

    def with_data(self, folder: Path) -> MovableTask:
        return replace(self, dataset_path=folder)
