"""A model file that somebody else wrote is looked through before it predicts."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import skops.io
from sklearn.linear_model import Ridge

from mlpf_hpo.config import PredictorsParams
from mlpf_hpo.curves.csv_table import read_table
from mlpf_hpo.errors import DataError
from mlpf_hpo.predictors.choice import fit_chosen
from mlpf_hpo.predictors.curve_predictor import CurvePredictor
from mlpf_hpo.predictors.model_file import _trees, load_predictor
from mlpf_hpo.predictors.regressors import recipes
from tests.predictors.test_evaluation import write_table

TREES = 20
"""Instead of dozens, which are all looked through alike."""


@pytest.fixture(scope="module")
def predictor(tmp_path_factory) -> CurvePredictor:
    curves = read_table(write_table(tmp_path_factory.mktemp("table") / "table.csv", epochs=3), "loss_", "min")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(recipes, "TREES", TREES)
        return fit_chosen(curves, 2, PredictorsParams(), 0, ["extra_trees"])[0]


def written(model: object, folder: Path) -> Path:
    file = folder / "model.skops"
    file.write_bytes(skops.io.dumps(model))
    return file


def test_a_forest_of_ours_is_loaded(predictor, tmp_path) -> None:
    loaded = load_predictor(written(predictor, tmp_path))
    assert len(list(_trees(loaded, set()))) == len(list(_trees(predictor, set()))) == 3 * TREES


@pytest.mark.parametrize(
    ("column", "value"),
    [("left_child", 10**6), ("right_child", 0), ("left_child", -2), ("feature", 10**6), ("feature", -2)],
)
def test_a_tree_that_leads_out_of_its_nodes_is_refused(predictor, tmp_path, column, value) -> None:
    file = written(predictor, tmp_path)
    loaded = skops.io.load(file, trusted=skops.io.get_untrusted_types(file=file))
    tree = list(_trees(loaded, set()))[-1]
    state = tree.__getstate__()
    state["nodes"] = np.array(state["nodes"])
    state["nodes"][column][0] = value
    tree.__setstate__(state)
    with pytest.raises(DataError, match="a tree leads out of its own nodes"):
        load_predictor(written(loaded, tmp_path))


def test_another_kind_of_model_is_refused(tmp_path) -> None:
    with pytest.raises(DataError, match="holds a Ridge, not a predictor of curves"):
        load_predictor(written(Ridge(), tmp_path))
