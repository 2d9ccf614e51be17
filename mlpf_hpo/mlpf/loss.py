"""The loss of MLPF, term by term, as sums and counts.

A term is divided by its count over a whole optimiser step, all ranks and accumulated batches, or over a whole
epoch: so the loss depends neither on padding nor on how events are put into batches.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from mlpf_hpo.events.schema import TARGETS
from mlpf_hpo.mlpf.network import Predictions
from mlpf_hpo.mlpf.precision import exact_products

WEIGHTS = {
    "class": 1.0,
    "charge": 1.0,
    "pt": 100.0,
    "eta": 100.0,
    "sin_phi": 100.0,
    "cos_phi": 100.0,
    "energy": 100.0,
}
"""Weight of each term in the total."""

HUBER_DELTA = {"pt": 1.0, "energy": 1.0, "eta": 0.1, "sin_phi": 0.1, "cos_phi": 0.1}
"""Where the Huber loss turns from quadratic to linear: 1 GeV, or 0.1 for angles."""

TERMS = tuple(WEIGHTS)


@dataclass(frozen=True)
class LossTerms:
    """Sums and counts of the terms, in the order of `TERMS`.

    Attributes
    ----------
    sums, counts : tensor [7]
        The class term counts elements, the others elements with a target.
    """

    sums: Tensor
    counts: Tensor

    def __add__(self, other: LossTerms) -> LossTerms:
        """Return the terms of two sets of events together."""
        return LossTerms(self.sums + other.sums, self.counts + other.counts)

    def detach(self) -> LossTerms:
        """Return the same numbers without their history."""
        return LossTerms(self.sums.detach(), self.counts)

    @property
    def means(self) -> Tensor:
        """Sum over count per term, [7]; 0 for a term that nothing counts in."""
        return self.sums / self.counts.clamp(min=1)

    @property
    def total(self) -> Tensor:
        """The weighted sum of the means: a scalar."""
        with exact_products(self.sums.device):
            return self.sums @ term_weights(self.counts.to(self.sums.dtype))


def mlpf_loss(predictions: Predictions, y: Tensor) -> LossTerms:
    """Return the loss of a batch of N elements; `y` [N, 7] are the targets, columns as in `TARGETS`."""
    pid = y[:, 0].long()
    has_target = (pid > 0).to(y.dtype)
    sums = [functional.cross_entropy(predictions.logits, pid, reduction="sum")]
    for name in TERMS[1:]:
        predicted, true = getattr(predictions, name), y[:, TARGETS.index(name)]
        if name == "charge":
            each = (predicted - true).square()
        else:
            each = functional.huber_loss(predicted, true, reduction="none", delta=HUBER_DELTA[name])
        with exact_products(y.device):
            sums.append(each @ has_target)
    return LossTerms(torch.stack(sums), loss_counts(y[:, 0]))


def term_weights(counts: Tensor) -> Tensor:
    """Return what the sum of each term is multiplied by in the total, [7]."""
    return counts.new_tensor(list(WEIGHTS.values())) / counts.clamp(min=1)


def loss_counts(pid: Tensor) -> Tensor:
    """Return how much counts in each term, [7], of elements whose targets have classes `pid` [N]."""
    counted = (pid > 0).to(pid.dtype).sum()
    n_elements = counted.new_tensor(float(len(pid)))
    return torch.stack([n_elements, *[counted] * (len(TERMS) - 1)])
