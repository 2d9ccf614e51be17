"""The chosen predictor becomes a version of the registered model: the champion, or its challenger."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from mlpf_hpo.config import Params
from mlpf_hpo.curves.dataset import read_curves
from mlpf_hpo.curves.row_order import by_content
from mlpf_hpo.errors import MissingInputError, TrackingError
from mlpf_hpo.files import read_record
from mlpf_hpo.predictors.comparison import open_run
from mlpf_hpo.predictors.model_file import load_predictor, load_version, trusted_types
from mlpf_hpo.predictors.promotion import Challenger, Verdict, judge
from mlpf_hpo.predictors.protocol import METRICS
from mlpf_hpo.predictors.recipe import Recipe
from mlpf_hpo.predictors.selection import usable_rows
from mlpf_hpo.seeds import derive_seed
from mlpf_hpo.space import stable_hash
from mlpf_hpo.tracking import links
from mlpf_hpo.tracking.client import connect
from mlpf_hpo.tracking.records import MODEL
from mlpf_hpo.tracking.registry import (
    AGAIN,
    CHALLENGER,
    FIT,
    RECIPE,
    explain,
    promote,
    register_predictor,
    verdict_on,
)
from mlpf_hpo.tracking.versions import ModelVersion, check_model, find_version, version_behind
from mlpf_hpo.tracking.writer import RunWriter

EXAMPLE_ROWS = 3


def register_winner(params: Params, comparison: Path, models: Path, curves_file: Path) -> dict[str, Any]:
    """Register the predictor that the comparison chose, and promote it where its recipe is better.

    What is on record already (the same recipe, fitted on the same curves, with the same predictions) is not
    registered again, and keeps its verdict as long as the champion is the one of that verdict.

    Parameters
    ----------
    params : Params
        `search.champion` is the champion's alias.
    comparison, models, curves_file : path
        What the stages before left: results/predictors.json, models/predictors, data/curves.parquet.

    Returns
    -------
    dict
        Content of results/register.json: `version` and what follows it is the champion, `registered` the
        version of this comparison's winner, `verdict` why they are or are not the same.
    """
    content = read_record(comparison, "predictors")
    name = content["winner"]
    file = models / f"{name}.skops"
    if not file.is_file():
        raise MissingInputError(f"{file}: not there; the stage `predictors` makes it (dvc repro predictors)")
    check_model(file, content["models"].get(name), "make it again with: dvc repro -f predictors")
    predictor = load_predictor(file)
    curves = by_content(read_curves(curves_file))
    challenger = Challenger(
        predictor,
        Recipe.of(name, params.predictors),
        curves.select(usable_rows(curves, least=1)),
        content["known_epochs"],
        content["dataset_digest"],
    )
    writer = RunWriter(connect())
    run_id = open_run(writer, content, name, params, curves_file)
    version = _version(writer, challenger, content, run_id, curves_file)
    verdict = _verdict(writer, challenger, version, params, run_id)
    writer.close(run_id, "finished", tags={"verdict": verdict.reason})
    return _record(writer, version, verdict, params.search.champion)


def summary(record: dict[str, Any]) -> str:
    """Return the outcome for people."""
    new, verdict = record["registered"], record["verdict"]
    became = f"@{record['alias'] if verdict['promoted'] else CHALLENGER}"
    lines = [f"register: {new['predictor']} is {record['model']} version {new['version']}, {became}"]
    if not verdict["promoted"]:
        lines.append(f"  @{record['alias']} stays version {record['version']}, {record['predictor']}")
    return "\n".join([*lines, f"  {verdict['reason']}", f"  {new['link']}"])


def _version(
    writer: RunWriter, challenger: Challenger, content: dict[str, Any], run_id: str, curves_file: Path
) -> ModelVersion:
    """Return the version of the winner: the one on record, or a new one."""
    name, fit = challenger.recipe.predictor, _fit_identity(challenger)
    found = find_version(writer.client, FIT, fit)
    if found is not None and _is_whole(found):
        return found
    scores = content["selected"]  # not those of this candidate: it was chosen on the rows that they are of
    metrics = {f"outer/{metric}": scores[metric]["mean"] for metric in METRICS}
    return register_predictor(
        writer.client,
        challenger.predictor,
        challenger.curves.frame(challenger.known_epochs).head(EXAMPLE_ROWS),
        trusted=trusted_types(),
        run_id=run_id,
        digest=challenger.digest,
        dataset_path=curves_file,
        metrics=metrics,
        tags={
            "predictor": name,
            RECIPE: challenger.recipe.written(),
            FIT: fit,
            "n_epochs": str(content["n_epochs"]),
            "training_curves": str(content["rows"]),
            "source": content["source"],
            **{metric: f"{value:.4f}" for metric, value in metrics.items()},
        },
        alias=CHALLENGER,
    )


def _fit_identity(challenger: Challenger) -> str:
    """Return what tells a fit from others: recipe, data set, and every prediction on it.

    The bytes of a model file will not do: they hold addresses and times.
    """
    digest = hashlib.sha256()
    for known in challenger.predictor.known_epochs:
        told = challenger.predictor.predict_interval(challenger.curves.frame(known))
        for values in (told.mean, told.lower, told.upper):
            digest.update(values.tobytes())
    return stable_hash([challenger.recipe.written(), challenger.digest, digest.hexdigest()], 16)


def _is_whole(version: ModelVersion) -> bool:
    try:
        load_version(version)
    except TrackingError:  # whatever its files suffered, a new version takes its place
        return False
    return True


def _verdict(
    writer: RunWriter, challenger: Challenger, version: ModelVersion, params: Params, run_id: str
) -> Verdict:
    """Return the verdict on a version, and see that the aliases are as it says."""
    alias = params.search.champion
    champion = version_behind(writer.client, alias)
    verdict = _verdict_on_record(version, champion, alias)
    if verdict is None:
        verdict = judge(challenger, champion, params.predictors, derive_seed(params.seed, "predictors"))
        explain(writer.client, version, verdict.reason, {"alias": alias, "verdict": verdict.told()})
        if verdict.scores is not None:
            writer.summary(run_id, _numbers(verdict.scores))
    promote(writer.client, version, alias if verdict.promoted else CHALLENGER)
    return verdict


def _verdict_on_record(version: ModelVersion, champion: ModelVersion | None, alias: str) -> Verdict | None:
    """Return what was decided on a version, if the champion is still the one that followed from it."""
    number, before = str(version.version), None if champion is None else str(champion.version)
    on_record = verdict_on(version)
    if on_record is not None and on_record["alias"] == alias:
        verdict = Verdict(**on_record["verdict"])
        if before == (number if verdict.promoted else verdict.before):
            return verdict
    return Verdict(True, f"@{alias} points at it already", before) if before == number else None


def _numbers(scores: dict[str, dict[str, float]]) -> dict[str, float]:
    means = {f"promotion/{name}": spread["mean"] for name, spread in scores.items()}
    difference = scores["difference"]
    return means | {f"promotion/difference_{bound}": difference[bound] for bound in ("low", "high")}


def _record(writer: RunWriter, version: ModelVersion, verdict: Verdict, alias: str) -> dict[str, Any]:
    champion = version_behind(writer.client, alias)
    if champion is None:
        raise TrackingError(f"{MODEL}@{alias} was removed while this ran; register again with: {AGAIN}")
    return {
        "model": MODEL,
        "alias": alias,
        **_told(champion),
        "experiment_id": writer.experiment_id("predictors"),
        "registered": _told(version),
        "verdict": verdict.told(),
    }


def _told(version: ModelVersion) -> dict[str, str]:
    return {
        "version": str(version.version),
        "predictor": version.tags.get("predictor", "?"),
        "run_id": version.tags.get("source_run", ""),
        "dataset_digest": version.tags.get("dataset_digest", ""),
        "model_uri": f"models:/{MODEL}/{version.version}",
        "link": links.model_link(MODEL, version.version),
    }
