"""`add_searcher`: one of `search.schedulers`, with the searcher that proposes its configurations."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from mlpf_hpo.errors import ConfigurationError, DataError
from mlpf_hpo.search.schedulers.proposing import with_searcher
from mlpf_hpo.search.searchers import RANDOM, SEARCHER_LABELS
from mlpf_hpo.seeds import derive_seed
from mlpf_hpo.space import Mode, SearchSpace
from mlpf_hpo.tuning.named_scheduler import NamedScheduler
from mlpf_hpo.tuning.settings import SchedulerParams


def add_searcher(
    make: Callable[[], NamedScheduler],
    params: SchedulerParams,
    space: SearchSpace,
    max_epochs: int,
    mode: Mode,
    seed: int,
) -> NamedScheduler:
    """Return a scheduler of a search with its searcher, if it has one.

    Parameters
    ----------
    make : callable
        Makes the scheduler; the prior that it names is the searcher's, if that takes one.
    params : SchedulerParams
        Names the searcher.
    space, max_epochs, mode
        Of the search.
    seed : int
        Of the search; the searcher's is derived from it.

    Raises
    ------
    ConfigurationError, DataError
        If the scheduler takes no searcher, or the searcher lacks something or refuses the prior.
    """
    named = make()
    if params.searcher == RANDOM:
        return named
    given = (space, max_epochs, mode, derive_seed(seed, "searcher"), named.prior)
    try:
        scheduler = with_searcher(lambda: make().scheduler, params.name, params.searcher, *given)
    except (ConfigurationError, DataError) as error:
        raise type(error)(f"search.schedulers: {params.key}: {error}") from None
    called = SEARCHER_LABELS.get(params.searcher, params.searcher)
    return replace(
        named,
        label=named.label if params.label else f"{named.label} + {called}",
        scheduler=scheduler,
        identity={**named.identity, "searcher": params.searcher},
    )
