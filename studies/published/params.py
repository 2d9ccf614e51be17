"""Settings of the study, studies/published/params.yaml."""

from __future__ import annotations

from mlpf_hpo.settings.types import Repetitions, Seed
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
