"""A model file that somebody else wrote is looked through before it predicts."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import skops.io
from sklearn.linear_model import Ridge

from mlpf_hpo.errors import DataError
from mlpf_hpo.predictors.factory import make_predictor
from mlpf_hpo.predictors.model_file import load_predictor
from mlpf_hpo.predictors.settings import PredictorsParams


def written(model: object, folder: Path) -> Path:
    file = folder / "model.skops"
    file.write_bytes(skops.io.dumps(model))
    return file


def test_another_kind_of_model_is_refused(tmp_path) -> None:
    with pytest.raises(DataError, match="holds a Ridge, not a predictor of curves"):
        load_predictor(written(Ridge(), tmp_path))


def test_a_file_that_is_not_there_is_told_as_such(tmp_path) -> None:
    for path in (tmp_path / "nothing.skops", tmp_path):
        with pytest.raises(DataError, match=f"^{path}: no such file$"):
            load_predictor(path)


def test_a_predictor_that_cannot_answer_is_refused(tmp_path) -> None:
    with pytest.raises(DataError, match=r"not fitted.*models_.*fit it again"):
        load_predictor(written(make_predictor("ridge", PredictorsParams(), 0, [1]), tmp_path))
    table = pd.DataFrame({f"loss_{epoch}": np.arange(1.0, 9) + epoch for epoch in range(4)})
    made = make_predictor("persistence", PredictorsParams(), 0, [1]).fit(table, table["loss_3"])
    assert load_predictor(written(made, tmp_path)).n_epochs == 4
    del made.epoch_models_
    with pytest.raises(DataError, match=r"another version of mlpf_hpo \(it lacks epoch_models_\)"):
        load_predictor(written(made, tmp_path))


def test_who_asks_a_predictor_loads_no_pytorch_but_may() -> None:
    code = (
        "import sys; from mlpf_hpo.predictors.model_file import load_predictor;"
        "assert 'skops.io' in sys.modules; assert 'torch' not in sys.modules;"
        "import torch; print(torch.ones(2).sum().item())"
    )
    process = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert process.stdout == "2.0\n", process.stderr
