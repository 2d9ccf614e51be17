"""The published study, done again: its curves, its solutions, its protocol, and an honest one beside it."""

from __future__ import annotations

from mlpf_hpo.predictors.published.data import PublishedCurves, PublishedSolutions, reference_folder

__all__ = ["PublishedCurves", "PublishedSolutions", "reference_folder"]
