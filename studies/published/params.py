"""Settings of the study, studies/published/params.yaml."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from mlpf_hpo.settings.types import PositiveFloat, Repetitions, Seed
from mlpf_hpo.settings.validation import Section


class PublishedParams(Section):
    """How many splits, and how the annealer samples.

    `paper_seed` and `ensemble_seed` are the seeds of the paper's first split: split i has seed + i.
    """

    seed: Seed = 42
    paper_seed: Seed = 123
    ensemble_seed: Seed = 202831532
    svr_splits: Repetitions = 1000
    qsvr_splits: Repetitions = 100
    ensemble_splits: Repetitions = 10
    honest_splits: Repetitions = 100
    reads: Repetitions = 100
    sweeps: Repetitions = 100
    draws: Repetitions = 2000
    mock_reads: Repetitions = 300
    chain_strengths: Annotated[tuple[PositiveFloat, ...], Field(min_length=1)] = (0.3, 1.0, 3.0, 5.0, 10.0)
    control_bits: Annotated[tuple[Annotated[int, Field(ge=1, le=52)], ...], Field(min_length=1)] = (8, 6, 5)
    control_noise: PositiveFloat = 0.02
