"""The prior campaign of a search's schedulers: which curves each gets, and what is refused beforehand."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import yaml

from mlpf_hpo.curves.dataset import write_curves
from mlpf_hpo.curves.schema import LearningCurves
from mlpf_hpo.errors import ConfigurationError, DataError, MissingInputError
from mlpf_hpo.files import read_record
from mlpf_hpo.target_metric import VALIDATION_LOSS, TargetMetric
from mlpf_hpo.tuning.named_scheduler import name_scheduler
from mlpf_hpo.tuning.prior_campaign import check_prior, read_prior
from mlpf_hpo.tuning.settings import SchedulerParams, SearchParams
from pipelines.champion import main

EPOCHS = 4


def campaign(n: int = 8, name: str = "lr", target: TargetMetric = VALIDATION_LOSS) -> LearningCurves:
    """Return curves that end at the number of their row."""
    values = np.arange(n)[:, np.newaxis] + 1 / np.arange(1.0, EPOCHS + 1)
    return LearningCurves.from_arrays(
        [{name: 0.1 * (i + 1)} for i in range(n)], values, target, source="ours"
    )


@pytest.fixture
def files(tmp_path: Path) -> Path:
    write_curves(campaign(), tmp_path / "curves.parquet")
    write_curves(campaign(6), tmp_path / "earlier.parquet")
    write_curves(campaign(target=TargetMetric("val/loss", "max")), tmp_path / "rising.parquet")
    rows = "\n".join(f"{0.1 * i},{i}.5,{i}.25" for i in range(1, 8))
    (tmp_path / "table.csv").write_text(f"lr,loss_0,loss_1\n{rows}\n")
    return tmp_path


def prior_of(files: Path, name: str, prior: str | None, target: TargetMetric = VALIDATION_LOSS):
    """Return what a scheduler of that name gets."""
    where = prior if prior in (None, "campaign", "none") else str(files / prior)
    return read_prior(SchedulerParams(name=name, prior=where), 2, target, files / "curves.parquet")


@pytest.mark.parametrize(
    ("name", "prior", "curves"),
    [
        ("freeze_thaw", None, 8),
        ("freeze_thaw", "campaign", 8),
        ("prior_skip", None, 8),
        ("freeze_thaw", "earlier.parquet", 6),
        ("freeze_thaw", "table.csv", 7),
        ("freeze_thaw", "none", None),
        ("asha", None, None),
        ("asha", "none", None),
    ],
)
def test_who_gets_which_curves(files, name, prior, curves) -> None:
    found = prior_of(files, name, prior)
    assert (None if found is None else len(found)) == curves


@pytest.mark.parametrize(
    ("name", "prior", "target", "error", "message"),
    [
        (
            "freeze_thaw",
            "campain",
            VALIDATION_LOSS,
            MissingInputError,
            r"schedulers\.2\.prior: .*no such file",
        ),
        (
            "freeze_thaw",
            "rising.parquet",
            VALIDATION_LOSS,
            ConfigurationError,
            r"holds curves of val/loss \(max",
        ),
        ("freeze_thaw", None, TargetMetric("val/loss", "max"), ConfigurationError, r"the search's target is"),
        ("asha", "earlier.parquet", VALIDATION_LOSS, ConfigurationError, r"scheduler asha takes no prior"),
    ],
)
def test_a_prior_that_does_not_fit_is_refused(files, name, prior, target, error, message) -> None:
    with pytest.raises(error, match=message):
        prior_of(files, name, prior, target)


def named(prior: LearningCurves | None, **entry):
    """Return the scheduler that one entry of `search.schedulers` becomes."""
    settings = SearchParams(max_epochs=EPOCHS, schedulers=[{"name": "freeze_thaw", **entry}])
    return name_scheduler(settings.schedulers[0], 0, settings, VALIDATION_LOSS, prior=prior)


def test_the_scheduler_has_its_prior_and_is_another_one_with_another_prior() -> None:
    same, other, without = named(campaign()), named(campaign(7)), named(None)
    assert same.scheduler.prior is not None
    assert same.described_prior == "8 curves of ours"
    assert same.identity == named(campaign()).identity
    assert same.identity["prior"] != other.identity["prior"]
    assert "prior" not in without.identity
    assert without.described_prior is None


@pytest.mark.parametrize(
    ("prior", "message"),
    [
        (campaign(name="rate"), "search.schedulers: freeze_thaw: the prior .* shares no hyperparameter"),
        (campaign(3), "search.schedulers: freeze_thaw: prior ours: 3 of 3 curves have a final value"),
    ],
)
def test_a_prior_that_says_nothing_is_refused_before_anything_is_trained(prior, message) -> None:
    specs = [SimpleNamespace(trial_id=f"t{i}", configuration={"lr": 0.1 * (i + 1)}) for i in range(4)]
    check_prior(named(campaign()), specs)
    check_prior(named(None), specs)
    with pytest.raises((ConfigurationError, DataError), match=message):
        check_prior(named(prior), specs)


def test_the_stage_champion_records_what_the_files_of_priors_hold(files, monkeypatch, capsys) -> None:
    """So that DVC runs the search again after one has changed, and not for the pipeline's own curves."""
    monkeypatch.chdir(files)
    record = {"model": "m", "alias": "champion", "version": "1"}
    monkeypatch.setattr("mlpf_hpo.registry.champion.champion_record", lambda *_: record)
    monkeypatch.setattr("mlpf_hpo.registry.champion.summary", lambda _: "")

    def recorded(*priors: str) -> dict:
        entries = [{"name": "freeze_thaw", "prior": prior, "label": prior} for prior in priors]
        Path("params.yaml").write_text(yaml.safe_dump({"search": {"schedulers": entries}}))
        main()
        return read_record(Path("results/champion.json"), "champion")

    assert recorded("campaign", "none") == record
    first = recorded("campaign", "table.csv", "earlier.parquet")
    assert set(first["priors"]) == {"table.csv", "earlier.parquet"}
    assert recorded("campaign", "table.csv", "earlier.parquet") == first
    Path("table.csv").write_text(Path("table.csv").read_text().replace(".25", ".75"))
    assert recorded("campaign", "table.csv", "earlier.parquet") != first
    with pytest.raises(DataError, match=r"gone\.csv: cannot be read"):
        recorded("gone.csv")
