"""Settings of the study of searches, params.yaml of one of its folders."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import Field

from mlpf_hpo.config import Params, load_params
from mlpf_hpo.errors import ConfigurationError
from mlpf_hpo.seeds import derive_seed
from mlpf_hpo.settings.parameter_file import read_parameters
from mlpf_hpo.settings.types import Seed
from mlpf_hpo.settings.validation import Section
from mlpf_hpo.tuning.settings import SearchParams


class LiveSearchParams(Section):
    """All of the file.

    `sizes` is the folder whose params.yaml says what is trained, and whose data/events are trained on;
    `search` stands in the place of its section `search`. Schedulers are compared with the one whose key is
    `yardstick`.
    """

    seed: Seed = 42
    streams: Annotated[int, Field(ge=2, le=1000)] = 8
    repeats: Annotated[int, Field(ge=2, le=1000)] = 4
    sizes: Annotated[str, Field(min_length=1, max_length=4096)] = "."
    search: SearchParams | None = None
    yardstick: str = "promotion_asha"

    @property
    def events(self) -> Path:
        """The folder of the events."""
        return Path(self.sizes) / "data/events"

    def params(self) -> Params:
        """Return what is trained and searched.

        Raises
        ------
        MlpfHpoError
            If the file is not there, or cannot be used, or the yardstick is none of the schedulers.
        """
        params = load_params(Path(self.sizes) / "params.yaml")
        if self.search is not None:
            params = params.model_copy(update={"search": self.search})
        keys = [scheduler.key for scheduler in params.search.schedulers]
        if self.yardstick not in keys:
            raise ConfigurationError(
                f"yardstick {self.yardstick!r} is none of the schedulers: {', '.join(keys)}"
            )
        return params

    def stream_seed(self, stream: int) -> int:
        """Return the seed of a stream, from which its configurations and those of its trainings derive."""
        return derive_seed(self.seed, "live search", stream)

    def repeats_seed(self, stream: int, configuration: int) -> int:
        """Return the seed from which those of the repeats of one of a stream's configurations derive."""
        return derive_seed(self.seed, "live search", "repeats", stream, configuration)


def read_study(folder: Path) -> LiveSearchParams:
    """Return the settings of a study's folder.

    Raises
    ------
    MlpfHpoError
        If its params.yaml is not there, or cannot be used.
    """
    return read_parameters(LiveSearchParams, folder / "params.yaml", "the project folder")
