"""From parameters to the trials that a campaign or search will run."""

from __future__ import annotations

import math
from pathlib import Path

from mlpf_hpo.config import Params
from mlpf_hpo.config.mlpf_space import smallest_bin
from mlpf_hpo.errors import ConfigurationError
from mlpf_hpo.events.digest import sample_digest
from mlpf_hpo.events.store import EventStore
from mlpf_hpo.seeds import derive_seed
from mlpf_hpo.tuning.messages import TrialSpec


def plan_trials(params: Params, events: Path, n: int, purpose: str) -> list[TrialSpec]:
    """Return the first `n` trials of the stream that belongs to a purpose.

    Streams of different purposes ("campaign", "search") share no configuration, so that a predictor learnt on
    one is never judged on what it has seen. More trials extend the stream.

    Parameters
    ----------
    params : Params
        Seed, search space, network widths and training constants.
    events : path
        Folder with the stores `train` and `validation`.
    n : int
        Number of trials.
    purpose : str
        Names the stream.

    Raises
    ------
    MissingInputError, DataError
        If a store is not there, or damaged.
    ConfigurationError
        If the network cannot hash the largest event.
    """
    train, validation = events / "train", events / "validation"
    digest = sample_digest(train, validation)
    _check_hash_columns(params, [EventStore.open(train), EventStore.open(validation)])
    configurations = params.space.search_space().stream(n, derive_seed(params.seed, "stream", purpose))
    return [
        TrialSpec(
            trial_id=f"t{i:03d}",
            configuration=configuration,
            seed=derive_seed(params.seed, "trial", purpose, i),
            train=train.resolve(),
            validation=validation.resolve(),
            events_digest=digest,
            network=params.network,
            training=params.training,
        )
        for i, configuration in enumerate(configurations)
    ]


def _check_hash_columns(params: Params, stores: list[EventStore]) -> None:
    largest = max(int(store.element_counts.max()) for store in stores)
    smallest = smallest_bin(params.space.search_space())
    needed = math.ceil(largest / smallest) // 2  # as `EventSizes.n_hyperplanes`
    if needed > params.network.hash_columns:
        raise ConfigurationError(
            f"network.hash_columns ({params.network.hash_columns}): the largest event has {largest} "
            f"elements, which in bins of {smallest} (space.bin_size) take {needed}"
        )
