"""A task whose trials look their values up, without PyTorch; what they trained stays in a file."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from mlpf_hpo.tuning.task import TaskResources
from mlpf_hpo.tuning.trial_reports import EpochReport, TrialEnd


class QuickTask:
    """Losses that fall to a parabola of the hyperparameter `x`; one epoch takes `pace` seconds."""

    name = "quick"
    keeps_checkpoints = False
    dataset_path = None
    data_digest = "none"
    resources = TaskResources()

    def __init__(self, pace: float = 0.0, broken: str = "") -> None:
        self.pace, self.broken = pace, broken

    @property
    def constants(self) -> dict[str, Any]:
        return {"task": self.name}

    def direction(self, metric: str) -> Any:
        return {"val/loss": "min"}.get(metric)

    def check(self, space: Any) -> None:
        """Take any space."""

    def train(self, trial: Any, max_epochs: int, checkpoint_dir: Path, report: Any) -> TrialEnd:
        checkpoint_dir.mkdir(parents=True, exist_ok=True)
        if trial.trial_id == self.broken and not (checkpoint_dir / "broken").exists():
            (checkpoint_dir / "broken").touch()
            raise ValueError("no luck")
        kept = checkpoint_dir / "trained"
        done = len(kept.read_text().split()) if kept.exists() else 0
        for epoch in range(1, max_epochs + 1):
            if epoch > done:
                time.sleep(self.pace)
                with kept.open("a") as stream:
                    stream.write(f"{epoch}\n")
            report(EpochReport(epoch, {"val/loss": loss(trial.configuration, epoch)}, 1000 * epoch))
        return TrialEnd("finished", max_epochs)


def loss(configuration: Any, epoch: int) -> float:
    """Return the loss after an epoch."""
    return float((configuration["x"] - 0.3) ** 2 + 2.0**-epoch)
