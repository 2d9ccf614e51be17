"""`PredictorSpec`: name and settings of a predictor, enough to fit it again on other curves."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from mlpf_hpo.errors import ConfigurationError, DataError
from mlpf_hpo.predictors.curve_predictor import CurvePredictor
from mlpf_hpo.predictors.factory import make_predictor
from mlpf_hpo.predictors.regressors import SECTIONS
from mlpf_hpo.predictors.settings import PredictorsParams
from mlpf_hpo.settings.validation import validated


@dataclass(frozen=True)
class PredictorSpec:
    """Name and settings of a predictor.

    Attributes
    ----------
    predictor : str
        A key of `regressors.REGRESSORS`.
    settings : mapping
        The section of the params that it has its settings in, section -> key -> value; empty if it has none.
    """

    predictor: str
    settings: dict[str, dict[str, Any]]

    @classmethod
    def of(cls, name: str, params: PredictorsParams) -> PredictorSpec:
        """Return the spec of a candidate under `params`."""
        section = SECTIONS.get(name)
        content = params.model_dump(mode="json")
        return cls(name, {} if section is None else {section: content[section]})

    @classmethod
    def from_json(cls, text: str | None, params: PredictorsParams) -> PredictorSpec:
        """Return the spec that `to_json` wrote.

        Raises
        ------
        DataError
            If it is missing, not a spec, or not supported by this version of the package.
        """
        if text is None:
            raise DataError("it was registered without its spec")
        try:
            content = json.loads(text)
            spec = cls(content["predictor"], content["settings"])
            spec.params(params)
        except (ValueError, KeyError, TypeError, AttributeError, ConfigurationError) as error:
            raise DataError(f"its spec is unknown to this version of mlpf_hpo: {error}") from None
        return spec

    def to_json(self) -> str:
        """Return the spec as JSON text."""
        return json.dumps({"predictor": self.predictor, "settings": self.settings}, sort_keys=True)

    def params(self, params: PredictorsParams) -> PredictorsParams:
        """Return `params` with these settings, and with this predictor as the only candidate."""
        content = {**params.model_dump(), **self.settings, "candidates": (self.predictor,)}
        return validated(PredictorsParams, content, "spec")

    def make(
        self, params: PredictorsParams, seed: int, known_epochs: Sequence[int], folds: int | None = None
    ) -> CurvePredictor:
        """Return an unfitted predictor, see `make_predictor`."""
        return make_predictor(self.predictor, self.params(params), seed, known_epochs, folds)
