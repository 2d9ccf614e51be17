"""Physics metrics of an epoch: efficiency, fake rate and residuals, as counts that add up."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from mlpf_hpo.events.schema import CLASSES, N_CLASSES, TARGETS
from mlpf_hpo.mlpf.network import Predictions

RESIDUALS = ("pt", "energy", "eta", "phi")
"""pt and energy relative to the true value, eta and phi absolute."""

PT, ETA, SIN_PHI, COS_PHI, ENERGY = (TARGETS.index(n) for n in ("pt", "eta", "sin_phi", "cos_phi", "energy"))


@dataclass(frozen=True)
class PhysicsCounts:
    """Counts of a set of events.

    Attributes
    ----------
    confusion : tensor [6, 6]
        Elements by true class (row) and predicted class (column).
    moments : tensor [4, 2]
        Sum and sum of squares of each of `RESIDUALS`, over elements with the right class that is not "none".
    matched : tensor, scalar
        Number of those elements.
    """

    confusion: Tensor
    moments: Tensor
    matched: Tensor

    def __add__(self, other: PhysicsCounts) -> PhysicsCounts:
        """Return the counts of two sets of events together."""
        return PhysicsCounts(
            self.confusion + other.confusion, self.moments + other.moments, self.matched + other.matched
        )

    def metrics(self) -> dict[str, float]:
        """Return the metrics by name; those without a single element to count are left out.

        `efficiency_X` = right among true X, `fake_rate_X` = wrong among predicted X, and mean and standard
        deviation of the residuals.
        """
        out: dict[str, float] = {}
        for i, name in enumerate(CLASSES[1:], start=1):
            right, true, predicted = (
                float(self.confusion[i, i]),
                float(self.confusion[i].sum()),
                float(self.confusion[:, i].sum()),
            )
            key = name.replace(" ", "_")
            if true:
                out[f"efficiency_{key}"] = right / true
            if predicted:
                out[f"fake_rate_{key}"] = 1 - right / predicted
        if total := float(self.confusion.sum()):
            out["accuracy"] = float(self.confusion.diagonal().sum()) / total
        if n := float(self.matched):
            for name, (s, s2) in zip(RESIDUALS, self.moments.tolist(), strict=True):
                out[f"{name}_residual_mean"] = s / n
                out[f"{name}_residual_std"] = max(s2 / n - (s / n) ** 2, 0.0) ** 0.5
        return out


@torch.no_grad()
def physics_counts(predictions: Predictions, y: Tensor) -> PhysicsCounts:
    """Count a batch of N elements; `y` [N, 7] are the targets."""
    true, predicted = y[:, 0].long(), predictions.logits.argmax(dim=1)
    confusion = torch.bincount(true * N_CLASSES + predicted, minlength=N_CLASSES**2).view(
        N_CLASSES, N_CLASSES
    )
    good = (true == predicted) & (true > 0)
    target = y[good].double()
    phi = torch.atan2(predictions.sin_phi[good].double(), predictions.cos_phi[good].double())
    difference = phi - torch.atan2(target[:, SIN_PHI], target[:, COS_PHI])
    residuals = torch.stack(
        [
            (predictions.pt[good] - target[:, PT]) / target[:, PT],
            (predictions.energy[good] - target[:, ENERGY]) / target[:, ENERGY],
            predictions.eta[good] - target[:, ETA],
            torch.remainder(difference + torch.pi, 2 * torch.pi) - torch.pi,
        ]
    )
    moments = torch.stack([residuals.sum(dim=1), residuals.square().sum(dim=1)], dim=1)
    return PhysicsCounts(confusion.double(), moments, good.sum().double())
