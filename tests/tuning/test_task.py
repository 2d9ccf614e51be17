"""A task: its trials' keys, how one of somebody else's is loaded, and what is refused."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml

from mlpf_hpo.config import Params, parse_params
from mlpf_hpo.errors import ConfigurationError
from mlpf_hpo.extensions import _entry_points
from mlpf_hpo.mlpf.task import MLPFTask
from mlpf_hpo.search.schedulers import PREDICTION, SCHEDULERS
from mlpf_hpo.search.schedulers.stopping_asha import StoppingASHA
from mlpf_hpo.target_metric import VALIDATION_LOSS, TargetMetric
from mlpf_hpo.tracking.versions import CHECKSUM
from mlpf_hpo.tuning.named_scheduler import name_scheduler
from mlpf_hpo.tuning.search import search_id
from mlpf_hpo.tuning.task import TrialSpec, check_target, load_task, trials_identity
from mlpf_hpo.tuning.trial_reports import EpochReport
from tests.extension import install

CONFIGURATION = {
    "lr": 1e-3,
    "n_glayers_id": 1,
    "n_glayers_reg": 2,
    "dropout": 0.3,
    "bin_size": 8,
    "output_dim": 16,
    "weight_decay": 1e-4,
}

VERSION = SimpleNamespace(version="3", tags={CHECKSUM: "0123456789abcdef0123"})


def mlpf(digest: str = "d1ge57") -> MLPFTask:
    params = Params()
    return MLPFTask(Path("a"), Path("b"), digest, params.network, params.training)


def test_identities_are_those_of_the_stores_that_people_have() -> None:
    """What is on record must be found again, until a change of what is trained raises `TRIAL_SCHEMA`."""
    assert TrialSpec("t000", CONFIGURATION, 7, mlpf()).key == "d0f0402eb56464a4"
    params = Params()
    space = params.space.search_space()
    shared = trials_identity(mlpf(), space, params.seed)
    assert shared == "855171b9"
    named = schedulers({"name": "asha"}, {"name": "asha", "prediction": {}})
    assert [(one.key, one.label, search_id(one, shared, 24)) for one in named] == [
        ("asha", "ASHA", "0be23b77"),
        ("asha+prediction", "ASHA + prediction (predictor version 3)", "1c7ae143"),
    ]
    other = parse_params({"space": {"lr": {"low": 1, "high": 2}, "bin_size": {"values": [8]}}, "seed": 3})
    assert trials_identity(mlpf("x"), other.space.search_space(), 3) == "8f5f2603"


def schedulers(*entries, **shared):
    """Return what a search makes of entries of `search.schedulers`."""
    search = parse_params({"search": {"schedulers": list(entries), **shared}}).search
    return [
        name_scheduler(one, i, search, VALIDATION_LOSS, object(), VERSION)
        for i, one in enumerate(search.schedulers)
    ]


def test_schedulers_share_settings_and_have_their_own() -> None:
    found = schedulers(
        {"name": "promotion_asha", "reduction_factor": 4.0},
        {"name": "full", "label": "all of it"},
        {"name": "full", "prediction": {"coverage": 0.5}},
        grace_epochs=2,
        predict_every=3,
    )
    assert [(one.key, one.label) for one in found] == [
        ("promotion_asha", "ASHA with promotion"),
        ("all of it", "all of it"),
        ("full+prediction", "full training + prediction (predictor version 3)"),
    ]
    assert found[0].scheduler.reduction_factor == 4.0
    assert found[0].identity["grace_epochs"] == 2
    bounds = found[2].scheduler.bounds
    assert [getattr(bounds, name) for name in PREDICTION] == [2, 3, 0.5]
    assert {name: found[2].identity[name] for name in PREDICTION} == dict(
        zip(PREDICTION, (2, 3, 0.5), strict=True)
    )


def test_a_default_is_part_of_a_schedulers_identity(monkeypatch) -> None:
    """Under another default, of a later release, it decides otherwise: a search on record is another one."""

    def ids(**given) -> str:
        search = parse_params({"search": {"schedulers": [{"name": "asha", **given}]}}).search
        named = name_scheduler(search.schedulers[0], 0, search, VALIDATION_LOSS)
        return search_id(named, "shared", 24)

    before, (thawing,) = ids(), schedulers({"name": "freeze_thaw", "prior": "none"})
    assert thawing.identity["price"] == thawing.scheduler.price
    assert ids(reduction_factor=3) == ids(own_value=False) == before, "what is the default may be given"
    assert len({before, ids(reduction_factor=4), ids(own_value=True), ids(budget_epochs=9)}) == 4

    class Later(StoppingASHA):
        def __init__(self, max_epochs, grace_epochs=1, reduction_factor=3.0, mode="min", own_value=True):
            super().__init__(max_epochs, grace_epochs, reduction_factor, mode, own_value)

    monkeypatch.setitem(SCHEDULERS.builtin, "asha", Later)
    assert ids() != before
    assert ids(own_value=False) == before

    class WithMore(StoppingASHA):
        def __init__(self, max_epochs, grace_epochs=1, reduction_factor=3.0, mode="min", own_value=False,
                     more=None, least=float("inf"), of=object()):  # fmt: skip  # noqa: B008
            super().__init__(max_epochs, grace_epochs, reduction_factor, mode, own_value)

    monkeypatch.setitem(SCHEDULERS.builtin, "asha", WithMore)
    (found,) = schedulers({"name": "asha"})
    assert "more" not in found.identity, "off: as if there were no such setting"
    assert (found.identity["least"], found.identity["of"]) == ("inf", "builtins.object")


def test_a_search_to_more_epochs_is_another_one() -> None:
    """Also under `full`, which does not take it: what had finished would count as trained to the end."""
    assert len({search_id(schedulers({"name": "full"}, max_epochs=n)[0], "shared", 4) for n in (8, 16)}) == 2


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ([{"name": "ashaa"}], r"schedulers\.0: no scheduler 'ashaa' \(did you mean asha\?\)"),
        ([{"name": "asha", "eta": 3}], r"schedulers\.0: scheduler asha has no setting 'eta'"),
        (
            [{"name": "asha"}, {"name": "asha", "grace_epochs": 2}],
            r"schedulers\.1: another one is called 'asha'",
        ),
        ([], "at least 1 item"),
        ([{"name": "asha", "prediction": {"converage": 0.5}}], r"prediction\.converage: unknown key"),
        ([{"label": "x"}], r"schedulers\.0\.name: field required"),
        ([{"name": "asha", "prior": "campaign"}], r"schedulers\.0\.prior: scheduler asha takes no prior"),
        ([{"name": "freeze_thaw", "prior": ""}], r"schedulers\.0\.prior: .*at least 1 character"),
    ],
)
def test_schedulers_that_cannot_be_made_are_refused(entries, message) -> None:
    with pytest.raises(ConfigurationError, match=message):
        parse_params({"search": {"schedulers": entries}})


def test_a_value_that_a_scheduler_refuses_is_reported_before_anything_trains() -> None:
    with pytest.raises(ConfigurationError, match="reduction_factor must be at least"):
        schedulers({"name": "asha", "reduction_factor": 0.5})


@pytest.mark.parametrize(
    ("reference", "settings", "message"),
    [
        ("no_such_module:Task", {}, "task: no_such_module:Task cannot be loaded: ModuleNotFoundError"),
        ("tests.toy_task:Tusk", {}, "task: tests.toy_task:Tusk cannot be loaded: AttributeError"),
        ("tests.toy_task:__doc__", {}, "no class or function that makes a task"),
        (
            "tests.toy_task:ToyRegression",
            {"row": 3},
            r"task_settings.row: unknown key .* \(did you mean rows\?",
        ),
        ("tests.toy_task:ToyRegression", {"rows": "many"}, "task_settings: .* refuses them: ValueError"),
        ("builtins:dict", {}, "builtins:dict is no class or function of Python's"),
        (
            "collections:UserDict",
            {},
            "what collections:UserDict makes is no task, it lacks check, constants",
        ),
    ],
)
def test_a_task_that_is_none_is_reported_in_one_line(reference, settings, message) -> None:
    with pytest.raises(ConfigurationError, match=message) as caught:
        load_task(reference, settings)
    assert "\n" not in str(caught.value)


def test_the_task_of_the_page_is_found_in_the_folder_of_the_command(tmp_path, monkeypatch) -> None:
    """As it stands there, beside its params.yaml; it learns."""
    page = (Path(__file__).parents[2] / "docs/tasks.md").read_text(encoding="utf-8")
    (program,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    params = next(
        text for text in re.findall(r"```yaml\n(.*?)```", page, re.DOTALL) if "my_training:" in text
    )
    (tmp_path / "my_training.py").write_text(program)
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.chdir(tmp_path)
    given = parse_params(yaml.safe_load(params))
    task, space = load_task(given.task, given.task_settings), given.space.search_space()
    check_target(task, given.target.with_mode())
    task.check(space)
    (configuration,) = space.stream(1, seed=7)
    reports: list[EpochReport] = []
    end = task.train(TrialSpec("t000", configuration, 3, task), 5, tmp_path, reports.append)
    assert (end.status, end.epochs, [one.epoch for one in reports]) == ("finished", 5, [1, 2, 3, 4, 5])
    losses = [one.metrics["train/loss"] for one in reports]
    assert losses[-1] < losses[0]
    sys.modules.pop("my_training")


def test_a_task_and_its_settings_in_params() -> None:
    given = parse_params({"task": "tests.toy_task:ToyRegression", "task_settings": {"rows": 8}})
    task = load_task(given.task, given.task_settings)
    assert task.constants["rows"] == 8
    assert load_task(given.task, {"rows": 9}).data_digest != task.data_digest
    with pytest.raises(ConfigurationError, match=r"task: must be mlpf, or name an object"):
        parse_params({"task": "nlpf"})
    with pytest.raises(ConfigurationError, match=r"task_settings: task mlpf has its settings in network"):
        parse_params({"task_settings": {"rows": 8}})


def test_a_target_against_the_tasks_direction_is_refused() -> None:
    check_target(mlpf(), VALIDATION_LOSS)
    check_target(mlpf(), TargetMetric("val/unheard_of", "max"))
    with pytest.raises(ConfigurationError, match=r"target.mode min: contradicts val/accuracy"):
        check_target(mlpf(), TargetMetric("val/accuracy", "min"))


def test_a_scheduler_of_an_installed_package_works_by_name(tmp_path, monkeypatch) -> None:
    monkeypatch.syspath_prepend(str(install(tmp_path)))
    _entry_points.cache_clear()
    try:
        (own,) = schedulers({"name": "every_other", "grace_epochs": 7})
        assert (own.key, own.label, own.scheduler.grace_epochs) == ("every_other", "every_other", 7)
        assert own.identity["max_epochs"] == 16
        assert "reduction_factor" not in own.identity, "it takes no such setting"
        (predicting,) = schedulers({"name": "every_other", "prediction": {}}, grace_epochs=3)
        assert predicting.scheduler.scheduler.grace_epochs == 3
        with pytest.raises(ConfigurationError, match=r"schedulers\.0: .*every_other has no setting 'wait'"):
            schedulers({"name": "every_other", "wait": 7})
    finally:
        _entry_points.cache_clear()
