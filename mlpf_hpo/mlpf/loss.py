"""The loss of MLPF, term by term, as sums and counts.

A term is only divided by its count when an optimiser step or an epoch is complete: so the loss depends
neither on padding nor on how events are put into batches.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from mlpf_hpo.events.schema import TARGETS
from mlpf_hpo.mlpf.network import Predictions

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
        return self.means @ self.sums.new_tensor(list(WEIGHTS.values()))


def mlpf_loss(predictions: Predictions, y: Tensor) -> LossTerms:
    """Return the loss of a batch.

    Parameters
    ----------
    predictions : Predictions
        For N elements.
    y : tensor [N, 7]
        Targets, columns as in `events.schema.TARGETS`.
    """
    pid = y[:, 0].long()
    has_target = (pid > 0).to(y.dtype)
    sums = [functional.cross_entropy(predictions.logits, pid, reduction="sum")]
    for name in TERMS[1:]:
        predicted, true = getattr(predictions, name), y[:, TARGETS.index(name)]
        if name == "charge":
            each = (predicted - true).square()
        else:
            each = functional.huber_loss(predicted, true, reduction="none", delta=HUBER_DELTA[name])
        sums.append(each @ has_target)
    counted = has_target.sum()
    n_elements = counted.new_tensor(float(len(y)))
    return LossTerms(torch.stack(sums), torch.stack([n_elements, *[counted] * (len(TERMS) - 1)]))
