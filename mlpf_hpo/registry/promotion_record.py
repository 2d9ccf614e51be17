"""Recorded promotion decisions: whether the decision on a version is still valid."""

from __future__ import annotations

from mlpf_hpo.predictors.settings import PredictorsParams
from mlpf_hpo.registry.promotion import PromotionDecision
from mlpf_hpo.space import stable_hash
from mlpf_hpo.tracking.aliases import CURVES, SPEC, promoted_tag, verdict_on
from mlpf_hpo.tracking.versions import CHECKSUM, ModelVersion


def decision_basis(
    champion: ModelVersion | None, known_epochs: int, params: PredictorsParams, seed: int
) -> str:
    """Return a hash of everything that the decision on a fit depends on."""
    met = None if champion is None else [champion.tags.get(tag) for tag in (CHECKSUM, SPEC, CURVES)]
    return stable_hash([met, params.criterion, params.outer_folds, known_epochs, seed], 16)


def recorded_decision(
    version: ModelVersion, champion: ModelVersion | None, alias: str, basis: str
) -> PromotionDecision | None:
    """Return the recorded decision on a version if it is still valid; None if a new decision is needed.

    An alias that a decision set to the version, and that points elsewhere, was moved by a person: it stays.
    """
    number, before = str(version.version), None if champion is None else str(champion.version)
    kept = verdict_on(version)
    found = PromotionDecision(**kept["verdict"]) if kept is not None and kept["alias"] == alias else None
    if before == number:
        at_it = PromotionDecision(True, f"@{alias} points at it already", before)
        return found if found is not None and found.promoted else at_it
    if before is not None and promoted_tag(alias) in version.tags:
        reason = f"@{alias} was moved by hand from version {number} to version {before}: it stays there"
        return PromotionDecision(False, reason, before)
    if found is None or kept is None or kept.get("basis") != basis:
        return None
    return found if found.before == before else None
