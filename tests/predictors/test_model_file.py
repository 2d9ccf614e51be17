"""A model file that somebody else wrote is looked through before it predicts."""

from __future__ import annotations

from pathlib import Path

import pytest
import skops.io
from sklearn.linear_model import Ridge

from mlpf_hpo.errors import DataError
from mlpf_hpo.predictors.model_file import load_predictor


def written(model: object, folder: Path) -> Path:
    file = folder / "model.skops"
    file.write_bytes(skops.io.dumps(model))
    return file


def test_another_kind_of_model_is_refused(tmp_path) -> None:
    with pytest.raises(DataError, match="holds a Ridge, not a predictor of curves"):
        load_predictor(written(Ridge(), tmp_path))
