"""`make_predictor`: an unfitted `CurvePredictor` by the name of its regressor."""

from __future__ import annotations

from collections.abc import Sequence

from mlpf_hpo.predictors.curve_predictor import CurvePredictor
from mlpf_hpo.predictors.regressors import make_models
from mlpf_hpo.predictors.settings import PredictorsParams
from mlpf_hpo.space import Mode


def make_predictor(
    name: str,
    params: PredictorsParams,
    seed: int,
    known_epochs: Sequence[int],
    folds: int | None = None,
    shrink: bool = False,
    mode: Mode = "min",
) -> CurvePredictor:
    """Return an unfitted predictor by the name of its regressor.

    Parameters
    ----------
    name : str
        A key of `regressors.REGRESSORS`.
    params : PredictorsParams
        Settings of the regressors, and coverage.
    seed : int
        Seed of the regressor.
    known_epochs : sequence of int
        Numbers of observed epochs to fit models for.
    folds : int, optional
        Cross-validation folds for the intervals; `params.outer_folds` by default, 0 for none.
    shrink : bool
        Whether predictions are shrunk toward persistence, see `CurvePredictor`; true for chosen ones.
    mode : {"min", "max"}
        Whether small or large values are good.

    Examples
    --------
    >>> from mlpf_hpo import PredictorsParams, make_predictor
    >>> predictor = make_predictor("ridge", PredictorsParams(coverage=0.8), seed=0, known_epochs=(0, 4))
    >>> predictor.name, predictor.known_epochs, predictor.coverage
    ('ridge', (0, 4), 0.8)
    """
    model, blind_model = make_models(name, params, seed)
    return CurvePredictor(
        model=model,
        blind_model=blind_model,
        known_epochs=tuple(known_epochs),
        coverage=params.coverage,
        folds=params.outer_folds if folds is None else folds,
        name=name,
        shrink=shrink,
        mode=mode,
    )
