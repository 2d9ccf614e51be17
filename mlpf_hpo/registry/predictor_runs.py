"""The stage `predictors`: compare predictors, write scores, table 2, model files and one MLflow run each."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

from mlpf_hpo.curves.columns import describe_features
from mlpf_hpo.curves.dataset import curves_file_digest, read_curves
from mlpf_hpo.curves.left_out_rows import describe_left_out_rows
from mlpf_hpo.curves.row_order import by_content
from mlpf_hpo.curves.target_epochs import left_out_of_complete
from mlpf_hpo.files import written_whole
from mlpf_hpo.hardware.host import describe_host
from mlpf_hpo.number_format import interval
from mlpf_hpo.predictors.criteria import SELECTED
from mlpf_hpo.predictors.model_format import model_bytes
from mlpf_hpo.predictors.nested_cv import select, usable_rows
from mlpf_hpo.predictors.predictor_spec import PredictorSpec
from mlpf_hpo.predictors.sampling_log import sampling_log
from mlpf_hpo.predictors.scoring import METRICS
from mlpf_hpo.predictors.selection_result import OutOfFold, SelectionResult
from mlpf_hpo.predictors.settings import PredictorsParams, least_curves
from mlpf_hpo.predictors.table_2 import table_2
from mlpf_hpo.search.predicted_searches import PromotionReplay
from mlpf_hpo.seeds import derive_seed
from mlpf_hpo.space import stable_hash
from mlpf_hpo.tracking import links
from mlpf_hpo.tracking.client import connect
from mlpf_hpo.tracking.writer import RunWriter

PICTURED = "selected_out_of_fold"
"""Key of results/predictors.json: predictions by whatever was chosen without the curve that is predicted."""


def compare_predictors(
    settings: PredictorsParams,
    seed: int,
    curves_file: Path,
    models: Path,
    progress: Callable[[float, float], Any] | None = None,
) -> dict[str, Any]:
    """Compare, choose and fit predictors; write their model files and MLflow runs.

    Parameters
    ----------
    settings : PredictorsParams
        Candidates, folds, criterion.
    seed : int
        The pipeline's seed.
    curves_file : path
        The learning-curve data set.
    models : path
        Folder that gets ``NAME.skops`` for every candidate.
    progress : callable, optional
        Called with (steps done, steps in all).

    Returns
    -------
    dict
        Content of results/predictors.json.
    """
    curves = by_content(read_curves(curves_file))
    usable_rows(curves, least_curves(settings))  # refused before anything is fitted
    own_seed = derive_seed(seed, "predictors")
    result = select(curves, settings, own_seed, progress, PromotionReplay())
    checksums = {}
    with written_whole(models) as temporary:
        temporary.mkdir(parents=True)
        for name, predictor in result.fitted.items():
            model = model_bytes(predictor)
            (temporary / f"{name}.skops").write_bytes(model)
            checksums[name] = hashlib.sha256(model).hexdigest()
    content = {
        "rows": len(result.rows),
        "curves": len(curves),
        "source": curves.source,
        "target": curves.target.to_dict(),
        "hyperparameters": list(curves.hyperparameters),
        "left_out": dict(curves.left_out),
        "left_out_rows": left_out_of_complete(curves),
        "known_epochs": result.known_epochs,
        "n_epochs": curves.n_epochs,
        "seed": seed,
        "outer_folds": settings.outer_folds,
        "inner_folds": settings.inner_folds,
        "criterion": settings.criterion,
        "coverage": settings.coverage,
        "settings": stable_hash(settings.model_dump(mode="json"), 8),
        "winner": result.winner,
        "inner": result.inner,
        "reason": result.reason,
        "search": None if result.search is None else result.search.to_record(),
        "predictors": {name: scores for name, scores in result.scores.items() if name != SELECTED},
        "selected": result.scores[SELECTED],
        "out_of_fold": {name: _out_of_fold_record(out, result) for name, out in result.out_of_fold.items()},
        PICTURED: _out_of_fold_record(result.selected, result),
        "shares": result.shares,
        "table_2": table_2(curves, settings, own_seed),
        "dataset_digest": curves_file_digest(curves_file),
        "models": checksums,
        "sampling": {name: sampling_log(predictor) for name, predictor in result.fitted.items()},
    }
    content["link"] = _track(content, settings, curves_file)
    return content


def run_identity(content: dict[str, Any], name: str) -> str:
    """Return the identity of a predictor's MLflow run: the data set, the settings, and its name."""
    parts = [content["dataset_digest"], content["seed"], content["settings"]]
    return f"{stable_hash(parts, 8)}-{name}"


def open_run(
    writer: RunWriter, content: dict[str, Any], name: str, settings: PredictorsParams, curves_file: Path
) -> str:
    """Return the MLflow run of a predictor, which is created if needed."""
    identity = run_identity(content, name)
    _, sampler_texts = content["sampling"].get(name, ({}, {}))
    return writer.open_parent(
        "predictors",
        identity,
        name=f"{name}-{identity[:8]}",
        tags={
            **describe_host().tags(),
            "predictor": name,
            "selected": str(name == content["winner"]).lower(),
            "decided_by": decided_by(content),
        },
        params={
            "criterion": content["criterion"],
            "seed": content["seed"],
            **sampler_texts,
            **_settings(name, settings),
        },
        note=(
            f"{name} on {content['rows']} curves, "
            f"{content['known_epochs']} of {content['n_epochs']} epochs seen."
        ),
        digest=content["dataset_digest"],
        dataset_path=curves_file,
    )


def decided_by(content: dict[str, Any]) -> str:
    """Return which criterion decided: the declared one, or Spearman where searches left several candidates.

    Examples
    --------
    >>> decided_by({"criterion": "r2", "search": None})
    'r2'
    """
    search = content.get("search")
    return str(content["criterion"] if search is None else search["decided_by"])


def summary(content: dict[str, Any]) -> str:
    """Return the outcome as text."""
    lines = [
        f"predictors: {content['rows']} of {content['curves']} curves are complete; "
        f"{content['known_epochs']} of {content['n_epochs']} epochs seen; outer folds of configurations"
    ]
    features = describe_features(
        content["target"], content["hyperparameters"], content["left_out"], option=""
    )
    lines.append(f"  {features}")
    if content["left_out_rows"]:
        lines.append(f"  {describe_left_out_rows(content['left_out_rows'], content['rows'])}")
    for name, scores in content["predictors"].items():
        rank, r2 = scores["spearman"], scores["r2_quantile"]
        mark = "  <- chosen by the inner folds" if name == content["winner"] else ""
        searched = content["search"] and f"  epochs {_interval(content['search']['epochs_ratio'][name])}"
        lines.append(
            f"  {name:<14} Spearman {_interval(rank)}  R2 (quantiles) {_interval(r2)}{searched or ''}{mark}"
        )
    if content["search"]:
        lines.append(
            f"  epochs: of {content['search']['searches']} replayed searches, over those of promotion by last"
            f" values at equal regret; decided by {decided_by(content)}"
        )
    return "\n".join([*lines, f"  {content['reason']}", f"  {content['link']}"])


def _out_of_fold_record(out: OutOfFold, result: SelectionResult) -> dict[str, list[float | None]]:
    columns = {
        "predicted": out.mean,
        "true": result.true,
        "lower": out.lower,
        "upper": out.upper,
        "last_seen": result.last_seen,
    }
    return {
        name: [float(value) if math.isfinite(value) else None for value in values]
        for name, values in columns.items()
    }


def _settings(name: str, settings: PredictorsParams) -> dict[str, Any]:
    sections = PredictorSpec.of(name, settings).settings
    return {f"{name}.{key}": value for section in sections.values() for key, value in section.items()}


def _track(content: dict[str, Any], settings: PredictorsParams, curves_file: Path) -> str:
    writer = RunWriter(connect())
    for name, scores in content["predictors"].items():
        run_id = open_run(writer, content, name, settings, curves_file)
        numbers = {metric: scores[metric]["mean"] for metric in METRICS}
        if content["search"]:
            numbers["epochs_ratio"] = content["search"]["epochs_ratio"][name]["mean"]
        writer.summary(run_id, numbers)
        sampler_numbers, _ = content["sampling"].get(name, ({}, {}))
        if sampler_numbers:
            writer.summary(run_id, sampler_numbers)
        writer.close(run_id, "finished")
    return links.experiment_link(writer.experiment_id("predictors"))


def _interval(scores: dict[str, float]) -> str:
    return interval(scores["mean"], scores["low"], scores["high"])
