"""params.yaml is checked to the last key, and every complaint names the key's path."""

from pathlib import Path

import pytest
import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mlpf_hpo.config import Params, load_params, parse_params
from mlpf_hpo.errors import ConfigurationError, MissingInputError
from mlpf_hpo.space import TABLE_1

ROOT = Path(__file__).parents[1]


def test_the_shipped_file_is_complete_and_equals_the_defaults() -> None:
    content = yaml.safe_load((ROOT / "params.yaml").read_text())
    assert parse_params(content) == Params()

    def keys(model: object, mapping: dict[str, object], path: str = "") -> None:
        for name in type(model).model_fields:  # type: ignore[attr-defined]
            assert name in mapping, f"params.yaml lacks {path}{name}"
            value = getattr(model, name)
            if hasattr(value, "model_fields") and path.count(".") < 1 and name != "space":
                keys(value, mapping[name], f"{path}{name}.")  # type: ignore[arg-type]

    keys(Params(), content)


def test_the_shipped_space_is_table_1() -> None:
    assert load_params(ROOT / "params.yaml").space.search_space() == TABLE_1


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ({"campaign": {"epoch": 3}}, "campaign.epoch: unknown key (did you mean epochs?)"),
        ({"campain": {}}, "campain: unknown key (did you mean campaign?)"),
        ({"campaign": {"epochs": "many"}}, "campaign.epochs: input should be a valid integer"),
        ({"campaign": {"trials": 0}}, "campaign.trials: input should be greater than or equal to 1"),
        ({"events": {"pileup": 300}}, "events.pileup: input should be less than or equal to 200"),
        ({"events": {"pileup": float("nan")}}, "events.pileup"),
        ({"space": {"lr": {"low": 1.0, "high": 0.1}}}, "space.lr: low (1.0) must be below high (0.1)"),
        ({"space": {"lr": {"low": 0.0, "high": 0.1, "scale": "log"}}}, "must be positive on a log scale"),
        ({"predictors": {"qsvr": {"read": 3}}}, "predictors.qsvr.read: unknown key (did you mean reads?)"),
        ({"search": {"grace_epochs": 9, "max_epochs": 8}}, "search: grace_epochs (9) exceeds max_epochs (8)"),
        ({"seed": -1}, "seed: input should be greater than or equal to 0"),
    ],
)
def test_complaints_name_the_path(content: dict[str, object], complaint: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        parse_params(content)
    assert complaint in str(caught.value)


def test_every_problem_is_told_at_once() -> None:
    with pytest.raises(ConfigurationError) as caught:
        parse_params({"campaign": {"epoch": 3, "trials": -1}, "seed": "x"})
    assert len(str(caught.value).splitlines()) == 4


@pytest.mark.parametrize("text", ["- a\n- b\n", "campaign: [", "just words", "a: &a [*a]", "\x00"])
def test_a_file_that_is_no_mapping_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "params.yaml"
    path.write_text(text)
    with pytest.raises(ConfigurationError, match=r"params\.yaml"):
        load_params(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(MissingInputError, match="no such parameter file"):
        load_params(tmp_path / "none.yaml")


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=200)
@given(st.sampled_from(sorted(Params.model_fields)), st.text(max_size=8), json_values)
@example("benchmark", "[key]", None)  # what pydantic calls the name of an entry
def test_anything_is_accepted_or_refused_clearly(section: str, key: str, value: object) -> None:
    for content in ({section: value}, {section: {key: value}}, {key: value}):
        try:
            parse_params(content)
        except ConfigurationError as error:
            assert str(error).startswith("params:\n  ")  # noqa: PT017 - most are accepted


HUGE = [
    ("search", "reduction_factor", 1.0000001, "greater than or equal to 1.01"),
    ("search", "configurations", 10**9, "less than or equal to 100000"),
    ("campaign", "trials", 10**9, "less than or equal to 100000"),
    ("network", "embedding_dim", 10**9, "less than or equal to 65536"),
    ("network", "hash_columns", 10**9, "less than or equal to 65536"),
    ("training", "threads", 10**9, "less than or equal to 1024"),
    ("benchmark", "threads", 10**9, "less than or equal to 1024"),
    ("benchmark", "copies", 10**9, "less than or equal to 4096"),
    ("events", "workers", 10**9, "less than or equal to 4096"),
    ("events", "minimum_bias_pool", 10**9, "less than or equal to 10000000"),
    ("resources", "concurrency", 10**9, "less than or equal to 4096"),
    ("resources", "processes_per_trial", 10**9, "less than or equal to 4096"),
    ("resources", "epoch_timeout_seconds", 1e300, "less than or equal to 100000000"),
    ("resources", "worker_restarts", 10**30, "less than or equal to 1000000"),
    ("tracking", "patience_seconds", 1e300, "less than or equal to 100000000"),
    ("predictors", "table_2_splits", 10**9, "less than or equal to 100000"),
    ("predictors", "table_2_points", 10**30, "less than or equal to 1000000"),
    ("predictors", "qsvr", {"reads": 10**9}, "less than or equal to 100000"),
    ("predictors", "qsvr", {"sweeps": 10**9}, "less than or equal to 10000000"),
    ("predictors", "svr", {"C": 1e6}, "less than or equal to 10000"),
    ("space", "n_glayers_id", {"values": [10**6]}, "values must be at least 0 and below 101"),
    ("space", "n_glayers_reg", {"values": [10**6]}, "values must be at least 0 and below 101"),
    ("space", "output_dim", {"values": [10**6]}, "values must be at least 1 and below 65537"),
]


@pytest.mark.parametrize(("section", "key", "value", "message"), HUGE)
def test_values_that_would_fill_the_memory_or_never_end_are_refused(section, key, value, message) -> None:
    with pytest.raises(ConfigurationError, match=rf"(?s){section}\.{key}.*: .*{message}"):
        parse_params({section: {key: value}})


def test_the_closest_rungs_that_are_allowed_are_few() -> None:
    from mlpf_hpo.search.scheduler import rungs

    assert len(rungs(10**6, 1, 1.01)) == 1389
    assert parse_params({"search": {"reduction_factor": 1.01}}).search.reduction_factor == 1.01
