"""The chosen predictor becomes a version of the registered model, and its alias moves there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mlpf_hpo.config import Params
from mlpf_hpo.curves.dataset import read_curves
from mlpf_hpo.errors import MissingInputError
from mlpf_hpo.files import read_record
from mlpf_hpo.predictors import trusted_types
from mlpf_hpo.predictors.comparison import TRACKED, open_run
from mlpf_hpo.tracking import links
from mlpf_hpo.tracking.client import connect
from mlpf_hpo.tracking.records import MODEL
from mlpf_hpo.tracking.registry import check_model, load_model, register_predictor
from mlpf_hpo.tracking.writer import RunWriter

EXAMPLE_ROWS = 3


def register_winner(params: Params, comparison: Path, models: Path, curves_file: Path) -> dict[str, Any]:
    """Register the predictor that the comparison chose.

    Parameters
    ----------
    params : Params
        `search.champion` is the alias.
    comparison, models, curves_file : path
        What the stages before left: results/predictors.json, models/predictors, data/curves.parquet.

    Returns
    -------
    dict
        Content of results/register.json.
    """
    content = read_record(comparison, "predictors")
    name = content["winner"]
    file = models / f"{name}.skops"
    if not file.is_file():
        raise MissingInputError(f"{file}: not there; the stage `predictors` makes it (dvc repro predictors)")
    check_model(file, content["models"].get(name), "make it again with: dvc repro -f predictors")
    predictor = load_model(file, trusted_types())
    writer = RunWriter(connect())
    run_id = open_run(writer, content, name, params, curves_file)
    scores = content["predictors"][name]
    metrics = {f"outer/{metric}": scores[metric]["mean"] for metric in TRACKED}
    version = register_predictor(
        writer.client,
        predictor,
        read_curves(curves_file).frame(content["known_epochs"]).head(EXAMPLE_ROWS),
        trusted=trusted_types(),
        run_id=run_id,
        digest=content["dataset_digest"],
        dataset_path=curves_file,
        metrics=metrics,
        tags={
            "predictor": name,
            "n_epochs": str(content["n_epochs"]),
            "training_curves": str(content["rows"]),
            "source": content["source"],
            **{metric: f"{value:.4f}" for metric, value in metrics.items()},
        },
        alias=params.search.champion,
    )
    writer.close(run_id, "finished")
    return {
        "model": MODEL,
        "version": str(version.version),
        "alias": params.search.champion,
        "predictor": name,
        "run_id": run_id,
        "experiment_id": writer.experiment_id("predictors"),
        "model_uri": f"models:/{MODEL}/{version.version}",
        "dataset_digest": content["dataset_digest"],
        "link": links.model_link(MODEL, version.version),
    }
