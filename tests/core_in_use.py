"""A program that uses the core and nothing else: sample, make curves, predict, select, search by a record.

`test_core_alone.py` runs it as a process of its own in which the libraries of the services and of the
application cannot be imported.
"""

from __future__ import annotations

import importlib
import importlib.abc
import pkgutil
import sys

ABSENT = ("ray", "mlflow", "torch", "pytorch_lightning", "torch_geometric")
CORE = ("mlpf_hpo.space", "mlpf_hpo.curves", "mlpf_hpo.predictors", "mlpf_hpo.search")


class Refuse(importlib.abc.MetaPathFinder):
    """Makes `ABSENT` modules unimportable."""

    def find_spec(self, fullname, path=None, target=None):
        if fullname.partition(".")[0] in ABSENT:
            raise ImportError(f"the core imports {fullname}")


def import_every_module() -> int:
    """Import all modules of the core; return how many there are."""
    found = 0
    for name in CORE:
        module = importlib.import_module(name)
        inside = pkgutil.walk_packages(module.__path__, f"{name}.") if hasattr(module, "__path__") else ()
        for info in inside:
            importlib.import_module(info.name)
            found += 1
    return found


def use() -> None:
    """Go once around: configurations, curves, a predictor, a selection, a search by recorded curves."""
    import numpy as np

    from mlpf_hpo.curves.schema import LearningCurves
    from mlpf_hpo.predictors.factory import make_predictor
    from mlpf_hpo.predictors.nested_cv import select
    from mlpf_hpo.predictors.settings import PredictorsParams
    from mlpf_hpo.search.predicted_searches import PromotionReplay
    from mlpf_hpo.search.schedulers.stopping_asha import StoppingASHA
    from mlpf_hpo.search.simulator import simulate
    from mlpf_hpo.space import LogUniform, SearchSpace
    from mlpf_hpo.target_metric import TargetMetric

    space = SearchSpace({"lr": LogUniform(1e-4, 1e-1)})
    configurations = space.stream(24, seed=1)
    ends = [[abs(np.log10(configuration["lr"]) + 2)] for configuration in configurations]
    losses = 1 + np.array(ends) + np.exp(-np.arange(1, 10) / 3)
    curves = LearningCurves.from_arrays(configurations, losses, TargetMetric("loss", "min"))
    params = PredictorsParams(candidates=("persistence", "ridge"), outer_folds=3)
    predictor = make_predictor("ridge", params, seed=0, known_epochs=(0, 3)).fit(curves.frame(), curves.final)
    predicted = predictor.predict_interval(curves.frame(3))
    assert predicted.mean.shape == predicted.lower.shape == (24,)
    assert np.abs(predicted.mean - curves.final).max() < 0.1
    assert select(curves, params, seed=0, replay=PromotionReplay()).winner in params.candidates

    found = simulate(curves, StoppingASHA(9), workers=4, seed=0)
    assert found.best == losses.min()
    assert found.epochs < losses.size
    assert {trial.status for trial in found.trials} == {"finished", "stopped"}


if __name__ == "__main__":
    sys.meta_path.insert(0, Refuse())
    imported = import_every_module()
    use()
    assert not set(ABSENT) & {name.partition(".")[0] for name in sys.modules}
    sys.stdout.write(f"{imported}\n")
