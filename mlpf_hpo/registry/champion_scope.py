"""`ChampionScope`: the metric with its mode, number of epochs and search space that a champion is valid for.

Each scope has a registered model of its own: a campaign of another length or space never replaces a champion,
and a search never uses the champion of another scope.
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
"""Domain of a hyperparameter of curves that are not from the search space."""

LONGEST_METRIC, LONGEST_TEXT = 60, 1000
"""Most characters of a metric in a model's name, and of a list of hyperparameters in a tag."""


@dataclass(frozen=True)
class ChampionScope:
    """The metric, number of epochs and search space that a champion is valid for.

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
        """Return the scope of the champion that a search needs."""
        return cls(target, max_epochs, _described(space))

    @classmethod
    def of_curves(cls, curves: LearningCurves, space: SearchSpace) -> ChampionScope:
        """Return the scope of a predictor that was fitted on curves.

        Curves whose configurations all lie in `space` have that space as scope. Of other curves, only the
        names of the hyperparameters are known.
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
        """The search space as text."""
        return _shortened("; ".join(f"{name}: {domain}" for name, domain in self.space))

    @property
    def description(self) -> str:
        """Description of the registered model."""
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
