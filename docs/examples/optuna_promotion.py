"""Trials of an Optuna study that are paused and resumed: the study stays, `study.optimize` becomes a loop."""

import optuna
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier

from mlpf_hpo.integrations.optuna_loop import OptunaLoop

EPOCHS, TRIALS = 9, 12
X, y = load_digits(return_X_y=True)
X, test_X, y, test_y = train_test_split(X / 16, y, random_state=0)
networks: dict[int, MLPClassifier] = {}  # what a paused trial needs to go on


def suggest(trial: optuna.Trial) -> None:
    """Suggest the hyperparameters."""
    trial.suggest_int("width", 8, 64, log=True)
    trial.suggest_float("lr", 1e-4, 1e-1, log=True)


def train_epoch(trial: optuna.Trial, epoch: int) -> float:
    """Train one more epoch; return the accuracy after it."""
    if epoch == 1:
        width, lr = trial.params["width"], trial.params["lr"]
        networks[trial.number] = MLPClassifier((width,), learning_rate_init=lr, random_state=0)
    networks[trial.number].partial_fit(X, y, classes=range(10))
    return networks[trial.number].score(test_X, test_y)


sampler = optuna.samplers.TPESampler(seed=1)
study = optuna.create_study(direction="maximize", sampler=sampler)
OptunaLoop(study, "freeze_thaw", suggest, n_trials=TRIALS, max_epochs=EPOCHS).optimize(train_epoch)
epochs = sum(len(trial.intermediate_values) for trial in study.trials)
print(f"accuracy {study.best_value:.3f} after {epochs} of {TRIALS * EPOCHS} epochs")
