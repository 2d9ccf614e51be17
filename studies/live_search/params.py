"""Settings of the study of searches, params.yaml of one of its folders."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from mlpf_hpo.seeds import derive_seed
from mlpf_hpo.settings.types import Seed
from mlpf_hpo.settings.validation import Section


class LiveSearchParams(Section):
    """All of the file."""

    seed: Seed = 42
    streams: Annotated[int, Field(ge=2, le=1000)] = 8
    repeats: Annotated[int, Field(ge=2, le=1000)] = 4

    def stream_seed(self, stream: int) -> int:
        """Return the seed of a stream, from which its configurations and those of its trainings derive."""
        return derive_seed(self.seed, "live search", stream)

    def repeats_seed(self, stream: int) -> int:
        """Return the seed from which those of a stream's repeats derive."""
        return derive_seed(self.seed, "live search", "repeats", stream)
