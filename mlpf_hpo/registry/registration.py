"""The stage `register`: register the chosen predictor as a model version, the champion or its challenger."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlpf_hpo.curves.dataset import read_curves
from mlpf_hpo.curves.row_order import by_content
from mlpf_hpo.errors import DataError, MissingInputError, MlpfHpoError, TrackingError, one_line
from mlpf_hpo.files import read_record
from mlpf_hpo.predictors.model_file import load_predictor, trusted_types
from mlpf_hpo.predictors.model_format import model_bytes
from mlpf_hpo.predictors.nested_cv import usable_rows
from mlpf_hpo.predictors.predictor_spec import PredictorSpec
from mlpf_hpo.predictors.scoring import METRICS
from mlpf_hpo.predictors.settings import PredictorsParams
from mlpf_hpo.registry.champion_scope import ChampionScope
from mlpf_hpo.registry.description import (
    PICTURE,
    describe_registered_model,
    out_of_fold_figure,
    version_description,
)
from mlpf_hpo.registry.load import load_version
from mlpf_hpo.registry.predictor_runs import PICTURED, open_run
from mlpf_hpo.registry.promotion import (
    Challenger,
    PromotionDecision,
    decide_promotion,
    decision_basis,
    recorded_decision,
)
from mlpf_hpo.remedies import make, make_again
from mlpf_hpo.seeds import derive_seed
from mlpf_hpo.space import SearchSpace, stable_hash
from mlpf_hpo.tracking import links
from mlpf_hpo.tracking.aliases import (
    AGAIN,
    CHALLENGER,
    CURVES,
    FIT,
    SPEC,
    VERDICT,
    challenge,
    explain,
    make_model,
    promote,
    verdict_on,
)
from mlpf_hpo.tracking.client import connect
from mlpf_hpo.tracking.mlflow_errors import UnreachableError
from mlpf_hpo.tracking.registry import log_figures, register_predictor
from mlpf_hpo.tracking.versions import (
    ModelVersion,
    check_model,
    get_version_by_alias,
    get_version_by_number,
    get_version_by_tag,
)
from mlpf_hpo.tracking.writer import RunWriter

if TYPE_CHECKING:
    from matplotlib.figure import Figure

EXAMPLE_ROWS = 3


def register_winner(
    settings: PredictorsParams,
    seed: int,
    space: SearchSpace,
    alias: str,
    comparison: Path,
    models: Path,
    curves_file: Path,
) -> dict[str, Any]:
    """Register the predictor that the comparison chose, and promote it where its spec is better.

    A recorded fit (the same spec, fitted on the same curves, with the same predictions) is not registered
    again, and keeps its decision as long as the champion and the folds are those of that decision.
    A champion that cannot be compared is an error before anything is written.

    Parameters
    ----------
    settings : PredictorsParams
        The settings of the comparison.
    seed : int
        The pipeline's seed.
    space : SearchSpace
        The search space: part of the champion's scope.
    alias : str
        The champion's alias.
    comparison, models, curves_file : path
        Outputs of earlier stages: results/predictors.json, models/predictors, data/curves.parquet.

    Returns
    -------
    dict
        Content of results/register.json: `version` and what follows it is the champion, `registered` the
        version of this comparison's winner, `verdict` why they are or are not the same.
    """
    content = read_record(comparison, "predictors")
    challenger = _challenger(settings, content, models, curves_file)
    if PICTURED not in content:
        again = make_again("predictors")
        raise DataError(f"{comparison}: written by an older mlpf_hpo; make it again with: {again}")
    writer = RunWriter(connect())
    scope = ChampionScope.of_curves(challenger.curves, space)
    champion = get_version_by_alias(writer.client, alias, scope.model)
    fit, own_seed = _fit_identity(challenger), derive_seed(seed, "predictors")
    version = _on_record(writer, fit, scope.model)
    basis = decision_basis(champion, challenger.known_epochs, settings, own_seed)
    decision = None if version is None else recorded_decision(version, champion, alias, basis)
    decided_now = decision is None
    if decision is None:
        decision = decide_promotion(challenger, champion, settings, own_seed)
    kept: dict[str, Any] = {"alias": alias, "basis": basis, "verdict": decision.to_record()}
    run_id = open_run(writer, content, challenger.spec.predictor, settings, curves_file)
    with _failures_closed(writer, run_id):
        run = (writer.experiment_id("predictors"), run_id)
        about = version_description(scope, challenger, content, run, decision.reason)
        figures = {PICTURE: out_of_fold_figure(content, scope.target.metric)}
        if version is None:
            make_model(writer.client, scope.model, scope.description, scope.tags)
            tags = {**scope.tags, FIT: fit, VERDICT: json.dumps(kept)}
            version = _register(
                writer, challenger, content, run_id, curves_file, scope.model, tags, about, figures
            )
        elif (
            decided_now
            or (verdict_on(version) or {}).get("verdict") != kept["verdict"]
            or version.description != about
        ):
            log_figures(writer.client, run_id, figures)
            explain(writer.client, version, about, kept)
        if decision.promoted:
            promote(writer.client, version, alias, champion)
        else:
            challenge(writer.client, version)
        describe_registered_model(writer.client, scope, alias)
        if decision.scores is not None:
            writer.summary(run_id, _numbers(decision.scores))
        writer.close(run_id, "finished", tags={"verdict": decision.reason})
    return _record(writer, version, decision, alias)


def summary(record: dict[str, Any]) -> str:
    """Return the outcome as text."""
    new, decision = record["registered"], record["verdict"]
    became = f"@{record['alias'] if decision['promoted'] else CHALLENGER}"
    lines = [f"register: {new['predictor']} is {record['model']} version {new['version']}, {became}"]
    if not decision["promoted"]:
        lines.append(f"  @{record['alias']} stays version {record['version']}, {record['predictor']}")
    return "\n".join([*lines, f"  {decision['reason']}", f"  {new['link']}"])


def _challenger(
    settings: PredictorsParams, content: dict[str, Any], models: Path, curves_file: Path
) -> Challenger:
    """Return the winner of a comparison, after a check of its model file's checksum."""
    name = content["winner"]
    file = models / f"{name}.skops"
    if not file.is_file():
        raise MissingInputError(f"{file}: not there; the stage `predictors` makes it ({make('predictors')})")
    check_model(file, content["models"].get(name), f"make it again with: {make_again('predictors')}")
    predictor, curves = load_predictor(file), by_content(read_curves(curves_file))
    return Challenger(
        predictor,
        PredictorSpec.of(name, settings),
        curves.select(usable_rows(curves, least=1)),
        content["known_epochs"],
        content["dataset_digest"],
    )


def _register(
    writer: RunWriter,
    challenger: Challenger,
    content: dict[str, Any],
    run_id: str,
    curves_file: Path,
    model: str,
    tags: Mapping[str, str],
    about: str,
    figures: Mapping[str, Figure],
) -> ModelVersion:
    scores = content["selected"]  # not those of this candidate: it was chosen on the rows that they are of
    metrics = {f"outer/{metric}": scores[metric]["mean"] for metric in METRICS}
    return register_predictor(
        writer.client,
        challenger.predictor,
        challenger.curves.frame(challenger.known_epochs).head(EXAMPLE_ROWS),
        model=model,
        trusted=trusted_types(model_bytes(challenger.predictor)),
        run_id=run_id,
        digest=challenger.digest,
        dataset_path=curves_file,
        metrics=metrics,
        tags={
            **tags,
            "predictor": challenger.spec.predictor,
            SPEC: challenger.spec.to_json(),
            CURVES: str(challenger.n_curves),
            "source": content["source"],
            **{metric: f"{value:.4f}" for metric, value in metrics.items()},
        },
        description=about,
        figures=figures,
    )


def _fit_identity(challenger: Challenger) -> str:
    """Return a hash that identifies a fit: spec, data set, and every prediction on it.

    The bytes of a model file are not suitable: they contain addresses and times.
    """
    digest = hashlib.sha256()
    for known in challenger.predictor.known_epochs:
        prediction = challenger.predictor.predict_interval(challenger.curves.frame(known))
        for values in (prediction.mean, prediction.lower, prediction.upper):
            digest.update(values.tobytes())
    return stable_hash([challenger.spec.to_json(), challenger.digest, digest.hexdigest()], 16)


def _on_record(writer: RunWriter, fit: str, model: str) -> ModelVersion | None:
    """Return the recorded version of a fit; None if there is none, or its file is damaged.

    Raises
    ------
    UnreachableError
        If the registry or the file cannot be reached now.
    """
    found = get_version_by_tag(writer.client, FIT, fit, model)
    if found is None:
        return None
    try:
        load_version(found)
    except UnreachableError:
        raise
    except TrackingError:
        return None
    return get_version_by_number(writer.client, found.version, model)


@contextmanager
def _failures_closed(writer: RunWriter, run_id: str) -> Iterator[None]:
    """Close a run as failed if the block ends by an error."""
    try:
        yield
    except Exception as error:
        with suppress(MlpfHpoError):  # of the two errors, the first is of interest
            writer.close(run_id, "failed", tags={"reason": one_line(error)})
        raise


def _numbers(scores: dict[str, dict[str, float]]) -> dict[str, float]:
    means = {f"promotion/{name}": spread["mean"] for name, spread in scores.items()}
    difference = scores["difference"]
    return means | {f"promotion/difference_{bound}": difference[bound] for bound in ("low", "high")}


def _record(
    writer: RunWriter, version: ModelVersion, decision: PromotionDecision, alias: str
) -> dict[str, Any]:
    champion = get_version_by_alias(writer.client, alias, version.name)
    if champion is None:
        raise TrackingError(
            f"{version.name}@{alias} was removed while this ran; register again with: {AGAIN}"
        )
    return {
        "model": version.name,
        "alias": alias,
        **_version_record(champion),
        "experiment_id": writer.experiment_id("predictors"),
        "registered": _version_record(version),
        "verdict": decision.to_record(),
    }


def _version_record(version: ModelVersion) -> dict[str, str]:
    return {
        "version": str(version.version),
        "predictor": version.tags.get("predictor", "?"),
        "run_id": version.tags.get("source_run", ""),
        "dataset_digest": version.tags.get("dataset_digest", ""),
        "model_uri": f"models:/{version.name}/{version.version}",
        "link": links.model_link(version.name, version.version),
    }
