"""From parameters to the trials that a campaign or search will run."""

from __future__ import annotations

from pathlib import Path

from mlpf_hpo.config import Params
from mlpf_hpo.events.datamodule import sample_digest
from mlpf_hpo.seeds import derive_seed
from mlpf_hpo.tuning.trial import TrialSpec


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
    """
    train, validation = events / "train", events / "validation"
    digest = sample_digest(train, validation)
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
