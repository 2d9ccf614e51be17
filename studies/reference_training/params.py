"""Settings of the reference training, studies/reference_training/params.yaml."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from mlpf_hpo.config import NetworkParams, TrainingParams
from mlpf_hpo.seeds import derive_seed
from mlpf_hpo.settings.types import Positive, Seed, Width
from mlpf_hpo.settings.validation import Section

TRAIN, TTBAR, QCD = "train", "ttbar", "qcd"
"""The samples: to train on, and to validate on; the loss after every epoch is that of the held-back ttbar."""

PROCESSES = {TRAIN: "ttbar", TTBAR: "ttbar", QCD: "qcd"}


class ConfigurationParams(Section):
    """The hyperparameters, as table 1 names them."""

    lr: Annotated[float, Field(gt=0.0)] = 1e-3
    n_glayers_id: Annotated[int, Field(ge=0, le=100)] = 2
    n_glayers_reg: Annotated[int, Field(ge=0, le=100)] = 2
    dropout: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.0
    bin_size: Positive = 64
    output_dim: Width = 64
    weight_decay: Annotated[float, Field(ge=0.0)] = 1e-4


class SampleSizes(Section):
    """Number of events of each sample."""

    train: Positive = 6000
    ttbar: Positive = 600
    qcd: Positive = 600


class ReferenceParams(Section):
    """All of the file."""

    seed: Seed = 42
    pileup: Annotated[float, Field(ge=0.0, le=200.0)] = 20.0
    minimum_bias_pool: Annotated[int, Field(ge=1, le=10**7)] = 4000
    events: SampleSizes = SampleSizes()
    epochs: Annotated[int, Field(ge=2, le=10**6)] = 14
    configuration: ConfigurationParams = ConfigurationParams()
    network: NetworkParams = NetworkParams()
    training: TrainingParams = TrainingParams(batch_events=4, threads=1)

    def sample_seed(self, name: str) -> int:
        """Return the seed of a sample: none shares an event, or a pile-up collision, with another."""
        return derive_seed(self.seed, "reference", "events", name)
