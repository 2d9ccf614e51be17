"""The command line: clear errors, no traceback, a non-zero status."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import typer
from typer.core import TyperGroup

from mlpf_hpo.cli.app import ORDER, app, main
from mlpf_hpo.events.schema import Event
from mlpf_hpo.events.store import write_store

ROOT = Path(__file__).parents[1]


def run(*arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run `mlpf-hpo` in a folder."""
    command = [sys.executable, "-m", "mlpf_hpo.cli", *arguments]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "200"}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=120)


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (["train", "--out", "x"], 1, "params.yaml: no such parameter file"),
        (["events", "info", "none"], 1, "the stage `events` makes it"),
        (
            ["curves", "import", "none.csv", "--hyperparameters", "a", "--name", "n", "--out", "o"],
            1,
            "no such file",
        ),
        (["events", "generate", "--process", "gun-foton", "--out", "x"], 1, "did you mean gun-photon?"),
        (["train", "--epochs", "0", "--out", "x"], 2, "Input should be greater than or equal to 1"),
        (["stauts"], 2, "Did you mean 'status'?"),
        (["runs", "best", "--metrc", "x"], 2, "Possible options: --metric"),
        (["ui", "--port", "0"], 2, "Input should be greater than or equal to 1"),
        (["benchmark", "--epochs", "none"], 64, "Input should be a valid integer"),
        (["benchmark", "--events", "1"], 66, "; --tier pu0 measures on events that are shipped"),
    ],
)
def test_errors_are_for_people(tmp_path: Path, arguments: list[str], status: int, message: str) -> None:
    result = run(*arguments, folder=tmp_path)
    assert result.returncode == status, result.stderr
    assert message in result.stderr
    assert "Traceback" not in result.stderr
    assert not list(tmp_path.iterdir()), "nothing is half-written"


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (
            ["benchmark", "--store", "events/train", "-e", "64", "-t", "2"],
            64,
            "events/train has 4 events, and --threads x --events are 128; lower one of them",
        ),
        (["benchmark", "--store", "events/train"], 64, "--threads x --events are 48; lower one"),
        (["benchmark", "--ncores", "4096"], 64, "--ncores 4096: this process may use 1 to"),
        (["benchmark", "-n", "1", "-c", "3", "-t", "2"], 64, "--threads 2 need 6 cores"),
        (
            ["benchmark", "--extra-args", "--colour red"],
            64,
            "--extra-args: unrecognized arguments: --colour red",
        ),
        (["benchmark", "compare", "events"], 1, "no mlpf-bmk_summary.json in this folder"),
        (["hepscore", "none.yaml"], 1, "none.yaml"),
        (
            ["benchmark", "--store", "events/train", "-e", "1", "--precision", "64"],
            64,
            "--precision: input should",
        ),
        (
            ["benchmark", "--store", "events/train", "-e", "1", "--device", "tpu"],
            64,
            "--device is cpu, gpu or",
        ),
        (
            ["benchmark", "--store", "events/train", "-e", "1", "--mop", "some"],
            64,
            "--mop is none, custom or all",
        ),
        (
            ["events", "generate", "--process", "qcd", "--pileup", "200", "--pool", "9", "--out", "x"],
            1,
            "--pool: 9 collisions are too few",
        ),
        (
            ["predictors", "fit", "--curves", "curves.csv", "--predictor", "svm", "--out", "x"],
            1,
            "--predictor: no regressor 'svm'",
        ),
        (["predictors", "evaluate", "--curves", "curves.csv", "--predictors", "svm"], 1, "--predictors: no "),
    ],
)
def test_what_is_wrong_with_an_option_names_the_option(
    tmp_path: Path, arguments: list[str], status: int, message: str
) -> None:
    write_events(tmp_path / "events")
    rows = "\n".join(f"{1 / (3 + i * i % 17)},{i + 4},{i + 3},{i + 2},{i + 1}" for i in range(12))
    (tmp_path / "curves.csv").write_text(f"lr,loss_0,loss_1,loss_2,loss_3\n{rows}\n")
    result = run(*arguments, folder=tmp_path)
    assert result.returncode == status, result.stderr
    assert message in result.stderr
    for key in ("benchmark.", "events.pileup", "events.minimum", "predictors.candidates"):
        assert key not in result.stderr


def test_the_version_is_printed(tmp_path: Path) -> None:
    result = run("--version", folder=tmp_path)
    assert (result.returncode, result.stdout) == (0, f"mlpf-hpo {metadata.version('mlpf_hpo')}\n")


def leaves(command: object, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], object]]:
    """Yield every command with its path."""
    if isinstance(command, TyperGroup):
        if command.invoke_without_command:
            yield path, command
        for name in command.list_commands(None):
            yield from leaves(command.commands[name], (*path, name))
    else:
        yield path, command


def test_help_has_examples_in_the_order_of_the_pipeline() -> None:
    found = list(leaves(typer.main.get_command(app)))
    assert {path[0] for path, _ in found} == set(ORDER)
    assert [path[0] for path, _ in found] == sorted((path[0] for path, _ in found), key=ORDER.index)
    for path, command in found:
        assert f"mlpf-hpo {' '.join(path)}" in command.epilog, path
        assert command.help.endswith("."), path
        options = [parameter for parameter in command.params if parameter.name != "help"]
        assert options


def test_help_is_shown(tmp_path: Path) -> None:
    result = run("runs", "best", "--help", folder=tmp_path)
    assert result.returncode == 0
    assert "mlpf-hpo runs best --metric throughput/events_per_second" in result.stdout


def test_events_of_a_gun(tmp_path: Path) -> None:
    pytest.importorskip("fastjet")
    arguments = ["--process", "gun-photon", "--events", "60", "--seed", "3", "--workers", "1", "--out", "gun"]
    result = run("events", "generate", *arguments, folder=tmp_path)
    assert result.returncode == 0, result.stderr
    assert "gun: 60 gun-photon events at PU 0" in result.stdout
    info = run("events", "info", "gun", folder=tmp_path)
    assert "60" in info.stdout
    assert [entry.name for entry in tmp_path.iterdir()] == ["gun"]


def write_events(folder: Path) -> None:
    """Write a training and a validation sample."""
    generator = np.random.default_rng(0)
    for name in ("train", "validation"):
        events = [_event(generator, number) for number in range(4)]
        write_store(folder / name, events, {"made": name})


def test_train_writes_a_curve_and_resumes(tmp_path: Path) -> None:
    write_events(tmp_path / "events")
    (tmp_path / "params.yaml").write_text("seed: 1\n")
    options = ["--events", "events", "--out", "one", "--output-dim", "8", "--bin-size", "8"]
    first = run("train", *options, "--epochs", "1", folder=tmp_path)
    assert first.returncode == 0, first.stderr
    more = run("train", *options, "--epochs", "2", folder=tmp_path)
    assert more.returncode == 0, more.stderr
    assert (
        first.stdout.splitlines()[0].split("val/loss")[1] == more.stdout.splitlines()[0].split("val/loss")[1]
    )
    assert "finished after 2 epochs" in more.stdout
    curve = (tmp_path / "one/history.json").read_bytes()
    other = run("train", *options, "--lr", "1e-2", folder=tmp_path)
    assert (other.returncode, other.stdout) == (1, "")
    assert "--out one: has the training of another configuration" in other.stderr
    assert (tmp_path / "one/history.json").read_bytes() == curve


@pytest.mark.parametrize(
    ("events", "out", "message"),
    [
        ("events/train", "one", "events/train: an event store itself; name a folder that holds two of them"),
        ("events", "params.yaml", "params.yaml: cannot be written: Not a directory"),
    ],
)
def test_train_tells_what_is_wrong_before_it_trains(
    events: str, out: str, message: str, tmp_path: Path
) -> None:
    write_events(tmp_path / "events")
    (tmp_path / "params.yaml").write_text("seed: 1\n")
    done = run("train", "--events", events, "--out", out, "--epochs", "1", folder=tmp_path)
    assert (done.returncode, done.stdout) == (1, "")
    assert f"error: {message}" in " ".join(done.stderr.split())
    assert sorted(file.name for file in tmp_path.iterdir()) == ["events", "params.yaml"]


def _event(generator: np.random.Generator, number: int) -> Event:
    n = 12
    features = generator.normal(size=(n, 12)).astype(np.float32)
    features[:, 0] = generator.integers(1, 3, n)
    targets = generator.normal(size=(n, 7)).astype(np.float32)
    targets[:, 0] = generator.integers(0, 6, n)
    jets = np.zeros((0, 4), dtype=np.float32)
    return Event(features, targets, None, number, "ttbar", 0.0, jets, np.zeros(2, dtype=np.float32))


@pytest.mark.parametrize("failed", [0, 1, 2, 63])
def test_the_status_of_a_benchmark_is_its_number_of_failed_copies(
    failed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["mlpf-hpo", "benchmark", "-c", "1"])
    result = SimpleNamespace(exit_status=failed)
    monkeypatch.setattr("mlpf_hpo.workload.benchmark.run_benchmark", lambda *_, **__: result)
    monkeypatch.setattr("mlpf_hpo.workload.benchmark.summary", lambda _: "")
    with pytest.raises(SystemExit) as end:
        main()
    assert (end.value.code or 0) == failed
