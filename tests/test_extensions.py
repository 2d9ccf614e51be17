"""A package outside of this one adds one of each kind by entry points, and the commands use them."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
import yaml

from tests.extension import install

ROOT = Path(__file__).parents[1]
EPOCHS = 8


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder in which the package is installed, as pip leaves it."""
    return install(tmp_path_factory.mktemp("site"))


def python(*words: object, folder: Path, site: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run Python in a folder, with or without the package: a script, or options."""
    path = [str(ROOT), *([str(site)] if site else [])]
    return subprocess.run(
        [sys.executable, *(["-c"] if len(words) == 1 else []), *map(str, words)],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(path), "COLUMNS": "200"},
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )


def run(*words: object, folder: Path, site: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run a command of ours."""
    return python("-m", "mlpf_hpo.cli", *words, folder=folder, site=site)


def done(*words: object, folder: Path, site: Path) -> str:
    """Run a command that must succeed with the package, and fail without it by naming what is there."""
    refused = run(*words, folder=folder)
    assert refused.returncode not in (0, None)
    assert "Traceback" not in refused.stdout + refused.stderr
    finished = run(*words, folder=folder, site=site)
    assert finished.returncode == 0, finished.stdout + finished.stderr
    return finished.stdout


@pytest.fixture
def table(tmp_path: Path) -> Path:
    rng = np.random.default_rng(1)
    lines = []
    for _ in range(40):
        params = {"lr": 10 ** rng.uniform(-4, -1), "optimizer": str(rng.choice(["adam", "sgd"]))}
        end = 0.3 if params["optimizer"] == "adam" else 1.0
        values = [end + (2 - end) * 0.5**epoch + rng.normal(0, 0.01) for epoch in range(EPOCHS)]
        lines.append(json.dumps({"params": params, "values": values}))
    (tmp_path / "theirs.jsonl").write_text("\n".join(lines))
    return tmp_path / "theirs.jsonl"


@pytest.fixture
def curves(table: Path, site: Path) -> Path:
    out = table.with_name("curves.parquet")
    words = ("curves", "import", table, "--format", "json_lines", "--name", "theirs", "--out", out)
    output = done(*words, folder=table.parent, site=site)
    assert "40 curves of 8 epochs, 40 distinct configurations" in output
    assert "hyperparameters: lr, optimizer" in output
    return out


def test_a_source_of_curves(table: Path, site: Path) -> None:
    out = table.with_name("from.csv")
    output = done(*("curves", "from", "json_history", table, "--output", out), folder=table.parent, site=site)
    assert "40 curves of up to 8 epochs, 40 distinct configurations" in output
    assert "hyperparameters: lr, optimizer" in output
    assert len(out.read_text().splitlines()) == 41


def params_with(folder: Path, **sections: object) -> None:
    """Write the project's params.yaml into a folder, with other sections."""
    content = yaml.safe_load((ROOT / "params.yaml").read_text())
    for name, values in sections.items():
        content[name] = {**content[name], **values}
    (folder / "params.yaml").write_text(yaml.safe_dump(content))


def test_a_reader_a_regressor_and_its_model_file(curves: Path, site: Path, tmp_path: Path) -> None:
    words = ("--curves", curves, "--train", 20, "--splits", 3)
    output = done(
        "predictors", "evaluate", *words, "--predictors", "nearest_curves", folder=tmp_path, site=site
    )
    assert re.search(r"nearest_curves +[0-9.-]+", output)
    model = tmp_path / "model.skops"
    done(
        *("predictors", "fit", "--curves", curves, "--predictor", "nearest_curves", "--out", model),
        folder=tmp_path,
        site=site,
    )
    predict = ("predictors", "predict", "--model", model, "--curves", curves)
    assert "final: after 8 epochs" in done(*predict, folder=tmp_path, site=site)
    refused = run(*predict, folder=tmp_path)
    assert "holds types that are not trusted, refused" in refused.stderr


def test_a_package_declares_only_its_own_types(curves: Path, site: Path, tmp_path: Path) -> None:
    """The package's list names builtins.eval: a file that asks for it is refused all the same."""
    model, forged = tmp_path / "model.skops", tmp_path / "forged.skops"
    words = ("predictors", "fit", "--curves", curves, "--predictor", "nearest_curves", "--out", model)
    assert run(*words, folder=tmp_path, site=site).returncode == 0
    with zipfile.ZipFile(model) as old, zipfile.ZipFile(forged, "w") as new:
        for name in old.namelist():
            content = old.read(name)
            if name == "schema.json":
                scaler = (b'"StandardScaler"', b'"sklearn.preprocessing._data"')
                assert all(word in content for word in (*scaler, b'"mlpf_extension.regressor"'))
                content = content.replace(scaler[0], b'"eval"').replace(scaler[1], b'"builtins"')
            new.writestr(name, content)
    ended = run("predictors", "predict", "--model", forged, "--curves", curves, folder=tmp_path, site=site)
    assert ended.returncode == 1
    assert "not trusted, refused" in ended.stderr
    assert "builtins.eval" in ended.stderr


def test_names_in_params_are_checked_against_what_is_installed(site: Path, tmp_path: Path) -> None:
    params_with(
        tmp_path,
        predictors={"candidates": ["persistence", "nearest_curves"]},
        events={"train": {"process": "photon_pairs", "events": 5}},
    )
    script = """
import sys
from mlpf_hpo.config import load_params
load_params()
print([name for name in sys.modules if name.startswith("mlpf_extension")])
"""
    there = python(script, folder=tmp_path, site=site)
    assert there.stdout.strip() == "[]", there.stderr  # checked by name alone: nothing of the package is run
    absent = python(script, folder=tmp_path).stderr
    assert "predictors.candidates.1: input should be 'persistence', " in absent
    assert "events.train.process: input should be 'ttbar', 'qcd', " in absent


def test_a_sampler(curves: Path, site: Path, tmp_path: Path) -> None:
    params_with(tmp_path, predictors={"qsvr": {"sampler": "flip_descent", "reads": 5, "n_bits": 2}})
    words = ("--curves", curves, "--train", 12, "--splits", 2, "--predictors", "qsvr")
    output = done("predictors", "evaluate", *words, folder=tmp_path, site=site)
    assert re.search(r"qsvr +[0-9.-]+", output)


def test_a_source_of_events_and_a_workload(site: Path, tmp_path: Path) -> None:
    words = ("--process", "photon_pairs", "--events", 60, "--out", "events", "--workers", 2)
    output = done("events", "generate", *words, folder=tmp_path, site=site)
    assert "60 photon_pairs events at PU 0" in output
    assert "photon_pairs: " in run("events", "info", "events", folder=tmp_path).stdout
    params_with(tmp_path, benchmark={"minimum_overlap": 0.0})  # it is done before another has begun
    words = ("--workload", "matrix-steps", "--store", "events", "-w", "results", "-c", 2, "-t", 1, "-e", 30)
    output = done("benchmark", *words, folder=tmp_path, site=site)
    report = json.loads((tmp_path / "results" / "mlpf-bmk_summary.json").read_text())
    assert "benchmark: matrix-steps" in output
    assert report["report"]["wl-scores"]["matrix-steps"] > 0
    assert report["configuration"] == {"steps": 200, "rate": 1e-6}
    assert report["measurements"]["losses_agree"] is True


def test_a_scheduler(curves: Path, site: Path, tmp_path: Path) -> None:
    params_with(tmp_path, search={"schedulers": [{"name": "every_other", "grace_epochs": 3}]})
    script = f"""
from pathlib import Path
from mlpf_hpo import simulate
from mlpf_hpo.config import load_params
from mlpf_hpo.curves.dataset import read_curves
from mlpf_hpo.search.schedulers import make_scheduler
(spec,) = load_params().search.schedulers
curves = read_curves(Path({str(curves)!r}))
print(simulate(curves, make_scheduler(spec.name, max_epochs=8, grace_epochs=3)).epochs)
"""
    there = python(script, folder=tmp_path, site=site)
    assert there.stdout.split() == [str(20 * 8 + 20 * 3)], there.stderr
    assert "no scheduler 'every_other'" in python(script, folder=tmp_path).stderr


def test_a_searcher(curves: Path, site: Path, tmp_path: Path) -> None:
    """Once one with "adam", whose losses are lower, was seen, its neighbours are next."""
    script = f"""
from pathlib import Path
from mlpf_hpo import simulate
from mlpf_hpo.curves.dataset import read_curves
from mlpf_hpo.search.draws import Draw
from mlpf_hpo.search.scheduler_spec import SchedulerSpec
curves = read_curves(Path({str(curves)!r}))
scheduler = SchedulerSpec.parse("full:searcher=beside_the_best").make(Draw(0, curves))
print(*(curves.configs["optimizer"][row] for row in simulate(curves, scheduler).rows[::8]))
"""
    there = python(script, folder=tmp_path, site=site)
    trained = there.stdout.split()
    first = trained.index("adam")
    n = trained.count("adam")
    assert trained[first : first + n] == ["adam"] * n, there.stderr
    assert len(trained) == 40
    assert "no searcher 'beside_the_best'" in python(script, folder=tmp_path).stderr


def test_a_package_that_cannot_be_loaded_disturbs_only_who_uses_it(tmp_path: Path, curves: Path) -> None:
    about = tmp_path / "broken-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: broken\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text("[mlpf_hpo.regressors]\nbroken = broken_package:build\n")
    words = ("predictors", "evaluate", "--curves", curves, "--train", 20, "--splits", 2, "--predictors")
    assert run(*words, "ridge", folder=tmp_path, site=tmp_path).returncode == 0
    ended = run(*words, "broken", folder=tmp_path, site=tmp_path)
    assert ended.returncode == 1
    assert "regressor 'broken': the entry point broken_package:build of broken cannot be" in ended.stderr
    assert "Traceback" not in ended.stderr
