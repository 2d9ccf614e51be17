"""What a champion is champion for: a metric with its mode, a number of epochs, and a search space.

Each has a registered model of its own: a campaign of another length or space, however small, never takes the
place of a champion, and a search never meets the wrong one.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mlpf_hpo.space import SearchSpace, stable_hash
from mlpf_hpo.target_metric import TargetMetric
from mlpf_hpo.tracking.records import MODEL

if TYPE_CHECKING:  # the stage `champion`, which runs at every `dvc repro`, needs no tables
    from mlpf_hpo.curves.schema import LearningCurves

ANY = "any value"
"""What is known of a hyperparameter of curves from elsewhere."""

LONGEST_METRIC, LONGEST_TEXT = 60, 1000
"""Letters of a metric in a model's name, and of a list of hyperparameters in a tag."""


@dataclass(frozen=True)
class ChampionScope:
    """What a champion is champion for.

    Attributes
    ----------
    target : TargetMetric
        The metric whose last value is predicted, and whether small or large values are good.
    n_epochs : int
        The epoch after which it is predicted.
    space : tuple of (name, domain)
        Each hyperparameter with its type, range or values, and scale in words, sorted by name.

    Examples
    --------
    >>> from mlpf_hpo import ChampionScope, LogUniform, SearchSpace, TargetMetric
    >>> space = SearchSpace({"lr": LogUniform(0.001, 0.1)})
    >>> ChampionScope.of_search(TargetMetric("val/loss", "min"), 16, space).hyperparameters
    'lr: 0.001 to 0.1 (log)'
    """

    target: TargetMetric
    n_epochs: int
    space: tuple[tuple[str, str], ...]

    @classmethod
    def of_search(cls, target: TargetMetric, max_epochs: int, space: SearchSpace) -> ChampionScope:
        """Return what a search needs a champion for."""
        return cls(target, max_epochs, _described(space))

    @classmethod
    def of_curves(cls, curves: LearningCurves, space: SearchSpace) -> ChampionScope:
        """Return what a predictor that learnt from curves can be champion for.

        Curves whose configurations all lie in `space` are of that space. Others come from elsewhere: no
        more is known than the names of their hyperparameters.
        """
        if _lie_in(curves, space):
            described = _described(space)
        else:
            described = tuple((name, ANY) for name in sorted(curves.hyperparameters))
        return cls(curves.target, curves.n_epochs, described)

    @property
    def model(self) -> str:
        """Name of the registered model.

        Examples
        --------
        >>> target = TargetMetric("val/loss", "min")
        >>> ChampionScope(target, 16, (("lr", "0.001 to 0.1 (log)"),)).model
        'curve-predictor-val-loss-16-epochs-bef79b63'
        """
        metric = re.sub(r"[^A-Za-z0-9]+", "-", self.target.metric).strip("-")[:LONGEST_METRIC]
        rest = stable_hash([self.target.metric, self.target.mode, dict(self.space)], 8)
        return f"{MODEL}-{metric}-{self.n_epochs}-epochs-{rest}"

    @property
    def hyperparameters(self) -> str:
        """The search space in words."""
        return _shortened("; ".join(f"{name}: {domain}" for name, domain in self.space))

    @property
    def description(self) -> str:
        """What the registered model is, for people."""
        good = "smaller is better" if self.target.mode == "min" else "larger is better"
        what = f"Predicts {self.target.metric} ({good}) after {self.n_epochs} epochs"
        return f"{what}. Search space: {self.hyperparameters}"

    @property
    def tags(self) -> dict[str, str]:
        """Tags of the registered model."""
        return {
            **self.target.tags(),
            "n_epochs": str(self.n_epochs),
            "hyperparameters": self.hyperparameters,
        }


def _described(space: SearchSpace) -> tuple[tuple[str, str], ...]:
    domains = space.domains
    return tuple((name, domains[name].describe()) for name in sorted(domains))


def _lie_in(curves: LearningCurves, space: SearchSpace) -> bool:
    domains = space.domains
    if set(curves.hyperparameters) != set(domains):
        return False
    return all(domain.contains(value) for name, domain in domains.items() for value in curves.configs[name])


def _shortened(text: str) -> str:
    return text if len(text) <= LONGEST_TEXT else f"{text[: LONGEST_TEXT - 4]} ..."
