"""An Optuna script as people have it; the two lines of mlpf_hpo are marked."""

import optuna
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier

from mlpf_hpo.integrations.optuna_pruner import OptunaPruner  # line 1

EPOCHS, TRIALS = 9, 12
X, y = load_digits(return_X_y=True)
X, test_X, y, test_y = train_test_split(X / 16, y, random_state=0)


def objective(trial: optuna.Trial) -> float:
    """Train a network; tell its accuracy after every epoch."""
    network = MLPClassifier(
        (trial.suggest_int("width", 8, 64, log=True),),
        learning_rate_init=trial.suggest_float("lr", 1e-4, 1e-1, log=True),
        random_state=0,
    )
    for epoch in range(EPOCHS):
        network.partial_fit(X, y, classes=range(10))
        accuracy = network.score(test_X, test_y)
        trial.report(accuracy, epoch)
        if trial.should_prune():
            raise optuna.TrialPruned
    return accuracy


pruner = OptunaPruner("asha", max_epochs=EPOCHS)  # line 2
sampler = optuna.samplers.TPESampler(seed=1)
study = optuna.create_study(direction="maximize", sampler=sampler, pruner=pruner)
study.optimize(objective, n_trials=TRIALS)
epochs = sum(len(trial.intermediate_values) for trial in study.trials)
print(f"accuracy {study.best_value:.3f} after {epochs} of {TRIALS * EPOCHS} epochs")
