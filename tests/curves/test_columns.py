"""Foreign tables: which columns are hyperparameters, how curves may end, which mode a metric has."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from mlpf_hpo.cli.app import app
from mlpf_hpo.curves.dataset import read_curves, write_curves
from mlpf_hpo.curves.readers.csv_table import import_csv, read_table
from mlpf_hpo.errors import ConfigurationError, DataError
from mlpf_hpo.predictors.repeated_splits import Evaluation
from mlpf_hpo.predictors.scoring import METRICS
from mlpf_hpo.reporting.evaluation import score_rows
from mlpf_hpo.target_metric import TargetMetric

N, EPOCHS = 40, 10


def frame(**more) -> pd.DataFrame:
    """Return lr and dropout, columns of one's own, and the curves `val_loss_0 ...`, which depend on both."""
    generator = np.random.default_rng(5)
    table = pd.DataFrame({"lr": 10 ** generator.uniform(-5, -1, N), "dropout": generator.uniform(0, 0.5, N)})
    level = 0.3 + 0.1 * (np.log10(table["lr"]) + 3) ** 2 + table["dropout"] + 0.05 * generator.normal(size=N)
    table = table.assign(**more)
    for epoch in range(EPOCHS):
        table[f"val_loss_{epoch}"] = level * (1 + 2 * 0.6**epoch) + 0.1 * generator.normal(size=N)
    return table


def written(path: Path, table: pd.DataFrame) -> Path:
    table.to_csv(path, index=False)
    return path


def run(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def scores(path: Path, out: Path, *more) -> dict:
    asked = ("--predictors", "ridge", "--loss-prefix", "val_loss_", "--splits", 3, "--train", 16)
    end = run("predictors", "evaluate", "--curves", path, *asked, "--json", out, *more)
    assert end.exit_code == 0, f"{end.exception} {end.output}"
    return json.loads(out.read_text()) | {"output": end.output}


def test_the_training_loss_of_the_same_trainings_is_no_hyperparameter(tmp_path) -> None:
    """With it the last epoch would be known: scores are exactly those of the table without it."""
    alone = frame()
    leak = {f"train_loss_{epoch}": 0.95 * alone[f"val_loss_{epoch}"] for epoch in range(EPOCHS)}
    both = written(tmp_path / "both.csv", alone.assign(**leak))
    without = scores(written(tmp_path / "alone.csv", alone), tmp_path / "alone.json")
    beside = scores(both, tmp_path / "both.json")
    assert beside["predictors"] == without["predictors"]
    assert beside["hyperparameters"] == ["lr", "dropout"]
    assert list(beside["left_out"]) == list(leak)
    assert "hyperparameters: lr, dropout" in beside["output"]
    assert "left out: train_loss_0 ... train_loss_9 (numbered): to use one" in beside["output"]
    named = scores(both, tmp_path / "named.json", "--hyperparameters", "lr,dropout,train_loss_9")
    assert named["hyperparameters"] == ["lr", "dropout", "train_loss_9"]
    r2 = [found["predictors"]["ridge"]["r2_loss"]["mean"] for found in (named, without)]
    assert r2[0] > 0.97 > 0.93 > r2[1], "named, it is used: it leaks the end"


@pytest.mark.parametrize(
    ("name", "values", "reason"),
    [
        ("run_id", range(100, 100 + N), "an identifier or a time"),
        ("trial", np.arange(N)[::-1], "an identifier or a time"),
        ("Unnamed: 0", range(N), "an index or bookkeeping"),
        ("", range(N), "an index or bookkeeping"),
        ("_step", [9] * N, "an index or bookkeeping"),
        ("seed", range(N), "a seed"),
        ("random_state", range(5, 5 + N), "a seed"),
        ("position", np.random.default_rng(0).permutation(N), "a count of the rows"),
        ("batch_size", [32] * N, "the same in every row"),
        ("optimizer", ["adam", "sgd"] * (N // 2), "no numbers"),
        ("start_time", np.linspace(1.7e9, 1.71e9, N), "an identifier or a time"),
        ("time_total_s", np.linspace(3, 9, N), "an identifier or a time"),
        ("trainSeconds", np.linspace(3, 9, N), "an identifier or a time"),
        ("final_test_accuracy", np.linspace(0, 1, N), "a result"),
        ("top1_err", np.linspace(0, 1, N), "a result"),
        ("best_epoch", [1, 2] * (N // 2), "a result"),
    ],
)
def test_what_is_known_only_of_a_training_is_left_out_and_told(tmp_path, name, values, reason) -> None:
    path = written(tmp_path / "table.csv", frame(**{name: list(values)}))
    curves = read_table(path, "val_loss_")
    assert curves.hyperparameters == ("lr", "dropout")
    assert dict(curves.left_out) == {name: reason}
    if reason != "no numbers" and name not in ("", "seed"):
        assert read_table(path, "val_loss_", hyperparameters=["lr", name]).hyperparameters == ("lr", name)


@pytest.mark.parametrize("form", ["acc_{}", "acc{}", "acc.{}", "acc[{}]", "epoch{}_acc", "loss@{}"])
def test_numbered_families_of_any_form(tmp_path, form) -> None:
    family = {form.format(epoch): np.linspace(0, 1, N) for epoch in (0, 1, 2)}
    assert read_table(written(tmp_path / "t.csv", frame(**family)), "val_loss_").hyperparameters == (
        "lr",
        "dropout",
    )


@pytest.mark.parametrize(
    "name", ["epochs", "lr_peak_epoch", "1st_dense", "weight_decay", "loss_weight", "beta1", "warmup_steps",
             "label_smoothing", "identity_layers", "hidden", "learningRate", "n_glayers_id"],
)  # fmt: skip
def test_hyperparameters_stay(tmp_path, name) -> None:
    values = np.random.default_rng(1).choice([1, 2, 4, 8], N)
    curves = read_table(written(tmp_path / "table.csv", frame(**{name: values})), "val_loss_")
    assert curves.hyperparameters == ("lr", "dropout", name)
    assert curves.left_out == {}


def test_nothing_left_asks_for_names(tmp_path) -> None:
    table = frame().drop(columns=["lr", "dropout"]).assign(run_id=range(N))
    with pytest.raises(DataError, match=r"no column looks like .*\(run_id .*--hyperparameters"):
        read_table(written(tmp_path / "table.csv", table), "val_loss_")


def test_an_unknown_name_is_refused_by_every_command_with_the_nearest(tmp_path) -> None:
    csv = written(tmp_path / "table.csv", frame())
    parquet = tmp_path / "table.parquet"
    made = run("curves", "import", csv, "--loss-prefix", "val_loss_", "--name", "x", "--out", parquet)
    assert made.exit_code == 0, made.output
    for command in (
        ("predictors", "evaluate", "--curves", csv, "--loss-prefix", "val_loss_"),
        ("predictors", "evaluate", "--curves", parquet),
        ("predictors", "fit", "--curves", csv, "--loss-prefix", "val_loss_", "--out", tmp_path / "x.skops"),
        (
            "curves",
            "import",
            csv,
            "--loss-prefix",
            "val_loss_",
            "--name",
            "x",
            "--out",
            tmp_path / "y.parquet",
        ),
    ):
        end = run(*command, "--hyperparameters", "lr,droput")
        assert end.exit_code != 0
        assert "no column 'droput' (did you mean dropout?)" in str(end.exception)
    assert read_table(parquet, hyperparameters=["lr"]).hyperparameters == ("lr",)


def test_predictions_take_the_hyperparameters_that_the_predictor_was_fitted_on(tmp_path) -> None:
    """In a table of few trials a hyperparameter may be the same in every row: it is still one."""
    csv, model = written(tmp_path / "table.csv", frame()), tmp_path / "predictor.skops"
    made = run("predictors", "fit", "--curves", csv, "--loss-prefix", "val_loss_", "--predictor", "ridge",
               "--out", model)  # fmt: skip
    assert made.exit_code == 0, f"{made.exception} {made.output}"
    assert "hyperparameters: lr, dropout" in made.output
    running = written(
        tmp_path / "running.csv", frame().assign(dropout=0.1, train_loss_0=1.0, train_loss_1=1.0)
    )
    result = run("predictors", "predict", "--curves", running, "--model", model, "--loss-prefix", "val_loss_")
    assert result.exit_code == 0, f"{result.exception} {result.output}"
    assert "hyperparameters: lr, dropout" in result.output
    end = run("predictors", "predict", "--curves", running, "--model", model, "--hyperparameters", "lr")
    assert "--hyperparameters lr: it was fitted on lr, dropout" in str(end.exception)


@pytest.mark.parametrize("text", ["", "NaN", "nan", "NA", "N/A", "None", "null", "NULL", "<NA>", " "])
def test_a_curve_ends_with_any_word_for_no_value(tmp_path, text) -> None:
    path = tmp_path / "table.csv"
    path.write_text(f"lr,loss_0,loss_1,loss_2\n1,3,2,1\n2,5,4,{text}\n3,6,{text},\n4,{text},{text},{text}\n")
    curves = import_csv(path, ["lr"], "loss_", "x")
    nan = np.nan
    np.testing.assert_array_equal(curves.values, [[3, 2, 1], [5, 4, nan], [6, nan, nan], [nan, nan, nan]])
    assert curves.status.tolist() == ["finished", "stopped", "stopped", "stopped"]


@pytest.mark.parametrize("text", ["inf", "-inf", "Infinity", "-Infinity", "INF"])
def test_an_infinite_value_ends_a_curve_that_diverged(tmp_path, text) -> None:
    path = tmp_path / "table.csv"
    path.write_text(f"lr,loss_0,loss_1,loss_2\n1,3,2,1\n2,5,4,{text}\n3,6,{text},NaN\n")
    curves = import_csv(path, ["lr"], "loss_", "x")
    np.testing.assert_array_equal(curves.values[1:], [[5, 4, np.nan], [6, np.nan, np.nan]])
    assert curves.status.tolist() == ["finished", "diverged", "diverged"]


def test_true_and_false_are_numbers(tmp_path) -> None:
    table = frame(nesterov=["True", "False"] * (N // 2))
    curves = read_table(written(tmp_path / "table.csv", table), "val_loss_")
    assert curves.configs["nesterov"].tolist() == [1.0, 0.0] * (N // 2)


def rising(path: Path, prefix: str) -> Path:
    table = frame().rename(columns=lambda name: name.replace("val_loss_", prefix))
    for epoch in range(EPOCHS):
        table[f"{prefix}{epoch}"] = 1 - 0.1 * table[f"{prefix}{epoch}"]
    return written(path, table)


@pytest.mark.parametrize(("prefix", "mode"), [("acc_", None), ("fitness_", "max")])
def test_a_direction_survives_import_card_and_evaluation(tmp_path, prefix, mode) -> None:
    csv, parquet = rising(tmp_path / "t.csv", prefix), tmp_path / "t.parquet"
    asked = ["--mode", mode] if mode else []
    end = run("curves", "import", csv, "--loss-prefix", prefix, "--name", "x", "--out", parquet, *asked)
    assert end.exit_code == 0, f"{end.exception} {end.output}"
    metric = prefix.rstrip("_")
    assert read_curves(parquet).target == TargetMetric(metric, "max")
    assert json.loads((tmp_path / "t.card.json").read_text())["mode"] == "max"
    assert "maximised" in (tmp_path / "t.card.md").read_text()
    out = tmp_path / "scores.json"
    for curves, more in (
        (parquet, []),
        (parquet, ["--mode", "max"]),
        (csv, ["--loss-prefix", prefix, *asked]),
    ):
        few = ("--splits", 2, "--train", 16, "--predictors", "ridge", "--json", out)
        end = run("predictors", "evaluate", "--curves", curves, *few, *more)
        assert end.exit_code == 0, f"{end.exception} {end.output}"
        found = json.loads(out.read_text())
        assert (found["metric"], found["mode"]) == (metric, "max")
    end = run("predictors", "evaluate", "--curves", parquet, "--mode", "min")
    assert isinstance(end.exception, ConfigurationError)
    assert f"--mode min: {parquet} holds curves of {metric} (max)" in str(end.exception)


def test_a_direction_that_is_not_known_is_asked_for(tmp_path) -> None:
    csv = rising(tmp_path / "t.csv", "fitness_")
    end = run("predictors", "evaluate", "--curves", csv, "--loss-prefix", "fitness_")
    assert "fitness: its name does not say" in str(end.exception)
    assert "--mode min or --mode max" in str(end.exception)


def test_files_from_before_they_said_what_was_left_out_are_read(tmp_path) -> None:
    curves = read_table(written(tmp_path / "t.csv", frame()), "val_loss_")
    write_curves(curves, tmp_path / "t.parquet")
    import pyarrow.parquet as pq

    about = json.loads(pq.read_schema(tmp_path / "t.parquet").metadata[b"mlpf_hpo"])
    assert set(about) == {"target", "mode", "source", "configs", "metrics", "n_epochs"}, "as ever"
    leaky = read_table(written(tmp_path / "l.csv", frame(run_id=range(N))), "val_loss_")
    write_curves(leaky, tmp_path / "l.parquet")
    assert read_curves(tmp_path / "l.parquet").left_out == leaky.left_out
    assert "left out: run_id" in (tmp_path / "l.card.md").read_text()
    described = run("curves", "describe", tmp_path / "l.parquet").output
    assert "left out when the file was made: run_id" in described, "no option brings it back"


def test_one_outlier_is_named_and_no_table_is_wide(tmp_path) -> None:
    table = frame()
    for row, end in ((3, 1e30), (3, 1e300)):
        table.loc[row, "val_loss_9"] = end
        found = scores(written(tmp_path / "outlier.csv", table), tmp_path / "scores.json")
        assert max(map(len, found["output"].splitlines())) <= 160
        assert "row 4, which ends at 1e+30" in found["output"]
        assert "dominates R2 (loss)" in found["output"]
    assert "dominates" not in scores(written(tmp_path / "t.csv", frame()), tmp_path / "scores.json")["output"]


def test_scores_of_any_size_are_narrow() -> None:
    """R2 of a linear model on losses with an outlier is some -1e46: fixed digits would fill the screen."""
    scores = {"persistence": {metric: [-1e60, 2e60] for metric in METRICS}}
    (row,) = score_rows(Evaluation(2, 10, 16, scores=scores))
    assert all(len(cell) <= 30 for cell in row), row
