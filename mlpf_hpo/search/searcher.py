"""`Searcher`: the protocol of searchers, which propose the configurations that a search trains."""

from __future__ import annotations

from typing import Protocol

from mlpf_hpo.space import Configuration


class Searcher(Protocol):
    """Proposes configurations; a scheduler decides how far each is trained.

    It receives what a scheduler receives, under the same names, but only of trials that have started. What
    it proposes depends on these calls alone: a restart repeats them, first `on_trial_add` of all trials that
    have started, then their results in their order.

    Examples
    --------
    >>> from mlpf_hpo.search.searchers import make_searcher
    >>> from mlpf_hpo.space import SearchSpace, Uniform
    >>> space = SearchSpace({"dropout": Uniform(0.0, 0.5)})
    >>> searcher: Searcher = make_searcher("tpe", space, max_epochs=9)
    >>> searcher.suggest() is None  # it has seen no value yet
    True
    """

    def suggest(self) -> Configuration | None:
        """Return the configuration to train next; None for the next one of the search's random stream."""

    def on_trial_add(self, trial_id: str, configuration: Configuration) -> None:
        """Record that a trial starts, and with what: not always exactly what was proposed."""

    def on_trial_result(self, trial_id: str, epoch: int, value: float) -> None:
        """Record the value after an epoch, counted from 1."""

    def on_trial_complete(self, trial_id: str) -> None:
        """Record that a trial ended: finished, stopped, or diverged."""

    def on_trial_error(self, trial_id: str) -> None:
        """Record that a trial failed: its values say nothing of its configuration."""
