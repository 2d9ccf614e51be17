"""params.yaml and the command line under random input: an answer that names the place, never a traceback."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any, get_args

import pytest
import typer
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mlpf_hpo.cli.app import app, main
from mlpf_hpo.config import Params, load_params
from mlpf_hpo.config.conflicts import conflicts
from mlpf_hpo.errors import ConfigurationError, did_you_mean
from mlpf_hpo.predictors.combination import COMBINATIONS
from mlpf_hpo.predictors.regressors import REGRESSORS
from mlpf_hpo.predictors.samplers import SAMPLERS
from mlpf_hpo.predictors.settings import REGRESSOR_NAMES, SAMPLER_NAMES, CombinationName

SHIPPED = (Path(__file__).parents[2] / "params.yaml").read_text()


def examples(n: int) -> settings:
    """Return settings for `n` examples that may take their time and share a folder."""
    return settings(max_examples=n, suppress_health_check=[HealthCheck.function_scoped_fixture])


Keys = tuple[str, ...]


def places(content: dict[str, Any], path: Keys = ()) -> Iterator[Keys]:
    """Yield the path of every key."""
    for key, value in content.items():
        yield (*path, key)
        if isinstance(value, dict):
            yield from places(value, (*path, key))


PLACES = list(places(yaml.safe_load(SHIPPED)))

odd = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.sampled_from([10**18, -(10**400), 0, -1, 1e308, 5e-324, -0.0])
    | st.floats()
    | st.text(max_size=8)
    | st.dates(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


def changed(path: Keys, value: object) -> str:
    """Return the shipped file with one value replaced, or one key added."""
    content = deepcopy(yaml.safe_load(SHIPPED))
    section = content
    for key in path[:-1]:
        section = section[key]
    section[path[-1]] = value
    return yaml.safe_dump(content, allow_unicode=True)


def load(folder: Path, text: str | bytes) -> Params | str:
    """Return the parameters that a file holds, or the complaint."""
    file = folder / "params.yaml"
    file.write_bytes(text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass"))
    try:
        return load_params(file)
    except ConfigurationError as error:
        assert str(error).startswith(str(file))  # noqa: PT017 - most inputs are refused
        return str(error)


def test_any_value_anywhere(tmp_path: Path, measured) -> None:
    refused = []

    @examples(400)
    @given(st.sampled_from(PLACES), odd)
    def check(path: Keys, value: object) -> None:
        found = load(tmp_path, changed(path, value))
        if isinstance(found, Params):
            return
        refused.append(path)
        named = [line.strip().partition(": ")[0] for line in found.splitlines()[1:]]
        where = ".".join(path)
        assert all(where.startswith(name) or name.startswith(where) for name in named), found

    check()
    measured(
        "input",
        "any value in the place of any value of params.yaml",
        f"read, or refused ({len(refused)}) with the key's path",
    )


def test_any_misspelt_key_suggests_the_right_one(tmp_path: Path, measured) -> None:
    tried = []

    @examples(150)
    @given(st.sampled_from(PLACES), st.data())
    def check(path: Keys, draw: st.DataObject) -> None:
        key = path[-1]
        at = draw.draw(st.integers(0, len(key) - 1))
        wrong = draw.draw(
            st.sampled_from([key[:at] + key[at + 1 :], key[:at] + key[at] + key[at:], key + "s"])
        )
        siblings = [other[-1] for other in PLACES if other[:-1] == path[:-1]]
        if not wrong or wrong in siblings:
            return
        found = load(tmp_path, changed((*path[:-1], wrong), 1))
        expected = f"{'.'.join([*path[:-1], wrong])}: unknown key{did_you_mean(wrong, siblings)}"
        assert expected in str(found)
        tried.append(wrong)

    check()
    measured(
        "input",
        f"misspelt keys at every depth ({len(tried)})",
        "refused with the path and the nearest known key",
    )


def test_any_bytes(tmp_path: Path, measured) -> None:
    pieces = [
        b"\t",
        b"\xff",
        b"\x00",
        b": ",
        b"- ",
        b"{",
        b"&a ",
        b"*a",
        b"!!python/object:os.system ",
        b"\n",
        b"<<: ",
        b"? ",
        b"|",
        b"%",
    ]
    raw = SHIPPED.encode()

    @examples(300)
    @given(st.integers(0, len(raw)), st.integers(0, 12), st.sampled_from(pieces) | st.binary(max_size=6))
    def check(at: int, cut: int, piece: bytes) -> None:
        load(tmp_path, raw[:at] + piece + raw[at + cut :])

    check()
    measured(
        "input",
        "params.yaml with bytes cut out and put in anywhere",
        "read, or refused with the file and the place",
    )


LAUGHS = "a: &a [1, 1, 1, 1, 1, 1, 1, 1, 1]\n" + "".join(
    f"{chr(98 + i)}: &{chr(98 + i)} [{', '.join(['*' + chr(97 + i)] * 9)}]\n" for i in range(12)
)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("seed: 1\nseed: 2\n", "line 2, column 1: key 'seed' stands there already, in line 1"),
        ("campaign:\n  trials: 8\n  epochs: 4\n  trials: 9\n", "line 4, column 3: key 'trials' stands there"),
        ("campaign: {trials: 8, trials: 9}\n", "key 'trials' stands there already"),
        ("campaign:\n\ttrials: 8\n", "line 2, column 1: found character '\\t' that cannot start any token"),
        (b"seed: 1 # \xe9\n", "cannot be read: 'utf-8' codec can't decode"),
        ("[" * 2000, "nested too deeply"),
        ("- seed\n", "expected sections, found list"),
        ("seed: " + "9" * 6000, "line 1, column 7: Exceeds the limit"),
        ("seed: 2026-99-99\n", "line 1, column 7: month must be in 1..12"),
        ("seed: !!python/object/apply:os.system [touch x]\n", "could not determine a constructor"),
        ("campaign: {trials: yes}\n", "campaign.trials: true is no number or name"),
        ("seed: .inf\n", "seed: "),
        (
            "space: {lr: {low: 1.0e-6, high: .inf, scale: log}}\n",
            "space.lr.high: input should be a finite number",
        ),
        (
            "space: {dropout: {low: 0.0, high: 1.0}}\n",
            "space.dropout: 1 cannot be trained with; values must be at least 0 and below 1",
        ),
        ("space: {bin_size: {values: [0, 8]}}\n", "space.bin_size: 0 cannot be trained with"),
        (LAUGHS, "l: unknown key"),
        ("predictors: {candidates: [svr, qsvm]}\n", "(did you mean qsvr?)"),
        ("predictors: {candidates: [svr, svr]}\n", "predictors.candidates: svr stands there twice"),
        ("predictors: {qsvr: {sampler: taboo}}\n", "predictors.qsvr.sampler: input should be"),
        ("predictors: {qsvr: {combination: beste}}\n", "(did you mean best?)"),
        (
            "predictors: {qsvr: {k0: 3000.0}}\n",
            "predictors.qsvr: base (0.5) and k0 (3000.0) give bits of infinite weight",
        ),
        ("search: {predict_from_epoch: 16}\n", "search: predict_from_epoch (16) leaves nothing to predict"),
        ("search: {champion: v1}\n", "search.champion: an alias has letters"),
        ("resources: {gpus_per_trial: 1.5}\n", "resources.gpus_per_trial"),
        (
            "training: {precision: 64}\n",
            "training.precision: input should be '32', 'bf16-mixed' or '16-mixed' (found '64')",
        ),
    ],
)
def test_oddities_are_reported(tmp_path: Path, text: str | bytes, message: str) -> None:
    found = load(tmp_path, text)
    assert isinstance(found, str)
    assert message in found
    assert len(found) < 3000
    assert not (tmp_path / "x").exists()


def test_names_in_params_are_those_of_the_registries() -> None:
    for names, registry in (
        (REGRESSOR_NAMES, REGRESSORS),
        (SAMPLER_NAMES, SAMPLERS),
        (get_args(CombinationName), COMBINATIONS),
    ):
        assert set(names) == set(registry)


def test_what_a_later_stage_will_refuse_is_reported_before() -> None:
    shipped = yaml.safe_load(SHIPPED)
    assert conflicts(Params()) == []
    for change, message in (
        ({"campaign": {"trials": 8, "epochs": 16}}, "campaign.trials (8)"),
        ({"campaign": {"trials": 48, "epochs": 20}}, "search.max_epochs (16)"),
        (
            {"benchmark": {**shipped["benchmark"], "threads": 2}},
            "benchmark.events_per_thread x threads (96)",
        ),
    ):
        (problem,) = conflicts(Params.model_validate({**shipped, **change}))
        assert message in problem


# The command line ----------------------------------------------------------------------------------------


def commands(group: Any, path: Keys = ()) -> Iterator[tuple[Keys, Any]]:
    """Yield every command with the words that call it: new ones are fuzzed without being named here."""
    for name, command in getattr(group, "commands", {}).items():
        if hasattr(command, "commands"):
            yield from commands(command, (*path, name))
        else:
            yield (*path, name), command


LOOKING = ("status", "runs", "tracking", "spool")
"""Commands that say of an empty folder that it is empty, which is no error."""

COMMANDS = list(commands(typer.main.get_command(app)))
SPECIAL = ("", "0", "-1", "1", "nan", "inf", "1e400", "9" * 40, ".", "x" * 5000, "none", "--", "%s", "ä")
value = (
    st.sampled_from([*SPECIAL, "/dev/null/nowhere"])
    | st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"]), max_size=10)
    | st.binary(max_size=6).map(lambda raw: os.fsdecode(raw.replace(b"\x00", b"")))
).filter(lambda text: not text.startswith("/") or text.startswith("/dev/null"))
"""Never a folder elsewhere: what it holds would decide what a command that reads below it may say."""


@st.composite
def calls(draw: st.DrawFn, path: Keys, command: Any) -> list[str]:
    """Draw some of a command's options and arguments, and random values for them."""
    words = list(path)
    for parameter in command.params:
        if "--help" in parameter.opts or not draw(st.booleans()):
            continue
        flags = [flag for flag in parameter.opts if flag.startswith("-")]
        words += [draw(st.sampled_from(flags))] if flags else []
        if not getattr(parameter, "is_flag", False):
            words.append(draw(value))
    return words


def test_any_arguments(tmp_path: Path, monkeypatch, capfd, measured) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    seen = []

    def check(words: list[str]) -> None:
        monkeypatch.setattr(sys, "argv", ["mlpf-hpo", *words])
        with pytest.raises(SystemExit) as end:
            main()
        output = capfd.readouterr()
        if words[0] not in LOOKING or end.value.code not in (0, None):
            assert end.value.code not in (0, None), output.out
            assert re.search(r"error", output.err, re.IGNORECASE), output.err
        assert "Traceback" not in output.err
        assert not list(tmp_path.iterdir()), "nothing is written"
        seen.append(words[0])

    for path, command in COMMANDS:
        examples(12)(given(calls(path, command))(check))()
    measured(
        "input",
        f"{len(seen)} calls of `mlpf-hpo` with random options and values, in an empty folder",
        "each left with an error for people and a status that isn't 0, or stated truthfully that there is "
        "nothing; no traceback, nothing written",
    )


def test_any_file_is_no_event_store_and_no_table(tmp_path: Path, monkeypatch, capfd) -> None:
    monkeypatch.chdir(tmp_path)

    @examples(100)
    @given(st.binary(max_size=200), st.sampled_from(["manifest.json", "table.csv"]))
    def check(content: bytes, name: str) -> None:
        Path(name).write_bytes(content)
        words = ["events", "info", "."] if name == "manifest.json" else ["curves", "import", name]
        options = (
            ["--hyperparameters", "a", "--name", "n", "--out", "o.parquet"] if words[0] == "curves" else []
        )
        monkeypatch.setattr(sys, "argv", ["mlpf-hpo", *words, *options])
        with pytest.raises(SystemExit) as end:
            main()
        assert end.value.code == 1
        assert name in capfd.readouterr().err

    check()
