"""A task that is not MLPF: a straight line through random points, a LightningModule on a DataModule.

Only workers load PyTorch.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from mlpf_hpo.space import stable_hash
from mlpf_hpo.tuning.task import TaskResources
from mlpf_hpo.tuning.trial_reports import EpochReport, TrialEnd


class ToyRegression:
    """Ridge regression by gradient descent, with a learning rate, a penalty and a batch size to be found.

    A space may also have an optimizer, "sgd" or "adam", and whether there is a bias.
    """

    name = "toy regression"
    keeps_checkpoints = False
    dataset_path = None
    resources = TaskResources(threads=1, processes=1)

    def __init__(self, rows: int = 64, noise: float = 0.1) -> None:
        self.rows, self.noise = int(rows), float(noise)

    @property
    def constants(self) -> dict[str, Any]:
        return {"task": self.name, "rows": self.rows, "noise": self.noise}

    @property
    def data_digest(self) -> str:
        return stable_hash(self.constants)

    def direction(self, metric: str) -> Any:
        return {"val/loss": "min", "train/loss": "min"}.get(metric)

    def check(self, space: Any) -> None:
        from mlpf_hpo.errors import ConfigurationError

        wanted, others = {"lr", "penalty", "batch_size"}, {"optimizer", "bias"}
        if set(space.names) - others != wanted:
            raise ConfigurationError(f"space: {self.name} has {sorted(wanted)}, found {sorted(space.names)}")

    def train(self, trial: Any, max_epochs: int, checkpoint_dir: Path, report: Any) -> TrialEnd:
        return _train(self, trial, max_epochs, report)


def _train(task: ToyRegression, trial: Any, max_epochs: int, report: Any) -> TrialEnd:
    import math

    import pytorch_lightning as pl
    import torch
    from torch.utils.data import DataLoader, TensorDataset

    class Line(pl.LightningModule):
        def __init__(self) -> None:
            super().__init__()
            bias = trial.configuration.get("bias", True)
            assert isinstance(bias, bool)
            self.line = torch.nn.Linear(4, 1, bias=bias)

        def training_step(self, batch: Any, index: int) -> Any:
            loss = torch.nn.functional.mse_loss(self.line(batch[0]), batch[1])
            self.log("train/loss", loss, on_step=False, on_epoch=True)
            return loss

        def validation_step(self, batch: Any, index: int) -> None:
            self.log("val/loss", torch.nn.functional.mse_loss(self.line(batch[0]), batch[1]))

        def configure_optimizers(self) -> Any:
            c = trial.configuration
            kinds = {"sgd": torch.optim.SGD, "adam": torch.optim.Adam}
            kind = kinds[c.get("optimizer", "sgd")]
            return kind(self.parameters(), lr=c["lr"], weight_decay=c["penalty"])

    class Points(pl.LightningDataModule):
        def _loader(self, seed: int) -> Any:
            generator = torch.Generator().manual_seed(seed)
            x = torch.randn(task.rows, 4, generator=generator)
            y = x.sum(1, keepdim=True) + task.noise * torch.randn(task.rows, 1, generator=generator)
            return DataLoader(TensorDataset(x, y), batch_size=int(trial.configuration["batch_size"]))

        def train_dataloader(self) -> Any:
            return self._loader(1)

        def val_dataloader(self) -> Any:
            return self._loader(2)

    class Report(pl.Callback):
        def on_train_epoch_end(self, trainer: Any, module: Any) -> None:
            metrics = {name: float(value) for name, value in trainer.callback_metrics.items()}
            diverged = not all(map(math.isfinite, metrics.values()))
            trainer.should_stop = trainer.should_stop or diverged
            ends.append(EpochReport(trainer.current_epoch + 1, metrics, int(time.time() * 1000), diverged))
            report(ends[-1])

    ends: list[EpochReport] = []
    torch.manual_seed(trial.seed)
    trainer = pl.Trainer(
        max_epochs=max_epochs, accelerator="cpu", callbacks=[Report()], logger=False, num_sanity_val_steps=0,
        enable_checkpointing=False, enable_progress_bar=False, enable_model_summary=False,
    )  # fmt: skip
    trainer.fit(Line(), datamodule=Points())
    return TrialEnd("diverged" if ends[-1].diverged else "finished", ends[-1].epoch)
