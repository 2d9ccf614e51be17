"""`mlpf-hpo tune`: one's own search, its record, a kill, and what is refused before anything starts."""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
import yaml
from typer.testing import CliRunner

from mlpf_hpo.cli.app import app
from mlpf_hpo.config import load_params
from mlpf_hpo.config.train_command import train_command
from mlpf_hpo.curves.readers.csv_table import read_table
from mlpf_hpo.curves.schema import LearningCurves
from mlpf_hpo.errors import InterruptedStageError, MlpfHpoError
from mlpf_hpo.files import read_json, read_record
from mlpf_hpo.mlpf.task import MLPFTask, task_of
from mlpf_hpo.predictors.factory import make_predictor
from mlpf_hpo.predictors.model_file import trusted_types
from mlpf_hpo.predictors.settings import PredictorsParams
from mlpf_hpo.registry.champion_scope import ChampionScope
from mlpf_hpo.search.schedulers import make_scheduler
from mlpf_hpo.search.schedulers.predictive import PredictiveScheduler
from mlpf_hpo.search.schedulers.stopping_asha import StoppingASHA
from mlpf_hpo.search.search_result import best_trial
from mlpf_hpo.search.simulator import simulate
from mlpf_hpo.seeds import derive_seed
from mlpf_hpo.space import SearchSpace, Uniform
from mlpf_hpo.target_metric import VALIDATION_LOSS, TargetMetric
from mlpf_hpo.tracking.aliases import make_model
from mlpf_hpo.tracking.client import connect
from mlpf_hpo.tracking.journal import Journal
from mlpf_hpo.tracking.registry import register_predictor
from mlpf_hpo.tracking.writer import RunWriter
from mlpf_hpo.tuning.ray_session import ray_session
from mlpf_hpo.tuning.search import SearchPlan
from mlpf_hpo.tuning.settings import ResourceParams
from mlpf_hpo.tuning.task import plan_trials
from mlpf_hpo.tuning.trial_reports import TrialEnd
from tests.faults.processes import wait_until
from tests.quick_task import loss
from tests.test_cli import ROOT, write_events
from tests.tuning.conftest import empty_database

__all__ = ["empty_database"]

N, EPOCHS = 6, 4
SIZES = ("--configurations", str(N), "--epochs", str(EPOCHS))
SPACE = SearchSpace({"x": Uniform(0.0, 1.0)})


def write_params(failures_allowed: int = 0, **task_settings: float | str) -> None:
    content = {
        "task": "tests.quick_task:QuickTask",
        "task_settings": task_settings,
        "space": {"x": {"low": 0.0, "high": 1.0}},
        "resources": {"gpus_per_trial": 0, "concurrency": 1},
        "search": {"predict_from_epoch": 1, "failures_allowed": failures_allowed},
    }
    Path("params.yaml").write_text(yaml.safe_dump(content))


def write_curves(name: str, column: str = "x", rows: int = 12) -> None:
    values = np.linspace(0, 1, rows)
    curves = [[x, *(loss({"x": x}, epoch) for epoch in range(1, EPOCHS + 1))] for x in values]
    lines = [",".join(f"{value:.6f}" for value in row) for row in curves]
    Path(name).write_text("\n".join([f"{column},loss_0,loss_1,loss_2,loss_3", *lines]) + "\n")


@pytest.fixture(scope="module")
def ray_here(tmp_path_factory):
    """Start Ray once; searches use a session that they find."""
    with ray_session(tmp_path_factory.mktemp("ray"), ResourceParams(concurrency=1, gpus_per_trial=0)):
        yield


@pytest.fixture(scope="module")
def project(tmp_path_factory, empty_database) -> Callable[[pytest.MonkeyPatch], Path]:
    """Return a function that makes a project of the quick task, and goes there."""

    def make(monkeypatch: pytest.MonkeyPatch) -> Path:
        folder = tmp_path_factory.mktemp("project")
        shutil.copy(empty_database, folder / "mlflow.db")
        monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{folder / 'mlflow.db'}")
        monkeypatch.chdir(folder)
        write_params()
        write_curves("prior.csv")
        return folder

    return make


@pytest.fixture
def folder(project, monkeypatch) -> Path:
    monkeypatch.setattr("mlpf_hpo.tuning.search.ui_links.update_links", lambda *_, **__: [])  # takes seconds
    return project(monkeypatch)


def tuned(*arguments: str) -> tuple[dict, str]:
    """Run the command in this process; return what it recorded and printed."""
    done = CliRunner().invoke(app, ["tune", *SIZES, "--json", "out.json", *arguments], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return read_record(Path("out.json"), "search"), done.output


def refused(*arguments: str) -> str:
    """Run the command in this process, which refuses; return its error."""
    done = CliRunner().invoke(app, ["tune", *arguments])
    assert isinstance(done.exception, MlpfHpoError), f"{done.output}{done.exception!r}"
    assert "\n" not in str(done.exception)
    return str(done.exception)


def found_in(record: dict) -> dict:
    """Return what the one scheduler found."""
    (found,) = record["schedulers"].values()
    return found


def outcomes(record: dict) -> list[tuple]:
    """Return what became of each trial, without ids of runs."""
    rows = found_in(record)["trials"]
    return [(row["trial_id"], row["status"], row["reason"], row["curve"]) for row in rows]


@pytest.mark.ray
def test_the_same_command_again_shows_the_result_or_tries_what_failed_again(ray_here, folder) -> None:
    write_params(failures_allowed=1, broken="t001")
    few = ("--scheduler", "full", "--configurations", "2", "--epochs", "2")
    assert refused(*few, "--resume").startswith("--resume: no search ")
    printed = [tuned(*few, *more) for more in ((), (), ("--resume",), ("--resume",))]
    assert [found_in(record)["failed"] for record, _ in printed] == [1, 1, 0, 0]
    assert ["was finished: nothing is trained" in text for _, text in printed] == [False, True, False, True]
    assert outcomes(printed[1][0]) == outcomes(printed[0][0])


@pytest.mark.ray
def test_a_searcher_proposes_what_is_trained(ray_here, folder) -> None:
    record, printed = tuned("--scheduler", "hyperband:searcher=tpe", "--prior", "prior.csv")
    found = found_in(record)
    assert found["label"] == "Hyperband + TPE"
    assert found["prior"].startswith("12 curves of prior")
    rows = {row["trial_id"]: row for row in found["trials"]}
    xs = [row["configuration"]["x"] for row in rows.values()]
    stream = SPACE.stream(N, derive_seed(load_params("params.yaml").seed, "stream", "search"))
    assert not {one["x"] for one in stream} & set(xs)
    assert np.mean(np.abs(np.array(xs) - 0.3)) < 0.15, "near the prior's best"
    for row in rows.values():
        assert row["curve"] == [loss(row["configuration"], e + 1) for e in range(len(row["curve"]))]
    best = rows[found["best_trial"]]["configuration"]["x"]
    assert found["best_loss"] == loss({"x": best}, EPOCHS)
    assert f": x={best}, seed=" in printed
    again, shown = tuned("--scheduler", "hyperband:searcher=tpe", "--prior", "prior.csv")
    assert "was finished: nothing is trained" in shown
    assert outcomes(again) == outcomes(record)


def results(folder: Path) -> list:
    """Return what the scheduler of the one search saw and decided."""
    found = sorted(folder.glob(".state/journals/*.jsonl"))
    return list(Journal(found[0]).results()) if found else []


def kill_after(epochs: int, folder: Path, *arguments: str) -> None:
    """Begin a search in a process of its own, and kill it (-9) with all that it started."""
    driver = subprocess.Popen(
        [sys.executable, "-m", "mlpf_hpo.cli", "tune", *SIZES, *arguments],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        wait_until(lambda: driver.poll() is not None or len(results(folder)) >= epochs, f"{epochs} epochs")
    finally:
        with suppress(ProcessLookupError):
            os.killpg(driver.pid, signal.SIGKILL)
        output, _ = driver.communicate()
    assert driver.returncode == -signal.SIGKILL, output


def simulated(configurations: list[dict]) -> list[tuple[str, str, int]]:
    """Return what becomes of each trial in a search that nothing disturbs, without Ray."""
    values = [[loss(one, epoch) for epoch in range(1, EPOCHS + 1)] for one in configurations]
    curves = LearningCurves.from_arrays(configurations, np.array(values), VALIDATION_LOSS)
    prior = read_table(Path("prior.csv"), mode="min")
    found = simulate(curves, make_scheduler("freeze_thaw", prior=prior, max_epochs=EPOCHS, price=0.001))
    return [(trial.trial_id, trial.status, trial.epochs) for trial in found.trials]


@pytest.mark.ray
@pytest.mark.faults
def test_a_killed_search_goes_on_as_if_nothing_had_happened(ray_here, project, monkeypatch, measured) -> None:
    folder, arguments = (
        project(monkeypatch),
        ("--scheduler", "freeze_thaw:price=0.001", "--prior", "prior.csv"),
    )
    write_params(pace=0.3)
    kill_after(3, folder, *arguments)
    before = results(folder)
    write_params()
    message = refused(*SIZES, *arguments)
    assert "is on record, unfinished: " in message
    assert "--resume" in message
    assert results(folder) == before, "nothing was trained"
    record, printed = tuned(*arguments, "--resume")
    found = found_in(record)
    rows = found["trials"]
    assert results(folder)[: len(before)] == before
    assert 0 < len(before) < len(results(folder)) < N * EPOCHS
    for file in folder.glob(".state/checkpoints/*/*/trained"):
        epochs = [int(epoch) for epoch in file.read_text().split()]
        assert epochs == [*range(1, len(epochs) + 1)], "no epoch twice"
    configurations = [row["configuration"] for row in rows]
    became = [(row["trial_id"], row["status"], len(row["curve"])) for row in rows]
    assert became == simulated(configurations)

    # Its record is in the words of search.json, and says what was trained.
    assert (record["configurations"], record["max_epochs"], record["task"]) == (N, EPOCHS, "quick")
    assert (found["prior"], found["epochs"]) == ("12 curves of prior", len(results(folder)))
    for row in rows:
        assert row["curve"] == [loss(row["configuration"], e + 1) for e in range(len(row["curve"]))]
    best = int(np.argmin([loss(one, EPOCHS) for one in configurations]))
    assert best_trial(record)["trial_id"] == found["best_trial"] == f"t{best:03d}"
    assert found["best_loss"] == loss(configurations[best], EPOCHS)
    x = configurations[best]["x"]
    assert f"{found['epochs']} epochs spent; all in full are {N * EPOCHS}" in printed
    assert f"best configuration, t{best:03d}, val/loss {found['best_loss']:.6g}: x={x}" in printed
    assert "parent run:" in printed
    assert "nothing is trained" not in printed
    params = connect().get_run(found["parent_run_id"]).data.params
    assert (params["price"], params["ends"]) == ("0.001", "True"), "also what was not given"
    measured(
        "kills",
        "`mlpf-hpo tune` is killed (-9) in the middle",
        f"the same command says what is on record; with --resume it goes on after {len(before)} epochs, and "
        "ends as if undisturbed",
    )


def register() -> str:
    """Register a predictor for such a search; return the name of its model."""
    curves = read_table(Path("prior.csv"), mode="min")
    predictor = make_predictor("persistence", PredictorsParams(), 0, [1, 2], folds=2)
    predictor.fit(curves.frame(), curves.final, curves.groups)
    writer, scope = RunWriter(connect()), ChampionScope.of_search(VALIDATION_LOSS, EPOCHS, SPACE)
    run_id = writer.open_parent("predictors", "p", "persistence", {}, {}, "a note")
    make_model(writer.client, scope.model, scope.description, scope.tags)
    register_predictor(
        writer.client, predictor, curves.frame(2).head(3), model=scope.model, trusted=trusted_types(),
        run_id=run_id, digest="d", dataset_path=Path("prior.csv"), metrics={}, tags={},
    )  # fmt: skip
    writer.client.set_registered_model_alias(scope.model, "mine", "1")
    return scope.model


def test_a_registered_predictor_is_held_by_the_scheduler(folder, monkeypatch) -> None:
    model, plans = register(), []

    def stop(plan: SearchPlan, **_: object) -> None:
        plans.append(plan)
        raise InterruptedStageError("planned")

    monkeypatch.setattr("mlpf_hpo.tuning.own_search.run_own_search", stop)
    for reference in (
        f"models:/{model}/mine",
        f"models:/{model}@mine",
        f"models:/{model}/1",
        f"{model}@mine",
    ):
        asked = refused(*SIZES, "--scheduler", "asha", "--predictor", reference)
        assert asked == "planned, with --resume", "what an interruption says"
    for plan in plans:
        (named,) = plan.schedulers
        assert isinstance(named.scheduler, PredictiveScheduler)
        assert isinstance(named.scheduler.scheduler, StoppingASHA)
        assert named.scheduler.bounds.predictor is plan.used.predictor
        assert (named.key, plan.used.version.name, str(plan.used.version.version)) == (
            "asha+prediction",
            model,
            "1",
        )
    assert len({plan.schedulers[0].identity["champion"] for plan in plans}) == 1


@pytest.mark.parametrize(
    ("target", "epochs", "space", "message"),
    [
        (VALIDATION_LOSS, 5, SPACE, "it predicts the value after 5 epochs, not 4"),
        (
            VALIDATION_LOSS,
            EPOCHS,
            {"y": Uniform(0.0, 2.0)},
            "it is of the space y: 0.0 to 2.0, not x: 0.0 to 1.0",
        ),
        (TargetMetric("val/other", "min"), EPOCHS, SPACE, "it predicts val/other (min), not val/loss (min)"),
        (TargetMetric("val/loss", "max"), EPOCHS, SPACE, "it predicts val/loss (max), not val/loss (min)"),
    ],
)
def test_a_predictor_for_another_search_is_refused(folder, target, epochs, space, message) -> None:
    scope = ChampionScope.of_search(target, epochs, space if space is SPACE else SearchSpace(space))
    client = connect()
    make_model(client, scope.model, scope.description, scope.tags)
    client.create_model_version(scope.model, "nowhere")
    asked = refused(*SIZES, "--predictor", f"models:/{scope.model}/1")
    assert asked.startswith(f"{scope.model} version 1 is not for this search: {message}")
    assert "not in the registry at" in refused(*SIZES, "--predictor", f"models:/{scope.model}/7")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["--scheduler", "freeze-thaw"],
            "--scheduler: no scheduler 'freeze-thaw' (did you mean freeze_thaw?",
        ),
        (["--scheduler", "asha:eta=3"], "--scheduler: scheduler asha has no setting 'eta'"),
        (["--scheduler", "asha:reduction_factor=1"], "reduction_factor must be at least 1.01"),
        (
            ["--scheduler", "asha:grace_epochs=9"],
            "grace_epochs must be between 1 and max_epochs (4), found 9",
        ),
        (["--scheduler", "hyperband:reduction_factor=1.5"], "must be at least 2, found 1.5"),
        (["--scheduler", "asha:budget_epochs=0"], "budget_epochs must be a whole number of at least 1"),
        (["--scheduler", "asha:max_epochs=3"], "max_epochs is"),
        (["--scheduler", "predicted_promotion"], "needs a predictor, none is given"),
        (["--scheduler", "prior_best_k"], "needs the curves of a prior campaign, none is given"),
        (["--scheduler", "asha", "--prior", "prior.csv"], "--prior: scheduler asha takes no prior campaign"),
        (["--prior", "prio.csv"], "--prior: prio.csv: no such file"),
        (
            ["--scheduler", "freeze_thaw:searcher=tpe"],
            "--scheduler: freeze_thaw+tpe: scheduler freeze_thaw takes no searcher",
        ),
        (["--scheduler", "asha:searcher=tbe"], "--scheduler: no searcher 'tbe' (did you mean tpe?)"),
        (
            ["--scheduler", "asha:searcher=tpe", "--prior", "other.csv"],
            "--scheduler: asha+tpe: prior other: lacks x",
        ),
        (["--prior", "other.csv"], "--scheduler: freeze_thaw: the prior"),
        (["--prior", "few.csv"], "--scheduler: freeze_thaw: prior few"),
        (["--workers", "4000"], "--workers: 4000 trials at once, but there is room for "),
        (["--predictor", "models:/mlpf/7"], "mlpf/7: neither curve-predictor-...@ALIAS nor"),
        (
            ["--predictor", "models:/curve-predictor-x/1", "--params", "late.yaml"],
            "leaves nothing to predict",
        ),
    ],
)
def test_what_cannot_be_is_refused_in_one_line_before_anything_starts(folder, arguments, message) -> None:
    write_curves("other.csv", column="y")
    write_curves("few.csv", rows=3)
    Path("late.yaml").write_text(Path("params.yaml").read_text().replace("epoch: 1", "epoch: 9"))
    assert message in refused(*SIZES, *arguments)
    assert not (folder / ".state").exists(), "nothing was begun"


@pytest.mark.parametrize("size", ["--configurations=0", "--epochs=1", "--workers=0"])
def test_sizes_that_cannot_be_are_refused(folder, size) -> None:
    assert CliRunner().invoke(app, ["tune", size]).exit_code == 2


def test_the_best_configuration_as_a_command_trains_the_same_trial(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_events(tmp_path / "my events")
    Path("other.yaml").write_text("space: {bin_size: {values: [8.0, 16.0]}}\nseed: 5\n")
    params, events = load_params("other.yaml"), Path("my events")
    trials = plan_trials(task_of(params, events), params.space.search_space(), params.seed, 3, "search")
    asked = []
    monkeypatch.setattr(MLPFTask, "train", lambda *call: asked.append(call) or TrialEnd("finished", 7))
    for spec in trials:
        line = train_command(spec.configuration, spec.seed, 7, Path("runs/one"), events, Path("other.yaml"))
        program, *words = shlex.split(line)
        assert program == "mlpf-hpo"
        done = CliRunner().invoke(app, words, catch_exceptions=False)
        assert done.exit_code == 0, done.output
        assert read_json(Path("runs/one/history.json"), "train")["trial_key"] == spec.key
        assert asked[-1][2] == 7
