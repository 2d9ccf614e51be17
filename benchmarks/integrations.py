"""What schedulers save in an Optuna script: ``python -m benchmarks.integrations [--quick] [--json FILE]``.

scikit-learn's network learns the digits that scikit-learn brings. For each seed its own random
configurations are trained in full, each once: the script as it was. Then studies of the same configurations
are searched under each pruner or scheduler through the real Optuna; what was trained is not trained again.
The prior campaign of a seed is the study of another seed.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from functools import partial

import numpy as np
import optuna
from scipy import stats
from sklearn.datasets import load_digits
from sklearn.metrics import log_loss
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier

from benchmarks.command import command
from mlpf_hpo.curves.schema import LearningCurves
from mlpf_hpo.files import write_json
from mlpf_hpo.integrations.optuna_loop import OptunaLoop
from mlpf_hpo.integrations.optuna_pruner import OptunaPruner
from mlpf_hpo.seeds import derive_seed
from mlpf_hpo.space import Choice, Configuration, Integer, LogUniform, SearchSpace
from mlpf_hpo.target_metric import TargetMetric

TRIALS, EPOCHS, SEEDS = 32, 16, 8
QUICK_TRIALS, QUICK_SEEDS = 6, 2
SPACE = SearchSpace(
    {
        "lr": LogUniform(1e-4, 1e-1),
        "alpha": LogUniform(1e-6, 1e-1),
        "width": Integer(8, 64, "log"),
        "batch": Choice((16, 32, 64, 128)),
    }
)
TARGET = TargetMetric("val_loss", "min")
NOTHING, OWN = "the script as it was", "Optuna's"

Searched = Mapping[int, list[float]]
"""Values that each trial reported, by its number."""


def train(configuration: Configuration, seed: int) -> list[float]:
    """Return the validation loss after every epoch."""
    X, y = load_digits(return_X_y=True)
    X, test_X, y, test_y = train_test_split(X / 16, y, test_size=0.4, random_state=0)
    network = MLPClassifier(
        (int(configuration["width"]),),
        learning_rate_init=float(configuration["lr"]),
        alpha=float(configuration["alpha"]),
        batch_size=int(configuration["batch"]),
        random_state=seed,
    )
    losses = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for _ in range(EPOCHS):
            network.partial_fit(X, y, classes=np.unique(y))
            losses.append(float(log_loss(test_y, network.predict_proba(test_X))))
    return losses


def campaign(seed: int, trials: int) -> LearningCurves:
    """Return the curves of random configurations, trained in full."""
    configurations = SPACE.stream(trials, derive_seed(seed, "configurations"))
    values = [train(one, derive_seed(seed, "training", i)) for i, one in enumerate(configurations)]
    return LearningCurves.from_arrays(configurations, values, TARGET, source=f"seed {seed}")


def search(curves: LearningCurves, prior: LearningCurves, how: str) -> Searched:
    """Return what a study of these configurations reports under a pruner or scheduler."""
    # A name, by which Optuna's Hyperband repeats itself.
    study = optuna.create_study(study_name="study", pruner=PRUNERS.get(how, optuna.pruners.NopPruner)())
    configurations = curves.configs[list(curves.hyperparameters)].to_dict("records")
    for row, configuration in enumerate(configurations):
        study.enqueue_trial(configuration, user_attrs={"row": row})
    if how in LOOPS:
        name, settings = LOOPS[how]
        given = {"prior": prior} if settings.get("prior") else {}
        loop = OptunaLoop(study, name, suggest, n_trials=len(curves), max_epochs=EPOCHS, **given)
        loop.optimize(lambda trial, epoch: float(curves.values[trial.user_attrs["row"], epoch - 1]))
    else:
        study.optimize(partial(objective, curves), n_trials=len(curves))
    return {trial.number: list(trial.intermediate_values.values()) for trial in study.trials}


def suggest(trial: optuna.Trial) -> None:
    """Suggest the hyperparameters, as a script does."""
    trial.suggest_float("lr", 1e-4, 1e-1, log=True)
    trial.suggest_float("alpha", 1e-6, 1e-1, log=True)
    trial.suggest_int("width", 8, 64, log=True)
    trial.suggest_categorical("batch", (16, 32, 64, 128))


def objective(curves: LearningCurves, trial: optuna.Trial) -> float:
    """Report a recorded training epoch by epoch, as a script does."""
    suggest(trial)
    for step, value in enumerate(curves.values[trial.user_attrs["row"]]):
        trial.report(float(value), step)
        if trial.should_prune():
            raise optuna.TrialPruned
    return float(value)


PRUNERS: dict[str, Callable[[], optuna.pruners.BasePruner]] = {
    f"{OWN} MedianPruner": optuna.pruners.MedianPruner,
    f"{OWN} SuccessiveHalvingPruner": lambda: optuna.pruners.SuccessiveHalvingPruner(1, 3),
    f"{OWN} HyperbandPruner": lambda: optuna.pruners.HyperbandPruner(1, EPOCHS, 3),
    'OptunaPruner("asha")': lambda: OptunaPruner("asha", max_epochs=EPOCHS),
    'OptunaPruner("median_stopping")': lambda: OptunaPruner("median_stopping", max_epochs=EPOCHS),
}
LOOPS: dict[str, tuple[str, dict[str, bool]]] = {
    'OptunaLoop("promotion_asha")': ("promotion_asha", {}),
    'OptunaLoop("freeze_thaw")': ("freeze_thaw", {}),
    'OptunaLoop("freeze_thaw", prior=...)': ("freeze_thaw", {"prior": True}),
}


def interval(values: list[float]) -> list[float]:
    """Return the mean over seeds and the ends of its 95 % interval, of Student's distribution."""
    mean, error = float(np.mean(values)), float(np.std(values, ddof=1) / np.sqrt(len(values)))
    half = float(stats.t.ppf(0.975, len(values) - 1)) * error
    return [mean, mean - half, mean + half]


def measure(trials: int, seeds: int) -> dict[str, dict[str, list[float]]]:
    """Return epochs, as a share of all, and how much worse the best loss is than that of full trainings."""
    campaigns = [campaign(seed, trials) for seed in range(seeds)]
    found: dict[str, dict[str, list[float]]] = {}
    for how in (NOTHING, *PRUNERS, *LOOPS):
        shares, losses = [], []
        for seed, curves in enumerate(campaigns):
            reported = search(curves, campaigns[(seed + 1) % seeds], how).values()
            whole = [values[-1] for values in reported if len(values) == EPOCHS]
            shares.append(sum(map(len, reported)) / (trials * EPOCHS))
            losses.append(TARGET.best(whole) / TARGET.best(curves.final.tolist()) - 1)
        found[how] = {"share": interval(shares), "worse": interval(losses)}
        print(f"{how:45} {found[how]['share'][0]:.3f} {found[how]['worse'][0]:.4f}", flush=True)
    return found


def main() -> None:
    """Measure, print and write."""
    options = command(__doc__, f"{QUICK_TRIALS} trials and {QUICK_SEEDS} seeds")
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    trials, seeds = (QUICK_TRIALS, QUICK_SEEDS) if options.quick else (TRIALS, SEEDS)
    found = measure(trials, seeds)
    if options.json is not None:
        write_json(options.json, {"trials": trials, "epochs": EPOCHS, "seeds": seeds, "searches": found})


if __name__ == "__main__":
    main()
