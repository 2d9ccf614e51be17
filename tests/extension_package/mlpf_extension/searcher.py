"""A searcher: what was best once more, so that the recorded configuration beside it is trained next."""

from __future__ import annotations

from mlpf_hpo.space import Configuration, Mode, SearchSpace


class BesideTheBest:
    """Propose what was best, by the values of any epoch."""

    def __init__(self, space: SearchSpace, max_epochs: int, mode: Mode = "min", seed: int = 0) -> None:
        self.sign = 1 if mode == "min" else -1
        self.configurations: dict[str, Configuration] = {}
        self.costs: dict[str, float] = {}

    def suggest(self) -> Configuration | None:
        return self.configurations[min(self.costs, key=self.costs.__getitem__)] if self.costs else None

    def on_trial_add(self, trial_id: str, configuration: Configuration) -> None:
        self.configurations[trial_id] = configuration

    def on_trial_result(self, trial_id: str, epoch: int, value: float) -> None:
        self.costs[trial_id] = min(self.sign * value, self.costs.get(trial_id, self.sign * value))

    def on_trial_complete(self, trial_id: str) -> None: ...

    def on_trial_error(self, trial_id: str) -> None: ...
