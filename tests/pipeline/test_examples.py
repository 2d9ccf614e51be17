"""Every example of the help texts and pages, run on a finished project."""

from __future__ import annotations

import bz2
import gzip
import pickle
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
import typer
import yaml
from typer.testing import CliRunner

from benchmarks.delphes_files import made_up, write_delphes
from mlpf_hpo.cli.app import app
from mlpf_hpo.config import load_params
from mlpf_hpo.config.champion import search_scope
from mlpf_hpo.curves.dataset import read_curves
from mlpf_hpo.events.sources.guns import shoot
from mlpf_hpo.events.zenodo import ORIGIN
from mlpf_hpo.networks.find_network import run_of
from mlpf_hpo.networks.registration import register_network_version
from mlpf_hpo.networks.trained_network import load_network
from tests.events.generated_files import write_hepmc, write_lhe
from tests.test_cli import leaves
from tests.test_documented_commands import PAGES

pytestmark = pytest.mark.pipeline

SMALLER = {
    "--events 500 --pileup 200": "--events 3 --pileup 1 --pool 40 --workers 1",
    "--events 10000": "--events 20 --workers 1",
    "--splits 100": "--splits 2",
    "--epochs 10": "--epochs 1",
    "--configurations 24 --epochs 16": "--configurations 2 --epochs 5",
    "--scheduler asha --epochs 16": "--scheduler asha --epochs 5",
    "--pileup 200 --out": "--pileup 200 --workers 1 --out",
    "--pileup 60": "--pileup 1 --pool 40 --workers 1",
    "-c 4": "-c 1",
    "--workload mlpf-infer-cpu --ncores 1": "--workload mlpf-infer-cpu -c 1 --ncores 1",
    "scan -e 8": "scan -e 4 --ncores 1",
    "-W": "-w results/hepscore",  # and not /results, outside of the project
}
"""The same options with less to do."""

SERVES = re.compile(r"mlpf-hpo ui|^make ")
"""Runs until it is interrupted; test_repro.py and test_unhelpful_machine.py start it."""

TRAINS = "mlpf-hpo tune"
"""Starts Ray, whose workers run the package of the folder: so must the command."""

LACKING = {"--device gpu": "no such GPU here"} if not torch.cuda.is_available() else {}
if not shutil.which("singularity"):
    LACKING["hepscore.yaml --out"] = "singularity: not installed"
"""What this machine may not have, and what is said then."""


HEPSCORE = {
    "hepscore_benchmark": {
        "settings": {
            "name": "MLPFscore",
            "reference_machine": "invented",
            "registry": "docker://registry.example/hep",
            "method": "geometric_mean",
            "repetitions": 1,
        },
        "benchmarks": {"mlpf-bmk": {"version": "v1", "ref_scores": {"mlpf-train-cpu": 1.0}}},
    }
}


def examples() -> Iterator[str]:
    """Yield the command lines: those of help texts in the order of the commands, and those of the pages."""
    for _, command in leaves(typer.main.get_command(app)):
        yield from re.findall(r"\[cyan\](.*?)\[/cyan\]", command.epilog)
    for page in PAGES:
        yield from re.findall(r"^\$ (mlpf-hpo .*)$", page.read_text(encoding="utf-8"), re.MULTILINE)


def prepare(project: Path) -> dict[str, str]:
    """Make what the examples take for granted; return names in them, and what stands for each here."""
    generator = np.random.default_rng(1)
    lr = 10 ** generator.uniform(-4, -2, 40)
    losses = 1 + 100 * lr[:, None] + np.exp(-np.arange(8)) + generator.normal(0, 0.01, (40, 8))
    table = pd.DataFrame({"lr": lr, "dropout": generator.uniform(0, 0.5, 40)})
    for epoch in range(8):
        table[f"loss_{epoch}"] = losses[:, epoch]
    table.to_csv("table.csv", index=False)
    table.to_csv("earlier.csv", index=False)
    table.rename(columns=lambda name: name.replace("loss_", "fitness_")).to_csv("rising.csv", index=False)
    shutil.copy("data/curves.parquet", "earlier.parquet")
    curves = read_curves(Path("data/curves.parquet"))
    running = curves.configs.drop(columns=["config_id", "seed"])
    for epoch in range(3):
        running[f"loss_{epoch}"] = curves.metrics["val/loss"][:, epoch]
    running.assign(**{f"loss_{epoch}": np.nan for epoch in range(3, curves.n_epochs)}).to_csv("running.csv")
    Path("hepscore.yaml").write_text(yaml.safe_dump(HEPSCORE))
    run = Path("results/hepscore/mlpf-bmk/run0")
    run.mkdir(parents=True)
    (run / "mlpf-bmk_summary.json").write_bytes(Path("results/benchmark/mlpf-bmk_summary.json").read_bytes())
    trained = load_network(Path("models/best_trial"))
    run = run_of(trained)
    assert run is not None
    register_network_version(trained, run)
    model = search_scope(load_params(Path("params.yaml"))).model
    return {
        "physics 3f2a": f"physics {trained.trial_key[:6]}",
        "curve-predictor-val-loss-16-epochs-72bd9e87/3": f"{model}/1",
        "curve-predictor-val-loss-16-epochs-72bd9e87/champion": f"{model}/champion",
        "table.csv --loss-prefix fitness_": "rising.csv --loss-prefix fitness_",
        "downloads/tev14_pythia8_qcd": "qcd/tev14_pythia8_qcd",
    }


def download(project: Path) -> None:
    """Put files where they would have been downloaded to: what the project's own stores export."""
    runner = CliRunner()
    for name, folder in (("train", "downloads"), ("validation", "qcd")):
        done = runner.invoke(app, ["events", "export-zenodo", f"data/events/{name}", "--out", f"made/{name}"])
        assert done.exit_code == 0, done.output
        Path(folder).mkdir()
        for file in Path("made", name).iterdir():
            content = pickle.loads(bz2.decompress(file.read_bytes()))
            del content[ORIGIN]  # which published files do not have
            target = Path(folder, file.name).with_suffix(".bz2")
            target.write_bytes(bz2.compress(pickle.dumps(content)))


def bring_own_events() -> None:
    """Put files of events where somebody would have their own."""
    for folder in ("delphes", "events"):
        Path(folder).mkdir()
    generator = np.random.default_rng(1)
    write_delphes(Path("delphes/a.root"), [made_up(60, generator) for _ in range(3)])
    shot = list(shoot("gun-charged-hadron", 1, range(3)))
    content = write_hepmc(Path("events.hepmc"), shot).read_bytes()
    Path("events/a.hepmc.gz").write_bytes(gzip.compress(content))
    write_lhe(Path("run.lhe"))


def words_of(line: str, names: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return the words of an example as a shell would make them of it, at a smaller size."""
    for before, after in {**names, **SMALLER}.items():
        line = line.replace(before, after)
    assignments, _, command = line.split(" | ")[0].partition("mlpf-hpo ")
    for assignment in assignments.split():
        monkeypatch.setenv(*assignment.split("=", 1))
    words = [
        [str(path) for path in Path().glob(word)] if "*" in word else [word]
        for word in shlex.split(command, comments=True)
    ]
    return [word for found in words for word in found]


def check_examples(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run every example in a finished project."""
    monkeypatch.chdir(project)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{project / 'mlflow.db'}")
    names = prepare(project)
    download(project)
    bring_own_events()
    lines = sorted(dict.fromkeys(examples()), key=lambda line: "retire" in line)  # leaves no champion
    assert len(lines) > 40
    failed = []
    for line in lines:
        if SERVES.search(line):
            continue
        if line.startswith(TRAINS):
            command = [sys.executable, "-m", "mlpf_hpo.cli", *words_of(line, names, monkeypatch)]
            trained = subprocess.run(command, capture_output=True, text=True)
            if trained.returncode != 0:
                failed.append(f"{line}\n{trained.stdout}{trained.stderr}")
            continue
        with monkeypatch.context() as changed:
            done = CliRunner().invoke(app, words_of(line, names, changed))
        lacking = next((said for what, said in LACKING.items() if what in line), None)
        if (done.exit_code != 0) if lacking is None else (lacking not in str(done.exception)):
            failed.append(f"{line}\n{done.output}{done.exception!r}")
    assert not failed, "\n\n".join(failed)


def test_every_example_runs(finished, copy, monkeypatch: pytest.MonkeyPatch) -> None:
    check_examples(copy(finished).folder, monkeypatch)
