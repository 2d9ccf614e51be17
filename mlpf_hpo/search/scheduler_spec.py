"""`SchedulerSpec`: name and settings of a scheduler, from which each search gets a fresh one."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from mlpf_hpo.errors import ConfigurationError
from mlpf_hpo.search.draws import Draw
from mlpf_hpo.search.recorded_space import space_of
from mlpf_hpo.search.scheduler import Scheduler
from mlpf_hpo.search.schedulers import (
    PREDICTOR,
    PRIOR,
    SCHEDULERS,
    accepted,
    check_settings,
    make_scheduler,
)
from mlpf_hpo.search.schedulers.proposing import with_searcher
from mlpf_hpo.search.searchers import RANDOM, check_searcher, searcher_takes_prior
from mlpf_hpo.seeds import derive_seed
from mlpf_hpo.space import from_text

OF_THE_CURVES = ("max_epochs", "mode")
"""Settings that the curves determine."""

SEARCHER = "searcher"
"""Setting of every scheduler that does not choose among configurations, see `ProposingScheduler`."""


@dataclass(frozen=True)
class SchedulerSpec:
    """A registered scheduler with settings; the curves add their number of epochs and mode.

    Attributes
    ----------
    name : str
        Name in the registry.
    settings : mapping
        Of its constructor; and `searcher`, the name of what proposes configurations.

    Examples
    --------
    >>> str(SchedulerSpec("asha", {"reduction_factor": 4}))
    'asha:reduction_factor=4'
    >>> SchedulerSpec.parse("asha:reduction_factor=4:grace_epochs=2").settings
    {'reduction_factor': 4, 'grace_epochs': 2}
    >>> str(SchedulerSpec.parse("hyperband:searcher=tpe"))
    'hyperband:searcher=tpe'
    """

    name: str
    settings: Mapping[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        """Return it as `parse` takes it."""
        return ":".join([self.name, *(f"{key}={value}" for key, value in self.settings.items())])

    @classmethod
    def parse(cls, text: str, where: str = "") -> SchedulerSpec:
        """Return the scheduler of ``NAME[:key=value...]``.

        Parameters
        ----------
        text : str
            Values are numbers, true, false, or texts.
        where : str
            Which parameter has it, for messages.

        Raises
        ------
        ConfigurationError
            If there is no such scheduler or setting, or the text is not of that form.
        """
        name, *parts = (part.strip() for part in text.split(":"))
        SCHEDULERS.check(name, where)
        settings: dict[str, Any] = {}
        for part in parts:
            key, equals, value = (piece.strip() for piece in part.partition("="))
            if not equals or not key or not value or key in settings:
                prefix = f"{where}: " if where else ""
                raise ConfigurationError(f"{prefix}{text!r}: must be NAME or NAME:key=value:key=value ...")
            if key in OF_THE_CURVES:
                prefix = f"{where}: " if where else ""
                raise ConfigurationError(f"{prefix}{text!r}: {key} is that of the curves, or of the search")
            settings[key] = from_text(value.capitalize() if value.lower() in ("true", "false") else value)
        check_searcher(str(settings.get(SEARCHER, RANDOM)), where)
        check_settings(name, {key: value for key, value in settings.items() if key != SEARCHER}, where)
        return cls(name, settings)

    def make(self, draw: Draw) -> Scheduler:
        """Return a fresh scheduler for a draw; its seed, where it takes one, is that of the draw.

        A searcher proposes in the space that the draw's configurations span, see `space_of`; one that takes a
        prior has the draw's.

        Raises
        ------
        ConfigurationError
            If a setting is not possible.
        """
        curves = draw.searched
        common = {"max_epochs": curves.n_epochs, "mode": curves.mode, "seed": draw.seed}
        settings = {**accepted(self.name, common), **self.settings}
        searcher = settings.pop(SEARCHER, RANDOM)
        data: dict[str, Any] = {PRIOR: draw.prior}
        if PREDICTOR in inspect.signature(SCHEDULERS.lookup(self.name)).parameters:
            data[PREDICTOR] = draw.predictor
        make = partial(make_scheduler, self.name, **data, **settings)
        if searcher == RANDOM:
            return make()
        prior = draw.prior if searcher_takes_prior(searcher) else None
        space, seed = space_of(curves, prior), derive_seed(draw.seed, SEARCHER)
        return with_searcher(make, self.name, searcher, space, curves.n_epochs, curves.mode, seed, prior)
