"""`mlpf-hpo tune`: one's own search, its record, a kill, and what is refused before anything starts."""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import yaml
from typer.testing import CliRunner

from mlpf_hpo.cli.app import app
from mlpf_hpo.cli.tune import train_command
from mlpf_hpo.config import load_params
from mlpf_hpo.curves.schema import LearningCurves
from mlpf_hpo.errors import MlpfHpoError
from mlpf_hpo.files import read_json, read_record
from mlpf_hpo.mlpf.task import MLPFTask, task_of
from mlpf_hpo.predictors.factory import make_predictor
from mlpf_hpo.predictors.model_file import trusted_types
from mlpf_hpo.predictors.settings import PredictorsParams
from mlpf_hpo.registry.champion_scope import ChampionScope
from mlpf_hpo.registry.load import load_for_search
from mlpf_hpo.search.search_result import best_trial
from mlpf_hpo.seeds import derive_seed
from mlpf_hpo.space import SearchSpace, Uniform
from mlpf_hpo.target_metric import VALIDATION_LOSS, TargetMetric
from mlpf_hpo.tracking.aliases import make_model
from mlpf_hpo.tracking.client import connect
from mlpf_hpo.tracking.journal import Journal
from mlpf_hpo.tracking.registry import register_predictor
from mlpf_hpo.tracking.writer import RunWriter
from mlpf_hpo.tuning.ray_session import ray_session
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
WITH_PRIOR = ("--scheduler", "freeze_thaw:price=0.001", "--prior", "prior.csv")
SPACE = SearchSpace({"x": Uniform(0.0, 1.0)})


def write_params(failures_allowed: int = 0, **task_settings: float | str) -> None:
    content = {
        "task": "tests.quick_task:QuickTask",
        "task_settings": task_settings,
        "space": {"x": {"low": 0.0, "high": 1.0}},
        "resources": {"gpus_per_trial": 0, "concurrency": 1},
        "search": {"predict_from_epoch": 1, "coverage": 0.1, "failures_allowed": failures_allowed},
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


@pytest.fixture(scope="module")
def undisturbed(ray_here, project):
    """Run a search in a project of its own; yield its folder, its record and what was printed."""
    with pytest.MonkeyPatch.context() as changed:
        folder = project(changed)
        yield folder, *tuned(*WITH_PRIOR)


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
def test_a_search_its_record_and_what_is_printed(undisturbed, monkeypatch) -> None:
    folder, record, printed = undisturbed
    found = found_in(record)
    assert (record["configurations"], record["max_epochs"], record["task"]) == (N, EPOCHS, "quick")
    assert found["prior"].startswith("12 curves of prior")
    xs = [row["configuration"]["x"] for row in found["trials"]]
    best = int(np.argmin([loss({"x": x}, EPOCHS) for x in xs]))
    assert (found["best_trial"], found["best_loss"]) == (f"t{best:03d}", loss({"x": xs[best]}, EPOCHS))
    assert best_trial(record)["trial_id"] == found["best_trial"], "the words of search.json"
    for row in found["trials"]:
        assert row["curve"] == [loss(row["configuration"], e + 1) for e in range(len(row["curve"]))]
    spent = sum(len(row["curve"]) for row in found["trials"])
    assert 0 < spent < N * EPOCHS
    assert f"{spent} epochs spent; all in full are {N * EPOCHS}" in printed
    assert f"best configuration, t{best:03d}, val/loss {found['best_loss']:.6g}: x={xs[best]}" in printed
    assert "parent run:" in printed
    assert "nothing is trained" not in printed
    params = connect(f"sqlite:///{folder / 'mlflow.db'}").get_run(found["parent_run_id"]).data.params
    assert (params["price"], params["ends"]) == ("0.001", "True"), (
        "settings that were not given are on record"
    )


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


@pytest.mark.ray
@pytest.mark.faults
def test_a_killed_search_goes_on_as_if_nothing_had_happened(undisturbed, folder, measured) -> None:
    write_params(pace=0.3)
    driver = subprocess.Popen(
        [sys.executable, "-m", "mlpf_hpo.cli", "tune", *SIZES, *WITH_PRIOR],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        wait_until(lambda: driver.poll() is not None or len(results(folder)) >= 3, "three epochs")
    finally:
        if driver.poll() is None:
            os.killpg(driver.pid, signal.SIGKILL)
        output, _ = driver.communicate()
    before = results(folder)
    assert before, output
    write_params()
    message = refused(*SIZES, *WITH_PRIOR)
    assert "is on record, unfinished: " in message
    assert "--resume" in message
    assert results(folder) == before, "nothing was trained"
    resumed, _ = tuned(*WITH_PRIOR, "--resume")
    assert results(folder)[: len(before)] == before
    assert len(before) < len(results(folder)) == len(results(undisturbed[0]))
    for file in folder.glob(".state/checkpoints/*/*/trained"):
        epochs = [int(epoch) for epoch in file.read_text().split()]
        assert epochs == [*range(1, len(epochs) + 1)], "no epoch twice"
    assert outcomes(resumed) == outcomes(undisturbed[1])
    measured(
        "kills",
        "`mlpf-hpo tune` is killed (-9) in the middle",
        f"the same command says what is on record; with --resume it goes on after {len(before)} epochs, and "
        "ends as if undisturbed",
    )


def register(target=VALIDATION_LOSS, epochs: int = EPOCHS, space: SearchSpace = SPACE) -> str:
    """Register a predictor for such a search; return the name of its model."""
    (name,) = space.names
    rates = np.linspace(0, 1, 30)
    values = [[loss({"x": x}, epoch) for epoch in range(1, epochs + 1)] for x in rates]
    curves = LearningCurves.from_arrays([{name: float(x)} for x in rates], np.array(values), target)
    predictor = make_predictor("ridge", PredictorsParams(), 0, [1, 2], folds=2)
    predictor.fit(curves.frame(), curves.final, curves.groups)
    writer = RunWriter(connect())
    run_id = writer.open_parent("predictors", f"p{epochs}{name}", "ridge", {}, {}, "a note")
    scope = ChampionScope.of_search(target, epochs, space)
    make_model(writer.client, scope.model, scope.description, scope.tags)
    register_predictor(
        writer.client, predictor, curves.frame(2).head(3), model=scope.model, trusted=trusted_types(),
        run_id=run_id, digest="d", dataset_path=Path("curves.parquet"), metrics={}, tags={},
    )  # fmt: skip
    writer.client.set_registered_model_alias(scope.model, "mine", "1")
    return scope.model


@pytest.mark.ray
def test_a_registered_predictor_stops_what_it_predicts_to_lose(ray_here, folder) -> None:
    model = register()
    record, _ = tuned("--scheduler", "full", "--predictor", f"models:/{model}/mine")
    assert record["champion"] == {"name": model, "version": "1", "alias": None}
    assert found_in(record)["stopped_by_prediction"] > 0
    for reference in (f"models:/{model}@mine", f"models:/{model}/1", f"{model}@mine"):
        _, version = load_for_search(reference, ChampionScope.of_search(VALIDATION_LOSS, EPOCHS, SPACE))
        assert (version.name, str(version.version)) == (model, "1")
    longer, wider = register(epochs=5), register(space=SearchSpace({"y": Uniform(0.0, 2.0)}))
    other = register(TargetMetric("val/other", "min"))
    for reference, message in (
        (longer, "it predicts the value after 5 epochs, not 4"),
        (wider, "it is of the space y: 0.0 to 2.0, not x: 0.0 to 1.0"),
        (other, "it predicts val/other (min), not val/loss (min)"),
    ):
        asked = refused(*SIZES, "--scheduler", "full", "--predictor", f"models:/{reference}/mine")
        assert asked.startswith(f"{reference} version 1 is not for this search: {message}")
    assert "not in the registry at" in refused(*SIZES, "--predictor", f"models:/{model}/7")
    assert "neither curve-predictor" in refused(*SIZES, "--predictor", "models:/mlpf/7")


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
        (["--predictor", "models:/curve-predictor-x/1", "--epochs", "2"], "not in the registry"),
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
