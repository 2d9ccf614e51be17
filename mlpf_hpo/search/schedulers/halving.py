"""`HalvingScheduler`: the rungs of successive halving, and the values that trials left there."""

from __future__ import annotations

from mlpf_hpo.errors import ConfigurationError
from mlpf_hpo.search.scheduler import BaseScheduler, rungs
from mlpf_hpo.search.schedulers.rung import Rung
from mlpf_hpo.settings.types import LEAST_REDUCTION
from mlpf_hpo.space import Mode


class HalvingScheduler(BaseScheduler):
    """Base class of schedulers that compare trials at the rungs grace * eta^k.

    Parameters
    ----------
    max_epochs, grace_epochs, reduction_factor, mode
        As for `StoppingASHA`.

    Raises
    ------
    ConfigurationError
        If there can be no such rungs.
    """

    def __init__(
        self,
        max_epochs: int,
        grace_epochs: int = 1,
        reduction_factor: float = 3.0,
        mode: Mode = "min",
    ) -> None:
        super().__init__(max_epochs, mode)
        if not reduction_factor >= LEAST_REDUCTION:
            raise ConfigurationError(
                f"reduction_factor must be at least {LEAST_REDUCTION}, found {reduction_factor}"
            )
        if not 1 <= grace_epochs <= max_epochs:
            raise ConfigurationError(
                f"grace_epochs must be between 1 and max_epochs ({max_epochs}), found {grace_epochs}"
            )
        self.grace_epochs = grace_epochs
        self.reduction_factor = reduction_factor
        # Level, ascending -> what trials left there.
        self._rungs = {level: Rung() for level in rungs(max_epochs, grace_epochs, reduction_factor)}
