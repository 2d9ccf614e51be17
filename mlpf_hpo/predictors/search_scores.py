"""What replayed searches say of candidates: `SearchScores`, and the protocol of what replays them.

The floor `search` replays; this one only says what it asks for, see `search_criterion`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal, Protocol

from mlpf_hpo.array_types import FloatArray, IntArray
from mlpf_hpo.curves.schema import LearningCurves

Predicted = Mapping[int, FloatArray]
"""Number of observed epochs -> predicted final value of each curve, by a predictor not fitted on it, [n]."""


class ReplayedEpochs(Protocol):
    """Epochs of replayed searches by predictor, paired search by search."""

    @property
    def searches(self) -> int:
        """Number of searches under each predictor."""

    def ratio(self, name: str, other: str | None = None) -> dict[str, float]:
        """Return epochs over epochs, the geometric mean over the searches with its 95 % interval.

        Parameters
        ----------
        name : str
            The predictor whose epochs are counted.
        other : str, optional
            The predictor with whose epochs they are compared; by default those of searches by last values.

        Returns
        -------
        dict
            mean, low, high.
        """


class SearchReplay(Protocol):
    """Replays searches of held-out curves; `mlpf_hpo.search.predicted_searches.PromotionReplay` does."""

    def asked_epochs(self, n_epochs: int) -> Sequence[int]:
        """Return after how many epochs a search asks for predictions, ascending from 1."""

    def replay(
        self,
        curves: LearningCurves,
        predicted: Mapping[str, Predicted],
        parts: Sequence[IntArray],
        seed: int,
    ) -> ReplayedEpochs:
        """Search each part of the rows under each predictor.

        Parameters
        ----------
        curves : LearningCurves
            Complete curves.
        predicted : mapping
            Predictor -> its predictions after every number of epochs that is asked for.
        parts : sequence of arrays of int
            Positions of the rows that one search may hold: those that no fit of theirs saw.
        seed : int
            Of the order of the configurations.
        """


@dataclass(frozen=True)
class SearchScores:
    """How candidates compare in replayed searches, and what decided.

    Attributes
    ----------
    decided_by : {"search", "spearman"}
        "search" if replayed searches leave one candidate, else the rank correlation over all shares.
    best : str
        The candidate with the fewest epochs.
    left : list of str
        Those that searches cannot tell from the best, itself among them.
    epochs_ratio : mapping
        Candidate -> epochs over those of `PromotionASHA` at equal regret: mean, low, high.
    ratio_to_best : mapping
        Candidate -> epochs over those of the best candidate: mean, low, high.
    spearman : mapping
        Candidate -> rank correlation of predicted and final values, its mean over `observed`.
    observed : list of int
        Numbers of observed epochs of that mean: none, and those at which the search asks.
    searches : int
        Number of replayed searches under each candidate.
    """

    decided_by: Literal["search", "spearman"]
    best: str
    left: list[str]
    epochs_ratio: dict[str, dict[str, float]]
    ratio_to_best: dict[str, dict[str, float]]
    spearman: dict[str, float]
    observed: list[int]
    searches: int

    def to_record(self) -> dict[str, Any]:
        """Return the scores as a JSON-serialisable record."""
        return asdict(self)
