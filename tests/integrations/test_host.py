"""What all libraries share: priors by name, and trials that are added on the way."""

from __future__ import annotations

import re

import pytest
import skops.io

from mlpf_hpo.curves.dataset import write_curves
from mlpf_hpo.curves.schema import LearningCurves
from mlpf_hpo.errors import ConfigurationError
from mlpf_hpo.integrations.host_ledger import HostLedger
from mlpf_hpo.integrations.host_scheduler import make_host_scheduler, make_stopping_variant, read_knowledge
from mlpf_hpo.predictors.factory import make_predictor
from mlpf_hpo.predictors.settings import PredictorsParams
from mlpf_hpo.search.scheduler import Decision
from mlpf_hpo.search.schedulers import make_scheduler
from tests.integrations.toys import EPOCHS, RATES, loss, recorded, replayed


def test_a_prior_is_named_by_its_file(tmp_path) -> None:
    curves = recorded()
    write_curves(curves, tmp_path / "earlier.parquet")
    curves.frame().to_csv(tmp_path / "earlier.csv", index=False)
    predictor = make_predictor("ridge", PredictorsParams(), seed=0, known_epochs=(2,))
    skops.io.dump(predictor.fit(curves.frame(), curves.final), tmp_path / "fitted.skops")
    for name in ("earlier.parquet", "earlier.csv"):
        found = read_knowledge(str(tmp_path / name), "min")
        assert isinstance(found, LearningCurves)
        assert found.final.tolist() == pytest.approx(curves.final.tolist())
    loaded = read_knowledge(tmp_path / "fitted.skops", "min")
    assert loaded.predict(curves.frame(2)).tolist() == predictor.predict(curves.frame(2)).tolist()
    with pytest.raises(ConfigurationError, match=r"predicts the value after 9 epochs, max_epochs is 12$"):
        make_host_scheduler("asha", 12, "min", loaded)
    with pytest.raises(ConfigurationError, match=r"^prior: a dict; it is LearningCurves, a fitted CurvePred"):
        read_knowledge({}, "min")


def ledger_of(name: str, **settings) -> HostLedger:
    scheduler = make_scheduler(name, max_epochs=EPOCHS, **settings)
    return HostLedger(scheduler, EPOCHS, recorded().target)


def test_reports_are_counted_and_a_repeated_one_changes_nothing() -> None:
    ledger = ledger_of("asha")
    ledger.add("a", {"x": 0.1})
    ledger.begin("a")
    for moment in (10, 20, 10, 15, 30):
        assert ledger.report_at("a", moment, 1.0) is Decision.CONTINUE
    assert ledger.trials["a"].epochs == 3
    for epoch in range(4, EPOCHS + 1):
        decision = ledger.report_at("a", 10 * epoch, 1.0)
        assert decision is (Decision.STOP if epoch == EPOCHS else Decision.CONTINUE)
    assert ledger.report_at("a", 1000, 1.0) is Decision.STOP
    ledger.report_early_end("a")
    assert ledger.trials["a"].status == "finished"


def test_a_training_that_ends_early_has_not_failed() -> None:
    ledger = ledger_of("asha")
    for trial_id in ("a", "b"):
        ledger.add(trial_id, {"x": 0.1})
        ledger.begin(trial_id)
    ledger.report_at("a", 1, 1.0)
    ledger.report_early_end("a", "patience")
    ledger.report_early_end("b")  # without any value
    assert (ledger.trials["a"].status, ledger.trials["a"].reason) == ("stopped", "patience")
    assert ledger.trials["b"].status == "failed"
    assert ledger.all_ended


def test_the_scheduler_that_takes_over_decides_as_if_it_had_been_there_from_the_start() -> None:
    ledger, replaced = ledger_of("promotion_asha", reduction_factor=2), False
    for x in RATES:
        ledger.add(str(x), {"x": x})
    while (trial_id := ledger.next_trial()) is not None:
        for epoch in range(1, EPOCHS + 1):
            decision = ledger.report_at(trial_id, epoch, loss(float(trial_id), epoch))
            if decision is Decision.PAUSE:
                assert not replaced
                variant = make_stopping_variant(EPOCHS, "min", None, {"reduction_factor": 2})
                decision, replaced = ledger.replace_scheduler(variant), True
            if decision is Decision.STOP:
                break
        ledger.report_early_end(trial_id)
    assert replaced
    found = {float(trial_id): trial.epochs for trial_id, trial in ledger.trials.items()}
    assert found == replayed(make_scheduler("asha", max_epochs=EPOCHS, reduction_factor=2))


def test_trials_that_the_library_started_end_where_none_is_promoted() -> None:
    ledger = ledger_of("promotion_asha")
    for x in RATES[:6]:
        ledger.add(str(x), {"x": x})
        ledger.begin(str(x))
        assert ledger.report_at(str(x), 1, loss(x, 1)) is Decision.PAUSE
    while (trial_id := ledger.next_trial()) is not None:
        for epoch in (2, 3):
            ledger.report_at(trial_id, epoch, loss(float(trial_id), epoch))
    assert len(ledger.end_waiting()) == 6
    assert ledger.all_ended
    assert sorted(trial.epochs for trial in ledger.trials.values()) == [1, 1, 1, 1, 3, 3]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("freeze_thau", 9, "min"), "no scheduler 'freeze_thau' (did you mean freeze_thaw?)"),
        (("asha", 9, "least"), "mode: 'least'; it is min or max"),
        (("asha", 9, "min", None, {"coverage": 0.8}), "coverage is a setting of a prediction"),
        (("prior_best_k", 9, "min"), "prior_best_k needs the curves of a prior campaign, none is given"),
    ],
)
def test_what_is_refused_is_said_in_one_line(arguments, message) -> None:
    with pytest.raises(ConfigurationError, match=f"^[^\n]*{re.escape(message)}[^\n]*$"):
        make_host_scheduler(*arguments)
