"""`mlpf-hpo replay`: the numbers it writes, and what it refuses before anything is written."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from mlpf_hpo.cli.app import app
from mlpf_hpo.errors import MlpfHpoError
from mlpf_hpo.search import comparison
from mlpf_hpo.search.scheduler_spec import SchedulerSpec
from mlpf_hpo.search.yardsticks import RATIO_TO
from tests.test_cli import run

CONFIGURATIONS, EPOCHS = 24, 6
NAMES = {"cold_frontier", "best_null", "stopping_asha", "promotion_asha"} | {
    "predicted_promotion",
    "hyperband",
    "ray_asha",
    "ours",
}


def write_curves(path: Path, names=("lr", "width"), rows=CONFIGURATIONS, prefix="loss_") -> Path:
    """Write curves that fall to a smooth function of the first hyperparameter."""
    generator = np.random.default_rng(5)
    header = [*names, *(f"{prefix}{epoch}" for epoch in range(EPOCHS))]
    lines = [",".join(header)]
    for _ in range(rows):
        values = generator.uniform(0.1, 0.9, len(names))
        curve = (values[0] - 0.4) ** 2 + 2.0 ** -np.arange(EPOCHS) * generator.uniform(0.5, 1)
        lines.append(",".join(f"{number:.6f}" for number in (*values, *curve)))
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    write_curves(tmp_path / "curves.csv")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("mlpf_hpo.hardware.host.usable_cpus", lambda: 1)
    return tmp_path


@pytest.fixture
def few_families(monkeypatch) -> None:
    """Families of one or two settings: which ones there are is tested elsewhere."""

    def families(draw):
        halving = tuple(SchedulerSpec("asha", {"reduction_factor": float(eta)}) for eta in (2, 4))
        of_prior = (SchedulerSpec("prior_best_k", {"k": 2}),) if draw.prior is not None else ()
        cold = dict.fromkeys(NAMES - {"best_null", "predicted_promotion", "ours"}, halving)
        ours = (SchedulerSpec("full"),)
        return {**cold, "best_null": of_prior, "predicted_promotion": of_prior, "ours": ours}

    monkeypatch.setattr(comparison, "families_for", families)


def replayed(*arguments: str) -> dict:
    """Run the command in this process, and return what it wrote."""
    common = ["replay", "--curves", "curves.csv", "--seeds", "3", "--json", "out.json"]
    done = CliRunner().invoke(app, [*common, *arguments], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return json.loads(Path("out.json").read_text())


@pytest.mark.parametrize("prior", ["none", "same", "permuted", "other.csv"])
def test_the_numbers_have_the_same_names_for_every_prior(folder, few_families, prior) -> None:
    write_curves(folder / "other.csv", names=("lr", "depth"), rows=9)
    found = replayed("--prior", prior, "--schedulers", "asha,top_k:k=2:first_epochs=2", "--figure", "f.png")
    assert set(found["schedulers"]) - {"prior_best_untrained"} == {"asha", "top_k:k=2:first_epochs=2"}
    assert ("prior_best_untrained" in found["schedulers"]) == (prior == "same")
    for one in found["schedulers"].values():
        for name in ("epochs", "regret", "makespan"):
            assert one[name]["low"] <= one[name]["mean"] <= one[name]["high"]
    assert set(found["epochs_at"]) == {"0.02", "0.01"}
    assert set(found["epochs_at"]["0.02"]) == NAMES
    assert set(found["ratio_to"]) == set(RATIO_TO)
    ratio = found["ratio_to"]["cold_frontier"]["0.01"]
    assert ratio["mean"] == found["epochs_at"]["0.01"]["ours"] / found["epochs_at"]["0.01"]["cold_frontier"]
    assert (found["ratio_to"]["best_null"]["0.02"] is None) == (prior == "none")
    assert (found["configurations"], found["max_epochs"]) == (12, EPOCHS)
    assert found["prior_configurations"] == {"none": 0, "other.csv": 9}.get(prior, 12)
    assert Path("f.png").read_bytes().startswith(b"\x89PNG")
    per_seed = found["schedulers"]["asha"]["per_seed"]["epochs"]
    assert np.mean(per_seed) == pytest.approx(found["schedulers"]["asha"]["epochs"]["mean"])


def test_a_split_says_what_is_searched(folder, few_families) -> None:
    Path("split.json").write_text(json.dumps({"design": list(range(10)), "final": list(range(10, 17))}))
    found = replayed("--split", "split.json", "--prior", "same", "--schedulers", "full")
    assert (found["configurations"], found["prior_configurations"]) == (7, 10)
    assert found["schedulers"]["full"]["epochs"] == {"mean": 42, "low": 42, "high": 42}


def test_the_mode_decides_what_is_good(folder, few_families) -> None:
    best = replayed("--mode", "min", "--schedulers", "asha", "--seeds", "8")
    worst = replayed("--mode", "max", "--schedulers", "asha", "--seeds", "8")
    assert (best["target"]["mode"], worst["target"]["mode"]) == ("min", "max")
    assert best["schedulers"]["asha"]["per_seed"] != worst["schedulers"]["asha"]["per_seed"]


def test_curves_that_end_earlier_are_left_out_and_counted(folder, few_families) -> None:
    """Whether or not their table says why; up to an epoch that all of them reached they are searched."""
    rows = [line.split(",") for line in Path("curves.csv").read_text().splitlines()]
    whole, cut = rows[1:15], [[*row[:6], "", ""] for row in rows[15:]]
    tables = {"short.csv": [rows[0], *whole, *cut], "known.csv": [rows[0], *whole]}
    tables["until.csv"] = [row[:6] for row in rows]
    for name, lines in tables.items():
        Path(name).write_text("\n".join(map(",".join, lines)) + "\n")
    words = ["--schedulers", "asha", "--configurations", "7"]
    found, known = (replayed("--curves", name, *words) for name in ("short.csv", "known.csv"))
    assert found["left_out_rows"] == {"ended before epoch 6": 10}
    assert found["schedulers"] == known["schedulers"]
    asked = CliRunner().invoke(app, ["replay", "--curves", "short.csv", "--seeds", "1", *words])
    assert "left out: 10 of 24 rows: 10 (ended before epoch 6)" in asked.output
    assert "ours: freeze_thaw" in asked.output
    found, until = replayed("--curves", "short.csv", "--target-epoch", "4"), replayed("--curves", "until.csv")
    assert (found["max_epochs"], found["left_out_rows"]) == (4, {})
    assert found["schedulers"] == until["schedulers"]
    found = replayed("--prior", "short.csv", "--schedulers", "prior_best_k:k=2")
    assert found["prior_configurations"] == 14


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--curves", "none.csv"], "none.csv: no such file"),
        (["--curves", "one_row.csv"], "one_row.csv: 1 row(s); a data set of curves needs at least two"),
        (["--curves", "gap.csv"], "gap"),
        (["--curves", "short.csv"], "2 of 3 curves have a value after epoch 3, the last"),
        (["--curves", "flat.csv"], "regret, which is counted in units of median minus best, has no unit"),
        (["--schedulers", "ashe"], "--schedulers: no scheduler 'ashe' (did you mean asha?)"),
        (["--schedulers", "asha:grace_epochs=0"], "grace_epochs"),
        (["--schedulers", "asha:grace_epochs=7"], "grace_epochs must be between 1 and max_epochs (6)"),
        (["--schedulers", "asha:reduction_factor=1"], "reduction_factor must be at least"),
        (["--schedulers", "asha:budget_epochs=0"], "budget_epochs must be a whole number of at least 1"),
        (["--schedulers", "asha:rungs=3"], "--schedulers: scheduler asha has no setting 'rungs'"),
        (["--schedulers", "prior_best_k"], "prior_best_k needs the curves of a prior campaign"),
        (["--configurations", "25"], "configurations = 25: there are 24 to draw from"),
        (["--configurations", "24", "--prior", "same"], "search fewer than 24 of 24"),
        (["--prior", "sane"], "--prior sane: no such file (did you mean same?)"),
        (["--prior", "tiny.csv"], "prior tiny: 2 of 2 curves have a final value; needed are 3"),
        (["--prior", "foreign.csv"], "shares no hyperparameter with the curves: momentum there, lr, width"),
        (["--split", "none.json"], "none.json: not there; a file of splits is"),
        (["--split", "far.json"], "'final' must be a list of rows from 0 to 23"),
        (
            ["--split", "both.json", "--prior", "same"],
            "1 configurations of curves may be",
        ),
        (["--target-epoch", "7"], "--target-epoch 7: curves has curves of up to 6 epochs"),
        (["--workers", "0"], "--workers"),
        (["--seeds", "0"], "--seeds"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_written(folder, arguments, message) -> None:
    write_bad_files(folder)
    files = sorted(folder.iterdir())
    known = [] if "--curves" in arguments else ["--curves", "curves.csv"]
    some = [] if "--schedulers" in arguments else ["--schedulers", "asha"]
    command = ["replay", *known, *some, *arguments, "--json", "out.json", "--figure", "f.png"]
    done = CliRunner().invoke(app, command)
    assert done.exit_code != 0
    assert isinstance(done.exception, MlpfHpoError | SystemExit)
    assert message in (str(done.exception) if isinstance(done.exception, MlpfHpoError) else done.stderr)
    assert sorted(folder.iterdir()) == files


def write_bad_files(folder: Path) -> None:
    write_curves(folder / "foreign.csv", names=("momentum",))
    write_curves(folder / "tiny.csv", rows=2)
    (folder / "one_row.csv").write_text("lr,loss_0,loss_1\n0.1,2,1\n")
    (folder / "gap.csv").write_text("lr,loss_0,loss_1,loss_2\n0.1,2,,1\n0.2,3,2,1\n0.3,3,2,2\n")
    (folder / "short.csv").write_text("lr,loss_0,loss_1,loss_2\n0.1,2,1,1\n0.2,3,2,\n0.3,3,2,2\n")
    (folder / "flat.csv").write_text("lr,loss_0,loss_1\n0.1,2,1\n0.2,3,1\n0.3,3,1\n0.4,3,1\n")
    (folder / "far.json").write_text('{"design": [0], "final": [24]}')
    (folder / "both.json").write_text('{"design": [0, 1, 2], "final": [2, 3, 4]}')


def test_a_refusal_is_one_line(tmp_path) -> None:
    write_curves(tmp_path / "curves.csv")
    done = run("replay", "--curves", "curves.csv", "--schedulers", "ashe", folder=tmp_path)
    assert done.returncode == 1
    assert done.stderr.startswith("error: --schedulers: no scheduler 'ashe'")
    assert done.stderr.count("\n") == 1
