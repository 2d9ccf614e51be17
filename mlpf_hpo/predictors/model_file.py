"""Load a predictor from an untrusted model file: the types in it are checked before use."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from mlpf_hpo.collector import collector_paused
from mlpf_hpo.errors import DataError
from mlpf_hpo.extensions import modules_of

with collector_paused():
    from mlpf_hpo.predictors.curve_predictor import CurvePredictor
    from mlpf_hpo.predictors.model_format import foreign_types, load_model

KERNELS = ("ConstantKernel", "Matern", "Product", "Sum", "WhiteKernel")

TRUSTED_TYPES = (
    "mlpf_hpo.curves.features.CurveFeatures",
    "mlpf_hpo.predictors.curve_predictor.CurvePredictor",
    "mlpf_hpo.predictors.epoch_model.EpochModel",
    "mlpf_hpo.predictors.regressors.calibrated_persistence.CalibratedPersistence",
    "mlpf_hpo.predictors.regressors.cross_fitted_trees.CrossFittedTrees",
    "mlpf_hpo.predictors.regressors.ensemble.QSVREnsemble",
    "mlpf_hpo.predictors.regressors.forest.ExtraTrees",
    "mlpf_hpo.predictors.regressors.forest.Forest",
    "mlpf_hpo.predictors.regressors.gaussian_process.GaussianProcess",
    "mlpf_hpo.predictors.regressors.half_shrinkage.HalfShrinkage",
    "mlpf_hpo.predictors.regressors.joint_process.JointProcess",
    "mlpf_hpo.predictors.regressors.parametric.ParametricCurve",
    "mlpf_hpo.predictors.regressors.persistence.Persistence",
    "mlpf_hpo.predictors.regressors.qsvr.QSVR",
    "mlpf_hpo.predictors.regressors.rank_transform.RankScale",
    "mlpf_hpo.predictors.regressors.residual.Residual",
    "mlpf_hpo.predictors.regressors.stacked.Stacked",
    "mlpf_hpo.predictors.regressors.subsampled.Subsampled",
    "mlpf_hpo.predictors.value_scale.ValueScale",
    *(f"sklearn.gaussian_process.kernels.{kernel}" for kernel in KERNELS),
)
"""Types that a model file may hold, beside those of scikit-learn and numpy that skops trusts."""


LEARNT = (
    "columns_",
    "epoch_models_",
    "log_scale_",
    "n_epochs_",
    "noise_floor_",
    "scale_",
)
"""Attributes of a fitted predictor; a file without one of them was written by another version."""


def trusted_types(stored: Path | bytes | None = None) -> list[str]:
    """Return the types that a predictor's file may hold.

    Parameters
    ----------
    stored : path or bytes, optional
        The file, or its content: of its types those are trusted as well that an installed package with a
        regressor declares. It does so by a list `TRUSTED_TYPES` in the module that its entry point leads to,
        with names of types in its own package such as ``"package.module.Regressor"``; others are ignored.
    """
    return [*TRUSTED_TYPES, *(_declared(foreign_types(stored)) if stored else ())]


def _declared(types: Sequence[str]) -> list[str]:
    """Return those types that installed packages declare."""
    own = __name__.partition(".")[0]
    packages = {name.partition(".")[0] for name in types} - {own}
    declared = {
        str(name)
        for module in modules_of("mlpf_hpo.regressors", packages)
        for name in getattr(module, "TRUSTED_TYPES", ())
        if str(name).partition(".")[0] == module.__name__.partition(".")[0]
    }
    return sorted(declared & set(types))


@collector_paused()
def load_predictor(file: Path) -> CurvePredictor:
    """Load a predictor from a file, which may be untrusted.

    Raises
    ------
    DataError
        If it is not there, damaged, or not a fitted predictor; no code in it is executed.

    Examples
    --------
    >>> from pathlib import Path
    >>> from mlpf_hpo import load_predictor
    >>> load_predictor(Path("mlpf_hpo/py.typed"))
    Traceback (most recent call last):
    mlpf_hpo.errors.DataError: mlpf_hpo/py.typed: ...
    """
    model = load_model(file, trusted_types(file))
    if not isinstance(model, CurvePredictor):
        raise DataError(
            f"{file}: holds a {type(model).__name__}, not a predictor of curves; `mlpf-hpo predictors fit` "
            "writes one"
        )
    lacking = [name for name in LEARNT if not hasattr(model, name)]
    if lacking:
        raise DataError(
            f"{file}: a predictor that was not fitted, or by another version of mlpf_hpo (it lacks "
            f"{', '.join(lacking)}); fit it again"
        )
    return model
