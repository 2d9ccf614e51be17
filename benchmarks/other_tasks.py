"""The predictor that is selected, beside persistence, on learning curves of other tasks, trained here.

``python -m benchmarks.other_tasks [--quick] [--json FILE]``. Random configurations of scikit-learn's networks
learn tasks of scikit-learn. Where they see the same rows in every epoch many overfit, and the last loss seen
is a poor prediction; where every epoch brings new rows none does, and it is hard to beat. One set of curves
is of accuracies, which rise. As `benchmarks.predictors` otherwise.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.datasets import (
    load_breast_cancer,
    load_diabetes,
    load_digits,
    make_friedman1,
    make_gaussian_quantiles,
)
from sklearn.metrics import log_loss, mean_squared_error
from sklearn.neural_network import MLPClassifier, MLPRegressor

from benchmarks.command import command
from benchmarks.selected import CANDIDATES, TRAIN, compare_sets
from mlpf_hpo.curves.schema import LearningCurves
from mlpf_hpo.files import write_json
from mlpf_hpo.hardware.host import usable_cpus
from mlpf_hpo.parallel import parallel
from mlpf_hpo.seeds import derive_seed
from mlpf_hpo.target_metric import TargetMetric

FloatArray = NDArray[np.float64]
Rows = tuple[FloatArray, FloatArray]

TRIALS, QUICK_TRIALS = 160, 40
SPLITS, QUICK_SPLITS = 20, 2
SEED = 3
TRAINING_SHARE = 0.6
NEW_ROWS, VALIDATION_ROWS = 1000, 2000


@dataclass(frozen=True)
class Task:
    """What is to be learnt, and for how long.

    Attributes
    ----------
    epochs : int
    validation : (X, y)
        The rows to validate on.
    training : callable
        Gives the rows of an epoch, from 0.
    classes : array or None
        Of a classification.
    """

    epochs: int
    validation: Rows
    training: Callable[[int], Rows]
    classes: FloatArray | None = None


def same_rows(load: Callable[..., Any], epochs: int, classes: bool) -> Task:
    """Return a task whose every epoch sees the same rows of a data set."""
    X, y = load(return_X_y=True)
    order = np.random.default_rng(SEED).permutation(len(y))
    train, test = np.split(order, [round(TRAINING_SHARE * len(y))])
    X = (X - X[train].mean(axis=0)) / np.maximum(X[train].std(axis=0), 1e-9)
    y = y if classes else (y - y[train].mean()) / y[train].std()
    return Task(
        epochs,
        validation=(X[test], y[test]),
        training=lambda _epoch: (X[train], y[train]),
        classes=np.unique(y) if classes else None,
    )


def new_rows(draw: Callable[[int, int], Rows], epochs: int, classes: bool) -> Task:
    """Return a task whose every epoch brings new rows, `draw(n, seed)`."""
    X, y = draw(VALIDATION_ROWS, derive_seed(SEED, "validation"))
    mean, width = X.mean(axis=0), X.std(axis=0)
    middle, spread = (0.0, 1.0) if classes else (y.mean(), y.std())

    def scaled(rows: Rows) -> Rows:
        return (rows[0] - mean) / width, rows[1] if classes else (rows[1] - middle) / spread

    return Task(
        epochs,
        validation=scaled((X, y)),
        training=lambda epoch: scaled(draw(NEW_ROWS, derive_seed(SEED, "epoch", epoch))),
        classes=np.unique(y) if classes else None,
    )


def friedman(n: int, seed: int) -> Rows:
    """Return rows of Friedman's first function, with noise."""
    X, y = make_friedman1(n, noise=1.0, random_state=seed)
    return X, y


def quantiles(n: int, seed: int) -> Rows:
    """Return rows of four classes that are shells around the origin."""
    X, y = make_gaussian_quantiles(n_samples=n, n_features=6, n_classes=4, random_state=seed)
    return X, y


TASKS: dict[str, Callable[[], Task]] = {
    "breast_cancer": lambda: same_rows(load_breast_cancer, 50, classes=True),
    "diabetes": lambda: same_rows(load_diabetes, 60, classes=False),
    "digits": lambda: same_rows(load_digits, 40, classes=True),
    "friedman": lambda: new_rows(friedman, 60, classes=False),
    "quantiles": lambda: new_rows(quantiles, 40, classes=True),
}
RISING = "digits_accuracy"
"""The digits' curves of accuracy."""


def rising(digits: LearningCurves) -> LearningCurves:
    """Return the digits' curves of accuracy."""
    return replace(digits, target=TargetMetric("accuracy", "max"))


def configuration(seed: int) -> dict[str, float]:
    """Draw a configuration."""
    generator = np.random.default_rng(seed)
    return {
        "lr": 10 ** generator.uniform(-4.5, -1.0),
        "weight_decay": 10 ** generator.uniform(-6.0, 0.0),
        "width": 2.0 ** generator.integers(3, 8),
        "depth": float(generator.integers(1, 4)),
        "batch_size": 2.0 ** generator.integers(4, 8),
        "beta_1": generator.uniform(0.5, 0.99),
    }


def train(name: str, config: dict[str, float], seed: int) -> FloatArray:
    """Train one network, and return its validation loss and accuracy after every epoch, [2, epochs].

    The accuracy of a regression is NaN.
    """
    task = TASKS[name]()
    X, y = task.validation
    network = (MLPRegressor if task.classes is None else MLPClassifier)(
        hidden_layer_sizes=(int(config["width"]),) * int(config["depth"]),
        learning_rate_init=config["lr"],
        alpha=config["weight_decay"],
        batch_size=int(config["batch_size"]),
        beta_1=config["beta_1"],
        random_state=seed,
    )
    curve = np.full((2, task.epochs), np.nan)
    with warnings.catch_warnings():  # of losses that overflow: some configurations are meant to be bad
        warnings.simplefilter("ignore")
        for epoch in range(task.epochs):
            rows = task.training(epoch)
            if task.classes is None:
                network.partial_fit(*rows)
                curve[0, epoch] = mean_squared_error(y, network.predict(X))
            else:
                network.partial_fit(*rows, classes=task.classes)
                told = network.predict_proba(X)
                curve[0, epoch] = log_loss(y, told, labels=task.classes)
                curve[1, epoch] = np.mean(task.classes[told.argmax(axis=1)] == y)
    return curve


def curves_of(name: str, trials: int) -> LearningCurves:
    """Train random configurations on a task."""
    configs = [configuration(derive_seed(SEED, name, trial)) for trial in range(trials)]
    calls = ((name, config, trial) for trial, config in enumerate(configs))
    loss, accuracy = np.stack(list(parallel(train, calls, usable_cpus())), axis=1)
    ids = pd.DataFrame({"config_id": [f"c{trial:03}" for trial in range(trials)], "seed": range(trials)})
    return LearningCurves(
        configs=pd.concat([ids, pd.DataFrame(configs)], axis=1),
        metrics={"loss": loss, "accuracy": accuracy},
        target=TargetMetric("loss", "min"),
        status=np.full(trials, "finished"),
        restart_epoch=np.full(trials, -1),
        source=f"scikit-learn networks on {name}",
        run_ids=np.full(trials, ""),
        hardware=np.full(trials, ""),
    )


def compare_all(quick: bool) -> dict[str, Any]:
    """Run all of it, printing as it goes; `quick` takes one task, fewer networks and two splits."""
    splits, trials = (QUICK_SPLITS, QUICK_TRIALS) if quick else (SPLITS, TRIALS)
    sets = {}
    for name in ["breast_cancer"] if quick else TASKS:
        sets[name] = curves_of(name, trials)
        print(f"{name}: {trials} networks trained for {sets[name].n_epochs} epochs", flush=True)
    if not quick:
        sets[RISING] = rising(sets["digits"])
    found = compare_sets(sets, TRAIN[:1] if quick else TRAIN, splits)
    return {"splits": splits, "candidates": CANDIDATES, "trials": trials, **found}


def main() -> None:
    """Measure, print, and keep the numbers if asked to."""
    options = command(__doc__, quick="one task, 20 training curves, two splits")
    found = compare_all(options.quick)
    if options.json is not None:
        write_json(options.json, found)


if __name__ == "__main__":
    main()
