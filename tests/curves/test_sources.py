"""Curves from files that Optuna, Lightning and tensorboardX write here, and from exported tables."""

from __future__ import annotations

import csv
import re
import shlex
import warnings
from pathlib import Path, PurePosixPath

import numpy as np
import optuna
import pytest
from optuna.storages import JournalStorage, RDBStorage
from optuna.storages.journal import JournalFileBackend
from pytorch_lightning.loggers import CSVLogger, TensorBoardLogger
from tensorboardX import SummaryWriter
from tensorboardX.proto.event_pb2 import Event
from tensorboardX.proto.tensor_pb2 import TensorProto
from typer.testing import CliRunner

from mlpf_hpo import LearningCurves
from mlpf_hpo.cli.app import app
from mlpf_hpo.curves.dataset import read_curves
from mlpf_hpo.curves.readers.csv_table import read_table

NAN = float("nan")


def read(folder: Path, source: str, where: object, *options: object) -> LearningCurves:
    """Return what `mlpf-hpo curves from` writes."""
    out = folder / "read.parquet"
    done = CliRunner().invoke(
        app, ["curves", "from", source, *map(str, (where, *options)), "--output", str(out)]
    )
    assert done.exit_code == 0, f"{done.output}{done.exception!r}"
    return read_curves(out)


def refused(folder: Path, source: str, where: object, *options: object) -> str:
    """Return the error of `mlpf-hpo curves from`, which must leave nothing."""
    out = folder / "refused.parquet"
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    done = CliRunner().invoke(
        app, ["curves", "from", source, *map(str, (where, *options)), "--output", str(out)]
    )
    assert done.exit_code == 1, done.output
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before
    message = str(done.exception)
    assert "\n" not in message
    return message


def objective(trial: optuna.Trial) -> float:
    lr = trial.suggest_float("lr", 1e-3, 1e-1, log=True)
    optimizer = trial.suggest_categorical("optimizer", ["adam", "sgd"])
    if trial.number == 3:
        raise ValueError
    for step in range(4):
        trial.report(lr + 1 / (step + 1) + (optimizer == "sgd"), step)
        if trial.number in (1, 4) and step == trial.number // 2:
            raise optuna.TrialPruned
        if trial.number == 5 and step == 1:
            raise ValueError
    return lr


def fill(storage, name: str = "first", direction: str = "minimize", n: int = 6) -> None:
    optuna.logging.set_verbosity(optuna.logging.CRITICAL)
    sampler = optuna.samplers.RandomSampler(seed=0)
    study = optuna.create_study(storage=storage, study_name=name, direction=direction, sampler=sampler)
    study.optimize(objective, n_trials=n, catch=ValueError)


def test_a_study_of_optuna(tmp_path: Path) -> None:
    """Pruned trials are censored, in a database and in a journal; nothing is written to either."""
    database, journal = tmp_path / "study.db", tmp_path / "study.log"
    fill(RDBStorage(f"sqlite:///{database}"))
    fill(JournalStorage(JournalFileBackend(str(journal))))
    before = database.read_bytes()
    curves = read(tmp_path, "optuna", database)
    assert database.read_bytes() == before
    assert str(curves.target) == "value (min)"
    assert set(curves.hyperparameters) == {"lr", "optimizer"}
    assert curves.status.tolist() == ["finished", "stopped", "finished", "stopped", "failed"]
    assert curves.censored.tolist() == [False, True, False, True, True]
    assert np.isfinite(curves.values).sum(axis=1).tolist() == [4, 1, 4, 3, 2]
    first = curves.configs.iloc[0]
    expected = [first["lr"] + 1 / (step + 1) + (first["optimizer"] == "sgd") for step in range(4)]
    assert curves.values[0].tolist() == expected
    assert dict(curves.left_out_rows) == {"no value of value": 1}
    for where in (f"sqlite:///{database}", journal):
        assert read(tmp_path, "optuna", where).values.tobytes() == curves.values.tobytes()
    assert len(read(tmp_path, "optuna", journal, "--filter", "complete")) == 2


def test_studies_of_optuna_that_cannot_be_read(tmp_path: Path) -> None:
    import sqlite3

    database = tmp_path / "study.db"
    storage = RDBStorage(f"sqlite:///{database}")
    fill(storage, n=1)
    fill(storage, "second", "maximize", n=1)
    assert "several studies, say which with --experiment: first, second" in refused(
        tmp_path, "optuna", database
    )
    wrong = refused(tmp_path, "optuna", database, "--experiment", "fist")
    assert "no study fist (did you mean first?)" in wrong
    few = refused(tmp_path, "optuna", database, "--experiment", "first")
    assert few.endswith("1 training(s) with values of value; a data set of curves needs at least 2")
    with sqlite3.connect(tmp_path / "other.db") as other:
        other.execute("CREATE TABLE books (title TEXT)")
    other.close()
    assert "no storage of Optuna: its tables are books" in refused(tmp_path, "optuna", tmp_path / "other.db")
    assert "none.db: no such file; wanted is a storage of Optuna" in refused(
        tmp_path, "optuna", tmp_path / "none.db"
    )
    (tmp_path / "notes.txt").write_text("lr was fine\n")
    assert "wanted is a SQLite database or a journal" in refused(tmp_path, "optuna", tmp_path / "notes.txt")


def test_trials_of_different_spaces(tmp_path: Path) -> None:
    def conditional(trial: optuna.Trial) -> float:
        lr = trial.suggest_float("lr", 0, 1)
        for name in "abcdef":
            trial.suggest_float(name, 0, 1)
        if trial.number % 2:
            trial.suggest_float("momentum", 0, 1)
        for step in range(2):
            trial.report(lr + step, step)
        return lr

    optuna.logging.set_verbosity(optuna.logging.CRITICAL)
    storage = JournalStorage(JournalFileBackend(str(tmp_path / "study.log")))
    optuna.create_study(storage=storage, direction="maximize").optimize(conditional, n_trials=5)
    message = refused(tmp_path, "optuna", tmp_path / "study.log")
    assert "runs of different spaces: of 5 runs, momentum in 2; use what all have, with --param " in message
    common = sorted(message.partition("with --param ")[2].partition(", or")[0].split(" --param "))
    assert common == [*"abcdef", "lr"], "all of them: the words are copied"
    curves = read(tmp_path, "optuna", tmp_path / "study.log", "--param", "lr")
    assert (curves.hyperparameters, curves.mode) == (("lr",), "max")
    wrong = refused(tmp_path, "optuna", tmp_path / "study.log", "--param", "momentun")
    assert "did you mean momentum?" in wrong


def test_folders_of_lightnings_loggers(tmp_path: Path) -> None:
    """The same values through both loggers; hyperparameters nested, one that YAML has no word for."""
    for version, lr in enumerate((0.1, 0.2, 0.3)):
        for logger in (
            CSVLogger(tmp_path / "csv", name="net", version=version),
            TensorBoardLogger(tmp_path / "tb", name="net", version=version),
        ):
            given = {
                "lr": lr,
                "seed": version,
                "model": {"width": 8 * (version + 1)},
                "data": PurePosixPath("events"),
                "epochs": 3,
            }
            logger.log_hyperparams(given)
            for epoch in range(3 - (version == 2)):
                for batch in range(2):
                    step = 2 * epoch + batch
                    logger.log_metrics({"train_loss": lr / (step + 1), "epoch": epoch}, step=step)
                logger.log_metrics({"val_loss": lr + 1 / (epoch + 1), "epoch": epoch}, step=2 * epoch + 1)
            logger.save()
            logger.finalize("success")
    by_csv = read(tmp_path, "lightning", tmp_path / "csv", "--metric", "val_loss")
    by_events = read(tmp_path, "tensorboard", tmp_path / "tb", "--metric", "val_loss")
    expected = [[lr + 1 / (epoch + 1) for epoch in range(3)] for lr in (0.1, 0.2, 0.3)]
    expected[2][2] = NAN
    np.testing.assert_allclose(by_csv.values, expected, rtol=1e-12)
    np.testing.assert_allclose(by_events.values, expected, rtol=1e-6)
    for curves in (by_csv, by_events):
        assert curves.hyperparameters == ("lr", "model/width")
        assert curves.configs["seed"].tolist() == [0, 1, 2]
        assert curves.configs["model/width"].tolist() == [8, 16, 24]
        assert curves.left_out["epochs"] == "the same in every run"
    per_batch = read(tmp_path, "lightning", tmp_path / "csv", "--metric", "train_loss")
    np.testing.assert_allclose(per_batch.values[0], [0.1 / 2, 0.1 / 4, 0.1 / 6])
    message = refused(tmp_path, "lightning", tmp_path / "csv", "--metric", "val_los")
    assert "no run has a metric val_los (did you mean val_loss?)" in message
    message = refused(tmp_path, "lightning", tmp_path / "tb")
    assert "holds no metrics.csv of Lightning's CSVLogger" in message
    assert "mlpf-hpo curves from tensorboard" in message
    message = refused(tmp_path, "lightning", tmp_path / "csv", "--filter", "other*")
    assert "--filter other* fits none of 3, such as net/version_0" in message
    (tmp_path / "empty").mkdir()
    assert "holds no event files" in refused(tmp_path, "tensorboard", tmp_path / "empty")
    assert "no such folder" in refused(tmp_path, "tensorboard", tmp_path / "nowhere")


def test_folders_of_tensorboard(tmp_path: Path) -> None:
    """Hyperparameters in a folder below, two files of a resumed run, a file that ends within a record."""
    for number, lr in enumerate((0.1, 0.2, 0.4)):
        folder = tmp_path / "runs" / f"run{number}"
        with SummaryWriter(str(folder)) as writer:
            for step in range(4):
                writer.add_scalar("loss", lr + 1 / (step + 1), step)
            writer.add_hparams({"lr": lr, "bias": number != 1}, {"hp/loss": lr}, name="hp")
    with SummaryWriter(str(tmp_path / "runs/run0"), filename_suffix=".resumed") as writer:
        for step in range(2, 5):
            writer.add_scalar("loss", 7.0 + step, step)
    cut = next((tmp_path / "runs/run2").glob("*.tfevents.*"))
    cut.write_bytes(cut.read_bytes()[:-9])
    curves = read(tmp_path, "tensorboard", tmp_path / "runs", "--metric", "loss")
    lines = [[0.1 + 1, 0.1 + 0.5, 9, 10, 11], [0.2 + 1 / n for n in (1, 2, 3, 4)] + [NAN]]
    np.testing.assert_allclose(curves.values[:2], lines, rtol=1e-6)
    assert np.isfinite(curves.values[2]).sum() == 3
    assert curves.resumed.tolist() == [1, 0, 0]
    assert curves.configs["lr"].tolist() == [0.1, 0.2, 0.4]
    assert curves.configs["bias"].tolist() == [True, False, True]
    damaged = bytearray(cut.read_bytes())
    damaged[0] ^= 1
    cut.write_bytes(damaged)
    assert "damaged at byte 0" in refused(tmp_path, "tensorboard", tmp_path / "runs", "--metric", "loss")


def test_scalars_of_tensorflow_2(tmp_path: Path) -> None:
    """It writes tensors where others write numbers; both forms of them are read."""
    from mlpf_hpo.curves.readers.tensorboard_events import _add, _Run

    event, run = Event(step=3), _Run()
    packed = np.float32(0.25).tobytes()
    event.summary.value.add(tag="a", tensor=TensorProto(dtype=1, tensor_content=packed))
    event.summary.value.add(tag="b", tensor=TensorProto(dtype=2, double_val=[0.1]))
    for value in event.summary.value:
        _add(run, event.step, value)
    assert run.points == {"a": [(3, 0.25)], "b": [(3, 0.1)]}


LONG = [
    *(
        {"trial": "a", "lr": 0.1, "epoch": e, "loss": 3 - e, "acc": e / 4, "status": "finished"}
        for e in (1, 2, 3)
    ),
    *({"trial": "b", "lr": 0.2, "epoch": e, "loss": 4 - e, "acc": e / 5, "status": "pruned"} for e in (1, 2)),
    {"trial": "c", "lr": 0.3, "epoch": 1, "loss": 4.0, "acc": 0.1, "status": "finished"},
    {"trial": "c", "lr": 0.3, "epoch": 2, "loss": "inf", "acc": "", "status": "finished"},
]


def written(file: Path, rows: list[dict]) -> Path:
    with file.open("w", newline="") as stream:
        writer = csv.DictWriter(stream, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    return file


def test_the_long_format(tmp_path: Path) -> None:
    wide = written(tmp_path / "wide.csv", LONG)
    same = [{"trial": r["trial"], "lr": r["lr"], "epoch": r["epoch"], "status": r["status"]} for r in LONG]
    both = [
        {**one, "metric": metric, "value": row[metric]}
        for metric in ("acc", "loss")
        for one, row in zip(same, LONG, strict=True)
    ]
    long = written(tmp_path / "long.csv", both)
    for file in (wide, long):
        curves = read(tmp_path, "long", file, "--metric", "loss")
        np.testing.assert_array_equal(curves.values, [[2, 1, 0], [3, 2, NAN], [4, NAN, NAN]])
        assert curves.status.tolist() == ["finished", "stopped", "diverged"]
        assert curves.censored.tolist() == [False, True, False]
        assert curves.hyperparameters == ("lr",)
        assert "several metrics, say which with --metric: " in refused(tmp_path, "long", file)
    shorter = read(tmp_path, "long", wide, "--metric", "acc", "--full-epochs", 4)
    assert shorter.censored.all(), "each has fewer epochs than a full training"
    nameless = written(tmp_path / "x.csv", [{"a": 1, "epoch": 1, "loss": 2}])
    assert "no column with the training, such as run id" in refused(tmp_path, "long", nameless)
    bad = written(tmp_path / "bad.csv", [*LONG, {**LONG[0], "epoch": 4, "loss": "high"}])
    assert "row 8: 'high' is no number" in refused(tmp_path, "long", bad, "--metric", "loss")


def test_trainings_that_end_early_for_no_known_reason_are_counted(tmp_path: Path) -> None:
    lengths = {0.1: 3, 0.2: 3, 0.3: 2}
    points = [(lr, epoch) for lr, n in lengths.items() for epoch in range(1, n + 1)]
    rows = [{"lr": lr, "run id": f"r{lr}", "epoch": epoch, "loss": lr + 1 / epoch} for lr, epoch in points]
    source, out = written(tmp_path / "long.csv", rows), tmp_path / "out.csv"
    words = ["curves", "from", "long", str(source), "--metric", "loss", "--param", "lr", "--output", str(out)]
    said = "1 end before epoch 3 and nothing says why: --full-epochs 3 marks them as stopped"
    assert said in CliRunner().invoke(app, words).output
    assert not read_table(out).censored.any()
    assert "nothing says why" not in CliRunner().invoke(app, [*words, "--full-epochs", "3"]).output
    assert read_table(out).censored.tolist() == [False, False, True]


def test_a_csv_file_keeps_what_was_understood(tmp_path: Path) -> None:
    source = written(tmp_path / "wide.csv", LONG)
    out = tmp_path / "out.csv"
    words = ["curves", "from", "long", str(source), "--metric", "loss", "--output", str(out)]
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 0, done.output
    assert "lengths: 1 to 3 epochs, median 2, 1 of 3 with all 3; censored: 1 (their last value" in done.output
    table = read_table(out)
    assert table.censored.tolist() == [False, True, False]
    assert table.status.tolist() == ["finished", "stopped", "diverged"]
    wrong = CliRunner().invoke(app, [*words[:-1], str(tmp_path / "out.txt")])
    assert "name a file that ends in .parquet or .csv" in str(wrong.exception)
    wrong = CliRunner().invoke(app, ["curves", "from", "optun", *words[3:]])
    assert "no source of curves 'optun' (did you mean optuna?)" in str(wrong.exception)


def test_exports_of_weights_and_biases(tmp_path: Path) -> None:
    """In the layout of its page: a chart with a column per run and its envelope, and the table of runs."""
    chart = [
        {
            "Step": step,
            **{
                f"{run} - val_loss{end}": "" if length <= step else lr + 1 / (step + 1)
                for run, lr, length in (("sun-1", 0.1, 3), ("sea - 2", 0.2, 2))
                for end in ("", "__MIN", "__MAX")
            },
        }
        for step in range(3)
    ]
    runs = [
        {
            "Name": "sun-1",
            "State": "finished",
            "Notes": "-",
            "Runtime": 31,
            "lr": 0.1,
            "opt": "adam",
            "val_loss": 0.4,
        },
        {
            "Name": "sea - 2",
            "State": "crashed",
            "Notes": "-",
            "Runtime": 12,
            "lr": 0.2,
            "opt": "sgd",
            "val_loss": 0.7,
        },
    ]
    file, table = written(tmp_path / "chart.csv", chart), written(tmp_path / "runs.csv", runs)
    curves = read(tmp_path, "wandb-csv", file, "--runs", table)
    np.testing.assert_allclose(curves.values, [[1.1, 0.6, 0.1 + 1 / 3], [1.2, 0.7, NAN]])
    assert (str(curves.target), curves.hyperparameters) == ("val_loss (min)", ("lr",))
    assert curves.status.tolist() == ["finished", "failed"]
    named = read(tmp_path, "wandb-csv", file, "--runs", table, "--param", "lr", "--param", "opt")
    assert named.configs["opt"].tolist() == ["adam", "sgd"]
    words = ["curves", "from", "wandb-csv", file, "--runs", table, "--param", "lr", "--param", "opt"]
    done = CliRunner().invoke(app, [*map(str, words), "--output", str(tmp_path / "read.csv")])
    (hint,) = re.findall("see what was understood: mlpf-hpo (.*)", done.output)
    assert "hyperparameters: lr, opt" in CliRunner().invoke(app, shlex.split(hint)).output
    assert "export the table of its runs as well" in refused(tmp_path, "wandb-csv", file)
    assert "no chart that Weights & Biases exported" in refused(tmp_path, "wandb-csv", table, "--runs", table)
    one = written(tmp_path / "one.csv", runs[:1])
    assert "one.csv: no run sea - 2" in refused(tmp_path, "wandb-csv", file, "--runs", one)


@pytest.fixture(autouse=True)
def _quiet():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
