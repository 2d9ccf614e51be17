"""Settings of what is measured on the campaign's curves, studies/campaign/study.yaml."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from mlpf_hpo.config import load_params
from mlpf_hpo.predictors.settings import Candidates, PredictorsParams
from mlpf_hpo.settings.parameter_file import read_parameters
from mlpf_hpo.settings.types import Fraction, OpenFraction, Positive, Repetitions, Seed
from mlpf_hpo.settings.validation import Section

HERE = Path("studies/campaign")


class DataParams(Section):
    """The data sets: of the campaign, of its longer trainings, and of the second task."""

    main: str = "campaign-v1"
    longer: str | None = "campaign-v1-long"
    second_task: str | None = "campaign-v1-qcd"
    folder: str | None = None


class AnalysisParams(Section):
    """Stage `analysis`: bootstraps, and the columns that have a meaning."""

    draws: Repetitions = 500
    top: Positive = 10
    observed_share: OpenFraction = 0.25
    forests: Repetitions = 100
    trees: Repetitions = 100
    learning_rate: str = "lr"
    layers: tuple[str, ...] = ("n_glayers_id", "n_glayers_reg")
    cost: str = "throughput/flop_per_event"


class Table2Params(Section):
    """Stage `table_2`: how many splits, and how simulated annealing samples."""

    svr_splits: Repetitions = 1000
    qsvr_splits: Repetitions = 100
    ensemble_splits: Repetitions = 10
    reads: Repetitions = 100
    sweeps: Repetitions = 100


class PredictorScoresParams(Section):
    """Stages `predictors` and `final_half`: splits of the design half, and the selection's criterion."""

    splits: Repetitions = 10
    train: Annotated[int, Field(ge=6, le=10**6)] = 48
    shares: Annotated[tuple[Fraction, ...], Field(min_length=1)] = (0.0, 0.02, 0.1, 0.25, 0.5)
    names: tuple[str, ...] | None = None
    candidates: Candidates = PredictorsParams().candidates
    criterion: Literal["spearman", "r2", "log_mae"] = "spearman"

    @property
    def settings(self) -> PredictorsParams:
        """The settings of every predictor: the defaults, and what is chosen among, and by what."""
        return PredictorsParams(candidates=self.candidates, criterion=self.criterion)


class CampaignStudyParams(Section):
    """All of the file."""

    seed: Seed = 42
    data: DataParams = DataParams()
    analysis: AnalysisParams = AnalysisParams()
    table_2: Table2Params = Table2Params()
    predictors: PredictorScoresParams = PredictorScoresParams()


def read_study(folder: Path = HERE) -> CampaignStudyParams:
    """Read study.yaml."""
    return read_parameters(CampaignStudyParams, folder / "study.yaml", "the project folder")


def planned_counts(folder: Path = HERE) -> dict[str, int]:
    """Return what the campaigns' own settings plan, by what is counted."""
    main, second = (load_params(one / "params.yaml").campaign for one in (folder, folder / "qcd"))
    return {
        "configurations": main.trials,
        "epochs": main.epochs,
        "repeated": main.repeats.configurations if main.repeats else 0,
        "longer": len(main.longer.trials) if main.longer else 0,
        "second_task": second.trials,
    }
