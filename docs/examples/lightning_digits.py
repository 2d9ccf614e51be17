"""A Lightning script as people have it; the two lines of mlpf_hpo are marked. Ten trainings are its prior."""

import torch
from pytorch_lightning import LightningModule, Trainer, seed_everything
from sklearn.datasets import load_digits
from torch.utils.data import DataLoader, TensorDataset

from mlpf_hpo import LearningCurves, TargetMetric
from mlpf_hpo.integrations.lightning import PredictedStop  # line 1

EPOCHS = 6
X, y = (torch.tensor(array) for array in load_digits(return_X_y=True))
digits = TensorDataset(X.float() / 16, y)
train, validation = (
    DataLoader(digits, 64, sampler=range(1200)),
    DataLoader(digits, 600, sampler=range(1200, 1797)),
)


class Network(LightningModule):
    """A linear classifier, which keeps its validation losses."""

    def __init__(self, lr: float) -> None:
        super().__init__()
        self.lr, self.layer, self.losses = lr, torch.nn.Linear(64, 10), []

    def training_step(self, batch: list[torch.Tensor], index: int) -> torch.Tensor:
        return torch.nn.functional.cross_entropy(self.layer(batch[0]), batch[1])

    def validation_step(self, batch: list[torch.Tensor], index: int) -> None:
        self.losses.append(float(self.training_step(batch, index)))
        self.log("val_loss", self.losses[-1])

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.Adam(self.parameters(), self.lr)


def fit(lr: float, *callbacks: PredictedStop) -> list[float]:
    """Train; return the losses after every epoch."""
    seed_everything(0, verbose=False)
    quiet = {"logger": False, "enable_progress_bar": False, "enable_model_summary": False}
    trainer = Trainer(
        max_epochs=EPOCHS,
        callbacks=list(callbacks),
        num_sanity_val_steps=0,
        enable_checkpointing=False,
        **quiet,
    )
    trainer.fit(network := Network(lr), train, validation)
    return network.losses


rates = [10 ** (-4 + 0.2 * i) for i in range(12)]
earlier = [fit(lr) for lr in rates]
curves = LearningCurves.from_arrays([{"lr": lr} for lr in rates], earlier, TargetMetric("val_loss", "min"))
stopper = PredictedStop(curves, {"lr": 2e-4}, best=min(losses[-1] for losses in earlier))  # line 2
losses = fit(2e-4, stopper)
print(f"{len(losses)} of {EPOCHS} epochs: {stopper.stop}")
