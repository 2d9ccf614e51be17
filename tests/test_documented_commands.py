"""Commands and settings in the documentation are valid, as DVC writes them into params.yaml."""

from __future__ import annotations

import re
import shlex
import shutil
from pathlib import Path

import pytest
import typer
import yaml
from dvc.utils.hydra import apply_overrides

from mlpf_hpo.cli.app import app
from mlpf_hpo.config import Params, load_params
from mlpf_hpo.errors import ConfigurationError
from mlpf_hpo.settings.yaml_file import read_mapping
from studies.published.params import PublishedParams
from studies.reference_training.params import ReferenceParams

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")), *sorted(ROOT.glob("studies/*/*.md"))]
SHELL = re.compile(r"^\$ (.*)$|`((?:mlpf-hpo|dvc) [^`]+)`", re.MULTILINE)
SETTING = re.compile(r"(?:-S|--set-param)[ =]([\w.]+=\S+)")
KEY = re.compile(r"`((?:" + "|".join(Params.model_fields) + r")\.[a-z_0-9.]+)(?:: [^`]*|=[^`]*)?`")


def commands() -> list[tuple[str, str]]:
    """Return page and command line of everything that is shown as one."""
    files = [*PAGES, ROOT / "params.yaml"]
    found = []
    for page in files:
        text = page.read_text(encoding="utf-8").replace("\\\n", " ")
        lines = [one or other for one, other in SHELL.findall(text)]
        if page.suffix == ".yaml":
            lines = re.findall(r"(dvc exp run -S \S+)", text)
        found += [(page.name, " ".join(line.split())) for line in lines]
    return found


COMMANDS = commands()
WITH_SETTINGS = [(page, line) for page, line in COMMANDS if SETTING.search(line)]
OURS = [(page, line) for page, line in COMMANDS if re.search(r"(?:^|[ /])mlpf-hpo [a-z]", line)]


def set_as_dvc_does(folder: Path, *settings: str) -> Params:
    """Return the parameters that `dvc exp run -S SETTING ...` leaves."""
    file = folder / "params.yaml"
    shutil.copy(ROOT / "params.yaml", file)
    apply_overrides(file, list(settings))
    return load_params(file)


def test_there_are_commands_to_test() -> None:
    assert {"README.md", "scale.md", "samplers.md", "ui.md", "params.yaml"} <= {
        page for page, _ in WITH_SETTINGS
    }
    assert len(OURS) > 20


@pytest.mark.parametrize(("page", "line"), WITH_SETTINGS)
def test_settings_of_the_documentation_are_taken(page, line, tmp_path) -> None:
    settings = SETTING.findall(line.rstrip("`.,)"))
    found = set_as_dvc_does(tmp_path, *settings).model_dump()
    for key, value in (setting.split("=", 1) for setting in settings):
        node = found
        for part in key.split("."):
            node = node[part]
        assert node == yaml.safe_load(value), f"{page}: {line}"


@pytest.mark.parametrize(("page", "line"), OURS)
def test_commands_of_the_documentation_exist_with_their_options(page, line) -> None:
    words = shlex.split(line[re.search(r"(?:^|[ /])mlpf-hpo ", line).end() :].split(" | ")[0].split(" > ")[0])
    group = typer.main.get_command(app)
    while words and words[0] in getattr(group, "commands", {}):
        group = group.commands[words.pop(0)]
    if hasattr(group, "commands"):
        assert not words or re.search(r"[|A-Z.…*-]", words[0]), f"{page}: no such command: {line}"
        return
    known = {option for parameter in group.params for option in (*parameter.opts, *parameter.secondary_opts)}
    asked = {word.split("=")[0] for word in words if word.startswith("--") and word.split("=")[0] != "--"}
    assert asked <= known | {"--help"}, f"{page}: {line}"


def test_every_key_that_the_documentation_names_is_one() -> None:
    unknown = []
    for page in PAGES:
        for key in KEY.findall(page.read_text(encoding="utf-8")):
            node = Params().model_dump()
            for part in key.split("."):
                node = node.get(part, "unknown") if isinstance(node, dict) else "unknown"
            if node == "unknown" and not key.endswith((".py", ".md")):
                unknown.append(f"{page.name}: {key}")
    assert not unknown


PAPER = [
    "events.train.events=50000",
    "events.validation.events=5000",
    "events.pileup=200",
    "network.embedding_dim=128",
    "network.class_head=[256,128,64,32]",
    "network.charge_head=[256,128]",
    "network.regression_head=[256,128,64]",
    "campaign.trials=296",
    "campaign.epochs=100",
    "search.max_epochs=100",
    "predictors.table_2_splits=1000",
    "predictors.qsvr.sampler=qpu",
    "predictors.qsvr.reads=1000",
    "resources.gpus_per_trial=auto",
]


def test_the_papers_size_is_taken(tmp_path) -> None:
    found = set_as_dvc_does(tmp_path, *PAPER)
    assert (found.campaign.trials, found.network.class_head) == (296, (256, 128, 64, 32))


@pytest.mark.parametrize("precision", ["32", "'32'", '"32"', "bf16-mixed", "16-mixed"])
def test_every_precision_can_be_set(precision, tmp_path) -> None:
    found = set_as_dvc_does(tmp_path, f"training.precision={precision}").training.precision
    assert found == precision.strip("'\"")


@pytest.mark.parametrize(
    ("setting", "expected"),
    [
        ("search.champion=1", "1"),
        ("search.champion=0042", "0042"),
        ("predictors.qsvr.solver=null", ""),
        ("predictors.qsvr.solver=", ""),
        ("predictors.qsvr.solver=7", "7"),
        ("predictors.qsvr.solver=Advantage_system4.1", "Advantage_system4.1"),
        ("campaign.trials='8'", 8),
        ("space.lr.low=1e-7", 1e-7),
        ("resources.concurrency='2'", 2),
        ("resources.gpus_per_trial=0.5", 0.5),
        ("training.batch_elements=null", None),
    ],
)
def test_names_and_numbers_as_dvc_writes_them(setting, expected, tmp_path) -> None:
    found = set_as_dvc_does(tmp_path, setting).model_dump()
    for part in setting.split("=")[0].split("."):
        found = found[part]
    assert found == expected
    assert type(found) is type(expected)


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("training.precision=64", "training.precision: input should be '32', 'bf16-mixed' or '16-mixed'"),
        ("training.precision=32.5", "training.precision"),
        ("training.precision=true", "training.precision: true is no number or name"),
        ("search.champion=null", "search.champion: input should be a valid string"),
        ("search.champion=1.5", "search.champion"),
    ],
)
def test_a_value_that_is_no_name_is_refused_with_its_key(setting, message, tmp_path) -> None:
    with pytest.raises(ConfigurationError, match=re.escape(message)):
        set_as_dvc_does(tmp_path, setting)


def test_files_of_the_studies_are_taken() -> None:
    for model, study in ((PublishedParams, "published"), (ReferenceParams, "reference_training")):
        model.model_validate(read_mapping(ROOT / "studies" / study / "params.yaml", "parameter file"))
